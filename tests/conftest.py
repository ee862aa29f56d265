"""Rules for all tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# No test fails for being slow: the machine may be busy, and in a fresh clone the first text that
# Hypothesis draws takes some seconds, in which it makes its tables of Unicode.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
