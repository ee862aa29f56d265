"""The control endpoint: the methods of a test cluster over HTTP, for tests in any language.

docs/testing.md has a table of its paths. A request is answered when its action is done. An error is
one line of JSON, ``{"error": text}``; the error of a wait also has the last events.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeAlias

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from barnabas.client.errors import ClientError, Unreachable
from barnabas.errors import ErrorCode
from barnabas.http.answers import App, HttpError, Json, Text
from barnabas.http.application import application
from barnabas.http.events import Events, ServerEvent
from barnabas.http.guard import Guard
from barnabas.http.listener import Listener
from barnabas.http.uvicorn_server import start
from barnabas.names import number_in
from barnabas.testing.core import Core, NotRunning, Target
from barnabas.testing.events import SHOWN, Record, TimedOut
from barnabas.testing.faults import Fault, Faults, Hit, api_key
from barnabas.testing.links import CLIENTS
from barnabas.testing.parameters import Parameters, read_parameters

WAIT_S_MAX: Final = 600.0
DELAY_MS_MAX: Final = 600_000.0
TIMELINE_MAX: Final = 1000
_DIRECTIONS: Final = ("both", "out", "in")

Action: TypeAlias = Callable[["Control", Request, Parameters], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class ControlAddress:
    """Where a control endpoint is."""

    url: str
    token: str = field(repr=False)


class Control:
    """Serves one cluster over HTTP, on the event loop of the cluster."""

    def __init__(self, core: Core, faults: Faults) -> None:
        self.core = core
        self.faults = faults
        self.rules: dict[int, Fault] = {}
        """Faults that were added over HTTP, by number."""

    async def serve(self, guard: Guard, *, port: int = 0, sock: Any = None) -> Listener:
        """Raises OSError."""
        return await start(self.app(), guard, port=port, sock=sock)

    def app(self) -> App:
        routes: list[BaseRoute] = [
            Route(f"/v1{path}", partial(self._call, action), methods=methods)
            for (methods, path, action) in PATHS
        ]
        return application(routes)

    async def _call(self, action: Action, request: Request) -> Any:
        given = read_parameters(request.url.query, await request.body())
        try:
            found = await action(self, request, Parameters(given))
        except TimedOut as error:
            last = [as_json(event) for event in self.core.log.all()[-SHOWN:]]
            return Json({"error": str(error).split("\n")[0], "events": last}, 504)
        except (NotRunning, LookupError, ClientError) as error:
            raise HttpError(409, str(error)) from None
        except ValueError as error:
            raise HttpError(400, str(error)) from None
        except (Unreachable, OSError, RuntimeError) as error:
            raise HttpError(503, str(error)) from None
        return Json(found) if isinstance(found, dict | list) else found

    async def off_loop(self, call: Callable[[], Any]) -> Any:
        """Run in a thread a call that waits for the loop of the cluster."""
        return await asyncio.get_running_loop().run_in_executor(None, call)


def as_json(event: Record) -> dict[str, Any]:
    return {
        "at": round(event.at, 6),
        "source": event.source,
        "name": event.name,
        "fields": dict(event.fields),
    }


# Reading paths and parameters


def target_of(text: str) -> Target:
    """The node that a text of the command line selects; a number alone is a broker's id."""
    number = number_in(text.removeprefix("broker:"))
    return text if number is None else number


def _target(request: Request) -> Target:
    return target_of(request.path_params["target"])


def _topic(request: Request) -> tuple[str, int]:
    number = number_in(request.path_params["partition"])
    if number is None:
        raise HttpError(400, "after the topic comes the number of a partition")
    return request.path_params["topic"], number


def _wait_s(given: Parameters) -> float | None:
    return given.number("timeout_s", at_most=WAIT_S_MAX)


def _node(broker: int | None, name: str) -> dict[str, Any]:
    return {"node": name} if broker is None else {"node": name, "broker": broker}


# State and records


async def _cluster(control: Control, _: Request, given: Parameters) -> Any:
    given.done()
    core = control.core
    return {
        "bootstrap": core.plan.bootstrap,
        "zookeeper": core.plan.zookeeper_connect,
        "brokers": list(core.plan.broker_ids),
        "nodes": {name: core.members.state(name) for name in core.members.names},
        "controller": await core.controller(),
    }


async def _controller(control: Control, _: Request, given: Parameters) -> Any:
    given.done()
    return {"controller": await control.core.controller()}


async def _partition(control: Control, request: Request, given: Parameters) -> Any:
    given.done()
    topic, number = _topic(request)
    found = await control.core.partition(topic, number)
    if found is None:
        raise HttpError(404, f"no partition {topic}/{number}")
    return {
        "leader": found.leader if found.leader >= 0 else None,
        "epoch": found.leader_epoch,
        "isr": sorted(found.isr),
        "replicas": list(found.replicas),
    }


async def _events(control: Control, request: Request, given: Parameters) -> Any:
    after = given.integer("after") or 0
    given.done()
    log = control.core.log
    if "text/event-stream" not in request.headers.get("accept", ""):
        return [{"number": number, **as_json(event)} for number, event in log.after(after)]
    last = number_in(request.headers.get("last-event-id", ""))
    return Events(_follow(control, after if last is None else last))


async def _follow(control: Control, after: int) -> Any:
    log = control.core.log
    while True:
        for number, event in log.after(after):
            after = number
            text = Json(as_json(event)).content.decode().rstrip("\n")
            yield ServerEvent(data=text, name=event.name, id=str(number))
        await log.more(after)


async def _timeline(control: Control, _: Request, given: Parameters) -> Any:
    last = given.integer("last", at_least=1, at_most=TIMELINE_MAX) or SHOWN
    given.done()
    return Text(control.core.log.tail(last) + "\n")


# Topics


async def _create_topic(control: Control, request: Request, given: Parameters) -> Any:
    partitions = given.integer("partitions", at_least=1) or 1
    replicas = given.integer("replicas", at_least=1)
    min_isr = given.integer("min_isr", at_least=1)
    configs = given.object("configs")
    assignments = given.object("assignments")
    timeout_s = _wait_s(given)
    given.done()
    topic = request.path_params["topic"]
    placed = {
        _partition_number(number): Parameters({"assignments": brokers}).brokers("assignments") or []
        for number, brokers in assignments.items()
    }
    await control.core.create_topic(
        topic, partitions, replicas, min_isr, configs, placed or None, timeout_s
    )
    return {"topic": topic}


def _partition_number(text: str) -> int:
    number = number_in(text)
    if number is None:
        raise HttpError(400, f"assignments: {text!r} is not the number of a partition")
    return number


# Failures


def _simple(method: str) -> Action:
    """An action that needs only a target."""

    async def action(control: Control, request: Request, given: Parameters) -> Any:
        given.done()
        name = await control.core.resolve(_target(request))
        return _node(await getattr(control.core, method)(name), name)

    return action


async def _kill_controller(control: Control, _: Request, given: Parameters) -> Any:
    given.done()
    name = await control.core.resolve("controller")
    return _node(await control.core.kill(name), name)


async def _restart(control: Control, request: Request, given: Parameters) -> Any:
    timeout_s = _wait_s(given)
    given.done()
    name = await control.core.resolve(_target(request))
    return _node(await control.core.restart(name, timeout_s), name)


def _coordinator(method: str) -> Action:
    async def action(control: Control, _: Request, given: Parameters) -> Any:
        given.done()
        if method == "restart":
            await control.core.restart("coordinator", None)
        else:
            await control.core.kill("coordinator")
        return {"node": "coordinator"}

    return action


async def _expire_session(control: Control, request: Request, given: Parameters) -> Any:
    given.done()
    name = await control.core.resolve(_target(request))
    broker = target_of(name)
    if not isinstance(broker, int):
        raise HttpError(400, f"{name} is no broker")
    await control.core.expire_session(broker)
    return _node(broker, name)


async def _isolate(control: Control, request: Request, given: Parameters) -> Any:
    others = given.texts("from")
    direction = given.one_of("direction", _DIRECTIONS) or "both"
    delay_ms = given.number("delay_ms", at_most=DELAY_MS_MAX)
    given.done()
    name = await control.core.resolve(_target(request))
    from_ = None if others is None else [t if t == CLIENTS else target_of(t) for t in others]
    broker = await control.core.isolate(name, from_, direction, delay_ms)  # type: ignore[arg-type]
    return _node(broker, name)


async def _heal(control: Control, request: Request, given: Parameters) -> Any:
    given.done()
    await control.core.heal([_target(request)] if "target" in request.path_params else [])
    return {}


def _disk(*, is_full: bool) -> Action:
    async def action(control: Control, request: Request, given: Parameters) -> Any:
        given.done()
        name = await control.core.resolve(_target(request))
        return _node(await control.core.set_disk_full(name, is_full=is_full), name)

    return action


async def _shrink_isr(control: Control, request: Request, given: Parameters) -> Any:
    to = given.integer("to", at_least=1) or 1
    timeout_s = _wait_s(given)
    given.done()
    topic, number = _topic(request)
    return {"isr": sorted(await control.core.shrink_isr(topic, number, to, timeout_s))}


async def _restore_isr(control: Control, request: Request, given: Parameters) -> Any:
    timeout_s = _wait_s(given)
    given.done()
    topic, number = _topic(request)
    return {"isr": sorted(await control.core.restore_isr(topic, number, timeout_s))}


# Waits


async def _wait_for_leader(control: Control, request: Request, given: Parameters) -> Any:
    not_on, timeout_s = given.integer("not_on"), _wait_s(given)
    given.done()
    topic, number = _topic(request)
    return {"leader": await control.core.wait_for_leader(topic, number, not_on, timeout_s)}


async def _wait_for_isr(control: Control, request: Request, given: Parameters) -> Any:
    isr, size, timeout_s = given.brokers("isr"), given.integer("size"), _wait_s(given)
    given.done()
    if isr is not None and size is not None:
        raise HttpError(400, "isr or size, not both")
    if size is None:
        size = min(3, control.core.plan.brokers)
    topic, number = _topic(request)
    found = await control.core.wait_for_isr(topic, number, size if isr is None else isr, timeout_s)
    return {"isr": sorted(found)}


async def _wait_for_controller(control: Control, _: Request, given: Parameters) -> Any:
    not_on, timeout_s = given.integer("not_on"), _wait_s(given)
    given.done()
    return {"controller": await control.core.wait_for_controller(not_on, timeout_s)}


async def _wait_for_brokers(control: Control, _: Request, given: Parameters) -> Any:
    brokers, timeout_s = given.brokers("brokers"), _wait_s(given)
    given.done()
    await control.core.wait_for_brokers(brokers, timeout_s)
    return {}


# Protocol faults


async def _add_fault(control: Control, _: Request, given: Parameters) -> Any:
    api = given.text("api")
    where: dict[str, Any] = {
        "topic": given.text("topic"),
        "partition": given.integer("partition"),
        "client_id": given.text("client_id"),
        "broker": given.integer("broker"),
    }
    what, when = _what(given), _when(given)
    given.done()
    if api is None:
        raise HttpError(400, "api is missing: name the requests, for example Produce")
    if not what:
        raise HttpError(400, "give error, delay_ms, throttle_ms, disconnect or drop_response")
    key = api_key(api)
    fault: Fault = await control.off_loop(partial(control.faults.on, key, **where))
    when(fault)
    fault.does(**what)
    number = max(control.rules, default=0) + 1
    control.rules[number] = fault
    return Json(_rule(number, fault), 201)


def _what(given: Parameters) -> dict[str, Any]:
    """The parameters that say what happens to a request."""
    error = given.text("error")
    if error is not None and error not in ErrorCode.__members__:
        raise HttpError(400, f"error: Kafka has no error {error}")
    found = {
        "error": None if error is None else int(ErrorCode[error]),
        "delay_ms": given.number("delay_ms", at_most=DELAY_MS_MAX),
        "throttle_ms": given.integer("throttle_ms", at_most=int(DELAY_MS_MAX)),
        "disconnect": given.flag("disconnect") or None,
        "drop_response": given.flag("drop_response") or None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _when(given: Parameters) -> Callable[[Fault], None]:
    """The parameters that say which requests are affected."""
    times, after = given.integer("times"), given.integer("once_after")
    share, seed = given.number("probability", at_most=1.0), given.integer("seed")

    def tell(fault: Fault) -> None:
        if times is not None:
            fault.times(times)
        if after is not None:
            fault.once_after(after)
        if share is not None:
            fault.probability(share, seed=seed)

    return tell


def _rule(number: int, fault: Fault) -> dict[str, Any]:
    hits = fault.hits
    return {"id": number, "api": fault.api.name, "count": len(hits), "hits": list(map(_hit, hits))}


def _hit(hit: Hit) -> Mapping[str, Any]:
    return {
        "api": hit.api,
        "broker": hit.broker,
        "client_id": hit.client_id,
        "partitions": [{"topic": topic, "partition": number} for topic, number in hit.partitions],
    }


def _fault(control: Control, request: Request) -> tuple[int, Fault]:
    number = number_in(request.path_params["id"])
    if number is None or number not in control.rules:
        raise HttpError(404, f"no fault {request.path_params['id']}")
    return number, control.rules[number]


async def _faults(control: Control, _: Request, given: Parameters) -> Any:
    given.done()
    return [_rule(number, fault) for number, fault in control.rules.items()]


async def _show_fault(control: Control, request: Request, given: Parameters) -> Any:
    given.done()
    return _rule(*_fault(control, request))


async def _wait_for_hits(control: Control, request: Request, given: Parameters) -> Any:
    count, timeout_s = given.integer("count") or 1, _wait_s(given)
    given.done()
    number, fault = _fault(control, request)
    await control.core.wait_for_hits(fault, count, timeout_s)
    return _rule(number, fault)


async def _end_fault(control: Control, request: Request, given: Parameters) -> Any:
    given.done()
    number, fault = _fault(control, request)
    del control.rules[number]
    await control.off_loop(partial(control.faults.remove, fault))
    return _rule(number, fault)


async def _end_faults(control: Control, _: Request, given: Parameters) -> Any:
    given.done()
    control.rules.clear()
    await control.off_loop(control.faults.clear)
    return {}


_GET, _POST, _DELETE = ["GET"], ["POST"], ["DELETE"]
_EITHER = ["GET", "POST"]
_PARTITION: Final = "/{topic}/{partition}"

PATHS: Final[list[tuple[list[str], str, Action]]] = [
    (_GET, "/cluster", _cluster),
    (_GET, "/controller", _controller),
    (_GET, f"/partitions{_PARTITION}", _partition),
    (_GET, "/events", _events),
    (_GET, "/timeline", _timeline),
    (_POST, "/topics/{topic}", _create_topic),
    (_POST, "/kill/{target:path}", _simple("kill")),
    (_POST, "/stop/{target:path}", _simple("stop")),
    (_POST, "/pause/{target:path}", _simple("pause")),
    (_POST, "/resume/{target:path}", _simple("resume")),
    (_POST, "/restart/{target:path}", _restart),
    (_POST, "/kill_controller", _kill_controller),
    (_POST, "/stop_coordinator", _coordinator("kill")),
    (_POST, "/restart_coordinator", _coordinator("restart")),
    (_POST, "/expire_session/{target:path}", _expire_session),
    (_POST, "/isolate/{target:path}", _isolate),
    (_POST, "/heal", _heal),
    (_POST, "/heal/{target:path}", _heal),
    (_POST, "/fill_disk/{target:path}", _disk(is_full=True)),
    (_POST, "/free_disk/{target:path}", _disk(is_full=False)),
    (_POST, f"/shrink_isr{_PARTITION}", _shrink_isr),
    (_POST, f"/restore_isr{_PARTITION}", _restore_isr),
    (_EITHER, f"/wait_for_leader{_PARTITION}", _wait_for_leader),
    (_EITHER, f"/wait_for_isr{_PARTITION}", _wait_for_isr),
    (_EITHER, "/wait_for_controller", _wait_for_controller),
    (_EITHER, "/wait_for_brokers", _wait_for_brokers),
    (_POST, "/faults", _add_fault),
    (_GET, "/faults", _faults),
    (_DELETE, "/faults", _end_faults),
    (_GET, "/faults/{id}", _show_fault),
    (_DELETE, "/faults/{id}", _end_fault),
    (_EITHER, "/wait_for_hits/{id}", _wait_for_hits),
]
"""Methods, path below ``/v1``, and action."""
