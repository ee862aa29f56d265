import java.util.Arrays;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.log4j.AppenderSkeleton;
import org.apache.log4j.Level;
import org.apache.log4j.Logger;
import org.apache.log4j.spi.LoggingEvent;

/**
 * A busy producer that tells when it heard nothing: the Java client. Run as a single source file with its jars:
 * java -cp 'DIR/*' Java.java BOOTSTRAP TOPIC PARTITIONS [NAME=VALUE ...] [--trace]; see librdkafka.py for what it
 * prints. With --trace also what the client logs of its connections, metadata and retries ("trace TIME LOGGER MESSAGE").
 */
public class Java {
    static final long SILENCE_MS = 40;
    /** Loggers that tell of connections, metadata and retries. RecordAccumulator repeats itself thousands of times. */
    static final String[] TRACED = {"NetworkClient", "Metadata", "ClusterConnectionStates", "producer.internals.Sender"};
    static final int LINE_MAX = 1500;

    /** What the client logs, with the time it said it. */
    static class Trace extends AppenderSkeleton {
        @Override
        protected void append(LoggingEvent event) {
            String logger = event.getLoggerName();
            String said = event.getRenderedMessage();
            if (said.length() > LINE_MAX) said = said.substring(0, LINE_MAX);
            System.out.println("trace " + event.getTimeStamp() + " "
                + logger.substring(logger.lastIndexOf('.') + 1) + " " + said.replace('\n', ' '));
        }

        @Override
        public void close() { }

        @Override
        public boolean requiresLayout() {
            return false;
        }
    }

    static void log(boolean traced) {
        Logger root = Logger.getRootLogger();
        root.setLevel(Level.OFF);
        if (!traced) return;
        root.addAppender(new Trace());
        for (String name : TRACED)
            Logger.getLogger("org.apache.kafka.clients." + name).setLevel(Level.DEBUG);
    }

    public static void main(String[] args) throws Exception {
        String topic = args[1];
        int partitions = Integer.parseInt(args[2]);
        Properties settings = new Properties();
        log(Arrays.asList(args).contains("--trace"));
        settings.put("bootstrap.servers", args[0]);
        settings.put("acks", "all");
        settings.put("enable.idempotence", "true");
        settings.put("linger.ms", "5");
        for (int i = 3; i < args.length; i++) {
            if (args[i].startsWith("--")) continue;
            String[] pair = args[i].split("=", 2);
            settings.put(pair[0], pair[1]);
        }
        long[] heard = new long[partitions];
        int[] silent = {partitions};
        AtomicLong acknowledged = new AtomicLong();
        AtomicLong failed = new AtomicLong();
        KafkaProducer<byte[], byte[]> producer =
            new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
        boolean[] stop = {false};
        Thread producing = new Thread(() -> {
            byte[] value = new byte[200];
            for (int sent = 0; !stop[0]; ) {
                for (int i = 0; i < 20; i++, sent++) {
                    int partition = sent % partitions;
                    producer.send(new ProducerRecord<>(topic, partition, null, value), (metadata, error) -> {
                        if (error != null) {
                            failed.incrementAndGet();
                            System.out.println("trace " + System.currentTimeMillis() + " not delivered: " + error);
                            return;
                        }
                        acknowledged.incrementAndGet();
                        long now = System.currentTimeMillis();
                        long last = heard[partition];
                        heard[partition] = now;
                        if (last == 0 && --silent[0] == 0) System.out.println("ready");
                        if (last != 0 && now - last >= SILENCE_MS)
                            System.out.println("silence " + partition + " " + last + " " + now);
                    });
                }
                try {
                    Thread.sleep(2);
                } catch (InterruptedException ended) {
                    return;
                }
            }
        });
        producing.start();
        while (System.in.read() >= 0) { }
        stop[0] = true;
        producing.join();
        producer.close();
        System.out.println("acknowledged=" + acknowledged + " failed=" + failed);
    }
}
