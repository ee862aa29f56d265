"""Hostile requests: of the right shape in every field, and of values that nobody means. Seeded."""

from __future__ import annotations

import random
import struct
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from barnabas.protocol.api import API_TABLE
from barnabas.protocol.codec import decode_request, encode_request, message_schema
from barnabas.protocol.header import parse_request_header
from barnabas.protocol.message import Message
from barnabas.protocol.schema import Field, Struct
from barnabas.records.batch import Record, build_batch

_BOUNDS: Final = {
    "int8": (-(2**7), 2**7 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint16": (0, 2**16 - 1),
    "uint32": (0, 2**32 - 1),
}
_SMALL: Final = (-3, -2, -1, 0, 1, 2, 3, 5, 10, 100, 1000, 30_000)
_STRINGS: Final = (
    *("", " ", ".", "..", "../escape", "a/b", "nul\0l", "line\nbreak", "\x1b[2J", "\u202e", "ü"),
    *(
        "x" * 249,
        "x" * 250,
        "x" * 300,
        "y" * 5000,
        "z" * 30_000,
        "-1",
        "0",
        "1",
        "7",
        "99999999999",
    ),
    *("topics", "<default>", "*", "NaN", "%s%n", "__consumer_offsets", "__transaction_state"),
    *("consumer", "range", "roundrobin", "classic", "Stable", "Empty", "PLAINTEXT", "User:a"),
    *("cleanup.policy", "compact", "retention.ms", "segment.bytes", "min.insync.replicas"),
    *("compression.type", "gzip", "user", "client-id", "ip", "consumer_byte_rate", "INFO"),
)
_DOUBLES: Final = (0.0, -0.0, 1.5, -1.0, float("nan"), float("inf"), float("-inf"), 1e308, 5e-324)
_EPOCHS_FEARED: Final = ("controller_epoch", "broker_epoch")


@dataclass(slots=True, kw_only=True)
class Known:
    """What really is there, so that some requests get past the first check."""

    strings: Sequence[str] = ()
    only: bool = False
    """No other strings than these are used."""
    ids: Sequence[uuid.UUID] = ()
    numbers: list[int] = field(default_factory=list)


class Hostile:
    """Makes requests; the same seed makes the same ones."""

    def __init__(self, seed: int, known: Known) -> None:
        self.chance = random.Random(seed)
        self.known = known

    def request(self, api: int, version: int) -> bytes:
        """A whole frame, its size included."""
        schema = message_schema(api, version, response=False)
        message = self._struct(schema, 0)
        client = self.chance.choice((None, "", "fuzz", "a\nb", "\x1b[31m", "c" * 1000))
        return encode_request(api, version, self.chance.getrandbits(31), client, message)

    def any_request(self, apis: Sequence[int]) -> tuple[int, int, bytes]:
        """API, version and frame."""
        api = self.chance.choice(apis)
        table = API_TABLE[api]
        version = self.chance.randint(0, table.max_version)
        return api, version, self.request(api, version)

    def varied(self, api: int, version: int, frame: bytes) -> bytes:
        """A recorded request (without its size) with one or two fields of hostile values."""
        start = parse_request_header(memoryview(bytearray(frame)))[1]
        message = decode_request(api, version, memoryview(bytearray(frame)), start)
        schema = message_schema(api, version, response=False)
        for _ in range(self.chance.choice((1, 1, 2))):
            self._vary(message, schema)
        return encode_request(api, version, self.chance.getrandbits(31), "fuzz", message)

    def _vary(self, message: Any, schema: Struct) -> None:
        """Replace one field, of this struct or of one inside it."""
        if not schema.fields:
            return
        chosen = self.chance.choice(schema.fields)
        inner = getattr(message, chosen.name, None)
        if chosen.struct is not None and inner and self.chance.random() < 0.85:
            found = self.chance.choice(inner) if chosen.array else inner
            self._vary(found, chosen.struct)
        else:
            setattr(message, chosen.name, self._value(chosen, 0))

    def _struct(self, schema: Struct, depth: int) -> Message:
        return Message(**{f.name: self._value(f, depth) for f in schema.fields})

    def _value(self, wanted: Field, depth: int) -> Any:
        chance = self.chance
        if wanted.nullable and chance.random() < 0.2:
            return None
        if wanted.array:
            count = chance.choice((0, 1, 1, 1, 2, 3, 5) if depth < 4 else (0, 1))
            made = [self._element(wanted, depth) for _ in range(count)]
            if made and chance.random() < 0.1:
                made.append(made[0])  # said twice
            return tuple(made)
        if wanted.tag is not None and wanted.kind != "struct" and chance.random() < 0.5:
            return wanted.default
        return self._element(wanted, depth)

    def _element(self, wanted: Field, depth: int) -> Any:
        chance, kind = self.chance, wanted.kind
        if kind == "struct":
            assert wanted.struct is not None
            return self._struct(wanted.struct, depth + 1)
        if kind == "string":
            if self.known.strings and (self.known.only or chance.random() < 0.5):
                return chance.choice(self.known.strings)
            return chance.choice(_STRINGS)
        if kind == "bytes":
            return self._bytes()
        if kind == "bool":
            return chance.random() < 0.5
        if kind == "uuid":
            return chance.choice(
                (
                    *self.known.ids,
                    uuid.UUID(int=0),
                    uuid.UUID(int=1),
                    *[uuid.UUID(int=chance.getrandbits(128))],
                )
            )
        if kind == "float64":
            return chance.choice(_DOUBLES)
        return self._number(kind, wanted.name)

    def _number(self, kind: str, name: str) -> int:
        chance = self.chance
        least, greatest = _BOUNDS[kind]
        if name in _EPOCHS_FEARED and chance.random() < 0.7:
            return -1 if name == "broker_epoch" else 1
        if chance.random() < 0.75:
            pool = [n for n in (*_SMALL, *self.known.numbers) if least <= n <= greatest]
            return chance.choice(pool)
        return chance.choice(
            (least, least + 1, greatest, greatest - 1, chance.randint(least, greatest))
        )

    def _bytes(self) -> bytes:
        chance = self.chance
        kind = chance.randrange(6)
        if kind == 0:
            return b""
        if kind == 1:
            return chance.randbytes(chance.choice((1, 7, 48, 61, 200)))
        if kind == 2:  # what members of groups send
            return struct.pack(
                ">hi", chance.choice((0, 1, -1, 3)), chance.choice((0, 1, -1, 2**31 - 1))
            )
        records = [
            Record(offset=i, timestamp=chance.choice((0, -1, 2**62, 1)), key=None, value=b"v" * 20)
            for i in range(chance.choice((1, 2, 3)))
        ]
        batch = bytearray(build_batch(records))
        return bytes(batch) if kind == 3 else mutated(bytes(batch), chance)


def mutated(data: bytes, chance: random.Random) -> bytes:
    """The same bytes but for some: flipped, cut out, doubled, a length that is another."""
    work = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4))):
        if not work:
            break
        at = chance.randrange(len(work))
        kind = chance.randrange(6)
        if kind == 0:
            work[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            work[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif kind == 2:
            del work[at : at + chance.choice((1, 2, 4, 8))]
        elif kind == 3:
            work[at:at] = work[at : at + chance.choice((1, 4, 16))]
        elif kind == 4:
            number = chance.choice((-1, 0, 1, 2**31 - 1, -(2**31), 48, 61))
            work[at : at + 4] = struct.pack(">i", number)
        else:
            del work[at:]
    return bytes(work)
