"""The security of one listener, ready for use (``listener_plans.py`` makes it)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from barnabas.broker.tls_connection import TlsPlan
    from barnabas.security.authenticator import Mechanism


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerPlan:
    """How a listener authenticates clients. Without mechanisms no login is needed."""

    name: str
    protocol: str = "PLAINTEXT"
    mechanisms: Mapping[str, Mechanism] = field(default_factory=dict)
    receive_bytes_max: int = 0
    """The largest request before the login."""
    failure_delay_s: float = 0.0
    tls: TlsPlan | None = None
