"""Requests about groups that no honest client sends: each is answered, and the broker goes on."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.api import kit
from tests.api.group_kit import (
    GROUP_APIS,
    SETTINGS,
    commit,
    commit_message,
    fetch_message,
    find,
    join,
    join_message,
    sync_message,
)

from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.codec import encode_request
from barnabas.protocol.connection import KafkaConnection
from barnabas.protocol.message import Message

LONG = "x" * 32_767
"""The longest string that Kafka's protocol carries."""


async def is_well(client: kit.Client) -> None:
    """A group can still live."""
    joined = await join(client, "well")
    answer = await client.ask(ApiKey.SYNC_GROUP, 5, sync_message("well", joined))
    assert (answer.error_code, answer.assignment) == (0, b"mine")
    leave = Message(group_id="well", members=[Message(member_id=joined.member_id, reason=None)])
    assert (await client.ask(ApiKey.LEAVE_GROUP, 5, leave)).error_code == 0


@pytest.mark.parametrize("version", [3, 5, 9])
def test_names_too_long_for_an_id_to_follow(version: int) -> None:
    """A member id is the client's id or the instance's with a uuid behind it."""

    async def scenario(client: kit.Client) -> None:
        await find(client, "any")
        message = join_message("g")
        answer = await client.ask(ApiKey.JOIN_GROUP, version, message, client_id=LONG)
        assert answer.error_code in (0, ErrorCode.MEMBER_ID_REQUIRED)
        assert len(answer.member_id) <= len(LONG)
        if version >= 5:
            static = join_message("h", group_instance_id=LONG)
            answer = await client.ask(ApiKey.JOIN_GROUP, version, static)
            assert answer.error_code == 0
            synced = await client.ask(ApiKey.SYNC_GROUP, 3, sync_message("h", answer))
            assert synced.error_code in (0, ErrorCode.FENCED_INSTANCE_ID)
        await is_well(client)

    kit.run(scenario, settings=SETTINGS)


@pytest.mark.parametrize("name", [LONG, "\0", "🦉" * 8191, "__consumer_offsets", "a/b\\c\n"])
def test_odd_names(name: str) -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        await find(client, name)
        joined = await join(client, name)
        answer = await client.ask(ApiKey.SYNC_GROUP, 5, sync_message(name, joined))
        assert (answer.error_code, answer.assignment) == (0, b"mine")
        who = {"member_id": joined.member_id, "generation_id_or_member_epoch": 1}
        assert await commit(client, name, 5, **who) == 0
        fetched = await client.ask(ApiKey.OFFSET_FETCH, 9, fetch_message(name, None))
        assert fetched.groups[0].topics[0].partitions[0].committed_offset == 5
        shown = await client.ask(ApiKey.LIST_GROUPS, 5, Message(states_filter=[], types_filter=[]))
        assert [g.group_id for g in shown.groups] == [name]

    kit.run(scenario, settings=SETTINGS)


def test_members_with_too_much_to_say() -> None:
    """A group whose record would not fit into a batch is not stored, and says so."""

    async def scenario(client: kit.Client) -> None:
        await find(client, "any")
        names = [Message(name=f"p{n}", metadata=b"") for n in range(20_000)]
        much = [Message(name="range", metadata=bytes(2_000_000)), *names]
        joined = await client.ask(ApiKey.JOIN_GROUP, 3, join_message("g", protocols=much))
        assert (joined.error_code, joined.protocol_name) == (0, "range")
        answer = await client.ask(ApiKey.SYNC_GROUP, 3, sync_message("g", joined))
        assert answer.error_code == ErrorCode.UNKNOWN_SERVER_ERROR
        await is_well(client)

    kit.run(scenario, settings=SETTINGS)


def test_wrong_kinds_of_members() -> None:
    async def scenario(client: kit.Client) -> None:
        await find(client, "any")
        wrong: tuple[dict[str, Any], ...] = ({"protocols": []}, {"protocol_type": ""})
        for fields in wrong:
            answer = await client.ask(ApiKey.JOIN_GROUP, 9, join_message("g", **fields))
            assert answer.error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        torn = [Message(name="range", metadata=b"\x00\x01\x7f\xff\xff\xff")]
        joined = await client.ask(ApiKey.JOIN_GROUP, 3, join_message("g", protocols=torn))
        assert joined.error_code == 0
        other = join_message("g", protocol_type="connect")
        answer = await client.ask(ApiKey.JOIN_GROUP, 9, other)
        assert answer.error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        message = sync_message("g", joined)
        strangers = [Message(member_id=f"m{n}", assignment=b"x") for n in range(10_000)]
        message.assignments = [*message.assignments, *strangers]
        assert (await client.ask(ApiKey.SYNC_GROUP, 5, message)).error_code == 0
        negative = join_message("n", session_timeout=-1, rebalance_timeout=-5)
        answer = await client.ask(ApiKey.JOIN_GROUP, 9, negative)
        assert answer.error_code == ErrorCode.INVALID_SESSION_TIMEOUT
        nobody = Message(group_id="g", members=[Message(member_id="", group_instance_id="?")] * 999)
        answer = await client.ask(ApiKey.LEAVE_GROUP, 5, nobody)
        assert {m.error_code for m in answer.members} == {ErrorCode.UNKNOWN_MEMBER_ID}
        await is_well(client)

    kit.run(scenario, settings=SETTINGS)


def test_long_lists() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        await find(client, "any")
        many = [f"g{n}" for n in range(20_000)]
        answer = await client.ask(ApiKey.DELETE_GROUPS, 2, Message(groups_names=many))
        codes = {r.error_code for r in answer.results}
        assert (len(answer.results), codes) == (20_000, {ErrorCode.GROUP_ID_NOT_FOUND})
        wanted = Message(groups=many, include_authorized_operations=True)
        answer = await client.ask(ApiKey.DESCRIBE_GROUPS, 5, wanted)
        assert {g.group_state for g in answer.groups} == {"Dead"}
        assert {g.authorized_operations for g in answer.groups} == {1 << 3 | 1 << 6 | 1 << 8}
        keys = Message(key_type=0, coordinator_keys=many)
        answer = await client.ask(ApiKey.FIND_COORDINATOR, 4, keys)
        assert {c.error_code for c in answer.coordinators} == {0}
        topics = [Message(name="t", partition_indexes=list(range(-5, 20_000)))]
        answer = await client.ask(ApiKey.OFFSET_FETCH, 9, fetch_message("g", topics))
        assert {p.committed_offset for p in answer.groups[0].topics[0].partitions} == {-1}
        nothing = Message(groups=[], require_stable=True)
        assert (await client.ask(ApiKey.OFFSET_FETCH, 9, nothing)).groups == ()
        await is_well(client)

    kit.run(scenario, settings=SETTINGS)


def valid(api: ApiKey, group: str) -> Message:
    """A request that could be meant, with the fields of every version."""
    if api == ApiKey.JOIN_GROUP:
        return join_message(group, group_instance_id="i")
    if api == ApiKey.SYNC_GROUP:
        return sync_message(group, Message(generation_id=1, member_id="m"))
    if api == ApiKey.OFFSET_FETCH:
        return fetch_message(group, [Message(name="t", partition_indexes=[0, 1])], stable=True)
    if api == ApiKey.OFFSET_COMMIT:
        return commit_message(group, 5)
    return Message(
        key=group,
        key_type=0,
        coordinator_keys=[group, "other"],
        group_id=group,
        member_id="m",
        group_instance_id=None,
        generation_id=1,
        members=[Message(member_id="", group_instance_id="i", reason="gone")],
        groups=[group],
        include_authorized_operations=True,
        groups_names=[group],
        states_filter=["Stable"],
        types_filter=["classic"],
        topics=[Message(name="t", partitions=[Message(partition_index=0)])],
    )


def spoiled(frame: bytes, chance: random.Random) -> bytes:
    """With bytes changed, gone or added behind the header's fixed part; its size is right."""
    data = bytearray(frame)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(14, max(15, len(data)))
        kind = chance.randrange(4)
        if kind == 0:
            data[at : at + 1] = chance.choice([b"\x00", b"\x01", b"\x7f", b"\x80", b"\xff"])
        elif kind == 1:
            data[at : at + 4] = chance.choice([b"\x7f\xff\xff\xff", b"\xff" * 4])
        elif kind == 2:
            del data[at : at + chance.randint(1, 5)]
        else:
            data[at:at] = chance.randbytes(chance.randint(1, 8))
    return (len(data) - 4).to_bytes(4, "big") + bytes(data[4:])


def test_spoiled_requests(caplog: pytest.LogCaptureFixture) -> None:
    """Each is answered, or ends its connection with one line in the log."""
    chance = random.Random(7)

    async def scenario(client: kit.Client) -> None:
        await client.create("t")
        await find(client, "any")
        for api in GROUP_APIS:
            for version in kit.versions(api):
                for _ in range(6):
                    frame = encode_request(api, version, 0, "test", valid(api, "g"))
                    connection = await KafkaConnection.connect(
                        "b1", 9092, client_id="test", timeout_ms=1000
                    )
                    try:
                        await connection.wait(
                            connection.send_frame(spoiled(frame, chance)), timeout_ms=100
                        )
                    except ConnectionError:  # RequestTimedOut too: a JoinGroup may wait
                        pass
                    connection.close()
        await is_well(client)

    kit.run(scenario, settings=SETTINGS)
    assert [r.getMessage() for r in caplog.records if r.levelname in ("ERROR", "CRITICAL")] == []
