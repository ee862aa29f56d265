"""An order's entry that cannot be right is refused alone; its neighbours are carried out."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from tests.protocol.typed import typed_request
from tests.replication.support import TOPIC_ID, Cluster
from tests.virtual_time import run

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.protocol.messages.leader_and_isr import LeaderAndIsrRequest
from barnabas.protocol.messages.update_metadata import UpdateMetadataRequest
from barnabas.types import TopicPartition

NAMES = ["", ".", "..", "../escape", "a/b", "nul\0l", "a b", "ä", "x" * 250, "line\nbreak"]
STATES: list[tuple[dict[str, Any], ErrorCode]] = [
    ({"partition_index": -1}, ErrorCode.INVALID_PARTITIONS),
    ({"leader": -2}, ErrorCode.INVALID_REQUEST),
    ({"leader": -(2**31)}, ErrorCode.INVALID_REQUEST),
    ({"leader_epoch": -1}, ErrorCode.INVALID_REQUEST),
    ({"isr": [1, -1]}, ErrorCode.INVALID_REQUEST),
    ({"replicas": [1, -7]}, ErrorCode.INVALID_REQUEST),
    ({"adding_replicas": [-1]}, ErrorCode.INVALID_REQUEST),
    ({"leader_recovery_state": 2}, ErrorCode.INVALID_REQUEST),
]


def _order(cluster: Cluster, name: str, **fields: Any) -> LeaderAndIsrRequest:
    """A LeaderAndIsr of the bad entry, and of the good one after it."""
    order = cluster.leader_and_isr()
    good = order.topic_states[0]
    state = replace(good.partition_states[0], **fields)
    bad = LeaderAndIsrRequest.TopicState(topic_name=name, topic_id=None, partition_states=[state])
    order.topic_states = [bad, good]
    return order


def _errors(answer: Any) -> list[tuple[str, int, int]]:
    assert answer.error_code == ErrorCode.NONE
    return [(e.topic_name, e.partition_index, e.error_code) for e in answer.partition_errors]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_name_of_a_leader_and_isr(name: str) -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            node = cluster.nodes[1]
            await node.manager.update_metadata(cluster.update_metadata())
            order = _order(cluster, name)
            assert _errors(await node.manager.become_leader_or_follower(order)) == [
                (name, 0, ErrorCode.INVALID_TOPIC_EXCEPTION),
                ("t", 0, ErrorCode.NONE),
            ]
            assert list(node.manager.partitions) == [TopicPartition("t", 0)]
            assert node.partition.is_leader

    run(main())


@pytest.mark.parametrize(("fields", "error"), STATES)
def test_a_number_of_a_leader_and_isr(fields: dict[str, Any], error: ErrorCode) -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            node = cluster.nodes[1]
            await node.manager.update_metadata(cluster.update_metadata())
            order = _order(cluster, "u", **fields)
            number = fields.get("partition_index", 0)
            assert _errors(await node.manager.become_leader_or_follower(order)) == [
                ("u", number, error),
                ("t", 0, ErrorCode.NONE),
            ]
            assert list(node.manager.partitions) == [TopicPartition("t", 0)]

    run(main())


def test_entries_of_an_update_metadata() -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            node = cluster.nodes[1]
            update = cluster.update_metadata()
            good, state = update.topic_states[0], update.topic_states[0].partition_states[0]
            update.topic_states = [
                *(
                    UpdateMetadataRequest.TopicState(
                        topic_name=n, topic_id=TOPIC_ID, partition_states=[state]
                    )
                    for n in NAMES
                ),
                UpdateMetadataRequest.TopicState(
                    topic_name="u",
                    topic_id=None,
                    partition_states=[
                        replace(state, partition_index=-1),
                        replace(state, leader=-3),
                        replace(state, isr=[-1]),
                    ],
                ),
                good,
            ]
            first = update.live_brokers[0]
            endpoint = first.endpoints[0]
            for protocol in (-1, 4, 32_767):
                odd = replace(endpoint, listener="ODD", security_protocol=protocol)
                first.endpoints = [*first.endpoints, odd]
            update.live_brokers = [*update.live_brokers, replace(first, id=-1)]
            assert (await node.manager.update_metadata(update)).error_code == ErrorCode.NONE
            assert node.metadata.topics() == ["t"]
            assert node.metadata.topic_name(TOPIC_ID) == "t"
            assert list(node.metadata.brokers) == [1, 2]
            assert [e.listener for e in node.metadata.brokers[1].endpoints] == ["PLAINTEXT"]

    run(main())


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_name_of_a_stop_replica(name: str) -> None:
    async def main() -> None:
        async with Cluster(1, 2) as cluster:
            await cluster.announce()
            node = cluster.nodes[1]
            state = {"partition_index": 0, "leader_epoch": -2, "delete_partition": True}
            topics = [
                Message(topic_name=n, partition_states=[Message(**state)]) for n in (name, "t")
            ]
            stop = Message(topic_states=topics, controller_epoch=9, broker_epoch=-1)
            order = typed_request(ApiKey.STOP_REPLICA, stop)
            assert _errors(await node.manager.stop_replica(order)) == [
                (name, 0, ErrorCode.INVALID_TOPIC_EXCEPTION),
                ("t", 0, ErrorCode.NONE),
            ]
            assert not node.manager.partitions

    run(main())
