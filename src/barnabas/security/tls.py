"""DefaultSslEngineFactory: turns ``ssl.*`` settings into contexts of Python's ``ssl``."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from barnabas.errors import BadTls
from barnabas.security.key_files import load_identity
from barnabas.security.stores import (
    BadStore,
    Read,
    StoreSettings,
    read_identity,
    read_trusted,
)
from barnabas.security.tls13_suites import SUITES, choose_suites
from barnabas.security.x500 import distinguished_name

VERSIONS: Final[Mapping[str, ssl.TLSVersion]] = {
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}
"""Older versions are disabled, as in Java."""
_PROTOCOLS: Final[Mapping[str, ssl.TLSVersion]] = {
    **dict.fromkeys(("TLS", "SSL", "TLSV1.3"), ssl.TLSVersion.TLSv1_3),
    "TLSV1.2": ssl.TLSVersion.TLSv1_2,
}
"""Names of Java's contexts, in upper case -> the newest version of connections that are made with
them, unless suites are named. Accepted connections have what is enabled, with each of them."""
_CLIENT_AUTH: Final[Mapping[str, ssl.VerifyMode]] = {
    "none": ssl.CERT_NONE,
    "requested": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}
_DER: Final = 2
"""``_ssl.ENCODING_DER``."""
_KEY_EXCHANGES: Final = {"RSA": ""}
_BULK: Final = {"AES_128": "AES128", "AES_256": "AES256", "CHACHA20_POLY1305": "CHACHA20-POLY1305"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """``ssl.*`` of one listener, or of a client."""

    keystore: StoreSettings
    truststore: StoreSettings
    protocols: tuple[str, ...] = tuple(VERSIONS)
    cipher_suites: tuple[str, ...] = ()
    """Standard names; if empty, OpenSSL's defaults are used."""
    protocol: str = "TLSv1.3"
    """``ssl.protocol``: the name of Java's context."""
    client_auth: str = "none"
    factory: str = ""
    """A plug-in that makes the contexts, as package.module.ClassName. Then no store is read."""
    endpoint_identification: str = "https"
    """``https``, or empty if a server's host name is not checked."""


def check_tls(settings: TlsSettings) -> None:
    """Check the settings as far as possible without reading files. Raises BadTls."""
    if settings.protocol.upper() not in _PROTOCOLS:
        raise BadTls(
            f"ssl.protocol: {settings.protocol!a} is not supported, only TLS, TLSv1.3, TLSv1.2"
        )
    _versions(settings)
    _ciphers(settings)
    if settings.endpoint_identification.lower() not in ("", "https"):
        raise BadTls("ssl.endpoint.identification.algorithm: https or nothing is supported")


def check_server(settings: TlsSettings) -> None:
    """``check_tls`` for a server. Raises BadTls."""
    check_tls(settings)
    if settings.factory:
        return
    if not settings.keystore.is_given:
        raise BadTls("ssl.keystore.location: required for a listener with TLS, or ssl.keystore.key")
    if settings.client_auth != "none" and not settings.truststore.is_given:
        raise BadTls("ssl.truststore.location: required for ssl.client.auth")


def server_context(settings: TlsSettings, read: Read) -> ssl.SSLContext:
    """The context for accepted connections. Raises BadTls."""
    check_server(settings)
    context = _context(ssl.PROTOCOL_TLS_SERVER, settings, read)
    context.num_tickets = 1  # as Java's; each is a twentieth of a handshake
    context.verify_mode = _CLIENT_AUTH[settings.client_auth]
    if context.verify_mode is not ssl.CERT_NONE:
        _trust(context, settings, read)
    return context


def client_context(settings: TlsSettings, read: Read) -> ssl.SSLContext:
    """The context for outgoing connections. Without a trust store, certificates are trusted that
    the system trusts. Raises BadTls."""
    context = _context(ssl.PROTOCOL_TLS_CLIENT, settings, read)
    newest = _PROTOCOLS[settings.protocol.upper()]
    if not settings.cipher_suites and newest < context.maximum_version:
        if newest < context.minimum_version:
            raise BadTls(f"ssl.protocol: {settings.protocol} is not in ssl.enabled.protocols")
        context.maximum_version = newest
    context.check_hostname = bool(settings.endpoint_identification)
    if settings.truststore.is_given:
        _trust(context, settings, read)
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    return context


def peer_name(certificate: bytes) -> str:
    """The subject's name in a certificate, spelled as by Java. ``certificate``: DER. Raises
    ValueError."""
    from cryptography.x509 import load_der_x509_certificate

    return distinguished_name(load_der_x509_certificate(certificate).subject.public_bytes())


def verified_chain(connection: Any) -> list[bytes]:
    """The certificates in DER by which a handshake was verified, from the peer's own to the trusted
    one. ``connection``: an SSLObject. Python has a public function for it since 3.13."""
    found = getattr(connection, "get_verified_chain", None)
    if found is not None:
        return [bytes(each) for each in found() or ()]
    chain = connection._sslobj.get_verified_chain()
    return [each.public_bytes(_DER) for each in chain or ()]


def _context(protocol: int, settings: TlsSettings, read: Read) -> ssl.SSLContext:
    check_tls(settings)
    if settings.factory:
        raise BadTls("ssl.engine.factory.class: not supported here, and not safe to ignore")
    context = ssl.SSLContext(protocol)
    context.minimum_version, context.maximum_version = _versions(settings)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    ciphers = _ciphers(settings)
    if ciphers:
        context.set_ciphers(":".join(ciphers))
    of_1_3 = _suites_of_1_3(settings)
    if of_1_3:
        choose_suites(context, of_1_3)
    if settings.keystore.is_given:
        try:
            load_identity(context, read_identity(settings.keystore, read))
        except BadStore as error:
            raise BadTls(str(error)) from None
        except ssl.SSLError as error:
            raise BadTls(
                f"ssl.keystore: its key and its certificates do not match ({error.reason})"
            ) from None
    return context


def _trust(context: ssl.SSLContext, settings: TlsSettings, read: Read) -> None:
    try:
        context.load_verify_locations(cadata=read_trusted(settings.truststore, read))
    except BadStore as error:
        raise BadTls(str(error)) from None
    except (ssl.SSLError, ValueError) as error:
        raise BadTls(f"ssl.truststore: certificates that cannot be read ({error})") from None


def _versions(settings: TlsSettings) -> tuple[ssl.TLSVersion, ssl.TLSVersion]:
    unknown = [p for p in settings.protocols if p not in VERSIONS]
    if unknown or not settings.protocols:
        raise BadTls(
            f"ssl.enabled.protocols: {', '.join(unknown) or 'nothing'} is not supported, only"
            f" {', '.join(VERSIONS)}"
        )
    named = [VERSIONS[p] for p in settings.protocols]
    if settings.cipher_suites:
        of_1_3 = _suites_of_1_3(settings)
        without = set()
        if not of_1_3:
            without.add(ssl.TLSVersion.TLSv1_3)
        if len(of_1_3) == len(settings.cipher_suites):
            without.add(ssl.TLSVersion.TLSv1_2)
        named = [v for v in named if v not in without]
        if not named:
            raise BadTls(
                f"ssl.cipher.suites: none is for {', '.join(settings.protocols)}, the only version"
                " that is enabled"
            )
    return min(named), max(named)


def _suites_of_1_3(settings: TlsSettings) -> list[str]:
    return [s for s in dict.fromkeys(settings.cipher_suites) if s in SUITES]


def _ciphers(settings: TlsSettings) -> list[str]:
    """OpenSSL's names of the configured suites of TLS 1.2."""
    known = {c["name"] for c in _all_ciphers()}
    found = []
    for suite in settings.cipher_suites:
        if suite in SUITES:
            continue
        name = _openssl_name(suite)
        if name not in known:
            raise BadTls(f"ssl.cipher.suites: {suite!a} is not supported")
        found.append(name)
    return found


def _all_ciphers() -> list[ssl._Cipher]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL")
    return context.get_ciphers()


def _openssl_name(suite: str) -> str:
    """OpenSSL's name of a suite: for ``TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384`` it is
    ``ECDHE-RSA-AES256-GCM-SHA384``."""
    exchange, _, bulk = suite.removeprefix("TLS_").partition("_WITH_")
    for name, other in _BULK.items():
        bulk = bulk.replace(name, other)
    if bulk.startswith("CHACHA20"):
        bulk = bulk.removesuffix("_SHA256")
    parts = (_KEY_EXCHANGES.get(exchange, exchange), bulk.replace("_CBC", ""))
    return "-".join(part.replace("_", "-") for part in parts if part)
