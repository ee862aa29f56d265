"""``make ensemble``: faults of a ZooKeeper ensemble and of the network, one after the other, under
a load. Prints what happened, what clients saw and how long it took; fails if anything was not as it
must be. ``--only NAME[,NAME]`` plays those whose names begin so."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from tests.chaos.hosts import BROKERS
from tests.chaos.network import CLIENTS, Network, NotPermitted
from tests.ensemble.demo import play_demo
from tests.ensemble.faults import PLAIN, WEATHER, Fault
from tests.ensemble.hosts import MEMBERS, TOPIC, EnsembleHosts, until
from tests.ensemble.load import Load
from tests.ensemble.multis import MULTIS
from tests.ensemble.network import NoTap, RelayedNetwork
from tests.ensemble.proxy import Proxy
from tests.ensemble.stage import Row, Stage
from tests.zookeeper.real_zookeeper import missing

PARTITIONS = 6
PROXY_PORT = 2181
PHASES: dict[str, dict[str, tuple[str, Fault]]] = {
    "ensemble": PLAIN,
    "multis": MULTIS,
    "weather": WEATHER,
}
DEMO = "demo"
BEGIN, END = "<!-- table -->\n", "<!-- end of table -->\n"


def play(phase: str, faults: dict[str, tuple[str, Fault]], directory: Path) -> list[Row]:
    """One cluster, made for these faults; the last row says how its load came out."""
    number = os.getpid() % 250
    network: Network
    if phase == "weather":
        network = RelayedNetwork(number, [*BROKERS, *MEMBERS])
    else:
        network = Network(number, [*BROKERS, *MEMBERS])
    network.build()
    hosts: EnsembleHosts | None = None
    proxy: Proxy | None = None
    try:
        if phase == "multis":
            members = [(network.address(m), 2181) for m in MEMBERS]
            proxy = Proxy(network.address(CLIENTS), PROXY_PORT, members)
            proxy.start()
        hosts = EnsembleHosts(directory, network, proxy.connect if proxy else None)
        for host in hosts.names:
            hosts.start(host)
        load = Load(hosts.bootstrap, TOPIC, PARTITIONS)
        stage = Stage(hosts, network, load, proxy)
        if until(lambda: _registered(hosts), 90) is None:
            return [Row(phase, "", "", problem="the cluster does not start")]
        hosts.create_topic(TOPIC, PARTITIONS)
        load.start()
        rows = []
        for name, (title, fault) in faults.items():
            rows.append(stage.play(name, title, fault))
            print(_line(rows[-1]), flush=True)
        return [*rows, _judged(phase, stage)]
    finally:
        if hosts is not None:
            hosts.end()
        if proxy is not None:
            proxy.stop()
        network.remove()


def _registered(hosts: EnsembleHosts) -> bool:
    view = hosts.metadata()
    return view is not None and len(view.brokers) == len(BROKERS) and view.controller_id > 0


def _judged(phase: str, stage: Stage) -> Row:
    """What was acknowledged is there, in order, once; replicas are equal; nothing went wrong."""
    load, hosts = stage.load, stage.hosts
    anomalies = load.stop()
    problems = [*map(str, anomalies[:5]), *load.faults[:5]]
    different = [n for n in range(PARTITIONS) if until(partial(_equal, hosts, n), 15) is None]
    problems += [f"the replicas of {TOPIC}-{n} differ" for n in different]
    logs = {b: (hosts.directory / f"{b}.log").read_text(errors="replace") for b in BROKERS}
    problems += [f"{b}.log holds a traceback" for b in BROKERS if "Traceback" in logs[b]]
    lost = sum(a.kind in ("lost-write", "unseen") for a in anomalies)
    duplicated = sum(a.kind == "duplicate" for a in anomalies)
    reordered = len(anomalies) - lost - duplicated
    text = f"acknowledged={load.acknowledged} lost={lost} duplicated={duplicated}"
    row = Row(f"all of {phase}", "", f"{text} other={reordered}", problem="; ".join(problems))
    print(_line(row), flush=True)
    return row


def _equal(hosts: EnsembleHosts, partition: int) -> bool:
    return len({hosts.replica(b, TOPIC, partition) for b in BROKERS}) == 1


def _line(row: Row) -> str:
    seen = row.seen
    clients = (
        ""
        if seen is None
        else f" | errors {seen.errors}, longest pause {seen.longest_pause_s:.1f} s"
        f" (reading {seen.longest_silence_s:.1f} s) | normal after {row.normal_s:.1f} s"
    )
    problem = f" | WRONG: {row.problem}" if row.problem else ""
    return f"{row.name}: {row.happened}{clients}{problem}"


def table(rows: list[Row]) -> str:
    """For docs/ensemble.md."""
    lines = [
        "| Fault | What happened | Errors | Longest pause, writing / reading | Until normal |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        seen = row.seen
        if seen is None:
            lines.append(f"| {row.name} | {row.happened} | | | |")
            continue
        pauses = f"{seen.longest_pause_s:.1f} s / {seen.longest_silence_s:.1f} s"
        title = f"{row.title} (`{row.name}`)"
        lines.append(
            f"| {title} | {row.happened} | {seen.errors} | {pauses} | {row.normal_s:.1f} s |"
        )
    return "\n".join(lines) + "\n"


def write(path: Path, rows: list[Row]) -> None:
    """Replace the table in a page."""
    text = path.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    path.write_text(before + BEGIN + table(rows) + END + after)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.ensemble.run", description=__doc__)
    parser.add_argument("--only", default="", help="names of faults, or how they begin")
    parser.add_argument("--list", action="store_true", help="print the names of the faults")
    parser.add_argument("--write", type=Path, help="replace the table in this page")
    arguments = parser.parse_args()
    wanted = tuple(arguments.only.split(",")) if arguments.only else ("",)
    phases = {
        phase: {name: fault for name, fault in faults.items() if name.startswith(wanted)}
        for phase, faults in PHASES.items()
    }
    if arguments.list:
        print(*(name for faults in phases.values() for name in faults), DEMO, sep="\n")
        return 0
    if (reason := missing()) is not None:
        print(f"ensemble: skipped: {reason} (Debian: apt-get install zookeeper)")
        return 0
    began = time.monotonic()
    directory = Path(tempfile.mkdtemp(prefix="barnabas-ensemble-"))
    rows: list[Row] = []
    for phase, faults in phases.items():
        if not faults:
            continue
        try:
            rows += play(phase, faults, directory / phase)
        except NotPermitted as error:
            if rows and not isinstance(error, NoTap):  # there was one before
                rows.append(Row(phase, "", "", problem=f"no network: {error}"))
                print(_line(rows[-1]), flush=True)
                continue
            print(f"ensemble: {phase} skipped: no network of its own here ({error})")
    if DEMO.startswith(wanted):
        rows.append(play_demo(directory / DEMO))
        print(_line(rows[-1]), flush=True)
    wrong = [row for row in rows if row.problem]
    faults_played = sum(row.seen is not None for row in rows)
    print(f"ensemble: faults={faults_played} wrong={len(wrong)} s={time.monotonic() - began:.0f}")
    if wrong:
        print(*map(_line, wrong), f"logs in {directory}", sep="\n")
        return 1
    if arguments.write and rows:
        write(arguments.write, rows)
    shutil.rmtree(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
