"""The demo: streams more than 200,000 real records through a cluster whose brokers are killed.

Starts ``barnabas up``, streams the data set with acks=all and idempotence, kills the leader of
partition 0, then the controller, restarts both, stops the coordinator for two seconds, reads
everything back with another client library and compares. The last line is the verdict.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

from barnabas.broker.main import system_env
from barnabas.client.admin import create_topic, wait_for_leaders
from barnabas.client.cluster import Bootstrap, ClusterClient
from barnabas.client.errors import ClientError, Unreachable
from barnabas.cluster.control import ask
from barnabas.cluster.profiles import DEV
from barnabas.config.broker_config import BrokerConfig
from barnabas.demo.access import UP, Access, secure_access
from barnabas.demo.dataset import flights
from barnabas.demo.progress import Progress
from barnabas.demo.stream import Stream
from barnabas.demo.timeline import Timeline
from barnabas.demo.verify import compare, read_back
from barnabas.errors import ConfigError

TOPIC = "flights"
PARTITIONS = 6
BROKERS = 3
RECOVERY_TIMEOUT_S = 60.0
COORDINATOR_AWAY_S = 2.0
RATE = 15_000
PATIENT_RATE = 4_000
"""Records per second with a real ZooKeeper. It is slow enough that the data set lasts longer than
the sessions of two dead brokers."""


@dataclass(slots=True, kw_only=True)
class Demo:
    """One run: the cluster, the stream of records, and the timeline of what happened."""

    port: int
    bootstrap: str
    timeline: Timeline
    stream: Stream
    records: int
    embedded: bool

    async def reach(self, share: float) -> None:
        """Wait until this share of the data set is acknowledged."""
        while self.stream.acknowledged_count < share * self.records and self.stream.is_alive():
            await asyncio.sleep(0.01)

    async def kill(self, role: str, broker: int) -> int:
        """SIGKILL a broker. Returns the milliseconds until a record of a partition that it led is
        acknowledged again."""
        affected = [n for n, s in self.timeline.states.items() if s.leader == broker]
        since = len(self.timeline.entries)
        killed = time.monotonic()
        print(f"\n  00.000 killed broker {broker}, the {role}; it led {affected}", flush=True)
        ask(self.port, {"verb": "kill", "process": f"broker:{broker}"})
        await self.timeline.wait_for(
            lambda: all(self.timeline.states[n].leader not in (broker, -1) for n in affected),
            RECOVERY_TIMEOUT_S,
        )
        moved = {
            int(e.kind.rpartition(" ")[2]): e.at
            for e in self.timeline.entries[since:]
            if e.kind.startswith("leader moved")
        }
        again = await self._acknowledged_again(affected, moved, killed)
        self._print(since, killed)
        print(f"  {again - killed:06.3f} first record acknowledged again", flush=True)
        return round((again - killed) * 1000)

    async def _acknowledged_again(
        self, affected: list[int], moved: dict[int, float], killed: float
    ) -> float:
        deadline = killed + RECOVERY_TIMEOUT_S
        while time.monotonic() < deadline:
            for number in affected:
                at = self.stream.last_acknowledged.get(number, 0.0)
                if at > moved.get(number, deadline):
                    return at
            await asyncio.sleep(0.001)
        return deadline

    async def restart(self, broker: int) -> None:
        """Start the broker again and wait until every ISR is complete."""
        since = len(self.timeline.entries)
        started = time.monotonic()
        print(f"  00.000 restarted broker {broker}", flush=True)
        ask(self.port, {"verb": "restart", "process": f"broker:{broker}"})
        await self.timeline.wait_for(lambda: broker in self.timeline.brokers, RECOVERY_TIMEOUT_S)
        await self.timeline.wait_for(lambda: self.timeline.whole(BROKERS), RECOVERY_TIMEOUT_S)
        self._print(since, started)
        print(f"  {time.monotonic() - started:06.3f} ISR complete again", flush=True)

    async def stop_coordinator(self) -> None:
        """Kill the coordinator's process for two seconds."""
        started = time.monotonic()
        before = self.stream.acknowledged_count
        print("\n  00.000 stopped the coordinator", flush=True)
        ask(self.port, {"verb": "kill", "process": "coordinator"})
        await asyncio.sleep(COORDINATOR_AWAY_S)
        meanwhile = self.stream.acknowledged_count - before
        ask(self.port, {"verb": "restart", "process": "coordinator"})
        print(
            f"  {time.monotonic() - started:06.3f} started it again;"
            f" {meanwhile} records were acknowledged without it",
            flush=True,
        )

    def _print(self, since: int, zero: float) -> None:
        for entry in self.timeline.entries[since:]:
            print(f"  {entry.at - zero:06.3f} {entry.text}", flush=True)


async def run(
    arguments: argparse.Namespace, port: int, zookeeper: str, directory: str | None
) -> int:
    """Run the demo. Returns the exit code."""
    started = time.monotonic()
    bootstrap = ",".join(f"127.0.0.1:{port + i}" for i in range(BROKERS))
    access = Access(bootstrap=Bootstrap(servers=bootstrap))
    if directory is not None:
        access = await secure_access(bootstrap, directory, TOPIC)
    controller = await _create_topic(access.bootstrap)
    records = list(flights())[: arguments.records]
    timeline = Timeline(system_env(), zookeeper, TOPIC, PARTITIONS, access.zookeeper)
    await timeline.connect()
    stream = Stream(bootstrap, TOPIC, iter(records), arguments.rate, access.writer)
    demo = Demo(
        port=port,
        bootstrap=bootstrap,
        timeline=timeline,
        stream=stream,
        records=len(records),
        embedded=arguments.zookeeper is None,
    )
    if not demo.embedded:
        print(_bound(), flush=True)
    print(f"streaming {len(records)} records; controller is broker {controller}", flush=True)
    watching = asyncio.create_task(timeline.run())
    await timeline.wait_for(lambda: timeline.whole(BROKERS), RECOVERY_TIMEOUT_S)
    stream.start()
    with Progress(stream, len(records)):
        leader_ms, controller_ms = await _failures(demo)
        while stream.is_alive():
            await asyncio.sleep(0.05)
    watching.cancel()
    await timeline.close()
    print("\nreading back with kafka-python", flush=True)
    read = await asyncio.get_running_loop().run_in_executor(
        None, read_back, bootstrap, TOPIC, PARTITIONS, access.reader
    )
    verdict = compare(stream.acknowledged, read)
    for partition, (sent, found) in verdict.digests.items():
        same = "same" if sent == found else "DIFFERENT"
        count = len(read[partition])
        print(f"  partition {partition}: {count} records, sha256 {found[:16]} {same}")
    for failure in stream.failures[:5]:
        print(f"  not acknowledged: {failure}")
    print(
        f"demo: records={len(records)} acknowledged={stream.acknowledged_count}"
        f" lost={verdict.lost} duplicated={verdict.duplicated} reordered={verdict.reordered}"
        f" leader_failover_ms={leader_ms} controller_failover_ms={controller_ms}"
        f" seconds={time.monotonic() - started:.1f}",
        flush=True,
    )
    good = not (verdict.lost or verdict.duplicated or verdict.reordered or stream.failures)
    return 0 if good and all(a == b for a, b in verdict.digests.values()) else 1


async def _failures(demo: Demo) -> tuple[int, int]:
    """Cause all failures while the data streams. Returns the two failover times in ms."""
    await demo.reach(0.15)
    leader = demo.timeline.states[0].leader
    leader_ms = await demo.kill("leader of partition 0", leader)
    await demo.reach(0.35)
    await demo.restart(leader)
    await demo.reach(0.5)
    controller = demo.timeline.controller[0]
    controller_ms = await demo.kill("controller", controller)
    await demo.reach(0.7)
    await demo.restart(controller)
    if demo.embedded:
        await demo.reach(0.8)
        await demo.stop_coordinator()
    return leader_ms, controller_ms


def _bound() -> str:
    """A text that says how long a failover may take with a real ZooKeeper."""
    settings = {**DEV.settings, "zookeeper.connect": "-"}
    timeout_ms = BrokerConfig(settings).integer("zookeeper.session.timeout.ms")
    return (
        f"with your own ZooKeeper a dead broker's session ends {timeout_ms} ms after its last"
        " heartbeat (zookeeper.session.timeout.ms). This bounds the failover of the controller,"
        " and of leaders whose death the controller does not notice earlier"
    )


async def _create_topic(bootstrap: Bootstrap) -> int:
    """Create the topic so that the controller does not lead partition 0. Returns the controller's
    id."""
    async with ClusterClient(bootstrap, "barnabas-demo") as client:
        controller = (await client.metadata()).controller_id
        ids = [i for i in range(1, BROKERS + 1) if i != controller] + [controller]
        assignments = {
            p: [ids[(p + i) % BROKERS] for i in range(BROKERS)] for p in range(PARTITIONS)
        }
        await create_topic(
            client, TOPIC, assignments=assignments, configs={"min.insync.replicas": "2"}
        )
        await wait_for_leaders(client, TOPIC)
        return controller


def _free_ports(count: int) -> int:
    """The first of ``count`` consecutive ports that are free now."""
    for first in range(21_092, 60_000, count + 1):
        probes: list[socket.socket] = []
        try:
            for port in range(first, first + count):
                probe = socket.socket()
                probes.append(probe)
                probe.bind(("127.0.0.1", port))
            return first
        except OSError:
            continue
        finally:
            for probe in probes:
                probe.close()
    raise OSError("no free ports")


def main() -> int:
    """Parse, start the cluster, run, stop it."""
    parser = argparse.ArgumentParser(prog="barnabas.demo", description=__doc__)
    parser.add_argument("--records", type=int, default=336_776)
    parser.add_argument(
        "--rate", type=int, help=f"records a second; {RATE}, or {PATIENT_RATE} with --zookeeper"
    )
    parser.add_argument(
        "--secure", action="store_true", help="TLS, SCRAM users and ACLs for each of them"
    )
    parser.add_argument("--zookeeper", help="use this ZooKeeper instead of the embedded one")
    arguments = parser.parse_args()
    arguments.rate = arguments.rate or (PATIENT_RATE if arguments.zookeeper else RATE)
    port = _free_ports(BROKERS + 1)
    zookeeper = arguments.zookeeper or f"127.0.0.1:{port + BROKERS}"
    command = [sys.executable, "-m", "barnabas.cli.main", "up", "--port", str(port)]
    if arguments.zookeeper:
        command += ["--zookeeper", arguments.zookeeper]
    else:
        command += ["--zookeeper-port", str(port + BROKERS)]
    if not arguments.secure:
        return _demonstrate(arguments, command, port, zookeeper, None)
    with tempfile.TemporaryDirectory(prefix="barnabas-demo-") as directory:
        command += [*UP, "--data", directory]
        return _demonstrate(arguments, command, port, zookeeper, directory)


def _demonstrate(
    arguments: argparse.Namespace,
    command: list[str],
    port: int,
    zookeeper: str,
    directory: str | None,
) -> int:
    print(f"$ barnabas {' '.join(command[3:])}", flush=True)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as cluster:
        try:
            assert cluster.stdout is not None
            ready = next((line for line in cluster.stdout if line.startswith("ready")), "")
            print(ready, end="", flush=True)
            if not ready:
                return 1
            return asyncio.run(run(arguments, port, zookeeper, directory))
        except (ConfigError, ClientError, Unreachable) as error:
            print(f"barnabas.demo: {error}", file=sys.stderr)
            return 1
        finally:
            cluster.terminate()


if __name__ == "__main__":
    sys.exit(main())
