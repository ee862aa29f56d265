"""KafkaLZ4BlockInputStream and -OutputStream of message format 0: LZ4 frames whose header has a
wrong checksum (KIP-57).

Producers of that format computed it over the frame's magic number too. Kafka ignores the byte when
it reads format 0, and writes the same wrong one, because the oldest consumers insist on it.
"""

from __future__ import annotations

_MAGIC = b"\x04\x22\x4d\x18"
_CONTENT_SIZE = 0x08
_U32 = 0xFFFFFFFF
_PRIME_1, _PRIME_2, _PRIME_3 = 2654435761, 2246822519, 3266489917
_PRIME_4, _PRIME_5 = 668265263, 374761393


def with_right_checksum(frame: bytes) -> bytes:
    """The frame as other libraries read it; unchanged if it is too short or no frame."""
    end = _descriptor_end(frame)
    return frame if not end else _with(frame, end, frame[len(_MAGIC) : end])


def with_broken_checksum(frame: bytes) -> bytes:
    """The frame as consumers of message format 0 read it."""
    end = _descriptor_end(frame)
    return frame if not end else _with(frame, end, frame[:end])


def _descriptor_end(frame: bytes) -> int:
    """Where the checksum of the header is; 0 if there is none."""
    if len(frame) < 7 or frame[:4] != _MAGIC:
        return 0
    # Kafka knows no dictionaries.
    end = 6 + (8 if frame[4] & _CONTENT_SIZE else 0)
    return end if end < len(frame) else 0


def _with(frame: bytes, at: int, covered: bytes) -> bytes:
    return frame[:at] + bytes((xxh32(covered) >> 8 & 0xFF,)) + frame[at + 1 :]


def xxh32(data: bytes) -> int:
    """XXH32 with seed 0 of fewer than 16 bytes; longer data would take another path."""
    assert len(data) < 16
    value = (_PRIME_5 + len(data)) & _U32
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        value = value + int.from_bytes(data[at : at + 4], "little") * _PRIME_3 & _U32
        value = _rotated(value, 17) * _PRIME_4 & _U32
    for byte in data[whole:]:
        value = _rotated(value + byte * _PRIME_5 & _U32, 11) * _PRIME_1 & _U32
    value = (value ^ value >> 15) * _PRIME_2 & _U32
    value = (value ^ value >> 13) * _PRIME_3 & _U32
    return value ^ value >> 16


def _rotated(value: int, bits: int) -> int:
    return (value << bits | value >> 32 - bits) & _U32
