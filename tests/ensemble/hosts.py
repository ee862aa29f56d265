"""Three ZooKeepers (Debian's package) and three brokers of ours, each on a host of its own."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError
from tests.chaos.hosts import BROKERS, Hosts
from tests.chaos.network import Network
from tests.zookeeper.real_zookeeper import four_letter_word, server_command

from barnabas.client.cluster import ClusterClient
from barnabas.client.errors import ClientError, Unreachable
from barnabas.client.reassignment import elect_leaders

MEMBERS = ("z1", "z2", "z3")
TICK_MS = 500
LAG_MS = 4000
TOPIC = "ensemble"


class EnsembleHosts(Hosts):
    """``through``: where brokers find ZooKeeper, if not at its members."""

    names: ClassVar[Sequence[str]] = (*BROKERS, *MEMBERS)

    def __init__(self, directory: Path, network: Network, through: str | None = None) -> None:
        super().__init__(directory, network)
        self.through = through
        for number, member in enumerate(MEMBERS, start=1):
            self._configure(member, number)

    def _configure(self, member: str, number: int) -> None:
        assert self.network is not None
        data = self.directory / member
        data.mkdir(parents=True)
        (data / "myid").write_text(str(number))
        servers = "".join(
            f"server.{n}={self.network.address(m)}:2888:3888\n"
            for n, m in enumerate(MEMBERS, start=1)
        )
        (self.directory / f"{member}.cfg").write_text(
            f"tickTime={TICK_MS}\ninitLimit=20\nsyncLimit=6\ndataDir={data}\nclientPort=2181\n"
            f"clientPortAddress={self.network.address(member)}\nmaxClientCnxns=0\n"
            f"4lw.commands.whitelist=*\nadmin.enableServer=false\n{servers}"
        )

    def command(self, host: str) -> list[str]:
        if host in MEMBERS:
            return server_command(self.directory / f"{host}.cfg")
        return super().command(host)

    @property
    def zookeeper(self) -> str:
        return self.through or self.members

    @property
    def members(self) -> str:
        """Where the members are."""
        return ",".join(self.endpoint(member) for member in MEMBERS)

    def settings(self, broker: str) -> dict[str, str]:
        return {
            **super().settings(broker),
            "replica.lag.time.max.ms": str(LAG_MS),
            "offsets.topic.num.partitions": "3",
            "log.flush.interval.messages": "1000",
        }

    def pid(self, host: str) -> int:
        return self._processes[host].pid

    def elect_preferred(self) -> None:
        """Ask the cluster to give leadership to the preferred leaders; it may not answer."""

        async def ask() -> None:
            async with ClusterClient(self.bootstrap, "ensemble", timeout_ms=5000) as client:
                await elect_leaders(client, None)

        with suppress(ClientError, Unreachable):
            asyncio.run(ask())

    # What the ensemble says

    def ask_member(self, member: str, word: bytes) -> bytes:
        """The answer to a four-letter word; empty from a member that does not answer."""
        assert self.network is not None
        return four_letter_word(2181, word, self.network.address(member))

    def mode(self, member: str) -> str:
        """leader, follower, or nothing."""
        for line in self.ask_member(member, b"srvr").decode().splitlines():
            if line.startswith("Mode: "):
                return line.removeprefix("Mode: ")
        return ""

    def member_with(self, mode: str) -> str:
        """A living member that leads, or follows."""
        return next(m for m in MEMBERS if self.is_running(m) and self.mode(m) == mode)

    def serving(self) -> list[str]:
        return [m for m in MEMBERS if self.is_running(m) and self.mode(m)]

    def sessions_at(self, member: str) -> list[str]:
        """The brokers whose sessions this member has."""
        assert self.network is not None
        found = self.ask_member(member, b"cons").decode()
        return [b for b in BROKERS if f"/{self.network.address(b)}:" in found]

    def state(self) -> State:
        """What is in ZooKeeper; raises if it does not answer."""
        client = KazooClient(hosts=self.members, timeout=4.0)
        client.start(timeout=20)
        try:
            return State(client)
        finally:
            client.stop()
            client.close()


class State:
    """What a fault may or may not change."""

    def __init__(self, client: KazooClient) -> None:
        self.registrations = {
            f"b{name}": client.get(f"/brokers/ids/{name}")[1].czxid
            for name in client.get_children("/brokers/ids")
        }
        try:
            self.controller = f"b{json.loads(client.get('/controller')[0])['brokerid']}"
        except NoNodeError:
            self.controller = ""
        self.controller_epoch = int(client.get("/controller_epoch")[0])
        self.leaders: dict[int, str] = {}
        self.epochs: dict[int, int] = {}
        self.isr: dict[int, list[int]] = {}
        for name in client.get_children(f"/brokers/topics/{TOPIC}/partitions"):
            path = f"/brokers/topics/{TOPIC}/partitions/{name}/state"
            found = json.loads(client.get(path)[0])
            self.leaders[int(name)] = f"b{found['leader']}"
            self.epochs[int(name)] = found["leader_epoch"]
            self.isr[int(name)] = found["isr"]

    @property
    def elections(self) -> tuple[object, ...]:
        """Differs if anything was elected."""
        return self.controller, self.controller_epoch, self.leaders, self.epochs

    def partition_led_by(self, brokers: Iterable[str]) -> int:
        wanted = list(brokers)
        return next(p for p, leader in sorted(self.leaders.items()) if leader in wanted)


def lines_after(path: Path, position: int) -> str:
    """What a log has got since it was ``position`` bytes long."""
    with path.open("rb") as log:
        log.seek(position)
        return log.read().decode(errors="replace")


def until(condition: object, seconds: float) -> float | None:
    """Seconds until ``condition()`` holds, asked twenty times a second; None if it never does."""
    assert callable(condition)
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            return None
        time.sleep(0.05)
    return time.monotonic() - began
