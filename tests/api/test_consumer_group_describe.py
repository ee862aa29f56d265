"""ConsumerGroupDescribe, and what other requests about groups say of the consumer protocol."""

from __future__ import annotations

from tests.api import kit
from tests.api.consumer_group_kit import SETTINGS, beat_message, describe, enter, leave
from tests.api.group_kit import find, join

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message


def test_groups_are_listed_and_deleted() -> None:
    async def scenario(client: kit.Client) -> None:
        await find(client, "g")
        await client.create("t", 1)
        await enter(client, "g", "m")
        await join(client, "classic")

        async def listed(*types: str) -> dict[str, tuple[str, str]]:
            request = Message(states_filter=[], types_filter=list(types))
            groups = (await client.ask(ApiKey.LIST_GROUPS, 5, request)).groups
            return {g.group_id: (g.group_type, g.group_state) for g in groups}

        assert (await listed())["g"] == ("consumer", "Stable")
        assert list(await listed("Consumer")) == ["g"]
        assert list(await listed("classic")) == ["classic"]
        request = Message(groups=["g"], include_authorized_operations=False)
        classic = (await client.ask(ApiKey.DESCRIBE_GROUPS, 5, request)).groups[0]
        assert (classic.error_code, classic.group_state) == (0, "Dead")
        for name in ("classic", "nothing"):
            assert (await describe(client, name)).error_code == ErrorCode.GROUP_ID_NOT_FOUND

        async def delete() -> int:
            answer = await client.ask(ApiKey.DELETE_GROUPS, 2, Message(groups_names=["g"]))
            return int(answer.results[0].error_code)

        assert await delete() == ErrorCode.NON_EMPTY_GROUP
        await leave(client, "g", "m")
        assert await delete() == 0
        assert "g" not in await listed()

    kit.run(scenario, settings=SETTINGS)


def test_a_member_says_where_it_is() -> None:
    async def scenario(client: kit.Client) -> None:
        await find(client, "g")
        await client.create("t", 1)
        entered = await enter(client, "g", "m", rack_id="r1")
        epoch = entered.member_epoch
        # No assignor looks at racks, as in the original: another rack is no reason for another
        # assignment, and a heartbeat without one changes nothing.
        for told, known in ((None, "r1"), ("r2", "r2"), (None, "r2")):
            beat = beat_message("g", "m", epoch, rack_id=told)
            answer = await client.ask(ApiKey.CONSUMER_GROUP_HEARTBEAT, 1, beat)
            assert (answer.error_code, answer.member_epoch) == (0, epoch)
            group = await describe(client, "g")
            assert (group.group_epoch, group.members[0].rack_id) == (epoch, known)

    kit.run(scenario, settings=SETTINGS)
