# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trails of CloudTrail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from .._engine.kind import STACK_TAG, Kind, Observed, Property, Scope, Wanted
from ._session import Session
from ._shapes import from_api, request, to_api, violations
from ._tags import tag_dict, tag_list

SERVICE = "cloudtrail"
_MISSING = ("TrailNotFoundException",)
_SETTLING = (
    "ConflictException",
    "InsufficientEncryptionPolicyException",
    "InsufficientS3BucketPolicyException",
    "KmsKeyNotFoundException",
    "S3BucketDoesNotExistException",
)
"""Bucket, key and their policies may have been written a moment ago; one change of a trail is made at a time."""
_MOST_LISTED = 20
"""ARNs in one call (https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_ListTags.html)."""

_TRAIL = {
    "s3_bucket_name": "S3BucketName",
    "s3_key_prefix": "S3KeyPrefix",
    "is_multi_region_trail": "IsMultiRegionTrail",
    "is_organization_trail": "IsOrganizationTrail",
    "include_global_service_events": "IncludeGlobalServiceEvents",
    "enable_log_file_validation": "LogFileValidationEnabled",
    "kms_key_id": "KmsKeyId",
}
"""The properties by the names that a trail is told with."""


def _same_selectors(wanted: Any, observed: Any) -> bool:
    """Compare advanced event selectors by name: their order, and that of their fields, means nothing."""

    def plain(selectors: Any) -> list[Any]:
        found = []
        for selector in selectors or ():
            fields = [
                (item["field"], sorted((name, sorted(value)) for name, value in item.items() if name != "field"))
                for item in selector.get("field_selectors") or ()
            ]
            found.append((str(selector.get("name") or ""), sorted(fields)))
        return sorted(found)

    return plain(wanted) == plain(observed)


class CloudtrailTrail(Kind):
    """A trail (https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_CreateTrail.html).

    An organization's trail is made by the management account, or by the account that CloudTrail is delegated to. The
    management account owns it in either case, and its ARN says so
    (https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-delegated-administrator.html).
    """

    name = "cloudtrail_trail"
    properties: ClassVar[Mapping[str, Property]] = {
        "name": Property("str", required=True, immutable=True, doc="Its name, 3 to 128 characters."),
        "s3_bucket_name": Property("str", required=True, doc="The bucket that the log files go to."),
        "s3_key_prefix": Property("str", default="", doc="What the keys of the log files begin with."),
        "is_multi_region_trail": Property("bool", default=True, doc="Whether it is about all Regions."),
        "is_organization_trail": Property("bool", default=False, doc="Whether it is about all accounts."),
        "include_global_service_events": Property("bool", default=True, doc="Whether IAM and the like are in it."),
        "enable_log_file_validation": Property("bool", default=True, doc="Whether digests prove the files untouched."),
        "kms_key_id": Property(
            "str", default="", doc="ARN of the key that encrypts the log files; empty for S3's own."
        ),
        "advanced_event_selectors": Property(
            "list",
            default=[
                {"name": "Management events", "field_selectors": [{"field": "eventCategory", "equals": ["Management"]}]}
            ],
            same=_same_selectors,
            doc="Which events it records: C(name) and C(field_selectors).",
        ),
        "insight_types": Property(
            "set", default=[], doc="What unusual activity is looked for: C(ApiCallRateInsight), C(ApiErrorRateInsight)."
        ),
        "is_logging": Property("bool", default=True, doc="Whether it records."),
    }
    attributes = ("arn",)
    key = ("name",)

    def observe(self, session: Session, scope: Scope) -> Iterable[Observed]:
        """List the trails whose home is here, their tags in one call, and what else there is to know of ours."""
        listed = session.call(SERVICE, "describe_trails", includeShadowTrails=True)["trailList"]
        here = [trail for trail in listed if trail.get("HomeRegion", session.region) == session.region]
        tags = _tags(session, [trail["TrailARN"] for trail in here])
        names = set(scope.names(self.name, "name"))
        ours = [
            trail
            for trail in here
            if trail["Name"] in names or tags.get(trail["TrailARN"], {}).get(STACK_TAG) == scope.stack
        ]
        return session.each(lambda trail: self._details(session, trail, tags.get(trail["TrailARN"], {})), ours)

    def create(self, session: Session, wanted: Wanted, token: str) -> Observed:
        """Create it, then say what it records and begin."""
        made = session.call(
            SERVICE,
            "create_trail",
            retry_on=_SETTLING,
            **{**_request(wanted.properties, "CreateTrail"), "TagsList": tag_list(wanted.tags)},
        )
        observed = self._observed({**made, "HasInsightSelectors": False}, wanted.tags, {})
        rest = {"advanced_event_selectors"}
        rest |= {"insight_types"} if wanted["insight_types"] else set()
        rest |= {"is_logging"} if wanted["is_logging"] else set()
        return self.update(session, observed, wanted, frozenset(rest))

    def update(self, session: Session, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Write the trail, its selectors, and whether it records; recording stops first and begins last."""
        of = {"Name": observed.attribute("arn")}
        if "is_logging" in changed and not wanted["is_logging"]:
            session.call(SERVICE, "stop_logging", retry_on=["ConflictException"], **of)
        if changed & _TRAIL.keys():
            properties = {**wanted.properties, "name": of["Name"]}
            session.call(SERVICE, "update_trail", retry_on=_SETTLING, **_request(properties, "UpdateTrail"))
        if "advanced_event_selectors" in changed:
            session.call(
                SERVICE,
                "put_event_selectors",
                retry_on=["ConflictException"],
                TrailName=of["Name"],
                AdvancedEventSelectors=to_api(SERVICE, "AdvancedEventSelectors", wanted["advanced_event_selectors"]),
            )
        if "insight_types" in changed:
            session.call(
                SERVICE,
                "put_insight_selectors",
                retry_on=_SETTLING,
                TrailName=of["Name"],
                InsightSelectors=[{"InsightType": item} for item in sorted(wanted["insight_types"])],
            )
        if "is_logging" in changed and wanted["is_logging"]:
            session.call(SERVICE, "start_logging", retry_on=["ConflictException"], **of)
        return observed

    def delete(self, session: Session, observed: Observed) -> None:
        """Delete the trail; the log files stay."""
        session.call(
            SERVICE,
            "delete_trail",
            retry_on=["ConflictException"],
            missing=_MISSING,
            Name=observed.attribute("arn"),
        )

    def tag(self, session: Session, observed: Observed, tags: Mapping[str, str]) -> None:
        """Write tags on the trail."""
        session.call(
            SERVICE,
            "add_tags",
            retry_on=["ConflictException"],
            ResourceId=observed.attribute("arn"),
            TagsList=tag_list(tags),
        )

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Check against the API's model and what goes together."""
        name = properties["name"]
        problems = []
        if isinstance(name, str) and not (3 <= len(name) <= 128 and name.replace("-", "").replace("_", "").isalnum()):
            problems.append(f"name: {name!r} is no name of a trail: 3 to 128 letters, digits, _ and -")
        if properties["is_multi_region_trail"] and not properties["include_global_service_events"]:
            problems.append("include_global_service_events: a trail of all Regions includes them: leave it true")
        selectors = {"advanced_event_selectors": properties["advanced_event_selectors"]}
        problems += violations(SERVICE, "PutEventSelectors", selectors)
        types = [{"insight_type": item} for item in properties["insight_types"]]
        return [*problems, *violations(SERVICE, "PutInsightSelectors", {"insight_selectors": types})]

    def _details(self, session: Session, trail: Mapping[str, Any], tags: Mapping[str, str]) -> Observed:
        """Ask for what the listing doesn't tell."""
        arn = trail["TrailARN"]
        recorded = session.call(SERVICE, "get_event_selectors", TrailName=arn)
        status = session.call(SERVICE, "get_trail_status", Name=arn)
        insights: Sequence[Mapping[str, Any]] = ()
        if trail.get("HasInsightSelectors"):
            insights = session.call(
                SERVICE, "get_insight_selectors", missing=["InsightNotEnabledException"], TrailName=arn
            ).get("InsightSelectors", [])
        more = {
            "advanced_event_selectors": from_api(
                SERVICE, "AdvancedEventSelectors", recorded.get("AdvancedEventSelectors", [])
            ),
            "insight_types": [item["InsightType"] for item in insights],
            "is_logging": status["IsLogging"],
        }
        return self._observed(trail, tags, more)

    @staticmethod
    def _observed(trail: Mapping[str, Any], tags: Mapping[str, str], more: Mapping[str, Any]) -> Observed:
        told = {name: trail.get(api) for name, api in _TRAIL.items()}
        texts = {name: told[name] or "" for name in ("s3_key_prefix", "kms_key_id")}
        return Observed(
            id=trail["Name"],
            properties={
                "name": trail["Name"],
                **told,
                **texts,
                "is_organization_trail": bool(told["is_organization_trail"]),
                **more,
            },
            attributes={"arn": trail["TrailARN"]},
            tags=tags,
        )


def _request(properties: Mapping[str, Any], operation: str) -> dict[str, Any]:
    """Return a trail's own members; a key and a prefix are taken away by an empty text."""
    texts = ("s3_key_prefix", "kms_key_id") if operation == "CreateTrail" else ()
    given = {name: value for name, value in properties.items() if not (name in texts and value == "")}
    return request(SERVICE, operation, given)


def _tags(session: Session, arns: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the tags of trails by ARN; those of an organization's trail are told to its administrators only."""
    found: dict[str, dict[str, str]] = {}
    for start in range(0, len(arns), _MOST_LISTED):
        answer = session.call(
            SERVICE,
            "list_tags",
            missing=[*_MISSING, "CloudTrailARNInvalidException", "ResourceNotFoundException"],
            ResourceIdList=list(arns[start : start + _MOST_LISTED]),
        )
        for item in answer.get("ResourceTagList", []):
            found[item["ResourceId"]] = tag_dict(item.get("TagsList"))
    return found
