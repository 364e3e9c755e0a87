# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EKS: clusters, node groups, Fargate profiles, add-ons, access entries, pod identity associations.

https://docs.aws.amazon.com/eks/latest/APIReference/
What stands behind a cluster's endpoint is the control plane's business (``rehearsal.emulator.control_plane``).
"""

from __future__ import annotations

import datetime
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from moto.ec2.models.instance_types import INSTANCE_TYPES

from rehearsal.emulator import control_plane
from rehearsal.emulator.control_plane import ClusterFacts
from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.registry import Call, operation, page
from rehearsal.emulator.services import ec2 as network_service
from rehearsal.emulator.services import quotas, tagging
from rehearsal.emulator.services.common import (
    ec2,
    is_referenced,
    key_by_id,
    remember,
    repeated,
    role_by_arn,
    subnet_by_id,
    trusts,
)
from rehearsal.emulator.services.eks_catalog import ACCESS_POLICIES, ADDONS, DEFAULT_VERSION, VERSIONS, AddonKind
from rehearsal.emulator.world import World, letters

#: An add-on whose Deployment finds no node is DEGRADED after this many units of the pace (20 minutes on AWS).
_PATIENCE = 8.0
_LOG_TYPES = ("api", "audit", "authenticator", "controllerManager", "scheduler")
_LOWER = "abcdefghijklmnopqrstuvwxyz0123456789"


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@dataclass
class Update:
    """A change on its way; ``apply`` is called once its time has come."""

    id: str
    type: str
    params: dict[str, Any]
    at: float
    apply: Callable[[], None]
    behind: Callable[[], bool] = lambda: True
    created: datetime.datetime = field(default_factory=_now)
    applied: bool = False
    done: bool = False
    errors: list[dict[str, Any]] = field(default_factory=list)

    def settle(self) -> None:
        """Apply it once its time has come."""
        if not self.applied and time.time() >= self.at:
            self.applied = True
            self.apply()
        if self.applied and not self.done:
            self.done = bool(self.errors) or self.behind()

    def view(self) -> dict[str, Any]:
        """The update as DescribeUpdate shows it."""
        # Params keep the strings that the API keeps: lists and structures are JSON there as well.
        params = [
            {"type": name, "value": value if isinstance(value, str) else _text(value)}
            for name, value in self.params.items()
        ]
        status = "Failed" if self.errors else "Successful" if self.done else "InProgress"
        return {
            "id": self.id,
            "status": status,
            "type": self.type,
            "params": params,
            "createdAt": self.created,
            "errors": self.errors,
        }


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).replace("'", '"')


@dataclass
class Thing:
    """Anything that is created slowly, updated slowly and deleted slowly.

    ``behind`` tells whether what stands behind it (nodes, an API server) is what was asked for.
    """

    doc: dict[str, Any]
    ready: float
    gone: float | None = None
    updates: dict[str, Update] = field(default_factory=dict)
    behind: Callable[[], bool] = lambda: True
    created: bool = False
    failed: bool = False

    def settle(self) -> None:
        """Apply the updates whose time has come."""
        for update in self.updates.values():
            update.settle()

    def busy(self) -> bool:
        """Whether an update is on its way."""
        return any(not update.done for update in self.updates.values())

    def status(self) -> str:
        """The status as of now."""
        if self.gone is not None:
            return "DELETING"
        if self.failed:
            return "CREATING" if time.time() < self.ready else "CREATE_FAILED"
        self.created = self.created or (time.time() >= self.ready and self.behind())
        if not self.created:
            return "CREATING"
        return "UPDATING" if self.busy() else "ACTIVE"

    def over(self) -> bool:
        """Whether it is gone."""
        return self.gone is not None and time.time() >= self.gone and self.behind()


@dataclass
class Entry:
    """An access entry and the policies associated with it."""

    doc: dict[str, Any]
    policies: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass
class Cluster(Thing):
    """A cluster and everything in it."""

    facts: ClusterFacts = field(kw_only=True)
    nodegroups: dict[str, Thing] = field(default_factory=dict)
    fargate: dict[str, Thing] = field(default_factory=dict)
    addons: dict[str, Thing] = field(default_factory=dict)
    providers: dict[str, Thing] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)
    pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    interfaces: list[str] = field(default_factory=list)

    def status(self) -> str:
        """The status as of now; CREATING until its API server answers."""
        status = super().status()
        if status == "ACTIVE" and control_plane.plane().access(self.facts) is None:
            return "FAILED" if control_plane.plane().failure(self.facts) else "CREATING"
        return status


def _settled(cluster: Cluster, kind: str, name: str) -> bool:
    return control_plane.plane().settled(cluster.facts, kind, name)


def _error(code: str, message: str, **members: Any) -> AwsError:
    return AwsError(code, message, **members)


def _invalid(message: str, **members: Any) -> AwsError:
    return AwsError("InvalidParameterException", message, **members)


def _clusters(call: Call) -> dict[str, Cluster]:
    clusters: dict[str, Cluster] = call.world.store("eks", call.account, call.region, dict)
    _sweep(clusters, call)
    return clusters


def _sweep(clusters: dict[str, Cluster], call: Call) -> None:
    """Finish what time has finished: deletions and updates."""
    for name, cluster in list(clusters.items()):
        for group in (cluster.nodegroups, cluster.fargate, cluster.addons, cluster.providers):
            for key, thing in list(group.items()):
                thing.settle()
                if thing.over():
                    del group[key]
        cluster.settle()
        if cluster.over():
            _remove_network(call, cluster)
            del clusters[name]


def reset(world: World) -> None:
    """Stop all control planes."""
    for _, _, clusters in world.stores("eks"):
        for cluster in clusters.values():
            control_plane.plane().stopped(cluster.facts)
    control_plane.plane().close()


def _cluster(call: Call, member: str = "clusterName", *, active: bool = False) -> Cluster:
    name = call[member]
    cluster = _clusters(call).get(name)
    if cluster is None:
        raise _error("ResourceNotFoundException", f"No cluster found for name: {name}.", clusterName=name)
    if active and cluster.status() not in ("ACTIVE", "UPDATING"):
        message = f"Cluster '{name}' is not in ACTIVE status (it is {cluster.status()})."
        raise _error("InvalidRequestException", message, clusterName=name)
    return cluster


def _token(call: Call) -> Any:
    conflict = _invalid("The client request token has been used before with other parameters.")
    return repeated(call, "clientRequestToken", conflict)


def _paged(call: Call, key: str, items: Iterable[Any]) -> dict[str, Any]:
    error = _invalid("The nextToken provided is invalid.")
    some, following = page(list(items), call.get("nextToken"), call.get("maxResults"), error)
    return {key: some, **({"nextToken": following} if following else {})}


def _check_tags(tags: dict[str, str]) -> dict[str, str]:
    if len(tags) > 50:
        raise AwsError("BadRequestException", "A resource has at most 50 tags.")
    if any(key.lower().startswith("aws:") for key in tags):
        raise _invalid("Tag keys must not begin with aws:.")
    return dict(tags)


# --- clusters -------------------------------------------------------------------------------------------------------


def _check_subnets(call: Call, identifiers: list[str], *, zones: int) -> list[Any]:
    found = []
    for identifier in identifiers:
        subnet = subnet_by_id(call, identifier)
        if subnet is None:
            raise _invalid(f"The subnet ID '{identifier}' does not exist (Service: Ec2, Status Code: 400)")
        found.append(subnet)
    if len({subnet.vpc_id for subnet in found}) > 1:
        raise _invalid("Subnets specified must belong to the same VPC.")
    if len({subnet.availability_zone for subnet in found}) < zones:
        raise _invalid(f"Subnets specified must be in at least {_words(zones)} different AZs")
    return found


def _words(number: int) -> str:
    return {1: "one", 2: "two"}.get(number, str(number))


def _check_groups(call: Call, identifiers: list[str], vpc: str) -> None:
    for identifier in identifiers:
        group = ec2(call).get_security_group_from_id(identifier)
        if group is None or group.vpc_id != vpc:
            raise _invalid(f"The security group '{identifier}' does not exist in the VPC of the cluster")


def _check_role(call: Call, arn: str, service: str, message: str) -> Any:
    role = role_by_arn(call, arn)
    if role is None or not trusts(role, service):
        raise _invalid(message)
    return role


def _check_key(call: Call, config: list[dict[str, Any]]) -> None:
    for item in config:
        if item.get("resources") != ["secrets"]:
            raise _invalid("resources must be [secrets]")
        arn = item.get("provider", {}).get("keyArn", "")
        if key_by_id(call, arn) is None:
            raise _invalid(f"The keyArn in encryptionConfig provider is invalid: {arn} does not exist or is disabled")


def _logging(types: Iterable[str]) -> dict[str, Any]:
    on = [name for name in _LOG_TYPES if name in set(types)]
    off = [name for name in _LOG_TYPES if name not in on]
    parts = [{"types": on, "enabled": True}] if on else []
    return {"clusterLogging": parts + ([{"types": off, "enabled": False}] if off else [])}


def _enabled_logs(setup: dict[str, Any], before: Iterable[str] = ()) -> list[str]:
    enabled = set(before)
    for item in setup.get("clusterLogging", []):
        types = set(item.get("types", []))
        enabled = enabled | types if item.get("enabled") else enabled - types
    return sorted(enabled)


def _cidrs(given: list[str] | None) -> list[str]:
    return list(given) if given else ["0.0.0.0/0"]


def _make_network(call: Call, name: str, subnets: list[Any], groups: list[str]) -> tuple[str, list[str]]:
    """The cluster's own security group and the interfaces of its control plane."""
    network = ec2(call)
    vpc = subnets[0].vpc_id
    title = f"eks-cluster-sg-{name}-{letters(10, '0123456789')}"
    group = network.create_security_group(
        title,
        "EKS created security group applied to ENI that is attached to EKS Control Plane master nodes, as well as any "
        "managed workloads.",
        vpc_id=vpc,
        tags={"Name": title, "aws:eks:cluster-name": name, f"kubernetes.io/cluster/{name}": "owned"},
    )
    network.authorize_security_group_ingress(
        group.id, "-1", None, None, [], source_groups=[{"GroupId": group.id}], vpc_id=vpc
    )
    zones: dict[str, Any] = {}
    for subnet in subnets:
        zones.setdefault(subnet.availability_zone, subnet)
    interfaces = []
    for subnet in list(zones.values())[:2]:
        made = network.create_network_interface(
            subnet, [], group_ids=[group.id, *groups], description=f"Amazon EKS {name}"
        )
        made.requester_managed = True
        made.status = "in-use"
        interfaces.append(made.id)
    return group.id, interfaces


def _remove_network(call: Call, cluster: Cluster) -> None:
    network = ec2(call)
    network_service.release(call, cluster.interfaces)
    group = cluster.doc["resourcesVpcConfig"]["clusterSecurityGroupId"]
    # As of every security group: one that another's rule names stays, here as something that nobody owns any more.
    if not is_referenced(network, group):
        for groups in network.groups.values():
            groups.pop(group, None)
        network.tags.pop(group, None)


def _cluster_view(cluster: Cluster) -> dict[str, Any]:
    status = cluster.status()
    view = {**cluster.doc, "status": status}
    access = control_plane.plane().access(cluster.facts) if status not in ("CREATING", "DELETING") else None
    if access is not None:
        view["endpoint"] = access.endpoint
        view["certificateAuthority"] = {"data": control_plane.encoded(access.certificate_authority)}
        view["identity"] = {"oidc": {"issuer": cluster.facts.issuer}}
    else:
        view["certificateAuthority"] = {}
        view["resourcesVpcConfig"] = dict(view["resourcesVpcConfig"])
        if status == "CREATING":
            view["resourcesVpcConfig"].pop("clusterSecurityGroupId", None)
    return view


def _allow(call: Call, quota: str, used: int, what: str, **members: str) -> None:
    """Refuse one more of something than its quota allows."""
    quotas.allow(
        call,
        quota,
        used,
        lambda limit: _error("ResourceLimitExceededException", f"{what} limit of {limit} has been reached.", **members),
    )


@operation("eks", "CreateCluster")
def create_cluster(call: Call) -> dict[str, Any]:
    clusters = _clusters(call)
    again = _token(call)
    if again in clusters:
        return {"cluster": _cluster_view(clusters[again])}
    name = call["name"]
    if name in clusters:
        raise _error("ResourceInUseException", f"Cluster already exists with name: {name}", clusterName=name)
    _allow(call, "L-1194D53C", len(clusters), "Cluster", clusterName=name)
    version = call.get("version", DEFAULT_VERSION)
    if version not in VERSIONS:
        raise _invalid(f"unsupported Kubernetes version {version}", clusterName=name)
    role = call["roleArn"]
    _check_role(
        call,
        role,
        "eks.amazonaws.com",
        f"Role with arn: {role}, could not be assumed because it does not exist or the trusted entity is not correct",
    )
    config = call["resourcesVpcConfig"]
    subnets = _check_subnets(call, config.get("subnetIds", []), zones=2)
    vpc = subnets[0].vpc_id
    _check_groups(call, config.get("securityGroupIds", []), vpc)
    public, private = config.get("endpointPublicAccess", True), config.get("endpointPrivateAccess", False)
    _check_access(public, private, config)
    encryption = call.get("encryptionConfig", [])
    _check_key(call, encryption)
    access = {"bootstrapClusterCreatorAdminPermissions": True, "authenticationMode": "CONFIG_MAP"}
    access.update(call.get("accessConfig", {}))
    network = {"ipFamily": "ipv4", "serviceIpv4Cidr": _service_cidr(vpc, call)}
    network.update({k: v for k, v in call.get("kubernetesNetworkConfig", {}).items() if k != "elasticLoadBalancing"})
    network["elasticLoadBalancing"] = call.get("kubernetesNetworkConfig", {}).get(
        "elasticLoadBalancing", {"enabled": False}
    )
    group, interfaces = _make_network(call, name, subnets, config.get("securityGroupIds", []))
    arn = call.arn(f"cluster/{name}")
    issuer = f"https://oidc.eks.{call.region}.amazonaws.com/id/{letters(32, 'ABCDEF0123456789')}"
    doc: dict[str, Any] = {
        "name": name,
        "arn": arn,
        "createdAt": _now(),
        "version": version,
        "platformVersion": VERSIONS[version].platform,
        "roleArn": role,
        "resourcesVpcConfig": {
            "subnetIds": list(config.get("subnetIds", [])),
            "securityGroupIds": list(config.get("securityGroupIds", [])),
            "clusterSecurityGroupId": group,
            "vpcId": vpc,
            "endpointPublicAccess": public,
            "endpointPrivateAccess": private,
            "publicAccessCidrs": _cidrs(config.get("publicAccessCidrs")) if public else [],
        },
        "kubernetesNetworkConfig": network,
        "logging": _logging(_enabled_logs(call.get("logging", {}))),
        "accessConfig": access,
        "upgradePolicy": call.get("upgradePolicy", {"supportType": "EXTENDED"}),
        "deletionProtection": call.get("deletionProtection", False),
        "computeConfig": call.get("computeConfig", {"enabled": False, "nodePools": []}),
        "storageConfig": call.get("storageConfig", {"blockStorage": {"enabled": False}}),
        "health": {"issues": []},
        "tags": _check_tags(call.get("tags", {})),
    }
    if "zonalShiftConfig" in call.params:
        doc["zonalShiftConfig"] = call["zonalShiftConfig"]
    if encryption:
        doc["encryptionConfig"] = encryption
    if call.get("clientRequestToken"):
        doc["clientRequestToken"] = call["clientRequestToken"]
    facts = ClusterFacts(call.account, call.region, name, arn, version, network["serviceIpv4Cidr"], issuer)
    cluster = Cluster(doc, call.world.due("eks-cluster"), facts=facts, interfaces=interfaces)
    clusters[name] = cluster
    cluster.behind = lambda: _settled(cluster, "cluster", name)
    remember(call, "clientRequestToken", name)
    if access["authenticationMode"] != "CONFIG_MAP" and access["bootstrapClusterCreatorAdminPermissions"]:
        principal = _iam_arn(call.principal.arn)
        entry = _new_entry(call, cluster, principal, "STANDARD", [], None, {})
        policy = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
        entry.policies[policy] = _association(policy, {"type": "cluster", "namespaces": []})
    control_plane.plane().started(facts)
    return {"cluster": _cluster_view(cluster)}


def _check_access(public: bool, private: bool, config: dict[str, Any]) -> None:
    if not public and not private:
        raise _invalid("Private and public endpoint access cannot be false")
    if not public and config.get("publicAccessCidrs") not in (None, [], ["0.0.0.0/0"]):
        raise _invalid("publicAccessCidrs can't be set while public endpoint access is disabled")


def _service_cidr(vpc: str, call: Call) -> str:
    block = ec2(call).get_vpc(vpc).cidr_block
    return "172.20.0.0/16" if block.startswith("10.") else "10.100.0.0/16"


def _iam_arn(arn: str) -> str:
    """The IAM principal behind a caller: the role of an assumed role's session."""
    if ":assumed-role/" not in arn:
        return arn
    account, role = arn.split(":")[4], arn.split("/")[1]
    return f"arn:aws:iam::{account}:role/{role}"


@operation("eks", "DescribeCluster")
def describe_cluster(call: Call) -> dict[str, Any]:
    return {"cluster": _cluster_view(_cluster(call, "name"))}


@operation("eks", "ListClusters")
def list_clusters(call: Call) -> dict[str, Any]:
    return _paged(call, "clusters", sorted(_clusters(call)))


@operation("eks", "DeleteCluster")
def delete_cluster(call: Call) -> dict[str, Any]:
    cluster = _cluster(call, "name")
    name = call["name"]
    if cluster.doc["deletionProtection"]:
        message = f"Cluster {name} has deletion protection enabled: disable it before you delete the cluster."
        raise _error("InvalidRequestException", message, clusterName=name)
    if cluster.nodegroups:
        raise _error("ResourceInUseException", "Cluster has nodegroups attached", clusterName=name)
    if cluster.fargate:
        raise _error("ResourceInUseException", "Cluster has fargate profiles attached", clusterName=name)
    if cluster.status() in ("CREATING", "UPDATING"):
        message = f"Cluster has status {cluster.status()}: it can be deleted when it is ACTIVE."
        raise _error("ResourceInUseException", message, clusterName=name)
    if cluster.gone is None:
        cluster.gone = call.world.due("delete")
        control_plane.plane().stopped(cluster.facts)
    return {"cluster": _cluster_view(cluster)}


def _begin(
    call: Call, thing: Thing, kind: str, params: dict[str, Any], apply: Callable[[], None], what: str
) -> dict[str, Any]:
    """Begin an update; a thing has one at a time."""
    again = _token(call)
    if again in thing.updates:
        return {"update": thing.updates[again].view()}
    if thing.status() != "ACTIVE":
        message = f"{what} cannot be updated as it is currently in {thing.status()} state"
        raise _error("ResourceInUseException", message)
    update = Update(str(uuid.uuid4()), kind, params, call.world.due("eks-update"), apply, thing.behind)
    thing.updates[update.id] = update
    remember(call, "clientRequestToken", update.id)
    view = update.view()
    thing.settle()
    return {"update": view}


_CONFIG_MEMBERS = (
    "resourcesVpcConfig",
    "logging",
    "accessConfig",
    "upgradePolicy",
    "zonalShiftConfig",
    "computeConfig",
    "kubernetesNetworkConfig",
    "storageConfig",
    "remoteNetworkConfig",
    "deletionProtection",
    "controlPlaneScalingConfig",
    "kubeApiServerConfig",
    "kubeSchedulerConfig",
    "kubeControllerManagerConfig",
)
_AUTO_MODE = {"computeConfig", "kubernetesNetworkConfig", "storageConfig"}


@operation("eks", "UpdateClusterConfig")
def update_cluster_config(call: Call) -> dict[str, Any]:  # one branch per kind of update
    cluster = _cluster(call, "name")
    doc, what = cluster.doc, f"Cluster {call['name']}"
    given = [member for member in _CONFIG_MEMBERS if member in call.params]
    if not given:
        raise _invalid("At least one configuration to update must be given.")
    if len(given) > 1 and not set(given) <= _AUTO_MODE:
        raise _invalid("Only one type of update can be allowed.")
    member = given[0]
    value = call[member]
    if member == "resourcesVpcConfig":
        return _update_vpc(call, cluster, value)
    if member == "logging":
        before = _enabled_logs(doc["logging"])
        after = _enabled_logs(value, before)
        if before == after:
            raise _invalid("No changes needed for the logging config provided")
        return _begin(
            call,
            cluster,
            "LoggingUpdate",
            {"ClusterLogging": _logging(after)},
            lambda: doc.update(logging=_logging(after)),
            what,
        )
    if member == "accessConfig":
        return _update_mode(call, cluster, value.get("authenticationMode"))
    if member == "deletionProtection":
        if doc["deletionProtection"] == value:
            raise _invalid(f"The cluster's deletion protection is already {_text(value)}")
        return _begin(
            call,
            cluster,
            "DeletionProtectionUpdate",
            {"DeletionProtection": value},
            lambda: doc.update(deletionProtection=value),
            what,
        )
    kinds = {
        "upgradePolicy": ("UpgradePolicyUpdate", "UpgradePolicy"),
        "zonalShiftConfig": ("ZonalShiftConfigUpdate", "ZonalShiftConfig"),
        "remoteNetworkConfig": ("RemoteNetworkConfigUpdate", "RemoteNetworkConfig"),
        "controlPlaneScalingConfig": ("ControlPlaneScalingConfigUpdate", "UpdatedTier"),
    }
    kind, parameter = kinds.get(member, ("ConfigUpdate", member[:1].upper() + member[1:]))
    if set(given) <= _AUTO_MODE:
        kind = "AutoModeUpdate"
    changed = {name: call[name] for name in given}
    if all(doc.get(name) == wanted for name, wanted in changed.items()):
        raise _invalid(f"No changes needed for the {member} provided")

    def apply() -> None:
        for name, wanted in changed.items():
            old = doc.get(name)
            doc[name] = {**old, **wanted} if isinstance(old, dict) and isinstance(wanted, dict) else wanted

    return _begin(call, cluster, kind, {parameter: value}, apply, what)


def _update_vpc(call: Call, cluster: Cluster, value: dict[str, Any]) -> dict[str, Any]:
    config = cluster.doc["resourcesVpcConfig"]
    what = f"Cluster {call['name']}"
    moves = {"subnetIds", "securityGroupIds"} & value.keys()
    opens = {"endpointPublicAccess", "endpointPrivateAccess", "publicAccessCidrs"} & value.keys()
    if moves and opens:
        raise _invalid("Only one type of update can be allowed.")
    if moves:
        subnets = _check_subnets(call, value.get("subnetIds", config["subnetIds"]), zones=2)
        if subnets[0].vpc_id != config["vpcId"]:
            raise _invalid("Provided subnets are not in the VPC of the cluster")
        _check_groups(call, value.get("securityGroupIds", []), config["vpcId"])
        if all(set(config[name]) == set(value[name]) for name in moves):
            raise _invalid("No changes needed for the VPC config provided")
        params = {"Subnets": value.get("subnetIds", []), "SecurityGroups": value.get("securityGroupIds", [])}
        return _begin(
            call,
            cluster,
            "VpcConfigUpdate",
            {k: v for k, v in params.items() if v},
            lambda: config.update({name: list(value[name]) for name in moves}),
            what,
        )
    public = value.get("endpointPublicAccess", config["endpointPublicAccess"])
    private = value.get("endpointPrivateAccess", config["endpointPrivateAccess"])
    _check_access(public, private, value)
    cidrs = _cidrs(value.get("publicAccessCidrs") or config["publicAccessCidrs"]) if public else []
    wanted = {"endpointPublicAccess": public, "endpointPrivateAccess": private, "publicAccessCidrs": cidrs}
    if all(sorted(v) == sorted(config[k]) if isinstance(v, list) else config[k] == v for k, v in wanted.items()):
        message = "Cluster is already at the desired configuration with "
        message += f"endpointPrivateAccess: {_text(private)} , endpointPublicAccess: {_text(public)}, and Public "
        raise _invalid(message + f"Endpoint Restrictions: [{', '.join(cidrs)}]")
    params = {"EndpointPublicAccess": public, "EndpointPrivateAccess": private, "PublicAccessCidrs": cidrs}
    return _begin(call, cluster, "EndpointAccessUpdate", params, lambda: config.update(wanted), what)


def _update_mode(call: Call, cluster: Cluster, mode: str | None) -> dict[str, Any]:
    order = ("CONFIG_MAP", "API_AND_CONFIG_MAP", "API")
    access = cluster.doc["accessConfig"]
    old = access["authenticationMode"]
    if mode is None:
        raise _invalid("authenticationMode must be given.")
    if order.index(mode) == order.index(old):
        raise _invalid(f"Unsupported authentication mode update: the cluster's mode is {old} already")
    if order.index(mode) < order.index(old) or (old, mode) == ("CONFIG_MAP", "API"):
        raise _invalid(f"Unsupported authentication mode update from {old} to {mode}")
    return _begin(
        call,
        cluster,
        "AccessConfigUpdate",
        {"AuthenticationMode": f'"{mode}"'},
        lambda: access.update(authenticationMode=mode),
        f"Cluster {call['name']}",
    )


@operation("eks", "UpdateClusterVersion")
def update_cluster_version(call: Call) -> dict[str, Any]:
    cluster = _cluster(call, "name")
    old, new = cluster.doc["version"], call.get("version", "")
    if new == old:
        raise _invalid(f"Cluster is already at the desired version {new}", clusterName=call["name"])
    if new not in VERSIONS or int(new.partition(".")[2]) != int(old.partition(".")[2]) + 1:
        raise _invalid(f"Unsupported Kubernetes minor version update from {old} to {new}", clusterName=call["name"])
    for name, group in cluster.nodegroups.items():
        if int(new.partition(".")[2]) - int(group.doc["version"].partition(".")[2]) > 3:
            message = f"Nodegroup {name} is at version {group.doc['version']}: update it before the cluster."
            raise _error("InvalidRequestException", message, clusterName=call["name"])

    def apply() -> None:
        cluster.doc.update(version=new, platformVersion=VERSIONS[new].platform)
        old_facts = cluster.facts
        cluster.facts = ClusterFacts(**{**old_facts.__dict__, "version": new})
        control_plane.plane().upgraded(cluster.facts)

    params = {"Version": new, "PlatformVersion": VERSIONS[new].platform}
    return _begin(call, cluster, "VersionUpdate", params, apply, f"Cluster {call['name']}")


@operation("eks", "AssociateEncryptionConfig")
def associate_encryption_config(call: Call) -> dict[str, Any]:
    cluster = _cluster(call)
    if cluster.doc.get("encryptionConfig"):
        message = f"Cluster {call['clusterName']} already has encryption configuration associated."
        raise _error("InvalidRequestException", message, clusterName=call["clusterName"])
    config = call["encryptionConfig"]
    _check_key(call, config)
    return _begin(
        call,
        cluster,
        "AssociateEncryptionConfig",
        {"EncryptionConfig": config},
        lambda: cluster.doc.update(encryptionConfig=config),
        f"Cluster {call['clusterName']}",
    )


@operation("eks", "DescribeClusterVersions")
def describe_cluster_versions(call: Call) -> dict[str, Any]:
    wanted = call.get("clusterVersions")
    status = call.get("versionStatus") or {
        "standard-support": "STANDARD_SUPPORT",
        "extended-support": "EXTENDED_SUPPORT",
    }.get(call.get("status", ""))
    found = []
    for version in VERSIONS.values():
        now = version.status()
        if wanted and version.minor not in wanted:
            continue
        if (status and now != status) or (now == "UNSUPPORTED" and not call.get("includeAll")):
            continue
        if call.get("defaultOnly") and version.minor != DEFAULT_VERSION:
            continue
        found.append(
            {
                "clusterVersion": version.minor,
                "clusterType": call.get("clusterType", "eks"),
                "defaultPlatformVersion": version.platform,
                "defaultVersion": version.minor == DEFAULT_VERSION,
                "releaseDate": version.released,
                "endOfStandardSupportDate": version.standard_until,
                "endOfExtendedSupportDate": version.extended_until,
                "status": now.lower().replace("_", "-"),
                "versionStatus": now,
                "kubernetesPatchVersion": version.patch,
            }
        )
    return _paged(call, "clusterVersions", found)


def _updated(call: Call) -> Thing:
    cluster = _cluster(call, "name")
    if "nodegroupName" in call.params:
        return _nodegroup(call, cluster)
    if "addonName" in call.params:
        return _addon(call, cluster)
    return cluster


@operation("eks", "DescribeUpdate")
def describe_update(call: Call) -> dict[str, Any]:
    update = _updated(call).updates.get(call["updateId"])
    if update is None:
        raise _error("ResourceNotFoundException", f"No update found for ID: {call['updateId']}")
    return {"update": update.view()}


@operation("eks", "ListUpdates")
def list_updates(call: Call) -> dict[str, Any]:
    return _paged(call, "updateIds", _updated(call).updates)


# --- node groups ----------------------------------------------------------------------------------------------------


def _nodegroup(call: Call, cluster: Cluster) -> Thing:
    name = call["nodegroupName"]
    if name not in cluster.nodegroups:
        message = f"No node group found for name: {name}."
        raise _error("ResourceNotFoundException", message, clusterName=cluster.doc["name"], nodegroupName=name)
    return cluster.nodegroups[name]


def _nodegroup_view(thing: Thing) -> dict[str, Any]:
    return {**{key: value for key, value in thing.doc.items() if key != "force"}, "status": thing.status()}


def _check_scaling(scaling: dict[str, int]) -> None:
    if scaling["minSize"] > scaling["desiredSize"]:
        message = f"Minimum capacity {scaling['minSize']} can't be greater than desired size {scaling['desiredSize']}"
        raise _invalid(message)
    if scaling["desiredSize"] > scaling["maxSize"]:
        message = f"desired capacity {scaling['desiredSize']} can't be greater than max size {scaling['maxSize']}"
        raise _invalid(message)


def _check_instance_types(types: list[str], ami: str) -> None:
    missing = [name for name in types if name not in INSTANCE_TYPES]
    if missing:
        raise _invalid(f"The following supplied instance types do not exist: [{', '.join(missing)}]")
    if ami == "CUSTOM":
        return
    needed = "arm64" if "ARM_64" in ami else "x86_64"
    wrong = []
    for name in types:
        offered = INSTANCE_TYPES[name].get("ProcessorInfo", {}).get("SupportedArchitectures", [])
        if needed not in offered:
            wrong.append(name)
    if wrong:
        raise _invalid(f"[{', '.join(wrong)}] is not a valid instance type for requested amiType {ami}")


def _launch_template(call: Call, given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The reference with id, name and version filled in, and the version's data."""
    network = ec2(call)
    if ("id" in given) == ("name" in given):
        raise _invalid("You must specify either the launch template ID or the launch template name in the request")
    try:
        if "id" in given:
            template = network.get_launch_template(given["id"])
        else:
            template = network.get_launch_template_by_name(given["name"])
    except Exception:  # noqa: BLE001 - moto raises several kinds for what isn't there
        raise _invalid(f"Launch template {given.get('id') or given.get('name')} does not exist") from None
    number = given.get("version", str(template.default_version_number))
    number = {"$Latest": str(template.latest_version_number), "$Default": str(template.default_version_number)}.get(
        number, number
    )
    versions = {str(version.number): version for version in template.versions}
    if number not in versions:
        raise _invalid(f"Version {number} of launch template {template.id} does not exist")
    return {"id": template.id, "name": template.name, "version": number}, dict(versions[number].data or {})


def _release(version: str) -> str:
    return f"{VERSIONS[version].patch}-20260120"


def _within_vcpus(call: Call, thing: Thing, kind: str) -> Thing:
    """Have a node group's creation fail when its instances are too many: nothing is refused, its nodes never come.

    https://docs.aws.amazon.com/eks/latest/APIReference/API_Issue.html (AsgInstanceLaunchFailures). What other
    node groups were asked for counts, since their nodes are instances only where there are real clusters.
    """
    lifecycle = "spot" if thing.doc["capacityType"] == "SPOT" else "on-demand"
    others = [
        (kinds[0], other.doc["scalingConfig"]["desiredSize"])
        for cluster in _clusters(call).values()
        for other in cluster.nodegroups.values()
        if not other.failed
        and (other.doc["capacityType"] == "SPOT") == (lifecycle == "spot")
        and (kinds := other.doc.get("instanceTypes"))
    ]
    try:
        quotas.check_vcpus(
            call.world, ec2(call), kind, lifecycle, int(thing.doc["scalingConfig"]["desiredSize"]), others
        )
    except AwsError as error:
        text = f"You've reached your quota for the number of instances: {error.message} Launching EC2 instance failed."
        group = thing.doc["resources"]["autoScalingGroups"][0]["name"]
        thing.doc["health"] = {
            "issues": [{"code": "AsgInstanceLaunchFailures", "message": text, "resourceIds": [group]}]
        }
        thing.failed = True
    return thing


def _check_new_nodegroup(call: Call, cluster: Cluster, name: str) -> None:
    owner = cluster.doc["name"]
    if name in cluster.nodegroups:
        message = f"NodeGroup already exists with name {name} and cluster name {owner}"
        raise _error("ResourceInUseException", message, clusterName=owner, nodegroupName=name)
    _allow(call, "L-6D54EA21", len(cluster.nodegroups), "Nodegroup", clusterName=owner, nodegroupName=name)


@operation("eks", "CreateNodegroup")
def create_nodegroup(call: Call) -> dict[str, Any]:
    cluster = _cluster(call, active=True)
    again = _token(call)
    if again in cluster.nodegroups:
        return {"nodegroup": _nodegroup_view(cluster.nodegroups[again])}
    name, owner = call["nodegroupName"], call["clusterName"]
    _check_new_nodegroup(call, cluster, name)
    role = call["nodeRole"]
    _check_role(
        call,
        role,
        "ec2.amazonaws.com",
        "Following required service principals [ec2.amazonaws.com] were not found in the trust relationships of "
        f"nodeRole {role}",
    )
    subnets = _check_subnets(call, call["subnets"], zones=1)
    if subnets[0].vpc_id != cluster.doc["resourcesVpcConfig"]["vpcId"]:
        raise _invalid("Subnets are not tagged with the required tag or are not in the VPC of the cluster")
    version = call.get("version", cluster.doc["version"])
    if version not in VERSIONS or version > cluster.doc["version"]:
        raise _invalid(f"Requested Nodegroup Kubernetes version {version} is not supported by the cluster")
    template: dict[str, Any] = {}
    data: dict[str, Any] = {}
    if "launchTemplate" in call.params:
        template, data = _launch_template(call, call["launchTemplate"])
        if "diskSize" in call.params:
            raise _invalid("Disk size must be specified within the launch template.")
        if "remoteAccess" in call.params:
            raise _invalid("Remote access configuration cannot be specified with a launch template.")
        if data.get("InstanceType") and "instanceTypes" in call.params:
            raise _invalid("Cannot specify instance types in launch template and API request")
        if data.get("IamInstanceProfile"):
            raise _invalid("Launch template should not specify an instance profile.")
    own_image = bool(data.get("ImageId"))
    if own_image and {"amiType", "releaseVersion", "version"} & call.params.keys():
        raise _invalid(
            "You cannot specify an image type, version or release version with an AMI in the launch template."
        )
    ami = "CUSTOM" if own_image else call.get("amiType", "AL2023_x86_64_STANDARD")
    types = call.get("instanceTypes") or ([] if data.get("InstanceType") else ["t3.medium"])
    _check_instance_types(types or [data["InstanceType"]], ami)
    scaling = {"minSize": 1, "maxSize": 2, "desiredSize": 2, **call.get("scalingConfig", {})}
    _check_scaling(scaling)
    now = _now()
    doc: dict[str, Any] = {
        "nodegroupName": name,
        "nodegroupArn": call.arn(f"nodegroup/{owner}/{name}/{uuid.uuid4()}"),
        "clusterName": owner,
        "version": version,
        "releaseVersion": call.get("releaseVersion", _release(version)),
        "createdAt": now,
        "modifiedAt": now,
        "capacityType": call.get("capacityType", "ON_DEMAND"),
        "scalingConfig": scaling,
        "subnets": list(call["subnets"]),
        "amiType": ami,
        "nodeRole": role,
        "labels": dict(call.get("labels", {})),
        "health": {"issues": []},
        "updateConfig": call.get("updateConfig", {"maxUnavailable": 1}),
        "tags": _check_tags(call.get("tags", {})),
        "resources": {"autoScalingGroups": [{"name": f"eks-{name}-{uuid.uuid4()}"}]},
    }
    if types:
        doc["instanceTypes"] = list(types)
    if not template:
        doc["diskSize"] = call.get("diskSize", 20)
    else:
        doc["launchTemplate"] = template
    for optional in ("taints", "remoteAccess", "nodeRepairConfig", "warmPoolConfig"):
        if optional in call.params:
            doc[optional] = call[optional]
    made = Thing(doc, call.world.due("eks-nodegroup"), behind=lambda: _settled(cluster, "nodegroup", name))
    cluster.nodegroups[name] = _within_vcpus(call, made, types[0] if types else data["InstanceType"])
    remember(call, "clientRequestToken", name)
    if cluster.doc["accessConfig"]["authenticationMode"] != "CONFIG_MAP" and role not in cluster.entries:
        _new_entry(call, cluster, role, "EC2_LINUX", ["system:nodes"], "system:node:{{EC2PrivateDNSName}}", {})
    return {"nodegroup": _nodegroup_view(made)}


@operation("eks", "DescribeNodegroup")
def describe_nodegroup(call: Call) -> dict[str, Any]:
    return {"nodegroup": _nodegroup_view(_nodegroup(call, _cluster(call)))}


@operation("eks", "ListNodegroups")
def list_nodegroups(call: Call) -> dict[str, Any]:
    return _paged(call, "nodegroups", sorted(_cluster(call).nodegroups))


@operation("eks", "DeleteNodegroup")
def delete_nodegroup(call: Call) -> dict[str, Any]:
    thing = _nodegroup(call, _cluster(call))
    if thing.gone is None:
        thing.gone = call.world.due("delete")
    return {"nodegroup": _nodegroup_view(thing)}


@operation("eks", "UpdateNodegroupConfig")
def update_nodegroup_config(call: Call) -> dict[str, Any]:
    thing = _nodegroup(call, _cluster(call))
    doc = thing.doc
    scaling = {**doc["scalingConfig"], **call.get("scalingConfig", {})}
    _check_scaling(scaling)
    labels = dict(doc["labels"])
    labels.update(call.get("labels", {}).get("addOrUpdateLabels", {}))
    for key in call.get("labels", {}).get("removeLabels", []):
        labels.pop(key, None)
    taints = {(t.get("key"), t.get("effect")): t for t in doc.get("taints", [])}
    for taint in call.get("taints", {}).get("removeTaints", []):
        taints.pop((taint.get("key"), taint.get("effect")), None)
    for taint in call.get("taints", {}).get("addOrUpdateTaints", []):
        taints[(taint.get("key"), taint.get("effect"))] = taint
    changes = {
        "scalingConfig": scaling,
        "labels": labels,
        "taints": list(taints.values()),
        "updateConfig": call.get("updateConfig", doc["updateConfig"]),
        "nodeRepairConfig": call.get("nodeRepairConfig", doc.get("nodeRepairConfig")),
    }
    changes = {key: value for key, value in changes.items() if value not in (None, []) or doc.get(key)}
    params: dict[str, Any] = {}
    for member, name in (("minSize", "MinSize"), ("maxSize", "MaxSize"), ("desiredSize", "DesiredSize")):
        if member in call.get("scalingConfig", {}):
            params[name] = scaling[member]
    if "labels" in call.params:
        params["LabelsToAdd"] = call["labels"].get("addOrUpdateLabels", {})
    if "taints" in call.params:
        params["TaintsToAdd"] = call["taints"].get("addOrUpdateTaints", [])
    for member, name in (
        ("maxUnavailable", "MaxUnavailable"),
        ("maxUnavailablePercentage", "MaxUnavailablePercentage"),
    ):
        if member in call.get("updateConfig", {}):
            params[name] = call["updateConfig"][member]

    def apply() -> None:
        doc.update(changes, modifiedAt=_now())

    return _begin(call, thing, "ConfigUpdate", params, apply, f"Nodegroup {call['nodegroupName']}")


@operation("eks", "UpdateNodegroupVersion")
def update_nodegroup_version(call: Call) -> dict[str, Any]:
    cluster = _cluster(call)
    thing = _nodegroup(call, cluster)
    version = call.get("version", thing.doc["version"])
    if version not in VERSIONS or version > cluster.doc["version"]:
        raise _invalid(f"Requested Nodegroup Kubernetes version {version} is not supported by the cluster")
    if version < thing.doc["version"]:
        raise _invalid(f"Unsupported nodegroup version update from {thing.doc['version']} to {version}")
    changes: dict[str, Any] = {"version": version, "releaseVersion": call.get("releaseVersion", _release(version))}
    # Not one of the API's members: whether pods that a budget protects are deleted in the end.
    changes["force"] = bool(call.get("force"))
    params: dict[str, Any] = {"Version": version, "ReleaseVersion": changes["releaseVersion"]}
    if "launchTemplate" in call.params:
        if "launchTemplate" not in thing.doc:
            raise _invalid("You cannot add a launch template to a nodegroup that was created without one")
        changes["launchTemplate"] = _launch_template(call, call["launchTemplate"])[0]
        params["LaunchTemplateVersion"] = changes["launchTemplate"]["version"]

    def apply() -> None:
        thing.doc.update(changes, modifiedAt=_now())

    return _begin(call, thing, "VersionUpdate", params, apply, f"Nodegroup {call['nodegroupName']}")


# --- Fargate profiles -----------------------------------------------------------------------------------------------


def _profile(call: Call, cluster: Cluster) -> Thing:
    name = call["fargateProfileName"]
    if name not in cluster.fargate:
        message = f"No Fargate Profile found with name: {name}."
        raise _error("ResourceNotFoundException", message, clusterName=cluster.doc["name"], fargateProfileName=name)
    return cluster.fargate[name]


@operation("eks", "CreateFargateProfile")
def create_fargate_profile(call: Call) -> dict[str, Any]:
    cluster = _cluster(call, active=True)
    again = _token(call)
    if again in cluster.fargate:
        return {"fargateProfile": _nodegroup_view(cluster.fargate[again])}
    name, owner = call["fargateProfileName"], call["clusterName"]
    if name in cluster.fargate:
        message = f"A Fargate Profile already exists with this name in this cluster: {name}"
        raise _error("ResourceInUseException", message, clusterName=owner)
    _allow(call, "L-33415657", len(cluster.fargate), "Fargate profile", clusterName=owner)
    if any(profile.status() in ("CREATING", "DELETING") for profile in cluster.fargate.values()):
        message = f"Cannot create Fargate Profile {name} because another profile is being created or deleted"
        raise _error("ResourceInUseException", message, clusterName=owner)
    role = call["podExecutionRoleArn"]
    _check_role(
        call,
        role,
        "eks-fargate-pods.amazonaws.com",
        "Misconfigured PodExecutionRole Trust Policy; Please add the eks-fargate-pods.amazonaws.com Service Principal",
    )
    if not call.get("selectors"):
        raise _invalid("Fargate Profile must have at least one selector.")
    if len(call["selectors"]) > 5:
        raise _invalid("request has more than 5 selectors")
    subnets = call.get("subnets", cluster.doc["resourcesVpcConfig"]["subnetIds"])
    for subnet in _check_subnets(call, subnets, zones=1):
        mine = [t for t in ec2(call).route_tables.values() if subnet.id in t._associations.values()]
        if any(route.gateway and route.gateway.id.startswith("igw-") for t in mine for route in t._routes.values()):
            raise _invalid(f"Subnet {subnet.id} provided in Fargate Profile is not a private subnet")
    doc = {
        "fargateProfileName": name,
        "fargateProfileArn": call.arn(f"fargateprofile/{owner}/{name}/{uuid.uuid4()}"),
        "clusterName": owner,
        "createdAt": _now(),
        "podExecutionRoleArn": role,
        "subnets": list(subnets),
        "selectors": call["selectors"],
        "tags": _check_tags(call.get("tags", {})),
        "health": {"issues": []},
    }
    made = Thing(doc, call.world.due("eks-fargate"), behind=lambda: _settled(cluster, "fargate", name))
    cluster.fargate[name] = made
    remember(call, "clientRequestToken", name)
    if cluster.doc["accessConfig"]["authenticationMode"] != "CONFIG_MAP" and role not in cluster.entries:
        _new_entry(
            call,
            cluster,
            role,
            "FARGATE_LINUX",
            ["system:bootstrappers", "system:nodes", "system:node-proxier"],
            "system:node:{{SessionName}}",
            {},
        )
    return {"fargateProfile": _nodegroup_view(made)}


@operation("eks", "DescribeFargateProfile")
def describe_fargate_profile(call: Call) -> dict[str, Any]:
    return {"fargateProfile": _nodegroup_view(_profile(call, _cluster(call)))}


@operation("eks", "ListFargateProfiles")
def list_fargate_profiles(call: Call) -> dict[str, Any]:
    return _paged(call, "fargateProfileNames", sorted(_cluster(call).fargate))


@operation("eks", "DeleteFargateProfile")
def delete_fargate_profile(call: Call) -> dict[str, Any]:
    cluster = _cluster(call)
    thing = _profile(call, cluster)
    if any(other.gone is not None for other in cluster.fargate.values() if other is not thing):
        message = "Cannot delete Fargate Profile because another profile is being deleted"
        raise _error("ResourceInUseException", message, clusterName=call["clusterName"])
    if thing.gone is None:
        thing.gone = call.world.due("delete")
    return {"fargateProfile": _nodegroup_view(thing)}


# --- add-ons --------------------------------------------------------------------------------------------------------


def _addon(call: Call, cluster: Cluster) -> Thing:
    name = call["addonName"]
    if name not in cluster.addons:
        message = f"No addon: {name} found in cluster: {cluster.doc['name']}"
        raise _error("ResourceNotFoundException", message, clusterName=cluster.doc["name"], addonName=name)
    return cluster.addons[name]


def _addon_view(cluster: Cluster, thing: Thing, pace: float) -> dict[str, Any]:
    status, issues = thing.status(), []
    kind = ADDONS[thing.doc["addonName"]]
    nodes = any(group.status() in ("ACTIVE", "UPDATING") for group in cluster.nodegroups.values())
    nodes = nodes or any(profile.status() == "ACTIVE" for profile in cluster.fargate.values())
    if kind.deployment and not nodes and status in ("ACTIVE", "CREATING"):
        status = "CREATING"
        if time.time() >= thing.ready + _PATIENCE * pace:
            status = "DEGRADED"
            message = "The add-on is unhealthy because all deployments have all pods unscheduled "
            message += "no nodes available to schedule pods"
            issues = [{"code": "InsufficientNumberOfReplicas", "message": message, "resourceIds": []}]
    return {**thing.doc, "status": status, "health": {"issues": issues}}


def _addon_kind(call: Call) -> AddonKind:
    kind = ADDONS.get(call["addonName"])
    if kind is None:
        raise _invalid(f"Addon {call['addonName']} specified is not supported", addonName=call["addonName"])
    return kind


def _addon_version(call: Call, cluster: Cluster, kind: AddonKind, wanted: str | None) -> str:
    offered = kind.versions.get(cluster.doc["version"], ())
    if wanted is None:
        return offered[0]
    if wanted not in offered:
        message = f"Addon version specified is not supported: {kind.name} {wanted} with Kubernetes "
        raise _invalid(message + cluster.doc["version"], addonName=kind.name, clusterName=cluster.doc["name"])
    return wanted


def _addon_pods(call: Call, cluster: Cluster, addon: dict[str, Any], wanted: list[dict[str, str]]) -> list[str]:
    """Make the add-on's pod identity associations what is wanted; their ARNs."""
    kind = ADDONS[addon["addonName"]]
    mine = {a["serviceAccount"]: key for key, a in cluster.pods.items() if a.get("ownerArn") == addon["addonArn"]}
    arns = []
    for item in wanted:
        account = item["serviceAccount"]
        if account in mine:
            found = cluster.pods[mine.pop(account)]
            _check_pod_role(call, item["roleArn"])
            found.update(roleArn=item["roleArn"], modifiedAt=_now())
        else:
            found = _new_association(call, cluster, kind.namespace, account, item["roleArn"], {}, addon["addonArn"])
        arns.append(found["associationArn"])
    for key in mine.values():
        del cluster.pods[key]
    return arns


def _check_configuration(values: str | None) -> None:
    if not values:
        return
    import yaml  # noqa: PLC0415 - this one operation reads YAML

    try:
        parsed = yaml.safe_load(values)
    except yaml.YAMLError:
        parsed = None
    if not isinstance(parsed, dict):
        raise _invalid("ConfigurationValue is not in valid JSON or YAML")


@operation("eks", "CreateAddon")
def create_addon(call: Call) -> dict[str, Any]:
    cluster = _cluster(call, active=True)
    again = _token(call)
    if again in cluster.addons:
        return {"addon": _addon_view(cluster, cluster.addons[again], call.world.pace)}
    kind = _addon_kind(call)
    name, owner = kind.name, call["clusterName"]
    if name in cluster.addons:
        message = "Addon already exists."
        raise _error("ResourceInUseException", message, clusterName=owner, addonName=name)
    if call.get("serviceAccountRoleArn") and role_by_arn(call, call["serviceAccountRoleArn"]) is None:
        raise _invalid(f"Role {call['serviceAccountRoleArn']} does not exist", addonName=name)
    _check_configuration(call.get("configurationValues"))
    now = _now()
    doc: dict[str, Any] = {
        "addonName": name,
        "clusterName": owner,
        "addonVersion": _addon_version(call, cluster, kind, call.get("addonVersion")),
        "addonArn": call.arn(f"addon/{owner}/{name}/{uuid.uuid4()}"),
        "createdAt": now,
        "modifiedAt": now,
        "tags": _check_tags(call.get("tags", {})),
    }
    for optional in ("serviceAccountRoleArn", "configurationValues"):
        if call.get(optional):
            doc[optional] = call[optional]
    if call.get("podIdentityAssociations"):
        doc["podIdentityAssociations"] = _addon_pods(call, cluster, doc, call["podIdentityAssociations"])
    doc["namespaceConfig"] = call.get("namespaceConfig", {"namespace": kind.namespace})
    made = Thing(doc, call.world.due("eks-addon"))
    cluster.addons[name] = made
    remember(call, "clientRequestToken", name)
    return {"addon": _addon_view(cluster, made, call.world.pace)}


@operation("eks", "DescribeAddon")
def describe_addon(call: Call) -> dict[str, Any]:
    cluster = _cluster(call)
    return {"addon": _addon_view(cluster, _addon(call, cluster), call.world.pace)}


@operation("eks", "ListAddons")
def list_addons(call: Call) -> dict[str, Any]:
    return _paged(call, "addons", sorted(_cluster(call).addons))


@operation("eks", "UpdateAddon")
def update_addon(call: Call) -> dict[str, Any]:
    cluster = _cluster(call)
    thing = _addon(call, cluster)
    kind = _addon_kind(call)
    params: dict[str, Any] = {}
    changes: dict[str, Any] = {}
    if "addonVersion" in call.params:
        changes["addonVersion"] = params["AddonVersion"] = _addon_version(call, cluster, kind, call["addonVersion"])
    if "serviceAccountRoleArn" in call.params:
        if call["serviceAccountRoleArn"] and role_by_arn(call, call["serviceAccountRoleArn"]) is None:
            raise _invalid(f"Role {call['serviceAccountRoleArn']} does not exist", addonName=kind.name)
        changes["serviceAccountRoleArn"] = params["ServiceAccountRoleArn"] = call["serviceAccountRoleArn"]
    if "resolveConflicts" in call.params:
        params["ResolveConflicts"] = call["resolveConflicts"]
    # Without values the add-on's configuration goes back to its defaults, unless conflicts are preserved.
    if "configurationValues" in call.params:
        _check_configuration(call["configurationValues"])
        changes["configurationValues"] = params["ConfigurationValues"] = call["configurationValues"]
    if "podIdentityAssociations" in call.params:
        arns = _addon_pods(call, cluster, thing.doc, call["podIdentityAssociations"])
        changes["podIdentityAssociations"] = arns
        params["PodIdentityAssociations"] = call["podIdentityAssociations"]

    def apply() -> None:
        thing.doc.update(changes, modifiedAt=_now())

    return _begin(call, thing, "AddonUpdate", params, apply, f"Addon {kind.name}")


@operation("eks", "DeleteAddon")
def delete_addon(call: Call) -> dict[str, Any]:
    cluster = _cluster(call)
    thing = _addon(call, cluster)
    if thing.gone is None:
        thing.gone = call.world.due("delete")
        for key in [k for k, a in cluster.pods.items() if a.get("ownerArn") == thing.doc["addonArn"]]:
            del cluster.pods[key]
    return {"addon": _addon_view(cluster, thing, call.world.pace)}


@operation("eks", "DescribeAddonVersions")
def describe_addon_versions(call: Call) -> dict[str, Any]:
    found = []
    for kind in ADDONS.values():
        if call.get("addonName") not in (None, kind.name) or (call.get("types") and kind.type not in call["types"]):
            continue
        if call.get("publishers") and kind.publisher not in call["publishers"]:
            continue
        if call.get("owners") and kind.owner not in call["owners"]:
            continue
        minors = [m for m in VERSIONS if call.get("kubernetesVersion") in (None, m)]
        versions: dict[str, list[dict[str, Any]]] = {}
        for minor in minors:
            for position, version in enumerate(kind.versions.get(minor, ())):
                versions.setdefault(version, []).append(
                    {"clusterVersion": minor, "platformVersions": ["*"], "defaultVersion": position == 0}
                )
        if not versions:
            continue
        computes = ["ec2", "hybrid", "auto"] + (["fargate"] if kind.name == "coredns" else [])
        found.append(
            {
                "addonName": kind.name,
                "type": kind.type,
                "publisher": kind.publisher,
                "owner": kind.owner,
                "defaultNamespace": kind.namespace,
                "addonVersions": [
                    {
                        "addonVersion": version,
                        "architecture": ["amd64", "arm64"],
                        "computeTypes": computes,
                        "compatibilities": compatible,
                        "requiresConfiguration": False,
                        "requiresIamPermissions": kind.needs_iam,
                    }
                    for version, compatible in sorted(versions.items(), key=lambda item: _order(item[0]), reverse=True)
                ],
            }
        )
    if call.get("addonName") and call["addonName"] not in ADDONS:
        message = f"Addon {call['addonName']} not found"
        raise _error("ResourceNotFoundException", message, addonName=call["addonName"])
    return _paged(call, "addons", found)


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.lstrip("v").replace("-eksbuild.", ".").split("."))


@operation("eks", "DescribeAddonConfiguration")
def describe_addon_configuration(call: Call) -> dict[str, Any]:
    kind = ADDONS.get(call["addonName"])
    if kind is None or not any(call["addonVersion"] in versions for versions in kind.versions.values()):
        raise _error("ResourceNotFoundException", f"Addon {call['addonName']} {call['addonVersion']} not found")
    schema = '{"$schema": "http://json-schema.org/draft-06/schema#", "type": "object"}'
    return {"addonName": kind.name, "addonVersion": call["addonVersion"], "configurationSchema": schema}


# --- access ---------------------------------------------------------------------------------------------------------


def _api_mode(cluster: Cluster) -> None:
    if cluster.doc["accessConfig"]["authenticationMode"] == "CONFIG_MAP":
        message = "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this "
        raise _error("InvalidRequestException", message + "operation.", clusterName=cluster.doc["name"])


def _entry(call: Call, cluster: Cluster) -> Entry:
    _api_mode(cluster)
    entry = cluster.entries.get(call["principalArn"])
    if entry is None:
        message = "The specified principalArn could not be found. You can view your available access entries with "
        raise _error("ResourceNotFoundException", message + "'list-access-entries'.", clusterName=cluster.doc["name"])
    return entry


def _new_entry(
    call: Call,
    cluster: Cluster,
    principal: str,
    kind: str,
    groups: list[str],
    username: str | None,
    tags: dict[str, str],
) -> Entry:
    account, _, name = principal.split(":", 4)[4].partition(":")
    resource, _, title = name.partition("/")
    short = title.rpartition("/")[2]
    if username is None:
        username = principal
        if resource == "role":
            username = f"arn:aws:sts::{account}:assumed-role/{short}/{{{{SessionName}}}}"
        if kind == "EC2_LINUX":
            username = "system:node:{{EC2PrivateDNSName}}"
    now = _now()
    entry = Entry(
        {
            "clusterName": cluster.doc["name"],
            "principalArn": principal,
            "kubernetesGroups": groups,
            "accessEntryArn": call.arn(
                f"access-entry/{cluster.doc['name']}/{resource}/{account}/{short}/{uuid.uuid4()}"
            ),
            "createdAt": now,
            "modifiedAt": now,
            "tags": tags,
            "username": username,
            "type": kind,
        }
    )
    cluster.entries[principal] = entry
    return entry


def _check_entry_groups(kind: str, groups: list[str] | None, username: str | None) -> None:
    if kind != "STANDARD" and (groups or username):
        raise _invalid(f"kubernetesGroups and username can't be set for an access entry of type {kind}.")
    for group in groups or []:
        if group.startswith(("system:", "amazon", "aws", "eks", "iam")):
            raise _invalid(f"The kubernetes group name {group} is invalid, it cannot start with a reserved prefix")
    if username is not None and username.startswith(("system:", "eks:", "aws:", "amazon:", "iam:")):
        raise _invalid(f"The username {username} is invalid, it cannot start with a reserved prefix")


def _principal_exists(call: Call, arn: str) -> bool:
    from moto.iam.models import iam_backends  # noqa: PLC0415

    account = arn.split(":")[4] if arn.count(":") >= 5 else ""
    if account not in call.world.accounts:
        return False
    if arn == f"arn:aws:iam::{account}:root":
        return True
    backend = iam_backends[account]["aws"]
    known = {role.arn for role in backend.roles.values()} | {user.arn for user in backend.users.values()}
    return arn in known or arn == next(iter(call.world.credentials.values())).arn


@operation("eks", "CreateAccessEntry")
def create_access_entry(call: Call) -> dict[str, Any]:
    cluster = _cluster(call, active=True)
    _api_mode(cluster)
    again = _token(call)
    if again in cluster.entries:
        return {"accessEntry": cluster.entries[again].doc}
    principal, kind = call["principalArn"], call.get("type", "STANDARD")
    if principal in cluster.entries:
        message = "The specified access entry resource is already in use on this cluster."
        raise _error("ResourceInUseException", message, clusterName=call["clusterName"])
    if not principal.startswith("arn:aws:iam::") or not _principal_exists(call, principal):
        raise _invalid("The specified principalArn is invalid: invalid principal.", clusterName=call["clusterName"])
    kinds = ("STANDARD", "EC2_LINUX", "EC2_WINDOWS", "FARGATE_LINUX", "EC2", "HYBRID_LINUX", "HYPERPOD_LINUX")
    if kind not in kinds:
        raise _invalid(f"The specified type {kind} is invalid: it must be one of {', '.join(kinds)}")
    _check_entry_groups(kind, call.get("kubernetesGroups"), call.get("username"))
    groups = list(call.get("kubernetesGroups", [])) if kind == "STANDARD" else ["system:nodes"]
    entry = _new_entry(call, cluster, principal, kind, groups, call.get("username"), _check_tags(call.get("tags", {})))
    remember(call, "clientRequestToken", principal)
    return {"accessEntry": entry.doc}


@operation("eks", "DescribeAccessEntry")
def describe_access_entry(call: Call) -> dict[str, Any]:
    return {"accessEntry": _entry(call, _cluster(call)).doc}


@operation("eks", "ListAccessEntries")
def list_access_entries(call: Call) -> dict[str, Any]:
    cluster = _cluster(call)
    _api_mode(cluster)
    policy = call.get("associatedPolicyArn")
    found = [arn for arn, entry in cluster.entries.items() if policy is None or policy in entry.policies]
    return _paged(call, "accessEntries", sorted(found))


@operation("eks", "UpdateAccessEntry")
def update_access_entry(call: Call) -> dict[str, Any]:
    entry = _entry(call, _cluster(call))
    _check_entry_groups(entry.doc["type"], call.get("kubernetesGroups"), call.get("username"))
    for member in ("kubernetesGroups", "username"):
        if member in call.params:
            entry.doc[member] = call[member]
    entry.doc["modifiedAt"] = _now()
    return {"accessEntry": entry.doc}


@operation("eks", "DeleteAccessEntry")
def delete_access_entry(call: Call) -> None:
    cluster = _cluster(call)
    _entry(call, cluster)
    del cluster.entries[call["principalArn"]]


def _association(policy: str, scope: dict[str, Any]) -> dict[str, Any]:
    now = _now()
    return {"policyArn": policy, "accessScope": scope, "associatedAt": now, "modifiedAt": now}


@operation("eks", "AssociateAccessPolicy")
def associate_access_policy(call: Call) -> dict[str, Any]:
    cluster = _cluster(call)
    entry = _entry(call, cluster)
    policy, scope = call["policyArn"], call["accessScope"]
    if policy not in ACCESS_POLICIES:
        raise _invalid(f"The policyArn parameter format is not valid: {policy}", clusterName=call["clusterName"])
    if entry.doc["type"] in ("EC2_LINUX", "EC2_WINDOWS", "FARGATE_LINUX"):
        message = f"Access policies can't be associated with an access entry of type {entry.doc['type']}."
        raise _error("InvalidRequestException", message, clusterName=call["clusterName"])
    if scope.get("type") == "namespace" and not scope.get("namespaces"):
        raise _invalid("The namespaces parameter is required for the access scope type namespace.")
    if scope.get("type") == "cluster" and scope.get("namespaces"):
        raise _invalid("The namespaces parameter can't be specified for the access scope type cluster.")
    made = _association(policy, {"type": scope.get("type", "cluster"), "namespaces": list(scope.get("namespaces", []))})
    if policy in entry.policies:
        made["associatedAt"] = entry.policies[policy]["associatedAt"]
    entry.policies[policy] = made
    return {"clusterName": call["clusterName"], "principalArn": call["principalArn"], "associatedAccessPolicy": made}


@operation("eks", "DisassociateAccessPolicy")
def disassociate_access_policy(call: Call) -> None:
    entry = _entry(call, _cluster(call))
    if entry.policies.pop(call["policyArn"], None) is None:
        message = "The specified policyArn could not be found on the access entry."
        raise _error("ResourceNotFoundException", message, clusterName=call["clusterName"])


@operation("eks", "ListAssociatedAccessPolicies")
def list_associated_access_policies(call: Call) -> dict[str, Any]:
    entry = _entry(call, _cluster(call))
    found = _paged(call, "associatedAccessPolicies", entry.policies.values())
    return {"clusterName": call["clusterName"], "principalArn": call["principalArn"], **found}


@operation("eks", "ListAccessPolicies")
def list_access_policies(call: Call) -> dict[str, Any]:
    return _paged(call, "accessPolicies", [{"name": name, "arn": arn} for arn, name in ACCESS_POLICIES.items()])


def _check_pod_role(call: Call, arn: str) -> None:
    role = role_by_arn(call, arn)
    if role is None:
        raise _invalid("Role provided in the request does not exist.")
    if not trusts(role, "pods.eks.amazonaws.com"):
        raise _invalid("Trust policy of the role provided in the request is not valid for pods.eks.amazonaws.com.")


def _new_association(
    call: Call, cluster: Cluster, namespace: str, account: str, role: str, tags: dict[str, str], owner: str | None
) -> dict[str, Any]:
    for key, other in cluster.pods.items():
        if (other["namespace"], other["serviceAccount"]) == (namespace, account):
            raise _error(
                "ResourceInUseException", f"Association already exists: {key}", clusterName=cluster.doc["name"]
            )
    _check_pod_role(call, role)
    identifier = f"a-{letters(17, _LOWER)}"
    now = _now()
    made: dict[str, Any] = {
        "clusterName": cluster.doc["name"],
        "namespace": namespace,
        "serviceAccount": account,
        "roleArn": role,
        "associationArn": call.arn(f"podidentityassociation/{cluster.doc['name']}/{identifier}"),
        "associationId": identifier,
        "tags": tags,
        "createdAt": now,
        "modifiedAt": now,
        "disableSessionTags": call.get("disableSessionTags", False),
    }
    if owner:
        made["ownerArn"] = owner
    for optional in ("targetRoleArn", "policy"):
        if call.get(optional):
            made[optional] = call[optional]
    if call.get("targetRoleArn"):
        made["externalId"] = str(uuid.uuid4())
    cluster.pods[identifier] = made
    return made


@operation("eks", "CreatePodIdentityAssociation")
def create_pod_identity_association(call: Call) -> dict[str, Any]:
    cluster = _cluster(call, active=True)
    again = _token(call)
    if again in cluster.pods:
        return {"association": cluster.pods[again]}
    tags = _check_tags(call.get("tags", {}))
    made = _new_association(call, cluster, call["namespace"], call["serviceAccount"], call["roleArn"], tags, None)
    remember(call, "clientRequestToken", made["associationId"])
    return {"association": made}


def _pod(call: Call) -> dict[str, Any]:
    found = _cluster(call).pods.get(call["associationId"])
    if found is None:
        message = f"No association found with id {call['associationId']}"
        raise _error("ResourceNotFoundException", message, clusterName=call["clusterName"])
    return found


@operation("eks", "DescribePodIdentityAssociation")
def describe_pod_identity_association(call: Call) -> dict[str, Any]:
    return {"association": _pod(call)}


@operation("eks", "ListPodIdentityAssociations")
def list_pod_identity_associations(call: Call) -> dict[str, Any]:
    members = ("clusterName", "namespace", "serviceAccount", "associationArn", "associationId", "ownerArn")
    found = [
        {name: item[name] for name in members if name in item}
        for item in _cluster(call).pods.values()
        if call.get("namespace") in (None, item["namespace"])
        and call.get("serviceAccount") in (None, item["serviceAccount"])
    ]
    return _paged(call, "associations", found)


@operation("eks", "UpdatePodIdentityAssociation")
def update_pod_identity_association(call: Call) -> dict[str, Any]:
    found = _pod(call)
    if "roleArn" in call.params:
        _check_pod_role(call, call["roleArn"])
    for member in ("roleArn", "disableSessionTags", "targetRoleArn", "policy"):
        if member in call.params:
            found[member] = call[member]
    found["modifiedAt"] = _now()
    return {"association": found}


@operation("eks", "DeletePodIdentityAssociation")
def delete_pod_identity_association(call: Call) -> dict[str, Any]:
    found = _pod(call)
    if found.get("ownerArn"):
        message = f"The association is managed by the add-on {found['ownerArn']}."
        raise _error("InvalidRequestException", message, clusterName=call["clusterName"])
    del _cluster(call).pods[call["associationId"]]
    return {"association": found}


# --- identity providers, insights, tags -----------------------------------------------------------------------------


@operation("eks", "AssociateIdentityProviderConfig")
def associate_identity_provider_config(call: Call) -> dict[str, Any]:
    cluster = _cluster(call, active=True)
    if cluster.providers:
        message = "Cluster already has an identity provider configuration associated."
        raise _error("InvalidRequestException", message, clusterName=call["clusterName"])
    oidc = call["oidc"]
    name = oidc["identityProviderConfigName"]
    tags = _check_tags(call.get("tags", {}))
    arn = call.arn(f"identityproviderconfig/{call['clusterName']}/oidc/{name}/{uuid.uuid4()}")
    doc = {**oidc, "identityProviderConfigArn": arn, "clusterName": call["clusterName"], "tags": tags}

    def apply() -> None:
        """The configuration is there from the beginning; its status follows ``ready``."""

    answer = _begin(
        call,
        cluster,
        "AssociateIdentityProviderConfig",
        {"IdentityProviderConfig": oidc},
        apply,
        f"Cluster {call['clusterName']}",
    )
    cluster.providers[name] = Thing(doc, call.world.due("eks-update"))
    return {**answer, "tags": tags}


def _provider(call: Call) -> Thing:
    config = call["identityProviderConfig"]
    found = _cluster(call).providers.get(config["name"])
    if found is None or config["type"] != "oidc":
        message = f"No identity provider config found with name {config['name']}"
        raise _error("ResourceNotFoundException", message, clusterName=call["clusterName"])
    return found


@operation("eks", "DescribeIdentityProviderConfig")
def describe_identity_provider_config(call: Call) -> dict[str, Any]:
    found = _provider(call)
    return {"identityProviderConfig": {"oidc": {**found.doc, "status": found.status()}}}


@operation("eks", "ListIdentityProviderConfigs")
def list_identity_provider_configs(call: Call) -> dict[str, Any]:
    found = [{"type": "oidc", "name": name} for name in _cluster(call).providers]
    return _paged(call, "identityProviderConfigs", found)


@operation("eks", "DisassociateIdentityProviderConfig")
def disassociate_identity_provider_config(call: Call) -> dict[str, Any]:
    cluster, found = _cluster(call), _provider(call)
    answer = _begin(
        call,
        cluster,
        "DisassociateIdentityProviderConfig",
        {"IdentityProviderConfig": call["identityProviderConfig"]},
        lambda: None,
        f"Cluster {call['clusterName']}",
    )
    found.gone = call.world.due("eks-update")
    return answer


def _insights(cluster: Cluster) -> list[dict[str, Any]]:
    minor = int(cluster.doc["version"].partition(".")[2])
    target = f"1.{minor + 1}"
    if target not in VERSIONS:
        return []
    names = (
        "Deprecated APIs removed in Kubernetes v" + target,
        "Kubelet version skew",
        "EKS add-on version compatibility",
    )
    return [
        {
            "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{cluster.doc['arn']}/{target}/{name}")),
            "name": name,
            "category": "UPGRADE_READINESS",
            "kubernetesVersion": target,
            "lastRefreshTime": cluster.doc["createdAt"],
            "lastTransitionTime": cluster.doc["createdAt"],
            "description": f"Checks for {name.lower()} that could affect an upgrade to {target}.",
            "insightStatus": {"status": "PASSING", "reason": "No issues were found."},
        }
        for name in names
    ]


@operation("eks", "ListInsights")
def list_insights(call: Call) -> dict[str, Any]:
    wanted = call.get("filter", {})
    found = [
        item
        for item in _insights(_cluster(call))
        if (not wanted.get("categories") or item["category"] in wanted["categories"])
        and (not wanted.get("kubernetesVersions") or item["kubernetesVersion"] in wanted["kubernetesVersions"])
        and (not wanted.get("statuses") or item["insightStatus"]["status"] in wanted["statuses"])
    ]
    return _paged(call, "insights", found)


@operation("eks", "DescribeInsight")
def describe_insight(call: Call) -> dict[str, Any]:
    for item in _insights(_cluster(call)):
        if item["id"] == call["id"]:
            return {"insight": {**item, "recommendation": "", "additionalInfo": {}, "resources": []}}
    raise _error("ResourceNotFoundException", f"No insight found with id {call['id']}")


def tagged(world: World, account: str, region: str) -> list[tuple[str, dict[str, str]]]:
    """(ARN, tags) of everything of EKS in one account and region. The tags are the live ones."""
    found: list[tuple[str, dict[str, str]]] = []
    clusters: dict[str, Cluster] = world.store("eks", account, region, dict)
    for cluster in clusters.values():
        docs: list[tuple[str, dict[str, Any]]] = [("arn", cluster.doc)]
        docs += [("nodegroupArn", thing.doc) for thing in cluster.nodegroups.values()]
        docs += [("fargateProfileArn", thing.doc) for thing in cluster.fargate.values()]
        docs += [("addonArn", thing.doc) for thing in cluster.addons.values()]
        docs += [("identityProviderConfigArn", thing.doc) for thing in cluster.providers.values()]
        docs += [("accessEntryArn", entry.doc) for entry in cluster.entries.values()]
        docs += [("associationArn", doc) for doc in cluster.pods.values()]
        found += [(doc[name], doc["tags"]) for name, doc in docs]
    return found


@tagging.source
def _for_the_tagging_api(call: Call) -> Iterator[tuple[str, dict[str, str]]]:
    _clusters(call)
    yield from tagged(call.world, call.account, call.region)


def _tags_of(call: Call) -> dict[str, str]:
    _clusters(call)
    for arn, tags in tagged(call.world, call.account, call.region):
        if arn == call["resourceArn"]:
            return tags
    raise AwsError("NotFoundException", f"No resource found with ARN {call['resourceArn']}")


@operation("eks", "TagResource")
def tag_resource(call: Call) -> None:
    tags = _tags_of(call)
    tags.update(_check_tags({**tags, **call["tags"]}))


@operation("eks", "UntagResource")
def untag_resource(call: Call) -> None:
    tags = _tags_of(call)
    for key in call["tagKeys"]:
        tags.pop(key, None)


@operation("eks", "ListTagsForResource")
def list_tags_for_resource(call: Call) -> dict[str, Any]:
    return {"tags": _tags_of(call)}
