"""RequestHandlerHelper, ThrottledChannel: requests are metered while anybody has a quota.

Who has used too much is answered at once, and told how long to wait. Then his connection is muted
for so long: it is not read, and nothing that came on it is handled. Handlers need not know of it.
Produce and Fetch do, and those that create or delete partitions: they charge more than time.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import Any, cast

from barnabas.api.registry import Handler
from barnabas.api.request import Answer, Pieces, Promise, Request, Steps
from barnabas.api.services import Services
from barnabas.protocol.api import ApiKey
from barnabas.protocol.throttle_time import with_throttle_time
from barnabas.quotas.meter import Meter

TASK_S = 0.0001
"""Charged for a request that goes on in a task of its own, where its time is not seen."""
EXEMPT = frozenset(
    {
        ApiKey.LEADER_AND_ISR,
        ApiKey.STOP_REPLICA,
        ApiKey.UPDATE_METADATA,
        ApiKey.CONTROLLED_SHUTDOWN,
        ApiKey.WRITE_TXN_MARKERS,
        ApiKey.ALTER_PARTITION,
    }
)
"""Nobody waits for these, unless they are refused to their sender."""
Charge = Callable[[float], None]


def metered(services: Services, request: Request, handler: Handler) -> Answer:
    """The answer of ``handler``, whose sender is charged."""
    meter = request.meter = Meter(
        services.quotas, request.principal.name, request.client_id or "", services.env.stopwatch
    )
    meter.is_exempt = request.api_key in EXEMPT
    if request.api_key == ApiKey.PRODUCE:
        # Before it is carried out: what its sender has sent behind it waits already.
        _mute(
            services,
            request,
            meter.produced(len(request.frame), services.replicas.context.now_ms()),
        )
    meter.begin()
    try:
        answer = handler(services, request)
    finally:
        meter.end()
    return cast("Answer", _charged(services, request, meter, answer))


def throttle_ms(services: Services, request: Request) -> int:
    """What to answer as ``throttle_time_ms``; the connection is muted for so long."""
    meter = request.meter
    if meter is None:
        return 0
    return _mute(services, request, meter.charge_time(services.replicas.context.now_ms()))


def fetch_throttle_ms(services: Services, request: Request, size: int) -> int:
    """The same for a Fetch whose answer would have ``size`` bytes: nothing of it is sent if its
    reader has to wait."""
    meter = request.meter
    if meter is None:
        return 0
    return _mute(services, request, meter.fetched(size, services.replicas.context.now_ms()))


def _nothing(partitions: float) -> None:
    """Nobody is charged."""


def mutation_charge(
    services: Services, request: Request, *, strict: bool, told: bool = True
) -> Charge:
    """What is called before partitions are created or deleted, with their number (KIP-599).
    ``strict``: clients of this version are refused what exceeds their quota, and it raises
    THROTTLING_QUOTA_EXCEEDED. ``told``: a wait is told in the answer."""
    if request.meter is None:
        return _nothing
    quota = request.meter.mutate(strict=strict, told=told)
    return lambda partitions: quota.record(partitions, services.replicas.context.now_ms())


def _mute(services: Services, request: Request, wait_ms: int) -> int:
    if wait_ms > 0 and request.line is not None:
        services.env.observer.note(
            "quota_violated",
            principal=str(request.principal),
            client_id=request.client_id,
            peer=request.client_host,
            wait_ms=wait_ms,
        )
        if request.served is not None:
            request.served.figures.throttled += 1
            request.served.figures.throttle.add(wait_ms / 1000)
        request.line.mute(wait_ms / 1000)
    return wait_ms


def _charged(services: Services, request: Request, meter: Meter, answer: Any) -> Any:
    """The answer in its form, charged as soon as it is made."""
    if isinstance(answer, list):
        return _told(services, request, meter, answer)
    if answer is None:  # Produce with acks=0: its time counts as a broker's
        meter.is_exempt = True
        meter.charge_time(services.replicas.context.now_ms())
        return None
    if isinstance(answer, Promise):
        to_pieces = answer.to_pieces

        def made(decision: Any) -> Pieces | Steps[Pieces]:
            meter.begin()
            try:
                pieces = to_pieces(decision)
            finally:
                meter.end()
            return cast("Pieces | Steps[Pieces]", _charged(services, request, meter, pieces))

        return Promise(answer.decision, made, answer.given_up)
    if isinstance(answer, CoroutineType):
        return _awaited(services, request, meter, answer)
    return _stepped(services, request, meter, answer)


async def _awaited(
    services: Services, request: Request, meter: Meter, answer: Coroutine[Any, Any, Pieces]
) -> Pieces:
    pieces = await answer
    meter.end(TASK_S)
    return _told(services, request, meter, pieces)


def _stepped(services: Services, request: Request, meter: Meter, steps: Steps[Any]) -> Steps[Any]:
    try:
        while True:
            meter.begin()
            try:
                step = next(steps)
            finally:
                meter.end()
            yield step
    except StopIteration as end:
        return _charged(services, request, meter, end.value)
    finally:
        steps.close()


def _told(services: Services, request: Request, meter: Meter, pieces: Pieces) -> Pieces:
    """Charge the time, and tell a wait. Produce and Fetch have told theirs."""
    if meter.is_charged:
        return pieces
    wait_ms = throttle_ms(services, request)
    if wait_ms and len(pieces) == 1:
        api, version = request.api_key, request.api_version
        return [with_throttle_time(api, version, pieces[0], wait_ms)]
    return pieces
