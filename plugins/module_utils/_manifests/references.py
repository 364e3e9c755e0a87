# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""References in documents: ``${cluster.region}`` in any text, ``${secret.repo.password}`` in the data of Secrets."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from .._engine.resource import Join, Ref, references, transform
from .._kinds._objects import is_secret
from .._kinds._secret_values import LOOKUP, WHOLE

CLUSTER = "eks_cluster_lookup.cluster"
ATTRIBUTES = ("account_id", "arn", "endpoint", "name", "partition", "region", "version", "vpc_id")
"""What ``${cluster.<name>}`` may name."""
_REFERENCE = re.compile(r"\$(?P<escape>\$)?\{(?P<what>cluster|secret)\.(?P<rest>[^{}]*)\}")
_SAMPLES = {
    "account_id": "123456789012",
    "arn": "arn:aws:eks:eu-central-1:123456789012:cluster/dev",
    "endpoint": "https://example.eks.amazonaws.com",
    "name": "dev",
    "partition": "aws",
    "region": "eu-central-1",
    "version": "1.35",
    "vpc_id": "vpc-0123456789abcdef0",
}


def referring(text: Any) -> list[str]:
    """Return the references in a text, as they are written."""
    if not isinstance(text, str) or "${" not in text:
        return []
    return [found[0] for found in _REFERENCE.finditer(text) if not found["escape"]]


def sampled(text: str) -> str:
    """Return a text with an example in the place of each reference, so that its form can be checked."""
    return _REFERENCE.sub(lambda found: found[0][1:] if found["escape"] else _SAMPLES.get(found["rest"], "x"), text)


def resolved(document: Mapping[str, Any], cluster: str, secrets: Collection[str]) -> tuple[dict[str, Any], list[str]]:
    """Return a document with its references turned into the engine's, and what is wrong with them.

    :param cluster: the cluster's name, which needs no looking up.
    :param secrets: the names under which secrets are declared.
    """
    problems: list[str] = []
    is_data = {"data", "stringData"} if is_secret(document) else set()

    def parsed(in_data: bool, text: Any) -> Any:  # it is bound below
        if not referring(text) and not (isinstance(text, str) and "$${" in text):
            return text
        parts: list[str | Ref] = []
        position = 0
        for found in _REFERENCE.finditer(text):
            parts.append(text[position : found.start()])
            position = found.end()
            if found["escape"]:
                parts.append(found[0][1:])
                continue
            fault = _fault(found[0], found["what"], found["rest"], secrets, in_data=in_data)
            if fault:
                problems.append(fault)
            elif found["what"] == "secret":
                name, _dot, key = found["rest"].partition(".")
                parts.append(Ref(f"{LOOKUP}.{name}", key or WHOLE))
            else:
                parts.append(cluster if found["rest"] == "name" else Ref(CLUSTER, found["rest"]))
        parts.append(text[position:])
        return _joined(parts)

    found = {key: transform(value, functools.partial(parsed, key in is_data)) for key, value in document.items()}
    return found, list(dict.fromkeys(problems))


def _joined(parts: Iterable[str | Ref]) -> str | Ref | Join:
    """Return a text or a reference, or what has both in it; texts that follow each other become one."""
    merged: list[str | Ref] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        elif part != "":
            merged.append(part)
    if len(merged) == 1:
        return merged[0]
    return Join(tuple(merged)) if merged else ""


def _fault(text: str, what: str, rest: str, secrets: Collection[str], *, in_data: bool) -> str:
    literally = f"or write ${text} if it is meant literally"
    if what == "cluster":
        return "" if rest in ATTRIBUTES else f"has {text}: of a cluster there is {', '.join(ATTRIBUTES)}, {literally}"
    name = rest.partition(".")[0]
    if not in_data:
        return f"has {text} outside of a Secret: secrets go into data or stringData of a Secret only, {literally}"
    if name not in secrets:
        close = difflib.get_close_matches(name, secrets, n=1)
        known = f"did you mean {close[0]}" if close else f"declare it under `secrets`{_has(secrets)}"
        return f"has {text}, but no secret is called '{name}': {known}, {literally}"
    return f"has {text}: give the key after the dot, or no dot" if rest.endswith(".") else ""


def _has(secrets: Collection[str]) -> str:
    return f", which has {', '.join(sorted(secrets))}" if secrets else ""


def secret_keys(document: Any) -> dict[str, set[str]]:
    """Return the keys of secrets that a document refers to, by the secret's name."""
    found: dict[str, set[str]] = {}
    for ref in references(document):
        kind, _dot, name = ref.address.partition(".")
        if kind == LOOKUP:
            found.setdefault(name, set()).add(ref.attribute)
    return found
