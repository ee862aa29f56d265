"""Reading that goes on while ACLs change: sessions and waits are asked about again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.api.kit import Client, run
from tests.authorizer.messages import acl, acl_filter
from tests.authorizer.principals import SETTINGS, principals_by_client_id

from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message


def wanted(offset: int, **others: Any) -> Message:
    partition = Message(partition=0, fetch_offset=offset, partition_max_bytes=1 << 20)
    fields: dict[str, Any] = {
        "max_wait": 0,
        "min_bytes": 1,
        "max_bytes": 1 << 20,
        "session_id": 0,
        "session_epoch": -1,
        "topics": [Message(topic="t", partitions=[partition])],
    }
    return Message(**{**fields, **others})


async def grant(client: Client) -> None:
    await client.ask(
        ApiKey.CREATE_ACLS, 3, Message(creations=[acl("User:alice", "TOPIC READ", "t")])
    )


async def revoke(client: Client) -> None:
    filters = [acl_filter(2, "t", 3, "User:alice")]
    await client.ask(ApiKey.DELETE_ACLS, 3, Message(filters=filters))


async def fetch(client: Client, message: Message) -> Any:
    return await client.ask(ApiKey.FETCH, 12, message, client_id="as alice")


def errors(answer: Any) -> list[int]:
    return [p.error_code for t in answer.responses for p in t.partitions]


def size(answer: Any) -> int:
    return sum(len(p.records or b"") for t in answer.responses for p in t.partitions)


def test_a_session_hears_of_what_is_granted_and_revoked() -> None:
    async def scenario(client: Client) -> None:
        await client.create("t")
        await client.produce("t", b"1")
        begun = await fetch(client, wanted(0, session_epoch=0))
        assert errors(begun) == [29]
        session = {"session_id": begun.session_id, "topics": []}
        assert begun.session_id
        # Denied at each fetch, and never does it wait.
        assert errors(await fetch(client, wanted(0, session_epoch=1, **session))) == [29]
        await grant(client)
        read = await fetch(client, wanted(0, session_epoch=2, **session))
        assert errors(read) == [0]
        assert size(read)
        # Nothing new to read, but the right is gone.
        caught_up = {**session, "topics": wanted(1).topics}
        assert errors(await fetch(client, wanted(1, session_epoch=3, **caught_up))) == []
        await revoke(client)
        assert errors(await fetch(client, wanted(1, session_epoch=4, **session))) == [29]
        await client.produce("t", b"2")
        denied = await fetch(client, wanted(1, session_epoch=5, **session))
        assert (errors(denied), size(denied)) == ([29], 0)
        await grant(client)
        assert size(await fetch(client, wanted(1, session_epoch=6, **session)))

    with principals_by_client_id():
        run(scenario, settings=SETTINGS)


@pytest.mark.parametrize("session_epoch", [-1, 0])
def test_what_was_revoked_is_not_delivered_to_a_fetch_that_waited(session_epoch: int) -> None:
    async def scenario(client: Client) -> None:
        await client.create("t")
        await grant(client)
        await client.produce("t", b"1")
        waiting = asyncio.ensure_future(
            fetch(client, wanted(1, max_wait=20_000, session_epoch=session_epoch))
        )
        await asyncio.sleep(1)
        assert not waiting.done()
        await revoke(client)
        await client.produce("t", b"2")
        answer = await waiting
        assert (errors(answer), size(answer)) == ([29], 0)

    with principals_by_client_id():
        run(scenario, settings=SETTINGS)


def test_a_denied_partition_does_not_keep_the_others_from_waiting() -> None:
    async def scenario(client: Client) -> None:
        await client.create("t")
        await client.create("u")
        await grant(client)
        both = [*wanted(0).topics, Message(topic="u", partitions=wanted(0).topics[0].partitions)]
        waiting = asyncio.ensure_future(fetch(client, wanted(0, max_wait=20_000, topics=both)))
        await asyncio.sleep(1)
        assert not waiting.done()
        await client.produce("t", b"1")
        answer = await waiting
        assert [(t.topic, errors(Message(responses=[t]))) for t in answer.responses] == [
            ("t", [0]),
            ("u", [29]),
        ]
        assert size(answer)

    with principals_by_client_id():
        run(scenario, settings=SETTINGS)
