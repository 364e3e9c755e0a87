# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells the callback ``innovate.platform.progress`` what a module is waiting for.

A module can't print: its output is its result. It runs on the controller, so it appends lines of JSON to a file in the
run's directory, which the callback reads. Where there is no such directory nothing is written.
"""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

RUN_DIRECTORY = "INNOVATE_PLATFORM_RUN"
FOLDER = "progress"


class Recorder:
    """Writes one module's lines: ``at`` (seconds since the epoch), what is where, and how it stands.

    ``state`` is what the engine's Progress says; ``ended``, without an address, is the last line.
    """

    def __init__(self, account: str, stack: str) -> None:
        self._fixed = {"account": account, "stack": stack}
        self._lock = threading.Lock()
        self._last: dict[str, tuple[str, str]] = {}
        self._descriptor: int | None = None
        self._is_open = False

    def step(self, address: str, state: str, seconds: float, status: str) -> None:
        """Note how something stands, if it stands otherwise than before: the engine's Progress."""
        if self._last.get(address) != (state, status):
            self._last[address] = (state, status)
            self._write(address=address, state=state, status=status)

    def close(self) -> None:
        """Note that nothing more comes."""
        if self._is_open:
            self._write(state="ended")
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
            self._descriptor = None

    def _write(self, **values: str) -> None:
        line = json.dumps({"at": round(time.time(), 3), **self._fixed, **values})
        with self._lock:
            if not self._is_open:
                self._descriptor, self._is_open = _opened(), True
            if self._descriptor is not None:
                # A full disk, or a run that has ended, is no reason for a change to end half-way.
                with suppress(OSError):
                    os.write(self._descriptor, f"{line}\n".encode())


def _opened() -> int | None:
    directory = os.environ.get(RUN_DIRECTORY)
    if not directory or not Path(directory).is_dir():
        return None
    folder = Path(directory) / FOLDER
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        return os.open(folder / f"{os.getpid()}.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    except OSError:
        return None
