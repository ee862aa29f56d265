"""Which aborted transactions a read is told of: all that it met, and not those far behind it."""

from __future__ import annotations

from tests.defaults import log_config
from tests.storage.support import RECORDED_MS, batch, create, environment, memory_files

from barnabas.records.batch import (
    ControlType,
    EndTransactionMarker,
    build_marker,
    iterate_batches,
)
from barnabas.storage.log import Log
from barnabas.storage.producers.state import Origin
from barnabas.storage.producers.verification import NOT_NEEDED

TRANSACTIONS = 200


def filled() -> Log:
    """Two hundred aborted transactions in several segments, every index with many entries."""
    log = create(
        environment(memory_files()), log_config(segment_bytes=20_000, index_interval_bytes=500)
    )
    for number in range(TRANSACTIONS):
        sent = batch(
            3, producer_id=number, producer_epoch=0, base_sequence=0, transactional=True, size=50
        )
        log.append_as_leader(sent, 0, now_ms=RECORDED_MS, guard=NOT_NEEDED)
        marker = build_marker(
            EndTransactionMarker(ControlType.ABORT, 0),
            producer_id=number,
            producer_epoch=0,
            timestamp_ms=RECORDED_MS,
        )
        log.append_as_leader(memoryview(marker), 0, now_ms=RECORDED_MS, origin=Origin.COORDINATOR)
    log.set_high_watermark(log.log_end_offset)
    return log


def test_a_read_is_told_of_what_it_met() -> None:
    log = filled()
    assert log.segment_count > 2
    end = log.log_end_offset
    assert len(log.aborted_transactions(0, end)) == TRANSACTIONS
    for start in range(0, end, 37):
        for max_bytes in (1, 700, 5_000, 1 << 20):
            found = log.read(start, max_bytes, up_to=end, min_one=True)
            told = {
                aborted.producer_id
                for aborted in log.aborted_transactions(start, end, read_bytes=found.bytes)
            }
            data = b"".join(found.buffers)
            met = {
                header.producer_id
                for header, _, _ in iterate_batches(data)
                if not header.is_control and header.last_offset >= start
            }
            assert met <= told
            assert len(told) <= len(met) + 5
    log.close()
