# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that waits, as a person sees it through a pipe and in a log file."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from rehearsal.rehearse import ROOT, environment
from rehearsal.state import REGION, EmulatorState

NETWORK = [
    {"kind": "vpc", "name": "main", "properties": {"cidr_block": "10.0.0.0/16"}},
    {
        "kind": "subnet",
        "name": "a",
        "properties": {"vpc_id": "${vpc.main}", "cidr_block": "10.0.0.0/24", "availability_zone": f"{REGION}a"},
    },
    {"kind": "nat_gateway", "name": "a", "properties": {"subnet_id": "${subnet.a}", "connectivity_type": "private"}},
]


Start = Callable[[float], "subprocess.Popen[str]"]


@pytest.fixture
def start(
    emulator: EmulatorState, playbook_of: Callable[[list[dict[str, Any]]], Path], tmp_path: Path
) -> Iterator[Start]:
    """Begin a run in an AWS of a pace."""
    started: list[subprocess.Popen[str]] = []

    def begin(pace: float) -> subprocess.Popen[str]:
        urllib.request.urlopen(f"{emulator.endpoint}/rehearsal/pace?seconds={pace}").close()
        stack = {"name": f"progress-{pace:.0f}", "resources": NETWORK}
        process = subprocess.Popen(
            ["ansible-playbook", "-i", "localhost,", str(playbook_of([{"innovate.platform.resources": stack}]))],
            cwd=ROOT,
            env={
                **environment(emulator),
                "INNOVATE_PLATFORM_PROGRESS_INTERVAL": "0.6",
                "ANSIBLE_LOG_PATH": str(tmp_path / "ansible.log"),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_long_waits_are_told_and_their_end(start: Start, emulator: EmulatorState, tmp_path: Path) -> None:
    process = start(2)
    assert process.stdout is not None
    seen = [line.rstrip("\n") for line in process.stdout]
    assert process.wait() == 0, seen
    awaited = re.compile(rf"  \.\. {emulator.management_account_id}  nat_gateway\.a  pending  (\d+) s")
    at = [index for index, line in enumerate(seen) if awaited.fullmatch(line)]
    # The gateway takes three seconds.
    assert len(at) >= 2, seen
    assert max(at) < next(index for index, line in enumerate(seen) if line.startswith("changed:"))
    ready = re.compile(r"  -- \d+  nat_gateway\.a  ready after \d+ s")
    assert [line for line in seen if ready.fullmatch(line)], seen
    assert (tmp_path / "ansible.log").read_text().count("nat_gateway.a  pending") == len(at)
    assert not {"\x1b", "\r"} & set("".join(seen))


def test_they_come_while_it_waits_and_an_interruption_releases_the_lock(start: Start, emulator: EmulatorState) -> None:
    process = start(600)
    assert process.stdout is not None
    lines = (line for line in process.stdout if "nat_gateway.a  pending" in line)
    assert [next(lines) for _turn in range(3)]  # a quarter of an hour before the run could end
    process.send_signal(signal.SIGINT)
    process.wait()
    ssm = boto3.client(
        "ssm",
        region_name=REGION,
        endpoint_url=emulator.endpoint,
        aws_access_key_id=emulator.access_key_id,
        aws_secret_access_key=emulator.secret_access_key,
    )
    # The module ends by itself what it had begun, maybe a moment after the run.
    for _turn in range(100):
        lock = json.loads(ssm.get_parameter(Name="/innovate/locks/resources-progress-600")["Parameter"]["Value"])
        if lock["released"]:
            break
        time.sleep(0.2)
    assert lock["released"] is True
