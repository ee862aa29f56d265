"""Settings of the controller."""

from __future__ import annotations

import pytest
from tests.defaults import controller_settings


def test_settings_are_checked() -> None:
    with pytest.raises(AssertionError):
        controller_settings(operations_per_multi=0)
