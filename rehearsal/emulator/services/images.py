# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AMIs for EKS' nodes, found as on AWS by DescribeImages and by public parameters of Systems Manager.

https://docs.aws.amazon.com/eks/latest/userguide/retrieve-ami-id.html and
https://docs.aws.amazon.com/eks/latest/userguide/retrieve-ami-id-bottlerocket.html
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from moto.ec2.models.amis import Ami
from moto.ssm.models import Parameter, ssm_backends

from rehearsal.emulator.errors import AwsError
from rehearsal.emulator.registry import Call, operation, page
from rehearsal.emulator.services.common import ec2, no_dry_run
from rehearsal.emulator.services.eks_catalog import VERSIONS

#: Releases of the AMIs, oldest first (https://github.com/awslabs/amazon-eks-ami/releases).
AL2023_RELEASES = ("20260120", "20260903", "20260930", "20261023")
BOTTLEROCKET_RELEASES = ("1.50.0", "1.51.0", "1.52.0")
_AL2023_VARIANTS = {"x86_64": ("standard", "nvidia", "neuron"), "arm64": ("standard", "nvidia")}
_EKS_OWNER, _BOTTLEROCKET_OWNER = "602401143452", "149721548608"


@dataclass(frozen=True)
class Image:
    """An AMI that AWS publishes, and the parameters that lead to it."""

    name: str
    arch: str
    owner: str
    made: datetime.datetime
    description: str
    parameters: tuple[str, ...]
    release: str

    def id(self, region: str) -> str:
        """Its id, another one in each region."""
        return f"ami-0{hashlib.sha256(f'{region}/{self.name}'.encode()).hexdigest()[:16]}"


@cache
def published() -> tuple[Image, ...]:
    """All images."""
    return (*_al2023(), *_bottlerocket())


def _al2023() -> Iterator[Image]:
    for version in VERSIONS.values():
        for arch, variants in _AL2023_VARIANTS.items():
            for variant in variants:
                for release in AL2023_RELEASES:
                    name = f"amazon-eks-node-al2023-{arch}-{variant}-{version.minor}-v{release}"
                    path = f"/aws/service/eks/optimized-ami/{version.minor}/amazon-linux-2023/{arch}/{variant}"
                    paths = [f"{path}/{name}"]
                    if release == AL2023_RELEASES[-1]:
                        paths.append(f"{path}/recommended")
                    made = datetime.datetime.strptime(release, "%Y%m%d").replace(tzinfo=datetime.UTC)
                    text = f"EKS-optimized Kubernetes node based on Amazon Linux 2023, (k8s: {version.patch})"
                    yield Image(name, arch, _EKS_OWNER, made, text, tuple(paths), f"{version.patch}-{release}")


def _bottlerocket() -> Iterator[Image]:
    made = datetime.datetime(2025, 11, 20, tzinfo=datetime.UTC)
    for version in VERSIONS.values():
        for variant in ("", "-nvidia"):
            for arch, word in (("x86_64", "x86_64"), ("arm64", "aarch64")):
                for number, release in enumerate(BOTTLEROCKET_RELEASES):
                    kind = f"aws-k8s-{version.minor}{variant}"
                    path = f"/aws/service/bottlerocket/{kind}/{arch}"
                    paths = [f"{path}/{release}"]
                    if release == BOTTLEROCKET_RELEASES[-1]:
                        paths.append(f"{path}/latest")
                    name = f"bottlerocket-{kind}-{word}-v{release}-{hashlib.sha256(release.encode()).hexdigest()[:8]}"
                    day = made + datetime.timedelta(days=42 * number)
                    yield Image(name, arch, _BOTTLEROCKET_OWNER, day, name, tuple(paths), release)


def ensure(network: Any) -> None:
    """See that a region of an account has the published images."""
    for image in published():
        identifier = image.id(network.region_name)
        if identifier not in network.amis and identifier not in network.deleted_amis:
            bottlerocket = image.owner == _BOTTLEROCKET_OWNER
            made = Ami(
                network,
                identifier,
                name=image.name,
                description=image.description,
                owner_id=image.owner,
                owner_alias="amazon",
                public=True,
                virtualization_type="hvm",
                architecture=image.arch,
                creation_date=image.made,
                platform="Linux/UNIX",
                image_location=f"amazon/{image.name}",
                hypervisor="xen",
                root_device_type="ebs",
                root_device_name="/dev/xvda",
                region_name=f"{network.region_name}a",
                boot_mode="uefi-preferred" if image.arch == "x86_64" and not bottlerocket else "uefi",
            )
            made.platform = None  # only Windows has one
            network.amis[identifier] = made


@operation("ec2", "DescribeImages")
def describe_images(call: Call) -> dict[str, Any]:
    """The images of the account and of Amazon, in pages."""
    no_dry_run(call)
    ensure(ec2(call))
    answer = call.forward()
    invalid = AwsError("InvalidNextToken", "The token is invalid.")
    items, token = page(answer.get("Images", []), call.get("NextToken"), call.get("MaxResults", 10_000), invalid)
    return {"Images": items, **({"NextToken": token} if token else {})}


@operation("ec2", "RegisterImage")
def register_image(call: Call) -> dict[str, Any]:
    """Moto keeps name and description only."""
    no_dry_run(call)
    answer = call.forward()
    made = ec2(call).amis[answer["ImageId"]]
    made.architecture = call.get("Architecture", "i386")
    made.virtualization_type = call.get("VirtualizationType", "paravirtual")
    made.root_device_name = call.get("RootDeviceName", made.root_device_name)
    made.root_device_type = "ebs"
    made.boot_mode = call.get("BootMode", made.boot_mode)
    for specification in call.get("TagSpecifications", []):
        if specification.get("ResourceType") == "image":
            made.add_tags({tag["Key"]: tag.get("Value", "") for tag in specification.get("Tags", [])})
    return answer


_PATHS = ("/aws/service/eks", "/aws/service/bottlerocket")


def _publish(call: Call, names: list[str]) -> None:
    """See that the parameters are there that somebody asks for."""
    if not any(name.startswith(_PATHS) or path.startswith(name) for name in names for path in _PATHS):
        return
    network = ec2(call)
    ensure(network)
    parameters = ssm_backends[call.account][call.region]._parameters
    if published()[0].parameters[0] + "/image_id" in parameters:
        return
    for image in published():
        identifier = image.id(call.region)
        for path in image.parameters:
            if image.owner == _EKS_OWNER:
                told = {"image_id": identifier, "image_name": image.name, "release_version": image.release}
                whole = json.dumps({"schema_version": "2", **told})
                values = {f"{path}/{key}": value for key, value in told.items()} | {path: whole}
            else:
                values = {f"{path}/image_id": identifier, f"{path}/image_version": image.release}
            for name, value in values.items():
                data = "aws:ec2:image" if name.endswith("/image_id") else "text"
                made = Parameter(call.account, name, value, "String", None, None, None, image.made, 1, data)
                parameters[name].append(made)


@operation("ssm", "GetParameter")
def get_parameter(call: Call) -> dict[str, Any]:
    _publish(call, [call["Name"]])
    return _public(call, call.forward())


@operation("ssm", "GetParameters")
def get_parameters(call: Call) -> dict[str, Any]:
    _publish(call, call["Names"])
    return _public(call, call.forward())


@operation("ssm", "GetParametersByPath")
def get_parameters_by_path(call: Call) -> dict[str, Any]:
    _publish(call, [call["Path"]])
    return _public(call, call.forward())


def _public(call: Call, answer: dict[str, Any]) -> dict[str, Any]:
    """A public parameter's ARN names no account."""
    one = [answer["Parameter"]] if "Parameter" in answer else []
    for item in [*one, *answer.get("Parameters", [])]:
        if item["Name"].startswith(_PATHS):
            item["ARN"] = f"arn:{call.partition}:ssm:{call.region}::parameter{item['Name']}"
    return answer
