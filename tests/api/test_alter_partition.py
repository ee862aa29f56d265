"""AlterPartition in every version."""

from __future__ import annotations

from tests.api import kit
from tests.api.orders import incarnation_of

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message


def test_isr_changes_in_every_version() -> None:
    async def scenario(client: kit.Client) -> None:
        topic_id = (await client.create("t")).topic_id
        incarnation = await incarnation_of(client)
        for version in kit.versions(ApiKey.ALTER_PARTITION):
            for epoch, broker_epoch, expected in (
                (0, incarnation, (0, 0)),
                (7, incarnation, (0, ErrorCode.NOT_CONTROLLER)),
                (0, incarnation - 1, (ErrorCode.STALE_BROKER_EPOCH, None)),
            ):
                part = Message(
                    partition_index=0,
                    leader_epoch=epoch,
                    new_isr=[1],
                    new_isr_with_epochs=[Message(broker_id=1, broker_epoch=incarnation)],
                    leader_recovery_state=0,
                    partition_epoch=0,
                )
                topics = [Message(topic_name="t", topic_id=topic_id, partitions=[part])]
                ask = Message(broker_id=1, broker_epoch=broker_epoch, topics=topics)
                answer = await client.ask(ApiKey.ALTER_PARTITION, version, ask)
                assert answer.error_code == expected[0]
                if expected[1] is not None:
                    topic = answer.topics[0]
                    assert topic.partitions[0].error_code == expected[1]
                    named = (topic.topic_name, topic.topic_id)
                    assert named == (("t", None) if version < 2 else ("", topic_id))

    kit.run(scenario)
