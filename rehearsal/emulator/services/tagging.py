# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resource Groups Tagging: also what moto's doesn't list, by AWS's names of types.

https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from moto.core.resource_tagging import iter_taggable_backends, make_tag_matcher
from moto.ecr.models import ecr_backends
from moto.events.models import events_backends

from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.registry import Call, operation, page

Source = Callable[[Call], Iterator[tuple[str, dict[str, str]]]]

SOURCES: list[Source] = []


def source(function: Source) -> Source:
    """Register where more tagged resources are: a function that yields ARNs with their tags."""
    SOURCES.append(function)
    return function


@operation("resourcegroupstaggingapi", "GetResources")
def get_resources(call: Call) -> dict[str, Any]:
    """All tagged resources of the account in the region that satisfy the filters."""
    matches = make_tag_matcher(call.get("TagFilters"))
    arns = call.get("ResourceARNList")
    found = [
        {"ResourceARN": arn, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
        for arn, tags in sorted(tagged(call), key=lambda item: item[0])
        if tags and matches(tags) and _of_type(arn, call.get("ResourceTypeFilters")) and (not arns or arn in arns)
    ]
    expired = AwsError("PaginationTokenExpiredException", "The token has expired")
    items, token = page(found, call.get("PaginationToken"), call.get("ResourcesPerPage", 50), expired)
    return {"ResourceTagMappingList": items, "PaginationToken": token or ""}


def tagged(call: Call) -> Iterator[tuple[str, dict[str, str]]]:
    """Whatever carries tags in an account and Region, as ARNs with their tags."""
    seen = set()
    for backend in iter_taggable_backends(call.account, call.region):
        for resource in backend.iter_tagged_resources():
            # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
            arn = resource.arn.replace(":flow-logs/", ":vpc-flow-log/")
            if arn not in seen:
                seen.add(arn)
                yield arn, dict(resource.tags)
    events = events_backends[call.account][call.region]
    for bus in events.event_buses.values():
        for rule in bus.rules.values():
            yield rule.arn, events.tagger.get_tag_dict_for_resource(rule.arn)
    ecr = ecr_backends[call.account][call.region]
    for repository in ecr.repositories.values():
        yield repository.arn, ecr.tagger.get_tag_dict_for_resource(repository.arn)
    for more in SOURCES:
        yield from more(call)


def _of_type(arn: str, filters: list[str] | None) -> bool:
    """Whether an ARN is of a service (``s3``) or of a type of it (``events:rule``), as the ARN itself says."""
    _arn, _partition, service, _region, _account, resource = arn.split(":", 5)
    name = resource.replace("/", ":").partition(":")[0] if "/" in resource or ":" in resource else ""
    return not filters or any(item in (service, f"{service}:{name}") for item in filters)
