"""What a listener asks of those who come (made in ``listener_plans.py``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from barnabas.broker.tls_connection import TlsPlan
    from barnabas.security.authenticator import Mechanism


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerPlan:
    """Without mechanisms nobody need log in."""

    name: str
    protocol: str = "PLAINTEXT"
    mechanisms: Mapping[str, Mechanism] = field(default_factory=dict)
    receive_bytes_max: int = 0
    """Of a request before the login."""
    failure_delay_s: float = 0.0
    tls: TlsPlan | None = None
