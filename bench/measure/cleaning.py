"""How fast a cluster compacts a topic, and what a producer beside it feels.

    python cleaning.py BOOTSTRAP 1=DATA,2=DATA,3=DATA [--records 1000000] [--keys 1000] [--size 1000]

Needs confluent-kafka. The cleaner looks every 100 ms (log.cleaner.backoff.ms, set by AdminClient). Writes updates of a few keys to a topic of
one partition (RF 3, segments of 64 MiB) that is not compacted, turns cleanup.policy=compact on, and waits until all three replicas on disk are below
a fifth and two segments. Prints the megabytes that a replica had, the seconds, and the latencies of one record at a time (acks=all) to another topic
before and meanwhile.
"""
import argparse
import os
import time
from pathlib import Path

from beside import one_at_a_time, p99
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType

SEGMENT_BYTES = 64 << 20
PATIENCE_S = 300

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("bootstrap")
parser.add_argument("directories")
parser.add_argument("--records", type=int, default=1_000_000)
parser.add_argument("--keys", type=int, default=1000)
parser.add_argument("--size", type=int, default=1000)
args = parser.parse_args()
topic, beside = f"cleaned-{time.time_ns()}", f"beside-{time.time_ns()}"
replicas = [Path(pair.split("=", 1)[1], f"{topic}-0") for pair in args.directories.split(",")]
admin = AdminClient({"bootstrap.servers": args.bootstrap})  # kept: a collected client cancels its futures
settings = {"segment.bytes": str(SEGMENT_BYTES), "min.cleanable.dirty.ratio": "0.01", "cleanup.policy": "delete"}
for future in admin.create_topics([NewTopic(topic, 1, 3, config=settings), NewTopic(beside, 1, 3)]).values():
    future.result()


def alter(kind, name, key, value):
    entry = ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
    for future in admin.incremental_alter_configs([ConfigResource(kind, name, incremental_configs=[entry])]).values():
        future.result()


def bytes_of(directory):
    total = 0
    for file in directory.glob("*.log"):
        try:
            total += file.stat().st_size
        except FileNotFoundError:
            pass
    return total


for broker in admin.list_topics(timeout=30).brokers:
    alter(ResourceType.BROKER, str(broker), "log.cleaner.backoff.ms", "100")
producer = Producer({"bootstrap.servers": args.bootstrap, "acks": "all", "linger.ms": 5, "batch.size": 100_000, "queue.buffering.max.kbytes": 200_000,
                     "queue.buffering.max.messages": 1_000_000})
value = os.urandom(args.size)
for number in range(args.records):
    while True:
        try:
            producer.produce(topic, value, b"%d" % (number % args.keys), partition=0)
            break
        except BufferError:
            producer.poll(0.01)
    if number % 1000 == 0:
        producer.poll(0)
if producer.flush(PATIENCE_S):
    raise SystemExit("not all is acknowledged")
deadline = time.monotonic() + PATIENCE_S
while min(bytes_of(replica) for replica in replicas) < args.records * args.size:
    if time.monotonic() > deadline:
        raise SystemExit("not all replicas have all")
    time.sleep(0.1)
time.sleep(2)
os.sync()  # a cleaner that makes a log durable first shall not be charged for the producer's bytes
quiet = one_at_a_time(args.bootstrap, beside, lambda took: len(took) == 2000)[500:]
size = bytes_of(replicas[0])
began = time.perf_counter()
alter(ResourceType.TOPIC, topic, "cleanup.policy", "compact")
seen = 0.0


def is_clean(took):
    global seen
    if time.perf_counter() - began > PATIENCE_S:
        raise SystemExit("not compacted in time")
    if time.perf_counter() - seen < 0.05:
        return False
    seen = time.perf_counter()
    return all(bytes_of(replica) < size / 5 + 2 * SEGMENT_BYTES for replica in replicas)


busy = one_at_a_time(args.bootstrap, beside, is_clean)
seconds = time.perf_counter() - began
print(f"cleaned MB={size / 1e6:.0f} seconds={seconds:.2f} MB_s={3 * size / 1e6 / seconds:.1f} p99_before={p99(quiet):.0f} p99_meanwhile={p99(busy):.0f}")
