# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Git server of the rehearsal, with git itself as its client."""

from __future__ import annotations

import base64
import contextlib
import gzip
import http.client
import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from rehearsal import git
from rehearsal.__main__ import down
from rehearsal.emulator import control_plane
from rehearsal.emulator.server import Emulator
from rehearsal.git import GitError, GitServer, commit_and_push
from rehearsal.kubernetes.outside import Outside
from rehearsal.state import load

URL = "https://git.example.org/team/settings.git"
REFS = "info/refs?service=git-upload-pack"


@pytest.fixture
def content(tmp_path: Path) -> Path:
    folder = tmp_path / "content"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep/one.txt").write_text("one\n")
    return folder


@pytest.fixture
def server(tmp_path: Path, content: Path) -> Iterator[GitServer]:
    made = GitServer(tmp_path / "a folder" / "git", {URL: content})
    yield made
    made.close()


def run(*words: str | Path, configuration: Path | str = os.devnull, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "GIT_CONFIG_GLOBAL": str(configuration),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        **{f"GIT_{who}_{what}": "tests" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }
    return subprocess.run(
        ["git", *words], env={**environment, **more}, capture_output=True, text=True, check=False, timeout=60
    )


def clone(server: GitServer, path: Path) -> Path:
    done = run("clone", "--quiet", URL, path, configuration=server.configuration)
    assert done.returncode == 0, done.stderr
    return path


def head(server: GitServer) -> str:
    return run("--git-dir", server.repositories[0].path, "rev-parse", "main").stdout.strip()


def commits(server: GitServer) -> list[str]:
    return run("--git-dir", server.repositories[0].path, "log", "--format=%s", "main").stdout.splitlines()


def test_the_first_commit_is_the_content_and_always_the_same(server: GitServer, tmp_path: Path, content: Path) -> None:
    copied = clone(server, tmp_path / "clone")
    assert (copied / "deep/one.txt").read_text() == "one\n"
    shutil.copytree(content, tmp_path / "same")
    again = GitServer(tmp_path / "again", {URL: tmp_path / "same"})
    assert again.repositories[0].first == server.repositories[0].first == head(server)
    again.close()
    assert not (tmp_path / "again").exists()


def test_what_one_pushes_another_fetches(server: GitServer, tmp_path: Path) -> None:
    copied = clone(server, tmp_path / "clone")
    first = commit_and_push(server.configuration, URL, {"deep/two.txt": "two\n"}, "two")
    second = commit_and_push(server.configuration, URL, {"deep/one.txt": None}, "none")
    assert head(server) == second != first
    assert run("-C", copied, "pull", "--quiet", configuration=server.configuration).returncode == 0
    assert [path.name for path in (copied / "deep").iterdir()] == ["two.txt"]
    # Its clone is older than what is there.
    (copied / "three").write_text("three")
    run("-C", copied, "reset", "--hard", "--quiet", "HEAD~1")
    (copied / "three").write_text("three")
    run("-C", copied, "add", "three")
    run("-C", copied, "commit", "--quiet", "-m", "three")
    refused = run("-C", copied, "push", configuration=server.configuration)
    assert "rejected" in refused.stderr
    assert head(server) == second


def test_a_push_larger_than_gits_buffer_arrives_whole(server: GitServer, tmp_path: Path) -> None:
    copied = clone(server, tmp_path / "clone")
    # git sends what is more than http.postBuffer, one MiB, in chunks.
    (copied / "large").write_bytes(os.urandom(3 << 20))
    run("-C", copied, "add", "large")
    run("-C", copied, "commit", "--quiet", "-m", "large")
    pushed = run("-C", copied, "push", configuration=server.configuration, GIT_CURL_VERBOSE="1")
    assert pushed.returncode == 0, pushed.stderr
    assert "Transfer-Encoding: chunked" in pushed.stderr
    other = clone(server, tmp_path / "other")
    assert (other / "large").read_bytes() == (copied / "large").read_bytes()


def test_any_commit_is_had_by_its_hash_with_protocol_two(server: GitServer, tmp_path: Path) -> None:
    """As Argo CD's repo server fetches."""
    wanted = commit_and_push(server.configuration, URL, {"deep/two.txt": "two\n"}, "two")
    commit_and_push(server.configuration, URL, {"deep/two.txt": "three\n"}, "three")
    run("init", "--quiet", tmp_path / "clone")
    fetched = run(
        *("-C", tmp_path / "clone", "fetch", "--depth=1", URL, wanted),
        configuration=server.configuration,
        GIT_TRACE_PACKET="1",
    )
    assert fetched.returncode == 0, fetched.stderr
    assert "version 2" in fetched.stderr
    assert run("-C", tmp_path / "clone", "show", "FETCH_HEAD:deep/two.txt").stdout == "two\n"


def test_many_fetch_while_others_push(server: GitServer, tmp_path: Path) -> None:
    def push(number: int) -> None:
        commit_and_push(server.configuration, URL, {f"pushed/{number}": str(number)}, f"push {number}")

    with ThreadPoolExecutor(9) as pool:
        copies = [pool.submit(clone, server, tmp_path / f"clone-{number}") for number in range(8)]
        for number in range(3):
            push(number)
        for copied in copies:
            assert (copied.result() / "deep/one.txt").exists()
    assert commits(server)[:3] == ["push 2", "push 1", "push 0"]


def test_a_reset_brings_the_first_commit_back_and_nothing_else(server: GitServer, tmp_path: Path) -> None:
    commit_and_push(server.configuration, URL, {"deep/one.txt": "changed\n"}, "changed")
    copied = clone(server, tmp_path / "clone")
    run(
        "-C", copied, "push", "--quiet", "origin", "main:other", "main:refs/tags/v1", configuration=server.configuration
    )
    server.reset()
    refs = run("ls-remote", URL, configuration=server.configuration).stdout.split()
    first = server.repositories[0].first
    assert refs == [first, "HEAD", first, "refs/heads/main"]
    commit_and_push(server.configuration, URL, {"deep/one.txt": "again\n"}, "again")
    assert commits(server) == ["again", "The platform's configuration"]


# Who may, and what


def test_a_wrong_password_is_refused(server: GitServer) -> None:
    told = server.describe()["repositories"][0]
    local = told["local_url"]
    right = local.replace("https://", f"https://{told['username']}:{told['password']}@")
    wrong = local.replace("https://", f"https://{told['username']}:guess@")
    trusting = {"GIT_SSL_CAINFO": str(server.authority)}
    assert run("ls-remote", right, **trusting).returncode == 0
    for url in (wrong, local):
        done = run("ls-remote", url, **trusting)
        assert done.returncode != 0
        assert "Authentication failed" in done.stderr or "could not read Username" in done.stderr


def test_nobody_is_trusted_by_default(server: GitServer) -> None:
    done = run("ls-remote", server.describe()["repositories"][0]["local_url"], GIT_SSL_CAINFO="/dev/null")
    assert done.returncode != 0
    assert "certificate" in done.stderr


def test_the_credential_is_for_its_owner_alone(server: GitServer) -> None:
    password = server.describe()["repositories"][0]["password"]
    with_password = [
        path for path in server.directory.rglob("*") if path.is_file() and password.encode() in path.read_bytes()
    ]
    assert [path.name for path in with_password] == ["credentials"]
    assert with_password[0].stat().st_mode & 0o077 == 0
    assert (server.directory / "repositories").stat().st_mode & 0o077 == 0


class Caller:
    """Requests that git itself wouldn't send."""

    def __init__(self, server: GitServer) -> None:
        told = server.describe()["repositories"][0]
        self.port = server.port
        self.path = urlsplit(told["local_url"]).path
        self.context = ssl.create_default_context(cafile=str(server.authority))
        pair = f"{told['username']}:{told['password']}"
        self.headers = {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context, timeout=20)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, {**self.headers, **given}, encode_chunked=True)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, data

    @contextlib.contextmanager
    def raw(self, text: str) -> Iterator[Any]:
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=20) as plain,
            self.context.wrap_socket(plain, server_hostname="git.example.org") as tls,
        ):
            tls.sendall(text.encode())
            yield tls


@pytest.fixture
def call(server: GitServer) -> Caller:
    return Caller(server)


# A request of protocol 2 (https://git-scm.com/docs/protocol-v2): which branches are there?
LS_REFS = b"0014command=ls-refs\n0001" + b"0000"
PACK = "git-upload-pack"
V2 = {"Git_Protocol": "version=2", "Content_Type": "application/x-git-upload-pack-request"}


def test_a_body_may_be_whole_in_chunks_or_compressed(call: Caller, server: GitServer) -> None:
    whole = call("POST", f"{call.path}/{PACK}", LS_REFS, **V2)
    assert whole[0] == 200
    assert f"{head(server)} refs/heads/main".encode() in whole[1]
    assert call("POST", f"{call.path}/{PACK}", gzip.compress(LS_REFS), **V2, Content_Encoding="gzip") == whole
    pieces = iter([LS_REFS[:5], LS_REFS[5:9], LS_REFS[9:]])
    assert call("POST", f"{call.path}/{PACK}", pieces, **V2, Transfer_Encoding="chunked") == whole


def test_a_broken_body_is_refused(call: Caller) -> None:
    head = f"POST {call.path}/{PACK} HTTP/1.1\r\nHost: x\r\nAuthorization: {call.headers['Authorization']}\r\n"
    for rest in ("Transfer-Encoding: chunked\r\n\r\nnot a length\r\n", "Content-Length: many\r\n\r\n"):
        with call.raw(head + rest) as tls:
            assert tls.recv(100).startswith(b"HTTP/1.1 400 ")


def test_who_asks_first_is_told_to_go_on_or_not_to(call: Caller) -> None:
    lines = f"POST {call.path}/{PACK} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {len(LS_REFS)}\r\n"
    with call.raw(f"{lines}Authorization: {call.headers['Authorization']}\r\nGit-Protocol: version=2\r\n"
                  "Content-Type: application/x-git-upload-pack-request\r\n\r\n") as tls:  # fmt: skip
        assert tls.recv(100).startswith(b"HTTP/1.1 100 ")
        tls.sendall(LS_REFS)
        assert tls.recv(100).startswith(b"HTTP/1.1 200 ")
    with call.raw(f"{lines}\r\n") as tls:
        assert tls.recv(100).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/team/settings.git/{REFS}", 200),
        # Also without .git, as on GitHub.
        (f"/team/settings/{REFS}", 200),
        (f"/team/other.git/{REFS}", 404),
        (f"/team/settings.git/../../credentials?{REFS}", 404),
        (f"/team/settings.git/%2e%2e/%2e%2e/%2e%2e/credentials?{REFS}", 404),
        (f"/{REFS}", 404),
    ],
)
def test_only_its_repositories_are_served(call: Caller, path: str, status: int) -> None:
    answer = call("GET", path)
    assert answer[0] == status
    assert b"rehearsal:" not in answer[1]


# What is missing


def test_without_git_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitError, match="needs git, which isn't on the PATH"):
        GitServer(tmp_path / "git", {URL: content})


def test_without_http_backend_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: Path) -> None:
    program = tmp_path / "git"
    program.write_text(f"#!/bin/sh\necho {tmp_path}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(GitError, match="needs git-http-backend, which isn't in"):
        GitServer(tmp_path / "server", {URL: content})


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("git@github.com:team/name.git", "https://host/team/name.git, not"),
        ("https://github.com", "https://host/team/name.git, not"),
        ("https://github.com/../name.git", "https://host/team/name.git, not"),
    ],
)
def test_a_url_that_it_cant_stand_for_is_named(tmp_path: Path, content: Path, url: str, why: str) -> None:
    with pytest.raises(GitError, match=why):
        GitServer(tmp_path / "git", {url: content})


def test_content_that_isnt_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(GitError, match="no directory"):
        GitServer(tmp_path / "git", {URL: tmp_path / "none"})


# In the emulator


@pytest.fixture
def emulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    # moto has one port for a process, and the other tests' emulator is in this one, too.
    monkeypatch.setenv("MOTO_PORT", os.environ.get("MOTO_PORT", "0"))
    made = Emulator(tmp_path / "state", pace=0, kubernetes=True)
    made.write_state()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.close()
    control_plane.use(control_plane.NoControlPlane())
    assert not (tmp_path / "state" / git.DIRECTORY).exists()


def test_the_emulator_serves_the_platforms_configuration(emulator: Emulator, tmp_path: Path) -> None:
    state = load(tmp_path / "state")
    assert state is not None
    page = state.admin("git")
    (told,) = page["repositories"]
    assert told["url"] == next(iter(git.DEFAULT))
    configuration = Path(page["configuration"])
    # What a person types: nothing but this one setting of the clone.
    line = ("clone", "--quiet", "-c", f"include.path={configuration}", told["url"], tmp_path / "clone")
    assert run(*line).returncode == 0
    assert (tmp_path / "clone/environments/dev/kustomization.yaml").exists()
    first = run("-C", tmp_path / "clone", "rev-parse", "HEAD").stdout
    commit_and_push(configuration, told["url"], {"new.txt": "new"}, "new")
    assert run("-C", tmp_path / "clone", "pull", "--quiet").returncode == 0
    assert (tmp_path / "clone/new.txt").exists()
    state.admin("reset", "POST")
    assert run("ls-remote", told["path"], "main").stdout.split()[0] == first.strip()


def test_programs_in_clusters_reach_it_by_the_repositorys_own_url(emulator: Emulator, tmp_path: Path) -> None:
    planes: Any = control_plane.plane()
    outside: Outside = planes.outside
    state = load(tmp_path / "state")
    assert state is not None
    told = state.admin("git")["repositories"][0]
    url = told["url"].replace("https://", f"https://{told['username']}:{told['password']}@")
    done = run("ls-remote", url, "main", **outside.environment())
    assert done.returncode == 0, done.stderr
    assert run("ls-remote", "https://example.com/x.git", **outside.environment()).returncode != 0
    assert [item["target"] for item in outside.refusals] == ["example.com:443"]


def test_down_removes_what_a_killed_emulator_left(tmp_path: Path) -> None:
    (tmp_path / "state" / git.DIRECTORY / "repositories").mkdir(parents=True)
    down(tmp_path / "state")
    assert not (tmp_path / "state").exists()
