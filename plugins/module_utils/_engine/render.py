# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns plans into what people and programs read. Secrets never come out of here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .kind import Kind
from .plan import Change
from .resource import transform

HIDDEN = "(secret)"

Document = dict[str, dict[str, Any]]


def rows(changes: Iterable[Change]) -> list[dict[str, Any]]:
    """Return one dictionary per change, for the module's ``changes``."""
    return [
        {
            "action": change.action,
            "address": change.address,
            "kind": change.kind,
            "id": change.observed.id if change.observed is not None else None,
            "changed": list(change.changed) if change.action in ("update", "replace", "adopt") else [],
            "forced_by": list(change.forced_by),
            "reason": change.reason,
        }
        for change in changes
        if change.action not in ("none", "read")
    ]


def documents(changes: Sequence[Change], kinds: Mapping[str, Kind]) -> tuple[Document, Document]:
    """Return what changes as it is before and after, by address, in plain values for ``--diff``."""
    before: Document = {}
    after: Document = {}
    for change in changes:
        kind = kinds[change.kind]
        if change.action in ("create", "replace"):
            after[change.address] = {**_plain(kind, change.properties, change.properties), **_tags(kind, change.tags)}
        if change.action in ("delete", "replace") and change.observed is not None:
            shown = kind.properties if change.action == "delete" else change.properties
            before[change.address] = {
                **_plain(kind, change.observed.properties, shown),
                **_tags(kind, {key: change.observed.tags[key] for key in change.tags if key in change.observed.tags}),
            }
        if change.action in ("update", "adopt") and change.observed is not None:
            before[change.address] = _plain(kind, change.observed.properties, change.changed)
            after[change.address] = _plain(kind, change.properties, change.changed)
            if "tags" in change.changed:
                differing = {key for key, value in change.tags.items() if change.observed.tags.get(key) != value}
                before[change.address].update(
                    _tags(kind, {key: change.observed.tags[key] for key in differing if key in change.observed.tags})
                )
                after[change.address].update(_tags(kind, {key: change.tags[key] for key in differing}))
    return before, after


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
