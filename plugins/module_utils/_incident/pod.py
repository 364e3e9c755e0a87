# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod that nothing speaks to any more, and that stays: nobody replaces or removes it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .._kinds._act import Case, Found
from .._kinds._cluster import ApiType, Cluster
from .._kinds._session import Session

LABEL = "innovate.platform/incident"
"""Label, with the case's id as its value, of pods that are isolated."""
LABELS = "innovate.platform/incident-labels"
"""Annotation with the labels that the pod had, as JSON."""
_KEEP = {
    "karpenter.sh/do-not-disrupt": "true",
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
}
"""Annotations by which autoscalers leave a pod's node alone."""
_POD = ApiType("", "v1", "Pod", "pods", namespaced=True)
_NODE = ApiType("", "v1", "Node", "nodes", namespaced=False)
_POLICY = ApiType("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", namespaced=True)
_MANAGER = {"fieldManager": "innovate-incident"}
_MERGE = "application/merge-patch+json"
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


@dataclass(frozen=True)
class IsolatePod:
    """Isolates a pod by a network policy, and takes it from its Service and its controller.

    All its labels are taken away but the case's: no Service and no policy that allows something finds it by them any
    more, and its ReplicaSet (DaemonSet, StatefulSet) lets it go and makes another one
    (https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#isolating-pods-from-a-replicaset). The steps
    are those of https://docs.aws.amazon.com/eks/latest/best-practices/incident-response-and-forensics.html.

    :param cordon: whether the pod's node takes no new pods.
    """

    cluster: Cluster
    namespace: str
    pod: str
    cordon: bool = False
    name: str = "isolate-pod"

    @property
    def target(self) -> str:
        """Return cluster, namespace and name."""
        return f"{self.cluster.name}/{self.namespace}/{self.pod}"

    def problems(self) -> list[str]:
        """Check that all is named, and that names can be names."""
        problems = []
        for what, option, value in (
            ("cluster", "incident_cluster", self.cluster.name),
            ("namespace", "incident_namespace", self.namespace),
            ("pod", "incident_pod", self.pod),
        ):
            if not value:
                problems.append(f"no {what} is named: give its name with `-e {option}=`")
            elif what != "cluster" and not _NAME.fullmatch(value):
                problems.append(f"'{value}' can't be the name of a {what}: only small letters, digits, '-' and '.'")
        return problems

    def contain(self, session: Session, case: Case) -> Found:
        """Make the policy, then take the labels away in one go with adding the one that the policy looks for."""
        if not self.cluster.open(session):
            return Found(problems=[self._no_cluster(session)])
        pod = self.cluster.get(_POD.path(self.namespace, self.pod))
        if pod is None:
            return Found(problems=[self._no_pod()])
        refusal = _refusal(pod, case, self.pod)
        if refusal:
            return Found(problems=[refusal])
        found = Found(keep_going=False, before=self._before(pod), notes=self._notes(pod, case))
        self._close(case, found)
        self._relabel(pod, case, found)
        if self.cordon and pod["spec"].get("nodeName"):
            node = self.cluster.get(_NODE.path(name=pod["spec"]["nodeName"])) or {}
            found.before["unschedulable"] = bool(node.get("spec", {}).get("unschedulable"))
            if node and not node["spec"].get("unschedulable"):
                found.add(
                    f"cordon node {pod['spec']['nodeName']}",
                    self._patcher(_NODE.path(name=pod["spec"]["nodeName"]), {"spec": {"unschedulable": True}}),
                )
        return found

    def release(self, session: Session, case: Case) -> Found:
        """Give the labels back, delete the policy, uncordon the node."""
        found = Found()
        before = case.before
        if not self.cluster.open(session):
            return Found(notes=[f"{self._no_cluster(session)}: there is nothing to undo"])
        pod = self.cluster.get(_POD.path(self.namespace, self.pod))
        if pod is None or pod["metadata"]["uid"] != before.get("uid"):
            found.notes.append(f"pod {self.pod} is gone: only what was made for it is taken away")
        elif pod["metadata"].get("labels", {}).get(LABEL) == case.incident:
            labels: dict[str, Any] = {**before.get("labels", {}), LABEL: None}
            annotations = {LABELS: None, **before.get("annotations", {})}
            found.add(
                f"give pod {self.pod} its labels back ({_told(before.get('labels', {}))}); its controller takes it in "
                "again, and may end one that it then has too many",
                self._patcher(
                    _POD.path(self.namespace, self.pod),
                    {"metadata": {"uid": before["uid"], "labels": labels, "annotations": annotations}},
                ),
            )
        policy = self.cluster.get(_POLICY.path(self.namespace, _policy_name(case)))
        others = self.cluster.items(_POD.path(self.namespace), labelSelector=f"{LABEL}={case.incident}")
        if policy is not None and all(item["metadata"]["name"] == self.pod for item in others):
            uid = policy["metadata"]["uid"]
            found.add(
                f"delete network policy {_policy_name(case)}",
                lambda: self.cluster.delete(_POLICY.path(self.namespace, _policy_name(case)), uid),
            )
        node = before.get("node", "")
        if before.get("unschedulable") is False and node:
            there = self.cluster.get(_NODE.path(name=node)) or {}
            if there.get("spec", {}).get("unschedulable"):
                found.add(
                    f"uncordon node {node}",
                    self._patcher(_NODE.path(name=node), {"spec": {"unschedulable": None}}),
                )
        return found

    def _close(self, case: Case, found: Found) -> None:
        wanted = policy_of(case, self.namespace)
        there = self.cluster.get(_POLICY.path(self.namespace, _policy_name(case)))
        if there is None or not _is_closed(there["spec"], wanted["spec"]):
            found.add(
                f"have network policy {_policy_name(case)} in namespace {self.namespace} let nothing in or out of pods "
                f"with the label {LABEL}={case.incident}",
                lambda: self.cluster.apply(
                    _POLICY.path(self.namespace, _policy_name(case)),
                    wanted,
                    _MANAGER["fieldManager"],
                    force=True,
                    dry_run=False,
                ),
            )

    def _relabel(self, pod: Mapping[str, Any], case: Case, found: Found) -> None:
        labels: Mapping[str, str] = pod["metadata"].get("labels") or {}
        annotations: Mapping[str, str] = pod["metadata"].get("annotations") or {}
        if labels == {LABEL: case.incident} and all(annotations.get(key) == value for key, value in _KEEP.items()):
            return
        others = {key: value for key, value in labels.items() if key != LABEL}
        kept = {} if LABELS in annotations else {LABELS: json.dumps(others, sort_keys=True)}
        owner = next((item for item in pod["metadata"].get("ownerReferences", []) if item.get("controller")), None)
        away = f", so that {owner['kind']} {owner['name']} replaces it" if owner else ""
        found.add(
            f"label pod {self.pod} {LABEL}={case.incident} and take its other labels away ({_told(others)}){away}",
            self._patcher(
                _POD.path(self.namespace, self.pod),
                {
                    "metadata": {
                        "uid": pod["metadata"]["uid"],
                        "labels": {**dict.fromkeys(others), LABEL: case.incident},
                        "annotations": {**_KEEP, **kept},
                    }
                },
            ),
        )

    def _before(self, pod: Mapping[str, Any]) -> dict[str, Any]:
        meta = pod["metadata"]
        annotations: Mapping[str, str] = meta.get("annotations") or {}
        kept = annotations.get(LABELS)
        labels = json.loads(kept) if kept else {k: v for k, v in (meta.get("labels") or {}).items() if k != LABEL}
        return {
            "uid": meta["uid"],
            "labels": labels,
            "annotations": {key: annotations.get(key) for key in _KEEP},
            "node": pod["spec"].get("nodeName", ""),
            "addresses": [item["ip"] for item in pod.get("status", {}).get("podIPs", [])],
        }

    def _notes(self, pod: Mapping[str, Any], case: Case) -> list[str]:
        notes = []
        spec = pod["spec"]
        if spec.get("hostNetwork"):
            notes.append(
                "the pod uses its node's network, where network policies have no effect: isolate the instance "
                "(incident_isolate_instance.yml)"
            )
        through = [
            item["metadata"]["name"]
            for item in self.cluster.items(_POLICY.path(self.namespace))
            if item["metadata"]["name"] != _policy_name(case) and lets_through(item["spec"], {LABEL: case.incident})
        ]
        if through:
            notes.append(
                f"policies add up, and {', '.join(sorted(through))} of namespace {self.namespace} hold for every pod "
                "and let something through: take that away (in the platform-config repository), or isolate the instance"
            )
        kinds = [item["kind"] for item in pod["metadata"].get("ownerReferences", []) if item.get("controller")]
        if "StatefulSet" in kinds:
            notes.append("its StatefulSet can't replace it as long as it is there, since it has the name")
        notes.append(
            "connections that exist may go on for some minutes; what must end now ends with the instance isolated "
            f"(node {spec.get('nodeName', 'none yet')})"
        )
        notes.append(
            f"credentials of service account {spec.get('serviceAccountName', 'default')} may have been copied: revoke "
            "the sessions of its AWS role (incident_revoke_sessions.yml)"
        )
        return notes

    def _patcher(self, path: str, patch: Mapping[str, Any]) -> Callable[[], object]:
        return lambda: self.cluster.request("PATCH", path, patch, _MANAGER, _MERGE)

    def _no_cluster(self, session: Session) -> str:
        return (
            f"account {session.account_id} has no cluster '{self.cluster.name}' in Region {session.region}: choose the "
            "account with `--limit`"
        )

    def _no_pod(self) -> str:
        names = sorted(item["metadata"]["name"] for item in self.cluster.items(_POD.path(self.namespace)))
        shown = ", ".join(names[:10]) + (f" and {len(names) - 10} others" if len(names) > 10 else "")
        have = f"there {'is' if len(names) == 1 else 'are'} {shown}" if names else "there are no pods"
        return f"namespace {self.namespace} of cluster '{self.cluster.name}' has no pod '{self.pod}': {have}"


def policy_of(case: Case, namespace: str) -> dict[str, Any]:
    """Return the network policy of a case: both directions, and nothing that is allowed."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": _policy_name(case), "namespace": namespace, "labels": {LABEL: case.incident}},
        "spec": {
            "podSelector": {"matchLabels": {LABEL: case.incident}},
            "policyTypes": ["Ingress", "Egress"],
        },
    }


def lets_through(spec: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Tell whether a network policy holds for a pod with such labels and allows something."""
    selector = spec.get("podSelector") or {}
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    for item in selector.get("matchExpressions") or []:
        value = labels.get(item["key"])
        holds = {
            "In": value is not None and value in item.get("values", []),
            "NotIn": value is None or value not in item.get("values", []),
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }
        if not holds.get(item["operator"], True):
            return False
    return bool(spec.get("ingress") or spec.get("egress"))


def _is_closed(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    rules = there.get("ingress") or there.get("egress")
    return not rules and all(there.get(key) == value for key, value in wanted.items())


def _policy_name(case: Case) -> str:
    """Return the policy's name; a case's id may have capitals and underscores, which a name can't have."""
    return "incident-" + re.sub(r"[^a-z0-9.-]", "-", case.incident.lower()).strip("-.")


def _refusal(pod: Mapping[str, Any], case: Case, name: str) -> str:
    phase = pod.get("status", {}).get("phase", "")
    if pod["metadata"].get("deletionTimestamp"):
        return f"pod {name} is being deleted: isolate its node's instance at once, or look at what it left"
    if phase in ("Succeeded", "Failed"):
        return f"pod {name} has ended ({phase}): there is nothing left to isolate"
    other = (pod["metadata"].get("labels") or {}).get(LABEL)
    if other and other != case.incident:
        return f"pod {name} is isolated already, for incident {other}"
    return ""


def _told(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(labels.items())) or "none"
