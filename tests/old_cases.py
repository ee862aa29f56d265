"""What old producers send, well-formed or not: shown to the original once (``tests/golden``)."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Mapping
from typing import NamedTuple

from tests.old_client import GZIP, LOG_APPEND_TIME, LZ4, SNAPPY, ZSTD, message, wrapper

NOW_MS = 1_700_000_000_000
TOPICS: Mapping[str, Mapping[str, str]] = {
    "plain": {},
    "appended": {"message.timestamp.type": "LogAppendTime"},
    "bounded": {
        "message.timestamp.before.max.ms": "1000",
        "message.timestamp.after.max.ms": "1000",
    },
    "compacted": {"cleanup.policy": "compact"},
    "packed": {"compression.type": "gzip"},
    "unpacked": {"compression.type": "uncompressed"},
    "small": {"max.message.bytes": "200"},
}

# Independent LZ4 frames of the messages in ``_INNER``, stored without compression.
_A = message(b"a", b"k", timestamp=NOW_MS)
_B = message(b"b", timestamp=NOW_MS + 1, offset=1)
_C = message(bytes(100), timestamp=NOW_MS, offset=2)
_A0, _B0 = message(b"a", b"k", magic=0), message(b"b", magic=0, offset=1)
_C0 = message(bytes(100), magic=0, offset=2)


def lz4(data: bytes, header_checksum: int) -> bytes:
    """A frame of one block that is stored as it is."""
    block = struct.pack("<I", len(data) | 1 << 31) + data
    return b"\x04\x22\x4d\x18\x60\x40" + bytes((header_checksum,)) + block + bytes(4)


LZ4_RIGHT, LZ4_WRONG = 0x82, 0x1A
"""The checksum of that frame's header, and the one that old clients write (KIP-57)."""


def snappy(data: bytes) -> bytes:
    """One literal, without a framing of blocks; for data from 128 to 16,383 bytes."""
    size = bytes((len(data) & 0x7F | 0x80, len(data) >> 7))
    return size + bytes((61 << 2,)) + struct.pack("<H", len(data) - 1) + data


def xerial(data: bytes) -> bytes:
    """In the framing of the Java library."""
    block = snappy(data)
    return b"\x82SNAPPY\0" + struct.pack(">iii", 1, 1, len(block)) + block


class OldCase(NamedTuple):
    """Records of one Produce request."""

    records: bytes | None
    topic: str = "plain"
    version: int = 2


OLD_CASES: Mapping[str, OldCase] = {
    "v0: one message": OldCase(message(b"value", b"key", magic=0), version=0),
    "v1: one message": OldCase(message(b"value", b"key", magic=0), version=1),
    "v2: one message": OldCase(message(b"value", b"key", timestamp=NOW_MS)),
    "format 1 in v0": OldCase(message(b"value", b"key", timestamp=NOW_MS), version=0),
    "nulls": OldCase(message(None, None, timestamp=NOW_MS) + message(b"", b"", timestamp=NOW_MS)),
    "nulls, format 0": OldCase(message(None, None, magic=0) + message(b"", b"", magic=0)),
    "several": OldCase(_A + _B + message(b"c", timestamp=NOW_MS - 5, offset=2)),
    "several without a timestamp": OldCase(
        message(b"a") + message(b"b") + message(b"c", timestamp=7)
    ),
    "all offsets alike": OldCase(_A + _A + _A),
    "cut short": OldCase(_A + _B[:-1]),
    "nothing whole": OldCase(_A[:-1]),
    "empty": OldCase(b""),
    "null records": OldCase(None),
    "tiny": OldCase(_A[:11]),
    "wrong checksum": OldCase(message(b"a", crc=1)),
    "wrong checksum of the second": OldCase(_A + message(b"a", crc=1)),
    "length of 13": OldCase(struct.pack(">qi", 0, 13) + bytes(13)),
    "length of 14": OldCase(struct.pack(">qi", 0, 14) + bytes(14)),
    "magic 3": OldCase(message(b"a", magic=3)),
    "magic -1": OldCase(message(b"a", magic=-1)),
    "formats mixed": OldCase(_A + _B0),
    "negative timestamp": OldCase(message(b"a", timestamp=-2)),
    "LogAppendTime by the producer": OldCase(
        message(b"a", timestamp=NOW_MS, attributes=LOG_APPEND_TIME)
    ),
    "LogAppendTime without a time": OldCase(message(b"a", attributes=LOG_APPEND_TIME)),
    "unknown attributes": OldCase(message(b"a", timestamp=NOW_MS, attributes=0x30)),
    "negative attributes": OldCase(message(b"a", timestamp=NOW_MS, attributes=-128)),
    "codec 5": OldCase(message(b"a", timestamp=NOW_MS, attributes=5)),
    "codec 7, format 0": OldCase(message(b"a", magic=0, attributes=7)),
    "gzip": OldCase(wrapper(_A + _B, offset=1, timestamp=NOW_MS + 1)),
    "gzip, wrapper at 0": OldCase(wrapper(_A + _B, offset=0, timestamp=NOW_MS + 1)),
    "gzip, wrapper below the last": OldCase(
        wrapper(_A + message(b"b", offset=5, timestamp=NOW_MS), offset=3, timestamp=NOW_MS)
    ),
    "gzip, wrapper far above": OldCase(wrapper(_A + _B, offset=77, timestamp=NOW_MS)),
    "gzip, offsets alike": OldCase(wrapper(_A + _A, offset=1, timestamp=NOW_MS)),
    "gzip, without a time of its own": OldCase(wrapper(_A + _B, offset=1)),
    "gzip, LogAppendTime": OldCase(
        wrapper(_A + _B, offset=1, timestamp=NOW_MS + 9, attributes=LOG_APPEND_TIME)
    ),
    "gzip, format 0": OldCase(wrapper(_A0 + _B0, magic=0, offset=1)),
    "gzip, format 0 in v0": OldCase(wrapper(_A0 + _B0, magic=0, offset=1), version=0),
    "gzip, format 0 around 1": OldCase(wrapper(_A + _B, magic=0, offset=1)),
    "gzip, format 1 around 0": OldCase(wrapper(_A0 + _B0, offset=1)),
    "gzip in gzip": OldCase(wrapper(wrapper(_A + _B, offset=1), offset=1)),
    "gzip and another": OldCase(wrapper(_A + _B, offset=1) + _A),
    "one and gzip": OldCase(_A + wrapper(_A + _B, offset=1)),
    "gzip of nothing": OldCase(wrapper(b"", offset=0)),
    "gzip of null": OldCase(message(None, attributes=GZIP)),
    "gzip of garbage": OldCase(wrapper(b"", packed=b"garbage")),
    "gzip cut short": OldCase(wrapper(b"", packed=gzip.compress(_A + _B, mtime=0)[:-9])),
    "gzip, inner cut short": OldCase(wrapper(_A + _B[:-1], offset=0)),
    "gzip, inner checksum": OldCase(wrapper(_A + message(b"x", crc=7, offset=1), offset=1)),
    "gzip, inner length of 13": OldCase(
        wrapper(_A + struct.pack(">qi", 1, 13) + bytes(13), offset=1)
    ),
    "gzip, inner negative timestamp": OldCase(wrapper(message(b"a", timestamp=-9))),
    "gzip with a key": OldCase(
        message(gzip.compress(_A, mtime=0), b"key", attributes=GZIP, timestamp=NOW_MS)
    ),
    "snappy": OldCase(wrapper(b"", SNAPPY, packed=xerial(_A + _B + _C), offset=2)),
    "snappy, raw": OldCase(wrapper(b"", SNAPPY, packed=snappy(_A + _B + _C), offset=2)),
    "snappy, format 0": OldCase(
        wrapper(b"", SNAPPY, packed=xerial(_A0 + _B0 + _C0), magic=0, offset=1)
    ),
    "snappy of garbage": OldCase(wrapper(b"", SNAPPY, packed=b"garbage")),
    "lz4": OldCase(wrapper(b"", LZ4, packed=lz4(_A + _B, LZ4_RIGHT), offset=1)),
    "lz4, wrong header": OldCase(wrapper(b"", LZ4, packed=lz4(_A + _B, LZ4_WRONG), offset=1)),
    "lz4, format 0": OldCase(
        wrapper(b"", LZ4, packed=lz4(_A0 + _B0, LZ4_WRONG), magic=0, offset=1)
    ),
    "lz4, format 0, right header": OldCase(
        wrapper(b"", LZ4, packed=lz4(_A0 + _B0, LZ4_RIGHT), magic=0, offset=1)
    ),
    "lz4, format 0, any header": OldCase(
        wrapper(b"", LZ4, packed=lz4(_A0 + _B0, 0), magic=0, offset=1)
    ),
    "lz4 of garbage": OldCase(wrapper(b"", LZ4, packed=b"garbage")),
    "zstd": OldCase(wrapper(b"", ZSTD, packed=b"\x28\xb5\x2f\xfd\x20\x00\x01\x00\x00")),
    "zstd, format 0": OldCase(wrapper(b"", ZSTD, magic=0, packed=b"garbage")),
    "appended: one": OldCase(message(b"a", timestamp=NOW_MS), "appended"),
    "appended: format 0": OldCase(message(b"a", magic=0), "appended", 1),
    "appended: gzip": OldCase(wrapper(_A + _B, offset=1), "appended"),
    "appended: LogAppendTime by the producer": OldCase(
        message(b"a", timestamp=NOW_MS, attributes=LOG_APPEND_TIME), "appended"
    ),
    "bounded: too old": OldCase(message(b"a", timestamp=NOW_MS), "bounded"),
    "bounded: no time": OldCase(message(b"a"), "bounded"),
    "bounded: format 0": OldCase(message(b"a", magic=0), "bounded"),
    "bounded: gzip too old": OldCase(wrapper(_A + _B, offset=1), "bounded"),
    "compacted: with a key": OldCase(_A, "compacted"),
    "compacted: without": OldCase(_A + _B, "compacted"),
    "compacted: gzip without": OldCase(wrapper(_A + _B, offset=1), "compacted"),
    "packed: several": OldCase(_A + _B, "packed"),
    "packed: format 0": OldCase(_A0 + _B0, "packed", 0),
    "unpacked: gzip": OldCase(wrapper(_A + _B, offset=1, timestamp=NOW_MS), "unpacked"),
    "small: one too large": OldCase(message(bytes(200), timestamp=NOW_MS), "small"),
    "small: many": OldCase(
        b"".join(message(bytes(40), timestamp=NOW_MS) for _ in range(8)), "small"
    ),
    "small: some": OldCase(
        b"".join(message(bytes(40), timestamp=NOW_MS) for _ in range(2)), "small"
    ),
    "small: gzip": OldCase(
        wrapper(
            b"".join(message(bytes(9), timestamp=NOW_MS, offset=n) for n in range(40)), offset=39
        ),
        "small",
    ),
}
