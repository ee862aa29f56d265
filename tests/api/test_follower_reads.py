"""Fetch of consumers with a rack: sent to a follower, and served there (KIP-392)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from tests.api import kit
from tests.api.kit import Client
from tests.api.transaction_kit import SETTINGS, Txn

from barnabas.broker.main import system_env
from barnabas.broker.protection import plug_ins
from barnabas.config.broker_config import BrokerConfig
from barnabas.errors import ConfigError, ErrorCode
from barnabas.plugins import (
    ClientMetadata,
    KafkaPrincipal,
    Node,
    PartitionView,
    ReplicaSelector,
    ReplicaView,
    TopicPartition,
)
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.records.batch import iterate_batches
from spare_leaders import SpareLeaders

RACK_AWARE = "org.apache.kafka.common.replica.RackAwareReplicaSelector"
NOWHERE = -1


def _run(scenario: Any, *, selector: str = RACK_AWARE, brokers: int = 2) -> None:
    """Broker N is in the rack rN."""
    kit.run(scenario, brokers=brokers, settings={**SETTINGS, "replica.selector.class": selector})


async def _fetch(client: Client, version: int = 12, **fields: Any) -> Any:
    """The whole answer about t-0."""
    part = Message(
        partition=0,
        current_leader_epoch=fields.pop("epoch", -1),
        fetch_offset=fields.pop("offset", 0),
        last_fetched_epoch=-1,
        log_start_offset=-1,
        partition_max_bytes=1 << 20,
    )
    broker, client_id = fields.pop("broker"), fields.pop("client_id", "test")
    values = {
        "replica_id": -1,
        "max_wait": 0,
        "min_bytes": 1,
        "max_bytes": 1 << 20,
        "isolation_level": 0,
        "session_id": 0,
        "session_epoch": -1,
        "topics": [Message(topic="t", topic_id=kit.STRANGER, partitions=[part])],
        "forgotten_topics_data": [],
        "rack_id": "r2",
        **fields,
    }
    message = Message(**values)
    return await client.ask(ApiKey.FETCH, version, message, broker=broker, client_id=client_id)


async def _one(client: Client, version: int = 12, **fields: Any) -> Any:
    answer = await _fetch(client, version, **fields)
    return answer.responses[0].partitions[0]


async def _ready(client: Client, *replicas: int) -> None:
    await client.place("t", replicas)
    await asyncio.sleep(1)
    assert (await client.produce("t", b"a", broker=replicas[0])).error_code == 0
    await asyncio.sleep(1)


def test_a_leader_sends_a_consumer_to_the_follower_in_its_rack() -> None:
    async def scenario(client: Client) -> None:
        await _ready(client, 1, 2)
        for version in (11, 12):
            sent = await _one(client, version, broker=1)
            assert (sent.error_code, sent.preferred_read_replica) == (0, 2)
            assert not sent.records
            assert (sent.high_watermark, sent.log_start_offset) == (1, 0)
            here = await _one(client, version, broker=2)
            assert (here.error_code, here.preferred_read_replica) == (0, NOWHERE)
            assert here.records, "a follower sends nobody on"
        before = asyncio.get_running_loop().time()
        tail = await _one(client, broker=1, offset=1, max_wait=10_000)
        assert tail.preferred_read_replica == 2
        assert asyncio.get_running_loop().time() - before < 1, "it does not wait"

    _run(scenario)


def test_who_is_sent_nowhere() -> None:
    async def scenario(client: Client) -> None:
        await _ready(client, 1, 2)
        for fields in (
            {"version": 10},
            {"rack_id": ""},
            {"rack_id": "r1"},
            {"rack_id": "elsewhere"},
            {"replica_id": -3},
        ):
            found = await _one(client, broker=1, **fields)
            assert (found.error_code, found.preferred_read_replica) == (0, NOWHERE), fields
            assert found.records
        beyond = await _one(client, broker=1, offset=2)
        assert beyond.error_code == ErrorCode.OFFSET_OUT_OF_RANGE, "no replica has it"
        fenced = await _one(client, broker=1, epoch=7)
        assert fenced.error_code == ErrorCode.UNKNOWN_LEADER_EPOCH
        assert fenced.preferred_read_replica == NOWHERE

    _run(scenario)


@pytest.mark.parametrize(
    "selector", ["", "leader", "org.apache.kafka.common.replica.LeaderSelector"]
)
def test_without_a_selector_leaders_serve(selector: str) -> None:
    async def scenario(client: Client) -> None:
        await _ready(client, 1, 2)
        found = await _one(client, broker=1)
        assert found.preferred_read_replica == NOWHERE
        assert found.records

    _run(scenario, selector=selector)


def test_nobody_is_sent_to_a_broker_that_has_gone() -> None:
    async def scenario(client: Client) -> None:
        await _ready(client, 1, 2)
        assert (await _one(client, broker=1)).preferred_read_replica == 2
        client.simulation.processes["b2"].kill()
        await asyncio.sleep(30)
        found = await _one(client, broker=1)
        assert found.preferred_read_replica == NOWHERE
        assert found.records

    _run(scenario)


def test_in_a_session_each_fetch_is_told_again() -> None:
    async def scenario(client: Client) -> None:
        await _ready(client, 1, 2)
        full = await _fetch(client, broker=1, session_epoch=0)
        assert full.responses[0].partitions[0].preferred_read_replica == 2
        for epoch in (1, 2):
            more = await _fetch(
                client, broker=1, session_id=full.session_id, session_epoch=epoch, topics=[]
            )
            assert more.responses[0].partitions[0].preferred_read_replica == 2

    _run(scenario)


def test_read_committed_at_a_follower() -> None:
    async def scenario(client: Client) -> None:
        await _ready(client, 1, 2)
        await client.place("__transaction_state", [1], [1])
        txn = Txn(client)
        while await txn.init() is not ErrorCode.NONE:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        assert await txn.add(("t", 0)) == [ErrorCode.NONE]
        await txn.produce("t", count=3)
        await asyncio.sleep(1)
        everything = await _one(client, broker=2)
        assert (everything.high_watermark, everything.last_stable_offset) == (4, 1)
        assert everything.aborted_transactions is None
        committed = await _one(client, broker=2, isolation_level=1)
        assert [h.base_offset for h, _, _ in iterate_batches(committed.records)] == [0]
        assert committed.aborted_transactions == ()
        waiting = asyncio.ensure_future(
            _one(client, broker=2, isolation_level=1, offset=1, max_wait=20_000)
        )
        await asyncio.sleep(0.5)
        assert not waiting.done()
        assert await txn.end(False) is ErrorCode.NONE
        woken = await waiting
        assert [h.base_offset for h, _, _ in iterate_batches(woken.records)] == [1, 4]
        (aborted,) = woken.aborted_transactions
        assert (aborted.producer_id, aborted.first_offset) == (txn.producer_id, 1)

    _run(scenario)


class Selector(ReplicaSelector):
    """Sends clients whose id is that of a broker to it."""

    asked: ClassVar[list[tuple[TopicPartition, ClientMetadata, PartitionView]]] = []

    def select(
        self,
        topic_partition: TopicPartition,
        client_metadata: ClientMetadata,
        partition_view: PartitionView,
    ) -> ReplicaView | None:
        self.asked.append((topic_partition, client_metadata, partition_view))
        wanted = client_metadata.rack_id
        if wanted == "broken":
            raise RuntimeError("a bug")
        if wanted == "invented":
            return replace(partition_view.leader, log_end_offset=1 << 40)
        found = {f"to {view.endpoint.id}": view for view in partition_view.replicas}
        return found.get(wanted)


def test_a_plug_in_chooses() -> None:
    async def scenario(client: Client) -> None:
        await _ready(client, 1, 2)
        Selector.asked.clear()
        for rack, sent in (("to 2", 2), ("to 1", NOWHERE), ("", NOWHERE), ("else", NOWHERE)):
            found = await _one(client, broker=1, rack_id=rack)
            assert (found.error_code, found.preferred_read_replica) == (0, sent)
            assert bool(found.records) == (sent == NOWHERE)
        partition, consumer, view = Selector.asked[0]
        assert partition == TopicPartition("t", 0)
        assert consumer == ClientMetadata(
            rack_id="to 2",
            client_id="test",
            client_address=consumer.client_address,
            principal=KafkaPrincipal("User", "ANONYMOUS"),
            listener_name="PLAINTEXT",
        )
        assert consumer.client_address
        assert [v.endpoint for v in view.replicas] == [
            Node(1, "b1", 9092, "r1"),
            Node(2, "b2", 9092, "r2"),
        ]
        assert view.leader == view.replicas[0]
        assert (view.leader.log_end_offset, view.leader.time_since_last_caught_up_ms) == (1, 0)
        assert 0 <= view.replicas[1].time_since_last_caught_up_ms < 2000
        for rack in ("broken", "invented"):
            found = await _one(client, broker=1, rack_id=rack)
            assert found.error_code == ErrorCode.UNKNOWN_SERVER_ERROR
            assert (found.preferred_read_replica, found.records) == (NOWHERE, b"")
        count = len(Selector.asked)
        for fields in ({"version": 10}, {"replica_id": -3}):
            await _one(client, broker=1, **fields)
        assert (await _one(client, broker=2, rack_id="to 1")).preferred_read_replica == NOWHERE
        assert len(Selector.asked) == count, "old consumers and followers are not asked about"

    settings = {**SETTINGS, "replica.selector.class": "my.Selector"}
    kit.run(scenario, brokers=2, settings=settings, classes={"my.Selector": Selector})


def test_a_plug_in_sees_only_replicas_that_have_the_record() -> None:
    async def scenario(client: Client) -> None:
        await _ready(client, 1, 2)
        client.simulation.processes["b2"].kill()
        await asyncio.sleep(30)
        Selector.asked.clear()
        found = await _one(client, broker=1, rack_id="to 2")
        assert (found.error_code, found.preferred_read_replica) == (0, NOWHERE)
        assert [len(view.replicas) for _, _, view in Selector.asked] == [1]

    settings = {**SETTINGS, "replica.selector.class": "my.Selector"}
    kit.run(scenario, brokers=2, settings=settings, classes={"my.Selector": Selector})


def test_the_example_of_the_documentation() -> None:
    async def scenario(client: Client) -> None:
        await _ready(client, 1, 2)
        for client_id, rack, sent in (
            ("report-7", "", 2),
            ("report-7", "r1", 2),
            ("shop", "", NOWHERE),
            ("shop", "r1", NOWHERE),
            ("shop", "r2", 2),
            ("shop", "r3", NOWHERE),
        ):
            found = await _one(client, broker=1, rack_id=rack, client_id=client_id)
            assert (found.error_code, found.preferred_read_replica) == (0, sent), client_id

    name = "spare_leaders.SpareLeaders"
    settings = {**SETTINGS, "replica.selector.class": name}
    kit.run(scenario, brokers=2, settings=settings, classes={name: SpareLeaders})


@pytest.mark.parametrize("name", ["org.example.Selector", "Selector"])
def test_an_unknown_class_is_refused_by_name(name: str) -> None:
    config = BrokerConfig({"zookeeper.connect": "zk:2181", "replica.selector.class": name})
    with pytest.raises(ConfigError, match=rf"^replica\.selector\.class: {name} cannot be imported"):
        plug_ins(system_env(), config)
