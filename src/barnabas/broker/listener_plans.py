"""Makes the plans of a broker's listeners, and the security of its own connections, from
settings."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from barnabas.broker.key_stores import KeyStores
from barnabas.broker.listener_plan import ListenerPlan
from barnabas.broker.scram_credentials import ScramCredentials
from barnabas.broker.tls_connection import TlsPlan
from barnabas.config.broker_config import BrokerConfig
from barnabas.config.client_config import fetched_tokens, missing
from barnabas.config.listener_settings import ListenerSecurity, MechanismSettings
from barnabas.config.oauth import SERVER_HANDLER
from barnabas.errors import BadTls, ConfigError
from barnabas.seams import Env
from barnabas.security.authenticator import Mechanism
from barnabas.security.client import PLAINTEXT, ClientSecurity
from barnabas.security.client_login import client_login
from barnabas.security.kerberos_settings import MISSING, KerberosSettings
from barnabas.security.oauth_settings import ValidationSettings
from barnabas.security.principal_mapping import PrincipalMapping
from barnabas.security.sasl import oauthbearer, plain
from barnabas.security.sasl.mechanism import GSSAPI, OAUTHBEARER, PLAIN, ServerLogin
from barnabas.security.sasl.oauthbearer import (
    BearerToken,
    OAuthBearerServer,
    UnsecuredRules,
    Validate,
)
from barnabas.security.sasl.plain import PlainServer
from barnabas.security.sasl.scram import ScramServer, TokenLogin, no_tokens, secure_text
from barnabas.security.tls import TlsSettings, client_context, server_context

log = logging.getLogger("kafka.server")

TokenLogins = Callable[[str, str], "TokenLogin | None"]
"""Finds what a token's login is checked against, by mechanism and token id."""
Run = Callable[[str, Coroutine[Any, Any, None]], None]
"""Makes a task of a coroutine; the name is for people."""


def unwanted(name: str, coroutine: Coroutine[Any, Any, None]) -> None:
    """For callers that run no tasks: closes the coroutine."""
    coroutine.close()


def listener_plan(
    env: Env,
    config: BrokerConfig,
    listener: str,
    users: ScramCredentials,
    stores: KeyStores,
    tokens: TokenLogins | None = None,
    run: Run = unwanted,
) -> ListenerPlan:
    """The plan of a listener. ``tokens``: finds delegation tokens; ``run``: starts tasks that a
    mechanism needs in the background."""
    security = config.security[listener]
    return ListenerPlan(
        name=listener,
        protocol=security.protocol,
        mechanisms={
            name: _mechanism(env, config, listener, name, settings, users, tokens, run)
            for name, settings in security.mechanisms.items()
        },
        receive_bytes_max=security.receive_bytes_max,
        failure_delay_s=config.integer("connection.failed.authentication.delay.ms") / 1000,
        tls=_tls_plan(env, config, listener, stores, run),
    )


def _tls_plan(
    env: Env, config: BrokerConfig, listener: str, stores: KeyStores, run: Run
) -> TlsPlan | None:
    """The TLS of a listener; None without TLS. Raises ConfigError for stores that cannot be
    read."""
    security, asked_of_all = config.security[listener], config.text("ssl.client.auth")
    settings = security.tls
    if settings is None or security.mapping is None:
        return None
    if settings.factory:
        return _plugged_plan(env, config, listener, settings, security.mapping, run)
    try:
        context = server_context(settings, env.files.read)
    except BadTls as error:
        raise ConfigError(f"listener.name.{listener.lower()}.{error}") from None
    if security.has_sasl and settings.client_auth == "none" and asked_of_all != "none":
        log.warning(
            "ssl.client.auth is for SSL listeners only; listener.name.%s.ssl.client.auth would ask"
            " those of %s for certificates",
            *(listener.lower(), listener),
        )
    plan = TlsPlan(context=context, mapping=security.mapping)

    def renew(settings: TlsSettings) -> None:
        plan.context = server_context(settings, env.files.read)

    stores.watch(f"listener {listener}", lambda: _tls_of(config, listener), renew)
    return plan


def _plugged_plan(
    env: Env,
    config: BrokerConfig,
    listener: str,
    settings: TlsSettings,
    mapping: PrincipalMapping,
    run: Run,
) -> TlsPlan:
    from barnabas.broker.plugged_tls import PluggedContexts

    plans: list[TlsPlan] = []

    def use(context: ssl.SSLContext) -> None:
        if not plans:
            plans.append(TlsPlan(context=context, mapping=mapping))
        plans[0].context = context

    PluggedContexts(env, config, listener, settings, of_server=True, run=run, use=use)
    return plans[0]


def _tls_of(config: BrokerConfig, listener: str) -> TlsSettings | None:
    """The listener's present TLS settings; None once the listener is gone."""
    security = config.security.get(listener)
    return None if security is None else security.tls


def _mechanism(
    env: Env,
    config: BrokerConfig,
    listener: str,
    name: str,
    settings: MechanismSettings,
    users: ScramCredentials,
    tokens: TokenLogins | None,
    run: Run,
) -> Mechanism:
    found_tokens = no_tokens if tokens is None else lambda token_id: tokens(name, token_id)
    if settings.handler:
        from barnabas.broker.plugged_handlers import handled_logins

        begin = handled_logins(
            *(env, config, listener, name, settings),
            lambda user: users.decoy(name, user),
            found_tokens,
            run,
        )
    elif name == PLAIN:
        passwords: Mapping[str, str] = plain.users_of(settings.entry)

        def begin() -> ServerLogin:
            return PlainServer(passwords)

    elif settings.kerberos is not None:
        begin = _kerberos_logins(settings.kerberos)
    elif name == OAUTHBEARER:
        validate = _validate(env, settings, run)

        def begin() -> ServerLogin:
            return OAuthBearerServer(validate)

    else:

        def begin() -> ServerLogin:
            return ScramServer(
                name,
                secure_text(env.secret),
                lambda user: users.find(name, user),
                lambda user: users.decoy(name, user),
                found_tokens,
            )

    return Mechanism(begin=begin, reauthentication_ms_max=settings.reauthentication_ms_max)


def _kerberos_logins(settings: KerberosSettings) -> Callable[[], ServerLogin]:
    """Begins Kerberos logins. Raises ConfigError if the library is missing, or if the keys cannot
    be read."""
    try:
        from barnabas.security.sasl.gssapi import Acceptor, BadKerberos, GssapiServer
    except ImportError:
        raise ConfigError(f"sasl.enabled.mechanisms: {MISSING}") from None
    try:
        acceptor = Acceptor(settings)
    except BadKerberos as error:
        raise ConfigError(f"{settings.keytab}: no keys of {settings.principal}: {error}") from None
    return lambda: GssapiServer(acceptor)


def _validate(env: Env, settings: MechanismSettings, run: Run) -> Validate:
    if settings.validation is not None:
        return _validate_signed(env, settings.validation, run)
    rules = UnsecuredRules.of(settings.entry)

    def validate(token: str) -> BearerToken:
        return oauthbearer.validate_unsecured(token, rules, env.clock.wall_ms())

    return validate


def _validate_signed(env: Env, settings: ValidationSettings, run: Run) -> Validate:
    """Checks signed tokens. Raises ConfigError if the library is missing, or if a file with keys
    cannot be read."""
    try:
        from barnabas.security.oauth.endpoints import fetcher, is_file, read_file
        from barnabas.security.oauth.keys import KeySet
        from barnabas.security.oauth.tokens import BadKeys, parse_keys
    except ModuleNotFoundError as error:
        raise ConfigError(f"{SERVER_HANDLER}: {missing(error)}") from None
    endpoint = settings.keys
    try:
        known = parse_keys(read_file(endpoint.url, env.files.read)) if is_file(endpoint) else ()
        keys = KeySet(settings, fetcher(endpoint, env.files.read), env.clock.wall_ms, known)
    except (OSError, BadKeys, BadTls) as error:
        raise ConfigError(f"sasl.oauthbearer.jwks.endpoint.url: {error}") from None
    if endpoint.url.startswith("http:"):
        log.warning("sasl.oauthbearer.jwks.endpoint.url: keys come without TLS, from anybody")
    run("keys of tokens", keys.run())
    return keys.validate


def client_security(
    env: Env, config: BrokerConfig, listener: str, stores: KeyStores, run: Run = unwanted
) -> ClientSecurity:
    """How this broker connects to the same listener of other brokers."""
    security = config.security[listener]
    found = _logged_in(env, config, listener, security, run)
    settings = security.tls
    if settings is None:
        return found

    def renew(settings: TlsSettings) -> None:
        found.tls = client_context(settings, env.files.read)

    if settings.factory:
        from barnabas.broker.plugged_tls import PluggedContexts

        def use(context: ssl.SSLContext) -> None:
            found.tls = context

        PluggedContexts(env, config, listener, settings, of_server=False, run=run, use=use)
        return found
    try:
        renew(settings)
    except BadTls as error:
        raise ConfigError(f"listener.name.{listener.lower()}.{error}") from None
    stores.watch(f"connections to listeners {listener}", lambda: _tls_of(config, listener), renew)
    return found


def _logged_in(
    env: Env, config: BrokerConfig, listener: str, security: ListenerSecurity, run: Run
) -> ClientSecurity:
    if not security.has_sasl:
        return PLAINTEXT if security.tls is None else ClientSecurity()
    mechanism = security.inter_broker_mechanism
    settings = security.mechanisms[mechanism]
    if settings.login_handler or settings.client_handler:
        from barnabas.broker.plugged_handlers import own_login

        return own_login(env, config, listener, mechanism, settings, run)
    kerberos = settings.kerberos
    if kerberos is not None:
        return _kerberos_client(kerberos)
    login = settings.login
    if login is not None:
        return fetched_tokens(login, env.files.read, env.clock.wall_ms, env.secret)
    return ClientSecurity(
        mechanism=mechanism,
        begin=client_login(
            mechanism,
            settings.entry,
            secret=env.secret,
            wall_ms=env.clock.wall_ms,
        ),
    )


def _kerberos_client(settings: KerberosSettings) -> ClientSecurity:
    from barnabas.security.kerberos_client import kerberos_logins

    try:
        return ClientSecurity(mechanism=GSSAPI, begin_at=kerberos_logins(settings))
    except ValueError as error:
        raise ConfigError(f"sasl.mechanism.inter.broker.protocol: {error}") from None
