"""Writes for lessons: one whose answer is looked at, and a writer that goes on until its end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from barnabas.client.cluster import ClusterClient
from barnabas.client.consumer import fetch
from barnabas.client.errors import ClientError, Unreachable
from barnabas.client.producer import PRODUCE_VERSION, Producer
from barnabas.console.tour.lessons.in_sync import Write
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.produce import ProduceRequest
from barnabas.records.batch import Record, build_batch
from barnabas.types import TopicPartition

ACKS = {"0": 0, "1": 1, "all": -1}
ACKED_MAX = 100_000


async def write_once(
    client: ClusterClient,
    broker: int,
    tp: TopicPartition,
    value: bytes,
    acks: str,
    timeout_ms: int = 30_000,
) -> Write:
    """One record sent to one broker, once, and what it answered. Raises OSError."""
    loop = asyncio.get_running_loop()
    partition = ProduceRequest.PartitionProduceData(
        index=tp.partition, records=bytes(build_batch([Record(value=value)]))
    )
    request = ProduceRequest(
        transactional_id=None,
        acks=ACKS[acks],
        timeout=timeout_ms,
        topic_data=[ProduceRequest.TopicProduceData(name=tp.topic, partition_data=[partition])],
    )
    began = loop.time()
    code: int = ErrorCode.NONE
    if acks == "0":
        await client.post(broker, ApiKey.PRODUCE, PRODUCE_VERSION, request)
    else:
        answer = await client.broker(broker, ApiKey.PRODUCE, PRODUCE_VERSION, request)
        code = int(answer.responses[0].partition_responses[0].error_code)
    return Write(answer=ErrorCode(code).name, ms=round((loop.time() - began) * 1000))


@dataclass(slots=True)
class Acks:
    """What a writer was told: its records are numbered from 0, and each is acknowledged before the
    next one is sent."""

    sent_ms: list[int] = field(default_factory=list)
    acked_ms: list[int] = field(default_factory=list)
    """Wall times."""

    @property
    def count(self) -> int:
        return len(self.acked_ms)

    def sent_after(self, ms: int) -> int:
        """Acknowledged records that were sent after this time."""
        return sum(sent > ms for sent in self.sent_ms[: self.count])

    def between(self, first_ms: int, last_ms: int) -> int:
        """How many were sent and acknowledged between two times."""
        pairs = zip(self.sent_ms, self.acked_ms, strict=False)
        return sum(first_ms < sent and acked < last_ms for sent, acked in pairs)

    @property
    def still_ms(self) -> int:
        """The longest time between two acknowledgements."""
        return max(
            (b - a for a, b in zip(self.acked_ms, self.acked_ms[1:], strict=False)), default=0
        )


class Writer:
    """Writes one record after the other with acks=all while its block lasts. An idempotent producer
    sends a record again until it is acknowledged."""

    def __init__(
        self, client: ClusterClient, tp: TopicPartition, wall_ms: Callable[[], int]
    ) -> None:
        self._client = client
        self._tp = tp
        self._wall_ms = wall_ms
        self.acks = Acks()
        self.failure: str | None = None
        self._stopping = False
        self._acked = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._task = asyncio.ensure_future(self._run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping = True
        if error is not None:
            self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._client.close()

    async def _run(self) -> None:
        try:
            await self._client.metadata([self._tp.topic])
            producer = Producer(self._client, delivery_timeout_ms=60_000)
            await producer.start()
            while not self._stopping and self.acks.count < ACKED_MAX:
                self.acks.sent_ms.append(self._wall_ms())
                await producer.send(self._tp, [Record(value=b"%d" % self.acks.count)])
                self.acks.acked_ms.append(self._wall_ms())
                self._acked.set()
        except (ClientError, Unreachable, OSError) as error:
            self.failure = str(error)
        finally:
            self._acked.set()

    async def more(self, count: int, bound_s: float) -> bool:
        """Wait until ``count`` more records are acknowledged. False if that takes too long, or the
        writer has failed."""
        wanted = self.acks.count + count
        try:
            async with asyncio.timeout(bound_s):
                while self.acks.count < wanted and not self._task.done():
                    self._acked.clear()
                    await self._acked.wait()
        except TimeoutError:
            return False
        return self.acks.count >= wanted


async def read_all(
    client: ClusterClient, tp: TopicPartition, end: int | None = None
) -> list[bytes]:
    """All values of a partition from its beginning to its high watermark; with ``end`` at least so
    far. Raises ClientError, Unreachable."""
    found: list[bytes] = []
    offset = 0
    await client.metadata([tp.topic])
    while True:
        got = await fetch(client, tp, offset, max_wait_ms=100)
        found += [record.value or b"" for record in got.records]
        offset = got.next_offset
        if offset >= max(got.high_watermark, end or 0) or (not got.records and end is None):
            return found


def compared(acked: int, values: list[bytes]) -> tuple[int, int]:
    """(lost, twice): of the records 0 to ``acked`` - 1, those that were not read, and how many were
    read more than once. Pure."""
    counts = Counter(values)
    lost = sum(b"%d" % number not in counts for number in range(acked))
    return lost, sum(n > 1 for n in counts.values())
