# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instance profiles of IAM."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.errors import EngineError
from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from ._iam import MISSING, PATH, path_of
from ._session import Session, error_code
from ._shapes import violations
from ._tags import tag_dict, tag_list


class IamInstanceProfile(Kind):
    """What gives an EC2 instance a role (https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateInstanceProfile.html)."""

    name = "iam_instance_profile"
    properties: ClassVar[Mapping[str, Property]] = {
        "instance_profile_name": Property("str", required=True, immutable=True, doc="Unique in the account."),
        "path": PATH,
        "role": Property("str", required=True, doc="The name of its one role."),
    }
    attributes = ("arn", "instance_profile_id")
    key = ("instance_profile_name",)

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List the profiles under the stack's path; the listing has no tags, so each takes a call."""
        path = path_of(scope.stack)
        found = session.pages("iam", "list_instance_profiles", "InstanceProfiles", PathPrefix=path)
        names = [profile["InstanceProfileName"] for profile in found]
        names = list(dict.fromkeys([*names, *scope.names(self.name, "instance_profile_name")]))

        def one(name: str) -> Mapping[str, Any] | None:
            call = session.call("iam", "get_instance_profile", missing=MISSING, InstanceProfileName=name)
            return call.get("InstanceProfile")

        return [self._observed(profile) for profile in session.each(one, names) if profile]

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create the profile with its tags, then put the role in."""
        profile = session.call(
            "iam",
            "create_instance_profile",
            InstanceProfileName=wanted["instance_profile_name"],
            Path=wanted["path"],
            Tags=tag_list(wanted.tags),
        )["InstanceProfile"]
        return self.update(session, self._observed(profile), wanted, frozenset({"role"}))

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Exchange the role; a profile holds at most one."""
        self._empty(session, observed)
        try:
            session.call(
                "iam",
                "add_role_to_instance_profile",
                retry_on=MISSING,
                attempts=6,
                InstanceProfileName=observed.id,
                RoleName=wanted["role"],
            )
        except EngineError as error:
            # A profile takes one role: a call that is made again because its answer was lost ends like this as well.
            if error_code(error) != "LimitExceeded":
                raise
            profile = session.call("iam", "get_instance_profile", InstanceProfileName=observed.id)["InstanceProfile"]
            if wanted["role"] not in {role["RoleName"] for role in profile["Roles"]}:
                raise
        return observed

    def delete(self, session: Session, observed: Observed) -> None:
        """Take the role out, then delete the profile."""
        self._empty(session, observed)
        session.call("iam", "delete_instance_profile", missing=MISSING, InstanceProfileName=observed.id)

    def tag(self, session: Session, observed: Observed, tags: Mapping[str, str]) -> None:
        """Write tags on the profile."""
        session.call("iam", "tag_instance_profile", InstanceProfileName=observed.id, Tags=tag_list(tags))

    def ready(self, session: Session, observed: Observed) -> Observed | None:
        """Wait until IAM gives it back (waiter instance_profile_exists)."""
        return observed if session.polled("iam", "instance_profile_exists", InstanceProfileName=observed.id) else None

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model."""
        problems = violations("iam", "CreateInstanceProfile", properties)
        return problems + violations("iam", "AddRoleToInstanceProfile", {"role_name": properties["role"]})

    @staticmethod
    def _empty(session: Session, observed: Observed) -> None:
        if observed.properties["role"]:
            session.call(
                "iam",
                "remove_role_from_instance_profile",
                missing=MISSING,
                InstanceProfileName=observed.id,
                RoleName=observed.properties["role"],
            )

    @staticmethod
    def _observed(profile: Mapping[str, Any]) -> Observed:
        return Observed(
            id=profile["InstanceProfileName"],
            properties={
                "instance_profile_name": profile["InstanceProfileName"],
                "path": profile["Path"],
                "role": next((role["RoleName"] for role in profile.get("Roles", [])), None),
            },
            attributes={"arn": profile["Arn"], "instance_profile_id": profile["InstanceProfileId"]},
            tags=tag_dict(profile.get("Tags")),
        )
