"""How long a test waits for a cluster: ``python -m bench.testkit [--rounds 10]``.

For both forms of ``barnabas.testing.Cluster``, with three brokers: from nothing to the first record
acknowledged with acks=all, and the end. Wall time in ms (median and worst), CPU time of this
process in ms, its memory in MB. Also the CPU time of the import of the pytest plugin, of the
first cluster of a process, and ``--tests N``: N tests, each with a cluster of its own whose leader
is killed, ``--repetitions`` times. With ``--beside``, how that compares with what else there is.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.alternatives import beside

from barnabas.broker.main import resident_bytes
from barnabas.testing import Cluster

TEST = """
import pytest

@pytest.mark.parametrize("number", range({count}))
def test_it(kafka_cluster, number):
    topic = kafka_cluster.create_topic("orders", min_isr=2)
    kafka_cluster.produce(topic, ["a"])
    old = kafka_cluster.kill(f"leader:{{topic}}/0")
    kafka_cluster.wait_for_leader(topic, not_on=old)
    kafka_cluster.produce(topic, ["b"])
    kafka_cluster.assert_records(topic, ["a", "b"])
"""


def one(*, in_process: bool) -> tuple[float, float, float]:
    """Seconds to the first record, CPU seconds of that, seconds to end it."""
    began, cpu = time.perf_counter(), time.process_time()
    cluster = Cluster(3, in_process=in_process).start()
    cluster.create_topic("orders", min_isr=2)
    cluster.produce("orders", ["first"])
    first, used = time.perf_counter() - began, time.process_time() - cpu
    began = time.perf_counter()
    cluster.close()
    return first, used, time.perf_counter() - began


def measure(rounds: int, *, in_process: bool) -> None:
    kind = "in process" if in_process else "processes"
    cold = one(in_process=in_process)
    runs = [one(in_process=in_process) for _ in range(rounds)]
    firsts, cpus, ends = ([1000 * run[i] for run in runs] for i in range(3))
    print(
        f"{kind}: first cluster {1000 * cold[0]:.0f} ms; then first record after"
        f" {statistics.median(firsts):.0f} ms (worst {max(firsts):.0f}),"
        f" CPU here {statistics.median(cpus):.0f} ms;"
        f" end {statistics.median(ends):.0f} ms (worst {max(ends):.0f});"
        f" memory here {resident_bytes() / 1e6:.0f} MB",
        flush=True,
    )


def import_cost(module: str) -> float:
    """CPU ms that it takes in an interpreter that has pytest already; the median of seven."""
    program = (
        "import pytest, time; began = time.process_time();"
        f" import {module}; print(time.process_time() - began)"
    )
    runs = [
        float(
            subprocess.run(
                [sys.executable, "-c", program], check=True, stdout=subprocess.PIPE
            ).stdout
        )
        for _ in range(7)
    ]
    return 1000 * statistics.median(runs)


def many(count: int, repetitions: int) -> None:
    """Each repetition is a run of pytest; what failed is shown."""
    for number in range(1, repetitions + 1):
        print(f"{number}: ", end="", flush=True)
        _many(count)


def _many(count: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "test_many.py").write_text(TEST.format(count=count))
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider"],
            cwd=directory,
            capture_output=True,
            text=True,
            check=False,
        )
        took = time.perf_counter() - began
    print(f"{count} tests under xdist -n 2: {took:.1f} s: {done.stdout.strip().splitlines()[-1]}")
    if done.returncode:
        print(done.stdout[-20_000:], done.stderr[-2_000:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--tests", type=int, default=0)
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--beside", action="store_true")
    options = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"import of the plugin: {import_cost('barnabas.testing.plugin'):.0f} ms of CPU time")
    for in_process in (True, False):
        measure(options.rounds, in_process=in_process)
    if options.tests:
        many(options.tests, options.repetitions)
    if options.beside:
        beside(options.rounds)


if __name__ == "__main__":
    main()
