"""Start-up and memory of a cluster: `barnabas up` until the first acknowledged record.

    python bench/memory.py [--rounds 5]

Starts and stops its own cluster. Prints milliseconds from the start of the command to its ready
line and to the first record acknowledged with acks=all on a topic of RF 3, and per broker the
resident (RSS) and proportional (PSS: shared pages divided among their users) memory when idle.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from barnabas.cluster.control import ask

PORT, ZOOKEEPER_PORT = 27_092, 27_181


def kilobytes(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1])
    return 0


def first_acknowledged(bootstrap: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic("first", 1, 3)])["first"].result()
    acknowledged: list[object] = []
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "linger.ms": 0})
    producer.produce("first", b"x", on_delivery=lambda error, _: acknowledged.append(error))
    producer.flush(30)
    assert acknowledged == [None], acknowledged


def one_round() -> tuple[float, float, list[int], list[int]]:
    started = time.monotonic()
    command = [sys.executable, "-m", "barnabas.cli.main", "up"]
    command += ["--port", str(PORT), "--zookeeper-port", str(ZOOKEEPER_PORT)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as cluster:
        try:
            assert cluster.stdout is not None
            cluster.stdout.readline()
            ready = time.monotonic() - started
            first_acknowledged(",".join(f"127.0.0.1:{PORT + i}" for i in range(3)))
            first = time.monotonic() - started
            time.sleep(3)
            processes = ask(PORT, {"verb": "status"})["processes"]
            pids = [p["pid"] for name, p in processes.items() if name.startswith("broker")]
            rss = [kilobytes(pid, "Rss:") for pid in pids]
            pss = [kilobytes(pid, "Pss:") for pid in pids]
        finally:
            cluster.terminate()
    return ready, first, rss, pss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = [one_round() for _ in range(parser.parse_args().rounds)]
    for name, index, scale in (
        ("ready_ms", 0, 1000.0),
        ("first_acknowledged_ms", 1, 1000.0),
        ("rss_MiB", 2, 1 / 1024),
        ("pss_MiB", 3, 1 / 1024),
    ):
        found = [r[index] for r in rounds]
        flat = [v for item in found for v in (item if isinstance(item, list) else [item])]
        values = sorted(v * scale for v in flat)
        median = statistics.median(values)
        print(f"{name} min={values[0]:.1f} median={median:.1f} max={values[-1]:.1f}")


if __name__ == "__main__":
    main()
