# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a pod's specification to variables and files, as the kubelet resolves them: pure functions.

https://kubernetes.io/docs/concepts/configuration/ and https://kubernetes.io/docs/concepts/storage/volumes/
"""

from __future__ import annotations

import base64
import math
import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

#: Where the ServiceAccount's token is mounted.
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"

_REFERENCE = re.compile(r"\$\$|\$\(([^()\s]+)\)")
_UNITS = {
    "": 1.0,
    "m": 1e-3,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "Ki": 2.0**10,
    "Mi": 2.0**20,
    "Gi": 2.0**30,
    "Ti": 2.0**40,
}


class Unresolved(Exception):
    """What a container needs and isn't there (yet)."""


class Sources(Protocol):
    """Where values come from."""

    def config(self, name: str) -> dict[str, bytes] | None:
        """A ConfigMap's data in the pod's namespace, or None."""

    def secret(self, name: str) -> dict[str, bytes] | None:
        """A Secret's data in the pod's namespace, or None."""

    def allocatable(self, resource: str) -> str:
        """What the pod's node can give."""

    def token(self, audience: str, seconds: int) -> str:
        """A token of the pod's ServiceAccount; the API server's own audience for an empty one."""


def expand(text: str, variables: Mapping[str, str]) -> str:
    """``$(NAME)`` replaced where the name is known; ``$$`` is a dollar."""

    def one(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return variables.get(match[1], match[0])

    return _REFERENCE.sub(one, text)


def _data(sources: Sources, kind: str, reference: Mapping[str, Any], name: str) -> dict[str, bytes] | None:
    """The data of a ConfigMap or Secret; None where it is optional and missing."""
    found = sources.secret(name) if kind == "secret" else sources.config(name)
    if found is None and not reference.get("optional"):
        raise Unresolved(f'{kind} "{name}" not found')
    return found


def _key(sources: Sources, kind: str, reference: Mapping[str, Any]) -> str | None:
    data = _data(sources, kind, reference, reference["name"])
    if data is None or reference["key"] not in data:
        if reference.get("optional"):
            return None
        raise Unresolved(f"couldn't find key {reference['key']} in {kind} {reference['name']}")
    return data[reference["key"]].decode(errors="replace")


def field(pod: Mapping[str, Any], path: str) -> str:
    """The value of a ``fieldRef``."""
    match = re.fullmatch(r"metadata\.(labels|annotations)\['([^']+)'\]", path)
    if match:
        return str((pod["metadata"].get(match[1]) or {}).get(match[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        found = pod["metadata"].get(path.partition(".")[2]) or {}
        return "\n".join(f'{key}="{value}"' for key, value in sorted(found.items()))
    if path in ("status.podIPs", "status.hostIPs"):
        return ",".join(item["ip"] for item in pod["status"].get(path.partition(".")[2]) or [])
    value: Any = pod
    for part in path.split("."):
        value = value.get(part, "") if isinstance(value, Mapping) else ""
    return str(value)


def quantity(text: str) -> float:
    """A Kubernetes quantity as a number."""
    match = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", text)
    if match is None or match[2] not in _UNITS:
        raise Unresolved(f"{text!r} is no quantity")
    return float(match[1]) * _UNITS[match[2]]


def resource(
    pod: Mapping[str, Any], container: Mapping[str, Any], reference: Mapping[str, Any], sources: Sources
) -> str:
    """The value of a ``resourceFieldRef``, rounded up to the divisor. Without a limit it is what the node can give."""
    named = reference.get("containerName")
    if named:
        everyone = [*(pod["spec"].get("initContainers") or []), *pod["spec"]["containers"]]
        container = next((item for item in everyone if item["name"] == named), container)
    where, _, what = reference["resource"].partition(".")
    told = ((container.get("resources") or {}).get(where) or {}).get(what)
    text = str(told if told is not None else sources.allocatable(what) if where == "limits" else "0")
    divisor = str(reference.get("divisor") or "0")
    by = 1.0 if divisor == "0" else quantity(divisor)
    return str(math.ceil(round(quantity(text) / by, 6)))


def environment(pod: Mapping[str, Any], container: Mapping[str, Any], sources: Sources) -> dict[str, str]:
    """A container's variables.

    Raises:
        Unresolved: a reference that isn't optional leads nowhere.
    """
    made: dict[str, str] = {}
    for source in container.get("envFrom") or []:
        kind = "configmap" if "configMapRef" in source else "secret"
        reference = source.get("configMapRef") or source.get("secretRef") or {}
        data = _data(sources, kind, reference, reference["name"])
        for name, content in sorted((data or {}).items()):
            made[source.get("prefix", "") + name] = content.decode(errors="replace")
    for item in container.get("env") or []:
        origin = item.get("valueFrom")
        if not origin:
            made[item["name"]] = expand(str(item.get("value", "")), made)
            continue
        value: str | None
        if "fieldRef" in origin:
            value = field(pod, origin["fieldRef"]["fieldPath"])
        elif "resourceFieldRef" in origin:
            value = resource(pod, container, origin["resourceFieldRef"], sources)
        elif "configMapKeyRef" in origin:
            value = _key(sources, "configmap", origin["configMapKeyRef"])
        else:
            value = _key(sources, "secret", origin["secretKeyRef"])
        if value is not None:
            made[item["name"]] = value
    return made


def _items(data: Mapping[str, bytes] | None, source: Mapping[str, Any]) -> dict[str, bytes]:
    if data is None:
        return {}
    wanted = source.get("items")
    if not wanted:
        return dict(data)
    made = {}
    for item in wanted:
        if item["key"] in data:
            made[item["path"]] = data[item["key"]]
        elif not source.get("optional"):
            raise Unresolved(f"references non-existent config key: {item['key']}")
    return made


def _fields(pod: Mapping[str, Any], source: Mapping[str, Any], sources: Sources) -> dict[str, bytes]:
    made = {}
    for item in source.get("items") or []:
        if "fieldRef" in item:
            value = field(pod, item["fieldRef"]["fieldPath"])
        else:
            value = resource(pod, pod["spec"]["containers"][0], item["resourceFieldRef"], sources)
        made[item["path"]] = value.encode()
    return made


def volume(pod: Mapping[str, Any], given: Mapping[str, Any], sources: Sources) -> dict[str, bytes] | None:
    """The files of a volume by their path in it; None for one that is just a directory.

    Raises:
        Unresolved: a reference that isn't optional leads nowhere.
    """
    if "configMap" in given:
        source = given["configMap"]
        return _items(_data(sources, "configmap", source, source["name"]), source)
    if "secret" in given:
        source = given["secret"]
        return _items(_data(sources, "secret", source, source["secretName"]), source)
    if "downwardAPI" in given:
        return _fields(pod, given["downwardAPI"], sources)
    if "projected" not in given:
        return None
    made: dict[str, bytes] = {}
    for source in given["projected"].get("sources") or []:
        if "serviceAccountToken" in source:
            wanted = source["serviceAccountToken"]
            token = sources.token(wanted.get("audience", ""), int(wanted.get("expirationSeconds", 3600)))
            made[wanted["path"]] = token.encode()
        elif "configMap" in source:
            inner = source["configMap"]
            made |= _items(_data(sources, "configmap", inner, inner["name"]), inner)
        elif "secret" in source:
            inner = source["secret"]
            made |= _items(_data(sources, "secret", inner, inner["name"]), inner)
        elif "downwardAPI" in source:
            made |= _fields(pod, source["downwardAPI"], sources)
    return made


def data_of(document: Mapping[str, Any]) -> dict[str, bytes]:
    """The data of a ConfigMap or Secret document as the API server gives it."""
    if "kind" in document and document["kind"] == "ConfigMap":
        plain = {name: str(value).encode() for name, value in (document.get("data") or {}).items()}
        return plain | {name: base64.b64decode(value) for name, value in (document.get("binaryData") or {}).items()}
    return {name: base64.b64decode(value or "") for name, value in (document.get("data") or {}).items()}


def relocate(text: str, mounts: Sequence[Mapping[str, Any]], root: str) -> str:
    """A path below one of a container's mounts, as the path that it has here; every other text as it is."""
    head, equals, tail = text.partition("=")
    if equals and head.startswith("-"):
        return f"{head}={relocate(tail, mounts, root)}"
    if text.startswith("/"):
        for mount in mounts:
            at = posixpath.normpath(mount["mountPath"])
            if text == at or text.startswith(f"{at}/"):
                return root + text
    return text
