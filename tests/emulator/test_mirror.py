# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mirror of published files: filled from Go modules, served by the emulator."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args

from ansible_collections.innovate.platform.plugins.modules import published_files
from rehearsal import mirror
from rehearsal.mirror import MirrorError, NoModuleError, Publication
from rehearsal.state import EmulatorState

ROOT = Path(__file__).resolve().parents[2]
BASE = "https://raw.githubusercontent.com/Maker/charts/v1.2.3"
ZIP = "/example.org/!maker/charts/@v/v1.2.3.zip"
CONTENT = {"charts/a/Chart.yaml": b"name: a\n", "charts/a/.helmignore": b"*.tmp\n", "config/crds.yaml": b"kind: X\n"}


def module_zip(content: dict[str, bytes]) -> bytes:
    """A module's zip, as a module proxy has it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {"go.mod": b"module example.org/Maker/charts\n", **content}.items():
            archive.writestr(f"example.org/Maker/charts@v1.2.3/{name}", data)
    return out.getvalue()


class Proxy(ThreadingHTTPServer):
    """A module proxy."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    server: Proxy

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        content = self.server.files.get(self.path)
        self.send_response(404 if content is None else 200)
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Proxy]:
    made = Proxy()
    made.files[ZIP] = module_zip(CONTENT)
    monkeypatch.setenv("GOPROXY", f"off,http://127.0.0.1:{made.server_port},https://never.invalid")
    monkeypatch.setenv("GOMODCACHE", str(tmp_path / "modules"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


Lock = Callable[..., Path]


@pytest.fixture
def lock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Lock:
    """A collection with one role, and a cache of its own; call it to write the role's lock file."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    roles = tmp_path / "roles"
    publication = Publication("maker", "1.2.3", "Maker/charts", "example.org/Maker/charts", ("*",))
    monkeypatch.setattr(mirror, "ROLES", roles)
    monkeypatch.setattr(mirror, "publications", lambda: [publication])

    def write(content: dict[str, bytes] | None = None, base: str = BASE) -> Path:
        path = roles / "maker" / mirror.LOCK
        path.parent.mkdir(parents=True, exist_ok=True)
        wanted = CONTENT if content is None else content
        path.write_text(
            "".join(f"{hashlib.sha256(data).hexdigest()}  {base}/{name}\n" for name, data in wanted.items())
        )
        return path

    write()
    return write


def stored() -> dict[str, bytes]:
    root = mirror.directory() / BASE.removeprefix("https://")
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


# Filling it


@pytest.mark.usefixtures("lock")
def test_the_mirror_is_filled_from_the_first_module_proxy_and_kept(proxy: Proxy) -> None:
    said: list[str] = []
    assert mirror.ready(said.append) == mirror.directory()
    assert stored() == CONTENT
    assert proxy.asked == [ZIP]
    assert said[0].startswith("example.org/Maker/charts v1.2.3: fetching http://127.0.0.1:")
    assert said[1].startswith("example.org/Maker/charts v1.2.3: 3 files in ")
    mirror.ready(said.append)
    assert (len(said), len(proxy.asked)) == (2, 1)


@pytest.mark.usefixtures("lock")
def test_a_module_that_go_has_already_is_not_fetched(proxy: Proxy, tmp_path: Path) -> None:
    have = tmp_path / "modules/cache/download" / ZIP.lstrip("/")
    have.parent.mkdir(parents=True)
    have.write_bytes(module_zip(CONTENT))
    mirror.ready(lambda line: None)
    assert (stored(), proxy.asked) == (CONTENT, [])


@pytest.mark.usefixtures("proxy", "lock")
def test_a_damaged_file_is_replaced() -> None:
    mirror.ready(lambda line: None)
    (mirror.directory() / BASE.removeprefix("https://") / "config/crds.yaml").write_bytes(b"kind: Y\n")
    mirror.ready(lambda line: None)
    assert stored() == CONTENT


def test_a_file_that_differs_from_the_lock_file_is_not_taken(proxy: Proxy, lock: Lock) -> None:
    lock({"config/crds.yaml": b"kind: Y\n"})
    with pytest.raises(MirrorError) as told:
        mirror.ready(lambda line: None)
    found, wanted = (hashlib.sha256(data).hexdigest() for data in (b"kind: X\n", b"kind: Y\n"))
    assert str(told.value) == (
        f"example.org/Maker/charts@v1.2.3/config/crds.yaml has the SHA-256 {found}, the lock file names {wanted} for "
        f"{BASE}/config/crds.yaml"
    )
    assert stored() == {}


def test_a_file_that_the_module_lacks_is_told(proxy: Proxy, lock: Lock) -> None:
    lock({"charts/a/crds/link.yaml": b""})
    with pytest.raises(
        MirrorError, match=r"has no example.org/Maker/charts@v1.2.3/charts/a/crds/link.yaml, which http"
    ):
        mirror.ready(lambda line: None)


def test_a_publisher_of_whom_no_module_is_known_is_told(lock: Lock) -> None:
    lock(base="https://raw.githubusercontent.com/somebody/else/v1")
    with pytest.raises(
        MirrorError, match=r"no Go module is known that carries .*: name one in versions.yml, published"
    ):
        mirror.ready(lambda line: None)


@pytest.mark.usefixtures("lock")
@pytest.mark.parametrize(
    ("content", "sentence"), [(None, "404 Not Found"), (b"<html>", "is not a zip file")], ids=["absent", "not a zip"]
)
def test_a_module_that_can_t_be_had_is_told(proxy: Proxy, content: bytes | None, sentence: str) -> None:
    proxy.files = {} if content is None else {ZIP: content}
    with pytest.raises(NoModuleError, match=sentence):
        mirror.ready(lambda line: None)
    assert list(mirror.directory().glob(".partial-*")) == []


@pytest.mark.usefixtures("lock")
def test_a_proxy_that_is_down_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GOPROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("GOMODCACHE", str(tmp_path))
    with pytest.raises(NoModuleError, match=r"http://127.0.0.1:1/example.org/!maker/charts/@v/v1.2.3.zip can't be had"):
        mirror.ready(lambda line: None)


def test_two_at_once_fetch_once(proxy: Proxy, lock: Lock) -> None:
    roles = lock().parents[2]
    code = f"""
from pathlib import Path
from rehearsal import mirror
mirror.ROLES = Path({str(roles)!r})
mirror.publications = lambda: [mirror.Publication("maker", "1", "Maker/charts", "example.org/Maker/charts", ())]
mirror.ready()
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    runs = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(3)]
    assert [run.wait(60) for run in runs] == [0, 0, 0]
    assert (stored(), proxy.asked) == (CONTENT, [ZIP])


@pytest.mark.parametrize(
    ("told", "used"),
    [
        ("https://proxy.example.com,direct", "https://proxy.example.com"),
        ("direct", "https://proxy.golang.org"),
        ("off|http://127.0.0.1:8080/go|direct", "http://127.0.0.1:8080/go"),
        ("file:///srv/modules,https://proxy.example.com", "https://proxy.example.com"),
    ],
)
def test_the_module_proxy_is_the_first_that_is_asked_by_http(
    monkeypatch: pytest.MonkeyPatch, told: str, used: str
) -> None:
    monkeypatch.setenv("GOPROXY", told)
    monkeypatch.setenv("GOMODCACHE", "/modules")
    assert mirror.settings() == (used, Path("/modules"))


def test_each_publication_has_a_lock_file() -> None:
    for publication in mirror.publications():
        assert publication.lock.is_file()
        assert any(url.startswith(publication.base) for url in mirror.locked(publication.lock))
        assert replace(publication, files=("*",)).wants("any/path")


def test_the_roles_lock_files_name_what_the_go_modules_carry() -> None:
    try:
        root = mirror.ready(lambda line: None)
    except NoModuleError as error:
        pytest.skip(str(error))
    for publication in mirror.publications():
        for url, checksum in mirror.locked(publication.lock).items():
            content = (root / url.removeprefix("https://")).read_bytes()
            assert hashlib.sha256(content).hexdigest() == checksum


# Serving it


def ask(server: EmulatorState, path: str, method: str = "GET") -> tuple[int, bytes]:
    """One request with exactly this path: no client tidies it up."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request(method, f"/rehearsal/mirror/{path}")
    answer = connection.getresponse()
    return answer.status, answer.read()


@pytest.mark.usefixtures("proxy", "lock")
def test_the_emulator_serves_the_mirror(server: EmulatorState) -> None:
    mirror.ready(lambda line: None)
    assert ask(server, f"{BASE.removeprefix('https://')}/charts/a/.helmignore") == (200, b"*.tmp\n")


@pytest.mark.usefixtures("proxy", "lock")
@pytest.mark.parametrize(
    "path",
    [
        "raw.githubusercontent.com/none",
        "raw.githubusercontent.com",
        "",
        "../secret",
        "raw.githubusercontent.com/../../secret",
        "%2e%2e/secret",
        "..%2fsecret",
        "//etc/passwd",
        "%2fetc/passwd",
        "raw.githubusercontent.com/link",
        ".lock",
        "a%00b",
    ],
)
def test_what_the_mirror_has_not_is_not_served(server: EmulatorState, path: str) -> None:
    root = mirror.ready(lambda line: None)
    (root.parent / "secret").write_text("secret")
    (root / "raw.githubusercontent.com/link").symlink_to(root.parent / "secret")
    status, text = ask(server, path)
    assert status == 404
    assert b"python -m rehearsal.mirror fetches what the roles' lock files name" in text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_the_mirror_is_read_only(server: EmulatorState, method: str) -> None:
    assert ask(server, "raw.githubusercontent.com/x", method)[0] == 405


@pytest.mark.usefixtures("proxy")
def test_the_module_fetches_from_the_mirror_that_the_environment_names(
    server: EmulatorState, lock: Lock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror.ready(lambda line: None)
    arguments = {
        "checksums": [str(lock())],
        "mirror": server.environment()["PLATFORM_MIRROR"],
        "dest": str(tmp_path / "published"),
    }
    with patch_module_args({**arguments, "_ansible_check_mode": True}), pytest.raises(SystemExit):
        published_files.main()
    said = json.loads(capsys.readouterr().out)
    assert (said["changed"], said["fetched"]) == (False, 3)
    assert [Path(file).read_bytes() for file in said["files"]] == list(CONTENT.values())


def test_the_modules_example_fetches_what_the_roles_name(server: EmulatorState, tmp_path: Path) -> None:
    try:
        mirror.ready(lambda line: None)
    except NoModuleError as error:
        pytest.skip(str(error))
    tasks = yaml.safe_load(published_files.EXAMPLES)
    fetching = [task for task in tasks if "innovate.platform.published_files" in task]
    assert fetching
    # What the other examples make of it.
    told = {"name": "Tell", "ansible.builtin.debug": {"msg": tasks[1]["innovate.platform.manifests"]["src"]}}
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [*fetching, told]}
    (tmp_path / "roles").symlink_to(ROOT / "roles")  # relative paths are the playbook's
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    # As the inventories have it: modules run by the interpreter that runs Ansible.
    command = [str(Path(sys.executable).with_name("ansible-playbook")), str(tmp_path / "play.yml"), "--check"]
    command += ["-e", f"ansible_python_interpreter={sys.executable}"]
    home = {"XDG_CACHE_HOME": str(tmp_path), "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    environment = {**os.environ, **server.environment(), **home}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "changed=0" in done.stdout
    kinds = [url for lock in ("karpenter", "argocd") for url in mirror.locked(ROOT / f"roles/{lock}" / mirror.LOCK)]
    wanted = [url.removeprefix("https://") for url in kinds if "/crds/" in url]
    assert wanted
    assert all(path in done.stdout for path in wanted), done.stdout
