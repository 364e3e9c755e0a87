# Copyright: Innovate platform maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what a control matrix names is there: roles, variables with these values, files, test functions, tasks."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tools.controls.model import Matrix, Measure, Place, read_yaml
from tools.results import ROOT


def problems_of_references(matrix: Matrix, root: Path = ROOT) -> list[str]:
    """Return a sentence for each thing that is named and isn't there, or isn't as it is said to be."""
    return [text for measure in matrix.measures.values() for text in _measure(measure, root)]


def _measure(measure: Measure, root: Path) -> Iterator[str]:
    for place in measure.by:
        for text in _role(place, root) if place.role else _path(place.path, root):
            yield f"measure {measure.id}: {text}"
    for test in measure.tests:
        if text := missing_test(test, root):
            yield f"measure {measure.id}: {text}"


def _path(path: str, root: Path) -> Iterator[str]:
    if not (root / path).exists():
        yield f"there is no {path}"


def _role(place: Place, root: Path) -> Iterator[str]:
    specs = root / "roles" / place.role / "meta/argument_specs.yml"
    if not specs.exists():
        yield f"there is no role {place.role}"
        return
    described = {name for spec in _load(specs)["argument_specs"].values() for name in (spec.get("options") or {})}
    defaults = _load(root / "roles" / place.role / "defaults/main.yml") or {}
    for name, value in place.variables.items():
        if name not in described:
            yield f"role {place.role} has no variable {name}"
        elif value is not None and not agrees(value, defaults.get(name)):
            yield f"{name} has to be {value!r}, and role {place.role} has {defaults.get(name)!r}"
        else:
            yield from _inventories(name, value, place, root)
    for environment, wanted in place.inventories.items():
        given = inventory(environment, root)
        for name, value in wanted.items():
            if not agrees(value, given.get(name)):
                yield f"{name} has to be {value!r} in {environment}, and is {given.get(name)!r} there"


def _inventories(name: str, value: Any, place: Place, root: Path) -> Iterator[str]:
    """Say where an inventory takes back what the role's default enforces."""
    for path in sorted(root.glob("inventories/*/hosts.yml")):
        environment = path.parent.name
        given = inventory(environment, root)
        excused = name in place.inventories.get(environment, {})
        if value is not None and name in given and not excused and not agrees(value, given[name]):
            yield f"{name} has to be {value!r}, and inventories/{environment} has {given[name]!r}"


def agrees(wanted: Any, found: Any) -> bool:
    """Whether a value enforces what another one says: of mappings only the keys that are said count."""
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        return all(key in found and agrees(value, found[key]) for key, value in wanted.items())
    return bool(wanted == found)


@functools.cache
def inventory(environment: str, root: Path = ROOT) -> dict[str, Any]:
    """Return what the files of an inventory's group_vars and host_vars set, as it is written."""
    found: dict[str, Any] = {}
    for pattern in ("group_vars", "host_vars"):
        for path in sorted((root / "inventories" / environment / pattern).glob("**/*.yml")):
            content = _load(path)
            found |= content if isinstance(content, dict) else {}
    return found


def missing_test(test: str, root: Path = ROOT) -> str:
    """Return what is wrong with a test's name, `file::function` or `file::task`; nothing where it is there."""
    path, _colons, name = test.partition("::")
    file = root / path
    if not file.is_file():
        return f"there is no {path}"
    if not name:
        return f"{path}: say which test, as {path}::name"
    if name not in names_in(file):
        return f"{path} has no {'function' if file.suffix == '.py' else 'task'} {name}"
    return ""


@functools.cache
def names_in(file: Path) -> frozenset[str]:
    """Return the names of a file's test functions, or of its tasks."""
    if file.suffix == ".py":
        body = ast.parse(file.read_text(encoding="utf-8")).body
        return frozenset(item.name for item in body if isinstance(item, ast.FunctionDef) and item.name[:5] == "test_")
    return frozenset(_task_names(_load(file)))


def _task_names(item: Any) -> Iterator[str]:
    """Yield the names of tasks, also of those in plays and blocks; a play or a block alone shows nothing."""
    for task in item if isinstance(item, list) else []:
        inner = [task[key] for key in ("tasks", "pre_tasks", "post_tasks", "block", "rescue", "always") if key in task]
        if not inner and "name" in task:
            yield task["name"]
        for tasks in inner:
            yield from _task_names(tasks)


@functools.cache
def _load(path: Path) -> Any:
    return read_yaml(path) if path.exists() else None
