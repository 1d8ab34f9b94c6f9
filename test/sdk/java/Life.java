import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpServer;
import com.svix.Svix;
import com.svix.SvixOptions;
import com.svix.Webhook;
import com.svix.api.EndpointGetStatsOptions;
import com.svix.api.MessageGetOptions;
import com.svix.exceptions.ApiException;
import com.svix.exceptions.WebhookVerificationException;
import com.svix.models.*;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Predicate;

/** A life with the Java SDK. See ../README.md for what every life does. */
public final class Life {
    static final String HOOK = "hook";
    static final String PAYLOAD = "{\"amount\":12.5,\"text\":\"Zoë 🦉\",\"n\":9007199254740993}";

    final String app = System.getenv("POSTHORN_NAME");
    final String paid = app + ".order.paid";
    final String shipped = app + ".order.shipped";
    final ObjectMapper json = new ObjectMapper();
    final Receiver receiver = new Receiver();
    final Svix svix;
    String first;

    record Arrival(Map<String, List<String>> headers, String body) {
        String header(String name) {
            return headers.entrySet().stream()
                    .filter(entry -> entry.getKey().equalsIgnoreCase(name))
                    .map(entry -> entry.getValue().get(0))
                    .findFirst()
                    .orElse(null);
        }
    }

    /** Keeps what arrives, and answers what it is told to. */
    static final class Receiver {
        final HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        final URI url = URI.create("http://127.0.0.1:" + server.getAddress().getPort() + "/hook");
        final List<Arrival> arrived = new CopyOnWriteArrayList<>();
        volatile int status = 200;

        Receiver() throws Exception {
            server.createContext("/", exchange -> {
                String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
                arrived.add(new Arrival(exchange.getRequestHeaders(), body));
                exchange.sendResponseHeaders(status, -1);
                exchange.close();
            });
            server.start();
        }

        List<Arrival> of(String message) {
            return arrived.stream().filter(one -> message.equals(one.header("webhook-id"))).toList();
        }

        /** The nth arrival of a message. */
        Arrival nth(String message, int n) throws Exception {
            return until(() -> of(message), found -> found.size() >= n).get(n - 1);
        }
    }

    Life() throws Exception {
        SvixOptions options = new SvixOptions();
        options.setServerUrl(System.getenv("POSTHORN_URL"));
        svix = new Svix(System.getenv("POSTHORN_TOKEN"), options);
    }

    /** Asks until the answer fits. */
    static <T> T until(Callable<T> ask, Predicate<T> fits) throws Exception {
        for (long deadline = System.nanoTime() + 30_000_000_000L; ; Thread.sleep(50)) {
            T answer = ask.call();
            if (fits.test(answer)) return answer;
            check(System.nanoTime() < deadline, "not within 30 s: " + answer);
        }
    }

    static void check(boolean holds, String otherwise) {
        if (!holds) throw new AssertionError(otherwise);
    }

    static void equal(Object actual, Object expected) {
        check(expected.equals(actual), actual + " is not " + expected);
    }

    static ApiException refusal(Callable<?> call) throws Exception {
        try {
            throw new AssertionError("not refused: " + call.call());
        } catch (ApiException error) {
            return error;
        }
    }

    String secret() throws Exception {
        return svix.getEndpoint().getSecret(app, HOOK).getKey();
    }

    static void verify(Arrival delivery, String key) throws Exception {
        new Webhook(key).verify(delivery.body(), delivery.headers());
    }

    String send(MessageIn message) throws Exception {
        return svix.getMessage().create(app, message).getId();
    }

    String sendType(String eventType) throws Exception {
        return send(new MessageIn().eventType(eventType).payload(PAYLOAD));
    }

    static OffsetDateTime anHourAgo() {
        return OffsetDateTime.now().minusHours(1);
    }

    void anApplication() throws Exception {
        svix.getApplication().create(new ApplicationIn().name("Acme").uid(app).rateLimit(100L));
        svix.getApplication().update(app, new ApplicationIn().name("Acme Inc.").uid(app));
        equal(svix.getApplication().get(app).getName(), "Acme Inc.");
        check(!svix.getApplication().list().getData().isEmpty(), "an empty list");
    }

    void eventTypes() throws Exception {
        for (String name : List.of(paid, shipped)) {
            svix.getEventType().create(new EventTypeIn().name(name).description("Of an order"));
        }
        svix.getEventType().update(shipped, new EventTypeUpdate().description("It is on its way"));
        equal(svix.getEventType().get(shipped).getDescription(), "It is on its way");
    }

    void anEndpointWithAFilter() throws Exception {
        EndpointIn in = new EndpointIn().url(receiver.url).uid(HOOK).filterTypes(Set.of(paid)).rateLimit(50L);
        svix.getEndpoint().create(app, in);
        svix.getEndpoint().update(app, HOOK,
                new EndpointUpdate().url(receiver.url).uid(HOOK).filterTypes(Set.of(paid)).rateLimit(60L));
        svix.getEndpoint().patch(app, HOOK, new EndpointPatch().description("Ours"));
        EndpointOut endpoint = svix.getEndpoint().get(app, HOOK);
        equal(List.of(endpoint.getDescription(), endpoint.getFilterTypes()), List.of("Ours", Set.of(paid)));
        equal(List.of(endpoint.getRateLimit(), endpoint.getVersion()), List.of(60L, 1));
    }

    void aDeliveryVerified() throws Exception {
        first = send(new MessageIn().eventType(paid).eventId("first").payload(PAYLOAD));
        Arrival delivery = receiver.nth(first, 1);
        verify(delivery, secret());
        equal(json.readTree(delivery.body()), json.readTree(PAYLOAD));
        try {
            verify(new Arrival(delivery.headers(), delivery.body() + " "), secret());
            throw new AssertionError("a changed body verifies");
        } catch (WebhookVerificationException expected) {
            // It has been changed.
        }
        MessageGetOptions options = new MessageGetOptions();
        options.setWithContent(true);
        equal(svix.getMessage().get(app, "first", options).getId(), first);
    }

    void nothingOfAnotherType() throws Exception {
        equal(svix.getMessageAttempt().listAttemptedDestinations(app, sendType(shipped)).getData(), List.of());
    }

    void aRawBodyByteForByte() throws Exception {
        // This SDK sends every payload raw.
        String raw = "{ \"n\": 9007199254740993, \"b\": 1 }";
        equal(receiver.nth(send(new MessageIn().eventType(paid).payload(raw)), 1).body(), raw);
        String contentType = "application/cloudevents+json";
        MessageIn typed = new MessageIn().eventType(paid).payload("{ }")
                .transformationsParams(Map.of("headers", Map.of("content-type", contentType)));
        Arrival delivery = receiver.nth(send(typed), 1);
        verify(delivery, secret());
        equal(List.of(delivery.header("content-type"), delivery.body()), List.of(contentType, "{ }"));
    }

    void attempts() throws Exception {
        MessageAttemptOut one = until(() -> svix.getMessageAttempt().listByMsg(app, "first").getData(),
                data -> data.size() == 1).get(0);
        equal(List.of(one.getStatus(), one.getResponseStatusCode(), one.getUrl()),
                List.of(MessageStatus.SUCCESS, (short) 200, receiver.url));
        equal(svix.getMessageAttempt().get(app, "first", one.getId()).getId(), one.getId());
        equal(svix.getMessageAttempt().listAttemptedMessages(app, HOOK).getData().size(), 3);
        equal(svix.getMessageAttempt().listByEndpoint(app, HOOK).getData().size(), 3);
    }

    void resend() throws Exception {
        try {
            svix.getMessageAttempt().resend(app, first, HOOK);
        } catch (IllegalArgumentException error) {
            // It asks its HTTP library for a POST without a body, which that refuses before anything is sent.
            throw new Skip(error.getMessage());
        }
        verify(receiver.nth(first, 2), secret());
    }

    void aRotatedSecret() throws Exception {
        String old = secret();
        svix.getEndpoint().rotateSecret(app, HOOK, new EndpointSecretRotateIn());
        check(!secret().equals(old), "the secret is the old one");
        Arrival delivery = receiver.nth(sendType(paid), 1);
        verify(delivery, secret());
        verify(delivery, old);
    }

    void recover() throws Exception {
        receiver.status = 500;
        String id = sendType(paid);
        until(() -> svix.getEndpoint().getStats(app, HOOK), stats -> stats.getFail() == 1);
        receiver.status = 200;
        int before = receiver.of(id).size();
        RecoverOut task = svix.getEndpoint().recover(app, HOOK, new RecoverIn().since(anHourAgo()));
        equal(task.getTask(), BackgroundTaskType.ENDPOINT_RECOVER);
        verify(receiver.nth(id, before + 1), secret());
    }

    void stats() throws Exception {
        EndpointGetStatsOptions options = new EndpointGetStatsOptions();
        options.setSince(anHourAgo());
        EndpointStats stats = until(() -> svix.getEndpoint().getStats(app, HOOK, options),
                counts -> counts.getSuccess() == 5);
        equal(stats.getFail(), 0L);
    }

    void refusals() throws Exception {
        EndpointIn nonsense = new EndpointIn().url(URI.create("nonsense"));
        ApiException invalid = refusal(() -> svix.getEndpoint().create(app, nonsense));
        JsonNode location = json.readTree(invalid.getResponseBody()).at("/detail/0/loc");
        equal(List.of(invalid.getCode(), location.toString()), List.of(422, "[\"body\",\"url\"]"));
        equal(refusal(() -> svix.getApplication().get("nobody")).getCode(), 404);
    }

    void theEndOfIt() throws Exception {
        svix.getEndpoint().delete(app, HOOK);
        for (String name : List.of(paid, shipped)) svix.getEventType().delete(name);
        svix.getApplication().delete(app);
        equal(refusal(() -> svix.getApplication().get(app)).getCode(), 404);
    }

    interface Step {
        void run() throws Exception;
    }

    /** What this SDK cannot do. */
    static final class Skip extends Exception {
        Skip(String reason) {
            super(reason);
        }
    }

    static int number = 0;

    /** Prints how a step went; what fails ends the life. */
    static void step(String title, Step step) {
        number++;
        try {
            step.run();
            System.out.println("ok " + number + " - " + title);
        } catch (Skip skip) {
            System.out.println("ok " + number + " - " + title + " # SKIP " + skip.getMessage());
        } catch (Throwable error) {
            System.out.println("not ok " + number + " - " + title);
            error.printStackTrace(System.out);
            if (error instanceof ApiException refused) System.out.println(refused.getResponseBody());
            System.exit(1);
        }
    }

    public static void main(String[] arguments) throws Exception {
        Life life = new Life();
        step("an application", life::anApplication);
        step("event types", life::eventTypes);
        step("an endpoint with a filter", life::anEndpointWithAFilter);
        step("a delivery, verified", life::aDeliveryVerified);
        step("nothing of another type", life::nothingOfAnotherType);
        step("a raw body, byte for byte", life::aRawBodyByteForByte);
        step("attempts", life::attempts);
        step("resend", life::resend);
        step("a rotated secret", life::aRotatedSecret);
        step("recover", life::recover);
        step("stats", life::stats);
        step("refusals", life::refusals);
        step("the end of it", life::theEndOfIt);
        System.exit(0);
    }
}
