"""ListGroups."""

from __future__ import annotations

from tests.api import kit
from tests.api.group_kit import SETTINGS, commit, find, join, sync_message

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message


def test_lists_in_every_version() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        await find(client, "any")
        joined = await join(client, "g")
        await client.ask(ApiKey.SYNC_GROUP, 5, sync_message("g", joined))
        await commit(client, "simple", 1)
        for version in kit.versions(ApiKey.LIST_GROUPS):
            everything = Message(states_filter=[], types_filter=[])
            answer = await client.ask(ApiKey.LIST_GROUPS, version, everything)
            found = {g.group_id: g.protocol_type for g in answer.groups}
            assert found == {"g": "consumer", "simple": ""}
            if version >= 4:
                some = Message(states_filter=["stable"], types_filter=["Classic"])
                answer = await client.ask(ApiKey.LIST_GROUPS, version, some)
                assert [(g.group_id, g.group_state) for g in answer.groups] == [("g", "Stable")]
            if version >= 5:
                new = Message(states_filter=[], types_filter=["consumer"])
                assert not (await client.ask(ApiKey.LIST_GROUPS, version, new)).groups

    kit.run(scenario, settings=SETTINGS)
