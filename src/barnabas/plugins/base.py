"""Configurable, Closeable: what all plug-ins have in common."""

from __future__ import annotations

from collections.abc import Mapping


class Plugin:
    """A class that a broker makes without arguments, configures, asks, and closes."""

    def configure(self, settings: Mapping[str, str]) -> None:
        """Called once, before anything else. ``settings``: all settings that the broker was given,
        by name and as written, with passwords and names that the broker does not know; defaults are
        not among them. If it raises, the broker does not start."""
        return

    def close(self) -> None:
        """Called once when the broker stops; not when it is killed. An exception is logged."""
        return
