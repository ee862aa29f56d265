"""Run seeds: ``python -m tests.simulation.run --seeds 200 --start 0``; tell the story of one with
``--replay SEED`` or, for a file of the corpus, ``--replay tests/simulation/corpus/NAME.json``."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from dataclasses import asdict
from pathlib import Path

from tests.simulation.kernel import SimulationFailure
from tests.simulation.options import Options
from tests.simulation.scenario import KINDS, Result, Scenario, options_of

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
    parser.add_argument("--seconds", type=float, default=12.0, help="of faults, virtual")
    parser.add_argument("--kinds", default=",".join(KINDS), help="faults to draw from")
    parser.add_argument("--replay", help="one seed, or a file of the corpus, with its timeline")
    parser.add_argument("--keep-going", action="store_true", help="do not stop at a failure")
    parser.add_argument("--save", help="write the options of --replay to this file of the corpus")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    kinds = tuple(options.kinds.split(","))
    if options.replay is None:
        return campaign(options, kinds)
    if options.replay.isdigit():
        drawn = options_of(int(options.replay), options.seconds, kinds)
    else:
        drawn = load(Path(options.replay))
    if options.save:
        Path(options.save).write_text(json.dumps({"about": "", "options": asdict(drawn)}, indent=1))
    return replay(drawn)


def campaign(options: argparse.Namespace, kinds: tuple[str, ...]) -> int:
    """Run many seeds and print the sum."""
    results: list[Result] = []
    failed: list[int] = []
    before = time.process_time()
    for seed in range(options.start, options.start + options.seeds):
        drawn = options_of(seed, options.seconds, kinds)
        try:
            results.append(Scenario(drawn, timeline=100).run())
        except SimulationFailure as failure:
            failed.append(seed)
            print(f"FAILED {drawn}\n{failure}\n{_again(seed, options)}", flush=True)
            if not options.keep_going:
                break
    cpu = time.process_time() - before
    seconds = sum(result.seconds for result in results)
    print(
        f"simulation: seeds={len(results) + len(failed)} simulated_s={seconds:.0f}"
        f" faults={sum(r.faults for r in results)}"
        f" acknowledged={sum(r.acknowledged for r in results)}"
        f" violations={len(failed)} cpu_s={cpu:.1f}"
    )
    return 1 if failed else 0


def _again(seed: int, options: argparse.Namespace) -> str:
    kinds = "" if options.kinds == ",".join(KINDS) else f" --kinds {options.kinds}"
    command = f"python -m tests.simulation.run --replay {seed} --seconds {options.seconds:g}{kinds}"
    return f"its timeline: {command}"


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


if __name__ == "__main__":
    sys.exit(main())
