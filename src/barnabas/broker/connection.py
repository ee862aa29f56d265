"""Processor, for one client: bytes in, its turns, its end.

It is served in turns (``turns.py``), and not at all while it waits for too much: too many requests
or too many bytes of them unanswered, too many bytes of answers unsent. What it has sent then waits
in the kernel, and so does its client. ``exchange.py`` has its requests and their answers.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import deque
from collections.abc import Callable
from typing import Any, cast

from barnabas import limits
from barnabas.broker.connection_server import ConnectionServer
from barnabas.broker.exchange import Exchange
from barnabas.broker.turns import (
    BYTES_PER_SHARE,
    REQUESTS_PER_SHARE,
    Outcome,
)
from barnabas.errors import InvalidRequest
from barnabas.protocol.api import ApiKey
from barnabas.protocol.framing import FIRST_BYTES, STAGING_BYTES, FrameBuffer

log = logging.getLogger("kafka.network")

COUNTED_READ_BYTES = 16 * 1024
"""Shorter reads are not worth counting."""

_LINUX_TCP, _LINUX_TCP_INFO = 6, 11
_LINUX_CLOSED, _LINUX_CLOSE_WAIT = 7, 8


def _state(peer: Any) -> int | None:
    """Of a TCP connection, as Linux names it; None elsewhere, where a write will tell."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        return int(peer.getsockopt(_LINUX_TCP, _LINUX_TCP_INFO, 1)[0])
    except OSError:
        return _LINUX_CLOSED


class ClientConnection(Exchange["ClientConnection"], asyncio.BufferedProtocol):
    """One accepted connection."""

    # A dictionary of so many attributes would be one of its own for each connection: with hundreds
    # of them it is not in the processor's cache when a request comes.
    __slots__ = (
        "_failing",
        "_frames",
        "_is_ahead",
        "_may_be_alone",
        "_now",
        "_reading_paused",
        "last_active",
        "put_off",
    )

    def __init__(self, server: ConnectionServer[ClientConnection], listener: str) -> None:
        super().__init__(server, listener)
        self._frames = FrameBuffer(server.request_bytes_max, server.staging)
        self._reading_paused = False
        self._is_ahead = False
        """More has come than it was served yet: nothing more is read."""
        self._now = server.loop.time
        self._may_be_alone = True
        """Whether a request that comes by itself needs nothing but its answer."""
        self._failing = False
        """What it sent last ends it, soon: nothing else is served."""
        self.last_active = 0.0
        self.put_off = 0
        """For how many seconds a long request has waited to be begun."""

    # Transport events

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not a subclass
        peer = transport.get_extra_info("peername")
        self._client_host = str(peer[0]) if peer else ""
        self._transport.set_write_buffer_limits(high=limits.WRITE_BUFFER_BYTES_FREE)
        self.last_active = self._server.loop.time()
        self._server.opened(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        buffer = self._frames.get_buffer(sizehint)
        if len(buffer) > STAGING_BYTES and self._turns.is_crowded:
            return buffer[:STAGING_BYTES]
        return buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.last_active = self._now()
        if nbytes <= limits.STEPPED_FRAME_BYTES and self._is_alone and self._take_alone(nbytes):
            return
        frames = self._frames
        if frames.has_more:
            self._is_ahead = True
        frames.received(nbytes)
        if nbytes >= COUNTED_READ_BYTES and self._turns.read(nbytes):
            self._is_ahead = True
            self._turns.later(self)
        elif self.is_first:
            self._server.gather(self)
        else:
            self._turns.arrived(self)
        if frames.has_more:
            frames.set_aside()
            if frames.held >= FIRST_BYTES:
                self._is_ahead = True  # enough for the start: the rest may wait in the kernel
        if self._is_ahead or frames.is_unfinished or self._request_bytes >= STAGING_BYTES:
            self._update_reading()

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        self._unsent_bytes = 0
        self._count_debt()
        self.go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._forget()
        self._server.closed(self)

    # Turns

    @property
    def _is_alone(self) -> bool:
        """Whether a request that comes by itself needs nothing but its answer: nothing is under way
        here. Most requests are such."""
        return self._may_be_alone and not (
            self.is_first
            or self._slots
            or self._works
            or self._writing_paused
            or self._failing
            or self._is_silent
            or self._closing
        )

    def _take_alone(self, nbytes: int) -> bool:
        """Serve what came if it is one request; if somebody waits for a turn, let it wait for its
        own. Whether that is so."""
        if self._turns.is_busy:
            if nbytes >= FIRST_BYTES or not self._frames.keep_frame(nbytes):
                return False
            self._turns.arrived(self)
            return True
        frame = self._frames.only_frame(nbytes)
        if frame is None:
            return False
        self._answer_alone(frame)
        if self._works:
            self._turns.arrived(self)
        elif not self._closing:
            self._turns.served(self)
        return True

    def _answer_alone(self, frame: memoryview) -> None:
        """Serve a request that came by itself, without the ways of those that wait."""
        try:
            request = self._read(frame)
            if self._turns.is_waited_for and self._is_heavy(request):
                self._decode(request, self._new_slot())
                return
            try:
                answer = self._dispatch(request)
            except InvalidRequest:
                raise
            except Exception as error:
                self._failed(request, self._new_slot(), error)
                answer = None
            if isinstance(answer, list):
                self._write(answer)
            elif answer is not None:
                self._take_answer(request, self._new_slot(), answer)
        except InvalidRequest as error:
            self._refuse(str(error))
            return
        if request.from_broker:
            self.is_first = True
        if self._writing_paused or self.debt:
            self._count_debt()
        if self.held:
            self._update_reading()

    def take_turn(self, share_s: float) -> Outcome:
        """Serve requests until they, the share or the room for answers are used up."""
        frame = self._frames.kept_frame() if self._is_alone else None
        if frame is not None:
            self._answer_alone(frame)
        else:
            try:
                self._use_share(share_s)
            except InvalidRequest as error:
                self._refuse(str(error))
            if not self._closing:
                self.flush()
        if self._closing:
            return Outcome.IDLE
        if self._reading_paused or self.held or self._request_bytes >= STAGING_BYTES:
            self._update_reading()
        if self._works:
            more = self._may_work(self._works[0])
        elif self._frames.has_more:
            more = not self._is_blocked()
        else:
            return Outcome.IDLE
        return Outcome.MORE if more else Outcome.BLOCKED

    def _use_share(self, share_s: float) -> None:
        requests = size = 0
        frames, clock = self._frames, self._turns.clock
        until: float | None = None
        while requests < REQUESTS_PER_SHARE and size < BYTES_PER_SHARE:
            if self._works:
                if until is None:
                    until = clock() + share_s
                if not self._work(until):
                    return
            elif (
                (
                    self._slots
                    or self._ready_bytes >= limits.WRITE_BUFFER_BYTES_FREE
                    or self._writing_paused
                    or self._failing
                    or self._is_silent
                    or self._closing
                )
                and self._is_blocked()
            ) or (frame := frames.next_frame()) is None:
                return
            else:
                size += len(frame)
                if self._receive(frame):
                    return
            requests += 1
            if until is None:
                until = clock() + share_s
            elif clock() >= until:
                return

    def go_on(self) -> None:
        """Something that stood in the way may be gone."""
        if self._closing:
            return
        if self._frames.has_more or self._works:
            self._turns.arrived(self)
        self._update_reading()

    def _is_blocked(self) -> bool:
        """Whether too much waits already for another request to be served."""
        return (
            self._closing
            or self._failing
            or self._is_silent
            or len(self._slots) >= limits.PARKED_REQUESTS_MAX
            or (self._polls >= limits.WAITING_FETCHES_MAX and not self.is_first)
            or self._request_bytes >= limits.WAITING_REQUEST_BYTES_MAX
            or (len(self._slots) > 0 and self._server.must_wait(self))
            or (
                (self._writing_paused or self._ready_bytes >= limits.WRITE_BUFFER_BYTES_FREE)
                and self._owes_too_much()
            )
        )

    def _owes_too_much(self) -> bool:
        owed = self._ready_bytes
        if self._writing_paused and self._transport is not None:
            owed += self._transport.get_write_buffer_size()
        if owed < limits.WRITE_BUFFER_BYTES_FREE:
            return False
        return owed >= limits.WRITE_BUFFER_BYTES_MAX or self._server.answers.is_short

    def _update_reading(self) -> None:
        """Read only while no request waits here and there is memory for more."""
        if self._transport is None or self._closing:
            return
        frames = self._frames
        self._server.count_request_bytes(
            self, frames.held + self._request_bytes, begun=frames.is_unfinished
        )
        if self._is_ahead and not self.ticket and not frames.has_more:
            self._is_ahead = False
        pause = self._is_ahead or self._is_silent or self._server.must_wait(self)
        if pause and not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()
        elif self._reading_paused and not pause:
            self._reading_paused = False
            self._transport.resume_reading()

    def flush_and_go_on(self) -> None:
        """Write what became ready; then there may be room for what waits here."""
        self.flush()
        if self._is_stopped:
            self.go_on()

    @property
    def _is_stopped(self) -> bool:
        return self._reading_paused or bool(self._works) or self._frames.has_more

    def end_if_gone(self) -> None:
        """The end of a connection that is not read is not told; the system knows it. If its client
        has only closed its side, what it sent is still served, but for what nobody wants then."""
        if self._reading_paused and self._transport is not None:
            peer = self._transport.get_extra_info("socket")
            state = None if peer is None else _state(peer)
            if state == _LINUX_CLOSED or (state == _LINUX_CLOSE_WAIT and self._is_in_vain):
                self.abort()

    @property
    def _is_in_vain(self) -> bool:
        """Whether what is next here is only for a client that listens: long work, a long request
        that is not whole, a fetch that waits."""
        if self._is_held or self._polls:
            return True
        if self._works:
            return self._works[0].is_long and not self._works[0].is_needed
        return self._is_long_pending

    @property
    def _is_long_pending(self) -> bool:
        """Whether a long request, but no Produce, has come in part or whole and was not taken."""
        size, api = self._frames.pending or (0, ApiKey.PRODUCE)
        return size > limits.LARGE_FRAME_BYTES and api != ApiKey.PRODUCE

    @property
    def is_put_off(self) -> bool:
        """Whether a long request waits here until others leave it memory or a turn."""
        if self.is_first or self._is_silent or self._writing_paused:
            return False
        if self._works:
            work = self._works[0]
            return work.is_long and not (work.begun or work.is_needed)
        return self._reading_paused and self._is_long_pending

    # Endings

    @property
    def waiting(self) -> int:
        """Requests without an answer yet."""
        return len(self._slots)

    @property
    def frame_bytes(self) -> int:
        """Bytes that have come of a frame that is not whole."""
        return self._frames.filled if self._frames.is_unfinished else 0

    @property
    def is_reading(self) -> bool:
        return not self._reading_paused

    @property
    def listener(self) -> str:
        """The name of that to which it came."""
        return self._listener

    @property
    def peer(self) -> str:
        """For logs."""
        return self._client_host

    def limit_requests(self, bytes_max: int) -> None:
        """From now on a longer request closes the connection: little until a peer is known."""
        self._frames.bytes_max = bytes_max

    def _forget(self) -> None:
        """Nothing of this connection will be served any more."""
        self._closing = True
        if self._muted is not None:
            self._muted.cancel()
        slots, self._slots = self._slots, deque()
        for slot in slots:
            if slot.given_up is not None:
                self._server.endings.add(slot.given_up)
        works, self._works = self._works, deque()
        for work in works:
            work.give_up()
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)
        self._turns.long_done(self)
        self._ready = []
        self._request_bytes = self._ready_bytes = self._unsent_bytes = self.decoded_bytes = 0
        self._polls = 0
        self._frames = FrameBuffer(0, self._server.staging)

    def close(self) -> None:
        """Send what is buffered, then close."""
        self._end(lambda transport: transport.close())
        if self._transport is not None:
            self._server.ends(self)

    def abort(self) -> None:
        """Close at once; what is buffered is lost."""
        self._end(lambda transport: transport.abort())

    def _end(self, how: Callable[[asyncio.Transport], None]) -> None:
        self._forget()
        if self._transport is not None:
            self._server.count_request_bytes(self, 0, begun=False)
            how(self._transport)
