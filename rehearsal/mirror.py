# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mirror of published charts and manifests, filled from Go modules.

The repositories that publish them are Go modules too, and a module's zip carries all regular files of the tagged
commit (symbolic links and nested modules are left out: https://go.dev/ref/mod#zip-files). So whoever can build the
rehearsal's programs has these files as well. Each is checked against the role's lock file.

``python -m rehearsal.mirror`` fills the mirror; the emulator serves it at ``/rehearsal/mirror/<host>/<path>``.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import yaml

from rehearsal.kubernetes.binaries import VERSIONS, cache_dir, pinned

ROLES = Path(__file__).resolve().parents[1] / "roles"
LOCK = "files/published.sha256"
HOST = "raw.githubusercontent.com"

Say = Callable[[str], None]


class MirrorError(RuntimeError):
    """The mirror can't be filled: a sentence."""


class NoModuleError(MirrorError):
    """A Go module can't be fetched."""


@dataclass(frozen=True)
class Publication:
    """What a role takes from a GitHub repository.

    Attributes:
        role: The role whose lock file names the files.
        version: The version, as versions.yml pins it.
        repository: Owner and name on GitHub.
        module: The Go module that the same repository is.
        files: Patterns of paths in the repository; * stands for anything, slashes too.
        note: What the lock file tells its readers.
    """

    role: str
    version: str
    repository: str
    module: str
    files: tuple[str, ...]
    note: str = ""

    @property
    def base(self) -> str:
        """What the files' URLs begin with."""
        return f"https://{HOST}/{self.repository}/v{self.version}/"

    @property
    def lock(self) -> Path:
        """The role's lock file."""
        return ROLES / self.role / LOCK

    def wants(self, path: str) -> bool:
        """Whether a path of the repository is one of the files."""
        return any(fnmatchcase(path, pattern) for pattern in self.files)


def publications() -> list[Publication]:
    """The table in versions.yml."""
    table = yaml.safe_load(VERSIONS.read_text())["published"]
    return [
        Publication(
            row["role"],
            pinned(row["version"]),
            row["repository"],
            row["module"],
            tuple(row["files"]),
            row.get("note", ""),
        )
        for row in table
    ]


def locked(lock: Path) -> dict[str, str]:
    """The checksums of a lock file by URL. The module ``published_files`` is who judges lock files."""
    found = re.findall(r"^([0-9a-f]{64}) [ *](https://\S+)$", lock.read_text(), re.MULTILINE)
    return {url: checksum for checksum, url in found}


# --- the mirror -----------------------------------------------------------------------------------------------------


def directory() -> Path:
    """Where the mirror is kept, below the cache that programs are kept in."""
    return cache_dir() / "mirror"


def find(path: str) -> Path | None:
    """The file for the part of a URL after ``mirror/``; None where the mirror has none, or the path leads out of it."""
    if not path or "\0" in path:
        return None
    root = directory().resolve()
    file = (root / path).resolve()
    if not file.is_relative_to(root) or not file.is_file():
        return None
    return None if file.relative_to(root).parts[0].startswith(".") else file  # what the mirror itself works with


def answer(method: str, path: str) -> tuple[int, list[tuple[str, str]], bytes]:
    """Answer a request for a file, as status, headers and content."""
    text = [("Content-Type", "text/plain; charset=utf-8")]
    if method not in ("GET", "HEAD"):
        return 405, [*text, ("Allow", "GET, HEAD")], b"The mirror's files can be read, nothing else.\n"
    file = find(path)
    if file is None:
        told = f"The mirror has no {path!r}: python -m rehearsal.mirror fetches what the roles' lock files name.\n"
        return 404, text, told.encode()
    return 200, [("Content-Type", "application/octet-stream")], file.read_bytes()


def ready(say: Say = print) -> Path:
    """Have every file of the roles' lock files in the mirror; returns its directory.

    Raises:
        MirrorError: one can't be had, or isn't what its lock file names.
    """
    root = directory()
    wanted: dict[str, str] = {}
    for lock in sorted(ROLES.glob(f"*/{LOCK}")):
        wanted |= locked(lock)
    if not _missing(root, wanted):
        return root
    root.mkdir(parents=True, exist_ok=True)
    with _alone(root / ".lock"):
        missing = _missing(root, wanted)  # another process may have been here meanwhile
        for (module, version), urls in _by_module(missing).items():
            began = time.monotonic()
            with _module(module, version, root, say) as archive:
                for url, name in urls.items():
                    _take(archive, name, url, missing[url], root)
            say(f"{module} {version}: {len(urls)} files in {time.monotonic() - began:.1f} s")
    return root


def _missing(root: Path, wanted: Mapping[str, str]) -> dict[str, str]:
    return {url: checksum for url, checksum in wanted.items() if _checksum(_place(root, url)) != checksum}


def _place(root: Path, url: str) -> Path:
    return root / url.removeprefix("https://")


def _checksum(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _by_module(urls: Iterable[str]) -> dict[tuple[str, str], dict[str, str]]:
    """Names in the zips by URL, for each Go module and version."""
    modules = {publication.repository: publication.module for publication in publications()}
    found: dict[tuple[str, str], dict[str, str]] = {}
    for url in urls:
        match = re.fullmatch(rf"https://{re.escape(HOST)}/([^/]+/[^/]+)/(v[^/]+)/(.+)", url)
        module = modules.get(match[1]) if match else None
        if match is None or module is None:
            raise MirrorError(f"no Go module is known that carries {url}: name one in versions.yml, published")
        found.setdefault((module, match[2]), {})[url] = f"{module}@{match[2]}/{match[3]}"
    return found


def _take(archive: zipfile.ZipFile, name: str, url: str, checksum: str, root: Path) -> None:
    try:
        content = archive.read(name)
    except KeyError:
        raise MirrorError(f"{archive.filename} has no {name}, which {url} would be") from None
    found = hashlib.sha256(content).hexdigest()
    if found != checksum:
        raise MirrorError(f"{name} has the SHA-256 {found}, the lock file names {checksum} for {url}")
    target = _place(root, url)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=root, prefix=".partial-", delete=False) as scratch:
        scratch.write(content)
    Path(scratch.name).chmod(0o644)
    Path(scratch.name).replace(target)


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock; the kernel takes it from a process that ends, however it ends."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for left in path.parent.glob(".partial-*"):  # of a process that was killed
            left.unlink()
        yield


# --- Go modules -----------------------------------------------------------------------------------------------------


def escaped(text: str) -> str:
    """A module's path or version as proxies and caches write it (https://go.dev/ref/mod#module-cache)."""
    return re.sub(r"[A-Z]", lambda match: f"!{match[0].lower()}", text)


def settings() -> tuple[str, Path]:
    """The first module proxy, and the module cache, as the environment or Go itself says."""
    told = {name: os.environ.get(name, "") for name in ("GOPROXY", "GOMODCACHE")}
    go = shutil.which("go")
    if go is not None and not all(told.values()):
        answer = subprocess.run([go, "env", *told], capture_output=True, text=True, check=False).stdout
        told = {name: told[name] or line for name, line in zip(told, [*answer.splitlines(), "", ""], strict=False)}
    proxies = re.split(r"[,|]", told["GOPROXY"])
    proxy = next((entry.strip() for entry in proxies if entry.strip().startswith(("https://", "http://"))), "")
    home = os.environ.get("GOPATH", "").split(os.pathsep)[0] or str(Path.home() / "go")
    return proxy or "https://proxy.golang.org", Path(told["GOMODCACHE"] or f"{home}/pkg/mod")


@contextlib.contextmanager
def _module(module: str, version: str, scratch: Path, say: Say) -> Iterator[zipfile.ZipFile]:
    """A module's zip: the module cache's, else the proxy's."""
    proxy, modules = settings()
    name = f"{escaped(module)}/@v/{escaped(version)}.zip"
    have = modules / "cache/download" / name
    if have.is_file():
        with zipfile.ZipFile(have) as archive:
            yield archive
        return
    url = f"{proxy.rstrip('/')}/{name}"
    say(f"{module} {version}: fetching {url}")
    with tempfile.NamedTemporaryFile(dir=scratch, prefix=".partial-") as file:
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                shutil.copyfileobj(answer, file)
            file.flush()
            archive = zipfile.ZipFile(file.name)
        except urllib.error.HTTPError as error:
            raise NoModuleError(f"{url} can't be had: {error.code} {error.reason}") from error
        except urllib.error.URLError as error:
            raise NoModuleError(f"{url} can't be had: {error.reason}") from error
        except OSError as error:
            raise NoModuleError(f"{url} can't be had: {error.strerror or error}") from error
        except zipfile.BadZipFile as error:
            raise NoModuleError(f"{url} is not a zip file: {error}") from error
        with archive:
            yield archive


def main() -> int:
    """Fill the mirror and say where it is."""
    try:
        print(ready())
    except MirrorError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
