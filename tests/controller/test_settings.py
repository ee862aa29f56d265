"""Settings of the controller."""

from __future__ import annotations

import pytest

from barnabas.controller.settings import ControllerSettings


def test_settings_are_checked() -> None:
    with pytest.raises(AssertionError):
        ControllerSettings(operations_per_multi=0)
