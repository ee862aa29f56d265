"""Metadata: by name, by id, in every version; what is unknown, illegal, internal or leaderless."""

from __future__ import annotations

import uuid
from types import SimpleNamespace
from typing import Any

import pytest
from tests.api import kit

from barnabas.api.metadata import MANY, partition_message
from barnabas.errors import ErrorCode
from barnabas.metadata_cache import LiveBroker, MetadataCache, PartitionMetadata
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.replication.neighbours import Standing
from barnabas.types import Endpoint

METADATA = ApiKey.METADATA
UNASKED = -(2**31)


def _named(*names: str | None, create: bool = False, **others: Any) -> Message:
    topics = [Message(name=name, topic_id=None) for name in names]
    return Message(topics=topics, allow_auto_topic_creation=create, **others)


def test_every_version_tells_brokers_and_topics() -> None:
    async def scenario(client: kit.Client) -> None:
        created = await client.create("t", 2, 2)
        for version in kit.versions(METADATA):
            answer = await client.ask(METADATA, version, _named("t"))
            assert sorted(b.node_id for b in answer.brokers) == [1, 2]
            assert {(b.host, b.port) for b in answer.brokers} == {("b1", 9092), ("b2", 9092)}
            (topic,) = answer.topics
            assert (topic.name, topic.error_code) == ("t", 0)
            assert [p.partition_index for p in topic.partitions] == [0, 1]
            for partition in topic.partitions:
                assert partition.error_code == 0
                assert partition.leader_id == partition.replica_nodes[0]
                assert sorted(partition.isr_nodes) == [1, 2]
            if version >= 1:
                assert {b.rack for b in answer.brokers} == {"r1", "r2"}
                assert answer.controller_id in (1, 2)
                assert topic.is_internal is False
            if version >= 2:
                assert len(answer.cluster_id) == 22
            if version >= 7:
                assert {p.leader_epoch for p in topic.partitions} == {0}
            if version >= 10:
                assert topic.topic_id == created.topic_id

    kit.run(scenario, brokers=2)


def test_all_topics_and_none() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("a")
        await client.create("b")
        for version in kit.versions(METADATA):
            everything = Message(topics=None) if version else Message(topics=[])
            answer = await client.ask(METADATA, version, everything)
            assert [t.name for t in answer.topics] == ["a", "b"]
            if version:
                answer = await client.ask(METADATA, version, Message(topics=[]))
                assert answer.topics == ()

    kit.run(scenario)


def test_unknown_and_illegal_names() -> None:
    async def scenario(client: kit.Client) -> None:
        answer = await client.ask(METADATA, 12, _named("nobody", "no/body", "nobody"))
        assert [(t.name, t.error_code) for t in answer.topics] == [
            ("nobody", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
            ("no/body", ErrorCode.INVALID_TOPIC_EXCEPTION),
        ]
        answer = await client.ask(METADATA, 12, _named("no/body", create=True))
        assert answer.topics[0].error_code == ErrorCode.INVALID_TOPIC_EXCEPTION

    kit.run(scenario)


def test_by_id_and_ids_before_their_time() -> None:
    async def scenario(client: kit.Client) -> None:
        created = await client.create("t")
        stranger = uuid.UUID(int=77)
        topics = [
            Message(name=None, topic_id=created.topic_id),
            Message(name=None, topic_id=stranger),
            Message(name="passed over", topic_id=None),
        ]
        answer = await client.ask(METADATA, 12, Message(topics=topics))
        assert [(t.name, t.topic_id, t.error_code) for t in answer.topics] == [
            (None, stranger, ErrorCode.UNKNOWN_TOPIC_ID),
            ("t", created.topic_id, 0),
        ]
        for version in (10, 11):
            refused = [Message(name="t", topic_id=created.topic_id)]
            answer = await client.ask(METADATA, version, Message(topics=refused))
            assert [t.error_code for t in answer.topics] == [ErrorCode.INVALID_REQUEST]

    kit.run(scenario)


def test_very_many_names_are_answered_like_a_few() -> None:
    async def scenario(client: kit.Client) -> None:
        created = await client.create("t", 2)
        names = [f"n{number}" for number in range(MANY)]
        answer = await client.ask(METADATA, 9, _named(*names, "t", "n0", *names[:5]))
        assert [t.name for t in answer.topics] == [*names, "t"]
        assert {t.error_code for t in answer.topics[:-1]} == {ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}
        assert len(answer.topics[-1].partitions) == 2
        strangers = [uuid.UUID(int=number + 1) for number in range(MANY)]
        ids = [Message(name=None, topic_id=i) for i in [created.topic_id, *strangers]]
        for named in ([Message(name="x", topic_id=None)] * MANY, []):
            answer = await client.ask(METADATA, 12, Message(topics=[*named, *ids, *named]))
            assert [(t.name, t.topic_id) for t in answer.topics] == [
                *((None, i) for i in strangers),
                ("t", created.topic_id),
            ]
        for version in (10, 11):
            answer = await client.ask(METADATA, version, Message(topics=ids))
            assert len(answer.topics) == MANY + 1
            assert {t.error_code for t in answer.topics} == {ErrorCode.INVALID_REQUEST}

    kit.run(scenario)


def test_topics_are_created_among_very_many() -> None:
    async def scenario(client: kit.Client) -> None:
        names = ["no/name"] * MANY
        answer = await client.ask(METADATA, 12, _named(*names, "new", create=True))
        illegal, new = answer.topics
        assert (illegal.name, illegal.error_code) == ("no/name", ErrorCode.INVALID_TOPIC_EXCEPTION)
        assert new.name == "new"
        assert new.error_code in (0, ErrorCode.LEADER_NOT_AVAILABLE)

    kit.run(scenario)


def test_auto_creation() -> None:
    async def scenario(client: kit.Client) -> None:
        answer = await client.ask(METADATA, 12, _named("new", "__consumer_offsets", create=True))
        assert all(t.error_code in (0, ErrorCode.LEADER_NOT_AVAILABLE) for t in answer.topics)
        names = _named("new", "__consumer_offsets")
        for _ in range(100):
            answer = await client.ask(METADATA, 12, names)
            if all(t.error_code == 0 for t in answer.topics):
                break
        assert [(t.name, t.is_internal, len(t.partitions)) for t in answer.topics] == [
            ("new", False, 1),
            ("__consumer_offsets", True, 3),
        ]

    settings = {"offsets.topic.replication.factor": "1", "offsets.topic.num.partitions": "3"}
    kit.run(scenario, settings=settings)


def test_auto_creation_that_cannot_be() -> None:
    async def scenario(client: kit.Client) -> None:
        answer = await client.ask(METADATA, 4, _named("new", create=True))
        assert answer.topics[0].error_code == ErrorCode.INVALID_REPLICATION_FACTOR

    kit.run(scenario, settings={"default.replication.factor": "2"})


def test_one_request_creates_so_many_partitions_and_the_next_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("barnabas.api.metadata.PARTITIONS_PER_REQUEST_MAX", 4)
    names = [f"new-{number}" for number in range(5)]

    async def scenario(client: kit.Client) -> None:
        there: list[list[str]] = []
        for _ in range(3):
            answer = await client.ask(METADATA, 12, _named(*names, create=True))
            unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            there.append([t.name for t in answer.topics if t.error_code != unknown])
        assert there == [names[:2], names[:4], names]

    kit.run(scenario, settings={"num.partitions": "2"})


def test_operations_only_when_asked_for() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        for version in range(8, 13):
            answer = await client.ask(METADATA, version, _named("t"))
            assert answer.topics[0].topic_authorized_operations == UNASKED
            asking = _named(
                "t",
                include_topic_authorized_operations=True,
                include_cluster_authorized_operations=True,
            )
            answer = await client.ask(METADATA, version, asking)
            assert answer.topics[0].topic_authorized_operations == 0b1101_1111_1000
            if version <= 10:
                assert answer.cluster_authorized_operations == 0b1_1111_1010_0000

    kit.run(scenario)


def test_a_leader_is_looked_at_once_for_all_its_partitions() -> None:
    """Of a topic of ten thousand partitions a few brokers lead all."""
    looks: list[int] = []

    def standing(broker: int) -> Standing:
        looks.append(broker)
        return Standing.NAMED if broker != 2 else Standing.UNNAMED

    cache = MetadataCache()
    endpoint = Endpoint("PLAINTEXT", "PLAINTEXT", "h", 1)
    cache.brokers = {b: LiveBroker(id=b, endpoints=(endpoint,), rack=None) for b in (1, 2)}
    services: Any = SimpleNamespace(metadata=cache, neighbours=SimpleNamespace(standing=standing))
    named: dict[int, tuple[ErrorCode, int]] = {}
    answers = [
        partition_message(
            services,
            PartitionMetadata(
                partition=number,
                leader=number % 4 - 1,
                leader_epoch=0,
                isr=(1, 2),
                replicas=(1, 2),
                offline_replicas=(),
                partition_epoch=0,
                controller_epoch=1,
            ),
            *("PLAINTEXT", 12, named),
        )
        for number in range(400)
    ]
    assert looks == [1, 2], "-1 is nobody, 0 is not alive"
    assert {(a.leader_id, a.error_code) for a in answers} == {
        (1, ErrorCode.NONE),
        (-1, ErrorCode.LEADER_NOT_AVAILABLE),
    }
