"""KafkaController, ControllerEventManager: one queue of events, one task that handles them in turn.

Every broker runs one; at most one of them is active. Wiring, all of it::

    client = ZooKeeperClient(env, "localhost:2181", 18_000)
    controller = Controller(env, broker_id, client, settings)
    client.on_event = controller.on_zookeeper_event     # and whoever else listens
    # on SessionState.EXPIRED:  controller.on_session_expired(); new session; register again;
    #                           controller.on_new_session()
    # after the broker has registered:  tasks.create_task(controller.run())

``run`` ends by cancellation; any other exception out of it is a fault of ours.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from barnabas.controller import (
    broker_changes,
    failover,
    notifications,
    partition_reassignment,
    partitions,
    topic_changes,
    topic_deletion,
)
from barnabas.controller.answers import answered_deletions, answered_directories
from barnabas.controller.batch import ControlRequest
from barnabas.controller.channels import BrokerChannel, Channels
from barnabas.controller.context import ControllerContext
from barnabas.controller.elector import NOBODY, Elected, Elector
from barnabas.controller.events import (
    AutoPreferredLeaderElection,
    BrokerChange,
    BrokerModifications,
    BrokerReachable,
    BrokerSilent,
    BrokerUnreachable,
    ControllerChange,
    Event,
    IsrChangeNotification,
    LeaderAndIsrAnswered,
    LogDirEventNotification,
    PartitionModifications,
    PreferredElectionRequested,
    ReassignmentRequested,
    Reelect,
    StopReplicaAnswered,
    TermEvent,
    TopicChange,
    TopicDeletion,
    UncleanElectionEnabled,
    event_for,
    patience_s,
)
from barnabas.controller.journal import Journal
from barnabas.controller.preferred import imbalanced_partitions
from barnabas.controller.probes import Probes
from barnabas.controller.requests import ControllerRequest
from barnabas.controller.settings import ControllerSettings
from barnabas.controller.store import ControllerMoved, FencedStore
from barnabas.controller.tcp import Connect, connect_over_tcp
from barnabas.controller.term import Term
from barnabas.errors import FatalError
from barnabas.protocol.message import ResponseMessage
from barnabas.protocol.messages.leader_and_isr import LeaderAndIsrResponse
from barnabas.protocol.messages.stop_replica import StopReplicaResponse
from barnabas.seams import Env
from barnabas.types import Broker
from barnabas.zk import paths
from barnabas.zookeeper.client.client import ZooKeeperClient
from barnabas.zookeeper.client.operations import DeleteOp, WatchEvent
from barnabas.zookeeper.errors import MalformedZNode, SessionExpired, ZooKeeperError

R = TypeVar("R")


class Controller:
    """See the module."""

    def __init__(
        self,
        env: Env,
        broker_id: int,
        zookeeper: ZooKeeperClient,
        settings: ControllerSettings,
        *,
        connect: Connect | None = None,
        knock: Connect | None = None,
    ) -> None:
        """``knock`` connects to a bare port, without TLS and without a login."""
        self._env = env
        self._journal = Journal(env.observer)
        self._broker_id = broker_id
        self._zookeeper = zookeeper
        self._settings = settings
        self._connect = connect or connect_over_tcp(settings.controller_socket_timeout_ms)
        self._knock = knock or self._connect
        self._elector = Elector(zookeeper, broker_id)
        self._queue: deque[Event] = deque()
        self._arrivals: deque[float] = deque()
        """When each of the queue came, by the stopwatch."""
        self._queued = asyncio.Event()
        self.processed: Callable[[str, float, float], None] | None = None
        """Told of each event: its name, and how many seconds it waited and took."""
        self._tasks: asyncio.TaskGroup | None = None
        self._term: Term | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._waited_s = 0.0
        """Of the event that is processed."""
        self._session = 0
        """Counts ZooKeeper sessions: an election won in an earlier one is void."""
        self._between_sessions = False
        self.active_controller_id = NOBODY
        """The present controller, as far as this broker has seen."""

    # --- what the broker calls

    @property
    def is_active(self) -> bool:
        """Whether this broker is the controller (it may still be taking over)."""
        return self._term is not None

    @property
    def epoch(self) -> int:
        """The controller epoch of the present term; 0 if not active."""
        return 0 if self._term is None else self._term.context.epoch

    @property
    def context(self) -> ControllerContext | None:
        """What the active controller knows; to be read only."""
        return None if self._term is None else self._term.context

    async def run(self) -> None:
        """Be a candidate, and the controller when elected. Start it after the registration."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                self._put(Reelect())
                while True:
                    await self._process(await self._next())
        finally:
            self._resign("stopped")
            self._clear_queue()

    def on_zookeeper_event(self, watch: WatchEvent) -> None:
        """A watch of the shared client fired; others' paths are ignored."""
        event = event_for(watch)
        if event is not None and event not in self._queue:
            self._put(event)

    def on_session_expired(self) -> None:
        """The session is gone, and ``/controller`` with it. Call before the new session is used:
        when this returns, nothing of the old term is written or sent any more (trap 31)."""
        self._session += 1
        self._between_sessions = True
        self._resign("session expired")
        self._clear_queue()
        self.active_controller_id = NOBODY

    def on_new_session(self) -> None:
        """There is a new session, and this broker has registered in it."""
        self._between_sessions = False
        self._put(Reelect())

    def on_unclean_election_setting(self, topic: str | None = None) -> None:
        """``unclean.leader.election.enable`` of a topic (or the default) may have changed."""
        self._put(UncleanElectionEnabled(topic))

    def change_settings(self, settings: ControllerSettings) -> None:
        """Go by other settings from now on; what waits for an unclean election may get it."""
        self._settings = settings
        if self._term is not None:
            self._term.settings = settings
        if settings.unclean_leader_election_enable:
            self.on_unclean_election_setting()

    async def ask(self, request: ControllerRequest[R]) -> R:
        """The answer to a request of a broker or a client."""
        if self._term is None:
            return request.not_controller()
        self._put(request)
        return await request.answer

    # --- the queue

    def _put(self, event: Event) -> None:
        self._queue.append(event)
        self._arrivals.append(self._env.stopwatch())
        self._queued.set()
        if self._term is not None:
            self._term.channels.hurry(patience_s(event))

    def _patience_s(self) -> float:
        """How long the most urgent event of the queue may wait."""
        return min(map(patience_s, self._queue), default=math.inf)

    async def _next(self) -> Event:
        while not self._queue:
            self._queued.clear()
            await self._queued.wait()
        self._waited_s = self._env.stopwatch() - self._arrivals.popleft()
        return self._queue.popleft()

    def _clear_queue(self) -> None:
        """Drop everything; requests that wait get NOT_CONTROLLER (KAFKA-10193)."""
        self._arrivals.clear()
        while self._queue:
            event = self._queue.popleft()
            if isinstance(event, ControllerRequest):
                event.refuse()

    @property
    def queued(self) -> int:
        """Events that wait."""
        return len(self._queue)

    @property
    def counts(self) -> Mapping[str, int]:
        """How often each thing has happened since the start, by the name that it is noted with;
        ``unclean`` are elections."""
        return self._journal.counts

    async def _process(self, event: Event) -> None:
        began = self._env.stopwatch()
        try:
            await self._handle(event)
        except SessionExpired:
            self._resign("session expired")  # the broker calls on_new_session in time
        except ControllerMoved:
            self._resign("another controller was elected")
            if not self._between_sessions:
                self._put(ControllerChange())
        except (ZooKeeperError, MalformedZNode) as error:
            await self._give_up(event, error)
        finally:
            if isinstance(event, ControllerRequest):
                event.refuse()
            if self.processed is not None:
                took = self._env.stopwatch() - began
                self.processed(type(event).__name__, self._waited_s, took)

    async def _handle(self, event: Event) -> None:
        if isinstance(event, Reelect | ControllerChange):
            await self._look_at_controller()
            return
        term = self._term
        if term is None or (isinstance(event, TermEvent) and event.term is not term):
            return
        if isinstance(event, ControllerRequest):
            await _serve(term, event)
        else:
            await _HANDLERS[type(event)](self, term, event)

    # --- becoming controller, and ceasing to be

    async def _look_at_controller(self) -> None:
        session = self._session
        seen = await self._elector.look()
        if session != self._session:
            return
        active = seen.active
        if active != self._broker_id:
            self._resign("another controller was elected")
        if active == NOBODY:
            result = await self._elector.elect(seen, self._env.clock.wall_ms())
            if session != self._session:
                return
            if isinstance(result, Elected):
                await self._take_over(result)
                return
            active = result
        self.active_controller_id = active

    async def _take_over(self, elected: Elected) -> None:
        assert self._term is None
        assert self._tasks is not None
        self.active_controller_id = self._broker_id
        term = Term(
            context=ControllerContext(elected.epoch, elected.epoch_zk_version),
            store=FencedStore(
                self._zookeeper,
                self._settings,
                epoch=elected.epoch,
                epoch_zk_version=elected.epoch_zk_version,
            ),
            channels=Channels(
                self._tasks, self._make_channel, self._make_probes(self._tasks), self._patience_s
            ),
            settings=self._settings,
            observer=self._journal,
            broker_id=self._broker_id,
        )
        self._term = term
        self._journal.note("controller_elected", broker=self._broker_id, epoch=elected.epoch)
        await failover.take_over(term, self._env.random)
        self._journal.note(
            "controller_ready",
            broker=self._broker_id,
            epoch=elected.epoch,
            brokers=sorted(term.context.brokers),
        )
        if self._term is term and self._settings.auto_leader_rebalance_enable:
            self._look_at_balance_in(term, self._settings.leader_imbalance_first_check_ms)

    def _resign(self, reason: str) -> None:
        """End the term at once, without an await. Harmless when there is none."""
        term, self._term = self._term, None
        if term is None:
            return
        term.close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for event in [e for e in self._queue if isinstance(e, ControllerRequest)]:
            self._queue.remove(event)
            event.refuse()
        self._arrivals = deque([self._env.stopwatch()] * len(self._queue))
        self._journal.note(
            "controller_resigned", broker=self._broker_id, epoch=term.context.epoch, reason=reason
        )

    async def _give_up(self, event: Event, error: Exception) -> None:
        """An event failed for a reason that this controller cannot repair. It resigns, so that
        another broker, or this one again, takes over from the state in ZooKeeper (reference 2.2
        step 6)."""
        self._journal.note("controller_event_failed", event=type(event).__name__, reason=str(error))
        term = self._term
        if term is None and isinstance(error, MalformedZNode):
            return  # nobody can be elected until it is repaired, which the watch on it tells
        if term is None:
            raise FatalError(f"controller election failed: {error}") from error
        try:
            await asyncio.sleep(self._settings.channel_retry_backoff_ms / 1000)
            await term.store.fenced([DeleteOp(paths.CONTROLLER)])
        except (ControllerMoved, SessionExpired):
            pass
        self._resign(f"failed: {error}")
        if not self._between_sessions:
            self._put(Reelect())

    # --- channels (ChannelOwner)

    def _make_channel(self, broker: Broker, starting: bool) -> BrokerChannel:
        term = self._term
        assert term is not None
        return BrokerChannel(
            broker,
            client_id=str(self._broker_id),
            settings=self._settings,
            connect=self._connect,
            owner=_Owner(self._put, term),
            detect_refusals=broker.id != self._broker_id,
            starting=starting,
        )

    def _make_probes(self, tasks: asyncio.TaskGroup) -> Probes | None:
        if not self._settings.silence_ms:
            return None
        return Probes(
            tasks,
            self._settings,
            own_id=self._broker_id,
            connect=self._connect,
            knock=self._knock,
            on_silent=self._on_silent,
        )

    def _on_silent(self, broker: Broker) -> None:
        if self._term is not None:
            self._put(BrokerSilent(self._term, broker))

    # --- the balance of leaders

    def _look_at_balance_in(self, term: Term, delay_ms: int) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(delay_ms / 1000, self._put, AutoPreferredLeaderElection(term))

    async def look_at_balance(self, term: Term, _: Any) -> None:
        """The AutoPreferredLeaderElection event."""
        try:
            wanted = imbalanced_partitions(
                term.context, self._settings.leader_imbalance_per_broker_percentage
            )
            await failover.elect_preferred(term, wanted)
        finally:
            if self._term is term:
                interval_ms = self._settings.leader_imbalance_check_interval_ms
                self._look_at_balance_in(term, interval_ms)

    async def topics_changed(self, term: Term, _: Any) -> None:
        """The TopicChange event."""
        await topic_changes.topics_changed(term, self._env.random)


class _Owner:
    """Turns what a channel reports into events of its term."""

    def __init__(self, put: Callable[[Event], None], term: Term) -> None:
        self._put = put
        self._term = term

    def on_response(
        self, broker: Broker, request: ControlRequest, response: ResponseMessage
    ) -> None:
        term = self._term
        if isinstance(response, LeaderAndIsrResponse):
            failed, working = answered_directories(term.context, broker.id, response)
            if failed or working:
                self._put(LeaderAndIsrAnswered(term, broker.id, failed, working))
        elif isinstance(response, StopReplicaResponse) and request.deletes:
            errors = answered_deletions(request.deletes, response)
            self._put(StopReplicaAnswered(term, broker.id, errors))

    def on_unreachable(self, broker: Broker) -> None:
        self._put(BrokerUnreachable(self._term, broker))

    def on_reachable(self, broker: Broker) -> None:
        self._put(BrokerReachable(self._term, broker))


async def _serve(term: Term, event: ControllerRequest[Any]) -> None:
    if event.answer.done():  # whoever asked has gone
        return
    answer = await event.serve(term)
    if not event.answer.done():
        event.answer.set_result(answer)
    await event.after(term)


async def _unclean_allowed(_: Controller, term: Term, event: Any) -> None:
    if event.topic is None or event.topic in term.context.topics:
        await partitions.elect_where_needed(term)


_Handler = Callable[[Controller, Term, Any], Awaitable[None]]
_HANDLERS: Mapping[type[Event], _Handler] = {
    BrokerChange: lambda _, term, e: broker_changes.brokers_changed(term),
    BrokerModifications: lambda _, term, e: broker_changes.endpoints_changed(term, e.broker_id),
    BrokerUnreachable: lambda _, term, e: broker_changes.became_unreachable(term, e.broker),
    BrokerSilent: lambda _, term, e: broker_changes.fell_silent(term, e.broker),
    BrokerReachable: lambda _, term, e: broker_changes.became_reachable(term, e.broker),
    TopicChange: Controller.topics_changed,
    PartitionModifications: lambda _, t, e: topic_changes.partitions_changed(t, e.topic),
    TopicDeletion: lambda _, term, e: topic_deletion.markers_changed(term),
    StopReplicaAnswered: lambda _, t, e: topic_deletion.answered(t, e.broker_id, e.errors),
    LogDirEventNotification: lambda _, term, e: notifications.log_directories_failed(term),
    LeaderAndIsrAnswered: lambda _, t, e: notifications.directories_answered(
        t, e.broker_id, e.failed, e.working
    ),
    IsrChangeNotification: lambda _, term, e: notifications.isr_changed_by_leaders(term),
    PreferredElectionRequested: lambda _, t, e: failover.preferred_election_requested(t),
    ReassignmentRequested: lambda _, t, e: partition_reassignment.requested_by_tools(t),
    AutoPreferredLeaderElection: Controller.look_at_balance,
    UncleanElectionEnabled: _unclean_allowed,
}
