"""All measures beside each other: Barnabas, another checkout of it, Apache Kafka and the floor.

    make bench [QUICK=1] [ARGS='--before DIRECTORY --only produce,clients --systems barnabas,kafka']

Systems take turns, one running at a time, so that a slow minute of the machine meets all of them.
Each step starts a fresh cluster. Every step checks what it has moved and ends the run if a count is
wrong. Prints the table, and writes it with all figures (JSON) and a picture (PNG, with matplotlib)
to bench/results/. The machine should be idle. What this machine lacks (java, mvn, go) is left out
and named. Figures are medians, with the least and the greatest.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import floor
from steps import STEPS, Figures, LeftOut, Options
from systems import Start, systems

HERE = Path(__file__).parent
RESULTS = HERE / "results"


def of_floor() -> Figures:
    found: Figures = {}
    for name, kind in floor.LOADS.items():
        with floor.floor() as running:
            got = floor.measure(running, kind)
        if name == "produce 1 kB":
            found["produce RF 3 1000 B, MB/s"] = got["MB_s"]
            found["produce RF 3 1000 B, broker CPU s/GB"] = got["cpu_s_per_GB"]
        elif name == "one at a time":
            found["one at a time RF 3, p50 us"] = got["p50_us"]
            found["one at a time RF 3, p99 us"] = got["p99_us"]
        else:
            found[f"{name}, requests/s"] = got["requests_s"]
            found[f"{name}, p99 us"] = got["p99_us"]
            found[f"{name}, broker CPU us a request"] = got["cpu_us"]
    return found


# The run


Results = dict[str, dict[str, list[float]]]
"""Values by figure and system."""


def run(chosen: list[str], found_systems: dict[str, Start], options: Options) -> Results:
    results: Results = {}

    def keep(system: str, figures: Figures) -> None:
        for name, value in figures.items():
            results.setdefault(name, {}).setdefault(system, []).append(value)
            print(f"  {system}: {name} {value:.4g}", flush=True)

    for step in chosen:
        measure, rounds = STEPS[step]
        for number in range(1 if options.quick else rounds):
            if step in ("produce", "clients") and "floor" in found_systems:
                keep("floor", of_floor())
            names = [name for name in found_systems if name != "floor"]
            first = number % len(names)  # each is the first of a round in its turn
            for name in names[first:] + names[:first]:
                start = found_systems[name]
                print(f"{time.strftime('%H:%M:%S')} {step}, round {number + 1}: {name}", flush=True)
                try:
                    with start() as system:
                        keep(name, measure(system, options))
                except LeftOut as missing:
                    print(f"left out: {step}, which {missing}", file=sys.stderr)
    return results


def cell(values: list[float]) -> str:
    if not values:
        return "-"
    median = f"{statistics.median(values):,.4g}"
    return median if len(values) == 1 else f"{median} ({min(values):,.4g}-{max(values):,.4g})"


def ratio(values: dict[str, list[float]], other: str) -> str:
    if not values.get("barnabas") or not values.get(other) or not statistics.median(values[other]):
        return "-"
    return f"{statistics.median(values['barnabas']) / statistics.median(values[other]):.2f}"


def table(results: Results, names: list[str]) -> str:
    others = [name for name in names if name != "barnabas"]
    lines = ["| measure | " + " | ".join([*names, *(f"to {other}" for other in others)]) + " |"]
    lines.append("|---" * (1 + len(names) + len(others)) + "|")
    for measure, values in results.items():
        cells = [cell(values.get(name, [])) for name in names]
        cells += [ratio(values, other) for other in others]
        lines.append(f"| {measure} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def about() -> dict[str, str]:
    """The machine and the commit."""
    model = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    git = ["git", "-C", str(HERE.parent), "describe", "--always", "--dirty"]
    return {
        "commit": subprocess.check_output(git, text=True).strip(),
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} x {model[0] if model else platform.machine()}",
        "python": platform.python_version(),
        "load before": " ".join(f"{n:.1f}" for n in os.getloadavg()),
    }


def picture(results: Results, path: Path) -> None:
    """Ratios to Kafka as bars; skipped without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("left out: the picture, which needs matplotlib", file=sys.stderr)
        return
    rows = [(name, ratio(values, "kafka")) for name, values in results.items()]
    bars = [(name, float(value)) for name, value in reversed(rows) if value != "-"]
    if not bars:
        return
    figure = Figure(figsize=(9, 1 + 0.3 * len(bars)), layout="constrained")
    axes = figure.subplots()
    better = [("/s" in name) == (value > 1) for name, value in bars]
    axes.barh(
        [name for name, _ in bars],
        [value for _, value in bars],
        color=["#2a7f62" if good else "#b5483a" for good in better],
    )
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xlabel("Barnabas to Kafka 3.9.1 (green: better)")
    figure.savefig(path, dpi=110)


def build_load(directory: str) -> Path | None:
    if shutil.which("go") is None:
        return None
    program = Path(directory, "load")
    subprocess.run(["go", "build", "-o", str(program), "."], cwd=HERE / "load", check=True)
    return program


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="less of everything, once")
    parser.add_argument("--before", type=Path, help="another checkout, with its .venv")
    parser.add_argument("--only", default=",".join(STEPS), help="steps")
    parser.add_argument("--systems", default="", help="of barnabas, before, kafka, floor")
    parser.add_argument("--name", help="of the files in bench/results; the commit, if not given")
    arguments = parser.parse_args()
    chosen = arguments.only.split(",")
    if unknown := [step for step in chosen if step not in STEPS]:
        parser.error(f"no such step: {', '.join(unknown)}; there are {', '.join(STEPS)}")
    found = {**systems(arguments.before), "floor": None}
    if arguments.systems:
        found = {name: found[name] for name in arguments.systems.split(",") if name in found}
    facts = about()
    with tempfile.TemporaryDirectory() as directory:
        options = Options(arguments.quick, build_load(directory))
        results = run(chosen, found, options)
    shown = f"{table(results, list(found))}\n\n" + ", ".join(f"{k} {v}" for k, v in facts.items())
    print(shown)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / (arguments.name or facts["commit"])
    path.with_suffix(".md").write_text(f"{shown}\n")
    path.with_suffix(".json").write_text(json.dumps({**facts, "results": results}, indent=1))
    picture(results, path.with_suffix(".png"))


if __name__ == "__main__":
    main()
