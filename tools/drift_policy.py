# Copyright: Innovate platform maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generate the policy of the role that plans and drift reports read with: roles/access/files/drift.json.

It follows the code: from what a plan calls (each kind's observe, preflight and obstacles, opening an account, quotas,
the tagging API, CloudTrail) to every function that may be reached from there, and takes the operations of AWS that are
named in them. Only reads are taken, and none that shows a secret's value.

`python -m tools.drift_policy` writes the policy; with `--check` it writes nothing and exits 1 when the policy is stale.
"""

from __future__ import annotations

import ast
import functools
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import botocore.session
from botocore import xform_name

from rehearsal.emulator.actions import action
from tools.results import ROOT

POLICY = ROOT / "roles/access/files/drift.json"
UTILS = ROOT / "plugins/module_utils"
#: What a plan or a drift report calls: of each kind these methods, of these modules every function.
PLANNING = ("__init__", "__post_init__", "observe", "preflight", "obstacles")
ALWAYS = ("_run/account.py", "_resources/declaration.py", "_preflight", "_drift")
#: What only an apply calls; never followed.
APPLYING = ("create", "update", "delete", "tag", "ready", "gone")
_READ = re.compile(r"(?:BatchGet|Describe|Get|Head|List|Lookup)[A-Z]\w*")
_OPERATION = re.compile(r"(?:batch_get|describe|get|head|list|lookup)(?:_[a-z0-9]+)+")
#: Reads that show what is secret, or make something up.
_SECRET = ("secretsmanager:GetRandomPassword", "secretsmanager:GetSecretValue", "ssm:GetParameter", "kms:Decrypt")
#: Everybody may ask.
_FREE = ("sts:GetCallerIdentity",)


@dataclass
class Module:
    """A file: its functions and constants, its classes, and from where it has the names that it imports."""

    path: Path
    names: dict[str, ast.AST] = field(default_factory=dict)
    classes: dict[str, dict[str, ast.AST]] = field(default_factory=dict)
    bases: dict[str, list[str]] = field(default_factory=dict)
    imports: dict[str, tuple[Path, str]] = field(default_factory=dict)


@functools.cache
def load(path: Path) -> Module:
    """Read a file of module_utils."""
    module = Module(path)
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            module.names[node.name] = node
        elif isinstance(node, ast.ClassDef):
            module.classes[node.name] = {item.name: item for item in node.body if isinstance(item, ast.FunctionDef)}
            module.bases[node.name] = [base.id for base in node.bases if isinstance(base, ast.Name)]
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            module.names.update({target.id: node.value for target in targets if isinstance(target, ast.Name)})
        elif isinstance(node, ast.ImportFrom) and node.level:
            package = (
                path.parents[node.level - 1].joinpath(*(node.module or "").split(".")) if node.module else path.parent
            )
            for name in node.names:
                inside = package / f"{name.name}.py"
                source = (inside, "") if inside.is_file() else (package.with_suffix(".py"), name.name)
                module.imports[name.asname or name.name] = source
    return module


@dataclass(frozen=True)
class Place:
    """A function, method or constant of a module."""

    path: Path
    owner: str
    name: str


def reached(starts: Iterable[Place]) -> set[Place]:
    """Return all that may be called from some places, by names."""
    found: set[Place] = set()
    waiting = list(starts)
    while waiting:
        place = waiting.pop()
        if place in found or _node(place) is None:
            continue
        found.add(place)
        waiting += _mentioned(place)
    return found


def _node(place: Place) -> ast.AST | None:
    module = load(place.path)
    return module.classes.get(place.owner, {}).get(place.name) if place.owner else module.names.get(place.name)


def _mentioned(place: Place) -> Iterator[Place]:
    node, module = _node(place), load(place.path)
    assert node is not None
    for item in ast.walk(node):
        if isinstance(item, ast.Name):
            yield from _by_name(module, item.id)
        elif isinstance(item, ast.Attribute):
            if isinstance(item.value, ast.Name) and item.value.id in ("self", "cls") and place.owner:
                yield from of_class(module, place.owner, item.attr)
            elif isinstance(item.value, ast.Name) and item.value.id in module.imports:
                path, name = module.imports[item.value.id]
                if not name:
                    yield from _by_name(load(path), item.attr)
            elif item.attr not in APPLYING:
                yield from _methods(module, item.attr)


def _by_name(module: Module, name: str) -> Iterator[Place]:
    if name in module.names:
        yield Place(module.path, "", name)
    elif name in module.classes:
        is_kind = "observe" in module.classes[name]
        for method in module.classes[name]:
            if method in PLANNING or not (is_kind or method in APPLYING):
                yield Place(module.path, name, method)
    elif name in module.imports:
        path, imported = module.imports[name]
        if imported and path.is_file():
            yield from _by_name(load(path), imported)


def of_class(module: Module, name: str, method: str) -> Iterator[Place]:
    """Yield the method of a class, wherever it has it from."""
    if method in module.classes.get(name, {}):
        yield Place(module.path, name, method)
        return
    for base in module.bases.get(name, []):
        path = module.path if base in module.classes else module.imports.get(base, (module.path, ""))[0]
        if path != module.path or base in module.classes:
            yield from of_class(load(path), base, method)


def _methods(module: Module, method: str) -> Iterator[Place]:
    """Yield the methods of a name that classes have which a module knows: of what kind an object is isn't followed."""
    for name in (*module.classes, *module.imports):
        path, imported = module.imports.get(name, (module.path, name))
        if path.is_file() and method in load(path).classes.get(imported, {}):
            yield Place(path, imported, method)


# ---- the operations of AWS


@functools.cache
def _session() -> botocore.session.Session:
    return botocore.session.Session()


@functools.cache
def operations(service: str) -> dict[str, str]:
    """Return the operations of a service by boto3's names, waiters included; empty if there is no such service."""
    if service not in _services():
        return {}
    found = {xform_name(name): name for name in _session().get_service_model(service).operation_names}
    try:
        waiters = _session().get_waiter_model(service)
    except Exception:  # noqa: BLE001 - a service without waiters
        return found
    return {**{xform_name(name): waiters.get_waiter(name).operation for name in waiters.waiter_names}, **found}


@functools.cache
def _services() -> frozenset[str]:
    return frozenset(_session().get_available_services())


def named(place: Place) -> set[str]:
    """Return the IAM actions of the reads that a function or constant names, of the services that it names."""
    found = operations_named(place, lambda word: bool(_OPERATION.fullmatch(word)))
    return {action(service, operation) for service, operation in found if _READ.fullmatch(operation)}


def operations_named(place: Place, is_operation: Callable[[str], bool]) -> set[tuple[str, str]]:
    """Return services and operations that a function or constant names.

    :param is_operation: what a word looks like that may be one where no service is named beside it.
    """
    node, module = _node(place), load(place.path)
    assert node is not None
    words = {item.value for item in ast.walk(node) if isinstance(item, ast.Constant) and isinstance(item.value, str)}
    for item in ast.walk(node):
        # `session.call(SERVICE, ...)`: the service may be a constant of this module or of an imported one.
        name = item.id if isinstance(item, ast.Name) else item.attr if isinstance(item, ast.Attribute) else ""
        words |= set(_constant(module, name))
        if isinstance(item, ast.Attribute) and isinstance(item.value, ast.Name) and item.value.id in module.imports:
            words |= set(_constant(load(module.imports[item.value.id][0]), name))
    near = words & _services()
    found = set()
    for word in words:
        services = [service for service in near if word in operations(service)]
        if not services and is_operation(word):
            # A table of settings, or what is handed to a helper: the file or one that it imports names the service.
            services = [service for service in _around(place.path) if word in operations(service)][:1]
        found |= {(service, operations(service)[word]) for service in services}
    return found


@functools.cache
def _around(path: Path) -> list[str]:
    """Return the services that a file names, then those that the files name which it imports."""
    found: dict[str, None] = {}
    imported = [source for source, _name in load(path).imports.values() if source.is_file()]
    for source in (path, *dict.fromkeys(imported)):
        tree = ast.parse(source.read_text(encoding="utf-8"))
        words = [item.value for item in ast.walk(tree) if isinstance(item, ast.Constant)]
        found.update(dict.fromkeys(word for word in words if isinstance(word, str) and word in _services()))
    return list(found)


def _constant(module: Module, name: str) -> Iterator[str]:
    value = module.names.get(name)
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value
    elif name in module.imports and module.imports[name][1] and module.imports[name][0].is_file():
        yield from _constant(load(module.imports[name][0]), module.imports[name][1])


def starts() -> Iterator[Place]:
    """Yield what plans and drift reports call."""
    for path in sorted((UTILS / "_kinds").glob("[a-z]*.py")):
        module = load(path)
        for name, methods in module.classes.items():
            yield from (Place(path, name, method) for method in PLANNING if method in methods)
            for base in module.bases[name]:
                yield from (place for method in PLANNING for place in of_class(module, base, method))
    for part in ALWAYS:
        for path in sorted((UTILS / part).glob("*.py")) if (UTILS / part).is_dir() else [UTILS / part]:
            module = load(path)
            yield from (Place(path, "", name) for name in module.names)
            yield from (Place(path, name, method) for name, methods in module.classes.items() for method in methods)


def actions() -> list[str]:
    """Return the IAM actions that plans and drift reports need."""
    found = {name for place in reached(starts()) for name in named(place)}
    return sorted(found - {*_SECRET, *_FREE})


def policy() -> str:
    """Return the policy's text."""
    statement = {"Sid": "Read", "Effect": "Allow", "Action": actions(), "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=2) + "\n"


def main(argv: list[str]) -> int:
    """Write the policy, or tell whether it is stale."""
    text = policy()
    if "--check" in argv:
        if POLICY.is_file() and POLICY.read_text(encoding="utf-8") == text:
            return 0
        print(f"{POLICY.relative_to(ROOT)} is stale: run `python -m tools.drift_policy`", file=sys.stderr)
        return 1
    POLICY.write_text(text, encoding="utf-8")
    print(f"{POLICY.relative_to(ROOT)}: {len(actions())} actions")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
