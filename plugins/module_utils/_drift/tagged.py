# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists what carries the tags of ownership in an account, whoever put them there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .._engine.kind import ADDRESS_TAG, STACK_TAG, Scope
from .._kinds._iam import account_details
from .._kinds._session import Session
from .._kinds._tags import tag_dict

_HOME = {"aws": "us-east-1", "aws-cn": "cn-northwest-1", "aws-us-gov": "us-gov-west-1"}
"""Where a partition's global services are, and thus where the tagging API knows their tags."""
_ROOT = "/innovate/"
"""Under this path are the roles, policies and instance profiles of all stacks."""

Tagged = dict[str, Any]
"""``arn``, ``type`` (``service:type``), ``stack``, ``address`` (maybe empty) and ``by`` (``tags`` or ``path``)."""


def tagged(session: Session) -> list[Tagged]:
    """Return everything of the account that carries a stack's tag, in the session's Region and the global services.

    The tagging API pages by 100 (https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html).
    It knows no roles, so IAM is asked itself, by path and by tag.
    """
    regions = dict.fromkeys([session.region, _HOME.get(session.partition, session.region)])

    def listed(region: str) -> list[Mapping[str, Any]]:
        return session.pages(
            "resourcegroupstaggingapi",
            "get_resources",
            "ResourceTagMappingList",
            region=region,
            TagFilters=[{"Key": STACK_TAG}],
            ResourcesPerPage=100,
        )

    found: dict[str, Tagged] = {}
    for mappings in session.each(listed, regions):
        for item in mappings:
            tags = tag_dict(item.get("Tags"))
            found[item["ResourceARN"]] = _tagged(
                item["ResourceARN"], tags[STACK_TAG], tags.get(ADDRESS_TAG, ""), "tags"
            )
    for item in _in_iam(session):
        found.setdefault(item["arn"], item)
    return [found[arn] for arn in sorted(found)]


def still_there(session: Session, found: Iterable[Tagged]) -> tuple[list[Tagged], list[str]]:
    """Return what isn't on its way out, and sentences about the rest.

    The tagging API lists what was deleted for a while, keys and secrets until their window is over. Snapshots carry a
    copy of their database's tags: they are meant to outlive it.
    """
    staying, copies, leaving = [], 0, 0
    items = list(found)
    for item, gone in zip(items, session.each(lambda item: _is_gone(session, item), items), strict=True):
        if item["type"] in _COPIES:
            copies += 1
        elif gone:
            leaving += 1
        else:
            staying.append(item)
    notes = []
    if copies:
        notes.append(f"{copies} snapshot{'s carry' if copies > 1 else ' carries'} a copy of a database's tags")
    if leaving:
        notes.append(
            f"{leaving} with tags of stacks {'are' if leaving > 1 else 'is'} deleted, or about to be (keys, secrets)"
        )
    return staying, notes


def _in_iam(session: Session) -> list[Tagged]:
    details = account_details(session, Scope(""))
    found = []
    for role in details["RoleDetailList"]:
        tags = tag_dict(role.get("Tags"))
        stack = tags.get(STACK_TAG) or _stack_of(role["Path"])
        if stack:
            by = "tags" if STACK_TAG in tags else "path"
            found.append(_tagged(role["Arn"], stack, tags.get(ADDRESS_TAG, ""), by))
    profiles = session.pages("iam", "list_instance_profiles", "InstanceProfiles", PathPrefix=_ROOT)
    for item in [*details["Policies"], *profiles]:
        if stack := _stack_of(item["Path"]):
            found.append(_tagged(item["Arn"], stack, "", "path"))
    return found


def _stack_of(path: str) -> str:
    return path.split("/")[2] if path.startswith(_ROOT) and path.count("/") >= 3 else ""


def _tagged(arn: str, stack: str, address: str, by: str) -> Tagged:
    _arn, _partition, service, _region, _account, resource = arn.split(":", 5)
    name = resource.replace("/", ":").partition(":")[0] if "/" in resource or ":" in resource else ""
    return {
        "arn": arn,
        "type": f"{service}:{name}" if name else service,
        "stack": stack,
        "address": address,
        "by": by,
    }


_COPIES = ("rds:snapshot", "rds:cluster-snapshot", "rds:auto-backup")


def _key_is_leaving(session: Session, arn: str) -> bool:
    metadata = session.call("kms", "describe_key", missing=["NotFoundException"], KeyId=arn).get("KeyMetadata", {})
    return metadata.get("KeyState") in (None, "PendingDeletion", "PendingReplicaDeletion")


def _secret_is_leaving(session: Session, arn: str) -> bool:
    missing = ["ResourceNotFoundException"]
    secret = session.call("secretsmanager", "describe_secret", missing=missing, SecretId=arn)
    return not secret or bool(secret.get("DeletedDate"))


def _gateway_is_gone(session: Session, arn: str) -> bool:
    identifier = arn.rpartition("/")[2]
    answer = session.call("ec2", "describe_nat_gateways", missing=["NatGatewayNotFound"], NatGatewayIds=[identifier])
    return all(item["State"] in ("deleting", "deleted") for item in answer.get("NatGateways", []))


def _instance_is_gone(session: Session, arn: str) -> bool:
    answer = session.call(
        "ec2", "describe_instances", missing=["InvalidInstanceID.NotFound"], InstanceIds=[arn.rpartition("/")[2]]
    )
    there = [item for reservation in answer.get("Reservations", []) for item in reservation["Instances"]]
    return all(item["State"]["Name"] in ("shutting-down", "terminated") for item in there)


def _endpoint_is_gone(session: Session, arn: str) -> bool:
    answer = session.call(
        "ec2",
        "describe_vpc_endpoints",
        missing=["InvalidVpcEndpointId.NotFound", "InvalidVpcEndpoint.NotFound"],
        VpcEndpointIds=[arn.rpartition("/")[2]],
    )
    return all(item["State"].lower() in ("deleting", "deleted") for item in answer.get("VpcEndpoints", []))


_GONE: Mapping[str, Callable[[Session, str], bool]] = {
    "ec2:instance": _instance_is_gone,
    "ec2:natgateway": _gateway_is_gone,
    "ec2:vpc-endpoint": _endpoint_is_gone,
    "kms:key": _key_is_leaving,
    "secretsmanager:secret": _secret_is_leaving,
}
"""What is listed after its end, and how to ask whether it still stands."""


def _is_gone(session: Session, item: Tagged) -> bool:
    ask = _GONE.get(item["type"])
    return ask is not None and ask(session, item["arn"])
