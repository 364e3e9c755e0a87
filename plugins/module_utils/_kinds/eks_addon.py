# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Add-ons of EKS."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from .._engine.errors import EngineError
from .._engine.kind import Kind, Observed, Pending, Property, Scope, State, Wanted
from . import _eks
from ._session import Session
from ._shapes import from_api, violations

KUBERNETES_TAG = "innovate:kubernetes-version"
VERSION_TAG = "innovate:addon-version"
"""The version that EKS or a declaration chose, by which another one that somebody installed is told."""
"""Remembers for which Kubernetes version an add-on's version was chosen: EKS doesn't say so."""
_STATES: Mapping[str, State] = {
    "CREATING": "pending",
    "UPDATING": "pending",
    "ACTIVE": "ready",
    # Pods are missing, or an update was refused: a matter for an update or a person, not for a replacement.
    "DEGRADED": "ready",
    "UPDATE_FAILED": "ready",
    "DELETING": "deleting",
    "CREATE_FAILED": "failed",
    "DELETE_FAILED": "failed",
}


def _text(values: Any) -> str:
    return values if isinstance(values, str) else json.dumps(values, sort_keys=True, default=str)


def _same_values(wanted: Any, observed: Any) -> bool:
    """Compare as documents where both are JSON; EKS takes YAML as well, which is compared as text."""
    try:
        return bool(json.loads(_text(wanted)) == json.loads(_text(observed or "{}")))
    except ValueError:
        return _text(wanted).strip() == (observed or "").strip()


class EksAddon(Kind):
    """An EKS add-on (https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateAddon.html).

    The rule for versions: ``addon_version`` pins one. Without it EKS chooses its default for the cluster's Kubernetes
    version at creation, and the add-on stays there until ``kubernetes_version`` changes; then it moves to the default
    of the new one, unless it is on a later version that the new one takes as well. A pinned version may go back,
    should a later one misbehave. Which one was chosen is in a tag: an add-on that somebody put to another goes back.
    """

    name = "eks_addon"
    properties: ClassVar[Mapping[str, Property]] = {
        "cluster_name": Property("str", required=True, immutable=True, doc="The cluster."),
        "addon_name": Property("str", required=True, immutable=True, doc="Such as V(vpc-cni)."),
        "addon_version": Property("str", doc="Pins a version; see the rule above."),
        "kubernetes_version": Property("str", doc="The cluster's, so that the add-on follows its upgrades."),
        "configuration_values": Property("json", same=_same_values, doc="Settings, by the add-on's own schema."),
        "service_account_role_arn": Property(
            "str", doc="A role by the cluster's OIDC provider; pod identity needs none."
        ),
        "resolve_conflicts": Property(
            "str", default="OVERWRITE", write_only=True, doc="What becomes of fields that somebody else has set."
        ),
    }
    attributes = ("arn", "addon_version")
    key = ("cluster_name", "addon_name")
    closed_in = ("cluster_name", "eks_cluster")
    slow = True
    timeout = 1800
    tag = _eks.tag

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List the add-ons of the clusters concerned and describe each."""
        declared = {str(item.get("addon_name")): item for item in scope.declared.get(self.name, ())}

        def seen(found: Mapping[str, Any]) -> Observed:
            return _with_chosen_version(self._observed(found), declared.get(found["addonName"], {}))

        return _eks.each_described(session, scope, "list_addons", "addons", self._describe, seen)

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create the add-on with its tags; without a version EKS takes its default."""
        found = session.call(
            "eks",
            "create_addon",
            retry_on=_eks.ROLE_LAG if wanted.get("service_account_role_arn") else (),
            attempts=_eks.ROLE_LAG_ATTEMPTS,
            tags=self._tags(wanted),
            **_eks.inputs("CreateAddon", self._with_text(wanted.properties)),
        )["addon"]
        return self._observed(found)

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Update what changed; with another Kubernetes version, move to a version that suits it."""
        names = ("addon_version", "configuration_values", "service_account_role_arn")
        values = {name: wanted[name] for name in names if name in changed}
        if "kubernetes_version" in changed and not wanted.get("addon_version"):
            version = self._suiting(session, wanted, str(observed.properties["addon_version"]))
            if version != observed.properties["addon_version"]:
                values["addon_version"] = version
        updates = []
        if values:
            values["resolve_conflicts"] = wanted["resolve_conflicts"]
            key = {"clusterName": wanted["cluster_name"], "addonName": wanted["addon_name"]}
            inputs = _eks.inputs("UpdateAddon", self._with_text(values))
            updates = [_eks.update(session, "update_addon", **key, **inputs)]
        chosen = values.get("addon_version") or observed.tags.get(VERSION_TAG)
        tags = {**self._tags(wanted), **({VERSION_TAG: chosen} if chosen else {})}
        return _eks.with_updates(replace(observed, tags=tags), updates)

    def delete(self, session: Session, observed: Observed) -> None:
        """Start the deletion, of what it has in the cluster as well."""
        session.call(
            "eks",
            "delete_addon",
            retry_on=_eks.BUSY,
            attempts=60,
            missing=_eks.GONE,
            clusterName=observed.properties["cluster_name"],
            addonName=observed.properties["addon_name"],
        )

    def ready(self, session: Session, observed: Observed) -> Observed | Pending:
        """Wait for status ACTIVE; DEGRADED is what an add-on is until its pods have found a node."""
        cluster, name = observed.properties["cluster_name"], observed.properties["addon_name"]
        if not _eks.are_done(session, observed, name=cluster, addonName=name):
            return Pending("UPDATING")
        found = self._describe(session, cluster, name)
        if found and found["status"] in ("CREATE_FAILED", "UPDATE_FAILED"):
            raise _eks.failure(f"add-on {name} of {cluster}", found)
        if not found or found["status"] != "ACTIVE":
            return Pending(found.get("status", ""))
        # Written only now, so that an update that failed is tried again by the next run.
        tags = {KUBERNETES_TAG: observed.tags.get(KUBERNETES_TAG)}
        tags[VERSION_TAG] = observed.tags.get(VERSION_TAG) or found["addonVersion"]
        written = found.get("tags", {})
        missing = {key: value for key, value in tags.items() if value and value != written.get(key)}
        if missing:
            self.tag(session, observed, missing)
            found["tags"] = {**written, **missing}
        return self._observed(found)

    def gone(self, session: Session, observed: Observed) -> bool | Pending:
        """Wait until it isn't found any more (waiter addon_deleted)."""
        cluster, name = observed.properties["cluster_name"], observed.properties["addon_name"]
        found = self._describe(session, cluster, name)
        if found and found["status"] == "DELETE_FAILED":
            raise _eks.failure(f"add-on {name} of {cluster}", found)
        return Pending(found["status"]) if found else True

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model; the settings are checked as the text that EKS gets."""
        return violations("eks", "CreateAddon", self._with_text(properties))

    def preflight(self, session: Session, wanted: Sequence[Mapping[str, Any]]) -> list[str]:
        """Refuse add-ons and versions that EKS doesn't offer for the Kubernetes version."""
        asked = [item for item in wanted if isinstance(item.get("kubernetes_version"), str)]
        found = session.each(lambda item: _versions(session, item["addon_name"], item["kubernetes_version"]), asked)
        problems = []
        known: set[str] = set()
        if not all(found):
            # A version that isn't there at all is the cluster's mistake, not that of each add-on.
            versions = session.pages("eks", "describe_cluster_versions", "clusterVersions")
            known = {version["clusterVersion"] for version in versions}
        for item, offered in zip(asked, found, strict=True):
            name, pinned, kubernetes = item["addon_name"], item.get("addon_version"), item["kubernetes_version"]
            if not offered and kubernetes in known:
                problems.append(f"EKS offers no add-on {name} for Kubernetes {kubernetes}")
            elif offered and isinstance(pinned, str) and pinned not in offered:
                problems.append(
                    f"EKS offers no {name} {pinned} for Kubernetes {kubernetes}: leave the version out for EKS's "
                    f"default, or use one of {', '.join(list(offered)[:5])}"
                )
        return problems

    @staticmethod
    def _suiting(session: Session, wanted: Wanted, there: str) -> str:
        offered = _versions(session, wanted["addon_name"], wanted["kubernetes_version"])
        default = next((version for version, is_default in offered.items() if is_default), None)
        if default is None:
            raise EngineError(
                f"EKS names no default version of {wanted['addon_name']} for Kubernetes "
                f"{wanted['kubernetes_version']}: pin one"
            )
        return there if there in offered and not _eks.older(there, default) else default

    @staticmethod
    def _tags(wanted: Wanted) -> dict[str, str]:
        version = wanted.get("kubernetes_version")
        return {**wanted.tags, **({KUBERNETES_TAG: version} if version else {})}

    @staticmethod
    def _with_text(properties: Mapping[str, Any]) -> dict[str, Any]:
        values = properties.get("configuration_values")
        return {
            **properties,
            **({"configuration_values": _text(values)} if isinstance(values, (Mapping, list)) else {}),
        }

    @staticmethod
    def _describe(session: Session, cluster: str, name: str) -> dict[str, Any]:
        found = session.call("eks", "describe_addon", missing=_eks.GONE, clusterName=cluster, addonName=name)
        return dict(found.get("addon", {}))

    @staticmethod
    def _observed(found: Mapping[str, Any]) -> Observed:
        flat = from_api("eks", "Addon", found)
        tags = dict(found.get("tags", {}))
        return Observed(
            id=found["addonArn"],
            properties={
                **{name: flat.get(name) for name in EksAddon.properties},
                "kubernetes_version": tags.get(KUBERNETES_TAG),
            },
            attributes={"arn": found["addonArn"], "addon_version": found.get("addonVersion")},
            tags=tags,
            state=_STATES[found["status"]],
        )


def _with_chosen_version(observed: Observed, declared: Mapping[str, Any]) -> Observed:
    """Have an add-on without a pinned version go back to the one that was chosen for it, should it be on another."""
    chosen = observed.tags.get(VERSION_TAG)
    pinned = not declared or declared.get("addon_version") is not None
    # With another Kubernetes version, another version of the add-on is chosen.
    upgraded = declared.get("kubernetes_version") not in (None, observed.tags.get(KUBERNETES_TAG))
    if declared and not chosen:
        # A run that was interrupted didn't come to note it, which is done when the add-on is ready.
        return replace(observed, properties={**observed.properties, "kubernetes_version": None})
    if pinned or upgraded or not chosen or chosen == observed.properties["addon_version"]:
        return observed
    return replace(observed, foreseen={"addon_version": chosen})


def _versions(session: Session, name: str, kubernetes: str) -> dict[str, bool]:
    """Return an add-on's versions for a Kubernetes version, newest first, and whether each is the default."""
    found = session.pages(
        "eks", "describe_addon_versions", "addons", missing=_eks.GONE, addonName=name, kubernetesVersion=kubernetes
    )
    return {
        version["addonVersion"]: any(
            item["clusterVersion"] == kubernetes and item.get("defaultVersion")
            for item in version.get("compatibilities", [])
        )
        for addon in found
        for version in addon["addonVersions"]
    }
