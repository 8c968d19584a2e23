import java.io.*;
import java.net.URI;
import java.net.http.*;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Timer;
import java.util.TimerTask;

/** java.net.http gives bytes; reading lines, a watch for silence and coming back are one's own. */
public class HttpClientFollower {
    public static void main(String[] arguments) throws Exception {
        var environment = System.getenv();
        long silenceMs = (long) (1000 * Double.parseDouble(environment.get("CLIENT_SILENCE_SECONDS")));
        var client = HttpClient.newBuilder().connectTimeout(Duration.ofMillis(silenceMs)).build();
        // timeout() ends with the head of the answer: nothing here bounds the silence after it.
        var builder = HttpRequest.newBuilder(URI.create(environment.get("CLIENT_URL"))).timeout(Duration.ofMillis(silenceMs));
        String token = environment.getOrDefault("CLIENT_TOKEN", "");
        if (!token.isEmpty()) builder.header("Authorization", "Bearer " + token);
        while (true) {
            try {
                var response = client.send(builder.build(), HttpResponse.BodyHandlers.ofInputStream());
                if (response.statusCode() != 200) throw new IOException("" + response.statusCode());
                try (var body = new Watched(response.body(), silenceMs)) {
                    read(new BufferedReader(new InputStreamReader(body, StandardCharsets.UTF_8)));
                }
            } catch (IOException failure) {
                System.out.println("gone " + failure.getClass().getSimpleName());
            }
            Thread.sleep(500 + (long) (500 * Math.random()));
        }
    }

    /** Closes a stream of which no byte came for so long. */
    static class Watched extends FilterInputStream {
        private final Timer timer = new Timer(true);
        private volatile long last = System.nanoTime();

        Watched(InputStream stream, long silenceMs) {
            super(stream);
            var look = new TimerTask() {
                public void run() {
                    if (System.nanoTime() - last > silenceMs * 1_000_000) {
                        try {
                            Watched.this.close();
                        } catch (IOException ignored) {
                            // it is given up anyway
                        }
                    }
                }
            };
            timer.schedule(look, 100, 100);
        }

        @Override
        public int read(byte[] into, int offset, int length) throws IOException {
            int count = super.read(into, offset, length);
            last = System.nanoTime();
            return count;
        }

        @Override
        public void close() throws IOException {
            timer.cancel();
            super.close();
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
