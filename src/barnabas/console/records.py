"""Records of a topic: the last ones, those from a place, those to come; and new ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec
from starlette.requests import Request

from barnabas.client.cluster import ClusterClient
from barnabas.client.consumer import EARLIEST, LATEST, fetch_batches
from barnabas.client.errors import ClientError, Unreachable
from barnabas.client.offsets import list_offsets
from barnabas.client.partitioner import Partitioner
from barnabas.client.producer import Producer
from barnabas.console.asking import asking, body_of, number_of, topic_of
from barnabas.console.changes import encoded
from barnabas.console.context import Console, console_of
from barnabas.console.shown_records import Shown, matches, shown_records
from barnabas.errors import ErrorCode
from barnabas.http.answers import HttpError, Json
from barnabas.http.events import Events, ServerEvent
from barnabas.names import number_in
from barnabas.records.batch import Record
from barnabas.types import TopicPartition

COUNT_MAX: Final = 1_000
LOOKED_AT_MAX: Final = 50_000
"""Records of one partition that a search looks at."""
FETCH_BYTES: Final = 512 * 1024
TAIL_AT_ONCE_MAX: Final = 200
"""More records of one round of a live tail are counted and not shown."""
WAIT_MS: Final = 500
PARTITIONS_MAX: Final = 200


class NewRecord(msgspec.Struct, forbid_unknown_fields=True):
    """What a page sends to be produced; a key or value that is null is null in the log."""

    key: str | None = None
    value: str | None = None
    headers: list[tuple[str, str]] = []
    partition: int | None = None


async def records(request: Request) -> Json:
    """``GET /api/topics/{topic}/records?partition=&from=&count=&find=``: ``from`` is ``newest``
    (default), ``oldest``, an offset, or ``@MS``, a time."""
    console, topic = console_of(request), topic_of(request)
    count = number_of(request, "count", 50, COUNT_MAX)
    start = request.query_params.get("from", "newest")
    find = request.query_params.get("find", "")
    async with asking(console) as client:
        partitions = await _partitions(client, topic, request.query_params.get("partition"))
        found: list[Shown] = []
        starts = await list_offsets(client, partitions, EARLIEST)
        ends = await list_offsets(client, partitions, LATEST)
        begins = await _begins(client, partitions, start, starts, ends, count, bool(find))
        for tp in partitions:
            if tp in begins:
                keep_last = start == "newest"
                found += await _read(client, tp, begins[tp], ends[tp], find, count, keep_last)
    found.sort(key=lambda shown: (shown.get("timestamp", -1), shown["partition"], shown["offset"]))
    found = found[-count:] if start == "newest" else found[:count]
    return Json(
        {
            "records": found,
            "ranges": {str(tp.partition): [starts.get(tp), ends.get(tp)] for tp in partitions},
        }
    )


async def _partitions(
    client: ClusterClient, topic: str, wanted: str | None
) -> list[TopicPartition]:
    view = (await client.metadata([topic])).topics[topic]
    if view.error:
        raise ClientError(f"topic {topic}", view.error)
    numbers = [p.partition for p in view.partitions]
    if wanted:
        number = number_in(wanted)
        if number is None or number not in numbers:
            raise ClientError(f"{topic}-{wanted}", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        numbers = [number]
    return [TopicPartition(topic, number) for number in numbers[:PARTITIONS_MAX]]


async def _begins(
    client: ClusterClient,
    partitions: Sequence[TopicPartition],
    start: str,
    starts: dict[TopicPartition, int],
    ends: dict[TopicPartition, int],
    count: int,
    searching: bool,
) -> dict[TopicPartition, int]:
    """Where to begin in each partition that can be read."""
    readable = [tp for tp in partitions if tp in starts and tp in ends]
    if start == "oldest":
        return {tp: starts[tp] for tp in readable}
    if start == "newest":
        back = LOOKED_AT_MAX if searching else count
        return {tp: max(starts[tp], ends[tp] - back) for tp in readable}
    if start.startswith("@") and start[1:].isdecimal() and len(start) < 19:
        at_time = await list_offsets(client, readable, int(start[1:]))
        return {tp: at_time.get(tp, ends[tp]) for tp in readable}
    if start.isdecimal() and len(start) < 19:
        return {tp: min(max(int(start), starts[tp]), ends[tp]) for tp in readable}
    raise HttpError(400, "from: newest, oldest, an offset or @MS")


async def _read(
    client: ClusterClient,
    tp: TopicPartition,
    offset: int,
    end: int,
    find: str,
    count: int,
    keep_last: bool,
) -> list[Shown]:
    """Up to ``count`` records between two offsets: the first, or the last of them."""
    found: list[Shown] = []
    looked_at = 0
    while offset < end and looked_at < LOOKED_AT_MAX:
        batches = await fetch_batches(client, tp, offset, max_bytes=FETCH_BYTES, max_wait_ms=0)
        some, following = shown_records(batches.data, tp.partition, offset)
        if following == offset:
            break
        looked_at += following - offset
        offset = following
        found += [shown for shown in some if shown["offset"] < end and matches(shown, find)]
        if keep_last:
            found = found[-count:]
        elif len(found) >= count:
            return found[:count]
    return found


async def tail(request: Request) -> Events:
    """``GET /api/topics/{topic}/tail?partition=&find=``: server-sent events, each with the
    ``records`` of a round and how many more there were (``left_out``)."""
    console, topic = console_of(request), topic_of(request)
    find = request.query_params.get("find", "")
    async with asking(console) as client:
        partitions = await _partitions(client, topic, request.query_params.get("partition"))
        ends = await list_offsets(client, partitions, LATEST)
    return Events(_tail(console, ends, find))


async def _tail(
    console: Console, positions: dict[TopicPartition, int], find: str
) -> AsyncIterator[ServerEvent]:
    topics = list(dict.fromkeys(tp.topic for tp in positions))
    queue: asyncio.Queue[list[Shown]] = asyncio.Queue(maxsize=4)

    async def follow(tp: TopicPartition, offset: int) -> None:
        async with console.new_client() as client:
            await client.metadata(topics)
            while True:
                try:
                    batches = await fetch_batches(
                        client, tp, offset, max_bytes=FETCH_BYTES, max_wait_ms=WAIT_MS
                    )
                except (ClientError, Unreachable, OSError) as error:
                    await queue.put([{"trouble": f"{tp}: {error}"}])
                    await asyncio.sleep(1)
                    continue
                some, offset = shown_records(batches.data, tp.partition, offset)
                if some:
                    await queue.put([shown for shown in some if matches(shown, find)])

    tasks = [asyncio.ensure_future(follow(tp, at)) for tp, at in positions.items()]
    try:
        while True:
            some = await queue.get()
            while not queue.empty():
                some += queue.get_nowait()
            trouble = [shown["trouble"] for shown in some if "trouble" in shown]
            shown = [shown for shown in some if "trouble" not in shown]
            document = {
                "records": shown[-TAIL_AT_ONCE_MAX:],
                "left_out": max(len(shown) - TAIL_AT_ONCE_MAX, 0),
                "trouble": trouble[:1],
            }
            yield ServerEvent(data=encoded(document))
            await asyncio.sleep(0.1)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def produce(request: Request) -> Json:
    """``POST /api/topics/{topic}/records``: one record, with acks=all."""
    console, topic = console_of(request), topic_of(request)
    console.check_write()
    wanted = await body_of(request, NewRecord)
    record = Record(
        timestamp=console.env.clock.wall_ms(),
        key=None if wanted.key is None else wanted.key.encode(),
        value=None if wanted.value is None else wanted.value.encode(),
        headers=tuple((name, value.encode()) for name, value in wanted.headers),
    )
    async with asking(console) as client:
        partitions = await _partitions(client, topic, None)
        number = wanted.partition
        if number is None:
            number = Partitioner(len(partitions)).partition(record.key)
        tp = TopicPartition(topic, number)
        if tp not in partitions:
            raise ClientError(str(tp), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        producer = Producer(client, delivery_timeout_ms=10_000, request_timeout_ms=5_000)
        await producer.start()
        offset = await producer.send(tp, [record])
    return Json({"partition": number, "offset": offset}, 201)
