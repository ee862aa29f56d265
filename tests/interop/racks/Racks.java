import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.LinkedBlockingQueue;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;

/**
 * Reads partition 0 in a rack: Java's consumer.
 *
 * <p>{@code Racks BOOTSTRAP TOPIC RACK ISOLATION} prints OFFSET VALUE of each record. It takes
 * {@code seek OFFSET} on its standard input, and ends with that.
 */
public class Racks {
    private static final long END = -1;

    public static void main(String[] arguments) throws Exception {
        var settings = new Properties();
        settings.put("bootstrap.servers", arguments[0]);
        settings.put("client.rack", arguments[2]);
        settings.put("isolation.level", arguments[3]);
        settings.put("auto.offset.reset", "none");
        settings.put("enable.auto.commit", "false");
        settings.put("fetch.max.wait.ms", "100");
        settings.put("key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        settings.put("value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        var seeks = new LinkedBlockingQueue<Long>();
        var listener = new Thread(() -> listen(seeks));
        listener.setDaemon(true);
        listener.start();
        var partition = new TopicPartition(arguments[1], 0);
        try (var consumer = new KafkaConsumer<String, String>(settings)) {
            consumer.assign(List.of(partition));
            consumer.seek(partition, 0);
            while (true) {
                for (Long offset = seeks.poll(); offset != null; offset = seeks.poll()) {
                    if (offset == END) {
                        return;
                    }
                    consumer.seek(partition, offset);
                }
                for (var record : consumer.poll(Duration.ofMillis(50))) {
                    System.out.println(record.offset() + " " + record.value());
                }
            }
        }
    }

    private static void listen(LinkedBlockingQueue<Long> seeks) {
        try (var input = new BufferedReader(new InputStreamReader(System.in))) {
            for (String line = input.readLine(); line != null; line = input.readLine()) {
                seeks.add(Long.parseLong(line.split(" ")[1]));
            }
        } catch (java.io.IOException error) {
            System.err.println(error);
        }
        seeks.add(END);
    }
}
