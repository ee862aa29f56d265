"""Encodes and decodes ZooKeeper's wire protocol: frames, requests, replies and watch events.

A frame is a 4-byte length and that many bytes. A request is xid, operation and the operation's
record; a reply is xid, zxid, error and, when the error is 0, the operation's record. The first
frame each way is the connect record instead, without a header. The records are in ``messages.py``.
The server decodes requests and encodes replies, the client does the reverse.

Everything that cannot be decoded raises ``InvalidRequest``. The server answers a malformed record
with MARSHALLING_ERROR, and for anything else it closes the connection. The client always closes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from struct import Struct
from struct import error as struct_error
from types import MappingProxyType
from typing import Any, TypeAlias

from barnabas.errors import InvalidRequest
from barnabas.limits import ZOOKEEPER_FRAME_BYTES_MAX
from barnabas.types import Buffer
from barnabas.zookeeper.messages import (
    EMPTY,
    OPEN_ACL_UNSAFE,
    XID_EVENT,
    Acl,
    AddWatchRequest,
    AuthRequest,
    CheckVersionRequest,
    Children2Response,
    ChildrenResponse,
    ClientInfo,
    ConnectRequest,
    ConnectResponse,
    Create2Response,
    CreateRequest,
    CreateTTLRequest,
    DeleteRequest,
    ErrorResponse,
    GetAclResponse,
    GetDataResponse,
    MultiRequest,
    MultiResponse,
    MultiResult,
    NumberResponse,
    OpCode,
    PathRequest,
    PathResponse,
    ReadRequest,
    ReconfigRequest,
    Record,
    ReplyHeader,
    SaslRequest,
    SaslResponse,
    SetAclRequest,
    SetDataRequest,
    SetWatches2Request,
    SetWatchesRequest,
    Stat,
    StatResponse,
    WatcherEvent,
    WatchesRequest,
    WhoAmIResponse,
)

_INT = Struct(">i")
_LONG = Struct(">q")
_REQUEST_HEADER = Struct(">ii")
_REPLY_HEADER = Struct(">iqi")
_MULTI_HEADER = Struct(">i?i")
_STAT = Struct(">qqqqiiiqiiq")


# --- field codecs --------------------------------------------------------------------------------

_Reader: TypeAlias = Callable[[Buffer, int], tuple[Any, int]]
_Writer: TypeAlias = Callable[[bytearray, Any], None]


def _read_int(buffer: Buffer, at: int) -> tuple[int, int]:
    return _INT.unpack_from(buffer, at)[0], at + 4


def _write_int(out: bytearray, value: int) -> None:
    out += _INT.pack(value)


def _read_long(buffer: Buffer, at: int) -> tuple[int, int]:
    return _LONG.unpack_from(buffer, at)[0], at + 8


def _write_long(out: bytearray, value: int) -> None:
    out += _LONG.pack(value)


def _read_bool(buffer: Buffer, at: int) -> tuple[bool, int]:
    return buffer[at] != 0, at + 1


def _write_bool(out: bytearray, value: bool) -> None:
    out.append(1 if value else 0)


def _read_buffer(buffer: Buffer, at: int) -> tuple[bytes | None, int]:
    size = _INT.unpack_from(buffer, at)[0]
    at += 4
    if size == -1:
        return None, at
    end = at + size
    if size < 0 or end > len(buffer):
        raise InvalidRequest(f"a buffer of {size} bytes does not fit its frame")
    return bytes(buffer[at:end]), end


def _write_buffer(out: bytearray, value: bytes | None) -> None:
    if value is None:
        out += b"\xff\xff\xff\xff"
    else:
        out += _INT.pack(len(value))
        out += value


def _read_nullable_string(buffer: Buffer, at: int) -> tuple[str | None, int]:
    raw, at = _read_buffer(buffer, at)
    return None if raw is None else raw.decode(), at


def _write_nullable_string(out: bytearray, value: str | None) -> None:
    _write_buffer(out, None if value is None else value.encode())


def _read_string(buffer: Buffer, at: int) -> tuple[str, int]:
    """Null counts as empty: kazoo sends it for an empty string."""
    value, at = _read_nullable_string(buffer, at)
    return value or "", at


def _write_string(out: bytearray, value: str) -> None:
    _write_buffer(out, value.encode())


def _read_stat(buffer: Buffer, at: int) -> tuple[Stat, int]:
    return Stat._make(_STAT.unpack_from(buffer, at)), at + _STAT.size


def _write_stat(out: bytearray, value: Stat) -> None:
    out += _STAT.pack(*value)


class _Layout:
    """How one record class is encoded."""

    __slots__ = ("_make", "_readers", "_writers")

    def __init__(self, make: Callable[..., Record], *fields: tuple[_Reader, _Writer]) -> None:
        self._make = make
        self._readers = tuple(reader for reader, _ in fields)
        self._writers = tuple(writer for _, writer in fields)

    def read(self, buffer: Buffer, at: int) -> tuple[Record, int]:
        values = []
        for reader in self._readers:
            value, at = reader(buffer, at)
            values.append(value)
        return self._make(*values), at

    def write(self, out: bytearray, record: Record) -> None:
        for writer, value in zip(self._writers, record, strict=True):
            writer(out, value)


def _vector(reader: _Reader, writer: _Writer) -> tuple[_Reader, _Writer]:
    """A counted list; jute's null vector (-1) reads as an empty one."""

    def read(buffer: Buffer, at: int) -> tuple[tuple[Any, ...], int]:
        count = _INT.unpack_from(buffer, at)[0]
        at += 4
        # An element takes at least 4 bytes. So a count that passes needs no more memory than its
        # frame took.
        if count < -1 or count * 4 > len(buffer) - at:
            raise InvalidRequest(f"a list of {count} elements does not fit its frame")
        values = []
        for _ in range(count):
            value, at = reader(buffer, at)
            values.append(value)
        return tuple(values), at

    def write(out: bytearray, values: tuple[Any, ...]) -> None:
        out += _INT.pack(len(values))
        for value in values:
            writer(out, value)

    return read, write


_int = (_read_int, _write_int)
_long = (_read_long, _write_long)
_bool = (_read_bool, _write_bool)
_bytes = (_read_buffer, _write_buffer)
_string = (_read_string, _write_string)
_nullable_string = (_read_nullable_string, _write_nullable_string)
_stat = (_read_stat, _write_stat)
_strings = _vector(_read_string, _write_string)
_acl_layout = _Layout(Acl, _int, _string, _string)
_read_any_acls, _write_any_acls = _vector(_acl_layout.read, _acl_layout.write)


def _encoded_acls(acls: tuple[Acl, ...]) -> bytes:
    out = bytearray()
    _write_any_acls(out, acls)
    return bytes(out)


_OPEN_ACL = _encoded_acls(OPEN_ACL_UNSAFE)
"""What almost every create has."""


def _read_acls(buffer: Buffer, at: int) -> tuple[tuple[Acl, ...], int]:
    end = at + len(_OPEN_ACL)
    if buffer[at:end] == _OPEN_ACL:
        return OPEN_ACL_UNSAFE, end
    return _read_any_acls(buffer, at)


def _write_acls(out: bytearray, value: tuple[Acl, ...]) -> None:
    if value is OPEN_ACL_UNSAFE:
        out += _OPEN_ACL
    else:
        _write_any_acls(out, value)


_acls = (_read_acls, _write_acls)
_info_layout = _Layout(ClientInfo, _string, _string)
_infos = _vector(_info_layout.read, _info_layout.write)


def _fields(*values: Any) -> tuple[Any, ...]:
    return values


_EMPTY = _Layout(lambda: EMPTY)
_CREATE = _Layout(CreateRequest, _string, _bytes, _acls, _int)
_READ = _Layout(ReadRequest, _string, _bool)
_PATH = _Layout(PathRequest, _string)
_WATCHES = _Layout(WatchesRequest, _string, _int)
_STAT_REPLY = _Layout(StatResponse, _stat)
_CREATE2_REPLY = _Layout(Create2Response, _string, _stat)
_CHILDREN_REPLY = _Layout(ChildrenResponse, _strings)
_ERROR_REPLY = _Layout(ErrorResponse, _int)
_CONNECT = _Layout(_fields, _int, _long, _int, _long, _bytes)
_CONNECTED = _Layout(_fields, _int, _int, _long, _bytes)
_EVENT = _Layout(WatcherEvent, _int, _int, _string)


# --- multi ---------------------------------------------------------------------------------------

_MULTI_END = _MULTI_HEADER.pack(-1, True, -1)
_MULTI_PARTS = frozenset((1, 2, 5, 13, 15, 19, 21))
_MULTI_READ_PARTS = frozenset((4, 8))


class _MultiRequestLayout:
    __slots__ = ("_allowed",)

    def __init__(self, allowed: frozenset[int]) -> None:
        self._allowed = allowed

    def read(self, buffer: Buffer, at: int) -> tuple[MultiRequest, int]:
        ops: list[tuple[int, Record]] = []
        while True:
            op, done, _ = _MULTI_HEADER.unpack_from(buffer, at)
            at += _MULTI_HEADER.size
            if done:
                return MultiRequest(tuple(ops)), at
            if op not in self._allowed:
                raise InvalidRequest(f"operation {op} inside a multi")
            record, at = _REQUESTS[op].read(buffer, at)
            ops.append((op, record))

    def write(self, out: bytearray, record: MultiRequest) -> None:
        for op, part in record.ops:
            out += _MULTI_HEADER.pack(op, False, -1)
            _REQUESTS[op].write(out, part)
        out += _MULTI_END


class _MultiResponseLayout:
    __slots__ = ()

    def read(self, buffer: Buffer, at: int) -> tuple[MultiResponse, int]:
        results: list[MultiResult] = []
        while True:
            op, done, _ = _MULTI_HEADER.unpack_from(buffer, at)
            at += _MULTI_HEADER.size
            if done:
                return MultiResponse(tuple(results)), at
            layout = _ERROR_REPLY if op == OpCode.ERROR else _RESPONSES.get(op)
            if layout is None:
                raise InvalidRequest(f"operation {op} inside a multi's reply")
            record, at = layout.read(buffer, at)
            results.append(MultiResult(op, record))

    def write(self, out: bytearray, record: MultiResponse) -> None:
        for op, part in record.results:
            if op == OpCode.ERROR:
                out += _MULTI_HEADER.pack(-1, False, part.err)
                _ERROR_REPLY.write(out, part)
            else:
                out += _MULTI_HEADER.pack(op, False, 0)
                _RESPONSES[op].write(out, part)
        out += _MULTI_END


_AnyLayout: TypeAlias = _Layout | _MultiRequestLayout | _MultiResponseLayout

_REQUESTS: Mapping[int, _AnyLayout] = MappingProxyType(
    {
        OpCode.CREATE: _CREATE,
        OpCode.DELETE: _Layout(DeleteRequest, _string, _int),
        OpCode.EXISTS: _READ,
        OpCode.GET_DATA: _READ,
        OpCode.SET_DATA: _Layout(SetDataRequest, _string, _bytes, _int),
        OpCode.GET_ACL: _PATH,
        OpCode.SET_ACL: _Layout(SetAclRequest, _string, _acls, _int),
        OpCode.GET_CHILDREN: _READ,
        OpCode.SYNC: _PATH,
        OpCode.PING: _EMPTY,
        OpCode.GET_CHILDREN2: _READ,
        OpCode.CHECK: _Layout(CheckVersionRequest, _string, _int),
        OpCode.MULTI: _MultiRequestLayout(_MULTI_PARTS),
        OpCode.CREATE2: _CREATE,
        OpCode.RECONFIG: _Layout(ReconfigRequest, *(_nullable_string,) * 3, _long),
        OpCode.CHECK_WATCHES: _WATCHES,
        OpCode.REMOVE_WATCHES: _WATCHES,
        OpCode.CREATE_CONTAINER: _CREATE,
        OpCode.DELETE_CONTAINER: _PATH,
        OpCode.CREATE_TTL: _Layout(CreateTTLRequest, _string, _bytes, _acls, _int, _long),
        OpCode.MULTI_READ: _MultiRequestLayout(_MULTI_READ_PARTS),
        OpCode.AUTH: _Layout(AuthRequest, _int, _string, _bytes),
        OpCode.SET_WATCHES: _Layout(SetWatchesRequest, _long, _strings, _strings, _strings),
        OpCode.SASL: _Layout(SaslRequest, _bytes),
        OpCode.GET_EPHEMERALS: _PATH,
        OpCode.GET_ALL_CHILDREN_NUMBER: _PATH,
        OpCode.SET_WATCHES2: _Layout(SetWatches2Request, _long, *(_strings,) * 5),
        OpCode.ADD_WATCH: _Layout(AddWatchRequest, _string, _int),
        OpCode.WHO_AM_I: _EMPTY,
        OpCode.CLOSE_SESSION: _EMPTY,
    }
)

_RESPONSES: Mapping[int, _AnyLayout] = MappingProxyType(
    {
        OpCode.CREATE: _Layout(PathResponse, _string),
        OpCode.DELETE: _EMPTY,
        OpCode.EXISTS: _STAT_REPLY,
        OpCode.GET_DATA: _Layout(GetDataResponse, _bytes, _stat),
        OpCode.SET_DATA: _STAT_REPLY,
        OpCode.GET_ACL: _Layout(GetAclResponse, _acls, _stat),
        OpCode.SET_ACL: _STAT_REPLY,
        OpCode.GET_CHILDREN: _CHILDREN_REPLY,
        OpCode.SYNC: _Layout(PathResponse, _string),
        OpCode.PING: _EMPTY,
        OpCode.GET_CHILDREN2: _Layout(Children2Response, _strings, _stat),
        OpCode.CHECK: _EMPTY,
        OpCode.MULTI: _MultiResponseLayout(),
        OpCode.CREATE2: _CREATE2_REPLY,
        OpCode.RECONFIG: _Layout(GetDataResponse, _bytes, _stat),
        OpCode.CHECK_WATCHES: _EMPTY,
        OpCode.REMOVE_WATCHES: _EMPTY,
        OpCode.CREATE_CONTAINER: _CREATE2_REPLY,
        OpCode.DELETE_CONTAINER: _EMPTY,
        OpCode.CREATE_TTL: _CREATE2_REPLY,
        OpCode.MULTI_READ: _MultiResponseLayout(),
        OpCode.AUTH: _EMPTY,
        OpCode.SET_WATCHES: _EMPTY,
        OpCode.SASL: _Layout(SaslResponse, _bytes),
        OpCode.GET_EPHEMERALS: _CHILDREN_REPLY,
        OpCode.GET_ALL_CHILDREN_NUMBER: _Layout(NumberResponse, _int),
        OpCode.SET_WATCHES2: _EMPTY,
        OpCode.ADD_WATCH: _ERROR_REPLY,
        OpCode.WHO_AM_I: _Layout(WhoAmIResponse, _infos),
        OpCode.CLOSE_SESSION: _EMPTY,
    }
)


# --- frames --------------------------------------------------------------------------------------


def _read_whole(layout: _AnyLayout, frame: Buffer, at: int) -> Record:
    """The record that fills the frame from ``at`` to its end."""
    try:
        record, end = layout.read(frame, at)
    except (struct_error, IndexError, UnicodeDecodeError) as problem:
        raise InvalidRequest(f"a malformed frame: {problem}") from problem
    if end != len(frame):
        raise InvalidRequest(f"{len(frame) - end} bytes too many in a frame")
    return record


def _framed(out: bytearray) -> bytes:
    _INT.pack_into(out, 0, len(out) - 4)
    return bytes(out)


def decode_connect_request(frame: Buffer) -> ConnectRequest:
    return ConnectRequest(*_read_connect(_CONNECT, frame))


def decode_connect_response(frame: Buffer) -> ConnectResponse:
    return ConnectResponse(*_read_connect(_CONNECTED, frame))


def _read_connect(layout: _Layout, frame: Buffer) -> tuple[Any, ...]:
    """The fields of a connect record, whose last byte (readOnly) old peers leave out."""
    try:
        fields, end = layout.read(frame, 0)
    except struct_error as problem:
        raise InvalidRequest(f"a malformed connect frame: {problem}") from problem
    if len(frame) - end > 1:
        raise InvalidRequest("a connect frame is too long")
    return (*fields, frame[end] != 0 if end < len(frame) else None)


def encode_connect_request(record: ConnectRequest) -> bytes:
    """The complete frame, length included, as from all functions named encode."""
    return _write_connect(_CONNECT, record)


def encode_connect_response(record: ConnectResponse) -> bytes:
    return _write_connect(_CONNECTED, record)


def _write_connect(layout: _Layout, record: Any) -> bytes:
    out = bytearray(4)
    layout.write(out, record[:-1])
    if record.read_only is not None:
        _write_bool(out, record.read_only)
    return _framed(out)


def decode_request_header(frame: Buffer) -> tuple[int, int]:
    """(xid, operation)."""
    try:
        xid, op = _REQUEST_HEADER.unpack_from(frame, 0)
    except struct_error as problem:
        raise InvalidRequest("a request without a header") from problem
    return xid, op


def decode_request_record(op: int, frame: Buffer) -> Record:
    """The record after a request's header; None for an unknown operation."""
    layout = _REQUESTS.get(op)
    return None if layout is None else _read_whole(layout, frame, _REQUEST_HEADER.size)


def decode_request(frame: Buffer) -> tuple[int, int, Record]:
    """(xid, operation, record)."""
    xid, op = decode_request_header(frame)
    return xid, op, decode_request_record(op, frame)


def encode_request(xid: int, op: int, record: Record = EMPTY) -> bytes:
    out = bytearray(4)
    out += _REQUEST_HEADER.pack(xid, op)
    _REQUESTS[op].write(out, record)
    return _framed(out)


def decode_reply_header(frame: Buffer) -> ReplyHeader:
    """The header of any frame from a server. Its xid is -1 for a watch event, -2 for a ping."""
    try:
        return ReplyHeader._make(_REPLY_HEADER.unpack_from(frame, 0))
    except struct_error as problem:
        raise InvalidRequest("a reply without a header") from problem


def decode_reply(op: int, frame: Buffer) -> Record:
    """The record after the header of a reply to ``op`` whose ``err`` is 0."""
    return _read_whole(_RESPONSES[op], frame, _REPLY_HEADER.size)


def encode_reply(xid: int, zxid: int, op: int, record: Record = EMPTY) -> bytes:
    out = bytearray(4)
    out += _REPLY_HEADER.pack(xid, zxid, 0)
    _RESPONSES[op].write(out, record)
    return _framed(out)


def encode_error_reply(xid: int, zxid: int, err: int) -> bytes:
    return _INT.pack(_REPLY_HEADER.size) + _REPLY_HEADER.pack(xid, zxid, err)


def decode_event(frame: Buffer) -> WatcherEvent:
    """The watch event in a frame whose xid is -1."""
    event: WatcherEvent = _read_whole(_EVENT, frame, _REPLY_HEADER.size)
    return event


def encode_event(event: WatcherEvent, zxid: int = -1) -> bytes:
    out = bytearray(4)
    out += _REPLY_HEADER.pack(XID_EVENT, zxid, 0)
    _EVENT.write(out, event)
    return _framed(out)


class FrameSplitter:
    """Cuts the received bytes into frames; refuses a length that is negative or too long."""

    __slots__ = ("_bytes_max", "_pending")

    def __init__(self, bytes_max: int = ZOOKEEPER_FRAME_BYTES_MAX) -> None:
        self._pending = bytearray()
        self._bytes_max = bytes_max

    def feed(self, data: Buffer) -> Iterator[bytes]:
        """Whole frames, without their length, as far as they have arrived."""
        pending = self._pending
        pending += data
        at = 0
        try:
            while len(pending) - at >= 4:
                size = _INT.unpack_from(pending, at)[0]
                if not 0 <= size <= self._bytes_max:
                    raise InvalidRequest(f"a frame of {size} bytes")
                if len(pending) - at - 4 < size:
                    return
                frame = bytes(memoryview(pending)[at + 4 : at + 4 + size])
                at += 4 + size
                yield frame
        finally:
            del pending[:at]
