// Writes 50 records with kafkajs, in the codec named, to a topic's partitions 0 and 1.
const { Kafka, CompressionTypes, logLevel } = require('kafkajs');

const [brokers, topic, codec] = process.argv.slice(2);
const kafka = new Kafka({ clientId: 'js', brokers: brokers.split(','), logLevel: logLevel.ERROR });

async function main() {
  for (const idempotent of [false, true]) {
    const producer = kafka.producer({ idempotent, allowAutoTopicCreation: false });
    await producer.connect();
    const messages = [];
    for (let n = 0; n < 25; n += 1) {
      messages.push({
        key: `k${n}`,
        value: n % 10 === 0 ? null : `${idempotent} ${n}`,
        headers: { h: `v${n}` },
        partition: n % 2,
        timestamp: String(1700000000000 + n),
      });
    }
    const compression = CompressionTypes[codec];
    await producer.send({ topic, messages, acks: -1, compression });
    await producer.disconnect();
  }
  const admin = kafka.admin();
  await admin.connect();
  const cluster = await admin.describeCluster();
  const offsets = await admin.fetchTopicOffsets(topic);
  await admin.disconnect();
  console.log(JSON.stringify({ brokers: cluster.brokers.length, offsets }));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
