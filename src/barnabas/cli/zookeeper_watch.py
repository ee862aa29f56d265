"""Changes of a node, its children or all nodes below it, seen through one-shot watches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from barnabas.cli.zookeeper import below
from barnabas.zookeeper.client.client import SessionState, ZooKeeperClient
from barnabas.zookeeper.client.operations import WatchEvent
from barnabas.zookeeper.errors import ConnectionLoss, NoAuth, NoNode, SessionExpired

NODES_MAX: Final = 10_000
"""Watched at once."""


class TooMany(Exception):
    """More nodes than can be watched."""


@dataclass(frozen=True, slots=True)
class Change:
    """A node was created, changed or deleted; ``data`` is its body, None if it is deleted or may
    not be read."""

    kind: str
    path: str
    data: bytes | None


@dataclass(slots=True)
class _Node:
    czxid: int
    mzxid: int
    children: frozenset[str]


class Watcher:
    """Sees the changes below a path. Its client must be connected and belong to it alone."""

    def __init__(self, client: ZooKeeperClient, root: str, *, recursive: bool) -> None:
        """``root`` is put before every path."""
        self._client = client
        self._root = root
        self._recursive = recursive
        self._nodes: dict[str, _Node] = {}
        self._top = "/"
        self._fired: asyncio.Queue[str | None] = asyncio.Queue()
        client.on_event = self._event
        client.on_session = self._session

    def _event(self, event: WatchEvent) -> None:
        self._fired.put_nowait(event.path.removeprefix(self._root) or "/")

    def _session(self, state: SessionState) -> None:
        if state is SessionState.EXPIRED:
            self._fired.put_nowait(None)

    async def begin(self, path: str) -> None:
        """Set the watches. Raises TooMany, ZooKeeperError."""
        self._top = path
        async for _ in self._look(path):
            pass

    async def changes(self) -> AsyncIterator[Change]:
        """What changes from now on. It goes on after the loss of a connection or of the session.
        Raises TooMany, AuthFailed."""
        while True:
            path = await self._fired.get()
            try:
                if path is not None:
                    async for change in self._look(path):
                        yield change
                    continue
                await self._client.new_session()
                for known in sorted({self._top, *self._nodes}):
                    self._fired.put_nowait(known)
            except ConnectionLoss:
                # It may have changed meanwhile: look again on the next connection.
                if path is not None:
                    self._fired.put_nowait(path)
                try:
                    await self._client.connected()
                except SessionExpired:
                    continue
            except SessionExpired:
                continue  # every node is looked at again in the next session

    async def _look(self, top: str) -> AsyncIterator[Change]:
        """Read a node again, and those below it that are new; set their watches. What differs is
        given at once, since the next read may fail."""
        waiting = [top]
        while waiting:
            path = waiting.pop()
            before = self._nodes.get(path)
            node, data = await self._read(path)
            if node is None or (before is not None and before.czxid != node.czxid):
                for change in self._forget(path):
                    yield change
                before = None
            if node is None:
                continue
            if before is None and len(self._nodes) >= NODES_MAX:
                raise TooMany(f"more than {NODES_MAX} nodes")
            self._nodes[path] = node
            if before is None or before.mzxid != node.mzxid:
                yield Change("created" if before is None else "changed", path, data)
            prefix = "" if path == "/" else path
            for name in sorted(before.children - node.children) if before is not None else ():
                for change in self._forget(f"{prefix}/{name}"):
                    yield change
            # One that was deleted and is there again before its parent is read is new as well.
            children = [f"{prefix}/{name}" for name in sorted(node.children, reverse=True)]
            waiting += [child for child in children if child not in self._nodes]

    async def _read(self, path: str) -> tuple[_Node | None, bytes | None]:
        """A node as it is now, with its body; None if it is missing. Watches are set; for a missing
        node only if it is the top one, since its parent is watched otherwise."""
        full = below(self._root, path)
        data: bytes | None = None
        names: list[str] = []
        while True:
            try:
                try:
                    data, stat = await self._client.get(full, watch=True)
                except NoAuth:
                    there = await self._client.exists(full, watch=True)
                    if there is None:
                        return None, None
                    stat = there
                if self._recursive or path == self._top:
                    try:
                        names, _ = await self._client.children(full, watch=True)
                    except NoAuth:
                        pass
            except NoNode:
                if path == self._top and await self._client.exists(full, watch=True) is not None:
                    continue
                return None, None
            return _Node(stat.czxid, stat.mzxid, frozenset(names)), data

    def _forget(self, path: str) -> list[Change]:
        """What was known of a node and of those below it is over."""
        prefix = "/" if path == "/" else f"{path}/"
        gone = [p for p in self._nodes if p == path or p.startswith(prefix)]
        for each in gone:
            del self._nodes[each]
        return [Change("deleted", each, None) for each in sorted(gone, reverse=True)]
