# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place that asks AWS about quotas: what they are in an account, and how much is in use.

Only quotas of which a plan needs something are asked for, so a run that changes nothing makes no call. Nothing here
fails: what can't be known is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from .._engine.errors import EngineError
from .._engine.kind import Kind
from .._engine.plan import Plan
from .._kinds._session import Session, error_code
from . import quotas
from .declared import facts

_SERVICE = "service-quotas"
_FEW = 2
"""Up to so many quotas of a service are asked for one by one, more are listed."""
_ALIVE = ("pending", "running")


def survey(session: Session | None, kinds: Mapping[str, Kind], plan: Plan) -> dict[str, Any]:
    """Return what the preflight of a whole run has to know of a stack: the ``preflight`` of a module's result.

    :param session: None where the account doesn't exist yet: what is needed is told, what there is nobody knows.
    :return: ``needs`` (:func:`quotas.needs`), ``ceilings`` (:func:`quotas.ceilings`, with ``limit``), ``quotas`` (rows
        with ``quota``, ``within``, ``limit``, ``used`` and, where one of the two couldn't be asked, ``unknown``, a
        clause that says why), ``facts`` (:func:`declared.facts`) and ``notes`` (sentences about what couldn't be told).
    """
    declared = facts(plan.changes)
    nodes = quotas.nodes_of(plan.changes) if session is not None else []
    types = sorted({kind for item in nodes for kind in item.instance_types})
    notes = [
        f"{item.address}: its instance type is in a launch template of another stack, so its vCPUs aren't counted"
        for item in nodes
        if not item.instance_types
    ]
    vcpus: dict[str, int] = {}
    if session is not None and types:
        try:
            vcpus = _vcpus(session, types)
        except EngineError as error:
            notes.append(f"the vCPUs of {', '.join(types)} are unknown, so they aren't counted: {error.problems[0]}")
    needed = quotas.needs(plan.changes, kinds, vcpus)
    there: list[dict[str, Any]] = []
    if session is not None and needed:
        needed = _with_zones(session, needed)
        there = _asked(session, needed)
    ceilings = quotas.ceilings(plan.changes) if session is not None else []
    if session is not None and ceilings:
        limits = _limits(session, [row["quota"] for row in ceilings])
        ceilings = [{**row, "limit": limits[row["quota"]][0]} for row in ceilings]
    return {"needs": needed, "ceilings": ceilings, "quotas": there, "facts": declared, "notes": notes}


def _vcpus(session: Session, types: Sequence[str]) -> dict[str, int]:
    """Return the vCPUs of those types that the Region has; the others are the kind's own preflight's to refuse."""
    # A filter, since naming one that isn't there by InstanceTypes is an error.
    found = session.pages(
        "ec2", "describe_instance_types", "InstanceTypes", Filters=[{"Name": "instance-type", "Values": list(types)}]
    )
    return {item["InstanceType"]: item["VCpuInfo"]["DefaultVCpus"] for item in found}


def _with_zones(session: Session, needed: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return needs with the zone in the place of a subnet that another stack owns."""
    subnets = sorted({row["within"] for row in needed if row["within"].startswith("subnet-")})
    if not subnets:
        return [dict(row) for row in needed]
    try:
        found = session.pages("ec2", "describe_subnets", "Subnets", SubnetIds=subnets)
    except EngineError:
        found = []
    zones = {item["SubnetId"]: item["AvailabilityZone"] for item in found}
    merged: dict[tuple[str, str], dict[str, Any]] = {}
    for row in needed:
        place = zones.get(row["within"], row["within"])
        same = merged.setdefault((row["quota"], place), {**row, "within": place, "amount": 0, "addresses": []})
        same["amount"] += row["amount"]
        same["addresses"] += row["addresses"]
    return list(merged.values())


def _asked(session: Session, needed: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    codes = list(dict.fromkeys(row["quota"] for row in needed))
    places: dict[str, list[str]] = {code: [] for code in codes}
    for row in needed:
        places[row["quota"]].append(row["within"])
    limits = _limits(session, codes)
    used = _used(session, places)
    rows = []
    for code in codes:
        limit, why_limit = limits[code]
        counts, why_used = used[code]
        for place in places[code]:
            row = {
                "quota": code,
                "within": place,
                "limit": limit,
                "used": counts.get(place, 0) if counts is not None else None,
            }
            why = why_limit or why_used
            rows.append({**row, "unknown": why} if why else row)
    return rows


# --- what the quotas are ------------------------------------------------------------------------------------------


def _limits(session: Session, codes: Collection[str]) -> dict[str, tuple[float | None, str]]:
    """Return each quota's value in this account, or None and why it isn't known."""
    groups: dict[tuple[str, str], list[str]] = {}
    for code in codes:
        known = quotas.quota(code)
        region = quotas.home(session.region) if known.everywhere else session.region
        groups.setdefault((known.service, region), []).append(code)

    def one(group: tuple[tuple[str, str], list[str]]) -> dict[str, tuple[float | None, str]]:
        (service, region), wanted = group
        found: dict[str, float] = {}
        try:
            if len(wanted) > _FEW:
                listed = session.pages(_SERVICE, "list_service_quotas", "Quotas", region=region, ServiceCode=service)
                found = {item["QuotaCode"]: item["Value"] for item in listed}
            return {
                code: (found[code], "") if code in found else _limit(session, service, code, region) for code in wanted
            }
        except EngineError as error:
            return dict.fromkeys(wanted, (None, error.problems[0]))

    return {code: value for values in session.each(one, groups.items()) for code, value in values.items()}


def _limit(session: Session, service: str, code: str, region: str) -> tuple[float | None, str]:
    """Return the value that was applied to the account; where there was none, AWS's default."""
    # https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_GetServiceQuota.html
    for operation in ("get_service_quota", "get_aws_default_service_quota"):
        try:
            answer = session.call(_SERVICE, operation, region=region, ServiceCode=service, QuotaCode=code)
        except EngineError as error:
            if error_code(error) == "NoSuchResourceException":
                continue
            return None, error.problems[0]
        if "Value" in answer["Quota"]:
            return float(answer["Quota"]["Value"]), ""
    return None, f"Service Quotas in {region} has no {code} of {service}"


# --- what is in use -----------------------------------------------------------------------------------------------

_Counts = dict[str, int]


def _used(session: Session, places: Mapping[str, list[str]]) -> dict[str, tuple[_Counts | None, str]]:
    """Return how much of each quota is in use, by place, or None and why it isn't known."""
    running = [code for code in places if quotas.is_vcpus(code)]
    others = [code for code in places if code not in running]

    def one(work: Callable[[], dict[str, _Counts]], codes: Iterable[str]) -> dict[str, tuple[_Counts | None, str]]:
        try:
            return {code: (counts, "") for code, counts in work().items()}
        except EngineError as error:
            return dict.fromkeys(codes, (None, error.problems[0]))

    # What is counted in something still to be made has nothing in it, and isn't asked for.
    def counter(code: str) -> Callable[[], dict[str, _Counts]]:
        there = [place for place in places[code] if "." not in place]
        return lambda: {code: _COUNTERS[code](session, there) if there else {}}

    work = [(counter(code), [code]) for code in others]
    if running:
        work.append((lambda: {code: {"": count} for code, count in _running(session, running).items()}, running))
    found = session.each(lambda item: one(*item), work)
    return {code: value for values in found for code, value in values.items()}


def _running(session: Session, codes: Collection[str]) -> dict[str, int]:
    """Return the vCPUs of the instances that run, by quota.

    A quota counts a type's default vCPUs, whatever CPU options say; dedicated hosts and stopped instances don't count
    (https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html).
    """
    reservations = session.pages(
        "ec2",
        "describe_instances",
        "Reservations",
        Filters=[{"Name": "instance-state-name", "Values": list(_ALIVE)}],
    )
    instances = [item for reservation in reservations for item in reservation.get("Instances", [])]
    counted: Counter[tuple[str, str]] = Counter()
    for item in instances:
        if item.get("Placement", {}).get("Tenancy") != "host":
            code = quotas.vcpu_quota(item["InstanceType"], spot=item.get("InstanceLifecycle") == "spot")
            counted[code, item["InstanceType"]] += 1
    types = sorted({kind for code, kind in counted if code in codes})
    vcpus = _vcpus(session, types) if types else {}
    return {
        code: sum(number * vcpus.get(kind, 0) for (of, kind), number in counted.items() if of == code) for code in codes
    }


def _all_of(service: str, operation: str, key: str, **params: Any) -> Callable[[Session, Sequence[str]], _Counts]:
    """Count what a listing of the account and Region has."""
    return lambda session, _places: {"": len(session.pages(service, operation, key, **params))}


def _in_vpcs(operation: str, key: str, *more: Mapping[str, Any]) -> Callable[[Session, Sequence[str]], _Counts]:
    """Count what is in VPCs."""

    def count(session: Session, places: Sequence[str]) -> _Counts:
        filters = [{"Name": "vpc-id", "Values": list(places)}, *more]
        return Counter(item["VpcId"] for item in session.pages("ec2", operation, key, Filters=filters))

    return count


def _addresses(session: Session, _places: Sequence[str]) -> _Counts:
    """Count the addresses that are AWS's; those of a pool of one's own have no quota."""
    found = session.call("ec2", "describe_addresses").get("Addresses", [])
    return {"": sum(item.get("PublicIpv4Pool", "amazon") == "amazon" for item in found)}


def _nat_gateways(session: Session, _places: Sequence[str]) -> _Counts:
    """Count NAT gateways by zone, also those on their way out."""
    states = [{"Name": "state", "Values": ["pending", "available", "deleting"]}]
    gateways = session.pages("ec2", "describe_nat_gateways", "NatGateways", Filter=states)
    subnets = sorted({item["SubnetId"] for item in gateways if item.get("SubnetId")})
    if not subnets:
        return {}
    found = session.pages("ec2", "describe_subnets", "Subnets", Filters=[{"Name": "subnet-id", "Values": subnets}])
    zones = {item["SubnetId"]: item["AvailabilityZone"] for item in found}
    return Counter(zones[item["SubnetId"]] for item in gateways if item.get("SubnetId") in zones)


def _in_clusters(operation: str, key: str) -> Callable[[Session, Sequence[str]], _Counts]:
    """Count what clusters have; one that isn't there yet has nothing."""

    def one(session: Session, cluster: str) -> int:
        return len(session.pages("eks", operation, key, missing=["ResourceNotFoundException"], clusterName=cluster))

    return lambda session, places: dict(
        zip(places, session.each(lambda cluster: one(session, cluster), places), strict=True)
    )


def _storage(session: Session, _places: Sequence[str]) -> _Counts:
    """Add up the GiB of all instances; Aurora's have none of their own."""
    found = session.pages("rds", "describe_db_instances", "DBInstances")
    return {
        "": sum(item.get("AllocatedStorage", 0) for item in found if not item.get("Engine", "").startswith("aurora"))
    }


def _accounts(session: Session, _places: Sequence[str]) -> _Counts:
    """Count the organization's accounts, also closed ones, which count for 90 days, and those that are being made."""
    missing = ["AWSOrganizationsNotInUseException"]
    accounts = session.pages("organizations", "list_accounts", "Accounts", missing=missing)
    coming = session.pages(
        "organizations", "list_create_account_status", "CreateAccountStatuses", missing=missing, States=["IN_PROGRESS"]
    )
    # A new organization has its management account.
    return {"": max(1, len(accounts)) + len(coming)}


_COUNTERS: Mapping[str, Callable[[Session, Sequence[str]], _Counts]] = {
    quotas.EIPS: _addresses,
    quotas.VPCS: _all_of("ec2", "describe_vpcs", "Vpcs"),
    quotas.INTERNET_GATEWAYS: _all_of("ec2", "describe_internet_gateways", "InternetGateways"),
    quotas.NAT_GATEWAYS: _nat_gateways,
    quotas.INTERFACE_ENDPOINTS: _in_vpcs(
        "describe_vpc_endpoints", "VpcEndpoints", {"Name": "vpc-endpoint-type", "Values": ["Interface"]}
    ),
    quotas.GATEWAY_ENDPOINTS: _all_of(
        "ec2",
        "describe_vpc_endpoints",
        "VpcEndpoints",
        Filters=[{"Name": "vpc-endpoint-type", "Values": ["Gateway"]}],
    ),
    quotas.SUBNETS: _in_vpcs("describe_subnets", "Subnets"),
    quotas.ROUTE_TABLES: _in_vpcs("describe_route_tables", "RouteTables"),
    quotas.NETWORK_ACLS: _in_vpcs("describe_network_acls", "NetworkAcls"),
    quotas.CLUSTERS: _all_of("eks", "list_clusters", "clusters"),
    quotas.NODE_GROUPS: _in_clusters("list_nodegroups", "nodegroups"),
    quotas.FARGATE_PROFILES: _in_clusters("list_fargate_profiles", "fargateProfileNames"),
    quotas.DATABASES: _all_of("rds", "describe_db_instances", "DBInstances"),
    quotas.DATABASE_STORAGE: _storage,
    quotas.DATABASE_SUBNET_GROUPS: _all_of("rds", "describe_db_subnet_groups", "DBSubnetGroups"),
    quotas.DATABASE_PARAMETER_GROUPS: _all_of("rds", "describe_db_parameter_groups", "DBParameterGroups"),
    quotas.ACCOUNTS: _accounts,
}
