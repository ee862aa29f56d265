// A kafkajs consumer. Usage: BOOTSTRAP TOPIC GROUP ASSIGNOR (any name: the partitions are dealt out
// in turn). Writes what it is given and `read PARTITION OFFSET` for each record, until its input ends.
const { Kafka, PartitionAssigners, logLevel } = require('kafkajs');
const ConsumerGroup = require('kafkajs/src/consumer/consumerGroup');

const [brokers, topic, groupId, assignor] = process.argv.slice(2);

// Its event GROUP_JOIN does not tell the generation.
const { joinAndSync } = ConsumerGroup.prototype;
ConsumerGroup.prototype.joinAndSync = async function joinAndTell() {
  await joinAndSync.call(this);
  const partitions = this.assigned().flatMap((given) => given.partitions);
  console.log(`owns ${JSON.stringify({ generation: this.generationId, member: this.memberId, partitions })}`);
};

function named(assigner) {
  return (given) => ({ ...assigner(given), name: assignor });
}

async function main() {
  const kafka = new Kafka({
    clientId: 'kafkajs',
    brokers: brokers.split(','),
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 50, maxRetryTime: 1000, retries: 100 },
  });
  const consumer = kafka.consumer({
    groupId,
    partitionAssigners: [named(PartitionAssigners.roundRobin)],
    sessionTimeout: 6000,
    rebalanceTimeout: 6000,
    heartbeatInterval: 300,
    maxWaitTimeInMs: 100,
    allowAutoTopicCreation: false,
  });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch, resolveOffset }) => {
      for (const message of batch.messages) {
        console.log(`read ${batch.partition} ${message.offset}`);
        resolveOffset(message.offset);
      }
      const offset = String(BigInt(batch.lastOffset()) + 1n);
      await consumer.commitOffsets([{ topic, partition: batch.partition, offset }]);
    },
  });
  process.stdin.resume();
  process.stdin.on('end', () => consumer.disconnect().then(() => process.exit(0)));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
