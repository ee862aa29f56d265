"""A node's stat as tools show it: names of ZooKeeper's structure, the owning session in hex."""

from __future__ import annotations

from barnabas.zookeeper.messages import Stat


def stat_document(stat: Stat) -> dict[str, object]:
    """All of it. Times in ms since 1970."""
    return {
        "czxid": stat.czxid,
        "mzxid": stat.mzxid,
        "pzxid": stat.pzxid,
        "ctime": stat.ctime,
        "mtime": stat.mtime,
        "version": stat.version,
        "cversion": stat.cversion,
        "aversion": stat.aversion,
        **stat_summary(stat),
    }


def stat_summary(stat: Stat) -> dict[str, object]:
    """What a list of nodes shows of each: its owner if it is ephemeral, the length of its body, the
    number of its children."""
    owner = stat.ephemeralOwner
    return {
        "session": f"{owner & (2**64 - 1):#x}" if owner else None,
        "bytes": stat.dataLength,
        "children": stat.numChildren,
    }
