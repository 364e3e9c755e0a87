# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the platform-config repository have in common: its files, and what kustomize makes of them."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from rehearsal.kubernetes import binaries

TREE = Path(__file__).resolve().parents[1] / "gitops"
ENVIRONMENTS = ("dev", "stage", "prod")
NAMESPACES = {"frontend", "backend", "data", "platform", "observability"}

needs_kustomize = pytest.mark.skipif(
    bool(binaries.missing(["kustomize"])),
    reason="not built: kustomize; `python -m rehearsal.kubernetes build` builds it",
)

Document = dict[str, Any]


def render(path: str, tree: Path = TREE) -> list[Document]:
    """What kustomize makes of a directory of the tree, as Argo CD calls it."""
    program = binaries.ready(["kustomize"])["kustomize"]
    done = subprocess.run([program, "build", tree / path], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return list(yaml.safe_load_all(done.stdout))


@functools.cache
def applications(environment: str) -> dict[str, Document]:
    """The child applications of an environment, by name."""
    return {item["metadata"]["name"]: item for item in render(f"environments/{environment}")}


@functools.cache
def application(environment: str, name: str) -> list[Document]:
    """The objects of one application of an environment."""
    return render(applications(environment)[name]["spec"]["source"]["path"])


def of_kind(items: list[Document], kind: str) -> list[Document]:
    return [item for item in items if item["kind"] == kind]
