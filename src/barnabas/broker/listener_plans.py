"""From the settings of a broker's listeners to what its server and its connections are told."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from barnabas.broker.key_stores import KeyStores
from barnabas.broker.network import ListenerPlan
from barnabas.broker.scram_credentials import ScramCredentials
from barnabas.broker.tls_connection import TlsPlan
from barnabas.config.broker_config import BrokerConfig
from barnabas.config.listener_security import ListenerSecurity, MechanismSettings
from barnabas.errors import ConfigError
from barnabas.seams import Env
from barnabas.security.authenticator import Mechanism
from barnabas.security.client import PLAINTEXT, ClientSecurity
from barnabas.security.client_login import client_login
from barnabas.security.sasl import oauthbearer, plain
from barnabas.security.sasl.mechanism import OAUTHBEARER, PLAIN, ServerLogin
from barnabas.security.sasl.oauthbearer import BearerToken, OAuthBearerServer, UnsecuredRules
from barnabas.security.sasl.plain import PlainServer
from barnabas.security.sasl.scram import ScramServer, TokenLogin, no_tokens, secure_text
from barnabas.security.tls import BadTls, client_context, server_context

log = logging.getLogger("kafka.server")

TokenLogins = Callable[[str, str], "TokenLogin | None"]
"""By mechanism and token id."""


def listener_plan(
    env: Env,
    config: BrokerConfig,
    listener: str,
    users: ScramCredentials,
    stores: KeyStores,
    tokens: TokenLogins | None = None,
) -> ListenerPlan:
    """What a listener asks of those who come. ``tokens``: what delegation tokens log in with."""
    security = config.security[listener]
    return ListenerPlan(
        name=listener,
        protocol=security.protocol,
        mechanisms={
            name: _mechanism(env, name, settings, users, tokens)
            for name, settings in security.mechanisms.items()
        },
        receive_bytes_max=security.receive_bytes_max,
        failure_delay_s=config.integer("connection.failed.authentication.delay.ms") / 1000,
        tls=_tls_plan(env, config, listener, stores),
    )


def _tls_plan(env: Env, config: BrokerConfig, listener: str, stores: KeyStores) -> TlsPlan | None:
    """ConfigError for stores that cannot be read."""
    security, asked_of_all = config.security[listener], config.text("ssl.client.auth")
    settings = security.tls
    if settings is None or security.mapping is None:
        return None
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

    def renew() -> None:
        plan.context = server_context(settings, env.files.read)

    stores.watch(f"listener {listener}", settings, renew)
    return plan


def _mechanism(
    env: Env,
    name: str,
    settings: MechanismSettings,
    users: ScramCredentials,
    tokens: TokenLogins | None,
) -> Mechanism:
    if name == PLAIN:
        passwords: Mapping[str, str] = plain.users_of(settings.entry)

        def begin() -> ServerLogin:
            return PlainServer(passwords)

    elif name == OAUTHBEARER:
        rules = UnsecuredRules.of(settings.entry)

        def validate(token: str) -> BearerToken:
            return oauthbearer.validate_unsecured(token, rules, env.clock.wall_ms())

        def begin() -> ServerLogin:
            return OAuthBearerServer(validate)

    else:

        def begin() -> ServerLogin:
            return ScramServer(
                name,
                secure_text(env.secret),
                lambda user: users.find(name, user),
                lambda user: users.decoy(name, user),
                no_tokens if tokens is None else lambda token_id: tokens(name, token_id),
            )

    return Mechanism(begin=begin, reauthentication_ms_max=settings.reauthentication_ms_max)


def client_security(
    env: Env, config: BrokerConfig, listener: str, stores: KeyStores
) -> ClientSecurity:
    """How this broker reaches others at a listener of theirs that is like its own."""
    security = config.security[listener]
    found = _logged_in(env, security)
    settings = security.tls
    if settings is None:
        return found

    def renew() -> None:
        found.tls = client_context(settings, env.files.read)

    try:
        renew()
    except BadTls as error:
        raise ConfigError(f"listener.name.{listener.lower()}.{error}") from None
    stores.watch(f"connections to listeners {listener}", settings, renew)
    return found


def _logged_in(env: Env, security: ListenerSecurity) -> ClientSecurity:
    if not security.has_sasl:
        return PLAINTEXT if security.tls is None else ClientSecurity()
    mechanism = security.inter_broker_mechanism
    return ClientSecurity(
        mechanism=mechanism,
        begin=client_login(
            mechanism,
            security.mechanisms[mechanism].entry,
            secret=env.secret,
            wall_ms=env.clock.wall_ms,
        ),
    )
