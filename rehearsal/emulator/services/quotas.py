# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service Quotas: what an account may have, told by its API, set by the page ``quotas`` and kept by the other services.

moto has the defaults of VPC alone. Codes, names and defaults are those of ListAWSDefaultServiceQuotas
(https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_ListAWSDefaultServiceQuotas.html).
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from moto.ec2.models.instance_types import INSTANCE_TYPES

from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.registry import Call, operation, page
from rehearsal.emulator.world import World, letters

#: Regions where the quotas of services are kept that have one for all Regions.
_HOMES = {"aws": "us-east-1", "aws-cn": "cn-northwest-1", "aws-us-gov": "us-gov-west-1"}
_SERVICES = {
    "ec2": "Amazon Elastic Compute Cloud (Amazon EC2)",
    "vpc": "Amazon Virtual Private Cloud (Amazon VPC)",
    "eks": "Amazon Elastic Kubernetes Service (Amazon EKS)",
    "rds": "Amazon Relational Database Service (Amazon RDS)",
    "organizations": "AWS Organizations",
}


@dataclass(frozen=True)
class Quota:
    """One quota with AWS's default; ``everywhere``: one value for all Regions."""

    service: str
    code: str
    name: str
    default: float
    everywhere: bool = False
    adjustable: bool = True


_STANDARD = "Standard (A, C, D, H, I, M, R, T, Z)"
_ON_DEMAND, _SPOT = "Running On-Demand {} instances", "All {} Spot Instance Requests"

QUOTAS: dict[str, Quota] = {
    quota.code: quota
    for quota in (
        Quota("ec2", "L-0263D0A3", "EC2-VPC Elastic IPs", 5),
        Quota("ec2", "L-1216C47A", _ON_DEMAND.format(_STANDARD), 5),
        Quota("ec2", "L-DB2E81BA", _ON_DEMAND.format("G and VT"), 0),
        Quota("ec2", "L-417A185B", _ON_DEMAND.format("P"), 0),
        Quota("ec2", "L-74FC7D96", _ON_DEMAND.format("F"), 0),
        Quota("ec2", "L-7295265B", _ON_DEMAND.format("X"), 0),
        Quota("ec2", "L-1945791B", _ON_DEMAND.format("Inf"), 0),
        Quota("ec2", "L-2C3B7624", _ON_DEMAND.format("Trn"), 0),
        Quota("ec2", "L-6E869C2A", _ON_DEMAND.format("DL"), 0),
        Quota("ec2", "L-43DA4232", _ON_DEMAND.format("High Memory"), 0),
        Quota("ec2", "L-34B43A08", _SPOT.format(_STANDARD), 5),
        Quota("ec2", "L-3819A6DF", _SPOT.format("G and VT"), 0),
        Quota("ec2", "L-7212CCBC", _SPOT.format("P"), 0),
        Quota("ec2", "L-88CF9481", _SPOT.format("F"), 0),
        Quota("ec2", "L-E3A00192", _SPOT.format("X"), 0),
        Quota("ec2", "L-B5D1601B", _SPOT.format("Inf"), 0),
        Quota("ec2", "L-6B0D517C", _SPOT.format("Trn"), 0),
        Quota("ec2", "L-85EED4F7", _SPOT.format("DL"), 0),
        Quota("vpc", "L-F678F1CE", "VPCs per Region", 5),
        Quota("vpc", "L-A4707A72", "Internet gateways per Region", 5),
        Quota("vpc", "L-FE5A380F", "NAT gateways per Availability Zone", 5),
        Quota("vpc", "L-29B6F2EB", "Interface VPC endpoints per VPC", 50),
        Quota("vpc", "L-1B52E74A", "Gateway VPC endpoints per Region", 20),
        Quota("vpc", "L-407747CB", "Subnets per VPC", 200),
        Quota("vpc", "L-589F43AA", "Route tables per VPC", 200),
        Quota("vpc", "L-B4A6D682", "Network ACLs per VPC", 200),
        Quota("eks", "L-1194D53C", "Clusters", 100),
        Quota("eks", "L-6D54EA21", "Managed node groups per cluster", 30),
        Quota("eks", "L-BD136A63", "Nodes per managed node group", 450),
        Quota("eks", "L-33415657", "Fargate profiles per cluster", 10),
        Quota("rds", "L-7B6409FD", "DB instances", 40),
        Quota("rds", "L-7ADDB58A", "Total storage for all DB instances", 100_000),
        Quota("rds", "L-48C6BF61", "DB subnet groups", 50),
        Quota("rds", "L-DE55804A", "Parameter groups", 50),
        Quota("rds", "L-272F1212", "Manual DB instance snapshots", 100),
        Quota("organizations", "L-E619E033", "Default maximum number of accounts", 10, everywhere=True),
    )
}

#: What accounts begin with here although AWS's default is less: the increase that the README tells people to ask for.
GRANTED = {"L-1216C47A": 256.0, "L-34B43A08": 256.0}

#: Families by the letters that their types begin with: the quotas of On-Demand and of Spot vCPUs.
_FAMILIES = {
    **dict.fromkeys(("a", "c", "d", "h", "i", "im", "is", "m", "r", "t", "z"), ("L-1216C47A", "L-34B43A08")),
    **dict.fromkeys(("g", "gr", "vt"), ("L-DB2E81BA", "L-3819A6DF")),
    "p": ("L-417A185B", "L-7212CCBC"),
    "f": ("L-74FC7D96", "L-88CF9481"),
    "x": ("L-7295265B", "L-E3A00192"),
    "inf": ("L-1945791B", "L-B5D1601B"),
    "trn": ("L-2C3B7624", "L-6B0D517C"),
    "dl": ("L-6E869C2A", "L-85EED4F7"),
    "u": ("L-43DA4232", ""),
}


@dataclass
class _Values:
    """What differs from what accounts begin with: by account, Region and code; empty names stand for all."""

    set: dict[tuple[str, str, str], float] = field(default_factory=dict)
    requests: dict[str, dict[str, Any]] = field(default_factory=dict)


def _values(world: World) -> _Values:
    return world.store("service-quotas", "", "", _Values)


def value(world: World, account: str, region: str, code: str) -> float:
    """A quota as it is in an account and Region."""
    quota, changed = QUOTAS[code], _values(world).set
    places = [(account, region), (account, ""), ("", region), ("", "")]
    for place in places[1::2] if quota.everywhere else places:
        if (*place, code) in changed:
            return changed[*place, code]
    return GRANTED.get(code, quota.default)


def allow(call: Call, code: str, used: int, refusal: Callable[[int], AwsError], more: int = 1) -> None:
    """Refuse what is above a quota; the refusal is made of the quota's value.

    Raises:
        AwsError: the one that ``refusal`` makes.
    """
    limit = value(call.world, call.account, call.region, code)
    if used + more > limit:
        raise refusal(int(limit))


# --- vCPUs of instances ---------------------------------------------------------------------------------------------


def _vcpus(kinds: Iterable[str]) -> int:
    return sum(INSTANCE_TYPES[kind]["VCpuInfo"]["DefaultVCpus"] for kind in kinds if kind in INSTANCE_TYPES)


def _letters(kind: str) -> str:
    head = kind.split(".", maxsplit=1)[0]
    return head[: next((index for index, char in enumerate(head) if not char.isalpha()), len(head))]


def vcpu_code(kind: str, lifecycle: str) -> str:
    """The code of the quota of an instance's vCPUs; empty where there is none."""
    return _FAMILIES.get(_letters(kind), ("", ""))[lifecycle == "spot"]


def check_vcpus(
    world: World, network: Any, kind: str, lifecycle: str, count: int, nodes: Iterable[tuple[str, int]] = ()
) -> None:
    """Refuse instances that are too many for the vCPUs of their families.

    ``nodes``: types and numbers that node groups have, where they count as such and not as instances.

    https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html,
    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
    """
    code = vcpu_code(kind, lifecycle)
    if not code:
        return
    running = [
        item.instance_type
        for reservation in network.reservations.values()
        for item in reservation.instances
        if item.state in ("pending", "running")
        and not (nodes and any(tag["key"] == "eks:nodegroup-name" for tag in item.get_tags()))
        and vcpu_code(item.instance_type, "spot" if item.lifecycle == "spot" else "on-demand") == code
    ]
    limit = value(world, network.account_id, network.region_name, code)
    used = _vcpus(running) + sum(
        _vcpus([other]) * number for other, number in nodes if vcpu_code(other, lifecycle) == code
    )
    if used + _vcpus([kind]) * count <= limit:
        return
    if lifecycle == "spot":
        raise AwsError("MaxSpotInstanceCountExceeded", "Max spot instance count exceeded")
    message = (
        f"You have requested more vCPU capacity than your current vCPU limit of {int(limit)} allows for the instance "
        "bucket that the specified instance type belongs to. Please visit "
        "http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit."
    )
    raise AwsError("VcpuLimitExceeded", message)


# --- Service Quotas itself ------------------------------------------------------------------------------------------


def _service(call: Call) -> str:
    if call["ServiceCode"] not in _SERVICES:
        raise AwsError("NoSuchResourceException", "The request failed because the specified service does not exist.")
    return str(call["ServiceCode"])


def _there(call: Call, quota: Quota) -> bool:
    return not quota.everywhere or call.region == _HOMES[call.partition]


def _quota(call: Call) -> Quota:
    service, quota = _service(call), QUOTAS.get(call["QuotaCode"])
    if quota is None or quota.service != service or not _there(call, quota):
        raise AwsError(
            "NoSuchResourceException", "The request failed because the specified service quota does not exist."
        )
    return quota


def _view(call: Call, quota: Quota, number: float) -> dict[str, Any]:
    place = "" if quota.everywhere else call.region
    return {
        "ServiceCode": quota.service,
        "ServiceName": _SERVICES[quota.service],
        "QuotaArn": f"arn:{call.partition}:servicequotas:{place}:{call.account}:{quota.service}/{quota.code}",
        "QuotaCode": quota.code,
        "QuotaName": quota.name,
        "Value": float(number),
        "Unit": "None",
        "Adjustable": quota.adjustable,
        "GlobalQuota": quota.everywhere,
        "QuotaAppliedAtLevel": "ACCOUNT",
    }


def _here(call: Call, quota: Quota) -> float:
    return value(call.world, call.account, call.region, quota.code)


def _listed(call: Call, number: Callable[[Quota], float]) -> dict[str, Any]:
    service = _service(call)
    found = [
        _view(call, quota, number(quota))
        for quota in QUOTAS.values()
        if quota.service == service and _there(call, quota) and call.get("QuotaCode", quota.code) == quota.code
    ]
    error = AwsError("InvalidPaginationTokenException", "Invalid NextToken")
    items, token = page(found, call.get("NextToken"), call.get("MaxResults", 100), error)
    return {"Quotas": items, **({"NextToken": token} if token else {})}


@operation("service-quotas", "ListServiceQuotas")
def list_service_quotas(call: Call) -> dict[str, Any]:
    """The quotas of a service as they are in the account."""
    return _listed(call, lambda quota: _here(call, quota))


@operation("service-quotas", "ListAWSDefaultServiceQuotas")
def list_default_quotas(call: Call) -> dict[str, Any]:
    """The quotas of a service as AWS gives them to everybody."""
    return _listed(call, lambda quota: quota.default)


@operation("service-quotas", "GetServiceQuota")
def get_service_quota(call: Call) -> dict[str, Any]:
    """One quota as it is in the account."""
    quota = _quota(call)
    return {"Quota": _view(call, quota, _here(call, quota))}


@operation("service-quotas", "GetAWSDefaultServiceQuota")
def get_default_quota(call: Call) -> dict[str, Any]:
    """One quota as AWS gives it to everybody."""
    quota = _quota(call)
    return {"Quota": _view(call, quota, quota.default)}


@operation("service-quotas", "RequestServiceQuotaIncrease")
def request_increase(call: Call) -> dict[str, Any]:
    """Ask for more: granted when the time of ``quota`` has passed.

    https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_RequestServiceQuotaIncrease.html
    """
    quota, asked = _quota(call), float(call["DesiredValue"])
    if asked <= _here(call, quota):
        message = "You must provide a quota value greater than the current or default quota value"
        raise AwsError("IllegalArgumentException", message)
    requests = _values(call.world).requests
    where = (call.account, "" if quota.everywhere else call.region)
    for request in requests.values():
        if request["QuotaCode"] == quota.code and request["Status"] == "PENDING" and request["where"] == where:
            raise AwsError(
                "ResourceAlreadyExistsException", "Only one open service quota increase request is allowed per quota."
            )
    now = datetime.datetime.now(datetime.UTC)
    identifier = letters(40, "abcdefghijklmnopqrstuvwxyz0123456789")
    view = _view(call, quota, asked)
    request = {
        **{name: view[name] for name in ("ServiceCode", "ServiceName", "QuotaCode", "QuotaName", "QuotaArn", "Unit")},
        "Id": identifier,
        "DesiredValue": asked,
        "Status": "PENDING",
        "Created": now,
        "LastUpdated": now,
        "Requester": f'{{"accountId":"{call.account}","callerArn":"{call.principal.arn}"}}',
        "GlobalQuota": quota.everywhere,
        "QuotaRequestedAtLevel": "ACCOUNT",
        "where": where,
    }
    requests[identifier] = request
    told = _told(request)

    def grant() -> None:
        request.update(Status="APPROVED", LastUpdated=datetime.datetime.now(datetime.UTC))
        _values(call.world).set[*where, quota.code] = asked

    call.world.later(call.world.due("quota") - now.timestamp(), grant)
    return {"RequestedQuota": told}


@operation("service-quotas", "GetRequestedServiceQuotaChange")
def get_requested_change(call: Call) -> dict[str, Any]:
    """What has become of a request."""
    request = _values(call.world).requests.get(call["RequestId"])
    if request is None or request["where"][0] != call.account:
        raise AwsError("NoSuchResourceException", "The request failed because the specified request does not exist.")
    return {"RequestedQuota": _told(request)}


def _told(request: Mapping[str, Any]) -> dict[str, Any]:
    return {name: item for name, item in request.items() if name != "where"}


# --- the page -------------------------------------------------------------------------------------------------------


def quotas(world: World, method: str, query: Mapping[str, list[str]]) -> list[dict[str, Any]]:
    """The page ``quotas``: POST sets (``code`` and ``value``, for one place ``account``, ``region``), GET tells.

    DELETE takes back what was set: all, or what the query names.

    Raises:
        ValueError: a code that there isn't, or no number.
    """
    changed = _values(world).set
    given = {name: query[name][0] for name in ("code", "account", "region") if name in query}
    codes, numbers = query.get("code", []), query.get("value", [])
    for code in codes:
        if code not in QUOTAS:
            raise ValueError(f"{code} is no quota here; there are {', '.join(QUOTAS)}")
    if method == "POST":
        if not codes or len(codes) != len(numbers) or not all(number.isdigit() for number in numbers):
            raise ValueError(
                "POST with code=L-0263D0A3&value=2 (and more such), account= and region= if not everywhere"
            )
        for code, number in zip(codes, numbers, strict=True):
            changed[given.get("account", ""), given.get("region", ""), code] = float(number)
    elif method == "DELETE":
        order = ("account", "region", "code")
        for key in [
            key for key in changed if all(given.get(name, part) == part for name, part in zip(order, key, strict=True))
        ]:
            del changed[key]
    return [
        {"code": code, "name": QUOTAS[code].name, "value": number, "account": account, "region": region}
        for (account, region, code), number in changed.items()
    ]
