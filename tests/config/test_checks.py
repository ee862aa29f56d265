"""Checks of values that stand in no golden file."""

from __future__ import annotations

import pytest

from barnabas.config.settings import TOPIC_SETTINGS
from barnabas.errors import ConfigError

FORMAT = TOPIC_SETTINGS["message.format.version"]


@pytest.mark.parametrize(
    "text", ["0.8.2", "0.8.2.1", "0.10.0-IV1", "2.8", "2.8.7", "3.9", "3.9.1", "3.9.x", "4.0-IV1"]
)
def test_a_version(text: str) -> None:
    assert FORMAT.parse(text) == text


@pytest.mark.parametrize(
    "text", ["", "3", "3.9.", ".3.9", "3..9", "03.9", "3.9-iv0", "3.9-IV1", "4.0", "4.0.0", "4.1"]
)
def test_no_version(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a valid version"):
        FORMAT.parse(text)
