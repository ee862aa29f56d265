#!/usr/bin/env bash
# confluent-kafka 2.16.1 (librdkafka 2.16.0) with Apache Kafka 3.9.1: a committed record is nowhere,
# if the transaction before was aborted while a record of its was written and not acknowledged.
#
# The answer to a Produce is lost with its connection. librdkafka takes the record back, to send it
# again. An abort drops what is queued, this record too, and gives its sequence to the next record
# (ADVBASE in its debug log). The broker has that sequence from the aborted record, takes the next
# transaction's record for a repeat and acknowledges it, with the aborted one's offset. A guess from
# memory would be that an abort after a lost answer raises the producer's epoch.
#
# A proxy between the two drops one answer. Seen in 2 of 2 runs.
# Exits with 0 if it was met. Needs java, mvn, python3 with venv, about 2 GB of memory; loopback only.
set -euo pipefail
work=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2> /dev/null || true; sleep 1; kill -9 "${pids[@]}" 2> /dev/null || true; rm -rf "$work"' EXIT
cd "$work"
cat > pom.xml <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>x</groupId><artifactId>x</artifactId><version>1</version><dependencies><dependency>
<groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>3.9.1</version>
</dependency></dependencies></project>
XML
mvn -q -B dependency:copy-dependencies -DoutputDirectory=jars > mvn.log 2>&1
python3 -m venv venv > /dev/null
venv/bin/pip install --quiet --disable-pip-version-check confluent-kafka==2.16.1
free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
zookeeper=$(free) port=$(free) proxy=$(free)
printf '%s\n' "dataDir=$work/zookeeper" "clientPort=$zookeeper" clientPortAddress=127.0.0.1 admin.enableServer=false > zoo.cfg
printf '%s\n' broker.id=1 "log.dirs=$work/data" "listeners=PLAINTEXT://127.0.0.1:$port" \
    "advertised.listeners=PLAINTEXT://127.0.0.1:$proxy" \
    "zookeeper.connect=127.0.0.1:$zookeeper" offsets.topic.replication.factor=1 \
    transaction.state.log.replication.factor=1 transaction.state.log.min.isr=1 > broker.properties
java -Xmx256m -cp 'jars/*' org.apache.zookeeper.server.quorum.QuorumPeerMain zoo.cfg > zookeeper.log 2>&1 &
pids+=($!)
until (exec 3<> "/dev/tcp/127.0.0.1/$zookeeper") 2> /dev/null; do sleep 0.1; done
java -Xmx1g -cp 'jars/*' kafka.Kafka broker.properties > broker.log 2>&1 &
pids+=($!)
until (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null; do sleep 0.1; done
cat > lose.py <<'PY'
import socket
import struct
import sys
import threading
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

PRODUCE = 0
BROKER, PROXY = int(sys.argv[1]), int(sys.argv[2])
lose_next, lost = threading.Event(), threading.Event()


def frames(sock):
    stream = sock.makefile("rb")
    while len(size := stream.read(4)) == 4:
        yield stream.read(*struct.unpack(">i", size))


def join(client):
    """Let client and broker talk, but for one answer to a Produce: with it the connection ends."""
    broker = socket.create_connection(("127.0.0.1", BROKER))
    dropped = set()

    def close():
        for end in (client, broker):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def carry(source, target, may_pass):
        try:
            for frame in frames(source):
                if not may_pass(frame):
                    break
                target.sendall(struct.pack(">i", len(frame)) + frame)
        except OSError:
            pass
        close()

    def request(frame):
        api, _, correlation = struct.unpack_from(">hhi", frame)
        if api == PRODUCE and lose_next.is_set():
            lose_next.clear()
            dropped.add(correlation)
        return True

    def answer(frame):
        if struct.unpack_from(">i", frame)[0] not in dropped:
            return True
        lost.set()
        return False

    for way in ((client, broker, request), (broker, client, answer)):
        threading.Thread(target=carry, args=way, daemon=True).start()


def listen(listener):
    while True:
        join(listener.accept()[0])


listener = socket.create_server(("127.0.0.1", PROXY))
threading.Thread(target=listen, args=(listener,), daemon=True).start()
servers = {"bootstrap.servers": f"127.0.0.1:{PROXY}", "log_level": 0}
admin = AdminClient(servers)
admin.create_topics([NewTopic("t", 1, 1)], operation_timeout=60)["t"].result(60)
backoff = {"retry.backoff.ms": 2000, "retry.backoff.max.ms": 2000}
producer = Producer({**servers, "transactional.id": "id", **backoff})
producer.init_transactions(60)


def told(error, message):
    state = f"acknowledged, offset {message.offset()}" if error is None else error.name()
    print(f"{message.value().decode()}: {state}")


def begin(value):
    producer.begin_transaction()
    producer.produce("t", value, partition=0, on_delivery=told)


begin(b"first")
producer.commit_transaction(60)
lose_next.set()
begin(b"aborted")
while not lost.wait(0.05):
    producer.poll(0)
time.sleep(0.5)  # it takes the record back, and would send it again after 2 s
producer.abort_transaction(60)
begin(b"second")
producer.commit_transaction(60)
print("second: committed")
reading = {"group.id": "g", "isolation.level": "read_committed", "enable.partition.eof": True}
consumer = Consumer({**servers, **reading})
consumer.assign([TopicPartition("t", 0, 0)])
seen = []
while (message := consumer.poll(60)) is not None and message.error() is None:
    seen.append(message.value())
print("a read_committed consumer sees", seen)
sys.exit(0 if seen == [b"first"] else 1)
PY
timeout 300 venv/bin/python lose.py "$port" "$proxy" 2> client.log
