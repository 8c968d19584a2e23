import java.io.*;
import java.util.concurrent.TimeUnit;
import okhttp3.*;

/** OkHttp gives bytes; reading lines and coming back are one's own. */
public class OkHttpFollower {
    public static void main(String[] arguments) throws Exception {
        var environment = System.getenv();
        long silenceMs = (long) (1000 * Double.parseDouble(environment.get("CLIENT_SILENCE_SECONDS")));
        var client = new OkHttpClient.Builder().readTimeout(silenceMs, TimeUnit.MILLISECONDS).build();
        var builder = new Request.Builder().url(environment.get("CLIENT_URL"));
        String token = environment.getOrDefault("CLIENT_TOKEN", "");
        if (!token.isEmpty()) builder.header("Authorization", "Bearer " + token);
        while (true) {
            try (Response response = client.newCall(builder.build()).execute()) {
                if (response.code() != 200) throw new IOException("" + response.code());
                read(new BufferedReader(response.body().charStream()));
            } catch (IOException failure) {
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
