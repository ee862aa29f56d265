"""TLS, logins, tokens, ACLs and plug-ins of a broker, if its settings ask for them.

They are imported only in the functions here, so a broker without security starts without them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from barnabas.broker.key_stores import KeyStores
from barnabas.broker.listener_plan import ListenerPlan
from barnabas.broker.scram_credentials import ScramCredentials
from barnabas.config.authorization import ACL_AUTHORIZER, AUTHORIZER
from barnabas.config.broker_config import BrokerConfig
from barnabas.config.listener_settings import PLAINTEXT as PLAIN
from barnabas.replication.replica_selector import SELECTORS
from barnabas.seams import Env
from barnabas.security.client import PLAINTEXT, ClientSecurity
from barnabas.zookeeper.client.client import ZooKeeperClient
from barnabas.zookeeper.client.security import OPEN, ZooKeeperSecurity

if TYPE_CHECKING:
    from barnabas.authorizer.authorizer import AclAuthorizer
    from barnabas.broker.delegation_tokens import DelegationTokens
    from barnabas.broker.listener_plans import Run, TokenLogins
    from barnabas.broker.plugged import Plugged


def authorizer(env: Env, config: BrokerConfig, zookeeper: ZooKeeperClient) -> AclAuthorizer | None:
    """Kafka's own authorizer; None if everybody may do everything, or if a plug-in decides."""
    settings = config.authorization
    if settings is None or settings.class_name != ACL_AUTHORIZER:
        return None
    from barnabas.authorizer.authorizer import AclAuthorizer
    from barnabas.authorizer.decision import Policy

    policy = Policy(super_users=settings.super_users, allow_if_no_acl=settings.allow_if_no_acl)
    if settings.zookeeper is not None:
        from barnabas.broker.acl_zookeeper import SeparateAclAuthorizer

        return SeparateAclAuthorizer(env, config, settings.zookeeper, policy)
    return AclAuthorizer(env, zookeeper, policy)


def delegation_tokens(
    env: Env, config: BrokerConfig, zookeeper: ZooKeeperClient, is_controller: Callable[[], bool]
) -> DelegationTokens | None:
    """The delegation tokens; None without a secret key."""
    key = config.text("delegation.token.secret.key")
    if key is None:
        key = config.text("delegation.token.master.key")
    if not key:
        return None
    from barnabas.broker.delegation_tokens import DelegationTokens
    from barnabas.security.tokens import TokenSettings

    settings = TokenSettings(
        key=key.encode(),
        lifetime_ms_max=config.integer("delegation.token.max.lifetime.ms"),
        expiry_ms=config.integer("delegation.token.expiry.time.ms"),
        check_interval_ms=config.integer("delegation.token.expiry.check.interval.ms"),
    )
    return DelegationTokens(env, zookeeper, settings, is_controller)


def plug_ins(env: Env, config: BrokerConfig) -> Plugged | None:
    """The plug-ins; None if the settings name none. Raises ConfigError for a class that cannot be
    one."""
    named = (
        "create.topic.policy.class.name",
        "alter.config.policy.class.name",
        "client.quota.callback.class",
        *((AUTHORIZER,) if config.text(AUTHORIZER) != ACL_AUTHORIZER else ()),
    )
    selector = config.text("replica.selector.class") or ""
    if not any(map(config.text, named)) and selector in SELECTORS:
        return None
    from barnabas.broker.plugged import Plugged

    return Plugged(env, config)


def listener_plan(
    env: Env,
    config: BrokerConfig,
    listener: str,
    users: ScramCredentials,
    stores: KeyStores,
    tokens: TokenLogins | None,
    run: Run,
) -> ListenerPlan:
    """The plan of a listener. ``tokens``: finds delegation tokens; ``run``: starts tasks that a
    mechanism needs in the background. Raises ConfigError for stores that cannot be read."""
    if config.security[listener].protocol == PLAIN:
        return ListenerPlan(name=listener)
    from barnabas.broker import listener_plans

    return listener_plans.listener_plan(env, config, listener, users, stores, tokens, run)


def client_security(
    env: Env, config: BrokerConfig, listener: str, stores: KeyStores, run: Run
) -> ClientSecurity:
    """How this broker connects to the same listener of other brokers. ``run``: as for a plan."""
    if config.security[listener].protocol == PLAIN:
        return PLAINTEXT
    from barnabas.broker import listener_plans

    return listener_plans.client_security(env, config, listener, stores, run)


def zookeeper_security(env: Env, config: BrokerConfig, stores: KeyStores) -> ZooKeeperSecurity:
    """How this broker connects to ZooKeeper, and the ACLs of the nodes that it creates."""
    asked = (
        "zookeeper.ssl.client.enable",
        "zookeeper.set.acl",
        "java.security.auth.login.config",
        "barnabas.zookeeper.sasl.jaas.config",
    )
    if not any(map(config.value, asked)):
        return OPEN
    from barnabas.broker import zookeeper_security as asked_for

    return asked_for.zookeeper_security(env, config, stores)
