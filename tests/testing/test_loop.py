"""The loop of one node among several: what a pause holds back and what a kill ends."""

from __future__ import annotations

import asyncio
import functools
import gc
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

import pytest

from barnabas.testing.links import LOST, Directory, Links
from barnabas.testing.loop import NodeLoop

P = ParamSpec("P")
PORT_NAMES = Directory({})


def on_a_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test that is a coroutine."""

    @functools.wraps(test)
    def run_it(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run_it


def node(links: Links | None = None, name: str = "broker:1") -> NodeLoop:
    host = asyncio.get_running_loop()
    return NodeLoop(host, name, PORT_NAMES, links or Links())  # type: ignore[abstract]


def run(loop: NodeLoop, main: Callable[[], Coroutine[Any, Any, Any]]) -> asyncio.Task[Any]:
    return loop.inside(lambda: loop.create_task(main()))


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@on_a_loop
async def test_a_node_sees_its_own_loop_and_the_host_its_own() -> None:
    seen: list[object] = []
    loop = node()

    async def main() -> None:
        seen.append(asyncio.get_running_loop())
        await asyncio.sleep(0)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(asyncio.sleep(0.001))
        seen.append(asyncio.get_running_loop())

    task = run(loop, main)
    await until(task.done)
    task.result()
    assert seen == [loop, loop]
    assert asyncio.get_running_loop() is not loop


@on_a_loop
async def test_nothing_of_a_paused_node_runs_until_it_is_resumed() -> None:
    loop, ticks = node(), []

    async def main() -> None:
        while True:
            ticks.append(loop.time())
            await asyncio.sleep(0)

    run(loop, main)
    await turns()
    loop.pause()
    before = len(ticks)
    assert before > 0
    await turns()
    assert len(ticks) == before
    loop.resume()
    await turns()
    assert len(ticks) > before
    loop.kill()


@on_a_loop
async def test_a_timer_that_was_cancelled_by_what_ran_before_it_stays_silent() -> None:
    loop = node()
    fired: list[str] = []
    timer = loop.call_later(0, fired.append, "timer")
    loop.pause()
    await asyncio.sleep(0.002)
    timer.cancel()
    loop.resume()
    await turns()
    assert fired == []


@on_a_loop
async def test_what_a_killed_node_still_does_reaches_nobody(
    recwarn: pytest.WarningsRecorder,
) -> None:
    loop = node()
    heard: list[str] = []
    ended: list[str] = []

    async def forever() -> None:
        await loop.create_future()

    async def simple() -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(forever())
        finally:
            await asyncio.sleep(60)
            ended.append("buried")
            with pytest.raises(ConnectionAbortedError):
                await loop.create_connection(asyncio.Protocol, "127.0.0.1", 1)

    run(loop, simple)
    await turns()
    loop.kill()
    loop.kill()
    assert ended == ["buried"]
    loop.call_soon(heard.append, "later")
    await turns()
    assert heard == []
    with pytest.raises(RuntimeError, match="is dead"):
        run(loop, simple)
    gc.collect()
    assert not recwarn.list


@on_a_loop
async def test_a_task_that_was_about_to_be_woken_when_it_was_killed_ends_too() -> None:
    loop = node()
    ended: list[str] = []
    future = loop.create_future()

    async def main() -> None:
        try:
            await future
            await asyncio.sleep(60)
        finally:
            ended.append("buried")

    run(loop, main)
    await turns()
    loop.inside(future.set_result, None)
    loop.kill()
    assert ended == ["buried"]


class Talk(asyncio.Protocol):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self.told.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append(None)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)


@on_a_loop
async def test_what_is_lost_on_a_link_arrives_in_order_when_it_is_healed() -> None:
    links = Links()
    members = Directory({})
    host = asyncio.get_running_loop()
    server_loop = NodeLoop(host, "coordinator", members, links)  # type: ignore[abstract]
    accepted: list[Talk] = []

    def accept() -> Talk:
        accepted.append(Talk())
        return accepted[-1]

    async def listen() -> int:
        server = await server_loop.create_server(accept, "127.0.0.1", 0)
        return int(server.sockets[0].getsockname()[1])  # type: ignore[attr-defined]

    listening = run(server_loop, listen)
    await until(listening.done)
    port = listening.result()
    client_loop = NodeLoop(  # type: ignore[abstract]
        host, "broker:1", Directory({port: "coordinator"}), links
    )
    connecting = run(client_loop, lambda: client_loop.create_connection(Talk, "127.0.0.1", port))
    await until(connecting.done)
    transport, talk = connecting.result()
    await until(lambda: accepted and accepted[0].transport)
    theirs = accepted[0]

    links.set("broker:1", "coordinator", LOST)
    client_loop.relink()
    server_loop.relink()
    transport.write(b"one")
    transport.writelines([b"two", b"three"])
    transport.close()
    assert theirs.transport is not None
    theirs.transport.write(b"back")
    await until(lambda: None in talk.told)  # it has closed; the other side does not know
    await turns(20)
    assert theirs.told == []
    again = run(client_loop, lambda: client_loop.create_connection(Talk, "127.0.0.1", port))
    await turns(20)
    assert not again.done()

    links.heal()
    client_loop.relink()
    await until(lambda: None in theirs.told)
    assert b"".join(d for d in theirs.told if isinstance(d, bytes)) == b"onetwothree"
    await until(again.done)
    client_loop.kill()
    server_loop.kill()
