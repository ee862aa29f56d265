"""UpdateMetadata: reference 4.4, and ids learnt from LeaderAndIsr (reference 14)."""

from __future__ import annotations

import uuid
from typing import Any

from tests.protocol.typed import typed_request

from barnabas.metadata_cache import MetadataCache
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.protocol.messages.update_metadata import UpdateMetadataRequest
from barnabas.types import Endpoint, TopicPartition

ID = uuid.UUID(int=5)


def state(partition: int, leader: int = 1, **fields: Any) -> Message:
    values: dict[str, Any] = {
        "partition_index": partition,
        "controller_epoch": 1,
        "leader": leader,
        "leader_epoch": 3,
        "isr": [1, 2],
        "zk_version": 4,
        "replicas": [1, 2],
        "offline_replicas": [],
        **fields,
    }
    return Message(**values)


def update(
    *states: Message, brokers: tuple[int, ...] = (1, 2), topic: str = "t"
) -> UpdateMetadataRequest:
    message = Message(
        controller_id=2,
        controller_epoch=1,
        topic_states=[Message(topic_name=topic, topic_id=ID, partition_states=list(states))]
        if states
        else [],
        live_brokers=[
            Message(
                id=b,
                endpoints=[Message(port=9000 + b, host="h", listener="IN", security_protocol=1)],
                rack="r" if b == 1 else None,
            )
            for b in brokers
        ],
    )
    request: UpdateMetadataRequest = typed_request(ApiKey.UPDATE_METADATA, message)
    return request


def test_partitions_are_merged_and_brokers_replaced() -> None:
    cache = MetadataCache()
    changes: list[int] = []
    unsubscribe = cache.subscribe(lambda: changes.append(cache.version))
    cache.apply(update(state(0), state(1)))
    cache.apply(update(state(1, leader=2), brokers=(2,)))
    partitions = cache.partitions("t")
    assert partitions is not None
    assert [p.leader for p in partitions.values()] == [1, 2]
    assert not cache.is_alive(1)
    assert cache.endpoint(2, "IN") == Endpoint("IN", "SSL", "h", 9002)
    assert cache.endpoint(2, "OUT") is None
    assert cache.controller_id == 2
    assert cache.current_leader(TopicPartition("t", 1)) == (2, 3)
    assert changes == [1, 2]
    unsubscribe()
    cache.apply(update())
    assert changes == [1, 2]


def test_leader_minus_two_deletes() -> None:
    cache = MetadataCache()
    cache.apply(update(state(0), state(1)))
    assert cache.apply(update(state(0, leader=-2))) == [TopicPartition("t", 0)]
    assert TopicPartition("t", 0) not in cache
    assert cache.topic_id("t") == ID
    cache.apply(update(state(1, leader=-2)))
    assert cache.topics() == []
    assert cache.topic_id("t") is None
    assert cache.topic_name(ID) is None


def test_ids_are_learnt_from_leader_and_isr_too() -> None:
    cache = MetadataCache()
    cache.learn_topic_id("t", ID)
    assert cache.topic_name(ID) == "t"
    other = uuid.UUID(int=6)
    cache.learn_topic_id("t", other)
    assert cache.topic_name(ID) is None
    assert cache.topic_name(other) == "t"
    cache.learn_topic_id("t", None)
    cache.learn_topic_id("t", uuid.UUID(int=0))
    assert cache.topic_id("t") == other


def test_old_layout() -> None:
    cache = MetadataCache()
    flat = state(0)
    flat.topic_name = "t"
    broker = Message(id=3, v0_host="old", v0_port=1, endpoints=None)
    old = Message(controller_id=-1, ungrouped_partition_states=[flat], live_brokers=[broker])
    cache.apply(typed_request(ApiKey.UPDATE_METADATA, old, version=0))
    assert TopicPartition("t", 0) in cache
    assert cache.controller_id is None
    assert cache.endpoint(3, "PLAINTEXT") == Endpoint("PLAINTEXT", "PLAINTEXT", "old", 1)
