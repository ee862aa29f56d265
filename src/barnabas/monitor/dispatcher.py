"""RequestChannel.updateRequestMetrics: a dispatcher that counts all requests and times some."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import Any, cast

from barnabas.api.dispatch import Dispatcher
from barnabas.api.registry import Handler
from barnabas.api.request import Answer, Pieces, Promise, Request, Steps
from barnabas.api.services import Services
from barnabas.api.throttling import metered
from barnabas.observe.requests import ApiFigures, RequestFigures, Served
from barnabas.protocol.api import API_TABLE, ApiKey

CONSUMER, FOLLOWER = 0, 1
FETCH_KINDS = ("FetchConsumer", "FetchFollower")


class CountingDispatcher(Dispatcher):
    """A ``Dispatcher`` that also counts and times requests."""

    def __init__(self, services: Services, figures: RequestFigures) -> None:
        super().__init__(services)
        self.figures = figures
        self._clock = services.env.stopwatch
        self._loop = asyncio.get_running_loop()
        self._known: dict[tuple[int, int], tuple[Handler, Served]] = {}

    def handle(self, request: Request) -> Answer:
        """The answer of the request's handler. Raises InvalidRequest, as ``check`` does."""
        known = self._known.get((request.api_key, request.api_version))
        if known is None:
            known = self._know(request)
        handler, served = known
        request.served = served
        served.count += 1
        if not served.count & (served.every - 1):
            return self._measured(request, handler, served)
        if self.services.quotas.in_force and request.line is not None:
            return metered(self.services, request, handler)
        return handler(self.services, request)

    def _know(self, request: Request) -> tuple[Handler, Served]:
        handler = self._find(request)
        key, version = request.api_key, request.api_version
        api = API_TABLE[ApiKey(key)]
        if not api.serves(version):
            return handler, Served(api.name, version, self.figures.of(api.name))
        known = self._known[key, version] = (handler, self.figures.serve(key, version, api.name))
        return known

    def _measured(self, request: Request, handler: Handler, served: Served) -> Answer:
        began = self._clock()
        served.adapt(began)
        served.bytes += len(request.frame) * served.every
        arrived = getattr(request.line, "last_active", None)
        queued = 0.0 if arrived is None else max(0.0, self._loop.time() - arrived)
        if self.services.quotas.in_force and request.line is not None:
            answer = metered(self.services, request, handler)
        else:
            answer = handler(self.services, request)
        local = self._clock() - began
        all_figures = [served.figures]
        if request.api_key == ApiKey.FETCH:
            kind = FOLLOWER if request.from_broker else CONSUMER
            all_figures.append(self.figures.of(FETCH_KINDS[kind]))
        measure = _Measure(self._clock, self._loop, all_figures, queued, local)
        if isinstance(answer, CoroutineType):
            request.awaited += (answer,)
        return measure.of(answer)


class _Measure:
    """One request whose times are taken until its answer is written."""

    __slots__ = ("_clock", "_figures", "_handled", "_local", "_loop", "_queued", "_ready")

    def __init__(
        self,
        clock: Callable[[], float],
        loop: asyncio.AbstractEventLoop,
        figures: list[ApiFigures],
        queued: float,
        local: float,
    ) -> None:
        self._clock = clock
        self._loop = loop
        self._figures = figures
        self._queued = queued
        self._local = local
        self._handled = clock()
        self._ready = 0.0

    def of(self, answer: Answer) -> Answer:
        """The same answer, wrapped so that the time of its completion is taken."""
        if answer is None or isinstance(answer, list):
            self._is_ready(None)
            return answer
        if isinstance(answer, Promise):
            answer.decision.add_done_callback(self._is_ready)
            return answer
        if isinstance(answer, CoroutineType):
            return self._awaited(answer)
        return cast("Answer", self._stepped(answer))

    async def _awaited(self, answer: Coroutine[Any, Any, Pieces]) -> Pieces:
        pieces = await answer
        self._is_ready(None)
        return pieces

    def _stepped(self, steps: Any) -> Steps[Any]:
        result = yield from steps
        if result is None or isinstance(result, list):
            self._is_ready(None)
            return result
        return self.of(result)

    def _is_ready(self, _: object) -> None:
        self._ready = self._clock()
        self._loop.call_soon(self._is_written)

    def _is_written(self) -> None:
        written = self._clock()
        remote, waited = self._ready - self._handled, written - self._ready
        for figures in self._figures:
            figures.queue.add(self._queued)
            figures.local.add(self._local)
            figures.remote.add(remote)
            figures.response_queue.add(waited)
            figures.total.add(self._queued + self._local + remote + waited)
