"""What every broker says of leaders, and how soon: judged in the moments that nothing disturbs.

A client asks each broker for metadata, over and over, half of the times behind a fetch that waits:
the question is then handled in its turn (``broker/exchange.py``). Three things must hold of a
broker that runs, with a way to its client that is open (``replication/neighbours.py``):

- An answer comes within its bound, whatever becomes of leaders meanwhile.
- Every question is answered.
- A broker is not named as a leader when its process has been dead for some time. Who asks is told
  the successor or, if none was announced within half a second, that there is no leader.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.simulation.kernel import MILLISECOND, SECOND
from tests.simulation.nodes import Main, Process, Simulation

from barnabas.protocol.api import ApiKey
from barnabas.protocol.connection import KafkaConnection
from barnabas.protocol.message import Message
from barnabas.seams import Env

CLIENTS = "clients"
"""The host of the witness."""
ASK_S = 0.3
"""Mean pause between two questions."""
FETCH_WAIT_MS = 300
BOUND_NS = 1100 * MILLISECOND
"""The 550 ms of a broker, and two segments of the question and the answer lost on their way."""
SEEN_NS = 500 * MILLISECOND
"""From a death to the answers that know of it: as many lost segments."""
ENDING_S = 3.0
"""A broker whose last disk has failed closes its connections first, and then ends."""
STEADY_NS = 5 * SECOND
"""So long before a death nothing may have happened to those of whom the answer is judged: the idle
connection between them has lasted, whatever broke before."""


class _Asked(NamedTuple):
    """A question."""

    at_ns: int
    allowed_ns: int
    """For its answer."""
    life: int
    """The incarnation of the broker that it was sent to."""


class Witness:
    """The judge of one run."""

    def __init__(self, simulation: Simulation, topic: str, listeners: Mapping[int, str]) -> None:
        """``listeners``: host:port of each broker."""
        self.answers = 0
        """Judged."""
        self._simulation = simulation
        self._topic = topic
        self._listeners = listeners
        self._informed_ns: dict[int, tuple[int, int]] = {}
        """Broker -> (its incarnation, when the controller told it of the cluster first)."""
        self._pending: dict[int, _Asked] = {}
        """Broker -> the question that it has not answered."""

    def on_note(self, process: Process, event: str, fields: Mapping[str, object]) -> None:
        """A process noted something."""
        if event == "controller_order" and fields["kind"] == "UpdateMetadata":
            broker = int(process.name[1:])
            if self._informed_ns.get(broker, (0, 0))[0] != process.incarnation:
                now_ns = self._simulation.kernel.now_ns
                self._informed_ns[broker] = process.incarnation, now_ns

    def check(self) -> None:
        """At the end: no question has waited for too long."""
        for broker, asked in self._pending.items():
            waited_ns = self._simulation.kernel.now_ns - asked.at_ns
            if waited_ns > asked.allowed_ns and self._is_judged(broker, asked):
                self._fail(broker, f"has not answered for {waited_ns / SECOND:.3f} s")

    def main(self, broker: int) -> Main:
        """Ask one broker for ever."""
        host, _, port = self._listeners[broker].partition(":")

        async def main(env: Env) -> None:
            while True:
                connection, life = None, self._process(broker).incarnation
                try:
                    connection = await KafkaConnection.connect(
                        host, int(port), client_id=f"w{broker}", timeout_ms=3000
                    )
                    await self._ask_on(env, broker, life, connection)
                except OSError:
                    await asyncio.sleep(0.2)
                finally:
                    if connection is not None:
                        connection.close()

        return main

    async def _ask_on(self, env: Env, broker: int, life: int, connection: KafkaConnection) -> None:
        offset = 0
        question = Message(
            topics=[Message(name=self._topic, topic_id=None)], allow_auto_topic_creation=False
        )
        while True:
            await asyncio.sleep(env.random.expovariate(1 / ASK_S))
            questions: Any = [connection.send(ApiKey.METADATA, 9, question)]
            if env.random.random() < 0.5:
                questions.insert(0, connection.send(ApiKey.FETCH, 11, self._fetch(offset)))
            allowed_ns = BOUND_NS + (len(questions) - 1) * FETCH_WAIT_MS * MILLISECOND
            asked = _Asked(self._simulation.kernel.now_ns, allowed_ns, life)
            self._pending[broker] = asked
            try:
                answers = await asyncio.gather(*questions)
            except OSError:
                del self._pending[broker]
                await asyncio.sleep(ENDING_S)
                if self._is_judged(broker, asked):
                    self._fail(broker, "closed the connection instead of answering")
                raise
            del self._pending[broker]
            if len(answers) > 1:
                fetched = answers[0].responses[0].partitions[0]
                offset = max(0, int(fetched.high_watermark))
            self._judge(broker, asked, answers[-1])

    def _fetch(self, offset: int) -> Message:
        wanted = Message(
            partition=0,
            current_leader_epoch=-1,
            fetch_offset=offset,
            log_start_offset=-1,
            partition_max_bytes=1000,
        )
        return Message(
            replica_id=-1,
            max_wait=FETCH_WAIT_MS,
            min_bytes=1 << 20,
            max_bytes=1 << 20,
            isolation_level=0,
            session_id=0,
            session_epoch=-1,
            topics=[Message(topic=self._topic, partitions=[wanted])],
            forgotten_topics_data=[],
            rack_id="",
        )

    def _judge(self, broker: int, asked: _Asked, answer: Message) -> None:
        now_ns = self._simulation.kernel.now_ns
        if not self._is_judged(broker, asked):
            return
        self.answers += 1
        if now_ns - asked.at_ns > asked.allowed_ns:
            self._fail(broker, f"answered after {(now_ns - asked.at_ns) / SECOND:.3f} s")
        for topic in answer.topics:
            for partition in topic.partitions:
                leader = int(partition.leader_id)
                if leader != broker and leader in self._listeners:
                    self._judge_leader(broker, leader, now_ns)

    def _judge_leader(self, broker: int, leader: int, now_ns: int) -> None:
        named, asked = self._process(leader), self._process(broker)
        since_ns = named.ended_ns - STEADY_NS
        if (
            not named.alive
            and now_ns - named.ended_ns > SEEN_NS
            and named.began_ns < since_ns
            and named.paused_ns < since_ns
            and named.host.was_steady(since_ns)
            and asked.was_steady(since_ns)
            and self._simulation.network.was_steady(asked.host.name, named.host.name, since_ns)
        ):
            dead_s = (now_ns - named.ended_ns) / SECOND
            self._fail(broker, f"names broker {leader} as a leader, dead for {dead_s:.3f} s")

    def _is_judged(self, broker: int, asked: _Asked) -> bool:
        """Whether nothing but the broker itself can have kept an answer."""
        process = self._process(broker)
        incarnation, informed_ns = self._informed_ns.get(broker, (0, 0))
        return (
            not self._simulation.cpu_delay
            and asked.life == incarnation == process.incarnation
            and informed_ns < asked.at_ns
            and process.was_steady(asked.at_ns)
            and self._simulation.network.was_steady(CLIENTS, process.host.name, asked.at_ns)
        )

    def _process(self, broker: int) -> Process:
        return self._simulation.processes[f"b{broker}"]

    def _fail(self, broker: int, text: str) -> None:
        self._simulation.fail("witness", f"asked for metadata, broker {broker} {text}")
