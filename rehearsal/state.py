# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands, for other programs: read from the state directory and from the running emulator."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: The state directory of a checkout; REHEARSAL_STATE_DIR points elsewhere.
DEFAULT_STATE_DIR = Path(__file__).resolve().parent.parent / ".rehearsal"

REGION = "eu-central-1"


def state_dir(given: Path | None = None) -> Path:
    """The state directory: the one given, else REHEARSAL_STATE_DIR, else ``.rehearsal`` of the checkout."""
    if given is not None:
        return given.resolve()
    return Path(os.environ.get("REHEARSAL_STATE_DIR", DEFAULT_STATE_DIR)).resolve()


@dataclass(frozen=True)
class EmulatorState:
    """A running emulator, as its state file tells. ``pace`` is in seconds."""

    endpoint: str
    port: int
    pid: int
    pace: float
    management_account_id: str
    access_key_id: str
    secret_access_key: str
    directory: str
    kubernetes: bool

    def search_path(self) -> str:
        """The PATH on which the clusters' tools (helm, kubectl, ...) come first, where there are real clusters."""
        own = Path(self.directory) / "bin"
        inherited = os.environ.get("PATH", "")
        return os.pathsep.join((str(own), inherited)) if own.is_dir() else inherited

    def environment(self, region: str = REGION) -> dict[str, str]:
        """The environment variables that lead AWS clients and the module ``published_files`` to the emulator."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ENDPOINT_URL_S3_CONTROL": self.endpoint_of("s3control"),
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_DEFAULT_REGION": region,
            "AWS_REGION": region,
            "AWS_EC2_METADATA_DISABLED": "true",
            **past_proxies(),
            "PLATFORM_MIRROR": f"{self.endpoint}/rehearsal/mirror",
        }

    def endpoint_of(self, service: str) -> str:
        """The URL to be given to a client of a service.

        SDKs put the account's id and a dot before the host that S3 Control's requests go to, and no name below an IP
        address can be looked up. What is before an @ doesn't belong to the host.
        """
        return self.endpoint.replace("://", "://account@", 1) if service == "s3control" else self.endpoint

    def admin(self, page: str, method: str = "GET") -> Any:
        """Ask one of the emulator's own pages.

        They are ``health``, ``calls?since=N``, ``reset``, ``pace?seconds=N``, ``databases``, ``accounts``.
        """
        request = urllib.request.Request(f"{self.endpoint}/rehearsal/{page}", method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def healthy(self) -> bool:
        """Whether it answers, and is the process that the state file names."""
        try:
            answer = self.admin("health")
        except (OSError, urllib.error.URLError, ValueError):
            return False
        return bool(answer.get("pid") == self.pid)


def past_proxies() -> dict[str, str]:
    """What keeps connections to this machine away from a proxy of the environment; empty where there is none."""
    if not any(
        os.environ.get(name) for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY")
    ):
        return {}
    words = (os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or "").split(",")
    value = ",".join(dict.fromkeys([*filter(None, words), "127.0.0.1", "localhost", "::1"]))
    return {"NO_PROXY": value, "no_proxy": value}


def load(directory: Path | None = None) -> EmulatorState | None:
    """The emulator of a state directory, or None where none has been started."""
    try:
        data = json.loads((state_dir(directory) / "emulator.json").read_text())
    except FileNotFoundError:
        return None
    return EmulatorState(**{name: data[name] for name in EmulatorState.__dataclass_fields__})


def summary(directory: Path | None = None) -> dict[str, Any]:
    """What a person's script wants to know: the endpoint, the credentials, accounts by name, databases.

    Empty where nothing stands.
    """
    emulator = load(directory)
    if emulator is None or not emulator.healthy():
        return {}
    return {
        "endpoint": emulator.endpoint,
        "management_account_id": emulator.management_account_id,
        "environment": emulator.environment(),
        "accounts": emulator.admin("accounts"),
        "databases": emulator.admin("databases"),
    }
