"""RequestChannel.Request: one request on its way through a broker, and the forms of its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator, Iterable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from barnabas import limits
from barnabas.errors import ErrorCode
from barnabas.protocol.api import CONTROLLER_APIS, ApiKey
from barnabas.protocol.codec import (
    decode_request,
    decode_request_in_steps,
    encode_response,
    encode_response_in_steps,
)
from barnabas.protocol.header import RequestHeader
from barnabas.protocol.message import ApiMessage, ResponseMessage
from barnabas.quotas.meter import Meter
from barnabas.replication.orders import Sender
from barnabas.security.principal import ANONYMOUS, KafkaPrincipal
from barnabas.types import Buffer

if TYPE_CHECKING:
    from barnabas.observe.requests import Served

T = TypeVar("T")
V = TypeVar("V")
M = TypeVar("M", bound=ApiMessage)

ITEMS_AT_ONCE = 32
"""How many items of a long request a coroutine looks at before it lets others run."""

Pieces: TypeAlias = list[Buffer]
"""A whole response frame, its size prefix included, in pieces that are written as they are."""

Steps: TypeAlias = Generator[int, None, T]
"""Work that may take more than a few milliseconds, as a generator. Where it yields (any number) it
may be paused: when the connection's share of a turn is used up, others are served first."""


class Promise:
    """An answer that is made when a future is done."""

    __slots__ = ("decision", "given_up", "to_pieces")

    def __init__(
        self,
        decision: asyncio.Future[Any],
        to_pieces: Callable[[Any], Pieces | Steps[Pieces]],
        given_up: Callable[[], Any] | None = None,
    ) -> None:
        self.decision = decision
        self.to_pieces = to_pieces
        self.given_up = given_up
        """Called if the connection ends before the answer."""


Answer: TypeAlias = "Pieces | Promise | Coroutine[Any, Any, Pieces] | Steps[Answer] | None"
"""What a handler returns: the frame, a promise of it, a coroutine or steps that make it, or None
(acks=0). Steps may also end with any of these. In any form, the answers on a connection are sent in
the order of its requests."""


def each(items: Iterable[V], make: Callable[[V], T]) -> Steps[list[T]]:
    """``[make(item) for item in items]`` in steps."""
    made: list[T] = []
    for item in items:
        made.append(make(item))
        yield 1
    return made


def at_once(steps: Steps[T]) -> T:
    """The result of steps that are carried out without pauses."""
    try:
        while True:
            next(steps)
    except StopIteration as end:
        result: T = end.value
        return result


class Runner(Protocol):
    """Carries out long work in turns with that of others."""

    software: tuple[str, str]
    """Name and version of the client."""

    def run(self, steps: Steps[Any], /) -> asyncio.Future[Any]: ...

    def mute(self, seconds: float, /) -> None:
        """Serve no more requests of this connection for this time."""
        ...

    def gone(self) -> asyncio.Future[None]:
        """Done when the client has disconnected."""
        ...


class Request:
    """A request whose header has been read. One is made for each request, so it must be cheap:
    attributes that mostly have their default stay in the class until they are set."""

    security_protocol: str = "PLAINTEXT"
    """The listener's: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."""
    principal: KafkaPrincipal = ANONYMOUS
    """The sender, as the listener has authenticated it."""
    by_token: bool = False
    """Whether the sender has logged in with a delegation token."""
    decoded: ApiMessage | None = None
    """The body, if it was already decoded in steps."""
    from_broker: bool = False
    """Whether it says that another broker sent it. If so, it does not wait behind clients."""
    connection: int = 0
    """The number of its connection, if it says that another broker sent it. Connections that came
    later have greater numbers; 0 if it is not known."""
    meter: Meter | None = None
    """Counts what it uses of its sender's quotas; None while no quota is set."""
    awaited: tuple[Coroutine[Any, Any, Any], ...] = ()
    """Coroutines that those await which a handler's answer was wrapped into. They are closed if
    nobody begins to await them."""
    served: Served | None = None
    """Counts requests of its API, if metrics are served."""
    elements: int = 0
    """The number of structs and partitions that it is decoded to, if there are many: they take
    memory while it waits."""

    def __init__(
        self,
        header: RequestHeader,
        frame: memoryview,
        body_offset: int,
        client_host: str,
        listener: str,
        line: Runner | None = None,
    ) -> None:
        self.api_key, self.api_version, self.correlation_id, self.client_id = header
        self.frame = frame
        """The whole frame without its size prefix. It is writable and not reused before the answer
        is sent."""
        self.body_offset = body_offset
        """Where the body begins in ``frame``."""
        self.client_host = client_host
        """Address of the client, as text."""
        self.listener = listener
        """The name of the connection's listener. Endpoints in answers are those of this
        listener."""
        self.line = line
        """The connection, which carries out long work in turns."""

    @property
    def sender(self) -> Sender:
        """Which controller sends an order, and over which of its connections."""
        return Sender(self.client_id or "", self.connection)

    def decode(self, kind: type[M]) -> M:
        """The body; ``kind`` is the class of this API's requests. Raises InvalidRequest."""
        message = self.body()
        assert isinstance(message, kind)
        return message

    def body(self) -> ApiMessage:
        """The body of a request of any API."""
        if self.decoded is not None:
            return self.decoded
        return decode_request(self.api_key, self.api_version, self.frame, self.body_offset)

    def decode_in_steps(self) -> Steps[None]:
        """Decode a large body, which ``decode`` then returns. Raises InvalidRequest. Fetch and
        Produce are decoded by their handlers; here they only wait until they may begin."""
        if self.api_key in (ApiKey.FETCH, ApiKey.PRODUCE):
            return
        steps = decode_request_in_steps(
            self.api_key,
            self.api_version,
            self.frame,
            self.body_offset,
            elements_max=limits.CONTROLLER_REQUEST_ELEMENTS_MAX
            if self.api_key in CONTROLLER_APIS
            else limits.REQUEST_ELEMENTS_MAX,
        )
        try:
            while True:
                self.elements += next(steps)
                yield 1
        except StopIteration as end:
            self.decoded, self.elements = end.value

    async def in_turns(self, steps: Steps[T]) -> T:
        """For coroutines: the result of long work, done in turns with other connections."""
        if self.line is None:
            return at_once(steps)
        result: T = await self.line.run(steps)
        return result

    def in_steps_if_long(self, steps: Steps[T]) -> T | Steps[T]:
        """For handlers whose work grows with the request: a short request is done at once, a long
        one in steps."""
        if len(self.frame) <= limits.STEPPED_FRAME_BYTES:
            return at_once(steps)
        return steps

    async def in_turns_if_long(self, steps: Steps[T]) -> T:
        """``in_steps_if_long`` for coroutines."""
        if len(self.frame) <= limits.STEPPED_FRAME_BYTES:
            return at_once(steps)
        return await self.in_turns(steps)

    async def while_asked(self, wait: Coroutine[Any, Any, T]) -> T:
        """For coroutines: wait as long as the client is connected. Raises CancelledError when it is
        not, as ``in_turns`` does. Only for waits that have no effect if they are abandoned."""
        if self.line is None:
            return await wait
        gone = self.line.gone()
        waiting = asyncio.get_running_loop().create_task(wait)
        try:
            await asyncio.wait((waiting, gone), return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                raise asyncio.CancelledError
            return waiting.result()
        finally:
            waiting.cancel()

    async def give_way(self) -> None:
        """For coroutines: let other connections be served now."""
        await self.in_turns(each((None,), lambda _: None))

    async def give_way_at(self, position: int) -> None:
        """``give_way`` for a loop over the items of a request: once for each ``ITEMS_AT_ONCE``."""
        if position % ITEMS_AT_ONCE == ITEMS_AT_ONCE - 1:
            await self.give_way()

    def answer(self, message: ResponseMessage) -> Pieces:
        """``message`` as the response frame of this request."""
        if self.served is not None:
            self.count_error(getattr(message, "error_code", 0))
        return [encode_response(self.api_key, self.api_version, self.correlation_id, message)]

    def count_error(self, code: int) -> None:
        """It, or a partition of it, is answered with this code."""
        if code and self.served is not None:
            self.served.figures.failed(error_name(code))

    def answer_in_steps(self, message: ResponseMessage) -> Steps[Pieces]:
        """``answer`` for a message that may be long."""
        frame = yield from encode_response_in_steps(
            self.api_key, self.api_version, self.correlation_id, message
        )
        return [frame]


def error_name(code: int) -> str:
    """Kafka's name of an error code."""
    try:
        return ErrorCode(code).name
    except ValueError:
        return f"error {code}"


def api_name(api_key: int) -> str:
    """The API's name for logs, or its number."""
    try:
        return ApiKey(api_key).name
    except ValueError:
        return f"api {api_key}"
