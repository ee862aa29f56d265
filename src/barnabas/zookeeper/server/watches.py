"""WatchManager, DataTree.setWatches: one-shot, persistent and recursive watches. Pure.

A watcher is a connection (any hashable value). All tables keep insertion order, so the same calls
give the same order of events. A watcher may have several kinds of watch on one path, as in
ZooKeeper 3.9. Before that, a one-shot watch replaced a persistent one (ZOOKEEPER-4475).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from barnabas.zookeeper.messages import OPEN_ACL_UNSAFE, EventType, WatcherType
from barnabas.zookeeper.path_names import parent_of
from barnabas.zookeeper.server.tree import Event, ZTree

W = TypeVar("W")

ONE_SHOT = 1
PERSISTENT = 2
RECURSIVE = 4


class _Table(Generic[W]):
    """Watches of one kind of event: path -> watcher -> bits."""

    __slots__ = ("by_path", "by_watcher")

    def __init__(self) -> None:
        self.by_path: dict[str, dict[W, int]] = {}
        self.by_watcher: dict[W, dict[str, None]] = {}

    def add(self, path: str, watcher: W, mode: int) -> None:
        watchers = self.by_path.setdefault(path, {})
        watchers[watcher] = watchers.get(watcher, 0) | mode
        self.by_watcher.setdefault(watcher, {})[path] = None

    def holds(self, path: str, watcher: W, mode: int) -> bool:
        return bool(self.by_path.get(path, {}).get(watcher, 0) & mode)

    def remove(self, path: str, watcher: W, mode: int) -> bool:
        """Whether there was such a watch."""
        watchers = self.by_path.get(path)
        had = 0 if watchers is None else watchers.get(watcher, 0)
        if watchers is None or not had & mode:
            return False
        if had & ~mode:
            watchers[watcher] = had & ~mode
            return True
        del watchers[watcher]
        if not watchers:
            del self.by_path[path]
        paths = self.by_watcher[watcher]
        del paths[path]
        if not paths:
            del self.by_watcher[watcher]
        return True

    def remove_all(self, watcher: W) -> None:
        for path in list(self.by_watcher.get(watcher, ())):
            self.remove(path, watcher, ONE_SHOT | PERSISTENT | RECURSIVE)

    def take(self, path: str) -> list[W]:
        """Watchers of exactly this path, not recursive ones. One-shot watches are removed."""
        watchers = self.by_path.get(path)
        if watchers is None:
            return []
        told = [watcher for watcher, mode in watchers.items() if mode & (ONE_SHOT | PERSISTENT)]
        for watcher in told:
            self.remove(path, watcher, ONE_SHOT)
        return told


class Watches(Generic[W]):
    """All watches of one coordinator."""

    def __init__(self) -> None:
        self.data: _Table[W] = _Table()
        self.children: _Table[W] = _Table()
        self._recursive = 0
        """The number of recursive watches. Without any, parents of a path are not looked at."""

    def watch_data(self, path: str, watcher: W) -> None:
        self.data.add(path, watcher, ONE_SHOT)

    def watch_children(self, path: str, watcher: W) -> None:
        self.children.add(path, watcher, ONE_SHOT)

    def watch_persistently(self, path: str, watcher: W, *, recursive: bool) -> None:
        if recursive:
            if not self.data.holds(path, watcher, RECURSIVE):
                self._recursive += 1
            self.data.add(path, watcher, RECURSIVE)
        else:
            self.data.add(path, watcher, PERSISTENT)
            self.children.add(path, watcher, PERSISTENT)

    def fire(self, events: Iterable[Event]) -> list[tuple[W, Event]]:
        """(watcher, event) in order; a watcher gets each event once."""
        return [(watcher, event) for event in events for watcher in self._told(event[0], event[1])]

    def _told(self, kind: EventType, path: str) -> dict[W, None]:
        if kind == EventType.NODE_CHILDREN_CHANGED:
            return dict.fromkeys(self.children.take(path))
        told = dict.fromkeys(self.data.take(path))
        if self._recursive:
            above = path
            while True:
                for watcher, mode in self.data.by_path.get(above, {}).items():
                    if mode & RECURSIVE:
                        told[watcher] = None
                if above == "/":
                    break
                above = parent_of(above)
        if kind == EventType.NODE_DELETED:
            told.update(dict.fromkeys(self.children.take(path)))
        return told

    def contains(self, path: str, watcher: W, kind: int) -> bool:
        """checkWatches."""
        return any(table.holds(path, watcher, mode) for table, mode in self._meant(kind))

    def remove(self, path: str, watcher: W, kind: int) -> bool:
        """removeWatches; whether there was one."""
        removed = False
        for table, mode in self._meant(kind):
            if mode & RECURSIVE and table.holds(path, watcher, RECURSIVE):
                self._recursive -= 1
            removed |= table.remove(path, watcher, mode)
        return removed

    def _meant(self, kind: int) -> tuple[tuple[_Table[W], int], ...]:
        if kind == WatcherType.CHILDREN:
            return ((self.children, ONE_SHOT),)
        if kind == WatcherType.DATA:
            return ((self.data, ONE_SHOT),)
        if kind == WatcherType.PERSISTENT:
            return ((self.data, PERSISTENT), (self.children, PERSISTENT))
        if kind == WatcherType.PERSISTENT_RECURSIVE:
            return ((self.data, RECURSIVE),)
        every = ONE_SHOT | PERSISTENT | RECURSIVE
        return ((self.data, every), (self.children, every))

    def forget(self, watcher: W) -> None:
        """Remove all watches of a connection that has closed."""
        for path in self.data.by_watcher.get(watcher, ()):
            self._recursive -= self.data.holds(path, watcher, RECURSIVE)
        self.data.remove_all(watcher)
        self.children.remove_all(watcher)

    def arm_again(
        self,
        tree: ZTree,
        watcher: W,
        relative_zxid: int,
        data: Iterable[str],
        exist: Iterable[str],
        children: Iterable[str],
    ) -> list[Event]:
        """setWatches after a reconnect: returns the events that the watcher missed, and sets the
        other watches."""
        missed: list[Event] = []
        for path in data:
            node = tree.nodes.get(path)
            if node is None:
                missed.append((EventType.NODE_DELETED, path, OPEN_ACL_UNSAFE))
            elif node.mzxid > relative_zxid:
                missed.append((EventType.NODE_DATA_CHANGED, path, OPEN_ACL_UNSAFE))
            else:
                self.watch_data(path, watcher)
        for path in exist:
            if path in tree.nodes:
                missed.append((EventType.NODE_CREATED, path, OPEN_ACL_UNSAFE))
            else:
                self.watch_data(path, watcher)
        for path in children:
            node = tree.nodes.get(path)
            if node is None:
                missed.append((EventType.NODE_DELETED, path, OPEN_ACL_UNSAFE))
            elif node.pzxid > relative_zxid:
                missed.append((EventType.NODE_CHILDREN_CHANGED, path, OPEN_ACL_UNSAFE))
            else:
                self.watch_children(path, watcher)
        return missed

    def count(self) -> int:
        return sum(
            len(paths)
            for table in (self.data, self.children)
            for paths in table.by_watcher.values()
        )
