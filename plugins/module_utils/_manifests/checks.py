# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a document, as far as it can be told without the API server.

https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any

from .._kinds._objects import CRD, PART_OF, group_kind
from .references import referring, sampled

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
_VERSION = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?v[0-9]+((alpha|beta)[0-9]+)?")
_KIND = re.compile(r"[A-Z][A-Za-z0-9]*")
_FREE_NAMES = ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
_SERVER_SET = ("managedFields", "resourceVersion", "uid", "generation", "deletionTimestamp")
_LONG = 253


def document_problems(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with one document, as sentences that go on after where it stands."""
    api_version, kind = document.get("apiVersion"), document.get("kind")
    metadata = document.get("metadata")
    fixed = {"apiVersion": api_version, "kind": kind}
    if isinstance(metadata, Mapping):
        fixed |= {f"metadata.{name}": metadata.get(name) for name in ("name", "namespace")}
    varying = [
        f"has {text} in {where}: what an object is called"
        for where, value in fixed.items()
        for text in referring(value)
    ]
    if varying:
        yield from (f"{text} has to be known beforehand, write it without a reference" for text in varying)
        return
    if not api_version:
        yield "has no apiVersion, such as v1 or apps/v1"
    elif not isinstance(api_version, str) or not _VERSION.fullmatch(api_version):
        yield f"has apiVersion {api_version!r}: write it as v1 or apps/v1"
    if not kind:
        yield "has no kind"
    elif not isinstance(kind, str) or not _KIND.fullmatch(kind):
        yield f"has kind {kind!r}: a kind is one word that begins with a capital"
    if not isinstance(metadata, Mapping):
        yield "has no metadata" if metadata is None else "has metadata that are not a dictionary"
        return
    yield from _metadata(document, metadata)
    if kind == "Secret" and api_version == "v1":
        yield from _secret(document)
    if group_kind(document) == CRD:
        yield from _definition(document)


def _metadata(document: Mapping[str, Any], metadata: Mapping[str, Any]) -> Iterator[str]:
    name = metadata.get("name")
    if metadata.get("generateName") and not name:
        yield "has generateName: what is declared needs a name of its own"
    elif not name:
        yield "has no metadata.name"
    else:
        yield from name_problems(str(document.get("kind")), str(document.get("apiVersion")), name)
    namespace = metadata.get("namespace")
    if namespace is not None:
        yield from namespace_problems("metadata.namespace", namespace)
    for field in _SERVER_SET:
        if metadata.get(field) is not None:
            yield f"has metadata.{field}, which only the API server sets: leave it out"
    for field in ("labels", "annotations"):
        values = metadata.get(field)
        if values is not None and not isinstance(values, Mapping):
            yield f"has metadata.{field} that are not a dictionary"
            continue
        for key, value in (values or {}).items():
            yield from _pair(field, key, value)
    if PART_OF in (metadata.get("labels") or {}):
        yield f"has the label {PART_OF}, which this module sets: leave it out"


def _pair(field: str, key: Any, value: Any) -> Iterator[str]:
    where = f"metadata.{field}"
    prefix, _slash, name = str(key).rpartition("/")
    if not name or len(name) > 63 or not _VALUE.fullmatch(name) or (prefix and not _SUBDOMAIN.fullmatch(prefix)):
        yield f"has {key!r} in {where}: a key is up to 63 letters, digits, - _ . after an optional domain and /"
    if not isinstance(value, str):
        shown = str(value).lower() if isinstance(value, bool) else value
        yield f"has {key}: {shown} in {where}, which is not a text: put it in quotes"
    elif field == "labels" and (len(sampled(value)) > 63 or not _VALUE.fullmatch(sampled(value))):
        yield f"has {key}: {value!r} in {where}: a label's value is up to 63 letters, digits, - _ ."


def namespace_problems(where: str, name: Any) -> Iterator[str]:
    """Yield what is wrong with the name of a namespace."""
    if not isinstance(name, str) or len(name) > 63 or not _LABEL.fullmatch(name):
        yield f"has {where} {name!r}: use up to 63 lower-case letters, digits and hyphens, no hyphen at either end"


def name_problems(kind: str, api_version: str, name: Any) -> Iterator[str]:
    """Yield what is wrong with the name of an object."""
    if not isinstance(name, str):
        yield f"has metadata.name {name!r}, which is not a text: put it in quotes"
    elif kind in _FREE_NAMES and api_version.startswith("rbac.authorization.k8s.io/"):
        if name in (".", "..") or "/" in name or "%" in name:
            yield f"has metadata.name {name!r}: it may hold no / and no %"
    elif kind == "Namespace" and api_version == "v1":
        yield from namespace_problems("metadata.name", name)
    elif kind == "Service" and api_version == "v1":
        if len(name) > 63 or not _LABEL_1035.fullmatch(name):
            yield (
                f"has metadata.name {name!r}: a Service's is up to 63 lower-case letters, digits and hyphens, "
                "a letter first (RFC 1035)"
            )
    elif len(name) > _LONG or not _SUBDOMAIN.fullmatch(name):
        yield (
            f"has metadata.name {name!r}: use up to {_LONG} lower-case letters, digits, - and ., a letter or digit at "
            "both ends (RFC 1123)"
        )


def _secret(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a Secret, without a word of what is in it."""
    for field in ("data", "stringData"):
        values = document.get(field)
        if values is not None and not isinstance(values, Mapping):
            yield f"has {field} that are not a dictionary"
            continue
        for key, value in (values or {}).items():
            if not isinstance(value, str):
                yield f"has {field}.{key}, which is not a text: put it in quotes"
            elif field == "data" and not referring(value) and not _is_base64(value):
                yield f"has data.{key}, which is not base64: put plain text under stringData"


def _is_base64(value: str) -> bool:
    try:
        base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _definition(document: Mapping[str, Any]) -> Iterator[str]:
    spec = document.get("spec")
    names = spec.get("names") if isinstance(spec, Mapping) else None
    if not isinstance(spec, Mapping) or not isinstance(names, Mapping):
        yield "has no spec.names: it defines nothing"
        return
    wanted = f"{names.get('plural')}.{spec.get('group')}"
    name = (document.get("metadata") or {}).get("name")
    if name != wanted:
        yield f"has metadata.name {name!r}: a definition's name is its plural and its group, {wanted}"
    versions = spec.get("versions")
    if not isinstance(versions, list) or not any(isinstance(item, Mapping) and item.get("served") for item in versions):
        yield "has no version under spec.versions that is served"
