# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What speaks against the plans of a run taken together: quotas of an account, ranges, addresses, names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from ansible_collections.innovate.platform.plugins.module_utils._engine.kind import ADDRESS_TAG, STACK_TAG, Observed
from ansible_collections.innovate.platform.plugins.module_utils._engine.plan import Change, Options, Plan, make_plan
from ansible_collections.innovate.platform.plugins.module_utils._engine.resource import Ref, Resource
from ansible_collections.innovate.platform.plugins.module_utils._engine.validate import validate
from ansible_collections.innovate.platform.plugins.module_utils._kinds._rds_rules import class_problems, newest
from ansible_collections.innovate.platform.plugins.module_utils._kinds.registry import KINDS
from ansible_collections.innovate.platform.plugins.module_utils._preflight import quotas
from ansible_collections.innovate.platform.plugins.module_utils._preflight.declared import facts
from ansible_collections.innovate.platform.plugins.module_utils._preflight.findings import findings, notes
from rehearsal.emulator.services.quotas import QUOTAS as OFFERED
from rehearsal.emulator.services.quotas import vcpu_code

STACK, ZONE = "net-dev", "eu-central-1a"
VCPUS = {"t3.medium": 2, "m7g.large": 2, "m7g.4xlarge": 16, "g5.xlarge": 4}
ON_DEMAND, SPOT = "L-1216C47A", "L-34B43A08"

VPC = Resource("vpc", "main", {"cidr_block": "10.10.0.0/16"})
SUBNETS = [
    Resource(
        "subnet",
        letter,
        {"vpc_id": Ref("vpc.main"), "cidr_block": f"10.10.{number}.0/24", "availability_zone": f"eu-central-1{letter}"},
    )
    for number, letter in enumerate("ab")
]
NATS = [
    Resource(
        "nat_gateway",
        letter,
        {"subnet_id": Ref(f"subnet.{letter}"), "allocation_id": Ref(f"elastic_ip.{letter}")},
    )
    for letter in "ab"
]
EIPS = [Resource("elastic_ip", letter) for letter in "ab"]


def group(**more: Any) -> Resource:
    properties = {
        "cluster_name": "dev",
        "nodegroup_name": "core",
        "node_role": "arn:aws:iam::111111111111:role/node",
        "subnets": ["subnet-1"],
        "instance_types": ["t3.medium"],
        "scaling_config": {"min_size": 2, "max_size": 6, "desired_size": 2},
    }
    return Resource("eks_nodegroup", "core", {key: value for key, value in {**properties, **more}.items() if value})


def database(**more: Any) -> Resource:
    properties = {
        "db_instance_identifier": "dev",
        "engine": "postgres",
        "engine_version": "17",
        "db_instance_class": "db.t4g.micro",
        "master_username": "platform",
        "allocated_storage": 20,
    }
    return Resource("db_instance", "main", {**properties, **more})


def there(kind: str, identifier: str, name: str, **properties: Any) -> Observed:
    tags = {STACK_TAG: STACK, ADDRESS_TAG: f"{kind}.{name}"}
    table = KINDS[kind].properties
    return Observed(identifier, {**{key: item.default for key, item in table.items()}, **properties}, tags=tags)


def planned(
    resources: Sequence[Resource], observed: Mapping[str, Sequence[Observed]] | None = None, **how: Any
) -> Plan:
    assert validate(resources, KINDS) == []
    return make_plan(resources, KINDS, {**dict.fromkeys(KINDS, ()), **(observed or {})}, Options(STACK, **how))


def needed(plan: Plan) -> dict[tuple[str, str], int]:
    rows = quotas.needs(plan.changes, KINDS, VCPUS)
    return {(quotas.quota(row["quota"]).unit, row["within"]): row["amount"] for row in rows}


def test_a_network_from_nothing_needs_what_it_makes_each_in_its_place() -> None:
    assert needed(
        planned([VPC, *SUBNETS, *EIPS, *NATS, Resource("internet_gateway", "main", {"vpc_id": Ref("vpc.main")})])
    ) == {
        ("elastic IP addresses", ""): 2,
        ("VPCs", ""): 1,
        ("internet gateways", ""): 1,
        ("NAT gateways", "eu-central-1a"): 1,
        ("NAT gateways", "eu-central-1b"): 1,
        ("subnets", "vpc.main"): 2,
    }


def test_what_is_there_already_needs_nothing_and_counts_in_what_it_is_in() -> None:
    vpc = there("vpc", "vpc-1", "main", cidr_block="10.10.0.0/16", enable_dns_support=True, enable_dns_hostnames=True)
    subnet = there(
        "subnet",
        "subnet-1",
        "a",
        vpc_id="vpc-1",
        cidr_block="10.10.0.0/24",
        availability_zone=ZONE,
        map_public_ip_on_launch=False,
    )
    plan = planned([VPC, *SUBNETS, NATS[0], EIPS[0]], {"vpc": [vpc], "subnet": [subnet]})
    assert needed(plan) == {
        ("elastic IP addresses", ""): 1,
        ("NAT gateways", ZONE): 1,
        ("subnets", "vpc-1"): 1,
    }


def test_what_goes_makes_room_for_what_comes() -> None:
    old = [there("elastic_ip", f"eipalloc-{name}", name) for name in ("x", "y")]
    assert needed(planned([*EIPS, Resource("elastic_ip", "c")], {"elastic_ip": old})) == {
        ("elastic IP addresses", ""): 1
    }
    assert needed(planned([EIPS[0]], {"elastic_ip": old})) == {}
    assert needed(planned(EIPS, {"elastic_ip": old}, absent=True)) == {}


def test_addresses_from_ones_own_pool_have_no_quota() -> None:
    assert needed(planned([Resource("elastic_ip", "a", {"public_ipv4_pool": "ipv4pool-ec2-1"})])) == {}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, (ON_DEMAND, 4)),
        # On demand the first type is taken, of Spot any: only what is certain counts.
        ({"instance_types": ["m7g.4xlarge", "m7g.large"]}, (ON_DEMAND, 32)),
        ({"instance_types": ["m7g.4xlarge", "m7g.large"], "capacity_type": "SPOT"}, (SPOT, 4)),
        ({"instance_types": ["g5.xlarge"]}, ("L-DB2E81BA", 8)),
        ({"scaling_config": {"min_size": 3, "max_size": 6}}, (ON_DEMAND, 6)),
        ({"instance_types": None}, (ON_DEMAND, 4)),
        ({"instance_types": ["x99.unknown"]}, None),
    ],
)
def test_node_groups_need_vcpus_of_their_families(more: dict[str, Any], expected: tuple[str, int] | None) -> None:
    rows = quotas.needs(planned([group(**more)]).changes, KINDS, VCPUS)
    assert [(row["quota"], row["amount"]) for row in rows if quotas.is_vcpus(row["quota"])] == (
        [expected] if expected else []
    )


def test_the_type_may_stand_in_the_launch_template() -> None:
    template = Resource(
        "launch_template",
        "core",
        {"launch_template_name": "core", "launch_template_data": {"instance_type": "m7g.4xlarge"}},
    )
    plan = planned([template, group(instance_types=None, launch_template={"id": Ref("launch_template.core")})])
    assert needed(plan)["vCPUs of On-Demand instances of Standard", ""] == 32
    foreign = planned([group(instance_types=None, launch_template={"id": "lt-1"})])
    assert [nodes.instance_types for nodes in quotas.nodes_of(foreign.changes)] == [()]


@pytest.mark.parametrize(("least", "more"), [(2, {}), (5, {("vCPUs of On-Demand instances of Standard", ""): 4})])
def test_a_larger_minimum_needs_the_nodes_that_are_missing(least: int, more: dict[tuple[str, str], int]) -> None:
    wanted = group(scaling_config={"min_size": least, "max_size": 9, "desired_size": least})
    properties = {**group().properties, "scaling_config": {"min_size": 1, "max_size": 6, "desired_size": 3}}
    observed = {"eks_nodegroup": [there("eks_nodegroup", "dev/core", "core", **properties)]}
    assert needed(planned([wanted], observed)) == more


def test_a_database_that_grows_needs_the_difference() -> None:
    observed = {"db_instance": [there("db_instance", "dev", "main", **database().properties)]}
    assert needed(planned([database()]))["GiB of database storage", ""] == 20
    assert needed(planned([database(allocated_storage=50)], observed)) == {("GiB of database storage", ""): 30}


def test_every_quota_is_one_that_the_emulated_aws_has_under_the_same_service() -> None:
    known = {
        code: quotas.quota(code)
        for code in [*quotas.QUOTAS, *(c for f in quotas.FAMILIES.values() for c in f[:2] if c)]
    }
    missing = {code for code in known if code not in OFFERED} - {"L-F7808C92"}
    assert missing == set()
    for code, quota in known.items():
        if code in OFFERED:
            assert (quota.service, quota.everywhere) == (OFFERED[code].service, OFFERED[code].everywhere), code
    for kind in (
        "t4g.medium",
        "im4gn.large",
        "g5.xlarge",
        "gr6.4xlarge",
        "inf2.xlarge",
        "trn1.2xlarge",
        "vt1.3xlarge",
        "u-6tb1.56xlarge",
        "mac2.metal",
    ):
        for spot in (False, True):
            assert quotas.vcpu_quota(kind, spot=spot) == vcpu_code(kind, "spot" if spot else "on-demand"), kind


def pool(name: str, cpu: Any, *capacity: str, families: Sequence[str] = ()) -> Change:
    requirements = [{"key": "karpenter.sh/capacity-type", "operator": "In", "values": list(capacity)}]
    requirements += [{"key": "karpenter.k8s.aws/instance-family", "operator": "In", "values": list(families)}]
    spec = {"limits": {"cpu": cpu}, "template": {"spec": {"requirements": requirements}}}
    definition = {"kind": "NodePool", "metadata": {"name": name}, "spec": spec}
    return Change("create", "manifest", f"manifest.{name}", properties={"definition": definition})


def test_what_karpenter_may_make_is_a_ceiling_and_no_need() -> None:
    changes = [
        pool("general", "64", "on-demand", families=["m6i", "c6i"]),
        pool("batch", "32000m", "spot", "on-demand"),
        pool("gpu", 16, "on-demand", families=["g5"]),
        pool("unlimited", None, "on-demand"),
    ]
    rows = quotas.ceilings(changes)
    assert {row["quota"]: row["amount"] for row in rows} == {ON_DEMAND: 96, SPOT: 32, "L-DB2E81BA": 16}
    assert quotas.needs(changes, {}, {}) == []
    told = [{**row, "limit": limit} for row, limit in zip(rows, (64.0, 64.0, None), strict=True)]
    plans = [result("manifests-karpenter", ceilings=told)]
    assert findings(plans) == []
    assert notes(plans) == [
        (
            "account dev (111111111111), eu-central-1: Karpenter's NodePools may take 96 vCPUs of On-Demand instances "
            f"of Standard, the quota ({ON_DEMAND}) allows 64 to all together: beyond that pods stay pending"
        )
    ]


ORDERABLE = {"StorageType": "gp3", "MultiAZCapable": True, "SupportsStorageEncryption": True}


@pytest.mark.parametrize(
    ("more", "options", "words"),
    [
        ({}, [ORDERABLE], ""),
        ({}, [], "offers db.t4g.micro for postgres 17.6 nowhere in this Region"),
        (
            {"storage_type": "io2"},
            [ORDERABLE, {**ORDERABLE, "StorageType": "gp2"}],
            "without io2 storage: use gp2, gp3",
        ),
        ({"multi_az": True}, [{**ORDERABLE, "MultiAZCapable": False}], "without a standby (multi_az): choose another"),
        # A row of another type of storage doesn't help.
        (
            {"storage_encrypted": True},
            [{**ORDERABLE, "SupportsStorageEncryption": False}, {**ORDERABLE, "StorageType": "gp2"}],
            "without encrypted storage",
        ),
        ({"enable_performance_insights": True}, [ORDERABLE], "without Performance Insights"),
    ],
)
def test_a_database_is_held_against_what_can_be_ordered(
    more: dict[str, Any], options: list[dict[str, Any]], words: str
) -> None:
    found = class_problems({**database().properties, "storage_type": "gp3", **more}, "17.6", options)
    assert len(found) == bool(words)
    assert all(words in sentence for sentence in found)


def test_the_newest_minor_version_is_the_one_that_counts() -> None:
    versions = [{"EngineVersion": version} for version in ("16.9", "17.4", "17.10")]
    versions.append({"EngineVersion": "17.11", "Status": "deprecated"})
    assert newest({"engine_version": "17"}, versions) == "17.10"
    assert newest({"engine_version": "18"}, versions) is None


# --- the run as a whole ---------------------------------------------------------------------------------------------


def result(
    stack: str,
    host: str = "dev",
    identifier: str | None = "111111111111",
    region: str = "eu-central-1",
    **preflight: Any,
) -> dict[str, Any]:
    return {
        "host": host,
        "stack": stack,
        "changes": [{"address": "thing.main", "action": "create"}],
        "account": {"name": host, "id": identifier, "region": region, "organization": "o-1"},
        "preflight": {"needs": [], "quotas": [], "facts": [], "notes": [], **preflight},
    }


def need(quota: str, amount: int, within: str = "", *addresses: str) -> dict[str, Any]:
    return {"quota": quota, "within": within, "amount": amount, "addresses": list(addresses) or ["thing.main"]}


def known(quota: str, limit: float, used: int, within: str = "") -> dict[str, Any]:
    return {"quota": quota, "within": within, "limit": limit, "used": used}


def test_several_stacks_of_an_account_are_added_up() -> None:
    one = result("vpc-a", needs=[need(quotas.EIPS, 3, "", "elastic_ip.a")], quotas=[known(quotas.EIPS, 5, 1)])
    other = result("vpc-b", needs=[need(quotas.EIPS, 2, "", "elastic_ip.b")], quotas=[known(quotas.EIPS, 5, 1)])
    assert findings([one]) == findings([other]) == []
    [found] = findings([one, other])
    assert found.startswith(
        "account dev (111111111111), eu-central-1: elastic IP addresses: 5 more needed (vpc-a elastic_ip.a and "
        "vpc-b elastic_ip.b), 1 of 5 in use: "
    )
    assert (
        "aws service-quotas request-service-quota-increase --service-code ec2 --quota-code L-0263D0A3 "
        "--desired-value 6 --region eu-central-1 (console: https://eu-central-1.console.aws.amazon.com/servicequotas/home/services/ec2/"
        "quotas/L-0263D0A3)" in found
    )


@pytest.mark.parametrize(
    "other",
    [
        {"identifier": "222222222222", "host": "stage"},
        {"region": "eu-west-1"},
    ],
)
def test_accounts_and_regions_have_quotas_of_their_own(other: dict[str, str]) -> None:
    row: dict[str, Any] = {"needs": [need(quotas.VPCS, 3)], "quotas": [known(quotas.VPCS, 5, 1)]}
    assert findings([result("a", **row), result("b", **other, **row)]) == []
    assert len(findings([result("a", **row), result("b", **row)])) == 1


def test_the_accounts_of_an_organization_have_one_quota_for_all_regions() -> None:
    row: dict[str, Any] = {"needs": [need(quotas.ACCOUNTS, 6)], "quotas": [known(quotas.ACCOUNTS, 10, 1)]}
    [found] = findings([result("organization", **row), result("more", region="eu-west-1", **row)])
    assert "accounts: 12 more needed" in found
    assert "--region us-east-1" in found


def test_what_is_still_to_be_made_is_another_in_each_stack() -> None:
    rows: dict[str, Any] = {
        "needs": [need(quotas.SUBNETS, 150, "vpc.main")],
        "quotas": [known(quotas.SUBNETS, 200, 0, "vpc.main")],
    }
    assert findings([result("a", **rows), result("b", **rows)]) == []
    same: dict[str, Any] = {
        "needs": [need(quotas.SUBNETS, 150, "vpc-1")],
        "quotas": [known(quotas.SUBNETS, 200, 0, "vpc-1")],
    }
    assert "in vpc-1" in findings([result("a", **same), result("b", **same)])[0]


def test_a_stack_that_is_planned_twice_counts_once_as_it_was_planned_last() -> None:
    first = result("a", needs=[need(quotas.VPCS, 4)], quotas=[known(quotas.VPCS, 5, 1)])
    again = result("a", needs=[need(quotas.VPCS, 5)], quotas=[known(quotas.VPCS, 5, 1)])
    assert findings([first, first]) == []
    assert len(findings([first, again])) == 1


def test_what_nobody_could_ask_for_is_said_and_stops_nothing() -> None:
    row = {"quota": quotas.EIPS, "within": "", "limit": None, "used": None, "unknown": "AccessDenied: no"}
    plans = [
        result("a", needs=[need(quotas.EIPS, 9)], quotas=[row], notes=["eks_nodegroup.core: says something"]),
        result("b", host="new", identifier=None, needs=[need(quotas.VPCS, 1)]),
        result("o", facts=[{"kind": "organization_account", "address": "a", "new": True, "account_name": "new"}]),
    ]
    assert findings(plans) == []
    assert notes(plans) == [
        "dev a: eks_nodegroup.core: says something",
        (
            "account dev (111111111111), eu-central-1: quotas of elastic IP addresses (9) are not known: "
            "AccessDenied: no"
        ),
        (
            "account new, eu-central-1: quotas of VPCs (1) are not known: it doesn't exist yet, new accounts may "
            "have less than AWS's defaults"
        ),
    ]


def vpc(cidr: str, *, new: bool = True) -> dict[str, Any]:
    return {"kind": "vpc", "address": "vpc.main", "new": new, "cidr_block": cidr}


def cluster(cidr: str, *, new: bool = True) -> dict[str, Any]:
    return {"kind": "eks_cluster", "address": "eks_cluster.main", "new": new, "service_ipv4_cidr": cidr}


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        (vpc("10.10.0.0/16"), vpc("10.20.0.0/16"), ""),
        (
            vpc("10.10.0.0/16"),
            vpc("10.10.128.0/17"),
            "10.10.128.0/17, and these overlap: give one of them another (vpc_cidr)",
        ),
        (vpc("10.10.0.0/16", new=False), vpc("10.10.0.0/16"), "dev s1 vpc.main has the range 10.10.0.0/16"),
        (vpc("172.16.0.0/12"), cluster("172.20.0.0/16"), "range for Services 172.20.0.0/16, and these overlap"),
        # Each cluster's Services are its own.
        (cluster("172.20.0.0/16"), cluster("172.20.0.0/16"), ""),
    ],
)
def test_ranges_of_all_environments_are_compared(one: dict[str, Any], other: dict[str, Any], words: str) -> None:
    plans = [result("s1", facts=[one]), result("s2", host="stage", identifier="222222222222", facts=[other])]
    found = findings(plans)
    assert len(found) == bool(words)
    assert all(words in sentence for sentence in found)


def test_ranges_that_overlap_since_long_are_only_mentioned() -> None:
    plans = [result(stack, facts=[vpc("10.10.0.0/16", new=False)]) for stack in ("s1", "s2")]
    assert findings(plans) == []
    assert "can never be connected" in notes(plans)[0]


def account(name: str, email: str, *, new: bool = True) -> dict[str, Any]:
    return {"kind": "organization_account", "address": f"x.{name}", "new": new, "account_name": name, "email": email}


@pytest.mark.parametrize(
    ("emails", "words"),
    [
        (["aws+dev@example.com", "aws+prod@example.com"], ""),
        (["aws@example.com", "AWS@Example.com"], "aws@example.com is given to the accounts a0 (org) and a1 (org)"),
        (["no-at.example.com"], "'no-at.example.com' is not an e-mail address"),
        (["two@@example.com"], "is not an e-mail address"),
        (["a b@example.com"], "is not an e-mail address"),
        (["dev@localhost"], "is not an e-mail address"),
        ([f"{'x' * 60}@example.com"], "of 6 to 64 characters"),
    ],
)
def test_addresses_of_accounts(emails: list[str], words: str) -> None:
    found = findings([result("org", facts=[account(f"a{number}", email) for number, email in enumerate(emails)])])
    assert len(found) == bool(words)
    assert all(words in sentence for sentence in found)


def test_a_bucket_name_is_wanted_once_in_all_accounts() -> None:
    bucket = {"kind": "s3_bucket", "address": "s3_bucket.logs", "new": True, "bucket": "innovate-logs"}
    plans = [result("logs", facts=[bucket]), result("logs", host="stage", identifier="222222222222", facts=[bucket])]
    [found] = findings(plans)
    assert found.startswith(
        "the bucket name 'innovate-logs' is wanted by dev logs s3_bucket.logs and stage logs s3_bucket.logs: "
    )


def test_an_account_that_is_not_there_is_fine_when_the_run_makes_it() -> None:
    new = result("vpc-dev", identifier=None)
    made = result("organization", host="management", facts=[account("dev", "dev@example.com")])
    assert findings([made, new]) == []
    [found] = findings([new, result("eks-dev", identifier=None)])
    assert found.startswith("account 'dev' of dev doesn't exist, and nothing in this run makes it: ")
    assert findings([new], applying=False) == []
    # What is taken down where there never was an account is no matter.
    assert findings([{**new, "changes": []}]) == []


def test_two_hosts_do_not_share_a_stack() -> None:
    [found] = findings([result("vpc-dev", host="dev"), result("vpc-dev", host="stage")])
    assert found.startswith(
        "stack 'vpc-dev' in account 111111111111 (eu-central-1) is declared by the hosts dev and stage"
    )


def test_facts_are_of_what_stays_and_only_as_far_as_they_are_known() -> None:
    bucket = Resource("s3_bucket", "logs", {"bucket": "innovate-logs"})
    email = Resource("organization_account", "dev", {"account_name": "dev", "email": "aws+dev@example.com"})
    assert facts(planned([VPC, bucket, email]).changes) == [
        {"kind": "vpc", "address": "vpc.main", "new": True, "cidr_block": "10.10.0.0/16"},
        {"kind": "s3_bucket", "address": "s3_bucket.logs", "new": True, "bucket": "innovate-logs"},
        account("dev", "aws+dev@example.com") | {"address": "organization_account.dev"},
    ]
    properties = {"cidr_block": "10.10.0.0/16", "enable_dns_support": True, "enable_dns_hostnames": True}
    observed = {"vpc": [there("vpc", "vpc-1", "main", **properties)]}
    assert facts(planned([VPC], observed).changes)[0]["new"] is False
    assert facts(planned([VPC], observed, absent=True).changes) == []


def test_results_of_other_modules_are_left_out() -> None:
    assert (
        findings([{"host": "dev", "stack": "x", "account": {"id": None, "name": "dev", "region": "eu-central-1"}}])
        == []
    )
