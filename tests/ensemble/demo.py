"""``make demo`` on an ensemble of three on loopback, whose leading member is killed meanwhile:
after the first broker is back, and before the controller is killed."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests.ensemble.hosts import until
from tests.ensemble.stage import Row
from tests.zookeeper.real_zookeeper import four_letter_word, free_port, server_command

TITLE = "`make demo`, and the leading member is killed"
WHOLE_AGAIN = "ISR complete again"
MEMBERS = (1, 2, 3)
START_S = 60.0


class Ensemble:
    """Three ZooKeepers on loopback."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ports = {member: free_port() for member in MEMBERS}
        self.connect_string = ",".join(f"127.0.0.1:{port}" for port in self.ports.values())
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        servers = "".join(
            f"server.{member}=127.0.0.1:{free_port()}:{free_port()}\n" for member in MEMBERS
        )
        for member, port in self.ports.items():
            data = directory / f"z{member}"
            data.mkdir(parents=True)
            (data / "myid").write_text(str(member))
            (directory / f"z{member}.cfg").write_text(
                f"tickTime=500\ninitLimit=20\nsyncLimit=6\ndataDir={data}\nclientPort={port}\n"
                "clientPortAddress=127.0.0.1\nmaxClientCnxns=0\n4lw.commands.whitelist=*\n"
                f"admin.enableServer=false\n{servers}"
            )

    def start(self, member: int) -> None:
        with (self.directory / f"z{member}.log").open("ab") as log:
            command = server_command(self.directory / f"z{member}.cfg")
            self._processes[member] = subprocess.Popen(command, stdout=log, stderr=log)

    def kill(self, member: int) -> None:
        process = self._processes.pop(member)
        process.kill()
        process.wait()

    def mode(self, member: int) -> str:
        """leader, follower, or nothing."""
        for line in four_letter_word(self.ports[member], b"srvr").decode().splitlines():
            if line.startswith("Mode: "):
                return line.removeprefix("Mode: ")
        return ""

    def serves(self) -> bool:
        return all(self.mode(member) for member in MEMBERS)

    def end(self) -> None:
        for member in list(self._processes):
            self.kill(member)


def play_demo(directory: Path) -> Row:
    """The row says what the demo's verdict was."""
    ensemble = Ensemble(directory)
    try:
        for member in MEMBERS:
            ensemble.start(member)
        if until(ensemble.serves, START_S) is None:
            return Row(TITLE, "", "", problem="the ensemble does not start")
        command = [sys.executable, "-m", "barnabas.demo", "--zookeeper", ensemble.connect_string]
        with (directory / "demo.log").open("w") as log:
            verdict, code = _watch(command, ensemble, log.write)
        problem = "" if code == 0 else f"exit code {code}"
        if until(ensemble.serves, START_S) is None:
            problem += " a member does not come back"
        return Row(TITLE, "", verdict, problem=problem)
    finally:
        ensemble.end()


def _watch(command: list[str], ensemble: Ensemble, log: object) -> tuple[str, int]:
    """The last line of the demo, and its exit code. A member is away while the controller is killed
    and started again."""
    assert callable(log)
    last, times, killed = "", 0, 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            log(f"{time.monotonic():.3f} {line}")
            last = line.strip() or last
            times += WHOLE_AGAIN in line
            if times == 1 and not killed:
                killed = next(m for m in MEMBERS if ensemble.mode(m) == "leader")
                ensemble.kill(killed)
            elif times == 2 and killed:
                ensemble.start(killed)
                times = 3
    return last.removeprefix("demo: "), demo.returncode
