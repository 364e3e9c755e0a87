# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules are waiting for, read from the files that they write, as lines of text."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WIDTH = 100
_STATUS = 30
"""Most characters of a status where a line has several."""
_WORDS = {"begun": "in progress", "ready": "not ready yet", "gone": "not gone yet"}

Place = tuple[str, str]
"""Account and stack."""


@dataclass
class Awaited:
    """Something that isn't done yet.

    :param since: seconds since the epoch.
    :param status: in the cloud's own word where it tells one.
    :param told: whether it was in a line already.
    """

    since: float
    state: str
    status: str
    told: bool = False


@dataclass
class _File:
    read: int = 0
    left: str = ""
    awaited: dict[tuple[Place, str], Awaited] = field(default_factory=dict)


class Board:
    """What is awaited in a run, by account and stack.

    :param interval: seconds between two rounds of lines, while something takes longer than half of it.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._last = 0.0
        self._files: dict[Path, _File] = {}

    def look(self, folder: Path, now: float) -> list[str]:
        """Read what is new in a folder, and return the lines that are due: what became ready, and what is awaited."""
        found: list[str] = []
        for path in sorted(folder.glob("*.jsonl")):
            file = self._files.setdefault(path, _File())
            for event in _events(path, file):
                found += self._take(file, event)
            if file.awaited and not _is_running(path):
                file.awaited.clear()
        awaited = [pair for file in self._files.values() for pair in file.awaited.items()]
        oldest = min((item.since for _place, item in awaited), default=now)
        if now - self._last >= self._interval and now - oldest >= self._interval / 2:
            self._last = now
            found += _lines(awaited, now)
        return found

    def _take(self, file: _File, event: Mapping[str, Any]) -> Iterator[str]:
        """Note an event, and yield a line for the end of what was told of before."""
        if event["state"] == "ended":
            file.awaited.clear()
            return
        place = (event["account"], event["stack"])
        key = (place, event["address"])
        if event["state"] not in ("done", "failed"):
            item = file.awaited.setdefault(key, Awaited(event["at"], "", ""))
            item.state, item.status = event["state"], event["status"]
            return
        ended = file.awaited.pop(key, None)
        if ended is not None and ended.told:
            end = {"gone": "gone", "ready": "ready"}.get(ended.state, "done") if event["state"] == "done" else "failed"
            yield f"  -- {place[0]}  {event['address']}  {end} after {duration(event['at'] - ended.since)}"


def duration(seconds: float) -> str:
    """Return seconds in words, such as ``2 min 10 s``."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _lines(awaited: Iterable[tuple[tuple[Place, str], Awaited]], now: float) -> Iterator[str]:
    """Yield a line for each account and stack, with what has been awaited longest first."""
    places: dict[Place, list[tuple[str, Awaited]]] = {}
    for (place, address), item in awaited:
        places.setdefault(place, []).append((address, item))
    for (account, stack), items in sorted(places.items()):
        items.sort(key=lambda pair: pair[1].since)
        for _address, item in items:
            item.told = True
        parts = [(address, item.status or _WORDS[item.state], duration(now - item.since)) for address, item in items]
        if len(parts) == 1:
            what, status, time = parts[0]
            head, tail = f"  .. {account}  {what}  ", f"  {time}"
            yield f"{head}{_clipped(status, WIDTH - len(head) - len(tail))}{tail}"
            continue
        listed = [f"{what} {_clipped(status, _STATUS)} {time}" for what, status, time in parts]
        yield _listed(f"  .. {account}  {stack}: ", listed)


def _clipped(text: str, most: int) -> str:
    """Return the beginning of a text; a message of Kubernetes may be long."""
    return text if len(text) <= most else f"{text[: max(0, most - 1)]}…"


def _listed(head: str, parts: list[str]) -> str:
    """Return as many parts as a line has room for, and how many more there are."""
    for count in range(len(parts), 1, -1):
        rest = f", {len(parts) - count} more" if count < len(parts) else ""
        line = head + ", ".join(parts[:count]) + rest
        if len(line) <= WIDTH:
            return line
    return f"{head}{parts[0]}, {len(parts) - 1} more"


def _events(path: Path, file: _File) -> list[dict[str, Any]]:
    """Return the whole lines that have been added since; what is unreadable is left out."""
    try:
        with path.open("rb") as stream:
            stream.seek(file.read)
            added = stream.read()
    except OSError:
        return []
    file.read += len(added)
    *lines, file.left = (file.left + added.decode("utf-8", "replace")).split("\n")
    events = []
    for line in lines:
        try:
            events.append(json.loads(line))
        except ValueError:
            continue
    return events


def _is_running(path: Path) -> bool:
    """Tell whether the process runs that a file is named after."""
    try:
        os.kill(int(path.stem), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True
