"""FourLetterCommands: the four-letter words that an operator sends with netcat. Pure, over the
coordinator's state.

Formats are those of ZooKeeper 3.8, so programs that read a real server's answers can read these.
Figures that do not apply here are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from barnabas.zookeeper.server.connection import Connection

if TYPE_CHECKING:
    from barnabas.zookeeper.server.coordinator import Coordinator

VERSION = "3.8.4-barnabas"
"""The version of ZooKeeper whose protocol is spoken, in the form that clients parse."""


def answer(coordinator: Coordinator, word: bytes) -> bytes | None:
    """The answer to a word; None if the bytes are no such word (they are a frame's length then)."""
    reply = _WORDS.get(word)
    return None if reply is None else reply(coordinator).encode()


def _ruok(coordinator: Coordinator) -> str:
    return "imok"


def _isro(coordinator: Coordinator) -> str:
    return "rw"


def _envi(coordinator: Coordinator) -> str:
    return (
        f"Environment:\nzookeeper.version={VERSION}, built on 2024-02-12 22:16 UTC\n"
        f"host.name={coordinator.config.host}\n"
    )


def _figures(coordinator: Coordinator) -> str:
    return (
        f"Latency min/avg/max: {'/'.join(map(str, coordinator.figures.latency_ms))}\n"
        f"Received: {coordinator.figures.received}\nSent: {coordinator.figures.sent}\n"
        f"Connections: {len(coordinator.connections)}\nOutstanding: 0\n"
        f"Zxid: {coordinator.zxid:#x}\n"
        f"Mode: standalone\nNode count: {len(coordinator.tree.nodes)}\n"
    )


def _version_line() -> str:
    return f"Zookeeper version: {VERSION}, built on 2024-02-12 22:16 UTC\n"


def _srvr(coordinator: Coordinator) -> str:
    return _version_line() + _figures(coordinator)


def _stat(coordinator: Coordinator) -> str:
    lines = "".join(f" {_client(connection)}\n" for connection in coordinator.connections)
    return f"{_version_line()}Clients:\n{lines}\n{_figures(coordinator)}"


def _client(connection: Connection) -> str:
    return (
        f"/{connection.host}:{connection.port}[{0 if connection.session is None else 1}]"
        f"(queued=0,recved={connection.received},sent={connection.sent})"
    )


def _cons(coordinator: Coordinator) -> str:
    lines = []
    for connection in coordinator.connections:
        line = f" {_client(connection)}"
        if connection.session is not None:
            session = connection.session
            line = f"{line[:-1]},sid={session.id:#x},to={session.timeout_ms})"
        lines.append(line + "\n")
    return "".join(lines) + "\n"


def _mntr(coordinator: Coordinator) -> str:
    return "".join(f"{name}\t{value}\n" for name, value in monitored(coordinator).items())


def monitored(coordinator: Coordinator) -> dict[str, str | float]:
    """What ``mntr`` tells, by the original's names."""
    tree = coordinator.tree
    shortest, average, longest = coordinator.figures.latency_ms
    return {
        "zk_version": f"{VERSION}, built on 2024-02-12 22:16 UTC",
        "zk_server_state": "standalone",
        "zk_ephemerals_count": sum(map(len, tree.ephemerals.values())),
        "zk_num_alive_connections": len(coordinator.connections),
        "zk_avg_latency": average,
        "zk_max_latency": longest,
        "zk_min_latency": shortest,
        "zk_outstanding_requests": 0,
        "zk_znode_count": len(tree.nodes),
        "zk_global_sessions": len(coordinator.sessions.live),
        "zk_packets_sent": coordinator.figures.sent,
        "zk_packets_received": coordinator.figures.received,
        "zk_watch_count": coordinator.watches.count(),
        "zk_approximate_data_size": sum(
            len(path) + len(node.data or b"") for path, node in tree.nodes.items()
        ),
        "barnabas_request_faults": coordinator.figures.faults,
        "zk_uptime": int((coordinator.loop.time() - coordinator.started) * 1000),
    }


def _conf(coordinator: Coordinator) -> str:
    config = coordinator.config
    return (
        f"clientPort={config.port}\ntickTime={config.tick_ms}\nmaxClientCnxns=0\n"
        f"minSessionTimeout={config.timeout_min_ms}\nmaxSessionTimeout={config.timeout_max_ms}\n"
        "serverId=0\n"
    )


def _dump(coordinator: Coordinator) -> str:
    now = coordinator.loop.time()
    sessions = "".join(
        f"{session.id:#x}\texpires in {int((session.deadline - now) * 1000)} ms\n"
        for session in coordinator.sessions.live.values()
    )
    owned = "".join(
        f"{id_:#x}:\n" + "".join(f"\t{path}\n" for path in paths)
        for id_, paths in coordinator.tree.ephemerals.items()
    )
    return (
        f"SessionTracker dump:\nSession Sets ({len(coordinator.sessions.live)}):\n{sessions}"
        "ephemeral nodes dump:\n"
        f"Sessions with Ephemerals ({len(coordinator.tree.ephemerals)}):\n{owned}"
    )


def _wchs(coordinator: Coordinator) -> str:
    watches = coordinator.watches
    watchers = dict.fromkeys([*watches.data.by_watcher, *watches.children.by_watcher])
    paths = dict.fromkeys([*watches.data.by_path, *watches.children.by_path])
    summary = f"{len(watchers)} connections watching {len(paths)} paths"
    return f"{summary}\nTotal watches:{watches.count()}\n"


def _wchp(coordinator: Coordinator) -> str:
    lines = []
    for table in (coordinator.watches.data, coordinator.watches.children):
        for path, watchers in table.by_path.items():
            lines.append(path + "\n" + "".join(f"\t{_session_id(w)}\n" for w in watchers))
    return "".join(lines)


def _wchc(coordinator: Coordinator) -> str:
    lines = []
    for table in (coordinator.watches.data, coordinator.watches.children):
        for watcher, paths in table.by_watcher.items():
            lines.append(_session_id(watcher) + "\n" + "".join(f"\t{path}\n" for path in paths))
    return "".join(lines)


def _session_id(connection: Connection) -> str:
    return f"{0 if connection.session is None else connection.session.id:#x}"


_Word: TypeAlias = "Callable[[Coordinator], str]"

_WORDS: Mapping[bytes, _Word] = MappingProxyType(
    {
        b"ruok": _ruok,
        b"isro": _isro,
        b"envi": _envi,
        b"srvr": _srvr,
        b"stat": _stat,
        b"cons": _cons,
        b"mntr": _mntr,
        b"conf": _conf,
        b"dump": _dump,
        b"wchs": _wchs,
        b"wchp": _wchp,
        b"wchc": _wchc,
    }
)
