"""LoginManager: makes a client's login from its JAAS entry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from barnabas.security import kerberos_settings
from barnabas.security.jaas import JaasEntry
from barnabas.security.sasl import oauthbearer, plain, scram
from barnabas.security.sasl.mechanism import GSSAPI, OAUTHBEARER, PLAIN, ClientLogin
from barnabas.security.sasl.oauthbearer import OAuthBearerClient, unsecured_token
from barnabas.security.sasl.plain import PlainClient
from barnabas.security.sasl.scram import HASHES, ScramClient, secure_text

MODULES: Final = {
    PLAIN: plain.MODULE,
    **dict.fromkeys(HASHES, scram.MODULE),
    OAUTHBEARER: oauthbearer.MODULE,
    GSSAPI: kerberos_settings.MODULE,
}
"""The supported mechanisms, and the login module of each in JAAS."""
LIFETIME_OPTION: Final = "unsecuredLoginLifetimeSeconds"
LIFETIME_S: Final = 3600


def client_login(
    mechanism: str,
    entry: JaasEntry,
    *,
    secret: Callable[[int], bytes],
    wall_ms: Callable[[], int],
) -> Callable[[], ClientLogin]:
    """A function that begins a login, for all mechanisms but GSSAPI (see ``kerberos_client``).
    Raises ValueError with the name of an option that is missing in the entry."""
    if mechanism not in MODULES:
        raise ValueError(f"{mechanism!a} is not supported, only {', '.join(MODULES)}")
    if entry.module != MODULES[mechanism]:
        raise ValueError(f"the login module of {mechanism} is {MODULES[mechanism]}")
    if mechanism == OAUTHBEARER:
        subject = _option(entry, oauthbearer.LOGIN_OPTION)
        lifetime = entry.options.get(LIFETIME_OPTION, str(LIFETIME_S))
        if not (lifetime.isascii() and lifetime.isdigit() and len(lifetime) <= 9):
            raise ValueError(f"{LIFETIME_OPTION} is not a number of seconds")
        lifetime_ms = 1000 * int(lifetime)
        extensions = oauthbearer.extensions_of(entry, oauthbearer.UNSECURED_EXTENSION)
        return lambda: OAuthBearerClient(
            token=unsecured_token(subject, wall_ms(), lifetime_ms), extensions=extensions
        )
    username, password = _option(entry, "username"), _option(entry, "password")
    by_token = entry.options.get(scram.TOKEN_OPTION, "").lower() == "true"
    if mechanism == PLAIN:
        return lambda: PlainClient(username=username, password=password)
    salted: dict[tuple[str, bytes, int], bytes] = {}
    return lambda: ScramClient(
        mechanism, username, password, secure_text(secret), salted, by_token=by_token
    )


def _option(entry: JaasEntry, name: str) -> str:
    value = entry.options.get(name)
    if not value:
        raise ValueError(f"{name} is needed to log in")
    return value
