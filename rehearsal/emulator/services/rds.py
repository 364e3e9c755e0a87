# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RDS for PostgreSQL: instances that are real servers, snapshots that are real copies.

https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/
Aurora, proxies, event subscriptions and option groups are left to moto.
"""

from __future__ import annotations

import datetime
import json
import re
import secrets
import shutil
import string
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.logs.models import logs_backends
from moto.secretsmanager.models import secretsmanager_backends

from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.registry import Call, operation, page
from rehearsal.emulator.services import ec2 as network_service
from rehearsal.emulator.services import quotas, tagging
from rehearsal.emulator.services.common import ec2, key_by_id, role_by_arn, subnet_by_id
from rehearsal.emulator.services.rds_catalog import (
    ALL_VERSIONS,
    CERTIFICATES,
    DEFAULT_CERTIFICATE,
    DEFAULT_VERSION,
    PARAMETERS,
    VERSIONS,
    order,
)
from rehearsal.emulator.world import World, letters
from rehearsal.pki import CA_FILE
from rehearsal.postgres import Postgres, Server, Settings

_NAME = re.compile(r"[a-z](?:-?[a-z0-9])*")
#: Words of the engine that can't be the master user's name.
_RESERVED = {"admin", "rdsadmin", "rdsrepladmin", "rds_superuser", "public", "none", "user", "root", "postgres_admin"}


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@dataclass
class Group:
    """A parameter group: only values that differ from the family's."""

    name: str
    family: str
    description: str
    arn: str
    tags: dict[str, str]
    values: dict[str, str] = field(default_factory=dict)


@dataclass
class Subnets:
    """A subnet group."""

    name: str
    description: str
    vpc: str
    subnets: list[str]
    arn: str
    tags: dict[str, str]


@dataclass
class Instance:
    """A database instance. ``doc`` has what DescribeDBInstances shows and doesn't change by itself."""

    doc: dict[str, Any]
    tags: dict[str, str]
    ready: float
    backup: float
    password: str
    wanted_port: int
    subnet_group: str
    group: str
    gone: float | None = None
    modified: float | None = None
    apply: Callable[[], None] | None = None
    pending: dict[str, Any] = field(default_factory=dict)
    pending_reboot: bool = False
    stopped: str | None = None
    secret: str | None = None
    rebooted: float = 0.0
    interfaces: dict[str, str] = field(default_factory=dict)


@dataclass
class Snapshot:
    """A snapshot; ``copy`` is its data, None until the base backup is done."""

    doc: dict[str, Any]
    tags: dict[str, str]
    ready: float
    state: str = "copying"
    home: str = ""
    user: str = ""
    password: str = ""
    database: str = ""


class State:
    """All of one account and region."""

    def __init__(self) -> None:
        self.instances: dict[str, Instance] = {}
        self.groups: dict[str, Group] = {}
        self.subnets: dict[str, Subnets] = {}
        self.snapshots: dict[str, Snapshot] = {}
        self.replications: dict[str, dict[str, Any]] = {}


_managers: dict[str, Postgres] = {}


def postgres(world: World) -> Postgres:
    """The PostgreSQL servers of this emulator."""
    key = str(world.state_dir)
    if key not in _managers:
        _managers[key] = Postgres(world.state_dir)
    return _managers[key]


def reset(world: World) -> None:
    """Stop and remove all servers."""
    postgres(world).clear()


def databases(world: World) -> list[dict[str, Any]]:
    """What people want to know to connect: addresses, databases, users, where the password and the CA are."""
    found = []
    for account, region, state in world.stores("rds"):
        for name, instance in state.instances.items():
            server = postgres(world).servers.get(_key(account, region, name))
            found.append(
                {
                    "account": account,
                    "region": region,
                    "identifier": name,
                    "address": server.address if server else "",
                    "port": server.port if server else 0,
                    "database": instance.doc.get("DBName", "postgres"),
                    "user": instance.doc["MasterUsername"],
                    "secret": instance.doc.get("MasterUserSecret", {}).get("SecretArn", ""),
                    "state": server.state if server else "none",
                    "ca": str(world.state_dir / CA_FILE),
                }
            )
    return found


def _key(account: str, region: str, name: str) -> str:
    return f"{account}-{region}-{name}"


def _state(call: Call) -> State:
    state = call.world.store("rds", call.account, call.region, State)
    for name, instance in list(state.instances.items()):
        _settle(call, state, name, instance)
    return state


def _settle(call: Call, state: State, name: str, instance: Instance) -> None:
    if instance.modified is not None and time.time() >= instance.modified:
        instance.modified = None
        if instance.apply is not None:
            action, instance.apply = instance.apply, None
            action()
    if instance.gone is not None and time.time() >= instance.gone:
        final = [s for s in state.snapshots.values() if s.doc["DBInstanceIdentifier"] == name and s.state == "copying"]
        if not final:
            postgres(call.world).delete(_key(call.account, call.region, name))
            del state.instances[name]
            network_service.release(call, instance.interfaces.values())
            if instance.secret:
                _drop_secret(call, instance.secret)
            return
    _place_interfaces(call, state, instance)


def _place_interfaces(call: Call, state: State, instance: Instance) -> None:
    """Have a network interface in each zone that the instance is in, with the security groups that it has now."""
    network = ec2(call)
    group = state.subnets.get(instance.subnet_group)
    subnets = [subnet_by_id(call, identifier) for identifier in group.subnets] if group is not None else []
    by_zone = {subnet.availability_zone: subnet for subnet in reversed(subnets) if subnet is not None}
    zones = [instance.doc["AvailabilityZone"]]
    zones += [instance.doc["SecondaryAvailabilityZone"]] if instance.doc.get("SecondaryAvailabilityZone") else []
    network_service.release(call, [instance.interfaces.pop(zone) for zone in set(instance.interfaces) - set(zones)])
    groups = [item["VpcSecurityGroupId"] for item in instance.doc["VpcSecurityGroups"]]
    for zone in zones:
        if zone in by_zone and zone not in instance.interfaces:
            made = network_service.managed_interface(network, by_zone[zone], groups, "RDSNetworkInterface")
            made.requester_id = "amazon-rds"
            instance.interfaces[zone] = made.id
        made = network.enis.get(instance.interfaces.get(zone))
        if made is not None and [item.id for item in made.group_set] != groups:
            made._group_set = [network.get_security_group_from_id(identifier) for identifier in groups]


def _used(call: Call) -> set[str]:
    """Subnets, security groups and VPCs that instances stand in."""
    found: set[str] = set()
    state = _state(call)
    for instance in state.instances.values():
        found |= {group["VpcSecurityGroupId"] for group in instance.doc["VpcSecurityGroups"]}
        if instance.subnet_group in state.subnets:
            group = state.subnets[instance.subnet_group]
            found |= {*group.subnets, group.vpc}
    return found


network_service.USERS.append(_used)


# --- errors ---------------------------------------------------------------------------------------------------------


def _value(message: str) -> AwsError:
    return AwsError("InvalidParameterValue", message)


def _combination(message: str) -> AwsError:
    return AwsError("InvalidParameterCombination", message)


def _instance(call: Call, state: State, member: str = "DBInstanceIdentifier") -> Instance:
    name = call[member].rpartition(":")[2].lower()
    if name not in state.instances:
        raise AwsError("DBInstanceNotFound", f"DBInstance {name} not found.")
    return state.instances[name]


def _tags(items: list[dict[str, str]]) -> dict[str, str]:
    tags = {item.get("Key", ""): item.get("Value", "") for item in items}
    if any(key.lower().startswith(("aws:", "rds:")) for key in tags):
        raise _value("Tag keys must not begin with aws: or rds:.")
    return tags


def _tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _paged(call: Call, key: str, items: list[Any]) -> dict[str, Any]:
    some, following = page(items, call.get("Marker"), call.get("MaxRecords"), _value("Invalid marker"))
    return {key: some, **({"Marker": following} if following else {})}


def _check_name(name: str, what: str) -> str:
    lower = name.lower()
    if len(lower) > 63 or not _NAME.fullmatch(lower):
        message = f"The parameter {what} is not a valid identifier. Identifiers must begin with a letter; must contain "
        raise _value(
            message + "only ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two "
            "consecutive hyphens."
        )
    return lower


# --- subnet groups --------------------------------------------------------------------------------------------------


def _subnets_view(call: Call, group: Subnets) -> dict[str, Any]:
    shown = []
    for identifier in group.subnets:
        subnet = subnet_by_id(call, identifier)
        zone = subnet.availability_zone if subnet is not None else f"{call.region}a"
        status = "Active" if subnet is not None else "Inactive"
        shown.append(
            {
                "SubnetIdentifier": identifier,
                "SubnetAvailabilityZone": {"Name": zone},
                "SubnetOutpost": {},
                "SubnetStatus": status,
            }
        )
    return {
        "DBSubnetGroupName": group.name,
        "DBSubnetGroupDescription": group.description,
        "VpcId": group.vpc,
        "SubnetGroupStatus": "Complete",
        "Subnets": shown,
        "DBSubnetGroupArn": group.arn,
        "SupportedNetworkTypes": ["IPV4"],
    }


def _check_subnets(call: Call, identifiers: list[str]) -> str:
    found = [(identifier, subnet_by_id(call, identifier)) for identifier in identifiers]
    missing = [identifier for identifier, subnet in found if subnet is None]
    if missing:
        raise AwsError("InvalidSubnet", f"Some input subnets in :[{', '.join(missing)}] are invalid.")
    subnets = [subnet for _, subnet in found]
    if len({subnet.vpc_id for subnet in subnets}) > 1:
        raise AwsError("InvalidSubnet", "The subnets of a DB subnet group must be in one VPC.")
    zones = sorted({subnet.availability_zone for subnet in subnets})
    if len(zones) < 2:
        message = "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. Current AZ coverage: "
        message += f"{', '.join(zones)}. Add subnets to cover at least 2 AZs."
        raise AwsError("DBSubnetGroupDoesNotCoverEnoughAZs", message)
    return str(subnets[0].vpc_id)


def _subnet_group(state: State, name: str) -> Subnets:
    found = state.subnets.get(name.lower())
    if found is None:
        raise AwsError("DBSubnetGroupNotFoundFault", f"DB subnet group '{name}' does not exist.")
    return found


def _allow(call: Call, quota: str, used: int, code: str, more: int = 1) -> None:
    """Refuse more of something than its quota allows."""
    quotas.allow(
        call, quota, used, lambda limit: AwsError(code, f"The request exceeds the quota of {limit} ({quota})."), more
    )


def _allow_storage(call: Call, state: State, more: int) -> None:
    used = sum(item.doc["AllocatedStorage"] for item in state.instances.values())
    _allow(call, "L-7ADDB58A", used, "StorageQuotaExceeded", more)


@operation("rds", "CreateDBSubnetGroup")
def create_subnet_group(call: Call) -> dict[str, Any]:
    state, name = _state(call), call["DBSubnetGroupName"].lower()
    if name == "default" or len(name) > 255:
        raise _value(f"DBSubnetGroupName {name} is not valid.")
    if name in state.subnets:
        raise AwsError("DBSubnetGroupAlreadyExists", f"The DB subnet group '{name}' already exists.")
    # RDS makes the default groups by itself, of subnets and of parameters; they don't count here.
    _allow(call, "L-48C6BF61", sum(key != "default" for key in state.subnets), "DBSubnetGroupQuotaExceeded")
    vpc = _check_subnets(call, call["SubnetIds"])
    group = Subnets(
        name,
        call["DBSubnetGroupDescription"],
        vpc,
        list(call["SubnetIds"]),
        call.arn(f"subgrp:{name}"),
        _tags(call.get("Tags", [])),
    )
    state.subnets[name] = group
    return {"DBSubnetGroup": _subnets_view(call, group)}


@operation("rds", "DescribeDBSubnetGroups")
def describe_subnet_groups(call: Call) -> dict[str, Any]:
    state = _state(call)
    if "DBSubnetGroupName" in call.params:
        return {"DBSubnetGroups": [_subnets_view(call, _subnet_group(state, call["DBSubnetGroupName"]))]}
    return _paged(call, "DBSubnetGroups", [_subnets_view(call, group) for group in state.subnets.values()])


@operation("rds", "ModifyDBSubnetGroup")
def modify_subnet_group(call: Call) -> dict[str, Any]:
    state = _state(call)
    group = _subnet_group(state, call["DBSubnetGroupName"])
    vpc = _check_subnets(call, call["SubnetIds"])
    users = [i for i in state.instances.values() if i.subnet_group == group.name]
    if users and vpc != group.vpc:
        raise AwsError("InvalidVPCNetworkStateFault", "The DB subnet group is in use and can't move to another VPC.")
    group.vpc, group.subnets = vpc, list(call["SubnetIds"])
    group.description = call.get("DBSubnetGroupDescription", group.description)
    return {"DBSubnetGroup": _subnets_view(call, group)}


@operation("rds", "DeleteDBSubnetGroup")
def delete_subnet_group(call: Call) -> None:
    state = _state(call)
    group = _subnet_group(state, call["DBSubnetGroupName"])
    for name, instance in state.instances.items():
        if instance.subnet_group == group.name:
            message = (
                f"Cannot delete the subnet group '{group.name}' because at least one database instance: {name} is "
            )
            raise AwsError("InvalidDBSubnetGroupStateFault", message + "still using it.")
    del state.subnets[group.name]


# --- parameter groups -----------------------------------------------------------------------------------------------


def _family(version: str) -> str:
    return f"postgres{version.partition('.')[0]}"


def _group(call: Call, state: State, name: str) -> Group:
    lower = name.lower()
    if lower.startswith("default.postgres") and lower[8 + len("postgres") :] in VERSIONS:
        family = lower[8:]
        return state.groups.setdefault(
            lower, Group(lower, family, f"Default parameter group for {family}", call.arn(f"pg:{lower}"), {})
        )
    if lower not in state.groups:
        raise AwsError("DBParameterGroupNotFound", f"DBParameterGroup not found: {name}")
    return state.groups[lower]


def _group_view(group: Group) -> dict[str, Any]:
    return {
        "DBParameterGroupName": group.name,
        "DBParameterGroupFamily": group.family,
        "Description": group.description,
        "DBParameterGroupArn": group.arn,
    }


def effective(group: Group) -> dict[str, str]:
    """The group's values over the family's defaults."""
    defaults = {name: kind.value for name, kind in PARAMETERS.items() if kind.value is not None}
    if group.family in ("postgres13", "postgres14"):
        defaults["rds.force_ssl"] = "0"
    return {**defaults, **group.values}


@operation("rds", "CreateDBParameterGroup")
def create_parameter_group(call: Call) -> dict[str, Any]:
    state, name = _state(call), call["DBParameterGroupName"].lower()
    family = call["DBParameterGroupFamily"]
    if not family.startswith("postgres") or family[8:] not in VERSIONS:
        raise _value(f"ParameterGroupFamily {family} is not a valid parameter group family")
    if not re.fullmatch(r"[a-z](?:-?[a-z0-9.])*", name) or len(name) > 255:
        raise _value(f"The parameter DBParameterGroupName is not a valid identifier: {name}")
    if name in state.groups or name.startswith("default."):
        raise AwsError("DBParameterGroupAlreadyExists", f"Parameter group {name} already exists")
    own = sum(not key.startswith("default.") for key in state.groups)
    _allow(call, "L-DE55804A", own, "DBParameterGroupQuotaExceeded")
    group = Group(name, family, call["Description"], call.arn(f"pg:{name}"), _tags(call.get("Tags", [])))
    state.groups[name] = group
    return {"DBParameterGroup": _group_view(group)}


@operation("rds", "DescribeDBParameterGroups")
def describe_parameter_groups(call: Call) -> dict[str, Any]:
    state = _state(call)
    if "DBParameterGroupName" in call.params:
        return {"DBParameterGroups": [_group_view(_group(call, state, call["DBParameterGroupName"]))]}
    return _paged(call, "DBParameterGroups", [_group_view(group) for group in state.groups.values()])


@operation("rds", "ModifyDBParameterGroup", "ResetDBParameterGroup")
def modify_parameter_group(call: Call) -> dict[str, Any]:
    state = _state(call)
    group = _group(call, state, call["DBParameterGroupName"])
    if group.name.startswith("default."):
        raise AwsError(
            "InvalidDBParameterGroupState",
            f"The parameter group {group.name} can't be modified: it is the default one.",
        )
    given = call.get("Parameters", [])
    if call.operation == "ResetDBParameterGroup" and call.get("ResetAllParameters"):
        given = [{"ParameterName": name, "ApplyMethod": "pending-reboot"} for name in group.values]
    if not given and call.operation == "ModifyDBParameterGroup":
        raise AwsError("MissingParameter", "The request must contain the parameter Parameters.")
    if len(given) > 20:
        raise _value("The request contains more than 20 parameters.")
    for item in given:
        _check_parameter(item, reset=call.operation == "ResetDBParameterGroup")
    reboot = False
    for item in given:
        name = item["ParameterName"]
        if call.operation == "ResetDBParameterGroup":
            group.values.pop(name, None)
        else:
            group.values[name] = item["ParameterValue"]
        reboot = reboot or item.get("ApplyMethod") == "pending-reboot"
    _apply_group(call, state, group, reboot=reboot)
    return {"DBParameterGroupName": group.name}


def _check_parameter(item: dict[str, Any], *, reset: bool) -> None:
    name = item.get("ParameterName", "")
    kind = PARAMETERS.get(name)
    if kind is None:
        raise _value(f"Could not find parameter with name: {name}")
    if not kind.modifiable:
        raise _value(f"The parameter {name} cannot be modified.")
    method = item.get("ApplyMethod")
    if method not in ("immediate", "pending-reboot"):
        raise _value(f"Invalid apply method for {name}: {method}")
    if method == "immediate" and not kind.dynamic:
        raise _combination("cannot use immediate apply method for static parameter")
    if reset:
        return
    value = item.get("ParameterValue")
    if value is None:
        raise AwsError("MissingParameter", f"The parameter {name} needs a ParameterValue.")
    if kind.allowed and not _fits(kind.data_type, kind.allowed, value):
        raise _value(f"Invalid parameter value: {value} for: {name} allowed values are: {kind.allowed}")


def _fits(data_type: str, allowed: str, value: str) -> bool:
    if "{" in value or value.startswith(("LEAST(", "GREATEST(", "SUM(")):
        return data_type == "integer"
    if data_type == "list":
        return all(part.strip() in allowed.split(",") for part in value.split(","))
    if data_type in ("integer", "float") and "," not in allowed:
        match = re.fullmatch(r"(-?[\d.e+]+)-([\d.e+]+)", allowed)
        try:
            number = float(value)
        except ValueError:
            return False
        if match is None:
            return True
        whole = data_type == "float" or number == int(number)
        return whole and float(match.group(1)) <= number <= float(match.group(2))
    return value in allowed.split(",")


def _apply_group(call: Call, state: State, group: Group, *, reboot: bool) -> None:
    for name, instance in state.instances.items():
        if instance.group != group.name:
            continue
        if reboot:
            instance.pending_reboot = True
        _configure(call, name, instance, group)


def _configure(call: Call, name: str, instance: Instance, group: Group) -> None:
    manager, key = postgres(call.world), _key(call.account, call.region, name)
    settings = _settings(instance, group)
    if key in manager.servers:

        def action(server: Server) -> None:
            manager.configure(server, settings)
            manager.reload(server)

        manager.change(key, action)


def _settings(instance: Instance, group: Group) -> Settings:
    values = effective(group)
    return Settings(
        instance.doc["MasterUsername"],
        instance.password,
        instance.doc.get("DBName", ""),
        instance.wanted_port,
        values.get("rds.force_ssl") == "1",
        values,
    )


@operation("rds", "DeleteDBParameterGroup")
def delete_parameter_group(call: Call) -> None:
    state = _state(call)
    group = _group(call, state, call["DBParameterGroupName"])
    if group.name.startswith("default."):
        raise AwsError("InvalidDBParameterGroupState", f"The default parameter group {group.name} can't be deleted.")
    if any(instance.group == group.name for instance in state.instances.values()):
        message = (
            f"One or more database instances are still members of this parameter group {group.name}, so the group "
        )
        raise AwsError("InvalidDBParameterGroupState", message + "cannot be deleted")
    del state.groups[group.name]


def _parameter_views(group: Group | None) -> list[dict[str, Any]]:
    views = []
    for kind in PARAMETERS.values():
        user = group is not None and kind.name in group.values
        value = group.values[kind.name] if group is not None and user else kind.value
        view = {
            "ParameterName": kind.name,
            "Description": kind.description,
            "Source": "user" if user else "system" if kind.value is not None else "engine-default",
            "ApplyType": "dynamic" if kind.dynamic else "static",
            "DataType": kind.data_type,
            "IsModifiable": kind.modifiable,
            "ApplyMethod": "pending-reboot",
        }
        if value is not None:
            view["ParameterValue"] = value
        if kind.allowed:
            view["AllowedValues"] = kind.allowed
        views.append(view)
    return views


@operation("rds", "DescribeDBParameters")
def describe_parameters(call: Call) -> dict[str, Any]:
    group = _group(call, _state(call), call["DBParameterGroupName"])
    source = call.get("Source")
    found = [view for view in _parameter_views(group) if source in (None, "", view["Source"])]
    return _paged(call, "Parameters", found)


@operation("rds", "DescribeEngineDefaultParameters")
def describe_default_parameters(call: Call) -> dict[str, Any]:
    family = call["DBParameterGroupFamily"]
    if not family.startswith("postgres"):
        return call.forward()
    return {"EngineDefaults": {"DBParameterGroupFamily": family, **_paged(call, "Parameters", _parameter_views(None))}}


# --- what is on offer -----------------------------------------------------------------------------------------------


def _targets(version: str) -> list[dict[str, Any]]:
    major = version.partition(".")[0]
    return [
        {
            "Engine": "postgres",
            "EngineVersion": other,
            "Description": f"PostgreSQL {other}-R1",
            "AutoUpgrade": False,
            "IsMajorVersionUpgrade": other.partition(".")[0] != major,
        }
        for other in ALL_VERSIONS
        if order(other) > order(version)
    ]


@operation("rds", "DescribeDBEngineVersions")
def describe_engine_versions(call: Call) -> dict[str, Any]:
    if call.get("Engine") not in (None, "postgres"):
        return call.forward()
    wanted, family = call.get("EngineVersion"), call.get("DBParameterGroupFamily")
    found = []
    for version in ALL_VERSIONS:
        major = version.partition(".")[0]
        if wanted not in (None, version, major) or family not in (None, _family(version)):
            continue
        if call.get("DefaultOnly") and version != (VERSIONS[wanted][-1] if wanted in VERSIONS else DEFAULT_VERSION):
            continue
        found.append(
            {
                "Engine": "postgres",
                "MajorEngineVersion": major,
                "EngineVersion": version,
                "DBParameterGroupFamily": _family(version),
                "DBEngineDescription": "PostgreSQL",
                "DBEngineVersionDescription": f"PostgreSQL {version}-R1",
                "ValidUpgradeTarget": _targets(version),
                "ExportableLogTypes": ["iam-db-auth-error", "postgresql", "upgrade"],
                "SupportsLogExportsToCloudwatchLogs": True,
                "SupportsReadReplica": True,
                "Status": "available",
                "SupportsParallelQuery": False,
                "SupportsGlobalDatabases": False,
                "SupportsBabelfish": False,
                "SupportsCertificateRotationWithoutRestart": True,
                "SupportedCACertificateIdentifiers": list(CERTIFICATES),
                "SupportsIntegrations": True,
                "SupportedFeatureNames": ["Lambda", "s3Export", "s3Import"],
            }
        )
    return _paged(call, "DBEngineVersions", found)


@operation("rds", "DescribeOrderableDBInstanceOptions")
def describe_orderable_options(call: Call) -> dict[str, Any]:
    if call["Engine"] != "postgres":
        return call.forward()
    zones = [{"Name": zone.name} for zone in ec2(call).describe_availability_zones()]
    classes = (
        [call["DBInstanceClass"]]
        if "DBInstanceClass" in call.params
        else [
            f"db.{family}.{size}"
            for family in ("t3", "t4g", "m6i", "m7g", "r6i", "r7g")
            for size in ("medium", "large", "xlarge")
        ]
    )
    versions = [v for v in ALL_VERSIONS if call.get("EngineVersion") in (None, v, v.partition(".")[0])]
    found = [
        {
            "Engine": "postgres",
            "EngineVersion": version,
            "DBInstanceClass": name,
            "LicenseModel": "postgresql-license",
            "AvailabilityZones": zones,
            "MultiAZCapable": True,
            "ReadReplicaCapable": True,
            "Vpc": True,
            "SupportsStorageEncryption": True,
            "StorageType": storage,
            "SupportsIops": storage != "gp2",
            "SupportsStorageThroughput": storage == "gp3",
            "SupportsEnhancedMonitoring": True,
            "SupportsIAMDatabaseAuthentication": True,
            "SupportsPerformanceInsights": True,
            "MinStorageSize": 20,
            "MaxStorageSize": 65536,
            "SupportsStorageAutoscaling": True,
            "SupportedNetworkTypes": ["IPV4", "DUAL"],
        }
        for version in versions
        for name in classes
        if _class_exists(name)
        for storage in ("gp2", "gp3", "io1", "io2")
    ]
    return _paged(call, "OrderableDBInstanceOptions", found)


@operation("rds", "DescribeCertificates")
def describe_certificates(call: Call) -> dict[str, Any]:
    wanted = call.get("CertificateIdentifier")
    if wanted is not None and wanted not in CERTIFICATES:
        raise AwsError("CertificateNotFound", f"Certificate not found: {wanted}")
    found = [
        {
            "CertificateIdentifier": name,
            "CertificateType": "CA",
            "Thumbprint": thumbprint,
            "ValidFrom": datetime.datetime(2021, 5, 25, tzinfo=datetime.UTC),
            "ValidTill": datetime.datetime.fromisoformat(until),
            "CertificateArn": f"arn:{call.partition}:rds:{call.region}::cert:{name}",
            "CustomerOverride": False,
        }
        for name, (thumbprint, until) in CERTIFICATES.items()
        if wanted in (None, name)
    ]
    return {"DefaultCertificateForNewLaunches": DEFAULT_CERTIFICATE, **_paged(call, "Certificates", found)}


@operation("rds", "DescribePendingMaintenanceActions")
def describe_pending_maintenance(call: Call) -> dict[str, Any]:
    """There never is any in a rehearsal."""
    _state(call)
    return {"PendingMaintenanceActions": []}


@operation("rds", "ApplyPendingMaintenanceAction")
def apply_pending_maintenance(call: Call) -> dict[str, Any]:
    raise AwsError("ResourceNotFoundFault", f"No pending maintenance action for {call['ResourceIdentifier']}.")


# --- instances ------------------------------------------------------------------------------------------------------


def _class_exists(name: str) -> bool:
    return name.startswith("db.") and name[3:] in INSTANCE_TYPES


def _status(call: Call, name: str, instance: Instance) -> str:
    server = postgres(call.world).servers.get(_key(call.account, call.region, name))
    now = time.time()
    if instance.gone is not None:
        return "deleting"
    if server is not None and server.state == "failed":
        return "failed"
    if now < instance.ready or server is None or server.state == "starting":
        return "creating"
    if now < instance.backup:
        return "backing-up"
    if instance.stopped:
        return instance.stopped
    if now < instance.rebooted or server.state == "restarting":
        return "rebooting"
    return "modifying" if instance.modified is not None else "available"


def _view(call: Call, state: State, name: str, instance: Instance) -> dict[str, Any]:
    status = _status(call, name, instance)
    group = _group(call, state, instance.group)
    view = {
        **instance.doc,
        "DBInstanceStatus": status,
        "DBSubnetGroup": _subnets_view(call, state.subnets[instance.subnet_group]),
        "DBParameterGroups": [
            {
                "DBParameterGroupName": group.name,
                "ParameterApplyStatus": "pending-reboot" if instance.pending_reboot else "in-sync",
            }
        ],
        "PendingModifiedValues": dict(instance.pending),
        "TagList": _tag_list(instance.tags),
    }
    server = postgres(call.world).servers.get(_key(call.account, call.region, name))
    if status not in ("creating", "failed") and server is not None:
        view["Endpoint"] = {"Address": server.address, "Port": server.port, "HostedZoneId": "Z1RLNUO7B9Q6NB"}
        if instance.doc["BackupRetentionPeriod"]:
            view["LatestRestorableTime"] = _now()
    return view


def _log_groups(call: Call, name: str, types: list[str]) -> None:
    """RDS makes the log groups that it exports to, where they aren't there."""
    logs = logs_backends[call.account][call.region]
    for kind in types:
        title = f"/aws/rds/instance/{name}/{kind}"
        if title not in logs.groups:
            logs.create_log_group(title, {})


_PASSWORD = string.ascii_letters + string.digits + "!#$%&()*+,-.:;<=>?[]^_{|}~"


def _make_secret(call: Call, instance: Instance, key: str | None) -> None:
    name = f"rds!db-{uuid.uuid4()}"
    backend = secretsmanager_backends[call.account][call.region]
    secret = backend.create_managed_secret(
        "rds",
        name,
        secret_string=json.dumps({"username": instance.doc["MasterUsername"], "password": instance.password}),
        description=f"Secret associated with primary RDS DB instance: {instance.doc['DBInstanceArn']}",
        tags=[{"Key": "aws:rds:primaryDBInstanceArn", "Value": instance.doc["DBInstanceArn"]}],
        kms_key_id=key,
    )
    instance.secret = secret.arn
    shown = key_by_id(call, key).arn if key else call.arn(f"key/{uuid.uuid5(uuid.NAMESPACE_URL, call.account)}", "kms")
    instance.doc["MasterUserSecret"] = {"SecretArn": secret.arn, "SecretStatus": "active", "KmsKeyId": shown}


def _drop_secret(call: Call, arn: str) -> None:
    backend = secretsmanager_backends[call.account][call.region]
    for name in [name for name, secret in backend.secrets.items() if getattr(secret, "arn", "") == arn]:
        backend.secrets.pop(name)


def _rewrite_secret(call: Call, instance: Instance) -> None:
    backend = secretsmanager_backends[call.account][call.region]
    text = json.dumps({"username": instance.doc["MasterUsername"], "password": instance.password})
    backend.put_secret_value(instance.secret, text, None, str(uuid.uuid4()), ["AWSCURRENT"])


def _check_password(password: str) -> str:
    if not 8 <= len(password) <= 128 or re.search(r"[/\"@\s]", password):
        raise _value(
            "The parameter MasterUserPassword is not a valid password. Only printable ASCII characters besides "
            "'/', '@', '\"', ' ' may be used, 8 to 128 of them."
        )
    return password


def _check_key(call: Call, identifier: str) -> str:
    key = key_by_id(call, identifier)
    if key is None:
        message = (
            f"The specified KMS key [{identifier}] does not exist, is not enabled or you do not have permissions to "
        )
        raise AwsError("KMSKeyNotAccessibleFault", message + "access it.")
    return str(key.arn)


def _resolve_version(wanted: str | None) -> str:
    if wanted is None:
        return DEFAULT_VERSION
    if wanted in VERSIONS:
        return VERSIONS[wanted][-1]
    if wanted not in ALL_VERSIONS:
        raise _combination(f"Cannot find version {wanted} for postgres")
    return wanted


def _check_storage(size: int, kind: str, iops: int | None, throughput: int | None) -> tuple[int | None, int | None]:
    """The storage's IOPS and throughput (MiB/s), or the refusal of what the type can't have."""
    if kind not in ("gp2", "gp3", "io1", "io2", "standard"):
        raise _value(f"Invalid storage type: {kind}")
    if not 20 <= size <= 65536:
        raise _value(f"Invalid storage size for engine name postgres and storage type {kind}: {size}")
    if kind == "gp3":
        if size < 400:
            if iops not in (None, 3000) or throughput not in (None, 125):
                message = (
                    "You can't specify IOPS or storage throughput for engine postgres and a storage size less than "
                )
                raise _combination(message + "400.")
            return 3000, 125
        return iops or 12000, throughput or 500
    if kind in ("io1", "io2"):
        if iops is None:
            raise _combination(f"You must specify Iops with storage type {kind}.")
        return iops, None
    if iops is not None or throughput is not None:
        raise _combination(f"You can't specify IOPS or storage throughput with storage type {kind}.")
    return None, None


def _check_insights(call: Call, enabled: bool, retention: int | None) -> int | None:
    if not enabled:
        if retention is not None or call.get("PerformanceInsightsKMSKeyId"):
            raise _combination("Performance Insights must be enabled to set its retention period or KMS key.")
        return None
    period = retention or 7
    if period not in (7, 731) and (period % 31 or not 31 <= period <= 713):
        raise _value(
            f"Invalid Performance Insights Retention period. Valid values are: [7, 31, 62, ..., 731]: {period}"
        )
    return period


def _check_groups(call: Call, identifiers: list[str], vpc: str) -> list[dict[str, str]]:
    for identifier in identifiers:
        group = ec2(call).get_security_group_from_id(identifier)
        if group is None:
            raise _value(f"Invalid security group , groupId= {identifier}, groupName=.")
        if group.vpc_id != vpc:
            message = "The DB instance and EC2 security group are in different VPCs. The DB instance is in "
            raise AwsError(
                "InvalidVPCNetworkStateFault", message + f"{vpc} and the EC2 security group is in {group.vpc_id}"
            )
    return [{"VpcSecurityGroupId": identifier, "Status": "active"} for identifier in identifiers]


def _check_monitoring(call: Call, interval: int, role: str | None) -> None:
    if interval not in (0, 1, 5, 10, 15, 30, 60):
        raise _value(f"Invalid monitoring interval: {interval}")
    if interval and not role:
        message = "A MonitoringRoleARN value is required if you specify a MonitoringInterval value other than 0."
        raise _combination(message)
    if role and role_by_arn(call, role) is None:
        message = (
            "IAM role ARN value is invalid or does not include the required permissions for: ENHANCED_MONITORING: "
        )
        raise _value(message + role)


def _check_logs(types: list[str]) -> list[str]:
    for kind in types:
        if kind not in ("postgresql", "upgrade", "iam-db-auth-error"):
            raise _combination(f"You cannot use the log types '{kind}' with engine version postgres.")
    return sorted(types)


def _check_class(name: str) -> str:
    if not _class_exists(name):
        raise _value(f"Invalid DB Instance class: {name}")
    return name


def _check_group_family(group: Group, version: str) -> Group:
    if group.family != _family(version):
        message = f"The Parameter Group {group.name} with DBParameterGroupFamily {group.family} can't be used for this "
        raise _combination(
            message + f"instance. Please use a Parameter Group with DBParameterGroupFamily {_family(version)}"
        )
    return group


@operation("rds", "CreateDBInstance")
def create_instance(call: Call) -> dict[str, Any]:
    if call["Engine"] != "postgres":
        raise AwsError("NotImplemented", f"The emulator offers the engine postgres, not {call['Engine']}.", status=501)
    state = _state(call)
    name = _check_name(call["DBInstanceIdentifier"], "DBInstanceIdentifier")
    if name in state.instances:
        raise AwsError("DBInstanceAlreadyExists", "DB instance already exists")
    user = call.get("MasterUsername")
    if not user:
        raise AwsError("MissingParameter", "The request must contain the parameter MasterUsername.")
    if user.lower() in _RESERVED or user.lower().startswith("pg_"):
        raise _value(f"MasterUsername {user} cannot be used as it is a reserved word used by the engine")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", user):
        raise _value(f"MasterUsername {user} is not valid.")
    managed = call.get("ManageMasterUserPassword", False)
    if managed and "MasterUserPassword" in call.params:
        raise _combination("You can't specify MasterUserPassword together with ManageMasterUserPassword.")
    if not managed and "MasterUserPassword" not in call.params:
        raise AwsError("MissingParameter", "The request must contain the parameter MasterUserPassword.")
    if not managed and "MasterUserSecretKmsKeyId" in call.params:
        raise _combination("MasterUserSecretKmsKeyId needs ManageMasterUserPassword.")
    password = _random_password() if managed else _check_password(call["MasterUserPassword"])
    if call.get("MasterUserSecretKmsKeyId"):
        _check_key(call, call["MasterUserSecretKmsKeyId"])
    if "AllocatedStorage" not in call.params:
        raise AwsError("MissingParameter", "The request must contain the parameter AllocatedStorage.")
    version = _resolve_version(call.get("EngineVersion"))
    return _create(call, state, name, dict(call.params), version, password, managed, None)


def _random_password() -> str:
    return "".join(secrets.choice(_PASSWORD) for _ in range(32))


def _create(  # noqa: PLR0915 - one statement per member
    call: Call,
    state: State,
    name: str,
    given: dict[str, Any],
    version: str,
    password: str,
    managed: bool,
    source: Callable[[Server], None] | None,
) -> dict[str, Any]:
    subnet_group = _subnet_group(state, given.get("DBSubnetGroupName", "default"))
    database = given.get("DBName")
    if database is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", database):
        raise _value("DBName must begin with a letter and contain only alphanumeric characters.")
    port = given.get("Port", 5432)
    _check_port(port)
    _check_class(given["DBInstanceClass"])
    kind = given.get("StorageType", "gp3" if given.get("Iops") is None else "io1")
    size = given["AllocatedStorage"]
    iops, throughput = _check_storage(size, kind, given.get("Iops"), given.get("StorageThroughput"))
    _allow(call, "L-7B6409FD", len(state.instances), "InstanceQuotaExceeded")
    _allow_storage(call, state, size)
    if given.get("MaxAllocatedStorage") is not None and given["MaxAllocatedStorage"] < size * 1.1:
        raise _combination("Max storage size must be at least 10% greater than storage size")
    retention = given.get("BackupRetentionPeriod", 1)
    if not 0 <= retention <= 35:
        raise _value(f"Invalid backup retention period: {retention}. Must be between 0 and 35.")
    group = _group(call, state, given.get("DBParameterGroupName", f"default.{_family(version)}"))
    _check_group_family(group, version)
    groups = given.get("VpcSecurityGroupIds") or [
        g.id for g in ec2(call).groups.get(subnet_group.vpc, {}).values() if g.name == "default"
    ]
    memberships = _check_groups(call, groups, subnet_group.vpc)
    encrypted = given.get("StorageEncrypted", False)
    if given.get("KmsKeyId") and not encrypted:
        raise _combination("KmsKeyId can only be specified with StorageEncrypted.")
    insights = given.get("EnablePerformanceInsights", False)
    period = _check_insights(call, insights, given.get("PerformanceInsightsRetentionPeriod"))
    interval, monitor = given.get("MonitoringInterval", 0), given.get("MonitoringRoleArn")
    _check_monitoring(call, interval, monitor)
    exports = _check_logs(given.get("EnableCloudwatchLogsExports", []))
    certificate = given.get("CACertificateIdentifier", DEFAULT_CERTIFICATE)
    if certificate not in CERTIFICATES:
        raise AwsError("CertificateNotFound", f"Certificate not found: {certificate}")
    zones = [subnet_by_id(call, s).availability_zone for s in subnet_group.subnets if subnet_by_id(call, s) is not None]
    multi = given.get("MultiAZ", False)
    zone = given.get("AvailabilityZone")
    if multi and zone:
        raise _combination("Requesting a specific availability zone is not valid for Multi-AZ instances.")
    if zone and zone not in zones:
        raise _combination(f"Cannot create a database instance in {zone}: the DB subnet group has no subnet there.")
    doc: dict[str, Any] = {
        "DBInstanceIdentifier": name,
        "DBInstanceArn": call.arn(f"db:{name}"),
        "DbiResourceId": f"db-{letters(26)}",
        "DBInstanceClass": given["DBInstanceClass"],
        "Engine": "postgres",
        "EngineVersion": version,
        "EngineLifecycleSupport": given.get("EngineLifecycleSupport", "open-source-rds-extended-support"),
        "LicenseModel": "postgresql-license",
        "MasterUsername": given["MasterUsername"],
        "AllocatedStorage": size,
        "StorageType": kind,
        "InstanceCreateTime": _now(),
        "PreferredBackupWindow": given.get("PreferredBackupWindow", "02:00-02:30"),
        "PreferredMaintenanceWindow": given.get("PreferredMaintenanceWindow", "sun:04:00-sun:04:30").lower(),
        "BackupRetentionPeriod": retention,
        "BackupTarget": given.get("BackupTarget", "region"),
        "DBSecurityGroups": [],
        "VpcSecurityGroups": memberships,
        "AvailabilityZone": zone or zones[0],
        "MultiAZ": multi,
        "AutoMinorVersionUpgrade": given.get("AutoMinorVersionUpgrade", True),
        "ReadReplicaDBInstanceIdentifiers": [],
        "OptionGroupMemberships": [
            {
                "OptionGroupName": given.get("OptionGroupName", f"default:postgres-{version.partition('.')[0]}"),
                "Status": "in-sync",
            }
        ],
        "PubliclyAccessible": given.get("PubliclyAccessible", False),
        "DbInstancePort": 0,
        "StorageEncrypted": encrypted,
        "CACertificateIdentifier": certificate,
        "CertificateDetails": {
            "CAIdentifier": certificate,
            "ValidTill": _now().replace(microsecond=0) + datetime.timedelta(days=365),
        },
        "DomainMemberships": [],
        "CopyTagsToSnapshot": given.get("CopyTagsToSnapshot", False),
        "MonitoringInterval": interval,
        "IAMDatabaseAuthenticationEnabled": given.get("EnableIAMDatabaseAuthentication", False),
        "DatabaseInsightsMode": given.get("DatabaseInsightsMode", "standard"),
        "PerformanceInsightsEnabled": insights,
        "DeletionProtection": given.get("DeletionProtection", False),
        "AssociatedRoles": [],
        "CustomerOwnedIpEnabled": False,
        "NetworkType": given.get("NetworkType", "IPV4"),
        "ActivityStreamStatus": "stopped",
        "DedicatedLogVolume": given.get("DedicatedLogVolume", False),
        "IsStorageConfigUpgradeAvailable": False,
        "MultiTenant": False,
    }
    optional = {
        "DBName": database,
        "Iops": iops,
        "StorageThroughput": throughput,
        "MaxAllocatedStorage": given.get("MaxAllocatedStorage"),
        "SecondaryAvailabilityZone": next((z for z in zones if z != doc["AvailabilityZone"]), None) if multi else None,
        "MonitoringRoleArn": monitor,
        "EnabledCloudwatchLogsExports": exports or None,
        "PerformanceInsightsRetentionPeriod": period,
    }
    doc.update({key: value for key, value in optional.items() if value is not None})
    if encrypted:
        doc["KmsKeyId"] = _check_key(call, given.get("KmsKeyId", "alias/aws/rds"))
        doc["StorageEncryptionType"] = "sse-kms" if given.get("KmsKeyId") else "sse-rds"
    if insights:
        doc["PerformanceInsightsKMSKeyId"] = _check_key(call, given.get("PerformanceInsightsKMSKeyId", "alias/aws/rds"))
    tags = _tags(given.get("Tags", []))
    ready = call.world.due("rds-instance-multi-az" if multi else "rds-instance")
    backup = ready + (call.world.pace * 0.5 if retention else 0)
    instance = Instance(doc, tags, ready, backup, password, port, subnet_group.name, group.name)
    if managed:
        _make_secret(call, instance, given.get("MasterUserSecretKmsKeyId"))
    _log_groups(call, name, exports)
    state.instances[name] = instance
    _place_interfaces(call, state, instance)
    postgres(call.world).create(_key(call.account, call.region, name), _settings(instance, group), source)
    return {"DBInstance": _view(call, state, name, instance)}


def _filtered(call: Call, name: str, doc: dict[str, Any]) -> bool:
    for item in call.get("Filters", []):
        have = {
            "db-instance-id": {name, doc["DBInstanceArn"]},
            "dbi-resource-id": {doc["DbiResourceId"]},
            "engine": {doc["Engine"]},
            "db-cluster-id": set(),
            "domain": set(),
        }.get(item["Name"])
        if have is None:
            raise _value(f"Unrecognized filter name: {item['Name']}")
        if not have & set(item["Values"]):
            return False
    return True


@operation("rds", "DescribeDBInstances")
def describe_instances(call: Call) -> dict[str, Any]:
    state = _state(call)
    if "DBInstanceIdentifier" in call.params:
        instance = _instance(call, state)
        return {"DBInstances": [_view(call, state, instance.doc["DBInstanceIdentifier"], instance)]}
    found = [_view(call, state, name, i) for name, i in state.instances.items() if _filtered(call, name, i.doc)]
    return _paged(call, "DBInstances", found)


#: Members of ModifyDBInstance that wait for the maintenance window unless ApplyImmediately is set.
_DEFERRED = {
    "DBInstanceClass",
    "AllocatedStorage",
    "EngineVersion",
    "MultiAZ",
    "Iops",
    "StorageThroughput",
    "StorageType",
    "CACertificateIdentifier",
    "DBSubnetGroupName",
    "DedicatedLogVolume",
    "NewDBInstanceIdentifier",
    "MasterUserPassword",
    "BackupRetentionPeriod",
    "EnableIAMDatabaseAuthentication",
}
_RENAMED = {
    "EnableIAMDatabaseAuthentication": "IAMDatabaseAuthenticationEnabled",
    "EnablePerformanceInsights": "PerformanceInsightsEnabled",
}
_PLAIN = {
    "DBInstanceClass",
    "AllocatedStorage",
    "MultiAZ",
    "Iops",
    "StorageThroughput",
    "StorageType",
    "CACertificateIdentifier",
    "BackupRetentionPeriod",
    "PreferredBackupWindow",
    "PreferredMaintenanceWindow",
    "AutoMinorVersionUpgrade",
    "CopyTagsToSnapshot",
    "MonitoringInterval",
    "MonitoringRoleArn",
    "PubliclyAccessible",
    "DeletionProtection",
    "MaxAllocatedStorage",
    "DatabaseInsightsMode",
    "PerformanceInsightsRetentionPeriod",
    "NetworkType",
    "DedicatedLogVolume",
    "EngineVersion",
    "EnableIAMDatabaseAuthentication",
    "EnablePerformanceInsights",
    "EngineLifecycleSupport",
}


@operation("rds", "ModifyDBInstance")
def modify_instance(call: Call) -> dict[str, Any]:  # noqa: PLR0915 - one statement per member
    state = _state(call)
    instance = _instance(call, state)
    doc, name = instance.doc, instance.doc["DBInstanceIdentifier"]
    if _status(call, name, instance) not in ("available", "storage-optimization"):
        raise AwsError("InvalidDBInstanceState", "Database instance is not in available state.")
    changes: dict[str, Any] = {}
    for member in _PLAIN & call.params.keys():
        changes[_RENAMED.get(member, member)] = call[member]
    _check_changes(call, state, instance, changes)
    _allow_storage(call, state, max(0, changes.get("AllocatedStorage", 0) - doc["AllocatedStorage"]))
    now = call.get("ApplyImmediately", False)
    later = {key: value for key, value in changes.items() if doc.get(key) != value}
    waiting = {_RENAMED.get(member, member) for member in _DEFERRED}
    if not now:
        deferred = {key: value for key, value in later.items() if key in waiting}
        instance.pending.update(deferred)
        later = {key: value for key, value in later.items() if key not in deferred}
    else:
        later.update({key: value for key, value in instance.pending.items() if key in doc and key not in later})
        instance.pending.clear()
    touched = bool(later)
    touched = _modify_password(call, instance, now=now) or touched
    if "VpcSecurityGroupIds" in call.params:
        wanted = _check_groups(call, call["VpcSecurityGroupIds"], state.subnets[instance.subnet_group].vpc)
        if wanted != doc["VpcSecurityGroups"]:
            later["VpcSecurityGroups"], touched = wanted, True
    if "DBParameterGroupName" in call.params:
        version = changes.get("EngineVersion", doc["EngineVersion"])
        group = _check_group_family(_group(call, state, call["DBParameterGroupName"]), version)
        if group.name != instance.group:
            instance.group, instance.pending_reboot, touched = group.name, True, True
            _configure(call, name, instance, group)
    if call.get("DBPortNumber", instance.wanted_port) != instance.wanted_port:
        # "Your database restarts regardless of the value of the ApplyImmediately parameter."
        instance.wanted_port, touched = _check_port(call["DBPortNumber"]), True
        _restart(call, name, instance)
    if "CloudwatchLogsExportConfiguration" in call.params:
        config = call["CloudwatchLogsExportConfiguration"]
        types = set(doc.get("EnabledCloudwatchLogsExports", [])) - set(config.get("DisableLogTypes", []))
        types |= set(_check_logs(config.get("EnableLogTypes", [])))
        _log_groups(call, name, sorted(types))
        later["EnabledCloudwatchLogsExports"], touched = sorted(types), True
    if later.get("PerformanceInsightsEnabled") or (
        doc["PerformanceInsightsEnabled"] and "PerformanceInsightsKMSKeyId" in call.params
    ):
        later.setdefault("PerformanceInsightsRetentionPeriod", call.get("PerformanceInsightsRetentionPeriod", 7))
        key = call.get("PerformanceInsightsKMSKeyId", "alias/aws/rds")
        later["PerformanceInsightsKMSKeyId"] = _check_key(call, key)
    if touched:
        instance.modified = call.world.due("rds-modify")

        def apply() -> None:
            if (
                "EngineVersion" in later
                and later["EngineVersion"].partition(".")[0] != doc["EngineVersion"].partition(".")[0]
            ):
                instance.group = (
                    instance.group
                    if "DBParameterGroupName" in call.params
                    else f"default.{_family(later['EngineVersion'])}"
                )
            doc.update(later)
            if later.get("MultiAZ") is False:
                doc.pop("SecondaryAvailabilityZone", None)
            if later.get("PerformanceInsightsEnabled") is False:
                doc.pop("PerformanceInsightsRetentionPeriod", None)
                doc.pop("PerformanceInsightsKMSKeyId", None)
            if "CACertificateIdentifier" in later:
                doc["CertificateDetails"]["CAIdentifier"] = later["CACertificateIdentifier"]

        instance.apply = apply
        # What decides whether an instance may be deleted holds from the answer on.
        if "DeletionProtection" in later:
            doc["DeletionProtection"] = later.pop("DeletionProtection")
    view = _view(call, state, name, instance)
    return {"DBInstance": view}


def _check_port(port: int) -> int:
    if not 1150 <= port <= 65535:
        raise _value("Invalid database port number: must be between 1150 and 65535.")
    return port


def _restart(call: Call, name: str, instance: Instance) -> None:
    """Start the server anew, where it shall listen now and with what waits for a restart."""
    manager, key = postgres(call.world), _key(call.account, call.region, name)
    settings = _settings(instance, _group(call, _state(call), instance.group))

    def again(server: Server) -> None:
        manager.halt(server)
        server.state = "restarting"
        manager.start(server, settings)
        server.state = "running"

    instance.pending_reboot = False
    manager.servers[key].state = "restarting"
    manager.change(key, again)


def _check_changes(call: Call, state: State, instance: Instance, changes: dict[str, Any]) -> None:
    doc = instance.doc
    if "EngineVersion" in changes:
        version = changes["EngineVersion"] = _resolve_version(changes["EngineVersion"])
        if order(version) < order(doc["EngineVersion"]):
            raise _combination(f"Cannot upgrade postgres from {doc['EngineVersion']} to {version}")
        if version.partition(".")[0] != doc["EngineVersion"].partition(".")[0]:
            if not call.get("AllowMajorVersionUpgrade"):
                raise _combination(
                    "The AllowMajorVersionUpgrade flag must be present when upgrading to a new major version."
                )
            if "DBParameterGroupName" not in call.params and not instance.group.startswith("default."):
                message = (
                    "Current Parameter Group is non-default. You need to explicitly specify a new Parameter Group in "
                )
                raise _combination(message + "this case (default or custom)")
    if "DBInstanceClass" in changes:
        _check_class(changes["DBInstanceClass"])
    if {"AllocatedStorage", "StorageType", "Iops", "StorageThroughput"} & changes.keys():
        size = changes.get("AllocatedStorage", doc["AllocatedStorage"])
        if size < doc["AllocatedStorage"]:
            message = f"Invalid storage size: {size} is less than the current {doc['AllocatedStorage']} GiB."
            raise _combination(message)
        kind = changes.get("StorageType", doc["StorageType"])
        same = kind == doc["StorageType"]
        iops = changes.get("Iops", doc.get("Iops") if same and size >= 400 else None)
        throughput = changes.get("StorageThroughput", doc.get("StorageThroughput") if same and size >= 400 else None)
        iops, throughput = _check_storage(size, kind, iops, throughput)
        changes.update({k: v for k, v in (("Iops", iops), ("StorageThroughput", throughput)) if v is not None})
    if "BackupRetentionPeriod" in changes and not 0 <= changes["BackupRetentionPeriod"] <= 35:
        raise _value(f"Invalid backup retention period: {changes['BackupRetentionPeriod']}. Must be between 0 and 35.")
    if "MonitoringInterval" in changes:
        role = changes.get("MonitoringRoleArn", doc.get("MonitoringRoleArn"))
        _check_monitoring(call, changes["MonitoringInterval"], role)
    if "CACertificateIdentifier" in changes and changes["CACertificateIdentifier"] not in CERTIFICATES:
        raise AwsError("CertificateNotFound", f"Certificate not found: {changes['CACertificateIdentifier']}")
    if "PerformanceInsightsRetentionPeriod" in changes or "PerformanceInsightsEnabled" in changes:
        enabled = changes.get("PerformanceInsightsEnabled", doc["PerformanceInsightsEnabled"])
        _check_insights(call, enabled, changes.get("PerformanceInsightsRetentionPeriod"))
    if "DBSubnetGroupName" in call.params and call["DBSubnetGroupName"].lower() != instance.subnet_group:
        _subnet_group(state, call["DBSubnetGroupName"])
        raise AwsError("InvalidVPCNetworkStateFault", "You cannot move DB instance to another subnet group of its VPC.")
    for member in ("PreferredMaintenanceWindow",):
        if member in changes:
            changes[member] = changes[member].lower()


def _modify_password(call: Call, instance: Instance, *, now: bool) -> bool:
    managed = call.get("ManageMasterUserPassword")
    new: str | None = None
    if managed is True and instance.secret is None:
        instance.password = new = _random_password()
        _make_secret(call, instance, call.get("MasterUserSecretKmsKeyId"))
    elif managed is False and instance.secret is not None:
        if "MasterUserPassword" not in call.params:
            raise _combination("MasterUserPassword must be given to stop managing it in Secrets Manager.")
        new = _check_password(call["MasterUserPassword"])
        _drop_secret(call, instance.secret)
        instance.secret = None
        instance.doc.pop("MasterUserSecret", None)
    elif call.get("RotateMasterUserPassword"):
        if instance.secret is None:
            raise _combination("RotateMasterUserPassword needs a password that is managed in Secrets Manager.")
        if not now:
            raise _combination("You must specify apply immediately when rotating the master user password.")
        instance.password = new = _random_password()
        _rewrite_secret(call, instance)
    elif "MasterUserPassword" in call.params:
        if instance.secret is not None:
            raise _combination(
                "You can't specify MasterUserPassword for an instance with ManageMasterUserPassword enabled."
            )
        new = _check_password(call["MasterUserPassword"])
    if new is None:
        return False
    instance.password = new
    manager = postgres(call.world)
    user, password = instance.doc["MasterUsername"], new
    key = _key(call.account, call.region, instance.doc["DBInstanceIdentifier"])
    manager.change(key, lambda server: manager.set_password(server, user, password))
    return True


@operation("rds", "DeleteDBInstance")
def delete_instance(call: Call) -> dict[str, Any]:
    state = _state(call)
    instance = _instance(call, state)
    name = instance.doc["DBInstanceIdentifier"]
    if instance.gone is not None:
        raise AwsError("InvalidDBInstanceState", f"Instance {name} is already being deleted.")
    if instance.doc["DeletionProtection"]:
        raise _combination("Cannot delete protected DB Instance, please disable deletion protection and try again.")
    final = call.get("FinalDBSnapshotIdentifier")
    if call.get("SkipFinalSnapshot", False):
        if final:
            raise _combination("FinalDBSnapshotIdentifier can not be specified when deleting with SkipFinalSnapshot.")
    else:
        if not final:
            raise _combination("FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.")
        if _status(call, name, instance) not in ("available", "stopped", "modifying", "backing-up"):
            message = f"Cannot create a snapshot because the database instance {name} is not currently in the "
            message += "available state."
            raise AwsError("InvalidDBInstanceState", message)
        _snapshot(call, state, instance, final, {} if not instance.doc["CopyTagsToSnapshot"] else dict(instance.tags))
    instance.gone = call.world.due("delete")
    return {"DBInstance": _view(call, state, name, instance)}


@operation("rds", "RebootDBInstance", "StopDBInstance", "StartDBInstance")
def restart_instance(call: Call) -> dict[str, Any]:
    state = _state(call)
    instance = _instance(call, state)
    name = instance.doc["DBInstanceIdentifier"]
    manager, key = postgres(call.world), _key(call.account, call.region, name)
    needed = "stopped" if call.operation == "StartDBInstance" else "available"
    if _status(call, name, instance) != needed:
        raise AwsError("InvalidDBInstanceState", f"Instance {name} is not in {needed} state.")
    if call.operation == "StopDBInstance":
        instance.stopped = "stopped"
        manager.change(key, manager.halt)
        return {"DBInstance": _view(call, state, name, instance)}
    settings = _settings(instance, _group(call, state, instance.group))

    def again(server: Server) -> None:
        manager.halt(server)
        manager.configure(server, settings)
        manager.launch(server)
        server.state = "running"

    instance.stopped = None
    instance.pending_reboot = False
    instance.rebooted = call.world.due("rds-modify")
    if call.operation == "StartDBInstance":
        manager.servers[key].state = "starting"
    manager.change(key, again)
    return {"DBInstance": _view(call, state, name, instance)}


# --- snapshots ------------------------------------------------------------------------------------------------------


def _snapshot(call: Call, state: State, instance: Instance, identifier: str, tags: dict[str, str]) -> Snapshot:
    identifier = _check_name(identifier, "DBSnapshotIdentifier")
    if identifier in state.snapshots:
        raise AwsError(
            "DBSnapshotAlreadyExists",
            f"Cannot create the snapshot because a snapshot with the identifier {identifier} already exists.",
        )
    doc, name = instance.doc, instance.doc["DBInstanceIdentifier"]
    shown = {
        "DBSnapshotIdentifier": identifier,
        "DBInstanceIdentifier": name,
        "DBSnapshotArn": call.arn(f"snapshot:{identifier}"),
        "SnapshotCreateTime": _now(),
        "OriginalSnapshotCreateTime": _now(),
        "InstanceCreateTime": doc["InstanceCreateTime"],
        "SnapshotType": "manual",
        "Engine": "postgres",
        "EngineVersion": doc["EngineVersion"],
        "LicenseModel": doc["LicenseModel"],
        "AllocatedStorage": doc["AllocatedStorage"],
        "StorageType": doc["StorageType"],
        "Port": instance.wanted_port,
        "AvailabilityZone": doc["AvailabilityZone"],
        "VpcId": state.subnets[instance.subnet_group].vpc,
        "MasterUsername": doc["MasterUsername"],
        "Encrypted": doc["StorageEncrypted"],
        "DbiResourceId": doc["DbiResourceId"],
        "IAMDatabaseAuthenticationEnabled": doc["IAMDatabaseAuthenticationEnabled"],
        "OptionGroupName": doc["OptionGroupMemberships"][0]["OptionGroupName"],
        "SnapshotTarget": "region",
    }
    for member in ("KmsKeyId", "Iops", "StorageThroughput"):
        if member in doc:
            shown[member] = doc[member]
    snapshot = Snapshot(
        shown,
        tags,
        call.world.due("rds-snapshot"),
        user=doc["MasterUsername"],
        password=instance.password,
        database=doc.get("DBName", ""),
    )
    manager = postgres(call.world)
    home = manager.runtime / f"snapshot-{uuid.uuid4().hex[:12]}"
    snapshot.home = str(home)
    stopped = instance.stopped

    def copy(server: Server) -> None:
        try:
            if stopped:
                home.mkdir(mode=0o711)
                manager.restore_from(server.data)(Server("copy", home))
            else:
                manager.copy_of(server, home / "data")
            snapshot.state = "available"
        except BaseException:
            snapshot.state = "failed"
            raise

    manager.change(_key(call.account, call.region, name), copy)
    state.snapshots[identifier] = snapshot
    return snapshot


def _snapshot_view(snapshot: Snapshot) -> dict[str, Any]:
    done = snapshot.state == "available" and time.time() >= snapshot.ready
    status = "failed" if snapshot.state == "failed" else "available" if done else "creating"
    return {
        **snapshot.doc,
        "Status": status,
        "PercentProgress": 100 if done else 50,
        "TagList": _tag_list(snapshot.tags),
    }


def _find_snapshot(call: Call, state: State, member: str = "DBSnapshotIdentifier") -> Snapshot:
    name = call[member].rpartition(":")[2].lower()
    if name not in state.snapshots:
        raise AwsError("DBSnapshotNotFound", f"DBSnapshot {name} not found.")
    return state.snapshots[name]


@operation("rds", "CreateDBSnapshot")
def create_snapshot(call: Call) -> dict[str, Any]:
    state = _state(call)
    instance = _instance(call, state)
    if _status(call, instance.doc["DBInstanceIdentifier"], instance) not in ("available", "stopped"):
        message = "Cannot create a snapshot because the database instance "
        message += f"{instance.doc['DBInstanceIdentifier']} is not currently in the available state."
        raise AwsError("InvalidDBInstanceState", message)
    tags = _tags(call.get("Tags", []))
    if instance.doc["CopyTagsToSnapshot"]:
        tags = {**instance.tags, **tags}
    return {"DBSnapshot": _snapshot_view(_snapshot(call, state, instance, call["DBSnapshotIdentifier"], tags))}


@operation("rds", "DescribeDBSnapshots")
def describe_snapshots(call: Call) -> dict[str, Any]:
    state = _state(call)
    if "DBSnapshotIdentifier" in call.params:
        return {"DBSnapshots": [_snapshot_view(_find_snapshot(call, state))]}
    wanted = call.get("DBInstanceIdentifier")
    found = [_snapshot_view(s) for s in state.snapshots.values() if wanted in (None, s.doc["DBInstanceIdentifier"])]
    if call.get("SnapshotType") not in (None, "manual"):
        found = []
    return _paged(call, "DBSnapshots", found)


@operation("rds", "DeleteDBSnapshot")
def delete_snapshot(call: Call) -> dict[str, Any]:
    state = _state(call)
    snapshot = _find_snapshot(call, state)
    view = _snapshot_view(snapshot)
    if view["Status"] == "creating":
        raise AwsError("InvalidDBSnapshotState", "The snapshot is not in available state.")
    del state.snapshots[snapshot.doc["DBSnapshotIdentifier"]]
    shutil.rmtree(snapshot.home, ignore_errors=True)
    return {"DBSnapshot": {**view, "Status": "deleted"}}


@operation("rds", "RestoreDBInstanceFromDBSnapshot")
def restore_from_snapshot(call: Call) -> dict[str, Any]:
    state = _state(call)
    snapshot = _find_snapshot(call, state)
    if _snapshot_view(snapshot)["Status"] != "available":
        raise AwsError("InvalidDBSnapshotState", "The snapshot is not in available state.")
    name = _check_name(call["DBInstanceIdentifier"], "DBInstanceIdentifier")
    if name in state.instances:
        raise AwsError("DBInstanceAlreadyExists", "DB instance already exists")
    given: dict[str, Any] = {
        "DBInstanceClass": "db.t4g.medium",
        "StorageEncrypted": snapshot.doc["Encrypted"],
        **{
            k: snapshot.doc[k]
            for k in ("AllocatedStorage", "StorageType", "Port", "MasterUsername", "KmsKeyId")
            if k in snapshot.doc
        },
        **{k: v for k, v in call.params.items() if k not in ("DBSnapshotIdentifier", "DBName", "Engine")},
        **({"DBName": snapshot.database} if snapshot.database else {}),
    }
    managed = call.get("ManageMasterUserPassword", False)
    password = _random_password() if managed else snapshot.password
    source = postgres(call.world).restore_from(Path(snapshot.home) / "data")
    return _create(call, state, name, given, snapshot.doc["EngineVersion"], password, managed, source)


@operation("rds", "RestoreDBInstanceToPointInTime")
def restore_to_point_in_time(call: Call) -> dict[str, Any]:
    """The source as it is now: the rehearsal keeps no write-ahead log."""
    state = _state(call)
    if "SourceDBInstanceIdentifier" not in call.params:
        raise AwsError("MissingParameter", "The request must contain the parameter SourceDBInstanceIdentifier.")
    if ("RestoreTime" in call.params) == bool(call.get("UseLatestRestorableTime")):
        raise _combination("Specify either RestoreTime or UseLatestRestorableTime.")
    source = _instance(call, state, "SourceDBInstanceIdentifier")
    if not source.doc["BackupRetentionPeriod"]:
        raise AwsError("PointInTimeRestoreNotEnabled", "Point in time restore is not enabled for the source instance.")
    name = _check_name(call["TargetDBInstanceIdentifier"], "TargetDBInstanceIdentifier")
    if name in state.instances:
        raise AwsError("DBInstanceAlreadyExists", "DB instance already exists")
    if "RestoreTime" in call.params and not source.doc["InstanceCreateTime"] <= call["RestoreTime"] <= _now():
        raise AwsError("InvalidRestoreFault", "Cannot restore to that time.")
    manager = postgres(call.world)
    original = manager.servers[_key(call.account, call.region, source.doc["DBInstanceIdentifier"])]

    def copy(server: Server) -> None:
        manager.copy_of(original, server.data)

    left = ("SourceDBInstanceIdentifier", "TargetDBInstanceIdentifier", "RestoreTime", "UseLatestRestorableTime")
    inherited = (
        "DBInstanceClass",
        "AllocatedStorage",
        "StorageType",
        "MasterUsername",
        "KmsKeyId",
        "StorageEncrypted",
        "DBName",
    )
    given = {
        **{k: source.doc[k] for k in inherited if k in source.doc},
        "Port": source.wanted_port,
        "DBSubnetGroupName": source.subnet_group,
        **{k: v for k, v in call.params.items() if k not in left},
    }
    managed = call.get("ManageMasterUserPassword", False)
    password = _random_password() if managed else source.password
    return _create(call, state, name, given, source.doc["EngineVersion"], password, managed, copy)


# --- automated backups, tags ----------------------------------------------------------------------------------------


@operation("rds", "DescribeDBInstanceAutomatedBackups")
def describe_automated_backups(call: Call) -> dict[str, Any]:
    state = _state(call)
    found = []
    for name, instance in state.instances.items():
        if call.get("DBInstanceIdentifier") not in (None, name) or not instance.doc["BackupRetentionPeriod"]:
            continue
        doc = instance.doc
        found.append(
            {
                "DBInstanceArn": doc["DBInstanceArn"],
                "DbiResourceId": doc["DbiResourceId"],
                "Region": call.region,
                "DBInstanceIdentifier": name,
                "Status": "active",
                "Engine": "postgres",
                "Port": instance.wanted_port,
                "EngineVersion": doc["EngineVersion"],
                "AllocatedStorage": doc["AllocatedStorage"],
                "BackupRetentionPeriod": doc["BackupRetentionPeriod"],
                "Encrypted": doc["StorageEncrypted"],
                "MasterUsername": doc["MasterUsername"],
                "StorageType": doc["StorageType"],
                "RestoreWindow": {"EarliestTime": doc["InstanceCreateTime"], "LatestTime": _now()},
                "DBInstanceAutomatedBackupsArn": call.arn(f"auto-backup:ab-{doc['DbiResourceId'][3:].lower()}"),
            }
        )
    found += list(state.replications.values())
    return _paged(call, "DBInstanceAutomatedBackups", found)


@operation("rds", "StartDBInstanceAutomatedBackupsReplication")
def start_backup_replication(call: Call) -> dict[str, Any]:
    """Called in the region that receives the copies."""
    state, source = _state(call), call["SourceDBInstanceArn"]
    region, name = source.split(":")[3], source.rpartition(":")[2]
    if region == call.region:
        raise _value("The source must be in another region.")
    origin = call.world.store("rds", call.account, region, State)
    if name not in origin.instances:
        raise AwsError("DBInstanceNotFound", f"DBInstance {name} not found.")
    doc = origin.instances[name].doc
    if doc["StorageEncrypted"]:
        if "KmsKeyId" not in call.params:
            raise AwsError("MissingParameter", "An encrypted instance's backups need a KmsKeyId of this region.")
        _check_key(call, call["KmsKeyId"])
    shown = {
        "DBInstanceArn": source,
        "DbiResourceId": doc["DbiResourceId"],
        "Region": region,
        "DBInstanceIdentifier": name,
        "Status": "replicating",
        "BackupRetentionPeriod": call.get("BackupRetentionPeriod", 7),
        "Engine": "postgres",
        "EngineVersion": doc["EngineVersion"],
        "Encrypted": doc["StorageEncrypted"],
        "DBInstanceAutomatedBackupsArn": call.arn(f"auto-backup:ab-{letters(26).lower()}"),
    }
    state.replications[source] = shown
    return {"DBInstanceAutomatedBackup": shown}


@operation("rds", "StopDBInstanceAutomatedBackupsReplication")
def stop_backup_replication(call: Call) -> dict[str, Any]:
    found = _state(call).replications.pop(call["SourceDBInstanceArn"], None)
    if found is None:
        message = f"No replicated automated backup of {call['SourceDBInstanceArn']}."
        raise AwsError("DBInstanceAutomatedBackupNotFound", message)
    return {"DBInstanceAutomatedBackup": {**found, "Status": "deleting"}}


def tagged(world: World, account: str, region: str) -> list[tuple[str, dict[str, str]]]:
    """(ARN, tags) of everything of RDS in one account and region. The tags are the live ones."""
    state = world.store("rds", account, region, State)
    found = [(i.doc["DBInstanceArn"], i.tags) for i in state.instances.values()]
    found += [(g.arn, g.tags) for g in state.groups.values()]
    found += [(s.arn, s.tags) for s in state.subnets.values()]
    return found + [(s.doc["DBSnapshotArn"], s.tags) for s in state.snapshots.values()]


def _tags_of(call: Call) -> dict[str, str] | None:
    """The tags of what is ours; None for what moto keeps."""
    arn = call["ResourceName"]
    _state(call)
    for found, tags in tagged(call.world, call.account, call.region):
        if found == arn:
            return tags
    kind = arn.split(":")[5] if arn.count(":") >= 6 else ""
    codes = {
        "db": ("DBInstanceNotFound", "DBInstance"),
        "pg": ("DBParameterGroupNotFound", "DBParameterGroup"),
        "subgrp": ("DBSubnetGroupNotFoundFault", "DBSubnetGroup"),
        "snapshot": ("DBSnapshotNotFound", "DBSnapshot"),
    }
    if kind in codes:
        raise AwsError(codes[kind][0], f"{codes[kind][1]} not found: {arn.rpartition(':')[2]}")
    return None


@operation("rds", "AddTagsToResource")
def add_tags(call: Call) -> dict[str, Any]:
    tags = _tags_of(call)
    if tags is None:
        return call.forward()
    tags.update(_tags(call["Tags"]))
    return {}


@operation("rds", "RemoveTagsFromResource")
def remove_tags(call: Call) -> dict[str, Any]:
    tags = _tags_of(call)
    if tags is None:
        return call.forward()
    for key in call["TagKeys"]:
        tags.pop(key, None)
    return {}


@operation("rds", "ListTagsForResource")
def list_tags(call: Call) -> dict[str, Any]:
    tags = _tags_of(call)
    return call.forward() if tags is None else {"TagList": _tag_list(tags)}


@tagging.source
def _for_the_tagging_api(call: Call) -> Iterator[tuple[str, dict[str, str]]]:
    _state(call)
    yield from tagged(call.world, call.account, call.region)
