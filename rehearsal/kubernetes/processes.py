# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Child processes that are surely ended: by us, or by whoever comes after us.

Each has a session of its own, a log and a file with its process id. A number may belong to another process by the time
it is read, so nothing is ended that doesn't belong to the directory that the id was found in.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

#: Where clusters' files are, below the state directory.
DIRECTORY = "kubernetes"

#: Below the ports that Linux gives to outgoing connections (32768 and up), so that none of those takes one of ours.
_PORTS = range(20000, 32000)


def free_ports(count: int) -> list[int]:
    """TCP ports of 127.0.0.1 that nobody listens on, all different."""
    found: list[int] = []
    while len(found) < count:
        port = random.choice(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found


class Process:
    """A program that runs in the background until it is ended."""

    def __init__(
        self, name: str, command: list[str], directory: Path, environment: dict[str, str], within: Path | None = None
    ) -> None:
        """Start it. Log and id are in ``directory``, where it also works unless it is told ``within``."""
        self.name = name
        self.log = directory / f"{name}.log"
        self._pid_file = directory / f"{name}.pid"
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                command,
                cwd=within or directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self._pid_file.write_text(f"{self._process.pid}\n")

    @property
    def pid(self) -> int:
        """The process' id."""
        return self._process.pid

    def running(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def code(self) -> int | None:
        """What it ended with: the exit code, or 128 and the signal's number; None while it runs."""
        code = self._process.poll()
        return code if code is None or code >= 0 else 128 - code

    def tail(self, lines: int = 5) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def stop(processes: Sequence[Process], grace: float = 5.0) -> None:
    """End processes, all at once: politely, and by force those that still run after ``grace`` seconds."""
    ending = [process for process in processes if process.running()]
    for process in ending:
        _signal(process.pid, signal.SIGTERM)
    ended = time.monotonic() + grace
    for process in ending:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process._process.wait(timeout=max(0.05, ended - time.monotonic()))
        if process.running():
            _signal(process.pid, signal.SIGKILL)
            process._process.wait()
    for process in processes:
        process._pid_file.unlink(missing_ok=True)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)


def belongs(pid: int, directory: Path) -> bool:
    """Whether a process is one of a directory's: its command line names it, or it works there.

    Programs may change the one, but not both.
    """
    with contextlib.suppress(OSError):
        if str(directory) in Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace"):
            return True
        return Path(f"/proc/{pid}/cwd").readlink().is_relative_to(directory)
    return False


def end_all(directory: Path) -> list[int]:
    """End every process whose id lies in a file below a directory, also of an emulator that was killed; their ids."""
    found = []
    for file in directory.rglob("*.pid"):
        with contextlib.suppress(OSError, ValueError):
            pid = int(file.read_text())
            if belongs(pid, directory):
                _signal(pid, signal.SIGKILL)
                found.append(pid)
        file.unlink(missing_ok=True)
    ended = time.monotonic() + 10
    while any(_alive(pid) for pid in found) and time.monotonic() < ended:
        time.sleep(0.02)
    return found


def sockets_dir(state_dir: Path) -> Path:
    """Where Unix sockets lie: a short path, for one has at most 107 bytes."""
    digest = hashlib.sha256(str(state_dir.resolve()).encode()).hexdigest()[:10]
    return Path(tempfile.gettempdir()) / f"rehearsal-clusters-{os.getuid()}-{digest}"


def remove_all(state_dir: Path) -> None:
    """End every cluster of a state directory, also of an emulator that was killed, and remove their files."""
    for folder in (state_dir / DIRECTORY, sockets_dir(state_dir)):
        if folder.exists():
            end_all(folder)
            shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
