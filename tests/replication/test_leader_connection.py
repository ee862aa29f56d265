"""The follower's fetch on the wire, against the recorded first fetch of the original."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace

import pytest
from tests.replication.support import Cluster
from tests.virtual_time import run

from barnabas.errors import ErrorCode
from barnabas.protocol.fetch import (
    FetchPartitionData,
    FetchRequest,
    FetchTopicData,
    encode_fetch_response,
    parse_fetch_request,
)
from barnabas.protocol.header import parse_request_header
from barnabas.protocol.inter_broker import inter_broker_versions
from barnabas.replication.fetch_session_client import FetchSessionHandler, Wanted
from barnabas.replication.leader_connection import KafkaLeaderConnection
from barnabas.types import TopicPartition

RECORDED = bytes.fromhex(
    "0001001100000000001262726f6b65722d312d666574636865722d3000000001f40000000100a00000"
    "00000000000000000002e4214b4263854c418ccbc507fce1366e0200000000000000000000000000000000"
    "ffffffff0000000000000000001000000000010101010d00000001000000000000001a00"
)


class Wire:
    client_id = "broker-1-fetcher-0"

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.answers: list[asyncio.Future[memoryview]] = []

    def next_correlation_id(self) -> int:
        return len(self.sent)

    def send_frame(
        self, frame: bytes, answer: asyncio.Future[memoryview]
    ) -> asyncio.Future[memoryview]:
        self.sent.append(frame)
        self.answers.append(answer)
        return answer

    def close(self) -> None:
        return


def test_first_fetch_is_the_recorded_one() -> None:
    async def main() -> None:
        async with Cluster(1) as cluster:
            node = cluster.nodes[1]
            node.epoch = 26
            wire = Wire()
            connection = KafkaLeaderConnection(node.manager.context, wire)  # type: ignore[arg-type]
            session = FetchSessionHandler()
            topic_id = uuid.UUID("e4214b42-6385-4c41-8ccb-c507fce1366e")
            session.want(TopicPartition("t", 0), Wanted(topic_id, 0, 0, -1, 0, 1_048_576))
            connection.fetch(session.build())
            assert wire.sent[0][4:] == RECORDED
            assert int.from_bytes(wire.sent[0][:4], "big") == len(RECORDED)

    run(main())


@pytest.mark.parametrize("protocol", ["2.8", "3.1", "3.5", "3.9"])
def test_fetches_of_older_protocols(protocol: str) -> None:
    """Topics are named by name, or the follower at the beginning; what comes back finds its id."""

    async def main() -> None:
        async with Cluster(1) as cluster:
            context = cluster.nodes[1].manager.context
            versions = inter_broker_versions(protocol)
            context.settings = replace(context.settings, versions=versions)
            wire = Wire()
            connection = KafkaLeaderConnection(context, wire)  # type: ignore[arg-type]
            session = FetchSessionHandler()
            old, new, other = (uuid.UUID(int=n) for n in (7, 8, 9))
            session.want(TopicPartition("t", 0), Wanted(old, 0, 5, -1, 0, 1_048_576))
            session.want(TopicPartition("u", 1), Wanted(other, 0, 6, -1, 0, 1_048_576))
            asked = session.build()
            reply = connection.fetch(asked)
            request = _parsed(wire.sent[-1], versions.fetch)
            by_name = versions.fetch < 13
            assert request.replica_id == 1
            assert [(t.topic, t.topic_id) for t in request.topics] == (
                [("t", None), ("u", None)] if by_name else [("", old), ("", other)]
            )
            data = FetchPartitionData(1, 0, 10, 9, 1, records=[b"abc"])
            wire.answers[-1].set_result(_answer(versions.fetch, "u", other, data))
            found = await reply
            assert found.error is ErrorCode.NONE
            assert [(d.topic_id, d.partition) for d in found.partitions] == [(other, 1)]

            session.answered(asked, error=found.error, session_id=found.session_id)
            session.want(TopicPartition("t", 0), Wanted(new, 0, 0, -1, 0, 1_048_576))
            session.forget(TopicPartition("u", 1))
            connection.fetch(session.build())
            request = _parsed(wire.sent[-1], versions.fetch)
            assert [t.topic_id or t.topic for t in request.topics] == ["t" if by_name else new]
            gone = [(t.topic_id or t.topic, list(t.partitions)) for t in request.forgotten]
            # The old topic of the same name is not forgotten by its name: the new one has it.
            assert [g for g in gone if g[1]] == (
                [("u", [1])] if by_name else [(old, [0]), (other, [1])]
            )

    run(main())


def _parsed(frame: bytes, version: int) -> FetchRequest:
    _, offset = parse_request_header(memoryview(frame)[4:])
    return parse_fetch_request(version, memoryview(frame)[4:], offset)


def _answer(version: int, topic: str, topic_id: uuid.UUID, data: FetchPartitionData) -> memoryview:
    topics = [FetchTopicData(topic, topic_id, [data])]
    frame = b"".join(encode_fetch_response(version, 0, topics, session_id=11))
    return memoryview(frame)[4:]
