"""LeaveGroup."""

from __future__ import annotations

from typing import Any

from tests.api import kit
from tests.api.group_kit import SETTINGS, find, join

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message


async def leave_with(client: kit.Client, group: str, member_id: str, version: int) -> Any:
    identity = Message(member_id=member_id, group_instance_id=None, reason="done")
    message = Message(group_id=group, member_id=member_id, members=[identity])
    return await client.ask(ApiKey.LEAVE_GROUP, version, message)


def test_a_member_leaves_in_every_version() -> None:
    async def scenario(client: kit.Client) -> None:
        await find(client, "any")
        for version in kit.versions(ApiKey.LEAVE_GROUP):
            joined = await join(client, "g")
            gone = await leave_with(client, "g", joined.member_id, version)
            assert gone.error_code == 0
            late = await leave_with(client, "g", joined.member_id, version)
            error = late.members[0].error_code if version >= 3 else late.error_code
            assert error == ErrorCode.UNKNOWN_MEMBER_ID

    kit.run(scenario, settings=SETTINGS)
