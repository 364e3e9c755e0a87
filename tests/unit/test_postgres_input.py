# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a database makes of good and bad parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.innovate.platform.plugins.module_utils._engine.kind import Observed
from ansible_collections.innovate.platform.plugins.module_utils._engine.plan import Options, make_plan
from ansible_collections.innovate.platform.plugins.module_utils._engine.resource import Ref, Resource
from ansible_collections.innovate.platform.plugins.module_utils._engine.validate import validate
from ansible_collections.innovate.platform.plugins.module_utils._kinds._rds_rules import version_problems
from ansible_collections.innovate.platform.plugins.module_utils._kinds.db_instance import DbInstance
from ansible_collections.innovate.platform.plugins.module_utils._postgres.database import Database, database_resources
from ansible_collections.innovate.platform.plugins.modules.postgres import ARGUMENTS, KINDS

KINDS_BY_NAME = {kind.name: kind() for kind in KINDS}


def database(**changes: Any) -> Database:
    return Database(**{"name": "dev", "vpc": "dev", "region": "eu-central-1", "clusters": ["dev"], **changes})


def problems_of(**changes: Any) -> list[str]:
    resources, problems, _outputs = database_resources(database(**changes))
    return [*problems, *validate(resources, KINDS_BY_NAME)]


def resources_of(**changes: Any) -> dict[str, Resource]:
    resources, problems, _outputs = database_resources(database(**changes))
    assert problems == []
    assert validate(resources, KINDS_BY_NAME) == []
    return {resource.address: resource for resource in resources}


BAD: Mapping[str, tuple[dict[str, Any], str]] = {
    "name with capitals": ({"name": "Dev"}, "name 'Dev': use up to 30 lower-case letters"),
    "name with two hyphens": ({"name": "dev--1"}, "name 'dev--1': use up to 30"),
    "no network": ({"vpc": ""}, "vpc is empty"),
    "nonsense as a version": ({"engine_version": "latest"}, "engine_version 'latest' is no version of PostgreSQL"),
    "a version of long ago": ({"engine_version": "11"}, "engine_version 11: this module knows PostgreSQL 15 and newer"),
    "minor version with automatic upgrades": (
        {"engine_version": "17.4"},
        "engine_version 17.4 names a minor version while auto_minor_version_upgrade",
    ),
    "a class of EC2": ({"instance_class": "t4g.micro"}, "instance_class 't4g.micro' is none of RDS"),
    "a database with a hyphen": ({"database": "my-app"}, "database 'my-app': use up to 63 letters"),
    "a master user with a dot": ({"master_username": "db.admin"}, "master_username 'db.admin': use up to 63"),
    "a reserved master user": ({"master_username": "admin"}, "master_username 'admin' is reserved by RDS"),
    "a privileged port": ({"port": 80}, "port 80: RDS takes 1150 to 65535"),
    "too small a disk": ({"storage": {"allocated": 5}}, "allocated_storage 5: RDS takes 20 to 65536 GiB"),
    "no room to grow": ({"storage": {"allocated": 100, "max_allocated": 101}}, "max_allocated_storage 101: RDS wants"),
    "iops on a small disk": ({"storage": {"allocated": 100, "iops": 6000}}, "gp3 below 400 GiB always has 3000 IOPS"),
    "io2 without iops": ({"storage": {"allocated": 100, "type": "io2"}}, "storage_type io2 needs iops"),
    "throughput on io2": (
        {"storage": {"allocated": 100, "type": "io2", "iops": 3000, "throughput": 500}},
        "storage_throughput belongs to gp3, not to io2",
    ),
    "a storage type that isn't": ({"storage": {"type": "floppy"}}, "'floppy' is not one of gp2, gp3, io1, io2"),
    "open to the world": ({"cidrs": ["0.0.0.0/0"]}, "allowed_cidrs: 0.0.0.0/0 reaches beyond any VPC"),
    "open to a public range": ({"cidrs": ["203.0.112.0/22"]}, "allowed_cidrs: 203.0.112.0/22 reaches beyond any VPC"),
    "open to all private ranges": ({"cidrs": ["10.0.0.0/8"]}, "allowed_cidrs: 10.0.0.0/8 reaches beyond any VPC"),
    "not a range": ({"cidrs": ["10.10.0.1/19"]}, "allowed_cidrs: '10.10.0.1/19' is not an IPv4 network"),
    "a group by name": ({"security_groups": ["bastion"]}, "allowed_security_groups: 'bastion' is not the id"),
    "a cluster twice": ({"clusters": ["dev", "dev"]}, "allowed_clusters: 'dev' is listed 2 times"),
    "an impossible cluster": ({"clusters": ["a b"]}, "cluster_name 'a b': use letters"),
    "backups for a year": (
        {"backup_retention_days": 365},
        "backup_retention_period 365: RDS keeps backups for 0 to 35",
    ),
    "a backup window of a minute": ({"backup_window": "01:00-01:01"}, "preferred_backup_window '01:00-01:01': write"),
    "a maintenance window without a day": (
        {"maintenance_window": "02:30-03:30"},
        "preferred_maintenance_window '02:30",
    ),
    "windows that overlap": (
        {"backup_window": "23:30-00:30", "maintenance_window": "mon:00:00-mon:01:00"},
        "preferred_maintenance_window mon:00:00-mon:01:00 overlaps preferred_backup_window 23:30-00:30",
    ),
    "plaintext connections": ({"parameters": {"rds.force_ssl": 0}}, "rds.force_ssl can't be turned off"),
    "no auditing": (
        {"parameters": {"shared_preload_libraries": "pg_cron"}},
        "must keep pg_stat_statements and pgaudit",
    ),
    "a list as a setting": (
        {"parameters": {"log_statement": ["ddl"]}},
        "parameters.log_statement: ['ddl'] is not a single",
    ),
    "half a week of insights": ({"performance_insights_days": 3}, "performance_insights_retention_period 3: use 7"),
    "logs for 100 days": ({"log_retention_days": 100}, "100 is not one of"),
}


@pytest.mark.parametrize(("changes", "sentence"), BAD.values(), ids=BAD)
def test_a_mistake_gets_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    problems = problems_of(**changes)
    assert problems
    assert all(sentence in problem for problem in problems), problems


def test_all_mistakes_come_together() -> None:
    assert len(problems_of(name="Dev", vpc="", cidrs=["0.0.0.0/0"], parameters={"rds.force_ssl": "0"})) == 4
    assert len(problems_of(port=80, backup_retention_days=365, storage={"allocated": 5})) == 3


def test_a_module_without_options_makes_the_same_as_the_area() -> None:
    given = {name: spec.get("default") for name, spec in ARGUMENTS.items() if not name.startswith("allowed_")}
    assert Database(**{**given, "name": "dev", "vpc": "dev"}, region="eu-central-1") == database(clusters=())


def test_nothing_is_left_open_or_in_the_clear() -> None:
    resources = resources_of()
    instance = resources["db_instance.main"].properties
    assert instance["storage_encrypted"]
    assert not instance["publicly_accessible"]
    assert instance["deletion_protection"]
    assert instance["backup_retention_period"] == 30
    for name in ("kms_key_id", "master_user_secret_kms_key_id", "performance_insights_kms_key_id"):
        assert instance[name] == Ref("kms_key.main", "arn")
    parameters = resources["db_parameter_group.postgres17"].properties["parameters"]
    assert parameters["rds.force_ssl"] == "1"
    assert "pgaudit" in parameters["shared_preload_libraries"].split(",")
    assert resources["subnets_lookup.main"].properties["tier"] == "isolated"
    assert not any("password" in name and isinstance(value, str) for name, value in instance.items())


def test_only_who_is_named_may_connect() -> None:
    group = "sg-0a1b2c3d4e5f67890"
    resources = resources_of(clusters=["dev", "tools"], security_groups=[group], cidrs=["10.10.0.0/19"])
    properties = resources["security_group.main"].properties
    peers = [rule.get("referenced_group_id") or rule["cidr_ipv4"] for rule in properties["ingress"]]
    clusters = [Ref(f"eks_cluster_lookup.{name}", "cluster_security_group_id") for name in ("dev", "tools")]
    assert peers == [*clusters, group, "10.10.0.0/19"]
    assert {(rule["from_port"], rule["to_port"]) for rule in properties["ingress"]} == {(5432, 5432)}
    assert properties["egress"] == []
    assert "run playbooks/cluster.yml first" in resources["eks_cluster_lookup.dev"].hint


def test_a_database_without_clusters_needs_none_to_exist() -> None:
    resources = resources_of(clusters=[])
    assert resources["security_group.main"].properties["ingress"] == []
    assert not any(address.startswith("eks_cluster_lookup.") for address in resources)


def test_the_plan_is_complete_while_nothing_exists() -> None:
    resources = list(resources_of().values())
    plan = make_plan(resources, KINDS_BY_NAME, {}, Options("postgres-dev"))
    assert plan.problems == ()
    assert {change.address for change in plan.changing} == {
        "db_instance.main",
        "db_parameter_group.postgres17",
        "db_subnet_group.main",
        "iam_role.monitoring",
        "kms_alias.main",
        "kms_key.main",
        "log_group.postgresql",
        "log_group.upgrade",
        "security_group.main",
    }
    assert len(plan.missing) == 3
    assert [sentence for sentence in plan.missing if "playbooks/cluster.yml" in sentence] == [
        "eks_cluster_lookup.dev: no eks cluster with cluster_name dev: run playbooks/cluster.yml first"
    ]


def test_a_new_major_version_gets_a_parameter_group_of_its_own() -> None:
    resources = resources_of(engine_version="18", allow_major_version_upgrade=True)
    assert resources["db_parameter_group.postgres18"].properties["db_parameter_group_family"] == "postgres18"


INSTANCE = DbInstance()
PRESENT = {
    "DBInstanceIdentifier": "dev",
    "DBInstanceStatus": "available",
    "Engine": "postgres",
    "EngineVersion": "17.5",
    "AllocatedStorage": 50,
    "MasterUserSecret": {"KmsKeyId": "arn:aws:kms:eu-central-1:123456789012:key/a"},
    "TagList": [],
}
DECLARED = {"engine_version": "17", "allow_major_version_upgrade": False, "allocated_storage": 50}


def observed(**changes: Any) -> Observed:
    return INSTANCE._observed({**PRESENT, **changes})


REFUSED: Mapping[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "older major version": ({}, {"engine_version": "16"}, "17.5 can't be downgraded to 16"),
    "older minor version": ({}, {"engine_version": "17.4"}, "17.5 can't be downgraded to 17.4"),
    "new major version without consent": ({}, {"engine_version": "18"}, "18 is a new major version (17.5 is there)"),
    "smaller disk": ({}, {"allocated_storage": 20}, "its storage can't shrink from 50 to 20 GiB"),
    "limit below the size": ({}, {"max_allocated_storage": 40, "allocated_storage": 20}, "it has 50 GiB already"),
    "another key of the secret": (
        {},
        {"master_user_secret_kms_key_id": "arn:aws:kms:eu-central-1:123456789012:key/b"},
        "the key of the master user's secret can't be changed once it is set",
    ),
    "broken": ({"DBInstanceStatus": "incompatible-restore"}, {}, "its status is incompatible-restore"),
}


@pytest.mark.parametrize(("changes", "wanted", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_rds_can_not_do_is_refused(changes: dict[str, Any], wanted: dict[str, Any], sentence: str) -> None:
    refusals = INSTANCE.refuse(observed(**changes), {**DECLARED, **wanted})
    assert len(refusals) == 1
    assert sentence in refusals[0]


def test_what_rds_does_by_itself_is_no_drift() -> None:
    same = {name: spec.same for name, spec in INSTANCE.properties.items()}
    assert INSTANCE.refuse(observed(), {**DECLARED, "allocated_storage": 20, "max_allocated_storage": 100}) == []
    assert same["allocated_storage"](20, 50)  # type: ignore[misc]
    assert same["engine_version"]("17", "17.5")  # type: ignore[misc]
    assert not same["engine_version"]("1", "17.5")  # type: ignore[misc]


def test_what_waits_for_the_maintenance_window_counts_as_made_unless_it_is_wanted_at_once() -> None:
    waiting = observed(DBInstanceClass="db.t4g.micro", PendingModifiedValues={"DBInstanceClass": "db.t4g.small"})
    assert waiting.properties["db_instance_class"] == "db.t4g.small"
    same = INSTANCE.properties["apply_immediately"].same
    assert same is not None
    assert same(False, waiting.properties["apply_immediately"])
    assert not same(True, waiting.properties["apply_immediately"])


VERSIONS = [
    {"EngineVersion": "15.4", "Status": "deprecated", "ValidUpgradeTarget": [{"EngineVersion": "16.9"}]},
    {"EngineVersion": "16.9", "ValidUpgradeTarget": [{"EngineVersion": "17.5"}, {"EngineVersion": "17.6"}]},
    {"EngineVersion": "17.6", "ValidUpgradeTarget": []},
]


@pytest.mark.parametrize(
    ("present", "wanted", "sentence"),
    [
        (None, "17", ""),
        (None, "18", "dev: RDS offers no postgres 18 here: use one of 16.9, 17.6"),
        (None, "15", "dev: RDS offers no postgres 15 here"),
        ("15.4", "17", "dev: RDS does not upgrade postgres 15.4 to 17 in one step: from there it leads to 16.9"),
        ("16.9", "17", ""),
        ("15.4", "15", ""),
        # Refused already, as a downgrade.
        ("16.9", "15", ""),
    ],
)
def test_only_versions_that_rds_offers_are_wanted(present: str | None, wanted: str, sentence: str) -> None:
    item = {"db_instance_identifier": "dev", "engine": "postgres", "engine_version": wanted}
    problems = version_problems(item, present, VERSIONS)
    assert len(problems) == bool(sentence)
    assert all(sentence in problem for problem in problems)


def test_mistakes_of_all_sorts_come_in_one_answer_a_sentence_each() -> None:
    found = problems_of(
        name="my--db",
        instance_class="t4g.micro",
        cidrs=["0.0.0.0/0"],
        parameters={"rds.force_ssl": 0},
        storage={"allocated": 5},
        backup_window="25:00-26:00",
        log_retention_days=91,
    )
    parts = ("my--db", "t4g.micro", "0.0.0.0/0", "force_ssl", "allocated_storage 5", "25:00", "91 is not one of")
    for part in parts:
        assert any(part in problem for problem in found), part
    # The retention is that of two log groups.
    assert len(found) == len(parts) + 1
