# Copyright: Innovate platform maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventories' environments come to in accounts that are empty: their plans, without an AWS of any kind.

A role's task is templated with the inventory's variables, its module is given what comes of that, and what the module
declares is planned against nothing, as `--check` does it for an account that doesn't exist yet.

`python -m tools.environments` prints a JSON object of the environments' stacks: `billable`, the default, with what of
them has a price, or `declared`, with everything that they declare. It is a program of its own because Ansible's way of
importing collections, once it is set up, stands in the way of everybody else's.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any
from unittest import mock

from ansible.inventory.manager import InventoryManager
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar
from ansible.vars.manager import VariableManager

from tools.results import ROOT

PLUGINS = "ansible_collections.innovate.platform.plugins"
# The roles whose stacks have a price, in the order in which the playbooks run them, and the file with their tasks.
ROLES = {"vpc": "main", "eks": "main", "karpenter": "aws", "rds": "main"}
# Those whose stacks cost nothing, in the same accounts.
FREE = {"access": "main"}
PREFIX = "innovate.platform."


OMIT = "__omit_place_holder__innovate"


class _DeclaredError(Exception):
    """Ends a module where it would begin to act, with what it declares."""

    def __init__(self, stack: Any, kinds: Any) -> None:
        super().__init__(stack.name)
        self.stack, self.kinds = stack, kinds


class _Module:
    """What a module sees of Ansible until it has declared its stack: parameters, checked, and the Region."""

    def __init__(self, given: Mapping[str, Any], argument_spec: dict[str, Any], **_options: Any) -> None:
        result = ArgumentSpecValidator(argument_spec).validate({**given, "_ansible_check_mode": True})
        if wrong := [text for text in result.error_messages if "_ansible_check_mode" not in text]:
            raise SystemExit("; ".join(wrong))
        self.params = {name: value for name, value in result.validated_parameters.items() if name in argument_spec}
        self.region, self.check_mode = given.get("region"), True


def billable_stacks() -> dict[str, list[dict[str, Any]]]:
    """Return the stacks of every environment, as results of stack modules: ``stack``, ``account``, ``billable``."""
    return _asked("billable")


def declared_stacks() -> dict[str, list[dict[str, Any]]]:
    """Return the stacks of every environment: ``stack``, ``account``, ``resources``.

    A resource is ``kind``, ``name`` and ``properties``; what only AWS can know is text, such as ``${vpc.main.id}``.
    """
    return _asked("declared")


def _asked(what: str) -> dict[str, list[dict[str, Any]]]:
    output = subprocess.run(
        [sys.executable, "-m", "tools.environments", what],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        check=True,
        stdout=subprocess.PIPE,
    ).stdout
    return dict(json.loads(output))


def environments() -> list[str]:
    """Return the environments that have an inventory, in the order in which they are set up."""
    found = {path.parent.parent.name for path in ROOT.glob("inventories/*/group_vars/environment_*.yml")}
    order = ("dev", "stage", "prod")
    return sorted(found, key=lambda name: (order.index(name) if name in order else len(order), name))


def stacks(environment: str, what: str = "billable") -> list[dict[str, Any]]:
    """Return what the stack modules of an environment say of an empty account: ``billable`` or ``declared``."""
    look = {"billable": _billable, "declared": _resources}[what]
    key = {"billable": "billable", "declared": "resources"}[what]
    loader = DataLoader()
    inventory = InventoryManager(loader=loader, sources=[str(ROOT / "inventories" / environment)])
    manager = VariableManager(loader=loader, inventory=inventory)
    found = []
    for host in inventory.get_hosts("environments"):
        variables = manager.get_vars(host=host, include_hostvars=False)
        region = str(Templar(loader=loader, variables=variables).template(variables["platform_region"]))
        account = {"name": host.name, "id": None, "region": region, "organization": ""}
        for role, file in (ROLES if what == "billable" else {**ROLES, **FREE}).items():
            for module, arguments in _tasks(loader, role, file, variables):
                stack, kinds = _declared(module, arguments)
                found.append({"stack": stack.name, "account": account, key: look(stack, kinds)})
    return found


def _tasks(loader: DataLoader, role: str, file: str, host: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a role's tasks that use a module of ours: the module's name and its arguments, templated."""
    path = ROOT / "roles" / role
    files = {name: path / name / "main.yml" for name in ("defaults", "vars")}
    texts = {
        name: loader.load_from_file(str(file), trusted_as_template=True) if file.exists() else {}
        for name, file in files.items()
    }
    paths = {"role_path": str(path), "ansible_search_path": [str(path)]}
    templar = Templar(loader=loader, variables={**texts["defaults"], **host, **texts["vars"], **paths})
    templar.available_variables["omit"] = OMIT
    for task in loader.load_from_file(str(path / "tasks" / f"{file}.yml"), trusted_as_template=True):
        for action in (key for key in task if key.startswith(PREFIX)):
            given = templar.template(task[action])
            yield action.removeprefix(PREFIX), {key: value for key, value in given.items() if value != OMIT}


def _declared(name: str, arguments: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return the stack that a module declares, and its kinds by name."""
    module = importlib.import_module(f"{PLUGINS}.modules.{name}")

    def stop(_module: Any, stack: Any, kinds: Any, **_more: Any) -> None:
        raise _DeclaredError(stack, kinds)

    def make(**options: Any) -> _Module:
        return _Module(arguments, **options)

    with mock.patch.multiple(module, AnsibleAWSModule=make, run_stack=stop):
        try:
            module.main()
        except _DeclaredError as declared:
            stack, types = declared.stack, declared.kinds
        else:
            raise SystemExit(f"{name} declares no stack")
    if stack.problems:
        raise SystemExit("; ".join(stack.problems))
    return stack, {kind.name: kind for kind in (item() if isinstance(item, type) else item for item in types)}


def _billable(stack: Any, kinds: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what of a stack has a price."""
    planning = importlib.import_module(f"{PLUGINS}.module_utils._engine.plan")
    render = importlib.import_module(f"{PLUGINS}.module_utils._engine.render")
    plan = planning.make_plan(stack.resources, kinds, {}, planning.Options(stack=stack.name))
    if plan.problems:
        raise SystemExit("; ".join(plan.problems))
    rows: list[dict[str, Any]] = render.billable(plan.changes, kinds)
    return rows


def _resources(stack: Any, _kinds: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a stack declares."""
    return [{"kind": item.kind, "name": item.name, "properties": dict(item.properties)} for item in stack.resources]


def main() -> int:
    """Print the stacks of every environment."""
    init_plugin_loader()
    what = sys.argv[1] if sys.argv[1:] else "billable"
    print(json.dumps({name: stacks(name, what) for name in environments()}, default=str))
    return 0


if __name__ == "__main__":
    sys.exit(main())
