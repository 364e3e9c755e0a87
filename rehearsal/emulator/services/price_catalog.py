# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Price List offers beside EC2's instances, as far as this platform pays for it.

Names of families, usage types and units are the list's own
(https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/reading-service-price-list-file-for-services.html). Beside
what the platform uses stands what is easily taken for it: other engines, other gateways, addresses that are idle. The
prices are about those of the list, by the region's factor: no price table for people.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS, INSTANCE_TYPES

from rehearsal.emulator.services.instance_types import on_demand_price, region_factor

#: What usage types begin with, in most services and nearly all regions
#: (https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html has no list of them).
_PREFIXES = {
    "eu-west-1": "EU",
    "us-west-1": "USW1",
    "ap-northeast-1": "APN1",
    "ap-northeast-2": "APN2",
    "ap-northeast-3": "APN3",
    "ap-south-1": "APS3",
    "ap-southeast-1": "APS1",
    "ap-southeast-2": "APS2",
    "ca-central-1": "CAN1",
}
_RDS_FAMILIES = ("t3", "t4g", "m6i", "m6g", "m7g", "r6g", "r7g")
#: RDS abbreviates sizes in usage types, not in the attribute ``instanceType``.
_SHORT = re.compile(r"xlarge$")


@dataclass(frozen=True)
class Product:
    """A product: its attributes, and what one ``unit`` costs, from how much of it on."""

    attributes: Mapping[str, str]
    family: str | None
    unit: str
    tiers: tuple[tuple[str, float], ...]

    def searchable(self) -> dict[str, str]:
        """The attributes by name in lower case, as filters name them."""
        have = {key.lower(): value for key, value in self.attributes.items()}
        return have if self.family is None else {**have, "productfamily": self.family}


def usage(region: str, name: str, *, bare: bool = True) -> str:
    """A usage type; ``bare`` are those that have no prefix in us-east-1, which is most of the older services."""
    area, *rest, number = region.split("-")
    if region == "us-east-1":
        return name if bare else f"USE1-{name}"
    made = area.upper() + "".join(part[0] for part in rest).upper() + number
    return f"{_PREFIXES.get(region, made)}-{name}"


def _product(
    service: str, region: str, family: str | None, usagetype: str, unit: str, usd: float, **attributes: str
) -> Product:
    found = {"locationType": "AWS Region", "regionCode": region, "servicecode": service, "usagetype": usagetype}
    return Product({**found, **attributes}, family, unit, (("0", usd),))


def _ec2(region: str) -> Iterator[Product]:
    factor, service = region_factor(region), "AmazonEC2"
    for kind, usd in (("gp3", 0.08), ("gp2", 0.1)):
        yield _product(
            service,
            region,
            "Storage",
            usage(region, f"EBS:VolumeUsage.{kind}"),
            "GB-Mo",
            usd * factor,
            volumeApiName=kind,
        )
    extra = {"volumeApiName": "gp3"}
    iops, throughput = usage(region, "EBS:VolumeP-IOPS.gp3"), usage(region, "EBS:VolumeP-Throughput.gp3")
    yield _product(service, region, "System Operation", iops, "IOPS-Mo", 0.005 * factor, **extra)
    # By the GiB/s.
    yield _product(service, region, "Provisioned Throughput", throughput, "GiBps-mo", 40.96 * factor, **extra)
    for name, group in (("NatGateway", "NGW:NatGateway"), ("RegionalNatGateway", "NGW:RegionalNatGateway")):
        usd = (0.045 if name == "NatGateway" else 0.05) * factor
        for what, unit in (("Hours", "Hrs"), ("Bytes", "GB")):
            yield _product(
                service, region, "NAT Gateway", usage(region, f"{name}-{what}"), unit, usd, group=group, operation=name
            )


def _eks(region: str) -> Iterator[Product]:
    for name, operation, usd in (("perCluster", "CreateOperation", 0.1), ("extendedSupport", "ExtendedSupport", 0.5)):
        usagetype = usage(region, f"AmazonEKS-Hours:{name}", bare=False)
        yield _product("AmazonEKS", region, "Compute", usagetype, "hours", usd, operation=operation)
    fargate = usage(region, "Fargate-vCPU-Hours:perCPU", bare=False)
    yield _product("AmazonEKS", region, "Compute", fargate, "hours", 0.04048 * region_factor(region))


def _vpc(region: str) -> Iterator[Product]:
    service, factor = "AmazonVPC", region_factor(region)
    for name in ("InUseAddress", "IdleAddress", "ContiguousBlock"):
        usd = 0.008 if name == "ContiguousBlock" else 0.005
        usagetype = usage(region, f"PublicIPv4:{name}", bare=False)
        # The list gives these no family.
        yield _product(service, region, None, usagetype, "Hrs", usd, group="VPCPublicIPv4Address")
    for name, kind in (("", "PrivateLink"), ("-GWLBE", "Gateway LoadBalancer Endpoint")):
        extra = {"endpointType": kind}
        hours, data = (usage(region, f"VpcEndpoint{name}-{what}", bare=False) for what in ("Hours", "Bytes"))
        yield _product(service, region, "VpcEndpoint", hours, "Hrs", 0.01 * factor, **extra)
        found = _product(service, region, "VpcEndpoint", data, "GB", 0.01, **extra)
        yield Product(found.attributes, found.family, found.unit, (("0", 0.01), ("1048576", 0.006), ("5242880", 0.004)))


def _rds(region: str) -> Iterator[Product]:
    service, factor = "AmazonRDS", region_factor(region)
    deployments = {"Single-AZ": ("InstanceUsage", 1), "Multi-AZ": ("Multi-AZUsage", 2)}
    readable = {"Multi-AZ (readable standbys)": ("Multi-AZClusterUsage", 3)}
    offered = (item["InstanceType"] for item in INSTANCE_TYPE_OFFERINGS["region"].get(region, []))
    for kind in sorted(set(offered)):
        if kind not in INSTANCE_TYPES or kind.partition(".")[0] not in _RDS_FAMILIES or kind.endswith("metal"):
            continue
        for engine, share in (("PostgreSQL", 1.9), ("MySQL", 1.8)):
            for option, (name, instances) in {**deployments, **readable}.items():
                short = _SHORT.sub("xl", kind)
                usd = round(on_demand_price(kind, region) * share * instances, 3)
                yield _product(
                    service,
                    region,
                    "Database Instance",
                    usage(region, f"{name}:db.{short}"),
                    "Hrs",
                    usd,
                    databaseEngine=engine,
                    deploymentOption=option,
                    instanceType=f"db.{kind}",
                    licenseModel="No license required",
                )
    for engine in ("PostgreSQL", "MySQL"):
        for name, option, usd in (
            ("RDS:GP3-Storage", "Single-AZ", 0.115),
            ("RDS:Multi-AZ-GP3-Storage", "Multi-AZ", 0.23),
            ("RDS:Multi-AZCluster-GP3-Storage", "Multi-AZ (readable standbys)", 0.345),
        ):
            yield _product(
                service,
                region,
                "Database Storage",
                usage(region, name),
                "GB-Mo",
                usd * factor + (0.01 if engine == "MySQL" else 0),
                databaseEngine=engine,
                deploymentOption=option,
                volumeType="General Purpose-GP3",
            )
        yield _product(
            service,
            region,
            "Storage Snapshot",
            usage(region, "RDS:ChargedBackupUsage"),
            "GB-Mo",
            0.095 * factor + (0.01 if engine == "MySQL" else 0),
            databaseEngine=engine,
        )
    aurora = usage(region, "Aurora:BackupUsage")
    yield _product(service, region, "Storage Snapshot", aurora, "GB-Mo", 0.021, databaseEngine="Any")


def _kms(region: str) -> Iterator[Product]:
    # KMS names regions in full.
    yield _product("awskms", region, "Encryption Key", f"{region}-KMS-Keys", "Keys", 1.0)
    yield _product("awskms", region, "API Request", f"{region}-KMS-Requests", "Requests", 0.000003)


def _secrets(region: str) -> Iterator[Product]:
    for family, name, unit, usd in (
        ("Secret", "Secrets", "Secrets", 0.4),
        ("API Request", "APIRequest", "API Calls", 5e-6),
    ):
        usagetype = usage(region, f"AWSSecretsManager-{name}", bare=False)
        yield _product("AWSSecretsManager", region, family, usagetype, unit, usd)


def _cloudwatch(region: str) -> Iterator[Product]:
    service, factor = "AmazonCloudWatch", region_factor(region)
    for family, name, unit, usd in (
        ("Data Payload", "DataProcessing-Bytes", "GB", 0.5 * factor),
        ("Data Payload", "DataProcessingIA-Bytes", "GB", 0.25 * factor),
        ("Storage Snapshot", "TimedStorage-ByteHrs", "GB-Mo", 0.03 * factor),
    ):
        yield _product(service, region, family, usage(region, name, bare=False), unit, usd)


def _s3(region: str) -> Iterator[Product]:
    usd = 0.023 * region_factor(region)
    for kind, name, share in (
        ("Standard", "TimedStorage-ByteHrs", 1),
        ("Amazon Glacier", "TimedStorage-GlacierByteHrs", 0.2),
    ):
        made = _product("AmazonS3", region, "Storage", usage(region, name), "GB-Mo", usd * share, volumeType=kind)
        yield Product(made.attributes, made.family, made.unit, (("0", usd * share), ("51200", usd * share * 0.95)))


def _ecr(region: str) -> Iterator[Product]:
    usagetype = usage(region, "TimedStorage-ByteHrs", bare=False)
    yield _product("AmazonECR", region, "EC2 Container Registry", usagetype, "GB-Mo", 0.1)


def _elb(region: str) -> Iterator[Product]:
    for kind in ("Application", "Network", "Gateway"):
        family, usd = f"Load Balancer-{kind}", (0.0125 if kind == "Gateway" else 0.0225) * region_factor(region)
        yield _product("AWSELB", region, family, usage(region, "LoadBalancerUsage"), "Hrs", usd)
        yield _product("AWSELB", region, family, usage(region, "LCUUsage"), "LCU-Hrs", 0.008)


CATALOG: dict[str, Callable[[str], Iterator[Product]]] = {
    "AWSELB": _elb,
    "AWSSecretsManager": _secrets,
    "AmazonCloudWatch": _cloudwatch,
    "AmazonEC2": _ec2,
    "AmazonECR": _ecr,
    "AmazonEKS": _eks,
    "AmazonRDS": _rds,
    "AmazonS3": _s3,
    "AmazonVPC": _vpc,
    "awskms": _kms,
}
"""By service, its products in a region; those of EC2 are what its instances aren't."""
