# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drift report as one HTML file: no script, nothing fetched, light and dark, on a phone and on paper."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

import yaml

from .style import STYLE

NOUNS = {"changed": "changed", "missing": "missing", "unowned": "unowned", "follows": "follow"}
"""What a category is called on the page."""
_MEANINGS = (
    ("changed", "stands, but not as it is declared"),
    ("missing", "is declared and isn't there, or lost the tags by which it is known"),
    ("unowned", "carries our tags, or stands among what is ours, and nothing declares it"),
    ("follows", "is as declared, but refers to something that is missing; not counted as drift"),
)
_CONTEXT = 2
"""Lines shown around what differs in a long value."""
_NOTHING = "—"

Document = Mapping[str, Any]


def page(document: Document) -> str:
    """Return the whole file. Everything that comes from AWS or from a declaration is escaped."""
    return "".join(line + "\n" for line in _page(document))


def _page(document: Document) -> Iterator[str]:
    when = document["generated"]
    title = f"Drift report {when[:10]}"
    yield "<!DOCTYPE html>"
    yield '<html lang="en">'
    yield "<head>"
    yield '<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="color-scheme" content="light dark">'
    yield """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">"""
    yield f"<title>{escape(title)}</title>"
    yield f"<style>{STYLE}</style>"
    yield "</head>"
    yield "<body>"
    yield '<header class="top">'
    yield "<h1>Drift report</h1>"
    where = f" · organization <code>{escape(document['organization'])}</code>" if document["organization"] else ""
    yield f'<p class="meta"><time datetime="{escape(when)}">{escape(_moment(when))}</time>{where}</p>'
    yield _verdict(document)
    yield "</header>"
    yield "<main>"
    yield from _summary(document)
    for account in document["accounts"]:
        if _is_worth_a_section(account):
            yield from _account(account)
    yield from _legend()
    yield "</main>"
    yield "</body>"
    yield "</html>"


def _moment(when: str) -> str:
    return when.replace("T", " ").removesuffix("Z").removesuffix("+00:00") + " UTC"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _verdict(document: Document) -> str:
    totals = document["totals"]
    found = [f"{totals[name]} {NOUNS[name]}" for name in ("changed", "missing", "unowned") if totals[name]]
    if totals["not_compared"]:
        found.append(f"{totals['not_compared']} not compared")
    compared = f"{_plural(totals['resources'], 'resource')} of {_plural(totals['stacks'], 'stack')} compared"
    kind = "bad" if found else "good"
    words = ", ".join(found) if found else "Everything is as declared"
    state = ""
    if found:
        state = "This run fails: " + "; ".join(document["reasons"]) if document["failed"] else "Below the threshold"
        state = f"{state} (fail_at: {document['fail_at']}). "
    return f'<p class="verdict {kind}"><strong>{escape(words)}</strong> <span>{escape(state + compared)}.</span></p>'


def _is_worth_a_section(account: Mapping[str, Any]) -> bool:
    return bool(account["not_compared"] or account["notes"]) or any(
        stack["items"] or stack["notes"] for stack in account["stacks"]
    )


def _summary(document: Document) -> Iterator[str]:
    names = ("changed", "missing", "unowned", "follows")
    yield '<section class="summary">'
    yield "<h2>Summary</h2>"
    if not document["accounts"]:
        yield "<p>Nothing was compared: no host of the inventory has a stack.</p></section>"
        return
    yield '<div class="scroll"><table>'
    heads = "".join(f'<th scope="col" class="n">{NOUNS[name]}</th>' for name in names)
    yield '<thead><tr><th scope="col">account</th><th scope="col">stack</th>'
    yield f'<th scope="col" class="n all">resources</th>{heads}</tr></thead>'
    yield "<tbody>"
    for account in document["accounts"]:
        place = f"{escape(account['name'])} <code>{escape(account['id'] or 'not there yet')}</code>"
        rows = [*account["stacks"]]
        span = len(rows) + (1 if account["not_compared"] else 0) or 1
        first = f'<th scope="rowgroup" rowspan="{span}">{place}</th>'
        if not rows and not account["not_compared"]:
            yield f'<tr>{first}<td colspan="{len(names) + 2}" class="quiet">no stacks, nothing tagged</td></tr>'
        for stack in rows:
            cells = "".join(_count(name, stack["totals"][name]) for name in names)
            name = escape(stack["stack"])
            if stack["items"] or stack["notes"]:
                name = f'<a href="#{_anchor(account, stack)}">{name}</a>'
            if not stack["declared"]:
                name += ' <span class="quiet">(not declared)</span>'
            yield f'<tr>{first}<td>{name}</td><td class="n all">{stack["resources"]}</td>{cells}</tr>'
            first = ""
        if account["not_compared"]:
            words = f"{len(account['not_compared'])} not compared"
            yield f'<tr>{first}<td colspan="{len(names) + 2}" class="failed">{words}</td></tr>'
    yield "</tbody>"
    totals = document["totals"]
    cells = "".join(_count(name, totals[name]) for name in names)
    all_of_them = f'<td class="n all">{totals["resources"]}</td>'
    yield f'<tfoot><tr><th scope="row" colspan="2">all</th>{all_of_them}{cells}</tr></tfoot>'
    yield "</table></div>"
    yield "</section>"


def _count(name: str, count: int) -> str:
    return f'<td class="n {name if count else "quiet"}">{count if count else "·"}</td>'


def _anchor(account: Mapping[str, Any], stack: Mapping[str, Any]) -> str:
    return escape(f"{account['host']}-{stack['region']}-{stack['stack']}".replace(" ", "-"))


def _account(account: Mapping[str, Any]) -> Iterator[str]:
    yield '<section class="account">'
    place = ", ".join(part for part in (account["id"] or "not there yet", account["region"]) if part)
    yield f"<h2>{escape(account['name'])} <small>{escape(place)}</small></h2>"
    for failure in account["not_compared"]:
        yield '<article class="item failed">'
        yield f'<h4><span class="chip failed">not compared</span> {escape(failure["task"])}</h4>'
        yield from (f'<p class="note">{escape(problem)}</p>' for problem in failure["problems"])
        yield "</article>"
    yield from (f'<p class="note">{escape(note)}</p>' for note in account["notes"])
    for stack in account["stacks"]:
        if stack["items"] or stack["notes"]:
            yield from _stack(account, stack)
    yield "</section>"


def _stack(account: Mapping[str, Any], stack: Mapping[str, Any]) -> Iterator[str]:
    yield f'<section class="stack" id="{_anchor(account, stack)}">'
    said = stack["playbook"] or ("" if stack["declared"] else "no playbook declares it")
    yield f"<h3>{escape(stack['stack'])}" + (f" <small>{escape(said)}</small>" if said else "") + "</h3>"
    for item in stack["items"]:
        yield from _item(item)
    yield from (f'<p class="note">{escape(note)}</p>' for note in stack["notes"])
    yield "</section>"


def _item(item: Mapping[str, Any]) -> Iterator[str]:
    category = item["category"]
    yield f'<article class="item {category}">'
    name = item["address"] or item["id"] or ""
    chip = f'<span class="chip {category}">{NOUNS[category]}</span>'
    yield f"<h4>{chip} <span>{escape(name)}</span></h4>"
    if item["id"] and item["id"] != name:
        yield f'<p class="id"><code>{escape(item["id"])}</code></p>'
    if item["reason"]:
        yield f"<p>{escape(item['reason'])}</p>"
    if item["values"]:
        yield from _values(item)
    yield from (f'<p class="note">{escape(note)}</p>' for note in item["notes"])
    if item["events"]:
        yield from _events(item["events"])
    if item["advice"]:
        yield f'<p class="advice"><b>What to do:</b> {escape(item["advice"])}</p>'
    yield "</article>"


def _events(events: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield '<ul class="events">'
    for event in events:
        who, what = escape(str(event.get("who") or "?")), escape(str(event.get("event") or ""))
        ours = ", by the platform itself" if event.get("platform") else ""
        origin = f", from {escape(str(event['source']))}" if event.get("source") else ""
        yield f"<li><b>{who}</b> {what}, {escape(_moment(str(event.get('time') or '')))}{origin}{ours}</li>"
    yield "</ul>"


def _values(item: Mapping[str, Any]) -> Iterator[str]:
    """Yield a table of what is declared and what is there, side by side; of long values the lines that differ."""
    sides: tuple[str, ...] = ("declared", "actual")
    if item["category"] == "missing":
        sides = ("declared",)
    elif item["category"] == "unowned":
        sides = ("actual",)
    heads = {"declared": "declared", "actual": "as it is"}
    yield f'<table class="values {"both" if len(sides) == 2 else "one"}"><thead><tr><th scope="col">property</th>'
    yield "".join(f'<th scope="col">{heads[side]}</th>' for side in sides) + "</tr></thead><tbody>"
    for value in item["values"]:
        name = escape(value["name"])
        if len(sides) == 1:
            cells = f'<td data-side="{heads[sides[0]]}">{_whole(value[sides[0]])}</td>'
        else:
            declared, actual = side_by_side(value["declared"], value["actual"])
            cells = f'<td data-side="declared">{declared}</td><td data-side="as it is">{actual}</td>'
        if value.get("follows") and item["category"] != "follows":
            name += " <small>(follows from what is missing)</small>"
        yield f'<tr><th scope="row">{name}</th>{cells}</tr>'
    yield "</tbody></table>"


def text_of(value: Any) -> list[str]:
    """Return a value as lines: a document by its members, a list by its items, in an order that doesn't change."""
    value = _ordered(value)
    if value is None or value in ([], {}):
        return []
    if isinstance(value, str):
        return value.split("\n")
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, list) and not any(isinstance(item, (dict, list)) for item in value):
        return [line for item in value for line in text_of(item)]
    if isinstance(value, (dict, list)):
        text: str = yaml.safe_dump(value, allow_unicode=True, default_flow_style=False, width=10_000)
        return text.rstrip("\n").split("\n")
    return [str(value)]


def _ordered(value: Any) -> Any:
    """Return plain values with lists sorted, since their order means nothing in most APIs, and JSON texts read."""
    if isinstance(value, Mapping):
        return {str(key): _ordered(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return sorted(map(_ordered, value), key=lambda item: json.dumps(item, sort_keys=True, default=str))
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return _ordered(json.loads(value))
        except ValueError:
            return value
    return value if isinstance(value, (str, int, float)) or value is None else str(value)


def _whole(value: Any) -> str:
    lines = text_of(value)
    return _lines([("", line) for line in lines]) if lines else f'<span class="quiet">{_NOTHING}</span>'


def side_by_side(declared: Any, actual: Any) -> tuple[str, str]:
    """Return both sides as HTML, with what is on one side only marked, and long runs of equal lines left out."""
    left, right = text_of(declared), text_of(actual)
    if not left or not right:
        return _one_sided(left, "del"), _one_sided(right, "ins")
    marked_left: list[tuple[str, str]] = []
    marked_right: list[tuple[str, str]] = []
    for tag, a, b, c, d in difflib.SequenceMatcher(a=left, b=right, autojunk=False).get_opcodes():
        if tag == "equal":
            # What differs may be on one side only: both keep the same lines around it.
            first, last = a == c == 0, b == len(left) and d == len(right)
            marked_left += _shortened(left[a:b], first=first, last=last)
            marked_right += _shortened(right[c:d], first=first, last=last)
        else:
            marked_left += [("del", line) for line in left[a:b]]
            marked_right += [("ins", line) for line in right[c:d]]
    return _lines(marked_left), _lines(marked_right)


def _one_sided(lines: Sequence[str], mark: str) -> str:
    return _lines([(mark, line) for line in lines]) if lines else f'<span class="quiet">{_NOTHING}</span>'


def _shortened(lines: Sequence[str], *, first: bool, last: bool) -> list[tuple[str, str]]:
    head, tail = (0 if first else _CONTEXT), (0 if last else _CONTEXT)
    if len(lines) <= head + tail + 2:
        return [("", line) for line in lines]
    left_out = len(lines) - head - tail
    middle = ("skip", f"{left_out} lines alike")
    return [
        *(("", line) for line in lines[:head]),
        middle,
        *(("", line) for line in lines[len(lines) - tail :]),
    ]


def _lines(lines: Sequence[tuple[str, str]]) -> str:
    shown = []
    for mark, line in lines:
        text = escape(line) or " "
        if mark in ("del", "ins"):
            shown.append(f"<{mark}>{text}</{mark}>")
        elif mark == "skip":
            shown.append(f'<span class="skip">{text}</span>')
        else:
            shown.append(f"<span>{text}</span>")
    return f'<div class="code">{"".join(shown)}</div>'


def _legend() -> Iterator[str]:
    yield '<section class="legend"><h2>What the words mean</h2><dl>'
    for name, meaning in _MEANINGS:
        yield f'<div><dt><span class="chip {name}">{NOUNS[name]}</span></dt><dd>{meaning}</dd></div>'
    yield "</dl>"
    yield "<p>Only what is declared is compared; docs/drift.md says for each kind which sets are closed. "
    yield "Values of secrets never come into this report.</p></section>"
