"""What a quota has used, in places where the original's own client makes no quota."""

from __future__ import annotations

from barnabas.zookeeper.server.node import Node
from barnabas.zookeeper.server.quota import shown
from barnabas.zookeeper.server.tree import ZTree


def test_of_the_root_and_of_nothing() -> None:
    tree = ZTree()
    stats = Node(b"rubbish", ())
    all_of_it = b"count=%d,bytes=0" % len(tree.nodes)
    assert shown(tree.nodes, "/zookeeper/quota/zookeeper_stats", stats)[0] == all_of_it
    assert shown(tree.nodes, "/zookeeper/quota/x/zookeeper_stats", stats)[0] == b"count=0,bytes=0"
    data, stat = shown(tree.nodes, "/zookeeper/quota/x/zookeeper_limits", stats)
    assert (data, stat.dataLength) == (b"rubbish", 7)
