"""The wires between hosts: latency, bandwidth, stalls, blocks, and what TCP makes of them.

TCP never loses a byte silently. A block *delays*: what was sent is retried with backoff until the
way is open again or ``tcp_timeout`` has passed, then the sender (alone) learns ETIMEDOUT. An answer
RST is not retried: if it is lost, the other end stays half-open until it sends something.
"""

from __future__ import annotations

import errno
import random
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.simulation.kernel import MICROSECOND, MILLISECOND, SECOND, Kernel
from tests.simulation.loop import os_error
from tests.simulation.sockets import FIN, RST, Listener, SimSocket

if TYPE_CHECKING:
    from asyncio import Future

    from tests.simulation.loop import SimLoop
    from tests.simulation.nodes import Host

TRACE_DELIVER, TRACE_CONNECT, TRACE_LOST = 1, 2, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One direction between two hosts."""

    latency_ns: int = 300 * MICROSECOND
    jitter_ns: int = 200 * MICROSECOND
    bytes_per_second: int = 100_000_000
    stall_probability: float = 0.0005
    """A segment lost once: it and all behind it wait for one retransmission (200 ms)."""
    split_probability: float = 0.05
    """A write arrives as two segments, cut anywhere."""


LOOPBACK = Link(latency_ns=20 * MICROSECOND, jitter_ns=20 * MICROSECOND, stall_probability=0.0)
SLOW = Link(latency_ns=150 * MILLISECOND, jitter_ns=150 * MILLISECOND, bytes_per_second=50_000)
RETRANSMIT_NS = 200 * MILLISECOND


@dataclass(slots=True, kw_only=True)
class NetworkSettings:
    """The same for all hosts."""

    link: Link = Link()
    loopback: Link = LOOPBACK
    short_read_probability: float = 0.02
    window_bytes: int = 128 * 1024
    """Socket buffers of both ends together: what may be sent and not yet read."""
    tcp_timeout_ns: int = 20 * SECOND
    """Retrying sent data. (Linux: about 15 minutes; ours ends within a run.)"""
    connect_timeout_ns: int = 15 * SECOND


class Pipe:
    """One direction of a connection: segments in the air, in order."""

    __slots__ = (
        "_back", "_kernel", "_queue", "_retry_ns", "_retry_pending", "_stalled_since", "_there",
        "destination", "held", "network", "source", "target_time",
    )  # fmt: skip

    def __init__(self, network: Network, source: SimSocket, destination: SimSocket) -> None:
        self.network = network
        self.source = source
        self.destination = destination
        self._kernel = network.kernel
        here, target = source.host.name, destination.host.name
        self._there, self._back = (here, target), (target, here)
        self.held = 0
        """Bytes sent that the other application has not read, as far as the sender knows."""
        self.target_time = 0
        self._queue: deque[tuple[int, Any]] = deque()
        self._stalled_since = -1
        self._retry_ns = RETRANSMIT_NS
        self._retry_pending = False

    def room(self) -> int:
        """Bytes that may be sent now."""
        return self.network.settings.window_bytes - self.held

    def push(self, data: Any) -> None:
        """Send bytes, FIN or RST."""
        network = self.network
        size = 0 if data is FIN or data is RST else len(data)
        self.held += size
        link = network.link(*self._there)
        drawn = network.random()
        if drawn < link.split_probability and size > 1:
            cut = network.stream.randrange(1, size)
            self._schedule(link, data[:cut], cut, network.random())
            self._schedule(link, data[cut:], size - cut, network.random())
        else:
            self._schedule(link, data, size, drawn)

    def _schedule(self, link: Link, data: Any, size: int, drawn: float) -> None:
        kernel = self._kernel
        delay = link.latency_ns + int(drawn * link.jitter_ns)
        delay += size * SECOND // link.bytes_per_second
        if link.stall_probability and self.network.random() < link.stall_probability:
            delay += RETRANSMIT_NS
        arrives = kernel.now_ns + delay
        if arrives < self.target_time:
            arrives = self.target_time
        self.target_time = arrives
        self._queue.append((arrives, data))
        kernel.at(arrives, self._pump)

    def cut(self) -> None:
        """Forget what is in the air."""
        self._queue.clear()
        self.held = 0

    def _blocked(self) -> bool:
        return not self.destination.host.up or self._there in self.network._blocked

    def _pump(self, _: None) -> None:
        queue, now = self._queue, self._kernel.now_ns
        if self._retry_pending or not queue or queue[0][0] > now:
            return
        if self._blocked():
            self._stall()
            return
        if self._back in self.network._blocked:
            self._stall()  # it arrives, but no acknowledgement comes back
        while queue and queue[0][0] <= now:
            self._deliver(queue.popleft()[1])

    def _deliver(self, data: Any) -> None:
        destination = self.destination
        size = 0 if data is FIN or data is RST else len(data)
        self._kernel.trace.add(TRACE_DELIVER, destination.host.index, size)
        if data is RST:
            destination.fail(errno.ECONNRESET)
        elif not destination.closed:
            destination.receive(data)
        elif data is not FIN or destination.vanished:
            self.network.reset(destination.host, self.source)

    def _stall(self) -> None:
        if self._queue and self._queue[0][1] is RST and self._blocked():
            self.cut()
            return
        kernel = self.network.kernel
        if self._stalled_since < 0:
            self._stalled_since, self._retry_ns = kernel.now_ns, RETRANSMIT_NS
        if not self._retry_pending:
            self._retry_pending = True
            kernel.after(self._retry_ns, self._retry)
            self._retry_ns = min(2 * self._retry_ns, 3 * SECOND)

    def _retry(self, _: None) -> None:
        self._retry_pending = False
        network = self.network
        if self.source.vanished:
            return
        one_way = network.is_blocked(self.destination.host.name, self.source.host.name)
        if not self._blocked() and not one_way:
            self._stalled_since = -1
            self._pump(None)
        elif network.kernel.now_ns - self._stalled_since >= network.settings.tcp_timeout_ns:
            network.kernel.trace.add(TRACE_LOST, self.source.host.index, 0)
            self.cut()
            self.source.fail(errno.ETIMEDOUT)
        else:
            if not self._blocked():
                self._pump(None)
            self._stall()

    def taken(self, size: int) -> None:
        """The receiving application has read; tell the sender, who may be waiting for room."""
        if self.source.writer is None:
            self.held = max(0, self.held - size)
        else:
            latency_ns = self.network.link(*self._back).latency_ns
            self._kernel.after(latency_ns, self._window_update, size)

    def _window_update(self, size: int) -> None:
        if self.network.is_blocked(self.destination.host.name, self.source.host.name):
            self.network.kernel.after(RETRANSMIT_NS, self._window_update, size)
            return
        self.held = max(0, self.held - size)
        self.source.poke_writer()


class Network:
    """All hosts, and the state of the ways between them."""

    def __init__(self, kernel: Kernel, settings: NetworkSettings | None = None) -> None:
        self.kernel = kernel
        self.settings = settings or NetworkSettings()
        self.stream: random.Random = kernel.random("net")
        self.random = self.stream.random
        self.hosts: dict[str, Host] = {}
        self.connections = 0
        self._by_address: dict[str, Host] = {}
        self._links: dict[tuple[str, str], Link] = {}
        self._blocked: dict[tuple[str, str], int] = {}
        self._disturbed: dict[tuple[str, str], int] = {}
        """When a way was blocked, opened, slowed or reset last."""
        self.on_ways: Callable[[bool, list[tuple[str, str]]], None] | None = None
        """Hears of ways that are blocked (True) or open again."""

    # -- topology and faults ---------------------------------------------------------------------

    def add(self, host: Host) -> None:
        """Plug a host in."""
        self.hosts[host.name] = host
        self._by_address[host.address] = host

    def link(self, source: str, target: str) -> Link:
        """What this direction is like now."""
        if self._links:
            special = self._links.get((source, target))
            if special is not None:
                return special
        return self.settings.loopback if source == target else self.settings.link

    def set_link(self, source: str, target: str, link: Link | None) -> None:
        """Make one direction slow, or (None) as all others."""
        self._disturb(source, target)
        if link is None:
            self._links.pop((source, target), None)
        else:
            self._links[source, target] = link

    def _disturb(self, source: str, target: str) -> None:
        self._disturbed[source, target] = self.kernel.now_ns

    def was_steady(self, one: str, other: str, since_ns: int) -> bool:
        """Whether nothing has been done to the ways between two hosts."""
        return all(
            way not in self._blocked
            and way not in self._links
            and self._disturbed.get(way, -1) < since_ns
            for way in ((one, other), (other, one))
        )

    def is_blocked(self, source: str, target: str) -> bool:
        """Nothing gets from one host to the other."""
        return bool(self._blocked) and (source, target) in self._blocked

    def block(self, source: str, target: str) -> None:
        """Cut one direction. Blocks add up: each wants its own unblock."""
        self._disturb(source, target)
        if (source, target) not in self._blocked:
            self._tell_ways(True, [(source, target)])
        self._blocked[source, target] = self._blocked.get((source, target), 0) + 1

    def unblock(self, source: str, target: str) -> None:
        """Take one block away."""
        self._disturb(source, target)
        count = self._blocked.get((source, target), 0)
        if count > 1:
            self._blocked[source, target] = count - 1
        elif self._blocked.pop((source, target), None):
            self._tell_ways(False, [(source, target)])

    def _tell_ways(self, blocked: bool, ways: list[tuple[str, str]]) -> None:
        if self.on_ways is not None:
            self.on_ways(blocked, ways)

    def cut(self, one: str, other: str) -> None:
        """Block both directions."""
        self.block(one, other)
        self.block(other, one)

    def mend(self, one: str, other: str) -> None:
        """Unblock both directions."""
        self.unblock(one, other)
        self.unblock(other, one)

    def heal(self) -> None:
        """Every way open and as usual."""
        for way in (*self._blocked, *self._links):
            self._disturb(*way)
        if self._blocked:
            self._tell_ways(False, list(self._blocked))
        self._blocked.clear()
        self._links.clear()

    def reset_connections(self, one: str, other: str) -> int:
        """A middle-box forgets the connections between two hosts: RST to both ends."""
        self._disturb(one, other)
        count = 0
        for loop in self.hosts[one].loops():
            for sock in list(loop.sockets.values()):
                peer = sock.peer
                if peer is not None and peer.host.name == other and not sock.closed:
                    peer.fail(errno.ECONNRESET)
                    sock.fail(errno.ECONNRESET)
                    count += 1
        return count

    # -- names, listeners, connections -----------------------------------------------------------

    def resolve(self, asker: Host, name: str | None) -> str:
        """The address of a host name. Raises socket.gaierror as a resolver does, and UnicodeError
        for what cannot be a name."""
        if name in (None, "", "0.0.0.0", "::"):
            return "0.0.0.0"
        assert name is not None
        name.encode("idna")  # raises UnicodeError, as asyncio does
        if name == "localhost" or name.startswith("127.") or name == "::1":
            return "127.0.0.1"
        if name in self._by_address:
            return name
        if name in self.hosts:
            return self.hosts[name].address
        raise socket.gaierror(socket.EAI_NONAME, f"Name or service not known: {name}")

    def bind(self, loop: SimLoop, name: str | None, port: int) -> Listener:
        """Take an address. Raises OSError (EADDRINUSE, EADDRNOTAVAIL) or gaierror."""
        host, address = loop.host, self.resolve(loop.host, name)
        if address not in ("0.0.0.0", "127.0.0.1", host.address):
            raise os_error(errno.EADDRNOTAVAIL)
        port = port or host.next_port()
        for other in host.listeners:
            if other.port == port and (other.address == address or "0.0.0.0" in (
                other.address, address)):  # fmt: skip
                raise os_error(errno.EADDRINUSE)
        listener = Listener(loop, address, port)
        host.listeners.append(listener)
        return listener

    def connect(self, loop: SimLoop, name: str, port: int, future: Future[SimSocket]) -> None:
        """Resolve the future to an established socket, or to what connect() raises."""
        try:
            address = self.resolve(loop.host, name)
        except (OSError, UnicodeError) as error:
            future.set_exception(error)
            return
        loopback = address in ("127.0.0.1", "0.0.0.0")
        target = loop.host if loopback else self._by_address[address]
        local = "127.0.0.1" if loopback else loop.host.address
        sock = SimSocket(loop, (local, loop.host.next_port()))
        sock.remote = (address, port)
        _Connecting(self, sock, target, future).send_syn(None)

    def reset(self, sender: Host, target: SimSocket) -> None:
        """Send an RST that belongs to no open socket; lost if the way is blocked."""
        delay = self.link(sender.name, target.host.name).latency_ns

        def arrive(_: None) -> None:
            if not self.is_blocked(sender.name, target.host.name):
                target.fail(errno.ECONNRESET)

        self.kernel.after(delay, arrive)


class _Connecting:
    """One handshake: SYN retried with backoff until somebody answers or it has taken too long."""

    def __init__(
        self, network: Network, sock: SimSocket, target: Host, future: Future[SimSocket]
    ) -> None:
        self._network = network
        self._sock = sock
        self._target = target
        self._future = future
        self._deadline_ns = network.kernel.now_ns + network.settings.connect_timeout_ns
        self._backoff_ns = SECOND

    def _way(self, there: bool) -> int:
        here, target = self._sock.host.name, self._target.name
        link = self._network.link(here, target) if there else self._network.link(target, here)
        return link.latency_ns + int(self._network.random() * link.jitter_ns)

    def send_syn(self, _: None) -> None:
        """Send the first or another SYN."""
        if self._future.done() or self._sock.loop.dead:
            self._sock.close()
            return
        self._network.kernel.after(self._way(there=True), self._syn_arrives)

    def _syn_arrives(self, _: None) -> None:
        network, here, target = self._network, self._sock.host.name, self._target
        shut = network.is_blocked(here, target.name) or network.is_blocked(target.name, here)
        if shut or not target.up:
            self._again()
            return
        address, port = self._sock.remote
        listener = target.listener_at(address, port)
        network.kernel.trace.add(TRACE_CONNECT, target.index, port if listener else -port)
        if listener is None:
            self._answer_later(self._refused)
            return
        accepted = SimSocket(listener.loop, (address, port))
        accepted.remote = self._sock.local
        self._sock.join(accepted, Pipe(network, self._sock, accepted))
        accepted.join(self._sock, Pipe(network, accepted, self._sock))
        network.connections += 1
        listener.arrived(accepted)
        self._answer_later(self._established)

    def _answer_later(self, action: Callable[[None], None]) -> None:
        delay = self._way(there=False)
        pipe = self._sock.peer.out if self._sock.peer is not None else None
        if pipe is not None:
            pipe.target_time = self._network.kernel.now_ns + delay
        self._network.kernel.after(delay, action)

    def _again(self) -> None:
        kernel = self._network.kernel
        if kernel.now_ns + self._backoff_ns <= self._deadline_ns:
            kernel.after(self._backoff_ns, self.send_syn)
            self._backoff_ns *= 2
        else:
            kernel.at(self._deadline_ns, self._timed_out)

    def _timed_out(self, _: None) -> None:
        self._sock.close()
        if not self._future.done():
            self._future.set_exception(os_error(errno.ETIMEDOUT))

    def _refused(self, _: None) -> None:
        self._sock.close()
        if not self._future.done():
            self._future.set_exception(os_error(errno.ECONNREFUSED))

    def _established(self, _: None) -> None:
        if self._future.done() or self._sock.loop.dead:
            self._sock.close()
        else:
            self._future.set_result(self._sock)
