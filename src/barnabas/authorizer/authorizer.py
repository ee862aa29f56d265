"""AclAuthorizer: keeps ZooKeeper's ACLs in memory, changes them, and decides by them.

All ACLs are read at the start, and again with each new session. After a notification those of its
resource are read again. While ZooKeeper cannot be reached the ACLs last read apply. If a node is
malformed, its resource is denied to all but super users, because it may have held a DENY.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final, TypeAlias

from barnabas.authorizer import audit
from barnabas.authorizer.acl import (
    ANYBODY,
    OPERATIONS_OF,
    RESOURCE_TYPES,
    WILDCARD,
    AccessControlEntry,
    AclOperation,
    AclPermissionType,
    ResourcePattern,
    ResourceType,
)
from barnabas.authorizer.decision import AclIndex, Asked, Decision, Policy, Question
from barnabas.authorizer.shared_lock import SharedLock
from barnabas.authorizer.znodes import (
    BODY_BYTES_MAX,
    STORES,
    AclStore,
    decode_change,
    decode_entries,
    encode_change,
    encode_entries,
    start_paths,
    store_of,
)
from barnabas.errors import ErrorCode, KafkaError
from barnabas.seams import Env
from barnabas.security.principal import KafkaPrincipal
from barnabas.zk.notifications import ChangeNotifications, RereadOnNewSession
from barnabas.zk.startup import persist, read_all
from barnabas.zookeeper.client.client import ZooKeeperClient
from barnabas.zookeeper.client.operations import (
    ChildrenOp,
    CreateOp,
    DeleteOp,
    GetOp,
    MultiPart,
    Operation,
    SetOp,
    WatchEvent,
)
from barnabas.zookeeper.errors import (
    BadVersion,
    ConnectionLoss,
    MalformedZNode,
    NodeExists,
    NoNode,
)
from barnabas.zookeeper.messages import Stat

log = logging.getLogger("kafka.security.authorizer")

DECISIONS_MAX: Final = 20_000
"""How many decisions are remembered, until an ACL changes."""
REMEMBERED_NAME_MAX: Final = 256
"""In characters. Decisions about longer names are not remembered; a topic's name is shorter."""
UNREADABLE: Final = (
    AccessControlEntry(ANYBODY, WILDCARD, AclOperation.ALL, AclPermissionType.DENY),
)

Entries: TypeAlias = tuple[AccessControlEntry, ...]


class AclAuthorizer:
    """Await ``load`` before the first decision, and run ``run`` as a task."""

    def __init__(self, env: Env, zookeeper: ZooKeeperClient, policy: Policy) -> None:
        self._observer = env.observer
        self._zookeeper = zookeeper
        self._policy = policy
        self._index = AclIndex()
        self._decisions: dict[Asked, Decision] = {}
        self._generation = 0
        self._lock = SharedLock()
        """Changes hold it shared, reads of many patterns exclusively. Without it an older read
        could replace a newer change in memory."""
        self._rereading = RereadOnNewSession(self._read_all)
        self._notifications = [
            ChangeNotifications(
                env.clock, zookeeper, store.change_prefix, partial(self._notified, store)
            )
            for store in STORES
        ]

    # Questions

    @property
    def generation(self) -> int:
        """A number that grows with each change. A decision of an earlier one may be outdated."""
        return self._generation

    @property
    def index(self) -> AclIndex:
        """All ACLs, as of the last notification."""
        return self._index

    def decide(self, asked: Asked) -> Decision:
        """The decision, and the reason for it."""
        decision = self._decisions.get(asked)
        if decision is None:
            question = Question(*asked)
            decision = self._index.decide(self._policy, question)
            if len(question.name or "") <= REMEMBERED_NAME_MAX:
                if len(self._decisions) >= DECISIONS_MAX:
                    self._decisions.clear()
                self._decisions[question] = decision
        return decision

    def allows(self, asked: Asked, api_key: int) -> bool:
        """Decide, and write the audit log. ``api_key``: the API of the request."""
        decision = self.decide(asked)
        if audit.enabled(allowed=decision.allowed):
            audit.record(Question(*asked), decision, api_key)
        return decision.allowed

    def operations(
        self, principal: KafkaPrincipal, host: str, resource_type: ResourceType, name: str
    ) -> int:
        """The operations that a principal may do with a resource, as bits: 1 << operation."""
        return sum(
            1 << operation
            for operation in OPERATIONS_OF[resource_type]
            if self.decide(Question(principal, host, operation, resource_type, name)).allowed
        )

    # Changes

    async def update(
        self, pattern: ResourcePattern, change: Callable[[Entries], Entries | None]
    ) -> tuple[Entries, Entries]:
        """Change a pattern's entries, and notify all brokers. Returns the entries before and after.

        Both writes are one multi. (Kafka's notification is a second write, which may be lost.)
        ``change`` makes the new entries from those it is given; None leaves them as they are. It is
        called again if another broker wrote first. It is also called again after a lost reply; then
        our own write may be in its argument. Raises MalformedZNode, and INVALID_REQUEST if the
        entries do not fit into a node."""
        before: dict[AccessControlEntry, None] = {}
        async with self._lock.shared():
            while True:
                try:
                    data, version = await self._body(pattern)
                    found = decode_entries(store_of(pattern).resource_path(pattern), data)
                    before.update(dict.fromkeys(found))
                    changed = change(found)
                    after = found if changed is None else tuple(dict.fromkeys(changed))
                    if changed is not None:
                        await self._write(pattern, after, version)
                    break
                except (BadVersion, NodeExists):
                    before.clear()
                except NoNode:  # it was deleted since, or a parent is missing
                    before.clear()
                    await persist(self._zookeeper, self._ensure_paths)
                except ConnectionLoss:
                    await self._zookeeper.connected()
            self._take(pattern, after)
        return tuple(before), after

    async def _body(self, pattern: ResourcePattern) -> tuple[bytes | None, int | None]:
        """The body and version of a pattern's node; (None, None) if there is no node."""
        try:
            data, stat = await self._zookeeper.get(store_of(pattern).resource_path(pattern))
        except NoNode:
            return None, None
        return data, stat.version

    async def _write(self, pattern: ResourcePattern, after: Entries, version: int | None) -> None:
        store = store_of(pattern)
        path = store.resource_path(pattern)
        body = encode_entries(after)
        if len(body) > BODY_BYTES_MAX:
            raise KafkaError(ErrorCode.INVALID_REQUEST, f"There are too many ACLs for {pattern}")
        part: MultiPart
        if version is None and not after:
            return
        if version is None:
            part = CreateOp(path, body)
        elif after:
            part = SetOp(path, body, version)
        else:
            part = DeleteOp(path, version)
        notification = CreateOp(store.change_prefix, encode_change(pattern), sequential=True)
        await self._zookeeper.multi([part, notification])

    def _take(self, pattern: ResourcePattern, entries: Entries) -> None:
        self._index.put(pattern, entries)
        self._changed()

    def _changed(self) -> None:
        self._decisions.clear()
        self._generation += 1

    # Following

    async def load(self) -> None:
        """Create the parent nodes that are missing, and read every ACL."""
        await persist(self._zookeeper, self._ensure_paths)
        for notifications in self._notifications:
            await notifications.pass_over()
        await self._read_all()

    async def _ensure_paths(self) -> None:
        for path in start_paths():
            await self._zookeeper.ensure_path(path)

    def on_event(self, event: WatchEvent) -> None:
        """Called with every watch event of the session."""
        for notifications in self._notifications:
            notifications.on_event(event)

    def on_new_session(self) -> None:
        """Watches ended with the old session, and notifications may be lost: read everything."""
        self._rereading.on_new_session()
        for notifications in self._notifications:
            notifications.on_new_session()

    async def run(self) -> None:
        """Follow changes until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for notifications in self._notifications:
                tasks.create_task(notifications.run())
            tasks.create_task(self._rereading.run())

    async def close(self) -> None:
        """End what is its own: nothing."""

    async def _read_all(self) -> None:
        async with self._lock.exclusive():
            self._observer.note("acls_reading")
            patterns = await self._patterns()
            index = AclIndex()
            for pattern, path, outcome in await self._bodies(patterns):
                if not isinstance(outcome, NoNode):
                    index.put(pattern, _readable(path, outcome[0]))
            self._index = index
            self._changed()
            self._observer.note("acls_read")

    async def _patterns(self) -> list[ResourcePattern]:
        """Every pattern that has a node."""
        kinds = [(store, kind) for store in STORES for kind in RESOURCE_TYPES]
        lists: list[Operation[tuple[list[str], Stat]]] = [
            ChildrenOp(store.type_path(kind)) for store, kind in kinds
        ]
        outcomes = await read_all(self._zookeeper, lists)
        return [
            ResourcePattern(kind, name, store.pattern_type)
            for (store, kind), outcome in zip(kinds, outcomes, strict=True)
            if not isinstance(outcome, NoNode)
            for name in outcome[0]
        ]

    async def _notified(self, store: AclStore, changes: Sequence[tuple[str, bytes]]) -> None:
        patterns: dict[ResourcePattern, None] = {}
        for path, data in changes:
            try:
                patterns[decode_change(store, path, data)] = None
            except MalformedZNode as error:
                log.error("a change of ACLs is ignored: %s", error)
        async with self._lock.exclusive():
            self._observer.note("acls_reading")
            for pattern, path, outcome in await self._bodies(patterns):
                entries: Entries = ()
                version = None
                if not isinstance(outcome, NoNode):
                    entries, version = _readable(path, outcome[0]), outcome[1].version
                self._index.put(pattern, entries)
                shown = ", ".join(map(str, entries))
                log.info("ACLs of %s are now %s (version %s)", pattern, shown, version)
            self._changed()
            self._observer.note("acls_read")

    async def _bodies(
        self, patterns: Iterable[ResourcePattern]
    ) -> list[tuple[ResourcePattern, str, tuple[bytes, Stat] | NoNode]]:
        """Read the nodes of patterns concurrently; (pattern, path, result) of each."""
        where = [(pattern, store_of(pattern).resource_path(pattern)) for pattern in patterns]
        reads: list[Operation[tuple[bytes, Stat]]] = [GetOp(path) for _, path in where]
        outcomes = await read_all(self._zookeeper, reads)
        return [(*place, outcome) for place, outcome in zip(where, outcomes, strict=True)]


def _readable(path: str, data: bytes | None) -> Entries:
    try:
        return decode_entries(path, data)
    except MalformedZNode as error:
        log.error("%s; until it can be read its resource is denied to all but super users", error)
        return UNREADABLE
