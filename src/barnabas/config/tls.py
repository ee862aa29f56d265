"""``ssl.*`` of a listener or of a client, as TLS wants to be told. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

from barnabas.config.checks import Value
from barnabas.security.stores import StoreSettings
from barnabas.security.tls import TlsSettings

_KAFKAS: Final = "org.apache.kafka.common.security.ssl.DefaultSslEngineFactory"


def _plug_in(name: str) -> str:
    """A class that is not Kafka's own; "" for that."""
    return "" if name == _KAFKAS else name


def tls_settings(value: Callable[[str], Value], client_auth: str = "none") -> TlsSettings:
    """``value`` gives those of ``ssl.*``."""

    def text(name: str) -> str:
        found = value(name)
        return "" if found is None else str(found)

    return TlsSettings(
        keystore=StoreSettings(
            name="ssl.keystore",
            type=text("ssl.keystore.type").upper(),
            location=text("ssl.keystore.location"),
            password=text("ssl.keystore.password"),
            key_password=text("ssl.key.password"),
            key=text("ssl.keystore.key"),
            certificates=text("ssl.keystore.certificate.chain"),
        ),
        truststore=StoreSettings(
            name="ssl.truststore",
            type=text("ssl.truststore.type").upper(),
            location=text("ssl.truststore.location"),
            password=text("ssl.truststore.password"),
            certificates=text("ssl.truststore.certificates"),
        ),
        protocols=cast("tuple[str, ...]", value("ssl.enabled.protocols")),
        cipher_suites=cast("tuple[str, ...]", value("ssl.cipher.suites") or ()),
        protocol=text("ssl.protocol"),
        factory=_plug_in(text("ssl.engine.factory.class")),
        client_auth=client_auth,
        endpoint_identification=text("ssl.endpoint.identification.algorithm"),
    )
