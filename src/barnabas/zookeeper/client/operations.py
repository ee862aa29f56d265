"""ZooKeeper's operations and their results, as values. Pure.

An operation makes its request record and reads its reply; the client (``client.py``) handles
sessions, connections and watches. Paths are the caller's, without the chroot. ``Root`` has the
chroot, which is added in requests and removed from replies, and the ACLs of new nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

from barnabas.errors import InvalidRequest
from barnabas.zookeeper.errors import RuntimeInconsistency, ZooKeeperError, error_for
from barnabas.zookeeper.messages import (
    OPEN_ACL_UNSAFE,
    Acl,
    CheckVersionRequest,
    CreateFlag,
    CreateRequest,
    DeleteRequest,
    EventType,
    MultiRequest,
    OpCode,
    PathRequest,
    ReadRequest,
    Record,
    SetDataRequest,
    Stat,
)

T_co = TypeVar("T_co", covariant=True)


Acls: TypeAlias = Callable[[str], tuple[Acl, ...]]
"""The ACL of a new node, by its path below the chroot."""


def open_acls(path: str) -> tuple[Acl, ...]:
    """Everybody may do everything."""
    return OPEN_ACL_UNSAFE


class Root(NamedTuple):
    """A client's chroot, and the ACLs of nodes that it creates."""

    chroot: str = ""
    """"" for the root itself."""
    acls: Acls = open_acls


class Operation(Protocol[T_co]):
    """One request. ``T`` is the type of its result."""

    @property
    def path(self) -> str | None:
        """For error texts; None for a multi."""
        ...

    def request(self, root: Root) -> tuple[int, Record]:
        """(operation code, record)."""
        ...

    def result(self, record: Record, chroot: str) -> T_co:
        """The result in a reply without error. Raises ZooKeeperError for a failed multi."""
        ...


class Created(NamedTuple):
    """A new node: its path, with the sequence number if it has one."""

    path: str
    stat: Stat | None = None
    """None, since the reply to ZooKeeper's plain create, which Kafka uses, does not have it."""


class WatchEvent(NamedTuple):
    """A one-shot watch fired: something happened at ``path`` since it was read."""

    type: EventType
    path: str


def absolute(chroot: str, path: str) -> str:
    """The server's path of a client's path."""
    return chroot + path if path != "/" else chroot or "/"


def relative(chroot: str, path: str) -> str:
    """The client's path of a server's path."""
    inside = path == chroot or path.startswith(chroot + "/")
    return path[len(chroot) :] or "/" if inside else path


class CreateOp(NamedTuple):
    """Create a node; ``data`` None is null, as Kafka's directories have it."""

    path: str
    data: bytes | None = b""
    ephemeral: bool = False
    sequential: bool = False

    def request(self, root: Root) -> tuple[int, Record]:
        flags = self.ephemeral * CreateFlag.EPHEMERAL
        flags += self.sequential * CreateFlag.PERSISTENT_SEQUENTIAL
        path = absolute(root.chroot, self.path)
        return OpCode.CREATE, CreateRequest(path, self.data, root.acls(self.path), flags)

    def result(self, record: Record, chroot: str) -> Created:
        return Created(relative(chroot, record.path))


class CreateChrootOp(NamedTuple):
    """Create a node of the chroot itself; the path is the server's."""

    path: str

    def request(self, root: Root) -> tuple[int, Record]:
        return OpCode.CREATE, CreateRequest(self.path, None, root.acls(self.path))

    def result(self, record: Record, chroot: str) -> Created:
        return Created(record.path)


class DeleteOp(NamedTuple):
    """Delete a childless node; version -1 matches any."""

    path: str
    version: int = -1

    def request(self, root: Root) -> tuple[int, Record]:
        return OpCode.DELETE, DeleteRequest(absolute(root.chroot, self.path), self.version)

    def result(self, record: Record, chroot: str) -> None:
        return None


class SetOp(NamedTuple):
    """Replace a node's data; version -1 matches any."""

    path: str
    data: bytes | None
    version: int = -1

    def request(self, root: Root) -> tuple[int, Record]:
        path = absolute(root.chroot, self.path)
        return OpCode.SET_DATA, SetDataRequest(path, self.data, self.version)

    def result(self, record: Record, chroot: str) -> Stat:
        stat: Stat = record.stat
        return stat


class CheckOp(NamedTuple):
    """Fail the multi unless the node has this version. Only inside a multi."""

    path: str
    version: int

    def request(self, root: Root) -> tuple[int, Record]:
        return OpCode.CHECK, CheckVersionRequest(absolute(root.chroot, self.path), self.version)

    def result(self, record: Record, chroot: str) -> None:
        return None


class GetOp(NamedTuple):
    """Data and Stat of a node; NoNode (and no watch) if it does not exist."""

    path: str
    watch: bool = False

    def request(self, root: Root) -> tuple[int, Record]:
        return OpCode.GET_DATA, ReadRequest(absolute(root.chroot, self.path), self.watch)

    def result(self, record: Record, chroot: str) -> tuple[bytes, Stat]:
        return record.data or b"", record.stat


class GetManyOp(NamedTuple):
    """Data and Stat of many nodes in one request (multiRead, ZooKeeper 3.6), or the error of each
    that cannot be read. Raises Unimplemented on an older server, which also closes the
    connection."""

    paths: Sequence[str]

    @property
    def path(self) -> str | None:
        return None

    def request(self, root: Root) -> tuple[int, Record]:
        reads = (
            (OpCode.GET_DATA, ReadRequest(absolute(root.chroot, p), False)) for p in self.paths
        )
        return OpCode.MULTI_READ, MultiRequest(tuple(reads))

    def result(self, record: Record, chroot: str) -> list[tuple[bytes, Stat] | ZooKeeperError]:
        parts = record.results
        if len(parts) != len(self.paths):
            raise InvalidRequest(f"{len(parts)} results for {len(self.paths)} reads")
        return [
            error_for(part.err, path) if op == OpCode.ERROR else (part.data or b"", part.stat)
            for path, (op, part) in zip(self.paths, parts, strict=True)
        ]


class ExistsOp(NamedTuple):
    """Stat of a node or None; the watch is set in both cases."""

    path: str
    watch: bool = False

    def request(self, root: Root) -> tuple[int, Record]:
        return OpCode.EXISTS, ReadRequest(absolute(root.chroot, self.path), self.watch)

    def result(self, record: Record, chroot: str) -> Stat | None:
        return None if record is None else record.stat


class ChildrenOp(NamedTuple):
    """Names of a node's children, sorted, and its Stat."""

    path: str
    watch: bool = False

    def request(self, root: Root) -> tuple[int, Record]:
        return OpCode.GET_CHILDREN2, ReadRequest(absolute(root.chroot, self.path), self.watch)

    def result(self, record: Record, chroot: str) -> tuple[list[str], Stat]:
        return sorted(record.children), record.stat


class SyncOp(NamedTuple):
    """Reads after this see everything that the leader of the ensemble had committed before."""

    path: str = "/"

    def request(self, root: Root) -> tuple[int, Record]:
        return OpCode.SYNC, PathRequest(absolute(root.chroot, self.path))

    def result(self, record: Record, chroot: str) -> None:
        return None


MultiPart: TypeAlias = CreateOp | DeleteOp | SetOp | CheckOp
MultiResult: TypeAlias = Created | Stat | None


class MultiOp(NamedTuple):
    """All operations or none. Fails with the error of the one that failed; ``op_index`` says
    which."""

    ops: Sequence[MultiPart]

    @property
    def path(self) -> str | None:
        return None

    def request(self, root: Root) -> tuple[int, Record]:
        return OpCode.MULTI, MultiRequest(tuple(op.request(root) for op in self.ops))

    def result(self, record: Record, chroot: str) -> list[MultiResult]:
        """Created for a create, Stat for a set, None for a delete or a check."""
        parts = record.results
        if len(parts) != len(self.ops):
            raise InvalidRequest(f"{len(parts)} results for a multi of {len(self.ops)}")
        for index, part in enumerate(parts):
            # Operations before the failed one have 0, those after it RuntimeInconsistency.
            if part.op == OpCode.ERROR and part.record.err not in (0, RuntimeInconsistency.code):
                error = error_for(part.record.err, self.ops[index].path)
                error.op_index = index
                raise error
        return [op.result(part.record, chroot) for op, part in zip(self.ops, parts, strict=True)]


AnyOperation: TypeAlias = Operation[Any]
