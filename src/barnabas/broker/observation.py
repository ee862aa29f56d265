"""What a broker shows of itself, as far as its settings ask for it.

This is the place where it is imported: a plain broker starts without.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from barnabas.config.broker_config import BrokerConfig
from barnabas.seams import Env

if TYPE_CHECKING:
    from barnabas.observe.timeline import Timeline


def observed(env: Env, config: BrokerConfig) -> tuple[Env, Timeline | None]:
    """The world with a timeline as its observer, if anybody may look at that."""
    events_file = config.text("barnabas.events.file")
    if not events_file:
        return env, None
    from barnabas.observe.timeline import Timeline

    timeline = Timeline(env.clock, f"broker:{config.broker_id}", env.observer)
    if events_file:
        from barnabas.observe.json_lines import JsonLines

        timeline.follow(JsonLines(env.files, events_file))
    return replace(env, observer=timeline), timeline
