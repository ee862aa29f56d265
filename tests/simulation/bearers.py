"""Delegation tokens that come and go while brokers die: whom they let in, and for how long.

An operator creates tokens, renews and ends them, at one broker or another. Whoever holds them logs
in with one, at each broker, also with one that has been removed; he asks as long as he is
answered, and sometimes logs in anew on the same connection. Three things must hold:

- Nobody logs in with a token that no state of it lets in, between what the broker knew of the
  token when he came and what is committed when he is let in.
- Nobody is answered who asks after the end that his token had in such a state, by the clock of the
  broker. (Who is logged in when a token is removed stays until that end, as in the original.)
- In the end every broker lets in with a token that there is, and not with one that is removed.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.nodes import Host, Main, Process, Simulation

from barnabas.client.cluster import Bootstrap, ClusterClient
from barnabas.client.errors import ClientError, Unreachable
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.connection import KafkaConnection
from barnabas.protocol.message import Message
from barnabas.seams import Env
from barnabas.security.client import ClientSecurity
from barnabas.security.sasl.mechanism import SCRAM_SHA_256
from barnabas.security.sasl.scram import ScramClient
from barnabas.zookeeper.server.store import Batch

SETTINGS = {
    "delegation.token.secret.key": "a key of the brokers",
    "delegation.token.expiry.check.interval.ms": "1000",
}
USER, PASSWORD = "broker", "secret"
"""Who asks for tokens: a user that there is (``scenario``)."""
NODES = "/delegation_token/tokens/"
SHORT_MS = (300, 4000)
"""A token lasts so long, from now on, after a change."""
KEPT = 4
"""So many of the last tokens are tried, whether they are there or not."""
OBEYED_S = 20.0
ROUNDING_MS = 2
_REMOVE = -1


@dataclass(frozen=True, slots=True)
class Token:
    """What its holder has."""

    id: str
    hmac: bytes


@dataclass
class Known:
    """What a broker knows at least of tokens: the index of a state of each."""

    reading: dict[str, int] = field(default_factory=dict)
    read: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Session:
    """A login that has succeeded."""

    token: Token
    began_ns: int
    ends_ns: int
    """Who asks later is not answered, if the broker's clock is right."""


@dataclass
class Bearers:
    """The clients and the judge of one run."""

    simulation: Simulation
    listeners: Mapping[int, str]
    """host:port of each broker, where clients log in."""
    logins: int = 0
    """Judged."""
    answers: int = 0
    tokens: list[Token] = field(default_factory=list)
    states: dict[str, list[int | None]] = field(default_factory=dict)
    """When each token ends, in ms of wall time; None: it has been removed. As committed."""
    known: dict[tuple[int, int], Known] = field(default_factory=dict)
    """(Broker, its incarnation)."""
    changing: bool = True
    salted: dict[tuple[str, bytes, int], bytes] = field(default_factory=dict)

    # The judge

    def on_commit(self, batch: Batch) -> None:
        """The coordinator has made changes durable."""
        for path in batch.deleted_paths:
            if path.startswith(NODES):
                self.states.setdefault(path.removeprefix(NODES), []).append(None)
        for node in batch.nodes:
            if node.path.startswith(NODES):
                ends_ms = json.loads(node.data or b"")["expiryTimestamp"]
                self.states.setdefault(node.path.removeprefix(NODES), []).append(ends_ms)

    def on_note(self, process: Process, event: str, fields: Mapping[str, object]) -> None:
        """A process noted something."""
        if event not in ("tokens_reading", "tokens_read"):
            return
        known = self.known.setdefault((int(process.name[1:]), process.incarnation), Known())
        named = str(fields["token"])
        tokens = [named] if named else list(self.states)
        if event == "tokens_reading":
            known.reading = {token: len(self.states.get(token, ())) - 1 for token in tokens}
        else:
            known.read |= known.reading

    def _least(self, broker: int, token: Token) -> int:
        """The oldest state of a token that a broker may go by now; -1: there was none yet."""
        process = self._process(broker)
        known = self.known.get((broker, process.incarnation))
        return -1 if known is None else known.read.get(token.id, -1)

    def _process(self, broker: int) -> Process:
        return self.simulation.processes[f"b{broker}"]

    def _host(self, broker: int) -> Host:
        return self._process(broker).host

    def _let_in(
        self, broker: int, token: Token, since: int, began_ms: int, began_ns: int
    ) -> Session:
        """It has logged in; ``since``: what the broker knew when it came; ``began_ms``: then, by
        the broker's wall clock."""
        self.logins += 1
        ends = [
            ends_ms for ends_ms in self.states[token.id][max(since, 0) :] if ends_ms is not None
        ]
        if not ends:
            self.simulation.fail(
                "bearers", f"broker {broker} let somebody in with a token that was removed"
            )
        left_ms = max(0, max(ends, default=0) - began_ms) + ROUNDING_MS
        now_ns = self.simulation.kernel.now_ns
        return Session(token, began_ns, now_ns + left_ms * 1_000_000)

    def _judge(self, broker: int, session: Session, asked_ns: int) -> None:
        """It was answered on this session."""
        self.answers += 1
        if asked_ns > session.ends_ns and self._host(broker).was_steady(session.began_ns):
            late_ms = (asked_ns - session.ends_ns) / 1e6
            self.simulation.fail(
                "bearers",
                f"broker {broker} answered somebody who asked {late_ms:.1f} ms after his token"
                " had ended",
            )

    # Clients

    def bearer(self, broker: int) -> Main:
        """Logs in at one broker for ever."""

        async def main(env: Env) -> None:
            while True:
                connection = None
                try:
                    await asyncio.sleep(env.random.expovariate(1 / 0.4))
                    if not self.tokens:
                        continue
                    connection = await self._connect(broker)
                    await self._use(env, broker, connection)
                except OSError:
                    pass
                finally:
                    if connection is not None:
                        connection.close()

        return main

    async def _connect(self, broker: int) -> KafkaConnection:
        host, _, port = self.listeners[broker].partition(":")
        return await KafkaConnection.connect(host, int(port), client_id="bearer", timeout_ms=3000)

    async def _use(self, env: Env, broker: int, connection: KafkaConnection) -> None:
        """Until it is not answered any more. Raises OSError."""
        token = env.random.choice(self.tokens[-KEPT:])
        session = await self._log_in(env, broker, connection, token)
        while session is not None:
            await asyncio.sleep(env.random.expovariate(1 / 0.5))
            if env.random.random() < 0.2:
                session = await self._log_in(env, broker, connection, token)
                continue
            asked_ns = self.simulation.kernel.now_ns
            await _ask(connection)
            self._judge(broker, session, asked_ns)

    async def _log_in(
        self, env: Env, broker: int, connection: KafkaConnection, token: Token
    ) -> Session | None:
        """None if it is refused. Raises OSError."""
        since, began_ns = self._least(broker, token), self.simulation.kernel.now_ns
        began_ms = self._host(broker).wall_ms()
        if not await self._authenticate(env, connection, token):
            return None
        return self._let_in(broker, token, since, began_ms, began_ns)

    async def _authenticate(self, env: Env, connection: KafkaConnection, token: Token) -> bool:
        nonce = base64.b32encode(env.random.randbytes(15)).decode()
        login = ScramClient(
            SCRAM_SHA_256,
            token.id,
            base64.b64encode(token.hmac).decode(),
            nonce,
            self.salted,
            by_token=True,
        )
        offer = await _send(connection, ApiKey.SASL_HANDSHAKE, 1, mechanism=SCRAM_SHA_256)
        if offer.error_code:
            return False  # another login has just been made on it
        said: bytes | None = login.first()
        while said is not None:
            answer = await _send(connection, ApiKey.SASL_AUTHENTICATE, 2, auth_bytes=said)
            if answer.error_code:
                return False
            said = login.step(bytes(answer.auth_bytes))
        return True

    # The operator

    def operator(self) -> Main:
        """Creates tokens, and changes when they end."""

        async def main(env: Env) -> None:
            while self.changing:
                try:
                    async with self._client(env) as client:
                        await client.metadata([])
                        while self.changing:
                            await asyncio.sleep(env.random.expovariate(1 / 0.7))
                            await self._change(env, client)
                except (OSError, ClientError, Unreachable) as error:
                    env.observer.note("token_change_unknown", error=str(error))
                    await asyncio.sleep(0.3)

        return main

    def _client(self, env: Env) -> ClusterClient:
        def begin() -> ScramClient:
            nonce = base64.b32encode(env.random.randbytes(15)).decode()
            return ScramClient(SCRAM_SHA_256, USER, PASSWORD, nonce, self.salted)

        servers = ",".join(self.listeners.values())
        security = ClientSecurity(mechanism=SCRAM_SHA_256, begin=begin)
        return ClusterClient(
            Bootstrap(servers=servers, security=security), "operator", timeout_ms=3000
        )

    async def _change(self, env: Env, client: ClusterClient) -> None:
        broker = env.random.choice(sorted(self.listeners))
        if len(self.tokens) < KEPT or env.random.random() < 0.3:
            self.tokens.append(await _create(client, broker))
        token = env.random.choice(self.tokens[-KEPT:])
        period_ms = env.random.randint(*SHORT_MS)
        if env.random.random() < 0.5:
            await _renew(client, broker, token, period_ms)
        else:
            await _expire(client, broker, token, env.random.choice((_REMOVE, period_ms)))

    # The end

    async def finish(self) -> None:
        """Nothing is disturbed any more: every broker obeys."""
        self.changing = False
        wrong: dict[int, str] = {}

        async def main(env: Env) -> None:
            kept, removed = await self._last_two(env)
            for _ in range(int(OBEYED_S * 2)):
                wrong.clear()
                for broker in self.listeners:
                    await self._look(env, broker, kept, removed, wrong)
                if not wrong:
                    return
                await asyncio.sleep(0.5)

        await self.simulation.ended(self.simulation.start("borne", main, host="clients"))
        if wrong:
            self.simulation.fail("bearers", f"brokers do not obey the tokens: {wrong}")

    async def _last_two(self, env: Env) -> tuple[Token, Token]:
        """One that there is, and one that was there; nobody else knows them."""
        while True:
            try:
                async with self._client(env) as client:
                    await client.metadata([])
                    first, *_, last = sorted(self.listeners)
                    kept = await _create(client, first)
                    removed = await _create(client, last)
                    await _expire(client, last, removed, _REMOVE)
                    return kept, removed
            except (OSError, ClientError, Unreachable):
                await asyncio.sleep(0.5)

    async def _look(
        self, env: Env, broker: int, kept: Token, removed: Token, wrong: dict[int, str]
    ) -> None:
        for token in (kept, removed):
            try:
                connection = await self._connect(broker)
            except OSError as error:
                wrong[broker] = repr(error)
                return
            try:
                is_in = await self._authenticate(env, connection, token)
            except OSError as error:
                wrong[broker] = repr(error)
                return
            finally:
                connection.close()
            if is_in is not (token is kept):
                wrong[broker] = "lets in with a removed token" if is_in else "does not let in"


async def _send(connection: KafkaConnection, api: ApiKey, version: int, **fields: Any) -> Any:
    message: Any = Message(**fields)
    return await connection.send(api, version, message, timeout_ms=5000)


async def _ask(connection: KafkaConnection) -> None:
    await _send(connection, ApiKey.METADATA, 9, topics=[], allow_auto_topic_creation=False)


async def _create(client: ClusterClient, broker: int) -> Token:
    message: Any = Message(
        owner_principal_type=None, owner_principal_name=None, renewers=[], max_lifetime=-1
    )
    answer = await client.broker(broker, ApiKey.CREATE_DELEGATION_TOKEN, 3, message)
    _check(answer.error_code)
    return Token(answer.token_id, bytes(answer.hmac))


async def _renew(client: ClusterClient, broker: int, token: Token, period_ms: int) -> None:
    message: Any = Message(hmac=token.hmac, renew_period=period_ms)
    answer = await client.broker(broker, ApiKey.RENEW_DELEGATION_TOKEN, 2, message)
    _check(answer.error_code)


async def _expire(client: ClusterClient, broker: int, token: Token, period_ms: int) -> None:
    message: Any = Message(hmac=token.hmac, expiry_time_period=period_ms)
    answer = await client.broker(broker, ApiKey.EXPIRE_DELEGATION_TOKEN, 2, message)
    _check(answer.error_code)


def _check(code: int) -> None:
    """That a token is gone, or not known there yet, is no fault."""
    expected = (ErrorCode.DELEGATION_TOKEN_NOT_FOUND, ErrorCode.DELEGATION_TOKEN_EXPIRED)
    if code and code not in expected:
        raise ClientError("token", code)
