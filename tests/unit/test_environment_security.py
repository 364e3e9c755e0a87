# Copyright: Innovate platform maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventories' environments declare keeps the rules of security benchmarks, in every one of their stacks.

A rule is a function from resources to the sentences that speak against it. Each is also shown a resource that breaks
it, so that a rule which finds nothing because it looks at nothing is noticed.
"""

from __future__ import annotations

import fnmatch
import functools
import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
import yaml

from ansible_collections.innovate.platform.plugins.module_utils._account_baseline.baseline import (
    Baseline,
    account_baseline_resources,
)
from ansible_collections.innovate.platform.plugins.module_utils._kinds.registry import KINDS
from ansible_collections.innovate.platform.plugins.module_utils._security.archive import (
    LOGS,
    Archive,
    archive_resources,
)
from ansible_collections.innovate.platform.plugins.module_utils._security.services import (
    Security,
    Trail,
    security_resources,
)
from tools.environments import declared_stacks, environments
from tools.results import ROOT

ALL = pytest.mark.parametrize("environment", environments())
Item = Mapping[str, Any]
Rule = Callable[[Sequence[Item]], Iterator[str]]


@functools.cache
def declared() -> dict[str, list[dict[str, Any]]]:
    return declared_stacks()


def resources(environment: str) -> list[Item]:
    """Everything that the stacks of an environment declare."""
    return [item for stack in declared()[environment] for item in stack["resources"]]


def of(kind: str, items: Sequence[Item]) -> list[Mapping[str, Any]]:
    return [item["properties"] for item in items if item["kind"] == kind]


def many(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


# Networks


def open_groups(items: Sequence[Item]) -> Iterator[str]:
    """Name ingress from anywhere beyond private networks (FSBP EC2.18, EC2.19)."""
    for group in of("security_group", items):
        for rule in group.get("ingress") or ():
            cidr = rule.get("cidr_ipv4") or rule.get("cidr_ipv6")
            network = ipaddress.ip_network(cidr) if cidr else None
            if network and (network.prefixlen == 0 or not network.is_private):
                yield f"{group['group_name']} lets {cidr} in"


def unlogged_networks(items: Sequence[Item]) -> Iterator[str]:
    """Name VPCs without a flow log of everything that goes to a log group with a retention (FSBP EC2.6)."""
    groups = {group["log_group_name"]: group.get("retention_in_days") for group in of("log_group", items)}
    for item in items:
        if item["kind"] == "vpc":
            wanted = f"${{vpc.{item['name']}.id}}"
            logs = [log for log in of("flow_log", items) if log["resource_id"] == wanted]
            if not [log for log in logs if log["traffic_type"] == "ALL" and groups.get(log["log_group_name"])]:
                yield f"vpc.{item['name']} has no flow log"


def subnets_without_acl(items: Sequence[Item]) -> Iterator[str]:
    """Name subnets that have the VPC's own ACL, and ACLs without subnets (FSBP EC2.16, EC2.21)."""
    guarded = {subnet for acl in of("network_acl", items) for subnet in acl["subnet_ids"]}
    for item in items:
        if item["kind"] == "subnet" and f"${{subnet.{item['name']}.id}}" not in guarded:
            yield f"subnet.{item['name']} has no ACL of its own"
        if item["kind"] == "network_acl" and not item["properties"]["subnet_ids"]:
            yield f"network_acl.{item['name']} guards nothing"


def public_addresses(items: Sequence[Item]) -> Iterator[str]:
    """Name subnets and launch templates that give instances public addresses (FSBP EC2.9, EC2.15, EC2.25)."""
    yield from (f"subnet {item['cidr_block']}" for item in of("subnet", items) if item.get("map_public_ip_on_launch"))
    for template in of("launch_template", items):
        interfaces = template["launch_template_data"].get("network_interfaces") or ()
        if any(interface.get("associate_public_ip_address") for interface in interfaces):
            yield template["launch_template_name"]


def weak_templates(items: Sequence[Item]) -> Iterator[str]:
    """Name templates without IMDSv2 or with disks in the clear (FSBP EC2.8, EC2.170, EC2.181)."""
    for template in of("launch_template", items):
        data = template["launch_template_data"]
        if (data.get("metadata_options") or {}).get("http_tokens") != "required":
            yield f"{template['launch_template_name']} takes IMDSv1"
        disks = [mapping["ebs"] for mapping in data.get("block_device_mappings") or () if "ebs" in mapping]
        if not disks or not all(disk.get("encrypted") for disk in disks):
            yield f"{template['launch_template_name']} has a disk in the clear"


# IAM and keys


def statements(items: Sequence[Item]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the statements of all policies that are declared: those of roles and those of their own."""
    for role in of("iam_role", items):
        for policy in (role.get("policies") or {}).values():
            yield from ((role["role_name"], statement) for statement in many(policy["Statement"]))
    for policy in of("iam_policy", items):
        yield from ((policy["policy_name"], item) for item in many(policy["policy_document"]["Statement"]))


def wildcard_policies(items: Sequence[Item]) -> Iterator[str]:
    """Name policies that allow every action, or every action of a service (FSBP IAM.1, IAM.21)."""
    for owner, statement in statements(items):
        if statement["Effect"] == "Allow":
            if "NotAction" in statement:
                yield f"{owner} allows all but some"
            wide = [action for action in many(statement.get("Action", [])) if action == "*" or action.endswith(":*")]
            yield from (f"{owner} allows {action}" for action in wide)
    for role in of("iam_role", items):
        managed = [str(arn).rpartition("/")[2] for arn in role.get("managed_policy_arns") or ()]
        yield from (f"{role['role_name']} has {name}" for name in managed if name == "AdministratorAccess")


def decryption_everywhere(items: Sequence[Item]) -> Iterator[str]:
    """Name policies that decrypt with every key there is (FSBP KMS.1, KMS.2)."""
    for owner, statement in statements(items):
        actions = [str(action).lower() for action in many(statement.get("Action", []))]
        decrypts = any(fnmatch.fnmatchcase(name, action) for action in actions for name in ("kms:decrypt",))
        everything = any(str(what) == "*" or ":key/*" in str(what) for what in many(statement.get("Resource", [])))
        if statement["Effect"] == "Allow" and decrypts and everything:
            yield f"{owner} decrypts with every key"


def trusted_by_anybody(items: Sequence[Item]) -> Iterator[str]:
    """Name resources whose policy lets everybody in (CIS AWS 2.21, FSBP SQS.3, KMS.5)."""
    policies = [(role["role_name"], role["assume_role_policy_document"]) for role in of("iam_role", items)]
    policies += [(queue["queue_name"], queue["policy"]) for queue in of("sqs_queue", items) if queue.get("policy")]
    policies += [(key["description"], key["policy"]) for key in of("kms_key", items) if key.get("policy")]
    for owner, policy in policies:
        for statement in many(policy["Statement"]):
            principal = statement.get("Principal")
            named = principal.values() if isinstance(principal, Mapping) else [principal]
            if statement["Effect"] == "Allow" and any("*" in many(value) for value in named):
                yield f"{owner} trusts everybody"


def keys_that_stay_the_same(items: Sequence[Item]) -> Iterator[str]:
    """Name keys that AWS doesn't rotate (CIS AWS 4.6, FSBP KMS.4)."""
    for key in of("kms_key", items):
        rotated = key.get("enable_key_rotation", KINDS["kms_key"].properties["enable_key_rotation"].default)
        if not rotated or not 90 <= key.get("rotation_period_in_days", 365) <= 365:
            yield key["description"]


# Clusters and databases


def weak_clusters(items: Sequence[Item]) -> Iterator[str]:
    """Name clusters that are public, unlogged, in the clear, out of support, or entered otherwise than by entries."""
    for cluster in of("eks_cluster", items):
        logged = {name for part in cluster["logging"]["cluster_logging"] if part["enabled"] for name in part["types"]}
        kept = {
            "reached from the internet": not cluster["resources_vpc_config"]["endpoint_public_access"],
            "not logged": {"api", "audit", "authenticator"} <= logged,
            "secrets in the clear": [part["resources"] for part in cluster["encryption_config"]] == [["secrets"]],
            "entered by a ConfigMap": cluster["access_config"]["authentication_mode"] == "API",
            "in extended support": cluster["upgrade_policy"]["support_type"] == "STANDARD",
        }
        yield from (f"cluster {cluster['name']}: {what}" for what, good in kept.items() if not good)


def weak_databases(items: Sequence[Item]) -> Iterator[str]:
    """Name databases that miss what every database of ours has."""
    groups = {
        f"${{db_parameter_group.{item['name']}.id}}": item["properties"]["parameters"]
        for item in items
        if item["kind"] == "db_parameter_group"
    }
    for database in of("db_instance", items):
        settings = groups.get(str(database.get("db_parameter_group_name")), {})
        kept = {
            "public": database["publicly_accessible"] is False,
            "in the clear": bool(database["storage_encrypted"] and database["kms_key_id"]),
            "deleted by accident": database["deletion_protection"] is True,
            "not backed up": database["backup_retention_period"] >= 7,
            "old": database["auto_minor_version_upgrade"] is True,
            "unnamed snapshots": database["copy_tags_to_snapshot"] is True,
            "not logged": {"postgresql", "upgrade"} <= set(database["enable_cloudwatch_logs_exports"]),
            "not watched": database["monitoring_interval"] > 0,
            "a password in a variable": database["manage_master_user_password"] is True,
            "connections in the clear": settings.get("rds.force_ssl") == "1",
        }
        yield from (f"database {database['db_instance_identifier']}: {what}" for what, good in kept.items() if not good)


def queues_in_the_clear(items: Sequence[Item]) -> Iterator[str]:
    """Name queues that aren't encrypted (FSBP SQS.1)."""
    for queue in of("sqs_queue", items):
        if not queue.get("sqs_managed_sse_enabled") and not queue.get("kms_master_key_id"):
            yield queue["queue_name"]


def item(kind: str, **properties: Any) -> Item:
    return {"kind": kind, "name": "x", "properties": properties}


def role(**properties: Any) -> Item:
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}}]}
    return item("iam_role", **{"role_name": "x", "assume_role_policy_document": trust, **properties})


def allowing(action: Any, resource: Any = "*") -> Item:
    return role(policies={"x": {"Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]}})


def template(**data: Any) -> Item:
    return item("launch_template", launch_template_name="x", launch_template_data=data)


CLUSTER = {
    "name": "x",
    "resources_vpc_config": {"endpoint_public_access": False},
    "logging": {"cluster_logging": [{"types": ["api", "audit", "authenticator"], "enabled": True}]},
    "encryption_config": [{"resources": ["secrets"], "provider": {"key_arn": "x"}}],
    "access_config": {"authentication_mode": "API"},
    "upgrade_policy": {"support_type": "STANDARD"},
}
DATABASE = {
    "db_instance_identifier": "x",
    "publicly_accessible": False,
    "storage_encrypted": True,
    "kms_key_id": "x",
    "deletion_protection": True,
    "backup_retention_period": 7,
    "auto_minor_version_upgrade": True,
    "copy_tags_to_snapshot": True,
    "enable_cloudwatch_logs_exports": ["postgresql", "upgrade"],
    "monitoring_interval": 60,
    "manage_master_user_password": True,
    "db_parameter_group_name": "${db_parameter_group.x.id}",
}
TLS = item("db_parameter_group", parameters={"rds.force_ssl": "1"})
EVERYBODY = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}
BROKEN: list[tuple[Rule, list[Item]]] = [
    (open_groups, [item("security_group", group_name="x", ingress=[{"cidr_ipv4": "0.0.0.0/0"}])]),
    (open_groups, [item("security_group", group_name="x", ingress=[{"cidr_ipv6": "::/0"}])]),
    (open_groups, [item("security_group", group_name="x", ingress=[{"cidr_ipv4": "8.8.8.0/24"}])]),
    (unlogged_networks, [item("vpc")]),
    (
        unlogged_networks,
        [item("vpc"), item("flow_log", resource_id="${vpc.x.id}", traffic_type="REJECT", log_group_name="x")],
    ),
    (subnets_without_acl, [item("subnet", cidr_block="10.0.0.0/24")]),
    (subnets_without_acl, [item("network_acl", subnet_ids=[])]),
    (public_addresses, [item("subnet", cidr_block="10.0.0.0/24", map_public_ip_on_launch=True)]),
    (public_addresses, [template(network_interfaces=[{"associate_public_ip_address": True}])]),
    (weak_templates, [template(metadata_options={"http_tokens": "required"}, block_device_mappings=[{"ebs": {}}])]),
    (weak_templates, [template(block_device_mappings=[{"ebs": {"encrypted": True}}])]),
    (wildcard_policies, [allowing("*")]),
    (wildcard_policies, [allowing(["s3:GetObject", "ec2:*"])]),
    (wildcard_policies, [role(managed_policy_arns=["arn:aws:iam::aws:policy/AdministratorAccess"])]),
    (decryption_everywhere, [allowing("kms:Decrypt")]),
    (decryption_everywhere, [allowing("kms:De*", "arn:aws:kms:*:*:key/*")]),
    (trusted_by_anybody, [role(assume_role_policy_document=EVERYBODY)]),
    (trusted_by_anybody, [item("kms_key", description="x", policy=EVERYBODY)]),
    (trusted_by_anybody, [item("sqs_queue", queue_name="x", policy=EVERYBODY)]),
    (keys_that_stay_the_same, [item("kms_key", description="x", enable_key_rotation=False)]),
    (keys_that_stay_the_same, [item("kms_key", description="x", rotation_period_in_days=2560)]),
    (queues_in_the_clear, [item("sqs_queue", queue_name="x", sqs_managed_sse_enabled=False)]),
    *(
        (weak_clusters, [item("eks_cluster", **{**CLUSTER, **change})])
        for change in (
            {"resources_vpc_config": {"endpoint_public_access": True}},
            {"logging": {"cluster_logging": []}},
            {"encryption_config": []},
            {"access_config": {"authentication_mode": "API_AND_CONFIG_MAP"}},
            {"upgrade_policy": {"support_type": "EXTENDED"}},
        )
    ),
    (weak_databases, [item("db_instance", **DATABASE)]),
    *(
        (weak_databases, [item("db_instance", **{**DATABASE, **change}), TLS])
        for change in (
            {"publicly_accessible": True},
            {"storage_encrypted": False},
            {"deletion_protection": False},
            {"backup_retention_period": 0},
            {"auto_minor_version_upgrade": False},
            {"copy_tags_to_snapshot": False},
            {"enable_cloudwatch_logs_exports": []},
            {"monitoring_interval": 0},
            {"manage_master_user_password": False},
        )
    ),
]


@pytest.mark.parametrize(("rule", "broken"), BROKEN, ids=[rule.__name__ for rule, _broken in BROKEN])
def test_a_rule_finds_what_breaks_it(rule: Rule, broken: list[Item]) -> None:
    assert len(list(rule(broken))) == 1


def test_what_is_good_breaks_no_rule() -> None:
    good = [item("eks_cluster", **CLUSTER), item("db_instance", **DATABASE), TLS, role(), allowing("s3:GetObject", "x")]
    assert [sentence for rule in {rule for rule, _broken in BROKEN} for sentence in rule(good)] == []


# The environments


@ALL
def test_no_security_group_is_open_to_the_internet(environment: str) -> None:
    assert of("security_group", resources(environment))
    assert list(open_groups(resources(environment))) == []


@ALL
def test_everything_that_crosses_a_network_is_logged(environment: str) -> None:
    assert of("vpc", resources(environment))
    assert list(unlogged_networks(resources(environment))) == []


@ALL
def test_every_subnet_has_an_acl_of_its_own_and_every_acl_a_subnet(environment: str) -> None:
    assert len(of("subnet", resources(environment))) == 9
    assert list(subnets_without_acl(resources(environment))) == []


@ALL
def test_nothing_gets_a_public_address_by_itself(environment: str) -> None:
    assert list(public_addresses(resources(environment))) == []


@ALL
def test_nodes_start_with_imdsv2_and_encrypted_disks(environment: str) -> None:
    assert of("launch_template", resources(environment))
    assert list(weak_templates(resources(environment))) == []


@ALL
def test_no_policy_allows_every_action_even_of_one_service(environment: str) -> None:
    assert len(list(statements(resources(environment)))) > 20
    assert list(wildcard_policies(resources(environment))) == []


@ALL
def test_no_policy_decrypts_with_every_key(environment: str) -> None:
    assert list(decryption_everywhere(resources(environment))) == []


@ALL
def test_nothing_trusts_everybody(environment: str) -> None:
    assert list(trusted_by_anybody(resources(environment))) == []


@ALL
def test_every_key_is_rotated_within_a_year(environment: str) -> None:
    assert len(of("kms_key", resources(environment))) == 2
    assert list(keys_that_stay_the_same(resources(environment))) == []


@ALL
def test_clusters_are_private_logged_encrypted_and_supported(environment: str) -> None:
    assert len(of("eks_cluster", resources(environment))) == 1
    assert list(weak_clusters(resources(environment))) == []


@ALL
def test_databases_are_private_encrypted_backed_up_patched_and_watched(environment: str) -> None:
    assert len(of("db_instance", resources(environment))) == 1
    assert list(weak_databases(resources(environment))) == []


@ALL
def test_queues_are_encrypted(environment: str) -> None:
    assert of("sqs_queue", resources(environment))
    assert list(queues_in_the_clear(resources(environment))) == []


def test_in_prod_the_database_has_a_standby_and_every_zone_its_way_out() -> None:
    items = resources("prod")
    assert [database["multi_az"] for database in of("db_instance", items)] == [True]
    assert len(of("nat_gateway", items)) == len({subnet["availability_zone"] for subnet in of("subnet", items)}) == 3
    assert [cluster["deletion_protection"] for cluster in of("eks_cluster", items)] == [True]


@ALL
def test_who_gets_into_a_cluster_is_named(environment: str) -> None:
    """One entry for the administrators' role, and the nodes'; nobody has rights by having made the cluster."""
    entries = of("eks_access_entry", resources(environment))
    assert sorted(entry.get("type", "STANDARD") for entry in entries) == ["EC2_LINUX", "STANDARD"]
    (cluster,) = of("eks_cluster", resources(environment))
    assert cluster["access_config"]["bootstrap_cluster_creator_admin_permissions"] is False


@ALL
def test_network_policies_have_an_effect(environment: str) -> None:
    """The VPC CNI enforces NetworkPolicy objects only where it is told to."""
    (plugin,) = [addon for addon in of("eks_addon", resources(environment)) if addon["addon_name"] == "vpc-cni"]
    assert plugin["configuration_values"]["enableNetworkPolicy"] == "true"


@ALL
def test_services_and_pods_have_roles_and_nobody_has_keys(environment: str) -> None:
    """What acts in AWS is a service, an instance or a pod with a role of its own; people come by other accounts."""
    trusted = [
        principal
        for role in of("iam_role", resources(environment))
        for statement in role["assume_role_policy_document"]["Statement"]
        for principal in statement["Principal"]
    ]
    assert len(trusted) > 5
    assert set(trusted) <= {"Service", "AWS"}
    pods = of("eks_pod_identity_association", resources(environment))
    assert {pod["service_account"] for pod in pods} == {"aws-node", "ebs-csi-controller-sa", "karpenter"}


def test_workloads_stand_in_the_accounts_of_environments_only() -> None:
    """Networks, clusters and databases are played on the group ``environments``, which has no shared account."""
    plays = [
        play
        for name in ("network", "cluster", "database")
        for play in yaml.safe_load((ROOT / f"playbooks/passes/{name}.yml").read_text())
    ]
    assert len(plays) >= 3
    assert {re.split(r"[^a-z_]", play["hosts"])[0] for play in plays} == {"environments"}
    groups = yaml.safe_load((ROOT / "inventories/organization/hosts.yml").read_text())
    assert "management" in groups["management_account"]["hosts"]
    assert "environments" not in groups
    for environment in environments():
        (name,) = yaml.safe_load((ROOT / f"inventories/{environment}/hosts.yml").read_text())["environments"][
            "children"
        ]
        assert name == f"environment_{environment}"


def test_there_is_no_kind_for_users_passwords_or_access_keys() -> None:
    """IAM users can't be made with this collection, so that people and programs have roles only."""
    assert len(KINDS) > 30
    assert [name for name in KINDS if name.startswith(("iam_user", "iam_group", "iam_login", "iam_access_key"))] == []


# The log archive


def test_buckets_of_the_log_archive_are_closed_versioned_and_encrypted() -> None:
    made, problems, _outputs = archive_resources(Archive("example-com-logs", "eu-central-1"))
    assert problems == []
    buckets = {item.name: item.properties for item in made if item.kind == "s3_bucket"}
    assert set(buckets) == set(LOGS)
    defaults = {name: spec.default for name, spec in KINDS["s3_bucket"].properties.items()}
    for name, given in buckets.items():
        bucket = {**defaults, **given}
        assert set(bucket["public_access_block_configuration"].values()) == {True}
        assert len(bucket["public_access_block_configuration"]) == 4
        assert bucket["ownership_controls"] == {"rules": [{"object_ownership": "BucketOwnerEnforced"}]}
        assert bucket["versioning_configuration"] == {"status": "Enabled"}
        (rule,) = bucket["lifecycle_configuration"]["rules"]
        assert (rule["status"], rule["expiration"]["days"]) == ("Enabled", 2557)
        (encryption,) = bucket["server_side_encryption_configuration"]["rules"]
        algorithm = encryption["apply_server_side_encryption_by_default"]["sse_algorithm"]
        # Load balancers can't write with a key of ours.
        assert algorithm == ("AES256" if name == "alb" else "aws:kms")
        denied = [item for item in bucket["policy"]["Statement"] if item["Effect"] == "Deny"]
        assert [item["Condition"] for item in denied] == [{"Bool": {"aws:SecureTransport": "false"}}]


def test_the_organizations_trail_is_whole() -> None:
    trail = Trail(bucket="example-com-logs-cloudtrail", key_alias="alias/example-com-logs")
    made, problems, _outputs = security_resources(Security("services", "eu-central-1", ["eu-central-1"], trail=trail))
    assert problems == []
    (given,) = [item.properties for item in made if item.kind == "cloudtrail_trail"]
    declared = {**{name: spec.default for name, spec in KINDS["cloudtrail_trail"].properties.items()}, **given}
    for name in ("is_multi_region_trail", "is_organization_trail", "include_global_service_events"):
        assert declared[name] is True, name
    assert declared["enable_log_file_validation"] is True
    assert declared["kms_key_id"]


# Every account


def test_every_account_has_the_baselines_settings_in_every_region() -> None:
    regions = yaml.safe_load((ROOT / "inventories/shared/all.yml").read_text())["platform_regions"]
    assert len(regions) >= 3
    made, problems, _outputs = account_baseline_resources(Baseline(regions))
    assert problems == []

    def settings(kind: str) -> list[dict[str, Any]]:
        defaults = {name: spec.default for name, spec in KINDS[kind].properties.items()}
        return [{**defaults, **item.properties} for item in made if item.kind == kind]

    for kind in ("ec2_default_vpc", "ec2_account_settings", "ebs_default_encryption", "access_analyzer"):
        assert [item["region"] for item in settings(kind)] == regions, kind
    assert {item["present"] for item in settings("ec2_default_vpc")} == {False}
    for item in settings("ec2_account_settings"):
        assert item["snapshot_block_public_access"] == "block-all-sharing"
        assert item["instance_metadata_defaults"]["http_tokens"] == "required"
    for item, region in zip(settings("ebs_default_encryption"), regions, strict=True):
        assert item["ebs_encryption_by_default"] is True
        assert str(item["kms_key_id"]) == f"${{kms_key.ebs-{region}.arn}}"
    shared = {(item["region"], item["setting_value"]) for item in settings("ssm_service_setting")}
    assert shared == {(region, "Disable") for region in regions}
    (blocked,) = settings("s3_account_public_access_block")
    assert [value for name, value in blocked.items() if name.startswith(("block", "ignore", "restrict"))] == [True] * 4
    (passwords,) = settings("iam_password_policy")
    assert (passwords["minimum_password_length"], passwords["password_reuse_prevention"]) == (14, 24)
