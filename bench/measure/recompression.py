"""What one record at a time feels while the brokers compress another producer's batches anew.

    python recompression.py BOOTSTRAP [--rate 20] [--batch 16384,1000000] [--seconds 8]

Needs confluent-kafka. A producer (a process of its own) sends records of 1 kB, made of words, with lz4 to a topic of zstd (3 partitions, RF 3), and the
same to a topic of the producer's codec, so that both can be compared: --rate MB/s before compression, with batches of these bytes at most. Beside it one
record at a time (acks=all) goes to another topic. Prints for each size of batches the p99 before, beside the topic that keeps lz4, and beside the one of
zstd, and the MB/s that were acknowledged meanwhile.
"""
import argparse
import json
import random
import subprocess
import sys
import time

from beside import one_at_a_time, p99
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

SIZE = 1000


def values():
    """Records that shrink to about a third, as text does."""
    draw = random.Random(1)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=draw.randint(3, 9))) for _ in range(5000)]
    return [json.dumps({"id": draw.getrandbits(64), "text": " ".join(draw.choices(words, k=200))}).encode()[:SIZE] for _ in range(2000)]


def send(bootstrap, topic, batch, rate, seconds):
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "linger.ms": 5, "batch.size": batch, "compression.type": "lz4",
                         "queue.buffering.max.messages": 1_000_000, "queue.buffering.max.kbytes": 200_000})
    acknowledged = 0

    def report(error, _message):
        nonlocal acknowledged
        if error is not None:
            raise SystemExit(f"not acknowledged: {error}")
        acknowledged += 1

    records, began, sent = values(), time.monotonic(), 0
    while (passed := time.monotonic() - began) < seconds:
        while sent < passed * rate * 1e6 / SIZE:
            try:
                producer.produce(topic, records[sent % len(records)], on_delivery=report)
            except BufferError:
                break
            sent += 1
        producer.poll(0.002)
    before_flush = acknowledged
    if producer.flush(60) or acknowledged != sent:
        raise SystemExit(f"{acknowledged} of {sent} are acknowledged")
    print(before_flush * SIZE / 1e6 / seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bootstrap")
    parser.add_argument("--rate", type=float, default=20)
    parser.add_argument("--batch", default="16384,1000000")
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--send", metavar="TOPIC", help="only send; for this script itself")
    args = parser.parse_args()
    if args.send:
        send(args.bootstrap, args.send, int(args.batch), args.rate, args.seconds)
        return
    names = {codec: f"{codec}-{time.time_ns()}" for codec in ("producer", "zstd")}
    beside = f"beside-{time.time_ns()}"
    admin = AdminClient({"bootstrap.servers": args.bootstrap})  # kept: a collected client cancels its futures
    topics = [NewTopic(name, 3, 3, config={"compression.type": codec}) for codec, name in names.items()]
    for future in admin.create_topics([*topics, NewTopic(beside, 1, 3)]).values():
        future.result()
    time.sleep(1)
    one_at_a_time(args.bootstrap, beside, lambda took: len(took) == 500)
    for batch in args.batch.split(","):
        quiet = one_at_a_time(args.bootstrap, beside, lambda took: sum(took) > args.seconds / 2)
        line = f"batch={batch} rate={args.rate:g} p99_before={p99(quiet):.0f}"
        for codec, name in names.items():
            command = [sys.executable, __file__, args.bootstrap, "--send", name, "--batch", batch, "--rate", str(args.rate), "--seconds", str(args.seconds)]
            sender = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            time.sleep(1)
            busy = one_at_a_time(args.bootstrap, beside, lambda took: sum(took) > args.seconds - 2)
            said, _ = sender.communicate()
            if sender.returncode:
                raise SystemExit(f"the producer ended with {sender.returncode}")
            line += f" p99_{codec}={p99(busy):.0f} MB_s_{codec}={float(said):.1f}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
