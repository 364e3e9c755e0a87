# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Karpenter's nodes become of good and bad declarations."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.innovate.platform.plugins.filter.karpenter_objects import karpenter_objects
from ansible_collections.innovate.platform.plugins.module_utils._karpenter.catalog import architecture
from ansible_collections.innovate.platform.plugins.module_utils._karpenter.checks import problems_of
from ansible_collections.innovate.platform.plugins.module_utils._karpenter.schedule import (
    DAYS,
    closed_budgets,
    cron_problems,
    minutes,
)

POOL = {
    "name": "general",
    "architectures": ["amd64"],
    "capacity_types": ["spot", "on-demand"],
    "instance_families": ["t3a", "m6i"],
    "limits": {"cpu": 32, "memory": "128Gi"},
}
NODES = {"cluster": "dev", "role": "karpenter-dev-node", "ami": "al2023@v20260930", "tags": {"project": "innovate"}}


def declaration(*pools: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return copy.deepcopy({**NODES, "pools": list(pools), **changes})


def pool(**changes: Any) -> dict[str, Any]:
    return declaration({**POOL, **changes})


def spec_of(**changes: Any) -> dict[str, Any]:
    spec: dict[str, Any] = karpenter_objects(pool(**changes))[1]["spec"]
    return spec


BAD = {
    "a name that is none": (pool(name="Web_1"), "node pool Web_1: a name is up to 63 lower-case letters"),
    "a name that is too long for a label": (pool(name="a" * 64), "a name is up to 63"),
    "two of one name": (declaration(POOL, POOL), "node pool general is declared 2 times"),
    "no name": (declaration({"limits": {"cpu": 1}}), "karpenter_node_pools[0]: it has no name"),
    "no dictionary": (declaration("general"), "karpenter_node_pools[0] is not a dictionary"),  # type: ignore[arg-type]
    "no list": (declaration(pools={"general": {}}), "karpenter_node_pools is not a list"),
    "an unknown option": (pool(architecture=["arm64"]), "unknown option 'architecture': did you mean architectures?"),
    "text for a list": (pool(zones="eu-central-1a"), "karpenter_node_pools[0].zones is not a list"),
    "a list for a dictionary": (pool(labels=["a"]), "karpenter_node_pools[0].labels is not a dictionary"),
    "a taint that is text": (pool(taints=["a=b"]), "karpenter_node_pools[0].taints: one of its items"),
    "an unknown architecture": (pool(architectures=["x86_64"]), "architectures: 'x86_64' is unknown"),
    "no architecture": (pool(architectures=[]), "architectures is empty, so nothing fits"),
    "an unknown way of paying": (pool(capacity_types=["ondemand"]), "'ondemand' is unknown: did you mean on-demand?"),
    "no way of paying": (pool(capacity_types=[]), "capacity_types is empty"),
    "a family that is none": (pool(instance_families=["m6i", "large"]), "'large' is not the name of a family"),
    "a type as a family": (pool(instance_families=["m6i.large"]), "'m6i.large' is an instance type"),
    "a size that is none": (pool(instance_sizes=["huge"]), "instance_sizes: 'huge' is not a size"),
    "a type that is none": (pool(instance_types=["m6i"]), "instance_types: 'm6i' is not an instance type"),
    "arm64 with families of amd64": (
        pool(architectures=["arm64"]),
        "node pool general: no instance type satisfies it for arm64: the families t3a, m6i are of the",
    ),
    "amd64 with families of arm64": (
        pool(instance_families=["t4g", "c7g"]),
        "no instance type satisfies it for amd64: the families t4g, c7g",
    ),
    "both with families of one": (pool(architectures=["amd64", "arm64"]), "no instance type satisfies it for arm64"),
    "types outside of the families": (
        pool(instance_types=["c7g.large", "r6i.large"]),
        "none of c7g.large, r6i.large is of that architecture, and of its families and sizes",
    ),
    "types outside of the sizes": (
        pool(instance_types=["m6i.large"], instance_sizes=["xlarge"]),
        "no instance type satisfies it for amd64: none of m6i.large",
    ),
    "a zone that is none": (pool(zones=["eu-central-1"]), "'eu-central-1' is not the name of a zone"),
    "no limit": (pool(limits={}), "limits has no cpu"),
    "a limit that is no quantity": (pool(limits={"cpu": 4, "memory": "16GB"}), "memory '16GB' is not a quantity"),
    "a limit of nothing": (pool(limits={"cpu": 0}), "cpu 0 lets it make no node"),
    "a limit of something unknown": (pool(limits={"cpu": 4, "mem": "1Gi"}), "'mem' is not a resource"),
    "a weight out of range": (pool(weight=101), "weight 101 is not a number between 1 and 100"),
    "a label of Karpenter's": (pool(labels={"karpenter.sh/tier": "a"}), "label 'karpenter.sh/tier' is Karpenter's own"),
    "the pool's own label": (pool(labels={"innovate.io/pool": "a"}), "label 'innovate.io/pool' is set for every node"),
    "a label that is none": (pool(labels={"a b": "c"}), "label 'a b' is not a label's name"),
    "a value that is none": (pool(labels={"a": "b c"}), "label 'a' has the value 'b c'"),
    "a taint without effect": (pool(taints=[{"key": "a"}]), "taint a: effect None is not one of NoSchedule"),
    "a taint with EKS's effect": (
        pool(taints=[{"key": "a", "effect": "NO_SCHEDULE"}]),
        "taint a: effect 'NO_SCHEDULE' is not one of NoSchedule",
    ),
    "a taint without key": (pool(startup_taints=[{"effect": "NoSchedule"}]), "a taint has the key None"),
    "days of expiry": (pool(expire_after="30d"), "expire_after '30d' is neither a duration such as 720h nor Never"),
    "no end to patience": (pool(termination_grace_period="Never"), "termination_grace_period 'Never' is not a"),
    "an unknown consolidation": (
        pool(consolidation={"policy": "WhenUnderutilized"}),
        "consolidation: policy 'WhenUnderutilized' is unknown: did you mean WhenEmptyOrUnderutilized?",
    ),
    "consolidation after a while": (pool(consolidation={"after": "soon"}), "after 'soon' is neither a duration"),
    "consolidation by another word": (pool(consolidation={"delay": "5m"}), "consolidation: unknown option 'delay'"),
    "a budget beyond all": (pool(disruption_budgets=[{"nodes": "120%"}]), "budget 120%: nodes is neither a number"),
    "a schedule that never ends": (
        pool(disruption_budgets=[{"nodes": "0", "schedule": "0 6 * * *"}]),
        "budget 0: schedule and duration go together",
    ),
    "a schedule that is none": (
        pool(disruption_budgets=[{"nodes": 0, "schedule": "0 25 * * *", "duration": "8h"}]),
        "schedule '0 25 * * *' is no cron schedule: its hour '25' is not within 0 to 23",
    ),
    "a duration in days": (
        pool(disruption_budgets=[{"nodes": "0", "schedule": "@daily", "duration": "1d"}]),
        "budget 0: duration '1d' is not of the form 8h, 90m or 1h30m",
    ),
    "an unknown reason": (
        pool(disruption_budgets=[{"nodes": "1", "reasons": ["Expired"]}]),
        "budget 1: reason 'Expired' is unknown",
    ),
    "a budget's unknown option": (pool(disruption_budgets=[{"node": 1}]), "unknown option 'node'"),
    "a window by another word": (
        pool(maintenance_windows=[{"dayz": ["sat"], "start": "02:00", "duration": "4h"}]),
        "unknown option 'dayz' of a window",
    ),
    "a window on no day": (
        pool(maintenance_windows=[{"days": ["sunday"], "start": "02:00", "duration": "4h"}]),
        "maintenance_windows: day 'sunday' is none of sun, mon",
    ),
    "a window at no time": (
        pool(maintenance_windows=[{"start": "2am", "duration": "4h"}]),
        "start '2am' is not a time of day",
    ),
    "a window of no length": (
        pool(maintenance_windows=[{"start": "02:00", "duration": "0h"}]),
        "duration '0h' is not a duration of up to a week",
    ),
    "an image that moves": (
        declaration(ami="al2023@latest"),
        "karpenter_ami 'al2023@latest' replaces all nodes whenever AWS publishes an image: pin a version such as",
    ),
    "an image of no version": (declaration(ami="al2023"), "karpenter_ami 'al2023' is neither of the form"),
    "an image of another family": (declaration(ami="al2@v20251112"), "is neither of the form al2023@v"),
    "a disk that the image doesn't fit on": (declaration(volume_size=10), "karpenter_volume_size 10 is not between 20"),
    "an alias for a key": (declaration(volume_kms_key_arn="alias/ebs"), "'alias/ebs' is not the ARN of a key"),
    "a tag of Karpenter's": (declaration(tags={"karpenter.sh/nodepool": "a"}), "is Karpenter's own tag"),
    "a cluster that is none": (declaration(cluster="-"), "karpenter_cluster '-': use the cluster's name"),
    "a cluster after which roles can't be called": (declaration(cluster="c" * 31), "up to 30 lower-case letters"),
}


@pytest.mark.parametrize(("given", "sentence"), BAD.values(), ids=BAD)
def test_a_mistake_is_a_sentence(given: dict[str, Any], sentence: str) -> None:
    problems = problems_of(given)
    assert len(problems) == 1, problems
    assert sentence in problems[0]


def test_all_mistakes_come_at_once() -> None:
    given = pool(name="Web", capacity_types=["ondemand"], expire_after="30d")
    problems = problems_of({**given, "ami": "al2023@latest"})
    assert len(problems) == 4
    with pytest.raises(AnsibleFilterError) as raised:
        karpenter_objects({**given, "ami": "al2023@latest"})
    assert str(raised.value).splitlines() == problems


def test_a_mistake_in_shape_hides_none_of_the_others() -> None:
    assert len(problems_of({**pool(zones="a", limit=1), "ami": "al2023@latest"})) == 3


@pytest.mark.parametrize(
    ("family", "arch"),
    [
        ("t3a", "amd64"),
        ("m6i", "amd64"),
        ("c7gn", "arm64"),
        ("t4g", "arm64"),
        ("a1", "arm64"),
        ("g5g", "arm64"),
        ("g5", "amd64"),
        ("m7i-flex", "amd64"),
        ("u-6tb1", "amd64"),
        ("x2iedn", "amd64"),
        ("im4gn", "arm64"),
        ("large", None),
        ("m6i.large", None),
    ],
)
def test_the_name_of_a_family_tells_its_architecture(family: str, arch: str | None) -> None:
    assert architecture(family) == arch


def test_a_pool_says_what_it_takes() -> None:
    spec = spec_of(architectures=["amd64", "arm64"], instance_families=["m6i", "c7g"], zones=["eu-central-1a"])
    requirements = {item["key"]: item["values"] for item in spec["template"]["spec"]["requirements"]}
    assert requirements == {
        "kubernetes.io/arch": ["amd64", "arm64"],
        "kubernetes.io/os": ["linux"],
        "karpenter.sh/capacity-type": ["spot", "on-demand"],
        "karpenter.k8s.aws/instance-family": ["m6i", "c7g"],
        "topology.kubernetes.io/zone": ["eu-central-1a"],
    }
    assert spec["limits"] == {"cpu": "32", "memory": "128Gi"}
    assert spec["template"]["metadata"]["labels"] == {"innovate.io/pool": "general"}


def test_a_pool_without_more_words_is_moderate() -> None:
    spec = spec_of()
    assert spec["template"]["spec"]["expireAfter"] == "720h"
    assert spec["template"]["spec"]["terminationGracePeriod"] == "24h"
    assert spec["disruption"] == {
        "consolidationPolicy": "WhenEmptyOrUnderutilized",
        "consolidateAfter": "1m",
        "budgets": [{"nodes": "20%"}],
    }
    assert "weight" not in spec
    assert "taints" not in spec["template"]["spec"]


def test_null_is_the_default() -> None:
    assert spec_of(expire_after=None, weight=None, taints=None) == spec_of()


def test_a_pool_has_labels_taints_weight_and_budgets_as_they_are_given() -> None:
    spec = spec_of(
        weight=10,
        labels={"tier": 1},
        taints=[{"key": "batch", "value": "yes", "effect": "NoSchedule"}],
        startup_taints=[{"key": "cilium", "effect": "NoExecute"}],
        disruption_budgets=[
            {"nodes": 1},
            {"nodes": "0", "schedule": "@daily", "duration": "8h", "reasons": ["Drifted"]},
        ],
    )
    assert spec["weight"] == 10
    assert spec["template"]["metadata"]["labels"]["tier"] == "1"
    assert spec["template"]["spec"]["taints"] == [{"key": "batch", "value": "yes", "effect": "NoSchedule"}]
    assert spec["template"]["spec"]["startupTaints"] == [{"key": "cilium", "effect": "NoExecute"}]
    assert spec["disruption"]["budgets"] == [
        {"nodes": "1"},
        {"nodes": "0", "schedule": "@daily", "duration": "8h", "reasons": ["Drifted"]},
    ]


# The node class


def node_class(**changes: Any) -> dict[str, Any]:
    spec: dict[str, Any] = karpenter_objects(declaration(**changes))[0]["spec"]
    return spec


def test_instances_have_imdsv2_encrypted_disks_and_tags() -> None:
    spec = node_class(volume_size=80, volume_kms_key_arn="arn:aws:kms:eu-central-1:111122223333:key/a-b")
    assert spec["metadataOptions"]["httpTokens"] == "required"
    assert spec["metadataOptions"]["httpPutResponseHopLimit"] == 1
    (disk,) = spec["blockDeviceMappings"]
    assert disk["deviceName"] == "/dev/xvda"
    assert (disk["ebs"]["encrypted"], disk["ebs"]["volumeType"], disk["ebs"]["volumeSize"]) == (True, "gp3", "80Gi")
    assert disk["ebs"]["kmsKeyID"].endswith("key/a-b")
    assert spec["tags"] == {"project": "innovate"}


def test_bottlerocket_has_a_disk_for_data_beside_the_systems() -> None:
    disks = node_class(ami="bottlerocket@1.50.0")["blockDeviceMappings"]
    assert [(disk["deviceName"], disk["ebs"]["volumeSize"], disk["ebs"]["encrypted"]) for disk in disks] == [
        ("/dev/xvda", "4Gi", True),
        ("/dev/xvdb", "50Gi", True),
    ]


# Schedules


@pytest.mark.parametrize(
    "schedule", ["@daily", "*/15 * * * *", "0 9-17/2 1,15 jan-mar MON-FRI", "59 23 ? 12 0", "0 0 31 * *"]
)
def test_cron_schedules_are_taken(schedule: str) -> None:
    assert cron_problems(schedule) == []


@pytest.mark.parametrize(
    ("schedule", "clause"),
    [
        ("@never", "it is none of @annually"),
        ("0 6 * *", "it has 4 fields"),
        ("0 0 6 * * *", "it has 6 fields"),
        ("60 * * * *", "its minute '60'"),
        ("0 9-5 * * *", "its hour '9-5' ends before it begins"),
        ("*/0 * * * *", "the step '0' of its minute"),
        ("0 0 0 * *", "its day of the month '0'"),
        ("0 0 * 13 *", "its month '13'"),
        # Other programs take 7 for Sunday, Karpenter's parser doesn't.
        ("0 0 * * 7", "its day of the week '7'"),
        ("0 0 * * sunday", "its day of the week 'sunday'"),
        ("a b c d e", "its minute 'a'"),
    ],
)
def test_what_is_no_cron_schedule_is_told(schedule: str, clause: str) -> None:
    assert clause in cron_problems(schedule)[0]


def is_closed(budgets: list[dict[str, Any]], at: datetime) -> bool:
    """Tell whether a budget holds at a time, in the way of Karpenter: whether it began within its duration."""
    for budget in budgets:
        minute, hour, _month_day, _month, days = budget["schedule"].split()
        chosen = range(7) if days == "*" else [int(day) for day in days.split(",")]
        length = timedelta(minutes=minutes(budget["duration"]))
        for back in range(9):
            begin = (at - timedelta(days=back)).replace(hour=int(hour), minute=int(minute))
            if begin.isoweekday() % 7 in chosen and begin <= at < begin + length:
                return True
    return False


WINDOWS = {
    "a night a week": [{"days": ["sun"], "start": "02:00", "duration": "4h"}],
    "every night": [{"start": "01:30", "duration": "2h30m"}],
    "over midnight": [{"days": ["mon", "thu"], "start": "23:00", "duration": "3h"}],
    "over the week's end": [{"days": ["sat"], "start": "22:00", "duration": "8h"}],
    "over the week's end and beyond others": [
        {"days": ["sat"], "start": "12:00", "duration": "24h"},
        {"days": ["sun"], "start": "01:00", "duration": "1h"},
        {"days": ["sun"], "start": "13:00", "duration": "1h"},
    ],
    "several that touch and overlap": [
        {"days": ["tue"], "start": "10:00", "duration": "2h"},
        {"days": ["tue"], "start": "12:00", "duration": "1h"},
        {"days": ["tue", "wed"], "start": "11:30", "duration": "45m"},
    ],
}


@pytest.mark.parametrize("windows", WINDOWS.values(), ids=WINDOWS)
def test_outside_of_the_windows_nothing_is_disrupted_and_inside_nothing_holds_back(
    windows: list[dict[str, Any]],
) -> None:
    budgets = closed_budgets(windows, ["Drifted"])
    assert [item for budget in budgets for item in cron_problems(budget["schedule"])] == []
    sunday = datetime(2026, 11, 22, tzinfo=UTC)
    for quarter in range(7 * 24 * 4):
        at = sunday + timedelta(minutes=15 * quarter)
        inside = False
        for window in windows:
            hour, minute = map(int, window["start"].split(":"))
            for back in range(8):
                begin = (at - timedelta(days=back)).replace(hour=hour, minute=minute)
                day = DAYS[begin.isoweekday() % 7]
                length = timedelta(minutes=minutes(window["duration"]))
                inside |= day in window.get("days", DAYS) and begin <= at < begin + length
        assert is_closed(budgets, at) != inside, at


def test_windows_that_differ_by_the_day_alone_share_a_budget() -> None:
    assert closed_budgets([{"start": "02:00", "duration": "4h"}], ["Drifted"]) == [
        {"nodes": "0", "schedule": "0 6 * * *", "duration": "20h", "reasons": ["Drifted"]}
    ]


def test_an_empty_node_waits_for_no_window() -> None:
    budgets = spec_of(maintenance_windows=[{"start": "02:00", "duration": "4h"}])["disruption"]["budgets"]
    assert budgets[1]["reasons"] == ["Drifted", "Underutilized"]


def test_a_window_that_never_ends_closes_nothing() -> None:
    assert closed_budgets([{"days": ["sun"], "start": "00:00", "duration": "168h"}], ["Drifted"]) == []
