"""DescribeGroups."""

from __future__ import annotations

from tests.api import kit
from tests.api.group_kit import SETTINGS, SUBSCRIPTION, commit, find, join, sync_message

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message


def test_descriptions_in_every_version() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        await find(client, "any")
        joined = await join(client, "g")
        await client.ask(ApiKey.SYNC_GROUP, 5, sync_message("g", joined))
        await commit(client, "simple", 1)
        for version in kit.versions(ApiKey.DESCRIBE_GROUPS):
            wanted = Message(groups=["g", "simple", "nothing"], include_authorized_operations=False)
            answer = await client.ask(ApiKey.DESCRIBE_GROUPS, version, wanted)
            stable, simple, nothing = answer.groups
            assert (stable.group_state, stable.protocol_data) == ("Stable", "range")
            (member,) = stable.members
            assert member.member_id == joined.member_id
            assert member.client_id == "test"
            assert member.client_host.startswith("/10.")
            assert (member.member_metadata, member.member_assignment) == (SUBSCRIPTION, b"mine")
            assert (simple.group_state, simple.protocol_type) == ("Empty", "")
            assert (nothing.error_code, nothing.group_state) == (0, "Dead")

    kit.run(scenario, settings=SETTINGS)
