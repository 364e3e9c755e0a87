# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``published_files`` makes of good and bad lock files and parameters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.innovate.platform.plugins.module_utils._published.lock import (
    Entry,
    conflicts,
    digest,
    mirror_problems,
    number_problems,
    read_files,
    read_lock,
    source,
)
from ansible_collections.innovate.platform.plugins.modules.published_files import ARGUMENTS
from rehearsal.mirror import ROLES, Publication, locked, publications

SUM = "0123456789abcdef" * 4
URL = "https://raw.githubusercontent.com/a/b/v1/charts/c.yaml"


def line(url: str = URL, checksum: str = SUM, between: str = "  ") -> str:
    return f"{checksum}{between}{url}"


# The line, and what is said of it after the place.
BAD_LINES: dict[str, tuple[str, str]] = {
    "a URL alone": (URL, f"'{URL}' is not a SHA-256, two spaces and a URL"),
    "a checksum alone": (SUM, "is not a SHA-256, two spaces and a URL"),
    "one space": (line(between=" "), "is not a SHA-256, two spaces and a URL"),
    "a third word": (f"{line()} # chart", "is not a SHA-256, two spaces and a URL"),
    "the format of BSD": (f"SHA256 ({URL}) = {SUM}", "is not a SHA-256, two spaces and a URL"),
    "an MD5": (line(checksum=SUM[:32]), "looks like MD5: a SHA-256 has 64 hexadecimal digits"),
    "a SHA-512": (line(checksum=SUM * 2), "looks like SHA-512: a SHA-256 has 64 hexadecimal digits"),
    "a checksum with a prefix": (line(checksum=f"sha256:{SUM}"), "has other characters or another length"),
    "a checksum with a letter too many": (line(checksum=f"{SUM}0"), "has other characters or another length"),
    "a file name": (line("charts/c.yaml"), "'charts/c.yaml' does not begin with https://"),
    "plain http": (line(URL.replace("https", "http")), "does not begin with https://"),
    "a file URL": (line("file:///etc/passwd"), "'file:///etc/passwd' does not begin with https://"),
    "no host": (line("https:///a/b"), "names no host"),
    "a host in capitals": (line("https://Example.com/a"), "names no host in lower-case letters"),
    "a port that isn't": (line("https://example.com:http/a"), "'https://example.com:http/a' is not a URL"),
    "credentials": (line("https://me:s3cret@example.com/a"), "credentials don't belong into a lock file"),
    "a query": (line(f"{URL}?ref=main"), "has a query or a fragment"),
    "a fragment": (line(f"{URL}#top"), "has a query or a fragment"),
    "an empty query": (line(f"{URL}?"), "has a query or a fragment"),
    "a directory": (line("https://example.com/charts/"), "names a directory, not a file"),
    "a host alone": (line("https://example.com"), "names a directory, not a file"),
    "a way up": (line("https://example.com/a/../../../etc/cron.d/x"), "has . or .. in its path"),
    "a way nowhere": (line("https://example.com/./a"), "has . or .. in its path"),
    "an escaped way up": (line("https://example.com/%2e%2e/%2e%2e/x"), "in '%2e%2e'"),
    "an escaped slash": (line("https://example.com/..%2f..%2fx"), "in '..%2f..%2fx'"),
    "a backslash": (line("https://example.com/..\\x"), "in '..\\\\x'"),
    "two slashes": (line("https://example.com//etc/passwd"), "has an empty part in its path"),
    "a template": (line("https://example.com/v{{version}}/a"), "in 'v{{version}}'"),
}


@pytest.mark.parametrize(("text", "sentence"), BAD_LINES.values(), ids=BAD_LINES)
def test_a_bad_line_gets_one_sentence_that_tells_where(text: str, sentence: str) -> None:
    entries, problems = read_lock("published.sha256", f"# comment\n{text}\n")
    assert entries == []
    assert len(problems) == 1
    assert problems[0].startswith("published.sha256, line 2: ")
    assert sentence in problems[0]
    assert "s3cret" not in problems[0]


BAD_PARAMETERS: dict[str, tuple[list[str], str]] = {
    "a mirror without scheme": (mirror_problems("mirror.example.com/published"), "is not a URL that begins with"),
    "a mirror by FTP": (mirror_problems("ftp://mirror.example.com"), "is not a URL that begins with"),
    "a mirror that is a directory": (mirror_problems("/srv/mirror"), "is not a URL that begins with"),
    "a mirror without host": (mirror_problems("https:///published"), "is not a URL that begins with"),
    "a mirror with a port that isn't": (mirror_problems("https://mirror:none/"), "is not a URL: "),
    "a mirror with a password": (
        mirror_problems("https://me:s3cret@mirror.example.com/x"),
        "mirror https://...@mirror.example.com: credentials don't belong into the URL: put them into ~/.netrc",
    ),
    "a mirror with a query": (mirror_problems("https://mirror.example.com/?path="), "leave out what follows the path"),
    "no time": (number_problems(0, 2), "timeout 0: give the seconds"),
    "fewer than no retries": (number_problems(30, -1), "retries -1: a file is asked for again 0 to 10 times"),
    "endless retries": (number_problems(30, 1000), "retries 1000: a file is asked for again 0 to 10 times"),
    "no lock file": (read_files([])[1], "checksums names no lock file"),
    "a lock file that isn't there": (read_files(["/none"])[1], "/none can't be read: No such file or directory"),
    "a directory as a lock file": (read_files(["/"])[1], "/ can't be read: Is a directory"),
    "an empty lock file": (read_lock("x", "")[1], "x lists no file"),
    "a lock file with comments only": (read_lock("x", "# later\n\n")[1], "x lists no file"),
}


@pytest.mark.parametrize(("problems", "sentence"), BAD_PARAMETERS.values(), ids=BAD_PARAMETERS)
def test_a_bad_parameter_gets_one_sentence(problems: list[str], sentence: str) -> None:
    assert len(problems) == 1
    assert sentence in problems[0]
    assert "s3cret" not in problems[0]


def test_a_lock_file_that_is_not_text_gets_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "published.sha256"
    path.write_bytes(b"\xff\xfe\x00")
    assert read_files([str(path)])[1] == [f"{path} is not text in UTF-8, which a lock file is"]


def test_a_url_that_is_listed_twice_is_told_with_both_places(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text(f"{line()}\n{line()}\n")
    other.write_text(f"{line(checksum='f' * 64)}\n")
    problems = read_files([str(one), str(other)])[1]
    assert problems == [
        f"{one}, line 2: {URL} is listed already in {one}, line 1",
        f"{other}, line 1: {URL} is listed already in {one}, line 1, with another checksum",
    ]


def test_the_same_lock_file_twice_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "one"
    path.write_text(f"{line()}\n")
    entries, problems = read_files([str(path), str(path)])
    assert (len(entries), problems) == (1, [])


def test_a_file_can_t_be_a_directory_too() -> None:
    entries = [Entry(f"{URL}/more", SUM, "x, line 1"), Entry(URL, SUM, "x, line 2")]
    assert conflicts(entries) == [f"x, line 1: {URL}/more can't lie below {URL}, which is a file by x, line 2"]


def test_all_mistakes_come_together(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text(f"{line('http://example.com/a', 'abc')}\nnothing\n{line()}\n{line()}\n")
    problems = read_files([str(path), "/none"])[1]
    assert [problem.partition(": ")[0].partition(", ")[2] for problem in problems] == [
        "line 1", "line 1", "line 2", "", "line 4",
    ]  # fmt: skip


GOOD_LINES: dict[str, str] = {
    "text mode": line(),
    "binary mode": line(between=" *"),
    "capitals in the checksum": line(checksum=SUM.upper()),
    "the line end of Windows": f"{line()}\r",
    "spaces at the end": f"{line()}  ",
}


@pytest.mark.parametrize("text", GOOD_LINES.values(), ids=GOOD_LINES)
def test_what_sha256sum_writes_is_understood(text: str) -> None:
    entries, problems = read_lock("lock", f"# comment\n\n{text}\n")
    assert problems == []
    assert entries == [Entry(URL, SUM, "lock, line 3")]


def test_hidden_files_and_ports_are_names_like_others() -> None:
    entries, problems = read_lock("lock", line("https://example.com:8443/charts/.helmignore"))
    assert problems == []
    assert entries[0].path == "example.com:8443/charts/.helmignore"


def test_a_mirror_has_the_hosts_as_directories() -> None:
    entry = Entry(URL, SUM)
    assert source(entry, "") == URL
    for mirror in ("http://127.0.0.1:5000/rehearsal/mirror", "http://127.0.0.1:5000/rehearsal/mirror/"):
        assert mirror_problems(mirror) == []
        assert source(entry, mirror) == (
            "http://127.0.0.1:5000/rehearsal/mirror/raw.githubusercontent.com/a/b/v1/charts/c.yaml"
        )


def test_a_directory_is_named_by_what_is_in_it() -> None:
    one, two = Entry(URL, SUM, "here"), Entry(f"{URL}x", SUM, "here")
    assert digest([one, two]) == digest([two, Entry(URL, SUM, "there")])
    assert len({digest(entries) for entries in ([one], [two], [one, two], [Entry(URL, "f" * 64)])}) == 4


def test_the_modules_defaults_are_good() -> None:
    defaults: dict[str, Any] = {name: spec.get("default") for name, spec in ARGUMENTS.items()}
    assert mirror_problems(defaults["mirror"]) == []
    assert number_problems(defaults["timeout"], defaults["retries"]) == []


# The roles' own lock files


PUBLICATIONS = publications()


@pytest.mark.parametrize("lock", sorted(ROLES.glob("*/files/*.sha256")), ids=lambda path: path.parent.parent.name)
def test_a_roles_lock_file_is_what_versions_yml_asks_for(lock: Path) -> None:
    entries, problems = read_files([str(lock)])
    assert problems == []
    assert locked(lock) == {entry.url: entry.checksum for entry in entries}
    own = [publication for publication in PUBLICATIONS if publication.lock == lock]
    for entry in entries:
        assert any(
            entry.url.startswith(publication.base) and publication.wants(entry.url.removeprefix(publication.base))
            for publication in own
        ), f"{entry.url} is not what versions.yml says: run `make published`"


@pytest.mark.parametrize(
    "publication", PUBLICATIONS, ids=lambda publication: f"{publication.role}-{publication.module}"
)
def test_everything_that_versions_yml_asks_for_is_in_a_lock_file(publication: Publication) -> None:
    paths = [url.removeprefix(publication.base) for url in locked(publication.lock) if url.startswith(publication.base)]
    for pattern in publication.files:
        assert any(replace(publication, files=(pattern,)).wants(path) for path in paths), f"{pattern}: `make published`"
