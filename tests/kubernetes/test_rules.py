# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What decides without a cluster: tokens, access entries, access policies, machines, Fargate's selectors."""

from __future__ import annotations

import base64
import datetime
from typing import Any

import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.ec2.models.instance_types import INSTANCE_TYPES

from rehearsal.kubernetes import authentication, authorization, fargate, machines, nodes
from rehearsal.kubernetes.authentication import Entry, Identity, Unauthenticated

ENDPOINT = "http://127.0.0.1:5000"
REAL = "https://sts.eu-central-1.amazonaws.com"
SECRET = "a secret of the tests"


def presigned(host: str = ENDPOINT, cluster: str = "dev", expires: int = 60, more: str = "") -> str:
    request = AWSRequest("GET", f"{host}/?Action=GetCallerIdentity&Version=2011-06-15{more}")
    request.headers["x-k8s-aws-id"] = cluster
    SigV4QueryAuth(Credentials("AKIATEST", SECRET), "sts", "eu-central-1", expires=expires).add_auth(request)
    return str(request.url)


def token(url: str) -> str:
    return "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@pytest.mark.parametrize("host", [ENDPOINT, REAL, "https://sts.amazonaws.com"])
def test_a_presigned_get_caller_identity_is_a_token(host: str) -> None:
    url = authentication.decode(token(presigned(host)), ENDPOINT, now())
    authentication.check_signature(url, "dev", SECRET)
    with pytest.raises(Unauthenticated, match="signature"):
        authentication.check_signature(url, "another-cluster", SECRET)
    with pytest.raises(Unauthenticated, match="signature"):
        authentication.check_signature(url, "dev", "another secret")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "prefix"),
        ("eyJhbGciOi", "prefix"),
        ("k8s-aws-v1.%%%", "no base64"),
        (token("https://sts.example.org/?Action=GetCallerIdentity"), "unexpected hostname"),
        (token("http://sts.amazonaws.com/?Action=GetCallerIdentity"), "unexpected hostname"),
        (token(presigned().replace("/?", "/path?")), "unexpected path"),
        (token(presigned().replace("GetCallerIdentity", "AssumeRole")), "unexpected action"),
        (token(presigned(more="&RoleArn=x")), "non-whitelisted query parameter 'RoleArn'"),
        (token(presigned() + "&Version=1"), "multiple values"),
        (token(presigned().replace("x-k8s-aws-id", "x-other")), "did not sign"),
        (token(presigned(expires=3600)), "invalid X-Amz-Expires"),
        (token(presigned().replace("X-Amz-Date=2", "X-Amz-Date=x")), "must be present"),
    ],
)
def test_anything_else_is_refused(text: str, why: str) -> None:
    with pytest.raises(Unauthenticated, match=why):
        authentication.decode(text, ENDPOINT, now())


def test_a_token_is_good_for_a_quarter_of_an_hour() -> None:
    made = token(presigned())
    authentication.decode(made, ENDPOINT, now() + datetime.timedelta(minutes=14))
    with pytest.raises(Unauthenticated, match="expired"):
        authentication.decode(made, ENDPOINT, now() + datetime.timedelta(minutes=16))


SESSION = Identity("111122223333", "arn:aws:sts::111122223333:assumed-role/ops/ann@example.org", "AROA1:ann", "ASIA1")
USER = Identity("111122223333", "arn:aws:iam::111122223333:user/ann", "AIDA1", "AKIA1")


@pytest.mark.parametrize(
    ("identity", "principal", "known"),
    [
        (SESSION, "arn:aws:iam::111122223333:role/ops", True),
        # A session's ARN doesn't tell the role's path.
        (SESSION, "arn:aws:iam::111122223333:role/teams/platform/ops", True),
        (SESSION, "arn:aws:iam::444455556666:role/ops", False),
        (SESSION, "arn:aws:iam::111122223333:role/ops2", False),
        (SESSION, "arn:aws:iam::111122223333:user/ops", False),
        (USER, "arn:aws:iam::111122223333:user/ann", True),
        (USER, "arn:aws:iam::111122223333:role/ann", False),
    ],
)
def test_an_entry_is_found_by_its_principal(identity: Identity, principal: str, known: bool) -> None:
    entries = {principal: Entry(principal, "STANDARD", "{{AccountID}}:{{SessionName}}:{{SessionNameRaw}}", ("g",))}
    if not known:
        with pytest.raises(Unauthenticated, match="no access entry for"):
            authentication.user(identity, entries)
        return
    user = authentication.user(identity, entries)
    expected = "111122223333:ann-example.org:ann@example.org" if identity is SESSION else "111122223333::"
    assert (user["username"], user["groups"]) == (expected, ["g"])
    assert user["extra"]["canonicalArn"] == [principal]


def review(verb: str, resource: str, namespace: str = "", group: str = "") -> dict[str, Any]:
    name, _, subresource = resource.partition("/")
    attributes = {"verb": verb, "resource": name, "subresource": subresource, "namespace": namespace, "group": group}
    return {"resourceAttributes": attributes}


@pytest.mark.parametrize(
    ("policy", "namespaces", "spec", "granted"),
    [
        ("ClusterAdmin", (), review("delete", "nodes"), True),
        ("ClusterAdmin", (), review("create", "applications", "argocd", "argoproj.io"), True),
        ("ClusterAdmin", (), {"nonResourceAttributes": {"path": "/metrics", "verb": "get"}}, True),
        ("ClusterAdmin", ("a",), review("delete", "nodes"), False),
        ("ClusterAdmin", ("a",), review("delete", "pods", "a"), True),
        ("Admin", ("a",), review("create", "rolebindings", "a", "rbac.authorization.k8s.io"), True),
        ("Admin", ("a",), review("create", "rolebindings", "b", "rbac.authorization.k8s.io"), False),
        ("Edit", ("a",), review("create", "rolebindings", "a", "rbac.authorization.k8s.io"), False),
        ("Edit", ("a",), review("update", "deployments", "a", "apps"), True),
        ("Edit", ("a",), review("update", "deployments", "a", "extensions-of-mine"), False),
        ("Edit", ("a",), review("get", "secrets", "a"), True),
        ("View", ("a",), review("get", "secrets", "a"), False),
        ("View", ("a",), review("get", "pods/log", "a"), True),
        ("View", ("a",), review("create", "pods/exec", "a"), False),
        ("View", (), review("list", "pods"), True),
        ("View", (), review("list", "nodes"), False),
        # Custom resources are in none of these policies.
        ("View", (), review("list", "nodepools", "", "karpenter.sh"), False),
        ("AdminView", (), review("list", "nodepools", "", "karpenter.sh"), True),
        ("AdminView", (), review("get", "secrets", "a"), True),
        ("AdminView", (), review("create", "pods", "a"), False),
        ("SecretReader", ("team-*",), review("get", "secrets", "team-1"), True),
        ("SecretReader", ("team-*",), review("get", "secrets", "other"), False),
        ("AutoNode", (), review("get", "pods", "a"), False),
    ],
)
def test_a_policy_allows_what_eks_says(
    policy: str, namespaces: tuple[str, ...], spec: dict[str, Any], granted: bool
) -> None:
    arn = f"arn:aws:eks::aws:cluster-access-policy/AmazonEKS{policy}Policy"
    entry = Entry("arn", "STANDARD", "name", (), ((arn, namespaces),))
    assert bool(authorization.allowed(entry, spec)) is granted


@pytest.mark.parametrize(
    ("kind", "cpu", "pods", "allocatable_cpu"),
    [("t3a.medium", "2", "17", "1930m"), ("m6i.large", "2", "29", "1930m"), ("c7g.4xlarge", "16", "234", "15890m")],
)
def test_capacity_is_that_of_the_instance_type(kind: str, cpu: str, pods: str, allocatable_cpu: str) -> None:
    total, left = machines.capacity(INSTANCE_TYPES[kind], 20)
    assert (total["cpu"], total["pods"], left["cpu"]) == (cpu, pods, allocatable_cpu)
    assert 0 < int(left["memory"][:-2]) < int(total["memory"][:-2])


def test_a_fargate_node_is_as_large_as_its_pod_needs() -> None:
    containers = [{"resources": {"requests": {"cpu": "2500m", "memory": "3Gi"}}}, {}]
    assert nodes.fargate_size({"spec": {"containers": containers}}) == (3, 4096)
    assert nodes.fargate_size({"spec": {"containers": [{}]}}) == (2, 2048)


@pytest.mark.parametrize(
    ("namespace", "labels", "profile"),
    [
        ("quiet", {}, "a"),
        ("batch-1", {"size": "small"}, "b"),
        ("batch-1", {"size": "large"}, ""),
        ("batch-1", {}, ""),
        ("other", {"size": "small"}, ""),
        ("quiet", {"eks.amazonaws.com/fargate-profile": "c"}, "c"),
    ],
)
def test_a_profile_takes_the_pods_that_it_selects(namespace: str, labels: dict[str, str], profile: str) -> None:
    profiles = {
        "b": {"selectors": [{"namespace": "batch-*", "labels": {"size": "sm*"}}]},
        "c": {"selectors": [{"namespace": "quiet"}]},
        "a": {"selectors": [{"namespace": "nothing"}, {"namespace": "quiet"}]},
    }
    assert fargate.chosen(profiles, namespace, labels) == profile
