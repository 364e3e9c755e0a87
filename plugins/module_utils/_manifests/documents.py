# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads documents: from lists, from YAML text, from files."""

from __future__ import annotations

import base64
import functools
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._engine.resource import Join, Ref, leaves, transform
from .._kinds._hidden import Coded
from .._kinds._objects import is_secret

_TELLING = 8


@dataclass(frozen=True)
class Found:
    """A document and where it stands, for people: ``definitions, document 2``."""

    document: dict[str, Any]
    where: str


@functools.cache
def _loader() -> Any:
    """Return a reader of YAML as Kubernetes reads it: no dates, and no key twice."""
    import yaml  # noqa: PLC0415  # comes with Ansible, though not into every interpreter

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    def mapping(loader: Any, node: Any) -> dict[Any, Any]:
        loader.flatten_mapping(node)
        seen: set[Any] = set()
        for key, _value in node.value:
            name = loader.construct_object(key, deep=True)
            if isinstance(name, str) and name in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key '{name}' is there twice", key.start_mark)
            if isinstance(name, str):
                seen.add(name)
        found: dict[Any, Any] = loader.construct_mapping(node, deep=True)
        return found

    loader: Any = type("KubernetesLoader", (base,), {})
    loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in base.yaml_implicit_resolvers.items()
    }
    loader.add_constructor("tag:yaml.org,2002:map", mapping)
    return loader


def read(definitions: Any, src: Sequence[str], what: str = "definitions") -> tuple[list[Found], list[str]]:
    """Return all documents, the items of lists one by one, and what is wrong with the texts they are read from.

    :param what: the name of the option, for people.
    """
    problems: list[str] = []
    found: list[Found] = []
    given = definitions if isinstance(definitions, (list, tuple)) else [definitions] if definitions else []
    for index, item in enumerate(given, 1):
        where = what if len(given) == 1 else f"{what}, item {index}"
        if isinstance(item, str):
            found += _parse(item, where, problems)
        elif item is not None:
            found += _checked(item, f"{what}, document {index}", problems)
    for name in src:
        try:
            text = Path(name).expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
            problems.append(f"src: {name} can't be read: {reason}")
            continue
        found += _parse(text, name, problems)
    return [item for document in found for item in _flat(document)], problems


def _parse(text: str, where: str, problems: list[str]) -> list[Found]:
    try:
        import yaml  # noqa: PLC0415
    except ImportError:
        problems.append(f"{where}: PyYAML is missing for {sys.executable}, so this text can't be read: install it")
        return []
    try:
        documents = list(yaml.load_all(text, Loader=_loader()))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        told = getattr(error, "problem", None) or str(error).partition("\n")[0]
        problems.append(f"{where}{place}: this is no YAML: {told}")
        return []
    return [
        item
        for index, document in enumerate(documents, 1)
        if document is not None
        for item in _checked(document, f"{where}, document {index}", problems)
    ]


def _checked(document: Any, where: str, problems: list[str]) -> Iterable[Found]:
    if isinstance(document, Mapping):
        return [Found(dict(document), where)]
    problems.append(f"{where} is {_noun(document)}, not an object with apiVersion, kind and metadata")
    return []


def _noun(value: Any) -> str:
    nouns = ((bool, "true or false"), ((int, float), "a number"), (str, "a text"), ((list, tuple), "a list"))
    return next((noun for types, noun in nouns if isinstance(value, types)), "something else")


def _flat(found: Found) -> list[Found]:
    """Return the items of a ``List`` (what ``kubectl get`` prints) one by one."""
    items = found.document.get("items")
    kind = found.document.get("kind")
    if isinstance(kind, str) and kind.endswith("List") and isinstance(items, list):
        return [
            Found(dict(item), f"{found.where}, item {index}")
            for index, item in enumerate(items, 1)
            if isinstance(item, Mapping)
        ]
    return [found]


def redacted(definitions: Any, found: Sequence[Found]) -> Any:
    """Return the parameter as it may be shown: as it is without Secrets in it, else its documents with them hidden."""
    if not any(item.document.get("kind") == "Secret" for item in found):
        return definitions
    return [transform(_without_values(item.document), str) for item in found]


def _without_values(document: Mapping[str, Any]) -> dict[str, Any]:
    if document.get("kind") != "Secret":
        return dict(document)
    return {key: value if key in ("apiVersion", "kind", "type") else "(secret)" for key, value in document.items()}


def encoded(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a Secret with its ``stringData`` under ``data``; anything else as it is.

    What has references is text in both: it is encoded when they are resolved.

    The API server moves them there itself, but notes whose they are under the old name, so that a key that is no longer
    declared would stay (https://github.com/kubernetes/kubernetes/issues/70281).
    """
    texts, data = document.get("stringData") or {}, document.get("data") or {}
    if not is_secret(document) or not (texts or data):
        return dict(document)
    coded = {
        **{key: Coded(value) if isinstance(value, (Ref, Join)) else value for key, value in data.items()},
        **{key: Coded(value) if isinstance(value, (Ref, Join)) else _encoded(value) for key, value in texts.items()},
    }
    return {**{key: value for key, value in document.items() if key != "stringData"}, "data": coded}


def secret_values(found: Iterable[Found]) -> set[str]:
    """Return what is in Secrets, encoded and plain, but for values so short that they stand in other texts, too."""
    values: set[str] = set()
    for item in found:
        if item.document.get("kind") == "Secret":
            for field in ("data", "stringData"):
                texts = [text for text in leaves(item.document.get(field) or {}) if isinstance(text, str)]
                other = _decoded if field == "data" else _encoded
                values |= {*texts, *map(other, texts)}
    return {value for value in values if len(value) >= _TELLING}


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text).decode()
    except ValueError:
        return ""
