"""ConsumerGroup: the values of its records, which member holds what, and deadlines. Pure.

``membership.py`` decides. Every value that it puts is noted in ``changes`` with the value before,
so that a decision is undone as a whole if its records cannot be appended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from barnabas.coordinator.group.consumer.states import ConsumerGroupState
from barnabas.coordinator.group.offsets import GroupOffsets
from barnabas.coordinator.group.records.assignment import (
    Assignment,
    TopicIdPartition,
    partitions_of,
)
from barnabas.coordinator.group.records.consumer_group import encode_consumer_key
from barnabas.coordinator.group.records.facts import (
    NO_TARGET_EPOCH,
    ConsumerKey,
    ConsumerValue,
    CurrentFacts,
    CurrentKey,
    EpochKey,
    MemberFacts,
    MemberKey,
    MemberState,
    TargetEpochKey,
    TargetKey,
    TopicFacts,
    TopicsKey,
)

T = TypeVar("T")

NOT_YET: Final = CurrentFacts()
"""The epoch of a member that has just joined."""


class Change(NamedTuple):
    """One value that was put. None stands for no value."""

    key: ConsumerKey
    value: ConsumerValue | None
    before: ConsumerValue | None


class ConsumerGroup:
    """State of one group at its coordinator."""

    kind = "consumer"
    protocol_type = "consumer"

    def __init__(self, group_id: str) -> None:
        self.id = group_id
        self.epoch = 0
        self.target_epoch = NO_TARGET_EPOCH
        self.topics: Mapping[str, TopicFacts] = {}
        self.members: dict[str, MemberFacts] = {}
        self.current: dict[str, CurrentFacts] = {}
        self.targets: dict[str, Assignment] = {}
        self.static: dict[str, str] = {}
        """Instance id to member id."""
        self.holders: dict[TopicIdPartition, str] = {}
        """Which member may still work on a partition: it is assigned to it, or the member has not
        revoked it yet."""
        self.offsets = GroupOffsets()
        self.changes: list[Change] = []
        self.is_dead = False
        self.topics_seen = -1
        """The version of the cluster's topics with which ``topics`` was last compared."""
        self.describable: dict[str, Container[str]] = {}
        """Topics that members may see, as of their last heartbeats. Who has sent none to this
        coordinator keeps what he has."""
        self.has_rights = False
        """Whether an authorizer says what members may see."""
        self.rights_seen = 0
        """Of which state of the ACLs ``visible`` is."""
        self.visible: Mapping[str, Sequence[str]] | None = None
        """What expressions of members last found; None: not looked yet."""
        self.sessions: dict[str, int] = {}
        """When sessions end, in ms of the loop."""
        self.revocations: dict[str, tuple[int, int]] = {}
        """(epoch, deadline) by which members must have revoked partitions."""
        self.timer_ms: int | None = None
        """When the coordinator will look at it next; kept by ``timers.py``."""
        self.told: tuple[ConsumerGroupState, int] | None = None
        """The state and epoch that were logged last."""
        self._setters: Mapping[type[Any], Callable[[Any, Any], Any]] = {
            EpochKey: self._put_epoch,
            TopicsKey: self._put_topics,
            MemberKey: self._put_member,
            TargetEpochKey: self._put_target_epoch,
            TargetKey: self._put_target,
            CurrentKey: self._put_current,
        }

    # Looking

    @property
    def state(self) -> ConsumerGroupState:
        """The state as clients see it."""
        if self.is_dead:
            return ConsumerGroupState.DEAD
        if not self.members:
            return ConsumerGroupState.EMPTY
        if self.epoch > self.target_epoch:
            return ConsumerGroupState.ASSIGNING
        if all(self.is_reconciled(member) for member in self.members):
            return ConsumerGroupState.STABLE
        return ConsumerGroupState.RECONCILING

    @property
    def is_empty(self) -> bool:
        """Whether it has no members and may be deleted."""
        return not self.members and not self.is_dead

    def is_subscribed(self, topic: str) -> bool:
        """Whether a member subscribes to the topic."""
        return topic in self.topics or any(topic in m.topics for m in self.members.values())

    def now_of(self, member_id: str) -> CurrentFacts:
        """A member's current assignment and epoch."""
        return self.current.get(member_id, NOT_YET)

    def is_reconciled(self, member_id: str) -> bool:
        """Whether a member has reached its target."""
        now = self.now_of(member_id)
        return now.state is MemberState.STABLE and now.epoch == self.target_epoch

    def assignor(self, default: str) -> str:
        """The assignor that most members ask for."""
        votes = Counter(m.assignor for m in self.members.values() if m.assignor is not None)
        return str(votes.most_common(1)[0][0]) if votes else default

    def next_deadline_ms(self) -> int | None:
        """When ``expire`` has something to do if no heartbeat comes before; None if never."""
        if self.is_dead:
            return None
        deadlines = [*self.sessions.values(), *(when for _, when in self.revocations.values())]
        return min(deadlines, default=None)

    def own_keys(self) -> list[bytes]:
        """Keys of the records to remove when the group, without members, is removed."""
        keys = (TargetEpochKey(self.id), TopicsKey(self.id), EpochKey(self.id))
        return [encode_consumer_key(key) for key in keys]

    # Changing

    def put(self, key: ConsumerKey, value: ConsumerValue | None) -> None:
        """Put a value that a decision made."""
        before = self.load(key, value)
        self.changes.append(Change(key, value, before))

    def load(self, key: ConsumerKey, value: ConsumerValue | None) -> ConsumerValue | None:
        """Put a value from the log."""
        before: ConsumerValue | None = self._setters[type(key)](key, value)
        return before

    def undo(self) -> None:
        """Undo everything that was put since ``changes`` was emptied."""
        for change in reversed(self.changes):
            self.load(change.key, change.before)
        self.changes.clear()
        self.topics_seen = -1

    def forget_deadlines(self, member_id: str) -> None:
        """Forget a member."""
        self.describable.pop(member_id, None)
        self.sessions.pop(member_id, None)
        self.revocations.pop(member_id, None)

    # Facts by key

    def _put_epoch(self, key: EpochKey, epoch: int | None) -> int:
        before, self.epoch = self.epoch, epoch or 0
        return before

    def _put_target_epoch(self, key: TargetEpochKey, epoch: int | None) -> int:
        before, self.target_epoch = self.target_epoch, NO_TARGET_EPOCH if epoch is None else epoch
        return before

    def _put_topics(
        self, key: TopicsKey, topics: Mapping[str, TopicFacts] | None
    ) -> Mapping[str, TopicFacts]:
        before, self.topics = self.topics, topics or {}
        return before

    def _put_target(self, key: TargetKey, target: Assignment | None) -> Assignment | None:
        return _put(self.targets, key.member, target)

    def _put_member(self, key: MemberKey, facts: MemberFacts | None) -> MemberFacts | None:
        before = _put(self.members, key.member, facts)
        if (
            before is not None
            and before.instance_id is not None
            and self.static.get(before.instance_id) == key.member
        ):
            del self.static[before.instance_id]
        if facts is not None and facts.instance_id is not None:
            self.static[facts.instance_id] = key.member
        return before

    def _put_current(self, key: CurrentKey, now: CurrentFacts | None) -> CurrentFacts | None:
        before = _put(self.current, key.member, now)
        for partition in _held(before):
            if self.holders.get(partition) == key.member:
                del self.holders[partition]
        for partition in _held(now):
            self.holders[partition] = key.member
        return before


def _put(facts: dict[str, T], member: str, value: T | None) -> T | None:
    before = facts.get(member)
    if value is None:
        facts.pop(member, None)
    else:
        facts[member] = value
    return before


def _held(now: CurrentFacts | None) -> Iterator[TopicIdPartition]:
    if now is not None:
        yield from partitions_of(now.assigned)
        yield from partitions_of(now.revoking)
