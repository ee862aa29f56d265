"""Chaos with real processes, real clients and a real network; ``make chaos SECONDS=120``.

Every fault, its victim, its length and the pauses between them come from the seed; what the
processes make of them does not, so that a seed repeats the script of a run, not the run.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.hosts import BROKERS, COORDINATOR, HOSTS, Hosts
from tests.chaos.members import GroupTraffic
from tests.chaos.network import CLIENTS, Network, NotPermitted
from tests.real_clients import Traffic

TOPICS = {"chaos-a": 4, "chaos-b": 2}
GROUP_TOPIC = "chaos-a"
CONVERGE_S = 60.0
GIVEN_UP = ("expired while starting", "another running broker is registered", "no ZooKeeper at")
"""What a broker says that could not start for want of a coordinator, as Kafka's does."""
AT_ONCE = 2


@dataclass(order=True)
class Ending:
    """When a fault that is under way ends, and how."""

    at: float
    text: str = field(compare=False)
    action: Callable[[], None] = field(compare=False)


@dataclass(frozen=True)
class Fault:
    """What has begun: a line for the timeline, and its end."""

    text: str
    seconds: float
    end_text: str
    end: Callable[[], None]


class Chaos:
    """Does faults to ``hosts`` and undoes them."""

    def __init__(self, hosts: Hosts, chance: random.Random, *, verbose: bool = False) -> None:
        self.hosts = hosts
        self.verbose = verbose
        self.chance = chance
        self.timeline: list[str] = []
        self.faults = 0
        self.down: dict[str, None] = {}
        """Hosts whose processes are not to be touched: killed, stopped or paused."""
        self.problems: list[str] = []
        self._endings: list[Ending] = []
        self._began = time.monotonic()

    def note(self, text: str) -> None:
        self.timeline.append(f"{time.monotonic() - self._began:8.3f} {text}")
        if self.verbose:
            print(self.timeline[-1], flush=True)

    def run(self, seconds: float, look: Callable[[], None]) -> None:
        """Faults for so long, with ``look`` called in between; all of them undone at the end."""
        kinds = [self.kill, self.kill, self.pause, self.stop, self.coordinator, self.kill_all]
        if self.hosts.network is not None:
            kinds += [self.pair, self.one_way, self.isolate, self.from_coordinator]
            kinds += [self.shaped, self.refused]
        deadline = time.monotonic() + seconds
        next_at = time.monotonic()
        while time.monotonic() < deadline:
            self._end_due(time.monotonic())
            if time.monotonic() >= next_at:
                if len(self._endings) < AT_ONCE:
                    self._begin(self.chance.choice(kinds))
                next_at = time.monotonic() + self.chance.uniform(0.3, 3.0)
            look()
            self.attend()
            time.sleep(0.02)
        self._end_due(float("inf"))

    def attend(self) -> None:
        """Start what gave up while it was starting, as an init system does; nothing else may end
        by itself."""
        for host in self.hosts.unexpectedly_ended(self.down):
            last = self.hosts.last_line(host)
            if not any(reason in last for reason in GIVEN_UP):
                self.problems.append(f"{host} has ended by itself: {last}")
            self.note(f"{host} ended: {last}")
            self.hosts.start(host)

    def _begin(self, kind: Callable[[], Fault | None]) -> None:
        fault = kind()
        if fault is None:
            return
        self.faults += 1
        self.note(fault.text)
        self._endings.append(Ending(time.monotonic() + fault.seconds, fault.end_text, fault.end))

    def _end_due(self, now: float) -> None:
        for ending in sorted(self._endings):
            if ending.at <= now:
                self._endings.remove(ending)
                ending.action()
                self.note(ending.text)

    # Processes

    def _victim(self) -> str | None:
        """A broker by its role or by chance; None if it is down already."""
        view = self.hosts.metadata()
        candidates = list(BROKERS)
        if view is not None and view.controller_id > 0:
            candidates.append(f"b{view.controller_id}")
        for topic in TOPICS:
            leader = view.leader(topic, 0) if view is not None else None
            if leader is not None:
                candidates.append(f"b{leader}")
        broker = self.chance.choice(candidates)
        return None if broker in self.down else broker

    def _start_again(self, host: str) -> Callable[[], None]:
        def start() -> None:
            self.hosts.start(host)
            self.down.pop(host, None)

        return start

    def kill(self) -> Fault | None:
        broker = self._victim()
        if broker is None:
            return None
        self.down[broker] = None
        self.hosts.kill(broker)
        length = self.chance.choice([0.0, 0.5, 2.0, 6.0])
        return Fault(f"killed {broker}", length, f"started {broker}", self._start_again(broker))

    def kill_all(self) -> Fault | None:
        if self.down:
            return None
        for host in HOSTS:
            self.down[host] = None
            self.hosts.kill(host)

        def start() -> None:
            for host in self.chance.sample(HOSTS, len(HOSTS)):
                self.hosts.start(host)
                del self.down[host]

        return Fault("killed everything at once", 0.0, "started everything", start)

    def stop(self) -> Fault | None:
        broker = self._victim()
        if broker is None or self.down or self._endings:
            # A broker that cannot reach the controller asks it for minutes, as Kafka's does.
            return None
        if self.hosts.metadata(broker) is None:
            return None  # Just started: until it listens, SIGTERM simply ends it.
        self.down[broker] = None
        code = self.hosts.stop(broker)
        if code != 0:
            self.problems.append(f"{broker} stopped with exit code {code}")
        text = f"stopped {broker} in a controlled way"
        return Fault(text, 1.0, f"started {broker}", self._start_again(broker))

    def pause(self) -> Fault | None:
        host = self.chance.choice([self._victim(), COORDINATOR])
        if host is None or host in self.down:
            return None
        self.down[host] = None
        self.hosts.signal(host, signal.SIGSTOP)

        def resume() -> None:
            self.hosts.signal(host, signal.SIGCONT)
            self.down.pop(host, None)

        length = self.chance.choice([0.3, 1.5, 3.0, 8.0])
        return Fault(f"paused {host}", length, f"resumed {host}", resume)

    def coordinator(self) -> Fault | None:
        if COORDINATOR in self.down:
            return None
        self.down[COORDINATOR] = None
        self.hosts.kill(COORDINATOR)
        length = self.chance.choice([0.0, 1.0, 5.0])
        end = self._start_again(COORDINATOR)
        return Fault("killed the coordinator", length, "started the coordinator", end)

    # Network

    def _cut(self, text: str, pairs: list[tuple[str, str]]) -> Fault:
        network = self.hosts.network
        assert network is not None
        for source, target in pairs:
            network.block(source, target)

        def join() -> None:
            for source, target in pairs:
                network.unblock(source, target)

        length = self.chance.choice([0.5, 2.0, 5.0, 9.0])
        return Fault(text, length, f"ended: {text}", join)

    def _two(self) -> list[str]:
        """Two hosts that talk to each other: clients have nothing to say to the coordinator."""
        return self.chance.sample(self.chance.choice([HOSTS, [*BROKERS, CLIENTS]]), 2)

    def pair(self) -> Fault:
        one, other = self._two()
        return self._cut(f"{one} and {other} cut apart", [(one, other), (other, one)])

    def one_way(self) -> Fault:
        one, other = self._two()
        return self._cut(f"nothing from {one} reaches {other}", [(one, other)])

    def isolate(self) -> Fault:
        broker = self.chance.choice(BROKERS)
        others = [h for h in [*HOSTS, CLIENTS] if h != broker]
        both = [(broker, o) for o in others] + [(o, broker) for o in others]
        return self._cut(f"{broker} cut off from all", both)

    def from_coordinator(self) -> Fault:
        broker = self.chance.choice(BROKERS)
        both = [(broker, COORDINATOR), (COORDINATOR, broker)]
        return self._cut(f"{broker} cut off from the coordinator alone", both)

    def shaped(self) -> Fault:
        network = self.hosts.network
        assert network is not None
        host = self.chance.choice(HOSTS)
        kind = self.chance.choice(["slow", "lossy"])
        network.shape(host, kind)
        text = f"the link of {host} is {kind}"
        length = self.chance.choice([2.0, 6.0])
        return Fault(text, length, f"ended: {text}", lambda: network.unshape(host))

    def refused(self) -> Fault | None:
        network = self.hosts.network
        assert network is not None
        view = self.hosts.metadata()
        source = f"b{view.controller_id}" if view is not None else ""
        target = self.chance.choice(BROKERS)
        if source not in BROKERS or source == target:
            return None
        network.refuse(source, target)
        text = f"the controller, {source}, is refused by {target}, which lives"
        length = self.chance.choice([0.5, 3.0])
        return Fault(text, length, f"ended: {text}", lambda: network.restore(source, target))


@dataclass
class Verdict:
    """The last line."""

    seconds: int
    faults: int
    acknowledged: int = 0
    stale: int = 0
    """Positions of a group, older than the newest, that a deposed coordinator has answered."""
    lost: int = 0
    duplicated: int = 0
    anomalies: int = 0

    def __str__(self) -> str:
        fields = " ".join(f"{name}={value}" for name, value in vars(self).items())
        return f"chaos: {fields}"


def _not_whole(hosts: Hosts) -> str:
    """What is not whole yet, as any broker tells it; "" if all tell that everything is."""
    for broker in BROKERS:
        view = hosts.metadata(broker)
        if view is None:
            return f"{broker} does not answer"
        if len(view.brokers) != len(BROKERS):
            return f"{broker} names the brokers {sorted(view.brokers)}"
        for name in TOPICS:
            if name not in view.topics:
                return f"{broker} does not name {name}"
            for p in view.topics[name].partitions:
                if p.leader <= 0 or len(p.isr) != len(BROKERS):
                    return f"{broker} says of {name}: {p}"
    return ""


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _judge(
    chaos: Chaos, traffics: list[Traffic], members: GroupTraffic, verdict: Verdict
) -> list[str]:
    """Let everything come to rest and fill in the verdict; what is wrong."""
    hosts = chaos.hosts
    problems = chaos.problems

    def is_whole() -> bool:
        chaos.attend()
        return not _not_whole(hosts)

    if not _wait(is_whole, CONVERGE_S) and (what := _not_whole(hosts)):
        problems.append(f"not whole again within {CONVERGE_S:.0f} s: {what}")
    for traffic in traffics:
        found = traffic.stop()
        verdict.acknowledged += traffic.acknowledged
        verdict.lost += sum(a.kind in ("lost-write", "unseen") for a in found)
        verdict.duplicated += sum(a.kind == "duplicate" for a in found)
        problems += [f"{traffic.topic}: {anomaly}" for anomaly in found]
        problems += [f"{traffic.topic}: {fault}" for fault in traffic.faults]
        if traffic.topic == GROUP_TOPIC:
            read = [(int(s.key), s.offset) for s in traffic.history.sends if s.offset is not None]
            problems += [f"group: {anomaly}" for anomaly in members.stop(traffic.ends(), read)]
            verdict.stale = members.stale
            problems += [f"group: {fault}" for fault in members.faults]
    for topic, partitions in TOPICS.items():
        for partition in range(partitions):
            if not _wait(lambda t=topic, p=partition: _same(hosts, t, p), 10):  # type: ignore[misc]
                problems.append(f"the replicas of {topic}-{partition} differ")
    for host in HOSTS:
        text = (hosts.directory / f"{host}.log").read_text(errors="replace")
        if "Traceback" in text:
            problems.append(f"{host}.log holds a traceback")
    verdict.anomalies = len(problems) - verdict.lost - verdict.duplicated
    return problems


def _same(hosts: Hosts, topic: str, partition: int) -> bool:
    return len({hosts.replica(b, topic, partition) for b in BROKERS}) == 1


def run(seconds: int, seed: int, directory: Path, network: Network | None, *, verbose: bool) -> int:
    """One run; 0 if nothing is wrong."""
    hosts = Hosts(directory, network)
    chaos = Chaos(hosts, random.Random(seed), verbose=verbose)
    traffics = [Traffic(hosts.bootstrap, t, n, name=t) for t, n in TOPICS.items()]
    members = GroupTraffic(hosts.bootstrap, GROUP_TOPIC, TOPICS[GROUP_TOPIC])
    try:
        for host in (COORDINATOR, *BROKERS):
            hosts.start(host)
        if not _wait(lambda: len(getattr(hosts.metadata(), "brokers", ())) == 3, 30):
            print("chaos: the cluster does not start")
            return 1
        for topic, partitions in TOPICS.items():
            hosts.create_topic(topic, partitions)
        for traffic in traffics:
            traffic.start()
            traffic.wait_for_more(50, 20)
        members.start()
        chaos.run(seconds, lambda: None)
        if network is not None:
            network.heal()
        verdict = Verdict(seconds=seconds, faults=chaos.faults)
        problems = _judge(chaos, traffics, members, verdict)
        print(*(f"{t.topic}: {note}\n" for t in traffics for note in t.notes), sep="", end="")
        if problems:
            print(f"seed {seed}, logs in {directory}", *chaos.timeline, sep="\n")
            print(*problems[:20], sep="\n")
        print(verdict)
        return 1 if problems else 0
    finally:
        hosts.end()
        if network is not None:
            network.remove()


def _network(wanted: str) -> Network | None:
    if wanted == "loopback":
        return None
    network = Network(os.getpid() % 250, HOSTS)
    try:
        network.build()
    except NotPermitted as error:
        print(f"chaos: no network namespaces ({error}); processes alone are hurt", flush=True)
        if wanted == "namespaces":
            raise SystemExit(1) from None
        return None
    if not network.netem:
        print("chaos: no netem in this kernel; token buckets delay and drop instead", flush=True)
    return network


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.run", description=__doc__)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--network", choices=["auto", "namespaces", "loopback"], default="auto")
    parser.add_argument("--verbose", action="store_true", help="print the timeline as it goes")
    arguments = parser.parse_args()
    seed = random.SystemRandom().getrandbits(32) if arguments.seed is None else arguments.seed
    directory = Path(tempfile.mkdtemp(prefix="barnabas-chaos-"))
    print(f"chaos: seed {seed}", flush=True)
    network = _network(arguments.network)
    code = run(arguments.seconds, seed, directory, network, verbose=arguments.verbose)
    if code == 0:
        shutil.rmtree(directory)
    return code


if __name__ == "__main__":
    sys.exit(main())
