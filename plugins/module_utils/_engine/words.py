# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a word that nobody knows."""

from __future__ import annotations

import difflib
from collections.abc import Collection


def suggest(word: str, words: Collection[str]) -> str:
    """Return what to do about a word that isn't one of those known."""
    close = difflib.get_close_matches(word, words, n=1)
    return f"did you mean {close[0]}?" if close else f"use one of {', '.join(words)}"


def did_you_mean(word: str, words: Collection[str]) -> str:
    """Return the end of a sentence about such a word, where one of those known is close; else nothing."""
    close = difflib.get_close_matches(word, words, n=1)
    return f": did you mean '{close[0]}'?" if close else ""
