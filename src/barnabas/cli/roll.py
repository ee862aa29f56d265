"""``barnabas cluster roll``: restarts brokers one at a time, without an error for any client."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import click

from barnabas.cli.chaos_control import control_of, first_port
from barnabas.cli.client import cluster_client
from barnabas.cli.obstacle import Obstacle, not_registered
from barnabas.cli.options import bootstrap_server, listed_brokers, timeout_option
from barnabas.cli.output import print_table
from barnabas.cli.progress import ProgressLine, time_text
from barnabas.client.cluster import Bootstrap, ClusterClient
from barnabas.client.configs import TOPIC, describe_settings_of
from barnabas.client.errors import RETRIABLE, ClientError, Unreachable
from barnabas.client.metadata import ClusterView, PartitionView
from barnabas.client.reassignment import elect_leaders
from barnabas.cluster.control import ask
from barnabas.errors import ConfigError
from barnabas.protocol.connection import KafkaConnection
from barnabas.security import client as security_client
from barnabas.types import TopicPartition

CLIENT_ID: Final = "barnabas-roll"
LOOK_EVERY_S: Final = 0.25
LOOKS: Final = 3
"""So often in a row all must be in sync: what one broker tells may be a moment old."""
RESTART_S: Final = 120.0
MIN_ISR: Final = "min.insync.replicas"
NAMED_MAX: Final = 5

Partitions = Mapping[TopicPartition, PartitionView]


@click.command("roll")
@click.option("--brokers", callback=listed_brokers, metavar="ID[,ID...]", help="Default: all.")
@click.option(
    "--command",
    metavar="SHELL",
    help="Restarts one broker: {id}, {host}, {port}, {rack}. Default: the supervisor of 'up' does.",
)
@timeout_option("For each wait: until a broker can be stopped, is back, has everything in sync.")
@click.option("--preferred", is_flag=True, help="Elect preferred leaders after each broker.")
@click.option(
    "--allow-unavailable",
    is_flag=True,
    help="Go on if partitions cannot be written meanwhile: too few other replicas.",
)
@click.option("--execute", is_flag=True, help="Do it instead of only showing it.")
@bootstrap_server
def roll_command(
    brokers: list[int],
    command: str | None,
    timeout: int,
    preferred: bool,
    allow_unavailable: bool,
    execute: bool,
    bootstrap_server: Bootstrap,
) -> None:
    """Restart brokers one at a time, the controller last.

    \b
    barnabas cluster roll                                        shows the order
    barnabas cluster roll --execute                              the brokers of 'barnabas up'
    barnabas cluster roll --execute --command 'ssh {host} systemctl restart kafka'

    A broker is restarted only while every partition is fully in sync and has enough other replicas
    in sync (min.insync.replicas). The next one waits until the broker has closed its connections,
    serves again, and is in sync everywhere. If that does not happen in time, for instance because
    another broker has died meanwhile, nothing else is restarted, the exit code is 1, and the line
    says how to go on.
    """

    async def run() -> None:
        async with cluster_client(bootstrap_server, CLIENT_ID) as client:
            roll = Roll(
                client=client,
                bootstrap=bootstrap_server,
                command=command,
                timeout_s=timeout,
                preferred=preferred,
            )
            await roll.prepare(brokers, allow_unavailable=allow_unavailable)
            if not execute:
                _show(roll.view, roll.waiting, command)
                return
            await roll.run()

    asyncio.run(run())


def _show(view: ClusterView, brokers: Sequence[int], command: str | None) -> None:
    order = sorted(brokers, key=lambda b: (b == view.controller_id, b))
    how = "by the supervisor of 'barnabas up'"
    print_table(
        ["broker", "role", "restart"],
        [
            [
                b,
                "controller" if b == view.controller_id else "-",
                how if command is None else command_line(command, view, b),
            ]
            for b in order
        ],
    )
    click.echo("\nNothing is restarted. --execute does it.")


def command_line(command: str, view: ClusterView, broker: int) -> str:
    """The command for one broker; what is put in is quoted for the shell. ConfigError for a
    placeholder that does not exist."""
    found = view.brokers[broker]
    values = {"id": found.id, "host": found.host, "port": found.port, "rack": found.rack or ""}
    try:
        return command.format(**{k: shlex.quote(str(v)) for k, v in values.items()})
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"--command: {{id}}, {{host}}, {{port}} and {{rack}} are replaced, not {error}"
        ) from None


@dataclass(slots=True, kw_only=True)
class Roll:
    """One round of restarts."""

    client: ClusterClient
    bootstrap: Bootstrap
    command: str | None
    timeout_s: int
    preferred: bool
    waiting: list[int] = field(default_factory=list)
    """Brokers that are not restarted yet."""
    allow_unavailable: bool = False
    alive: ClusterView | None = None
    """As last seen, with registered brokers only."""

    @property
    def view(self) -> ClusterView:
        return self.client.view

    async def _status(self) -> ClusterView:
        self.alive = await self.client.status()
        return self.alive

    async def prepare(self, brokers: Sequence[int], *, allow_unavailable: bool) -> None:
        """Look whether it can be done at all. Raises ConfigError, ClientError, Unreachable."""
        view = await self._status()
        self.waiting = list(brokers) or sorted(view.brokers)
        unknown = [b for b in self.waiting if b not in view.brokers]
        if unknown:
            raise ConfigError(f"not in the cluster: broker {', '.join(map(str, unknown))}")
        if self.command is None:
            ask(first_port(self.bootstrap), {"verb": "status"})
        else:
            command_line(self.command, view, self.waiting[0])
        self.allow_unavailable = allow_unavailable
        if allow_unavailable:
            return
        minimum = await self._min_isr(view)
        # Whatever is in sync, these can never be written while one of their brokers is away.
        weak = [
            tp
            for tp, p in _partitions(view).items()
            if len(p.replicas) <= minimum.get(tp.topic, 1) and {*p.replicas} & {*self.waiting}
        ]
        if weak:
            raise ConfigError(
                f"{_some(weak)} cannot be written while a replica is away (min.insync.replicas, or"
                " no other replica): --allow-unavailable"
            )

    async def run(self) -> None:
        """Restart them. Raises ConfigError if one does not come back in time, or cannot be
        stopped."""
        count = len(self.waiting)
        while self.waiting:
            try:
                view = await self._status()
            except Unreachable as error:
                raise Unreachable(f"{error}{self._rest()}") from None
            broker = min(self.waiting, key=lambda b: (b == view.controller_id, b))
            number = count - len(self.waiting) + 1
            await self._roll(broker, f"broker {broker} ({number} of {count})")

    async def _roll(self, broker: int, where: str) -> None:
        """Restart one of those that are waiting."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        with ProgressLine() as line:
            line.show(f"{where}: waits until all partitions are in sync")
            await self._until_stoppable(broker, line)
            stopped = loop.time()
            line.show(f"{where}: restarts")
            await self._restart(broker)
            restarted = loop.time()
            self.waiting.remove(broker)
            line.show(f"{where}: waits until it is in sync")
            await self._until_in_sync(broker, line)
            if self.preferred:
                line.show(f"{where}: elects preferred leaders")
                await self._elect(line)
        click.echo(
            f"broker {broker} restarted in {restarted - stopped:.1f} s, in sync after"
            f" {loop.time() - stopped:.1f} s"
            + (f", waited {time_text(stopped - began)} before" if stopped - began > 1 else "")
        )

    # Waits

    async def _until_stoppable(self, broker: int, line: ProgressLine) -> None:
        """Until all is in sync, and the partitions of this broker have enough others."""

        async def weak() -> list[TopicPartition]:
            view = await self._status()
            if broker not in view.brokers:
                raise ConnectionError(not_registered([broker]))
            behind = _behind(view)
            if behind or self.allow_unavailable:
                return behind
            minimum = await self._min_isr(view)
            return [
                tp
                for tp, p in _partitions(view).items()
                if broker in p.replicas
                and len(set(p.isr) - {broker}) < max(minimum.get(tp.topic, 1), 1)
            ]

        where = f"broker {broker} cannot be restarted"
        await self._until_none(weak, where, "have too few in sync", line)

    async def _until_in_sync(self, broker: int, line: ProgressLine) -> None:
        async def behind() -> list[TopicPartition]:
            view = await self._status()
            if broker not in view.brokers:
                raise ConnectionError(not_registered([broker]))
            # It must serve, and know what it holds.
            (await self._connect(broker)).close()
            return _behind(view)

        where = f"broker {broker} was restarted"
        await self._until_none(behind, where, "are not in sync", line)

    async def _until_none(
        self,
        find: Callable[[], Awaitable[list[TopicPartition]]],
        where: str,
        what: str,
        line: ProgressLine,
    ) -> None:
        """Until ``find`` has found nothing several times in a row. Raises ConfigError."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.timeout_s
        obstacle, quiet = Obstacle(), 0
        while True:
            why = ""
            try:
                found = await find()
                why = f"{_some(found)} {what}{self._absent()}" if found else ""
            except (Unreachable, OSError) as error:
                why = str(error)
            except ClientError as error:
                if error.code not in RETRIABLE:
                    raise
                why = str(error)
            quiet = 0 if why else quiet + 1
            if quiet == LOOKS:
                return
            if loop.time() > deadline:
                raise ConfigError(f"{where}, but after {self.timeout_s} s {why}{self._rest()}")
            if obstacle.met(self._absent() or bool(why), loop.time()):
                line.warn(f"{where}, but {why}")
            await asyncio.sleep(LOOK_EVERY_S)

    def _absent(self) -> str:
        """Which brokers are missing, if any are."""
        missing = [] if self.alive is None else self.alive.missing_brokers()
        return f" ({not_registered(missing)})" if missing else ""

    def _rest(self) -> str:
        """What is left to do, and how."""
        if not self.waiting:
            return ""
        brokers = ", ".join(map(str, self.waiting))
        return f"; not restarted: broker {brokers} (--brokers {brokers.replace(' ', '')})"

    async def _min_isr(self, view: ClusterView) -> dict[str, int]:
        if not view.topics:
            return {}
        found = await describe_settings_of(self.client, TOPIC, sorted(view.topics), [MIN_ISR])
        return {
            topic: int(setting.value or 1)
            for topic, settings in found.items()
            for setting in settings
        }

    async def _elect(self, line: ProgressLine) -> None:
        async def elsewhere() -> list[TopicPartition]:
            try:
                await elect_leaders(self.client, None)
            except ClientError as error:
                raise ConnectionError(str(error)) from None
            partitions = _partitions(await self._status()).items()
            return [tp for tp, p in partitions if p.leader != p.replicas[0]]

        where = "preferred leaders were elected"
        await self._until_none(elsewhere, where, "have another leader", line)

    # Restart

    async def _connect(self, broker: int) -> KafkaConnection:
        found = self.view.brokers.get(broker)
        if found is None:
            raise ConnectionError(not_registered([broker]))
        return await security_client.connect(
            found.host,
            found.port,
            client_id=CLIENT_ID,
            timeout_ms=5000,
            security=self.bootstrap.security,
        )

    async def _restart(self, broker: int) -> None:
        """Have it restarted. A connection that it closes shows that it was: a command may return
        before, or have done nothing. Raises ConfigError."""
        try:
            old = await self._connect(broker)
        except OSError as error:
            raise ConfigError(f"broker {broker} does not answer: {error}{self._rest()}") from None
        try:
            if self.command is None:
                await self._supervised(broker)
            else:
                await self._shell(command_line(self.command, self.view, broker), broker)
            async with asyncio.timeout(self.timeout_s):
                await asyncio.shield(old.closed)
        except TimeoutError:
            raise ConfigError(
                f"broker {broker} has not closed its connections in {self.timeout_s} s: was it"
                f" restarted?{self._rest()}"
            ) from None
        finally:
            old.close()

    async def _supervised(self, broker: int) -> None:
        try:
            await asyncio.to_thread(_restart_of_up, first_port(self.bootstrap), broker)
        except (ConfigError, OSError) as error:
            raise ConfigError(f"{error}{self._rest()}") from None

    async def _shell(self, line: str, broker: int) -> None:
        process = await asyncio.create_subprocess_shell(line, stdin=asyncio.subprocess.DEVNULL)
        try:
            async with asyncio.timeout(self.timeout_s):
                code = await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise ConfigError(
                f"broker {broker}: {line}: has not ended in {self.timeout_s} s{self._rest()}"
            ) from None
        if code:
            raise ConfigError(f"broker {broker}: {line}: exit code {code}{self._rest()}")


def _restart_of_up(port: int, broker: int) -> None:
    control = control_of(ask(port, {"verb": "status"}))
    if control is not None:
        control.post(f"/restart/{broker}")
        return
    answer = ask(port, {"verb": "restart", "process": f"broker:{broker}"}, RESTART_S)
    if "error" in answer:
        raise ConfigError(f"broker {broker}: {answer['error']}")


def _partitions(view: ClusterView) -> Partitions:
    return {
        TopicPartition(name, p.partition): p
        for name, topic in sorted(view.topics.items())
        for p in topic.partitions
    }


def _behind(view: ClusterView) -> list[TopicPartition]:
    """Partitions of which a replica is not in sync, or that have no leader."""
    return [
        tp
        for tp, p in _partitions(view).items()
        if view.is_leaderless(p) or view.is_under_replicated(p)
    ]


def _some(partitions: Collection[TopicPartition]) -> str:
    names = [str(tp) for tp in partitions][:NAMED_MAX]
    more = len(partitions) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
