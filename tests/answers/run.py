"""Asking a cluster every case, after the topics and the group that they need have been made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

from tests.answers.case import (
    COMPACTED,
    DOOMED,
    DOTTED,
    GROUP,
    PLAIN,
    WIDE,
    Asker,
    Case,
    Known,
    plain,
)

from barnabas.protocol.api import ApiKey
from barnabas.protocol.codec import encode_request, message_schema
from barnabas.protocol.connection import RequestTimedOut
from barnabas.protocol.message import Message

CLOSED, NOTHING = "connection closed", "no answer"
TOPICS = {
    PLAIN: ({0: [1], 1: [1], 2: [1]}, {}),
    **dict.fromkeys(DOOMED, ({0: [1]}, {})),
    DOTTED: ({0: [1]}, {}),
    COMPACTED: ({0: [1]}, {"cleanup.policy": "compact"}),
    WIDE: ({0: [1, 2, 3], 1: [2, 3, 1], 2: [3, 1, 2]}, {}),
}


async def answers(
    asker: Asker, cases: Iterable[Case], *, brokers: int
) -> AsyncIterator[tuple[Case, Any]]:
    """Each case that fits a cluster of this size, and its answer as JSON."""
    known = await prepare(asker, brokers)
    for asked in cases:
        if asked.brokers in (None, brokers):
            yield asked, await _answer(asker, asked, known)


BYTE_FOR_BYTE = {
    ApiKey.SASL_HANDSHAKE,
    ApiKey.SASL_AUTHENTICATE,
    ApiKey.DESCRIBE_ACLS,
    ApiKey.CREATE_ACLS,
    ApiKey.DELETE_ACLS,
    ApiKey.CREATE_DELEGATION_TOKEN,
    ApiKey.RENEW_DELEGATION_TOKEN,
    ApiKey.EXPIRE_DELEGATION_TOKEN,
    ApiKey.DESCRIBE_DELEGATION_TOKEN,
    ApiKey.DESCRIBE_CLIENT_QUOTAS,
    ApiKey.ALTER_CLIENT_QUOTAS,
    ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS,
    ApiKey.ALTER_USER_SCRAM_CREDENTIALS,
    ApiKey.UPDATE_FEATURES,
    ApiKey.CONSUMER_GROUP_HEARTBEAT,
    ApiKey.CONSUMER_GROUP_DESCRIBE,
}
"""Refused, or with nothing to tell: nothing of their answers differs from run to run."""


async def frames(asker: Asker, cases: Iterable[Case]) -> AsyncIterator[tuple[Case, str]]:
    """The answers to the cases of these APIs in hex, without size and correlation id."""
    for asked in cases:
        if asked.api not in BYTE_FOR_BYTE or asked.brokers not in (None, 1):
            continue
        assert isinstance(asked.message, Message)
        connection = await asker.connection(1)
        frame = encode_request(asked.api, asked.version, 0, "answers", asked.message)
        correlation = connection.next_correlation_id().to_bytes(4, "big")
        sent = connection.send_frame(frame[:8] + correlation + frame[12:])
        try:
            answer = await connection.wait(sent, ANSWER_MS)
        except ConnectionError:
            continue
        yield asked, bytes(answer[4:]).hex()


ANSWER_MS = 12_000
"""Longer than any request of the cases waits."""


async def _answer(asker: Asker, asked: Case, known: Known) -> Any:
    message = asked.message if isinstance(asked.message, Message) else asked.message(known)
    try:
        answer = await asker.ask(asked.api, asked.version, message, broker=_target(asked.to, known))
        return plain(answer, message_schema(asked.api, asked.version, response=True))
    except RequestTimedOut:
        return NOTHING
    except ConnectionError:
        return CLOSED


def _target(to: str | int, known: Known) -> int:
    if isinstance(to, int):
        return to
    avoided = {"other": known.controller, "bystander": known.coordinator}.get(to)
    if avoided is not None:
        return next(b for b in range(1, known.brokers + 1) if b != avoided)
    return {
        "controller": known.controller,
        "coordinator": known.coordinator,
        "transactions": known.transactions,
    }[to]


async def prepare(asker: Asker, brokers: int) -> Known:
    """Make the topics and the group of the cases, each anew."""
    known = Known(brokers)
    view = await asker.ask(ApiKey.METADATA, 12, Message(topics=[]))
    known.controller = view.controller_id
    wanted = [t for t in TOPICS if t != WIDE or brokers >= 3]
    await _renew_topics(asker, known, wanted)
    known.coordinator = await _coordinator(asker, 0, GROUP)
    known.transactions = await _coordinator(asker, 1, "answers-t")
    await _join_group(asker, known)
    await _take_producer_id(asker, known.transactions)
    return known


async def _renew_topics(asker: Asker, known: Known, names: list[str]) -> None:
    controller = known.controller
    everything = await asker.ask(ApiKey.METADATA, 12, Message(topics=None))
    old = [t.name for t in everything.topics if t.name.startswith("answers")]
    doomed = [Message(name=name, topic_id=None) for name in old]
    await asker.ask(
        ApiKey.DELETE_TOPICS, 6, Message(topics=doomed, timeout=30_000), broker=controller
    )
    topics = [
        Message(
            name=name,
            num_partitions=-1,
            replication_factor=-1,
            assignments=[
                Message(partition_index=n, broker_ids=ids) for n, ids in TOPICS[name][0].items()
            ],
            configs=[Message(name=k, value=v) for k, v in TOPICS[name][1].items()],
        )
        for name in names
    ]
    request = Message(topics=topics, timeout=30_000, validate_only=False)
    while len(known.topic_ids) < len(names):  # until the old ones are quite gone
        made = await asker.ask(ApiKey.CREATE_TOPICS, 7, request, broker=controller)
        known.topic_ids.update({t.name: t.topic_id for t in made.topics if not t.error_code})
        request.topics = [t for t in topics if t.name not in known.topic_ids]
        await asyncio.sleep(0.1)
    for broker in range(1, known.brokers + 1):
        await _seen_by(asker, broker, names)


async def _seen_by(asker: Asker, broker: int, names: list[str]) -> None:
    asked = [Message(name=name, topic_id=None) for name in names]
    while True:
        request = Message(topics=asked, allow_auto_topic_creation=False)
        view = await asker.ask(ApiKey.METADATA, 12, request, broker=broker)
        parts = [p for t in view.topics for p in t.partitions]
        if (
            parts
            and all(not t.error_code for t in view.topics)
            and all(not p.error_code for p in parts)
        ):
            return
        await asyncio.sleep(0.1)


async def _take_producer_id(asker: Asker, broker: int) -> None:
    """The original has no ids ready before the first is asked for."""
    request = Message(transactional_id=None, transaction_timeout=0)
    while True:
        if not (await asker.ask(ApiKey.INIT_PRODUCER_ID, 4, request, broker=broker)).error_code:
            return
        await asyncio.sleep(0.1)


async def _coordinator(asker: Asker, key_type: int, key: str) -> int:
    request = Message(key_type=key_type, coordinator_keys=[key])
    while True:
        found = (await asker.ask(ApiKey.FIND_COORDINATOR, 4, request)).coordinators[0]
        if found.error_code == 0:
            return int(found.node_id)
        await asyncio.sleep(0.2)


async def _join_group(asker: Asker, known: Known) -> None:
    await _wait_for_deletion(asker, known)
    join = Message(
        group_id=GROUP,
        session_timeout=1_800_000,
        rebalance_timeout=60_000,
        member_id="",
        protocol_type="consumer",
        protocols=[Message(name="range", metadata=_subscription(PLAIN))],
    )
    while True:
        joined = await asker.ask(ApiKey.JOIN_GROUP, 9, join, broker=known.coordinator)
        if joined.error_code == 0:
            break
        join.member_id = joined.member_id
        await asyncio.sleep(0.1)
    known.member_id = joined.member_id
    sync = Message(
        group_id=GROUP,
        generation_id=joined.generation_id,
        member_id=joined.member_id,
        protocol_type="consumer",
        protocol_name="range",
        assignments=[Message(member_id=joined.member_id, assignment=b"")],
    )
    await asker.ask(ApiKey.SYNC_GROUP, 5, sync, broker=known.coordinator)


async def _wait_for_deletion(asker: Asker, known: Known) -> None:
    """Remove the member of an earlier run and the group with it."""
    group = await asker.ask(
        ApiKey.DESCRIBE_GROUPS, 5, Message(groups=[GROUP]), broker=known.coordinator
    )
    for member in group.groups[0].members:
        leave = Message(group_id=GROUP, members=[Message(member_id=member.member_id)])
        await asker.ask(ApiKey.LEAVE_GROUP, 5, leave, broker=known.coordinator)
    delete = Message(groups_names=[GROUP])
    await asker.ask(ApiKey.DELETE_GROUPS, 2, delete, broker=known.coordinator)


def _subscription(topic: str) -> bytes:
    """ConsumerProtocolSubscription v0 of one topic."""
    name = topic.encode()
    return b"\0\0" + b"\0\0\0\1" + len(name).to_bytes(2, "big") + name + b"\0\0\0\0"
