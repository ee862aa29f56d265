"""The broker's side of protocol faults: a dispatcher that asks before it serves a request.

A broker outside of test clusters has a plain dispatcher, which costs nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from types import CoroutineType
from typing import Any, Final, Protocol, cast

from barnabas.api.dispatch import Dispatcher
from barnabas.api.request import Answer, Pieces, Promise, Request, Steps
from barnabas.api.services import Services
from barnabas.api.unexpected import error_answer
from barnabas.broker.connection import ClientConnection
from barnabas.errors import ErrorCode
from barnabas.protocol import codec
from barnabas.protocol.api import ApiKey
from barnabas.protocol.fetch import (
    FetchPartitionData,
    FetchTopicData,
    encode_fetch_response,
)
from barnabas.protocol.header import parse_request_header, parse_response_header
from barnabas.protocol.message import ApiMessage, ResponseMessage
from barnabas.protocol.messages.fetch import FetchRequest
from barnabas.protocol.messages.metadata import MetadataResponse
from barnabas.protocol.messages.produce import ProduceRequest, ProduceResponse
from barnabas.testing.faults import Question, Verdict
from barnabas.testing.links import CLIENTS, Directory
from barnabas.types import ZERO_UUID

OBSERVER_ID: Final = "barnabas-observer"
"""The client id with which a test cluster looks at its own state. Faults do not apply to it."""
_TEXT: Final = "A fault of the test."
_SIZE_BYTES = 4
_NUMBERS = ("index", "partition", "partition_index")


class Judge(Protocol):
    """Decides what happens to requests."""

    watched: frozenset[int]
    """The APIs that have rules."""

    def judge(self, question: Question) -> Verdict | Awaitable[Verdict | None] | None: ...


class FaultyDispatcher(Dispatcher):
    """A dispatcher that serves requests as the judge decides."""

    def __init__(
        self, services: Services, judge: Judge, members: Directory, inner: Dispatcher
    ) -> None:
        """``inner`` serves what the judge has nothing against."""
        super().__init__(services)
        self._inner = inner
        self._judge = judge
        self._members = members
        self._turns: dict[Any, asyncio.Future[None]] = {}
        """For each connection a future that is done when its last delayed request has begun."""

    def handle(self, request: Request) -> Answer:
        earlier = self._turns.get(request.line)
        if request.api_key not in self._judge.watched or self._is_ours(request):
            if earlier is None:
                return self._inner.handle(request)
            verdict: Verdict | Awaitable[Verdict | None] | None = None
        else:
            self.check(request)
            verdict = self._judge.judge(self._question(request))
            if verdict is None and earlier is None:
                return self._inner.handle(request)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turns[request.line] = turn
        return self._in_turn(request, earlier, turn, verdict)

    def _is_ours(self, request: Request) -> bool:
        """Whether the cluster itself sent the request, not a client."""
        if request.client_id == OBSERVER_ID:
            return True
        return self._members.at_address(request.client_host) != CLIENTS

    def _question(self, request: Request) -> Question:
        return Question(
            api=request.api_key,
            broker=self.services.broker_id,
            client_id=request.client_id,
            partitions=self._partitions(request),
        )

    def _partitions(self, request: Request) -> list[tuple[str, int | None]]:
        """The partitions that the request names, and for a Fetch those of its session."""
        body = request.body()
        found = list(_named(body, self.services.metadata.topic_name))
        if isinstance(body, FetchRequest) and body.session_epoch > 0:
            held = self.services.replicas.fetch_session(int(body.session_id))
            found += [(str(p.topic_partition.topic), p.partition) for p in held]
        return found

    async def _in_turn(
        self,
        request: Request,
        earlier: asyncio.Future[None] | None,
        turn: asyncio.Future[None],
        verdict: Verdict | Awaitable[Verdict | None] | None,
    ) -> Pieces:
        try:
            if earlier is not None:
                await earlier
            given = verdict if verdict is None or isinstance(verdict, dict) else await verdict
            given = given or {}
            if "delay_ms" in given:
                await asyncio.sleep(given["delay_ms"] / 1000)
            if given.get("disconnect") and not given.get("drop_response"):
                return _cut_off(request)
            answer = self._begin(request, given)
        finally:
            if self._turns.get(request.line) is turn:
                del self._turns[request.line]
            turn.set_result(None)
        pieces = await _whole(answer)
        if given.get("drop_response"):
            if given.get("disconnect"):
                return _cut_off(request)
            await asyncio.get_running_loop().create_future()
        if "throttle_ms" in given and pieces is not None:
            pieces = _throttled(request, pieces, given["throttle_ms"])
        return cast("Pieces", pieces)

    def _begin(self, request: Request, verdict: Verdict) -> Answer:
        if "error" not in verdict:
            return self._inner.handle(request)
        error = ErrorCode(verdict["error"])
        body = request.body()
        if isinstance(body, ProduceRequest):
            return self._refuse_produce(request, body, error, verdict)
        if isinstance(body, FetchRequest):
            return self._refuse_fetch(request, body, error, verdict)
        if request.api_key == ApiKey.METADATA:
            return self._refuse_metadata(request, error, verdict)
        return error_answer(request, error, _TEXT) or _cut_off(request)

    def _refuse_produce(
        self, request: Request, body: ProduceRequest, error: ErrorCode, verdict: Verdict
    ) -> Answer:
        """Refuse the partitions that the rule names, and write the others."""
        if body.acks == 0:
            return _cut_off(request)  # without acks a broker closes the connection for an error
        rest = [
            ProduceRequest.TopicProduceData(name=t.name, partition_data=kept)
            for t in body.topic_data
            if (kept := [p for p in t.partition_data if not _meant(verdict, t.name, p.index)])
        ]
        refused = error_answer(request, error, _TEXT)
        if not rest or refused is None:
            return refused
        body.topic_data = rest
        return self._written_and_refused(_with_body(request, body), refused, verdict)

    async def _written_and_refused(
        self, rest: Request, refused: Pieces, verdict: Verdict
    ) -> Pieces:
        written = _decoded(rest, await _whole(super().handle(rest)) or [])
        errors = _decoded(rest, refused)
        assert isinstance(written, ProduceResponse)
        assert isinstance(errors, ProduceResponse)
        written.responses = [
            *written.responses,
            *(
                ProduceResponse.TopicProduceResponse(
                    name=topic.name,
                    partition_responses=[
                        p for p in topic.partition_responses if _meant(verdict, topic.name, p.index)
                    ],
                )
                for topic in errors.responses
            ),
        ]
        return rest.answer(written)

    def _refuse_fetch(
        self, request: Request, body: FetchRequest, error: ErrorCode, verdict: Verdict
    ) -> Pieces:
        """Answer the error for the partitions that the rule names, and no records for others. The
        answer ends a fetch session."""
        topics: dict[str, FetchTopicData] = {}
        by_id = self.services.metadata.topic_id
        for name, number in dict.fromkeys(self._partitions(request)):
            entry = topics.setdefault(name, FetchTopicData(name, by_id(name) or ZERO_UUID, []))
            code = int(error) if _meant(verdict, name, number) else 0
            entry.partitions.append(FetchPartitionData(number or 0, code))
        return encode_fetch_response(
            request.api_version, request.correlation_id, list(topics.values())
        )

    async def _refuse_metadata(
        self, request: Request, error: ErrorCode, verdict: Verdict
    ) -> Pieces:
        """The answer, with the error for the topics that the rule names."""
        answer = _decoded(request, await _whole(self._inner.handle(request)) or [])
        assert isinstance(answer, MetadataResponse)
        for topic in answer.topics:
            if _meant(verdict, topic.name or "", None):
                topic.error_code = int(error)
                topic.partitions = ()
        return request.answer(answer)


def _meant(verdict: Verdict, topic: str, partition: int | None) -> bool:
    if verdict.get("topic") is None:
        return True
    number = verdict.get("partition")
    return bool(verdict["topic"] == topic and (number is None or partition in (None, number)))


def _named(
    message: Any, name_of: Any, *, is_topic: bool = False
) -> Iterator[tuple[str, int | None]]:
    """(topic, partition) for everything that a request of any API names."""
    if is_topic:
        name = getattr(message, "name", None) or getattr(message, "topic", None)
        name = name or name_of(getattr(message, "topic_id", None)) or ""
        numbers = [
            number
            for field in message.__struct_fields__
            if field.startswith("partition") and not isinstance(getattr(message, field), int)
            for number in getattr(message, field) or ()
        ]
        if not numbers:
            yield str(name), None
        for number in numbers:
            found = [getattr(number, n) for n in _NUMBERS if hasattr(number, n)]
            yield str(name), int(found[0] if found else number)
        return
    for field in getattr(message, "__struct_fields__", ()):
        value = getattr(message, field)
        if isinstance(value, list | tuple):
            for element in value:
                if hasattr(element, "__struct_fields__"):
                    is_one = "topic" in field and not field.startswith("forgotten")
                    yield from _named(element, name_of, is_topic=is_one)


def _cut_off(request: Request) -> Pieces:
    """No answer: the connection is closed."""
    assert isinstance(request.line, ClientConnection)
    request.line.abort()
    return cast("Pieces", None)


async def _whole(answer: Any) -> Pieces | None:
    """Wait for an answer of any form, and return its bytes."""
    while True:
        if answer is None or isinstance(answer, list):
            return answer
        if isinstance(answer, Promise):
            answer = answer.to_pieces(await answer.decision)
        elif isinstance(answer, CoroutineType):
            answer = await answer
        else:
            answer = await _run_steps(answer)


async def _run_steps(steps: Steps[Any]) -> Any:
    """Run long work to its end; other tasks run at each pause."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
        await asyncio.sleep(0)


def _with_body(request: Request, body: ApiMessage) -> Request:
    """The same request with another body."""
    frame = codec.encode_request(
        request.api_key, request.api_version, request.correlation_id, request.client_id, body
    )
    view = memoryview(bytearray(frame))[_SIZE_BYTES:]
    header, offset = parse_request_header(view)
    other = Request(header, view, offset, request.client_host, request.listener, request.line)
    other.security_protocol, other.principal = request.security_protocol, request.principal
    return other


def _decoded(request: Request, pieces: Pieces) -> ResponseMessage:
    frame = memoryview(b"".join(pieces))[_SIZE_BYTES:]
    _, offset = parse_response_header(request.api_key, request.api_version, frame)
    answer = codec.decode_response(request.api_key, request.api_version, frame, offset)
    return cast("ResponseMessage", answer)


def _throttled(request: Request, pieces: Pieces, ms: int) -> Pieces:
    answer = _decoded(request, pieces)
    if not hasattr(answer, "throttle_time"):
        return pieces
    answer.throttle_time = ms
    return request.answer(answer)
