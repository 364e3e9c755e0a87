# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Git server on loopback that stands for the host of the platform-config repository.

Smart HTTP over TLS through git's own ``http-backend`` (https://git-scm.com/docs/git-http-backend). Every request needs
the server's one credential, which may also push. A repository is known by the URL that inventories name it by; its
first commit is a directory's content, the same commit for the same content. A reset brings that commit back.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import secrets
import shlex
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from rehearsal.kubernetes.pki import ClusterAuthority

#: Below the state directory.
DIRECTORY = "git"
#: What stands when nothing else is asked for: the repository of the inventories, with the content of ``gitops/``.
DEFAULT = {"https://github.com/innovate-inc/platform-config.git": Path(__file__).resolve().parents[1] / "gitops"}

_USER = "rehearsal"
_BRANCH = "main"
#: The first commit's author and time are always the same, and so is its hash.
_FIRST = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Platform"), ("EMAIL", "platform@example.com"), ("DATE", "2026-01-01T00:00:00Z"))
}
_SETTINGS = {
    "http.receivepack": "true",
    # As on GitHub: any commit by its hash, and partial clones.
    "uploadpack.allowAnySHA1InWant": "true",
    "uploadpack.allowFilter": "true",
    # Nothing that outlives a request.
    "gc.auto": "0",
    "maintenance.auto": "false",
    "receive.autogc": "false",
}
_PIECE = 65536
_LONGEST_LINE = 4096


class GitError(OSError):
    """Git isn't there, or failed; a sentence."""


def _git(arguments: list[str], environment: Mapping[str, str]) -> str:
    """Run git and return what it printed."""
    done = subprocess.run(
        ["git", *arguments],
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise GitError(f"git {arguments[0]} failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


def _environment(home: Path) -> dict[str, str]:
    """Nobody's configuration has a say, and nothing of ours is handed on."""
    return {
        "HOME": str(home),
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
    }


def check() -> None:
    """See that git is there, with what it needs to serve.

    Raises:
        GitError: it isn't.
    """
    if shutil.which("git") is None:
        raise GitError("the rehearsal's Git server needs git, which isn't on the PATH: install it")
    programs = Path(_git(["--exec-path"], _environment(Path(tempfile.gettempdir()))))
    if not os.access(programs / "git-http-backend", os.X_OK):
        raise GitError(
            f"the rehearsal's Git server needs git-http-backend, which isn't in {programs}: "
            "install the package of git that has it (git-daemon on Alpine, git-core or git elsewhere)"
        )


@dataclass(frozen=True)
class Repository:
    """One repository: the URL that it is known by, the bare repository behind it, and its first commit."""

    url: str
    path: Path
    first: str


def _make(root: Path, url: str, content: Path) -> Repository:
    parts = urlsplit(url)
    names = parts.path.strip("/").removesuffix(".git").split("/")
    if parts.scheme != "https" or not parts.hostname or not all(name.strip(".") for name in names):
        raise GitError(f"the Git server stands for URLs as https://host/team/name.git, not for {url}")
    if not content.is_dir():
        raise GitError(f"the content of {url} is to be that of {content}, which is no directory")
    path = root.joinpath(*names[:-1], f"{names[-1]}.git")
    path.parent.mkdir(parents=True, exist_ok=True)
    environment = _environment(root)
    _git(["init", "--quiet", "--bare", f"--initial-branch={_BRANCH}", "--template=", str(path)], environment)
    inside = {**environment, **_FIRST, "GIT_DIR": str(path)}
    for name, value in _SETTINGS.items():
        _git(["config", name, value], inside)
    index = {**inside, "GIT_WORK_TREE": str(content), "GIT_INDEX_FILE": str(path / "first.index")}
    _git(["-C", str(content), "add", "--all", "."], index)
    tree = _git(["write-tree"], index)
    (path / "first.index").unlink()
    first = _git(["commit-tree", "-m", "The platform's configuration", tree], inside)
    _git(["update-ref", f"refs/heads/{_BRANCH}", first], inside)
    return Repository(url, path, first)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    #: Seconds that a connection may lie idle.
    timeout = 120

    def do_GET(self) -> None:
        """What a repository has, or one of its files."""
        self._answer()

    def do_POST(self) -> None:
        """A fetch or a push."""
        self._answer()

    def handle_expect_100(self) -> bool:
        """Whoever asks first is told at once that they may not."""
        if not self._allowed():
            return False
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """No line per request."""

    def _allowed(self) -> bool:
        kind, _, given = self.headers.get("Authorization", "").partition(" ")
        try:
            told = base64.b64decode(given, validate=True) if kind.lower() == "basic" else b""
        except binascii.Error:
            told = b""
        server = self.server
        assert isinstance(server, _Server)
        if hmac.compare_digest(told, f"{_USER}:{server.password}".encode()):
            return True
        self._refuse(401, "this server wants its credential", {"WWW-Authenticate": 'Basic realm="rehearsal"'})
        return False

    def _refuse(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        # The request's body may not have been read.
        self.close_connection = True
        data = f"{text}\n".encode()
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Type": "text/plain", "Connection": "close"}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _answer(self) -> None:
        if not self._allowed():
            return
        server = self.server
        assert isinstance(server, _Server)
        target = urlsplit(self.path)
        path = server.locate(unquote(target.path))
        if path is None:
            self._refuse(404, "there is no such repository")
            return
        with tempfile.TemporaryFile() as body:
            try:
                length = self._read(body)
            except ValueError as error:
                self._refuse(400, f"the body can't be read: {error}")
                return
            body.seek(0)
            environment = {
                **_environment(server.root),
                "GIT_PROJECT_ROOT": str(server.root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "REMOTE_USER": _USER,
                "REMOTE_ADDR": self.client_address[0],
                "REQUEST_METHOD": self.command,
                "PATH_INFO": path,
                "QUERY_STRING": target.query,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(length),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            }
            with subprocess.Popen(
                ["git", "http-backend"], env=environment, stdin=body, stdout=subprocess.PIPE, stderr=sys.stderr
            ) as process:
                assert process.stdout is not None
                self._copy(process.stdout)
                if process.wait():
                    self.close_connection = True

    def _read(self, body: IO[bytes]) -> int:
        """The request's body into a file; its length in bytes."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            left = total = int(self.headers.get("Content-Length", "0"))
            while left:
                piece = self.rfile.read(min(left, _PIECE))
                if not piece:
                    raise ValueError(f"{left} bytes are missing")
                body.write(piece)
                left -= len(piece)
            return total
        # https://www.rfc-editor.org/rfc/rfc9112#name-chunked-transfer-coding
        total = 0
        while size := int(self.rfile.readline(_LONGEST_LINE).partition(b";")[0], 16):
            piece = self.rfile.read(size)
            if len(piece) != size or self.rfile.readline(_LONGEST_LINE).strip():
                raise ValueError("a chunk isn't as long as it says")
            body.write(piece)
            total += size
        while self.rfile.readline(_LONGEST_LINE).strip():
            pass
        return total

    def _copy(self, source: IO[bytes]) -> None:
        """What the program says, as an answer (https://www.rfc-editor.org/rfc/rfc3875#section-6)."""
        headers = []
        while line := source.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers.append((name, value.strip()))
        status = dict(headers).get("Status", "200" if headers else "500").partition(" ")[0]
        self.send_response(int(status))
        for name, value in headers:
            if name != "Status":
                self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while piece := source.read1(_PIECE):  # type: ignore[attr-defined] # IO[bytes] has no read1; a pipe's reader does
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, root: Path, known: list[str], password: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root, self.known, self.password = root, known, password

    def locate(self, path: str) -> str | None:
        """The path for git of one that was asked for, with or without ``.git``; None where there is no repository."""
        if ".." in path.split("/"):
            return None
        for name in self.known:
            for start in (f"/{name}/", f"/{name.removesuffix('.git')}/"):
                if path.startswith(start):
                    return f"/{name}/{path.removeprefix(start)}"
        return None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is nothing to tell; everything else is."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class GitServer:
    """Serves repositories at ``https://127.0.0.1:<port>/<path of the URL>``, below a directory of its own.

    Attributes:
        port: Where it listens.
        hosts: (host, port) of the URLs that it stands for.
        authority: The certificate (PEM) to trust.
        configuration: A git configuration that leads the URLs here, with the certificate and the credential.
    """

    def __init__(self, directory: Path, contents: Mapping[str, Path] | None = None) -> None:
        """Make the repositories and listen.

        Args:
            directory: For all that the server keeps; what an earlier one left there is removed.
            contents: The directories with the content of the first commits, by URL.

        Raises:
            GitError: git can't do it; a URL or a directory isn't one.
        """
        check()
        shutil.rmtree(directory, ignore_errors=True)
        root = directory / "repositories"
        root.mkdir(parents=True, mode=0o700)
        self.directory = directory
        self.repositories = [_make(root, url, content) for url, content in (contents or DEFAULT).items()]
        urls = [urlsplit(repository.url) for repository in self.repositories]
        self.hosts = sorted({(str(url.hostname), url.port or 443) for url in urls})
        pki = ClusterAuthority(directory / "pki")
        addresses = (*(host for host, _ in self.hosts), "localhost", "127.0.0.1")
        tls = pki.issue("server", "rehearsal-git", addresses=addresses)
        self.authority = pki.files.certificate
        self.configuration = directory / "gitconfig"
        known = [str(repository.path.relative_to(root)) for repository in self.repositories]
        self._server = _Server(root, known, secrets.token_urlsafe(24))
        self.port = self._server.server_port
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.certificate, tls.key)
        # The handshake belongs to the connection's thread: a client that doesn't finish it must not stop the rest.
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._write_configuration()
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True).start()

    def _local(self, repository: Repository) -> str:
        return f"https://127.0.0.1:{self.port}/{repository.path.relative_to(self._server.root)}"

    def _write_configuration(self) -> None:
        server = f"https://127.0.0.1:{self.port}"
        credentials = self.directory / "credentials"
        with os.fdopen(os.open(credentials, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            out.write(f"https://{_USER}:{self._server.password}@127.0.0.1:{self.port}\n")
        values = [
            (f"http.{server}.sslCAInfo", str(self.authority)),
            # The empty one ends the list of other helpers: nobody's key ring learns this password.
            (f"credential.{server}.helper", ""),
            (f"credential.{server}.helper", f"store --file={shlex.quote(str(credentials))}"),
            *((f"url.{self._local(repository)}.insteadOf", repository.url) for repository in self.repositories),
        ]
        for name, value in values:
            _git(["config", "--file", str(self.configuration), "--add", name, value], _environment(self.directory))

    def describe(self) -> dict[str, Any]:
        """What the page ``git`` tells: repositories with their URLs and credential, the authority, a configuration."""
        return {
            "authority": str(self.authority),
            "configuration": str(self.configuration),
            "repositories": [
                {
                    "url": repository.url,
                    "local_url": self._local(repository),
                    "username": _USER,
                    "password": self._server.password,
                    "path": str(repository.path),
                }
                for repository in self.repositories
            ],
        }

    def reset(self) -> None:
        """Back to the first commit of every repository; all other branches and tags go."""
        for repository in self.repositories:
            inside = {**_environment(self.directory), "GIT_DIR": str(repository.path)}
            for name in _git(["for-each-ref", "--format=%(refname)"], inside).splitlines():
                if name != f"refs/heads/{_BRANCH}":
                    _git(["update-ref", "-d", name], inside)
            _git(["update-ref", f"refs/heads/{_BRANCH}", repository.first], inside)

    def close(self) -> None:
        """Stop listening and remove everything."""
        self._server.shutdown()
        self._server.server_close()
        shutil.rmtree(self.directory, ignore_errors=True)


def remove_all(state_dir: Path) -> None:
    """Remove what the server of a state directory left, also of an emulator that was killed."""
    shutil.rmtree(state_dir / DIRECTORY, ignore_errors=True)


def commit_and_push(
    configuration: Path, url: str, files: Mapping[str, str | None], message: str, branch: str = _BRANCH
) -> str:
    """Change files of a repository as a person does it: clone, commit, push. Returns the commit's hash.

    Args:
        configuration: The server's ``configuration``.
        url: The repository's own URL.
        files: New content by path; None deletes.
        message: The commit's message.
        branch: Of the repository; it has to be there.

    Raises:
        GitError: git refused.
    """
    people = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in _PERSON.items()}
    with tempfile.TemporaryDirectory() as folder:
        environment = {**_environment(Path(folder)), **people, "GIT_CONFIG_GLOBAL": str(configuration)}
        clone = Path(folder) / "clone"
        _git(["clone", "--quiet", "--depth=1", f"--branch={branch}", url, str(clone)], environment)
        for name, content in files.items():
            path = clone / name
            if content is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content)
        _git(["-C", str(clone), "add", "--all"], environment)
        _git(["-C", str(clone), "commit", "--quiet", f"--message={message}"], environment)
        _git(["-C", str(clone), "push", "--quiet", "origin", branch], environment)
        return _git(["-C", str(clone), "rev-parse", "HEAD"], environment)


_PERSON = {"NAME": "Somebody", "EMAIL": "somebody@example.com"}
