#!/usr/bin/env bash
# confluent-kafka 2.16.1 (librdkafka 2.16.0) with Apache Kafka 3.9.1: a transaction that is aborted
# a millisecond after its first produce, right after a committed one, can end the producer for good.
#
# After EndTxn is answered, the markers of the committed transaction are still being written, and
# AddPartitionsToTxn of the next one is refused with CONCURRENT_TRANSACTIONS. librdkafka asks again
# after a moment, but an abort in between sends EndTxn although no partition was added. The broker
# finds a completed commit and answers INVALID_TXN_STATE, which librdkafka takes for fatal. A guess
# from memory would be that an abort of nothing succeeds, or that the error can be retried.
#
# Commits a record to each of 30 partitions, produces one more record, waits 1 ms, aborts; a new
# producer each time, until one has met it (at most 60 times). Seen: 22 of 40.
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
zookeeper=$(free) port=$(free)
printf '%s\n' "dataDir=$work/zookeeper" "clientPort=$zookeeper" clientPortAddress=127.0.0.1 admin.enableServer=false > zoo.cfg
printf '%s\n' broker.id=1 "log.dirs=$work/data" "listeners=PLAINTEXT://127.0.0.1:$port" \
    "zookeeper.connect=127.0.0.1:$zookeeper" offsets.topic.replication.factor=1 \
    transaction.state.log.replication.factor=1 transaction.state.log.min.isr=1 > broker.properties
java -Xmx256m -cp 'jars/*' org.apache.zookeeper.server.quorum.QuorumPeerMain zoo.cfg > zookeeper.log 2>&1 &
pids+=($!)
until (exec 3<> "/dev/tcp/127.0.0.1/$zookeeper") 2> /dev/null; do sleep 0.1; done
java -Xmx1g -cp 'jars/*' kafka.Kafka broker.properties > broker.log 2>&1 &
pids+=($!)
cat > abort.py <<'PY'
import sys
import time

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

servers = {"bootstrap.servers": sys.argv[1]}
admin = AdminClient(servers)
admin.create_topics([NewTopic("t", 30, 1)], operation_timeout=60)["t"].result(60)
for round_ in range(1, 61):
    producer = Producer({**servers, "transactional.id": f"id-{round_}"})
    producer.init_transactions(60)
    producer.begin_transaction()
    for partition in range(30):
        producer.produce("t", b"v", partition=partition)
    producer.commit_transaction(60)
    producer.begin_transaction()
    producer.produce("t", b"v", partition=0)
    time.sleep(0.001)
    try:
        producer.abort_transaction(60)
    except KafkaException as problem:
        error = problem.args[0]
        if error.fatal():
            print(f"round {round_}: fatal: {error.str()}")
            sys.exit(0)
print("no fatal error in 60 rounds")
sys.exit(1)
PY
timeout 300 venv/bin/python abort.py "127.0.0.1:$port" 2> client.log
