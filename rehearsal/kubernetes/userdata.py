# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an instance's user data tell its kubelet: nodeadm's NodeConfig of AL2023, and Bottlerocket's settings.

https://awslabs.github.io/amazon-eks-ami/nodeadm/doc/api/ and https://bottlerocket.dev/en/os/latest/#/api/settings/kubernetes/
"""

from __future__ import annotations

import base64
import binascii
import email
import gzip
import shlex
import tomllib
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

_NODE_CONFIG = "application/node.eks.aws"
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
#: Labels of Kubernetes' own names that a kubelet may give itself.
#: https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction
_OWN = ("kubernetes.io", "k8s.io")
_ALLOWED_DOMAINS = ("kubelet.kubernetes.io", "node.kubernetes.io")
_ALLOWED = {
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "kubernetes.io/arch",
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "node.kubernetes.io/instance-type",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
}


class UserDataError(ValueError):
    """Why nobody's kubelet starts with these user data."""


@dataclass(frozen=True)
class Boot:
    """A kubelet's start: the cluster that it goes to, and what it says of its node.

    ``authority`` is the cluster's CA (PEM). ``reserved`` is what is kept from pods, by resource: ``kubeReserved``,
    ``systemReserved`` and ``evictionHard`` as far as they are given, each as the kubelet's configuration names them.
    """

    cluster: str
    endpoint: str
    authority: bytes
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Mapping[str, str], ...] = ()
    max_pods: int | None = None
    reserved: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def parse(user_data: str) -> Boot | None:
    """What user data (base64) boot into; None where they boot no node.

    Raises:
        UserDataError: they are meant for a node, and no kubelet would start with them.
    """
    try:
        return _parsed(user_data)
    except UserDataError:
        raise
    except (ValueError, TypeError, AttributeError, KeyError, OSError, EOFError, zlib.error) as error:
        raise UserDataError(f"the user data make no sense: {type(error).__name__}: {error}") from None


def _parsed(user_data: str) -> Boot | None:
    try:
        raw = base64.b64decode(user_data, validate=True)
    except binascii.Error:
        raise UserDataError("the user data are no base64") from None
    if raw.startswith(b"\x1f\x8b"):
        raw = gzip.decompress(raw)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return None
    configs = list(_node_configs(text))
    if configs:
        return _nodeadm(configs)
    try:
        settings = tomllib.loads(text).get("settings", {})
    except tomllib.TOMLDecodeError:
        return None
    return _bottlerocket(settings["kubernetes"]) if "kubernetes" in settings else None


# --- AL2023 ---------------------------------------------------------------------------------------------------------


def _node_configs(text: str) -> Iterator[dict[str, Any]]:
    """The NodeConfig documents of a MIME multipart archive, or of user data that are nothing else."""
    if text.lstrip().startswith(("MIME-Version:", "Content-Type:")):
        for part in email.message_from_string(text.lstrip()).walk():
            if part.get_content_type() == _NODE_CONFIG:
                body = part.get_payload(decode=True)
                yield _yaml(body.decode() if isinstance(body, bytes) else str(body))
    elif "node.eks.aws/" in text:
        yield _yaml(text)


def _yaml(text: str) -> dict[str, Any]:
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserDataError(f"the NodeConfig is no YAML: {error}") from None
    if not isinstance(document, dict):
        raise UserDataError("the NodeConfig is no object")
    if document.get("kind") != "NodeConfig" or document.get("apiVersion") != "node.eks.aws/v1alpha1":
        raise UserDataError(
            f"{document.get('apiVersion')} {document.get('kind')} is no NodeConfig of node.eks.aws/v1alpha1"
        )
    return document


def _merged(first: Any, second: Any) -> Any:
    """Nodeadm's merge: of objects by key, what comes later wins; flags come one after the other."""
    if isinstance(first, dict) and isinstance(second, dict):
        return {
            **first,
            **{key: _merged(first[key], value) if key in first else value for key, value in second.items()},
        }
    if isinstance(first, list) and isinstance(second, list):
        return first + second
    return second


def _nodeadm(configs: list[dict[str, Any]]) -> Boot:
    spec: dict[str, Any] = {}
    for config in configs:
        spec = _merged(spec, config.get("spec") or {})
    cluster, kubelet = spec.get("cluster") or {}, spec.get("kubelet") or {}
    names = ("name", "apiServerEndpoint", "certificateAuthority", "cidr")
    missing = [name for name in names if not cluster.get(name)]
    if missing:
        raise UserDataError(f"the NodeConfig has no spec.cluster.{', '.join(missing)}")
    flags = dict(_flag(item) for item in kubelet.get("flags") or [])
    config = kubelet.get("config") or {}
    taints = [dict(item) for item in config.get("registerWithTaints") or []]
    taints += [_taint(item) for item in flags.get("register-with-taints", "").split(",") if item]
    for taint in taints:
        if taint.get("effect") not in _EFFECTS or not taint.get("key"):
            raise UserDataError(f"{taint} is no taint")
    pods = flags.get("max-pods", config.get("maxPods"))
    return Boot(
        cluster["name"],
        cluster["apiServerEndpoint"],
        _authority(cluster["certificateAuthority"]),
        _labels(flags.get("node-labels", "")),
        tuple(taints),
        None if pods is None else int(pods),
        {name: config[name] for name in ("kubeReserved", "systemReserved", "evictionHard") if config.get(name)},
    )


def _flag(text: str) -> tuple[str, str]:
    name, _, value = text.removeprefix("--").partition("=")
    # A flag goes through a shell's rules of quoting: --node-labels="a=b,c=d".
    return name, "".join(shlex.split(value))


def _taint(text: str) -> dict[str, str]:
    key, _, rest = text.partition("=")
    if not rest:
        key, _, effect = text.partition(":")
        return {"key": key, "effect": effect}
    value, _, effect = rest.partition(":")
    return {"key": key, "value": value, "effect": effect}


def _labels(text: str) -> dict[str, str]:
    made: dict[str, str] = {}
    for item in text.split(","):
        if item:
            key, equals, value = item.partition("=")
            if not equals:
                raise UserDataError(f"--node-labels: {item} is no key=value")
            made[key] = value
    return checked(made)


def checked(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels, if a kubelet may give them to its node.

    Raises:
        UserDataError: some are reserved for Kubernetes.
    """
    wrong = []
    for key in labels:
        domain = key.partition("/")[0] if "/" in key else ""
        own = any(domain == name or domain.endswith(f".{name}") for name in _OWN)
        free = key in _ALLOWED or any(domain == name or domain.endswith(f".{name}") for name in _ALLOWED_DOMAINS)
        if own and not free:
            wrong.append(key)
    if wrong:
        raise UserDataError(f"unknown 'kubernetes.io' or 'k8s.io' labels specified with --node-labels: {sorted(wrong)}")
    return dict(labels)


def _authority(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise UserDataError("the cluster's certificate authority is no base64") from None


# --- Bottlerocket ---------------------------------------------------------------------------------------------------


def _bottlerocket(settings: Mapping[str, Any]) -> Boot:
    names = ("cluster-name", "api-server", "cluster-certificate")
    missing = [name for name in names if not settings.get(name)]
    if missing:
        raise UserDataError(f"the settings have no settings.kubernetes.{', '.join(missing)}")
    taints = []
    for key, values in (settings.get("node-taints") or {}).items():
        for item in values if isinstance(values, list) else [values]:
            value, _, effect = str(item).rpartition(":")
            if effect not in _EFFECTS:
                raise UserDataError(f"settings.kubernetes.node-taints: {key} = {item} is no taint")
            taints.append({"key": key, "value": value, "effect": effect} if value else {"key": key, "effect": effect})
    keys = {"kube-reserved": "kubeReserved", "system-reserved": "systemReserved", "eviction-hard": "evictionHard"}
    return Boot(
        settings["cluster-name"],
        settings["api-server"],
        _authority(settings["cluster-certificate"]),
        checked(settings.get("node-labels") or {}),
        tuple(taints),
        settings.get("max-pods"),
        {name: settings[key] for key, name in keys.items() if settings.get(key)},
    )
