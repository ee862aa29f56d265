"""A cluster is restarted broker by broker under load: what do clients notice?

    python -m bench.roll [--client NAME ...] [--rounds 1] [--port 22600]

Three brokers of `barnabas up`, a topic of six partitions (RF 3, min.insync.replicas 2) for each
client, all clients at once: producers of `bench/producers/` with acks=all and idempotence. Then
`barnabas cluster roll --preferred --execute`. Prints for each client how many records were
acknowledged and failed, the longest time in which a partition acknowledged nothing, and the six
longest with their partitions and beginnings. Exit code 1 if a record failed. What this machine
cannot run is left out, and said.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.failover import PROGRAMS, Missing, Producer, command

from barnabas.client.admin import create_topic, wait_for_leaders
from barnabas.client.cluster import ClusterClient

BROKERS = 3
PARTITIONS = 6
CLIENTS = ("librdkafka", "java", "aiokafka", "franz-go")
BARNABAS = [sys.executable, "-m", "barnabas.cli.main"]


def program(client: str, directory: Path) -> list[str]:
    """How a producer is started, without its arguments. Raises Missing."""
    if client == "aiokafka":
        return [sys.executable, str(PROGRAMS / "aiokafka_client.py")]
    return command(client, directory)


async def create(bootstrap: str, topics: list[str]) -> None:
    async with ClusterClient(bootstrap, "bench") as admin:
        for topic in topics:
            await create_topic(
                admin,
                topic,
                partitions=PARTITIONS,
                replication_factor=BROKERS,
                configs={"min.insync.replicas": "2"},
            )
            await wait_for_leaders(admin, topic)


def measure(arguments: argparse.Namespace, directory: Path) -> int:
    """Start what can be started, roll, and tell."""
    bootstrap = ",".join(f"127.0.0.1:{arguments.port + i}" for i in range(BROKERS))
    programs: dict[str, list[str]] = {}
    for client in arguments.client or CLIENTS:
        try:
            programs[client] = program(client, directory)
        except Missing as missing:
            print(f"{client}: left out: {missing}", flush=True)
    asyncio.run(create(bootstrap, [f"busy-{client}" for client in programs]))
    producers = {
        client: Producer([*found, bootstrap, f"busy-{client}", str(PARTITIONS)])
        for client, found in programs.items()
    }
    for producer in producers.values():
        producer.wait_ready()
    time.sleep(2)
    began = time.time() * 1000
    roll = [*BARNABAS, "cluster", "roll", "-b", bootstrap, "--preferred", "--execute"]
    code = 0
    for _ in range(arguments.rounds):
        code |= subprocess.run(roll, check=False).returncode
    time.sleep(2)
    for client, producer in producers.items():
        producer.stop()
        silences = sorted(producer.silences(began), key=lambda s: s[1] - s[2])
        outcome = next((x for x in producer.lines if x.startswith("acknowledged=")), "ended early")
        code |= " failed=0" not in outcome
        longest = silences[0][2] - silences[0][1] if silences else 0.0
        told = " ".join(
            f"{partition}:{(start - began) / 1000:.1f}s+{end - start:.0f}ms"
            for partition, start, end in silences[:6]
        )
        print(f"{client} {outcome} longest_silence_ms={longest:.0f} ({told})", flush=True)
    return code


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--client", action="append", help=f"default: {', '.join(CLIENTS)}")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--port", type=int, default=27_400)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-roll-") as directory:
        up = [*BARNABAS, "up", "--no-console", "--data", directory, "--port", str(arguments.port)]
        up += ["--zookeeper-port", str(arguments.port + BROKERS)]
        with subprocess.Popen(up, stdout=subprocess.PIPE, text=True) as cluster:
            try:
                assert cluster.stdout is not None
                next(line for line in cluster.stdout if line.startswith("ready: "))
                code = measure(arguments, Path(directory))
            finally:
                cluster.terminate()
    sys.exit(code)


if __name__ == "__main__":
    main()
