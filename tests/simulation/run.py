"""Run seeds: ``python -m tests.simulation.run --seeds 200 --start 0``, or ``--replay SEED``."""

from __future__ import annotations

import argparse
import logging
import sys
import time

from tests.simulation.kernel import SimulationFailure
from tests.simulation.scenario import KINDS, Result, Scenario, options_of


def main() -> int:
    """The command line; the number of failed seeds, at most 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.run")
    parser.add_argument("--seeds", type=int, default=20, help="how many")
    parser.add_argument("--start", type=int, default=0, help="the first")
    parser.add_argument("--seconds", type=float, default=12.0, help="of faults, virtual")
    parser.add_argument("--kinds", default=",".join(KINDS), help="faults to draw from")
    parser.add_argument("--replay", type=int, help="one seed, with its timeline")
    parser.add_argument("--keep-going", action="store_true", help="do not stop at a failure")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    kinds = tuple(options.kinds.split(","))
    if options.replay is not None:
        return replay(options.replay, options.seconds, kinds)
    return campaign(options, kinds)


def campaign(options: argparse.Namespace, kinds: tuple[str, ...]) -> int:
    """Run many seeds and print the sum."""
    results: list[Result] = []
    failed: list[int] = []
    before = time.process_time()
    for seed in range(options.start, options.start + options.seeds):
        drawn = options_of(seed, options.seconds, kinds)
        try:
            results.append(Scenario(drawn).run())
        except SimulationFailure as failure:
            failed.append(seed)
            print(f"FAILED {drawn}\n{failure}\nreplay with --replay {seed}", flush=True)
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


def replay(seed: int, seconds: float, kinds: tuple[str, ...]) -> int:
    """Run one seed and tell its story."""
    drawn = options_of(seed, seconds, kinds)
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
