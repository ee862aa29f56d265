"""ValidatorAccessTokenValidator: checks signed tokens (RFC 7515, 7519). Pure.

joserfc checks the signatures. Only asymmetric algorithms are accepted. With HMAC everybody who can
read the key set could sign tokens; Kafka accepts it if a key set has such keys.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

from barnabas.security.oauth_settings import ValidationSettings
from barnabas.security.sasl.oauthbearer import BearerToken, TokenRefused

Key = RSAKey | ECKey | OKPKey
KEYS_MAX: Final = 100
KEY_ID_LENGTH_MAX: Final = 1000
_KINDS: Final[dict[str, type[Key]]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), RSAKey),
    **dict.fromkeys(("ES256", "ES384", "ES512"), ECKey),
    **dict.fromkeys(("EdDSA", "Ed25519", "Ed448"), OKPKey),
}
_REGISTRY: Final = jws.JWSRegistry(algorithms=list(_KINDS))
_TIMES_MAX: Final = 1e13


class UnknownKey(TokenRefused):
    """A token names an unknown key; the provider may have newer keys."""

    def __init__(self, key_id: str) -> None:
        super().__init__("signed with a key that is not known")
        self.key_id = key_id


class BadKeys(ValueError):
    """A key set that cannot be read."""


def parse_keys(text: bytes) -> tuple[Key, ...]:
    """The keys of a JWKS that may sign tokens; others are ignored. Raises BadKeys."""
    try:
        entries = json.loads(text)["keys"][:KEYS_MAX]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise BadKeys(f"no key set ({type(error).__name__})") from None
    keys = tuple(key for key in map(_public_key, entries) if key is not None)
    if not keys:
        raise BadKeys("a key set without a key that signs")
    return keys


def _public_key(entry: object) -> Key | None:
    """The key, if it is an asymmetric one and strong enough; else None."""
    if not isinstance(entry, dict) or entry.get("use") not in (None, "sig"):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", SecurityWarning)  # raised for short keys
            found = JWKRegistry.import_key(entry)
    except (ValueError, TypeError, KeyError, JoseError, SecurityWarning):
        return None
    return found if isinstance(found, RSAKey | ECKey | OKPKey) else None


def validate(
    token: str, keys: Sequence[Key], settings: ValidationSettings, now_ms: int
) -> BearerToken:
    """Check everything in a token and return what it says. Raises TokenRefused and UnknownKey."""
    try:
        signed = jws.extract_compact(token.encode())
        header = signed.headers()
        if "b64" in header:
            raise TokenRefused("a payload that is not encoded")
        key = _key(header, keys)
        if not jws.validate_compact(signed, key, registry=_REGISTRY):
            raise TokenRefused("a signature that is not right")
        claims = json.loads(signed.payload)
    except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise TokenRefused(f"no signed token ({type(error).__name__})") from None
    if not isinstance(claims, dict):
        raise TokenRefused("claims that are no object")
    return _checked(claims, settings, now_ms)


def _key(header: dict[str, Any], keys: Sequence[Key]) -> Key:
    algorithm, key_id = header.get("alg"), header.get("kid")
    kind = _KINDS.get(algorithm) if isinstance(algorithm, str) else None
    if kind is None:
        raise TokenRefused("an algorithm that is not taken")
    fitting = [
        key
        for key in keys
        if isinstance(key, kind)
        and key.get("alg") in (None, algorithm)
        and (key_id is None or key.get("kid") == key_id)
    ]
    if not fitting:
        raise UnknownKey(str(key_id)[:KEY_ID_LENGTH_MAX])
    if len(fitting) > 1:
        raise TokenRefused("more than one key could have signed it")
    return fitting[0]


def _checked(claims: dict[str, Any], settings: ValidationSettings, now_ms: int) -> BearerToken:
    """Check the claims; times as jose4j does. ``exp`` and ``iat`` are required."""
    skew_ms = 1000 * settings.clock_skew_s
    expires_ms, issued_ms = _time_ms(claims, "exp"), _time_ms(claims, "iat")
    begins_ms = _time_ms(claims, "nbf")
    if expires_ms is None or issued_ms is None:
        raise TokenRefused("exp or iat is missing")
    if now_ms - skew_ms >= expires_ms:
        raise TokenRefused("expired")
    if begins_ms is not None and now_ms + skew_ms < begins_ms:
        raise TokenRefused("not valid yet")
    if expires_ms < issued_ms or (begins_ms is not None and expires_ms < begins_ms):
        raise TokenRefused("expires before it begins")
    if settings.issuer is not None and claims.get("iss") != settings.issuer:
        raise TokenRefused("of another issuer")
    if settings.audiences and not set(_texts(claims, "aud")) & set(settings.audiences):
        raise TokenRefused("for another audience")
    scopes = _texts(claims, settings.scope_claim)
    if any(not scope.strip() for scope in scopes) or len(set(scopes)) < len(scopes):
        raise TokenRefused("an empty scope, or one twice")
    principal = claims.get(settings.principal_claim)
    if not isinstance(principal, str) or not principal.strip():
        raise TokenRefused("no principal")
    return BearerToken(principal=principal.strip(), expires_ms=expires_ms)


def _texts(claims: dict[str, Any], name: str) -> list[str]:
    found = claims.get(name, [])
    if isinstance(found, str):
        return [found]
    if isinstance(found, list) and all(isinstance(item, str) for item in found):
        return found
    raise TokenRefused(f"{name} is neither text nor texts")


def _time_ms(claims: dict[str, Any], name: str) -> int | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _TIMES_MAX:
        raise TokenRefused(f"{name} is no time")
    return round(value * 1000)
