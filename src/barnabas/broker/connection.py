"""Processor, for one client: frames in, answers out, in the order of the requests.

A connection holds a queue of slots, one a request. A slot is filled when its answer is ready; the
filled ones at the head of the queue are written together. It is served in turns (``turns.py``), and
not at all while it waits for too much: too many requests or too many bytes of them unanswered, too
many bytes of answers unsent. What it has sent then waits in the kernel, and so does its client.

A question about the cluster is handled when its turn to be answered has come: behind a produce that
waits for a dead follower, an answer made at once would name the dead as they were before it.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import deque
from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import TYPE_CHECKING, Any, cast

from barnabas import limits
from barnabas.api.request import Answer, Pieces, Request, Steps, api_name
from barnabas.api.unexpected import error_answer
from barnabas.broker.turns import (
    BYTES_PER_SHARE,
    REQUESTS_PER_SHARE,
    STEPS_PER_LOOK,
    STEPS_PER_SHARE,
    TASK_COST_S,
    Line,
    Outcome,
)
from barnabas.errors import InvalidRequest
from barnabas.protocol.api import CONTROLLER_APIS, ApiKey
from barnabas.protocol.framing import FIRST_BYTES, STAGING_BYTES, FrameBuffer
from barnabas.protocol.header import parse_request_header
from barnabas.zookeeper.errors import ZooKeeperError

if TYPE_CHECKING:
    from barnabas.broker.network import NetworkServer

log = logging.getLogger("kafka.network")

COUNTED_READ_BYTES = 16 * 1024
"""Shorter reads are not worth counting."""

JOIN_BYTES_MAX = 8 * 1024
"""Small answers are joined: copying them costs less than handing the system several buffers."""

_FROM_BROKERS = frozenset((*CONTROLLER_APIS, ApiKey.ALTER_PARTITION, ApiKey.ALLOCATE_PRODUCER_IDS))
IN_TURN = frozenset(
    {
        ApiKey.METADATA,
        ApiKey.FIND_COORDINATOR,
        ApiKey.DESCRIBE_CLUSTER,
        ApiKey.DESCRIBE_TOPIC_PARTITIONS,
    }
)
"""Handled when everything that came before them on their connection is answered."""
_DECODED_BY_HAND = (ApiKey.PRODUCE, ApiKey.FETCH)


_LINUX_TCP, _LINUX_TCP_INFO, _LINUX_CLOSED = 6, 11, 7


def _is_reset(peer: Any) -> bool:
    """Whether the other end of a socket is gone (on Linux; elsewhere a write will tell)."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        state: int = peer.getsockopt(_LINUX_TCP, _LINUX_TCP_INFO, 1)[0]
    except OSError:
        return True
    return state == _LINUX_CLOSED


class _Slot:
    """The place of one request's answer in the order of its connection."""

    __slots__ = ("answer_bytes", "pieces", "ready", "request", "request_bytes")

    def __init__(self) -> None:
        self.ready = False
        self.pieces: Pieces | None = None
        self.request: Request | None = None
        """To be handled in its turn."""
        self.answer_bytes = 0
        self.request_bytes = 0
        """Counted while the request waits; 0 if it was answered at once."""


class _Work:
    """Steps that this connection has begun, and who hears how they end."""

    __slots__ = ("begun", "done", "future", "is_long", "steps")

    def __init__(
        self,
        steps: Steps[Any],
        done: Callable[[Any, BaseException | None], None],
        *,
        is_long: bool = False,
        begun: bool = True,
        future: asyncio.Future[Any] | None = None,
    ) -> None:
        self.begun = begun
        """Whether its request holds more memory than its bytes."""
        self.steps = steps
        self.done = done
        self.is_long = is_long
        """Whether it goes on only when few others do: after its first share, always."""
        self.future = future
        """Cancelled if the steps are given up."""


class ClientConnection(Line, asyncio.BufferedProtocol):
    """One accepted connection."""

    def __init__(self, server: NetworkServer, listener: str) -> None:
        super().__init__()
        self._server = server
        self._turns = server.turns
        self._listener = listener
        self._frames = FrameBuffer(server.request_bytes_max, server.staging)
        self._slots: deque[_Slot] = deque()
        self._unready = 0
        """Slots whose answer is not there yet."""
        self._works: deque[_Work] = deque()
        self._transport: asyncio.Transport | None = None
        self._client_host = ""
        self._writing_paused = False
        self._reading_paused = False
        self._is_ahead = False
        """More has come than it was served yet: nothing more is read."""
        self._closing = False
        self._request_bytes = 0
        """Of requests that wait for their answers."""
        self._ready_bytes = 0
        """Of answers that are ready and not written yet."""
        self.held = 0
        """Bytes of requests in memory, as the server counts them."""
        self.debt = 0
        """Bytes of answers in memory, as the server counts them."""
        self.stalled = 0
        """How many seconds long nothing of the debt was taken."""
        self.last_active = 0.0

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
        return buffer[:STAGING_BYTES] if self._turns.is_crowded else buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.last_active = self._server.loop.time()
        frames = self._frames
        if nbytes <= limits.STEPPED_FRAME_BYTES and self._is_free():
            frame = frames.only_frame(nbytes)
            if frame is not None:
                self._serve_alone(frame)
                return
        if frames.has_more:
            self._is_ahead = True
        frames.received(nbytes)
        if nbytes >= COUNTED_READ_BYTES and self._turns.read(nbytes):
            self._is_ahead = True
            self._turns.later(self)
        else:
            self._turns.arrived(self)
        if frames.has_more:
            frames.set_aside()
            if frames.held >= FIRST_BYTES:
                self._is_ahead = True  # enough for the start: the rest may wait in the kernel
        if self._is_ahead or frames.is_unfinished or self._request_bytes >= STAGING_BYTES:
            self._settle_reading()

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        self._count_debt()
        self.go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._forget()
        self._server.closed(self)

    # Turns

    def _is_free(self) -> bool:
        """Whether nothing is under way here, and nobody waits for a turn."""
        return not (
            self._turns.is_busy
            or self._slots
            or self._works
            or self._writing_paused
            or self._closing
        )

    def _serve_alone(self, frame: memoryview) -> None:
        """Serve a request that came by itself, as most do, without the ways of those that wait."""
        try:
            request = self._read(frame)
            self._handle_alone(request)
        except InvalidRequest as error:
            self._refuse(str(error))
            return
        if request.from_broker:
            self.is_first = True
        if self._writing_paused or self.debt:
            self._count_debt()
        if self.held:
            self._settle_reading()
        if self._works:
            self._turns.arrived(self)
        else:
            self._turns.served(self)

    def _handle_alone(self, request: Request) -> None:
        try:
            answer = self._server.dispatcher.handle(request)
        except InvalidRequest:
            raise
        except Exception as error:
            self._failed(request, self._new_slot(), error)
            return
        if isinstance(answer, list):
            self._write(answer)
        elif answer is not None:
            self._settle(request, self._new_slot(), answer)

    def take_turn(self, share_s: float) -> Outcome:
        """Serve requests until they, the share or the room for answers are used up."""
        try:
            self._use_share(share_s)
        except InvalidRequest as error:
            self._refuse(str(error))
        if self._closing:
            return Outcome.IDLE
        self.flush()
        if self._reading_paused or self.held:
            self._settle_reading()
        if self._works:
            work = self._works[0]
            more = not work.is_long or self._turns.may_go_on(self, begun=work.begun)
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
            elif self._is_blocked() or (frame := frames.next_frame()) is None:
                return
            else:
                size += len(frame)
                if self._receive(frame):
                    return
            requests += 1
            if not (self._works or frames.has_more):
                return
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
        self._settle_reading()

    def _is_blocked(self) -> bool:
        """Whether too much waits already for another request to be served."""
        if self._slots or self._writing_paused:
            return (
                len(self._slots) >= limits.PARKED_REQUESTS_MAX
                or self._request_bytes >= limits.WAITING_REQUEST_BYTES_MAX
                or (
                    (self._writing_paused or self._ready_bytes >= limits.WRITE_BUFFER_BYTES_FREE)
                    and self._owes_too_much()
                )
                or self._closing
            )
        return self._closing

    def _owes_too_much(self) -> bool:
        owed = self._ready_bytes
        if self._writing_paused and self._transport is not None:
            owed += self._transport.get_write_buffer_size()
        if owed < limits.WRITE_BUFFER_BYTES_FREE:
            return False
        return owed >= limits.WRITE_BUFFER_BYTES_MAX or self._server.answers.is_short

    def _settle_reading(self) -> None:
        """Read only while there is nothing here that waits, and room for more."""
        if self._transport is None or self._closing:
            return
        frames = self._frames
        self._server.count_request_bytes(
            self, frames.held + self._request_bytes, begun=frames.is_unfinished
        )
        if self._is_ahead and not self.ticket and not frames.has_more:
            self._is_ahead = False
        pause = self._is_ahead or self._server.must_wait(self)
        if pause and not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()
        elif self._reading_paused and not pause:
            self._reading_paused = False
            self._transport.resume_reading()

    # Requests

    def _receive(self, frame: memoryview) -> bool:
        """Serve one request; whether that goes on in some other way than an answer at once."""
        request = self._read(frame)
        slot = self._new_slot()
        size = len(frame)
        if size > limits.STEPPED_FRAME_BYTES and request.api_key not in _DECODED_BY_HAND:
            self._decode(request, slot)
            return True
        return self._handle(request, slot)

    def _read(self, frame: memoryview) -> Request:
        """Who asks what. Raises InvalidRequest."""
        header, body_offset = parse_request_header(frame)
        request = Request(
            api_key=header.api_key,
            api_version=header.api_version,
            correlation_id=header.correlation_id,
            client_id=header.client_id,
            frame=frame,
            body_offset=body_offset,
            client_host=self._client_host,
            listener=self._listener,
            line=self,
        )
        if header.api_key in _FROM_BROKERS and self._server.is_for_brokers(self._listener):
            self.is_first = request.from_broker = True
        return request

    def _new_slot(self) -> _Slot:
        slot = _Slot()
        self._slots.append(slot)
        self._unready += 1
        return slot

    def _decode(self, request: Request, slot: _Slot) -> None:
        """Read the body in steps, then handle it."""

        def decoded(_: None, error: BaseException | None) -> None:
            if error is None:
                self._handle(request, slot)
            elif isinstance(error, InvalidRequest):
                raise error
            else:
                self._failed(request, slot, error)

        self._server.dispatcher.check(request)
        self._wait(slot, request)
        is_long = len(request.frame) > limits.LARGE_FRAME_BYTES or self._turns.has_long
        self._works.append(_Work(request.decode_in_steps(), decoded, is_long=is_long, begun=False))

    def _handle(self, request: Request, slot: _Slot) -> bool:
        """As ``_receive``. Raises InvalidRequest."""
        if self._unready > 1 and request.api_key in IN_TURN and self._slots[0] is not slot:
            self._wait(slot, request)
            slot.request = request
            return False
        try:
            answer = self._server.dispatcher.handle(request)
        except InvalidRequest:
            raise
        except Exception as error:
            self._failed(request, slot, error)
            return False
        if request.from_broker:
            self.is_first = True
        return self._settle(request, slot, answer)

    def _settle(self, request: Request, slot: _Slot, answer: Answer) -> bool:
        """Fill the slot, now or when the answer is there; whether it took a task or steps."""
        if answer is None or isinstance(answer, list):
            self._put(slot, answer)
            return False
        self._wait(slot, request)
        if isinstance(answer, asyncio.Future):
            answer.add_done_callback(lambda done: self._answered(request, slot, done))
            return False
        if isinstance(answer, CoroutineType):
            self._turns.charge(self, TASK_COST_S)
            if not self._server.spawn(self._await(request, slot, answer)):
                answer.close()
            return True

        def worked(pieces: Any, error: BaseException | None) -> None:
            if error is None:
                self._settle(request, slot, pieces)
            elif isinstance(error, InvalidRequest):
                raise error
            else:
                self._failed(request, slot, error)

        self._works.append(_Work(cast("Steps[Pieces]", answer), worked))
        return False

    def _wait(self, slot: _Slot, request: Request) -> None:
        """The request goes on waiting in memory."""
        if not slot.request_bytes:
            slot.request_bytes = len(request.frame)
            self._request_bytes += slot.request_bytes

    def _answered(self, request: Request, slot: _Slot, done: asyncio.Future[Pieces]) -> None:
        if done.cancelled():
            self.close()
        elif (error := done.exception()) is not None:
            self._failed(request, slot, error)
        else:
            self._fill(slot, done.result())

    async def _await(
        self, request: Request, slot: _Slot, answer: Coroutine[Any, Any, Pieces | None]
    ) -> None:
        try:
            pieces = await answer
        except InvalidRequest as error:
            self._refuse(str(error))
        except Exception as error:
            self._failed(request, slot, error)
        else:
            self._fill(slot, pieces)

    # Long work

    def run(self, steps: Steps[Any]) -> asyncio.Future[Any]:
        """Carry out steps in this connection's turns; cancelled if it ends before."""
        future: asyncio.Future[Any] = self._server.loop.create_future()
        if self._closing:
            future.cancel()
            return future

        def done(result: Any, error: BaseException | None) -> None:
            if future.done():
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        self._works.append(_Work(steps, done, future=future))
        self._turns.arrived(self)
        return future

    def _work(self, until: float) -> bool:
        """Go on with the first of the long work; whether it has come to its end."""
        work, clock = self._works[0], self._turns.clock
        if work.is_long and not self._turns.may_go_on(self, begun=work.begun):
            return False
        work.begun = True
        result, failed = None, None
        try:
            for step in range(STEPS_PER_SHARE):
                next(work.steps)
                if step % STEPS_PER_LOOK == 0 and clock() >= until:
                    break
            work.is_long = True
            return False
        except StopIteration as end:
            result = end.value
        except Exception as error:
            failed = error
        if self._closing:
            return False
        self._works.popleft()
        if work.is_long:
            self._turns.long_done(self)
        work.done(result, failed)
        return True

    # Answers

    def _fill(self, slot: _Slot, pieces: Pieces | None) -> None:
        """An answer that was waited for is there."""
        if self._closing:
            return
        self._put(slot, pieces)
        if self._slots and self._slots[0] is slot:
            self._server.flush_soon(self)
        else:
            self._count_debt()

    def _put(self, slot: _Slot, pieces: Pieces | None) -> None:
        slot.pieces = pieces
        slot.ready = True
        self._unready -= 1
        if pieces is not None:
            size = len(pieces[0]) if len(pieces) == 1 else sum(map(len, pieces))
            slot.answer_bytes = size
            self._ready_bytes += size

    def flush(self) -> None:
        """Write every answer that is ready and next in order."""
        slots = self._slots
        out: Pieces = []
        size = 0
        while slots and self._is_next_ready():
            slot = slots.popleft()
            if slot.pieces is not None:
                out += slot.pieces
                size += slot.answer_bytes
            self._request_bytes -= slot.request_bytes
        self._ready_bytes -= size
        if out:
            self._write(out)
        if self._writing_paused or self._ready_bytes or self.debt:
            self._count_debt()
        if self.held:
            self._settle_reading()

    def _write(self, pieces: Pieces) -> None:
        if self._transport is None or self._closing:
            return
        if len(pieces) == 1:
            self._transport.write(pieces[0])
        elif sum(map(len, pieces)) <= JOIN_BYTES_MAX:
            self._transport.write(b"".join(pieces))
        else:
            self._transport.writelines(pieces)

    def _is_next_ready(self) -> bool:
        """Whether the oldest request has its answer; it is handled if it waited for its turn."""
        slot = self._slots[0]
        request, slot.request = slot.request, None
        if request is not None:
            try:
                self._handle(request, slot)
            except InvalidRequest as error:
                self._refuse(str(error))
        return slot.ready

    def flush_and_go_on(self) -> None:
        """Write what became ready; then there may be room for what waits here."""
        self.flush()
        if self._reading_paused or self._works or self._frames.has_more:
            self.go_on()

    def _count_debt(self) -> None:
        """Tell the server what this connection owes, if it is more than a little."""
        debt = self._ready_bytes
        if self._writing_paused and self._transport is not None:
            debt += self._transport.get_write_buffer_size()
        if debt != self.debt:
            self._server.count_debt(self, debt)

    def check_debt(self) -> None:
        """Once a second: is what it owes being taken?"""
        before = self.debt
        self._count_debt()
        self.stalled = self.stalled + 1 if self.debt >= before > 0 else 0

    def end_if_gone(self) -> None:
        """The end of a connection that is not read is not told; the system knows it."""
        if self._reading_paused and self._transport is not None:
            peer = self._transport.get_extra_info("socket")
            if peer is not None and _is_reset(peer):
                self.abort()

    # Endings

    def _refuse(self, why: str) -> None:
        """The peer broke the protocol: there is no answer to that, its connection ends."""
        log.warning("closing connection from %s: %s", self._client_host, why)
        self._server.dispatcher.services.env.observer.note("request_refused", why=why)
        self.flush()
        self.close()

    def _failed(self, request: Request, slot: _Slot, error: BaseException) -> None:
        """ZooKeeper went away: the connection ends, so that its client looks anew. Anything else is
        a fault of ours, which is said loudly, and answered with UNKNOWN_SERVER_ERROR."""
        text = (
            f"{api_name(request.api_key)} v{request.api_version}"
            f" from {self._client_host} ({request.client_id!r}) failed"
        )
        if isinstance(error, ZooKeeperError):
            log.warning("%s: %s", text, error)
            self.close()
            return
        self._server.handler_failed(request, text, error)
        try:
            pieces = error_answer(request)
        except Exception:
            pieces = None
        if pieces is None:
            self.close()
        else:
            self._fill(slot, pieces)

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
    def peer(self) -> str:
        """For logs."""
        return self._client_host

    def limit_requests(self, bytes_max: int) -> None:
        """From now on a longer request closes the connection: little until a peer is known."""
        self._frames.bytes_max = bytes_max

    def _forget(self) -> None:
        """Nothing of this connection will be served any more."""
        self._closing = True
        self._slots.clear()
        works, self._works = self._works, deque()
        for work in works:
            if work.future is not None:
                work.future.cancel()
        self._turns.long_done(self)
        self._request_bytes = self._ready_bytes = 0
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
