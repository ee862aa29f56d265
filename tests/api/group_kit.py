"""Classic groups: requests, and members that make them, for tests of every API of groups."""

from __future__ import annotations

from typing import Any

from tests.api import kit

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message

SETTINGS = {
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "2",
    "group.initial.rebalance.delay.ms": "0",
    "offset.metadata.max.bytes": "10",
}
GROUP_APIS = (
    ApiKey.OFFSET_COMMIT,
    ApiKey.OFFSET_FETCH,
    ApiKey.FIND_COORDINATOR,
    ApiKey.JOIN_GROUP,
    ApiKey.HEARTBEAT,
    ApiKey.LEAVE_GROUP,
    ApiKey.SYNC_GROUP,
    ApiKey.DESCRIBE_GROUPS,
    ApiKey.LIST_GROUPS,
    ApiKey.DELETE_GROUPS,
    ApiKey.OFFSET_DELETE,
)
SUBSCRIPTION = b"".join(
    [
        b"\0\3\0\0\0\1\0\1t\xff\xff\xff\xff",  # v3: a topic, no user data
        b"\0\0\0\0\xff\xff\xff\xff\0\2r1",  # owns nothing, no generation, a rack (KIP-881)
    ]
)


async def find(client: kit.Client, group: str) -> None:
    message = Message(key=group, key_type=0, coordinator_keys=[group])
    answer = await client.ask(ApiKey.FIND_COORDINATOR, 6, message)
    assert answer.coordinators[0].error_code == 0


def join_message(group: str, member_id: str = "", **others: Any) -> Message:
    values: dict[str, Any] = {
        "group_id": group,
        "session_timeout": 10_000,
        "rebalance_timeout": 20_000,
        "member_id": member_id,
        "group_instance_id": None,
        "protocol_type": "consumer",
        "protocols": [Message(name="range", metadata=SUBSCRIPTION)],
        "reason": None,
    }
    return Message(**{**values, **others})


async def join(client: kit.Client, group: str, version: int = 9) -> Any:
    """A member on its own in a stable group; its JoinGroup answer."""
    joined = await client.ask(ApiKey.JOIN_GROUP, version, join_message(group))
    if version >= 4:
        assert joined.error_code == ErrorCode.MEMBER_ID_REQUIRED
        again = join_message(group, joined.member_id)
        joined = await client.ask(ApiKey.JOIN_GROUP, version, again)
    assert joined.error_code == 0
    return joined


def sync_message(group: str, joined: Any, assignment: bytes = b"mine") -> Message:
    return Message(
        group_id=group,
        generation_id=joined.generation_id,
        member_id=joined.member_id,
        group_instance_id=None,
        protocol_type="consumer",
        protocol_name="range",
        assignments=[Message(member_id=joined.member_id, assignment=assignment)],
    )


def commit_message(
    group: str, offset: int, *, topic: str = "t", metadata: str | None = "m", **who: Any
) -> Message:
    partition = Message(
        partition_index=0,
        committed_offset=offset,
        committed_leader_epoch=4,
        committed_metadata=metadata,
    )
    values: dict[str, Any] = {
        "group_id": group,
        "generation_id_or_member_epoch": -1,
        "member_id": "",
        "group_instance_id": None,
        "retention_time": -1,
        "topics": [Message(name=topic, partitions=[partition])],
    }
    return Message(**{**values, **who})


async def commit(client: kit.Client, group: str, offset: int, version: int = 9, **who: Any) -> int:
    message = commit_message(group, offset, **who)
    answer = await client.ask(ApiKey.OFFSET_COMMIT, version, message)
    return int(answer.topics[0].partitions[0].error_code)


def fetch_message(group: str, topics: list[Message] | None, *, stable: bool = False) -> Message:
    return Message(
        group_id=group,
        topics=topics,
        groups=[Message(group_id=group, member_id=None, member_epoch=-1, topics=topics)],
        require_stable=stable,
    )


async def position(client: kit.Client, group: str, version: int = 9) -> Any:
    """The answer for partition 0 of topic t."""
    topics = [Message(name="t", partition_indexes=[0])]
    answer = await client.ask(ApiKey.OFFSET_FETCH, version, fetch_message(group, topics))
    found = answer.groups[0] if version >= 8 else answer
    assert getattr(found, "error_code", 0) == 0
    return found.topics[0].partitions[0]
