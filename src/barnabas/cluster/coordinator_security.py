"""Logins and TLS of the embedded coordinator. The settings have the names of ``zoo.cfg``."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final

from barnabas.config.zookeeper_security import read_jaas_file, store_settings
from barnabas.errors import BadTls, ConfigError
from barnabas.logs import visible
from barnabas.security.sasl.digest_md5 import MODULE
from barnabas.security.stores import StoreSettings
from barnabas.security.tls import TlsSettings, server_context
from barnabas.zookeeper.server.coordinator import CoordinatorConfig

JAAS_FILE: Final = "java.security.auth.login.config"
SECTION: Final = "zookeeper.sasl.serverconfig"
LOGIN_REQUIRED: Final = "sessionRequireClientSASLAuth"
CLIENT_AUTH: Final = "ssl.clientAuth"
_DEFAULTS: Final = {
    JAAS_FILE: "",
    SECTION: "Server",
    LOGIN_REQUIRED: "",
    CLIENT_AUTH: "",
    "ssl.keyStore.location": "",
    "ssl.keyStore.password": "",
    "ssl.keyStore.type": "",
    "ssl.trustStore.location": "",
    "ssl.trustStore.password": "",
    "ssl.trustStore.type": "",
    "ssl.protocol": "",
    "ssl.enabledProtocols": "",
    "ssl.ciphersuites": "",
}
_CLIENT_AUTH: Final = {"need": "required", "want": "requested", "none": "none"}
_USER: Final = "user_"

Read = Callable[[str], bytes]


def coordinator_config(given: Mapping[str, str], read: Read, **others: Any) -> CoordinatorConfig:
    """The coordinator's settings from ``given``, and ``others`` as they are. Raises ConfigError,
    whose text contains no secret."""
    for name in given:
        if name not in _DEFAULTS:
            raise ConfigError(f"{visible(name)}: not known; there are {', '.join(_DEFAULTS)}")
    found, tls = users(given, read), tls_context(given, read)
    asks = tls is not None and tls.verify_mode is ssl.CERT_REQUIRED
    required = login_required(given, has_users=bool(found), asks_certificates=asks)
    return CoordinatorConfig(users=found, tls=tls, login_required=required, **others)


def users(given: Mapping[str, str], read: Read) -> dict[str, str]:
    """Passwords by user name, from the section ``Server`` of the JAAS file. Raises ConfigError."""
    path, section = given.get(JAAS_FILE, ""), given.get(SECTION, _DEFAULTS[SECTION])
    if not path:
        return {}
    entries = read_jaas_file(path, read).get(section, ())
    if len(entries) != 1 or entries[0].module != MODULE:
        raise ConfigError(f"{JAAS_FILE}: a section {section!a} with one {MODULE} is wanted")
    found = {
        name.removeprefix(_USER): password
        for name, password in entries[0].options.items()
        if name.startswith(_USER)
    }
    if not found or not all(found.values()):
        raise ConfigError(f'{JAAS_FILE}: {section!a} has no users, as {_USER}NAME="password"')
    return found


def tls_context(given: Mapping[str, str], read: Read) -> ssl.SSLContext | None:
    """The TLS settings as a context; None without a key store. Raises ConfigError."""
    if not given.get("ssl.keyStore.location"):
        asked = next((n for n, text in given.items() if n.startswith("ssl.") and text), None)
        if asked is not None:
            raise ConfigError(f"{asked}: ssl.keyStore.location is needed for TLS")
        return None
    asked_of = given.get(CLIENT_AUTH) or (
        "need" if given.get("ssl.trustStore.location") else "none"
    )
    if asked_of not in _CLIENT_AUTH:
        raise ConfigError(f"{CLIENT_AUTH}: {', '.join(_CLIENT_AUTH)} are known")
    protocols = given.get("ssl.enabledProtocols") or given.get("ssl.protocol") or "TLSv1.2,TLSv1.3"
    settings = TlsSettings(
        keystore=_store("ssl.keystore", "ssl.keyStore", given),
        truststore=_store("ssl.truststore", "ssl.trustStore", given),
        protocols=_items(protocols),
        cipher_suites=_items(given.get("ssl.ciphersuites", "")),
        client_auth=_CLIENT_AUTH[asked_of],
    )
    try:
        return server_context(settings, read)
    except BadTls as error:
        text = str(error).replace("ssl.keystore", "ssl.keyStore")
        raise ConfigError(text.replace("ssl.truststore", "ssl.trustStore")) from None


def _store(name: str, prefix: str, given: Mapping[str, str]) -> StoreSettings:
    return store_settings(
        name, (given.get(f"{prefix}.{part}", "") for part in ("location", "password", "type"))
    )


def _items(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())


def login_required(given: Mapping[str, str], *, has_users: bool, asks_certificates: bool) -> bool:
    """Whether clients must log in or show a certificate. By default they must wherever they can;
    ``sessionRequireClientSASLAuth=false`` changes that. Raises ConfigError."""
    text = given.get(LOGIN_REQUIRED, "").lower()
    if text not in ("", "true", "false"):
        raise ConfigError(f"{LOGIN_REQUIRED}: true or false")
    can = has_users or asks_certificates
    if text == "true" and not can:
        raise ConfigError(f"{LOGIN_REQUIRED}: nobody can log in without users ({JAAS_FILE})")
    return can and text != "false"
