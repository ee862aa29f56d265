"""One node's side of a connection in a test cluster. It is between asyncio's transport and the
node's protocol.

What the node sends is held back as ``Links`` says, and is sent in order when the fault ends. This
is like lost packets, which TCP sends again. The end of a connection is held back too. What clients
send to a node that is cut off from them stays in the kernel.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar, cast

from barnabas.testing.links import CLIENTS, LOST, Directory

T = TypeVar("T")
Factory = Callable[[], asyncio.BaseProtocol]


class Owner(Protocol):
    """What a wire needs of its node's loop."""

    host: asyncio.AbstractEventLoop
    members: Directory
    wires: dict[Wire, None]
    is_dead: bool

    def time(self) -> float: ...
    def call_soon(self, callback: Any, *args: Any) -> asyncio.Handle: ...
    def inside(self, callback: Callable[..., T], *args: Any) -> T: ...
    def deliver(self, callback: Callable[..., Any], *args: Any) -> None: ...
    def delay_to(self, peer: str | None) -> float: ...
    def hears(self, peer: str | None) -> bool: ...


class Wire(asyncio.Transport):
    """A node's transport for a connection to the node named ``peer``."""

    def __init__(self, loop: Owner, factory: Factory, peer: str | None) -> None:
        super().__init__()
        self.loop = loop
        self._factory = factory
        self.peer = peer
        """None until the origin of an accepted connection is known."""
        self.first: asyncio.BaseProtocol | None = None
        """The protocol that the factory made. It stays after the connection has ended."""
        self.inner: asyncio.BaseProtocol | None = None
        self._real: asyncio.Transport | None = None
        self._held: deque[tuple[float, bytes | None]] = deque()
        """(when it may be sent, bytes); None stands for the end of the connection."""
        self._held_bytes = 0
        self._delay = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._wants_reading = True
        self._closing = False

    # asyncio's side; always called outside of the node's loop

    def protocol(self) -> asyncio.BaseProtocol:
        """A protocol for asyncio, of the same kind as the node's own."""
        self.first = self.inner = self.loop.inside(self._factory)
        return self._facade()

    def _facade(self) -> asyncio.BaseProtocol:
        if isinstance(self.inner, asyncio.BufferedProtocol):
            return _Buffered(self)
        return _Streamed(self)

    def made(self, transport: asyncio.BaseTransport) -> None:
        real = self._real = cast("asyncio.Transport", transport)
        if self.peer is None:
            address = transport.get_extra_info("peername") or ("",)
            self.peer = self.loop.members.at_address(str(address[0]))
        if self.loop.is_dead:
            real.abort()
            return
        self.loop.wires[self] = None
        self._delay = self.loop.delay_to(self.peer)
        self._balance()
        self.loop.deliver(self._made)

    def _made(self) -> None:
        assert self.inner is not None
        self.inner.connection_made(self)

    def lost(self, error: Exception | None) -> None:
        self._real = None
        self._held.clear()
        self.loop.wires.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()
        self.loop.deliver(self._lost, error)

    def _lost(self, error: Exception | None) -> None:
        inner, self.inner = self.inner, None
        if inner is not None:
            inner.connection_lost(error)

    # The node's side

    def write(self, data: Any) -> None:
        if self._delay == 0 and not self._held:
            if self._real is not None:
                self._real.write(data)
        else:
            self._hold(bytes(data))

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        if self._delay == 0 and not self._held:
            if self._real is not None:
                self._real.writelines(list_of_data)
        else:
            self._hold(b"".join(list_of_data))

    def close(self) -> None:
        self._end(lambda real: real.close())

    def abort(self) -> None:
        self._end(lambda real: real.abort())

    def _end(self, how: Callable[[asyncio.Transport], None]) -> None:
        if self._closing or self._real is None:
            return
        self._closing = True
        if self._delay == 0 and not self._held:
            how(self._real)
            return
        self._hold(None)
        self._balance()
        self.loop.call_soon(self._lost, None)

    def die(self) -> None:
        """Close the connection as the system does for a killed process. The node is not told."""
        self.inner = None
        self._closing = True
        if self._real is not None:
            self._real.abort()

    def is_closing(self) -> bool:
        return self._closing or self._real is None or self._real.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default if self._real is None else self._real.get_extra_info(name, default)

    def get_write_buffer_size(self) -> int:
        unsent = 0 if self._real is None else self._real.get_write_buffer_size()
        return unsent + self._held_bytes

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if self._real is not None:
            self._real.set_write_buffer_limits(high, low)

    def pause_reading(self) -> None:
        self._wants_reading = False
        self._balance()

    def resume_reading(self) -> None:
        self._wants_reading = True
        self._balance()

    def is_reading(self) -> bool:
        return self._wants_reading

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.inner = protocol
        if self._real is not None:
            self._real.set_protocol(self._facade())

    def get_protocol(self) -> asyncio.BaseProtocol:
        assert self.inner is not None
        return self.inner

    def can_write_eof(self) -> bool:
        return False

    # Faults

    def relink(self) -> None:
        """Apply a change of the links, or of whether the node runs."""
        self._delay = self.loop.delay_to(self.peer or CLIENTS)
        self._balance()
        if self._delay != LOST:
            now = self.loop.time()
            self._held = deque((min(due, now + self._delay), data) for due, data in self._held)
            self._flush()

    def _balance(self) -> None:
        """Read only while the node runs and is not cut off from its peer."""
        if self._real is None or self._real.is_closing():
            return
        may_read = self._wants_reading and not self._closing and self.loop.hears(self.peer)
        if may_read and not self._real.is_reading():
            self._real.resume_reading()
        elif not may_read and self._real.is_reading():
            self._real.pause_reading()

    def _hold(self, data: bytes | None) -> None:
        if self._real is None:
            return
        self._held.append((self.loop.time() + self._delay, data))
        self._held_bytes += len(data or b"")
        self._flush()

    def _flush(self) -> None:
        """Send what was held back for long enough."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self.loop.time()
        while self._held and self._real is not None and self._held[0][0] <= now:
            _, data = self._held.popleft()
            if data is None:
                self._real.close()
            else:
                self._held_bytes -= len(data)
                self._real.write(data)
        if self._held and self._held[0][0] != LOST:
            self._timer = self.loop.host.call_at(self._held[0][0], self._flush)


class _Events:
    """The callbacks of asyncio for any connection."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wire.made(transport)

    def eof_received(self) -> bool:
        inner = self._wire.inner
        if inner is not None:
            self._wire.loop.deliver(cast("asyncio.Protocol", inner).eof_received)
        return False

    def pause_writing(self) -> None:
        if self._wire.inner is not None:
            self._wire.loop.deliver(self._wire.inner.pause_writing)

    def resume_writing(self) -> None:
        if self._wire.inner is not None:
            self._wire.loop.deliver(self._wire.inner.resume_writing)

    def connection_lost(self, exc: Exception | None) -> None:
        self._wire.lost(exc)


class _Streamed(_Events, asyncio.Protocol):
    """For protocols that are given bytes."""

    def data_received(self, data: bytes) -> None:
        inner = self._wire.inner
        if inner is not None:
            self._wire.loop.deliver(cast("asyncio.Protocol", inner).data_received, data)


class _Buffered(_Events, asyncio.BufferedProtocol):
    """For protocols that offer a buffer."""

    def get_buffer(self, sizehint: int) -> bytearray:
        inner = self._wire.inner
        if inner is None:
            return bytearray(sizehint if sizehint > 0 else 4096)
        offered = cast("asyncio.BufferedProtocol", inner).get_buffer
        return cast("bytearray", self._wire.loop.inside(offered, sizehint))

    def buffer_updated(self, nbytes: int) -> None:
        inner = self._wire.inner
        if inner is not None:
            self._wire.loop.deliver(cast("asyncio.BufferedProtocol", inner).buffer_updated, nbytes)
