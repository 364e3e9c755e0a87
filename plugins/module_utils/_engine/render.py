# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns plans into what people and programs read. Secrets never come out of here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .kind import Kind
from .plan import CHANGING, Change
from .resource import transform

HIDDEN = "(secret)"

Document = dict[str, dict[str, Any]]


def rows(changes: Iterable[Change], kinds: Mapping[str, Kind]) -> list[dict[str, Any]]:
    """Return one dictionary per change, for the module's ``changes``.

    ``before`` and ``after`` have in plain values what differs: all that is declared of what comes, all that is known of
    what goes, and of what is updated only the properties that change.
    """
    found = []
    for change in changes:
        if change.action not in ("none", "read"):
            before, after = _both(change, kinds[change.kind])
            found.append(
                {
                    "action": change.action,
                    "address": change.address,
                    "kind": change.kind,
                    "id": change.observed.id if change.observed is not None else None,
                    "changed": list(change.changed) if change.action in ("update", "replace", "adopt") else [],
                    "forced_by": list(change.forced_by),
                    "reason": change.reason,
                    "before": before,
                    "after": after,
                }
            )
    return found


def documents(changes: Sequence[Change], kinds: Mapping[str, Kind]) -> tuple[Document, Document]:
    """Return what changes as it is before and after, by address, in plain values for ``--diff``."""
    before: Document = {}
    after: Document = {}
    for change in changes:
        if change.action in CHANGING:
            old, new = _both(change, kinds[change.kind])
            if old is not None:
                before[change.address] = old
            if new is not None:
                after[change.address] = new
    return before, after


def billable(changes: Iterable[Change], kinds: Mapping[str, Kind]) -> list[dict[str, Any]]:
    """Return, of every resource that has a price, what decides it: as it is and as it will be, None where it isn't."""
    found = []
    for change in changes:
        kind = kinds[change.kind]
        if kind.priced is None or change.action == "read":
            continue
        old = None if change.observed is None else _plain(kind, change.observed.properties, kind.priced)
        if change.action == "delete":
            new = None
        elif change.action in ("keep", "none") or change.resource is None:
            new = old
        else:
            new = {**(old or {}), **_plain(kind, change.properties, kind.priced)}
        found.append({"address": change.address, "kind": kind.name, "before": old, "after": new})
    return found


def _both(change: Change, kind: Kind) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    if change.action in ("create", "replace"):
        after = {**_plain(kind, change.properties, change.properties), **_tags(kind, change.tags)}
    if change.action in ("delete", "replace") and change.observed is not None:
        shown = kind.properties if change.action == "delete" else change.properties
        before = {
            **_plain(kind, _covered(kind, change), shown),
            **_tags(kind, {key: change.observed.tags[key] for key in change.tags if key in change.observed.tags}),
        }
    if change.action in ("update", "adopt") and change.observed is not None:
        before = _plain(kind, _covered(kind, change), change.changed)
        after = _plain(kind, change.properties, change.changed)
        if "tags" in change.changed:
            differing = {key for key, value in change.tags.items() if change.observed.tags.get(key) != value}
            before.update(
                _tags(kind, {key: change.observed.tags[key] for key in differing if key in change.observed.tags})
            )
            after.update(_tags(kind, {key: change.tags[key] for key in differing}))
    return before, after


def _covered(kind: Kind, change: Change) -> dict[str, Any]:
    """Return the observed properties; of those of which only declared members count, only these members."""
    observed = dict(change.existing.properties)
    for name, wanted in change.properties.items():
        if name in observed and kind.properties[name].type in ("dict", "list") and kind.properties[name].same is None:
            observed[name] = _members(wanted, observed[name])
    return observed


def _members(wanted: Any, observed: Any) -> Any:
    if isinstance(wanted, Mapping) and isinstance(observed, Mapping):
        return {key: _members(value, observed[key]) for key, value in wanted.items() if key in observed}
    if isinstance(wanted, (list, tuple)) and isinstance(observed, (list, tuple)) and len(wanted) == len(observed):
        return [_members(*pair) for pair in zip(wanted, observed, strict=True)]
    return observed


def _plain(kind: Kind, values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    def leaf(value: Any) -> Any:
        return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)

    return {
        name: HIDDEN if kind.properties[name].secret else transform(values[name], leaf)
        for name in names
        if name in kind.properties and values.get(name) is not None
    }


def _tags(kind: Kind, tags: Mapping[str, str]) -> dict[str, Any]:
    return {"tags": {key: str(tags[key]) for key in sorted(tags)}} if kind.taggable and tags else {}
