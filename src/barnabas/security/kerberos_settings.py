"""What a JAAS entry of ``Krb5LoginModule`` and ``sasl.kerberos.*`` say. Pure."""

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
"""What a start says that asks for it in vain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KerberosSettings:
    """Of one listener, or of a client."""

    service: str
    """First part of the names of brokers: ``kafka`` of ``kafka/host@REALM``."""
    principal: str
    """Who one is; empty for whomever the ticket cache holds."""
    keytab: str
    """File with keys; empty for a client that has a ticket already."""
    namer: ShortNamer

    @classmethod
    def of(cls, entry: JaasEntry, service: str, rules: tuple[str, ...]) -> KerberosSettings:
        """``service``: as of ``sasl.kerberos.service.name``, or empty. ValueError, in Kafka's words
        where it has some."""
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
        """ValueError for what lets nobody log in."""
        if not self.keytab:
            raise ValueError("keyTab is needed to let others log in")
        if self.principal.partition("@")[0].partition("/")[0] != self.service:
            raise ValueError(f"the principal of the keyTab is not of the service {self.service}")
