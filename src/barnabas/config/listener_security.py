"""Reads the security of each listener from ``ssl.*`` and ``sasl.*``. Pure.

``listener.name.<listener in lower case>.<setting>`` overrides ``<setting>``. A JAAS entry is for
one listener and one mechanism. A security setting that nothing would read (because of its spelling,
or because no such listener exists) is refused: otherwise its owner would believe that it protects.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import cast

from barnabas.config import oauth
from barnabas.config.checks import Value
from barnabas.config.listener_settings import (
    LISTENER,
    SASL_PROTOCOLS,
    TLS_PROTOCOLS,
    ListenerSecurity,
    MechanismSettings,
)
from barnabas.config.settings import SETTINGS, broker_setting
from barnabas.config.tls import tls_settings
from barnabas.errors import BadTls, ConfigError
from barnabas.logs import visible
from barnabas.security.client_login import MODULES, client_login
from barnabas.security.jaas import JaasEntry, parse_jaas
from barnabas.security.kerberos_settings import KerberosSettings
from barnabas.security.oauth_settings import LoginSettings
from barnabas.security.principal_mapping import PrincipalMapping
from barnabas.security.sasl import oauthbearer
from barnabas.security.sasl.mechanism import GSSAPI, OAUTHBEARER
from barnabas.security.tls import TlsSettings, check_server
from barnabas.types import Endpoint

_JAAS = "sasl.jaas.config"
_OF_MECHANISM = (_JAAS, "connections.max.reauth.ms", *oauth.HANDLERS)


class ListenerValues:
    """Settings as one listener sees them."""

    def __init__(
        self, listener: str, values: Mapping[str, Value], texts: Mapping[str, str]
    ) -> None:
        self.prefix = f"{LISTENER}{listener.lower()}."
        self._values = values
        self._texts = texts

    def spelled(self, name: str, mechanism: str = "") -> str:
        """The name under which the value was given, for errors."""
        for prefix in (f"{self.prefix}{mechanism.lower()}.", self.prefix):
            if f"{prefix}{name}" in self._texts:
                return f"{prefix}{name}"
        return name

    def value(self, name: str, mechanism: str = "") -> Value:
        """The value for this listener and mechanism, else for the listener, else for all."""
        spelled = self.spelled(name, mechanism)
        if spelled == name:
            return self._values[name]
        return SETTINGS[name].parse(self._texts[spelled])


def read_security(
    values: Mapping[str, Value],
    texts: Mapping[str, str],
    bound: Iterable[Endpoint],
    between_brokers: Iterable[str],
) -> dict[str, ListenerSecurity]:
    """The security of each listener, by its name. Raises ConfigError, which contains no secret."""
    found = {e.listener: _of_listener(e, ListenerValues(e.listener, values, texts)) for e in bound}
    for listener in between_brokers:
        _check_between_brokers(found[listener], ListenerValues(listener, values, texts))
    for name in texts:
        _check_place(name, texts[name], found)
    _check_oauth(texts, found)
    return found


def _of_listener(endpoint: Endpoint, own: ListenerValues) -> ListenerSecurity:
    protocol = endpoint.security_protocol
    names = cast("tuple[str, ...]", own.value("sasl.enabled.mechanisms"))
    if protocol not in SASL_PROTOCOLS:
        names = ()
    elif not names:
        raise ConfigError(f"{own.spelled('sasl.enabled.mechanisms')}: at least one is needed")
    between = str(own.value("sasl.mechanism.inter.broker.protocol"))
    return ListenerSecurity(
        protocol=protocol,
        inter_broker_mechanism=between if protocol in SASL_PROTOCOLS else "",
        mechanisms={name: _mechanism(name, own) for name in names},
        receive_bytes_max=max(0, cast("int", own.value("sasl.server.max.receive.size"))),
        tls=_tls(protocol, own) if protocol in TLS_PROTOCOLS else None,
        mapping=_mapping(protocol, own),
    )


def _tls(protocol: str, own: ListenerValues) -> TlsSettings:
    client_auth = "ssl.client.auth"
    asked = str(own.value(client_auth))
    if protocol == "SASL_SSL" and own.spelled(client_auth) == client_auth:
        asked = "none"  # set for all listeners, it means only those with protocol SSL
    settings = tls_settings(own.value, asked)
    try:
        check_server(settings)
    except BadTls as error:
        raise ConfigError(f"{own.prefix}{error}") from None
    return settings


def _mapping(protocol: str, own: ListenerValues) -> PrincipalMapping | None:
    name = "ssl.principal.mapping.rules"
    if protocol not in TLS_PROTOCOLS:
        return None
    try:
        return PrincipalMapping(str(own.value(name)))
    except ValueError as error:
        raise ConfigError(f"{own.spelled(name)}: {error}") from None


def _mechanism(name: str, own: ListenerValues) -> MechanismSettings:
    if name not in MODULES:
        raise ConfigError(
            f"{own.spelled('sasl.enabled.mechanisms')}: {name!a} is not supported,"
            f" but {', '.join(MODULES)}"
        )
    setting = f"{own.prefix}{name.lower()}.{_JAAS}"
    text = cast("str | None", own.value(_JAAS, name))
    if own.spelled(_JAAS, name) != setting or text is None:
        raise ConfigError(f"{setting}: required for {name} in sasl.enabled.mechanisms")
    try:
        entry = parse_jaas(text)
        if name == OAUTHBEARER:
            oauthbearer.UnsecuredRules.of(entry)
        kerberos = _kerberos(entry, own) if name == GSSAPI else None
    except ValueError as error:
        raise ConfigError(f"{setting}: {error}") from None
    if entry.module != MODULES[name]:
        raise ConfigError(f"{setting}: the login module of {name} is {MODULES[name]}")
    reauthentication = own.value("connections.max.reauth.ms", name)
    server, client = (_handler(each, name, own) for each in oauth.HANDLERS)
    try:
        return MechanismSettings(
            entry=entry,
            kerberos=kerberos,
            reauthentication_ms_max=cast("int", reauthentication),
            validation=oauth.read_validation(partial(own.value, mechanism=name), entry)
            if server == oauth.HANDLERS[oauth.SERVER_HANDLER]
            else None,
            login=_login(client, partial(own.value, mechanism=name), entry),
            login_handler="" if client == oauth.HANDLERS[oauth.CLIENT_HANDLER] else client,
            client_handler=_client_handler(name, own),
            handler="" if server == oauth.HANDLERS[oauth.SERVER_HANDLER] else server,
        )
    except ValueError as error:
        raise ConfigError(f"{setting}: {error}") from None


def _kerberos(entry: JaasEntry, own: ListenerValues) -> KerberosSettings:
    if entry.module != MODULES[GSSAPI]:
        raise ValueError(f"the login module of {GSSAPI} is {MODULES[GSSAPI]}")
    found = KerberosSettings.of(
        entry,
        str(own.value("sasl.kerberos.service.name") or ""),
        cast("tuple[str, ...]", own.value("sasl.kerberos.principal.to.local.rules") or ()),
    )
    found.check_server()
    return found


def _login(handler: str, value: oauth.Values, entry: JaasEntry) -> LoginSettings | None:
    if not handler:
        return None
    is_kafkas = handler == oauth.HANDLERS[oauth.CLIENT_HANDLER]
    return (oauth.read_login if is_kafkas else oauth.read_plugged_login)(value, entry)


def _client_handler(mechanism: str, own: ListenerValues) -> str:
    """The plug-in that gives this broker's name and password. Raises ConfigError for one that
    nobody would ask."""
    setting = oauth.CREDENTIALS_HANDLER
    name = str(own.value(setting) or "")
    if mechanism != own.value("sasl.mechanism.inter.broker.protocol"):
        return ""
    if not name or name == oauth.KAFKAS_CREDENTIALS:
        return ""
    if mechanism in (OAUTHBEARER, GSSAPI) or name.startswith("org.apache.kafka."):
        raise ConfigError(
            f"{own.spelled(setting)}: not supported, and not safe to ignore; remove it"
        )
    return name


def _handler(setting: str, mechanism: str, own: ListenerValues) -> str:
    """The handler class of a mechanism that is not Kafka's default; "" for that. Raises ConfigError
    for one that nobody would ask."""
    name = str(own.value(setting, mechanism) or "")
    if not name or own.spelled(setting, mechanism) == setting:
        return ""
    if setting == oauth.SERVER_HANDLER and mechanism in oauth.DEFAULTS:
        if name == oauth.DEFAULTS[mechanism]:
            return ""
        if not name.startswith("org.apache.kafka."):
            return name
    if mechanism == OAUTHBEARER and not name.startswith("org.apache.kafka."):
        return name
    if mechanism != OAUTHBEARER or name != oauth.HANDLERS[setting]:
        raise ConfigError(
            f"{own.spelled(setting, mechanism)}: not supported, and not safe to ignore; remove it"
        )
    return name


def _check_between_brokers(security: ListenerSecurity, own: ListenerValues) -> None:
    """Raises ConfigError if brokers could not log in to each other at this listener. They use the
    JAAS entry of their own listener for that."""
    if not security.has_sasl:
        return
    setting = own.spelled("sasl.mechanism.inter.broker.protocol")
    name = security.inter_broker_mechanism
    mechanism = security.mechanisms.get(name)
    if mechanism is None:
        raise ConfigError(
            f"{setting}: {name!a} must be included in sasl.enabled.mechanisms when SASL is used"
            " between brokers"
        )
    if mechanism.login is not None or mechanism.kerberos is not None or mechanism.client_handler:
        return
    try:
        client_login(name, mechanism.entry, secret=bytes, wall_ms=int)
    except ValueError as error:
        raise ConfigError(
            f"{own.prefix}{name.lower()}.{_JAAS}: {error}, as this broker does to others"
        ) from None


def _check_place(name: str, text: str, listeners: Mapping[str, ListenerSecurity]) -> None:
    """Raises ConfigError for a security setting that would have no effect where it is set."""
    setting = broker_setting(name)
    base = setting.name
    is_sasl = base.startswith("sasl.") or base == "connections.max.reauth.ms"
    if not (is_sasl or base.startswith("ssl.")) or (name not in SETTINGS and base == name):
        return
    if base != name:
        _check_prefix(name, base, listeners)
    elif base == _JAAS or (base in oauth.HANDLERS and text.strip()):
        raise ConfigError(
            f"{name}: nothing reads it without its listener and mechanism:"
            f" listener.name.LISTENER.MECHANISM.{base}"
        )
    if not setting.effect or setting.is_default(setting.parse(text)):
        return
    kinds = SASL_PROTOCOLS if is_sasl else TLS_PROTOCOLS
    prefix, _, _ = name.removeprefix(LISTENER).partition(".")
    meant = [
        security
        for listener, security in listeners.items()
        if base == name or listener.lower() == prefix
    ]
    if not any(security.protocol in kinds for security in meant):
        where = "no listener" if base == name else f"listener {prefix}"
        raise ConfigError(
            f"{visible(name)}: {where} is {' or '.join(kinds)}"
            if base == name
            else f"{visible(name)}: {where} is neither {' nor '.join(kinds)}"
        )


def _check_oauth(texts: Mapping[str, str], listeners: Mapping[str, ListenerSecurity]) -> None:
    """Raises ConfigError for settings of signed tokens if unsigned tokens are accepted."""
    mechanisms = [m for security in listeners.values() for m in security.mechanisms.values()]
    validating = any(each.validation is not None or each.handler for each in mechanisms)
    fetching = any(each.login is not None and not each.login_handler for each in mechanisms)
    for name, text in texts.items():
        setting = broker_setting(name)
        if not setting.name.startswith(oauth.PREFIX) or setting.is_default(setting.parse(text)):
            continue
        is_of_login = setting.name == oauth.TOKEN_URL
        if not (fetching if is_of_login else validating):
            handler = oauth.CLIENT_HANDLER if is_of_login else oauth.SERVER_HANDLER
            raise ConfigError(
                f"{visible(name)}: nothing reads it unless"
                f" listener.name.LISTENER.oauthbearer.{handler} is {oauth.HANDLERS[handler]}"
            )


def _check_prefix(name: str, base: str, listeners: Mapping[str, ListenerSecurity]) -> None:
    listener, _, rest = name.removeprefix(LISTENER).partition(".")
    if listener not in {each.lower() for each in listeners}:
        raise ConfigError(
            f"{visible(name)}: no listener {visible(listener)!a} (in lower case, as it stands in"
            " listeners)"
        )
    if rest == base and base != _JAAS:
        return
    mechanism = rest.removesuffix(base).rstrip(".")
    if base in _OF_MECHANISM and mechanism in {known.lower() for known in MODULES}:
        return
    if base.startswith(oauth.PREFIX) and mechanism == OAUTHBEARER.lower():
        return
    raise ConfigError(
        f"{visible(name)}: nothing reads it; JAAS entries stand under"
        f" listener.name.LISTENER.MECHANISM.{_JAAS}, both in lower case"
        if base == _JAAS
        else f"{visible(name)}: nothing reads it; remove it, or spell its mechanism in lower case"
    )
