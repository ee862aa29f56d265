"""What a quota has used: ``/zookeeper/quota/PATH/zookeeper_stats``. Pure.

ZooKeeper (``StatsTrack``, ``DataTree.updateQuotaForPath``) keeps the znode current with every write
below the path; here it is counted when somebody reads it. Neither enforces a quota by default.
"""

from __future__ import annotations

from collections.abc import Mapping

from barnabas.zookeeper.messages import Stat
from barnabas.zookeeper.server.node import Node

_ROOT = "/zookeeper/quota"
_STATS = "/zookeeper_stats"


def shown(nodes: Mapping[str, Node], path: str, node: Node) -> tuple[bytes | None, Stat]:
    """Data and Stat of a znode as readers see them."""
    stat = node.stat()
    if not (path.startswith(_ROOT) and path.endswith(_STATS)):
        return node.data, stat
    count, size = _used(nodes, path[len(_ROOT) : -len(_STATS)] or "/")
    data = b"count=%d,bytes=%d" % (count, size)
    return data, stat._replace(dataLength=len(data))


def _used(nodes: Mapping[str, Node], top: str) -> tuple[int, int]:
    """How many znodes ``top`` and what lies below it are, and the bytes of their data."""
    count = size = 0
    open_paths = [top] if top in nodes else []
    while open_paths:
        path = open_paths.pop()
        node = nodes[path]
        count += 1
        size += len(node.data or b"")
        prefix = "" if path == "/" else path
        open_paths += [f"{prefix}/{name}" for name in node.children]
    return count, size
