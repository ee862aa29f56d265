"""What a cluster with many partitions costs that nobody uses: processor time, wake-ups, memory.

    python -m bench.idle [--partitions 10000] [--seconds 60] [--rounds 2]

Starts three brokers as `barnabas up --profile server` does, without metrics and console, creates a
topic of RF 3 (of more than 10,000 partitions several), and prints for each process and round the
processor time in percent of a core (``/proc/PID/schedstat``), how often it was woken a second, and
what it wrote; for brokers also the resident memory, and how much more that is, for each replica,
than before the topics. The first round has what follows a load: a garbage collection, memory that
goes back to the system, the first retention after 30 s.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from confluent_kafka.admin import AdminClient, NewTopic

from barnabas.cluster.control import ask

PORT = 27_192
PER_TOPIC = 10_000
SETTLED_NS = 60_000_000
"""Processor time of all brokers in a second, when a load is over."""


def ran_ns(pid: int) -> int:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


def field(pid: int, file: str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+)", Path(f"/proc/{pid}/{file}").read_text(), re.M)
    return 0 if found is None else int(found[1])


def resident_bytes(pid: int) -> int:
    return 1024 * field(pid, "smaps_rollup", "Rss")


def create(bootstrap: str, partitions: int) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.list_topics(timeout=30)
    for first in range(0, partitions, PER_TOPIC):
        name = f"t{first:06d}"
        topic = NewTopic(name, min(PER_TOPIC, partitions - first), 3)
        made = admin.create_topics([topic], operation_timeout=280, request_timeout=290)
        made[name].result()


def settle(pids: list[int]) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        before = sum(map(ran_ns, pids))
        time.sleep(1)
        if sum(map(ran_ns, pids)) - before < SETTLED_NS:
            return


def look(pids: dict[str, int], seconds: float) -> None:
    def now() -> dict[str, tuple[int, int, int]]:
        return {
            name: (
                ran_ns(pid),
                field(pid, "status", "voluntary_ctxt_switches"),
                field(pid, "io", "write_bytes"),
            )
            for name, pid in pids.items()
        }

    before, began = now(), time.monotonic()
    time.sleep(seconds)
    after, took = now(), time.monotonic() - began
    for name in pids:
        ns, wakes, written = (b - a for a, b in zip(before[name], after[name], strict=True))
        print(
            f"{name}: {ns / took / 1e7:.2f} % of a core, {wakes / took:.1f} wake-ups/s,"
            f" {written / 1024:.0f} kB written"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--partitions", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--port", type=int, default=PORT)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="barnabas-idle-") as data:
        command = [sys.executable, "-m", "barnabas.cli.main", "up", "--data", data]
        command += ["--port", str(wanted.port), "--zookeeper-port", str(wanted.port + 9)]
        command += ["--profile", "server", "--no-console", "--no-http"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as cluster:
            try:
                assert cluster.stdout is not None
                print(cluster.stdout.readline().strip())
                processes = ask(wanted.port, {"verb": "status"})["processes"]
                pids = {name: process["pid"] for name, process in processes.items()}
                brokers = {name: pid for name, pid in pids.items() if name.startswith("broker")}
                time.sleep(3)
                empty = {name: resident_bytes(pid) for name, pid in brokers.items()}
                create(
                    ",".join(f"127.0.0.1:{wanted.port + i}" for i in range(3)), wanted.partitions
                )
                settle(list(brokers.values()))
                for _ in range(wanted.rounds):
                    look(pids, wanted.seconds)
                for name, pid in brokers.items():
                    held = resident_bytes(pid)
                    each = (held - empty[name]) / max(wanted.partitions, 1)
                    print(f"{name}: {held / 1e6:.1f} MB resident, {each:.0f} bytes a replica")
            finally:
                cluster.terminate()


if __name__ == "__main__":
    main()
