"""The command tx: a transaction that its coordinator knows, and one that hangs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.cli.kit import fails, here
from tests.cluster_kit import wait_for

from barnabas.client.cluster import ClusterClient
from barnabas.client.producer import PRODUCE_VERSION
from barnabas.client.transaction_admin import ActiveProducer, Description, hanging
from barnabas.client.transactions import TransactionalProducer
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.produce import ProduceRequest
from barnabas.records.batch import Record, build_batch
from barnabas.testing import Cluster
from barnabas.types import TopicPartition

ORPHAN = 4_000_000
"""A producer id that no coordinator has given out."""
SETTINGS = {
    # So that a transaction can begin in a partition without its coordinator.
    "transaction.partition.verification.enable": "false",
    "transaction.state.log.num.partitions": "1",
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(2, in_process=True, settings=SETTINGS) as running:
        yield running


def tx(cluster: Cluster, *arguments: str) -> Any:
    done = here("tx", *arguments, "-b", cluster.bootstrap, "-o", "json")
    assert done.stderr == ""
    return json.loads(done.stdout)


def orphan(cluster: Cluster, topic: str) -> None:
    """Begin a transaction in partition 0 that nobody will end."""

    async def run() -> None:
        async with ClusterClient(cluster.bootstrap, "orphan") as client:
            await client.metadata([topic])
            leader = client.view.leader(topic, 0)
            assert leader is not None
            batch = build_batch(
                [Record(timestamp=1_000, value=b"x")],
                producer_id=ORPHAN,
                producer_epoch=3,
                base_sequence=0,
                transactional=True,
            )
            partition = ProduceRequest.PartitionProduceData(index=0, records=bytes(batch))
            request = ProduceRequest(
                transactional_id="orphan",
                acks=-1,
                timeout=5_000,
                topic_data=[
                    ProduceRequest.TopicProduceData(name=topic, partition_data=[partition])
                ],
            )
            answer = await client.broker(leader, ApiKey.PRODUCE, PRODUCE_VERSION, request)
            assert answer.responses[0].partition_responses[0].error_code == 0

    asyncio.run(run())


def test_transactions_are_listed_described_and_left_alone(cluster: Cluster) -> None:
    cluster.create_topic("known", 2)

    async def run() -> None:
        async with ClusterClient(cluster.bootstrap, "payer") as client:
            producer = TransactionalProducer(client, "payments")
            await producer.start()
            await producer.send(TopicPartition("known", 1), [Record(value=b"1")])

            def look() -> None:
                (listed,) = tx(cluster, "list", "--state", "Ongoing")
                assert listed["transactional_id"] == "payments"
                assert listed["producer_id"] == producer.identity[0]
                assert tx(cluster, "list", "--state", "Empty") == []
                assert tx(cluster, "list", "--producer-id", "999") == []
                assert tx(cluster, "list", "--duration-filter", "3600000") == []
                shown = tx(cluster, "describe", "payments")
                assert shown["state"] == "Ongoing"
                assert shown["partitions"] == ["known-1"]
                assert shown["coordinator"] == listed["coordinator"]
                (open_one,) = tx(cluster, "describe-producers", "known:1")
                assert (open_one["producer_id"], open_one["start_offset"]) == (
                    producer.identity[0],
                    0,
                )
                assert tx(cluster, "find-hanging", "--max-transaction-timeout", "0") == []
                refused = here(
                    *("tx", "abort", "known:1", "--start-offset", "0"), "-b", cluster.bootstrap
                )
                fails(refused, 1, "its coordinator will end this transaction", "--force")

            await asyncio.to_thread(look)
            await producer.commit()

    asyncio.run(run())

    def ended_in_all() -> bool:
        shown = tx(cluster, "describe", "payments")
        return bool((shown["state"], shown["partitions"]) == ("CompleteCommit", []))

    wait_for(ended_in_all, 20, "the commit's markers")
    (ended,) = tx(cluster, "describe-producers", "known:1")
    assert ended["start_offset"] is None
    table = here("tx", "list", "-b", cluster.bootstrap).stdout.splitlines()
    assert table[0].split() == ["TRANSACTIONAL-ID", "COORDINATOR", "PRODUCER-ID", "STATE"]


def test_a_transaction_that_hangs_is_found_and_aborted(cluster: Cluster) -> None:
    cluster.create_topic("stuck", 1, replicas=2)
    orphan(cluster, "stuck")
    where = ("-b", cluster.bootstrap)
    for limit in (("-t", "stuck"), ("-t", "stuck", "-p", "0"), ("--broker-id", "1"), ()):
        (found,) = tx(cluster, "find-hanging", *limit)
        assert (found["topic"], found["producer_id"], found["start_offset"]) == (
            "stuck",
            ORPHAN,
            0,
        )
    assert here("tx", "find-hanging", *where).returncode == 1
    young = here("tx", "find-hanging", "--max-transaction-timeout", str(2**31 - 1), *where)
    assert young.returncode == 0
    wrong = here("tx", "abort", "stuck:0", "--start-offset", "7", *where)
    fails(wrong, 1, "no open transaction begins at offset 7")
    done = here("tx", "abort", "stuck:0", "--start-offset", "0", *where)
    assert done.stdout == f"aborted in stuck-0: producer {ORPHAN} epoch 3, from offset 0\n"
    again = here("tx", "find-hanging", "-t", "stuck", *where)
    assert (again.returncode, len(again.stdout.splitlines())) == (0, 1)
    # read_committed consumers read on.
    cluster.produce("stuck", ["after"])
    cluster.assert_records("stuck", ["after"], read_committed=True)


def test_what_is_not_there_is_one_line(cluster: Cluster) -> None:
    where = ("-b", cluster.bootstrap)
    fails(here("tx", "describe", "nobody", *where), 1, "TRANSACTIONAL_ID_NOT_FOUND")
    fails(here("tx", "find-hanging", "-t", "none", *where), 1, "UNKNOWN_TOPIC_OR_PARTITION")
    fails(here("tx", "describe-producers", "none:0", *where), 1, "none-0")
    fails(here("tx", "describe-producers", "none", *where), 2, "is not TOPIC/PARTITION")
    fails(here("tx", "find-hanging", "-p", "0", *where), 2, "--partition needs --topic")
    gone = here("tx", "describe-producers", "known:0", "--broker-id", "9", *where)
    fails(gone, 1, "broker 9")


def test_what_hangs_is_what_no_coordinator_will_end() -> None:
    def producer(producer_id: int, partition: int) -> ActiveProducer:
        return ActiveProducer(
            partition=TopicPartition("t", partition),
            producer_id=producer_id,
            producer_epoch=0,
            coordinator_epoch=-1,
            last_sequence=0,
            last_timestamp=0,
            start_offset=5,
        )

    known = Description(
        transactional_id="a",
        coordinator=1,
        producer_id=1,
        producer_epoch=0,
        state="PrepareCommit",
        timeout_ms=1,
        start_ms=1,
        partitions=(TopicPartition("t", 0),),
    )
    ended, waiting, unknown = producer(1, 1), producer(1, 0), producer(2, 0)
    assert hanging([ended, waiting, unknown], {1: known}) == [ended, unknown]
