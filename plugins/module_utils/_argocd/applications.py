# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Argo CD says of an application, and what that means to who waits for it.

https://argo-cd.readthedocs.io/en/stable/user-guide/status/ and the type ApplicationStatus of Argo CD's API.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

REFRESH = "argocd.argoproj.io/refresh"
"""The annotation by which a comparison is asked for. Argo CD takes it away when it has made one."""
ERRORS = ("ComparisonError", "InvalidSpecError", "DeletionError", "UnknownError")
# Between the programs of Argo CD itself, when one of them is just starting.
_PASSING = re.compile(r"code = (Unavailable|Canceled)|error creating .* client|failed to connect to redis|:6379")
_NOISE = (
    re.compile(r"^Failed to load target state: "),
    re.compile(r"^failed to generate manifest for source \d+ of \d+: "),
    re.compile(r"rpc error: code = \w+ desc = "),
    re.compile(r"^Manifest generation error \(cached\): "),
    re.compile(r"^Unable to (?:resolve|generate manifests?)[^:]*: "),
    re.compile(r"^failed to (?:get|list) [\w ]+: (?=.)"),
)
_MEANINGS = (
    (
        re.compile(r"authentication required|invalid credentials|authorization failed|invalid username|\b401\b", re.I),
        "the repository refuses the credential: correct it in the secret that argocd_repository_secret names",
    ),
    (
        re.compile(r"\b403\b", re.I),
        "the credential opens the host, but not this repository: give its owner read access to it",
    ),
    (
        re.compile(r"repository not found|\b404\b|not found: repository", re.I),
        "there is no such repository for this credential: correct the URL, or give the credential access to it",
    ),
    (
        re.compile(r"app path does not exist", re.I),
        "the directory isn't in this revision: correct the path, or push it first",
    ),
    (
        re.compile(r"unable to resolve .* to a commit|couldn't find remote ref|unknown revision", re.I),
        "the revision isn't in the repository: correct the branch, tag or commit",
    ),
    (
        re.compile(r"x509|certificate", re.I),
        "the host's certificate is signed by nobody whom Argo CD trusts: give the authority by argocd_repository_ca",
    ),
    (
        re.compile(r"no such host|connection refused|i/o timeout|proxy|could not resolve|deadline exceeded", re.I),
        "the host can't be reached from the cluster: correct the URL, or open the way",
    ),
)


@dataclass(frozen=True)
class Standing:
    """How one application stands.

    :param errors: what keeps Argo CD from comparing it, without what passes by itself.
    :param compared: the last comparison came to an end, whatever it said.
    :param lacks: why it isn't what is waited for; empty when it is.
    :param asked: a comparison was asked for and hasn't been made.
    """

    name: str
    sync: str
    health: str
    revision: str
    errors: tuple[str, ...]
    compared: bool
    lacks: str
    asked: bool

    @property
    def summary(self) -> dict[str, str]:
        """What a module returns of it."""
        return {"sync": self.sync, "health": self.health, "revision": self.revision}


def standing(application: Mapping[str, Any], *, healthy: bool) -> Standing:
    """Return how an application stands.

    :param healthy: whether it has to be healthy beside synchronized.
    """
    status = application.get("status") or {}
    metadata = application.get("metadata") or {}
    conditions = status.get("conditions") or []
    sync = (status.get("sync") or {}).get("status") or "Unknown"
    health = (status.get("health") or {}).get("status") or "Unknown"
    told = [str(item.get("message", "")) for item in conditions if item.get("type") in ERRORS]
    return Standing(
        name=str(metadata.get("name")),
        sync=sync,
        health=health,
        revision=str((status.get("sync") or {}).get("revision") or ""),
        errors=tuple(dict.fromkeys(text for text in told if not _PASSING.search(text))),
        compared=not told,
        lacks=_lacks(application, sync, health, told, healthy=healthy),
        asked=REFRESH in (metadata.get("annotations") or {}),
    )


def _lacks(application: Mapping[str, Any], sync: str, health: str, told: Sequence[str], *, healthy: bool) -> str:
    status = application.get("status") or {}
    operation = status.get("operationState") or {}
    if told:
        return told[0]
    compared_to = ((status.get("sync") or {}).get("comparedTo") or {}).get("source") or {}
    if not follows(application, compared_to):
        return "it hasn't been compared with its repository yet"
    if operation.get("phase") in ("Running", "Terminating"):
        return f"it is being synchronized: {operation.get('message') or 'since a moment'}"
    if sync != "Synced":
        if operation.get("phase") in ("Failed", "Error"):
            return f"its synchronization failed: {operation.get('message')}"
        return f"it is {sync}"
    if healthy and health != "Healthy":
        unhealthy = [_resource(item) for item in status.get("resources") or [] if _is_unhealthy(item)]
        return f"it is {health}" + (f": {', '.join(unhealthy[:5])}" if unhealthy else "")
    return ""


def follows(application: Mapping[str, Any], source: Mapping[str, Any]) -> bool:
    """Tell whether an application is from a source, as far as the URL, the revision and the path tell."""
    own = (application.get("spec") or {}).get("source") or {}
    return all(own.get(name) == source.get(name) for name in ("repoURL", "targetRevision", "path"))


def _is_unhealthy(resource: Mapping[str, Any]) -> bool:
    return bool((resource.get("health") or {}).get("status", "Healthy") != "Healthy")


def _resource(resource: Mapping[str, Any]) -> str:
    health = resource.get("health") or {}
    message = f" ({health['message']})" if health.get("message") else ""
    return f"{resource.get('kind')} {resource.get('name')} is {health.get('status')}{message}"


def explained(application: Mapping[str, Any], error: str) -> str:
    """Return one sentence: what an application follows, why it can't, what to do."""
    source = (application.get("spec") or {}).get("source") or {}
    where = f"{source.get('repoURL')} (revision {source.get('targetRevision')}, path {source.get('path')})"
    name = (application.get("metadata") or {}).get("name")
    meaning = next((words for pattern, words in _MEANINGS if pattern.search(error)), "")
    reason = shortened(error)
    return f"application '{name}' can't follow {where}: " + (f"{meaning} ({reason})" if meaning else reason)


def shortened(error: str) -> str:
    """Return an error of Argo CD without what only its programmers read."""
    text = " ".join(error.split())
    while True:
        shorter = text
        for pattern in _NOISE:
            shorter = pattern.sub("", shorter)
        if shorter == text:
            return text.rstrip(". ")[:400]
        text = shorter
