"""One broker: what it holds, how it is configured, and, in a cluster of ``up``, its process."""

from __future__ import annotations

from starlette.requests import Request

from barnabas.console.context import console_of
from barnabas.console.control import VERBS, ControlError
from barnabas.http.answers import HttpError, Json


async def process(request: Request) -> Json:
    """``POST /api/processes/{name}/{verb}``: kill, pause, resume, restart or stop a process."""
    console = console_of(request)
    console.check_write()
    verb, name = request.path_params["verb"], request.path_params["name"]
    if console.control is None:
        raise HttpError(404, "this cluster was not started by 'barnabas up'")
    if verb not in VERBS:
        raise HttpError(404, f"a process can be told to {', '.join(VERBS)}")
    try:
        answer = await console.control.ask({"verb": verb, "process": name})
        console.hub.set_processes(await console.control.states())
    except ControlError as error:
        raise HttpError(409, str(error)) from None
    return Json(answer)
