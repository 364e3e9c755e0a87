# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest

from rehearsal import postgres, state
from rehearsal.__main__ import alive
from tests.emulator.conftest import REGION, Aws, eventually, refused

ROOT = Path(__file__).resolve().parents[2]


def rehearsal(*arguments: str, directory: Path) -> subprocess.CompletedProcess[str]:
    quick = ["--no-kubernetes"] if arguments[0] == "up" else []
    command = [sys.executable, "-m", "rehearsal", *arguments, *quick, "--state-dir", str(directory)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


def test_credentials_that_nobody_gave_out_are_refused(aws: Aws) -> None:
    stranger = Aws(aws.state, {"aws_access_key_id": "AKIAAAAAAAAAAAAAAAAA", "aws_secret_access_key": "x"})
    assert refused(stranger("sts").get_caller_identity) == "InvalidClientTokenId"
    assert refused(stranger("ec2").describe_vpcs) == "AuthFailure"


def test_an_iam_user_calls_as_itself(fresh: Aws) -> None:
    fresh("iam").create_user(UserName="ci")
    key = fresh("iam").create_access_key(UserName="ci")["AccessKey"]
    user = Aws(fresh.state, {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]})
    assert user("sts").get_caller_identity()["Arn"] == "arn:aws:iam::123456789012:user/ci"


def test_calls_are_logged_since_a_mark(aws: Aws) -> None:
    mark = aws.state.admin("calls")["mark"]
    aws("ec2").describe_vpcs()
    refused(aws("eks").describe_cluster, name="none")
    calls = aws.state.admin(f"calls?since={mark}")["calls"]
    assert [(c["service"], c["operation"], c["account"], c["region"], c["status"], c["error"]) for c in calls] == [
        ("ec2", "DescribeVpcs", "123456789012", REGION, 200, ""),
        ("eks", "DescribeCluster", "123456789012", REGION, 404, "ResourceNotFoundException"),
    ]


def test_a_reset_leaves_an_empty_aws(aws: Aws) -> None:
    aws("organizations").create_organization()
    aws("s3").create_bucket(Bucket="left-over", CreateBucketConfiguration={"LocationConstraint": REGION})
    aws.reset()
    assert refused(aws("organizations").describe_organization) == "AWSOrganizationsNotInUseException"
    assert aws("s3").list_buckets()["Buckets"] == []
    assert aws.state.admin("accounts") == {"management": "123456789012"}


def test_an_operation_that_nobody_wrote_says_so(aws: Aws) -> None:
    code = refused(aws("iam").simulate_principal_policy, PolicySourceArn="arn:aws:iam::123456789012:role/aaaaaaa",
                   ActionNames=["s3:GetObject"])  # fmt: skip
    assert code == "NotImplemented"


def test_many_clients_at_once_all_get_what_they_made(aws: Aws) -> None:
    client = aws("ec2")
    vpc = client.create_vpc(CidrBlock="10.50.0.0/16")["Vpc"]["VpcId"]

    def make(number: int) -> str:
        made = client.create_subnet(VpcId=vpc, CidrBlock=f"10.50.{number}.0/24")["Subnet"]["SubnetId"]
        client.create_tags(Resources=[made], Tags=[{"Key": "n", "Value": str(number)}])
        return str(made)

    with ThreadPoolExecutor(32) as pool:
        made = list(pool.map(make, range(64)))
    shown = client.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    assert {s["SubnetId"]: s["Tags"][0]["Value"] for s in shown} == {s: str(n) for n, s in enumerate(made)}


def test_presigned_urls_tell_the_caller(aws: Aws) -> None:
    """As Kubernetes tokens of EKS do: a GET of sts:GetCallerIdentity with the signature in the query string."""
    url = aws("sts").generate_presigned_url("get_caller_identity", HttpMethod="GET")
    with urllib.request.urlopen(url) as answer:
        assert "arn:aws:iam::123456789012:user/rehearsal" in answer.read().decode()


@pytest.fixture
def directory(tmp_path: Path) -> Any:
    yield tmp_path / "state"
    rehearsal("down", directory=tmp_path / "state")


def test_up_env_status_and_down(directory: Path) -> None:
    assert rehearsal("status", directory=directory).returncode == 3
    assert rehearsal("up", "--pace", "0", directory=directory).returncode == 0
    first = state.load(directory)
    assert first is not None
    assert "stands at" in rehearsal("up", directory=directory).stdout
    again = state.load(directory)
    assert again == first
    lines = rehearsal("env", directory=directory).stdout.splitlines()
    assert f"export AWS_ENDPOINT_URL={first.endpoint}" in lines
    assert state.summary(directory)["accounts"] == {"management": "123456789012"}
    assert rehearsal("down", directory=directory).returncode == 0
    assert not directory.exists()
    assert not alive(first.pid)


def test_a_killed_emulator_leaves_no_database_behind(directory: Path) -> None:
    rehearsal("up", "--pace", "0", directory=directory)
    running = state.load(directory)
    assert running is not None
    keys = {"aws_access_key_id": running.access_key_id, "aws_secret_access_key": running.secret_access_key}

    def client(service: str) -> Any:
        return boto3.client(service, region_name=REGION, endpoint_url=running.endpoint, **keys)

    subnets = [s["SubnetId"] for s in client("ec2").describe_subnets()["Subnets"]]
    client("rds").create_db_subnet_group(DBSubnetGroupName="g", DBSubnetGroupDescription="x", SubnetIds=subnets)
    client("rds").create_db_instance(
        DBInstanceIdentifier="db", Engine="postgres", DBInstanceClass="db.t4g.micro", AllocatedStorage=20,
        MasterUsername="platform", ManageMasterUserPassword=True, DBSubnetGroupName="g",
    )  # fmt: skip
    assert eventually(lambda: running.admin("databases")[0]["state"] == "running", 60)
    runtime = postgres._runtime_name(directory)
    server = int(next(runtime.glob("*/data/postmaster.pid")).read_text().splitlines()[0])
    os.kill(running.pid, signal.SIGKILL)
    time.sleep(0.2)
    os.kill(server, 0)  # still there
    assert rehearsal("down", directory=directory).returncode == 0
    assert eventually(lambda: not alive(server))
    assert not runtime.exists()


def test_only_loopback_addresses_are_listened_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rehearsal.emulator", "--host", "0.0.0.0", "--state-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "not a loopback address" in done.stderr
