"""``zookeeper.ssl.*``, the login to ZooKeeper, ``zookeeper.set.acl``: as the original reads them.

Pure: a JAAS file has been read by whoever asks. Who sets none of these never imports this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, cast

from barnabas.config.checks import Value
from barnabas.errors import ConfigError
from barnabas.logs import visible
from barnabas.security import kerberos_settings
from barnabas.security.jaas import JaasEntry, parse_jaas, parse_jaas_file
from barnabas.security.kerberos_settings import KerberosSettings, ZooKeeperPrincipal
from barnabas.security.sasl import digest_md5
from barnabas.security.stores import JKS, PEM, PKCS12, StoreSettings
from barnabas.security.tls import TlsSettings

JAAS_FILE: Final = "java.security.auth.login.config"
LOGIN: Final = "barnabas.zookeeper.sasl.jaas.config"
SASL_CLIENT: Final = "zookeeper.sasl.client"
CLIENT_CONFIG: Final = "zookeeper.sasl.clientconfig"
SERVICE: Final = "zookeeper.sasl.client.username"
CANONICALIZE: Final = "zookeeper.sasl.client.canonicalize.hostname"
SERVER_PRINCIPAL: Final = "zookeeper.server.principal"
DEFAULT_SERVICE: Final = "zookeeper"
_KEYSTORE: Final = (
    "zookeeper.ssl.keystore.location",
    "zookeeper.ssl.keystore.password",
    "zookeeper.ssl.keystore.type",
)
_TRUSTSTORE: Final = (
    "zookeeper.ssl.truststore.location",
    "zookeeper.ssl.truststore.password",
    "zookeeper.ssl.truststore.type",
)
_EXTENSIONS: Final = {".jks": JKS, ".p12": PKCS12, ".pfx": PKCS12, ".pem": PEM}

Read = Callable[[str], bytes]
Of = Callable[[str], Value]
"""The value of a setting."""


def zookeeper_tls(value: Of) -> TlsSettings | None:
    """None without TLS. ConfigError."""
    if not value("zookeeper.ssl.client.enable"):
        return None
    protocols = cast("tuple[str, ...]", value("zookeeper.ssl.enabled.protocols") or ())
    return TlsSettings(
        keystore=store_settings("zookeeper.ssl.keystore", map(value, _KEYSTORE)),
        truststore=store_settings("zookeeper.ssl.truststore", map(value, _TRUSTSTORE)),
        protocols=protocols or (str(value("zookeeper.ssl.protocol")),),
        cipher_suites=cast("tuple[str, ...]", value("zookeeper.ssl.cipher.suites") or ()),
        endpoint_identification=str(value("zookeeper.ssl.endpoint.identification.algorithm") or ""),
    )


def store_settings(name: str, values: Iterable[Value]) -> StoreSettings:
    """As ZooKeeper means location, password and type: without a type the file's name tells it, and
    a key has the password of its store. ``name``: for errors. ConfigError."""
    location, password, kind = (str(value or "") for value in values)
    kind = kind.upper() or _kind(name, location)
    is_pem = kind == PEM
    return StoreSettings(
        name=name,
        type=kind,
        location=location,
        password="" if is_pem else password,
        key_password=password,
    )


def _kind(name: str, location: str) -> str:
    if not location:
        return JKS
    for extension, kind in _EXTENSIONS.items():
        if location.endswith(extension):
            return kind
    raise ConfigError(
        f"{name}.type: required, as {location!a} does not end in {', '.join(_EXTENSIONS)}"
    )


def zookeeper_login(value: Of, read: Read) -> JaasEntry | None:
    """The entry with which to log in, or None. ConfigError, which repeats no secret."""
    entry = _own_entry(value) or _entry_of_file(value, read)
    if entry is None:
        return None
    if not value(SASL_CLIENT):
        raise ConfigError(
            f"{SASL_CLIENT}: false, though there is a JAAS configuration for ZooKeeper"
        )
    if entry.module == kerberos_settings.MODULE:
        return entry
    if entry.module != digest_md5.MODULE:
        raise ConfigError(
            f"{CLIENT_CONFIG}: a login to ZooKeeper is made with {digest_md5.MODULE} or"
            f" {kerberos_settings.MODULE}, not with {visible(entry.module)}"
        )
    for option in ("username", "password"):
        if not entry.options.get(option):
            raise ConfigError(f"{CLIENT_CONFIG}: {option} is needed to log in to ZooKeeper")
    return entry


def zookeeper_kerberos(
    value: Of, entry: JaasEntry
) -> tuple[KerberosSettings, ZooKeeperPrincipal] | None:
    """Who logs in with Kerberos, and to whom; None for another login. ConfigError."""
    if entry.module != kerberos_settings.MODULE:
        return None
    # serviceName is Kafka's own option, which ZooKeeper does not know.
    options = {name: text for name, text in entry.options.items() if name != "serviceName"}
    own = JaasEntry(module=entry.module, options=options)
    try:
        settings = KerberosSettings.of(own, str(value(SERVICE) or DEFAULT_SERVICE), ("DEFAULT",))
    except ValueError as error:
        raise ConfigError(f"{CLIENT_CONFIG}: {error}") from None
    try:
        principal = ZooKeeperPrincipal.of(
            str(value(SERVER_PRINCIPAL) or ""),
            settings.service,
            canonicalize=bool(value(CANONICALIZE)),
        )
    except ValueError as error:
        raise ConfigError(f"{SERVER_PRINCIPAL}: {visible(str(error))}") from None
    return settings, principal


def _own_entry(value: Of) -> JaasEntry | None:
    text = value(LOGIN)
    if not text:
        return None
    try:
        return parse_jaas(str(text))
    except ValueError as error:
        raise ConfigError(f"{LOGIN}: {error}") from None


def _entry_of_file(value: Of, read: Read) -> JaasEntry | None:
    path, section = value(JAAS_FILE), str(value(CLIENT_CONFIG))
    if not path:
        return None
    entries = read_jaas_file(str(path), read).get(section)
    if entries is None:
        return None
    if len(entries) > 1:
        raise ConfigError(f"{JAAS_FILE}: the section {section!a} has more than one entry")
    return entries[0]


def read_jaas_file(path: str, read: Read) -> dict[str, tuple[JaasEntry, ...]]:
    """Its sections. ConfigError."""
    try:
        return parse_jaas_file(read(path).decode())
    except OSError as error:
        raise ConfigError(f"{JAAS_FILE}: {path!a}: {error.strerror or error}") from None
    except ValueError as error:
        raise ConfigError(f"{JAAS_FILE}: {path!a}: {error}") from None


def check_set_acl(value: Of, login: JaasEntry | None) -> None:
    """ConfigError, in the original's words, for ACLs by somebody whom ZooKeeper does not know."""
    shows_certificate = (
        value("zookeeper.ssl.client.enable")
        and value("zookeeper.clientCnxnSocket")
        and value("zookeeper.ssl.keystore.location")
    )
    if not value("zookeeper.set.acl") or login is not None or shows_certificate:
        return
    client = "true" if value(SASL_CLIENT) else "false"
    raise ConfigError(
        "zookeeper.set.acl is true, but ZooKeeper client TLS configuration identifying at least"
        " zookeeper.ssl.client.enable, zookeeper.clientCnxnSocket, and"
        " zookeeper.ssl.keystore.location was not present and the verification of the JAAS login"
        f" file failed [{JAAS_FILE}={visible(str(value(JAAS_FILE) or 'null'))},"
        f" {SASL_CLIENT}={client}, {CLIENT_CONFIG}={visible(str(value(CLIENT_CONFIG)))}]"
    )
