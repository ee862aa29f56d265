"""DataTree, PrepRequestProcessor: the znode tree, with the rules of ZooKeeper 3.8. Pure: no clock,
no I/O.

``apply`` carries out one write with the zxid and wall time that it is given. It returns the reply's
record and the events for watches, and collects in ``touched`` which znodes to store. The same calls
in the same order give the same tree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from barnabas.zookeeper.messages import (
    EMPTY,
    OPEN_ACL_UNSAFE,
    Acl,
    CheckVersionRequest,
    Code,
    Create2Response,
    CreateFlag,
    CreateRequest,
    CreateTTLRequest,
    DeleteRequest,
    ErrorResponse,
    EventType,
    MultiRequest,
    MultiResponse,
    MultiResult,
    OpCode,
    PathRequest,
    PathResponse,
    Record,
    SetAclRequest,
    SetDataRequest,
    StatResponse,
)
from barnabas.zookeeper.path_names import parent_of
from barnabas.zookeeper.server import acl as access
from barnabas.zookeeper.server.acl import Identity
from barnabas.zookeeper.server.node import (
    COUNTER_MAX,
    SEQUENTIAL,
    Node,
    Refused,
    check_path,
    owner_for,
    ttl_of,
    wrapped,
)

_SPECIAL_PATHS = ("/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config")
Event: TypeAlias = tuple[EventType, str, tuple[Acl, ...]]
"""What happened, to which path, and the ACL that decides who is told of it (ZOOKEEPER-4799)."""


class Outcome(NamedTuple):
    """The result of a write. With an error there are no events, and nothing has changed."""

    err: int
    record: Record = EMPTY
    events: tuple[Event, ...] = ()


class Request(NamedTuple):
    """Who writes, and with which zxid and wall time (ms)."""

    zxid: int
    time_ms: int
    session_id: int = 0
    identities: Sequence[Identity] = ()


class _Undo:
    """What a write has done so far, and how to undo it."""

    __slots__ = ("events", "steps", "touched")

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.steps: list[Callable[[], None]] = []
        self.touched: list[str] = []

    def take_back(self) -> None:
        """Undo all steps, the latest first."""
        while self.steps:
            self.steps.pop()()


class ZTree:
    """All znodes of one coordinator."""

    def __init__(self, schemes: frozenset[str] = access.SCHEMES) -> None:
        self._schemes = schemes
        """The schemes of identities that a new ACL may name."""
        self.nodes: dict[str, Node] = {}
        self.ephemerals: dict[int, dict[str, None]] = {}
        """The paths that each session owns, in the order of their creation."""
        self.reapable: dict[str, None] = {}
        """Containers and znodes with a time to live."""
        self.touched: dict[str, None] = {}
        """Paths changed or deleted since the caller last cleared it."""
        self._undo = _Undo()
        self._add("/", Node(b"", OPEN_ACL_UNSAFE, cversion=0))
        self._add("/zookeeper", Node(b"", OPEN_ACL_UNSAFE))
        self._add("/zookeeper/config", Node(b"", access.READ_ACL_UNSAFE, aversion=-1))
        self._add("/zookeeper/quota", Node(b"", OPEN_ACL_UNSAFE))

    def restore(self, nodes: Iterable[tuple[str, Node]]) -> None:
        """Add stored znodes, in any order. Only before the first write."""
        loaded = dict(nodes)
        for path in sorted(loaded, key=lambda path: (path.count("/") if path != "/" else 0, path)):
            node = loaded[path]
            if path in self.nodes:
                node.children = self.nodes[path].children
                self.nodes[path] = node
            else:
                self._add(path, node)

    # --- reads -------------------------------------------------------------------------------

    def get(self, path: str) -> Node:
        """The znode; the empty path is the root's as well. Raises Refused(NO_NODE)."""
        node = self.nodes.get(path or "/")
        if node is None:
            raise Refused(Code.NO_NODE)
        return node

    def readable(self, path: str, identities: Sequence[Identity], permission: int) -> Node:
        """The znode, if one of the identities has the permission. Raises Refused."""
        node = self.get(path)
        self._permit(node, permission, identities)
        return node

    def descendants(self, path: str) -> int:
        """How many znodes are below a path, at any depth (getAllChildrenNumber)."""
        if path in ("", "/"):
            return len(self.nodes) - (path == "/")
        prefix = path + "/"
        return sum(other.startswith(prefix) for other in self.nodes)

    # --- writes ------------------------------------------------------------------------------

    def apply(self, op: int, record: Record, request: Request) -> Outcome:
        """Carry out a write: create*, delete, deleteContainer, setData, setACL, check, multi.

        It raises only for a bug; then the write is undone."""
        self._undo = undo = _Undo()
        try:
            if op == OpCode.MULTI:
                result = self._multi(record, request)
                if result.results and result.results[0].op == OpCode.ERROR:
                    return Outcome(0, result)
            else:
                result = _WRITES[op](self, op, record, request)
        except Refused as refused:
            return Outcome(refused.code)
        except BaseException:
            undo.take_back()
            raise
        self._note_touched(undo)
        return Outcome(0, result, tuple(undo.events))

    def close_session(self, session_id: int, zxid: int) -> tuple[Event, ...]:
        """Delete the znodes that a session owns, the oldest first."""
        self._undo = undo = _Undo()
        try:
            for path in list(self.ephemerals.get(session_id, ())):
                self._remove(path, zxid)
        except BaseException:
            undo.take_back()
            raise
        self._note_touched(undo)
        return tuple(undo.events)

    def due_for_removal(self, time_ms: int) -> list[str]:
        """Containers that lost their last child, and childless znodes past their time to live."""
        due = []
        for path in self.reapable:
            node = self.nodes[path]
            if node.children:
                continue
            ttl = ttl_of(node.owner)
            if (ttl and time_ms - node.mtime > ttl) or (not ttl and node.cversion > 0):
                due.append(path)
        return due

    def _note_touched(self, undo: _Undo) -> None:
        for path in undo.touched:
            self.touched[path] = None

    def _multi(self, record: MultiRequest, request: Request) -> MultiResponse:
        """Carry out all parts or none. On failure the results are 0 before the failed part, its
        error code, and -2 after it.

        Raises Refused(MARSHALLING_ERROR) for flags that ZooKeeper cannot read in a multi."""
        undo = self._undo
        results: list[MultiResult] = []
        parts = [(_kind_in_multi(op, part), part) for op, part in record.ops]
        for index, (op, part) in enumerate(parts):
            try:
                reply = _WRITES[op](self, op, part, request)
            except Refused as refused:
                undo.take_back()
                codes = [Code.OK] * index + [refused.code]
                codes += [Code.RUNTIME_INCONSISTENCY] * (len(record.ops) - index - 1)
                return MultiResponse(
                    tuple(MultiResult(OpCode.ERROR, ErrorResponse(code)) for code in codes)
                )
            # A create that returns a stat is reported as create2.
            shown = OpCode.CREATE2 if isinstance(reply, Create2Response) else op
            results.append(MultiResult(shown, reply))
        return MultiResponse(tuple(results))

    def _create(self, op: int, record: CreateRequest | CreateTTLRequest, who: Request) -> Record:
        ttl = -1
        if isinstance(record, CreateTTLRequest) and op == OpCode.CREATE_TTL:
            ttl = record.ttl
        owner = owner_for(op, record.flags, ttl, who.session_id)
        path = record.path
        slash = path.rfind("/")
        if slash == -1 or "\0" in path:
            raise Refused(Code.BAD_ARGUMENTS)
        acl = access.resolve(record.acl, who.identities, self._schemes)
        if acl is None:
            raise Refused(Code.INVALID_ACL)
        parent_path = path[:slash] or "/"
        parent = self.get(parent_path)
        self._permit(parent, access.CREATE, who.identities)
        if record.flags in SEQUENTIAL:
            path = f"{path}{parent.cversion:010d}"
        check_path(path)
        if path in self.nodes:
            raise Refused(Code.NODE_EXISTS)
        if parent.ephemeral:
            raise Refused(Code.NO_CHILDREN_FOR_EPHEMERALS)
        self._insert(path, parent_path, parent, record.data, acl, owner, who)
        if op == OpCode.CREATE:
            return PathResponse(path)
        return Create2Response(path, self.nodes[path].stat())

    def _insert(
        self,
        path: str,
        parent_path: str,
        parent: Node,
        data: bytes | None,
        acl: tuple[Acl, ...],
        owner: int,
        who: Request,
    ) -> None:
        zxid, time_ms = who.zxid, who.time_ms
        node = Node(
            data,
            acl,
            czxid=zxid,
            mzxid=zxid,
            pzxid=zxid,
            ctime=time_ms,
            mtime=time_ms,
            owner=owner,
        )
        cversion, pzxid = parent.cversion, parent.pzxid

        def undo() -> None:
            if self.nodes.get(path) is node:
                self._drop(path)
            parent.cversion, parent.pzxid = cversion, pzxid

        self._undo.steps.append(undo)
        self._add(path, node)
        if cversion < COUNTER_MAX:  # at its maximum both counters stay, so names repeat
            parent.cversion, parent.pzxid = cversion + 1, zxid
        self._undo.touched += (path, parent_path)
        self._undo.events += (
            (EventType.NODE_CREATED, path, acl),
            (EventType.NODE_CHILDREN_CHANGED, parent_path, parent.acl),
        )

    def _delete(self, op: int, record: DeleteRequest, who: Request) -> Record:
        path = record.path
        if "/" not in path or "\0" in path or path in _SPECIAL_PATHS:
            raise Refused(Code.BAD_ARGUMENTS)
        parent = self.get(parent_of(path))
        self._permit(parent, access.DELETE, who.identities)
        node = self.get(path)
        _expect(node.version, record.version)
        if node.children:
            raise Refused(Code.NOT_EMPTY)
        self._remove(path, who.zxid)
        return EMPTY

    def _delete_container(self, op: int, record: PathRequest, who: Request) -> Record:
        node = self.get(record.path)
        if node.children:
            raise Refused(Code.NOT_EMPTY)
        if record.path not in self.reapable:
            raise Refused(Code.BAD_VERSION)
        self._remove(record.path, who.zxid)
        return EMPTY

    def _remove(self, path: str, zxid: int) -> None:
        node = self.nodes[path]
        parent_path = parent_of(path)
        parent = self.nodes[parent_path]
        pzxid = parent.pzxid

        def undo() -> None:
            self._add(path, node)
            parent.pzxid = pzxid

        self._undo.steps.append(undo)
        self._drop(path)
        parent.pzxid = zxid
        self._undo.touched += (path, parent_path)
        self._undo.events += (
            (EventType.NODE_DELETED, path, node.acl),
            (EventType.NODE_CHILDREN_CHANGED, parent_path, parent.acl),
        )

    def _set_data(self, op: int, record: SetDataRequest, who: Request) -> Record:
        check_path(record.path)
        node = self.get(record.path)
        self._permit(node, access.WRITE, who.identities)
        _expect(node.version, record.version)
        before = node.data, node.version, node.mzxid, node.mtime

        def undo() -> None:
            node.data, node.version, node.mzxid, node.mtime = before

        self._undo.steps.append(undo)
        node.data, node.version = record.data, wrapped(node.version + 1)
        node.mzxid, node.mtime = who.zxid, who.time_ms
        self._undo.touched.append(record.path)
        self._undo.events.append((EventType.NODE_DATA_CHANGED, record.path, node.acl))
        return StatResponse(node.stat())

    def _set_acl(self, op: int, record: SetAclRequest, who: Request) -> Record:
        check_path(record.path)
        acl = access.resolve(record.acl, who.identities, self._schemes)
        if acl is None:
            raise Refused(Code.INVALID_ACL)
        node = self.get(record.path)
        self._permit(node, access.ADMIN, who.identities)
        _expect(node.aversion, record.version)
        before = node.acl, node.aversion

        def undo() -> None:
            node.acl, node.aversion = before

        self._undo.steps.append(undo)
        node.acl, node.aversion = acl, wrapped(node.aversion + 1)
        self._undo.touched.append(record.path)
        return StatResponse(node.stat())

    def _check(self, op: int, record: CheckVersionRequest, who: Request) -> Record:
        check_path(record.path)
        node = self.get(record.path)
        self._permit(node, access.READ, who.identities)
        _expect(node.version, record.version)
        return EMPTY

    # --- structure ---------------------------------------------------------------------------

    @staticmethod
    def _permit(node: Node, permission: int, identities: Sequence[Identity]) -> None:
        if not access.permits(node.acl, permission, identities):
            raise Refused(Code.NO_AUTH)

    def _add(self, path: str, node: Node) -> None:
        self.nodes[path] = node
        if path != "/":
            slash = path.rindex("/")
            self.nodes[path[:slash] or "/"].children[path[slash + 1 :]] = None
        if node.ephemeral:
            self.ephemerals.setdefault(node.owner, {})[path] = None
        elif node.owner:
            self.reapable[path] = None

    def _drop(self, path: str) -> None:
        node = self.nodes.pop(path)
        slash = path.rindex("/")
        del self.nodes[path[:slash] or "/"].children[path[slash + 1 :]]
        if node.ephemeral:
            owned = self.ephemerals[node.owner]
            del owned[path]
            if not owned:
                del self.ephemerals[node.owner]
        elif node.owner:
            del self.reapable[path]


def _kind_in_multi(op: int, part: Record) -> int:
    """The kind of create that a part of a multi is, by its flags and its operation's number.

    Flags for a container, and flags for none, count more than the number. Raises
    Refused(MARSHALLING_ERROR) for unknown flags."""
    if isinstance(part, CreateRequest):
        if not 0 <= part.flags <= CreateFlag.CONTAINER:
            raise Refused(Code.MARSHALLING_ERROR)
        return OpCode.CREATE_CONTAINER if part.flags == CreateFlag.CONTAINER else op
    if isinstance(part, CreateTTLRequest) and 0 <= part.flags <= CreateFlag.CONTAINER:
        container = part.flags == CreateFlag.CONTAINER
        return OpCode.CREATE_CONTAINER if container else OpCode.CREATE
    return op


def _expect(version: int, expected: int) -> None:
    if expected not in (-1, version):
        raise Refused(Code.BAD_VERSION)


_WRITES: Mapping[int, Callable[..., Record]] = MappingProxyType(
    {
        OpCode.CREATE: ZTree._create,
        OpCode.CREATE2: ZTree._create,
        OpCode.CREATE_CONTAINER: ZTree._create,
        OpCode.CREATE_TTL: ZTree._create,
        OpCode.DELETE: ZTree._delete,
        OpCode.DELETE_CONTAINER: ZTree._delete_container,
        OpCode.SET_DATA: ZTree._set_data,
        OpCode.SET_ACL: ZTree._set_acl,
        OpCode.CHECK: ZTree._check,
    }
)
WRITES: frozenset[int] = frozenset((*_WRITES, OpCode.MULTI))
"""Operations that take a zxid, even when they fail."""
CLIENT_WRITES = WRITES - {OpCode.DELETE_CONTAINER}
"""The writes that a client may send; only the server removes containers."""
