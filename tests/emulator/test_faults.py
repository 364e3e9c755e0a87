# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    HTTPClientError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError

from rehearsal.emulator.faults import PROFILES, Act, Broken, Faults, Reply, is_read
from tests.emulator.conftest import REGION, Aws

# Codes that every operation may answer with are in no model; moto says so each time.
pytestmark = pytest.mark.filterwarnings("ignore:Exception.AwsError. with code:UserWarning")


@pytest.fixture
def calm(aws: Aws) -> Iterator[Aws]:
    """An AWS that nothing is wrong with, and nothing is after the test."""
    aws.state.admin("faults", "DELETE")
    queues(aws)
    yield aws
    aws.state.admin("faults", "DELETE")


def begin(aws: Aws, **how: Any) -> None:
    aws.state.admin(f"faults?{urlencode(how)}", "POST")


def queues(aws: Aws) -> int:
    found = aws("sqs").list_queues().get("QueueUrls", [])
    for url in found:
        aws("sqs").delete_queue(QueueUrl=url)
    return len(found)


def patient(aws: Aws, service: str, attempts: int, **config: Any) -> Any:
    return boto3.client(
        service,
        region_name=REGION,
        endpoint_url=aws.state.endpoint,
        config=Config(retries={"mode": "standard", "total_max_attempts": attempts}, **config),
        **aws.credentials,
    )


@pytest.mark.parametrize(("moment", "made"), [("before", 2), ("after", 3)])
def test_a_cut_at_the_nth_write_has_that_writes_effect_only_afterwards(calm: Aws, moment: str, made: int) -> None:
    begin(calm, cut=3, moment=moment, only="writes")
    for number in range(2):
        calm("sqs").create_queue(QueueName=f"q{number}")
        calm("sqs").list_queues()  # reads don't count here
    with pytest.raises(ConnectionClosedError):
        calm("sqs").create_queue(QueueName="q2")
    for _ in range(2):
        with pytest.raises(ConnectionClosedError):
            calm("sqs").create_queue(QueueName="q3")
        with pytest.raises(ConnectionClosedError):
            calm("sts").get_caller_identity()
    told = calm.state.admin("faults", "DELETE")
    assert {key: told["cut"][key] for key in ("number", "service", "operation", "moment")} == {
        "number": 5, "service": "sqs", "operation": "CreateQueue", "moment": moment,
    }  # fmt: skip
    assert told["refused"] == {"sqs:CreateQueue": 2, "sts:GetCallerIdentity": 2}
    assert queues(calm) == made


def test_who_comes_while_the_nth_call_is_carried_out_is_behind_it() -> None:
    faults = Faults()
    faults.page("POST", {"cut": ["1"], "moment": ["after"], "only": ["writes"]})
    done: list[str] = []

    def second() -> Reply:
        done.append("second")
        return 200, [], b""

    def first() -> Reply:
        with pytest.raises(Broken):
            faults.around("sqs", "CreateQueue", "json", second)
        done.append("first")
        return 200, [], b""

    with pytest.raises(Broken):
        faults.around("sqs", "CreateQueue", "json", first)
    assert done == ["first"]


def test_calls_that_are_on_their_way_when_the_connection_is_cut_have_no_effect(calm: Aws) -> None:
    begin(calm, cut=20, moment="after", only="writes")

    def make(number: int) -> bool:
        with contextlib.suppress(HTTPClientError):
            calm("sqs").create_queue(QueueName=f"q{number}")
            return True
        return False

    with ThreadPoolExecutor(16) as pool:
        answered = sum(pool.map(make, range(40)))
    calm.state.admin("faults", "DELETE")
    assert answered <= 19
    # The 20th, and those before it that were carried out in time.
    assert answered < queues(calm) <= 20


def test_the_page_waits_for_the_cut(calm: Aws) -> None:
    begin(calm, cut=2)
    assert calm.state.admin("faults?wait=0.05")["cut"] is None
    found: list[Any] = []
    waiting = threading.Thread(target=lambda: found.append(calm.state.admin("faults?wait=20")))
    waiting.start()
    calm("sts").get_caller_identity()
    with pytest.raises(ConnectionClosedError):
        calm("sts").get_caller_identity()
    waiting.join(10)
    assert found[0]["cut"]["number"] == 2


THROTTLED: dict[str, tuple[str, dict[str, Any], str, int]] = {
    "ec2": ("describe_vpcs", {}, "RequestLimitExceeded", 503),
    "iam": ("list_roles", {}, "Throttling", 400),
    "sts": ("get_caller_identity", {}, "Throttling", 400),
    "rds": ("describe_db_instances", {}, "Throttling", 400),
    "eks": ("list_clusters", {}, "ThrottlingException", 429),
    "organizations": ("list_accounts", {}, "TooManyRequestsException", 400),
    "kms": ("list_keys", {}, "ThrottlingException", 400),
    "logs": ("describe_log_groups", {}, "ThrottlingException", 400),
    "events": ("list_rules", {}, "ThrottlingException", 400),
    "ssm": ("describe_parameters", {}, "ThrottlingException", 400),
    "resourcegroupstaggingapi": ("get_resources", {}, "ThrottledException", 400),
    "s3": ("list_buckets", {}, "SlowDown", 503),
    "sqs": ("list_queues", {}, "RequestThrottled", 400),
}


@pytest.mark.parametrize("service", THROTTLED)
def test_each_service_throttles_in_its_own_words(calm: Aws, service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda seconds: None))
    operation, parameters, code, status = THROTTLED[service]
    begin(calm, what="throttle", every=1, most=1)
    with pytest.raises(ClientError) as caught:
        getattr(calm(service), operation)(**parameters)
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    begin(calm, what="throttle", every=1, most=1)
    with contextlib.suppress(ClientError):  # the organization isn't there
        getattr(patient(calm, service, 2), operation)(**parameters)
    assert calm.state.admin("faults")["calls"] == 2, "botocore doesn't take it for throttling"


@pytest.mark.parametrize(
    ("what", "service", "operation", "code", "status"),
    [
        ("fail", "ec2", "describe_vpcs", "InternalError", 500),
        ("fail", "iam", "list_roles", "ServiceFailure", 500),
        ("fail", "eks", "list_clusters", "ServerException", 500),
        ("fail", "kms", "list_keys", "KMSInternalException", 500),
        ("fail", "rds", "describe_db_instances", "InternalFailure", 500),
        ("fail", "s3", "list_buckets", "InternalError", 500),
        ("unavailable", "ec2", "describe_vpcs", "Unavailable", 503),
        ("unavailable", "eks", "list_clusters", "ServiceUnavailableException", 503),
        ("unavailable", "sqs", "list_queues", "ServiceUnavailable", 503),
    ],
)
def test_each_service_fails_in_its_own_words(
    calm: Aws, what: str, service: str, operation: str, code: str, status: int
) -> None:
    begin(calm, what=what, every=1)
    with pytest.raises(ClientError) as caught:
        getattr(calm(service), operation)()
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def closed(error: BaseException) -> bool:
    return isinstance(error, ConnectionClosedError)


def status(number: int) -> Callable[[BaseException], bool]:
    return lambda error: (
        isinstance(error, ClientError) and error.response["ResponseMetadata"]["HTTPStatusCode"] == number
    )


SEEN: dict[str, tuple[dict[str, Any], Callable[[BaseException], bool]]] = {
    "fail": ({}, status(500)),
    "gateway": ({"status": 504}, status(504)),
    "reset": ({}, closed),
    "close": ({}, closed),
    "truncate": ({"code": "reset"}, closed),
    "silence": ({"seconds": 5}, lambda error: isinstance(error, ReadTimeoutError)),
}


@pytest.mark.parametrize(
    ("what", "moment"),
    [(what, moment) for what in SEEN for moment in ("before", "after") if (what, moment) != ("truncate", "before")],
)
def test_a_caller_cannot_see_whether_the_call_had_its_effect(calm: Aws, what: str, moment: str) -> None:
    how, looks_so = SEEN[what]
    client = patient(calm, "sqs", 1, read_timeout=0.3)
    begin(calm, what=what, moment=moment, every=2, only="writes", **how)
    client.create_queue(QueueName="one")
    with pytest.raises((ClientError, BotoCoreError)) as caught:
        client.create_queue(QueueName="two")
    assert looks_so(caught.value), repr(caught.value)
    told = calm.state.admin("faults", "DELETE")
    assert (told["calls"], told["struck"]) == (2, {what: 1})
    assert queues(calm) == (2 if moment == "after" else 1)


def test_an_answer_that_ends_in_the_middle_looks_whole_to_botocore(calm: Aws) -> None:
    """XML that ends early can't be read; JSON that can't be read is taken for an empty answer."""
    begin(calm, what="truncate", moment="after", every=1)
    with pytest.raises(ResponseParserError):
        calm("ec2").describe_vpcs()
    answer = calm("kms").list_keys()
    assert "Keys" not in answer
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_slow_answers_come(calm: Aws) -> None:
    begin(calm, what="slow", every=1, seconds=0.5)
    with pytest.raises(ReadTimeoutError):
        patient(calm, "sqs", 1, read_timeout=0.1).list_queues()
    assert patient(calm, "sqs", 1, read_timeout=5).list_queues()["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_who_waits_in_vain_is_let_go_when_it_is_over(calm: Aws) -> None:
    begin(calm, what="silence", every=1, seconds=60)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(calm("sqs").list_queues)
        while calm.state.admin("faults")["calls"] == 0:
            pass
        calm.state.admin("faults", "DELETE")
        with pytest.raises(ConnectionClosedError):
            waiting.result(timeout=10)


def test_a_seed_repeats_itself() -> None:
    def struck(seed: str) -> list[int]:
        faults = Faults()
        faults.page("POST", {"profile": ["throttled-third"], "seed": [seed]})
        found = []
        for number in range(300):
            try:
                faults.around("ec2", "DescribeVpcs", "ec2", lambda: (200, [], b""))
            except Exception:  # noqa: BLE001 - what it is doesn't matter here
                found.append(number)
        return found

    assert struck("1") == struck("1") != struck("2")
    assert 60 < len(struck("1")) < 140


@pytest.mark.parametrize("name", PROFILES)
def test_each_profile_strikes(name: str) -> None:
    """Each act of each profile happens among a thousand calls, and only to the calls that it names."""
    faults = Faults()
    faults.page("POST", {"profile": [name]})
    faults._hold = lambda seconds: None  # type: ignore[method-assign]
    calls = [
        (service, operation)
        for _ in range(100)
        for service, operation in [
            ("ec2", "DescribeVpcs"),
            ("ec2", "CreateSubnet"),
            ("iam", "ListRoles"),
            ("iam", "PutRolePolicy"),
            ("organizations", "ListAccounts"),
            ("eks", "CreateCluster"),
            ("eks", "ListClusters"),
            ("sts", "AssumeRole"),
            ("kms", "CreateKey"),
            ("sqs", "GetQueueAttributes"),
        ]
    ]
    for service, operation in calls:
        had: list[int] = []

        def carry_out(had: list[int] = had) -> tuple[int, list[tuple[str, str]], bytes]:
            had.append(1)
            return 200, [], b"answer"

        before = dict(faults.tell()["struck"])
        try:
            answered = faults.around(service, operation, "json", carry_out) == (200, [], b"answer")
        except Exception:  # noqa: BLE001
            answered = False
        if faults.tell()["struck"] == before:
            assert answered
            continue
        acts = [act for act in PROFILES[name].acts if act.concerns(service, operation)]
        assert acts
        assert bool(had) in {act.moment == "after" or act.what == "slow" for act in acts}
    assert faults.tell()["struck"].keys() == {act.what for act in PROFILES[name].acts}


def test_there_are_at_least_twenty_profiles() -> None:
    assert len(PROFILES) >= 20
    assert {act.what for profile in PROFILES.values() for act in profile.acts} >= {
        "throttle", "fail", "unavailable", "silence", "slow", "reset", "truncate",
    }  # fmt: skip


def test_reads_and_writes_are_told_apart() -> None:
    assert all(is_read(name) for name in ("DescribeVpcs", "ListRoles", "GetRole", "HeadBucket", "AssumeRole"))
    assert not any(
        is_read(name) for name in ("CreateVpc", "PutRolePolicy", "TagResource", "AuthorizeSecurityGroupEgress")
    )
    assert Act("reset", only="ec2:Create*").concerns("ec2", "CreateVpc")
    assert not Act("reset", only="ec2:Create*").concerns("iam", "CreateRole")


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ({"profile": "sunshine"}, "throttled-7th"),
        ({"profile": "slow", "every": 2}, "give a profile and a seed"),
        ({"cut": 0}, "from 1"),
        ({"cut": 1, "moment": "during"}, "before or after"),
        ({"what": "earthquake"}, "truncate"),
        ({"what": "reset"}, "every"),
        ({}, "profile"),
    ],
)
def test_a_mistake_is_told(calm: Aws, query: dict[str, Any], word: str) -> None:
    page = urllib.request.Request(f"{calm.state.endpoint}/rehearsal/faults?{urlencode(query)}", method="POST")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(page)
    assert refused.value.code == 400
    assert word in refused.value.read().decode()


def test_a_reset_ends_it(calm: Aws) -> None:
    begin(calm, cut=1)
    with pytest.raises((ConnectionClosedError, EndpointConnectionError)):
        calm("sts").get_caller_identity()
    calm.reset()
    assert calm("sts").get_caller_identity()["Account"]
