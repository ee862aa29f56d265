"""The messages between ZooKeeper clients and servers, as plain values.

Records are ``NamedTuple`` classes with ZooKeeper's field names; ``None`` for data is jute's null
buffer. ``jute.py`` turns them into bytes and back. Sources: ``zookeeper.jute``, ``ZooDefs``,
``KeeperException`` and ``Watcher`` of ZooKeeper 3.8.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple, TypeAlias


class OpCode(IntEnum):
    """Operations (``ZooDefs.OpCode``)."""

    ERROR = -1
    CLOSE_SESSION = -11
    CREATE_SESSION = -10
    NOTIFICATION = 0
    CREATE = 1
    DELETE = 2
    EXISTS = 3
    GET_DATA = 4
    SET_DATA = 5
    GET_ACL = 6
    SET_ACL = 7
    GET_CHILDREN = 8
    SYNC = 9
    PING = 11
    GET_CHILDREN2 = 12
    CHECK = 13
    MULTI = 14
    CREATE2 = 15
    RECONFIG = 16
    CHECK_WATCHES = 17
    REMOVE_WATCHES = 18
    CREATE_CONTAINER = 19
    DELETE_CONTAINER = 20
    CREATE_TTL = 21
    MULTI_READ = 22
    AUTH = 100
    SET_WATCHES = 101
    SASL = 102
    GET_EPHEMERALS = 103
    GET_ALL_CHILDREN_NUMBER = 104
    SET_WATCHES2 = 105
    ADD_WATCH = 106
    WHO_AM_I = 107


class Code(IntEnum):
    """Errors of replies (``KeeperException.Code``)."""

    OK = 0
    SYSTEM_ERROR = -1
    RUNTIME_INCONSISTENCY = -2
    DATA_INCONSISTENCY = -3
    CONNECTION_LOSS = -4
    MARSHALLING_ERROR = -5
    UNIMPLEMENTED = -6
    OPERATION_TIMEOUT = -7
    BAD_ARGUMENTS = -8
    UNKNOWN_SESSION = -12
    NEW_CONFIG_NO_QUORUM = -13
    RECONFIG_IN_PROGRESS = -14
    NO_NODE = -101
    NO_AUTH = -102
    BAD_VERSION = -103
    NO_CHILDREN_FOR_EPHEMERALS = -108
    NODE_EXISTS = -110
    NOT_EMPTY = -111
    SESSION_EXPIRED = -112
    INVALID_CALLBACK = -113
    INVALID_ACL = -114
    AUTH_FAILED = -115
    SESSION_MOVED = -118
    NOT_READ_ONLY = -119
    EPHEMERAL_ON_LOCAL_SESSION = -120
    NO_WATCHER = -121
    REQUEST_TIMEOUT = -122
    RECONFIG_DISABLED = -123
    SESSION_CLOSED_REQUIRE_SASL_AUTH = -124
    QUOTA_EXCEEDED = -125
    THROTTLED_OP = -127


class EventType(IntEnum):
    """The types of watch events (``Watcher.Event.EventType``)."""

    NONE = -1
    NODE_CREATED = 1
    NODE_DELETED = 2
    NODE_DATA_CHANGED = 3
    NODE_CHILDREN_CHANGED = 4
    DATA_WATCH_REMOVED = 5
    CHILD_WATCH_REMOVED = 6
    PERSISTENT_WATCH_REMOVED = 7


class KeeperState(IntEnum):
    """Session state inside a watch event."""

    EXPIRED = -112
    DISCONNECTED = 0
    SYNC_CONNECTED = 3
    AUTH_FAILED = 4
    CONNECTED_READ_ONLY = 5


class CreateFlag(IntEnum):
    """``flags`` of the create operations (``CreateMode``)."""

    PERSISTENT = 0
    EPHEMERAL = 1
    PERSISTENT_SEQUENTIAL = 2
    EPHEMERAL_SEQUENTIAL = 3
    CONTAINER = 4
    PERSISTENT_WITH_TTL = 5
    PERSISTENT_SEQUENTIAL_WITH_TTL = 6


class WatcherType(IntEnum):
    """The kinds of watches for ``checkWatches`` and ``removeWatches``."""

    CHILDREN = 1
    DATA = 2
    ANY = 3
    PERSISTENT = 4
    PERSISTENT_RECURSIVE = 5


class AddWatchMode(IntEnum):
    PERSISTENT = 0
    PERSISTENT_RECURSIVE = 1


XID_EVENT = -1
XID_PING = -2
XID_AUTH = -4
XID_SET_WATCHES = -8

INT_MAX = (1 << 31) - 1
PASSWORD_BYTES = 16
FAST_EXPIRY_MAGIC = b"barnabas"


# --- records ------------------------------------------------------------------------------------


class Acl(NamedTuple):
    """One entry of an access list. Permissions: 1 read, 2 write, 4 create, 8 delete, 16 admin."""

    perms: int
    scheme: str
    id: str


OPEN_ACL_UNSAFE: tuple[Acl, ...] = (Acl(31, "world", "anyone"),)


class Stat(NamedTuple):
    """A znode's bookkeeping. Times are wall milliseconds; zxids order all changes."""

    czxid: int
    mzxid: int
    ctime: int
    mtime: int
    version: int
    cversion: int
    aversion: int
    ephemeralOwner: int  # noqa: N815  # jute's names, as in every ZooKeeper client
    dataLength: int  # noqa: N815
    numChildren: int  # noqa: N815
    pzxid: int


class ConnectRequest(NamedTuple):
    """The first frame of a client. ``session_id`` 0 asks for a new session."""

    protocol_version: int
    last_zxid_seen: int
    timeout_ms: int
    session_id: int
    password: bytes | None
    read_only: bool | None
    """None if the client is so old that it does not send the field."""


class ConnectResponse(NamedTuple):
    """The first frame of a server. ``timeout_ms`` 0 or less means that the session has expired."""

    protocol_version: int
    timeout_ms: int
    session_id: int
    password: bytes | None
    read_only: bool | None


class WatcherEvent(NamedTuple):
    type: int
    state: int
    path: str


class Empty(NamedTuple):
    """The record of operations without one (ping, closeSession, replies to auth and delete)."""


EMPTY = Empty()


class CreateRequest(NamedTuple):
    """create, create2, createContainer."""

    path: str
    data: bytes | None
    acl: tuple[Acl, ...] = OPEN_ACL_UNSAFE
    flags: int = 0


class CreateTTLRequest(NamedTuple):
    path: str
    data: bytes | None
    acl: tuple[Acl, ...]
    flags: int
    ttl: int
    """Milliseconds."""


class DeleteRequest(NamedTuple):
    path: str
    version: int = -1


class CheckVersionRequest(NamedTuple):
    path: str
    version: int = -1


class SetDataRequest(NamedTuple):
    path: str
    data: bytes | None
    version: int = -1


class ReadRequest(NamedTuple):
    """exists, getData, getChildren, getChildren2."""

    path: str
    watch: bool = False


class PathRequest(NamedTuple):
    """sync, getACL, getEphemerals (a prefix), getAllChildrenNumber, deleteContainer."""

    path: str


class SetAclRequest(NamedTuple):
    path: str
    acl: tuple[Acl, ...]
    version: int = -1


class WatchesRequest(NamedTuple):
    """checkWatches, removeWatches; ``type`` is a WatcherType."""

    path: str
    type: int


class AddWatchRequest(NamedTuple):
    path: str
    mode: int


class AuthRequest(NamedTuple):
    type: int
    scheme: str
    auth: bytes | None


class SetWatchesRequest(NamedTuple):
    relative_zxid: int
    data_watches: tuple[str, ...]
    exist_watches: tuple[str, ...]
    child_watches: tuple[str, ...]


class SetWatches2Request(NamedTuple):
    relative_zxid: int
    data_watches: tuple[str, ...]
    exist_watches: tuple[str, ...]
    child_watches: tuple[str, ...]
    persistent_watches: tuple[str, ...]
    persistent_recursive_watches: tuple[str, ...]


class ReconfigRequest(NamedTuple):
    joining_servers: str | None
    leaving_servers: str | None
    new_members: str | None
    current_config_id: int


class SaslRequest(NamedTuple):
    token: bytes | None


class MultiRequest(NamedTuple):
    """multi (create*, delete, setData, check) and multiRead (getData, getChildren)."""

    ops: tuple[tuple[int, Record], ...]


class PathResponse(NamedTuple):
    """create, sync."""

    path: str


class Create2Response(NamedTuple):
    """create2, createContainer, createTTL."""

    path: str
    stat: Stat


class StatResponse(NamedTuple):
    """exists, setData, setACL."""

    stat: Stat


class GetDataResponse(NamedTuple):
    """getData, reconfig."""

    data: bytes | None
    stat: Stat


class GetAclResponse(NamedTuple):
    acl: tuple[Acl, ...]
    stat: Stat


class ChildrenResponse(NamedTuple):
    """getChildren, getEphemerals."""

    children: tuple[str, ...]


class Children2Response(NamedTuple):
    children: tuple[str, ...]
    stat: Stat


class NumberResponse(NamedTuple):
    """getAllChildrenNumber."""

    total: int


class ErrorResponse(NamedTuple):
    """addWatch's reply; also one failed part of a multi."""

    err: int


class SaslResponse(NamedTuple):
    token: bytes | None


class ClientInfo(NamedTuple):
    auth_scheme: str
    user: str


class WhoAmIResponse(NamedTuple):
    client_info: tuple[ClientInfo, ...]


class MultiResult(NamedTuple):
    """One part of a multi's reply: ``op`` -1 with an ErrorResponse if the multi failed."""

    op: int
    record: Record


class MultiResponse(NamedTuple):
    results: tuple[MultiResult, ...]


class ReplyHeader(NamedTuple):
    xid: int
    zxid: int
    err: int


Record: TypeAlias = Any
"""One of the NamedTuple classes above; which one follows from the operation."""
