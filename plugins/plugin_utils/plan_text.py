# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan as lines of text that fit a terminal, each with what it is, so that whoever prints it can colour it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.innovate.platform.plugins.module_utils._plan.document import Document, brief
from ansible_collections.innovate.platform.plugins.plugin_utils.output import printable

WIDTH = 100
SIGNS = {"create": "+", "update": "~", "replace": "±", "delete": "-", "adopt": ">", "keep": "="}
DONE = {
    "create": "created",
    "update": "updated",
    "replace": "replaced",
    "delete": "deleted",
    "adopt": "adopted",
    "keep": "kept",
}

_CONTEXT = 15
"""Characters that are shown before the first difference of two long values."""

Line = tuple[str, str]
"""An action of ``SIGNS``, ``title`` or ``plain``, and the text."""


def lines(document: Document, width: int = WIDTH) -> list[Line]:
    """Return what a plan would do, by account and stack, and a line with the totals.

    What is created is one line each; what is updated or replaced has a line for each property, before and after.
    """
    found: list[Line] = []
    for account in document["accounts"]:
        where = ", ".join([account["id"] or "not there yet", account["region"]])
        found += [("plain", ""), ("title", _clipped(f"{account['host']} ({where})", width))]
        for stack in account["stacks"]:
            found.append(("title", _clipped(f"  {stack['stack']}", width)))
            for change in stack["changes"]:
                found += _change(change, width)
    return [*found, ("plain", ""), ("title", totals(document))]


def cost(estimate: Mapping[str, Any], width: int = WIDTH) -> list[Line]:
    """Return what the resources of a plan cost a month before and after it, by account, and what isn't in the sum.

    :param estimate: as the collection's ``cost.estimate`` makes it.
    """
    sums: dict[str, tuple[float, float]] = {}
    for stack in estimate["by_stack"]:
        before, after = sums.get(stack["account"], (0.0, 0.0))
        sums[stack["account"]] = before + stack["before"], after + stack["after"]
    sums = {account: both for account, both in sums.items() if any(both)}
    head = f"Cost a month in {estimate['currency']}, at list prices, the oldest of {estimate['as_of']}"
    found: list[Line] = [("title", f"{head}: {estimate['before']:,.2f} -> {estimate['after']:,.2f}")]
    broad = max(map(len, sums), default=0)
    found += [
        ("plain", f"  {account:<{broad}} {before:>12,.2f} -> {after:>10,.2f}")
        for account, (before, after) in sorted(sums.items())
        if len(sums) > 1
    ]
    for sentence in estimate["unknown"]:
        found += [("plain", text) for text in wrapped(f"not in it: {sentence}", "  ", width)]
    return found


def totals(document: Document) -> str:
    """Return the one line that says how much a plan changes."""
    counts = document["totals"]
    if not any(counts[action] for action in counts if action != "keep"):
        kept = f"; {counts['keep']} kept" if counts["keep"] else ""
        return f"Plan: nothing to change{kept}"
    shown = ["create", "update", "replace", "delete", *(action for action in ("adopt", "keep") if counts[action])]
    words = ", ".join(f"{counts[action]} to {action}" for action in shown)
    return f"Plan: {words} in {accounts(len({account['host'] for account in document['accounts']}))}"


def accounts(count: int) -> str:
    """Return a number of accounts in words."""
    return f"{count} account{'' if count == 1 else 's'}"


def wrapped(text: str, indent: str, width: int = WIDTH) -> Iterator[str]:
    """Yield a sentence in lines of at most ``width`` characters; a word that is longer has a line of its own."""
    line = indent
    for word in text.split():
        if line.strip() and len(line) + 1 + len(word) > width:
            yield line
            line = indent + "  "
        line += word if not line.strip() else f" {word}"
    yield line


def _change(change: Mapping[str, Any], width: int) -> Iterator[Line]:
    action = change["action"]
    head = f"    {SIGNS[action]} {change['address']}"
    if action == "create":
        yield action, _clipped(f"{head}  {_declared(change['after'] or {})}".rstrip(), width)
        return
    note = change["reason"]
    if change["forced_by"]:
        note = f"replaced, since {_list(change['forced_by'])} can't be changed in place"
    differing = [line for name, old, new in _differing(change) for line in _both(name, old, new, change, width)]
    if len(differing) == 1 and not note and len(f"{head}  {differing[0]}") <= width:
        yield action, f"{head}  {differing[0]}"
        return
    yield action, _clipped(f"{head}  {note}".rstrip() if action != "keep" else head, width)
    if action == "keep" and note:
        yield from ((action, text) for text in wrapped(note, "        ", width))
    yield from ((action, f"        {line}") for line in differing)


def _differing(change: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yield each property that changes, as it was and as it will be; of maps only what differs in them."""
    if change["action"] not in ("update", "adopt", "replace"):
        return
    before, after = change["before"] or {}, change["after"] or {}
    for name in change["changed"]:
        old, new = before.get(name), after.get(name)
        if isinstance(new, Mapping) and (old is None or isinstance(old, Mapping)):
            old = old or {}
            for key in sorted({*old, *new}, key=str):
                if old.get(key) != new.get(key):
                    yield f"{name}.{key}", old.get(key), new.get(key)
        else:
            yield name, old, new


def _both(name: str, old: Any, new: Any, change: Mapping[str, Any], width: int) -> Iterator[str]:
    """Yield the lines, without their indentation, that tell how one property changes."""
    width -= len("        ")
    mark = " (forces the replacement)" if name.partition(".")[0] in change["forced_by"] else ""
    if isinstance(old, list) and isinstance(new, list):
        gone = [item for item in old if item not in new]
        come = [item for item in new if item not in old]
        if gone or come:
            yield f"{name}:{mark}"
            yield from (_clipped(f"  - {_value(item)}", width) for item in gone)
            yield from (_clipped(f"  + {_value(item)}", width) for item in come)
            return
    line = f"{name}: {_value(old)} -> {_value(new)}{mark}"
    if len(line) <= width:
        yield line
        return
    before, after = _from_where_they_differ(_value(old), _value(new))
    yield f"{name}:"
    yield _clipped(f"  from {before}", width)
    yield _clipped(f"    to {after}{mark}", width)


def _from_where_they_differ(old: str, new: str) -> tuple[str, str]:
    """Return two long values without most of what they begin with in common."""
    common = 0
    while common < min(len(old), len(new)) and old[common] == new[common]:
        common += 1
    start = max(0, common - _CONTEXT)
    return (f"…{old[start:]}", f"…{new[start:]}") if start > _CONTEXT else (old, new)


def _declared(properties: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in properties.items() if name != "tags")


def _value(value: Any) -> str:
    if value is None:
        return "(none)"
    return printable(brief(value, 400)) if value != "" else '""'


def _list(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _clipped(text: str, width: int) -> str:
    text = printable(text)
    return text if len(text) <= width else text[: width - 1] + "…"
