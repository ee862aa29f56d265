"""DataNode, PathUtils: one znode, its path and its kind, as in ZooKeeper 3.8. Pure."""

from __future__ import annotations

import re

from barnabas.zookeeper.messages import Acl, Code, CreateFlag, OpCode, Stat

CONTAINER_OWNER = -(1 << 63)
"""``owner`` of a container; clients see 0."""
_TTL_MAX = (1 << 40) - 1
_TTL_OWNER = -(1 << 56)
"""``owner`` of a znode with a time to live: this plus the milliseconds; clients see 0."""

_BAD_PATH = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\uf8ff\ufff0-\uffff\U00010000-\U0010ffff]|//|/\\.\\.?(?:/|$)|.(?:/$)"
)
SEQUENTIAL = (
    CreateFlag.PERSISTENT_SEQUENTIAL,
    CreateFlag.EPHEMERAL_SEQUENTIAL,
    CreateFlag.PERSISTENT_SEQUENTIAL_WITH_TTL,
)
_EPHEMERAL = (CreateFlag.EPHEMERAL, CreateFlag.EPHEMERAL_SEQUENTIAL)
_WITH_TTL = (CreateFlag.PERSISTENT_WITH_TTL, CreateFlag.PERSISTENT_SEQUENTIAL_WITH_TTL)


COUNTER_MAX = (1 << 31) - 1


def wrapped(number: int) -> int:
    """A 32-bit counter that overflows as in Java: 2^31 becomes -2^31."""
    return (number + (1 << 31) & 0xFFFFFFFF) - (1 << 31)


class Refused(Exception):
    """An operation that is answered with an error."""

    def __init__(self, code: Code) -> None:
        super().__init__(code.name)
        self.code = code


class Node:
    """A znode. ``cversion`` counts only creations of children, and stays at 2^31 - 1. ``version``
    and ``aversion`` overflow. ``stat`` is what clients see."""

    __slots__ = (
        "acl",
        "aversion",
        "children",
        "ctime",
        "cversion",
        "czxid",
        "data",
        "mtime",
        "mzxid",
        "owner",
        "pzxid",
        "version",
    )

    def __init__(
        self,
        data: bytes | None,
        acl: tuple[Acl, ...],
        *,
        czxid: int = 0,
        mzxid: int = 0,
        pzxid: int = 0,
        ctime: int = 0,
        mtime: int = 0,
        version: int = 0,
        cversion: int = 0,
        aversion: int = 0,
        owner: int = 0,
    ) -> None:
        self.data = data
        self.acl = acl
        self.czxid = czxid
        self.mzxid = mzxid
        self.pzxid = pzxid
        self.ctime = ctime
        self.mtime = mtime
        self.version = version
        self.cversion = min(cversion, COUNTER_MAX)
        self.aversion = aversion
        self.owner = owner
        self.children: dict[str, None] = {}

    @property
    def ephemeral(self) -> bool:
        """Whether a session owns it (it is no container, and has no time to live)."""
        return self.owner > 0

    def stat(self) -> Stat:
        children = len(self.children)
        return Stat(
            self.czxid,
            self.mzxid,
            self.ctime,
            self.mtime,
            self.version,
            # Clients see deletions counted too; the numbers of sequential children ignore them.
            wrapped(self.cversion * 2 - children),
            self.aversion,
            self.owner if self.owner > 0 else 0,
            0 if self.data is None else len(self.data),
            children,
            self.pzxid,
        )


def ttl_of(owner: int) -> int:
    """The time to live in ms that ``owner`` stands for; 0 for any other owner."""
    return owner - _TTL_OWNER if _TTL_OWNER < owner < 0 else 0


def check_path(path: str) -> None:
    """Raises Refused(BAD_ARGUMENTS) for what ``PathUtils.validatePath`` refuses."""
    if not path.startswith("/") or _BAD_PATH.search(path):
        raise Refused(Code.BAD_ARGUMENTS)


def owner_for(op: int, flags: int, ttl: int, session_id: int) -> int:
    """``owner`` of a new znode: by the operation first, then by the flags, as in ZooKeeper.

    Raises Refused(BAD_ARGUMENTS) for unknown flags and for a time to live out of bounds."""
    if not 0 <= flags <= CreateFlag.PERSISTENT_SEQUENTIAL_WITH_TTL:
        raise Refused(Code.BAD_ARGUMENTS)
    if flags in _WITH_TTL or op == OpCode.CREATE_TTL:
        if flags not in _WITH_TTL or not 0 < ttl <= _TTL_MAX:
            raise Refused(Code.BAD_ARGUMENTS)
        return _TTL_OWNER + ttl
    if op == OpCode.CREATE_CONTAINER:
        return CONTAINER_OWNER
    return session_id if flags in _EPHEMERAL else 0
