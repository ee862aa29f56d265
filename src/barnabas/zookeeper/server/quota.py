"""StatsTrack, DataTree.updateQuotaForPath: the use of a quota, which clients read from
``/zookeeper/quota/PATH/zookeeper_stats``. Pure.

ZooKeeper updates that znode with every write below PATH. Here the use is counted when the znode is
read. Neither enforces a quota by default.
"""

from __future__ import annotations

from collections.abc import Mapping

from barnabas.zookeeper.messages import Stat
from barnabas.zookeeper.server.node import Node

_ROOT = "/zookeeper/quota"
_STATS = "/zookeeper_stats"


def shown(nodes: Mapping[str, Node], path: str, node: Node) -> tuple[bytes | None, Stat]:
    """The data and the Stat of a znode, as readers see them."""
    stat = node.stat()
    if not (path.startswith(_ROOT) and path.endswith(_STATS)):
        return node.data, stat
    count, size = _used(nodes, path[len(_ROOT) : -len(_STATS)] or "/")
    data = b"count=%d,bytes=%d" % (count, size)
    return data, stat._replace(dataLength=len(data))


def _used(nodes: Mapping[str, Node], top: str) -> tuple[int, int]:
    """The number of znodes at and below ``top``, and the bytes of their data."""
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
