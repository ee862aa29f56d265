"""DelegationTokenManager, DelegationTokenCache: keeps ZooKeeper's delegation tokens in memory,
changes them, and removes expired ones.

Every broker has all tokens in memory, and reads again what a notification names. A change and its
notification are one multi that checks the version. So a token that another broker removes at the
same time does not come back, as it may in Kafka. The controller removes expired tokens.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from barnabas.errors import ErrorCode, KafkaError
from barnabas.logs import visible
from barnabas.seams import Env
from barnabas.security.principal import KafkaPrincipal
from barnabas.security.sasl.scram import TokenLogin
from barnabas.security.tokens import (
    DelegationToken,
    TokenInformation,
    TokenSettings,
    expired,
    is_usable,
    issued,
    renewed,
)
from barnabas.types import topic_id_text
from barnabas.zk.notifications import ChangeNotifications, RereadOnNewSession
from barnabas.zk.startup import generate_id, persist
from barnabas.zk.tokens import (
    TOKEN_CHANGE_PREFIX,
    decode_token,
    encode_token,
    ensure_token_paths,
    is_token_id,
    read_token,
    read_tokens,
    token_path,
)
from barnabas.zookeeper.client.client import ZooKeeperClient
from barnabas.zookeeper.client.operations import CreateOp, DeleteOp, MultiPart, SetOp, WatchEvent
from barnabas.zookeeper.errors import (
    BadVersion,
    ConnectionLoss,
    MalformedZNode,
    NodeExists,
    NoNode,
    SessionExpired,
)

log = logging.getLogger("kafka.server")

BODY_BYTES_MAX: Final = 64 * 1024
"""The largest body of a token in ZooKeeper; it has room for more than a thousand renewers."""
BYTES_MAX: Final = 30 * 1024 * 1024
"""All tokens together, each counted as at least ``TOKEN_BYTES``. ZooKeeper can list this many
names.
"""
BYTES_OF_ONE_MAX: Final = BYTES_MAX // 3
"""The tokens that one principal has created."""
TOKEN_BYTES: Final = 1024

_NOTIFICATION: Final = 1
"""The notification's index in a multi."""


class DelegationTokens:
    """Await ``load`` before the first login, and run ``run`` as a task."""

    def __init__(
        self,
        env: Env,
        zookeeper: ZooKeeperClient,
        settings: TokenSettings,
        is_controller: Callable[[], bool],
    ) -> None:
        self._env = env
        self._zookeeper = zookeeper
        self._settings = settings
        self._is_controller = is_controller
        self._tokens: dict[str, DelegationToken] = {}
        self._ids: dict[bytes, str] = {}
        """Token ids by HMAC."""
        self._weights: dict[str, int] = {}
        self._weight = 0
        self._asked_for: dict[KafkaPrincipal, int] = {}
        """How many bytes the tokens of each requester count."""
        self._changing = asyncio.Lock()
        """Reads and writes run one after the other, so the last value kept is the last one read."""
        self._rereading = RereadOnNewSession(self._read_all)
        self._notifications = ChangeNotifications(
            env.clock, zookeeper, TOKEN_CHANGE_PREFIX, self._notified
        )

    # Questions

    def __iter__(self) -> Iterator[DelegationToken]:
        return iter(self._tokens.values())

    def login(self, mechanism: str, token_id: str) -> TokenLogin | None:
        """What a login by this token is checked against. With an expired token the session ends as
        soon as it begins."""
        token = self._tokens.get(token_id)
        if token is None or not is_usable(token.information.owner):
            return None
        found = token.information
        return TokenLogin(
            token.credential(mechanism, self._env.secret), found.owner.name, found.expires_ms
        )

    # Changes that clients ask for

    async def create(
        self,
        owner: KafkaPrincipal,
        requester: KafkaPrincipal,
        renewers: Iterable[KafkaPrincipal],
        lifetime_ms: int,
    ) -> DelegationToken:
        """Create a token. Raises INVALID_REQUEST for too many renewers, and POLICY_VIOLATION if
        there are too many tokens."""
        token = issued(
            topic_id_text(generate_id(self._env.random)),
            owner=owner,
            requester=requester,
            renewers=tuple(renewers),
            lifetime_ms=lifetime_ms,
            settings=self._settings,
            now_ms=self._env.clock.wall_ms(),
        )
        body = encode_token(token)
        async with self._changing:
            self._check_room(requester, body)
            await self._create(token, body)
            self._take(token.id, token, len(body))
        log.info("Created a delegation token: %s for owner: %s", token.id, visible(str(owner)))
        return self._tokens[token.id]

    def _check_room(self, requester: KafkaPrincipal, body: bytes) -> None:
        if len(body) > BODY_BYTES_MAX:
            raise KafkaError(ErrorCode.INVALID_REQUEST, "too many renewers")
        weight = max(len(body), TOKEN_BYTES)
        held = self._asked_for.get(requester, 0)
        if self._weight + weight > BYTES_MAX or held + weight > BYTES_OF_ONE_MAX:
            raise KafkaError(ErrorCode.POLICY_VIOLATION, "too many delegation tokens")

    async def _create(self, token: TokenInformation, body: bytes) -> None:
        was_sent = False
        while True:
            try:
                await self._write(CreateOp(token_path(token.id), body), token.id)
                return
            except NodeExists:
                if was_sent:
                    return  # this is our own write, whose reply was lost
                raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR) from None
            except NoNode:
                await persist(self._zookeeper, self._ensure_paths)
            except ConnectionLoss as loss:
                was_sent = was_sent or loss.sent
                await self._zookeeper.connected()

    async def renew(self, hmac: bytes, by: KafkaPrincipal, period_ms: int) -> int:
        """Renew a token. Returns when it ends now. Raises KafkaError."""

        def decide(token: TokenInformation) -> TokenInformation:
            now_ms = self._env.clock.wall_ms()
            return renewed(token, by, period_ms, self._settings.expiry_ms, now_ms)

        token = await self._change(self._id_of(hmac), decide)
        assert token is not None
        log.info(
            "Delegation token renewed for token: %s for owner: %s",
            *(token.id, visible(str(token.owner))),
        )
        return token.expires_ms

    async def expire(self, hmac: bytes, by: KafkaPrincipal, period_ms: int) -> int:
        """Expire a token. Returns when it ends or has ended. Raises KafkaError."""
        token_id, now_ms = self._id_of(hmac), self._env.clock.wall_ms()

        def decide(token: TokenInformation) -> TokenInformation | None:
            return expired(token, by, period_ms, self._env.clock.wall_ms())

        token = await self._change(token_id, decide)
        if token is None:
            log.info("Token expired for token: %s", token_id)
            return now_ms
        log.info(
            "Updated expiry time for token: %s for owner: %s",
            *(token.id, visible(str(token.owner))),
        )
        return token.expires_ms

    def _id_of(self, hmac: bytes) -> str:
        token_id = self._ids.get(hmac)
        if token_id is None:
            raise KafkaError(ErrorCode.DELEGATION_TOKEN_NOT_FOUND)
        return token_id

    async def _change(
        self, token_id: str, decide: Callable[[TokenInformation], TokenInformation | None]
    ) -> TokenInformation | None:
        """Write what ``decide`` makes of the token in ZooKeeper; None removes it. It is called
        again if another broker wrote first. Raises DELEGATION_TOKEN_NOT_FOUND."""
        was_removed = False
        async with self._changing:
            while True:
                removing = False
                try:
                    data, stat = await self._zookeeper.get(token_path(token_id))
                    before = decode_token(token_path(token_id), data)
                    after = decide(before)
                    removing = after is None
                    if after != before:
                        await self._write(_part(token_id, after, stat.version), token_id)
                    self._take(token_id, after)
                    return after
                except BadVersion:
                    continue
                except NoNode as error:
                    if error.op_index == _NOTIFICATION:
                        await persist(self._zookeeper, self._ensure_paths)
                        continue
                    self._take(token_id, None)
                    if was_removed:
                        return None  # by us: the reply was lost
                    raise KafkaError(ErrorCode.DELEGATION_TOKEN_NOT_FOUND) from None
                except ConnectionLoss as loss:
                    was_removed = was_removed or (loss.sent and removing)
                    await self._zookeeper.connected()

    async def _write(self, part: MultiPart, token_id: str) -> None:
        notification = CreateOp(TOKEN_CHANGE_PREFIX, token_id.encode(), sequential=True)
        await self._zookeeper.multi([part, notification])

    # What is kept

    def _take(self, token_id: str, token: TokenInformation | None, size: int = 0) -> None:
        known = self._tokens.get(token_id)
        if known is not None:
            self._count(known.information.requester, -self._weights.pop(token_id))
        if token is None:
            if known is not None:
                del self._tokens[token_id], self._ids[known.hmac]
            return
        if known is not None:
            made = known.with_information(token)
        else:
            made = DelegationToken(token, self._settings.key)
            self._ids[made.hmac] = token_id
        self._tokens[token_id] = made
        self._weights[token_id] = max(size or len(encode_token(token)), TOKEN_BYTES)
        self._count(token.requester, self._weights[token_id])

    def _count(self, requester: KafkaPrincipal, weight: int) -> None:
        self._weight += weight
        held = self._asked_for.get(requester, 0) + weight
        if held:
            self._asked_for[requester] = held
        else:
            self._asked_for.pop(requester, None)

    # Following

    async def load(self) -> None:
        """Create the parent nodes that are missing, and read every token."""
        await persist(self._zookeeper, self._ensure_paths)
        await self._notifications.pass_over()
        await self._read_all()

    async def _ensure_paths(self) -> None:
        await ensure_token_paths(self._zookeeper)

    def on_event(self, event: WatchEvent) -> None:
        """Called with every watch event of the session."""
        self._notifications.on_event(event)

    def on_new_session(self) -> None:
        """Watches ended with the old session, and notifications may be lost: read everything."""
        self._rereading.on_new_session()
        self._notifications.on_new_session()

    async def run(self) -> None:
        """Follow changes, and remove expired tokens while this broker is the controller."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._notifications.run())
            tasks.create_task(self._sweep_in_time())
            tasks.create_task(self._rereading.run())

    async def _read_all(self) -> None:
        async with self._changing:
            self._env.observer.note("tokens_reading", token="")
            bodies = await read_tokens(self._zookeeper)
            for gone in [token_id for token_id in self._tokens if token_id not in bodies]:
                self._take(gone, None)
            for token_id, body in bodies.items():
                self._take(token_id, _readable(token_id, body), len(body))
            self._env.observer.note("tokens_read", token="")

    async def _notified(self, changes: Sequence[tuple[str, bytes]]) -> None:
        last = {data: path for path, data in changes}
        for data, path in last.items():
            await self._token_changed(path, data)

    async def _token_changed(self, path: str, data: bytes) -> None:
        token_id = (data or b"").decode("utf-8", "replace")
        if not is_token_id(token_id):
            log.error("a change of delegation tokens is ignored: %s names none", path)
            return
        async with self._changing:
            self._env.observer.note("tokens_reading", token=token_id)
            body = await read_token(self._zookeeper, token_id)
            if body is None:
                self._take(token_id, None)
            else:
                self._take(token_id, _readable(token_id, body), len(body))
            self._env.observer.note("tokens_read", token=token_id)

    async def _sweep_in_time(self) -> None:
        while True:
            await asyncio.sleep(self._settings.check_interval_ms / 1000)
            if self._is_controller():
                try:
                    await self.sweep()
                except SessionExpired:
                    continue

    async def sweep(self) -> None:
        """Remove the tokens that have expired."""

        def decide(token: TokenInformation) -> TokenInformation | None:
            return None if token.has_expired(self._env.clock.wall_ms()) else token

        now_ms = self._env.clock.wall_ms()
        for token in [t.information for t in self._tokens.values()]:
            if not token.has_expired(now_ms):
                continue
            try:
                removed = await self._change(token.id, decide) is None
            except (KafkaError, MalformedZNode):
                continue  # another broker was first, or it is malformed, which was logged
            if removed:
                log.info(
                    "Delegation token expired for token: %s for owner: %s",
                    *(token.id, visible(str(token.owner))),
                )


def _part(token_id: str, after: TokenInformation | None, version: int) -> MultiPart:
    if after is None:
        return DeleteOp(token_path(token_id), version)
    return SetOp(token_path(token_id), encode_token(after), version)


def _readable(token_id: str, body: bytes) -> TokenInformation | None:
    """The token; None for a malformed one, which is logged. Nobody can log in with that."""
    try:
        return decode_token(token_path(token_id), body)
    except MalformedZNode as error:
        log.error("a delegation token is ignored: %s", visible(str(error)))
        return None
