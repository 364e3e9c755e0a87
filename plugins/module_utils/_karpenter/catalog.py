# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the area knows by heart: the forms of names, quantities and durations, and what instance types' names tell."""

from __future__ import annotations

import re

ARM64 = "arm64"
AMD64 = "amd64"
ARCHITECTURES = (AMD64, ARM64)
CAPACITY_TYPES = ("on-demand", "spot")
TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
CONSOLIDATION_POLICIES = ("WhenEmpty", "WhenEmptyOrUnderutilized", "Balanced")
REASONS = ("Drifted", "Empty", "Underutilized")
RESOURCES = ("cpu", "memory", "nodes", "pods", "ephemeral-storage")

# https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html
_FAMILY = re.compile(r"(?P<series>[a-z]+)(?P<generation>\d+)(?P<attributes>[a-z0-9-]*)|u-[a-z0-9]+|mac\d[a-z0-9-]*")
_TYPE = re.compile(r"(?P<family>[a-z0-9-]+)\.(?P<size>nano|micro|small|medium|large|\d*xlarge|metal(-\d+xl)?)")
SIZE = re.compile(r"nano|micro|small|medium|large|\d*xlarge|metal(-\d+xl)?")
ZONE = re.compile(r"[a-z]{2}(-[a-z]+)+-\d[a-z]|[a-z]{2}(-[a-z]+)+-\d(-[a-z]+)+-\d[a-z]")
QUANTITY = re.compile(r"\d+(\.\d+)?(m|k|Ki|M|Mi|G|Gi|T|Ti|P|Pi|E|Ei)?")
# The forms that Karpenter's definitions of its kinds allow (charts/karpenter-crd of v1.14.1).
DURATION = re.compile(r"([0-9]+(s|m|h))+")
BUDGET_NODES = re.compile(r"(100|[0-9]{1,2})%|[0-9]+")
BUDGET_DURATION = re.compile(r"[0-9]+h[0-9]+m|[0-9]+(h|m)")

# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/, labels/
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?)?", re.ASCII)
LABEL_KEY = re.compile(r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?", re.ASCII)


def architecture(family: str) -> str | None:
    """Return the architecture that the name of an instance family tells, None if it isn't such a name.

    A g after the generation stands for Graviton; the first generation (a1) has none.
    """
    found = _FAMILY.fullmatch(family)
    if found is None:
        return None
    attributes = found["attributes"] or ""
    return ARM64 if "g" in attributes or family == "a1" else AMD64


def family_and_size(instance_type: str) -> tuple[str, str] | None:
    """Return the two parts of an instance type's name, None if it isn't one."""
    found = _TYPE.fullmatch(instance_type)
    if found is None or architecture(found["family"]) is None:
        return None
    return found["family"], found["size"]
