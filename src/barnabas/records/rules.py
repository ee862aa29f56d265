"""What a topic requires of records, and how a batch that breaks it is refused (reference 6.7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from barnabas.errors import ErrorCode, KafkaError
from barnabas.records.compression import Codec
from barnabas.records.header import TIMESTAMP_TYPE_BIT, BatchHeader
from barnabas.types import NO_TIMESTAMP

PRODUCER_COMPRESSION = "producer"
"""The ``compression.type`` that keeps what the client sent."""
UNBOUNDED_MS = 2**63 - 1
"""Default of ``message.timestamp.before.max.ms`` and ``...after.max.ms``."""
RECORD_ERRORS_SHOWN = 3
"""So many are in the text of an error; the answer has all."""
_I64 = 2**63
CODECS: Mapping[str, Codec] = {
    "uncompressed": Codec.NONE,
    "gzip": Codec.GZIP,
    "snappy": Codec.SNAPPY,
    "lz4": Codec.LZ4,
    "zstd": Codec.ZSTD,
}


class MalformedProduce(KafkaError):
    """The bytes are refused before any log is looked at, so the answer has no log start."""


class InvalidRecords(KafkaError):
    """Some records of a batch are refused, and with them the batch (KIP-467)."""

    def __init__(
        self, code: ErrorCode, message: str, record_errors: Sequence[tuple[int, str]]
    ) -> None:
        super().__init__(code, message)
        self.record_errors = tuple(record_errors)
        """(index in the batch, reason); sent in answers of Produce v8 and later."""


class ValidatedBatch(NamedTuple):
    """A client's batch, ready to be stamped with its offset and epoch."""

    header: BatchHeader
    """The header as it now is in ``records``."""
    records: memoryview
    """The client's bytes, perhaps changed in place, or a new batch if it had to be rebuilt."""
    append_time_ms: int = NO_TIMESTAMP
    """The log-append time for the answer, if the topic uses it."""
    converted: int = 0
    """Records that were written anew, in another format, codec or order."""


class RecordLimits(NamedTuple):
    """What a topic requires of each record."""

    compacted: bool
    append_time: bool
    now_ms: int
    before_max_ms: int
    after_max_ms: int

    def is_timely(self, timestamp: int) -> bool:
        """Whether a timestamp is within the topic's bounds, as Kafka computes it: an age that
        overflows 64 bits becomes negative, so the record counts as one of the future."""
        age_ms = (self.now_ms - timestamp + _I64) % (2 * _I64) - _I64
        ahead_ms = age_ms if age_ms == -_I64 else -age_ms
        return age_ms <= self.before_max_ms and ahead_ms <= self.after_max_ms

    def may_refuse(self, header: BatchHeader, keyless: bool, earliest: int, latest: int) -> bool:
        """Whether records must be looked at one by one."""
        if self.compacted and keyless:
            return True
        if header.attributes & TIMESTAMP_TYPE_BIT and (
            self.append_time or header.max_timestamp == NO_TIMESTAMP
        ):
            return True
        if self.append_time:
            return False
        wraps = self.now_ms - earliest >= _I64  # then also those between may be refused
        return wraps or not (self.is_timely(earliest) and self.is_timely(latest))


def too_large(size: int, max_message_bytes: int) -> KafkaError:
    """The error of a batch that is larger than the topic allows."""
    return KafkaError(
        ErrorCode.MESSAGE_TOO_LARGE,
        f"record batch of {size} bytes is larger than max.message.bytes={max_message_bytes}",
    )
