"""Where faults happen: a cluster under load, what is normal, and what a fault did to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.hosts import BROKERS
from tests.chaos.network import Network
from tests.ensemble.hosts import MEMBERS, TOPIC, EnsembleHosts, State, lines_after, until
from tests.ensemble.load import Load, Seen
from tests.ensemble.network import RelayedNetwork
from tests.ensemble.proxy import Proxy

NORMAL_S = 90.0
"""How long a cluster may take to be whole again. Generous: this is no measurement."""


class Unexpected(Exception):
    """What a fault should not have done."""


@dataclass(frozen=True, slots=True)
class Row:
    """Of the table."""

    name: str
    title: str
    happened: str
    seen: Seen | None = None
    normal_s: float = 0.0
    problem: str = ""


class Stage:
    """One cluster; ``before`` is its state when the present fault began."""

    def __init__(
        self, hosts: EnsembleHosts, network: Network, load: Load, proxy: Proxy | None
    ) -> None:
        self.hosts = hosts
        self.network = network
        self.load = load
        self.proxy = proxy
        self.before: State
        self.began = 0.0
        self._pids: dict[str, int] = {}
        self._log_ends: dict[str, int] = {}

    @property
    def relayed(self) -> RelayedNetwork:
        """The network, where its links can be late and lossy."""
        assert isinstance(self.network, RelayedNetwork)
        return self.network

    # A fault

    def play(self, name: str, title: str, fault: Callable[[Stage], str]) -> Row:
        """Do one fault, wait until all is normal, and say what happened."""
        if until(self.normal, NORMAL_S) is None or until(self._balanced, NORMAL_S) is None:
            return Row(name, title, "", problem=f"not normal before: {self.hosts.metadata()}")
        self.load.wait_for_more(50, 60)
        self.before = self.hosts.state()
        self._pids = {b: self.hosts.pid(b) for b in BROKERS}
        self._log_ends = {b: (self.hosts.directory / f"{b}.log").stat().st_size for b in BROKERS}
        faults = len(self.load.faults)
        self.began = time.monotonic()
        problem = happened = ""
        try:
            happened = fault(self)
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
        finally:
            self.network.heal()
        for host in self.hosts.names:
            if not self.hosts.is_running(host):
                self.hosts.start(host)
        normal_s = until(self.normal, NORMAL_S)
        if normal_s is None:
            problem += f" not normal after {NORMAL_S:.0f} s: {self.hosts.metadata()}"
        try:
            self.load.wait_for_more(50, 60)
        except AssertionError as error:
            problem += f" {error}"
        seen = self.load.between(self.began, time.monotonic(), faults)
        return Row(name, title, happened, seen, normal_s or NORMAL_S, problem)

    def normal(self) -> bool:
        """Every broker says that all are there and all replicas in sync; the ensemble is whole."""
        if any(not self.hosts.mode(member) for member in MEMBERS):
            return False
        for broker in BROKERS:
            view = self.hosts.metadata(broker)
            if view is None or len(view.brokers) != len(BROKERS) or view.controller_id <= 0:
                return False
            if TOPIC not in view.topics or any(
                p.leader <= 0 or len(p.isr) != len(BROKERS) for p in view.topics[TOPIC].partitions
            ):
                return False
        return True

    def _balanced(self) -> bool:
        """Each broker leads what it should; if not, that is asked for."""
        view = self.hosts.metadata()
        if view is not None and all(
            p.leader == p.replicas[0] for p in view.topics[TOPIC].partitions
        ):
            return True
        self.hosts.elect_preferred()
        return False

    # What a fault may expect

    def expect(self, condition: object, text: str) -> None:
        if not condition:
            raise Unexpected(text)

    def in_time(self, condition: Callable[[], object], seconds: float, text: str) -> float:
        """Seconds until it holds."""
        took = until(condition, seconds)
        if took is None:
            raise Unexpected(f"not within {seconds:.0f} s: {text}")
        return took

    def nothing_noticed(self) -> None:
        """No registration, no leader and no controller has changed, and no process."""
        now = self.hosts.state()
        self.expect(now.registrations == self.before.registrations, "brokers registered anew")
        self.nothing_elected(now)
        self.no_restarts()

    def nothing_elected(self, now: State | None = None) -> None:
        found = (now or self.hosts.state()).elections
        self.expect(found == self.before.elections, f"elected: {self.before.elections} {found}")

    def no_restarts(self) -> None:
        same = all(
            self.hosts.is_running(b) and self.hosts.pid(b) == pid for b, pid in self._pids.items()
        )
        self.expect(same, "a broker has ended")

    def acknowledged_in(self, seconds: float, partition: int | None = None) -> int:
        """How many records are acknowledged in the next seconds."""
        since = time.monotonic()
        time.sleep(seconds)
        return self.load.acknowledged_since(since, partition)

    def serves_again(self, partition: int, seconds: float, text: str) -> float:
        """Seconds until records of a partition are acknowledged that were not so before."""
        since = time.monotonic()
        return self.in_time(
            lambda: self.load.acknowledged_since(since + 0.5, partition) > 5, seconds, text
        )

    def logged(self, broker: str) -> str:
        """What a broker has written into its log since the fault began."""
        return lines_after(self.hosts.directory / f"{broker}.log", self._log_ends[broker])

    # Who is who

    def roles(self) -> tuple[str, str, str]:
        """A leader that is not controller, another follower of it, and the controller."""
        leader, follower = [b for b in BROKERS if b != self.before.controller]
        return leader, follower, self.before.controller

    def block(self, source: str, *targets: str) -> None:
        for target in targets:
            self.network.block(source, target)

    def cut(self, way: str, source: str, *targets: str) -> None:
        """``way``: both, out (nothing from ``source`` arrives), in (nothing arrives there)."""
        for target in targets:
            if way in ("both", "out"):
                self.network.block(source, target)
            if way in ("both", "in"):
                self.network.block(target, source)
