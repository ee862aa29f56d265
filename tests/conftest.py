"""Rules for all tests."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

# A shell starts what runs in its background with SIGINT ignored, and so would be all that tests
# start and end with Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No test fails for being slow: the machine may be busy, and in a fresh clone the first text that
# Hypothesis draws takes some seconds, in which it makes its tables of Unicode.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
