"""Run seeds: ``python -m tests.simulation.run --seeds 200 --start 0``; tell the story of one with
``--replay SEED`` or, for a file of the corpus, ``--replay tests/simulation/corpus/NAME.json``.
``--force disk_full,power,flush=true`` adds faults and options to what each seed draws.
With ``--console`` a replay is shown in a browser; ``--events FILE`` keeps it as a history."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import multiprocessing
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from tests.simulation.kernel import SimulationFailure
from tests.simulation.options import Options, force
from tests.simulation.scenario import KINDS, Result, Scenario, options_of
from tests.simulation.stories import ALL_FAULTS

from barnabas.cli.console import Where, show_history
from barnabas.console.history import History

CORPUS = Path(__file__).parent / "corpus"


def load(path: Path) -> Options:
    """The options in a file of the corpus."""
    drawn = json.loads(path.read_text())["options"]
    return Options(**{**drawn, "kinds": tuple(drawn["kinds"])})


def main() -> int:
    """The command line; the number of failed seeds, at most 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.run")
    parser.add_argument("--seeds", type=int, default=20, help="how many")
    parser.add_argument("--start", type=int, default=0, help="the first")
    parser.add_argument("--processes", type=int, default=1, help="that share the seeds")
    parser.add_argument("--seconds", type=float, default=12.0, help="of faults, virtual")
    parser.add_argument("--kinds", default=",".join(KINDS), help="faults to draw from")
    parser.add_argument("--force", default="", help="faults and name=value that every seed has")
    parser.add_argument("--replay", help="one seed, or a file of the corpus, with its timeline")
    parser.add_argument("--keep-going", action="store_true", help="do not stop at a failure")
    parser.add_argument("--console", action="store_true", help="show --replay in a browser")
    parser.add_argument("--events", help="write the history of --replay to this file")
    parser.add_argument("--save", help="write the options of --replay to this file of the corpus")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    # A killed process never begins what it had planned.
    warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
    kinds = tuple(options.kinds.split(","))
    if options.replay is None:
        return campaign(options, kinds)
    if options.replay.isdigit():
        drawn = _draw(int(options.replay), options, kinds)
    else:
        drawn = load(Path(options.replay))
    if options.save:
        Path(options.save).write_text(json.dumps({"about": "", "options": asdict(drawn)}, indent=1))
    if options.console or options.events:
        return show(drawn, options.events, console=options.console)
    return replay(drawn)


def campaign(options: argparse.Namespace, kinds: tuple[str, ...]) -> int:
    """Run many seeds and print the sum."""
    results: list[Result] = []
    failed, cpu = 0, 0.0
    seeds = range(options.start, options.start + options.seeds)
    tasks = [(_draw(seed, options, kinds), _again(seed, options)) for seed in seeds]
    with _mapping(options.processes) as each:
        for outcome, spent in each(_run, tasks):
            cpu += spent
            if isinstance(outcome, Result):
                results.append(outcome)
                continue
            failed += 1
            print(outcome, flush=True)
            if not options.keep_going:
                break
    seconds = sum(result.seconds for result in results)
    print(
        f"simulation: seeds={len(results) + failed} simulated_s={seconds:.0f}"
        f" faults={sum(r.faults for r in results)}"
        f" acknowledged={sum(r.acknowledged for r in results)}"
        f" violations={failed} cpu_s={cpu:.1f}"
    )
    return 1 if failed else 0


def _draw(seed: int, options: argparse.Namespace, kinds: tuple[str, ...]) -> Options:
    drawn = options_of(seed, options.seconds, kinds)
    return force(drawn, options.force.split(","), tuple(ALL_FAULTS)) if options.force else drawn


Mapping = Callable[..., Iterator[tuple[Result | str, float]]]


@contextmanager
def _mapping(processes: int) -> Iterator[Mapping]:
    """``map``, here or over processes; outcomes in the order of the tasks."""
    if processes == 1:
        yield map
        return
    with multiprocessing.Pool(processes) as pool:
        yield pool.imap


def _run(task: tuple[Options, str]) -> tuple[Result | str, float]:
    """What came of one seed, or the report of its failure; CPU seconds."""
    logging.disable(logging.CRITICAL)
    drawn, again = task
    before = time.process_time()
    outcome: Result | str
    try:
        outcome = Scenario(drawn, timeline=100).run()
    except SimulationFailure as failure:
        outcome = f"FAILED {drawn}\n{failure}\n{again}"
    return outcome, time.process_time() - before


def _again(seed: int, options: argparse.Namespace) -> str:
    kinds = "" if options.kinds == ",".join(KINDS) else f" --kinds {options.kinds}"
    force = f" --force {options.force}" if options.force else ""
    command = f"python -m tests.simulation.run --replay {seed} --seconds {options.seconds:g}"
    return f"its timeline (--console: in a browser): {command}{kinds}{force}"


def replay(drawn: Options) -> int:
    """Run once and tell the story."""
    scenario = Scenario(drawn, timeline=None)
    print(drawn)
    try:
        result = scenario.run()
    except SimulationFailure as failure:
        print(scenario.simulation.story())
        print(failure)
        return 1
    print(scenario.simulation.story())
    print(result)
    return 0


def show(drawn: Options, path: str | None, *, console: bool) -> int:
    """Run once, keep the history and open it in the console, which serves until Ctrl-C."""
    scenario = Scenario(drawn, timeline=0)
    recorder = scenario.record()
    print(drawn, flush=True)
    code = 0
    try:
        print(scenario.run())
    except SimulationFailure as failure:
        recorder.failed()
        print(failure)
        code = 1
    if path is not None:
        recorder.write(Path(path))
        print(f"{len(recorder.events)} events: barnabas console --events {path}", flush=True)
    if console:
        asyncio.run(show_history(History(recorder.events), Where()))
    return code


if __name__ == "__main__":
    sys.exit(main())
