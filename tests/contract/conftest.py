# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One emulated AWS for all cases; each case has a stack of its own."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from ansible_collections.innovate.platform.plugins.module_utils._kinds._session import Session
from rehearsal.emulator.server import Emulator
from rehearsal.state import REGION, load

#: Seconds that a minute of AWS's lasts: everything passes through its transitional states, quickly.
PACE = 0.02


@pytest.fixture(scope="session")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    directory = tmp_path_factory.mktemp("emulator")
    directory.chmod(0o711)
    emulator = Emulator(directory, pace=PACE)
    emulator.write_state()
    thread = threading.Thread(target=emulator.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    state = load(directory)
    assert state is not None

    def connect(service: str, region: str) -> Any:
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=state.endpoint_of(service),
            aws_access_key_id=state.access_key_id,
            aws_secret_access_key=state.secret_access_key,
            config=Config(retries={"mode": "standard", "max_attempts": 5}, max_pool_connections=32),
        )

    yield Session(connect, state.management_account_id, REGION, "aws")
    emulator.server.shutdown()
    emulator.close()


@pytest.fixture
def slowly(session: Session) -> Iterator[None]:
    """Have what is asked for take some tenths of a second, so that nothing is done before the next call comes."""

    def pace(seconds: float) -> None:
        endpoint = session.client("sts").meta.endpoint_url
        with urllib.request.urlopen(f"{endpoint}/rehearsal/pace?seconds={seconds}", timeout=30):
            pass

    pace(0.2)
    yield
    pace(PACE)


@pytest.fixture
def start_afresh(session: Session) -> Callable[[], None]:
    """Return what brings the emulated AWS back to nothing."""

    def reset() -> None:
        endpoint = session.client("sts").meta.endpoint_url
        with urllib.request.urlopen(urllib.request.Request(f"{endpoint}/rehearsal/reset", method="POST"), timeout=30):
            pass

    return reset
