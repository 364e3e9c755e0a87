# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks an account for all that is in it: every kind for every stack, the tagging API, and each service by itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .._engine.kind import STACK_TAG, Kind, Observed, Scope
from .._engine.observe import observe
from .._kinds._session import Session
from .._kinds._tags import tag_dict
from .._kinds.registry import KINDS
from .judgement import Left, judged
from .listing import listing

_PATH = "/innovate/"
ASKED: dict[str, Kind] = {name: kind for name, kind in KINDS.items() if not (kind.lookup or kind.central)}
"""Every kind that an environment's account can have: what is the organization's is asked elsewhere, and refuses to
answer here; look-ups own nothing."""


def survey(session: Session, stacks: Iterable[str], access_role: str, meant: Sequence[str] = ()) -> Left:
    """Return what is left in an account and Region.

    :param stacks: stacks to ask for beside those that something says it belongs to.
    :param access_role: name of the role by which the account is entered.
    :param meant: patterns of names of stacks that are meant to be there.
    """
    tagged = _tagged(session)
    names = {*stacks, *_stacks_in_iam(session), *_stacks_in_ec2(session)}
    names |= {tags[STACK_TAG] for tags in tagged.values() if tags.get(STACK_TAG)}
    observed: dict[str, dict[str, Sequence[Observed]]] = {
        stack: observe(session, ASKED, Scope(stack)) for stack in sorted(names)
    }
    return judged(observed, listing(session, access_role), tagged, ASKED, meant)


def _tagged(session: Session) -> dict[str, dict[str, str]]:
    """Return the tags of everything that has or had some, by ARN.

    https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html
    """
    found = session.pages("resourcegroupstaggingapi", "get_resources", "ResourceTagMappingList", ResourcesPerPage=100)
    return {item["ResourceARN"]: tag_dict(item.get("Tags")) for item in found}


def _stacks_in_iam(session: Session) -> set[str]:
    """Return the stacks that have something in IAM: the tagging API doesn't know roles, but their paths tell."""
    paths = [item["Path"] for item in session.pages("iam", "list_roles", "Roles", PathPrefix=_PATH)]
    paths += [
        item["Path"] for item in session.pages("iam", "list_policies", "Policies", Scope="Local", PathPrefix=_PATH)
    ]
    profiles = session.pages("iam", "list_instance_profiles", "InstanceProfiles", PathPrefix=_PATH)
    paths += [item["Path"] for item in profiles]
    return {path.split("/")[2] for path in paths} - {""}


def _stacks_in_ec2(session: Session) -> set[str]:
    """Return the stacks that have something in EC2, which tells at once what the tagging API tells later."""
    by_key = [{"Name": "key", "Values": [STACK_TAG]}]
    return {
        item["Value"] for item in session.pages("ec2", "describe_tags", "Tags", Filters=by_key) if item.get("Value")
    }
