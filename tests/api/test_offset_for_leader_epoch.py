"""OffsetForLeaderEpoch in every version."""

from __future__ import annotations

from tests.api import kit

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message


def test_offset_for_leader_epoch_in_every_version() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        await client.produce("t", b"a", b"b")
        for version in kit.versions(ApiKey.OFFSET_FOR_LEADER_EPOCH):
            for topic, current, epoch, expected in (
                ("t", -1, 0, (0, 0, 2)),
                ("t", 0, 5, (0, -1, -1)),
                ("t", 4, 0, (ErrorCode.UNKNOWN_LEADER_EPOCH, -1, -1)),
                ("nobody", -1, 0, (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1, -1)),
            ):
                if version < 2 and current == 4:
                    continue  # no epoch of the leader is sent
                part = Message(partition=0, current_leader_epoch=current, leader_epoch=epoch)
                message = Message(replica_id=-1, topics=[Message(topic=topic, partitions=[part])])
                (found,) = (
                    (await client.ask(ApiKey.OFFSET_FOR_LEADER_EPOCH, version, message))
                    .topics[0]
                    .partitions
                )
                assert (found.error_code, found.end_offset) == (expected[0], expected[2])
                assert found.leader_epoch == (expected[1] if version else -1)

    kit.run(scenario)
