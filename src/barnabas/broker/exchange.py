"""RequestChannel, for one client: its requests, and their answers in the order of the requests.

A connection has a queue of slots. Each request that cannot be answered at once, or that came after
such a one, has a slot. A slot is filled when its answer is ready; the filled slots at the head of
the queue are written together.

A request about the cluster is handled only when all requests before it are answered. Suppose that
it comes after a produce that waits for a dead follower: an answer made at once would still show the
cluster before that death.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import Any, Generic, TypeVar, cast

from barnabas import limits
from barnabas.api.request import Answer, Pieces, Promise, Request, Steps, api_name
from barnabas.api.unexpected import error_answer
from barnabas.broker.connection_server import ConnectionServer
from barnabas.broker.slots import Slot, Work
from barnabas.broker.turns import (
    SHARES_BEFORE_LONG,
    STEPS_PER_LOOK,
    STEPS_PER_SHARE,
    TASK_COST_S,
    Line,
)
from barnabas.errors import InvalidRequest
from barnabas.pace import when_done
from barnabas.protocol.api import CONTROLLER_APIS, ApiKey
from barnabas.protocol.header import parse_request_header
from barnabas.zookeeper.errors import ZooKeeperError

log = logging.getLogger("kafka.network")

C = TypeVar("C")

JOIN_BYTES_MAX = 8 * 1024
"""Small answers are joined: a copy costs less than passing several buffers to the system."""

UNKNOWN_SOFTWARE = ("unknown", "unknown")

_FROM_BROKERS = frozenset((*CONTROLLER_APIS, ApiKey.ALTER_PARTITION, ApiKey.ALLOCATE_PRODUCER_IDS))
IN_TURN = frozenset(
    {
        ApiKey.METADATA,
        ApiKey.FIND_COORDINATOR,
        ApiKey.DESCRIBE_CLUSTER,
        ApiKey.DESCRIBE_TOPIC_PARTITIONS,
    }
)
"""These are handled only when all earlier requests on their connection are answered."""


class Exchange(Line, Generic[C]):
    """What has been asked on one connection, a ``C``, and not been answered."""

    __slots__ = (
        "_client_host",
        "_closing",
        "_dispatch",
        "_gone",
        "_is_held",
        "_is_silent",
        "_listener",
        "_muted",
        "_number",
        "_polls",
        "_ready",
        "_ready_bytes",
        "_request_bytes",
        "_seen_unsent",
        "_server",
        "_slots",
        "_transport",
        "_turns",
        "_unready",
        "_unsent_bytes",
        "_works",
        "_writing_paused",
        "debt",
        "decoded_bytes",
        "decoded_held",
        "held",
        "software",
        "stalled",
    )

    def __init__(self, server: ConnectionServer[C], listener: str) -> None:
        super().__init__()
        self._server = server
        self._turns = server.turns
        self._number = server.turns.next_number()
        self._listener = listener
        self._dispatch = server.dispatcher.handle
        self._ready: Pieces = []
        """Answers to requests that came before those of all slots."""
        self._slots: deque[Slot] = deque()
        self._unready = 0
        """Slots whose answer is not there yet."""
        self._polls = 0
        """Of them, those that wait for something to read."""
        self._works: deque[Work] = deque()
        self._transport: asyncio.Transport | None = None
        self._client_host = ""
        self.software = UNKNOWN_SOFTWARE
        """Name and version of the client, as it has told (KIP-511)."""
        self._writing_paused = False
        self._closing = False
        self._gone: asyncio.Future[None] | None = None
        """Of those who wait for something else and want to hear of the end."""
        self._request_bytes = 0
        """Of requests that wait for their answers."""
        self._ready_bytes = 0
        """Of answers that are ready and not written yet."""
        self._unsent_bytes = 0
        """Of answers that the transport has taken since it was last nearly empty: however much of
        them is sent, it may hold all of them until their last byte is."""
        self.decoded_bytes = 0
        """Of them, for what requests were decoded to."""
        self.decoded_held = 0
        """The same as the server counts it."""
        self.held = 0
        """Bytes of requests in memory, as the server counts them."""
        self.debt = 0
        """Bytes of answers in memory, as the server counts them."""
        self._is_silent = False
        """Nothing is read, and nothing that came is handled: it is muted or held."""
        self._is_held = False
        """It has not been accepted yet."""
        self._muted: asyncio.TimerHandle | None = None
        """Until when it is muted."""
        self.stalled = 0
        """How many seconds long nothing of the debt was taken."""
        self._seen_unsent = 0
        """What the transport had to send when that was last looked at."""

    def close(self) -> None:
        """Send what is buffered, then close."""
        raise NotImplementedError

    def _update_reading(self) -> None:
        """Read on, or stop reading, as what waits here allows."""
        raise NotImplementedError

    def go_on(self) -> None:
        """Something that stood in the way may be gone."""
        raise NotImplementedError

    @property
    def _is_stopped(self) -> bool:
        """Whether something waits here for room, or for a turn."""
        raise NotImplementedError

    def mute(self, seconds: float) -> None:
        """Its client has used too much: handle nothing more for so long. What is answered is sent
        all the same."""
        if self._closing:
            return
        loop = self._server.loop
        if self._muted is not None:
            if self._muted.when() >= loop.time() + seconds:
                return
            self._muted.cancel()
        self._server.note("connection_muted", seconds=seconds)
        self._muted = loop.call_later(seconds, self._unmute)
        self._is_silent = True
        self._update_reading()

    def _unmute(self) -> None:
        self._muted = None
        self._is_silent = False
        self.go_on()

    def hold(self) -> None:
        """It has just come, and waits to be accepted."""
        self._is_held = self._is_silent = True
        self._server.loop.call_soon(self._update_reading)  # uvloop begins to read only now

    def let_go(self) -> None:
        """It is accepted."""
        if self._is_held:
            self._is_held = self._is_silent = False
            self.go_on()

    # Requests

    def _receive(self, frame: memoryview) -> bool:
        """Serve one request; whether that goes on in some other way than an answer at once."""
        request = self._read(frame)
        if (len(frame) > limits.STEPPED_FRAME_BYTES and request.api_key != ApiKey.PRODUCE) or (
            self._turns.is_waited_for and self._is_heavy(request)
        ):
            self._decode(request, self._new_slot())
            return True
        if self._slots:
            return self._handle(request, self._new_slot())
        try:
            answer = self._dispatch(request)
        except InvalidRequest:
            raise
        except Exception as error:
            self._failed(request, self._new_slot(), error)
            return False
        if request.from_broker:
            self.is_first = True
        if isinstance(answer, list):
            self._ready += answer
            self._ready_bytes += len(answer[0]) if len(answer) == 1 else sum(map(len, answer))
            return False
        return answer is not None and self._take_answer(request, self._new_slot(), answer)

    def _read(self, frame: memoryview) -> Request:
        """Who asks what. Raises InvalidRequest."""
        header, body_offset = parse_request_header(frame)
        request = Request(header, frame, body_offset, self._client_host, self._listener, self)
        if header[0] in _FROM_BROKERS and self._server.is_for_brokers(self._listener):
            self.is_first = request.from_broker = True
            request.connection = self._number
        return request

    def _new_slot(self) -> Slot:
        slot = Slot()
        self._slots.append(slot)
        self._unready += 1
        return slot

    def _is_heavy(self, request: Request) -> bool:
        """Whether a client's request may take milliseconds: those that take less go before it."""
        is_large = request.api_key == ApiKey.FETCH or len(request.frame) > limits.LARGE_FRAME_BYTES
        return is_large and not self.is_first

    def _decode(self, request: Request, slot: Slot) -> None:
        """Read the body in steps, in a later turn if others wait, then handle it."""

        def decoded(_: None, error: BaseException | None) -> None:
            if error is None:
                self._handle(request, slot)
            elif isinstance(error, InvalidRequest):
                raise InvalidRequest(str(error))
            else:
                self._failed(request, slot, error)

        self._server.dispatcher.check(request)
        self._wait(slot, request)
        size = len(request.frame)
        grows = size > limits.STEPPED_FRAME_BYTES and request.api_key != ApiKey.PRODUCE
        is_long = grows and (size > limits.LARGE_FRAME_BYTES or self._turns.has_long)
        work = Work(request.decode_in_steps(), decoded, is_long=is_long, begun=not grows)
        work.paused = lambda: self._wait(slot, request)
        self._works.append(work)

    def _handle(self, request: Request, slot: Slot) -> bool:
        """As ``_receive``. Raises InvalidRequest."""
        if self._unready > 1 and request.api_key in IN_TURN and self._slots[0] is not slot:
            self._wait(slot, request)
            slot.request = request
            return False
        try:
            answer = self._dispatch(request)
        except InvalidRequest:
            raise
        except Exception as error:
            self._failed(request, slot, error)
            return False
        if request.from_broker:
            self.is_first = True
        return self._take_answer(request, slot, answer)

    def _take_answer(self, request: Request, slot: Slot, answer: Answer) -> bool:
        """Fill the slot, now or when the answer is there; whether it took a task or steps."""
        if answer is None or isinstance(answer, list):
            self._put(slot, answer)
            return False
        self._wait(slot, request)
        if isinstance(answer, Promise):
            if answer.given_up is not None and slot.given_up is None:
                self._polls += 1
                slot.given_up = answer.given_up
            to_pieces = answer.to_pieces
            when_done(
                answer.decision,
                lambda decision: self._decided(request, slot, decision, to_pieces),
            )
            return False
        if isinstance(answer, CoroutineType):
            self._turns.charge(self, TASK_COST_S)
            self._server.spawn(self._await(request, slot, answer), answer, *request.awaited)
            return True

        def worked(pieces: Any, error: BaseException | None) -> None:
            if error is None:
                self._take_answer(request, slot, pieces)
            elif isinstance(error, InvalidRequest):
                raise error
            else:
                self._failed(request, slot, error)

        is_long = len(request.frame) > limits.LARGE_FRAME_BYTES
        self._works.append(
            Work(
                cast("Steps[Pieces]", answer),
                worked,
                is_long=is_long,
                is_needed=request.api_key == ApiKey.PRODUCE,
            )
        )
        return False

    def _wait(self, slot: Slot, request: Request) -> None:
        """The request goes on waiting in memory."""
        decoded = request.elements * limits.DECODED_ELEMENT_BYTES
        self.decoded_bytes += decoded - slot.decoded_bytes
        slot.decoded_bytes = decoded
        size = len(request.frame) + decoded + limits.WAITING_REQUEST_BYTES
        if slot.request_bytes != size:
            self._request_bytes += size - slot.request_bytes
            slot.request_bytes = size

    def _decided(
        self,
        request: Request,
        slot: Slot,
        decision: asyncio.Future[Any],
        to_pieces: Callable[[Any], Pieces | Steps[Pieces]],
    ) -> None:
        if self._closing:
            return
        if decision.cancelled():
            self.close()
            return
        error = decision.exception()
        if error is None:
            try:
                made = to_pieces(decision.result())
                if isinstance(made, list):
                    self._fill(slot, made)
                else:
                    self._take_answer(request, slot, made)
                    # Later: this may be the turn of a request that came on this connection too.
                    self._server.loop.call_soon(self._turns.arrived, self)
            except Exception as failed:
                error = failed
        if error is not None:
            self._failed(request, slot, error)

    async def _await(
        self, request: Request, slot: Slot, answer: Coroutine[Any, Any, Pieces | None]
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

        self._works.append(Work(steps, done, future=future))
        self._turns.arrived(self)
        return future

    def gone(self) -> asyncio.Future[None]:
        """Done when this connection has ended."""
        if self._gone is None:
            self._gone = self._server.loop.create_future()
            if self._closing:
                self._gone.set_result(None)
        return self._gone

    def _may_work(self, work: Work) -> bool:
        """Whether there is room for it now; else it gets a turn when there is."""
        if not work.begun and self._server.must_not_begin(cast("C", self)):
            self._turns.long_done(self)
            return False
        return not work.is_long or self._turns.may_go_on(self, begun=work.begun)

    def _work(self, until: float) -> bool:
        """Go on with the first of the long work; whether it has come to its end."""
        work, clock = self._works[0], self._turns.clock
        if not self._may_work(work):
            return False
        work.begun = True
        result: Any = None
        failed: Exception | None = None
        try:
            for step in range(STEPS_PER_SHARE):
                next(work.steps)
                if step % STEPS_PER_LOOK == 0 and clock() >= until:
                    break
            work.paused()
            work.shares += 1
            work.is_long = work.is_long or work.shares >= SHARES_BEFORE_LONG
            return False
        except StopIteration as end:
            result = end.value
        except InvalidRequest as error:
            # Its traceback holds what was decoded, in a circle with this call: for how long, only
            # the collector knows.
            failed = InvalidRequest(str(error))
        except Exception as error:
            failed = error
        if self._closing:
            return False
        self._works.popleft()
        try:
            work.done(result, failed)
        finally:
            if work.is_long:
                if self._works:
                    self._works[0].is_long = True  # the next part of the same, in its place
                else:
                    self._turns.long_done(self)
        return True

    # Answers

    def _fill(self, slot: Slot, pieces: Pieces | None) -> None:
        """An answer that was waited for is there."""
        if self._closing:
            return
        self._put(slot, pieces)
        if self._slots and self._slots[0] is slot:
            if len(self._slots) == 1 and not (self._ready or self._is_stopped):
                self.flush()  # nothing is to be written together with it, and nothing waits for it
            else:
                self._server.flush_soon(cast("C", self))
        else:
            self._count_debt()

    def _put(self, slot: Slot, pieces: Pieces | None) -> None:
        slot.pieces = pieces
        slot.ready = True
        self._unready -= 1
        if slot.given_up is not None:
            slot.given_up = None
            self._polls -= 1
        if pieces is not None:
            size = len(pieces[0]) if len(pieces) == 1 else sum(map(len, pieces))
            slot.answer_bytes = size
            self._ready_bytes += size

    def flush(self) -> None:
        """Write every answer that is ready and next in order."""
        slots = self._slots
        out, self._ready = self._ready, []
        size = sum(map(len, out))
        refusal: str | None = None
        try:
            while slots and self._is_next_ready():
                slot = slots.popleft()
                if slot.pieces is not None:
                    out += slot.pieces
                    size += slot.answer_bytes
                self._request_bytes -= slot.request_bytes
                self.decoded_bytes -= slot.decoded_bytes
        except InvalidRequest as error:
            refusal = str(error)
        self._ready_bytes -= size
        if out:
            self._write(out)
        if self._writing_paused or self._ready_bytes or self.debt:
            self._count_debt()
        if self.held:
            self._update_reading()
        if refusal is not None:
            self._refuse(refusal)

    def _write(self, pieces: Pieces) -> None:
        if self._transport is None or self._closing:
            return
        if len(pieces) == 1:
            self._transport.write(pieces[0])
        elif sum(map(len, pieces)) <= JOIN_BYTES_MAX:
            self._transport.write(b"".join(pieces))
        else:
            # Without empty ones: asyncio of Python 3.12 and 3.13 offers one at the end for ever.
            self._transport.writelines([piece for piece in pieces if piece])
        if self._writing_paused:
            self._unsent_bytes += sum(map(len, pieces))

    def _is_next_ready(self) -> bool:
        """Whether the oldest request has its answer; it is handled if it waited for its turn.
        Raises InvalidRequest."""
        slot = self._slots[0]
        request, slot.request = slot.request, None
        if request is not None:
            self._handle(request, slot)
        return slot.ready

    def _count_debt(self) -> None:
        """Tell the server what this connection owes, if it is more than a little."""
        debt = self._ready_bytes
        if self._writing_paused:
            debt += self._unsent_bytes
        if debt != self.debt:
            self._server.count_debt(cast("C", self), debt)

    def check_debt(self) -> None:
        """Once a second: is what it owes being taken?"""
        before = self._seen_unsent
        self._count_debt()
        self._seen_unsent = self._ready_bytes
        if self._writing_paused and self._transport is not None:
            self._seen_unsent += self._transport.get_write_buffer_size()
        self.stalled = self.stalled + 1 if self._seen_unsent >= before > 0 else 0

    # Faults

    def _refuse(self, why: str) -> None:
        """The peer broke the protocol: there is no answer to that, its connection ends."""
        log.warning("closing connection from %s: %s", self._client_host, why)
        self._server.dispatcher.services.env.observer.note("request_refused", why=why)
        self.flush()
        self.close()

    def _failed(self, request: Request, slot: Slot, error: BaseException) -> None:
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
