# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings published files into a directory, each checked against its checksum."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import http.client
import netrc
import os
import ssl
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from .lock import Entry, digest, source

_SIDE_BY_SIDE = 8
_CHUNK = 1 << 18
# Charts and manifests are read into memory; the largest ones have a few MiB.
_LARGEST = 64 << 20
# What a publisher answers for a while, 429 among them where many ask from one address.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST_PAUSE = 20.0


class FetchError(Exception):
    """A file that couldn't be had: a sentence."""


class HostError(FetchError):
    """No file of this host can be had."""


@dataclass(frozen=True)
class Fetched:
    """What came of it.

    Attributes:
        directory: Holds these files and nothing else, below the names of their hosts.
        files: The files, in the order of the entries.
        fetched: How many of them weren't there before.
        problems: A sentence for each that couldn't be had.
    """

    directory: Path
    files: Sequence[Path]
    fetched: int
    problems: Sequence[str] = ()


@dataclass
class Fetcher:
    """Fetches from publishers, or from their mirror.

    Attributes:
        mirror: Base URL under which hosts are directories; empty for the publishers themselves.
        timeout: Seconds after which a file that hasn't come is given up.
        retries: How often a file is asked for again after a failure that may pass.
        pause: Seconds before the first of those; before each further one it is twice as long.
    """

    mirror: str = ""
    timeout: float = 30
    retries: int = 2
    pause: float = 0.5
    _down: dict[str, HostError] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _opener: urllib.request.OpenerDirector | None = field(default=None, init=False)

    def bring(self, entries: Sequence[Entry], cache: Path) -> Fetched:
        """Have all files in a directory of the cache that belongs to exactly these entries.

        The directory's name says what it holds, so runs with other entries never see each other's files, and runs with
        the same wait for each other.

        Raises:
            OSError: the cache can't be written.
        """
        directory = cache / digest(entries)
        targets = {directory / entry.path: entry for entry in entries}
        missing, foreign = _look(directory, targets)
        fetched, problems = 0, list[str]()
        if missing or foreign:
            with _alone(cache / f".{directory.name}.lock"):
                missing, foreign = _look(directory, targets)  # another process may have been here meanwhile
                for path in foreign:
                    path.unlink(missing_ok=True)
                fetched, problems = self._bring({path: targets[path] for path in missing}, cache / ".partial")
        return Fetched(directory, list(targets), fetched, problems)

    def _bring(self, missing: Mapping[Path, Entry], scratch: Path) -> tuple[int, list[str]]:
        scratch.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            jobs = [pool.submit(self._save, entry, path, scratch) for path, entry in missing.items()]
        errors = [error for job in jobs if (error := job.exception()) is not None]
        unforeseen = next((error for error in errors if not isinstance(error, FetchError)), None)
        if unforeseen is not None:
            raise unforeseen
        # A host that is down is one problem, however many files it has.
        counts: dict[str, int] = {}
        for error in errors:
            counts[str(error)] = counts.get(str(error), 0) + 1
        problems = [text if count == 1 else f"{text} ({count} files are missing)" for text, count in counts.items()]
        return len(jobs) - len(errors), problems

    def _save(self, entry: Entry, target: Path, scratch: Path) -> None:
        content = self._content(entry)
        with tempfile.NamedTemporaryFile(dir=scratch, delete=False) as file:
            try:
                file.write(content)
                file.close()
                Path(file.name).chmod(0o644)
                target.parent.mkdir(parents=True, exist_ok=True)
                Path(file.name).replace(target)
            finally:
                Path(file.name).unlink(missing_ok=True)

    def _content(self, entry: Entry) -> bytes:
        url = source(entry, self.mirror)
        host = urlsplit(url).netloc
        attempt, pause = 0, 0.0
        while True:
            with self._lock:
                if host in self._down:
                    raise self._down[host]
            try:
                content, kind = self._get(url)
                break
            except urllib.error.HTTPError as error:
                error.close()
                if error.code not in _PASSING or attempt >= self.retries:
                    raise FetchError(self._refused(entry, url, error, attempt)) from error
                pause = _asked_for(error.headers.get("Retry-After"))
            except (OSError, http.client.HTTPException) as error:
                cause = error.reason if isinstance(error, urllib.error.URLError) else error
                if attempt >= self.retries or isinstance(cause, ssl.SSLCertVerificationError):
                    raise self._failed(url, host, cause) from error
                pause = 0.0
            time.sleep(max(pause, min(self.pause * 2**attempt, _LONGEST_PAUSE)))
            attempt += 1
        found = hashlib.sha256(content).hexdigest()
        if found != entry.checksum:
            raise FetchError(
                f"{url} is not the file that {entry.place or 'the lock file'} names: its SHA-256 is {found} "
                f"({len(content)} bytes of {kind}), expected {entry.checksum}"
            )
        return content

    def _get(self, url: str) -> tuple[bytes, str]:
        request = urllib.request.Request(url, headers={"User-Agent": "innovate.platform", "Accept": "*/*"})
        credentials = _credentials(urlsplit(url).hostname or "") if self.mirror else ""
        if credentials:
            request.add_unredirected_header("Authorization", credentials)  # not for whom a redirect leads to
        content = bytearray()
        ends = time.monotonic() + self.timeout
        with self._connections().open(request, timeout=self.timeout) as answer:
            while chunk := answer.read1(_CHUNK):
                content += chunk
                if len(content) > _LARGEST:
                    raise FetchError(f"{url} is larger than {_LARGEST >> 20} MiB, which no chart or manifest is")
                if time.monotonic() > ends:
                    raise FetchError(f"{url} comes too slowly: {len(content)} bytes within {self.timeout:g} s")
            if answer.length:  # what the header promised and the connection didn't bring: nothing to read1
                raise http.client.IncompleteRead(bytes(content), answer.length)
            return bytes(content), answer.headers.get_content_type()

    def _connections(self) -> urllib.request.OpenerDirector:
        with self._lock:
            if self._opener is None:
                trusted = ssl.create_default_context()  # takes tens of milliseconds: once
                self._opener = urllib.request.build_opener(_Redirects, urllib.request.HTTPSHandler(context=trusted))
            return self._opener

    def _refused(self, entry: Entry, url: str, error: urllib.error.HTTPError, attempt: int) -> str:
        told = f"{error.code} {error.reason}".strip()
        if error.code in (404, 410):
            if self.mirror:
                return f"{url} isn't there ({told}): the mirror must keep {entry.url} under that path"
            return f"{url} isn't there ({told}): the publisher has no such file, or no longer"
        if error.code in (401, 403):
            return f"{url} is refused ({told})" + (
                f": the credentials for {urlsplit(url).hostname} are read from ~/.netrc" if self.mirror else ""
            )
        return f"{url} can't be had: the answer is {told}" + (f", {attempt + 1} times" if attempt else "")

    def _failed(self, url: str, host: str, cause: BaseException | str) -> FetchError:
        if isinstance(cause, http.client.IncompleteRead):
            return FetchError(f"{url} can't be had: the connection ends {cause.expected or 'some'} bytes too early")
        if isinstance(cause, ssl.SSLCertVerificationError):
            why = f"its certificate isn't trusted ({cause.verify_message}); SSL_CERT_FILE names further authorities"
        elif isinstance(cause, TimeoutError):
            why = f"no answer within {self.timeout:g} s"
        else:
            why = (cause.strerror if isinstance(cause, OSError) else None) or str(cause) or type(cause).__name__
        who = "the mirror" if self.mirror else "the publisher"
        advice = "" if self.mirror else "; where it can't be reached at all, name a mirror"
        with self._lock:
            return self._down.setdefault(host, HostError(f"{who} {host} can't be reached for {url}: {why}{advice}"))


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects (publishers have download hosts of their own), but never from https to http."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if req.type == "https" and urlsplit(newurl).scheme != "https":
            raise FetchError(f"{req.full_url} leads to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def default_cache(environment: Mapping[str, str]) -> Path:
    """Where published files are kept by default: XDG_CACHE_HOME/innovate-platform/published."""
    base = environment.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "innovate-platform" / "published"


def _look(directory: Path, targets: Mapping[Path, Entry]) -> tuple[list[Path], list[Path]]:
    """What is missing or damaged, and what doesn't belong there: a chart is all that is in its directory."""
    missing = [path for path, entry in targets.items() if path.is_symlink() or _checksum(path) != entry.checksum]
    there = (Path(folder) / name for folder, _folders, names in os.walk(directory) for name in names)
    return missing, [path for path in there if path not in targets]


def _checksum(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError):
        return None


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock; the kernel takes it from a process that ends, however it ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        with contextlib.suppress(OSError):  # a file system without locks: files are renamed into place all the same
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _asked_for(pause: str | None) -> float:
    return min(float(pause), _LONGEST_PAUSE) if pause and pause.isdecimal() else 0.0


def _credentials(host: str) -> str:
    """What ~/.netrc, or the file that NETRC names, has for a host, as a header's value; empty where it has nothing."""
    try:
        found = netrc.netrc(os.environ.get("NETRC")).authenticators(host)
    except (OSError, netrc.NetrcParseError):
        return ""
    if not found or not found[0]:
        return ""
    return "Basic " + base64.b64encode(f"{found[0]}:{found[2] or ''}".encode()).decode()
