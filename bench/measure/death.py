"""How long a cluster with many partitions needs after the SIGKILL of a broker that leads a third of them.

    python death.py BOOTSTRAP ZOOKEEPER 1=PID,2=PID,3=PID [--partitions 5000]

Needs confluent-kafka and kazoo. Creates topics (RF 3) of at most 10,000 partitions, the most that a broker takes in one request; kills a broker that is not the controller, and prints milliseconds until no partition has it
as its leader in ZooKeeper ("leaders_ms", from the times of the writes: to ask for thousands of states would hold up what is measured), and until a client is told so by another broker's Metadata ("told_ms"). The victim is left dead.
"""
import argparse
import json
import os
import signal
import time

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic
from kazoo.client import KazooClient

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("bootstrap")
parser.add_argument("zookeeper")
parser.add_argument("pids")
parser.add_argument("--partitions", type=int, default=5000)
args = parser.parse_args()
pids = {int(k): int(v) for k, v in (pair.split("=") for pair in args.pids.split(","))}
addresses = dict(zip(pids, args.bootstrap.split(",")))
zookeeper = KazooClient(args.zookeeper)
zookeeper.start()
controller = json.loads(zookeeper.get("/controller")[0])["brokerid"]
victim = next(b for b in pids if b != controller)
AT_ONCE = 10_000
topics = {f"death-{time.time_ns()}-{first}": min(AT_ONCE, args.partitions - first) for first in range(0, args.partitions, AT_ONCE)}
admin = AdminClient({"bootstrap.servers": args.bootstrap, "log_level": 0})  # kept: a collected client cancels its futures
admin.list_topics(timeout=30)
began = time.time()
for topic, count in topics.items():
    admin.create_topics([NewTopic(topic, count, 3)], operation_timeout=280, request_timeout=290)[topic].result()
paths = [f"/brokers/topics/{topic}/partitions/{p}/state" for topic, count in topics.items() for p in range(count)]
while any(zookeeper.exists(path) is None for path in paths[-1:] + paths):
    time.sleep(0.05)
print(f"create partitions={args.partitions} ms={(time.time() - began) * 1000:.0f}", flush=True)
time.sleep(15)  # until replicas fetch and every broker has heard of all leaders


def states(some):
    """(leader, ms since the epoch of the last write) of each."""
    found = []
    for first in range(0, len(some), 500):
        for answer in [zookeeper.get_async(path) for path in some[first : first + 500]]:
            data, stat = answer.get()
            found.append((json.loads(data)["leader"], stat.mtime))
    return found


def told(topic):
    """Whether a surviving broker names a leader for each of its partitions."""
    try:
        partitions = witness.list_topics(topic, timeout=5).topics[topic].partitions
    except KafkaException:  # librdkafka asked the dead broker
        return False
    return bool(partitions) and all(p.leader not in (victim, -1) for p in partitions.values())


mine = [path for path, (leader, _) in zip(paths, states(paths)) if leader == victim]
survivors = ",".join(a for b, a in addresses.items() if b != victim)
witness = AdminClient({"bootstrap.servers": survivors, "log_level": 0})
witness.list_topics(topic, timeout=30)
killed = time.time()
os.kill(pids[victim], signal.SIGKILL)
for topic in reversed(topics):  # elections are in their order
    while not told(topic):
        if time.time() - killed > 120:
            raise SystemExit("clients are not told")
told_s = time.time() - killed
found = states(mine)
if any(leader in (victim, -1) for leader, _ in found):
    raise SystemExit("clients were told leaders that are not in ZooKeeper")
leaders_s = max(written_ms for _, written_ms in found) / 1000 - killed
print(f"death partitions={args.partitions} led={len(mine)} leaders_ms={leaders_s * 1000:.0f} told_ms={told_s * 1000:.0f}")
