"""Forks the children of a parent process that handles signals: of a supervisor, or of a host."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Final

from barnabas.errors import ConfigError
from barnabas.logs import LineFormatter, visible

HANDLED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP)
"""Signals for which the parent has handlers."""


def fork_child(name: str, close: Callable[[], None], run: Callable[[], int]) -> int:
    """Fork a child, and return its process id. In the child ``close`` closes what is the parent's
    alone, and what ``run`` returns is the exit code; an error is printed after ``name``."""
    # Until the child has reset its handlers, the parent's would swallow a signal to stop.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in HANDLED:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            os.setpgid(0, 0)  # Ctrl-C reaches the parent alone: it stops the rest in order
            close()
            code = run()
        except ConfigError as error:
            print(f"barnabas: {name}: {visible(error)}", file=sys.stderr)
        except BaseException:
            print(LineFormatter().formatException(sys.exc_info()), file=sys.stderr)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return pid
