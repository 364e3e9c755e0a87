# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an API server says against an object, as sentences."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ._cluster import ApiError
from ._hidden import Hidden, repeats
from ._objects import is_secret, split

_IMMUTABLE = re.compile(
    r"immutable|may not change|cannot change|can not be changed|updates to .* forbidden|forbidden: upd", re.I
)
_CONFLICT = re.compile(r'conflict with "(?P<manager>[^"]*)"')


def conflicts(error: ApiError, declared: Mapping[str, Any], live: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the field managers that a conflict is with, and a sentence for each field."""
    found = []
    for cause in error.causes:
        told = _CONFLICT.match(cause.get("message", ""))
        if error.status == 409 and told:
            where = cause.get("field", "").lstrip(".")
            now, then = at(live, where), at(declared, where)
            values = ""
            if (
                not is_secret(declared)
                and live
                and isinstance(now, (str, int, float))
                and not isinstance(then, Mapping)
            ):
                values = f" is {now!r} there, {then!r} here, and"
            advice = "leave it out of the definition, or set force_conflicts"
            found.append((told["manager"], f"{where}{values} belongs to field manager '{told['manager']}': {advice}"))
    return found


def sentences(error: ApiError, document: Mapping[str, Any]) -> list[str]:
    """Return what the API server says against an object, without the beginning that repeats its name.

    Of a Secret it may repeat what is in it, and so may a policy or a webhook that it asks.
    """
    fields = ", ".join(sorted({cause["field"] for cause in error.causes if cause.get("field")}))
    if is_secret(document) and fields:
        return [f"the API server finds fault with {fields} (it is a Secret: what it says isn't shown)"]
    message = error.message
    if is_secret(document) and repeats(message, document):
        return [
            f"refused by the API server ({error.reason}): what it says isn't shown, it repeats what is in the Secret"
        ]
    name = document["metadata"]["name"]
    for opening in (f'"{name}" is invalid: ', f'"{name}" is forbidden: '):
        if opening in message:
            message = message.partition(opening)[2]
            break
    return [f"refused by the API server ({error.reason}): {message}"]


def fixed_fields(error: ApiError, declared: Mapping[str, Any], live: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return the fields that can't be changed, if nothing else is wrong: what each is, and what it should be."""
    fixed = [cause for cause in error.causes if _IMMUTABLE.search(cause.get("message", ""))]
    if not fixed or len(fixed) < len(error.causes):
        return {}
    return {cause.get("field", ""): _pair(cause, declared, live) for cause in fixed}


def _pair(cause: Mapping[str, str], declared: Mapping[str, Any], live: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return what an immutable field is and what it should be, as far as the path tells."""
    if is_secret(live):
        return str(Hidden("")), f"{Hidden('')}, another one"
    now, then = at(live, cause.get("field", "")), at(declared, cause.get("field", ""))
    return (now, then) if now != then and then is not None else ("as it is", cause.get("message", ""))


def is_lag(error: ApiError, document: Mapping[str, Any]) -> bool:
    """Tell whether what stands in the way is only being made, so that it helps to try again."""
    group, _version = split(str(document["apiVersion"]))
    if error.status == 404:
        return "." in group and "namespaces" not in error.message
    if error.status == 409:
        return not error.causes and "object has been modified" in error.message
    starting = "failed calling webhook" in error.message or "not yet ready to handle request" in error.message
    account = "serviceaccount" in error.message and "not found" in error.message
    return (error.status >= 500 and starting) or (error.status == 403 and (starting or account))


def at(document: Any, path: str) -> Any:
    """Return what is under a path such as ``spec.template.spec.containers[name="web"].image``; None where it ends."""
    for part in re.findall(r"[^.\[\]]+|\[[^\]]*\]", path):
        if part.startswith("["):
            wanted = dict(re.findall(r'(\w+)="([^"]*)"', part))
            items = [item for item in document if isinstance(item, Mapping)] if isinstance(document, list) else []
            document = next((item for item in items if wanted and wanted.items() <= item.items()), None)
        else:
            document = document.get(part) if isinstance(document, Mapping) else None
    return document
