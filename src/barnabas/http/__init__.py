"""HTTP for people and programs beside a cluster: consoles, metrics, the control of a test cluster.

An app is any ASGI app, mostly one of Starlette (``application.py``). It is always served behind a
``Guard``, which decides which requests are served and limits their size (``guard.py``,
``guarded.py``).

    from starlette.routing import Route

    from barnabas.http.answers import HttpError, Json
    from barnabas.http.application import application
    from barnabas.http.events import Events, ServerEvent
    from barnabas.http.guard import Guard, new_token
    from barnabas.http.uvicorn_server import start  # or light_server: for a broker

    async def topic(request):
        if request.path_params["name"] not in topics:
            raise HttpError(404, "no such topic")  # {"error": "no such topic"}
        return Json({"partitions": 3})

    async def happened(request):
        return Events(ServerEvent(data=text) async for text in queue)

    app = application([Route("/topics/{name}", topic), Route("/events", happened)])
    guard = Guard(token=new_token(env.entropy), open_paths=frozenset({"/livez"}))
    listener = await start(app, guard, host="127.0.0.1", port=0)
    print(guard.link(listener.url))  # http://127.0.0.1:40123/?token=..., for a browser
    ...
    await listener.stop()  # streams end at once

``start`` uses the running event loop. It handles no signals and sets up no logs, and there is no
work while no request comes. Two modules have a ``start`` with the same signature:
``uvicorn_server`` for tools and ``light_server`` for a broker. The latter imports h11 alone, and
runs in the simulator. Its app should not be one of Starlette, so that a broker need not import
Starlette:

    async def app(scope, receive, send):
        if scope["path"] != "/metrics":
            raise HttpError(404, "no such path")
        await Text(render())(scope, receive, send)

In tests, call the app through the guard without a socket: ``Guarded(app, guard)`` is an ASGI app.
"""
