# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tags and ownership, in the forms that AWS's services have for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ansible_collections.amazon.aws.plugins.module_utils.tagging import (
    ansible_dict_to_boto3_tag_list,
    boto3_tag_list_to_ansible_dict,
)

from .._engine.kind import STACK_TAG, Scope
from ._session import Session


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags as a list of ``Key`` and ``Value``."""
    return list(ansible_dict_to_boto3_tag_list(dict(tags)))


def tag_dict(tags: Iterable[Mapping[str, str]] | None, key: str = "Key", value: str = "Value") -> dict[str, str]:
    """Return a list of ``Key`` and ``Value`` (or whatever the service calls them) as a dictionary."""
    return dict(boto3_tag_list_to_ansible_dict(list(tags or []), key, value))


def owned_arns(session: Session, scope: Scope, *types: str) -> list[str]:
    """Return the ARNs of what the stack owns, by the tagging API (``types`` such as ``kms:key``).

    For services whose own listing can't filter by tag. The tagging API lags behind by seconds after a creation
    (https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html), so kinds that have a
    natural key look by it as well.
    """
    found = session.pages(
        "resourcegroupstaggingapi",
        "get_resources",
        "ResourceTagMappingList",
        TagFilters=[{"Key": STACK_TAG, "Values": [scope.stack]}],
        ResourceTypeFilters=list(types),
    )
    return [item["ResourceARN"] for item in found]
