"""OffsetDelete, and positions that go with their topic."""

from __future__ import annotations

import asyncio

from tests.api import kit
from tests.api.group_kit import SETTINGS, commit, find, join, position, sync_message

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message


def test_positions_are_deleted_unless_a_member_subscribes() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        await client.create("other")
        await find(client, "any")
        joined = await join(client, "g")
        await client.ask(ApiKey.SYNC_GROUP, 5, sync_message("g", joined))
        who = {"member_id": joined.member_id, "generation_id_or_member_epoch": 1}
        assert await commit(client, "g", 5, **who) == 0
        assert await commit(client, "g", 6, topic="other", **who) == 0
        topics = [
            Message(name=name, partitions=[Message(partition_index=0)])
            for name in ("t", "other", "nowhere")
        ]
        message = Message(group_id="g", topics=topics)
        answer = await client.ask(ApiKey.OFFSET_DELETE, 0, message)
        assert [t.partitions[0].error_code for t in answer.topics] == [
            ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC,
            ErrorCode.NONE,
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ]
        assert (await position(client, "g")).committed_offset == 5
        unknown = Message(group_id="none", topics=topics)
        answer = await client.ask(ApiKey.OFFSET_DELETE, 0, unknown)
        assert answer.error_code == ErrorCode.GROUP_ID_NOT_FOUND

    kit.run(scenario, settings=SETTINGS)


def test_positions_of_a_deleted_topic_go_with_it() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        await find(client, "g")
        await commit(client, "g", 5)
        gone = Message(topics=[Message(name="t", topic_id=None)], timeout=10_000)
        await client.ask(ApiKey.DELETE_TOPICS, 6, gone)
        await client.create("t")
        assert (await position(client, "g")).committed_offset == -1

    kit.run(scenario, settings=SETTINGS)


async def state(client: kit.Client, group: str) -> str:
    wanted = Message(groups=[group], include_authorized_operations=False)
    answer = await client.ask(ApiKey.DESCRIBE_GROUPS, 5, wanted)
    return str(answer.groups[0].group_state)


async def leave(client: kit.Client, group: str, member_id: str) -> None:
    member = Message(member_id=member_id, group_instance_id=None, reason=None)
    message = Message(group_id=group, members=[member])
    assert (await client.ask(ApiKey.LEAVE_GROUP, 5, message)).error_code == 0


async def delete_topic(client: kit.Client, topic: str) -> None:
    gone = Message(topics=[Message(name=topic, topic_id=None)], timeout=10_000)
    await client.ask(ApiKey.DELETE_TOPICS, 6, gone)
    await asyncio.sleep(1)


def test_a_group_without_members_goes_with_its_last_position() -> None:
    async def scenario(client: kit.Client) -> None:
        for topic in ("t", "u", "v"):
            await client.create(topic)
        await find(client, "any")
        await commit(client, "simple", 1)
        await commit(client, "two", 1)
        await commit(client, "two", 1, topic="u")
        joined = await join(client, "left")
        await client.ask(ApiKey.SYNC_GROUP, 5, sync_message("left", joined))
        who = {"member_id": joined.member_id, "generation_id_or_member_epoch": 1}
        assert await commit(client, "left", 5, **who) == 0
        await leave(client, "left", joined.member_id)
        living = await join(client, "living")
        await client.ask(ApiKey.SYNC_GROUP, 5, sync_message("living", living))
        who = {"member_id": living.member_id, "generation_id_or_member_epoch": 1}
        assert await commit(client, "living", 5, **who) == 0
        await delete_topic(client, "t")
        for group, expected in (
            ("simple", "Dead"),
            ("two", "Empty"),
            ("left", "Dead"),
            ("living", "Stable"),
        ):
            assert await state(client, group) == expected, group
        names = ["simple", "two"]
        answer = await client.ask(ApiKey.DELETE_GROUPS, 2, Message(groups_names=names[:1]))
        assert answer.results[0].error_code == ErrorCode.GROUP_ID_NOT_FOUND
        await leave(client, "living", living.member_id)
        assert await state(client, "living") == "Empty", "until somebody looks"
        await delete_topic(client, "v")
        assert await state(client, "living") == "Dead", "it had nothing before"
        only = Message(name="u", partitions=[Message(partition_index=0)])
        nothing = Message(group_id="two", topics=[])
        assert (await client.ask(ApiKey.OFFSET_DELETE, 0, nothing)).error_code == 0
        assert await state(client, "two") == "Empty"
        message = Message(group_id="two", topics=[only])
        answer = await client.ask(ApiKey.OFFSET_DELETE, 0, message)
        assert answer.topics[0].partitions[0].error_code == 0
        assert await state(client, "two") == "Dead"
        everything = Message(states_filter=[], types_filter=[])
        assert not (await client.ask(ApiKey.LIST_GROUPS, 4, everything)).groups

    kit.run(scenario, settings=SETTINGS)
