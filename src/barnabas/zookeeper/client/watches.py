"""ZKWatchManager: the one-shot watches that a session has set and that have not fired yet. Pure.

Servers do not keep watches over a restart, or when a client moves to another server. So the client
remembers them and sets them again after a reconnect. There are three kinds. ``get`` and ``exists``
of an existing node watch its data, ``exists`` of a missing node watches for its creation, and
``children`` watches the children. Paths are the server's, with the chroot.
"""

from __future__ import annotations

from collections.abc import Iterator

from barnabas.zookeeper.client.operations import AnyOperation, ChildrenOp, ExistsOp, GetOp, absolute
from barnabas.zookeeper.messages import Code, EventType, SetWatchesRequest

REQUEST_BYTES_MAX = 128 * 1024
"""Longer lists of watches are sent in several requests; servers refuse frames above 1 MiB."""


class WatchTable:
    """The watches of one session. Dictionaries serve as ordered sets."""

    __slots__ = ("_children", "_creation", "_data")

    def __init__(self) -> None:
        self._data: dict[str, None] = {}
        self._creation: dict[str, None] = {}
        self._children: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._data) + len(self._creation) + len(self._children)

    def replied(self, op: AnyOperation, error: int, chroot: str) -> None:
        """Note the watch that is set, as this reply shows."""
        if not isinstance(op, GetOp | ExistsOp | ChildrenOp) or not op.watch:
            return
        if error == Code.OK:
            table = self._children if isinstance(op, ChildrenOp) else self._data
        elif error == Code.NO_NODE and isinstance(op, ExistsOp):
            table = self._creation
        else:
            return
        table[absolute(chroot, op.path)] = None

    def fired(self, event: EventType, path: str) -> None:
        """Remove the watches that this event has used up."""
        if event == EventType.NODE_CHILDREN_CHANGED:
            self._children.pop(path, None)
            return
        self._data.pop(path, None)
        self._creation.pop(path, None)
        if event == EventType.NODE_DELETED:
            self._children.pop(path, None)

    def requests(self, last_zxid: int) -> Iterator[SetWatchesRequest]:
        """The requests that set all watches again. If a node has changed after ``last_zxid``, the
        server sends the event at once."""
        tables = (self._data, self._creation, self._children)
        lists: tuple[list[str], list[str], list[str]] = ([], [], [])
        size = 0
        for kind, table in enumerate(tables):
            for path in table:
                if size > REQUEST_BYTES_MAX:
                    yield SetWatchesRequest(last_zxid, *(tuple(paths) for paths in lists))
                    lists = ([], [], [])
                    size = 0
                lists[kind].append(path)
                size += 4 + len(path.encode())
        if size:
            yield SetWatchesRequest(last_zxid, *(tuple(paths) for paths in lists))
