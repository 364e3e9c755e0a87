# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters come, are upgraded and go, and leave nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from kubernetes import client as kubernetes

import rehearsal.__main__ as command
from rehearsal.__main__ import alive
from rehearsal.kubernetes import processes
from rehearsal.state import load
from tests.kubernetes.conftest import REGION, Aws, create, eventually, needs_binaries

pytestmark = needs_binaries


def test_a_cluster_is_upgraded_and_deleted(aws: Aws) -> None:
    cluster = create(aws, "spare", creator_is_admin=True, version="1.34")
    plane, eks = cluster.plane, aws("eks")
    processes_before = plane.pids()
    assert set(processes_before) == {"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"}
    # The creator has asked for it.
    assert cluster.core().list_namespace().items
    described = eks.describe_cluster(name="spare")["cluster"]
    assert plane.api.get("/version")["emulationMinor"] == "34"
    assert plane.api.get("/.well-known/openid-configuration")["issuer"] == described["identity"]["oidc"]["issuer"]
    cluster.plane.api.create("/api/v1/namespaces", {"metadata": {"name": "kept"}})

    eks.update_cluster_version(name="spare", version="1.35")
    assert eks.describe_cluster(name="spare")["cluster"]["status"] == "UPDATING"
    assert eventually(lambda: eks.describe_cluster(name="spare")["cluster"]["status"] == "ACTIVE", 120)
    version = kubernetes.VersionApi(cluster.api()).get_code()
    assert (version.major, version.minor) == ("1", "35")
    assert "kept" in {item.metadata.name for item in cluster.core().list_namespace().items}
    assert eks.describe_cluster(name="spare")["cluster"]["endpoint"] == described["endpoint"]

    pids = plane.pids()
    eks.delete_cluster(name="spare")
    assert eventually(lambda: "spare" not in eks.list_clusters()["clusters"], 30)
    assert not [pid for pid in pids.values() if alive(pid)]
    assert not plane.directory.exists()
    assert not plane.socket.exists()
    assert described["arn"] not in aws.state.admin("clusters")["clusters"]


def test_a_cluster_whose_programs_do_not_run_fails_and_can_be_deleted(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = {**aws.planes.programs(), "kube-apiserver": Path("/bin/false")}
    monkeypatch.setattr(aws.planes, "programs", lambda: broken)
    eks = aws("eks")
    config = {"subnetIds": aws.subnets}
    eks.create_cluster(
        name="broken",
        roleArn=aws.roles["cluster"],
        resourcesVpcConfig=config,
        accessConfig={"authenticationMode": "API"},
    )
    assert eventually(lambda: eks.describe_cluster(name="broken")["cluster"]["status"] == "FAILED", 30)
    assert "kube-apiserver ended" in capsys.readouterr().err
    eks.delete_cluster(name="broken")
    assert eventually(lambda: "broken" not in eks.list_clusters()["clusters"], 30)


def test_a_process_that_ends_by_itself_is_started_again(aws: Aws) -> None:
    cluster = create(aws, "lasting", creator_is_admin=True)
    before = cluster.plane.pids()["kube-scheduler"]
    os.kill(before, 9)
    assert eventually(lambda: cluster.plane.pids().get("kube-scheduler", before) != before, 20)
    aws("eks").delete_cluster(name="lasting")
    assert eventually(lambda: "lasting" not in aws("eks").list_clusters()["clusters"], 30)


def test_what_a_killed_emulator_leaves_is_ended_by_down(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    assert command.up(directory, 0, 0, 60, kubernetes=True) == 0
    state = load(directory)
    assert state is not None
    script = Path(__file__).with_name("make_cluster.py")
    subprocess.run([sys.executable, script], env={**os.environ, **state.environment(REGION)}, check=True)
    standing = eventually(lambda: [c for c in state.admin("clusters")["clusters"].values() if c["endpoint"]], 120)
    pids = [*standing[0]["processes"].values(), state.admin("clusters")["etcd"]]
    assert len(pids) == 5
    os.kill(state.pid, 9)
    assert eventually(lambda: not alive(state.pid), 10)
    assert [pid for pid in pids if alive(pid)] == pids
    assert command.down(directory) == 0
    assert not [pid for pid in pids if alive(pid)]
    assert not directory.exists()
    assert not processes.sockets_dir(directory).exists()
