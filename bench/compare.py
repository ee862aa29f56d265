"""The same measurements of the original and of Barnabas, one after the other, as a table.

    python bench/compare.py [--only original|barnabas] [--quick] > result.txt

Needs java and mvn (tools/original/kafka), confluent-kafka and kazoo. Runs the scripts of
bench/measure unchanged against three brokers on loopback: throughput and latency (RF 1 and 3, 1,000
and 100 bytes), failover of a leader and of the controller, controller take-over with many
partitions. The machine should be otherwise idle. Raw lines go to standard output as they come; the
table comes last.
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from barnabas.cluster.control import ask

HERE = Path(__file__).parent
ORIGINAL = HERE.parent / "tools" / "original" / "kafka"
LAUNCHED = "original"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A running cluster of three brokers."""

    bootstrap: str
    zookeeper: str
    pids: dict[int, int]

    def pid_list(self) -> str:
        return ",".join(str(p) for p in self.pids.values())

    def pid_pairs(self) -> str:
        return ",".join(f"{i}={p}" for i, p in self.pids.items())


@contextmanager
def original() -> Iterator[Cluster]:
    name, port, zookeeper = "compare", 28_092, 28_181
    options = ["--zookeeper-port", str(zookeeper), "--port", str(port)]
    subprocess.run(
        [ORIGINAL, "up", name, *options], check=True, stdout=subprocess.DEVNULL, stderr=sys.stderr
    )
    try:
        pids = {
            i: int(subprocess.check_output([ORIGINAL, "pid", name, str(i)], text=True))
            for i in (1, 2, 3)
        }
        yield Cluster(
            bootstrap=",".join(f"127.0.0.1:{port + i}" for i in range(3)),
            zookeeper=f"127.0.0.1:{zookeeper}",
            pids=pids,
        )
    finally:
        subprocess.run([ORIGINAL, "down", name], check=False, stdout=subprocess.DEVNULL)


@contextmanager
def barnabas() -> Iterator[Cluster]:
    port, zookeeper = 28_292, 28_381
    data = tempfile.mkdtemp(prefix="barnabas-compare-")
    command = [sys.executable, "-m", "barnabas.cli.main", "up", "--data", data]
    command += ["--port", str(port), "--zookeeper-port", str(zookeeper), "--profile", "server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            processes = ask(port, {"verb": "status"})["processes"]
            yield Cluster(
                bootstrap=",".join(f"127.0.0.1:{port + i}" for i in range(3)),
                zookeeper=f"127.0.0.1:{zookeeper}",
                pids={
                    int(name.partition(":")[2]): p["pid"]
                    for name, p in processes.items()
                    if name.startswith("broker")
                },
            )
        finally:
            process.terminate()
    shutil.rmtree(data, ignore_errors=True)


SYSTEMS = {"original": original, "barnabas": barnabas}


def measure(script: str, *arguments: str) -> list[str]:
    """The lines that a script of bench/measure prints; shown as they come."""
    command = [sys.executable, str(HERE / "measure" / script), *arguments]
    lines = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as p:
        assert p.stdout is not None
        for line in p.stdout:
            print("   ", line, end="", flush=True)
            lines.append(line)
    return lines


def figures(line: str) -> dict[str, float]:
    """``name=number`` pairs of a line; units are cut off."""
    return {k: float(v) for k, v in re.findall(r"([\w.]+)=(-?[\d.]+)", line)}


def throughput(system: str, quick: bool) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    with SYSTEMS[system]() as cluster:
        for rf in (1, 3):
            for size, records in ((1000, 500_000), (100, 1_000_000)):
                label = f"rf={rf} size={size}"
                lines = measure(
                    "throughput.py",
                    *(cluster.bootstrap, "--rf", str(rf), "--size", str(size)),
                    *(
                        "--records",
                        str(records // (5 if quick else 1)),
                        "--pids",
                        cluster.pid_list(),
                    ),
                )
                for line in lines:
                    kind = line.split()[0]
                    values = figures(line)
                    if kind == "latency" and size == 1000:
                        for quantile in ("p50", "p99", "p99.9"):
                            found.setdefault(f"latency rf={rf} {quantile} us", []).append(
                                values[quantile]
                            )
                    elif kind != "latency":
                        unit = "MB_s" if size == 1000 else "records_s"
                        found.setdefault(f"{kind} {label} {unit}", []).append(values[unit])
                        found.setdefault(f"{kind} {label} broker CPU s/GB", []).append(
                            values["broker_cpu_s_per_GB"]
                        )
    return found


def failover(system: str, rounds: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for victim in ("leader", "controller"):
        for _ in range(rounds):
            with SYSTEMS[system]() as cluster:
                for line in measure(
                    "failover.py",
                    *(cluster.bootstrap, cluster.zookeeper, cluster.pid_pairs()),
                    *("--victim", victim),
                ):
                    for name, value in figures(line).items():
                        if name.endswith("_ms") and name != "silence_ms":
                            found.setdefault(f"kill {victim}: {name}", []).append(value)
    return found


def take_over(system: str, partitions: str) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    with SYSTEMS[system]() as cluster:
        for line in measure("controller.py", cluster.bootstrap, cluster.zookeeper, partitions):
            values = figures(line)
            if line.startswith("create"):
                name = f"create {values['partitions']:.0f} partitions ms"
                found.setdefault(name, []).append(values["ms"])
            else:
                name = f"controller serving, {values['partitions']:.0f} partitions ms"
                found.setdefault(name, []).append(values["serving_ms"])
    return found


def table(results: dict[str, dict[str, list[float]]]) -> None:
    names = dict.fromkeys(name for found in results.values() for name in found)
    print("\n| measure | " + " | ".join(results) + " | ratio |")
    print("|---|" + "---|" * (len(results) + 1))
    for name in names:
        cells, medians = [], []
        for found in results.values():
            values = sorted(found.get(name, ()))
            if values:
                medians.append(statistics.median(values))
                cells.append(f"{medians[-1]:.4g} ({values[0]:.4g}-{values[-1]:.4g})")
            else:
                cells.append("-")
        ratio = f"{medians[1] / medians[0]:.2f}" if len(medians) == 2 and medians[0] else "-"
        print(f"| {name} | " + " | ".join(cells) + f" | {ratio} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=list(SYSTEMS))
    parser.add_argument("--quick", action="store_true", help="a fifth of the records, one failover")
    arguments = parser.parse_args()
    systems = [arguments.only] if arguments.only else list(SYSTEMS)
    results: dict[str, dict[str, list[float]]] = {system: {} for system in systems}
    for system in systems:
        rounds = 1 if arguments.quick or system == "original" else 5
        print(f"{system}, {time.strftime('%H:%M:%S')}", flush=True)
        results[system].update(throughput(system, arguments.quick))
        results[system].update(failover(system, rounds))
        results[system].update(
            take_over(system, "100,1000" if arguments.quick else "100,1000,4000")
        )
    table(results)


if __name__ == "__main__":
    main()
