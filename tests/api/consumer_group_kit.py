"""Groups of the consumer protocol (KIP-848): requests, and members that make them."""

from __future__ import annotations

from typing import Any

from tests.api import kit

from barnabas.api.access import NOT_ASKED
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message

SETTINGS = {
    "group.coordinator.rebalance.protocols": "classic,consumer",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.session.timeout.ms": "2000",
    "group.consumer.min.heartbeat.interval.ms": "100",
    "group.consumer.heartbeat.interval.ms": "700",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "2",
    "group.initial.rebalance.delay.ms": "0",
}


def beat_message(group: str, member: str, epoch: int, **others: Any) -> Message:
    values: dict[str, Any] = {
        "group_id": group,
        "member_id": member,
        "member_epoch": epoch,
        "instance_id": None,
        "rack_id": None,
        "rebalance_timeout": -1,
        "subscribed_topic_names": None,
        "subscribed_topic_regex": None,
        "server_assignor": None,
        "topic_partitions": None,
    }
    return Message(**{**values, **others})


async def enter(
    client: kit.Client, group: str, member: str, version: int = 1, **others: Any
) -> Any:
    """A member's first heartbeat; its answer."""
    fields = {
        "rebalance_timeout": 30_000,
        "subscribed_topic_names": ["t"],
        "topic_partitions": [],
        **others,
    }
    return await client.ask(
        ApiKey.CONSUMER_GROUP_HEARTBEAT, version, beat_message(group, member, 0, **fields)
    )


async def leave(client: kit.Client, group: str, member: str) -> None:
    answer = await client.ask(ApiKey.CONSUMER_GROUP_HEARTBEAT, 1, beat_message(group, member, -1))
    assert (answer.error_code, answer.member_epoch) == (0, -1)


async def describe(client: kit.Client, group: str, version: int = 1) -> Any:
    request = Message(group_ids=[group], include_authorized_operations=True)
    found = (await client.ask(ApiKey.CONSUMER_GROUP_DESCRIBE, version, request)).groups[0]
    assert found.authorized_operations == (NOT_ASKED if found.error_code else 328)
    return found
