# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deletions that AWS carries out days later: how long it waits is kept in a tag, since the engine keeps no state.

A key or a secret that is scheduled for deletion isn't there for a plan. When the same address is declared again before
the time is over, its creation takes the old one back instead of making another: what it protects stays readable.
"""

from __future__ import annotations

from collections.abc import Mapping

from .._engine.kind import ADDRESS_TAG, STACK_TAG, Property

WINDOW_TAG = "innovate:deletion-window"
DEFAULT_DAYS = 30


def window_property() -> Property:
    """Return the property that says how many days a deletion can be taken back."""
    return Property(
        "int",
        default=DEFAULT_DAYS,
        choices=tuple(range(7, 31)),
        doc=f"Days, 7 to 30, in which a deletion can be taken back; kept in the tag C({WINDOW_TAG}).",
    )


def window_tags(tags: Mapping[str, str], days: int) -> dict[str, str]:
    """Return tags with the window among them."""
    return {**tags, WINDOW_TAG: str(days)}


def window_of(tags: Mapping[str, str]) -> int:
    """Return the window that tags tell."""
    days = tags.get(WINDOW_TAG, "")
    return int(days) if days.isdigit() else DEFAULT_DAYS


def is_ours(tags: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Tell whether something carries the ownership tags of what is wanted."""
    return all(tags.get(name) == wanted[name] for name in (STACK_TAG, ADDRESS_TAG))
