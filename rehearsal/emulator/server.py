# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server process: loopback only, a thread per connection, told by signal to stop."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")

from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import ThreadedWSGIServer

from rehearsal import mirror
from rehearsal.emulator import actions, control_plane, services
from rehearsal.emulator.gateway import AT_ONCE, Gateway
from rehearsal.emulator.inventory import inventory
from rehearsal.emulator.world import MANAGEMENT_ACCOUNT, MANAGEMENT_KEY, MANAGEMENT_SECRET, World

__all__ = ["Emulator", "services"]

STATE_FILE = "emulator.json"


def _forget() -> None:
    """Empty moto. Its own reset would first build every backend again, which takes seconds for EC2 and IAM."""
    for backends in BackendDict._instances:
        if backends.service_name == "s3":
            for regions in backends.values():
                regions.reset()
        backends.clear()
    BackendDict._instances.clear()


class _Handler(MotoRequestHandler):
    """HTTP/1.1 with connections that stay open, and no line per request in the log."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet for headers and body
    disable_nagle_algorithm = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """The log of calls is at /rehearsal/calls."""


class _Server(ThreadedWSGIServer):
    daemon_threads = True
    request_queue_size = 256

    def shutdown_request(self, request: Any) -> None:
        """Close a connection: one that is to end by RST without the FIN that comes first otherwise."""
        try:
            at_once = request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, len(AT_ONCE)) == AT_ONCE
        except OSError:
            at_once = False
        if at_once:
            self.close_request(request)
        else:
            super().shutdown_request(request)


class Emulator:
    """The emulated AWS on one port of a loopback address."""

    def __init__(
        self,
        state_dir: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        pace: float = 1.0,
        check_responses: bool = False,
        kubernetes: bool = False,
        enforcing: bool = False,
    ) -> None:
        if not host.startswith("127.") and host not in ("localhost", "::1"):
            raise ValueError(f"{host} is not a loopback address")
        state_dir.mkdir(parents=True, exist_ok=True)
        self.world = World(state_dir, pace)
        self.kubernetes = kubernetes
        self._closing: list[Callable[[], None]] = []
        self.gateway = Gateway(self.world, check_responses=check_responses, enforcing=enforcing)
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.server = _Server(host, port, self.gateway, handler=_Handler)
        self.endpoint = f"http://{host}:{self.server.server_port}"
        self.gateway.endpoint = self.endpoint
        os.environ["MOTO_PORT"] = str(self.server.server_port)
        self.gateway.admin.update(
            {
                "health": lambda method, query: {"status": "ok", "pid": os.getpid()},
                "calls": self._calls,
                "actions": lambda method, query: actions.by_role(self.world, int(query.get("since", ["0"])[0])),
                "reset": self._reset,
                "pace": self._pace,
                "linger": self._linger,
                "accounts": lambda method, query: services.organizations.accounts_by_name(self.world),
                "events": lambda method, query: services.events.deliveries(self.world),
                "enforcement": self.gateway.authority.page,
                "recording": self.gateway.authority.recording.page,
                "faults": self.gateway.faults.page,
                "inventory": lambda method, query: inventory(
                    self.world, services.organizations.accounts_by_name(self.world)
                ),
                "identity-center": lambda method, query: services.identity_center.console(self.world, method, query),
                "capacity": lambda method, query: services.capacity.capacity(self.world, method, query),
                "quotas": lambda method, query: services.quotas.quotas(self.world, method, query),
                "interrupt": lambda method, query: services.interruptions.interrupt(self.world, method, query),
                "databases": lambda method, query: services.rds.databases(self.world),
                "responses": lambda method, query: self.world.odd_responses,
            }
        )
        self.gateway.folders["mirror"] = mirror.answer
        for start in services.STARTUP:
            start(self.world)
        if kubernetes:
            self._real_clusters()

    def _real_clusters(self) -> None:
        from rehearsal import git  # noqa: PLC0415 - an option
        from rehearsal.kubernetes.control_planes import ControlPlanes  # noqa: PLC0415

        repositories = git.GitServer(self.world.state_dir / git.DIRECTORY)
        planes = ControlPlanes(self.world, self.endpoint)
        for host, port in repositories.hosts:
            planes.outside.stand_for(host, port, repositories.port)
        planes.outside.trust(repositories.authority)
        self.world.on_reset.append(repositories.reset)
        self._closing.append(repositories.close)
        self.gateway.admin["git"] = lambda method, query: repositories.describe()
        control_plane.use(planes)
        self.gateway.admin["clusters"] = lambda method, query: planes.describe()
        self.gateway.admin["stand-for"] = planes.stand_for

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT; the state file exists while the server answers."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: threading.Thread(target=self.server.shutdown).start())
        self.write_state()
        try:
            self.server.serve_forever(poll_interval=0.1)
        finally:
            self.close()

    def write_state(self) -> None:
        """Write ``emulator.json``, whole or not at all."""
        state = {
            "endpoint": self.endpoint,
            "port": self.server.server_port,
            "pid": os.getpid(),
            "pace": self.world.pace,
            "management_account_id": MANAGEMENT_ACCOUNT,
            "access_key_id": MANAGEMENT_KEY,
            "secret_access_key": MANAGEMENT_SECRET,
            "directory": str(self.world.state_dir),
            "kubernetes": self.kubernetes,
        }
        path = self.world.state_dir / STATE_FILE
        scratch = path.with_suffix(".tmp")
        scratch.write_text(json.dumps(state, indent=2) + "\n")
        scratch.replace(path)

    def close(self) -> None:
        """Stop what stands behind the emulator and take the state file away."""
        with self.world.lock:
            self.world.cancel()
        for hook in (*self.world.on_reset, *self._closing):
            hook()
        self.server.server_close()
        (self.world.state_dir / STATE_FILE).unlink(missing_ok=True)

    def _calls(self, method: str, query: dict[str, list[str]]) -> Any:
        if method == "DELETE":
            self.world.calls.clear()
            return {"mark": 0}
        since = int(query.get("since", ["0"])[0])
        return {"mark": self.world.mark(), "calls": self.world.calls_since(since)}

    def _reset(self, method: str, query: dict[str, list[str]]) -> Any:
        if method != "POST":
            raise ValueError("POST resets everything")
        self.gateway.faults.clear()
        self.gateway.authority.reset()
        with self.world.lock:
            for hook in self.world.on_reset:
                hook()
            _forget()
            reset_model_data()
            services.reset()
            self.world.clear()
        return {"status": "ok"}

    def _pace(self, method: str, query: dict[str, list[str]]) -> Any:
        if "seconds" in query:
            seconds = float(query["seconds"][0])
            if seconds < 0:
                raise ValueError("seconds is below 0")
            self.world.pace = seconds
        return {"pace": self.world.pace}

    def _linger(self, method: str, query: dict[str, list[str]]) -> Any:
        if "seconds" in query:
            self.world.linger = max(0.0, float(query["seconds"][0]))
        return {"linger": self.world.linger}
