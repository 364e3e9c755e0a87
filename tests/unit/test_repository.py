# Copyright: Innovate platform maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The repository agrees with itself: what is written in two places says the same in both."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools import docs

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.parent.parent.name for path in ROOT.glob("roles/*/tasks/main.yml"))
MODULES = docs.modules()
VERSIONS = yaml.safe_load((ROOT / "versions.yml").read_text())["versions"]
PLUGINS = "ansible_collections.innovate.platform.plugins"


def load(path: str | Path) -> Any:
    return yaml.safe_load((ROOT / path).read_text())


def options(role: str) -> dict[str, dict[str, Any]]:
    specs = load(f"roles/{role}/meta/argument_specs.yml")["argument_specs"]
    return {name: option for spec in specs.values() for name, option in (spec.get("options") or {}).items()}


def files(*patterns: str) -> list[Path]:
    return sorted(path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file())


# Generated pages


def test_generated_pages_are_current() -> None:
    assert docs.stale(docs.pages()) == [], "run `make docs`"


# Roles


@pytest.mark.parametrize("role", ROLES)
def test_a_roles_defaults_are_those_its_argument_specs_tell(role: str) -> None:
    specified = {name: option["default"] for name, option in options(role).items() if "default" in option}
    internal = f"{role}__"
    path = ROOT / f"roles/{role}/defaults/main.yml"
    defaults = (load(path) if path.exists() else None) or {}
    public = {name: value for name, value in defaults.items() if not name.startswith(internal)}
    assert public == specified


@pytest.mark.parametrize("role", ROLES)
def test_a_roles_variables_carry_its_name_and_are_described(role: str) -> None:
    described = options(role)
    assert [name for name in described if not name.startswith(f"{role}_")] == []
    assert [name for name, option in described.items() if not option.get("description")] == []


@pytest.mark.parametrize("role", ROLES)
def test_a_role_reads_no_other_roles_variables(role: str) -> None:
    foreign = {name for other in ROLES if other != role for name in options(other)} - set(options(role))
    used = {
        word
        for path in files(f"roles/{role}/**/*.yml", f"roles/{role}/**/*.j2")
        for word in re.findall(r"[a-z][a-z0-9_]*", path.read_text())
    }
    assert used & foreign == set()


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_a_molecule_scenario(role: str) -> None:
    present = {path.name for path in ROOT.glob(f"molecule/{role}/*.yml")}
    assert {"molecule.yml", "converge.yml", "verify.yml"} <= present
    # Both halves of the scenario run the same playbook; without this the second would take nothing away.
    assert "scenario_state" in (ROOT / f"molecule/{role}/converge.yml").read_text()


def test_every_scenario_belongs_to_a_role() -> None:
    scenarios = {path.parent.name for path in ROOT.glob("molecule/*/molecule.yml")}
    assert scenarios - {"default"} - set(ROLES) == set()


# Modules and kinds


def test_the_action_group_has_every_module_that_acts_in_an_account() -> None:
    """Its defaults (Region, account) are nothing to the others."""
    texts = {name: (ROOT / f"plugins/modules/{name}.py").read_text() for name in MODULES}
    acting = [name for name, text in texts.items() if "amazon.aws.region.modules" in text]
    assert acting
    assert sorted(load("meta/runtime.yml")["action_groups"]["platform"]) == acting


# The contract runs on the emulated AWS; what needs an API server goes through the same where there is one.
KINDS_IN_CLUSTERS = {
    "kubernetes_api_lookup": "tests/kubernetes/test_manifests.py",
    "manifest": "tests/kubernetes/test_manifests.py",
    "manifest_set": "tests/kubernetes/test_manifests.py",
    "secret_value_lookup": "tests/kubernetes/test_manifests.py",
}


def test_every_kind_is_registered_or_has_a_contract_of_its_own() -> None:
    written = {path.stem for path in files("plugins/module_utils/_kinds/[a-z]*.py")} - {"registry"}
    assert written == {*docs.registered_kinds(), *KINDS_IN_CLUSTERS}


@pytest.mark.parametrize(("kind", "path"), KINDS_IN_CLUSTERS.items())
def test_a_kind_in_clusters_is_in_their_contract(kind: str, path: str) -> None:
    name = "".join(word.capitalize() for word in kind.split("_"))
    assert f"_kinds.{kind} import {name}" in (ROOT / path).read_text()


@pytest.mark.parametrize("kind", sorted(docs.registered_kinds()))
def test_a_kind_is_in_the_contract(kind: str) -> None:
    contract = "\n".join(path.read_text() for path in files("tests/contract/**/*.py"))
    assert re.search(rf"[\"']{kind}[\"'.]", contract), f"tests/contract has no case for {kind}"


# Layers: import-linter knows our own packages and whole foreign ones, not parts of the namespace ansible_collections.


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module


@pytest.mark.parametrize(
    ("library", "allowed"),
    [
        ("boto3", ("module_utils/_kinds/", "module_utils/_run/")),
        ("botocore", ("module_utils/_kinds/", "module_utils/_run/")),
        ("ansible_collections.amazon", ("module_utils/_kinds/", "module_utils/_run/", "modules/")),
        ("ansible_collections.kubernetes", ("module_utils/_kinds/", "module_utils/_run/", "modules/")),
        ("ansible.module_utils", ("module_utils/_run/", "module_utils/_kinds/", "modules/")),
    ],
)
def test_only_these_layers_import(library: str, allowed: tuple[str, ...]) -> None:
    plugins = ROOT / "plugins"
    offenders = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files("plugins/modules/*.py", "plugins/module_utils/**/*.py")
        for name in imports(path)
        if f"{name}.".startswith(f"{library}.") and not str(path.relative_to(plugins)).startswith(allowed)
    ]
    assert offenders == []


# Versions and dependencies


@pytest.mark.parametrize("version", VERSIONS, ids=[version["name"] for version in VERSIONS])
def test_a_pinned_version_is_what_is_used(version: dict[str, Any]) -> None:
    for used in version["used_in"]:
        path, variable = used.split(":")
        assert str(load(path)[variable]) == version["version"], used


@pytest.mark.parametrize("version", VERSIONS, ids=[version["name"] for version in VERSIONS])
def test_a_pinned_version_says_when_and_why(version: dict[str, Any]) -> None:
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", str(version["date"]))
    assert len(version["reason"]) > 20


@pytest.mark.parametrize(
    "version",
    [version for version in VERSIONS if version["version"][0].isdigit()],
    ids=lambda version: str(version["name"]),
)
def test_a_pinned_version_is_written_nowhere_else(version: dict[str, Any]) -> None:
    allowed = {tuple(used.split(":")) for used in version["used_in"]}
    pattern = re.compile(rf"^\s*(?:- )?(?P<key>\w*version\w*):\s*[\"']?{re.escape(version['version'])}[\"']?\s*$")
    elsewhere = []
    for path in files("roles/*/[dtv]*/**/*.yml", "playbooks/**/*.yml", "inventories/**/*.yml"):
        for line in path.read_text().splitlines():
            match = pattern.match(line)
            if match and (str(path.relative_to(ROOT)), match["key"]) not in allowed:
                elsewhere.append(f"{path.relative_to(ROOT)}: {line.strip()}")
    assert elsewhere == []


def test_the_collections_that_ours_needs_are_the_same_for_galaxy_and_for_a_checkout() -> None:
    listed = {item["name"]: item["version"] for item in load("requirements.yml")["collections"]}
    assert listed == load("galaxy.yml")["dependencies"]


def test_the_execution_environment_has_the_projects_libraries() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    # ansible-builder installs ansible-core itself, and PyYAML comes with it.
    wanted = [name for name in project["dependencies"] if not name.startswith(("ansible", "pyyaml"))]
    assert (ROOT / "meta/ee-requirements.txt").read_text().split() == wanted


def test_the_lock_names_no_index_but_pypi() -> None:
    hosts = set(re.findall(r"https?://([^/\"]+)", (ROOT / "uv.lock").read_text()))
    assert hosts == {"pypi.org", "files.pythonhosted.org"}


def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == load("galaxy.yml")["version"]


# The checkout


def test_a_checkout_is_the_collection() -> None:
    link = ROOT / "collections/ansible_collections/innovate/platform"
    assert link.is_symlink()
    assert not link.readlink().is_absolute()
    assert link.resolve() == ROOT


def test_the_namespace_spans_the_checkout_and_the_installed_collections() -> None:
    assert find_spec(f"{PLUGINS}.module_utils") is not None
    assert find_spec("ansible_collections.amazon.aws.plugins.module_utils.modules") is not None


def test_every_python_file_tells_its_licence() -> None:
    without = [
        str(path.relative_to(ROOT))
        for path in files(
            "plugins/**/*.py", "rehearsal/**/*.py", "tools/**/*.py", "tests/**/*.py", "benchmarks/**/*.py"
        )
        if path.stat().st_size and "GNU General Public License v3.0+" not in "".join(path.read_text()[:400])
    ]
    assert without == []
