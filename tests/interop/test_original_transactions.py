"""The original's tools and its Java clients on our transactions, and on our files of them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka import TopicPartition as ConfluentPartition
from tests.cluster_kit import Cluster, free_ports, wait_for
from tests.coordinator.transaction.libraries import confluent, coordinator_of, read_confluent
from tests.interop.original import JavaBroker, output

from barnabas.client.cluster import ClusterClient
from barnabas.client.coordinators import (
    FIND_COORDINATOR_VERSION,
    GROUP,
    TRANSACTION,
    ask_coordinator,
)
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message

pytestmark = [
    pytest.mark.foreign,
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("original"),
]

TRANSACTIONS = "org.apache.kafka.tools.TransactionsCommand"
DUMP = "kafka.tools.DumpLogSegments"
PERFORMANCE = "org.apache.kafka.tools.ProducerPerformance"
DEADLINE_S = 30.0


@pytest.fixture(scope="module")
def cluster(original: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(directory=tmp_path_factory.mktemp("tools")) as running:
        yield running


def command(cluster: Cluster, *arguments: str) -> str:
    return output(TRANSACTIONS, "--bootstrap-server", cluster.bootstrap, *arguments)


def ended(cluster: Cluster, transactional_id: str, *, commit: bool) -> None:
    """One small transaction."""
    producer = confluent(cluster, transactional_id)
    producer.init_transactions(DEADLINE_S)
    producer.begin_transaction()
    producer.produce("seen", transactional_id)
    if commit:
        producer.commit_transaction(DEADLINE_S)
    else:
        producer.flush()
        producer.abort_transaction(DEADLINE_S)


def open_one(cluster: Cluster, transactional_id: str) -> Producer:
    producer = confluent(cluster, transactional_id)
    producer.init_transactions(DEADLINE_S)
    producer.begin_transaction()
    producer.produce("seen", b"open", partition=0)
    producer.flush()
    return producer


def test_transactions_command(cluster: Cluster) -> None:
    cluster.create_topic("seen", 1)
    ended(cluster, "committed", commit=True)
    ended(cluster, "aborted", commit=False)
    producer = open_one(cluster, "open")
    listed = {row.split()[0]: row.split()[-1] for row in command(cluster, "list").splitlines()}
    assert listed["open"] == "Ongoing"
    assert listed["committed"] == "CompleteCommit"
    assert listed["aborted"] == "CompleteAbort"
    described = command(cluster, "describe", "--transactional-id", "open")
    assert re.search(r"\bopen\s+\d+\s+0\s+Ongoing\s+60000\b.*\bseen-0", described), described
    producers = command(cluster, "describe-producers", "--topic", "seen", "--partition", "0")
    rows = [row.split() for row in producers.splitlines()[1:]]
    assert len(rows) == 3
    assert sorted(row[-1] == "None" for row in rows) == [False, True, True]
    hanging = command(
        cluster,
        *("find-hanging", "--broker-id", str(cluster.partitions("seen")[0].leader)),
        *("--max-transaction-timeout", "0"),
    )
    assert "seen" not in hanging  # Its coordinator knows it.
    producer.abort_transaction(DEADLINE_S)


def test_an_abort_by_force(cluster: Cluster) -> None:
    """TransactionsCommand abort writes a marker over the coordinator's head (WriteTxnMarkers)."""
    cluster.create_topic("forced", 1)
    producer = confluent(cluster, "forced")
    producer.init_transactions(DEADLINE_S)
    producer.begin_transaction()
    producer.produce("forced", b"never", partition=0)
    producer.flush()
    producers = command(cluster, "describe-producers", "--topic", "forced", "--partition", "0")
    start = producers.splitlines()[1].split()[-1]
    command(
        cluster,
        *("abort", "--topic", "forced", "--partition", "0", "--start-offset", start),
    )
    assert read_confluent(cluster, "forced", 1) == {0: []}


def test_a_java_producer(cluster: Cluster) -> None:
    cluster.create_topic("java", 2)
    printed = output(
        PERFORMANCE,
        *("--topic", "java", "--num-records", "2000", "--record-size", "100"),
        *("--throughput", "-1", "--transactional-id", "java-id"),
        *("--transaction-duration-ms", "50"),
        *("--producer-props", f"bootstrap.servers={cluster.bootstrap}", "acks=all"),
    )
    assert "2000 records sent" in printed
    rows = read_confluent(cluster, "java", 2)
    assert sum(map(len, rows.values())) == 2000
    found = output(
        "org.apache.kafka.tools.consumer.ConsoleConsumer",
        *("--bootstrap-server", cluster.bootstrap, "--topic", "java", "--from-beginning"),
        *("--isolation-level", "read_committed", "--max-messages", "2000"),
        *("--timeout-ms", "20000"),
    )
    assert len(found.splitlines()) == 2000


def state(cluster: Cluster, transactional_id: str) -> str:
    async def ask() -> str:
        async with ClusterClient(cluster.bootstrap, "tests") as client:
            answer: Any
            _, answer = await ask_coordinator(
                client,
                TRANSACTION,
                transactional_id,
                ApiKey.DESCRIBE_TRANSACTIONS,
                0,
                Message(transactional_ids=[transactional_id]),
                lambda answer: int(answer.transaction_states[0].error_code),
            )
            return str(answer.transaction_states[0].transaction_state)

    return asyncio.run(ask())


def coordinates_groups(cluster: Cluster, broker: int) -> bool:
    """Whether a broker can say who coordinates a group. Asking makes ``__consumer_offsets``."""

    async def ask() -> bool:
        async with ClusterClient(cluster.bootstrap, "tests") as client:
            await client.metadata([])
            question = Message(key_type=GROUP, coordinator_keys=["g-0"])
            version = FIND_COORDINATOR_VERSION
            answer: Any = await client.broker(broker, ApiKey.FIND_COORDINATOR, version, question)
            return int(answer.coordinators[0].error_code) == 0

    return asyncio.run(ask())


def test_across_brokers_of_both_kinds(tmp_path: Path, original: None) -> None:
    """Coordinators, leaders and group coordinators of ours and of the original, in each role for
    the other: ids are spread over all brokers, every transaction writes to a broker of each.

    Groups are made possible first. The original answers COORDINATOR_NOT_AVAILABLE to whoever asks
    too early (ours waits), and when it does so for 300 ms, librdkafka 2.16 forgets that it was to
    send offsets and waits for ever, with brokers of the original alone, too (librdkafka 5456).
    """
    with (
        Cluster(directory=tmp_path / "ours", brokers=2) as mixed,
        JavaBroker(tmp_path / "java", 3, free_ports(1), f"127.0.0.1:{mixed.zookeeper_port}"),
    ):
        mixed.create_topic("ours", 1, 1, assignments={0: [1]})
        mixed.create_topic("theirs", 1, 1, assignments={0: [3]})
        for broker in (1, 2, 3):
            wait_for(lambda b=broker: coordinates_groups(mixed, b), 30, f"groups at {broker}")  # type: ignore[misc]
        coordinators = set()
        for number in range(12):
            producer = confluent(mixed, f"id-{number}")
            producer.init_transactions(DEADLINE_S)
            coordinators.add(coordinator_of(mixed, f"id-{number}"))
            producer.begin_transaction()
            for topic in ("ours", "theirs"):
                producer.produce(topic, str(number), partition=0)
            consumer = Consumer({"bootstrap.servers": mixed.bootstrap, "group.id": f"g-{number}"})
            producer.send_offsets_to_transaction(
                [ConfluentPartition("ours", 0, number)],
                consumer.consumer_group_metadata(),
                DEADLINE_S,
            )
            if number % 2:
                producer.flush()
                producer.abort_transaction(DEADLINE_S)
            else:
                producer.commit_transaction(DEADLINE_S)
            position = consumer.committed([ConfluentPartition("ours", 0)], DEADLINE_S)[0].offset
            assert position == (-1001 if number % 2 else number)
            consumer.close()
        assert 3 in coordinators
        assert len(coordinators) > 1
        for topic in ("ours", "theirs"):
            expected = [str(number).encode() for number in range(0, 12, 2)]
            assert read_confluent(mixed, topic, 1) == {0: expected}


def test_our_transaction_log_dumped(cluster: Cluster) -> None:
    """After a clean stop: every record of ``__transaction_state`` in the original's words."""
    cluster.create_topic("dumped", 1)
    producer = confluent(cluster, "dumped")
    producer.init_transactions(DEADLINE_S)
    for commit in (True, False):
        producer.begin_transaction()
        producer.produce("dumped", b"v", partition=0)
        if commit:
            producer.commit_transaction(DEADLINE_S)
        else:
            producer.flush()
            producer.abort_transaction(DEADLINE_S)
    wait_for(lambda: state(cluster, "dumped") == "CompleteAbort", 10, "the markers are written")
    cluster.stop()
    logs = [p for p in cluster.log_dir(1).glob("__transaction_state-*/*.log") if p.stat().st_size]
    shown = output(DUMP, "--transaction-log-decoder", "--files", ",".join(map(str, logs)))
    mine = re.findall(
        r"transactionalId=dumped payload: producerId:\d+,producerEpoch:(\d+),"
        r"state=(\w+),partitions=\[(.*?)\]",
        shown,
    )
    assert mine == [
        ("0", "Empty", ""),
        ("0", "Ongoing", "dumped-0"),
        ("0", "PrepareCommit", "dumped-0"),
        ("0", "CompleteCommit", ""),
        ("0", "Ongoing", "dumped-0"),
        ("0", "PrepareAbort", "dumped-0"),
        ("0", "CompleteAbort", ""),
    ]
    data = cluster.log_dir(1) / "dumped-0" / f"{0:020}.log"
    shown = output(DUMP, "--deep-iteration", "--print-data-log", "--files", str(data))
    assert re.findall(r"endTxnMarker: (\w+)", shown) == ["COMMIT", "ABORT"]
    index = data.with_suffix(".txnindex")
    assert "firstOffset: 2 lastOffset: 3 lastStableOffset: 4" in output(DUMP, "--files", str(index))
