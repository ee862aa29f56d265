"""How long it takes to create and to delete many topics.

    python topics.py BOOTSTRAP ZOOKEEPER [--topics 400] [--partitions 6]

Needs confluent-kafka and kazoo. Creates the topics (RF 3) in one request and deletes them in one. Each time ends when ZooKeeper shows it: every
partition has a leader, no topic is left.
"""
import argparse
import time

from confluent_kafka.admin import AdminClient, NewTopic
from kazoo.client import KazooClient

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("bootstrap")
parser.add_argument("zookeeper")
parser.add_argument("--topics", type=int, default=400)
parser.add_argument("--partitions", type=int, default=6)
args = parser.parse_args()
zookeeper = KazooClient(args.zookeeper)
zookeeper.start()
names = [f"topics-{time.time_ns()}-{i}" for i in range(args.topics)]
admin = AdminClient({"bootstrap.servers": args.bootstrap, "log_level": 0})
admin.list_topics(timeout=30)


def wait_for(condition):
    deadline = time.time() + 280
    while not condition():
        if time.time() > deadline:
            raise SystemExit("gave up waiting")
        time.sleep(0.01)


began = time.time()
for future in admin.create_topics([NewTopic(n, args.partitions, 3) for n in names], operation_timeout=280, request_timeout=290).values():
    future.result()
states = [f"/brokers/topics/{n}/partitions/{p}/state" for n in names for p in range(args.partitions)]
wait_for(lambda: all(answer.get() for answer in [zookeeper.exists_async(path) for path in states]))
print(f"create topics={args.topics} ms={(time.time() - began) * 1000:.0f}", flush=True)
time.sleep(5)
began = time.time()
for future in admin.delete_topics(names, operation_timeout=280, request_timeout=290).values():
    future.result()
wait_for(lambda: not set(names) & set(zookeeper.get_children("/brokers/topics")) and not zookeeper.get_children("/admin/delete_topics"))
print(f"delete topics={args.topics} ms={(time.time() - began) * 1000:.0f}")
