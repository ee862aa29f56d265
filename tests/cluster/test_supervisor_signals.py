"""Signals that reach a child of the supervisor before it has become another process."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from tests.cluster_kit import free_ports

pytestmark = pytest.mark.processes

EARLY_SIGNAL = """
    import os, signal, sys, time
    from barnabas.cluster.plan import ClusterPlan
    from barnabas.cluster.supervisor import Supervisor

    os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGTERM))
    plan = ClusterPlan(directory=sys.argv[1], brokers=1, port=int(sys.argv[2]))
    supervisor = Supervisor(plan, lambda plan, name: 0)
    supervisor.start()
    while supervisor.living():
        supervisor.poll(1.0)
    supervisor.close()
    print({process.exit_code for process in supervisor.processes.values()})
"""


def test_a_signal_to_stop_is_not_lost_between_fork_and_the_childs_own_handlers(
    tmp_path: Path,
) -> None:
    port = str(free_ports(1))
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(EARLY_SIGNAL), str(tmp_path), port],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == (f"{{{-signal.SIGTERM}}}\n", "")
