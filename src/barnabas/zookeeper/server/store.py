"""Where the coordinator keeps what must survive it: the interface, and a store in memory."""

from __future__ import annotations

import asyncio
from typing import NamedTuple, Protocol

from barnabas.zookeeper.messages import Acl


class StoredNode(NamedTuple):
    """A znode as it is kept; fields as in ``node.Node``."""

    path: str
    data: bytes | None
    acl: tuple[Acl, ...]
    czxid: int
    mzxid: int
    pzxid: int
    ctime: int
    mtime: int
    version: int
    cversion: int
    aversion: int
    owner: int


class StoredSession(NamedTuple):
    id: int
    password: bytes
    timeout_ms: int
    grace_ms: int
    """How soon after its connection closed the session may be expired; 0 for the plain rules."""


class Batch(NamedTuple):
    """Everything that changed since the last batch; final states, so order does not matter."""

    nodes: list[StoredNode]
    deleted_paths: list[str]
    sessions: list[StoredSession]
    ended_sessions: list[int]


class Stored(NamedTuple):
    epoch: int
    """1 at the first start, one more at each; durable before ``load`` returns. Zxids and session
    ids begin with it, so neither is ever used twice, even those of changes that were lost."""
    nodes: list[StoredNode]
    sessions: list[StoredSession]


class Store(Protocol):
    """One coordinator's memory. Raises OSError or ConfigError when it cannot keep its promise."""

    def load(self) -> Stored:
        """What the last incarnation left, under a new epoch."""
        ...

    async def commit(self, batch: Batch) -> None:
        """Returns when all of the batch is durable; all or nothing after a crash. One at a time."""
        ...

    def close(self) -> None:
        """Let go, after a running commit. A second call does nothing."""
        ...


class MemoryStore:
    """Keeps batches in memory: outlives the coordinator, not its process. For tests, and as the
    disk of a simulated coordinator: what was not committed when it was killed is gone."""

    def __init__(self, *, commit_s: float = 0.0) -> None:
        self.commit_s = commit_s
        """How long a commit takes (loop time)."""
        self.commits = 0
        self._epoch = 0
        self._nodes: dict[str, StoredNode] = {}
        self._sessions: dict[int, StoredSession] = {}

    def load(self) -> Stored:
        self._epoch += 1
        return Stored(self._epoch, list(self._nodes.values()), list(self._sessions.values()))

    async def commit(self, batch: Batch) -> None:
        await asyncio.sleep(self.commit_s)
        self.commits += 1
        for path in batch.deleted_paths:
            self._nodes.pop(path, None)
        for node in batch.nodes:
            self._nodes[node.path] = node
        for id_ in batch.ended_sessions:
            self._sessions.pop(id_, None)
        for session in batch.sessions:
            self._sessions[session.id] = session

    def close(self) -> None:
        return
