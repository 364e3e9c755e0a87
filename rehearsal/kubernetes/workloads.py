# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods that really run: of each workload with an image of ours one pod, from its own specification.

KWOK leaves these pods alone (``stages.yaml``); what happens to them is told from here, so that a rollout of a program
that doesn't come up doesn't succeed. Of a workload's replicas the first by age runs; the others are as ready as it is
and take over when it goes. A new revision's pod runs beside the old one's until that is deleted, as everywhere.
"""

from __future__ import annotations

import contextlib
import datetime
import http.client
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rehearsal.emulator.services.eks import Cluster
from rehearsal.emulator.world import World
from rehearsal.kubernetes import adapters, binaries, containers
from rehearsal.kubernetes.adapters import Image, Start
from rehearsal.kubernetes.api import Api, ApiError
from rehearsal.kubernetes.balancer import Balancer, Port
from rehearsal.kubernetes.egress import Routes
from rehearsal.kubernetes.pod_identity import Agent
from rehearsal.kubernetes.runner import Conditions, Runner, finish, idle_status, path_of

#: For how many seconds a list of ConfigMaps or Secrets is good where it needn't be the newest.
_REMEMBERED = 5.0
#: How often Services are looked at while nothing else happens, in seconds.
_SERVICES_EVERY = 5.0
#: Scripts that images bring along.
_HELPERS = Path(__file__).with_name("helpers")
_ERRORS = (ApiError, OSError, http.client.HTTPException)


def program_file(name: str) -> Path | None:
    """The file of a program that images stand for, or None where it isn't built."""
    if name == "valkey-server":
        try:
            return binaries.valkey_server()
        except binaries.BuildError:
            return None
    program = binaries.programs().get(name)
    found = binaries.find(program) if program is not None else None
    return found.path if found is not None else None


def available(find: Callable[[str], Path | None] = program_file) -> tuple[dict[str, Path], tuple[Image, ...]]:
    """The programs that are there, by name, and the images that they run."""
    names = dict.fromkeys(image.program for image in adapters.IMAGES)
    files = {name: file for name in names if (file := find(name)) is not None}
    return files, tuple(image for image in adapters.IMAGES if image.program in files)


def owner(pod: Mapping[str, Any]) -> str:
    """What a pod is a replica of: its controller's uid, else its own."""
    for item in pod["metadata"].get("ownerReferences") or []:
        if item.get("controller"):
            return str(item["uid"])
    return str(pod["metadata"]["uid"])


class Workloads:
    """The pods of one cluster that run."""

    def __init__(
        self,
        world: World,
        cluster: Cluster,
        api: Api,
        routes: Routes,
        directory: Path,
        authority: Path,
        environment: Callable[[], dict[str, str]],
        programs: Mapping[str, Path],
        images: tuple[Image, ...],
    ) -> None:
        self.api, self.routes, self.directory, self.authority = api, routes, directory, authority
        self.region = cluster.facts.region
        self.agent = Agent(world, cluster, api)
        self.balancer = Balancer(self._backend)
        self._environment, self._programs, self._images = environment, dict(programs), images
        self._pods: dict[str, dict[str, Any]] = {}
        self._runners: dict[str, Runner] = {}
        self._idle: dict[str, tuple[Conditions, dict[str, Any] | None]] = {}
        self._data: dict[tuple[str, str], tuple[float, dict[str, dict[str, bytes]]]] = {}
        self._routed: set[Port] = set()
        self._services_at = 0.0
        self._signature: dict[str, bool] = {}
        self._said: set[str] = set()
        self._guard = threading.Lock()
        self._changed = threading.Event()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._watch, self._loop)]

    def begin(self) -> None:
        """Start to look."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End all processes. The API server isn't told."""
        with self._guard:
            if self._stopping.is_set():
                return
            self._stopping.set()
        self._changed.set()
        if self._threads[1].is_alive():
            self._threads[1].join(10)
        for runner in list(self._runners.values()):
            runner.stop(1.0, silent=True)
        for runner in list(self._runners.values()):
            runner.join(10)
        self.agent.close()
        self.balancer.close()

    def describe(self) -> dict[str, Any]:
        """What runs, and where Services are reached."""
        ports = {f"{port[0]}/{port[1]}:{port[2]}": local for port, local in self.balancer.ports().items()}
        return {
            "workloads": [item for runner in list(self._runners.values()) for item in runner.describe()],
            "services": ports,
        }

    # --- what runners share -------------------------------------------------------------------------------------------

    def data(self, kind: str, namespace: str, name: str, *, fresh: bool) -> dict[str, bytes] | None:
        """The data of a ConfigMap or Secret, or None."""
        if fresh:
            try:
                found = self.api.get(f"/api/v1/namespaces/{quote(namespace)}/{kind}/{quote(name)}")
            except ApiError as error:
                if error.status == 404:
                    return None
                raise
            return containers.data_of(found)
        with self._guard:
            known = self._data.get((kind, namespace))
            if known is None or time.monotonic() - known[0] > _REMEMBERED:
                items = self.api.items(f"/api/v1/namespaces/{quote(namespace)}/{kind}")
                singular = {"configmaps": "ConfigMap", "secrets": "Secret"}[kind]
                listed = {i["metadata"]["name"]: containers.data_of({"kind": singular, **i}) for i in items}
                known = self._data[(kind, namespace)] = (time.monotonic(), listed)
            return known[1].get(name)

    def locate(self, namespace: str, service: str, port: int) -> int:
        """Where a Service's port is reached."""
        return self.balancer.local_port((namespace, service, port))

    def program(self, name: str) -> Path:
        """The file of a program that is built."""
        return self._programs[name]

    def tools(self) -> Mapping[str, Path]:
        """What programs call by name, by name."""
        # Nothing of SSH goes through the proxy, so nothing of SSH goes.
        made = {"ssh": Path("/bin/false")}
        for name in ("helm", "kustomize"):
            file = program_file(name)
            if file is not None:
                made[name] = file
        for name in ("git", "gpg"):
            found = shutil.which(name)
            if found is not None:
                made[name] = Path(found)
        if "argocd" in self._programs:
            made |= dict.fromkeys(("argocd", "argocd-k8s-auth", "argocd-git-ask-pass"), self._programs["argocd"])
            made["git-verify-wrapper.sh"] = _HELPERS / "git-verify-wrapper.sh"
        return made

    def environment(self) -> dict[str, str]:
        """What every process is told."""
        return {**self._environment(), "AWS_EC2_METADATA_DISABLED": "true"}

    def tell(self, text: str) -> None:
        """A line for the log."""
        with contextlib.suppress(FileNotFoundError), (self.directory / "workloads.log").open("a") as out:
            out.write(f"{datetime.datetime.now(datetime.UTC):%H:%M:%S} {text}\n")

    def _once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self.tell(text)

    # --- what is there ------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Keep the pods that have a node in mind."""
        where = {"fieldSelector": "spec.nodeName!="}
        while not self._stopping.is_set():
            try:
                listed = self.api.get("/api/v1/pods", **where)
                self._pods = {item["metadata"]["uid"]: item for item in listed.get("items") or [] if self._mine(item)}
                self._changed.set()
                version = listed["metadata"]["resourceVersion"]
                for kind, item in self.api.watch("/api/v1/pods", version, **where):
                    if self._stopping.is_set():
                        return
                    if kind == "BOOKMARK" or not self._mine(item):
                        continue
                    pods = dict(self._pods)
                    if kind == "DELETED":
                        pods.pop(item["metadata"]["uid"], None)
                    else:
                        pods[item["metadata"]["uid"]] = item
                    self._pods = pods
                    self._changed.set()
            except (*_ERRORS, ValueError):
                self._stopping.wait(1.0)

    def _mine(self, pod: Mapping[str, Any]) -> bool:
        """Whether KWOK leaves a pod to us: the same condition as that of ``stages.yaml``."""
        if any(item["kind"] == "Job" for item in pod["metadata"].get("ownerReferences") or []):
            return False
        spec = pod["spec"]
        names = [str(item["image"]) for item in [*(spec.get("initContainers") or []), *spec["containers"]]]
        for name in names:
            image = adapters.image_of(name)
            if image is not None and image not in self._images:
                self._once(f"{image.program} isn't built: pods with the image {name} run nothing")
        return any(adapters.image_of(name, self._images) for name in names)

    def _starts(self, pod: Mapping[str, Any]) -> tuple[list[Start], list[Start]]:
        spec = pod["spec"]
        inits = [adapters.start(item, self._images) for item in spec.get("initContainers") or []]
        mains = [adapters.start(item, self._images) for item in spec["containers"]]
        found = [start for start in inits if start is not None], [start for start in mains if start is not None]
        for start in [*found[0], *found[1]]:
            program = binaries.programs().get(start.image.program)
            if start.image.versioned and program is not None and start.tag not in ("", program.version):
                self._once(f"{start.container['image']}: what runs is {program.name} {program.version}")
        return found

    # --- one turn -----------------------------------------------------------------------------------------------------

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._changed.wait(1.0)
            self._changed.clear()
            if self._stopping.is_set():
                return
            try:
                self._turn()
            except _ERRORS as error:
                self._once(f"{type(error).__name__}: {error}")
            except Exception as error:  # noqa: BLE001 - a fault in one turn must not leave the pods to themselves
                self.tell(f"{type(error).__name__}: {error}")
                traceback.print_exc(file=sys.stderr)

    def _turn(self) -> None:
        pods = self._pods
        for uid, runner in list(self._runners.items()):
            pod = pods.get(uid)
            if pod is None:
                runner.stop(_grace(runner.pod))
            elif "deletionTimestamp" in pod["metadata"]:
                runner.stop(_grace(pod))
            if runner.over():
                del self._runners[uid]
        groups: dict[str, list[dict[str, Any]]] = {}
        for pod in pods.values():
            if "deletionTimestamp" not in pod["metadata"]:
                groups.setdefault(owner(pod), []).append(pod)
            elif pod["metadata"]["uid"] not in self._runners:
                finish(self.api, pod)
        for group in groups.values():
            self._group(group)
        for uid in [uid for uid in self._idle if uid not in pods]:
            del self._idle[uid]
        self._route(pods)

    def _group(self, group: list[dict[str, Any]]) -> None:
        """See that one of a workload's pods runs, and tell what the others are."""
        group.sort(key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]))
        running = next((self._runners[uid] for pod in group if (uid := pod["metadata"]["uid"]) in self._runners), None)
        nothing = False
        if running is None:
            first = group[0]
            if not first["status"].get("podIP"):
                return  # KWOK gives addresses
            inits, mains = self._starts(first)
            nothing = not inits and not mains
            if not nothing:
                running = self._runners[first["metadata"]["uid"]] = Runner(self, first, inits, mains)
                running.begin()
        for pod in group:
            if pod["metadata"]["uid"] not in self._runners and pod["status"].get("podIP"):
                self._tell_idle(pod, ready=nothing or (running is not None and running.ready))

    def _tell_idle(self, pod: dict[str, Any], *, ready: bool) -> None:
        uid = pod["metadata"]["uid"]
        conditions, told = self._idle.setdefault(uid, (Conditions(), None))
        since = pod["status"].get("startTime") or pod["metadata"]["creationTimestamp"]
        status = idle_status(pod, conditions, ready=ready, since=since)
        if status != told:
            self.api.patch(f"{path_of(pod)}/status", {"status": status}, "strategic")
            self._idle[uid] = (conditions, status)

    # --- Services -----------------------------------------------------------------------------------------------------

    def _backend(self, port: Port) -> int | None:
        return self.routes.local_port(f"{port[1]}.{port[0]}.svc:{port[2]}")[0]

    def _route(self, pods: Mapping[str, dict[str, Any]]) -> None:
        """Put processes that are ready behind the Services that select their pods."""
        if not self._runners and not self._routed:
            return
        signature = {uid: runner.ready for uid, runner in self._runners.items()}
        if signature == self._signature and time.monotonic() < self._services_at:
            return
        self._signature = signature
        self._services_at = time.monotonic() + _SERVICES_EVERY
        wanted: dict[Port, int] = {}
        for service in self.api.items("/api/v1/services", resourceVersion="0"):
            selector = service["spec"].get("selector")
            if not selector:
                continue
            meta = service["metadata"]
            # The newest that is ready, so that a new revision is asked as soon as it can answer.
            for runner in sorted(self._runners.values(), key=lambda item: item.pod["metadata"]["creationTimestamp"]):
                pod = pods.get(runner.uid)
                if pod is None or pod["metadata"]["namespace"] != meta["namespace"]:
                    continue
                labels = pod["metadata"].get("labels") or {}
                if not runner.ready or any(labels.get(key) != value for key, value in selector.items()):
                    continue
                for port in service["spec"].get("ports") or []:
                    local = _local(runner, port)
                    if local is not None:
                        wanted[(meta["namespace"], meta["name"], int(port["port"]))] = local
        for key, local in wanted.items():
            self.routes.stand_for(*key, local)
            self.balancer.local_port(key)
        for key in self._routed - set(wanted):
            self.routes.leave(*key)
        self._routed = set(wanted)


def _local(runner: Runner, port: Mapping[str, Any]) -> int | None:
    """The local port behind a Service's port."""
    target = port.get("targetPort", port["port"])
    for state in runner.mains:
        number = target
        if isinstance(target, str) and not target.isdigit():
            named = state.start.container.get("ports") or []
            number = next((item["containerPort"] for item in named if item.get("name") == target), 0)
        if int(number) in state.ports:
            return state.ports[int(number)]
    return None


def _grace(pod: Mapping[str, Any]) -> float:
    """Seconds that a pod's processes have for their end."""
    told = pod["metadata"].get("deletionGracePeriodSeconds")
    return float(told if told is not None else pod["spec"].get("terminationGracePeriodSeconds", 30))
