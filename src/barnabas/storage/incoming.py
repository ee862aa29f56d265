"""UnifiedLog.analyzeAndValidateRecords: what is looked at before batches are appended. Pure."""

from __future__ import annotations

from typing import NamedTuple

from barnabas.errors import ErrorCode, KafkaError
from barnabas.records.batch import BatchHeader, EndTransactionMarker, crc_ok, iterate_batches
from barnabas.records.crc import crc32c
from barnabas.records.header import ATTRIBUTES_POSITION, CONTROL_BIT, MAGIC
from barnabas.records.validate import ValidatedBatch, validate_client_batch, validate_plain
from barnabas.storage.config import LogConfig
from barnabas.storage.producers.history import marker_of
from barnabas.storage.segment import BatchSpan

MarkedHeader = tuple[BatchHeader, EndTransactionMarker | None]
"""The header of a batch, and its transaction marker if it is one."""

_ANY_OFFSET = -(1 << 63)
_new = tuple.__new__


class CopiedBatches(NamedTuple):
    """Whole batches as the leader sent them."""

    headers: list[MarkedHeader]
    spans: list[BatchSpan]
    size: int
    """Bytes of them all; what comes after is a batch cut short."""


def validate_for(
    config: LogConfig,
    records: memoryview,
    *,
    produce_version: int,
    now_ms: int,
    in_transaction: bool,
) -> ValidatedBatch:
    """``validate_client_batch`` with the settings of a topic."""
    if config.takes_all:
        plain = validate_plain(records, config.max_message_bytes)
        if plain is not None:
            return plain
    return validate_client_batch(
        records,
        produce_version=produce_version,
        max_message_bytes=config.max_message_bytes,
        compacted=config.compacted,
        timestamp_type=config.timestamp_type,
        before_max_ms=config.message_timestamp_before_max_ms,
        after_max_ms=config.message_timestamp_after_max_ms,
        now_ms=now_ms,
        compression_type=config.compression_type,
        compression_level=config.compression_level,
        in_transaction=in_transaction,
    )


def copied_batches(view: memoryview) -> CopiedBatches:
    """What a follower has fetched. Raises CORRUPT_MESSAGE for a checksum, OFFSET_OUT_OF_RANGE for
    offsets that go backwards."""
    headers: list[MarkedHeader] = []
    spans: list[BatchSpan] = []
    end, expected = 0, _ANY_OFFSET
    for header, position, size in iterate_batches(view):
        base, _, _, magic, crc, attributes, delta, _, latest = header[:9]
        end = position + size
        if magic == MAGIC:
            is_intact = crc == crc32c(view[position + ATTRIBUTES_POSITION : end])
        else:
            is_intact = crc_ok(view, position, size)
        if not is_intact:
            raise KafkaError(ErrorCode.CORRUPT_MESSAGE, f"checksum of the batch at {base}")
        last = base + delta
        span: BatchSpan = _new(BatchSpan, (position, size, base, last, latest))
        if base < expected or last < base:
            raise out_of_order(span, expected)
        expected = last + 1
        spans.append(span)
        marker = marker_of(header, view[position:end]) if attributes & CONTROL_BIT else None
        headers.append((header, marker))
    return CopiedBatches(headers, spans, end)


def out_of_order(span: BatchSpan, expected: int) -> KafkaError:
    """The error for a batch that lies before the offset that must come next."""
    return KafkaError(
        ErrorCode.OFFSET_OUT_OF_RANGE,
        f"batch [{span.base_offset}, {span.last_offset}] where {expected} is next",
    )
