# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``published_files`` fetches, from a server on loopback, and what it says when that fails."""

from __future__ import annotations

import hashlib
import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.innovate.platform.plugins.module_utils._published.fetch import (
    Fetched,
    Fetcher,
    default_cache,
)
from ansible_collections.innovate.platform.plugins.module_utils._published.lock import Entry
from ansible_collections.innovate.platform.plugins.modules import published_files
from rehearsal.pki import Authority

HOST = "publisher.example.com"

Behaviour = Callable[[BaseHTTPRequestHandler], None]


def send(content: bytes, status: int = 200, **headers: Any) -> Behaviour:
    """A behaviour: this answer."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in {"Content_Length": len(content), **headers}.items():
            request.send_header(name.replace("_", "-"), str(value))
        request.end_headers()
        request.wfile.write(content)

    return answer


class Server(ThreadingHTTPServer):
    """A server that does what it is told for a path, and keeps what it was asked for."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behaviours: dict[str, list[Behaviour]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.accepted = 0

    def get_request(self) -> Any:
        """Count connections, also those that come to nothing."""
        self.accepted += 1
        return super().get_request()

    @property
    def mirror(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/mirror"

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]

    def on(self, path: str, *behaviours: Behaviour) -> None:
        """Answer one behaviour after the other, the last one again and again."""
        self.behaviours[path] = list(behaviours)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no fault here."""


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers)))
        behaviours = self.server.behaviours.get(self.path, [send(b"no", 404)])
        (behaviours.pop(0) if len(behaviours) > 1 else behaviours[0])(self)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


def serving(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    yield from serving(Server())


@pytest.fixture
def publisher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The server, by https."""
    certificate, key = Authority.of(tmp_path).issue("127.0.0.1")
    (tmp_path / "server.pem").write_bytes(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    made = Server()
    made.socket = context.wrap_socket(made.socket, server_side=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "rds-ca.pem"))
    yield from serving(made)


def entry(name: str, content: bytes, host: str = HOST) -> Entry:
    return Entry(f"https://{host}/{name}", hashlib.sha256(content).hexdigest(), f"lock, line {name}")


def offer(server: Server, *names: str) -> list[Entry]:
    """Files that the mirror has; the content is the name."""
    for name in names:
        server.on(f"/mirror/{HOST}/{name}", send(name.encode()))
    return [entry(name, name.encode()) for name in names]


def bring(server: Server, entries: list[Entry], cache: Path, **changes: Any) -> Fetched:
    return Fetcher(**{"mirror": server.mirror, "timeout": 30, "retries": 2, "pause": 0.01, **changes}).bring(
        entries, cache
    )


def problem(done: Fetched) -> str:
    assert len(done.problems) == 1, done.problems
    return done.problems[0]


# What is fetched


def test_files_come_from_the_publisher_where_there_is_no_mirror(publisher: Server, tmp_path: Path) -> None:
    host = f"127.0.0.1:{publisher.server_port}"
    publisher.on("/a/one.yaml", send(b"one"))
    done = bring(publisher, [entry("a/one.yaml", b"one", host)], tmp_path, mirror="")
    assert (done.problems, done.fetched) == ([], 1)
    assert (done.directory / host / "a/one.yaml").read_bytes() == b"one"


def test_files_come_from_the_mirror_and_from_nobody_else(server: Server, tmp_path: Path) -> None:
    done = bring(server, offer(server, "a/one.yaml", "a/.two"), tmp_path)
    assert (done.problems, done.fetched) == ([], 2)
    assert [path.read_text() for path in done.files] == ["a/one.yaml", "a/.two"]
    assert done.files[0] == done.directory / HOST / "a/one.yaml"
    assert sorted(server.paths) == [f"/mirror/{HOST}/a/.two", f"/mirror/{HOST}/a/one.yaml"]


def test_what_is_there_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    entries = offer(server, "one", "two")
    bring(server, entries, tmp_path)
    server.asked.clear()
    again = bring(server, entries, tmp_path)
    assert (again.fetched, again.problems, server.asked) == (0, [], [])


def test_what_is_there_needs_no_network(server: Server, tmp_path: Path) -> None:
    entries = offer(server, "one")
    bring(server, entries, tmp_path)
    assert bring(server, entries, tmp_path, mirror="http://127.0.0.1:1").problems == []


@pytest.mark.parametrize("damage", ["changed", "emptied", "deleted", "a link"])
def test_a_damaged_file_is_fetched_again_alone(server: Server, tmp_path: Path, damage: str) -> None:
    entries = offer(server, "one", "two")
    first = bring(server, entries, tmp_path)
    file = first.files[0]
    file.unlink()
    if damage == "a link":
        (tmp_path / "elsewhere").write_text("one")  # right today, whoever writes it tomorrow
        file.symlink_to(tmp_path / "elsewhere")
    elif damage != "deleted":
        file.write_text("" if damage == "emptied" else "eno")
    server.asked.clear()
    again = bring(server, entries, tmp_path)
    assert (again.fetched, server.paths) == (1, [f"/mirror/{HOST}/one"])
    assert file.read_text() == "one"
    assert not file.is_symlink()


def test_a_directory_holds_nothing_but_the_files(server: Server, tmp_path: Path) -> None:
    """A chart is all that is in its directory."""
    entries = offer(server, "templates/one.yaml")
    done = bring(server, entries, tmp_path)
    (done.files[0].parent / "more.yaml").write_text("kind: Surprise")
    again = bring(server, entries, tmp_path)
    assert [path for path in again.directory.rglob("*") if path.is_file()] == list(again.files)


def test_other_lock_files_have_other_directories(server: Server, tmp_path: Path) -> None:
    one, two = offer(server, "one", "two")
    assert bring(server, [one], tmp_path).directory != bring(server, [one, two], tmp_path).directory


def test_an_interrupted_run_goes_on_with_what_is_missing(server: Server, tmp_path: Path) -> None:
    entries = offer(server, "one", "two", "three")
    server.on(f"/mirror/{HOST}/two", send(b"no", 404))
    first = bring(server, entries, tmp_path)
    assert (first.fetched, len(first.problems)) == (2, 1)
    offer(server, "two")
    server.asked.clear()
    again = bring(server, entries, tmp_path)
    assert (again.fetched, again.problems, server.paths) == (1, [], [f"/mirror/{HOST}/two"])


def test_files_are_fetched_side_by_side(server: Server, tmp_path: Path) -> None:
    names = [f"file-{number}" for number in range(4)]
    entries = offer(server, *names)
    together = threading.Barrier(len(names))

    def wait_for_the_others(name: str) -> Behaviour:
        def answer(request: BaseHTTPRequestHandler) -> None:
            together.wait(20)
            send(name.encode())(request)

        return answer

    for name in names:
        server.on(f"/mirror/{HOST}/{name}", wait_for_the_others(name))
    assert bring(server, entries, tmp_path, retries=0).problems == []


def test_hosts_that_want_the_same_at_the_same_time_fetch_it_once(server: Server, tmp_path: Path) -> None:
    names = [f"file-{number}" for number in range(12)]
    entries = offer(server, *names)
    code = """
import json, sys
from ansible_collections.innovate.platform.plugins.module_utils._published.fetch import Fetcher
from ansible_collections.innovate.platform.plugins.module_utils._published.lock import Entry
from pathlib import Path
mirror, cache, entries = json.loads(sys.argv[1])
done = Fetcher(mirror).bring([Entry(*entry) for entry in entries], Path(cache))
print(json.dumps([done.fetched, list(done.problems)]))
"""
    told = json.dumps([server.mirror, str(tmp_path), [[entry.url, entry.checksum] for entry in entries]])
    command = [sys.executable, "-c", code, told]
    environment = {"PYTHONPATH": ":".join(path for path in sys.path if path), "NO_PROXY": "*"}
    runs = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = [json.loads(run.communicate(timeout=60)[0]) for run in runs]
    assert sorted(fetched for fetched, _ in said) == [0, 0, 12]
    assert [problems for _, problems in said] == [[], [], []]
    assert len(server.asked) == 12


def test_many_threads_with_different_wishes_share_a_cache(server: Server, tmp_path: Path) -> None:
    entries = offer(server, *(f"file-{number}" for number in range(6)))
    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(lambda number: bring(server, entries[: number + 1], tmp_path), range(6)))
    assert [len(item.problems) for item in done] == [0] * 6
    assert [path.read_text() for path in done[5].files] == [f"file-{number}" for number in range(6)]


def test_proxies_are_those_of_the_environment(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
    server.on(f"http://mirror.invalid/{HOST}/one", send(b"one"))
    assert bring(server, [entry("one", b"one")], tmp_path, mirror="http://mirror.invalid").problems == []


def test_redirects_are_followed_without_credentials(server: Server, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password s3cret\n")
    target = f"http://localhost:{server.server_port}/blobs/1"
    server.on(f"/mirror/{HOST}/one", send(b"", 302, Location=target))
    server.on("/blobs/1", send(b"one"))
    assert bring(server, [entry("one", b"one")], tmp_path / "cache").problems == []
    first, second = (headers for _, headers in server.asked)
    assert first["Authorization"] == "Basic bWU6czNjcmV0"
    assert "Authorization" not in second


def test_a_publisher_gets_no_credentials(publisher: Server, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password s3cret\n")
    publisher.on("/one", send(b"one"))
    wanted = entry("one", b"one", f"127.0.0.1:{publisher.server_port}")
    assert bring(publisher, [wanted], tmp_path, mirror="").problems == []
    assert "Authorization" not in publisher.asked[0][1]


def test_failures_that_pass_are_tried_again(server: Server, tmp_path: Path) -> None:
    entries = offer(server, "one")
    server.on(
        f"/mirror/{HOST}/one",
        send(b"busy", 503),
        send(b"later", 429, Retry_After="0"),
        send(b"one"),
    )
    assert bring(server, entries, tmp_path).problems == []
    assert len(server.asked) == 3


def test_a_broken_connection_is_tried_again(server: Server, tmp_path: Path) -> None:
    entries = offer(server, "one")
    server.on(f"/mirror/{HOST}/one", send(b"on", Content_Length=3), send(b"one"))
    assert bring(server, entries, tmp_path).problems == []


# What is said when it fails


def test_other_content_is_refused_and_not_kept(server: Server, tmp_path: Path) -> None:
    wanted = entry("one", b"one")
    server.on(f"/mirror/{HOST}/one", send(b"<html>log in</html>", Content_Type="text/html; charset=utf-8"))
    done = bring(server, [wanted], tmp_path)
    got = hashlib.sha256(b"<html>log in</html>").hexdigest()
    assert problem(done) == (
        f"{server.mirror}/{HOST}/one is not the file that lock, line one names: its SHA-256 is {got} (19 bytes of "
        f"text/html), expected {wanted.checksum}"
    )
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size] == []
    assert len(server.asked) == 1


def test_a_mirror_that_lacks_a_file_is_told_where_it_belongs(server: Server, tmp_path: Path) -> None:
    done = bring(server, [entry("one", b"one")], tmp_path)
    assert problem(done) == (
        f"{server.mirror}/{HOST}/one isn't there (404 Not Found): "
        f"the mirror must keep https://{HOST}/one under that path"
    )
    assert len(server.asked) == 1


def test_a_publisher_that_lacks_a_file(publisher: Server, tmp_path: Path) -> None:
    wanted = entry("one", b"one", f"127.0.0.1:{publisher.server_port}")
    assert problem(bring(publisher, [wanted], tmp_path, mirror="")) == (
        f"{wanted.url} isn't there (404 Not Found): the publisher has no such file, or no longer"
    )


def test_a_mirror_that_wants_credentials(server: Server, tmp_path: Path) -> None:
    server.on(f"/mirror/{HOST}/one", send(b"", 401))
    done = bring(server, [entry("one", b"one")], tmp_path)
    assert problem(done).endswith("is refused (401 Unauthorized): the credentials for 127.0.0.1 are read from ~/.netrc")


def test_a_mirror_that_is_down_is_one_sentence(server: Server, tmp_path: Path) -> None:
    entries = [entry(f"file-{number}", b"") for number in range(20)]
    done = bring(server, entries, tmp_path, mirror="http://127.0.0.1:1/mirror")
    told = problem(done)
    assert told.startswith(
        "the mirror 127.0.0.1:1 can't be reached for http://127.0.0.1:1/mirror/publisher.example.com/"
    )
    assert told.endswith(": Connection refused (20 files are missing)")


def test_a_host_that_is_down_is_not_asked_for_each_file(server: Server, tmp_path: Path) -> None:
    def hang_up(request: BaseHTTPRequestHandler) -> None:
        request.connection.close()

    entries = [entry(f"file-{number}", b"") for number in range(40)]
    for one in entries:
        server.on(f"/mirror/{one.path}", hang_up)
    assert "can't be reached" in problem(bring(server, entries, tmp_path, retries=0))
    # Those that were under way when the first failed.
    assert 1 <= len(server.asked) <= 8


def test_a_publisher_that_is_down_makes_one_think_of_a_mirror(server: Server, tmp_path: Path) -> None:
    done = bring(server, [entry("one", b"one", "127.0.0.1:1")], tmp_path, mirror="")
    assert problem(done) == (
        "the publisher 127.0.0.1:1 can't be reached for https://127.0.0.1:1/one: Connection refused; where it can't be "
        "reached at all, name a mirror"
    )


def test_a_name_that_nobody_knows(server: Server, tmp_path: Path) -> None:
    done = bring(server, [entry("one", b"one")], tmp_path, mirror="http://mirror.invalid", retries=0)
    assert problem(done).startswith("the mirror mirror.invalid can't be reached for http://mirror.invalid/")


def test_a_certificate_that_nobody_vouches_for(
    publisher: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    Authority.of(tmp_path / "other")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "other/rds-ca.pem"))
    wanted = entry("one", b"one", f"127.0.0.1:{publisher.server_port}")
    told = problem(bring(publisher, [wanted], tmp_path, mirror=""))
    assert "its certificate isn't trusted (" in told
    assert "SSL_CERT_FILE names further authorities" in told
    assert publisher.accepted == 1, "it won't be better the next time"


def test_a_redirect_from_https_to_http_is_not_followed(publisher: Server, tmp_path: Path) -> None:
    wanted = entry("one", b"one", f"127.0.0.1:{publisher.server_port}")
    publisher.on("/one", send(b"", 302, Location="http://127.0.0.1:1/one"))
    told = problem(bring(publisher, [wanted], tmp_path, mirror=""))
    assert told == f"{wanted.url} leads to http://127.0.0.1:1/one, which is not https"


def test_an_answer_that_stays_bad_is_told_with_the_number_of_tries(server: Server, tmp_path: Path) -> None:
    server.on(f"/mirror/{HOST}/one", send(b"", 502))
    done = bring(server, [entry("one", b"one")], tmp_path)
    assert problem(done).endswith("/one can't be had: the answer is 502 Bad Gateway, 3 times")


def test_a_connection_that_always_breaks(server: Server, tmp_path: Path) -> None:
    server.on(f"/mirror/{HOST}/one", send(b"on", Content_Length=30))
    done = bring(server, [entry("one", b"one")], tmp_path)
    assert problem(done).endswith("/one can't be had: the connection ends 28 bytes too early")


@pytest.mark.parametrize(
    ("drops", "timeout", "sentence"),
    [([], 0.3, "no answer within 0.3 s"), ([b"a"] * 60, 2, "bytes within 2 s")],
    ids=["nothing", "a drop at a time"],
)
def test_a_server_that_takes_its_time_is_given_up(
    server: Server, tmp_path: Path, drops: list[bytes], timeout: float, sentence: str
) -> None:
    given_up = threading.Event()

    def answer(request: BaseHTTPRequestHandler) -> None:
        if not drops:
            given_up.wait(20)
        request.send_response(200)
        request.end_headers()
        for drop in drops:
            request.wfile.write(drop)
            given_up.wait(0.1)

    server.on(f"/mirror/{HOST}/one", answer)
    told = problem(bring(server, [entry("one", b"one")], tmp_path, timeout=timeout, retries=0))
    assert sentence in told
    given_up.set()


def test_all_failures_come_together(server: Server, tmp_path: Path) -> None:
    entries = [entry(name, name.encode()) for name in ("one", "two", "three")]
    offer(server, "one")
    server.on(f"/mirror/{HOST}/two", send(b"owt"))
    done = bring(server, entries, tmp_path)
    assert (done.fetched, len(done.problems)) == (1, 2)


# The module


def run(capsys: pytest.CaptureFixture[str], check: bool = False, **arguments: Any) -> dict[str, Any]:
    with patch_module_args({**arguments, "_ansible_check_mode": check}), pytest.raises(SystemExit):
        published_files.main()
    return dict(json.loads(capsys.readouterr().out))


def lock_of(tmp_path: Path, *entries: Entry) -> str:
    path = tmp_path / "published.sha256"
    path.write_text("".join(f"{entry.checksum}  {entry.url}\n" for entry in entries))
    return str(path)


@pytest.mark.parametrize("check", [False, True])
def test_the_module_fetches_in_a_plan_too_and_changes_nothing(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], check: bool
) -> None:
    lock = lock_of(tmp_path, *offer(server, "a/one", "two"))
    said = run(capsys, check, checksums=[lock], mirror=server.mirror, dest=str(tmp_path / "cache"))
    assert (said["changed"], said["fetched"]) == (False, 2)
    assert [Path(file).read_text() for file in said["files"]] == ["a/one", "two"]
    assert said["files"][0] == f"{said['directory']}/{HOST}/a/one"


def test_the_module_tells_all_that_is_wrong_before_it_fetches(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = Path(lock_of(tmp_path, *offer(server, "one")))
    lock.write_text(f"{lock.read_text()}no line\n")
    said = run(capsys, checksums=[str(lock), "/none"], mirror="nowhere", dest=str(tmp_path / "cache"), timeout=0)
    assert said["failed"]
    assert said["msg"].startswith("4 problems:\n- ")
    assert len(said["problems"]) == 4
    assert server.asked == []


def test_a_cache_that_can_t_be_written_gets_a_sentence(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    lock = lock_of(tmp_path, *offer(server, "one"))
    said = run(capsys, checksums=[lock], mirror=server.mirror, dest=str(tmp_path / "file"))
    assert said["msg"].startswith(f"the cache {tmp_path}/file can't be written: ")


def test_the_cache_is_where_caches_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert default_cache({}) == Path("/home/somebody/.cache/innovate-platform/published")
    assert default_cache({"XDG_CACHE_HOME": "/var/cache"}) == Path("/var/cache/innovate-platform/published")
    assert default_cache({"XDG_CACHE_HOME": "relative"}) == Path("/home/somebody/.cache/innovate-platform/published")
