# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What EKS' access policies allow.

EKS decides these in an authorizer of its own beside RBAC: nothing of them is seen in the cluster, and custom resources
are in none but the policies for everything. https://docs.aws.amazon.com/eks/latest/userguide/access-policy-permissions.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from rehearsal.kubernetes.authentication import Entry

_ARN = "arn:aws:eks::aws:cluster-access-policy/"


@dataclass(frozen=True)
class Rule:
    """Verbs on resources of an API group; ``*`` is all of them."""

    group: str
    resources: frozenset[str]
    verbs: frozenset[str]

    def allows(self, group: str, resource: str, verb: str) -> bool:
        """Whether the rule covers a request. ``resource`` is with its subresource: ``pods/log``."""
        return (
            self.group in ("*", group)
            and ("*" in self.resources or resource in self.resources)
            and ("*" in self.verbs or verb in self.verbs)
        )


_READ = "get list watch"
_WRITE = "create delete deletecollection patch update"


def _rules(verbs: str, **groups: str) -> list[Rule]:
    names = {
        "core": "",
        "authorization": "authorization.k8s.io",
        "discovery": "discovery.k8s.io",
        "networking": "networking.k8s.io",
        "rbac": "rbac.authorization.k8s.io",
    }
    return [
        Rule(names.get(group, group), frozenset(resources.split()), frozenset(verbs.split()))
        for group, resources in groups.items()
    ]


_VIEW = _rules(
    _READ,
    apps="controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status "
    "replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status",
    autoscaling="horizontalpodautoscalers horizontalpodautoscalers/status",
    batch="cronjobs cronjobs/status jobs jobs/status",
    discovery="endpointslices",
    extensions="daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses "
    "ingresses/status networkpolicies replicasets replicasets/scale replicasets/status replicationcontrollers/scale",
    networking="ingresses ingresses/status networkpolicies",
    policy="poddisruptionbudgets poddisruptionbudgets/status",
    core="bindings configmaps endpoints events limitranges namespaces namespaces/status persistentvolumeclaims "
    "persistentvolumeclaims/status pods pods/log pods/status replicationcontrollers replicationcontrollers/scale "
    "replicationcontrollers/status resourcequotas resourcequotas/status serviceaccounts services services/status",
)
_EDIT = [
    *_VIEW,
    *_rules(_READ, core="pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy"),
    *_rules(
        _WRITE,
        apps="daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets "
        "statefulsets/scale",
        autoscaling="horizontalpodautoscalers",
        batch="cronjobs jobs",
        extensions="daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies "
        "replicasets replicasets/scale replicationcontrollers/scale",
        networking="ingresses networkpolicies",
        policy="poddisruptionbudgets",
        core="configmaps events persistentvolumeclaims pods pods/attach pods/exec pods/portforward pods/proxy "
        "replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy",
    ),
    *_rules("impersonate", core="serviceaccounts"),
]
_ADMIN = [
    *_EDIT,
    *_rules("create", authorization="localsubjectaccessreviews"),
    *_rules(f"{_READ} {_WRITE}", rbac="rolebindings roles"),
]
_EVERYTHING = [Rule("*", frozenset("*"), frozenset("*"))]

#: The policies that people get. Those of EKS Auto Mode's own controllers allow nothing here.
POLICIES: dict[str, list[Rule]] = {
    "AmazonEKSClusterAdminPolicy": _EVERYTHING,
    "AmazonEKSAdminPolicy": _ADMIN,
    "AmazonEKSAdminViewPolicy": [Rule("*", frozenset("*"), frozenset(_READ.split()))],
    "AmazonEKSEditPolicy": _EDIT,
    "AmazonEKSViewPolicy": _VIEW,
    "AmazonEKSSecretReaderPolicy": _rules(_READ, core="secrets"),
}


def allowed(entry: Entry, review: Mapping[str, Any]) -> str:
    """Why the access policies of an entry allow a request (the spec of a SubjectAccessReview); empty if they don't."""
    wanted = review.get("resourceAttributes")
    if wanted is None:
        # A path is outside of all namespaces; only a cluster's administrator has a policy for paths.
        policy = f"{_ARN}AmazonEKSClusterAdminPolicy"
        granted = any(arn == policy and not namespaces for arn, namespaces in entry.policies)
        return "AmazonEKSClusterAdminPolicy" if granted else ""
    resource = wanted.get("resource", "")
    if wanted.get("subresource"):
        resource = f"{resource}/{wanted['subresource']}"
    for arn, namespaces in entry.policies:
        name = arn.removeprefix(_ARN)
        if not _covers(namespaces, wanted.get("namespace", "")):
            continue
        if any(
            rule.allows(wanted.get("group", ""), resource, wanted.get("verb", "")) for rule in POLICIES.get(name, [])
        ):
            return name
    return ""


def _covers(scope: Iterable[str], namespace: str) -> bool:
    scope = tuple(scope)
    # https://docs.aws.amazon.com/eks/latest/userguide/access-policies.html: a name may end in an asterisk
    return not scope or (bool(namespace) and any(fnmatchcase(namespace, pattern) for pattern in scope))
