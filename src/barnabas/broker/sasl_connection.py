"""SaslChannelBuilder, SslChannelBuilder: connections with a login or a certificate.

``security/authenticator.py`` decides what a client may send before a login, and when its session
ends. Here its answers are sent in the order of the requests. A failed login is answered after
``connection.failed.authentication.delay.ms``; until then nothing is read.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from barnabas.api.request import Answer, Pieces, Request
from barnabas.api.unexpected import error_answer
from barnabas.broker.connection import ClientConnection
from barnabas.broker.connection_server import ConnectionServer
from barnabas.broker.listener_plan import ListenerPlan
from barnabas.errors import ErrorCode, InvalidRequest
from barnabas.logs import visible
from barnabas.protocol.api import ApiKey
from barnabas.security.authenticator import SaslAuthenticator, Verdict, What
from barnabas.security.principal import KafkaPrincipal

log = logging.getLogger("kafka.network")

_ERROR_CODE = slice(8, 10)
"""Where an ApiVersions answer has its error code: after its size and correlation id."""


class SslConnection(ClientConnection):
    """A connection to an SSL listener. The client's certificate, if any, gives its principal."""

    def __init__(
        self,
        server: ConnectionServer[ClientConnection],
        plan: ListenerPlan,
        principal: KafkaPrincipal,
    ) -> None:
        super().__init__(server, plan.name)
        self._protocol = plan.protocol
        self._principal = principal

    def _read(self, frame: memoryview) -> Request:
        request = super()._read(frame)
        request.principal = self._principal
        request.security_protocol = self._protocol
        return request


class SaslConnection(ClientConnection):
    """A connection to a listener with SASL. It serves requests only after a login."""

    def __init__(self, server: ConnectionServer[ClientConnection], plan: ListenerPlan) -> None:
        super().__init__(server, plan.name)
        self._plan = plan
        self._authenticator = SaslAuthenticator(plan.mechanisms)
        self._may_be_alone = False
        self._request_bytes_max = self._frames.bytes_max
        self.limit_requests(min(plan.receive_bytes_max, self._request_bytes_max))

    # Transport events

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._server.newcomers.add(self, self._server.loop.time())
        super().connection_made(transport)

    def buffer_updated(self, nbytes: int) -> None:
        super().buffer_updated(nbytes)
        if not self._authenticator.is_known:
            self._server.newcomers.count(self, self._frames.held)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.newcomers.remove(self)
        super().connection_lost(exc)

    # Requests

    def _read(self, frame: memoryview) -> Request:
        request = super()._read(frame)
        request.principal = self._authenticator.principal
        request.by_token = self._authenticator.by_token
        request.security_protocol = self._plan.protocol
        return request

    def _receive(self, frame: memoryview) -> bool:
        authenticator, server = self._authenticator, self._server
        if authenticator.is_final:
            return super()._receive(frame)
        was_known = authenticator.is_known
        verdict = authenticator.receive(frame, server.loop.time(), server.wall_ms())
        if verdict.what is What.SERVE:
            if was_known:
                return super()._receive(frame)
            self._tell_versions(frame)
        elif verdict.work is not None:
            self._failing = True
            if not server.spawn(self._await_answer(frame, verdict.work), verdict.work):
                self.close()
        else:
            self._take_verdict(frame, verdict, was_known=was_known)
        return False

    async def _await_answer(self, frame: memoryview, work: Coroutine[Any, Any, None]) -> None:
        """Await the answer of a plug-in, and go on with the login."""
        await work
        if self._closing or self._transport is None:
            return
        self._failing = False
        authenticator, server = self._authenticator, self._server
        was_known = authenticator.is_known
        verdict = authenticator.again(server.loop.time(), server.wall_ms())
        self._take_verdict(frame, verdict, was_known=was_known)
        if not self._closing:
            self.flush()
            self.go_on()

    def _take_verdict(self, frame: memoryview, verdict: Verdict, *, was_known: bool) -> None:
        authenticator, server = self._authenticator, self._server
        if verdict.what in (What.ANSWER, What.LOGGED_IN):
            assert verdict.frame is not None
            self._put(self._new_slot(), [verdict.frame])
            self._may_be_alone = authenticator.is_final
            if not was_known and verdict.what is What.LOGGED_IN:
                server.newcomers.remove(self)
                self.limit_requests(self._request_bytes_max)
        else:
            self._end_login(frame, verdict, "re-authentication" if was_known else "authentication")

    def _tell_versions(self, frame: memoryview) -> None:
        """Answer ApiVersions, the only request that is served before a login. Raises
        InvalidRequest."""
        request = self._read(frame)
        assert request.api_key == ApiKey.API_VERSIONS
        request.line = None  # an unknown client has no quota
        answer: Answer = self._server.dispatcher.handle(request)
        assert isinstance(answer, list)
        self._put(self._new_slot(), answer)
        if not any(bytes(answer[0][_ERROR_CODE])):
            self._authenticator.versions_told()

    def _end_login(self, frame: memoryview, verdict: Verdict, what: str) -> None:
        if verdict.why:
            log.info("Failed %s with /%s (%s)", what, self.peer, visible(verdict.why))
            self._server.note(
                "authentication_failed",
                listener=self._plan.name,
                peer=self.peer,
                why=verdict.why,
            )
        if verdict.what is What.END:
            self.flush()
            self.close()
            return
        answer: Pieces | None = None if verdict.frame is None else [verdict.frame]
        if verdict.what is What.MISPLACED:
            answer = self._misplaced(frame)
        self._failing = True
        self._server.loop.call_later(self._plan.failure_delay_s, self._refuse_login, answer)

    def _misplaced(self, frame: memoryview) -> Pieces | None:
        try:
            request = self._read(frame)
            self._server.dispatcher.check(request)
            return error_answer(request, ErrorCode.ILLEGAL_SASL_STATE)
        except InvalidRequest:
            return None

    def _refuse_login(self, answer: Pieces | None) -> None:
        if self._closing:
            return
        if answer is not None:
            self._put(self._new_slot(), answer)
            self.flush()
        self.close()
