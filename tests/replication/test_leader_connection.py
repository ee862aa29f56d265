"""The follower's fetch on the wire, against the recorded first fetch of the original."""

from __future__ import annotations

import asyncio
import uuid

from tests.replication.support import Cluster
from tests.virtual_time import run

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

    def next_correlation_id(self) -> int:
        return len(self.sent)

    def send_frame(self, frame: bytes) -> asyncio.Future[memoryview]:
        self.sent.append(frame)
        return asyncio.get_running_loop().create_future()

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
