"""ConsumerGroupHeartbeat in every version, with the other requests of such groups."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from tests.api import kit
from tests.api.consumer_group_kit import SETTINGS, beat_message, describe, enter, leave
from tests.api.group_kit import find, join, join_message

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message


def given(answer: Any) -> list[int]:
    return [n for topic in answer.assignment.topic_partitions for n in topic.partitions]


def commit_message(group: str, member: str, epoch: int, offset: int = 5) -> Message:
    part = Message(
        partition_index=0,
        committed_offset=offset,
        committed_leader_epoch=-1,
        committed_metadata="",
    )
    return Message(
        group_id=group,
        generation_id_or_member_epoch=epoch,
        member_id=member,
        group_instance_id=None,
        topics=[Message(name="t", partitions=[part])],
    )


async def commit(client: kit.Client, version: int, message: Message) -> int:
    answer = await client.ask(ApiKey.OFFSET_COMMIT, version, message)
    return int(answer.topics[0].partitions[0].error_code)


async def fetch(client: kit.Client, group: str, member: str | None, epoch: int) -> Any:
    topics = [Message(name="t", partition_indexes=[0])]
    asked = Message(group_id=group, member_id=member, member_epoch=epoch, topics=topics)
    message = Message(groups=[asked], require_stable=True)
    return (await client.ask(ApiKey.OFFSET_FETCH, 9, message)).groups[0]


@pytest.mark.parametrize("version", kit.versions(ApiKey.CONSUMER_GROUP_HEARTBEAT))
def test_a_member_comes_reads_commits_and_goes(version: int) -> None:
    async def scenario(client: kit.Client) -> None:
        await find(client, "g")
        await client.create("t", 3)
        entered = await enter(client, "g", "m" if version else "", version)
        member = entered.member_id
        assert (entered.error_code, entered.member_epoch) == (0, 1)
        assert given(entered) == [0, 1, 2]
        assert member == ("m" if version else member)
        assert len(member) in (1, 22)
        beat = await client.ask(
            ApiKey.CONSUMER_GROUP_HEARTBEAT, version, beat_message("g", member, 1)
        )
        assert (beat.error_code, beat.member_epoch, beat.assignment) == (0, 1, None)
        group = await describe(client, "g", version)
        assert (group.group_state, group.group_epoch, group.assignment_epoch) == ("Stable", 1, 1)
        assert group.assignor_name == "uniform"
        (described,) = group.members
        assert (described.member_id, described.member_epoch) == (member, 1)
        assert described.subscribed_topic_names == ("t",)
        for assignment in (described.assignment, described.target_assignment):
            (topic,) = assignment.topic_partitions
            assert (topic.topic_name, list(topic.partitions)) == ("t", [0, 1, 2])
        await leave(client, "g", member)
        assert (await describe(client, "g")).group_state == "Empty"

    kit.run(scenario, settings=SETTINGS)


def test_positions_belong_to_members_at_their_epoch() -> None:
    async def scenario(client: kit.Client) -> None:
        await find(client, "g")
        await client.create("t", 1)
        await enter(client, "g", "m")
        assert await commit(client, 9, commit_message("g", "m", 1)) == 0
        assert await commit(client, 9, commit_message("g", "m", 0)) == ErrorCode.STALE_MEMBER_EPOCH
        assert await commit(client, 9, commit_message("g", "x", 1)) == ErrorCode.UNKNOWN_MEMBER_ID
        assert await commit(client, 8, commit_message("g", "m", 1)) == ErrorCode.UNSUPPORTED_VERSION
        assert await commit(client, 9, commit_message("g", "", -1)) == ErrorCode.UNKNOWN_MEMBER_ID
        read = await fetch(client, "g", "m", 1)
        assert read.topics[0].partitions[0].committed_offset == 5
        assert (await fetch(client, "g", None, -1)).error_code == 0
        assert (await fetch(client, "g", "m", 2)).error_code == ErrorCode.STALE_MEMBER_EPOCH
        assert (await fetch(client, "g", "x", 1)).error_code == ErrorCode.UNKNOWN_MEMBER_ID
        topics = [Message(name="t", partitions=[Message(partition_index=0)])]
        deletion = Message(group_id="g", topics=topics)
        deleted = await client.ask(ApiKey.OFFSET_DELETE, 0, deletion)
        code = deleted.topics[0].partitions[0].error_code
        assert code == ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC
        await leave(client, "g", "m")
        deleted = await client.ask(ApiKey.OFFSET_DELETE, 0, deletion)
        assert deleted.topics[0].partitions[0].error_code == 0

    kit.run(scenario, settings=SETTINGS)


def test_errors_come_with_a_message() -> None:
    async def scenario(client: kit.Client) -> None:
        await find(client, "g")
        await client.create("t", 2)
        unknown = await client.ask(ApiKey.CONSUMER_GROUP_HEARTBEAT, 1, beat_message("g", "m", 3))
        assert unknown.error_code == ErrorCode.GROUP_ID_NOT_FOUND
        assert unknown.error_message == "Consumer group g not found."
        for fields, code in (
            ({"server_assignor": "mine"}, ErrorCode.UNSUPPORTED_ASSIGNOR),
            ({"subscribed_topic_regex": "(?=x)"}, ErrorCode.INVALID_REGULAR_EXPRESSION),
            ({"rebalance_timeout": -1}, ErrorCode.INVALID_REQUEST),
        ):
            assert (await enter(client, "g", "m", **fields)).error_code == code
        assert (await enter(client, "", "m")).error_code == ErrorCode.INVALID_REQUEST
        await enter(client, "g", "m")
        owned = [Message(topic_id=uuid.UUID(int=9), partitions=[1])]
        fenced = beat_message("g", "m", 7, topic_partitions=owned)
        assert (
            await client.ask(ApiKey.CONSUMER_GROUP_HEARTBEAT, 1, fenced)
        ).error_code == ErrorCode.FENCED_MEMBER_EPOCH

    kit.run(scenario, settings=SETTINGS)


def test_groups_change_their_kind_while_they_are_empty() -> None:
    async def scenario(client: kit.Client) -> None:
        await find(client, "g")
        await client.create("t", 1)
        joined = await join(client, "g")
        refused = await enter(client, "g", "m")
        assert refused.error_code == ErrorCode.GROUP_ID_NOT_FOUND
        members = [Message(member_id=joined.member_id, group_instance_id=None, reason=None)]
        await client.ask(ApiKey.LEAVE_GROUP, 5, Message(group_id="g", members=members))
        assert await commit(client, 9, commit_message("g", "", -1, 8)) == 0
        # A consumer member takes the place of nobody, and finds the positions.
        assert (await enter(client, "g", "m")).member_epoch == 1
        read = await fetch(client, "g", "m", 1)
        assert read.topics[0].partitions[0].committed_offset == 8
        # Classic requests for a consumer group.
        answer = await client.ask(ApiKey.JOIN_GROUP, 9, join_message("g"))
        assert answer.error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        beat = Message(group_id="g", generation_id=1, member_id="m", group_instance_id=None)
        answer = await client.ask(ApiKey.HEARTBEAT, 4, beat)
        assert answer.error_code == ErrorCode.UNKNOWN_MEMBER_ID
        sync = Message(
            group_id="g",
            generation_id=1,
            member_id="m",
            group_instance_id=None,
            protocol_type="consumer",
            protocol_name="range",
            assignments=[],
        )
        answer = await client.ask(ApiKey.SYNC_GROUP, 5, sync)
        assert answer.error_code == ErrorCode.UNKNOWN_MEMBER_ID
        gone = Message(
            group_id="g", members=[Message(member_id="m", group_instance_id=None, reason=None)]
        )
        answer = await client.ask(ApiKey.LEAVE_GROUP, 5, gone)
        assert answer.members[0].error_code == ErrorCode.UNKNOWN_MEMBER_ID
        await leave(client, "g", "m")
        # And back.
        await join(client, "g")
        assert (await describe(client, "g")).error_code == ErrorCode.GROUP_ID_NOT_FOUND
        read = await fetch(client, "g", None, -1)
        assert read.topics[0].partitions[0].committed_offset == 8

    kit.run(scenario, settings=SETTINGS)


def test_without_the_setting_it_is_refused() -> None:
    """And told of in the one version that the original tells of, as the original does."""

    async def scenario(client: kit.Client) -> None:
        await find(client, "g")
        me = Message(client_software_name="x", client_software_version="1")
        rows = (await client.ask(ApiKey.API_VERSIONS, 4, me)).api_keys
        greatest = {row.api_key: row.max_version for row in rows}
        assert (
            greatest[ApiKey.CONSUMER_GROUP_HEARTBEAT]
            == greatest[ApiKey.CONSUMER_GROUP_DESCRIBE]
            == 0
        )
        assert (await enter(client, "g", "m")).error_code == ErrorCode.UNSUPPORTED_VERSION
        assert (await describe(client, "g")).error_code == ErrorCode.UNSUPPORTED_VERSION

    classic = {"group.coordinator.rebalance.protocols": "classic"}
    kit.run(scenario, settings={**SETTINGS, **classic})
