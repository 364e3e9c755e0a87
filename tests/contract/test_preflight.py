# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWS is asked before the first change: quotas and what is in use, names and classes that can't be had."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import boto3
import pytest

from ansible_collections.innovate.platform.plugins.module_utils._engine.errors import EngineError
from ansible_collections.innovate.platform.plugins.module_utils._engine.observe import observe, preflight
from ansible_collections.innovate.platform.plugins.module_utils._engine.plan import Options, make_plan, scope_of
from ansible_collections.innovate.platform.plugins.module_utils._engine.resource import Ref, Resource
from ansible_collections.innovate.platform.plugins.module_utils._kinds._session import Session
from ansible_collections.innovate.platform.plugins.module_utils._kinds.registry import KINDS
from ansible_collections.innovate.platform.plugins.module_utils._preflight import quotas
from ansible_collections.innovate.platform.plugins.module_utils._preflight.findings import findings, notes
from ansible_collections.innovate.platform.plugins.module_utils._preflight.usage import survey
from tests.contract.contract import World

REGION = "eu-west-3"
"""Another Region than the other tests': what they have made isn't counted."""


def page(session: Session, query: str, method: str = "POST") -> None:
    endpoint = session.client("sts").meta.endpoint_url
    request = urllib.request.Request(f"{endpoint}/rehearsal/quotas{query}", method=method)
    with urllib.request.urlopen(request, timeout=30):
        pass


@pytest.fixture
def here(session: Session) -> Iterator[Session]:
    """The account in a Region of its own."""
    yield Session(session.client, session.account_id, REGION, session.partition)
    page(session, "", "DELETE")


def surveyed(session: Session, resources: Sequence[Resource], stack: str = "preflight") -> dict[str, Any]:
    kinds = {resource.kind: KINDS[resource.kind] for resource in resources}
    observed = observe(session, kinds, scope_of(stack, resources, kinds))
    plan = make_plan(resources, kinds, observed, Options(stack))
    account = {"name": "dev", "id": session.account_id, "region": session.region, "organization": ""}
    return {"stack": stack, "account": account, "preflight": survey(session, kinds, plan)}


def rows(result: Mapping[str, Any]) -> dict[tuple[str, str], tuple[float, int]]:
    return {
        (quotas.quota(row["quota"]).unit, row["within"]): (row["limit"], row["used"])
        for row in result["preflight"]["quotas"]
    }


NETWORK = [
    Resource("vpc", "main", {"cidr_block": "10.77.0.0/16"}),
    Resource("internet_gateway", "main", {"vpc_id": Ref("vpc.main")}),
    Resource(
        "subnet",
        "a",
        {"vpc_id": Ref("vpc.main"), "cidr_block": "10.77.0.0/24", "availability_zone": f"{REGION}a"},
    ),
    Resource("elastic_ip", "a"),
    Resource(
        "nat_gateway",
        "a",
        {"subnet_id": Ref("subnet.a"), "allocation_id": Ref("elastic_ip.a")},
        depends_on=("internet_gateway.main",),
    ),
    Resource("route_table", "a", {"vpc_id": Ref("vpc.main")}),
    Resource("vpc_endpoint", "s3", {"vpc_id": Ref("vpc.main"), "service_name": f"com.amazonaws.{REGION}.s3"}),
]


def test_a_network_is_held_against_what_the_account_has_and_uses(here: Session) -> None:
    before = surveyed(here, NETWORK)
    # The Region's default VPC counts as any other.
    assert rows(before) == {
        ("elastic IP addresses", ""): (5, 0),
        ("VPCs", ""): (5, 1),
        ("internet gateways", ""): (5, 0),
        ("NAT gateways", f"{REGION}a"): (5, 0),
        ("gateway endpoints", ""): (20, 0),
        ("subnets", "vpc.main"): (200, 0),
        ("route tables", "vpc.main"): (200, 0),
    }
    assert findings([before]) == []
    page(here, "?code=L-0263D0A3&value=0")
    page(here, "?code=L-F678F1CE&value=1")
    short = surveyed(here, NETWORK)
    assert [found.partition(" needed")[0] for found in findings([short])] == [
        f"account dev ({here.account_id}), {REGION}: elastic IP addresses: 1 more",
        f"account dev ({here.account_id}), {REGION}: VPCs: 1 more",
    ]
    # AWS says the same, later.
    with pytest.raises(EngineError, match=r"VpcLimitExceeded|AddressLimitExceeded"):
        World(here, KINDS, "preflight").apply([NETWORK[0], NETWORK[3]])


def test_what_stands_is_counted_and_a_plan_without_needs_asks_nothing(here: Session) -> None:
    world = World(here, KINDS, "preflight")
    try:
        world.apply(NETWORK)
        calls: list[str] = []
        client = here.client("service-quotas")
        client.meta.events.register("before-call", lambda model, **more: calls.append(model.name))
        assert surveyed(here, NETWORK)["preflight"] == {
            "needs": [],
            "ceilings": [],
            "quotas": [],
            "facts": [{"kind": "vpc", "address": "vpc.main", "new": False, "cidr_block": "10.77.0.0/16"}],
            "notes": [],
        }
        assert calls == []
        vpc = here.call("ec2", "describe_vpcs", Filters=[{"Name": "cidr", "Values": ["10.77.0.0/16"]}])["Vpcs"][0]
        subnet = here.call("ec2", "describe_subnets", Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}])[
            "Subnets"
        ][0]
        more = [
            Resource("elastic_ip", "b"),
            Resource("nat_gateway", "b", {"subnet_id": subnet["SubnetId"], "allocation_id": Ref("elastic_ip.b")}),
            Resource("route_table", "b", {"vpc_id": vpc["VpcId"]}),
            Resource("vpc", "b", {"cidr_block": "10.78.0.0/16"}),
        ]
        assert rows(surveyed(here, more, "another")) == {
            ("elastic IP addresses", ""): (5, 1),
            ("NAT gateways", f"{REGION}a"): (5, 1),
            # The main route table is one of them.
            ("route tables", vpc["VpcId"]): (200, 2),
            ("VPCs", ""): (5, 2),
        }
    finally:
        world.apply(NETWORK, absent=True)


def group(**more: Any) -> Resource:
    properties = {
        "cluster_name": "nowhere-yet",
        "nodegroup_name": "core",
        "node_role": "arn:aws:iam::123456789012:role/node",
        "subnets": ["subnet-1"],
        "instance_types": ["t4g.medium"],
        "scaling_config": {"min_size": 3, "max_size": 6, "desired_size": 3},
    }
    return Resource("eks_nodegroup", "core", {**properties, **more})


def test_node_groups_are_held_against_vcpus_that_run(here: Session) -> None:
    ec2 = here.client("ec2")
    image = ec2.describe_images(Owners=["amazon"], Filters=[{"Name": "architecture", "Values": ["x86_64"]}])["Images"][
        0
    ]
    running = ec2.run_instances(ImageId=image["ImageId"], InstanceType="m6i.xlarge", MinCount=1, MaxCount=1)[
        "Instances"
    ]
    try:
        page(here, "?code=L-1216C47A&value=9")
        found = surveyed(here, [group()])
        assert rows(found) == {
            ("node groups", "nowhere-yet"): (30, 0),
            ("vCPUs of On-Demand instances of Standard", ""): (9, 4),
        }
        [sentence] = findings([found])
        assert "vCPUs of On-Demand instances of Standard: 6 more needed (preflight eks_nodegroup.core)" in sentence
        assert "--desired-value 10" in sentence
        spot = surveyed(here, [group(capacity_type="SPOT", instance_types=["m7g.xlarge", "t4g.medium"])])
        assert ("vCPUs of Spot instances of Standard", "") in rows(spot)
        assert rows(spot)["vCPUs of Spot instances of Standard", ""][1] == 0
    finally:
        ec2.terminate_instances(InstanceIds=[running[0]["InstanceId"]])


def test_the_accounts_of_an_organization_are_counted_where_there_is_none_yet(here: Session) -> None:
    account = Resource("organization_account", "dev", {"account_name": "dev", "email": "aws+dev@example.com"})
    page(here, "?code=L-E619E033&value=1")
    found = surveyed(here, [account])
    limit, used = rows(found)["accounts", ""]
    assert (limit, used >= 1) == (1, True)
    assert "--region us-east-1" in findings([found])[0]


def test_what_an_account_may_not_ask_is_said(here: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    call = here.call

    def some(service: str, operation: str, /, **params: Any) -> dict[str, Any]:
        if operation == "get_service_quota":
            raise EngineError("service-quotas:GetServiceQuota: AccessDeniedException: not authorized")
        return call(service, operation, **params)

    monkeypatch.setattr(here, "call", some)
    result = surveyed(here, [Resource("elastic_ip", "a")])
    assert findings([result]) == []
    [note] = notes([result])
    assert note.endswith(
        "quotas of elastic IP addresses (1) are not known: service-quotas:GetServiceQuota: AccessDeniedException: not "
        "authorized"
    )


def test_a_bucket_name_of_another_account_is_refused_before_the_first_change(
    session: Session, start_afresh: Callable[[], None]
) -> None:
    start_afresh()
    organizations = session.client("organizations")
    organizations.create_organization(FeatureSet="ALL")
    asked = organizations.create_account(AccountName="other", Email="other@example.com")["CreateAccountStatus"]["Id"]

    def made() -> str | None:
        found = organizations.describe_create_account_status(CreateAccountRequestId=asked)["CreateAccountStatus"]
        identifier: str | None = found.get("AccountId")
        return identifier

    role = f"arn:aws:iam::{session.awaited('the account', made)}:role/OrganizationAccountAccessRole"
    credentials = session.call("sts", "assume_role", RoleArn=role, RoleSessionName="other")["Credentials"]
    other = boto3.client(
        "s3",
        region_name=session.region,
        endpoint_url=session.client("sts").meta.endpoint_url,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )
    place = {"LocationConstraint": session.region}
    other.create_bucket(Bucket="taken-by-somebody", CreateBucketConfiguration=place)
    session.client("s3").create_bucket(Bucket="ours-already", CreateBucketConfiguration=place)
    wanted = [{"bucket": name} for name in ("taken-by-somebody", "ours-already", "nobody-has-this")]
    assert KINDS["s3_bucket"].preflight(session, wanted) == [
        "the bucket name taken-by-somebody is another account's, and unique in the world: choose another"
    ]
    start_afresh()


def test_classes_that_rds_does_not_offer_are_refused(session: Session) -> None:
    database = {
        "db_instance_identifier": "dev",
        "engine": "postgres",
        "engine_version": "17",
        "db_instance_class": "db.t4g.micro",
        "master_username": "platform",
        "allocated_storage": 20,
    }
    made = Resource("db_instance", "main", database)
    wrong = Resource("db_instance", "main", {**database, "db_instance_class": "db.t4g.gigantic"})
    kinds = {"db_instance": KINDS["db_instance"]}
    for resource, problems in ((made, 0), (wrong, 1)):
        plan = make_plan([resource], kinds, {"db_instance": []}, Options("preflight"))
        found = preflight(session, kinds, plan)
        assert len(found) == problems, found
    assert found[0].startswith("dev: RDS offers db.t4g.gigantic for postgres 17.")
