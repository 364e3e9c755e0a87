# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an object is ready, and what it lacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._engine.errors import EngineError
from ._objects import CRD, NAMESPACE, group_kind

_BUILT_IN: Mapping[str, tuple[tuple[str, str], ...]] = {
    CRD: (("NamesAccepted", "True"), ("Established", "True")),
    "APIService.apiregistration.k8s.io": (("Available", "True"),),
    "Job.batch": (("Complete", "True"),),
    "Deployment.apps": (("Available", "True"),),
}
_FAILED: Mapping[str, tuple[tuple[str, str], ...]] = {
    "Job.batch": (("Failed", "True"),),
    "Deployment.apps": (("Progressing", "False"),),
    CRD: (("NamesAccepted", "False"),),
}


def condition(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a condition of an object's status, an empty one if it has none of the name."""
    conditions = (document.get("status") or {}).get("conditions") or ()
    return next((item for item in conditions if item.get("type") == name), {})


def failure(document: Mapping[str, Any]) -> str:
    """Return why an object, as its controller last saw it, will never be ready; empty if it may still be."""
    generation = (document.get("metadata") or {}).get("generation", 0)
    if (document.get("status") or {}).get("observedGeneration", generation) < generation:
        return ""
    for name, status in _FAILED.get(group_kind(document), ()):
        found = condition(document, name)
        if found.get("status") == status:
            return f"{name} is {status}: {found.get('reason', '')}: {found.get('message', '')}"
    return ""


def unready(document: Mapping[str, Any], conditions: Iterable[tuple[str, str]] = ()) -> str:
    """Return what is missing for an object to be ready; empty if it is.

    :param conditions: types and statuses to be had beside those that its kind is always waited for by.
    """
    name = group_kind(document)
    if name == "Job.batch" and (document.get("spec") or {}).get("suspend"):
        return ""
    counted = _rollout(document)
    if counted:
        return counted
    generation = (document.get("metadata") or {}).get("generation", 0)
    for kind, status in (*_BUILT_IN.get(name, ()), *conditions):
        found = condition(document, kind)
        if found.get("observedGeneration", generation) < generation:
            return f"{kind} is {found.get('status')} of what it was before: its controller has not seen the change yet"
        if found.get("status") != status:
            told = ": ".join(part for part in (found.get("reason"), found.get("message")) if part)
            return f"{kind} is {found.get('status', 'not known')}, not {status}" + (f" ({told})" if told else "")
    return ""


def _rollout(document: Mapping[str, Any]) -> str:
    """Return what a rollout still lacks, by the rules of ``kubectl rollout status``."""
    name = group_kind(document)
    spec, status = document.get("spec") or {}, document.get("status") or {}
    if name == NAMESPACE:
        phase = status.get("phase", "not known")
        return "" if phase == "Active" else f"its phase is {phase}"
    if name not in ("Deployment.apps", "StatefulSet.apps", "DaemonSet.apps"):
        return ""
    if status.get("observedGeneration", 0) < (document.get("metadata") or {}).get("generation", 0):
        return "its controller has not seen the change yet"
    if name == "DaemonSet.apps":
        wanted = status.get("desiredNumberScheduled", 0)
        updated, available = status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
    else:
        wanted = spec.get("replicas", 1)
        updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if (spec.get("updateStrategy") or {}).get("type") == "OnDelete":
        return ""
    if updated < wanted:
        return f"{updated} of {wanted} pods are of the new revision"
    if name != "DaemonSet.apps" and status.get("replicas", 0) > updated:
        return f"{status['replicas'] - updated} pods of the old revision are still there"
    if available < wanted:
        return f"{available} of {wanted} pods are available"
    return ""


def require(document: Mapping[str, Any]) -> None:
    """Raise if an object will never be ready."""
    why = failure(document)
    if why:
        raise EngineError(f"it failed: {why}")
