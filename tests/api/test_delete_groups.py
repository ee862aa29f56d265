"""DeleteGroups."""

from __future__ import annotations

from tests.api import kit
from tests.api.group_kit import SETTINGS, commit, find, join, position, sync_message

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message


def test_groups_without_members_are_deleted_with_their_positions() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        await find(client, "any")
        joined = await join(client, "g")
        await client.ask(ApiKey.SYNC_GROUP, 5, sync_message("g", joined))
        who = {"member_id": joined.member_id, "generation_id_or_member_epoch": 1}
        assert await commit(client, "g", 5, **who) == 0
        for version in kit.versions(ApiKey.DELETE_GROUPS):
            await commit(client, f"s{version}", 1)
            wanted = Message(groups_names=["g", f"s{version}", "none", "none"])
            answer = await client.ask(ApiKey.DELETE_GROUPS, version, wanted)
            assert [(r.group_id, r.error_code) for r in answer.results] == [
                ("g", ErrorCode.NON_EMPTY_GROUP),
                (f"s{version}", ErrorCode.NONE),
                ("none", ErrorCode.GROUP_ID_NOT_FOUND),
            ]
            assert (await position(client, f"s{version}")).committed_offset == -1
        assert (await position(client, "g")).committed_offset == 5

    kit.run(scenario, settings=SETTINGS)
