"""RequestHandlerHelper, ThrottledChannel: meters requests while any quota is set.

A client that exceeds its quota is answered at once; the answer says how long to wait. Then its
connection is muted for that time: it is not read, and requests that came on it are not handled.
Most handlers do not know of this. Produce, Fetch and those that create or delete partitions do,
since they charge more than time.
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
"""Charged for a request that continues in a task of its own, where its time is not measured."""
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
"""Requests between brokers, which do not wait for a quota unless they are denied."""
Charge = Callable[[float], None]


def metered(services: Services, request: Request, handler: Handler) -> Answer:
    """Call ``handler``, and charge the sender for it."""
    principal = request.principal
    user = principal.name if services.quota_user is None else services.quota_user(principal)
    meter = request.meter = Meter(
        services.quotas, user, request.client_id or "", services.env.stopwatch
    )
    meter.is_exempt = request.api_key in EXEMPT
    if request.api_key == ApiKey.PRODUCE:
        # Charged before it is carried out, so that requests sent after it wait already.
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
    """The ``throttle_time_ms`` of the answer; the connection is muted for that time."""
    meter = request.meter
    if meter is None:
        return 0
    return _mute(services, request, meter.charge_time(services.replicas.context.now_ms()))


def fetch_throttle_ms(services: Services, request: Request, size: int) -> int:
    """``throttle_ms`` for a Fetch whose answer has ``size`` bytes. If it is not 0, the answer must
    not be sent, but an empty one."""
    meter = request.meter
    if meter is None:
        return 0
    return _mute(services, request, meter.fetched(size, services.replicas.context.now_ms()))


def _nothing(partitions: float) -> None:
    """Charges nothing."""


def mutation_charge(
    services: Services, request: Request, *, strict: bool, told: bool = True
) -> Charge:
    """The function to call before partitions are created or deleted, with their number (KIP-599).
    ``strict``: it raises THROTTLING_QUOTA_EXCEEDED if the quota is exceeded, which clients of this
    version know. ``told``: whether the answer carries the wait."""
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
    """The answer in the same form; its time is charged as soon as it is made."""
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
        request.awaited += (answer,)
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
    """Charge the time, and put the wait into the answer. Produce and Fetch do that themselves."""
    if meter.is_charged:
        return pieces
    wait_ms = throttle_ms(services, request)
    if wait_ms and len(pieces) == 1:
        api, version = request.api_key, request.api_version
        return [with_throttle_time(api, version, pieces[0], wait_ms)]
    return pieces
