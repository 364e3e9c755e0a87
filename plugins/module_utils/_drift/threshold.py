# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From how much drift on a run fails."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

CATEGORIES = ("changed", "missing", "unowned")
"""What counts: changed by hand; declared and gone; carries our tags or stands among what is ours, undeclared."""
_PART = re.compile(r"(?P<word>[a-z]+)(=(?P<count>\d{1,6}))?")
_WORDS = ("any", *CATEGORIES, "none")


def parse(text: str) -> tuple[dict[str, int], list[str]]:
    """Return from how many findings of each category on a run fails, and what is wrong with what was asked for.

    :param text: ``any``, ``none``, or categories with commas between them, each with a number perhaps:
        ``missing,unowned=5`` fails from one missing or five unowned on, whatever is changed.
    """
    limits: dict[str, int] = {}
    problems = []
    parts = [part for part in re.split(r"[,\s]+", text.strip().lower()) if part]
    if not parts:
        problems.append(f"fail_at is empty: use {', '.join(_WORDS)}")
    for part in parts:
        found = _PART.fullmatch(part)
        word = found["word"] if found else part
        if found is None or word not in _WORDS:
            close = difflib.get_close_matches(word, _WORDS, n=1)
            advice = f"did you mean {close[0]}?" if close else f"use {', '.join(_WORDS)}, such as missing,unowned=5"
            problems.append(f"fail_at: '{part}' is nothing that a run could fail at: {advice}")
            continue
        count = int(found["count"] or 1)
        if count < 1:
            problems.append(f"fail_at: '{part}' would always fail: leave {word} out, or count from 1")
        elif word == "none" and (len(parts) > 1 or found["count"]):
            problems.append("fail_at: 'none' stands alone")
        elif word != "none":
            limits.update(dict.fromkeys(CATEGORIES if word == "any" else (word,), count))
    return limits, problems


def exceeded(limits: Mapping[str, int], totals: Mapping[str, int]) -> list[str]:
    """Return a sentence for each category of which there is as much as a run fails at."""
    return [
        f"{totals[category]} {category}"
        + (f" (the run fails from {limits[category]} on)" if limits[category] > 1 else "")
        for category in CATEGORIES
        if category in limits and totals[category] >= limits[category]
    ]
