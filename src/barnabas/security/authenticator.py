"""SaslServerAuthenticator: what one connection of a SASL listener may send, and when. Pure.

Before a login only ApiVersions (once), SaslHandshake and SaslAuthenticate are served; after a
handshake v0, raw tokens. With GSSAPI a connection may also begin with a raw token, as clients of
Kafka 0.9 do. A session ends after ``connections.max.reauth.ms``, or with its credential. Then only
another login on the same connection renews it (KIP-368).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NamedTuple

from barnabas.errors import ErrorCode, InvalidRequest
from barnabas.protocol.api import API_TABLE, ApiKey
from barnabas.protocol.codec import decode_request, encode_response
from barnabas.protocol.header import RequestHeader, parse_request_header
from barnabas.protocol.messages.sasl_authenticate import (
    SaslAuthenticateRequest,
    SaslAuthenticateResponse,
)
from barnabas.protocol.messages.sasl_handshake import SaslHandshakeRequest, SaslHandshakeResponse
from barnabas.security.principal import ANONYMOUS, USER, KafkaPrincipal
from barnabas.security.sasl.mechanism import (
    GSSAPI,
    AuthenticationFailed,
    ServerLogin,
    Waits,
    in_hash_order,
)

REAUTHENTICATION_PAUSE_S: Final = 1.0
"""The least time between two reauthentications on one connection."""
_HANDSHAKE, _AUTHENTICATE = int(ApiKey.SASL_HANDSHAKE), int(ApiKey.SASL_AUTHENTICATE)
_PREFIX_BYTES: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Mechanism:
    """A mechanism that a listener offers."""

    begin: Callable[[], ServerLogin]
    reauthentication_ms_max: int = 0
    """``connections.max.reauth.ms``; 0 or less: a session lasts as long as its credential."""


class What(Enum):
    """What the connection does with a frame."""

    SERVE = 0
    """Serve it as any other request."""
    ANSWER = 1
    """Write the answer."""
    LOGGED_IN = 2
    """Write the answer; from now on requests are served."""
    REFUSE = 3
    """A failed login: write the answer, if there is one, after a delay, and close."""
    MISPLACED = 4
    """As REFUSE; the answer is the request's own, with ILLEGAL_SASL_STATE."""
    END = 5
    """Close at once."""
    WAIT = 6
    """Await the work, then call ``again``. Nothing else is read until then."""


class Verdict(NamedTuple):
    """What to do, the frame to send, and the reason for the log."""

    what: What
    frame: bytes | None = None
    why: str = ""
    work: Coroutine[Any, Any, None] | None = None


_SERVE: Final = Verdict(What.SERVE)


class _State(Enum):
    BEGIN = 0
    REQUESTS = 1
    """Tokens come in SaslAuthenticate requests."""
    TOKENS = 2
    """Tokens come raw: the handshake was of version 0."""
    COMPLETE = 3
    ENDED = 4


class SaslAuthenticator:
    """The authentication state of one connection."""

    def __init__(self, mechanisms: Mapping[str, Mechanism]) -> None:
        self._mechanisms = mechanisms
        self._state = _State.BEGIN
        self._login: ServerLogin | None = None
        self._mechanism = ""
        self._versions_told = False
        self._expires_at: float | None = None
        self._next_reauthentication = 0.0
        self._wrong_mechanism = False
        self._waiting: tuple[bytes, RequestHeader | None] = (b"", None)
        """The token whose step waits for an answer."""
        self.principal: KafkaPrincipal = ANONYMOUS
        self.by_token = False
        """Whether the last login was by a delegation token."""
        self.is_known = False
        """Whether any login on this connection has succeeded."""

    @property
    def is_final(self) -> bool:
        """Whether all further requests may be served without calling ``receive``."""
        return self._state is _State.COMPLETE and self._expires_at is None

    def versions_told(self) -> None:
        """ApiVersions was answered without an error."""
        self._versions_told = True

    def receive(self, frame: memoryview, now: float, wall_ms: int) -> Verdict:
        """What to do with a frame. ``now``: the loop's time in seconds. Raises InvalidRequest for a
        frame that cannot be read."""
        if self._state is _State.COMPLETE:
            return self._complete(frame, now)
        if self._state is _State.ENDED:
            return Verdict(What.END)
        try:
            if self._state is _State.TOKENS:
                return self._token(bytes(frame), None, now, wall_ms)
            return self._request(frame, now, wall_ms)
        except AuthenticationFailed as error:
            return Verdict(What.REFUSE, None, str(error))

    def again(self, now: float, wall_ms: int) -> Verdict:
        """What to do with the frame that was waited for."""
        try:
            return self._token(*self._waiting, now, wall_ms)
        except AuthenticationFailed as error:
            return Verdict(What.REFUSE, None, str(error))

    # After a login

    def _complete(self, frame: memoryview, now: float) -> Verdict:
        if self._expires_at is None:
            return _SERVE
        if int.from_bytes(frame[:2], "big") != _HANDSHAKE:
            if now >= self._expires_at:
                self._state = _State.ENDED
                return Verdict(What.END)
            return _SERVE
        if now < self._next_reauthentication:
            return _SERVE
        self._next_reauthentication = now + REAUTHENTICATION_PAUSE_S
        header, offset = parse_request_header(frame)
        return self._handshake(header, frame, offset)

    # Before it, and during the next one

    def _request(self, frame: memoryview, now: float, wall_ms: int) -> Verdict:
        found = self._header(frame)
        if found is None:
            self._begin(GSSAPI)
            self._state = _State.TOKENS
            return self._token(bytes(frame), None, now, wall_ms)
        header, offset = found
        key, version = header.api_key, header.api_version
        api = API_TABLE[key]
        if key == ApiKey.API_VERSIONS and self._state is _State.BEGIN:
            if self._versions_told:
                self._state = _State.ENDED
                return Verdict(What.END, None, "a second ApiVersions before the login")
            return _SERVE
        if key in (_HANDSHAKE, _AUTHENTICATE) and not api.serves(version):
            self._state = _State.ENDED
            return Verdict(What.END, None, f"unsupported {api.name} version {version}")
        if self._state is _State.BEGIN:
            if key != _HANDSHAKE:
                raise AuthenticationFailed(
                    f"Unexpected Kafka request of type {ApiKey(key).name} during SASL handshake."
                )
            return self._handshake(header, frame, offset)
        if key != _AUTHENTICATE:
            self._state = _State.ENDED
            return Verdict(
                What.MISPLACED,
                None,
                f"Unexpected Kafka request of type {ApiKey(key).name} during authentication.",
            )
        asked = decode_request(key, version, frame, offset)
        assert isinstance(asked, SaslAuthenticateRequest)
        token = bytes(asked.auth_bytes)
        return self._token(token, header, now, wall_ms)

    def _header(self, frame: memoryview) -> tuple[RequestHeader, int] | None:
        """None for the first token of a client of Kafka 0.9, which knows no handshake: it has
        Kerberos, or nothing."""
        try:
            header, offset = parse_request_header(frame)
        except InvalidRequest:
            header, offset = None, 0
        if header is None or header.api_key not in API_TABLE:
            if self._state is _State.BEGIN:
                if GSSAPI in self._mechanisms and not self._versions_told:
                    return None
                raise AuthenticationFailed(
                    "Exception handling first SASL packet from client, GSSAPI is not supported by"
                    " server"
                )
            raise AuthenticationFailed("the first frame is not a request")
        return header, offset

    def _handshake(self, header: RequestHeader, frame: memoryview, offset: int) -> Verdict:
        asked = decode_request(header.api_key, header.api_version, frame, offset)
        assert isinstance(asked, SaslHandshakeRequest)
        name = asked.mechanism
        offered = in_hash_order(self._mechanisms)
        mechanism = self._mechanisms.get(name)
        error = ErrorCode.NONE if mechanism is not None else ErrorCode.UNSUPPORTED_SASL_MECHANISM
        answer = encode_response(
            header.api_key,
            header.api_version,
            header.correlation_id,
            SaslHandshakeResponse(error_code=error, mechanisms=offered),
        )
        if mechanism is None:
            self._state = _State.ENDED
            return Verdict(What.REFUSE, answer, f"Unsupported SASL mechanism {name}")
        self._wrong_mechanism = self.is_known and name != self._mechanism
        if not self._wrong_mechanism:
            self._begin(name)
        self._state = _State.REQUESTS if header.api_version else _State.TOKENS
        return Verdict(What.ANSWER, answer)

    def _begin(self, mechanism: str) -> None:
        self._mechanism = mechanism
        self._login = self._mechanisms[mechanism].begin()

    def _token(
        self, token: bytes, header: RequestHeader | None, now: float, wall_ms: int
    ) -> Verdict:
        if self._wrong_mechanism:
            self._state = _State.ENDED
            return Verdict(
                What.END,
                None,
                "another SASL mechanism is not supported for re-authentication of mechanism"
                f" '{self._mechanism}'",
            )
        login = self._login
        assert login is not None
        try:
            challenge = login.step(token)
            if login.authorization_id is not None:
                self._check_principal(login.authorization_id)
        except Waits as waits:
            self._waiting = token, header
            return Verdict(What.WAIT, work=waits.work)
        except AuthenticationFailed as error:
            self._state = _State.ENDED
            told = error.told or (
                f"Authentication failed during {'re-' * self.is_known}authentication due to invalid"
                f" credentials with SASL mechanism {self._mechanism}"
            )
            answer = None if header is None else _answer(header, told=told)
            return Verdict(What.REFUSE, answer, told if error.told else f"{told} ({error})")
        if login.authorization_id is None:
            return Verdict(What.ANSWER, _reply(header, challenge, 0))
        lifetime_ms = self._logged_in(login, now, wall_ms)
        return Verdict(What.LOGGED_IN, _reply(header, challenge, lifetime_ms))

    def _check_principal(self, authorization_id: str) -> None:
        if self.is_known and authorization_id != self.principal.name:
            text = (
                "Cannot change principals during re-authentication from"
                f" {self.principal.type}.{self.principal.name}: {USER}.{authorization_id}"
            )
            raise AuthenticationFailed(text, told=text)

    def _logged_in(self, login: ServerLogin, now: float, wall_ms: int) -> int:
        """Begin the session. Returns how long it lasts, in ms; 0 means for ever, or that it has
        ended already."""
        assert login.authorization_id is not None
        lives = []
        longest = self._mechanisms[self._mechanism].reauthentication_ms_max
        if longest > 0:
            lives.append(longest)
        if login.expires_ms is not None:
            lives.append(login.expires_ms - wall_ms)
        self._expires_at = now + min(lives) / 1000 if lives else None
        self.principal = KafkaPrincipal(USER, login.authorization_id)
        self.by_token = login.by_token
        self.is_known = True
        self._login = None
        self._state = _State.COMPLETE
        return max(0, min(lives)) if lives else 0


def _reply(header: RequestHeader | None, challenge: bytes, lifetime_ms: int) -> bytes:
    if header is None:
        return len(challenge).to_bytes(_PREFIX_BYTES, "big") + challenge
    return _answer(header, challenge=challenge, lifetime_ms=lifetime_ms)


def _answer(
    header: RequestHeader, *, told: str = "", challenge: bytes = b"", lifetime_ms: int = 0
) -> bytes:
    return encode_response(
        header.api_key,
        header.api_version,
        header.correlation_id,
        SaslAuthenticateResponse(
            error_code=ErrorCode.SASL_AUTHENTICATION_FAILED if told else ErrorCode.NONE,
            error_message=told,
            auth_bytes=challenge,
            session_lifetime=lifetime_ms,
        ),
    )
