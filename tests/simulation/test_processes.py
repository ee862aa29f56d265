"""Kill, pause, power loss, clocks and cost, as a process sees them."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from tests.simulation.loop import NotSimulated
from tests.simulation.nodes import Simulation

from barnabas.pace import Pace
from barnabas.seams import Env


def test_a_killed_process_runs_no_cleanup() -> None:
    simulation = Simulation(1)
    heard: list[str] = []

    async def main(env: Env) -> None:
        try:
            await asyncio.sleep(100)
        finally:
            if simulation.kernel.finished is False:
                heard.append("finally")

    async def scenario() -> None:
        process = simulation.start("n", main)
        await asyncio.sleep(1)
        process.kill()
        await asyncio.sleep(200)

    simulation.run(scenario)
    assert heard == []


def test_a_main_that_returns_cancels_what_it_left() -> None:
    simulation = Simulation(1)
    heard: list[str] = []

    async def main(env: Env) -> None:
        async def child() -> None:
            try:
                await asyncio.sleep(100)
            finally:
                heard.append("finally")

        task = asyncio.create_task(child())
        await asyncio.sleep(1)
        assert not task.done()

    async def scenario() -> None:
        process = simulation.start("n", main)
        await asyncio.sleep(2)
        assert not process.alive

    simulation.run(scenario)
    assert heard == ["finally"]


def test_a_paused_process_misses_time_and_keeps_its_order() -> None:
    simulation = Simulation(1)
    ticks: list[tuple[float, int]] = []

    async def main(env: Env) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()

        def tick(number: int) -> None:
            ticks.append((loop.time() - start, number))

        for number in range(1, 6):
            loop.call_at(start + number, tick, number)
        await asyncio.sleep(10)

    async def scenario() -> None:
        process = simulation.start("n", main)
        await asyncio.sleep(1.5)
        process.pause()
        await asyncio.sleep(3)
        process.resume()
        await asyncio.sleep(5)

    simulation.run(scenario)
    assert [number for _, number in ticks] == [1, 2, 3, 4, 5]
    assert [round(when, 3) for when, _ in ticks] == [1.0, 4.5, 4.5, 4.5, 5.0]


def test_clock_rates_and_jumps() -> None:
    simulation = Simulation(1)
    seen: list[float] = []
    wall: list[int] = []

    async def main(env: Env) -> None:
        loop = asyncio.get_running_loop()
        before = loop.time()
        wall.append(env.clock.wall_ms())
        await asyncio.sleep(4)
        assert loop.time() - before >= 4
        seen.append(simulation.now_s)
        wall.append(env.clock.wall_ms())

    async def scenario() -> None:
        process = simulation.start("n", main)
        await asyncio.sleep(1)
        process.host.set_clock_rate(2.0)
        process.host.jump_wall_clock(-60_000)
        await asyncio.sleep(10)

    simulation.run(scenario)
    assert seen[0] == pytest.approx(2.5, abs=1e-6)
    assert wall[1] - wall[0] == pytest.approx(-57_500, abs=2)


@pytest.mark.parametrize("rate", [0.5, 0.9999, 1.0, 1.37, 2.0])
def test_a_timer_never_fires_early(rate: float) -> None:
    simulation = Simulation(2)
    fired: list[int] = []

    async def main(env: Env) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(300):
            due = loop.time() + env.random.random()
            done = loop.create_future()
            loop.call_at(due, done.set_result, None)
            await done
            assert loop.time() >= due
            fired.append(1)

    async def scenario() -> None:
        simulation.host("n").set_clock_rate(rate)
        process = simulation.start("n", main)
        await simulation.ended(process)

    simulation.run(scenario)
    assert len(fired) == 300


def test_cpu_delays_keep_a_process_in_order_and_take_time() -> None:
    simulation = Simulation(4, cpu_delay=True)
    order: list[int] = []
    ended: list[float] = []

    async def main(env: Env) -> None:
        loop = asyncio.get_running_loop()
        for number in range(2000):
            loop.call_soon(order.append, number)
        await asyncio.sleep(0)
        while len(order) < 2000:  # noqa: ASYNC110
            await asyncio.sleep(0)
        ended.append(simulation.now_s)

    async def scenario() -> None:
        process = simulation.start("n", main)
        await simulation.ended(process)

    simulation.run(scenario)
    assert order == list(range(2000))
    assert ended[0] > 0.02


def test_long_work_gives_way_and_takes_time() -> None:
    simulation = Simulation(4, long_work=0.05)
    order: list[str] = []
    ended: list[float] = []

    async def work(name: str, env: Env) -> None:
        pace = Pace(env.stopwatch)
        for _ in range(100):
            await pace.step()
            order.append(name)

    async def main(env: Env) -> None:
        await asyncio.gather(work("a", env), work("b", env))
        ended.append(simulation.now_s)

    async def scenario() -> None:
        await simulation.ended(simulation.start("n", main))

    simulation.run(scenario)
    turns = sum(before != after for before, after in pairwise(order))
    assert turns >= 5
    assert ended[0] > 0.02


def test_incarnations_differ_in_chance_and_boots_in_identity() -> None:
    simulation = Simulation(1)
    seen: list[tuple[float, str]] = []

    async def main(env: Env) -> None:
        seen.append((env.random.random(), env.boot_id))
        await asyncio.sleep(100)

    async def scenario() -> None:
        process = simulation.start("n", main)
        await asyncio.sleep(1)
        process.restart()
        await asyncio.sleep(1)
        process.host.power_loss()
        assert not process.alive
        process.host.power_on()
        process.start()
        await asyncio.sleep(1)

    simulation.run(scenario)
    assert len({chance for chance, _ in seen}) == 3
    assert seen[0][1] == seen[1][1] != seen[2][1]


def test_a_node_cannot_leave_its_loop() -> None:
    simulation = Simulation(1)
    refused: list[str] = []

    async def main(env: Env) -> None:
        loop = asyncio.get_running_loop()
        for attempt in (
            lambda: loop.run_in_executor(None, print),
            lambda: loop.add_reader(0, print),
            lambda: loop.call_soon_threadsafe(print),
            lambda: loop.add_signal_handler(15, print),
            lambda: asyncio.to_thread(print).send(None),
        ):
            try:
                attempt()
            except NotSimulated:
                refused.append("refused")

    async def scenario() -> None:
        simulation.start("n", main)
        await asyncio.sleep(1)

    simulation.run(scenario)
    assert refused == ["refused"] * 5


def test_cancelled_timers_do_not_pile_up() -> None:
    simulation = Simulation(1)

    async def scenario() -> None:
        for _ in range(20_000):
            try:
                async with asyncio.timeout(3600):
                    await asyncio.sleep(0)
            except TimeoutError:
                raise AssertionError from None
        assert len(simulation.kernel._heap) < 2000

    simulation.run(scenario)
