"""What TLS costs, of the original and of Barnabas, in one run: three brokers, RF 3, acks=all, 1 kB.

    python bench/tls.py [--turns 2] [--only barnabas-tls ...] > result.txt

Every connection is TLS 1.3, also between the brokers; keys are ECDSA's on P-256. Beside it the same
in the clear. Needs java and mvn (tools/original/kafka), confluent-kafka and ``openssl s_time``. The
machine should be otherwise idle. Systems take turns; raw lines go to standard output as they come;
the tables come last: medians, with the least and the greatest.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from barnabas.cluster.certificates import Authority

HERE = Path(__file__).parent
ORIGINAL = HERE.parent / "tools" / "original" / "kafka"
TICKS = os.sysconf("SC_CLK_TCK")
READY_S = 90.0
HANDSHAKES_S = 8
HANDSHAKES_AT_ONCE = 3
IDS = (1, 2, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Files of one authority, and what names them."""

    directory: Path

    @classmethod
    def make(cls, directory: Path) -> Keys:
        authority = Authority()
        key, certificate = authority.issue("brokers", ["127.0.0.1", "localhost"])
        (directory / "keys.pem").write_bytes(key + certificate)
        (directory / "ca.pem").write_bytes(authority.pem)
        return cls(directory=directory)

    def of_brokers(self) -> dict[str, str]:
        return {
            "security.inter.broker.protocol": "SSL",
            "ssl.enabled.protocols": "TLSv1.3",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.directory / "keys.pem"),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.directory / "ca.pem"),
        }

    def of_clients(self) -> dict[str, str]:
        return {"security.protocol": "SSL", "ssl.ca.location": str(self.directory / "ca.pem")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A running cluster of three brokers."""

    ports: Sequence[int]
    pids: Sequence[int]
    client: dict[str, str]

    @property
    def bootstrap(self) -> str:
        return ",".join(f"127.0.0.1:{port}" for port in self.ports)


def _settings(broker: int, port: int, zookeeper: int, security: dict[str, str]) -> list[str]:
    protocol = security.get("security.inter.broker.protocol", "PLAINTEXT")
    given = {
        "broker.id": str(broker),
        "listeners": f"{protocol}://127.0.0.1:{port}",
        "zookeeper.connect": f"127.0.0.1:{zookeeper}",
        "offsets.topic.replication.factor": "3",
        "group.initial.rebalance.delay.ms": "0",
        **security,
    }
    return [f"{name}={value}" for name, value in given.items()]


@contextmanager
def original(port: int, keys: Keys | None) -> Iterator[Cluster]:
    name, ports = "tls", [port + number for number in IDS]
    security = keys.of_brokers() if keys else {}
    command = [str(ORIGINAL), "up", name, "--brokers", "0", "--zookeeper-port", str(port)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    try:
        for number, own in zip(IDS, ports, strict=True):
            settings = _settings(number, own, port, security)
            command = [str(ORIGINAL), "broker", name, str(number), *settings]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        pids = [int(subprocess.check_output([ORIGINAL, "pid", name, str(i)])) for i in IDS]
        yield _ready(Cluster(ports=ports, pids=pids, client=keys.of_clients() if keys else {}))
    finally:
        subprocess.run([ORIGINAL, "down", name], check=False, stdout=subprocess.DEVNULL)


@contextmanager
def barnabas(port: int, keys: Keys | None) -> Iterator[Cluster]:
    ports = [port + number for number in IDS]
    security = keys.of_brokers() if keys else {}
    with tempfile.TemporaryDirectory(prefix="tls-") as data, ExitStack() as stack:
        log = stack.enter_context(Path(data, "log").open("w"))

        def start(*arguments: str) -> int:
            command = [sys.executable, "-m", "barnabas.cli.main", *arguments]
            process = stack.enter_context(subprocess.Popen(command, stderr=log))
            stack.callback(process.terminate)
            return process.pid

        start("coordinator", "--data", f"{data}/coordinator", "--port", str(port))
        pids = []
        for number, own in zip(IDS, ports, strict=True):
            settings = [*_settings(number, own, port, security), f"log.dirs={data}/{number}"]
            pids.append(start("broker", *(part for s in settings for part in ("-X", s))))
        yield _ready(Cluster(ports=ports, pids=pids, client=keys.of_clients() if keys else {}))


def _ready(cluster: Cluster) -> Cluster:
    admin = AdminClient({**cluster.client, "bootstrap.servers": cluster.bootstrap})
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        try:
            if len(admin.list_topics(timeout=2).brokers) == len(IDS):
                return cluster
        except KafkaException:
            pass  # not yet
        time.sleep(0.2)
    raise SystemExit(f"no three brokers at {cluster.bootstrap} in {READY_S:.0f} s")


def cpu_s(pids: Sequence[int]) -> float:
    """User and system time of processes so far."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def throughput(cluster: Cluster, records: int) -> Iterator[tuple[str, float]]:
    command = [sys.executable, str(HERE / "measure" / "throughput.py"), cluster.bootstrap]
    command += ["--rf", "3", "--size", "1000", "--records", str(records)]
    command += ["--pids", ",".join(map(str, cluster.pids))]
    for name, value in cluster.client.items():
        command += ["--client", f"{name}={value}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print("   ", line, end="", flush=True)
            kind = line.split()[0]
            found = {k: float(v) for k, v in re.findall(r"([\w.]+)=(-?[\d.]+)", line)}
            if kind == "latency":
                yield "one at a time, p50 us", found["p50"]
                yield "one at a time, p99 us", found["p99"]
            else:
                yield f"{kind} MB/s", found["MB_s"]
                yield f"{kind} broker CPU s/GB", found["broker_cpu_s_per_GB"]


def handshakes(cluster: Cluster) -> Iterator[tuple[str, float]]:
    """New connections to one broker, of several clients at once, none resumed."""
    if not cluster.client:
        return
    command = ["openssl", "s_time", "-connect", f"127.0.0.1:{cluster.ports[0]}", "-new"]
    command += ["-tls1_3", "-time", str(HANDSHAKES_S), "-CAfile", cluster.client["ssl.ca.location"]]
    for warm in (True, False):
        before, began = cpu_s(cluster.pids[:1]), time.monotonic()
        clients = [
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            for _ in range(HANDSHAKES_AT_ONCE)
        ]
        texts = [client.communicate()[0] for client in clients]
        took_s = time.monotonic() - began
        counts = [re.search(r"(\d+) connections in \d+ real", text) for text in texts]
        if not all(counts):
            raise SystemExit(f"openssl s_time: {texts}")
        count = sum(int(found[1]) for found in counts if found)
        if not warm:
            line = f"handshakes={count} seconds={took_s:.2f}"
            print(f"    {line} broker_cpu_s={cpu_s(cluster.pids[:1]) - before:.2f}", flush=True)
            yield "handshakes/s", count / took_s
            yield "broker CPU us a handshake", (cpu_s(cluster.pids[:1]) - before) / count * 1e6


SYSTEMS = {
    "original-tls": original,
    "barnabas-tls": barnabas,
    "original-plain": original,
    "barnabas-plain": barnabas,
}


def ratio(found: dict[str, dict[str, list[float]]], name: str, over: str, under: str) -> str:
    values = [found.get(system, {}).get(name) for system in (over, under)]
    if not values[0] or not values[1]:
        return "-"
    return f"{statistics.median(values[0]) / statistics.median(values[1]):.2f}"


def table(found: dict[str, dict[str, list[float]]]) -> None:
    names = dict.fromkeys(name for of_one in found.values() for name in of_one)
    print("\n| measure | " + " | ".join(found), end=" | ")
    print("TLS: ratio to the original | ours: TLS to the clear |")
    print("|---|" + "---|" * (len(found) + 2))
    for name in names:
        cells = []
        for of_one in found.values():
            values = of_one.get(name)
            cells.append(
                f"{statistics.median(values):.4g} ({min(values):.4g}-{max(values):.4g})"
                if values
                else "-"
            )
        beside = ratio(found, name, "barnabas-tls", "original-tls")
        clear = ratio(found, name, "barnabas-tls", "barnabas-plain")
        print(f"| {name} | " + " | ".join([*cells, beside, clear]) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--only", action="append", choices=list(SYSTEMS))
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--records", type=int, default=400_000)
    parser.add_argument("--port", type=int, default=27_600)
    options = parser.parse_args()
    if shutil.which("openssl") is None:
        raise SystemExit("openssl is not installed")
    found: dict[str, dict[str, list[float]]] = {s: {} for s in options.only or SYSTEMS}
    with tempfile.TemporaryDirectory(prefix="tls-keys-") as directory:
        keys = Keys.make(Path(directory))
        for turn in range(options.turns):
            for place, system in enumerate(found):
                print(f"{system}, {time.strftime('%H:%M:%S')}", flush=True)
                port = options.port + 10 * (turn * len(found) + place)
                with SYSTEMS[system](port, keys if system.endswith("tls") else None) as cluster:
                    measured = [*throughput(cluster, options.records), *handshakes(cluster)]
                for name, value in measured:
                    found[system].setdefault(name, []).append(value)
    table(found)


if __name__ == "__main__":
    main()
