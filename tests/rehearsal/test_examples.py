# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples in the modules' documentation, run as they stand, in the order in which a person would."""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest
import yaml

from rehearsal import estate
from rehearsal.state import EmulatorState
from tests.rehearsal.conftest import Play
from tests.rehearsal.test_order import Write

MODULES = ("organization", "vpc", "eks_cluster", "postgres", "resources")
PACKAGE = "ansible_collections.innovate.platform.plugins.modules"


def examples(module: str) -> list[dict[str, Any]]:
    """Return a module's examples, as tasks."""
    return list(yaml.safe_load(importlib.import_module(f"{PACKAGE}.{module}").EXAMPLES))


def _builds(task: dict[str, Any]) -> bool:
    return next(value for key, value in task.items() if key.startswith("innovate.")).get("state") != "absent"


BUILDING = [task for module in MODULES for task in examples(module) if _builds(task)]
REMOVING = [task for module in reversed(MODULES) for task in examples(module) if not _builds(task)]


def names(tasks: list[dict[str, Any]]) -> list[str]:
    return [str(task["name"]) for task in tasks]


@pytest.fixture(scope="module")
def organization(play: Play, emulator: EmulatorState, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The accounts that the examples name, and the roles that single sign-on would have made in prod."""
    accounts = [{"name": name, "email": f"aws+{name}@example.com"} for name in ("dev", "prod")]
    task = {"name": "Accounts", "innovate.platform.organization": {"accounts": accounts, "region": "eu-central-1"}}
    path = tmp_path_factory.mktemp("plays") / "organization.yml"
    path.write_text(
        yaml.safe_dump([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}])
    )
    made = play(path, inventories=())
    assert made.status == 0, made.text[-3000:]
    prod = next(account for account in estate.survey(emulator) if account.name == "prod")
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}
    for role in ("AWSReservedSSO_PlatformAdmin_0123456789abcdef", "AWSReservedSSO_Developer_0123456789abcdef"):
        prod.client("iam").create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(trust))


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_examples(module: str) -> None:
    assert examples(module)


@pytest.mark.parametrize("task", [*BUILDING, *REMOVING], ids=names([*BUILDING, *REMOVING]))
@pytest.mark.usefixtures("organization")
def test_an_example_plans_applies_and_rests(play: Play, playbook_of: Write, task: dict[str, Any]) -> None:
    playbook = playbook_of([task])
    planned = play(playbook, "--check", "--diff", inventories=())
    assert planned.status == 0, planned.text[-3000:]
    assert planned.changes()
    applied = play(playbook, inventories=())
    assert applied.status == 0, applied.text[-3000:]
    assert applied.changes() == planned.changes()
    if not task.get("check_mode"):
        again = play(playbook, inventories=())
        assert (again.status, again.changed["localhost"]) == (0, 0), again.text[-3000:]
