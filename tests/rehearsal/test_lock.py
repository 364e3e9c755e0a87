# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two runs on one stack, as processes: ansible-playbook at its full length against the emulated AWS."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from rehearsal.rehearse import ROOT, environment
from rehearsal.state import REGION, EmulatorState

LOCK = "/innovate/locks/resources-race"
#: A private NAT gateway needs least of what takes time.
NETWORK = [
    {"kind": "vpc", "name": "main", "properties": {"cidr_block": "10.0.0.0/16"}},
    {
        "kind": "subnet",
        "name": "a",
        "properties": {"vpc_id": "${vpc.main}", "cidr_block": "10.0.0.0/24", "availability_zone": f"{REGION}a"},
    },
    {
        "kind": "nat_gateway",
        "name": "a",
        "properties": {"subnet_id": "${subnet.a}", "connectivity_type": "private"},
    },
]

Write = Callable[[list[dict[str, Any]]], Path]


@pytest.fixture
def client(emulator: EmulatorState) -> Any:
    return boto3.client("ssm", region_name=REGION, **credentials(emulator))


@pytest.fixture
def slow(emulator: EmulatorState) -> Iterator[Callable[[float], None]]:
    """Change the emulated AWS's pace."""

    def pace(seconds: float) -> None:
        urllib.request.urlopen(f"{emulator.endpoint}/rehearsal/pace?seconds={seconds}").close()

    yield pace
    pace(emulator.pace)


def task(state: str = "present") -> list[dict[str, Any]]:
    options = {"name": "race", "resources": NETWORK if state == "present" else [], "state": state}
    return [{"name": "Manage the network", "innovate.platform.resources": options}]


@contextmanager
def begun(emulator: EmulatorState, playbook: Path, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Run a playbook in a process group of its own."""
    process = subprocess.Popen(
        ["ansible-playbook", "-i", "localhost,", str(playbook)],
        cwd=ROOT,
        env={**environment(emulator), "ANSIBLE_CALLBACK_RESULT_FORMAT": "json", **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


def value(client: Any) -> dict[str, Any]:
    """Return the lock, or nothing."""
    try:
        return dict(json.loads(client.get_parameter(Name=LOCK)["Parameter"]["Value"]))
    except client.exceptions.ParameterNotFound:
        return {}


def awaited(look: Callable[[], Any], process: subprocess.Popen[str]) -> Any:
    """Return what there is to see while a process runs."""
    while process.poll() is None:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    pytest.fail(f"it ended before: {process.communicate()[0][-3000:]}")


def credentials(emulator: EmulatorState) -> dict[str, str]:
    return {
        "endpoint_url": emulator.endpoint,
        "aws_access_key_id": emulator.access_key_id,
        "aws_secret_access_key": emulator.secret_access_key,
    }


def test_of_two_runs_one_does_it_and_the_other_says_who(
    emulator: EmulatorState, playbook_of: Write, client: Any, slow: Callable[[float], None]
) -> None:
    playbook = playbook_of(task())
    slow(3)
    with begun(emulator, playbook) as first, begun(emulator, playbook) as second:
        held = awaited(lambda: value(client), first)
        os.kill(int(held["pid"]), signal.SIGSTOP)  # until the other one has had its turn
        while first.poll() is None and second.poll() is None:
            time.sleep(0.05)
        os.kill(int(held["pid"]), signal.SIGCONT)
        texts = {process.communicate()[0]: process.returncode for process in (first, second)}
    assert sorted(texts.values()) == [0, 2], texts
    refused = next(text for text, code in texts.items() if code == 2)
    for part in (
        "stack 'resources-race'",
        "is being changed by another run",
        f"{held['who']} on {held['host']} (process {held['pid']}) holds its lock since {held['since']}",
        f"aws ssm delete-parameter --name {LOCK} --region {REGION}",
    ):
        assert part in refused
    assert value(client)["released"] is True
    ec2 = boto3.client("ec2", region_name=REGION, **credentials(emulator))
    assert len(ec2.describe_vpcs(Filters=[{"Name": "tag:innovate:stack", "Values": ["resources-race"]}])["Vpcs"]) == 1


def test_a_plan_and_a_run_without_changes_take_no_lock(
    emulator: EmulatorState, playbook_of: Write, client: Any
) -> None:
    before = client.describe_parameters()["Parameters"]
    other = {"name": "planned", "resources": NETWORK}
    plan = {"name": "Plan another network", "innovate.platform.resources": other, "check_mode": True}
    with begun(emulator, playbook_of([plan, *task()])) as process:
        text = process.communicate()[0]
    assert process.returncode == 0, text
    assert "changed=1" in text
    assert client.describe_parameters()["Parameters"] == before


def test_what_a_killed_run_leaves_is_taken_over_at_once_and_goes_with_the_stack(
    emulator: EmulatorState, playbook_of: Write, client: Any, slow: Callable[[float], None]
) -> None:
    slow(5)
    with begun(emulator, playbook_of(task("absent"))) as process:
        held = awaited(lambda: (found := value(client)) and not found["released"] and found, process)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.kill(int(held["pid"]), signal.SIGKILL)  # Ansible gives its workers sessions of their own
    assert value(client)["released"] is False
    slow(0)
    with begun(emulator, playbook_of(task("absent"))) as process:
        text = process.communicate()[0]
    assert process.returncode == 0, text
    assert "took over the lock" in text
    assert "has ended without releasing it" in text
    assert value(client) == {}
