# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An emulated AWS with real clusters behind it, and one cluster for all tests of a module."""

from __future__ import annotations

import base64
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from kubernetes import client as kubernetes

from rehearsal.emulator import control_plane
from rehearsal.emulator.server import Emulator
from rehearsal.kubernetes import binaries, tokens
from rehearsal.kubernetes.control_planes import ControlPlanes
from rehearsal.state import EmulatorState, load

REGION = "eu-central-1"
POLICY = "arn:aws:eks::aws:cluster-access-policy/"
_numbers = itertools.count(1)
_missing = binaries.missing(binaries.CONTROL_PLANE)

#: For tests that need real clusters.
needs_binaries = pytest.mark.skipif(
    bool(_missing), reason=f"not built: {', '.join(_missing)}; `python -m rehearsal.kubernetes build` builds them"
)


def eventually[T](condition: Callable[[], T], seconds: float = 60) -> T:
    """Wait for a condition to hold and return its value; the last one where it doesn't."""
    ended = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > ended:
            return value
        time.sleep(0.1)


def get_token(state: EmulatorState, cluster: str, credentials: dict[str, str] | None = None) -> str:
    """A token of the caller's, by default of the management account's user."""
    mine = {"AccessKeyId": state.access_key_id, "SecretAccessKey": state.secret_access_key}
    given = credentials or mine
    session = boto3.Session(
        given["AccessKeyId"], given["SecretAccessKey"], given.get("SessionToken"), region_name=REGION
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", state.endpoint)
        return tokens.token(session, cluster)


@dataclass
class Aws:
    """The emulated AWS with a network and roles for clusters."""

    state: EmulatorState
    planes: ControlPlanes
    folder: Path
    roles: dict[str, str] = field(default_factory=dict)
    subnets: list[str] = field(default_factory=list)

    def __call__(self, service: str) -> Any:
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.state.endpoint,
            aws_access_key_id=self.state.access_key_id,
            aws_secret_access_key=self.state.secret_access_key,
        )

    def role(self, name: str, principal: dict[str, str]) -> str:
        statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        return str(self("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"])

    def person(self, name: str) -> tuple[str, dict[str, str]]:
        """A role for a person, and credentials of a session of it."""
        arn = self.role(f"{name}-{next(_numbers)}", {"AWS": "*"})
        made = self("sts").assume_role(RoleArn=arn, RoleSessionName=f"{name}@example.org")
        return arn, made["Credentials"]


@dataclass
class Cluster:
    """A cluster that is ACTIVE."""

    aws: Aws
    name: str

    @property
    def eks(self) -> Any:
        return self.aws("eks")

    @property
    def plane(self) -> Any:
        return self.aws.planes.plane(self.name)

    def api(self, credentials: dict[str, str] | None = None) -> Any:
        """The Kubernetes Python client with endpoint and CA of DescribeCluster and a token of the caller's."""
        described = self.eks.describe_cluster(name=self.name)["cluster"]
        authority = self.aws.folder / f"{self.name}.crt"
        authority.write_bytes(base64.b64decode(described["certificateAuthority"]["data"]))
        configuration = kubernetes.Configuration()
        configuration.host = described["endpoint"]
        configuration.ssl_ca_cert = str(authority)
        configuration.api_key = {"authorization": f"Bearer {get_token(self.aws.state, self.name, credentials)}"}
        return kubernetes.ApiClient(configuration)

    def core(self, credentials: dict[str, str] | None = None) -> Any:
        return kubernetes.CoreV1Api(self.api(credentials))

    def admit(self, arn: str, policy: str = "", namespaces: tuple[str, ...] = (), groups: tuple[str, ...] = ()) -> None:
        """An access entry, with a policy if one is given."""
        self.eks.create_access_entry(clusterName=self.name, principalArn=arn, kubernetesGroups=list(groups))
        if policy:
            scope = {"type": "namespace", "namespaces": list(namespaces)} if namespaces else {"type": "cluster"}
            self.eks.associate_access_policy(
                clusterName=self.name, principalArn=arn, policyArn=POLICY + policy, accessScope=scope
            )

    def group(self, name: str, wanted: int, **more: Any) -> None:
        """A node group, ACTIVE."""
        more.setdefault("instanceTypes", ["t3a.large"])
        self.eks.create_nodegroup(
            clusterName=self.name,
            nodegroupName=name,
            nodeRole=self.aws.roles["node"],
            subnets=self.aws.subnets,
            scalingConfig={"minSize": 0, "maxSize": 6, "desiredSize": wanted},
            **more,
        )
        self.group_is(name, "ACTIVE")

    def group_is(self, name: str, status: str, seconds: float = 60) -> None:
        def now() -> str:
            return str(self.eks.describe_nodegroup(clusterName=self.name, nodegroupName=name)["nodegroup"]["status"])

        eventually(lambda: now() == status, seconds)
        assert now() == status

    def nodes(self, group: str = "") -> dict[str, dict[str, Any]]:
        """The Node objects by name, as plain documents."""
        selector = {"labelSelector": f"eks.amazonaws.com/nodegroup={group}"} if group else {}
        return {item["metadata"]["name"]: item for item in self.plane.api.items("/api/v1/nodes", **selector)}


def create(aws: Aws, name: str, *, creator_is_admin: bool, version: str = "1.35") -> Cluster:
    """A cluster, as soon as it is ACTIVE."""
    eks = aws("eks")
    eks.create_cluster(
        name=name,
        version=version,
        roleArn=aws.roles["cluster"],
        resourcesVpcConfig={"subnetIds": aws.subnets},
        accessConfig={"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": creator_is_admin},
    )
    status = eventually(lambda: (s := eks.describe_cluster(name=name)["cluster"]["status"]) != "CREATING" and s, 180)
    assert status == "ACTIVE"
    # Without it no pod has AWS credentials.
    eks.create_addon(clusterName=name, addonName="eks-pod-identity-agent")
    return Cluster(aws, name)


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    directory = tmp_path_factory.mktemp("emulator")
    directory.chmod(0o711)
    emulator = Emulator(directory, pace=0, kubernetes=True)
    emulator.write_state()
    thread = threading.Thread(target=emulator.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    state, planes = load(directory), control_plane.plane()
    assert state is not None
    assert isinstance(planes, ControlPlanes)
    made = Aws(state, planes, tmp_path_factory.mktemp("certificates"))
    ec2 = made("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.10.0.0/16")["Vpc"]["VpcId"]
    for number, zone in enumerate("abc"):
        block = f"10.10.{number}.0/24"
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=f"{REGION}{zone}")["Subnet"]
        made.subnets.append(subnet["SubnetId"])
    services = {"cluster": "eks", "node": "ec2", "fargate": "eks-fargate-pods"}
    made.roles = {name: made.role(name, {"Service": f"{service}.amazonaws.com"}) for name, service in services.items()}
    yield made
    # Emulators of one process share what moto keeps: the next module begins with nothing.
    state.admin("reset", "POST")
    emulator.server.shutdown()
    emulator.close()
    control_plane.use(control_plane.NoControlPlane())


@pytest.fixture(scope="module")
def cluster(aws: Aws) -> Cluster:
    """A cluster whose creator gets nothing."""
    return create(aws, "dev", creator_is_admin=False)


@pytest.fixture
def namespace(cluster: Cluster) -> str:
    name = f"team-{next(_numbers)}"
    cluster.plane.api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    path = f"/api/v1/namespaces/{name}/serviceaccounts/default"
    eventually(lambda: cluster.plane.api.items(path.rpartition("/")[0], fieldSelector="metadata.name=default"))
    return name
