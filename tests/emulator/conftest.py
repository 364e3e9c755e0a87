# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real server on a free port, for all tests of a run; each module begins with an empty AWS."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from rehearsal.emulator.server import Emulator
from rehearsal.state import EmulatorState, load

REGION = "eu-central-1"
_numbers = itertools.count(1)
#: The quotas (networks, addresses, gateways, accounts) that tests of other things would run into.
_LARGE = "&".join(
    f"code={code}&value=1000" for code in ("L-F678F1CE", "L-A4707A72", "L-0263D0A3", "L-FE5A380F", "L-E619E033")
)


class Aws:
    """Clients of the emulated AWS, in the management account or in another one."""

    def __init__(self, state: EmulatorState, credentials: dict[str, str] | None = None) -> None:
        self.state = state
        self.credentials = credentials or {
            "aws_access_key_id": state.access_key_id,
            "aws_secret_access_key": state.secret_access_key,
        }
        self._clients: dict[tuple[str, bool, str, int], Any] = {}

    def __call__(self, service: str, *, validate: bool = True, region: str = REGION, attempts: int = 1) -> Any:
        """A client; ``validate=False`` sends what botocore itself would refuse."""
        key = (service, validate, region, attempts)
        if key not in self._clients:
            self._clients[key] = boto3.client(
                service,
                region_name=region,
                endpoint_url=self.state.endpoint,
                config=Config(
                    parameter_validation=validate, retries={"mode": "standard", "total_max_attempts": attempts}
                ),
                **self.credentials,
            )
        return self._clients[key]

    def assume(self, account: str, role: str = "OrganizationAccountAccessRole") -> Aws:
        """The same, in another account."""
        answer = self("sts").assume_role(RoleArn=f"arn:aws:iam::{account}:role/{role}", RoleSessionName="test")
        made = answer["Credentials"]
        return Aws(
            self.state,
            {
                "aws_access_key_id": made["AccessKeyId"],
                "aws_secret_access_key": made["SecretAccessKey"],
                "aws_session_token": made["SessionToken"],
            },
        )

    def pace(self, seconds: float) -> None:
        """Change the pace."""
        self.state.admin(f"pace?seconds={seconds}")

    def reset(self) -> None:
        """Back to an empty AWS, at once, with room for everything."""
        self.state.admin("reset", "POST")
        self.state.admin(f"quotas?{_LARGE}", "POST")
        self.pace(0)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorState]:
    directory = tmp_path_factory.mktemp("emulator")
    directory.chmod(0o711)
    emulator = Emulator(directory, pace=0, check_responses=True)
    emulator.write_state()
    thread = threading.Thread(target=emulator.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    state = load(directory)
    assert state is not None
    yield state
    emulator.server.shutdown()
    emulator.close()


@pytest.fixture(scope="module")
def aws(server: EmulatorState) -> Aws:
    made = Aws(server)
    made.reset()
    return made


@pytest.fixture
def fresh(server: EmulatorState) -> Aws:
    made = Aws(server)
    made.reset()
    return made


@pytest.fixture
def name() -> str:
    return f"thing-{next(_numbers)}"


def refused(call: Callable[..., Any], **parameters: Any) -> str:
    """The error code that a call is answered with."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return str(caught.value.response["Error"]["Code"])


def eventually(condition: Callable[[], Any], seconds: float = 10) -> Any:
    """Wait for a condition to hold and return its value."""
    ended = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > ended:
            return value
        time.sleep(0.02)
