# Copyright: Innovate platform maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a command costs in processor time, with all that it started: to tell who computes from who waits."""

from __future__ import annotations

import itertools
import os
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event

SECONDS_BETWEEN_LOOKS = 0.2
# Looking through all processes costs some milliseconds.
LOOKS_BETWEEN_SEARCHES = 10
MARK = "INNOVATE_USAGE"
_numbers = itertools.count(1)


class Usage:
    """The processor time of a command: its process and those it awaited, and the servers that it left to themselves.

    A server that went its own way is known by a variable in its environment, which Linux shows in /proc; elsewhere its
    share is missing.
    """

    def __init__(self) -> None:
        self.mark = f"{os.getpid()}-{next(_numbers)}"
        self._own = 0.0
        self._servers: dict[str, float] = {}

    def environment(self) -> Mapping[str, str]:
        """Return the variable that the command's environment needs."""
        return {MARK: self.mark}

    @property
    def seconds(self) -> float:
        """Seconds of processor time, known once the command was awaited."""
        return self._own + sum(self._servers.values())

    def wait(self, process: subprocess.Popen[bytes], timeout: float, stop: Event) -> int:
        """Return the exit status of the command.

        Raises TimeoutExpired as `Popen.wait` does, and KeyboardInterrupt when it is told to stop.
        """
        ends = time.monotonic() + timeout
        for look in itertools.count():
            pid, status, used = os.wait4(process.pid, os.WNOHANG)
            if pid:
                process.returncode = os.waitstatus_to_exitcode(status)
                self._own = used.ru_utime + used.ru_stime
                return process.returncode
            if time.monotonic() > ends:
                break
            if look % LOOKS_BETWEEN_SEARCHES == 0:
                self._search()
            if stop.wait(SECONDS_BETWEEN_LOOKS):
                raise KeyboardInterrupt
        raise subprocess.TimeoutExpired(process.args, timeout)

    def _search(self) -> None:
        wanted = f"{MARK}={self.mark}".encode()
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                words = (folder / "stat").read_text().rpartition(")")[2].split()
                # Its parent is gone: nobody adds up what it uses. In its own sum are those it awaited.
                if words[1] == "1" and wanted in (folder / "environ").read_bytes().split(b"\0"):
                    ticks = sum(int(word) for word in words[11:15])
                    self._servers[f"{folder.name} {words[19]}"] = ticks / os.sysconf("SC_CLK_TCK")
