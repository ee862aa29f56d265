"""The steps of the suite: each is given a fresh cluster and returns its figures by their names."""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import floor
from systems import ORIGINAL, System

HERE = Path(__file__).parent
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


def consume(system: System, options: Options) -> Figures:
    """From the start, each client with its own defaults."""
    topic, records = "consumed", 200_000 if options.quick else 1_000_000
    common = (system.bootstrap, topic, str(records))
    script("consume.py", *common, "fill")
    found: Figures = {}
    for client in ("librdkafka", "librdkafka-10", "aiokafka"):
        (line,) = script("consume.py", *common, client)
        found[f"{client} from the start, MB/s"] = line["MB_s"]
    if options.load is not None:
        line = load(options, system, "consume", topic=topic, records=records)
        found["franz-go from the start, MB/s"] = line["MB_s"]
    if shutil.which("java") is not None and ORIGINAL.exists():
        found["Java from the start, MB/s"] = _java(system, topic, records)
    return found


def _java(system: System, topic: str, records: int) -> float:
    """ConsumerPerformance; without the time in which its group forms."""
    tool = [str(ORIGINAL), "run", "org.apache.kafka.tools.ConsumerPerformance"]
    tool += ["--bootstrap-server", system.bootstrap, "--topic", topic, "--messages", str(records)]
    done = subprocess.run(tool, capture_output=True, text=True, check=True)
    names, values = (line.split(", ") for line in done.stdout.strip().splitlines()[-2:])
    line = dict(zip(names, values, strict=True))
    if int(line["data.consumed.in.nMsg"]) < records:
        raise SystemExit(f"{system.name}: ConsumerPerformance has {line['data.consumed.in.nMsg']}")
    return float(line["fetch.MB.sec"]) * 1.048576


def killed(system: System, options: Options) -> Figures:
    """Starts after SIGKILL: with many partitions, then also with much that was not flushed."""
    count = 1_000 if options.quick else 10_000
    gigabytes = 1 if options.quick else 20
    script("controller.py", system.bootstrap, system.zookeeper, str(count))
    time.sleep(5)
    found = {f"start after SIGKILL, {count:,} partitions, ms": _start_again(system, 1)}
    records = str(gigabytes * 100_000)
    size = ("--size", "10000", "--records", records, "--rounds", "1")
    script("throughput.py", system.bootstrap, "--rf", "1", *size)
    name = f"and a third of {gigabytes} GB just written, ms"
    found[f"start after SIGKILL, {count:,} partitions {name}"] = _start_again(system, 2)
    return found


def _start_again(system: System, broker: int) -> float:
    """Milliseconds from the start of a killed broker until it is registered."""
    about = (system.zookeeper, str(broker))
    script("killed.py", *about, "kill", "--pid", str(system.pids[broker]))
    began = time.time()
    system.pids[broker] = system.restart(broker)
    (line,) = script("killed.py", *about, "back")
    return (line["at"] - began) * 1000


def cleaning(system: System, options: Options) -> Figures:
    """Compaction, and batches that the leader has to compress anew."""
    records = 300_000 if options.quick else 2_000_000
    directories = ",".join(f"{i}={path}" for i, path in system.directories.items())
    (line,) = script("cleaning.py", system.bootstrap, directories, "--records", str(records))
    count = str(records // 3)
    anew = script(
        "throughput.py",
        *(system.bootstrap, "--rf", "3", "--records", count, "--rounds", "2"),
        *("--client", "compression.type=lz4", "--topic", "compression.type=zstd"),
        *("--pids", system.pid_list()),
    )
    return {
        "compaction of three replicas, MB/s": line["MB_s"],
        "one at a time before compaction, p99 us": line["p99_before"],
        "one at a time beside compaction, p99 us": line["p99_meanwhile"],
        "produce lz4 to a topic of zstd, MB/s": anew[1]["MB_s"],
        "produce lz4 to a topic of zstd, broker CPU s/GB": anew[1]["broker_cpu_s_per_GB"],
    }


def recompression(system: System, options: Options) -> Figures:
    """One record at a time beside batches that the leader has to compress anew."""
    found: Figures = {}
    for line in script("recompression.py", system.bootstrap):
        name = f"one at a time, p99 us, beside 20 MB/s in batches of {line['batch']:,.0f} B"
        found[f"{name}: before"] = line["p99_before"]
        found[f"{name}: lz4 kept"] = line["p99_producer"]
        found[f"{name}: lz4 to zstd"] = line["p99_zstd"]
    return found


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
    "consume": (consume, 2),
    "killed": (killed, 1),
    "cleaning": (cleaning, 1),
    "recompression": (recompression, 3),
}
"""The steps and how often each is done, if not quick."""
