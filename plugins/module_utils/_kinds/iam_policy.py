# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Customer managed policies of IAM."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from ._iam import MISSING, NEW_PRINCIPAL, PATH, account_details, path_of
from ._policies import document, policy_problems, same_policy
from ._session import Session
from ._shapes import violations
from ._tags import tag_dict, tag_list

_MOST_VERSIONS = 5
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_managed-versioning.html"""


class IamPolicy(Kind):
    """A customer managed policy (https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicy.html)."""

    name = "iam_policy"
    properties: ClassVar[Mapping[str, Property]] = {
        "policy_name": Property("str", required=True, immutable=True, doc="Unique in the account, whatever the path."),
        "path": PATH,
        "policy_document": Property("json", required=True, same=same_policy, doc="What it allows or denies."),
        "description": Property("str", immutable=True, doc="What it is for; can't be changed later."),
    }
    attributes = ("arn", "default_version_id")
    key = ("policy_name",)

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """Find the policies under the stack's path, or of a declared name; tags take a call each."""
        path, names = path_of(scope.stack), scope.names(self.name, "policy_name")
        if not names:
            listing = {"Scope": "Local", "PathPrefix": path}
            names = [policy["PolicyName"] for policy in session.pages("iam", "list_policies", "Policies", **listing)]
            if not names:
                return []
        found = [
            policy
            for policy in account_details(session, scope)["Policies"]
            if policy["Path"] == path or _name(policy) in names
        ]

        def one(policy: Mapping[str, Any]) -> Observed:
            tags = session.pages("iam", "list_policy_tags", "Tags", missing=MISSING, PolicyArn=policy["Arn"])
            return self._observed(policy, tag_dict(tags))

        return session.each(one, found)

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create the policy with its tags."""
        description = {"Description": wanted["description"]} if wanted.get("description") else {}
        policy = session.call(
            "iam",
            "create_policy",
            retry_on=NEW_PRINCIPAL,
            attempts=3,
            PolicyName=wanted["policy_name"],
            Path=wanted["path"],
            PolicyDocument=document(wanted["policy_document"]),
            Tags=tag_list(wanted.tags),
            **description,
        )["Policy"]
        return self._observed(policy, wanted.tags)

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Make a new default version, in place of the oldest one where there are five."""
        versions = self._versions(session, observed.id)
        if len(versions) >= _MOST_VERSIONS:
            spare = [version for version in versions if not version["IsDefaultVersion"]]
            oldest = min(spare, key=lambda version: version["CreateDate"])
            self._drop(session, observed.id, oldest)
        version = session.call(
            "iam",
            "create_policy_version",
            PolicyArn=observed.id,
            PolicyDocument=document(wanted["policy_document"]),
            SetAsDefault=True,
        )["PolicyVersion"]
        attributes = {**observed.attributes, "default_version_id": version["VersionId"]}
        return Observed(observed.id, wanted.properties, attributes, observed.tags)

    def delete(self, session: Session, observed: Observed) -> None:
        """Delete all versions but the default one, then the policy; roles let go of it some seconds later."""
        for version in self._versions(session, observed.id):
            if not version["IsDefaultVersion"]:
                self._drop(session, observed.id, version)
        session.call(
            "iam", "delete_policy", retry_on=["DeleteConflict"], attempts=6, missing=MISSING, PolicyArn=observed.id
        )

    def tag(self, session: Session, observed: Observed, tags: Mapping[str, str]) -> None:
        """Write tags on the policy."""
        session.call("iam", "tag_policy", retry_on=MISSING, attempts=6, PolicyArn=observed.id, Tags=tag_list(tags))

    def ready(self, session: Session, observed: Observed) -> Observed | None:
        """Wait until IAM gives it back (waiter policy_exists)."""
        return observed if session.polled("iam", "policy_exists", PolicyArn=observed.id) else None

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model, and the document."""
        given = {name: value for name, value in properties.items() if name != "policy_document"}
        return [
            *violations("iam", "CreatePolicy", given),
            *policy_problems("policy_document", properties["policy_document"]),
        ]

    @staticmethod
    def _versions(session: Session, arn: str) -> list[dict[str, Any]]:
        return session.pages("iam", "list_policy_versions", "Versions", missing=MISSING, PolicyArn=arn)

    @staticmethod
    def _drop(session: Session, arn: str, version: Mapping[str, Any]) -> None:
        session.call("iam", "delete_policy_version", missing=MISSING, PolicyArn=arn, VersionId=version["VersionId"])

    @staticmethod
    def _observed(policy: Mapping[str, Any], tags: Mapping[str, str]) -> Observed:
        current: Mapping[str, Any] = next(
            (item for item in policy.get("PolicyVersionList", []) if item.get("IsDefaultVersion")), {}
        )
        return Observed(
            id=policy["Arn"],
            properties={
                "policy_name": _name(policy),
                "path": policy["Path"],
                "policy_document": current.get("Document"),
                "description": policy.get("Description"),
            },
            attributes={"arn": policy["Arn"], "default_version_id": policy.get("DefaultVersionId")},
            tags=tags,
        )


def _name(policy: Mapping[str, Any]) -> str:
    return str(policy["Arn"].rpartition("/")[2])
