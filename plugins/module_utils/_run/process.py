# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which process this is, and whether another one, as it described itself, has ended for certain."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

_PROC = Path("/proc")
_ENDED = ("Z", "X")
"""States in /proc/PID/stat of what has ended and nobody has asked after yet."""


@dataclass(frozen=True)
class Process:
    """A process, told apart from all others that ever were. What a system doesn't tell is empty (Linux tells all).

    :param boot: id of the boot of the kernel, which containers of a machine share.
    :param namespace: of process ids: two containers may have different processes of the same id.
    :param started: when it started, in clock ticks since the boot: ids are used again.
    """

    host: str
    boot: str
    namespace: str
    pid: int
    started: str

    def described(self) -> dict[str, str]:
        """Return it as a dictionary of strings, the form :func:`read` takes."""
        return {name: str(value) for name, value in asdict(self).items()}

    def has_ended(self) -> bool:
        """Tell whether it is certain that it has ended; from another machine or container it never is."""
        here = this_process()
        if not self.boot or (self.host, self.boot, self.namespace) != (here.host, here.boot, here.namespace):
            return False
        state, started = _state_of(self.pid)
        return not started or state in _ENDED or started != self.started


def this_process() -> Process:
    """Return the process that asks."""
    pid = os.getpid()
    return Process(platform.node(), _boot(), _namespace(), pid, _state_of(pid)[1])


def read(described: Mapping[str, str]) -> Process:
    """Return what :meth:`Process.described` was made of.

    Raises:
        ValueError: it wasn't.
    """
    try:
        texts = {name: described[name] for name in ("host", "boot", "namespace", "started")}
        return Process(**texts, pid=int(described["pid"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"no process: {error}") from error


def _boot() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _namespace() -> str:
    try:
        return str((_PROC / "self/ns/pid").readlink())
    except OSError:
        return ""


def _state_of(pid: int) -> tuple[str, str]:
    """Return a process's state and start (https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html)."""
    try:
        # The name, in brackets, may have brackets and spaces of its own.
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "", ""
    return fields[0], fields[19]
