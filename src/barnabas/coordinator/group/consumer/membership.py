"""GroupMetadataManager of KIP-848: what changes when members send heartbeats, leave or fall silent.
Pure.

A heartbeat has four steps. It admits or updates the member. If subscriptions have changed, the
group epoch rises. An epoch without a target gets one from the assignor. The member moves one step
towards its target. Every change is put into the group as a record's value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from barnabas.coordinator.group.clock import Now
from barnabas.coordinator.group.consumer.assignors import ASSIGNORS, AssigneeFacts
from barnabas.coordinator.group.consumer.checks import check_epoch, check_member
from barnabas.coordinator.group.consumer.group import NOT_YET, ConsumerGroup
from barnabas.coordinator.group.consumer.reconcile import reconcile
from barnabas.coordinator.group.consumer.requests import (
    JOIN_EPOCH,
    NO_TIMEOUT,
    HeartbeatRequest,
    HeartbeatResult,
)
from barnabas.coordinator.group.consumer.topics import Topics, subscribed
from barnabas.coordinator.group.records.facts import (
    STATIC_LEAVE_EPOCH,
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
from barnabas.coordinator.group.settings import ConsumerGroupSettings
from barnabas.errors import ErrorCode, KafkaError


class ConsumerMembership:
    """The decisions; stateless but for the settings and the view of the cluster's topics."""

    def __init__(self, settings: ConsumerGroupSettings, topics: Topics) -> None:
        self._settings = settings
        self._topics = topics

    def heartbeat(
        self, group: ConsumerGroup, request: HeartbeatRequest, now: Now
    ) -> HeartbeatResult:
        """A member joins, sends a heartbeat or leaves; ``check_request`` has passed. Raises
        KafkaError; then the caller undoes the group's changes."""
        if request.leaves:
            return self._leave(group, request)
        self._check_room(group, request.member_id)
        if request.epoch == JOIN_EPOCH:
            self._admit(group, request)
        else:
            check_member(group, request.member_id, request.instance_id)
            check_epoch(group, request.member_id, request.epoch, request.owned)
        before = group.now_of(request.member_id)
        changed = self._update(group, request)
        group.has_rights = request.describable is not None
        if request.describable is not None:
            group.describable[request.member_id] = request.describable
        self._raise_epoch(group, changed, request.rights)
        self._assign(group)
        after = self._reconcile(group, request, now)
        group.sessions[request.member_id] = now.ms + self._settings.session_timeout_ms
        told = request.is_full or before.assigned != after.assigned
        return HeartbeatResult(
            member_id=request.member_id,
            epoch=after.epoch,
            assignment=after.assigned if told else None,
        )

    # Joining

    def _check_room(self, group: ConsumerGroup, member_id: str) -> None:
        if len(group.members) >= self._settings.max_size and member_id not in group.members:
            raise KafkaError(
                ErrorCode.GROUP_MAX_SIZE_REACHED,
                "The consumer group has reached its maximum capacity of"
                f" {self._settings.max_size} members.",
            )

    def _admit(self, group: ConsumerGroup, request: HeartbeatRequest) -> None:
        """A new member begins with nothing; a static one that is back goes on with what it had."""
        member_id, instance_id = request.member_id, request.instance_id
        before = None if instance_id is None else group.static.get(instance_id)
        if before is not None:
            has_left = group.now_of(before).epoch == STATIC_LEAVE_EPOCH
            if has_left:
                self._replace(group, before, member_id)
                return
            if before != member_id:
                raise KafkaError(
                    ErrorCode.UNRELEASED_INSTANCE_ID,
                    f"Static member {member_id} with instance id {instance_id} cannot join the"
                    f" group because the instance id is owned by {before} member.",
                )
        if group.now_of(member_id) != NOT_YET:
            # It has given up everything, or never heard of what it was given.
            group.put(CurrentKey(group.id, member_id), NOT_YET)

    def _replace(self, group: ConsumerGroup, old_id: str, new_id: str) -> None:
        """A static member is back: the new id takes over its target and its partitions."""
        facts, target = group.members[old_id], group.targets.get(old_id, {})
        now = replace(group.now_of(old_id), epoch=JOIN_EPOCH, previous_epoch=JOIN_EPOCH)
        if old_id != new_id:
            self._remove(group, old_id)
            group.put(MemberKey(group.id, new_id), facts)
            group.put(TargetKey(group.id, new_id), target)
        group.put(CurrentKey(group.id, new_id), now)

    def _update(self, group: ConsumerGroup, request: HeartbeatRequest) -> bool:
        """Keep what a member tells about itself; whether its subscription has changed."""
        known = group.members.get(request.member_id)
        old = known or MemberFacts()
        new = MemberFacts(
            instance_id=_told(request.instance_id, old.instance_id),
            rack_id=_told(request.rack_id, old.rack_id),
            client_id=request.client_id,
            client_host=request.client_host,
            topics=old.topics if request.topics is None else _names(request),
            # An empty expression ends a subscription by expression.
            regex=_told(request.regex, old.regex) or None,
            rebalance_timeout_ms=old.rebalance_timeout_ms
            if request.rebalance_timeout_ms == NO_TIMEOUT
            else request.rebalance_timeout_ms,
            assignor=_told(request.assignor, old.assignor),
        )
        if new == known:
            return False
        group.put(MemberKey(group.id, request.member_id), new)
        wanted = (old.topics, old.regex, old.assignor)
        return known is None or wanted != (new.topics, new.regex, new.assignor)

    # Epoch and target

    def _raise_epoch(self, group: ConsumerGroup, changed: bool, rights: int) -> None:
        """Raise the group epoch if subscriptions, topics, or what members may see have changed."""
        seen = (self._topics.version, rights)
        if not changed and (group.topics_seen, group.rights_seen) == seen:
            return
        group.rights_seen = rights
        before = group.visible
        changed = self._refresh_topics(group) or changed
        changed = changed or before not in (None, group.visible)
        if changed:
            group.put(EpochKey(group.id), group.epoch + 1)

    def _refresh_topics(self, group: ConsumerGroup) -> bool:
        """Compare the subscribed topics with the cluster's; whether they have changed."""
        if self._topics.version == 0:
            return False  # no metadata yet: that does not mean that a topic was deleted
        group.topics_seen = self._topics.version
        found = self._subscription(group)
        if found == group.topics:
            return False
        group.put(TopicsKey(group.id), found)
        return True

    def _subscription(self, group: ConsumerGroup) -> Mapping[str, TopicFacts]:
        names: dict[str, None] = {}
        visible = {}
        for member_id, member in group.members.items():
            names.update(dict.fromkeys(member.topics))
            if member.regex:
                visible[member_id] = self._found(group, member_id, member.regex)
                names.update(dict.fromkeys(visible[member_id]))
        group.visible = visible
        found = {name: self._topics.get(name) for name in sorted(names)}
        return {name: topic for name, topic in found.items() if topic is not None}

    def _found(self, group: ConsumerGroup, member_id: str, regex: str) -> Sequence[str]:
        """What a member's expression finds among the topics that it may see."""
        names = self._topics.matching(regex)
        if not group.has_rights:
            return names
        describable = group.describable.get(member_id)
        if describable is not None:
            return [name for name in names if name in describable]
        held = group.targets.get(member_id, {})
        topics = {name: self._topics.get(name) for name in names}
        return [name for name, topic in topics.items() if topic is not None and topic.id in held]

    def _assign(self, group: ConsumerGroup) -> None:
        """Compute the target of an epoch that has none."""
        if group.epoch <= group.target_epoch:
            return
        default = self._settings.assignors[0]
        name = group.assignor(default)
        assign = ASSIGNORS[name if name in self._settings.assignors else default]
        members = {
            member_id: AssigneeFacts(
                topics=frozenset(
                    group.topics[topic].id
                    for topic in subscribed(
                        member,
                        group.topics,
                        self._found(group, member_id, member.regex) if member.regex else (),
                    )
                ),
                instance_id=member.instance_id,
                had=group.targets.get(member_id, {}),
            )
            for member_id, member in group.members.items()
        }
        topics = {topic.id: topic.partitions for topic in group.topics.values()}
        for member_id, target in assign(members, topics).items():
            if target != group.targets.get(member_id):
                group.put(TargetKey(group.id, member_id), target)
        group.put(TargetEpochKey(group.id), group.epoch)

    def _reconcile(self, group: ConsumerGroup, request: HeartbeatRequest, now: Now) -> CurrentFacts:
        member_id = request.member_id
        before = group.now_of(member_id)
        after = reconcile(
            before,
            group.target_epoch,
            group.targets.get(member_id, {}),
            group.holders.__contains__,
            request.owned,
        )
        if after != before:
            group.put(CurrentKey(group.id, member_id), after)
            self._await_revocation(group, member_id, now)
        return after

    def _await_revocation(self, group: ConsumerGroup, member_id: str, now: Now) -> None:
        current = group.now_of(member_id)
        group.revocations.pop(member_id, None)
        if current.state is MemberState.UNREVOKED_PARTITIONS:
            timeout_ms = max(group.members[member_id].rebalance_timeout_ms, 0)
            group.revocations[member_id] = (current.epoch, now.ms + timeout_ms)

    # Leaving and silence

    def _leave(self, group: ConsumerGroup, request: HeartbeatRequest) -> HeartbeatResult:
        member_id = request.member_id
        check_member(group, member_id, request.instance_id)
        if request.epoch == STATIC_LEAVE_EPOCH:
            leaving = replace(group.now_of(member_id), epoch=STATIC_LEAVE_EPOCH, revoking={})
            group.put(CurrentKey(group.id, member_id), leaving)
            group.revocations.pop(member_id, None)
        else:
            self.fence(group, member_id)
        return HeartbeatResult(member_id=member_id, epoch=request.epoch)

    def fence(self, group: ConsumerGroup, member_id: str) -> None:
        """Remove a member. The others get a new target with the next heartbeat of one of them."""
        self._remove(group, member_id)
        self._refresh_topics(group)
        group.put(EpochKey(group.id), group.epoch + 1)

    def _remove(self, group: ConsumerGroup, member_id: str) -> None:
        group.put(CurrentKey(group.id, member_id), None)
        group.put(TargetKey(group.id, member_id), None)
        group.put(MemberKey(group.id, member_id), None)
        group.forget_deadlines(member_id)

    def expire(self, group: ConsumerGroup, now: Now) -> list[str]:
        """Remove members whose session ended or that did not revoke in time; their ids."""
        gone = [m for m, deadline_ms in group.sessions.items() if deadline_ms <= now.ms]
        for member_id, (epoch, deadline_ms) in list(group.revocations.items()):
            if deadline_ms <= now.ms:
                del group.revocations[member_id]
                if group.now_of(member_id).epoch == epoch:
                    gone.append(member_id)
        gone = [m for m in dict.fromkeys(gone) if m in group.members]
        for member_id in gone:
            self.fence(group, member_id)
        return gone

    def start_sessions(self, group: ConsumerGroup, now: Now) -> None:
        """Start the session of every member that has none: the group was just loaded, or a member's
        end could not be written."""
        for member_id in group.members:
            if member_id not in group.sessions:
                group.sessions[member_id] = now.ms + self._settings.session_timeout_ms
                self._await_revocation(group, member_id, now)


def _told(new: str | None, old: str | None) -> str | None:
    return old if new is None else new


def _names(request: HeartbeatRequest) -> tuple[str, ...]:
    return tuple(sorted(dict.fromkeys(request.topics or ())))
