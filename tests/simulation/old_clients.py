"""Producers and consumers of message formats 0 and 1 in a simulated cluster.

What they send is made, and what they are given is read, by ``tests.old_client``, which knows
nothing of the broker's code. So a wrong offset, checksum, size or value is seen, beside what
``checker`` sees in the history that they share with all other clients.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from tests.old_client import Message as OldMessage
from tests.old_client import message, read_messages, wrapper
from tests.simulation.history import Outcome, Poll, Send
from tests.simulation.workload import Main, Workload

from barnabas.client.cluster import ClusterClient
from barnabas.client.errors import ClientError, Unreachable
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message
from barnabas.seams import Env
from barnabas.types import TopicPartition

ANSWER_MS = 3000
FETCH_BYTES = (200, 1000, 100_000)
"""Some are less than a batch has."""
TIME_OF = {0: -1, 1: -1, 2: None, 3: None}
"""By version of Fetch: what a record's time must be, if that is known."""


@dataclass(slots=True)
class OldClients:
    """They write and read what all others do."""

    workload: Workload

    def producer(self, name: str, tp: TopicPartition) -> Main:
        """Sends sets of a few messages, plain or in a wrapper, once each: without a sequence a
        client that repeats itself writes twice."""

        async def main(env: Env) -> None:
            number = 0
            async with ClusterClient(self.workload.bootstrap, name, timeout_ms=ANSWER_MS) as client:
                while self.workload.producing:
                    number += 1
                    await self._send(env, client, f"{name}.{number}", tp)
                    await asyncio.sleep(env.random.expovariate(0.5 / self.workload.pause_s))

        return main

    async def _send(self, env: Env, client: ClusterClient, name: str, tp: TopicPartition) -> None:
        values = [f"{name}/{i}" for i in range(env.random.randint(1, 4))]
        self.workload.attempted += len(values)
        first, outcome = -1, Outcome.INFO
        version = env.random.randrange(3)
        part = Message(index=tp.partition, records=_message_set(env, version, values))
        request = Message(
            acks=-1, timeout=2000, topic_data=[Message(name=tp.topic, partition_data=[part])]
        )
        try:
            answer: Any = await self._ask(client, tp, ApiKey.PRODUCE, version, request)
            result = answer.responses[0].partition_responses[0]
            if result.error_code == ErrorCode.NONE:
                first, outcome = int(result.base_offset), Outcome.OK
                env.observer.note("acknowledged", key=str(tp), offset=first, count=len(values))
            else:
                await client.metadata([tp.topic])
        except (OSError, ClientError, Unreachable) as error:
            env.observer.note("send_unknown", key=str(tp), error=str(error))
        for position, value in enumerate(values):
            self.workload.history.sends.append(
                Send(
                    process=name,
                    key=str(tp),
                    value=value,
                    outcome=outcome,
                    offset=first + position if outcome is Outcome.OK else None,
                )
            )

    async def _ask(
        self,
        client: ClusterClient,
        tp: TopicPartition,
        api: ApiKey,
        version: int,
        request: Message,
    ) -> Any:
        leader = client.view.leader(tp.topic, tp.partition)
        if leader is None:
            await asyncio.sleep(0.1)
            await client.metadata([tp.topic])
            raise Unreachable(f"{tp} has no leader")
        return await client.broker(leader, api, version, request)

    def consumer(self, name: str, tp: TopicPartition) -> Main:
        """Reads one partition from the start, for ever, with one version after another."""

        async def main(env: Env) -> None:
            offset = segment = 0
            workload = self.workload
            async with ClusterClient(workload.bootstrap, name, timeout_ms=ANSWER_MS) as client:
                while True:
                    version = env.random.randrange(4)
                    try:
                        code, found = await self._fetch(env, client, tp, offset, version)
                    except (OSError, Unreachable, ClientError):
                        await asyncio.sleep(0.2)
                        continue
                    if code == ErrorCode.OFFSET_OUT_OF_RANGE and workload.deleting:
                        start = await workload.start_of(client, tp, offset)
                        segment += start != offset
                        offset = start
                        continue
                    if code != ErrorCode.NONE:
                        if code == ErrorCode.OFFSET_OUT_OF_RANGE:
                            workload.simulation.fail(name, f"fetch of {tp} at {offset}: {code}")
                            return
                        await asyncio.sleep(0.1)
                        continue
                    self._check(name, version, found)
                    taken = [each for each in found if each.offset >= offset]
                    if taken:
                        records = tuple((str(tp), m.offset, _text(m.value)) for m in taken)
                        poll = Poll(process=name, segment=segment, records=records)
                        workload.history.polls.append(poll)
                        offset = workload.positions[name] = taken[-1].offset + 1
                    await workload.rest(env, found=len(taken))

        return main

    async def _fetch(
        self, env: Env, client: ClusterClient, tp: TopicPartition, offset: int, version: int
    ) -> tuple[int, list[OldMessage]]:
        """(error code, messages)"""
        size = env.random.choice(FETCH_BYTES) if version >= 3 else FETCH_BYTES[-1]
        part = Message(partition=tp.partition, fetch_offset=offset, partition_max_bytes=size)
        request = Message(
            replica_id=-1,
            max_wait=500,
            min_bytes=1,
            max_bytes=1 << 20,
            topics=[Message(topic=tp.topic, partitions=[part])],
        )
        answer = await self._ask(client, tp, ApiKey.FETCH, version, request)
        found = answer.responses[0].partitions[0]
        code = int(found.error_code)
        if code:
            await client.metadata([tp.topic])
            return code, []
        return code, read_messages(bytes(found.records or b""))

    def _check(self, name: str, version: int, found: list[OldMessage]) -> None:
        expected = TIME_OF[version]
        for each in found:
            if expected is not None and each.timestamp != expected:
                text = f"a message of format 0 at {each.offset} has a time"
                self.workload.simulation.fail(name, text)


def _message_set(env: Env, version: int, values: list[str]) -> bytes:
    """The values in the format that goes with a version of Produce, in a wrapper or not."""
    magic = 1 if version >= 2 else 0
    now = env.clock.wall_ms()
    messages = b"".join(
        message(value.encode(), magic=magic, offset=offset, timestamp=now)
        for offset, value in enumerate(values)
    )
    if env.random.random() < 0.5:
        return messages
    return wrapper(messages, magic=magic, offset=len(values) - 1, timestamp=now)


def _text(value: bytes | None) -> str:
    return (value or b"").decode()
