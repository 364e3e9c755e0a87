# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One pod that runs: what a kubelet does for it, with processes in the place of containers.

A pod has a directory of its own. ``root`` in it stands for the containers' file system, as far as volumes are mounted;
paths in arguments and variables that lead below a mount lead there. Security contexts, resources and liveness probes
are left aside: on a busy machine the last would only end what is slow.
"""

from __future__ import annotations

import contextlib
import datetime
import http.client
import json
import os
import posixpath
import shutil
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from rehearsal.kubernetes import adapters, containers, pod_identity, processes
from rehearsal.kubernetes.adapters import Start
from rehearsal.kubernetes.api import Api, ApiError
from rehearsal.kubernetes.containers import Unresolved
from rehearsal.kubernetes.processes import Process
from rehearsal.kubernetes.settings import kubeconfig

#: Seconds before a program that ended is started again: doubled each time, forgotten after it ran for long.
FIRST_BACK_OFF = 1.0
LAST_BACK_OFF = 30.0
_LONG = 60.0
#: How often volumes are looked at; the kubelet takes up to a minute.
_VOLUMES_EVERY = 10.0
#: The share of its life after which a token is asked for anew.
_TOKEN_AGE = 0.8

_ERRORS = (ApiError, OSError, http.client.HTTPException)


def path_of(pod: Mapping[str, Any]) -> str:
    """A pod's address in the API."""
    meta = pod["metadata"]
    return f"/api/v1/namespaces/{quote(meta['namespace'])}/pods/{quote(meta['name'])}"


class Host(Protocol):
    """What runners share in a cluster."""

    api: Api
    directory: Path
    agent: pod_identity.Agent
    authority: Path
    region: str

    def data(self, kind: str, namespace: str, name: str, *, fresh: bool) -> dict[str, bytes] | None:
        """The data of a ConfigMap or Secret, or None."""

    def locate(self, namespace: str, service: str, port: int) -> int:
        """Where a Service's port is reached."""

    def program(self, name: str) -> Path:
        """The file of a program that is built."""

    def tools(self) -> Mapping[str, Path]:
        """What programs call by name, by name."""

    def environment(self) -> dict[str, str]:
        """What every process is told: where AWS and the world outside are."""

    def tell(self, text: str) -> None:
        """A line for the cluster's log."""


class _Sources:
    """A pod's ConfigMaps, Secrets and tokens. Tokens are kept until they are old."""

    def __init__(self, host: Host, pod: Mapping[str, Any]) -> None:
        self._host, self._pod = host, pod
        self._tokens: dict[tuple[str, int], tuple[str, float]] = {}
        self.fresh = True

    def config(self, name: str) -> dict[str, bytes] | None:
        return self._host.data("configmaps", self._pod["metadata"]["namespace"], name, fresh=self.fresh)

    def secret(self, name: str) -> dict[str, bytes] | None:
        return self._host.data("secrets", self._pod["metadata"]["namespace"], name, fresh=self.fresh)

    def allocatable(self, resource: str) -> str:
        node = self._host.api.get(f"/api/v1/nodes/{quote(self._pod['spec']['nodeName'])}")
        return str(node["status"]["allocatable"].get(resource, "0"))

    def token(self, audience: str, seconds: int) -> str:
        known = self._tokens.get((audience, seconds))
        if known is not None and time.time() < known[1]:
            return known[0]
        meta = self._pod["metadata"]
        spec: dict[str, Any] = {
            "audiences": [audience] if audience else [],
            "expirationSeconds": max(600, seconds),
            "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"]},
        }
        account = quote(self._pod["spec"].get("serviceAccountName") or "default")
        path = f"/api/v1/namespaces/{quote(meta['namespace'])}/serviceaccounts/{account}/token"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        now = time.time()
        status = self._host.api.create(path, body)["status"]
        ends = datetime.datetime.fromisoformat(status["expirationTimestamp"]).timestamp()
        self._tokens[(audience, seconds)] = (status["token"], now + (ends - now) * _TOKEN_AGE)
        return str(status["token"])


@dataclass
class State:
    """One container's process."""

    start: Start
    process: Process | None = None
    began: float = 0.0
    restarts: int = 0
    ports: dict[int, int] = field(default_factory=dict)
    ready: bool = False
    waiting: str = "ContainerCreating"
    message: str = ""
    last: dict[str, Any] | None = None
    #: When it may be started (again), and how long the wait after the next end is.
    due: float = 0.0
    back_off: float = FIRST_BACK_OFF
    done: bool = False
    probed: float = 0.0
    failures: int = 0


def _stamp(moment: float) -> str:
    return f"{datetime.datetime.fromtimestamp(moment, datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"


class Conditions:
    """A pod's conditions, with the times since when they are as they are."""

    def __init__(self) -> None:
        self._since: dict[str, tuple[str, str]] = {}

    def of(self, pod: Mapping[str, Any], *, initialized: bool, ready: bool) -> list[dict[str, str]]:
        """The conditions; a readiness gate is met at once."""
        now = {
            "PodReadyToStartContainers": True,
            "Initialized": initialized,
            "ContainersReady": ready,
            "Ready": ready,
            **{gate["conditionType"]: True for gate in pod["spec"].get("readinessGates") or []},
        }
        made = []
        for kind, met in now.items():
            status = "True" if met else "False"
            if self._since.get(kind, ("", ""))[0] != status:
                self._since[kind] = (status, _stamp(time.time()))
            made.append({"type": kind, "status": status, "lastTransitionTime": self._since[kind][1]})
        return made


def idle_status(pod: Mapping[str, Any], conditions: Conditions, *, ready: bool, since: str) -> dict[str, Any]:
    """The status of a pod without processes: another replica has them, or there is nothing of ours to run in it."""
    running = {"running": {"startedAt": since}}
    ended = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": since, "finishedAt": since}}
    return {
        "phase": "Running",
        "conditions": conditions.of(pod, initialized=True, ready=ready),
        "containerStatuses": [_status(item, running, ready=ready) for item in pod["spec"]["containers"]],
        "initContainerStatuses": [
            _status(item, ended if item.get("restartPolicy") != "Always" else running, ready=True)
            for item in pod["spec"].get("initContainers") or []
        ],
    }


def _status(
    container: Mapping[str, Any], state: dict[str, Any], *, ready: bool, restarts: int = 0, last: Any = None
) -> dict[str, Any]:
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "ready": ready,
        "started": "running" in state,
        "restartCount": restarts,
        "state": state,
        "lastState": {"terminated": last} if last else {},
    }


class Runner:
    """A pod's processes, from the first init container to the end. It works in a thread of its own."""

    def __init__(self, host: Host, pod: dict[str, Any], inits: list[Start], mains: list[Start]) -> None:
        self.host, self.pod = host, pod
        meta = pod["metadata"]
        self.uid = str(meta["uid"])
        self.directory = host.directory / "pods" / f"{meta['namespace']}.{meta['name']}.{self.uid[:8]}"
        self.root = self.directory / "root"
        self.inits = [State(item) for item in inits]
        self.mains = [State(item) for item in mains]
        self.initialized = False
        self._sources = _Sources(host, pod)
        self._conditions = Conditions()
        self._published: dict[str, Any] | None = None
        self._publish_at = 0.0
        self._written: dict[Path, bytes] = {}
        self._volumes_at = 0.0
        self._stopping = threading.Event()
        self._grace = 30.0
        self._silent = False
        self._told = ""
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def name(self) -> str:
        """``namespace/name``."""
        return f"{self.pod['metadata']['namespace']}/{self.pod['metadata']['name']}"

    @property
    def ready(self) -> bool:
        """Whether all processes are ready."""
        return self.initialized and all(state.ready for state in self.mains)

    def begin(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, grace: float, *, silent: bool = False) -> None:
        """Begin to end: SIGTERM, and SIGKILL after ``grace`` seconds. ``silent``: the API server is left alone."""
        if not self._stopping.is_set():
            self._grace, self._silent = grace, silent
            self._stopping.set()

    def over(self) -> bool:
        """Whether nothing is left of it."""
        return self._stopping.is_set() and not self._thread.is_alive()

    def join(self, seconds: float) -> None:
        """Wait for the end."""
        self._thread.join(seconds)

    def describe(self) -> list[dict[str, Any]]:
        """Its processes: pod, container, program, process id, restarts, log, local ports by the container's."""
        return [
            {
                "pod": self.name,
                "container": state.start.name,
                "program": state.start.component.link,
                "pid": state.process.pid if state.process is not None and state.process.running() else None,
                "ready": state.ready,
                "restarts": state.restarts,
                "waiting": f"{state.waiting}: {state.message}".rstrip(": ") if state.waiting else "",
                "log": str(self.directory / f"{state.start.name}.log"),
                "ports": {str(port): local for port, local in state.ports.items()},
            }
            for state in self.mains
        ]

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._prepare()
            for state in self.inits:
                self._initialize(state)
            self.initialized = True
            self._sources.fresh = True  # init containers make Secrets
            while not self._stopping.is_set():
                try:
                    self._turn()
                    self._publish()
                except Exception as error:  # noqa: BLE001 - one fault must not leave the pod to itself
                    self.host.tell(f"{self.name}: {type(error).__name__}: {error}")
                    self._stopping.wait(2.0)
                self._stopping.wait(0.5 if self.ready else 0.2)
        except Exception as error:  # noqa: BLE001 - shown, and the pod's end below must come
            self.host.tell(f"{self.name}: {type(error).__name__}: {error}")
            traceback.print_exc()
        finally:
            self._end()

    def _prepare(self) -> None:
        meta, spec = self.pod["metadata"], self.pod["spec"]
        found = pod_identity.association(
            self.host.agent.world, self.host.agent.cluster, meta["namespace"], spec.get("serviceAccountName", "default")
        )
        self.pod = pod_identity.injected(self.pod, found, self.host.region, self.host.agent.url)
        # The starts are those of the specification before it was changed.
        changed = {item["name"]: item for item in self._containers()}
        for state in (*self.inits, *self.mains):
            start = state.start
            state.start = Start(changed[start.name], start.image, start.component, start.argv)
        for folder in ("root", "volumes", "bin", "home", "tmp"):
            (self.directory / folder).mkdir(parents=True, mode=0o700, exist_ok=True)
        self.directory.chmod(0o700)
        for name, target in self.host.tools().items():
            _link(self.directory / "bin" / name, target)
        while not self._stopping.is_set() and not self._volumes():
            self._publish()
            self._stopping.wait(1.0)
        for container in self._containers():
            for mount in sorted(container.get("volumeMounts") or [], key=lambda item: len(item["mountPath"])):
                self._mount(mount)

    def _containers(self) -> list[dict[str, Any]]:
        return [*(self.pod["spec"].get("initContainers") or []), *self.pod["spec"]["containers"]]

    def _mount(self, mount: Mapping[str, Any]) -> None:
        at = Path(f"{self.root}{posixpath.normpath(mount['mountPath'])}")
        source = self.directory / "volumes" / mount["name"]
        if mount.get("subPath"):
            source /= mount["subPath"]
        at.parent.mkdir(parents=True, exist_ok=True)
        _link(at, source)

    # --- volumes ------------------------------------------------------------------------------------------------------

    def _volumes(self) -> bool:
        """Write what volumes hold by now; whether all of them are complete."""
        try:
            for item in self.pod["spec"].get("volumes") or []:
                folder = self.directory / "volumes" / item["name"]
                folder.mkdir(mode=0o700, exist_ok=True)
                files = containers.volume(self.pod, item, self._sources)
                if files is not None:
                    self._write(folder, files)
        except Unresolved as error:
            self._wait_for("ContainerCreating", str(error))
            return False
        except _ERRORS as error:
            self._wait_for("ContainerCreating", f"{type(error).__name__}: {error}")
            return False
        self._volumes_at = time.monotonic() + _VOLUMES_EVERY
        self._sources.fresh = False
        return True

    def _write(self, folder: Path, files: Mapping[str, bytes]) -> None:
        for name, content in files.items():
            file = folder / name
            if self._written.get(file) == content:
                continue
            file.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
            scratch = file.with_name(f".{file.name}.new")
            with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
                out.write(content)
            scratch.replace(file)
            self._written[file] = content
        for file in [known for known in self._written if known.is_relative_to(folder)]:
            if str(file.relative_to(folder)) not in files:
                file.unlink(missing_ok=True)
                del self._written[file]

    def _say(self, text: str) -> None:
        """A line for the cluster's log, unless it is the last one again."""
        if text != self._told:
            self._told = text
            self.host.tell(f"{self.name}: {text}")

    def _wait_for(self, reason: str, message: str) -> None:
        self._say(f"{reason}: {message}")
        for state in (*self.inits, *self.mains):
            if state.process is None:
                state.waiting, state.message = reason, message

    # --- processes ----------------------------------------------------------------------------------------------------

    def _resolved(self, state: State) -> tuple[list[str], dict[str, str]]:
        """Command and variables of a container.

        Raises:
            Unresolved: something it refers to isn't there.
        """
        start, spec = state.start, self.pod["spec"]
        mounts, root = start.container.get("volumeMounts") or [], str(self.root)
        own = containers.environment(self.pod, start.container, self._sources)
        argv = [
            containers.relocate(containers.expand(word, own), mounts, root) if position else word
            for position, word in enumerate(start.argv)
        ]
        own = {name: containers.relocate(value, mounts, root) for name, value in own.items()}
        own = {name: value for name, value in own.items() if "\0" not in value}
        namespace = self.pod["metadata"]["namespace"]

        def locate(service: str, port: int) -> int:
            return self.host.locate(namespace, service, port)

        def allot() -> int:
            return processes.free_ports(1)[0]

        argv, variables, state.ports = adapters.adapt(start, argv, own, namespace, locate, allot)
        program = self.directory / "bin" / start.component.link
        _link(program, self.host.program(start.image.program))
        places = {"root": root, "namespace": namespace, "uid": self.pod["metadata"]["uid"]}
        temporary = self.root / "tmp" if (self.root / "tmp").exists() else self.directory / "tmp"
        made = {
            "HOSTNAME": spec.get("hostname") or self.pod["metadata"]["name"],
            "HOME": str(self.directory / "home"),
            # Less memory for a little more work.
            "GOGC": "50",
            "AWS_REGION": self.host.region,
            **{name: text.format_map(places) for name, text in start.component.environment.items()},
            **own,
            **variables,
            # Whatever else the specification says, the way out is the rehearsal's.
            **self.host.environment(),
            "TMPDIR": str(temporary),
            "PATH": f"{self.directory / 'bin'}:/usr/bin:/bin",
        }
        if any(mount["mountPath"] == containers.ACCOUNT for mount in mounts):
            made["KUBECONFIG"] = str(self._kubeconfig())
        Path(made["HOME"]).mkdir(parents=True, exist_ok=True)
        return [str(program), *argv[1:]], made

    def _kubeconfig(self) -> Path:
        """A kubeconfig with the mounted token: what in-cluster configuration would find."""
        account = Path(f"{self.root}{containers.ACCOUNT}")
        server = {
            "server": f"https://127.0.0.1:{self.host.api.port}",
            "certificate-authority": str(self.host.authority),
        }
        document = kubeconfig(server, {"tokenFile": str(account / "token")})
        document["contexts"][0]["context"]["namespace"] = self.pod["metadata"]["namespace"]
        file = self.directory / "kubeconfig"
        file.write_text(json.dumps(document, indent=1) + "\n")
        file.chmod(0o600)
        return file

    def _launch(self, state: State) -> bool:
        """Start a container's process; whether it could be started."""
        try:
            command, environment = self._resolved(state)
            within = Path(environment["HOME"])
            state.process = Process(state.start.name, command, self.directory, environment, within)
        except (Unresolved, *_ERRORS) as error:
            self._wait_for("CreateContainerConfigError", str(error))
            state.due = time.monotonic() + 1.0
            # What is missing now may be there already in truth.
            self._sources.fresh = True
            return False
        self._sources.fresh = False
        state.began, state.waiting, state.message = time.time(), "", ""
        state.probed, state.failures, state.ready = 0.0, 0, False
        return True

    def _ended(self, state: State, code: int) -> None:
        """Take note of a process that ended, and of when it may start again."""
        assert state.process is not None
        now = time.time()
        reason = "Completed" if code == 0 else "Error"
        state.last = {
            "exitCode": code,
            "reason": reason,
            "startedAt": _stamp(state.began),
            "finishedAt": _stamp(now),
        }
        if now - state.began > _LONG:
            state.back_off = FIRST_BACK_OFF
        state.due = time.monotonic() + state.back_off
        state.waiting = "CrashLoopBackOff"
        state.message = f"back-off {state.back_off:.0f}s restarting failed container={state.start.name}"
        self.host.tell(
            f"{self.name}: {state.start.component.link} ended with {code}, "
            f"started again after {state.back_off:.0f} s:\n{state.process.tail()}"
        )
        state.back_off = min(LAST_BACK_OFF, state.back_off * 2)
        processes.stop([state.process])
        state.process, state.ready = None, False

    def _initialize(self, state: State) -> None:
        """Run an init container until it succeeds."""
        while not self._stopping.is_set() and not state.done:
            if state.process is None:
                if time.monotonic() >= state.due and self._launch(state) and state.last is not None:
                    state.restarts += 1
            else:
                code = state.process.code()
                if code == 0:
                    state.done = state.ready = True
                    began, now = _stamp(state.began), _stamp(time.time())
                    state.last = {"exitCode": 0, "reason": "Completed", "startedAt": began, "finishedAt": now}
                    processes.stop([state.process])
                elif code is not None:
                    self._ended(state, code)
            self._publish()
            self._stopping.wait(0.1)

    def _turn(self) -> None:
        for state in self.mains:
            if state.process is None:
                if time.monotonic() >= state.due and self._launch(state) and state.last is not None:
                    state.restarts += 1
                continue
            code = state.process.code()
            if code is not None:
                self._ended(state, code)
            else:
                self._probe(state)
        if time.monotonic() >= self._volumes_at:
            self._volumes_at = time.monotonic() + _VOLUMES_EVERY
            self._volumes()

    def _probe(self, state: State) -> None:
        """Readiness: asked every second until it is there, then as often as the probe says."""
        probe = state.start.container.get("readinessProbe") or {}
        # Delays are left aside: what answers is ready.
        every = max(1.0, float(probe.get("periodSeconds", 10))) if state.ready else 0.5
        if time.monotonic() - state.probed < every:
            return
        if _answers(probe, state, float(probe.get("timeoutSeconds", 1))):
            state.ready, state.failures = True, 0
        else:
            state.failures += 1
            if state.failures >= int(probe.get("failureThreshold", 3)):
                state.ready = False
        state.probed = time.monotonic()

    # --- status -------------------------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """The pod's status by now."""
        since = _stamp(min((state.began for state in self.mains if state.began), default=time.time()))
        made = idle_status(self.pod, self._conditions, ready=self.ready, since=since)
        made["conditions"] = self._conditions.of(self.pod, initialized=self.initialized, ready=self.ready)
        if not self.initialized:
            made["phase"] = "Pending"
        states = {state.start.name: state for state in (*self.inits, *self.mains)}
        for where in ("initContainerStatuses", "containerStatuses"):
            specified = self.pod["spec"].get("initContainers" if where[0] == "i" else "containers") or []
            for position, container in enumerate(specified):
                state = states.get(container["name"])
                if state is None:
                    if not self.initialized:
                        waiting = {"waiting": {"reason": "PodInitializing"}}
                        made[where][position] = _status(container, waiting, ready=False)
                    continue
                made[where][position] = _status(
                    container,
                    self._state(state),
                    ready=state.ready,
                    restarts=state.restarts,
                    last=None if state.done else state.last,
                )
        return made

    def _state(self, state: State) -> dict[str, Any]:
        if state.done:
            return {"terminated": state.last}
        if state.process is not None:
            return {"running": {"startedAt": _stamp(state.began)}}
        reason = state.waiting if self.initialized or state in self.inits else "PodInitializing"
        return {"waiting": {"reason": reason, **({"message": state.message} if state.message else {})}}

    def _publish(self) -> None:
        status = self.status()
        if status == self._published or self._silent or time.monotonic() < self._publish_at:
            return
        try:
            self.host.api.patch(f"{path_of(self.pod)}/status", {"status": status}, "strategic")
            self._published = status
        except ApiError as error:
            if error.status == 404:
                self._published = status
            else:
                self._publish_at = time.monotonic() + 2.0
                self._say(f"its status is refused: {error}")
        except (OSError, http.client.HTTPException):
            self._publish_at = time.monotonic() + 1.0  # the API server is away for a moment

    # --- the end ------------------------------------------------------------------------------------------------------

    def _end(self) -> None:
        self._stopping.wait()
        running = [state.process for state in (*self.inits, *self.mains) if state.process is not None]
        processes.stop(running, grace=self._grace)
        for state in self.mains:
            state.process, state.ready = None, False
        for item in self.directory.iterdir() if self.directory.exists() else ():
            if item.suffix == ".log":
                continue
            if item.is_dir() and not item.is_symlink():
                shutil.rmtree(item, ignore_errors=True)
            else:
                item.unlink(missing_ok=True)
        if not self._silent:
            finish(self.host.api, self.pod)


def finish(api: Api, pod: Mapping[str, Any]) -> None:
    """Tell the API server that nothing of a pod runs any more. Only one that is being deleted goes."""
    with contextlib.suppress(*_ERRORS):
        meta = api.get(path_of(pod))["metadata"]
        if meta["uid"] == pod["metadata"]["uid"] and "deletionTimestamp" in meta:
            api.delete(path_of(pod), {"gracePeriodSeconds": 0, "preconditions": {"uid": meta["uid"]}})


def _link(at: Path, target: Path) -> None:
    if at.is_symlink() and at.readlink() == target:
        return
    at.unlink(missing_ok=True)
    at.symlink_to(target)


def _answers(probe: Mapping[str, Any], state: State, timeout: float) -> bool:
    """Whether a probe succeeds. What can't be asked from outside (``exec``) is taken as met while the process runs."""
    action = probe.get("httpGet") or probe.get("tcpSocket") or probe.get("grpc")
    if action is None:
        return True
    port = action.get("port")
    if not isinstance(port, int) and not str(port).isdigit():
        named = state.start.container.get("ports") or []
        port = next((item["containerPort"] for item in named if item.get("name") == port), 0)
    local = state.ports.get(int(port))
    if local is None:
        return True
    # A busy machine answers late.
    timeout = max(timeout, 5.0)
    try:
        if "httpGet" not in probe:
            with socket.create_connection(("127.0.0.1", local), timeout=timeout):
                return True
        connection: http.client.HTTPConnection
        if action.get("scheme") == "HTTPS":
            context = ssl._create_unverified_context()
            connection = http.client.HTTPSConnection("127.0.0.1", local, timeout=timeout, context=context)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", local, timeout=timeout)
        with contextlib.closing(connection):
            headers = {item["name"]: item["value"] for item in action.get("httpHeaders") or []}
            connection.request("GET", action.get("path") or "/", headers=headers)
            return 200 <= connection.getresponse().status < 400
    except (OSError, http.client.HTTPException):
        return False
