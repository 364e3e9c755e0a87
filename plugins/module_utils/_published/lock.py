# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lock files: which files of which publishers are wanted, and what is in them.

A lock file has the format of ``sha256sum`` (https://www.gnu.org/software/coreutils/manual/html_node/cksum-output-modes.html),
with URLs in the place of file names. Lines that begin with # are comments, as they are to ``sha256sum --check``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

_LINE = re.compile(r"(?P<checksum>\S+) [ *](?P<url>\S+)")
_CHECKSUM = re.compile(r"[0-9a-f]{64}")
# Characters that need no escape in a URL and have no meaning of their own to a shell or a template.
_SEGMENT = re.compile(r"[A-Za-z0-9._~@+=,-]+")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?")
_OTHER_LENGTHS = {32: "MD5", 40: "SHA-1", 56: "SHA-224", 96: "SHA-384", 128: "SHA-512"}


@dataclass(frozen=True)
class Entry:
    """A file of a publisher.

    Attributes:
        url: Where the publisher has it.
        checksum: The SHA-256 of its content, in lower-case hexadecimal digits.
        place: File and line where it is declared, for messages.
    """

    url: str
    checksum: str
    place: str = ""

    @property
    def path(self) -> str:
        """Where it lies below a directory of published files, and below a mirror: the URL without its scheme."""
        return self.url.removeprefix("https://")


def read_lock(name: str, text: str) -> tuple[list[Entry], list[str]]:
    """Read one lock file.

    Args:
        name: What the file is called in messages.
        text: Its content.

    Returns:
        The entries, and a sentence for each line that is none.
    """
    entries, problems = [], []
    for number, line in enumerate(text.splitlines(), start=1):
        place = f"{name}, line {number}"
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line.rstrip())
        if found is None:
            problems.append(f"{place}: {_short(line)!r} is not a SHA-256, two spaces and a URL")
            continue
        entry = Entry(found["url"], found["checksum"].lower(), place)
        wrong = [*_checksum_problems(entry.checksum), *_url_problems(entry.url)]
        problems += [f"{place}: {problem}" for problem in wrong]
        if not wrong:
            entries.append(entry)
    if not entries and not problems:
        problems.append(f"{name} lists no file: each line is a SHA-256, two spaces and a URL")
    return entries, problems


def conflicts(entries: Iterable[Entry]) -> list[str]:
    """Return a sentence for each pair of entries that can't both be had."""
    problems = []
    seen: dict[str, Entry] = {}
    for entry in entries:
        first = seen.setdefault(entry.path, entry)
        if first is not entry:
            other = "" if first.checksum == entry.checksum else ", with another checksum"
            problems.append(f"{entry.place}: {entry.url} is listed already in {first.place}{other}")
    for path, entry in seen.items():
        for folder in PurePosixPath(path).parents:
            if str(folder) in seen:
                file = seen[str(folder)]
                problems.append(
                    f"{entry.place}: {entry.url} can't lie below {file.url}, which is a file by {file.place}"
                )
    return problems


def read_files(paths: Iterable[str]) -> tuple[list[Entry], list[str]]:
    """Read lock files as one list; returns the entries and a sentence for each mistake."""
    entries: list[Entry] = []
    problems: list[str] = []
    given = list(paths)
    if not given:
        problems.append("checksums names no lock file")
    for path in dict.fromkeys(given):
        try:
            text = Path(path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            problems.append(f"{path} is not text in UTF-8, which a lock file is")
        except OSError as error:
            problems.append(f"{path} can't be read: {error.strerror or error}")
        else:
            read, wrong = read_lock(path, text)
            entries += read
            problems += wrong
    return entries, [*problems, *conflicts(entries)]


def number_problems(timeout: int, retries: int) -> list[str]:
    """Return what is wrong with the numbers that a fetch is told."""
    problems = []
    if timeout < 1:
        problems.append(f"timeout {timeout}: give the seconds that a file may take, 1 or more")
    if not 0 <= retries <= 10:
        problems.append(f"retries {retries}: a file is asked for again 0 to 10 times")
    return problems


def digest(entries: Sequence[Entry]) -> str:
    """A name for exactly these files with this content, whatever their order and wherever they are declared."""
    lines = sorted(f"{entry.checksum}  {entry.url}\n" for entry in entries)
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]


def mirror_problems(mirror: str) -> list[str]:
    """Return what is wrong with a mirror's base URL; nothing where there is none."""
    if not mirror:
        return []
    try:
        parts = urlsplit(mirror)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        return [f"mirror {_short(mirror)!r} is not a URL: {error}"]
    if parts.scheme not in ("http", "https") or not host:
        return [f"mirror {_short(mirror)!r} is not a URL that begins with https:// or http:// and names a host"]
    if parts.username is not None or parts.password is not None:
        return [f"mirror {parts.scheme}://...@{host}: credentials don't belong into the URL: put them into ~/.netrc"]
    if parts.query or parts.fragment:
        return [f"mirror {_short(mirror)!r}: leave out what follows the path, since the files' own paths come there"]
    return []


def source(entry: Entry, mirror: str) -> str:
    """Where a file is fetched from."""
    return f"{mirror.rstrip('/')}/{entry.path}" if mirror else entry.url


def _checksum_problems(checksum: str) -> list[str]:
    if _CHECKSUM.fullmatch(checksum):
        return []
    kind = _OTHER_LENGTHS.get(len(checksum)) if re.fullmatch(r"[0-9a-f]+", checksum) else None
    looks = f"looks like {kind}: " if kind else "has other characters or another length: "
    return [f"the checksum {_short(checksum)!r} {looks}a SHA-256 has 64 hexadecimal digits"]


def _url_problems(url: str) -> list[str]:
    """Return the first thing that is wrong with a publisher's URL, if any."""
    try:
        parts = urlsplit(url)
        _port = parts.port
    except ValueError as error:
        return [f"{_short(url)!r} is not a URL: {error}"]
    if "@" in parts.netloc:
        return [f"https://...@{parts.hostname}: credentials don't belong into a lock file"]
    segments = parts.path.split("/")[1:] or [""]
    odd = next((segment for segment in segments if not _SEGMENT.fullmatch(segment)), "")
    wrong = (
        (parts.scheme != "https", "does not begin with https://, by which publishers are reached"),
        (not _HOST.fullmatch(parts.netloc), "names no host in lower-case letters"),
        ("?" in url or "#" in url, "has a query or a fragment, which no file name can have"),
        (not segments[-1], "names a directory, not a file"),
        (any(part in (".", "..") for part in segments), "has . or .. in its path: write the path that it comes to"),
        ("" in segments, "has an empty part in its path: write each slash once"),
        (bool(odd), f"has characters other than letters, digits and . _ ~ @ + = , - in {_short(odd)!r}"),
    )
    return [f"{_short(url)!r} {sentence}" for is_so, sentence in wrong if is_so][:1]


def _short(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:117]}..."
