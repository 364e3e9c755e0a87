# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processor time of a part of the suite."""

from __future__ import annotations

import os
import subprocess
import sys
from threading import Event, Timer

import pytest

from tools import usage
from tools.usage import Usage

BUSY = "import time\nwhile time.process_time() < {seconds}: pass\n"
#: A child that is awaited, and a server that goes its own way, both busy.
FAMILY = f"""
import subprocess, sys, time
subprocess.run([sys.executable, "-c", {BUSY.format(seconds=0.2)!r}], check=True)
if {{server}}:
    own = {BUSY.format(seconds=0.6)!r} + "time.sleep(3)"
    middle = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', sys.argv[1]], start_new_session=True)"
    subprocess.run([sys.executable, "-c", middle, own], check=True)
    time.sleep(2.5)
"""


def begun(code: str, used: Usage) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, **used.environment()}, start_new_session=True
    )


@pytest.mark.parametrize(("server", "least"), [(False, 0.2), (True, 0.6)])
def test_children_and_servers_count(monkeypatch: pytest.MonkeyPatch, *, server: bool, least: float) -> None:
    monkeypatch.setattr(usage, "SECONDS_BETWEEN_LOOKS", 0.05)
    monkeypatch.setattr(usage, "LOOKS_BETWEEN_SEARCHES", 1)
    used = Usage()
    assert used.wait(begun(FAMILY.format(server=server), used), 60, Event()) == 0
    assert used.seconds >= least


def test_one_that_takes_too_long_or_is_to_stop_is_left_to_the_caller() -> None:
    used, stop = Usage(), Event()
    process = begun("import time; time.sleep(60)", used)
    with pytest.raises(subprocess.TimeoutExpired):
        used.wait(process, 0.1, stop)
    Timer(0.1, stop.set).start()
    with pytest.raises(KeyboardInterrupt):
        used.wait(process, 60, stop)
    process.kill()
    assert used.wait(process, 60, Event()) == -9
