"""SaslClientAuthenticator: connects to brokers with the TLS and the login that a listener needs.

If the broker limits the session, the connection logs in again before the session ends, as soon as
no request is in flight (KIP-368). Requests that are sent during that wait.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from barnabas.errors import ErrorCode
from barnabas.limits import REQUEST_BYTES_MAX
from barnabas.protocol.api import ApiKey
from barnabas.protocol.connection import KafkaConnection
from barnabas.protocol.message import RequestMessage, ResponseT
from barnabas.protocol.messages.sasl_authenticate import SaslAuthenticateRequest
from barnabas.protocol.messages.sasl_handshake import SaslHandshakeRequest
from barnabas.security.sasl.mechanism import AuthenticationFailed, ClientLogin

HANDSHAKE_VERSION: Final = 1
AUTHENTICATE_VERSION: Final = 2
STEPS_MAX: Final = 8
"""The most tokens of one login. If the server asks for more, the login fails."""
RENEWED_AFTER: Final = 0.85
"""The share of a session after which it is renewed. Kafka draws a number from 0.85 to 0.95."""


RENEWAL_PAUSE_S: Final = 1.05
"""The least time between two renewals: a broker accepts one per second."""


class AuthenticationRefused(ConnectionError):
    """One side did not accept the other's credentials, so trying again soon will not help."""


BeginAt: TypeAlias = Callable[[str], Awaitable[ClientLogin]]
"""Begins a login to a host. Raises AuthenticationFailed."""


@dataclass(slots=True, kw_only=True, eq=False)
class ClientSecurity:
    """What a connection to a listener needs; with the defaults, PLAINTEXT."""

    tls: ssl.SSLContext | None = None
    """Replaced when keys or certificates are renewed."""
    mechanism: str = ""
    """The SASL mechanism."""
    begin: Callable[[], ClientLogin] | None = None
    """Begins a new login; None without SASL."""
    begin_at: BeginAt | None = None
    """Used instead of ``begin`` for a login that depends on the host and may take long."""
    prepare: Callable[[], Awaitable[None]] | None = None
    """Called before ``begin``: fetches what the login needs, if it is not there yet."""

    @property
    def logs_in(self) -> bool:
        return self.begin is not None or self.begin_at is not None


PLAINTEXT: Final = ClientSecurity()


async def connect(
    host: str,
    port: int,
    *,
    client_id: str,
    timeout_ms: int,
    security: ClientSecurity = PLAINTEXT,
    response_bytes_max: int = REQUEST_BYTES_MAX,
) -> KafkaConnection:
    """Connect and log in. Raises as ``KafkaConnection.connect`` does, and AuthenticationRefused."""
    kind = SaslConnection if security.logs_in else KafkaConnection
    if security.prepare is not None:  # before the broker begins to wait for the login
        await _prepare(security.prepare, timeout_ms)
    try:
        connection = await kind.connect(
            host,
            port,
            client_id=client_id,
            timeout_ms=timeout_ms,
            response_bytes_max=response_bytes_max,
            tls=security.tls,
        )
    except ConnectionError as error:
        if isinstance(error.__cause__, ssl.SSLCertVerificationError):
            why = error.__cause__.verify_message
            raise AuthenticationRefused(f"{host}:{port}: its certificate: {why}") from error
        raise
    if not isinstance(connection, SaslConnection):
        return connection
    try:
        async with asyncio.timeout(timeout_ms / 1000):
            await connection.log_in(security, host)
    except TimeoutError as error:
        connection.close()
        raise ConnectionError(f"{host}:{port}: no login in {timeout_ms} ms") from error
    except BaseException:
        connection.close()
        raise
    return connection


async def _prepare(prepare: Callable[[], Awaitable[None]], timeout_ms: int) -> None:
    try:
        async with asyncio.timeout(timeout_ms / 1000):
            await prepare()
    except TimeoutError:
        raise ConnectionError(f"no token in {timeout_ms} ms") from None


class SaslConnection(KafkaConnection):
    """A connection that logs in before it is used."""

    def __init__(self, client_id: str, response_bytes_max: int = REQUEST_BYTES_MAX) -> None:
        super().__init__(client_id, response_bytes_max)
        self._security = PLAINTEXT
        self._host = ""
        self._renew_at: float | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._held: list[tuple[Any, asyncio.Future[memoryview] | None]] = []
        """Frames that wait for the end of a renewal, and the futures of their answers."""

    async def log_in(self, security: ClientSecurity, host: str = "") -> None:
        """Authenticate at a host. Raises AuthenticationRefused, ConnectionError."""
        self._security, self._host = security, host
        if security.prepare is not None:
            await security.prepare()
        login = await self._begin()
        offer = await self._ask(
            ApiKey.SASL_HANDSHAKE,
            HANDSHAKE_VERSION,
            SaslHandshakeRequest(mechanism=security.mechanism),
        )
        if offer.error_code != ErrorCode.NONE:
            offered = ", ".join(offer.mechanisms)
            raise AuthenticationRefused(
                f"the broker does not offer {security.mechanism}, only {offered or 'nothing'}"
            )
        token: bytes | None = login.first()
        for _ in range(STEPS_MAX):
            assert token is not None
            answer = await self._ask(
                ApiKey.SASL_AUTHENTICATE,
                AUTHENTICATE_VERSION,
                SaslAuthenticateRequest(auth_bytes=token),
            )
            if answer.error_code != ErrorCode.NONE:
                raise AuthenticationRefused(answer.error_message or "authentication failed")
            try:
                token = login.step(bytes(answer.auth_bytes))
            except AuthenticationFailed as error:
                raise AuthenticationRefused(str(error)) from None
            if login.is_complete:
                break
            if token is None:
                raise AuthenticationRefused("the login does not end")
        else:
            raise AuthenticationRefused("the login does not end")
        lifetime_ms = int(answer.session_lifetime)
        self._renew_at = None
        if lifetime_ms > 0:
            pause_s = max(RENEWED_AFTER * lifetime_ms / 1000, RENEWAL_PAUSE_S)
            self._renew_at = self._loop.time() + pause_s

    async def _begin(self) -> ClientLogin:
        security = self._security
        if security.begin_at is None:
            assert security.begin is not None
            return security.begin()
        try:
            return await security.begin_at(self._host)
        except AuthenticationFailed as error:
            raise AuthenticationRefused(str(error)) from None

    @property
    def lasts_s(self) -> float | None:
        """How long the session may be used before it must be renewed; None: for ever."""
        return None if self._renew_at is None else self._renew_at - self._loop.time()

    async def _ask(
        self, api: ApiKey, version: int, message: RequestMessage[ResponseT]
    ) -> ResponseT:
        """Send a request ahead of those that wait for the login."""
        return await super().send(api, version, message)

    def send_frame(
        self, frame: Any, future: asyncio.Future[memoryview] | None = None
    ) -> asyncio.Future[memoryview]:
        if not self._waits() or _is_of_login(frame):
            return super().send_frame(frame, future)
        if future is None:
            future = self._loop.create_future()
        self._held.append((frame, future))
        self._begin_renewal()
        return future

    def _post(self, frame: bytes) -> None:
        if not self._waits():
            super()._post(frame)
            return
        self._held.append((frame, None))
        self._begin_renewal()

    def _waits(self) -> bool:
        if not self.is_open:
            return False
        return self._renewal is not None or (
            self._renew_at is not None and self._loop.time() >= self._renew_at
        )

    def _begin_renewal(self) -> None:
        if self._renewal is None and not self._pending and self._held and self.is_open:
            self._renewal = self._loop.create_task(self._renew())

    async def _renew(self) -> None:
        try:
            await self.log_in(self._security, self._host)
        except ConnectionError as error:
            self._fail(error)
        finally:
            self._renewal = None
        held, self._held = self._held, []
        for frame, future in held:
            if future is None:
                if self.is_open:
                    super()._post(frame)
            elif not future.done():
                super().send_frame(frame, future)

    def _deliver(self, frames: list[memoryview]) -> None:
        super()._deliver(frames)
        if self._held:
            self._begin_renewal()

    def _fail(self, error: ConnectionError) -> None:
        super()._fail(error)
        if self._renewal is not None and self._renewal is not asyncio.current_task(self._loop):
            self._renewal.cancel()
        held, self._held = self._held, []
        for _, future in held:
            if future is not None and not future.done():
                future.set_exception(self._lost or error)
                future.exception()  # marks the exception as seen, so that asyncio does not log it


def _is_of_login(frame: Any) -> bool:
    pieces = frame if isinstance(frame, bytes) else frame[0]
    key = int.from_bytes(pieces[4:6], "big")
    return key in (ApiKey.SASL_HANDSHAKE, ApiKey.SASL_AUTHENTICATE)
