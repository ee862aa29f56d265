"""Heartbeat."""

from __future__ import annotations

from tests.api import kit
from tests.api.group_kit import SETTINGS, find, join, sync_message

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message


def test_a_member_beats_in_every_version() -> None:
    async def scenario(client: kit.Client) -> None:
        await find(client, "any")
        joined = await join(client, "g")
        await client.ask(ApiKey.SYNC_GROUP, 5, sync_message("g", joined))
        for version in kit.versions(ApiKey.HEARTBEAT):
            for generation, expected in ((1, ErrorCode.NONE), (7, ErrorCode.ILLEGAL_GENERATION)):
                beat = Message(
                    group_id="g",
                    generation_id=generation,
                    member_id=joined.member_id,
                    group_instance_id=None,
                )
                answer = await client.ask(ApiKey.HEARTBEAT, version, beat)
                assert answer.error_code == expected

    kit.run(scenario, settings=SETTINGS)


def test_a_stranger_does_not_beat() -> None:
    async def scenario(client: kit.Client) -> None:
        await find(client, "any")
        beat = Message(group_id="g", generation_id=1, member_id="who", group_instance_id=None)
        answer = await client.ask(ApiKey.HEARTBEAT, 4, beat)
        assert answer.error_code == ErrorCode.UNKNOWN_MEMBER_ID

    kit.run(scenario, settings=SETTINGS)
