# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rehearsal.kubernetes import binaries
from rehearsal.kubernetes.binaries import Program

ROOT = Path(__file__).resolve().parents[2]
BUILD = """
import sys
from pathlib import Path
from rehearsal.kubernetes import binaries
binaries.build([binaries.Program("hello", "1.2.3", Path(sys.argv[1]), ".")], lambda line: print(line, flush=True))
"""


@pytest.fixture
def hello(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    module = tmp_path / "hello"
    module.mkdir()
    (module / "go.mod").write_text("module example.org/hello\n\ngo 1.26.0\n")
    (module / "go.sum").write_text("")
    (module / "main.go").write_text('package main\n\nfunc main() { println("hello version 1.2.3") }\n')
    return Program("hello", "1.2.3", module, ".", tell=())


def program_at(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{text}'\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("program", binaries.programs().values(), ids=binaries.programs())
def test_a_program_is_built_from_the_pinned_version(program: Program) -> None:
    required = re.findall(r"^\s*(?:require )?(\S+) v(\S+)", (program.module / "go.mod").read_text(), re.MULTILINE)
    versions = {version for path, version in required if f"{program.package}/".startswith(f"{path}/")}
    assert versions == {program.version}


def test_two_builds_at_once_are_safe(hello: Program) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", BUILD, str(hello.module)]
    runs = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [run.communicate(timeout=300)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert sum("hello 1.2.3: building" in text for text in said) == 1
    found = binaries.find(hello)
    assert found == binaries.Found(binaries.cached(hello), "cache")
    assert "1.2.3" in subprocess.run([found.path], capture_output=True, text=True, check=True).stderr
    # The compiler's own cache is gone.
    kept = sorted(path.name for path in binaries.cached(hello).parent.iterdir())
    assert kept == [".lock", binaries.cached(hello).name]


def test_a_build_that_fails_says_what_the_compiler_said_and_leaves_nothing(hello: Program) -> None:
    (hello.module / "main.go").write_text("package main\n\nfunc main() { missing() }\n")
    with pytest.raises(binaries.BuildError, match="undefined: missing"):
        binaries.build([hello])
    assert binaries.find(hello) is None
    assert sorted(path.name for path in binaries.cached(hello).parent.iterdir()) == [".lock"]


def test_another_version_flag_or_checksum_is_another_file(hello: Program) -> None:
    before = binaries.cached(hello)
    assert binaries.cached(replace(hello, version="1.2.4")) != before
    assert binaries.cached(replace(hello, variables=(("main.version", "1"),))) != before
    (hello.module / "go.sum").write_text("example.org/x v1.0.0 h1:AAAA=\n")
    assert binaries.cached(hello) != before


def test_the_machines_own_program_counts_when_it_is_of_the_pinned_minor_version(
    hello: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}{os.pathsep}{os.environ['PATH']}")
    assert binaries.find(hello) is None
    program_at(tmp_path / "assets", "hello", "hello v1.1.9")
    near = program_at(tmp_path / "path", "hello", "hello v1.2.9")
    assert binaries.find(hello) == binaries.Found(near, "PATH")
    binaries._told.cache_clear()
    asset = program_at(tmp_path / "assets", "hello", "hello v1.2.4")
    assert binaries.find(hello) == binaries.Found(asset, "KUBEBUILDER_ASSETS")
