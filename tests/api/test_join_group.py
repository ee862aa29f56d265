"""JoinGroup."""

from __future__ import annotations

from tests.api import kit
from tests.api.group_kit import SETTINGS, SUBSCRIPTION, find, join, join_message

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey


def test_a_member_joins_in_every_version() -> None:
    async def scenario(client: kit.Client) -> None:
        await find(client, "any")
        for version in kit.versions(ApiKey.JOIN_GROUP):
            joined = await join(client, f"g{version}", version)
            assert (joined.generation_id, joined.protocol_name) == (1, "range")
            assert joined.leader == joined.member_id
            assert joined.members[0].metadata == SUBSCRIPTION
            if version >= 7:
                assert joined.protocol_type == "consumer"

    kit.run(scenario, settings=SETTINGS)


def test_joins_that_are_refused() -> None:
    async def scenario(client: kit.Client) -> None:
        await find(client, "any")
        nameless = await client.ask(ApiKey.JOIN_GROUP, 9, join_message(""))
        assert nameless.error_code == ErrorCode.INVALID_GROUP_ID
        hasty = await client.ask(ApiKey.JOIN_GROUP, 9, join_message("g", session_timeout=5))
        assert hasty.error_code == ErrorCode.INVALID_SESSION_TIMEOUT
        stranger = await client.ask(ApiKey.JOIN_GROUP, 9, join_message("g", "who"))
        assert stranger.error_code == ErrorCode.UNKNOWN_MEMBER_ID

    kit.run(scenario, settings=SETTINGS)
