# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pods a cluster's Fargate profiles take: the admission webhook that EKS has in every such cluster.

https://docs.aws.amazon.com/eks/latest/userguide/fargate-profile.html
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from rehearsal.kubernetes.nodes import FARGATE_PROFILE, FARGATE_SCHEDULER

PATH = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"


def configuration(url: str, authority: bytes) -> dict[str, Any]:
    """The webhook's configuration, by the name that it has on EKS."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "0500-amazon-eks-fargate-mutation.amazonaws.com"},
        "webhooks": [
            {
                "name": "0500-amazon-eks-fargate-mutation.amazonaws.com",
                "admissionReviewVersions": ["v1"],
                "clientConfig": {"url": url, "caBundle": base64.b64encode(authority).decode()},
                "failurePolicy": "Ignore",
                "sideEffects": "None",
                "timeoutSeconds": 5,
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
            }
        ],
    }


def admit(review: dict[str, Any], profiles: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """An AdmissionReview of a pod, answered: what a profile selects goes to Fargate's scheduler."""
    request = review["request"]
    response: dict[str, Any] = {"uid": request["uid"], "allowed": True}
    pod = request["object"]
    labels = pod["metadata"].get("labels") or {}
    name = chosen(profiles, request["namespace"], labels)
    if name:
        patch = [
            {"op": "add", "path": "/spec/schedulerName", "value": FARGATE_SCHEDULER},
            {"op": "add", "path": "/metadata/labels", "value": {**labels, FARGATE_PROFILE: name}},
        ]
        response |= {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(patch).encode()).decode()}
    return {"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response}


def chosen(profiles: Mapping[str, Mapping[str, Any]], namespace: str, labels: Mapping[str, str]) -> str:
    """The profile that takes a pod, or an empty string; of several the first by name, or the one that the pod names."""
    matching = sorted(
        name for name, doc in profiles.items() if any(_fits(s, namespace, labels) for s in doc["selectors"])
    )
    wanted = labels.get(FARGATE_PROFILE)
    if wanted in matching:
        return str(wanted)
    return matching[0] if matching else ""


def _fits(selector: Mapping[str, Any], namespace: str, labels: Mapping[str, str]) -> bool:
    wanted = selector.get("labels") or {}
    return fnmatchcase(namespace, selector["namespace"]) and all(
        key in labels and fnmatchcase(labels[key], value) for key, value in wanted.items()
    )
