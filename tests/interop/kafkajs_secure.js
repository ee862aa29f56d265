// Writes records and reads them back in a group, over TLS and a login: kafkajs.
//
//   node kafkajs_secure.js BOOTSTRAP TOPIC COUNT
//
// The variables CA, CERTIFICATE and KEY name files in PEM. MECHANISM is empty, SCRAM-SHA-256,
// SCRAM-SHA-512 or OAUTHBEARER, with NAME and PASSWORD, or TOKEN. It gives up after PATIENCE seconds. Prints the values as one line of JSON.
const fs = require('fs');
const { Kafka, logLevel } = require('kafkajs');

const [brokers, topic, count] = process.argv.slice(2);
const { CA, CERTIFICATE, KEY, MECHANISM, NAME, PASSWORD, TOKEN, PATIENCE } = process.env;
const ssl = { ca: [fs.readFileSync(CA, 'utf-8')] };
if (CERTIFICATE) {
  ssl.cert = fs.readFileSync(CERTIFICATE, 'utf-8');
  ssl.key = fs.readFileSync(KEY, 'utf-8');
}
const settings = { clientId: 'js', brokers: brokers.split(','), logLevel: logLevel.NOTHING, ssl };
settings.retry = { retries: 2 };
if (MECHANISM === 'OAUTHBEARER') {
  settings.sasl = { mechanism: 'oauthbearer', oauthBearerProvider: async () => ({ value: TOKEN }) };
} else if (MECHANISM) {
  settings.sasl = { mechanism: MECHANISM.toLowerCase(), username: NAME, password: PASSWORD };
}

async function main() {
  const kafka = new Kafka(settings);
  const producer = kafka.producer({ allowAutoTopicCreation: false });
  await producer.connect();
  for (let number = 0; number < Number(count); number += 1) {
    await producer.send({ topic, messages: [{ value: `${number}` }], acks: -1 });
  }
  await producer.disconnect();
  const consumer = kafka.consumer({ groupId: `g-${topic}` });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const values = [];
  await new Promise((resolve, reject) => {
    consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
    consumer.run({
      eachMessage: async ({ message }) => {
        values.push(message.value.toString());
        if (values.length === Number(count)) resolve();
      },
    });
  });
  await consumer.disconnect();
  console.log(JSON.stringify(values));
}

function end(error) {
  console.error(`${error.name}: ${error.message}`);
  process.exit(1);
}

setTimeout(() => end(new Error('nothing came to its end')), 1000 * (PATIENCE || 30)).unref();
main().catch(end);
