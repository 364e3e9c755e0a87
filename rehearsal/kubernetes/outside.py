# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The world outside, as the clusters' own programs see it: the few hosts that the rehearsal stands for.

Programs are led to a proxy on 127.0.0.1 (HTTPS_PROXY), which joins ``CONNECT host:port`` to the local process that
stands for that host and refuses everything else. So configuration names real URLs, no name is resolved, and what a
program would have fetched from the Internet is in the log.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from rehearsal.kubernetes.connect import ConnectProxy

#: What is reached directly.
_DIRECT = "127.0.0.1,localhost,::1"


class Outside:
    """The proxy and the certificates of the hosts behind it.

    It listens from when its port is first asked for until ``close``; what was told it before holds afterwards too.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._work = threading.Lock()
        self._hosts: dict[tuple[str, int], int] = {}
        self._trusted: list[Path] = []
        self._proxy: ConnectProxy | None = None

    @property
    def port(self) -> int:
        """The proxy's port on 127.0.0.1."""
        with self._work:
            if self._proxy is None:
                self.directory.mkdir(parents=True, exist_ok=True)
                self._write_bundle()
                self._proxy = ConnectProxy(None, self._decide, self.directory / "outside.log")
            return self._proxy.port

    @property
    def bundle(self) -> Path:
        """The file with the certificates of all trusted authorities."""
        return self.directory / "trusted.pem"

    @property
    def refusals(self) -> list[dict[str, Any]]:
        """The connections that were refused: time, target and why."""
        return self._proxy.refusals if self._proxy is not None else []

    def stand_for(self, host: str, port: int, local_port: int) -> None:
        """From now on a local process (by its port) stands for a host's port."""
        self._hosts[(host.lower(), port)] = local_port

    def leave(self, host: str, port: int) -> None:
        """Nobody stands for the host's port any more."""
        self._hosts.pop((host.lower(), port), None)

    def trust(self, certificates: Path) -> None:
        """Programs that start from now on trust the authorities in a PEM file."""
        with self._work:
            if certificates not in self._trusted:
                self._trusted.append(certificates)
            if self._proxy is not None:
                self._write_bundle()

    def environment(self) -> dict[str, str]:
        """The environment variables that lead a program here."""
        proxy = f"http://127.0.0.1:{self.port}"
        proxies = dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY"), proxy) | {"NO_PROXY": _DIRECT}
        return {
            **proxies,
            # curl, and with it git, reads http_proxy in lower case only.
            **{name.lower(): value for name, value in proxies.items()},
            "SSL_CERT_FILE": str(self.bundle),
            "GIT_SSL_CAINFO": str(self.bundle),
        }

    def describe(self) -> dict[str, Any]:
        """Its port, who stands for what, and what was refused."""
        hosts = {f"{host}:{port}": local for (host, port), local in self._hosts.items()}
        port = self._proxy.port if self._proxy is not None else None
        return {"port": port, "hosts": hosts, "refusals": self.refusals}

    def close(self) -> None:
        """Stop listening."""
        with self._work:
            if self._proxy is not None:
                self._proxy.close()
                self._proxy = None

    def _decide(self, target: str) -> tuple[int | None, str]:
        host, _, text = target.rpartition(":")
        found = self._hosts.get((host.strip("[]").lower(), int(text)))
        return (found, f"stands for {host}") if found else (None, "the rehearsal doesn't stand for this host")

    def _write_bundle(self) -> None:
        known = [file.read_bytes().strip() for file in self._trusted if file.exists()]
        scratch = self.bundle.with_suffix(".tmp")
        scratch.write_bytes(b"".join(pem + b"\n" for pem in known))
        scratch.replace(self.bundle)
