import com.sun.jersey.api.client.*;
import java.io.*;
import java.nio.charset.StandardCharsets;

/** Jersey's client gives bytes; reading lines and coming back are one's own. */
public class JerseyFollower {
    public static void main(String[] arguments) throws Exception {
        var environment = System.getenv();
        int silenceMs = (int) (1000 * Double.parseDouble(environment.get("CLIENT_SILENCE_SECONDS")));
        Client client = Client.create();
        client.setReadTimeout(silenceMs);
        client.setConnectTimeout(silenceMs);
        var request = client.resource(environment.get("CLIENT_URL")).getRequestBuilder();
        String token = environment.getOrDefault("CLIENT_TOKEN", "");
        if (!token.isEmpty()) request = request.header("Authorization", "Bearer " + token);
        while (true) {
            try {
                ClientResponse response = request.get(ClientResponse.class);
                if (response.getStatus() != 200) throw new IOException("" + response.getStatus());
                read(new BufferedReader(new InputStreamReader(response.getEntityInputStream(), StandardCharsets.UTF_8)));
            } catch (IOException | ClientHandlerException failure) {
                System.out.println("gone " + failure.getClass().getSimpleName());
            }
            Thread.sleep(500 + (long) (500 * Math.random()));
        }
    }

    /** Reads the lines of a stream, and says what it heard. */
    static void read(BufferedReader reader) throws IOException {
        String name = "", id = "";
        for (String line; (line = reader.readLine()) != null; ) {
            if (line.startsWith(":")) System.out.println("comment");
            else if (line.startsWith("event: ")) name = line.substring(7);
            else if (line.startsWith("id: ")) id = line.substring(4);
            else if (line.isEmpty() && !name.isEmpty()) {
                System.out.println("event " + name + " " + id);
                name = id = "";
            }
        }
    }
}
