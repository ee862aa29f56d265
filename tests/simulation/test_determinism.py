"""The same seed gives the same history: the table of pitfalls, hash seeds, processes, bombs."""

from __future__ import annotations

import asyncio
import gc
import os
import pathlib
import subprocess
import sys
from collections.abc import Awaitable, Callable

import pytest
from tests.simulation import toy
from tests.simulation.bombs import arm
from tests.simulation.kernel import SimulationFailure
from tests.simulation.nodes import Simulation

ROOT = pathlib.Path(__file__).parents[2]
Result = list[object]


async def _gather(out: Result) -> None:
    async def one(number: int) -> None:
        await asyncio.sleep(0)
        out.append(number)

    await asyncio.gather(*(one(number) for number in range(20)))


async def _condition(out: Result) -> None:
    condition = asyncio.Condition()

    async def one(number: int) -> None:
        async with condition:
            await condition.wait()
            out.append(number)

    tasks = [asyncio.create_task(one(number)) for number in range(20)]
    await asyncio.sleep(0)
    async with condition:
        condition.notify_all()
    await asyncio.gather(*tasks)


async def _set_of_tasks(out: Result) -> None:
    tasks = {asyncio.create_task(asyncio.sleep(0, number)) for number in range(30)}
    for task in tasks:
        out.append(await task)


async def _set_of_futures(out: Result) -> None:
    loop = asyncio.get_running_loop()
    futures = {loop.create_future() for _ in range(30)}
    for number, future in enumerate(futures):
        future.add_done_callback(lambda f: out.append(f.result()))
        future.set_result(number)
    await asyncio.sleep(0)


async def _wait_done_set(out: Result) -> None:
    tasks = [asyncio.create_task(asyncio.sleep(0.01, number)) for number in range(30)]
    done, _ = await asyncio.wait(tasks)
    out.extend(task.result() for task in done)


async def _all_tasks(out: Result) -> None:
    tasks = [asyncio.create_task(asyncio.sleep(1), name=str(number)) for number in range(30)]
    out.extend(task.get_name() for task in asyncio.all_tasks() if task in tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _task_group_abort(out: Result) -> None:
    async def one(number: int) -> None:
        try:
            await asyncio.sleep(1)
        finally:
            out.append(number)

    async def bad() -> None:
        raise ValueError

    try:
        async with asyncio.TaskGroup() as group:
            for number in range(30):
                group.create_task(one(number))
            await asyncio.sleep(0.1)
            group.create_task(bad())
    except* ValueError:
        pass


async def _timers(out: Result) -> None:
    loop = asyncio.get_running_loop()
    when = loop.time() + 0.1
    for number in range(30):
        loop.call_at(when, out.append, number)
    await asyncio.sleep(0.2)


async def _names(out: Result) -> None:
    async def one() -> None:
        task = asyncio.current_task()
        assert task is not None
        out.append(task.get_name())

    await asyncio.gather(*(one() for _ in range(5)))


PITFALLS: list[Callable[[Result], Awaitable[None]]] = [
    _gather, _condition, _set_of_tasks, _set_of_futures, _wait_done_set, _all_tasks,
    _task_group_abort, _timers, _names,
]  # fmt: skip


def outcome(pitfall: Callable[[Result], Awaitable[None]], garbage: int = 0) -> Result:
    """What a construct does in a fresh simulation, on a heap disturbed by garbage."""
    held = [bytearray(64 + number) for number in range(garbage * 37)]
    other: list[asyncio.Future[None]] = [asyncio.Future(loop=_NO_LOOP) for _ in range(garbage)]
    out: Result = []
    simulation = Simulation(7)

    async def scenario() -> None:
        await pitfall(out)

    simulation.run(scenario)
    del held, other
    return out


class _Loop(asyncio.BaseEventLoop):
    def __del__(self, _warn: object = None) -> None:
        return


_NO_LOOP = _Loop()


@pytest.mark.parametrize("pitfall", PITFALLS, ids=lambda p: p.__name__)
def test_constructs_have_one_outcome(pitfall: Callable[[Result], Awaitable[None]]) -> None:
    outcomes = [outcome(pitfall, garbage) for garbage in range(6)]
    assert outcomes[0]
    assert all(each == outcomes[0] for each in outcomes)


def _number(value: object) -> int:
    return int(str(value))


def test_fifo_constructs_keep_their_order() -> None:
    for pitfall in (_gather, _condition, _timers):
        assert outcome(pitfall) == sorted(outcome(pitfall), key=_number)


def test_same_seed_same_digest_other_seed_other_digest() -> None:
    digests = [toy.run(seed, seconds=4.0)[0] for seed in (1, 2, 1, 3, 2)]
    assert digests[0] == digests[2]
    assert digests[1] == digests[4]
    assert len(set(digests)) == 3


def test_same_digest_with_cpu_delays() -> None:
    digests = {toy.run(5, seconds=3.0, cpu_delay=True)[0] for _ in range(2)}
    assert len(digests) == 1
    assert digests != {toy.run(5, seconds=3.0)[0]}


def test_collecting_garbage_changes_nothing() -> None:
    before = gc.get_threshold()
    first = toy.run(6, seconds=2.0)[0]
    try:
        gc.set_threshold(1, 1, 1)
        second = toy.run(6, seconds=2.0)[0]
    finally:
        gc.set_threshold(*before)
    assert first == second
    assert gc.isenabled()


def test_same_digest_in_other_processes_with_other_hash_seeds() -> None:
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.simulation.toy", *seeds],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": "src:."},
            stdout=subprocess.PIPE,
            text=True,
        )
        for hash_seed, seeds in (("0", ("11", "12")), ("1", ("12", "11")), ("random", ("11", "12")))
    ]
    answers = [sorted(process.communicate()[0].splitlines()) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert len(answers[0]) == 2
    assert answers[0] == answers[1] == answers[2]


def test_a_run_reaches_for_nothing_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = toy.run(21, seconds=3.0)[0]

    arm(monkeypatch)
    try:
        digest = toy.run(21, seconds=3.0)[0]
    finally:
        monkeypatch.undo()
    assert digest == expected


def test_an_exception_in_a_task_fails_the_run_and_names_the_node() -> None:
    simulation = Simulation(3)

    async def main(env: object) -> None:
        await asyncio.sleep(1.5)
        raise ValueError("bad node")

    async def scenario() -> None:
        simulation.start("n1", main)
        await asyncio.sleep(60)

    with pytest.raises(SimulationFailure, match=r"seed 3: n1 at 1\.5.* s: .*bad node"):
        simulation.run(scenario)


def test_an_unretrieved_exception_and_a_callback_fail_the_run() -> None:
    async def forgotten(env: object) -> None:
        async def bad() -> None:
            raise KeyError("forgotten")

        asyncio.create_task(bad())  # noqa: RUF006
        await asyncio.sleep(5)

    async def callback(env: object) -> None:
        asyncio.get_running_loop().call_later(1, lambda: 1 / 0)
        await asyncio.sleep(5)

    for main, text in ((forgotten, "KeyError"), (callback, "ZeroDivisionError")):
        simulation = Simulation(3)

        async def scenario(simulation: Simulation = simulation, main=main) -> None:  # type: ignore
            simulation.start("n1", main)
            await asyncio.sleep(10)

        with pytest.raises(SimulationFailure, match=text):
            simulation.run(scenario)


def test_livelock_and_deadlock_are_failures() -> None:
    simulation = Simulation(1)

    async def spin() -> None:
        while True:  # noqa: ASYNC110
            await asyncio.sleep(0)

    with pytest.raises(SimulationFailure, match="livelock"):
        simulation.run(spin)

    async def wait() -> None:
        await asyncio.Event().wait()

    with pytest.raises(SimulationFailure, match="nothing is left"):
        Simulation(1).run(wait)
