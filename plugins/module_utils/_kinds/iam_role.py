# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IAM roles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from ._act import is_of_incident
from ._iam import MISSING, NEW_PRINCIPAL, PATH, account_details, path_of
from ._policies import document, policy_problems, same_policies, same_policy
from ._session import Session
from ._shapes import request, violations
from ._tags import tag_dict, tag_list

_SETTINGS = ("description", "max_session_duration")


class IamRole(Kind):
    """A role with its policies (https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html).

    Attached and inline policies are managed whole: one that somebody adds by hand is drift. Those that an incident put
    there are left alone (docs/runbooks): what is declared must not give back what was taken from an attacker.
    """

    name = "iam_role"
    properties: ClassVar[Mapping[str, Property]] = {
        "role_name": Property("str", required=True, immutable=True, doc="Unique in the account, whatever the path."),
        "path": PATH,
        "assume_role_policy_document": Property(
            "json", required=True, same=same_policy, doc="Who may assume it (trust policy)."
        ),
        "description": Property("str", default="", doc="What it is for."),
        "max_session_duration": Property("int", default=3600, doc="Seconds that a session may last, 3600 to 43200."),
        "permissions_boundary": Property(
            "str",
            default="",
            same=lambda wanted, observed: (wanted or "") == (observed or ""),
            doc="ARN of the policy that bounds what its policies can allow; empty for none.",
        ),
        "managed_policy_arns": Property("set", default=[], doc="ARNs of the managed policies attached to it."),
        "policies": Property("map", default={}, same=same_policies, doc="Inline policies, documents by name."),
    }
    attributes = ("arn", "role_id")
    key = ("role_name",)

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List the roles under the stack's path, and find declared names wherever they are."""
        path = path_of(scope.stack)
        listed = {role["RoleName"]: role for role in session.pages("iam", "list_roles", "Roles", PathPrefix=path)}
        names = set(listed) | set(scope.names(self.name, "role_name"))
        if not names:
            return []
        details = [role for role in account_details(session, scope)["RoleDetailList"] if role["RoleName"] in names]

        def one(detail: Mapping[str, Any]) -> Observed | None:
            # The details lack a role's description and session duration.
            role = listed.get(detail["RoleName"]) or session.call(
                "iam", "get_role", missing=MISSING, RoleName=detail["RoleName"]
            ).get("Role")
            return self._observed({**detail, **role}) if role else None

        return [role for role in session.each(one, details) if role is not None]

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create the role with its tags, then give it its policies."""
        trust = {"assume_role_policy_document": self._trust(wanted)}
        role = session.call(
            "iam",
            "create_role",
            retry_on=NEW_PRINCIPAL,
            attempts=6,
            **request("iam", "CreateRole", {**_given(wanted.properties), **trust}),
            Tags=tag_list(wanted.tags),
        )["Role"]
        observed = self._observed({**role, "Tags": tag_list(wanted.tags)})
        return self.update(session, observed, wanted, frozenset({"managed_policy_arns", "policies"}))

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Bring trust policy, settings, boundary and policies to what is wanted."""
        role: dict[str, Any] = {"RoleName": observed.id}
        if "assume_role_policy_document" in changed:
            session.call(
                "iam",
                "update_assume_role_policy",
                retry_on=NEW_PRINCIPAL,
                attempts=6,
                PolicyDocument=self._trust(wanted),
                **role,
            )
        if changed & {*_SETTINGS}:
            # A duration that isn't given is put back to one hour, so both are always given.
            session.call(
                "iam",
                "update_role",
                Description=wanted["description"],
                MaxSessionDuration=wanted["max_session_duration"],
                **role,
            )
        if "permissions_boundary" in changed:
            boundary = {"PermissionsBoundary": wanted["permissions_boundary"]} if wanted["permissions_boundary"] else {}
            operation = "put_role_permissions_boundary" if boundary else "delete_role_permissions_boundary"
            session.call("iam", operation, **boundary, **role)
        if "managed_policy_arns" in changed:
            self._attach(session, observed, set(wanted["managed_policy_arns"]))
        if "policies" in changed:
            self._put(session, observed, wanted["policies"])
        return observed

    def delete(self, session: Session, observed: Observed) -> None:
        """Take everything away from the role, by what it has now, then delete it."""
        role: dict[str, Any] = {"RoleName": observed.id}
        for policy in session.pages("iam", "list_attached_role_policies", "AttachedPolicies", missing=MISSING, **role):
            session.call("iam", "detach_role_policy", missing=MISSING, PolicyArn=policy["PolicyArn"], **role)
        for name in session.pages("iam", "list_role_policies", "PolicyNames", missing=MISSING, **role):
            session.call("iam", "delete_role_policy", missing=MISSING, PolicyName=name, **role)
        profiles = session.pages("iam", "list_instance_profiles_for_role", "InstanceProfiles", missing=MISSING, **role)
        for profile in profiles:
            name = profile["InstanceProfileName"]
            session.call("iam", "remove_role_from_instance_profile", missing=MISSING, InstanceProfileName=name, **role)
        session.call("iam", "delete_role", retry_on=["DeleteConflict"], attempts=6, missing=MISSING, **role)

    def tag(self, session: Session, observed: Observed, tags: Mapping[str, str]) -> None:
        """Write tags on the role."""
        session.call("iam", "tag_role", retry_on=MISSING, attempts=6, RoleName=observed.id, Tags=tag_list(tags))

    def ready(self, session: Session, observed: Observed) -> Observed | None:
        """Wait until IAM gives it back (waiter role_exists); other services may need some seconds more."""
        return observed if session.polled("iam", "role_exists", RoleName=observed.id) else None

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model, and the documents."""
        trust = properties["assume_role_policy_document"]
        given = {name: value for name, value in _given(properties).items() if name != "assume_role_policy_document"}
        problems = [*violations("iam", "CreateRole", given), *policy_problems("assume_role_policy_document", trust)]
        policies = properties["policies"]
        if isinstance(policies, Mapping):
            for name, policy in policies.items():
                problems += violations("iam", "PutRolePolicy", {"policy_name": name})
                problems += policy_problems(f"policies.{name}", policy)
        return problems

    @staticmethod
    def _trust(wanted: Wanted) -> str:
        return document(wanted["assume_role_policy_document"])

    @staticmethod
    def _attach(session: Session, observed: Observed, wanted: set[str]) -> None:
        there = set(observed.properties["managed_policy_arns"])
        for arn in sorted(there - wanted):
            session.call("iam", "detach_role_policy", missing=MISSING, RoleName=observed.id, PolicyArn=arn)
        for arn in sorted(wanted - there):
            session.call("iam", "attach_role_policy", retry_on=MISSING, attempts=6, RoleName=observed.id, PolicyArn=arn)

    @staticmethod
    def _put(session: Session, observed: Observed, wanted: Mapping[str, Any]) -> None:
        there = observed.properties["policies"]
        for name in sorted(there.keys() - wanted.keys()):
            session.call("iam", "delete_role_policy", missing=MISSING, RoleName=observed.id, PolicyName=name)
        for name, policy in sorted(wanted.items()):
            if name not in there or not same_policy(policy, there[name]):
                session.call(
                    "iam",
                    "put_role_policy",
                    retry_on=MISSING,
                    attempts=6,
                    RoleName=observed.id,
                    PolicyName=name,
                    PolicyDocument=document(policy),
                )

    @staticmethod
    def _observed(role: Mapping[str, Any]) -> Observed:
        attached = role.get("AttachedManagedPolicies", [])
        return Observed(
            id=role["RoleName"],
            properties={
                "role_name": role["RoleName"],
                "path": role["Path"],
                "assume_role_policy_document": role.get("AssumeRolePolicyDocument"),
                "description": role.get("Description", ""),
                "max_session_duration": role.get("MaxSessionDuration", 3600),
                "permissions_boundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
                "managed_policy_arns": [policy["PolicyArn"] for policy in attached],
                "policies": {
                    item["PolicyName"]: item["PolicyDocument"]
                    for item in role.get("RolePolicyList", [])
                    if not is_of_incident(item["PolicyName"], item["PolicyDocument"])
                },
            },
            attributes={"arn": role["Arn"], "role_id": role["RoleId"]},
            tags=tag_dict(role.get("Tags")),
        )


def _given(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return properties without an empty boundary, for which CreateRole has no word."""
    return {name: value for name, value in properties.items() if name != "permissions_boundary" or value}
