# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real control planes behind the emulated EKS: an API server, a controller manager, a scheduler and KWOK per cluster.

All of them share one etcd, each with a prefix of its own. They are child processes of the emulator on 127.0.0.1; their
files are below ``kubernetes/`` of the state directory. Kubernetes versions below that of the programs are emulated by
the programs themselves (``--emulated-version``), so that a cluster can be upgraded.
"""

from __future__ import annotations

import base64
import datetime
import http.client
import ipaddress
import itertools
import json
import os
import shutil
import sys
import threading
import time
import traceback
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from moto.iam.models import iam_backends

from rehearsal.emulator.control_plane import Access, ClusterFacts
from rehearsal.emulator.services.eks import Cluster
from rehearsal.emulator.world import World
from rehearsal.kubernetes import adapters, authentication, authorization, binaries, fargate, processes, workloads
from rehearsal.kubernetes.api import Api, ApiError
from rehearsal.kubernetes.authentication import Entry, Unauthenticated
from rehearsal.kubernetes.egress import EgressProxy, Routes
from rehearsal.kubernetes.nodes import Nodes
from rehearsal.kubernetes.outside import Outside
from rehearsal.kubernetes.pki import ClusterAuthority
from rehearsal.kubernetes.processes import Process
from rehearsal.kubernetes.settings import Settings, client_kubeconfig, configuration, kwok_configuration
from rehearsal.kubernetes.toolchain import ToolchainError
from rehearsal.kubernetes.webhooks import Webhooks
from rehearsal.kubernetes.workloads import Workloads

#: How long an API server may take from its start to readiness, on a machine that is busy with other things.
_PATIENCE = 180.0
_ATTEMPTS = 3


class BringUpError(RuntimeError):
    """A process that didn't come up, with the end of its log."""


class _Ended(Exception):
    """The cluster is being taken down: what is under way stops."""


def _environment(home: Path) -> dict[str, str]:
    """Nothing of ours: no credentials, no proxies. A higher share of garbage collection keeps memory low."""
    return {"HOME": str(home), "TMPDIR": str(home), "PATH": "/usr/bin:/bin", "GOGC": "50"}


def _wait(done: Callable[[], bool], process: Process, stopping: threading.Event) -> None:
    ended = time.monotonic() + _PATIENCE
    while not done():
        if stopping.is_set():
            raise _Ended
        if not process.running():
            raise BringUpError(f"{process.name} ended:\n{process.tail()}")
        if time.monotonic() > ended:
            raise BringUpError(f"{process.name} isn't ready after {_PATIENCE:.0f} s:\n{process.tail()}")
        time.sleep(0.1)


class Etcd:
    """The one etcd of all clusters; started when first needed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._work = threading.Lock()
        self._process: Process | None = None
        self._port = self._peer = 0

    @property
    def address(self) -> str:
        """The client URL."""
        return f"http://127.0.0.1:{self._port}"

    def up(self, program: Path, stopping: threading.Event) -> None:
        """See that it runs."""
        with self._work:
            if self._process is not None and self._process.running():
                return
            self.directory.mkdir(parents=True, exist_ok=True)
            if not self._port:
                self._port, self._peer = processes.free_ports(2)
            peers = f"http://127.0.0.1:{self._peer}"
            command = [
                str(program),
                "--name=rehearsal",
                f"--data-dir={self.directory / 'data'}",
                f"--listen-client-urls={self.address}",
                f"--advertise-client-urls={self.address}",
                f"--listen-peer-urls={peers}",
                f"--initial-advertise-peer-urls={peers}",
                f"--initial-cluster=rehearsal={peers}",
                # The data needn't outlive the machine.
                "--unsafe-no-fsync",
                "--snapshot-count=5000",
                "--log-level=warn",
            ]
            self._process = Process("etcd", command, self.directory, _environment(self.directory))
            _wait(self._healthy, self._process, stopping)

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/health", timeout=2) as answer:
                return bool(json.load(answer)["health"] == "true")
        except (OSError, ValueError):
            return False

    def forget(self, prefix: str) -> None:
        """Delete a cluster's keys (https://etcd.io/docs/v3.6/dev-guide/api_grpc_gateway)."""
        first, last = prefix.encode(), prefix[:-1].encode() + bytes([ord(prefix[-1]) + 1])
        keys = {"key": base64.b64encode(first).decode(), "range_end": base64.b64encode(last).decode()}
        request = urllib.request.Request(f"{self.address}/v3/kv/deleterange", json.dumps(keys).encode())
        with urllib.request.urlopen(request, timeout=30):
            pass

    def pid(self) -> int | None:
        """Its process id, if it runs."""
        return self._process.pid if self._process is not None and self._process.running() else None

    def down(self) -> None:
        """End it and remove the data."""
        with self._work:
            if self._process is not None:
                processes.stop([self._process], grace=2)
                self._process = None
            self._port = self._peer = 0
            shutil.rmtree(self.directory, ignore_errors=True)


class Plane:
    """The control plane of one cluster."""

    def __init__(self, planes: ControlPlanes, number: int, cluster: Cluster) -> None:
        self.planes, self.cluster = planes, cluster
        self.facts = cluster.facts
        self.id = f"{self.facts.account}-{self.facts.name}-{number}"
        self.directory = planes.directory / self.id
        self.socket = planes.sockets / f"{number}.sock"
        self.stopping = threading.Event()
        self.gone = threading.Event()
        self.access: Access | None = None
        self.failure = ""
        self.version = ""
        self.nodes: Nodes | None = None
        self.workloads: Workloads | None = None
        self.egress: EgressProxy | None = None
        self.hooked = False
        self._admitted = threading.Event()
        self._admission: Webhooks | None = None
        self._processes: dict[str, Process] = {}
        self._guard = threading.Lock()
        self._work = threading.Lock()
        self._told = ""

    @property
    def prefix(self) -> str:
        """Where the cluster's keys are in etcd."""
        return f"/{self.id}/"

    def pids(self) -> dict[str, int]:
        """The processes that run, by name."""
        return {name: process.pid for name, process in self._processes.items() if process.running()}

    def settled(self, kind: str, name: str) -> bool:
        """Whether something of the cluster is what EKS was asked for. Asked under the world's lock."""
        if kind == "cluster":
            if self.cluster.gone is not None:
                return self.gone.is_set()
            if self.failure and self.access is None:
                return True  # it is what it will ever be: FAILED
            return self.version == self.cluster.facts.version
        profile = self.cluster.fargate.get(name) if kind == "fargate" else None
        if profile is not None and profile.gone is None:
            return self.hooked
        return self.nodes is None or self.nodes.settled(kind, name)

    # --- up -----------------------------------------------------------------------------------------------------------

    def bring_up(self) -> None:
        """Start everything, and go on with the nodes. Runs in a thread of its own."""
        try:
            with self._work:
                self._bring_up()
        except _Ended:
            return
        except (
            BringUpError,
            binaries.BuildError,
            ToolchainError,
            OSError,
            ApiError,
            http.client.HTTPException,
        ) as error:
            self.failure = str(error)
            print(f"cluster {self.facts.name}: {error}", file=sys.stderr, flush=True)
            return
        threading.Thread(target=self._loop, daemon=True).start()

    def _bring_up(self) -> None:
        paths = self.planes.programs()
        self.directory.mkdir(parents=True)
        self.planes.etcd.up(paths["etcd"], self.stopping)
        pki = ClusterAuthority(self.directory / "pki")
        service = _first_address(self.facts.service_cidr)
        names = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
        server = pki.issue("apiserver", "kube-apiserver", addresses=(*names, "localhost", "127.0.0.1", service))
        accounts = pki.service_account_keys()
        front = pki.issue("front-proxy", "front-proxy-client")
        admin = pki.issue("admin", "rehearsal", groups=("system:masters",))
        clients = {
            name: pki.issue(name, user, groups=groups)
            for name, user, groups in (
                ("kube-controller-manager", "system:kube-controller-manager", ()),
                ("kube-scheduler", "system:kube-scheduler", ()),
                ("kwok", "rehearsal-kwok", ("system:masters",)),
            )
        }
        self._write_configuration()
        own = {self.planes.webhooks.port}
        routes = Routes(lambda: api.items("/api/v1/services"), own, kubelet_port=processes.free_ports(1)[0])
        self.egress = EgressProxy(self.socket, routes, self.directory / "egress.log")
        for attempt in itertools.count(1):
            (port,) = processes.free_ports(1)
            api = Api(port, pki.files.certificate, admin)
            self._settings = Settings(
                self.directory,
                "",
                self.planes.etcd.address,
                self.prefix,
                self.facts.service_cidr,
                self.facts.issuer,
                port,
                routes.kubelet_port,
                pki.files,
                server,
                accounts,
                front,
            )
            process = self._start("kube-apiserver")
            try:
                _wait(api.ready, process, self.stopping)
                break
            except BringUpError:
                # The port may have been taken between the look and the start.
                processes.stop([process], grace=1)
                if attempt == _ATTEMPTS:
                    raise
        for name, made in clients.items():
            self._write(f"{name}.kubeconfig", client_kubeconfig(port, pki.files.certificate, made))
            self._start(name)
        _wait(lambda: _default_account(api), self._processes["kube-controller-manager"], self.stopping)
        self._admit(pki)
        self.nodes = Nodes(self.planes.world, self.cluster, api, routes, lambda: self.access, self._tell)
        self.workloads = Workloads(
            self.planes.world,
            self.cluster,
            api,
            routes,
            self.directory,
            pki.files.certificate,
            self.planes.environment,
            self._runnable,
            self._images,
        )
        self.workloads.begin()
        self.api = api
        self.version = self.facts.version
        self.access = Access(f"https://127.0.0.1:{port}", pki.pem)

    def _command(self, name: str) -> list[str]:
        own = binaries.pinned("kube-apiserver").rpartition(".")[0]
        wanted = self.cluster.facts.version
        settings = replace(self._settings, version="" if wanted == own else wanted)
        flags = {
            "kube-apiserver": settings.api_server,
            "kube-controller-manager": settings.controller_manager,
            "kube-scheduler": settings.scheduler,
            "kwok": settings.kwok,
        }
        return [str(self.planes.programs()[name]), *flags[name]()]

    def _start(self, name: str) -> Process:
        command = self._command(name)
        with self._guard:
            if self.stopping.is_set():
                raise _Ended
            process = Process(name, command, self.directory, _environment(self.directory))
            self._processes[name] = process
            return process

    def _write(self, name: str, document: dict[str, Any]) -> None:
        (self.directory / name).write_text(json.dumps(document, indent=1) + "\n")

    def _write_configuration(self) -> None:
        hooks = f"http://127.0.0.1:{self.planes.webhooks.port}/{self.id}"
        for name, document in configuration(self.directory, hooks, self.socket).items():
            self._write(name, document)
        log = self.directory / "pod.log"
        # https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md
        said = "KWOK runs this pod: there is no container, and no output."
        log.write_text(f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%S.%fZ} stdout F {said}\n")
        self._runnable, self._images = workloads.available()
        ours = adapters.pattern(self._images) if self._images else ""
        (self.directory / "kwok.yaml").write_text(kwok_configuration(log, ours))

    def _admit(self, pki: ClusterAuthority) -> None:
        tls = pki.issue("admission", "eks-admission", addresses=("127.0.0.1",))
        self._admission = Webhooks({"/fargate": self._answer_admission}, tls)
        assert self.egress is not None
        self.egress.routes.own.add(self._admission.port)
        self._fargate_hook = fargate.configuration(f"https://127.0.0.1:{self._admission.port}/fargate", pki.pem)

    def _answer_admission(self, review: dict[str, Any]) -> dict[str, Any]:
        self._admitted.set()
        return fargate.admit(review, self._profiles())

    def _profiles(self) -> dict[str, dict[str, Any]]:
        with self.planes.world.lock:
            things = self.cluster.fargate.items()
            return {name: thing.doc for name, thing in things if thing.status() == "ACTIVE"}

    # --- while it stands ----------------------------------------------------------------------------------------------

    def _loop(self) -> None:
        assert self.nodes is not None
        while not self.stopping.wait(0.2 if self.nodes.busy() else 1.0):
            try:
                self._keep()
                wanted = bool(self.cluster.fargate)
                if wanted != self.hooked:
                    self._hook(wanted)
                self.nodes.turn()
            except _Ended:
                return
            except (ApiError, OSError, http.client.HTTPException, BringUpError) as error:
                self._tell(f"{type(error).__name__}: {error}")
            except Exception as error:  # noqa: BLE001 - a fault in one turn must not leave the nodes to themselves
                if self._tell(f"{type(error).__name__}: {error}"):
                    traceback.print_exc()

    def _hook(self, wanted: bool) -> None:
        """Put Fargate's webhook in or take it out; it is in when the API server asks it."""
        name = self._fargate_hook["metadata"]["name"]
        if not wanted:
            self.api.delete(f"{fargate.PATH}/{name}")
            self.hooked = False
            return
        self._admitted.clear()
        if not self.api.items(fargate.PATH, fieldSelector=f"metadata.name={name}"):
            self.api.create(fargate.PATH, self._fargate_hook)
        containers = [{"name": "main", "image": "example.org/app:1"}]
        pod = {"metadata": {"generateName": "admission-"}, "spec": {"containers": containers}}
        while not self._admitted.is_set():
            if self.stopping.is_set():
                raise _Ended
            self.api.request("POST", "/api/v1/namespaces/default/pods", pod, query={"dryRun": "All"})
        self.hooked = True

    def _tell(self, text: str) -> bool:
        """Write a line into the log unless it is the last one again; whether it was written."""
        if self.stopping.is_set() or text == self._told:
            return False
        self._told = text
        with (self.directory / "nodes.log").open("a") as out:
            out.write(f"{datetime.datetime.now(datetime.UTC):%H:%M:%S} {text}\n")
        return True

    def _keep(self) -> None:
        """Start again what has ended by itself, as EKS would."""
        with self._work:
            self.planes.etcd.up(self.planes.programs()["etcd"], self.stopping)
            for name, process in list(self._processes.items()):
                if not process.running():
                    self._tell(f"{name} has ended and is started again:\n{process.tail()}")
                    self._start(name)

    def upgrade(self) -> None:
        """Start the programs again for another version. Runs in a thread of its own."""
        try:
            with self._work:
                for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler"):
                    processes.stop([self._processes[name]], grace=10)
                    process = self._start(name)
                    if name == "kube-apiserver":
                        _wait(self.api.ready, process, self.stopping)
                self.facts = self.cluster.facts
                self.version = self.facts.version
        except _Ended:
            return
        except BringUpError as error:
            self.failure = str(error)
            print(f"cluster {self.facts.name}: {error}", file=sys.stderr, flush=True)

    # --- down ---------------------------------------------------------------------------------------------------------

    def take_down(self, *, forget: bool) -> None:
        """End all processes and remove all files; ``forget`` also removes the keys from an etcd that goes on."""
        with self._guard:
            self.stopping.set()
            running = list(self._processes.values())
        self.access = None
        if self.workloads is not None:
            self.workloads.stop()
        processes.stop(running, grace=1)
        if self.egress is not None:
            self.egress.close()
        if self._admission is not None:
            self._admission.close()
        if forget and running:
            try:
                self.planes.etcd.forget(self.prefix)
            except OSError as error:
                print(f"cluster {self.facts.name}: its keys are still in etcd: {error}", file=sys.stderr, flush=True)
        shutil.rmtree(self.directory, ignore_errors=True)
        self.gone.set()

    # --- who may come in ----------------------------------------------------------------------------------------------

    def entries(self) -> dict[str, Entry]:
        """The access entries, where the cluster's authentication mode has them."""
        with self.planes.world.lock:
            if self.cluster.doc["accessConfig"]["authenticationMode"] == "CONFIG_MAP":
                return {}
            return {
                arn: Entry(
                    arn,
                    entry.doc["type"],
                    entry.doc["username"],
                    tuple(entry.doc["kubernetesGroups"]),
                    tuple(
                        (policy, tuple(item["accessScope"].get("namespaces") or ()))
                        for policy, item in entry.policies.items()
                    ),
                )
                for arn, entry in self.cluster.entries.items()
            }

    def authenticate(self, review: dict[str, Any]) -> dict[str, Any]:
        """A TokenReview, answered."""
        status: dict[str, Any]
        try:
            now = datetime.datetime.now(datetime.UTC)
            url = authentication.decode(review["spec"].get("token", ""), self.planes.endpoint, now)
            identity = authentication.ask_sts(url, self.facts.name, self.planes.endpoint)
            secret = self.planes.secret(identity.access_key)
            authentication.check_signature(url, self.facts.name, secret)
            status = {"authenticated": True, "user": authentication.user(identity, self.entries())}
        except Unauthenticated as error:
            self._tell(f"refused: {error}")
            status = {"authenticated": False, "error": str(error)}
        return {"apiVersion": review["apiVersion"], "kind": review["kind"], "status": status}

    def authorize(self, review: dict[str, Any]) -> dict[str, Any]:
        """A SubjectAccessReview, answered: allowed, or no opinion."""
        spec = review["spec"]
        arn = ((spec.get("extra") or {}).get("canonicalArn") or [""])[0]
        entry = self.entries().get(arn)
        policy = authorization.allowed(entry, spec) if entry is not None else ""
        status: dict[str, Any] = {"allowed": bool(policy)}
        if policy:
            status["reason"] = f"EKS Access Policy: allowed by {policy} of {arn}"
        return {"apiVersion": review["apiVersion"], "kind": review["kind"], "status": status}


class ControlPlanes:
    """What ``rehearsal.emulator.control_plane.use`` is given for clusters that are real."""

    def __init__(self, world: World, endpoint: str) -> None:
        self.world, self.endpoint = world, endpoint
        self.directory = world.state_dir / processes.DIRECTORY
        self.sockets = processes.sockets_dir(world.state_dir)
        processes.remove_all(world.state_dir)  # of an emulator that was killed
        self.etcd = Etcd(self.directory / "etcd")
        #: What the programs in all clusters see of the world.
        self.outside = Outside(self.directory / "outside")
        self.webhooks = Webhooks({})
        self._answers = self.webhooks.answers
        self._numbers = itertools.count(1)
        self._planes: dict[str, Plane] = {}
        self._programs: dict[str, Path] = {}
        self._finding = threading.Lock()

    def programs(self) -> dict[str, Path]:
        """The paths of the programs; built, where they are missing, when they are first needed."""
        with self._finding:
            if not self._programs:
                self._programs = binaries.ready(binaries.CONTROL_PLANE, lambda line: print(line, flush=True))
            return self._programs

    def environment(self) -> dict[str, str]:
        """What a program in a pod is told: where AWS and the world outside are."""
        return {"AWS_ENDPOINT_URL": self.endpoint, **self.outside.environment()}

    def secret(self, access_key: str) -> str:
        """The secret of an access key: one of STS or of an IAM user. Empty where it isn't known."""
        with self.world.lock:
            known = self.world.secrets.get(access_key)
            if known is not None:
                return known
            for account in self.world.accounts:
                for user in iam_backends[account]["aws"].users.values():
                    for key in user.access_keys:
                        if key.access_key_id == access_key:
                            return str(key.secret_access_key)
        return ""

    def plane(self, cluster: str) -> Plane:
        """The control plane of a cluster by name or ARN.

        Raises:
            ValueError: there is none, or the name is that of several.
        """
        found = [plane for plane in self._planes.values() if cluster in (plane.facts.name, plane.facts.arn)]
        if len(found) != 1:
            raise ValueError(f"{len(found)} clusters are called {cluster}: give the ARN of one")
        return found[0]

    def describe(self) -> dict[str, Any]:
        """What stands: etcd's process, and each cluster by ARN.

        That is endpoint, version, processes, refused connections, and the pods that run.
        """
        clusters = {
            plane.facts.arn: {
                "endpoint": plane.access.endpoint if plane.access else None,
                "version": plane.version,
                "failure": plane.failure,
                "processes": plane.pids(),
                "directory": str(plane.directory),
                "refusals": plane.egress.refusals if plane.egress else [],
                "kept_out": dict(plane.nodes.instances.refused) if plane.nodes else {},
                **(plane.workloads.describe() if plane.workloads else {"workloads": [], "services": {}}),
            }
            for plane in list(self._planes.values())
        }
        return {"etcd": self.etcd.pid(), "outside": self.outside.describe(), "clusters": clusters}

    def stand_for(self, method: str, query: dict[str, list[str]]) -> dict[str, Any]:
        """The page ``stand-for``: POST puts a local process behind a Service's port, DELETE takes it away.

        Raises:
            ValueError: a parameter is missing or names nothing.
        """
        names = ("cluster", "namespace", "service", "port") + (("local_port",) if method == "POST" else ())
        missing = [name for name in names if name not in query]
        if missing or method not in ("POST", "DELETE"):
            raise ValueError(f"POST or DELETE with {', '.join(names)}; missing: {', '.join(missing) or 'nothing'}")
        given = {name: query[name][0] for name in names}
        egress = self.plane(given["cluster"]).egress
        if egress is None:
            raise ValueError(f"cluster {given['cluster']} doesn't stand yet")
        if method == "POST":
            local = int(given["local_port"])
            egress.routes.stand_for(given["namespace"], given["service"], int(given["port"]), local)
        else:
            egress.routes.leave(given["namespace"], given["service"], int(given["port"]))
        return given

    # --- the seam -----------------------------------------------------------------------------------------------------

    def started(self, cluster: ClusterFacts) -> None:
        """Begin to bring a cluster up.

        Raises:
            OSError: somebody else has made the directory of our sockets.
        """
        self.sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.sockets.stat().st_uid != os.geteuid():
            raise OSError(f"{self.sockets} belongs to another user")
        clusters: dict[str, Cluster] = self.world.store("eks", cluster.account, cluster.region, dict)
        plane = Plane(self, next(self._numbers), clusters[cluster.name])
        self._planes[cluster.issuer] = plane
        self._answers[f"/{plane.id}/token"] = plane.authenticate
        self._answers[f"/{plane.id}/authorize"] = plane.authorize
        threading.Thread(target=plane.bring_up, daemon=True).start()

    def access(self, cluster: ClusterFacts) -> Access | None:
        """Where a cluster's API server answers, once it does."""
        plane = self._planes.get(cluster.issuer)
        return plane.access if plane else None

    def upgraded(self, cluster: ClusterFacts) -> None:
        """Begin to start a cluster's programs again for another version."""
        plane = self._planes.get(cluster.issuer)
        if plane is not None:
            threading.Thread(target=plane.upgrade, daemon=True).start()

    def stopped(self, cluster: ClusterFacts) -> None:
        """Begin to take a cluster down."""
        plane = self._planes.get(cluster.issuer)
        if plane is not None:
            threading.Thread(target=self._take_down, args=(cluster.issuer, plane), daemon=True).start()

    def _take_down(self, issuer: str, plane: Plane) -> None:
        plane.take_down(forget=True)
        for name in ("token", "authorize"):
            self._answers.pop(f"/{plane.id}/{name}", None)
        self._planes.pop(issuer, None)

    def settled(self, cluster: ClusterFacts, kind: str, name: str) -> bool:
        """Whether a cluster, a node group or a Fargate profile is what was asked for."""
        plane = self._planes.get(cluster.issuer)
        return plane is None or plane.settled(kind, name)

    def failure(self, cluster: ClusterFacts) -> str:
        """Why a cluster can't be brought up."""
        plane = self._planes.get(cluster.issuer)
        return plane.failure if plane else ""

    def close(self) -> None:
        """End everything. More clusters may come afterwards."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda plane: plane.take_down(forget=False), list(self._planes.values())))
        self._planes.clear()
        self._answers.clear()
        self.etcd.down()
        self.outside.close()
        processes.remove_all(self.world.state_dir)


def _first_address(cidr: str) -> str:
    return str(next(ipaddress.ip_network(cidr).hosts()))


def _default_account(api: Api) -> bool:
    try:
        api.get("/api/v1/namespaces/default/serviceaccounts/default")
    except (ApiError, OSError, http.client.HTTPException):
        return False
    return True
