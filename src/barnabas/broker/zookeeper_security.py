"""KafkaServer.initZkClient: how this broker reaches ZooKeeper, and the ACLs of what it writes."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from typing import Final

from barnabas.broker.key_stores import KeyStores
from barnabas.config.broker_config import BrokerConfig
from barnabas.config.checks import Value
from barnabas.config.zookeeper_security import (
    CLIENT_CONFIG,
    check_set_acl,
    zookeeper_kerberos,
    zookeeper_login,
    zookeeper_tls,
)
from barnabas.errors import BadTls, ConfigError
from barnabas.seams import Env
from barnabas.security.jaas import JaasEntry
from barnabas.security.kerberos_settings import KerberosSettings, ZooKeeperPrincipal
from barnabas.security.sasl.digest_md5 import DigestMd5Client
from barnabas.security.sasl.mechanism import ClientLogin
from barnabas.security.tls import TlsSettings, client_context, verified_chain
from barnabas.zk.acls import secure_acls
from barnabas.zookeeper.client.security import ZooKeeperSecurity

NONCE_BYTES: Final = 30


def zookeeper_security(env: Env, config: BrokerConfig, stores: KeyStores) -> ZooKeeperSecurity:
    """ConfigError for what a start ends by. Keys and certificates are renewed by ``stores``."""
    found = security_of(env, config.value)
    settings = zookeeper_tls(config.value)
    if settings is not None:

        def renew(settings: TlsSettings) -> None:
            found.tls = client_context(settings, env.files.read)

        stores.watch("connections to ZooKeeper", lambda: settings, renew)
    return found


def security_of(env: Env, value: Callable[[str], Value]) -> ZooKeeperSecurity:
    """The same for who does not stay long. ``value``: of a setting by its name. ConfigError."""
    login = zookeeper_login(value, env.files.read)
    check_set_acl(value, login)
    found = ZooKeeperSecurity()
    if login is not None:
        kerberos = zookeeper_kerberos(value, login)
        if kerberos is None:
            found.begin = _logins(env, login)
        else:
            found.begin_at = _kerberos_logins(*kerberos)
    if value("zookeeper.set.acl"):
        found.acls = secure_acls
    settings = zookeeper_tls(value)
    if settings is not None:
        try:
            found.tls = client_context(settings, env.files.read)
        except BadTls as error:
            raise ConfigError(_named(str(error))) from None
        by_ocsp = bool(value("zookeeper.ssl.ocsp.enable"))
        if by_ocsp or value("zookeeper.ssl.crl.enable"):
            found.approve = _approval(env, by_ocsp=by_ocsp)
    return found


def _approval(env: Env, *, by_ocsp: bool) -> Callable[[ssl.SSLObject | None], Awaitable[None]]:
    from barnabas.security.revocation_checker import RevocationChecker

    checker = RevocationChecker(env.clock.wall_ms, by_ocsp=by_ocsp)

    async def approve(connection: ssl.SSLObject | None) -> None:
        await checker.check([] if connection is None else verified_chain(connection))

    return approve


def _named(text: str) -> str:
    """Errors of TLS name the settings of listeners; these are called otherwise."""
    text = text.replace("ssl.key.password", "ssl.keystore.password")
    return text if text.startswith("zookeeper.") else f"zookeeper.{text}"


def _kerberos_logins(
    settings: KerberosSettings, principal: ZooKeeperPrincipal
) -> Callable[[str, str], Awaitable[ClientLogin]]:
    from barnabas.security.kerberos_client import ZooKeeperLogins

    try:
        return ZooKeeperLogins(settings, principal).begin
    except ValueError as error:
        raise ConfigError(f"{CLIENT_CONFIG}: {error}") from None


def _logins(env: Env, entry: JaasEntry) -> Callable[[], ClientLogin]:
    username, password = entry.options["username"], entry.options["password"]
    return lambda: DigestMd5Client(username, password, env.secret(NONCE_BYTES).hex())
