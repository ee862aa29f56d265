"""The log directories that the original left behind (tests/golden/README.md)."""

from __future__ import annotations

from pathlib import Path

from tests.places import GOLDEN

from barnabas.errors import ErrorCode, KafkaError
from barnabas.records.batch import BatchHeader, Record, build_batch


def files(pattern: str) -> list[Path]:
    """Recorded files that match, in the order of their paths; never none."""
    found = sorted(path for path in GOLDEN.rglob(pattern) if path.is_file())
    assert found, pattern
    return found


def expect(error: KafkaError, *codes: ErrorCode) -> None:
    """The error is one of these."""
    assert error.code in codes, error


def rebuild(header: BatchHeader, records: list[Record]) -> bytearray:
    """A batch made anew from what was read of one."""
    return build_batch(
        records,
        base_offset=header.base_offset,
        codec=header.codec,
        producer_id=header.producer_id,
        producer_epoch=header.producer_epoch,
        base_sequence=header.base_sequence,
        timestamp_type=header.timestamp_type,
        transactional=header.is_transactional,
        control=header.is_control,
        leader_epoch=header.partition_leader_epoch,
        keep_offsets=True,
        last_offset=header.last_offset,
        delete_horizon_ms=header.delete_horizon_ms,
        max_timestamp=header.max_timestamp,
    )
