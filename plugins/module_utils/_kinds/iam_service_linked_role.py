# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles that AWS's services have in an account."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from ._session import Session
from ._shapes import violations

_SERVICE = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.com(\.cn)?")
_THERE = ("InvalidInput",)
"""What CreateServiceLinkedRole answers where the service has its role already."""


class IamServiceLinkedRole(Kind):
    """A service's own role in the account: made where it is missing, and never deleted.

    There is one for all that uses the service in an account, so it belongs to no stack.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateServiceLinkedRole.html
    """

    name = "iam_service_linked_role"
    properties: ClassVar[Mapping[str, Property]] = {
        "aws_service_name": Property(
            "str", required=True, immutable=True, doc="The service, such as C(spot.amazonaws.com)."
        )
    }
    attributes = ("arn", "role_name")
    key = ("aws_service_name",)
    taggable = False
    preexisting = True

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List the roles under the path that AWS gives a service's roles."""

        def one(service: str) -> Observed | None:
            return _find(session, service)

        found = session.each(one, scope.names(self.name, "aws_service_name"))
        return [role for role in found if role is not None]

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create the role, unless the service itself or somebody else has just done so."""
        service = wanted["aws_service_name"]
        made = session.call("iam", "create_service_linked_role", missing=_THERE, AWSServiceName=service)
        if made:
            return _observed(service, made["Role"])
        return session.awaited(f"the service-linked role of {service}", lambda: _find(session, service))

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check the service's name: AWS's model takes any word."""
        service = properties["aws_service_name"]
        if isinstance(service, str) and not _SERVICE.fullmatch(service):
            return [f"aws_service_name {service!r} is not a service's name such as spot.amazonaws.com"]
        return violations("iam", "CreateServiceLinkedRole", properties)


def _find(session: Session, service: str) -> Observed | None:
    roles = session.pages("iam", "list_roles", "Roles", PathPrefix=f"/aws-service-role/{service}/")
    return _observed(service, roles[0]) if roles else None


def _observed(service: str, role: Mapping[str, Any]) -> Observed:
    return Observed(
        id=role["RoleName"],
        properties={"aws_service_name": service},
        attributes={"arn": role["Arn"], "role_name": role["RoleName"]},
    )
