# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EKS clusters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Obstacle, Pending, Property, Scope, State, Wanted
from .._engine.resource import is_known
from . import _cluster_made, _eks
from ._session import Session
from ._shapes import from_api, violations

_STATES: Mapping[str, State] = {
    "CREATING": "pending",
    "PENDING": "pending",
    "UPDATING": "pending",
    "ACTIVE": "ready",
    "DELETING": "deleting",
    "FAILED": "failed",
}
_LOG_TYPES = ("api", "audit", "authenticator", "controllerManager", "scheduler")
_MODES = ("CONFIG_MAP", "API_AND_CONFIG_MAP", "API")
_ENDPOINT = ("endpoint_public_access", "endpoint_private_access", "public_access_cidrs")
_NETWORK = ("subnet_ids", "security_group_ids")
_LEAVES = ("upgrade_policy", "zonal_shift_config", "deletion_protection")


def _enabled(logging: Any) -> set[str]:
    setups = (logging or {}).get("cluster_logging", [])
    return {kind for setup in setups if setup.get("enabled") for kind in setup.get("types", [])}


def _same_logging(wanted: Any, observed: Any) -> bool:
    return _enabled(wanted) == _enabled(observed)


def _same_vpc_config(wanted: Any, observed: Any) -> bool:
    return not _differing(wanted, observed, (*_ENDPOINT, *_NETWORK))


def _differing(wanted: Mapping[str, Any], observed: Mapping[str, Any] | None, names: Iterable[str]) -> dict[str, Any]:
    """Return the declared members of a VPC configuration that differ; lists are sets here."""

    def plain(value: Any) -> Any:
        return (sorted(value) or None) if isinstance(value, (list, tuple)) else value

    there = observed or {}
    given = {name: wanted[name] for name in names if wanted.get(name) is not None}
    # Without a public endpoint its CIDRs apply to nothing, and EKS keeps or resets them as it likes.
    if wanted.get("endpoint_public_access") is False:
        given.pop("public_access_cidrs", None)
    return {name: value for name, value in given.items() if plain(value) != plain(there.get(name))}


def _same_access(wanted: Any, observed: Any) -> bool:
    """Compare the mode; who is admin at the start matters at the start only."""
    mode = wanted.get("authentication_mode")
    return mode is None or mode == (observed or {}).get("authentication_mode")


def _same_encryption(wanted: Any, observed: Any) -> bool:
    return _keys(wanted) == _keys(observed)


def _keys(encryption: Any) -> list[Any]:
    return [item.get("provider", {}).get("key_arn") for item in encryption or []]


class EksCluster(Kind):
    """An EKS cluster (https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateCluster.html)."""

    name = "eks_cluster"
    properties: ClassVar[Mapping[str, Property]] = {
        "name": Property("str", required=True, immutable=True, doc="Unique in account and Region."),
        "version": Property(
            "str", required=True, doc="Kubernetes version such as V('1.35'); one minor version up at a time."
        ),
        "role_arn": Property("str", required=True, immutable=True, doc="The role of the control plane."),
        "resources_vpc_config": Property(
            "dict", required=True, same=_same_vpc_config, doc="Subnets, security groups, endpoint access and its CIDRs."
        ),
        "kubernetes_network_config": Property("dict", immutable=True, doc="C(service_ipv4_cidr) and C(ip_family)."),
        "logging": Property("dict", same=_same_logging, doc="The control plane's logs."),
        "encryption_config": Property(
            "list",
            same=_same_encryption,
            doc="The KMS key for secrets; can be added later, never changed or taken away.",
        ),
        "access_config": Property("dict", same=_same_access, doc="Authentication mode, and who is admin at the start."),
        "upgrade_policy": Property("dict", doc="C(support_type): V(STANDARD) or V(EXTENDED)."),
        "zonal_shift_config": Property("dict", doc="C(enabled): whether traffic may be moved out of a failing zone."),
        "deletion_protection": Property("bool", doc="Whether EKS refuses to delete it."),
        "bootstrap_self_managed_addons": Property(
            "bool",
            default=False,
            write_only=True,
            doc="Whether EKS installs add-ons that it doesn't manage, at creation.",
        ),
    }
    attributes = (
        "arn",
        "endpoint",
        "certificate_authority",
        "oidc_issuer",
        "cluster_security_group_id",
        "platform_version",
        "vpc_id",
        "service_ipv4_cidr",
    )
    priced = ("version", "upgrade_policy")
    key = ("name",)
    slow = True
    timeout = 3600
    tag = _eks.tag

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """Describe the clusters that are declared and those that the stack owns."""
        found = session.each(lambda name: self._describe(session, name), _eks.cluster_names(session, scope))
        return [self._observed(cluster) for cluster in found if cluster]

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create the cluster with its tags."""
        cluster = session.call(
            "eks",
            "create_cluster",
            retry_on=_eks.ROLE_LAG,
            attempts=_eks.ROLE_LAG_ATTEMPTS,
            tags=dict(wanted.tags),
            **_eks.inputs("CreateCluster", wanted.properties),
        )["cluster"]
        return self._observed(cluster)

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Make one update after another: EKS takes one at a time, and one subject in each."""
        name = observed.id
        updates = [
            _eks.update(session, "update_cluster_config", name=name, **_eks.inputs("UpdateClusterConfig", subject))
            for subject in self._subjects(observed, wanted, changed)
        ]
        if "encryption_config" in changed:
            encryption = _eks.inputs("AssociateEncryptionConfig", {"encryption_config": wanted["encryption_config"]})
            updates.append(_eks.update(session, "associate_encryption_config", clusterName=name, **encryption))
        if "version" in changed:
            updates.append(_eks.update(session, "update_cluster_version", name=name, version=wanted["version"]))
        return _eks.with_updates(observed, updates)

    def delete(self, session: Session, observed: Observed) -> None:
        """Start the deletion; who declares protection is refused before (see the area), here it is switched off.

        What controllers in the cluster have made goes first. Its nodes are gone by now, so they make nothing new.
        """
        _cluster_made.sweep(session, observed.id)
        protected = bool(observed.properties.get("deletion_protection"))
        if protected:
            _eks.update(session, "update_cluster_config", name=observed.id, deletionProtection=False)
        # The lifted protection is refused with InvalidRequestException until that update has ended.
        busy = (*_eks.BUSY, "InvalidRequestException") if protected else _eks.BUSY
        session.call("eks", "delete_cluster", retry_on=busy, attempts=60, missing=_eks.GONE, name=observed.id)

    def ready(self, session: Session, observed: Observed) -> Observed | Pending:
        """Wait for status ACTIVE (waiter cluster_active) and for the success of every update."""
        if not _eks.are_done(session, observed, name=observed.id):
            return Pending("UPDATING")
        cluster = session.call("eks", "describe_cluster", name=observed.id)["cluster"]
        if cluster["status"] in ("FAILED", "DELETING"):
            raise _eks.failure(f"EKS cluster {observed.id}", cluster)
        return self._observed(cluster) if cluster["status"] == "ACTIVE" else Pending(cluster["status"])

    def gone(self, session: Session, observed: Observed) -> bool | Pending:
        """Wait until it isn't found any more (waiter cluster_deleted)."""
        found = self._describe(session, observed.id)
        return Pending(found["status"]) if found else True

    def obstacles(self, session: Session, leaving: Sequence[Observed]) -> list[Obstacle]:
        """Name what controllers in the clusters have made, and nobody would take away once they are gone."""
        return [obstacle for cluster in leaving for obstacle in _made_in(session, cluster.id)]

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model, and the form of the version."""
        problems = violations("eks", "CreateCluster", properties)
        version = properties["version"]
        if isinstance(version, str) and not re.fullmatch(r"\d+\.\d+", version):
            problems.append(f"version: {version!r} is not a Kubernetes version such as '1.35'")
        config = properties["resources_vpc_config"]
        if isinstance(config, Mapping) and not config.get("subnet_ids"):
            problems.append("resources_vpc_config: the member 'subnet_ids' is missing")
        return problems

    def refuse(self, observed: Observed, properties: Mapping[str, Any]) -> list[str]:
        """Refuse what EKS has no way to: a downgrade, a skipped version, another key, a way back to the config map."""
        return [
            *_version_problems(str(observed.properties["version"]), properties["version"]),
            *_mode_problems(observed.properties["access_config"], properties.get("access_config")),
            *_key_problems(observed.properties["encryption_config"], properties.get("encryption_config")),
        ]

    def preflight(self, session: Session, wanted: Sequence[Mapping[str, Any]]) -> list[str]:
        """Refuse versions that EKS doesn't offer."""
        found = session.pages("eks", "describe_cluster_versions", "clusterVersions")
        offered = sorted({item["clusterVersion"] for item in found}, key=_eks.parts, reverse=True)
        asked = {item["version"] for item in wanted if isinstance(item["version"], str)}
        return [
            f"EKS in {session.region} offers no Kubernetes {version}: use {', '.join(offered)}"
            for version in sorted(asked - set(offered))
        ]

    @staticmethod
    def _subjects(observed: Observed, wanted: Wanted, changed: frozenset[str]) -> list[dict[str, Any]]:
        """Return the inputs of the calls to UpdateClusterConfig, one for each subject."""
        subjects: list[dict[str, Any]] = []
        if "resources_vpc_config" in changed:
            there = observed.properties["resources_vpc_config"]
            for names in (_ENDPOINT, _NETWORK):
                if differing := _differing(wanted["resources_vpc_config"], there, names):
                    subjects.append({"resources_vpc_config": differing})
        if "logging" in changed:
            enabled = _enabled(wanted["logging"])
            setups = [
                {"types": [kind for kind in _LOG_TYPES if (kind in enabled) is switch], "enabled": switch}
                for switch in (True, False)
            ]
            subjects.append({"logging": {"cluster_logging": [setup for setup in setups if setup["types"]]}})
        if "access_config" in changed:
            mode = wanted["access_config"]["authentication_mode"]
            steps = _MODES[_MODES.index(observed.properties["access_config"]["authentication_mode"]) + 1 :]
            subjects += [{"access_config": {"authentication_mode": step}} for step in steps[: steps.index(mode) + 1]]
        return subjects + [{name: wanted[name]} for name in _LEAVES if name in changed]

    @staticmethod
    def _describe(session: Session, name: str) -> dict[str, Any]:
        found = session.call("eks", "describe_cluster", missing=_eks.GONE, name=name)
        return dict(found.get("cluster", {}))

    @staticmethod
    def _observed(cluster: Mapping[str, Any]) -> Observed:
        flat = from_api("eks", "Cluster", cluster)
        vpc = flat.get("resources_vpc_config", {})
        return Observed(
            id=cluster["name"],
            properties={
                **{name: flat.get(name) for name in EksCluster.properties},
                "access_config": {"authentication_mode": "CONFIG_MAP", **flat.get("access_config", {})},
            },
            attributes={
                "arn": cluster["arn"],
                "endpoint": cluster.get("endpoint"),
                "certificate_authority": cluster.get("certificateAuthority", {}).get("data"),
                "oidc_issuer": cluster.get("identity", {}).get("oidc", {}).get("issuer"),
                "cluster_security_group_id": vpc.get("cluster_security_group_id"),
                "platform_version": cluster.get("platformVersion"),
                "vpc_id": vpc.get("vpc_id"),
                "service_ipv4_cidr": flat.get("kubernetes_network_config", {}).get("service_ipv4_cidr"),
            },
            tags=dict(cluster.get("tags", {})),
            state=_STATES[cluster["status"]],
        )


def _version_problems(there: str, wanted: Any) -> list[str]:
    if not isinstance(wanted, str) or not there:
        return []
    (major, minor), (_major, target) = _eks.parts(there)[:2], _eks.parts(wanted)[:2]
    if _eks.older(wanted, there):
        return [f"Kubernetes {there} can't be taken back to {wanted}: declare '{there}' or a later version"]
    if target > minor + 1:
        following = f"{major}.{minor + 1}"
        return [f"Kubernetes {there} can't become {wanted} at once: EKS goes up by one minor, to '{following}' first"]
    return []


def _mode_problems(there: Mapping[str, Any], wanted: Any) -> list[str]:
    mode, now = (wanted or {}).get("authentication_mode"), there["authentication_mode"]
    if mode in _MODES and _MODES.index(mode) < _MODES.index(now):
        return [f"authentication mode {now} can't be taken back to {mode}: EKS has no way back"]
    return []


def _key_problems(there: Any, wanted: Any) -> list[str]:
    if wanted is None or not _keys(there) or not is_known(wanted) or _keys(there) == _keys(wanted):
        return []
    return [f"secrets are encrypted by {_keys(there)[0]}: EKS can neither change nor take away that key"]


def _made_in(session: Session, cluster: str) -> Iterable[Obstacle]:
    where = "take down what is in the cluster first (playbooks/cluster.yml, with a way to its API server)"
    instances = _cluster_made.karpenter_instances(session, cluster)
    if instances:
        yield Obstacle(
            f"EKS cluster {cluster} has instances that Karpenter started and nobody would end without it "
            f"({', '.join(instances)}): {where}, or list {_INSTANCES} in `allow_destroy` to have them terminated",
            stack=f"manifests-{cluster}-karpenter-definitions",
            address=_INSTANCES,
        )
    balancers = _cluster_made.load_balancers(session, cluster)
    if balancers:
        names = ", ".join(item.name for item in balancers)
        yield Obstacle(
            f"EKS cluster {cluster} has load balancers that its Services and Ingresses made ({names}): {where}, or "
            f"list {_BALANCERS} in `allow_destroy` to have them deleted",
            stack=f"manifests-{cluster}-argocd-root",
            address=_BALANCERS,
        )


_INSTANCES = "instances.karpenter"
_BALANCERS = "load_balancers.kubernetes"
