# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Schedules of disruption budgets, and the windows outside of which nothing is disrupted. All times are UTC."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
"""In cron's order, where Sunday is 0."""
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WORDS = ("@annually", "@yearly", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_DAY, _WEEK = 24 * 60, 7 * 24 * 60
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_LENGTH = re.compile(r"(?:(?P<hours>\d+)h)?(?:(?P<minutes>\d+)m)?")


class _Field(NamedTuple):
    name: str
    least: int
    most: int
    words: Sequence[str] = ()

    def problems(self, text: str) -> Iterable[str]:
        """Yield what is wrong with one of the five fields: a list of values, ranges and steps."""
        for item in text.split(","):
            values, slash, step = item.partition("/")
            if slash and (not step.isdecimal() or int(step) == 0):
                yield f"the step {step!r} of its {self.name} is not a number above 0"
            if values in ("*", "?"):
                continue
            first, dash, last = values.partition("-")
            numbers = [self._number(word) for word in ((first, last) if dash else (first,))]
            if None in numbers:
                yield f"its {self.name} {values!r} is not within {self.least} to {self.most}"
            elif dash and (numbers[0] or 0) > (numbers[1] or 0):
                yield f"its {self.name} {values!r} ends before it begins"

    def _number(self, word: str) -> int | None:
        if word.lower() in self.words:
            return self.words.index(word.lower()) + self.least
        if not word.isdecimal():
            return None
        return int(word) if self.least <= int(word) <= self.most else None


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    # Karpenter's parser (robfig/cron) has no 7 for Sunday.
    _Field("day of the week", 0, 6, DAYS),
)


def cron_problems(schedule: str) -> list[str]:
    """Return what is wrong with a schedule in cron's syntax, as clauses; Karpenter itself would find it too late.

    Its definition of a NodePool takes any five words; the pool then just isn't ready.
    """
    if schedule.startswith("@"):
        return [] if schedule in _WORDS else [f"it is none of {', '.join(_WORDS)}"]
    fields = schedule.split()
    if len(fields) != len(_FIELDS):
        return [f"it has {len(fields)} fields instead of minute, hour, day of the month, month, day of the week"]
    return [problem for field, text in zip(_FIELDS, fields, strict=True) for problem in field.problems(text)]


def minutes(length: str) -> int:
    """Return the minutes of ``4h``, ``90m`` or ``1h30m``; 0 if it is nothing of the kind."""
    found = _LENGTH.fullmatch(length)
    return int(found["hours"] or 0) * 60 + int(found["minutes"] or 0) if found else 0


def window_problems(windows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a clause for each mistake in maintenance windows."""
    problems = []
    for window in windows:
        for name in sorted(set(window) - {"days", "start", "duration"}):
            problems.append(f"unknown option {name!r} of a window: use days, start and duration")
        start, duration = str(window.get("start", "")), str(window.get("duration", ""))
        for day in window.get("days") or ():
            if day not in DAYS:
                problems.append(f"day {day!r} is none of {', '.join(DAYS)}")
        if not _CLOCK.fullmatch(start):
            problems.append(f"start {start!r} is not a time of day such as '02:00', in quotes and in UTC")
        if not 0 < minutes(duration) <= _WEEK:
            problems.append(f"duration {duration!r} is not a duration of up to a week such as 4h or 1h30m")
    return problems


def closed_budgets(windows: Sequence[Mapping[str, Any]], reasons: Sequence[str]) -> list[dict[str, Any]]:
    """Return budgets that let nothing be disrupted outside of the windows.

    A budget can only close, and the most restrictive of those that hold at a time counts. So there is one for each
    span of the week between two windows; spans that differ by nothing but the day share a schedule.

    https://karpenter.sh/v1.14/concepts/disruption/#nodepool-disruption-budgets
    """
    if not windows:
        return []
    spans: dict[tuple[int, int], list[int]] = {}
    for begin, end in _gaps(_opened(windows)):
        spans.setdefault((begin % _DAY, end - begin), []).append(begin % _WEEK // _DAY)
    return [
        {
            "nodes": "0",
            "schedule": f"{time % 60} {time // 60} * * {_days(days)}",
            "duration": f"{length // 60}h{length % 60}m" if length % 60 else f"{length // 60}h",
            "reasons": sorted(reasons),
        }
        for (time, length), days in sorted(spans.items(), key=lambda item: (sorted(item[1]), item[0]))
    ]


def _days(days: Sequence[int]) -> str:
    return "*" if len(days) == len(DAYS) else ",".join(str(day) for day in sorted(days))


def _opened(windows: Sequence[Mapping[str, Any]]) -> list[tuple[int, int]]:
    """Return the windows as minutes of a week, in order, those that touch joined."""
    opened = []
    for window in windows:
        hour, _colon, minute = str(window["start"]).partition(":")
        for day in window.get("days") or DAYS:
            begin = DAYS.index(day) * _DAY + int(hour) * 60 + int(minute)
            opened.append((begin, begin + minutes(str(window["duration"]))))
    joined: list[tuple[int, int]] = []
    for begin, end in sorted(opened):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined


def _gaps(opened: Sequence[tuple[int, int]]) -> Iterable[tuple[int, int]]:
    """Yield the spans between windows, round the end of the week."""
    # What runs over the week's end holds at its beginning too.
    over = max(0, max(end for _begin, end in opened) - _WEEK)
    following = [*opened[1:], (opened[0][0] + _WEEK, 0)]
    for (_begin, end), (begin, _end) in zip(opened, following, strict=True):
        if max(end, over) < begin:
            yield max(end, over), begin
