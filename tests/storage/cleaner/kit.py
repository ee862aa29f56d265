"""What the cleaner's tests share: passes over a log in a test's own time, and what is in a log."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.defaults import cleaner_settings
from tests.storage.support import SetClock

from barnabas.records.batch import BatchHeader, Record, iterate_batches, iterate_records
from barnabas.seams import Env
from barnabas.storage.cleaner.log_cleaner import LogCleaner
from barnabas.storage.log import Log
from barnabas.types import TopicPartition


async def _nothing(topic_partition: TopicPartition) -> None:
    return


def cleaner_of(env: Env, *logs: Log, **settings: Any) -> LogCleaner:
    return LogCleaner(
        *(env, cleaner_settings(**settings), lambda: logs),
        make_durable=_nothing,
        checkpoint=_nothing,
    )


def clean(env: Env, log: Log, cleaner: LogCleaner | None = None) -> bool:
    """One pass over all that may be cleaned, however little that is."""
    cleaner = cleaner or cleaner_of(env, log)
    return asyncio.run(cleaner.clean(log, cleaner.range_of(log)))


def later(env: Env, milliseconds: int) -> None:
    clock = env.clock
    assert isinstance(clock, SetClock)
    clock.now_ms += milliseconds


def batches_of(log: Log) -> list[tuple[BatchHeader, list[Record]]]:
    """Everything in a log, read as a follower does."""
    found: list[tuple[BatchHeader, list[Record]]] = []
    offset = log.log_start_offset
    while offset < log.log_end_offset:
        piece = log.read(offset, 1 << 20, up_to=log.log_end_offset, min_one=True)
        data = b"".join(piece.buffers)
        if not data:
            break
        for header, position, _ in iterate_batches(data):
            found.append((header, list(iterate_records(data, position))))
            offset = header.next_offset
    return found


def records_of(log: Log) -> list[Record]:
    """The data records of a log."""
    return [r for header, records in batches_of(log) if not header.is_control for r in records]


def committed(log: Log) -> list[Record]:
    """What a READ_COMMITTED consumer gets, filtering as clients do: by markers and aborted list."""
    end = log.last_stable_offset
    aborted = sorted(log.aborted_transactions(0, end), key=lambda t: t.first_offset)
    active: dict[int, None] = {}
    found: list[Record] = []
    offset = 0
    while offset < end:
        data = b"".join(log.read(offset, 1 << 20, up_to=end, min_one=True).buffers)
        if not data:
            break
        for header, position, _ in iterate_batches(data):
            offset = header.next_offset
            while aborted and aborted[0].first_offset <= header.last_offset:
                active[aborted.pop(0).producer_id] = None
            records = list(iterate_records(data, position))
            if header.is_control:
                if records and records[0].key == b"\x00\x00\x00\x00":
                    active.pop(header.producer_id, None)
            elif not (header.is_transactional and header.producer_id in active):
                found += records
    return found


def last_values(records: list[Record]) -> dict[bytes | None, bytes]:
    """What a reader of all records knows in the end."""
    values: dict[bytes | None, bytes] = {}
    for record in records:
        if record.value is None:
            values.pop(record.key, None)
        else:
            values[record.key] = record.value
    return values
