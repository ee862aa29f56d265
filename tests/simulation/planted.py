"""The planted bugs: each is a function that replaces others, undone afterwards (``mutants``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from barnabas.api import fetch as fetch_api
from barnabas.api import topic_creation
from barnabas.authorizer.acl import ResourcePattern
from barnabas.authorizer.authorizer import AclAuthorizer
from barnabas.authorizer.znodes import encode_entries, store_of
from barnabas.broker import connection as connection_module
from barnabas.broker import turns as turns_module
from barnabas.broker.connection import ClientConnection
from barnabas.broker.delegation_tokens import DelegationTokens
from barnabas.broker.exchange import Exchange
from barnabas.broker.network import NetworkServer
from barnabas.broker.quota_configs import QuotaConfigs
from barnabas.broker.topic_configs import TopicConfigRepository
from barnabas.controller import broker_changes, partition_reassignment, partitions, replicas
from barnabas.controller.batch import ControlBatch
from barnabas.controller.context import ControllerContext
from barnabas.controller.silence import Silences
from barnabas.controller.store import FencedStore
from barnabas.coordinator.group import offset_manager
from barnabas.coordinator.log import CoordinatorLog
from barnabas.coordinator.ownership import Ownership
from barnabas.errors import ErrorCode
from barnabas.records import down_conversion, up_conversion
from barnabas.replication import fetch_reader, leadership, neighbours, partition
from barnabas.replication.controller_orders import ControllerOrders
from barnabas.replication.fetch_reader import FetchReader
from barnabas.replication.fetcher import ReplicaFetcher
from barnabas.replication.isr import PendingShrink
from barnabas.replication.neighbours import Standing
from barnabas.replication.orders import Orders
from barnabas.replication.partition import Partition
from barnabas.replication.produce import ProducePath
from barnabas.replication.truncation import EpochEnd, Truncation
from barnabas.security.sasl.scram import TokenLogin
from barnabas.storage import retention
from barnabas.storage.cleaner import log_cleaner as cleaner
from barnabas.storage.cleaner.filter import BatchFilter
from barnabas.storage.directories.log_dir import LogDirectory
from barnabas.storage.durability import Durability
from barnabas.storage.log import Log
from barnabas.storage.log_manager import LogManager
from barnabas.types import NO_EPOCH
from barnabas.zk import paths
from barnabas.zk.admin import read_config, read_configs
from barnabas.zookeeper.client.operations import CheckOp
from barnabas.zookeeper.client.watches import WatchTable
from barnabas.zookeeper.server.sessions import Sessions


class Patches:
    """Attributes replaced, and what they were."""

    def __init__(self) -> None:
        self._before: list[tuple[Any, str, Any]] = []

    def set(self, owner: Any, name: str, value: Any) -> Any:
        """Replace an attribute; what it was."""
        before = owner.__dict__[name]
        self._before.append((owner, name, before))
        setattr(owner, name, value)
        return before

    def undo(self) -> None:
        """All as it was."""
        for owner, name, before in reversed(self._before):
            setattr(owner, name, before)
        self._before.clear()


async def _nothing(*_: Any, **__: Any) -> None:
    return


def _truncate_to_watermark(patches: Patches) -> None:
    def add(self: ReplicaFetcher, held: Partition, topic_id: Any) -> None:
        own = held.log_or_raise()
        if own.log_end_offset > own.high_watermark:
            held.truncate_to(own.high_watermark, leader_epoch=held.leader_epoch, reason="planted")
        before(self, held, topic_id)

    before = patches.set(ReplicaFetcher, "add", add)


def _end_of_next_epoch(patches: Patches) -> None:
    def divergence(log: Log, entry: Any) -> EpochEnd | None:
        asked = entry.last_fetched_epoch
        if asked == NO_EPOCH:
            return None
        later = [e.start_offset for e in log.epochs.entries if e.epoch > asked]
        end = min(later, default=log.log_end_offset)
        return EpochEnd(asked, end) if end < entry.fetch_offset else None

    def point(leader: EpochEnd, *, log_end_offset: int, **_: Any) -> Truncation:
        return Truncation(min(leader.end_offset, log_end_offset), final=True)

    patches.set(fetch_reader, "_divergence", divergence)
    patches.set(partition, "truncation_point", point)


def _no_epoch_truncation(patches: Patches) -> None:
    patches.set(fetch_reader, "_divergence", lambda log, entry: None)


def _unfenced_lookup(patches: Patches) -> None:
    """Positions are still counted in the right epoch only."""
    patches.set(Partition, "check_epoch", lambda self, epoch: None)

    def read(
        self: Any, held: Partition, entry: Any, params: Any, *, first: bool, **rest: Any
    ) -> Any:
        same = entry.current_leader_epoch == held.leader_epoch
        return before(self, held, entry, params, first=first and same, **rest)

    before = patches.set(fetch_reader.FetchReader, "read", read)


def _unfenced_position(patches: Patches) -> None:
    patches.set(Partition, "check_epoch", lambda self, epoch: None)


def _early_join(patches: Patches) -> None:
    def may_expand(*args: Any, leader_epoch_start: int, **rest: Any) -> bool:
        return bool(before(*args, leader_epoch_start=0, **rest))

    before = patches.set(leadership, "may_expand", may_expand)


def _ack_before_isr(patches: Patches) -> None:
    patches.set(ProducePath, "_is_safe", lambda *args: True)


def _requested_isr(patches: Patches) -> None:
    patches.set(PendingShrink, "maximal", property(lambda self: self.proposed))


def _below_min_isr(patches: Patches) -> None:
    def candidate(*args: Any, min_isr: int, **rest: Any) -> int | None:
        return before(*args, min_isr=0, **rest)

    before = patches.set(leadership, "high_watermark_candidate", candidate)


def _unclean_election(patches: Patches) -> None:
    patches.set(partitions, "_allows_unclean", lambda *args: True)


def _old_epoch_resumed(patches: Patches) -> None:
    patches.set(ControllerContext, "restarted_since", lambda self, p: ())
    patches.set(ControllerContext, "doubtful", lambda self, p: ())


def _unfenced_controller(patches: Patches) -> None:
    def init(self: Any, *args: Any, **rest: Any) -> None:
        before(self, *args, **rest)
        self._check = CheckOp(paths.CONTROLLER_EPOCH, -1)

    before = patches.set(FencedStore, "__init__", init)


def _silence_unheard(patches: Patches) -> None:
    patches.set(Silences, "look", lambda self, now_ms: [])


def _blames_all_when_cut_off(patches: Patches) -> None:
    patches.set(Silences, "_hears_most", lambda self, now_ms: True)


def _stopped_blames_others(patches: Patches) -> None:
    """Neither of the two rules by which a controller knows that it did not listen."""

    def look(self: Silences, now_ms: float) -> list[int]:
        self._looked_at_ms = now_ms
        return before(self, now_ms)

    before = patches.set(Silences, "look", look)
    patches.set(Silences, "_hears_most", lambda self, now_ms: True)


def _silent_for_ever(patches: Patches) -> None:
    """Who was silent is not told that it is back."""

    async def unheard(term: Any, broker: Any) -> None:
        pass

    patches.set(broker_changes, "became_reachable", unheard)


def _deposed_leads_on(patches: Patches) -> None:
    patches.set(ControllerOrders, "resign", lambda self, name, elected: False)


def _stale_controller_obeyed(patches: Patches) -> None:
    def stale(self: Any, request: Any) -> ErrorCode:
        self.controller_epoch = NO_EPOCH
        return before(self, request)

    before = patches.set(ControllerOrders, "_stale", stale)


def _late_orders_obeyed(patches: Patches) -> None:
    patches.set(Orders, "is_history", lambda self, epoch, sender: False)


def _session_id_reused(patches: Patches) -> None:
    def init(self: Any, *, epoch: int, **rest: Any) -> None:
        before(self, epoch=1, **rest)

    before = patches.set(Sessions, "__init__", init)


def _watch_not_rearmed(patches: Patches) -> None:
    def requests(self: Any, last_zxid: int) -> Iterator[Any]:
        return iter(())

    patches.set(WatchTable, "requests", requests)


def _bounce_missed(patches: Patches) -> None:
    def difference(known: Any, registered: Any) -> Any:
        diff = before(known, registered)
        diff.bounced.clear()
        return diff

    before = patches.set(broker_changes, "difference", difference)


def _duplicate_after_failover(patches: Patches) -> None:
    def append(self: Log, records: Any) -> Any:
        history = self._history
        self._history = _Deaf(history)  # type: ignore[assignment]
        try:
            return before(self, records)
        finally:
            self._history = history

    before = patches.set(Log, "append_as_follower", append)


class _Deaf:
    """A history of producers, or its state, that does not hear of batches."""

    def __init__(self, history: Any) -> None:
        self._history = history

    def apply(self, *_: Any) -> None:
        return

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._history, name)
        return _Deaf(value) if name == "state" else value


def _fsync_skipped(patches: Patches) -> None:
    patches.set(Durability, "_sync", _nothing)


def _leader_counts_unflushed(patches: Patches) -> None:
    class TakenForFlushed:
        """A log that says of all it has that it is on the disk."""

        def __init__(self, log: Any) -> None:
            self._log = log

        def __getattr__(self, name: str) -> Any:
            return getattr(self._log, "log_end_offset" if name == "flushed_offset" else name)

    def advance(self: Partition, leadership: Any, log: Any, min_isr: int) -> Any:
        return before(self, leadership, TakenForFlushed(log), min_isr)

    before = patches.set(Partition, "_advance", advance)


def _follower_acks_unflushed(patches: Patches) -> None:
    patches.set(ReplicaFetcher, "_flush", _nothing)


def _directory_not_synced(patches: Patches) -> None:
    patches.set(LogDirectory, "_make", lambda self: self.env.files.make_directories(self.path))


def _unclean_start_untold(patches: Patches) -> None:
    patches.set(LogManager, "unclean_machine_start", property(lambda self: False))


def _dead_member_kept(patches: Patches) -> None:
    async def shrink(*_: Any, **__: Any) -> dict[Any, Any]:
        return {}

    patches.set(replicas, "shrink", shrink)
    _silent_member_kept(patches)


def _silent_member_kept(patches: Patches) -> None:
    patches.set(Partition, "maybe_shrink_isr", lambda self: None)


def _follower_shows_its_end(patches: Patches) -> None:
    def read(self: Any, held: Partition, entry: Any, params: Any, **rest: Any) -> Any:
        if held.leadership is None:
            params.to_log_end = True
        return before(self, held, entry, params, **rest)

    before = patches.set(fetch_reader.FetchReader, "read", read)


def _commit_not_replicated(patches: Patches) -> None:
    def append(
        self: CoordinatorLog, owned: Any, batch: bytearray, done: Any, *args: Any, **rest: Any
    ) -> None:
        refused: list[tuple[ErrorCode, int]] = []
        before(self, owned, batch, lambda *result: refused.append(result), *args, **rest)
        offset = owned.partition.log_or_raise().log_end_offset - 1
        done(*(refused[0] if refused else (ErrorCode.NONE, offset)))

    before = patches.set(CoordinatorLog, "append", append)


def _unreplicated_group_loaded(patches: Patches) -> None:
    def finish(self: Ownership[Any, Any], owned: Any, load: Any, end: int) -> None:
        self._finish(owned, load)

    patches.set(Ownership, "_when_replicated", finish)


def _stale_generation_accepted(patches: Patches) -> None:
    patches.set(offset_manager, "check_commit", lambda *args, **rest: ErrorCode.NONE)


def _tombstone_dropped_early(patches: Patches) -> None:
    patches.set(BatchFilter, "_is_over", lambda self, header, offset: True)


def _cleaned_past_watermark(patches: Patches) -> None:
    def cleanable(*args: Any, log_end_offset: int, **rest: Any) -> Any:
        rest["last_stable_offset"] = log_end_offset
        return before(*args, log_end_offset=log_end_offset, **rest)

    before = patches.set(cleaner, "cleanable_range", cleanable)


def _retention_past_watermark(patches: Patches) -> None:
    def deletable(segments: Any, *args: Any, **rest: Any) -> int:
        rest["high_watermark"] = segments[-1].end_offset
        return before(segments, *args, **rest)

    before = patches.set(retention, "deletable_count", deletable)


def _moved_before_in_sync(patches: Patches) -> None:
    patches.set(partition_reassignment, "is_complete", lambda *args, **rest: True)


def _move_not_throttled(patches: Patches) -> None:
    patches.set(FetchReader, "_is_throttled", lambda *args: False)


def _drained_broker_gets_topics(patches: Patches) -> None:
    patches.set(topic_creation, "open_brokers", _all_brokers)


def _all_brokers(services: Any, _closed: Any) -> dict[int, str | None]:
    return {b.id: b.rack for b in services.metadata.brokers.values()}


def _deleted_settings_kept(patches: Patches) -> None:
    """As it was: what was read is taken, whatever has become of the topic meanwhile."""

    async def ensure(self: TopicConfigRepository, topics: Any) -> None:
        unknown = [t for t in topics if t not in self._topics]
        entities = {topic: paths.topic_entity(topic) for topic in unknown}
        found = await read_configs(self._zookeeper, list(entities.values()))
        for topic, entity in entities.items():
            self._take(topic, found.get(entity, {}))

    async def on_notification(self: TopicConfigRepository, topic: str) -> None:
        if topic in self._topics:
            self._take(topic, await read_config(self._zookeeper, paths.topic_entity(topic)))

    patches.set(TopicConfigRepository, "ensure", ensure)
    patches.set(TopicConfigRepository, "on_notification", on_notification)


def _own_write_not_recognised(patches: Patches) -> None:
    """A write whose answer was lost is taken for another controller's."""
    meet = FencedStore._meet

    def theirs(self: FencedStore, wanted: Any, found: Any) -> Any:
        return replace(meet(self, wanted, found), written=False)

    patches.set(FencedStore, "_meet", theirs)


def _earlier_names_trusted(patches: Patches) -> None:
    """As it was: a log that was flushed once takes the names that it finds for durable."""

    def init(self: Durability, *args: Any, **rest: Any) -> None:
        before(self, *args, **rest)
        self._names_durable = 0 if self.flushed_offset == 0 else 1

    before = patches.set(Durability, "__init__", init)


def _dead_leader_named(patches: Patches) -> None:
    patches.set(neighbours, "standing", lambda now, gone_since: Standing.NAMED)


def _successor_awaited_too_long(patches: Patches) -> None:
    patches.set(neighbours, "SUCCESSOR_S", 60.0)


def _question_forgotten(patches: Patches) -> None:
    patches.set(Exchange, "_is_next_ready", lambda self: self._slots[0].ready)


def _fetch_not_asked(patches: Patches) -> None:
    patches.set(fetch_api, "_restrict", lambda *_: None)


def _decisions_kept(patches: Patches) -> None:
    """What was decided once holds for ever."""
    patches.set(AclAuthorizer, "_changed", lambda self: None)


def _not_muted(patches: Patches) -> None:
    patches.set(Exchange, "mute", lambda self, seconds: None)


def _muted_for_ever(patches: Patches) -> None:
    """As with a timer that is lost."""
    patches.set(Exchange, "_unmute", lambda self: None)


def _quota_change_unheard(patches: Patches) -> None:
    async def pass_over(self: QuotaConfigs, place: str) -> None:
        pass

    patches.set(QuotaConfigs, "on_notification", pass_over)


def _old_set_cut(patches: Patches) -> None:
    def plain(messages: Any, limits: Any) -> Any:
        return before(messages, limits)[:1]

    before = patches.set(up_conversion, "_plain_records", plain)


def _absolute_inner_offsets(patches: Patches) -> None:
    """As in message format 0; then a consumer counts them from the wrapper's."""

    def wrap(
        magic: int, offset: int, timestamp: int, messages: Any, codec: int, stamped: bool
    ) -> bytes:
        data = b"".join(messages)
        return bytes(
            before(magic, offset + data.count(b"/") * magic, timestamp, [data], codec, stamped)
        )

    before = patches.set(down_conversion, "encode_wrapper", wrap)


def _first_batch_cut(patches: Patches) -> None:
    """What the batches become may be longer than they are, and then nothing of it is whole."""

    def add(made: Any, pieces: Any, total: int) -> None:
        before(made, [b"".join(pieces)[:80]], total)

    before = patches.set(down_conversion, "_add", add)


def _acl_change_untold(patches: Patches) -> None:
    """As the original when it dies between its two writes: nobody else hears of the change."""

    async def write(
        self: AclAuthorizer, pattern: ResourcePattern, after: Any, version: int | None
    ) -> None:
        path = store_of(pattern).resource_path(pattern)
        if version is None and after:
            await self._zookeeper.create(path, encode_entries(after))
        elif version is not None and after:
            await self._zookeeper.set(path, encode_entries(after), version)
        elif version is not None:
            await self._zookeeper.delete(path, version)

    patches.set(AclAuthorizer, "_write", write)


def _token_lasts_for_ever(patches: Patches) -> None:
    def login(self: DelegationTokens, mechanism: str, token_id: str) -> TokenLogin | None:
        found = before(self, mechanism, token_id)
        return None if found is None else found._replace(expires_ms=2**62)

    before = patches.set(DelegationTokens, "login", login)


def _removed_token_kept(patches: Patches) -> None:
    def take(self: DelegationTokens, token_id: str, token: Any, size: int = 0) -> None:
        if token is not None:
            before(self, token_id, token, size)

    before = patches.set(DelegationTokens, "_take", take)


def _token_change_untold(patches: Patches) -> None:
    async def write(self: DelegationTokens, part: Any, token_id: str) -> None:
        await self._zookeeper.multi([part])

    patches.set(DelegationTokens, "_write", write)


def _broker_left_out(patches: Patches) -> None:
    def metadata(self: ControlBatch, partitions: Any, broker_ids: Any = None) -> None:
        told = [*partitions]
        if told and broker_ids is None:
            broker_ids = sorted(self._context.brokers)[:-1]
        before(self, told, broker_ids)

    before = patches.set(ControlBatch, "metadata", metadata)


def _turn_without_end(patches: Patches) -> None:
    """As it was: what has come is served before anything else is looked at."""
    for name in ("TURN_S", "SHARE_S", "ARRIVALS_S", "LINES_PER_TURN"):
        patches.set(turns_module, name, 10**9)
    for name in ("REQUESTS_PER_SHARE", "BYTES_PER_SHARE"):
        patches.set(connection_module, name, 10**9)


def _answers_unbounded(patches: Patches) -> None:
    patches.set(ClientConnection, "_owes_too_much", lambda self: False)
    patches.set(NetworkServer, "_relieve", lambda self: None)


def _decoded_without_bound(patches: Patches) -> None:
    patches.set(NetworkServer, "must_not_begin", lambda self, connection: False)


def _memory_not_given_back(patches: Patches) -> None:
    """Of answers that were not taken when their connection ended."""

    def closed(self: NetworkServer, connection: ClientConnection) -> None:
        connection.debt = 0
        before(self, connection)

    before = patches.set(NetworkServer, "closed", closed)


PLANTED: Mapping[str, Callable[[Patches], None]] = {
    "truncate-to-watermark": _truncate_to_watermark,
    "end-of-next-epoch": _end_of_next_epoch,
    "no-epoch-truncation": _no_epoch_truncation,
    "unfenced-lookup": _unfenced_lookup,
    "unfenced-position": _unfenced_position,
    "early-join": _early_join,
    "ack-before-isr": _ack_before_isr,
    "watermark-of-requested-isr": _requested_isr,
    "watermark-below-min-isr": _below_min_isr,
    "unclean-election": _unclean_election,
    "old-epoch-resumed": _old_epoch_resumed,
    "unfenced-controller": _unfenced_controller,
    "silence-unheard": _silence_unheard,
    "blames-all-when-cut-off": _blames_all_when_cut_off,
    "stopped-blames-others": _stopped_blames_others,
    "deposed-leads-on": _deposed_leads_on,
    "silent-for-ever": _silent_for_ever,
    "stale-controller-obeyed": _stale_controller_obeyed,
    "late-orders-obeyed": _late_orders_obeyed,
    "session-id-reused": _session_id_reused,
    "watch-not-rearmed": _watch_not_rearmed,
    "bounce-missed": _bounce_missed,
    "duplicate-after-failover": _duplicate_after_failover,
    "fsync-skipped": _fsync_skipped,
    "leader-counts-unflushed": _leader_counts_unflushed,
    "follower-acks-unflushed": _follower_acks_unflushed,
    "directory-not-synced": _directory_not_synced,
    "earlier-names-trusted": _earlier_names_trusted,
    "unclean-start-untold": _unclean_start_untold,
    "dead-member-kept": _dead_member_kept,
    "silent-member-kept": _silent_member_kept,
    "follower-shows-its-end": _follower_shows_its_end,
    "commit-not-replicated": _commit_not_replicated,
    "unreplicated-group-loaded": _unreplicated_group_loaded,
    "stale-generation-accepted": _stale_generation_accepted,
    "tombstone-dropped-early": _tombstone_dropped_early,
    "cleaned-past-watermark": _cleaned_past_watermark,
    "retention-past-watermark": _retention_past_watermark,
    "moved-before-in-sync": _moved_before_in_sync,
    "move-not-throttled": _move_not_throttled,
    "drained-broker-gets-topics": _drained_broker_gets_topics,
    "deleted-settings-kept": _deleted_settings_kept,
    "own-write-not-recognised": _own_write_not_recognised,
    "dead-leader-named": _dead_leader_named,
    "successor-awaited-too-long": _successor_awaited_too_long,
    "question-out-of-turn-forgotten": _question_forgotten,
    "fetch-not-asked": _fetch_not_asked,
    "decisions-kept": _decisions_kept,
    "acl-change-untold": _acl_change_untold,
    "not-muted": _not_muted,
    "muted-for-ever": _muted_for_ever,
    "quota-change-unheard": _quota_change_unheard,
    "old-set-cut": _old_set_cut,
    "absolute-inner-offsets": _absolute_inner_offsets,
    "first-batch-cut": _first_batch_cut,
    "token-lasts-for-ever": _token_lasts_for_ever,
    "removed-token-kept": _removed_token_kept,
    "token-change-untold": _token_change_untold,
    "broker-left-out": _broker_left_out,
    "turn-without-end": _turn_without_end,
    "answers-unbounded": _answers_unbounded,
    "decoded-without-bound": _decoded_without_bound,
    "memory-not-given-back": _memory_not_given_back,
}
