"""What the coordinator must keep over a restart: the store's interface, and a store in memory."""

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
    """How soon after its connection closed the session expires; 0 for its timeout only."""


class Batch(NamedTuple):
    """Everything that changed since the last batch, as it is now, so the order does not matter."""

    nodes: list[StoredNode]
    deleted_paths: list[str]
    sessions: list[StoredSession]
    ended_sessions: list[int]


class Stored(NamedTuple):
    epoch: int
    """1 at the first start, one more at each start; durable before ``load`` returns. Zxids and
    session ids begin with it. So none is used twice, not even one of a change that was lost."""
    nodes: list[StoredNode]
    sessions: list[StoredSession]


class Store(Protocol):
    """One coordinator's store. Raises OSError or ConfigError if something cannot be stored."""

    def load(self) -> Stored:
        """What was stored before this start, with a new epoch."""
        ...

    async def commit(self, batch: Batch) -> None:
        """Returns when the whole batch is durable. After a crash all of it is there, or nothing.
        Only one commit may run at a time."""
        ...

    def close(self) -> None:
        """Close the store, after a running commit. A second call does nothing."""
        ...


class MemoryStore:
    """Keeps batches in memory, so they survive the coordinator but not the process. For tests, and
    as a simulated coordinator's disk: what was not committed when it was killed is lost."""

    def __init__(self, *, commit_s: float = 0.0) -> None:
        self.commit_s = commit_s
        """How long a commit takes, in seconds of the loop's time."""
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
