"""OffsetCommit."""

from __future__ import annotations

import pytest
from tests.api import kit
from tests.api.group_kit import SETTINGS, commit, fetch_message, find, join, position, sync_message

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message


@pytest.mark.parametrize("version", [2, 8, 9])
def test_a_topic_without_partitions_is_left_out_of_a_commit(version: int) -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        commit = Message(
            group_id="g",
            generation_id_or_member_epoch=-1,
            member_id="",
            group_instance_id=None,
            retention_time=-1,
            topics=[Message(name="t", partitions=[])],
        )
        answer = await client.ask(ApiKey.OFFSET_COMMIT, version, commit)
        assert not answer.topics

    kit.run(scenario)


def test_a_member_commits_in_every_version() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        await find(client, "any")
        joined = await join(client, "g")
        await client.ask(ApiKey.SYNC_GROUP, 5, sync_message("g", joined))
        who = {"member_id": joined.member_id, "generation_id_or_member_epoch": 1}
        for version in kit.versions(ApiKey.OFFSET_COMMIT)[1:]:
            assert await commit(client, "g", 7, version, **who) == 0

    kit.run(scenario, settings=SETTINGS)


def test_positions_in_every_version() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        await find(client, "any")
        for version in kit.versions(ApiKey.OFFSET_COMMIT)[1:]:
            assert await commit(client, "simple", 10 + version, version) == 0
            for fetch in kit.versions(ApiKey.OFFSET_FETCH)[1:]:
                found = await position(client, "simple", fetch)
                assert (found.committed_offset, found.metadata) == (10 + version, "m")
                if fetch >= 5:
                    assert found.committed_leader_epoch == (4 if version >= 6 else -1)
                never = await position(client, "never", fetch)
                assert (never.committed_offset, never.metadata) == (-1, "")
        for fetch in range(2, 10):
            answer = await client.ask(ApiKey.OFFSET_FETCH, fetch, fetch_message("simple", None))
            topics = answer.groups[0].topics if fetch >= 8 else answer.topics
            assert [(t.name, len(t.partitions)) for t in topics] == [("t", 1)]
        too_long = await commit(client, "simple", 1, metadata="x" * 11)
        assert too_long == ErrorCode.OFFSET_METADATA_TOO_LARGE
        nowhere = await commit(client, "simple", 1, topic="nowhere")
        assert nowhere == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        late = await commit(client, "unknown", 1, generation_id_or_member_epoch=3, member_id="x")
        assert late == ErrorCode.ILLEGAL_GENERATION
        assert await commit(client, "simple", 3, metadata=None) == 0
        assert (await position(client, "simple")).metadata == ""

    kit.run(scenario, settings=SETTINGS)


def test_a_retention_beyond_all_time_is_for_ever() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        await find(client, "any")
        for retention in (2**63 - 1, 2**62):
            assert await commit(client, "g", 5, 2, retention_time=retention) == 0
            assert (await position(client, "g")).committed_offset == 5

    kit.run(scenario, settings=SETTINGS)


def test_the_last_position_of_a_partition_counts() -> None:
    """However often it is named: one record is written."""

    async def scenario(client: kit.Client) -> None:
        await client.create("t", 2)
        await find(client, "any")
        named = [
            Message(
                partition_index=number % 2,
                committed_offset=number,
                committed_leader_epoch=-1,
                committed_metadata="",
            )
            for number in range(3000)
        ]
        commit = Message(
            group_id="g",
            generation_id_or_member_epoch=-1,
            member_id="",
            group_instance_id=None,
            topics=[
                Message(name="t", partitions=named),
                Message(name="nobody's", partitions=named),
            ],
        )
        answer = await client.ask(ApiKey.OFFSET_COMMIT, 8, commit)
        assert [len(topic.partitions) for topic in answer.topics] == [3000, 3000]
        codes = [{p.error_code for p in topic.partitions} for topic in answer.topics]
        assert codes == [{0}, {ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}]
        answer = await client.ask(ApiKey.OFFSET_FETCH, 7, fetch_message("g", None))
        (topic,) = answer.topics
        assert {p.partition_index: p.committed_offset for p in topic.partitions} == {
            0: 2998,
            1: 2999,
        }

    kit.run(scenario, settings=SETTINGS)
