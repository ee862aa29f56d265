"""Kerberos settings from a JAAS entry of ``Krb5LoginModule`` and from ``sasl.kerberos.*``. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from barnabas.security.jaas import JaasEntry
    from barnabas.security.kerberos_rules import ShortNamer

MODULE: Final = "com.sun.security.auth.module.Krb5LoginModule"
MISSING: Final = (
    "GSSAPI needs the package gssapi: pip install 'barnabas[gssapi]' (it is built with Debian's"
    " libkrb5-dev)"
)
"""The error of a start that needs the missing package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KerberosSettings:
    """The Kerberos settings of one listener or of a client."""

    service: str
    """The first part of the brokers' principals: ``kafka`` in ``kafka/host@REALM``."""
    principal: str
    """The own principal; empty: that of the ticket cache."""
    keytab: str
    """The file with keys; empty for a client that uses the ticket cache."""
    namer: ShortNamer

    @classmethod
    def of(cls, entry: JaasEntry, service: str, rules: tuple[str, ...]) -> KerberosSettings:
        """``service``: ``sasl.kerberos.service.name``, or empty. Raises ValueError, in Kafka's
        words where Kafka has this error."""
        from barnabas.security.kerberos_rules import ShortNamer

        own = entry.options.get("serviceName", "")
        if own and service and own != service:
            raise ValueError(
                "Conflicting serviceName values found in JAAS and Kafka configs value in JAAS file"
                f" {own}, value in Kafka config {service}"
            )
        if not (own or service):
            raise ValueError("No serviceName defined in either JAAS or Kafka config")
        keytab = entry.options.get("keyTab", "")
        by_cache = entry.options.get("useTicketCache", "").lower() == "true"
        if not keytab and not by_cache:
            raise ValueError("keyTab is needed to log in, or useTicketCache=true")
        principal = entry.options.get("principal", "")
        if keytab and not principal:
            raise ValueError("principal is needed to log in with a keyTab")
        return cls(
            service=own or service,
            principal=principal,
            keytab=keytab.removeprefix("file:").removeprefix("FILE:"),
            namer=ShortNamer(rules),
        )

    def check_server(self) -> None:
        """Raises ValueError for settings with which nobody could log in."""
        if not self.keytab:
            raise ValueError("keyTab is needed to let others log in")
        if self.principal.partition("@")[0].partition("/")[0] != self.service:
            raise ValueError(f"the principal of the keyTab is not of the service {self.service}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ZooKeeperPrincipal:
    """Which principal a ZooKeeper server has: ``zookeeper/host@REALM``."""

    service: str
    host: str = ""
    """The host in the principal of every server; empty: that of the server in question."""
    canonicalize: bool = True
    """Whether the host is the one that its address belongs to, and not as the settings name it."""

    @classmethod
    def of(cls, principal: str, service: str, *, canonicalize: bool) -> ZooKeeperPrincipal:
        """``principal``: ``zookeeper.server.principal``; empty: each server has that of its host,
        and of ``service``. Its realm does not matter, as in ZooKeeper. Raises ValueError."""
        from barnabas.security.kerberos_rules import KerberosName

        if not principal:
            return cls(service=service, canonicalize=canonicalize)
        name = KerberosName.parse(principal if "@" in principal else f"{principal}@")
        if not name.service or not name.host:
            raise ValueError("a service and a host are needed: zookeeper/host@REALM")
        return cls(service=name.service, host=name.host, canonicalize=False)
