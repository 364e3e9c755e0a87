# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan costs: the table of prices, what each kind is charged for, and the sums. No emulator."""

from __future__ import annotations

import copy
import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.innovate.platform.plugins.module_utils._kinds.manifest import Manifest
from ansible_collections.innovate.platform.plugins.module_utils._kinds.manifest_set import ManifestSet
from ansible_collections.innovate.platform.plugins.module_utils._kinds.registry import KINDS
from ansible_collections.innovate.platform.plugins.plugin_utils.cost.charges import (
    BESIDE,
    CHARGES,
    ELSEWHERE,
    FREE,
    GROUPS,
    Assumed,
)
from ansible_collections.innovate.platform.plugins.plugin_utils.cost.estimate import estimate, lines, monthly
from ansible_collections.innovate.platform.plugins.plugin_utils.cost.table import (
    PATH,
    Table,
    default,
    dump,
    load,
    problems_of,
)
from tools import docs

ROOT = Path(__file__).resolve().parents[2]
ALL_KINDS = {**KINDS, "manifest": Manifest, "manifest_set": ManifestSet}
SUMMER = datetime.date(2026, 6, 1)
REGION = "eu-central-1"
PRICES = {
    "eks/cluster": (0.1, "hour"),
    "eks/extended-support": (0.5, "hour"),
    "ec2/t4g.medium": (0.04, "hour"),
    "ec2/m7g.large": (0.1, "hour"),
    "ebs/gp3/storage": (0.1, "GB-month"),
    "ebs/gp3/iops": (0.005, "IOPS-month"),
    "ebs/gp3/throughput": (0.04, "MiB/s-month"),
    "nat-gateway/hours": (0.05, "hour"),
    "ipv4/in-use": (0.005, "hour"),
    "endpoint/interface": (0.01, "hour"),
    "rds/postgres/db.t4g.micro/single": (0.02, "hour"),
    "rds/postgres/db.t4g.micro/multi": (0.04, "hour"),
    "rds/gp3/single": (0.1, "GB-month"),
    "rds/gp3/multi": (0.2, "GB-month"),
    "rds/backup": (0.1, "GB-month"),
    "kms/key": (1, "month"),
    "secret": (0.4, "month"),
    "logs/ingestion": (0.5, "GB"),
    "logs/storage": (0.03, "GB-month"),
    "s3/standard": (0.02, "GB-month"),
    "ecr/storage": (0.1, "GB-month"),
    "load-balancer/network": (0.02, "hour"),
}
DOCUMENT = {
    "schema": 1,
    "currency": "USD",
    "as_of": "2026-05-01",
    "sources": {
        "old": {"what": "a list", "url": "https://example.com/", "date": "2026-01-01", "sure": "list"},
        "memory": {"what": "nobody", "url": "https://example.com/", "date": "2026-03-01", "sure": "recalled"},
    },
    "eks_standard_support_until": {"1.34": "2026-05-31", "1.35": "2027-03-27"},
    "regions": {
        REGION: {item: {"usd": usd, "unit": unit, "source": "old"} for item, (usd, unit) in PRICES.items()},
    },
}
TABLE = Table(DOCUMENT)


def stack(*rows: dict[str, Any], name: str = "stack", account: str = "dev", region: str = REGION) -> dict[str, Any]:
    return {"stack": name, "account": {"name": account, "id": None, "region": region}, "billable": list(rows)}


def row(kind: str, before: dict[str, Any] | None, after: dict[str, Any] | None, name: str = "main") -> dict[str, Any]:
    return {"address": f"{kind}.{name}", "kind": kind, "before": before, "after": after}


def after(kind: str, properties: dict[str, Any], *beside: dict[str, Any]) -> tuple[float, list[str]]:
    """What a resource costs once it is there, to the cent, and what of it is unknown."""
    found = estimate([stack(row(kind, None, properties), *beside)], table=TABLE, today=SUMMER)
    return found["after"], found["unknown"]


NODES = {
    "instance_types": ["t4g.medium"],
    "capacity_type": "ON_DEMAND",
    "launch_template": {"id": "(known after apply)"},
    "scaling_config": {"min_size": 2, "max_size": 3, "desired_size": 2},
}
TEMPLATE = {"launch_template_data": {"block_device_mappings": [{"ebs": {"volume_size": 30, "volume_type": "gp3"}}]}}
DATABASE = {
    "engine": "postgres",
    "engine_version": "17",
    "db_instance_class": "db.t4g.micro",
    "multi_az": False,
    "storage_type": "gp3",
    "allocated_storage": 20,
    "manage_master_user_password": True,
    "enable_performance_insights": True,
    "performance_insights_retention_period": 7,
}


@pytest.mark.parametrize(
    ("kind", "properties", "usd"),
    [
        ("eks_cluster", {"version": "1.35", "upgrade_policy": {"support_type": "EXTENDED"}}, 73),
        # The last day of standard support is over, and with STANDARD AWS updates the cluster instead.
        ("eks_cluster", {"version": "1.34", "upgrade_policy": {"support_type": "EXTENDED"}}, 438),
        ("eks_cluster", {"version": "1.34", "upgrade_policy": {"support_type": "STANDARD"}}, 73),
        ("nat_gateway", {}, 36.5),
        ("elastic_ip", {}, 3.65),
        ("elastic_ip", {"public_ipv4_pool": "amazon"}, 3.65),
        ("elastic_ip", {"public_ipv4_pool": "ipv4pool-ec2-012345"}, 0),
        ("vpc_endpoint", {"vpc_endpoint_type": "Gateway"}, 0),
        ("vpc_endpoint", {"vpc_endpoint_type": "Interface", "subnet_ids": ["(known after apply)"] * 3}, 21.9),
        # 0.02 * 730 + 20 * 0.1, and the secret of the master user
        ("db_instance", DATABASE, 17),
        ("db_instance", {**DATABASE, "multi_az": True}, 33.6),
        ("kms_key", {"enable_key_rotation": True}, 1),
        ("secret", {}, 0.4),
        # 3 GB come in, and 3 GB are kept for each of 3 months
        ("log_group", {"retention_in_days": 90}, 1.77),
        ("log_group", {"retention_in_days": 3653}, 2.58),
        ("log_group", {}, 2.58),
        ("flow_log", {"log_destination_type": "cloud-watch-logs"}, 0),
        ("s3_bucket", {}, 0.2),
        ("ecr_repository", {}, 0.5),
    ],
)
def test_a_resource_costs_what_its_items_cost(kind: str, properties: dict[str, Any], usd: float) -> None:
    assert after(kind, properties) == (usd, [])


@pytest.mark.parametrize(
    ("kind", "properties", "usd", "sentence"),
    [
        (
            "db_instance",
            {**DATABASE, "db_instance_class": "db.r9z.large"},
            2.4,
            "no price of rds/postgres/db.r9z.large/single",
        ),
        ("db_instance", {**DATABASE, "engine": "mysql"}, 2.4, "no price of rds/mysql/db.t4g.micro/single"),
        ("db_instance", {**DATABASE, "storage_type": "io2", "iops": 4000}, 15, "rds/io2/iops/single"),
        ("db_instance", {**DATABASE, "iops": 4000}, 17, "rds/gp3/iops/single"),
        ("db_instance", {**DATABASE, "performance_insights_retention_period": 731}, 17, "Performance Insights"),
        ("db_instance", {**DATABASE, "engine_version": "13.22"}, 17, "PostgreSQL 13 is in Extended Support"),
        ("vpc_endpoint", {"vpc_endpoint_type": "Interface", "subnet_ids": "(known after apply)"}, 0, "as many zones"),
        ("eks_fargate_profile", {}, 0, "pods on Fargate"),
        ("flow_log", {"log_destination_type": "s3"}, 0, "flow logs that go to a bucket"),
        ("log_group", {"retention_in_days": 30, "log_group_class": "INFREQUENT_ACCESS"}, 0.09, "infrequent-access"),
        ("eks_nodegroup", {**NODES, "capacity_type": "SPOT", "launch_template": None}, 4, "2 Spot nodes of t4g.medium"),
        ("eks_nodegroup", NODES, 58.4, "the size that the machine image says"),
        ("something_new", {}, 0, "nothing says what a something_new is charged for"),
    ],
)
def test_what_has_no_price_is_said_and_not_guessed(
    kind: str, properties: dict[str, Any], usd: float, sentence: str
) -> None:
    found, unknown = after(kind, properties)
    assert found == usd
    assert len([text for text in unknown if sentence in text and text.startswith(f"dev: {kind}.main: ")]) == 1, unknown


def test_nodes_cost_their_instances_and_the_disks_of_their_launch_template() -> None:
    # 2 * (0.04 * 730 + 30 * 0.1); the template of another group is another's
    other = {"launch_template_data": {"block_device_mappings": [{"ebs": {"volume_size": 1000}}]}}
    templates = (row("launch_template", None, TEMPLATE), row("launch_template", None, other, "other"))
    assert after("eks_nodegroup", NODES, *templates) == (64.4, [])
    assert after("eks_nodegroup", {**NODES, "launch_template": None, "disk_size": 50}, *templates) == (68.4, [])
    fast = {"ebs": {"volume_size": 30, "iops": 4000, "throughput": 225}}
    quick = {"launch_template_data": {"block_device_mappings": [fast]}}
    assert after("eks_nodegroup", NODES, row("launch_template", None, quick)) == (64.4 + 2 * (5 + 4), [])


def test_nodes_are_counted_as_they_are_not_as_they_were_declared_to_begin_with() -> None:
    there = {**NODES, "launch_template": None, "scaling_config": {"min_size": 2, "max_size": 6, "desired_size": 5}}
    wanted = {**there, "scaling_config": {"min_size": 2, "max_size": 4, "desired_size": 2}}
    found = estimate([stack(row("eks_nodegroup", there, wanted))], table=TABLE, today=SUMMER)
    assert (found["before"], found["after"]) == (5 * 31.2, 4 * 31.2)


def test_a_plan_costs_what_stands_before_and_what_will_stand_after_by_stack() -> None:
    database = row("db_instance", DATABASE, {**DATABASE, "multi_az": True})
    stacks = [
        stack(row("nat_gateway", None, {}), row("kms_key", {}, None), name="vpc-dev"),
        stack(database, name="postgres-dev"),
        stack(name="eks-prod", account="prod"),
    ]
    found = estimate(stacks, table=TABLE, today=SUMMER)
    assert (found["before"], found["after"], found["currency"]) == (18, 70.1, "USD")
    assert [
        (item["account"], item["region"], item["stack"], item["before"], item["after"]) for item in found["by_stack"]
    ] == [
        ("dev", REGION, "vpc-dev", 1, 36.5),
        ("dev", REGION, "postgres-dev", 17, 33.6),
        ("prod", REGION, "eks-prod", 0, 0),
    ]
    assert found["by_stack"][0]["resources"][1] == {
        "address": "kms_key.main",
        "kind": "kms_key",
        "before": 1,
        "after": 0,
        "complete": True,
    }
    assert json.loads(json.dumps(found)) == found


def test_a_sum_says_how_old_it_is_what_was_taken_for_granted_and_what_nobody_compared() -> None:
    document = copy.deepcopy(DOCUMENT)
    document["regions"][REGION]["kms/key"]["source"] = "memory"  # type: ignore[index]
    found = estimate([stack(row("kms_key", None, {}), row("secret", None, {}))], table=Table(document), today=SUMMER)
    assert found["as_of"] == "2026-01-01"
    assert found["assumptions"][0].startswith("A month has 730 hours")
    assert (
        found["assumptions"][-1] == f"Not compared with AWS's price list yet (make prices does): kms/key in {REGION}."
    )
    nothing = estimate([], table=TABLE)
    assert (nothing["before"], nothing["after"], nothing["unknown"], nothing["as_of"]) == (0, 0, [], "2026-05-01")


def test_a_sentence_comes_once_however_many_resources_it_holds_for() -> None:
    groups = [row("log_group", None, {"retention_in_days": 30}, f"g{number}") for number in range(5)]
    found = estimate([stack(*groups, region="xx-test-1")], table=TABLE, assumed=Assumed(log_group_gb=7), today=SUMMER)
    assert found["unknown"] == [
        f"the table has no prices of xx-test-1, only of {REGION}: make prices REGIONS=xx-test-1 adds them"
    ]
    assert len([text for text in found["assumptions"] if "7 GB" in text]) == 1


def test_what_a_teardown_keeps_has_a_price_of_its_own() -> None:
    assert monthly("kms_key", {}, REGION, table=TABLE)["usd"] == 1
    assert monthly("db_snapshot", {"allocated_storage": 20}, REGION, table=TABLE)["usd"] == 2
    assert monthly("load_balancer", {"type": "network"}, REGION, table=TABLE)["usd"] == 14.6
    assert monthly("ec2_instance", {"instance_type": "m7g.large"}, REGION, table=TABLE)["usd"] == 73
    assert monthly("ebs_volume", {"volume_type": "gp3", "volume_size": 10}, REGION, table=TABLE)["usd"] == 1
    assert monthly("iam_role", {}, REGION, table=TABLE) == {
        "usd": 0,
        "as_of": "2026-05-01",
        "unknown": [],
        "assumptions": [],
    }
    unknown = monthly("ebs_volume", {"volume_size": 10}, REGION, table=TABLE)
    assert unknown["usd"] is None
    assert unknown["unknown"] == [f"ebs_volume: the table has no price of ebs/gp2/storage in {REGION}"]


# The kinds


def test_each_kind_is_charged_for_or_says_why_it_is_not() -> None:
    """A new kind is in one of the three tables of ``charges.py``; look-ups are nothing."""
    lists = [set(CHARGES), set(FREE), set(ELSEWHERE)]
    assert set.union(*lists) == {name for name, kind in ALL_KINDS.items() if not kind.lookup}
    assert sum(map(len, lists)) == len(set.union(*lists))
    assert all(reason.strip() for reason in (*FREE.values(), *ELSEWHERE.values()))
    assert set(BESIDE).isdisjoint(ALL_KINDS)


@pytest.mark.parametrize("name", sorted(ALL_KINDS))
def test_a_kind_that_is_charged_for_says_which_of_its_properties_decide(name: str) -> None:
    kind = ALL_KINDS[name]
    assert (kind.priced is not None) == (name in CHARGES or name == "launch_template")
    assert set(kind.priced or ()) <= set(kind.properties)
    assert not any(kind.properties[item].secret for item in kind.priced or ())


class Recorder(dict[str, Any]):
    """Properties that remember which of them were asked for."""

    asked: set[str]

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return super().get(key, default)

    def __getitem__(self, key: str) -> Any:
        self.asked.add(key)
        return super().__getitem__(key)


@pytest.mark.parametrize("name", sorted(CHARGES))
def test_a_charge_reads_only_what_its_kind_calls_deciding_and_all_of_it(name: str) -> None:
    """Otherwise a property that decides wouldn't reach the estimate, or one would be carried along for nothing."""
    samples: dict[str, list[dict[str, Any]]] = {
        "db_instance": [DATABASE, {**DATABASE, "storage_type": "io1"}],
        "eks_nodegroup": [NODES, {**NODES, "launch_template": None}],
        "vpc_endpoint": [{"vpc_endpoint_type": "Interface", "subnet_ids": ["a"]}],
    }
    asked: set[str] = set()
    for sample in samples.get(name, [{}]):
        properties = Recorder(sample)
        properties.asked = asked
        lines(stack(row(name, None, properties)), table=TABLE, today=SUMMER)
    assert asked == set(KINDS[name].priced or ())


def test_every_group_of_charges_has_a_name_for_people() -> None:
    rows = [
        row("eks_nodegroup", None, NODES),
        row("launch_template", None, TEMPLATE),
        row("db_instance", None, DATABASE),
    ]
    assert {line.charge.group for line in lines(stack(*rows), table=TABLE)} <= set(GROUPS)


# The table


def test_the_table_is_as_it_has_to_be() -> None:
    document = json.loads(PATH.read_text())
    assert problems_of(document) == []
    assert PATH.read_text() == dump(document), "one price to a line, as `make prices` writes it"
    assert set(document["sources"]) == {
        price["source"] for prices in document["regions"].values() for price in prices.values()
    }
    newest = max(source["date"] for source in document["sources"].values())
    assert newest <= document["as_of"] <= datetime.datetime.now(datetime.UTC).date().isoformat()


def test_the_table_has_the_regions_of_the_inventories_and_the_nodes_that_karpenter_may_make() -> None:
    table = default()
    texts = [path.read_text() for path in ROOT.glob("inventories/**/*.yml") if not path.is_symlink()]
    variables = [found for text in texts if isinstance(found := yaml.safe_load(text), dict)]
    regions = {found["platform_region"] for found in variables if "platform_region" in found}
    assert regions
    assert regions <= set(table.regions)
    pools = [pool for found in variables for pool in found.get("karpenter_node_pools", [])]
    families = {family for pool in pools for family in pool.get("instance_families", [])}
    assert families
    missing = {
        (family, region) for family in families for region in regions if not table.price(region, f"ec2/{family}.large")
    }
    assert missing == set()


def test_the_prices_of_a_family_go_with_its_sizes() -> None:
    """A slip of the pen stands out: double the size is double the price."""
    sizes = {"small": 0.25, "medium": 0.5, "large": 1, "xlarge": 2, "2xlarge": 4, "4xlarge": 8}
    table = default()
    for region in table.regions:
        for item, found in table.document["regions"][region].items():
            family, _dot, size = item.removeprefix("ec2/").partition(".")
            large = table.price(region, f"ec2/{family}.large")
            if item.startswith("ec2/") and large and size in sizes:
                assert found["usd"] == pytest.approx(large.usd * sizes[size], rel=0.01), f"{region} {item}"


def _changed(change: Callable[[Any], Any]) -> Any:
    document = copy.deepcopy(DOCUMENT)
    change(document)
    return document


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ([], "it is no JSON object"),
        (_changed(lambda it: it.update(schema=2)), "schema is 2"),
        (_changed(lambda it: it.update(currency="EUR")), "currency is 'EUR'"),
        (_changed(lambda it: it.update(as_of="May")), "as_of is 'May'"),
        (_changed(lambda it: it.pop("regions")), "regions is missing or empty"),
        (_changed(lambda it: it["regions"].update(Frankfurt={"secret": 1})), "'Frankfurt' is no Region"),
        (_changed(lambda it: it["regions"][REGION].update({"ec2": {"usd": 1}})), "ec2 needs usd, unit and source"),
        (
            _changed(lambda it: it["regions"][REGION]["secret"].update(unit="hour")),
            "secret is by the month, not by the hour",
        ),
        (_changed(lambda it: it["regions"][REGION]["secret"].update(usd="1")), "secret costs '1'"),
        (_changed(lambda it: it["regions"][REGION]["secret"].update(usd=-1)), "secret costs -1"),
        (_changed(lambda it: it["regions"][REGION]["secret"].update(source="me")), "comes from 'me'"),
        (
            _changed(lambda it: it["regions"][REGION].update({"moon": {"usd": 1, "unit": "hour", "source": "old"}})),
            "moon is no item",
        ),
        (_changed(lambda it: it["sources"]["old"].update(date="long ago")), "has the date 'long ago'"),
        (_changed(lambda it: it["sources"]["old"].update(sure="very")), "is 'very', not one of"),
        (_changed(lambda it: it["eks_standard_support_until"].update({"1.36": "soon"})), "1.36 has 'soon'"),
    ],
)
def test_a_table_that_is_wrong_says_where(document: Any, sentence: str, tmp_path: Path) -> None:
    assert len([text for text in problems_of(document) if sentence in text]) == 1
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(document))
    with pytest.raises(ValueError, match=r"prices\.json"):
        load(path)


def test_a_good_table_has_no_problems() -> None:
    assert problems_of(DOCUMENT) == []


# README.md


def test_the_readme_has_a_row_for_each_group_of_charges_and_the_sum_of_each_environment() -> None:
    database = {**DATABASE, "db_instance_class": "db.none.large", "storage_type": "gp3"}
    environments = {
        "dev": [stack(row("nat_gateway", None, {}), row("db_instance", None, database))],
        "prod": [stack(row("nat_gateway", None, {}, "a"), row("nat_gateway", None, {}, "b"), account="prod")],
    }
    prices = default()
    nat, storage, secret = (prices.price(REGION, item) for item in ("nat-gateway/hours", "rds/gp3/single", "secret"))
    assert nat
    assert storage
    assert secret
    text = docs.cost_lines(environments)
    hours = 730 * nat.usd
    assert f"| NAT gateways | {hours:.0f} | {2 * hours:.0f} | `nat-gateway/hours` {nat.usd:g} per hour |" in text
    assert "| database | 0 and what is unknown | 0 |  |" in text
    assert f"| secrets | {secret.usd:.2f} | 0 | `secret` {secret.usd:g} per month |" in text
    sums = (hours + 20 * storage.usd + secret.usd, 2 * hours)
    assert f"| **together** | **about {sums[0]:.0f}** | **about {sums[1]:.0f}** |  |" in text
    assert f"- dev: db_instance.main: the table has no price of rds/postgres/db.none.large/single in {REGION}" in text


def test_what_is_generated_stands_between_its_marks_and_nothing_else_is_touched() -> None:
    text = "before\n<!-- cost: begin, written by `make docs` -->\nold\n<!-- cost: end -->\nafter\n"
    made = docs.marked(text, "cost", ["new"])
    assert made == text.replace("old\n", "\nnew\n\n")
    assert docs.marked(made, "cost", ["new"]) == made
    with pytest.raises(SystemExit, match="no marks of cost"):
        docs.marked("nothing", "cost", ["new"])
