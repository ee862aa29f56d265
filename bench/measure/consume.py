"""Fill a topic, or read one from its start with one client library.

    python consume.py BOOTSTRAP TOPIC RECORDS fill [--size 1000]
    python consume.py BOOTSTRAP TOPIC RECORDS librdkafka|librdkafka-10|aiokafka

Needs confluent-kafka, or aiokafka. librdkafka-10 has fetch.queue.backoff.ms=10. Prints the records and megabytes a second from the first
record to the last; a record too few ends the run with exit code 1.
"""
import argparse
import asyncio
import os
import time

PARTITIONS = 3
PATIENCE_S = 120

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("bootstrap")
parser.add_argument("topic")
parser.add_argument("records", type=int)
parser.add_argument("client", choices=("fill", "librdkafka", "librdkafka-10", "aiokafka"))
parser.add_argument("--size", type=int, default=1000)
args = parser.parse_args()


def report(began, size):
    seconds = time.perf_counter() - began
    print(f"consume client={args.client} seconds={seconds:.2f} records_s={args.records / seconds:.0f} MB_s={size / seconds / 1e6:.1f}")


def fill():
    from confluent_kafka import Producer
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": args.bootstrap})
    admin.create_topics([NewTopic(args.topic, PARTITIONS, 3)])[args.topic].result()
    failures = []
    producer = Producer({"bootstrap.servers": args.bootstrap, "acks": "all", "linger.ms": 5, "batch.size": 100_000,
                         "queue.buffering.max.messages": 1_000_000, "queue.buffering.max.kbytes": 200_000})
    payload = os.urandom(args.size)
    for number in range(args.records):
        while True:
            try:
                producer.produce(args.topic, payload, partition=number % PARTITIONS, on_delivery=lambda error, _: error and failures.append(error))
                break
            except BufferError:
                producer.poll(0.01)
        if number % 1000 == 0:
            producer.poll(0)
    if producer.flush(PATIENCE_S) or failures:
        raise SystemExit(f"fill: {failures[:1]}")
    print(f"filled records={args.records}")


def librdkafka(backoff_ms):
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": args.bootstrap, "group.id": "measure", "enable.auto.commit": False, "fetch.queue.backoff.ms": backoff_ms})
    consumer.assign([TopicPartition(args.topic, p, 0) for p in range(PARTITIONS)])
    got = size = 0
    began = None
    deadline = time.monotonic() + PATIENCE_S
    while got < args.records:
        messages = consumer.consume(10_000, 0.5)
        if messages and began is None:
            began = time.perf_counter()
        got += len(messages)
        size += sum(len(message) for message in messages)
        if time.monotonic() > deadline:
            raise SystemExit(f"consume: only {got} of {args.records}")
    report(began, size)
    consumer.close()


async def aiokafka():
    from aiokafka import AIOKafkaConsumer, TopicPartition

    consumer = AIOKafkaConsumer(bootstrap_servers=args.bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    consumer.assign([TopicPartition(args.topic, p) for p in range(PARTITIONS)])
    got = size = 0
    began = None
    while got < args.records:
        batches = await asyncio.wait_for(consumer.getmany(timeout_ms=1000), PATIENCE_S)
        if batches and began is None:
            began = time.perf_counter()
        for batch in batches.values():
            got += len(batch)
            size += sum(len(record.value) for record in batch)
    report(began, size)
    await consumer.stop()


if args.client == "fill":
    fill()
elif args.client == "aiokafka":
    asyncio.run(aiokafka())
else:
    librdkafka(10 if args.client == "librdkafka-10" else 1000)
