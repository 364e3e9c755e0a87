# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of an object may be shown, and what is sent."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .._engine.resource import Join, Ref, substitute, transform
from ._objects import is_secret

_SERVER_SET = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink")
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_HIDDEN = "(secret)"


class Hidden:
    """A value that is sent, but never shown: it prints as ``(secret)``."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hidden) and other.value == self.value

    def __hash__(self) -> int:
        return hash(_HIDDEN)

    def __str__(self) -> str:
        return _HIDDEN

    __repr__ = __str__


@dataclass(frozen=True)
class Coded:
    """A text with references in it that is sent in base64, as the data of a Secret are."""

    text: Ref | Join


def hidden(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object whose secret values are :class:`Hidden`."""
    shown = dict(document)
    if is_secret(document):
        for name in ("data", "stringData"):
            if isinstance(shown.get(name), Mapping):
                shown[name] = {
                    key: value if isinstance(value, Hidden) else Hidden(value) for key, value in shown[name].items()
                }
    return shown


def plain(document: Mapping[str, Any], resolve: Callable[[Ref], Any]) -> dict[str, Any]:
    """Return an object as it is sent: nothing hidden, every reference replaced by what ``resolve`` makes of it."""

    def leaf(item: Any) -> Any:
        value = item.value if isinstance(item, Hidden) else item
        if isinstance(value, Coded):
            return base64.b64encode(str(substitute(value.text, resolve)).encode()).decode()
        return substitute(value, resolve)

    found: dict[str, Any] = transform(document, leaf)
    return found


def secret_texts(document: Mapping[str, Any]) -> set[str]:
    """Return what is in a Secret, as it is sent but for the padding of base64, and as it is meant."""
    coded = {value for value in (document.get("data") or {}).values() if isinstance(value, str)}
    texts = {value.rstrip("=") for value in coded}
    for value in coded:
        try:
            texts.add(base64.b64decode(value).decode())
        except ValueError:
            continue
    return texts - {""}


def repeats(text: str, document: Mapping[str, Any]) -> bool:
    """Tell whether what an API server says, or a webhook that it asks, has something in it of what is in a Secret."""
    return any(secret in text for secret in secret_texts(document))


def cleaned(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object without what the API server keeps for itself; what is in Secrets is hidden."""
    metadata = {name: value for name, value in (document.get("metadata") or {}).items() if name not in _SERVER_SET}
    if is_secret(document) and metadata.get("annotations"):
        # kubectl keeps a copy of all that it applied.
        kept = {name: value for name, value in metadata["annotations"].items() if name != _LAST_APPLIED}
        metadata["annotations"] = kept
    found = {key: metadata if key == "metadata" else value for key, value in document.items() if key != "status"}
    return hidden(found)


def marked_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``after`` with a word at each hidden value that differs, since both would be shown the same."""
    if not is_secret(after):
        return dict(after)
    old = before.get("data") or {}
    data = {
        key: value if old.get(key) == value else f"{_HIDDEN}, {'another one' if key in old else 'added'}"
        for key, value in (after.get("data") or {}).items()
    }
    return {**after, **({"data": data} if data else {})}
