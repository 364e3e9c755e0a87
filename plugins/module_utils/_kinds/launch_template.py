# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Launch templates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from .._engine.kind import Kind, Observed, Property, Scope, Wanted
from .._engine.plan import same
from . import _ec2
from ._session import Session
from ._shapes import from_api, request, violations
from ._tags import tag_dict

_MISSING = (
    "InvalidLaunchTemplateId.NotFound",
    "InvalidLaunchTemplateId.NotFoundException",
    "InvalidLaunchTemplateName.NotFoundException",
)


_SORTED_BY = {"tag_specifications": "resource_type", "tags": "key", "block_device_mappings": "device_name"}


def _same_data(wanted: Any, observed: Any) -> bool:
    """Compare what is declared; the order of tags and disks means nothing, and a difference would replace all nodes."""
    return same(Property("dict"), _ordered(wanted), _ordered(observed))


def _ordered(value: Any, key: str = "") -> Any:
    if isinstance(value, Mapping):
        return {name: _ordered(item, name) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [_ordered(item) for item in value]
        if key in _SORTED_BY:
            return sorted(items, key=lambda item: str(item.get(_SORTED_BY[key])))
        return sorted(items, key=str) if key.endswith("_ids") else items
    return value


class LaunchTemplate(Kind):
    """A launch template (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateLaunchTemplate.html).

    Its data can't be changed: an update makes a new version and the default of it, whose number users refer to.
    """

    name = "launch_template"
    properties: ClassVar[Mapping[str, Property]] = {
        "launch_template_name": Property("str", required=True, immutable=True, doc="Unique in account and Region."),
        "launch_template_data": Property("dict", required=True, same=_same_data, doc="What the default version holds."),
    }
    attributes = ("arn", "default_version")
    priced = ("launch_template_data",)
    volatile = ("default_version",)
    key = ("launch_template_name",)
    tag = _ec2.tag

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List the stack's templates, ask by name for those not among them, and get each one's default version."""
        found = session.pages("ec2", "describe_launch_templates", "LaunchTemplates", Filters=_ec2.owned(scope))
        names = set(scope.names(self.name, "launch_template_name")) - {item["LaunchTemplateName"] for item in found}
        if names:
            by_name = [{"Name": "launch-template-name", "Values": sorted(names)}]
            found += session.pages("ec2", "describe_launch_templates", "LaunchTemplates", Filters=by_name)
        if not found:
            return []
        # One is asked for by its id; for more, the default versions of all that the account has come in one call.
        one = {"LaunchTemplateId": found[0]["LaunchTemplateId"]} if len(found) == 1 else {}
        versions = session.pages(
            "ec2",
            "describe_launch_template_versions",
            "LaunchTemplateVersions",
            missing=_MISSING,
            Versions=["$Default"],
            **one,
        )
        data = {version["LaunchTemplateId"]: version["LaunchTemplateData"] for version in versions}
        return [
            self._observed(
                session,
                template,
                from_api("ec2", "ResponseLaunchTemplateData", data.get(template["LaunchTemplateId"], {})),
            )
            for template in found
        ]

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create the template, and with it version 1, with its tags."""
        template = session.call(
            "ec2",
            "create_launch_template",
            TagSpecifications=_ec2.specification("launch-template", wanted.tags),
            **request("ec2", "CreateLaunchTemplate", wanted.properties),
        )["LaunchTemplate"]
        return self._observed(session, template, wanted["launch_template_data"])

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Make a new version and make it the default."""
        version = session.call(
            "ec2",
            "create_launch_template_version",
            LaunchTemplateId=observed.id,
            **request("ec2", "CreateLaunchTemplateVersion", {"launch_template_data": wanted["launch_template_data"]}),
        )["LaunchTemplateVersion"]
        template = session.call(
            "ec2",
            "modify_launch_template",
            LaunchTemplateId=observed.id,
            DefaultVersion=str(version["VersionNumber"]),
        )["LaunchTemplate"]
        return self._observed(session, template, wanted["launch_template_data"])

    def delete(self, session: Session, observed: Observed) -> None:
        """Delete the template with all its versions."""
        session.call("ec2", "delete_launch_template", missing=_MISSING, LaunchTemplateId=observed.id)

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model."""
        return violations("ec2", "CreateLaunchTemplate", properties)

    @staticmethod
    def _observed(session: Session, template: Mapping[str, Any], data: Mapping[str, Any]) -> Observed:
        identifier = template["LaunchTemplateId"]
        return Observed(
            id=identifier,
            properties={"launch_template_name": template["LaunchTemplateName"], "launch_template_data": data},
            attributes={
                "arn": session.arn("ec2", f"launch-template/{identifier}"),
                "default_version": str(template["DefaultVersionNumber"]),
            },
            tags=tag_dict(template.get("Tags")),
        )
