# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
name: progress
type: aggregate
short_description: Show what is awaited, its status and for how long
version_added: 0.1.0
description:
  - While a module waits for a resource, maybe for a quarter of an hour, a line every ten seconds says for which, its
    status in AWS's own word, and the time so far; another one says when it is there.
  - They are plain lines, on a terminal, in a file, under AWX.
  - Where standard output is for a program (the callbacks C(ansible.posix.json) and C(ansible.posix.jsonl)), they go to
    standard error.
author:
  - Innovate platform maintainers (@innovate-inc)
requirements:
  - set as C(callbacks_enabled) in C(ansible.cfg), as this repository does
options:
  interval:
    description: Seconds between two rounds of lines. Nothing is said of what takes less than half of it.
    type: float
    default: 10
    env:
      - name: INNOVATE_PLATFORM_PROGRESS_INTERVAL
    ini:
      - section: callback_progress
        key: interval
"""

import sys
import threading
import time
from pathlib import Path
from typing import Any

from ansible import constants as C  # noqa: N812  # as Ansible itself names it
from ansible.plugins.callback import CallbackBase

from ansible_collections.innovate.platform.plugins.module_utils._run.progress import FOLDER
from ansible_collections.innovate.platform.plugins.plugin_utils import run_directory
from ansible_collections.innovate.platform.plugins.plugin_utils.output import is_for_a_program
from ansible_collections.innovate.platform.plugins.plugin_utils.progress_text import Board

_LOOKS = 20
"""How often the files are read in an interval."""


class CallbackModule(CallbackBase):
    """Reads what modules write, in a thread of its own, since Ansible calls back only when a task ends.

    Ansible forks a process for each task, and a lock that this thread holds at that moment would stay locked there. It
    forks while it holds the display's lock (``WorkerProcess.start``), for the sake of threads of its own. So all that
    this thread does, reading and printing, it does under the same lock: at a fork it is in the pause between two looks,
    where it holds nothing that a worker uses.
    """

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "innovate.platform.progress"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Make the run's directory before any module starts, and begin to look."""
        if self._thread is not None and self._thread.is_alive():
            return  # the second of several playbooks
        self._ending.clear()
        interval = max(0.1, float(self.get_option("interval")))
        folder = run_directory.ensure() / FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        self._thread = threading.Thread(target=self._watch, args=(folder, interval), name="progress", daemon=True)
        self._thread.start()

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """End: nothing is waited for any more."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _watch(self, folder: Path, interval: float) -> None:
        pause = interval / _LOOKS
        # A round that is due is seen at the look after it, so it is due one look early.
        board = Board(interval - pause)
        while not self._ending.wait(pause):
            with self._display._lock:
                lines = board.look(folder, time.time())
                try:
                    self._print(lines)
                except OSError:
                    return  # nobody reads it any more

    def _print(self, lines: list[str]) -> None:
        for_a_program = is_for_a_program()
        for line in lines:
            self._display.display(line, color=C.COLOR_SKIP, stderr=for_a_program)
        if lines and not for_a_program:
            sys.stdout.flush()  # Ansible leaves that to the end; in a pipe or a file the lines would come too late
