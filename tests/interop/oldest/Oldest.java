// The Java client of any version; see test_oldest_clients.py for what it is asked.

import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;

public class Oldest {
    static final long NOW_MS = 1700000000000L;

    public static void main(String[] arguments) throws Exception {
        String bootstrap = arguments[0], what = arguments[2], group = arguments[6];
        String[] topics = arguments[3].split(","), codecs = arguments[4].split(",");
        int count = Integer.parseInt(arguments[5]);
        if (what.equals("produce")) {
            for (int i = 0; i < topics.length; i++) produce(bootstrap, topics[i], codecs[i], count);
            return;
        }
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", "false");
        if (!group.isEmpty()) settings.put("group.id", group);
        KafkaConsumer<String, String> consumer =
            new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
        List<TopicPartition> all = new ArrayList<>();
        for (String topic : topics) all.add(new TopicPartition(topic, 0));
        if (group.isEmpty()) {
            consumer.assign(all);
            consumer.seekToBeginning(all);
        } else {
            consumer.subscribe(Arrays.asList(topics));
        }
        int left = count * topics.length;
        long end = System.currentTimeMillis() + 30000;
        while (left > 0) {
            if (System.currentTimeMillis() > end) throw new Exception(left + " records are missing");
            for (ConsumerRecord<String, String> record : consumer.poll(1000)) {
                System.out.println("[" + quoted(record.topic()) + "," + record.offset() + ","
                    + record.timestamp() + "," + quoted(record.key()) + "," + quoted(record.value()) + "]");
                left--;
            }
        }
        if (!group.isEmpty()) consumer.commitSync();
        consumer.close();
    }

    static void produce(String bootstrap, String topic, String codec, int count) throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("compression.type", codec);
        settings.put("linger.ms", "50");
        settings.put("acks", "all");
        settings.put("retries", "0");
        KafkaProducer<String, String> producer =
            new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer());
        List<java.util.concurrent.Future<RecordMetadata>> waiting = new ArrayList<>();
        for (int number = 0; number < count; number++) {
            String key = number == 3 ? null : "k" + number;
            String value = number == 5 ? null : "value-" + number + "-" + "x".repeat(number);
            waiting.add(producer.send(new ProducerRecord<>(topic, 0, NOW_MS + number, key, value)));
        }
        for (int number = 0; number < count; number++) {
            long offset = waiting.get(number).get().offset();
            if (offset != number) throw new Exception("offset " + offset + " for " + number);
        }
        producer.close();
    }

    static String quoted(String text) {
        return text == null ? "null" : "\"" + text + "\"";
    }
}
