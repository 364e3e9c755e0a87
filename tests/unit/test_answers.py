# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes of calls that are answered badly or not at all: a server on loopback that says what it is told to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from botocore.config import Config

from ansible_collections.innovate.platform.plugins.module_utils._engine.errors import EngineError, Unclear
from ansible_collections.innovate.platform.plugins.module_utils._kinds._session import Session, error_code

VPC = '<CreateVpcResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><vpc><vpcId>vpc-1</vpcId></vpc></CreateVpcResponse>'
ERROR = (
    "<Response><Errors><Error><Code>{}</Code><Message>x</Message></Error></Errors><RequestID>r</RequestID></Response>"
)
KEYS = json.dumps({"Keys": [{"KeyId": "k", "KeyArn": "arn:aws:kms:eu-central-1:123456789012:key/k"}]})


class Server:
    """Answers requests in turn: ``(status, body)``, ``(status, body, bytes that really come)``, or None for none."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                outer.asked.append(body)
                answer = outer.answers.pop(0)
                if answer is not None:
                    status, text, *cut = answer
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text.encode()[: cut[0] if cut else None])
                self.close_connection = True

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's own name
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def session(self) -> Session:
        def connect(service: str, region: str) -> Any:
            return boto3.client(
                service,
                region_name=region,
                endpoint_url=f"http://127.0.0.1:{self.http.server_port}",
                aws_access_key_id="a",
                aws_secret_access_key="b",
                config=Config(retries={"mode": "standard", "max_attempts": 4}),
            )

        return Session(connect, "123456789012", "eu-central-1", "aws")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    # Botocore's pauses between attempts.
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda self, context: 0)
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()


@pytest.mark.parametrize(
    "answer",
    [None, (200, VPC, 40), (500, ERROR.format("InternalError")), (503, ERROR.format("Unavailable")), (502, "")],
)
def test_what_would_make_a_second_one_is_asked_once(server: Server, answer: Any) -> None:
    server.answers = [answer]
    with pytest.raises(Unclear, match="ec2:CreateVpc in account 123456789012 was not answered"):
        server.session().call("ec2", "create_vpc", CidrBlock="10.0.0.0/16")
    assert len(server.asked) == 1


@pytest.mark.parametrize("answer", [(503, ERROR.format("RequestLimitExceeded")), (400, ERROR.format("Throttling"))])
def test_what_was_throttled_had_no_effect_and_is_asked_again(server: Server, answer: Any) -> None:
    server.answers = [answer, answer, (200, VPC)]
    assert server.session().call("ec2", "create_vpc", CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"] == "vpc-1"


def test_an_address_that_nobody_answers_at_is_no_doubt() -> None:
    server = Server()
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(EngineError, match="Could not connect") as caught:
        server.session().call("ec2", "create_vpc", CidrBlock="10.0.0.0/16")
    assert not isinstance(caught.value, Unclear)


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("describe_vpcs", {}),
        ("create_tags", {"Resources": ["vpc-1"], "Tags": [{"Key": "a", "Value": "b"}]}),
        ("create_vpc_endpoint", {"VpcId": "vpc-1", "ServiceName": "s", "ClientToken": "t"}),
        ("create_route_table", {"VpcId": "vpc-1"}),  # botocore gives it a token
        ("delete_vpc", {"VpcId": "vpc-1"}),
    ],
)
def test_what_can_be_repeated_is_repeated(server: Server, operation: str, parameters: dict[str, Any]) -> None:
    server.answers = [None, (500, ERROR.format("InternalError")), (200, "<x/>")]
    server.session().call("ec2", operation, **parameters)
    assert len(server.asked) == 3
    assert len(set(server.asked)) == 1


def test_a_listing_that_ends_early_does_not_say_that_there_is_nothing(server: Server) -> None:
    server.answers = [(200, KEYS, 30), (200, KEYS)]
    assert len(server.session().pages("kms", "list_keys", "Keys")) == 1


def test_what_was_refused_because_the_first_attempt_was_carried_out_is_done(server: Server) -> None:
    rule = {"GroupId": "sg-1", "IpPermissions": [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}]}
    duplicate = (400, ERROR.format("InvalidPermission.Duplicate"))
    server.answers = [None, duplicate]
    assert server.session().call("ec2", "authorize_security_group_ingress", **rule) == {}
    server.answers = [duplicate]
    with pytest.raises(EngineError, match=r"InvalidPermission\.Duplicate"):
        server.session().call("ec2", "authorize_security_group_ingress", **rule)


def test_what_never_gets_an_answer_ends_with_a_sentence(server: Server) -> None:
    session = server.session()
    server.answers = [None] * 99
    said = r"ec2:DescribeVpcs in account 123456789012: Connection was closed"
    with pytest.raises(EngineError, match=said):
        session.call("ec2", "describe_vpcs")
    with pytest.raises(EngineError, match=said):
        session.pages("ec2", "describe_vpcs", "Vpcs")
    with pytest.raises(EngineError, match=said) as caught:
        session.polled("ec2", "vpc_available")
    assert error_code(caught.value) == ""


def test_an_answer_that_is_none_of_aws_ends_with_a_sentence(server: Server) -> None:
    """A proxy that wants a password, say."""
    session = server.session()
    server.answers = [(200, "log in first")] * 3
    with pytest.raises(EngineError, match="Unable to parse response"):
        session.call("ec2", "describe_vpcs")
    with pytest.raises(EngineError, match="Unable to parse response"):
        session.pages("ec2", "describe_vpcs", "Vpcs")
    with pytest.raises(Unclear, match="Unable to parse response"):
        session.call("ec2", "create_vpc", CidrBlock="10.0.0.0/16")


def test_only_the_call_itself_is_careful(server: Server) -> None:
    session = server.session()
    server.answers = [None]
    with pytest.raises(Unclear):
        session.call("ec2", "create_vpc", CidrBlock="10.0.0.0/16")
    server.answers = [None, (200, "<x/>")]
    assert session.call("ec2", "describe_vpcs") is not None
