"""SslFactory.validateReconfiguration, CertificateEntries: checks whether listeners may get new
stores.

A new key store must have the same owner: the same distinguished name, and all alternative names of
the old one. ``ssl.allow.dn.changes`` and ``ssl.allow.san.changes`` lift this. Brokers must also
still trust each other: for their listener, the new key is tried with the new trust store.
"""

from __future__ import annotations

import ssl
from typing import Final

from cryptography.x509 import (
    Certificate,
    ExtensionNotFound,
    SubjectAlternativeName,
    load_pem_x509_certificate,
)

from barnabas.config.broker_config import BrokerConfig, Snapshot
from barnabas.errors import BadTls, ConfigError
from barnabas.security.stores import BadStore, Read, StoreSettings, read_identity
from barnabas.security.tls import TlsSettings, client_context, server_context
from barnabas.security.x500 import distinguished_name

_STEPS: Final = 4


def check_stores(now: BrokerConfig, after: Snapshot, read: Read) -> None:
    """Raises ConfigError, which names the listener. Files are read again even if their settings are
    the same, since their present content will be used."""
    for listener, security in after.security.items():
        if security.tls is None or security.tls.factory:
            continue
        known = now.security.get(listener)
        before = None if known is None else known.tls
        if before == security.tls and known == security:
            continue
        try:
            _check(before, security.tls, after, listener == after.listeners.inter_broker, read)
        except (BadTls, BadStore) as error:
            raise ConfigError(f"listener.name.{listener.lower()}.{error}") from None


def _check(
    before: TlsSettings | None,
    after: TlsSettings,
    snapshot: Snapshot,
    is_between_brokers: bool,
    read: Read,
) -> None:
    context = server_context(after, read)
    if before is not None and before.keystore != after.keystore:
        _check_owner(before.keystore, after.keystore, snapshot, read)
    if is_between_brokers and after.truststore.is_given:
        _check_trust(context, client_context(after, read))


def _check_owner(
    before: StoreSettings, after: StoreSettings, snapshot: Snapshot, read: Read
) -> None:
    try:
        old = _certificate(before, read)
    except BadStore:
        return  # its file is gone: nothing to compare with
    new = _certificate(after, read)
    names = [distinguished_name(each.subject.public_bytes()) for each in (old, new)]
    if names[0] != names[1] and not snapshot.values["ssl.allow.dn.changes"]:
        raise BadTls(
            f"ssl.keystore: Keystore DistinguishedName does not match: existing={names[0]},"
            f" new={names[1]}"
        )
    missing = _alternative_names(old) - _alternative_names(new)
    if missing and not snapshot.values["ssl.allow.san.changes"]:
        raise BadTls(
            "ssl.keystore: Keystore SubjectAltNames do not match: the new one lacks"
            f" {', '.join(sorted(missing))}"
        )


def _certificate(store: StoreSettings, read: Read) -> Certificate:
    return load_pem_x509_certificate(read_identity(store, read).chain)


def _alternative_names(certificate: Certificate) -> set[str]:
    try:
        found = certificate.extensions.get_extension_for_class(SubjectAlternativeName)
    except ExtensionNotFound:
        return set()
    return {str(name.value) for name in found.value}


def _check_trust(server: ssl.SSLContext, client: ssl.SSLContext) -> None:
    """Try a handshake between brokers in memory, without a check of the host name."""
    client.check_hostname = False
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_server),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(_STEPS):
        for side in sides:
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError as error:
                raise BadTls(
                    "ssl.keystore: brokers would not believe each other"
                    f" ({error.reason or 'TLS fails'})"
                ) from None
