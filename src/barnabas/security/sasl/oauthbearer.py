"""OAuthBearerSaslServer, OAuthBearerUnsecuredJws: OAUTHBEARER (RFC 7628), and the unsigned tokens
that Kafka has for tests. Pure.

A refused token is answered with a JSON text first. The failure follows when the client has
acknowledged that with ``\\x01``.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from barnabas.security.jaas import JaasEntry
from barnabas.security.sasl.mechanism import AuthenticationFailed

MODULE: Final = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule"
LOGIN_OPTION: Final = "unsecuredLoginStringClaim_sub"
"""The option of a client's JAAS entry that names the user of its token."""
SCOPE_OPTION: Final = "unsecuredValidatorRequiredScope"
SKEW_OPTION: Final = "unsecuredValidatorAllowableClockSkewMs"
PRINCIPAL_OPTION: Final = "unsecuredValidatorPrincipalClaimName"
SCOPE_CLAIM_OPTION: Final = "unsecuredValidatorScopeClaimName"
UNSECURED_EXTENSION: Final = "unsecuredLoginExtension_"
EXTENSION: Final = "extension_"
"""The beginnings of options that name extensions, for unsigned and for fetched tokens."""
_EXTENSION_NAME = re.compile(r"[A-Za-z]+")
_EXTENSION_VALUE = re.compile(r"[\x21-\x7e \t\r\n]+")
_REFUSED: Final = b'{"status":"invalid_token"}'
_NO_SCOPE: Final = '{"status":"insufficient_scope", "scope":"%s"}'
_ACKNOWLEDGED: Final = b"\x01"
_TIMES_MAX: Final = 1e13

_NAME = r"(?:[\x01-\x2b\x2d-\x3c\x3e-\x7f]|=2C|=3D)+"
_FIRST = re.compile(
    rf"n,(?:a=(?P<authzid>{_NAME}))?,\x01(?P<pairs>(?:[A-Za-z]+=[\x21-\x7e \t\r\n]+\x01)*)\x01",
    re.DOTALL,
)
_AUTH = re.compile(
    r"(?P<scheme>[\w]+)[ ]+(?P<token>[-_\.a-zA-Z0-9]+)",
)
_PART = re.compile(r"[A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class BearerToken:
    """OAuthBearerToken: the claims that a server needs."""

    principal: str
    expires_ms: int


class TokenRefused(Exception):
    """``told``: the JSON text for the client."""

    def __init__(self, why: str, told: bytes = _REFUSED) -> None:
        super().__init__(why)
        self.told = told


Validate = Callable[[str], BearerToken]
"""Checks a token and returns what it says. Raises TokenRefused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsecuredRules:
    """The options of OAuthBearerUnsecuredValidatorCallbackHandler."""

    principal_claim: str = "sub"
    scope_claim: str = "scope"
    required_scope: tuple[str, ...] = ()
    clock_skew_ms: int = 0

    @classmethod
    def of(cls, entry: JaasEntry) -> UnsecuredRules:
        """The options in a server's JAAS entry. Raises ValueError."""
        skew = entry.options.get(SKEW_OPTION, "0")
        if not (skew.isascii() and skew.isdigit() and len(skew) <= 10):
            raise ValueError(f"{SKEW_OPTION} is not a number of ms")
        return cls(
            principal_claim=entry.options.get(PRINCIPAL_OPTION, "sub"),
            scope_claim=entry.options.get(SCOPE_CLAIM_OPTION, "scope"),
            required_scope=tuple(entry.options.get(SCOPE_OPTION, "").split()),
            clock_skew_ms=int(skew),
        )


class OAuthBearerServer:
    """Checks one login."""

    def __init__(self, validate: Validate) -> None:
        self._validate = validate
        self._refusal: bytes | None = None
        self.authorization_id: str | None = None
        self.expires_ms: int | None = None
        self.by_token = False

    def step(self, token: bytes) -> bytes:
        """Empty for success, or the JSON text of the refusal. Raises AuthenticationFailed."""
        if self.authorization_id is not None:
            raise AuthenticationFailed("a message after the last one")
        if self._refusal is not None:
            told = self._refusal.decode()
            if token == _ACKNOWLEDGED:
                raise AuthenticationFailed("the token was refused", told=told)
            raise AuthenticationFailed("a message that is not the acknowledgement")
        match = _FIRST.fullmatch(token.decode("utf-8", "replace"))
        if match is None:
            raise AuthenticationFailed("Invalid OAUTHBEARER client first message")
        pairs = dict(p.partition("=")[::2] for p in match["pairs"].split("\x01") if p)
        auth = _AUTH.fullmatch(pairs.get("auth", ""))
        if auth is None or auth["scheme"].lower() != "bearer":
            raise AuthenticationFailed("Invalid OAUTHBEARER client first message: no bearer token")
        try:
            found = self._validate(auth["token"])
        except TokenRefused as error:
            self._refusal = error.told
            return error.told
        authorization_id = match["authzid"]
        if authorization_id not in (None, found.principal):
            why = (
                f"Authentication failed: Client requested an authorization id ({authorization_id})"
                f" that is different from the token's principal name ({found.principal})"
            )
            raise AuthenticationFailed(why, told=why)
        self.authorization_id = found.principal
        self.expires_ms = found.expires_ms
        return b""


@dataclass(slots=True, kw_only=True)
class OAuthBearerClient:
    """Logs in with a token."""

    token: str = field(repr=False)
    extensions: Mapping[str, str] = field(default_factory=dict, repr=False)
    is_complete: bool = False

    def first(self) -> bytes:
        pairs = "".join(f"{name}={text}\x01" for name, text in self.extensions.items())
        return f"n,,\x01auth=Bearer {self.token}\x01{pairs}\x01".encode()

    def step(self, challenge: bytes) -> bytes | None:
        """None after success, or the acknowledgement of a refusal. The failure follows that."""
        if challenge:
            return _ACKNOWLEDGED
        self.is_complete = True
        return None


def extensions_of(entry: JaasEntry, beginning: str) -> dict[str, str]:
    """What a client's JAAS entry has a login tell beside the token (KIP-342): the options with this
    beginning. Raises ValueError, which names the option."""
    found = {}
    for option, text in entry.options.items():
        if not option.startswith(beginning):
            continue
        name = option.removeprefix(beginning)
        if not _EXTENSION_NAME.fullmatch(name) or name == "auth":
            raise ValueError(
                f"{option!a}: an extension's name consists of letters, and is not auth"
            )
        if not _EXTENSION_VALUE.fullmatch(text):
            raise ValueError(f"{option}: an extension's value consists of printable ASCII")
        found[name] = text
    return found


def unsecured_token(subject: str, now_ms: int, lifetime_ms: int) -> str:
    """A new unsigned token for ``subject``."""
    claims = {"sub": subject, "iat": now_ms / 1000, "exp": (now_ms + lifetime_ms) / 1000}
    parts = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in ({"alg": "none"}, claims)
    )
    return f"{'.'.join(parts)}."


def validate_unsecured(token: str, rules: UnsecuredRules, now_ms: int) -> BearerToken:
    """Check an unsigned token (OAuthBearerUnsecuredJws). Raises TokenRefused."""
    parts = token.split(".")
    if len(parts) != 3 or parts[2]:
        raise TokenRefused("not three parts, or a signature")
    header, claims = _json(parts[0]), _json(parts[1])
    if header.get("alg") != "none":
        raise TokenRefused("an algorithm other than none")
    principal = claims.get(rules.principal_claim)
    if not isinstance(principal, str) or not principal.strip():
        raise TokenRefused("no principal")
    expires_ms = _time_ms(claims, "exp")
    if expires_ms is None:
        raise TokenRefused("no expiration")
    issued_ms = _time_ms(claims, "iat")
    if issued_ms is not None and issued_ms > now_ms + rules.clock_skew_ms:
        raise TokenRefused("issued in the future")
    if now_ms - rules.clock_skew_ms >= expires_ms:
        raise TokenRefused("expired")
    if issued_ms is not None and expires_ms <= issued_ms:
        raise TokenRefused("expires before it was issued")
    missing = set(rules.required_scope) - _scope(claims, rules.scope_claim)
    if missing:
        told = _NO_SCOPE % " ".join(rules.required_scope)
        raise TokenRefused("a scope is missing", told=told.encode())
    return BearerToken(principal=principal, expires_ms=expires_ms)


def _scope(claims: dict[str, Any], name: str) -> set[str]:
    scope = claims.get(name, "")
    if isinstance(scope, str):
        return set(scope.split())
    if isinstance(scope, list) and all(isinstance(item, str) for item in scope):
        return {item.strip() for item in scope if item.strip()}
    raise TokenRefused("a scope that is neither text nor texts")


def _time_ms(claims: dict[str, Any], name: str) -> int | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TokenRefused(f"{name} is not a number")
    if not math.isfinite(value) or abs(value) > _TIMES_MAX:
        raise TokenRefused(f"{name} is out of bounds")
    return round(value * 1000)


def _json(part: str) -> dict[str, Any]:
    if not _PART.fullmatch(part):
        raise TokenRefused("not base64url")
    try:
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        raise TokenRefused("not JSON") from None
    if not isinstance(found, dict):
        raise TokenRefused("not a JSON object")
    return found
