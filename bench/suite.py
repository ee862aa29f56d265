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
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import floor
from systems import Start, System, systems

HERE = Path(__file__).parent
RESULTS = HERE / "results"
Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Options:
    """How much is done."""

    quick: bool
    load: Path | None
    """The load generator for many connections, if this machine has go."""


class LeftOut(Exception):
    """This machine cannot run a step."""


def script(name: str, *arguments: str) -> list[Figures]:
    """The lines that a script of bench/measure prints, as figures."""
    command = [sys.executable, str(HERE / "measure" / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name}: {done.stdout[-200:]}{done.stderr[-500:]}")
    return [figures(line) for line in done.stdout.splitlines()]


def figures(line: str) -> Figures:
    """``name=number`` pairs of a line; units are cut off."""
    return {k: float(v) for k, v in re.findall(r"([\w.]+)=(-?[\d.]+)", line)}


def load(options: Options, system: System, mode: str, **settings: int | str) -> Figures:
    """One line of the load generator."""
    if options.load is None:
        raise LeftOut("needs go")
    command = [str(options.load), "-bootstrap", system.bootstrap, "-mode", mode]
    command += [word for name, value in settings.items() for word in (f"-{name}", str(value))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{system.name}: {done.stderr[-500:]}")
    return figures(done.stdout)


def kilobytes(pid: int) -> int:
    """Resident memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+)", status)[0])


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# Steps: each is given a fresh cluster and returns its figures


def produce(system: System, options: Options) -> Figures:
    found: Figures = {}
    for size, records in ((1000, 400_000), (100, 1_000_000)):
        count = records // (5 if options.quick else 1)
        lines = script(
            "throughput.py",
            *(system.bootstrap, "--rf", "3", "--size", str(size), "--records", str(count)),
            *("--rounds", "2", "--pids", system.pid_list()),
        )
        _, warm, consumed, latency = lines
        found[f"produce RF 3 {size} B, MB/s"] = warm["MB_s"]
        found[f"produce RF 3 {size} B, broker CPU s/GB"] = warm["broker_cpu_s_per_GB"]
        found[f"consume RF 3 {size} B, broker CPU s/GB"] = consumed["broker_cpu_s_per_GB"]
        if size == 1000:
            found["one at a time RF 3, p50 us"] = latency["p50"]
            found["one at a time RF 3, p99 us"] = latency["p99"]
    return found


def produce_alone(system: System, options: Options) -> Figures:
    count = 100_000 if options.quick else 500_000
    _, warm, _, latency = script(
        "throughput.py",
        *(system.bootstrap, "--rf", "1", "--records", str(count), "--rounds", "2"),
        *("--pids", system.pid_list()),
    )
    return {
        "produce RF 1 1000 B, MB/s": warm["MB_s"],
        "produce RF 1 1000 B, broker CPU s/GB": warm["broker_cpu_s_per_GB"],
        "one at a time RF 1, p50 us": latency["p50"],
    }


def clients(system: System, options: Options) -> Figures:
    found: Figures = {}
    for count in (100, 500):
        seconds = 4 if options.quick else 8
        load(options, system, "produce", clients=count, seconds=2, topic=f"warm-{count}")
        cpu = floor.cpu_s(list(system.pids.values()))
        line = load(options, system, "produce", clients=count, seconds=seconds, topic=f"c-{count}")
        cpu = floor.cpu_s(list(system.pids.values())) - cpu
        found[f"{count} clients, requests/s"] = line["requests_s"]
        found[f"{count} clients, p99 us"] = line["p99_us"]
        found[f"{count} clients, broker CPU us a request"] = (
            cpu / (line["requests_s"] * seconds) * 1e6
        )
    return found


def connections(system: System, options: Options) -> Figures:
    """Connections that do nothing: what they hold and what they cost."""
    if options.load is None:
        raise LeftOut("needs go")
    count, pids = 5_000, list(system.pids.values())
    command = [str(options.load), "-mode", "idle", "-bootstrap", system.bootstrap]
    load(options, system, "produce", clients=20, seconds=1, topic="before")
    before, watched = sum(map(kilobytes, pids)), 4 if options.quick else 10
    cpu = floor.cpu_s(pids)
    time.sleep(watched)
    without = floor.cpu_s(pids) - cpu
    with subprocess.Popen(
        [*command, "-clients", str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        if figures(process.stdout.readline())["open"] != count:
            raise SystemExit(f"{system.name}: not all connections are open")
        time.sleep(1)
        after, cpu = sum(map(kilobytes, pids)), floor.cpu_s(pids)
        time.sleep(watched)
        idle = floor.cpu_s(pids) - cpu
        process.stdin.close()
    return {
        "5,000 idle connections, KiB each": (after - before) / count,
        "5,000 idle connections, CPU % of a core": (idle - without) / watched * 100,
    }


def tail(system: System, options: Options) -> Figures:
    line = load(options, system, "tail", clients=50, seconds=4 if options.quick else 10, rate=1_000)
    return {
        "50 consumers at the tail, records/s out": line["records_s"],
        "50 consumers at the tail, p50 us": line["p50_us"],
        "50 consumers at the tail, p99 us": line["p99_us"],
    }


def controller(system: System, options: Options) -> Figures:
    many = "1000" if options.quick else "4000" if system.name == "kafka" else "1000,4000,10000"
    found: dict[str, list[float]] = {}
    for line in script("controller.py", system.bootstrap, system.zookeeper, many):
        if "serving_ms" in line:
            name = f"successor serving {line['partitions']:,.0f} partitions, ms"
            found.setdefault(name, []).append(line["serving_ms"])
    return {name: statistics.median(values) for name, values in found.items()}


def death(system: System, options: Options) -> Figures:
    count = 1_000 if options.quick else 5_000
    created, died = script(
        "death.py",
        *(system.bootstrap, system.zookeeper, system.pid_pairs(), "--partitions", str(count)),
    )
    return {
        f"{count:,} partitions created by one request, ms": created["ms"],
        f"a broker's death, {count:,} partitions: all led again, ms": died["leaders_ms"],
        f"a broker's death, {count:,} partitions: clients told, ms": died["told_ms"],
    }


def failover(system: System, options: Options) -> Figures:
    """The leader of a partition is killed, or the leader that is the controller too."""
    found: Figures = {}
    for victim in ("leader", "controller"):
        (line,) = script(
            "failover.py",
            *(system.bootstrap, system.zookeeper, system.pid_pairs(), "--victim", victim),
        )
        found[f"{victim} killed: acknowledged again, ms"] = line["acknowledged_again_ms"]
        system.pids.update({b: system.restart(b) for b, p in system.pids.items() if not alive(p)})
        time.sleep(15)
    return found


def topics(system: System, options: Options) -> Figures:
    count = 100 if options.quick else 400
    created, deleted = script(
        "topics.py", system.bootstrap, system.zookeeper, "--topics", str(count)
    )
    return {
        f"{count} topics of 6 partitions created, ms": created["ms"],
        f"{count} topics of 6 partitions deleted, ms": deleted["ms"],
    }


def replicas(system: System, options: Options) -> Figures:
    """What replicas hold and cost while nothing is sent."""
    count, pids = 1_000 if options.quick else 10_000, list(system.pids.values())
    if system.name == "kafka":
        count = min(count, 4_000)
    before = sum(map(kilobytes, pids))
    script("controller.py", system.bootstrap, system.zookeeper, str(count))
    time.sleep(10)
    cpu, watched = floor.cpu_s(pids), 5 if options.quick else 20
    time.sleep(watched)
    idle = floor.cpu_s(pids) - cpu
    return {
        f"{count:,} partitions: KB a replica": (sum(map(kilobytes, pids)) - before) / count / 3,
        f"{count:,} partitions: idle CPU % of a core, a broker": idle / watched / 3 * 100,
    }


STEPS: dict[str, tuple[Callable[[System, Options], Figures], int]] = {
    "produce": (produce, 3),
    "alone": (produce_alone, 3),
    "clients": (clients, 3),
    "connections": (connections, 1),
    "tail": (tail, 2),
    "controller": (controller, 1),
    "death": (death, 2),
    "failover": (failover, 3),
    "topics": (topics, 1),
    "replicas": (replicas, 1),
}
"""The steps and how often each is done, if not quick."""


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
