# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""User data of nodes, read as nodeadm and Bottlerocket read them, and what they make of a node's capacity."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest
from moto.ec2.models.instance_types import INSTANCE_TYPES

from rehearsal.kubernetes import machines, userdata
from rehearsal.kubernetes.userdata import UserDataError

CA = b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"
CLUSTER = {
    "name": "dev",
    "apiServerEndpoint": "https://127.0.0.1:1",
    "certificateAuthority": base64.b64encode(CA).decode(),
    "cidr": "172.20.0.0/16",
}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def node_config(**spec: Any) -> str:
    document = {"apiVersion": "node.eks.aws/v1alpha1", "kind": "NodeConfig", "spec": {"cluster": CLUSTER, **spec}}
    return json.dumps(document)


def archive(*parts: tuple[str, str]) -> str:
    text = 'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="//"\n\n'
    for kind, body in parts:
        text += f"--//\nContent-Type: {kind}\n\n{body}\n\n"
    return f"{text}--//--\n"


def test_a_nodeconfig_in_an_archive_says_where_the_node_belongs_and_what_it_is() -> None:
    kubelet = {
        "config": {
            "maxPods": 42,
            "registerWithTaints": [{"key": "karpenter.sh/unregistered", "effect": "NoExecute"}],
            "kubeReserved": {"cpu": "100m"},
        },
        "flags": [
            '--node-labels="karpenter.sh/nodepool=general,team=a"',
            "--register-with-taints=a=b:NoSchedule,c:NoExecute",
        ],
    }
    text = archive(
        ("text/x-shellscript; charset=us-ascii", "#!/bin/bash\necho hello"),
        ("application/node.eks.aws", "# Karpenter Generated NodeConfig\n" + node_config(kubelet=kubelet)),
    )
    boot = userdata.parse(encoded(text))
    assert boot is not None
    assert (boot.cluster, boot.endpoint, boot.authority) == ("dev", "https://127.0.0.1:1", CA)
    assert boot.labels == {"karpenter.sh/nodepool": "general", "team": "a"}
    assert [dict(item) for item in boot.taints] == [
        {"key": "karpenter.sh/unregistered", "effect": "NoExecute"},
        {"key": "a", "value": "b", "effect": "NoSchedule"},
        {"key": "c", "effect": "NoExecute"},
    ]
    assert boot.max_pods == 42
    assert boot.reserved == {"kubeReserved": {"cpu": "100m"}}


def test_several_nodeconfigs_add_up_and_the_later_one_wins() -> None:
    first = {
        "apiVersion": "node.eks.aws/v1alpha1",
        "kind": "NodeConfig",
        "spec": {"kubelet": {"config": {"maxPods": 5}}},
    }
    first["spec"]["kubelet"]["flags"] = ["--v=2"]  # type: ignore[index]
    second = node_config(kubelet={"config": {"maxPods": 7}, "flags": ["--node-labels=a=b"]})
    kind = "application/node.eks.aws"
    boot = userdata.parse(encoded(archive((kind, json.dumps(first)), (kind, second))))
    assert boot is not None
    assert (boot.max_pods, boot.labels) == (7, {"a": "b"})


def test_a_nodeconfig_alone_and_a_compressed_one_are_read_as_well() -> None:
    assert userdata.parse(encoded(node_config())) is not None
    packed = base64.b64encode(gzip.compress(node_config().encode())).decode()
    assert userdata.parse(packed) is not None


def test_bottlerockets_settings_say_the_same() -> None:
    text = f"""
[settings.kubernetes]
api-server = "https://127.0.0.1:1"
cluster-certificate = "{base64.b64encode(CA).decode()}"
cluster-name = "dev"
max-pods = 20
[settings.kubernetes.node-labels]
"karpenter.sh/nodepool" = "general"
[settings.kubernetes.node-taints]
"karpenter.sh/unregistered" = [":NoExecute"]
dedicated = ["db:NoSchedule"]
[settings.kubernetes.system-reserved]
memory = "200Mi"
"""
    boot = userdata.parse(encoded(text))
    assert boot is not None
    assert (boot.cluster, boot.authority, boot.max_pods) == ("dev", CA, 20)
    assert boot.labels == {"karpenter.sh/nodepool": "general"}
    assert [dict(item) for item in boot.taints] == [
        {"key": "karpenter.sh/unregistered", "effect": "NoExecute"},
        {"key": "dedicated", "value": "db", "effect": "NoSchedule"},
    ]
    assert boot.reserved == {"systemReserved": {"memory": "200Mi"}}


@pytest.mark.parametrize(
    "text", ["#!/bin/bash\necho hello\n", "#cloud-config\npackages: [git]\n", "[settings.host]\nx = 1\n"]
)
def test_user_data_of_other_machines_boot_no_node(text: str) -> None:
    assert userdata.parse(encoded(text)) is None
    assert userdata.parse(base64.b64encode(b"\xff\xfe").decode()) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (node_config(cluster={"name": "dev"}), "has no spec.cluster.apiServerEndpoint, certificateAuthority, cidr"),
        (node_config().replace("v1alpha1", "v9"), "is no NodeConfig"),
        (archive(("application/node.eks.aws", "a: [")), "is no YAML"),
        (node_config(kubelet={"flags": ["--node-labels=team"]}), "is no key=value"),
        (node_config(kubelet={"flags": ["--node-labels=kubernetes.io/role=x"]}), "'kubernetes.io'"),
        (node_config(kubelet={"flags": ["--node-labels=node-role.kubernetes.io/x=y"]}), "'kubernetes.io'"),
        (node_config(kubelet={"flags": ["--register-with-taints=a=b:Never"]}), "is no taint"),
        ('[settings.kubernetes]\ncluster-name = "dev"\n', "has no settings.kubernetes.api-server, cluster-certificate"),
    ],
)
def test_what_no_kubelet_would_start_with_is_said_in_a_sentence(text: str, said: str) -> None:
    with pytest.raises(UserDataError) as caught:
        userdata.parse(encoded(text))
    assert said.replace("has no settings", "have no settings") in str(caught.value)
    assert "\n" not in str(caught.value) or "YAML" in said


def test_what_the_kubelet_is_told_to_keep_is_kept_from_pods() -> None:
    kind = INSTANCE_TYPES["m7g.large"]
    total, left = machines.capacity(kind, 20)
    assert (total["pods"], left["cpu"]) == ("29", "1930m")
    reserved = {
        "kubeReserved": {"cpu": "200m", "memory": "1Gi"},
        "systemReserved": {"cpu": "100m", "memory": "512Mi"},
        "evictionHard": {"memory.available": "10%", "nodefs.available": "50%"},
    }
    again, less = machines.capacity(kind, 20, 8, reserved)
    assert (again["pods"], less["pods"], less["cpu"]) == ("8", "8", "1700m")
    memory = int(total["memory"].removesuffix("Ki"))
    assert int(less["memory"].removesuffix("Ki")) == int(memory * 0.9 - 1.5 * 2**20)
    assert int(less["ephemeral-storage"].removesuffix("Ki")) == 9 * 2**20
