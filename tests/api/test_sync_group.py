"""SyncGroup."""

from __future__ import annotations

from tests.api import kit
from tests.api.group_kit import SETTINGS, find, join, sync_message

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message


def test_a_member_is_given_its_assignment_in_every_version() -> None:
    async def scenario(client: kit.Client) -> None:
        await find(client, "any")
        for version in kit.versions(ApiKey.SYNC_GROUP):
            joined = await join(client, f"g{version}")
            message = sync_message(f"g{version}", joined)
            synced = await client.ask(ApiKey.SYNC_GROUP, version, message)
            assert (synced.error_code, synced.assignment) == (0, b"mine")
            if version >= 5:
                assert (synced.protocol_type, synced.protocol_name) == ("consumer", "range")

    kit.run(scenario, settings=SETTINGS)


def test_a_stranger_is_given_no_assignment() -> None:
    async def scenario(client: kit.Client) -> None:
        await find(client, "any")
        joined = Message(generation_id=1, member_id="who")
        lost = await client.ask(ApiKey.SYNC_GROUP, 5, sync_message("g", joined))
        assert lost.error_code == ErrorCode.UNKNOWN_MEMBER_ID

    kit.run(scenario, settings=SETTINGS)
