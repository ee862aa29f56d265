"""Settings as they are defined."""

from __future__ import annotations

from barnabas.config.settings import SETTINGS, TOPIC_SETTINGS


def test_defaults_are_within_their_own_bounds() -> None:
    for setting in (*SETTINGS.values(), *TOPIC_SETTINGS.values()):
        if setting.default is not None:
            assert setting.wrong(setting.default) is None
            text = setting.text(setting.default)
            assert text is not None
            assert setting.parse(text) == setting.default, setting.name
