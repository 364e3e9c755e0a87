# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract of the kinds of a cluster's objects, and the module over them: with a real API server.

Those of tests/contract/test_contract.py run on AWS alone; ``manifest``, ``manifest_set`` and ``kubernetes_api_lookup``
go through the same here.
"""

from __future__ import annotations

import base64
import copy
import itertools
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from ansible_collections.innovate.platform.plugins.module_utils._engine.apply import Outcome, apply
from ansible_collections.innovate.platform.plugins.module_utils._engine.errors import EngineError
from ansible_collections.innovate.platform.plugins.module_utils._engine.observe import observe, preflight
from ansible_collections.innovate.platform.plugins.module_utils._engine.plan import Options, Plan, make_plan, scope_of
from ansible_collections.innovate.platform.plugins.module_utils._engine.render import documents as shown
from ansible_collections.innovate.platform.plugins.module_utils._engine.validate import validate
from ansible_collections.innovate.platform.plugins.module_utils._kinds import _cluster
from ansible_collections.innovate.platform.plugins.module_utils._kinds._cluster import Cluster as Connection
from ansible_collections.innovate.platform.plugins.module_utils._kinds._object_set import ObjectSet
from ansible_collections.innovate.platform.plugins.module_utils._kinds._objects import identity
from ansible_collections.innovate.platform.plugins.module_utils._kinds._secret_values import SecretValues
from ansible_collections.innovate.platform.plugins.module_utils._kinds._session import Session
from ansible_collections.innovate.platform.plugins.module_utils._kinds.eks_cluster_lookup import EksClusterLookup
from ansible_collections.innovate.platform.plugins.module_utils._kinds.kubernetes_api_lookup import KubernetesApiLookup
from ansible_collections.innovate.platform.plugins.module_utils._kinds.manifest import Manifest
from ansible_collections.innovate.platform.plugins.module_utils._kinds.manifest_set import ManifestSet
from ansible_collections.innovate.platform.plugins.module_utils._kinds.secret_value_lookup import SecretValueLookup
from ansible_collections.innovate.platform.plugins.module_utils._manifests.declaration import (
    Declaration,
    declared_set,
    secret_sources,
    set_resources,
    wait_conditions,
)
from ansible_collections.innovate.platform.plugins.module_utils._manifests.documents import read
from ansible_collections.innovate.platform.plugins.modules.manifests import EXAMPLES
from tests.kubernetes.conftest import REGION, Aws, Cluster, eventually, needs_binaries

pytestmark = needs_binaries

ROOT = Path(__file__).resolve().parents[2]
EVERYTHING = {"absent": True, "allow_destroy": ("*",)}
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def credentials(aws: Aws, cluster: Cluster) -> dict[str, str]:
    """Credentials of somebody who may do everything in the cluster."""
    arn, found = aws.person("deployer")
    cluster.admit(arn, "AmazonEKSClusterAdminPolicy")
    return found


@pytest.fixture(scope="module")
def session(aws: Aws, credentials: dict[str, str]) -> Session:
    return session_of(aws, credentials)


def session_of(aws: Aws, credentials: dict[str, str]) -> Session:
    def connect(service: str, region: str) -> Any:
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=aws.state.endpoint,
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
        )

    return Session(connect, aws.state.management_account_id, REGION, "aws")


class Objects:
    """One set in the cluster: each call is a run of its own, as the module makes it."""

    def __init__(self, session: Session, cluster: str, name: str = "", **settings: Any) -> None:
        self.session, self.cluster = session, cluster
        self.name = name or f"set-{next(_numbers)}"
        self.space = f"space-{self.name}"
        self.settings = {"wait_timeout": 60, **settings}
        self.warnings: list[str] = []
        self.concealed: set[str] = set()
        self.calls: list[str] = []

    def thing(self, kind: str = "ConfigMap", name: str = "one", api_version: str = "v1", **more: Any) -> dict[str, Any]:
        metadata = {"name": name, "namespace": self.space, **more.pop("metadata", {})}
        return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **more}

    def namespace(self, **labels: str) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.space, "labels": labels}}

    def prepared(self, items: tuple[dict[str, Any], ...], *, absent: bool) -> Any:
        settings = dict(self.settings)
        conditions = settings.pop("conditions", ())
        parent = settings.pop("parent", "kube-system")
        patches = read(copy.deepcopy(settings.pop("patches", None)), (), "patches")[0]
        declaration = Declaration(
            self.cluster,
            self.name,
            absent=absent,
            conditions=conditions,
            parent_namespace=parent,
            secrets=settings.pop("secrets", ()),
        )
        found, problems = declared_set(declaration, *read(copy.deepcopy(list(items)), ()), patches)
        connection = Connection(self.cluster, self.warnings.append)
        objects = ObjectSet(
            connection,
            declaration.stack,
            parent,
            documents={identity(item): item for item in found},
            secrets=SecretValues(secret_sources(declaration, found), self.concealed.update),
            absent=absent,
            conditions=wait_conditions(conditions),
            **settings,
        )
        kinds = (
            EksClusterLookup(connection.describe),
            SecretValueLookup(objects),
            KubernetesApiLookup(connection),
            ManifestSet(objects),
            Manifest(objects),
        )
        by_name = {kind.name: kind for kind in kinds}
        resources = set_resources(declaration, found, objects)
        problems += validate(resources, by_name)
        if problems:
            raise EngineError(problems)
        send = connection.request

        def counted(method: str, path: str, *arguments: Any, **more: Any) -> Any:
            self.calls.append(f"{method} {path}")
            return send(method, path, *arguments, **more)

        connection.request = counted  # type: ignore[method-assign]
        return declaration.stack, resources, by_name

    def plan(self, *items: dict[str, Any], **options: Any) -> Plan:
        self.warnings.clear()
        self.calls.clear()
        stack, resources, self.kinds = self.prepared(items, absent=bool(options.get("absent")))
        observed = observe(self.session, self.kinds, scope_of(stack, resources, self.kinds))
        plan = make_plan(resources, self.kinds, observed, Options(stack, identity="contract", **options))
        self.problems = [*plan.problems, *preflight(self.session, self.kinds, plan)]
        return plan

    def outcome(self, *items: dict[str, Any], **options: Any) -> Outcome:
        plan = self.plan(*items, **options)
        problems = [*self.problems, *plan.missing]
        if problems:
            raise EngineError(problems)
        return apply(plan, self.kinds, self.session)

    def apply(self, *items: dict[str, Any], **options: Any) -> list[str]:
        outcome = self.outcome(*items, **options)
        for error in outcome.errors.values():
            raise error
        return [change.address.removeprefix("manifest.") for change in outcome.done]


@pytest.fixture
def objects(session: Session, cluster: Cluster) -> Objects:
    return Objects(session, cluster.name)


def actions(plan: Plan) -> dict[str, str]:
    return {
        change.address.removeprefix("manifest."): change.action
        for change in plan.changes
        if change.action not in ("none", "read")
    }


def live(cluster: Cluster, path: str) -> Any:
    return cluster.plane.api.get(path)


def deployment(objects: Objects, replicas: int = 2, **pod: Any) -> dict[str, Any]:
    labels = {"app": "web"}
    spec = {"containers": [{"name": "web", "image": "example.org/web:1"}], **pod}
    template = {"metadata": {"labels": labels}, "spec": spec}
    body = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return objects.thing("Deployment", "web", "apps/v1", spec=body)


def definition(group: str, field: str = "size") -> dict[str, Any]:
    spec = {"type": "object", "properties": {field: {"type": "integer"}, "note": {"type": "string", "default": "none"}}}
    status = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"type": "object", "properties": {"spec": spec, "status": status}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"},
            "versions": [version],
        },
    }


def test_the_contract(objects: Objects, cluster: Cluster) -> None:
    one, two = objects.thing(data={"a": "1"}), objects.thing(name="two", data={"b": "2"})
    everything = (objects.namespace(), one, two)
    first, second, room = (
        f"ConfigMap/{objects.space}/one",
        f"ConfigMap/{objects.space}/two",
        f"Namespace/{objects.space}",
    )
    plan = objects.plan(*everything)
    wanted = {"manifest_set.main": "create", room: "create", first: "create", second: "create"}
    assert (actions(plan), objects.problems) == (wanted, [])
    done = objects.apply(*everything)
    assert done[:2] == ["manifest_set.main", room]
    assert set(done) == set(wanted)
    assert actions(objects.plan(*everything)) == {}, "a second run changes nothing"

    # Drift: a field by hand, a label, the mark of ownership, an object.
    path = f"/api/v1/namespaces/{objects.space}/configmaps/one"
    by_hand = {"fieldManager": "kubectl-edit"}
    cluster.plane.api.patch(path, {"data": {"a": "9", "theirs": "kept"}}, **by_hand)
    drifted = objects.plan(*everything)
    assert (actions(drifted), objects.problems) == ({first: "update"}, [])
    before, after = shown(drifted.changing, objects.kinds)
    address = f"manifest.{first}"
    assert before[address]["result"]["data"] == {"a": "9", "theirs": "kept"}
    assert after[address]["result"]["data"] == {"a": "1", "theirs": "kept"}
    assert "managedFields" not in str(before)
    assert "resourceVersion" not in str(before)
    assert objects.apply(*everything) == [first]
    assert live(cluster, path)["data"] == {"a": "1", "theirs": "kept"}
    cluster.plane.api.patch(path, {"metadata": {"labels": {"applyset.kubernetes.io/part-of": None}}}, **by_hand)
    assert actions(objects.plan(*everything)) == {first: "update"}
    objects.apply(*everything)
    cluster.plane.api.delete(path)
    assert actions(objects.plan(*everything)) == {first: "create"}
    objects.apply(*everything)

    # A change of ours, and a field that we no longer have.
    assert actions(objects.plan(objects.namespace(), objects.thing(data={"c": "3"}), two)) == {first: "update"}
    objects.apply(objects.namespace(), objects.thing(data={"c": "3"}), two)
    assert live(cluster, path)["data"] == {"c": "3"}

    # Pruning, and data that stay.
    pruned = objects.plan(two)
    assert actions(pruned) == {first: "delete", room: "keep"}
    assert objects.apply(two) == [first]
    assert actions(objects.plan(two)) == {room: "keep"}
    kept = objects.plan(*everything, absent=True)
    assert actions(kept) == {second: "delete", room: "keep", "manifest_set.main": "keep"}

    objects.apply(*everything)
    gone = objects.apply(absent=True, allow_destroy=("*",))
    assert set(gone) == set(wanted)
    assert gone[-2:] == [room, "manifest_set.main"], "in reverse order"
    assert actions(objects.plan(*everything, **EVERYTHING)) == {}, "nothing is left"
    assert cluster.plane.api.items("/api/v1/namespaces", fieldSelector=f"metadata.name={objects.space}") == []


def test_a_plan_costs_two_calls_for_each_object_at_most(objects: Objects) -> None:
    items = [objects.namespace(), *(objects.thing(name=f"c{number}") for number in range(20))]
    objects.apply(*items)
    plan = objects.plan(*items)
    assert actions(plan) == {}
    reads = [call for call in objects.calls if call.startswith("GET")]
    assert len([call for call in objects.calls if call.startswith("PATCH")]) == len(items)
    # Discovery, the parent for its own kind and for the members, a list of each kind.
    assert len(reads) <= 6
    objects.apply(**EVERYTHING)


def test_a_cluster_that_is_not_there_is_planned_for_without_a_call(session: Session) -> None:
    objects = Objects(session, "nowhere")
    items = (objects.namespace(), objects.thing(), definition("nowhere.example.org"))
    plan = objects.plan(*items)
    assert set(actions(plan).values()) == {"create"}
    assert len(actions(plan)) == 4
    assert objects.calls == []
    assert "no eks cluster with cluster_name nowhere: run playbooks/cluster.yml first" in plan.missing[0]
    assert actions(objects.plan(*items, absent=True)) == {}


def test_a_kind_and_its_objects_in_one_set(objects: Objects, cluster: Cluster) -> None:
    group = f"{objects.name}.example.org"
    widget = objects.thing("Widget", "w", f"{group}/v1", spec={"size": 1})
    items = (widget, definition(group), objects.namespace())
    crd = f"CustomResourceDefinition.apiextensions.k8s.io/widgets.{group}"
    name = f"Widget.{group}/{objects.space}/w"
    plan = objects.plan(*items)
    assert (set(actions(plan).values()), objects.problems, plan.missing) == ({"create"}, [], ())
    done = objects.apply(*items)
    assert done.index(crd) < done.index(name)
    assert done.index(f"Namespace/{objects.space}") < done.index(name)
    assert actions(objects.plan(*items)) == {}
    path = f"/apis/{group}/v1/namespaces/{objects.space}/widgets/w"
    assert live(cluster, path)["spec"] == {"size": 1, "note": "none"}

    # A field that only the changed definition knows: nothing can be asked beforehand, and nothing is refused.
    grown = (objects.thing("Widget", "w", f"{group}/v1", spec={"width": 2}), definition(group, "width"), items[2])
    changed = objects.plan(*grown)
    assert (actions(changed), objects.problems) == ({crd: "update", name: "update"}, [])
    done = objects.apply(*grown)
    assert done.index(crd) < done.index(name)
    assert live(cluster, path)["spec"] == {"width": 2, "note": "none"}
    assert actions(objects.plan(*grown)) == {}

    gone = objects.apply(**EVERYTHING)
    assert gone.index(name) < gone.index(crd)
    assert gone[-1] == "manifest_set.main"


def test_a_kind_that_nobody_installed_is_missing(objects: Objects) -> None:
    plan = objects.plan(objects.thing("Widget", "w", "nobody.example.org/v1"))
    assert "no kubernetes api with api nobody.example.org/v1 Widget" in plan.missing[0]


def test_conflicts_name_the_manager_and_the_field(objects: Objects, cluster: Cluster, session: Session) -> None:
    items = (objects.namespace(), objects.thing(data={"a": "1"}))
    objects.apply(*items)
    path = f"/api/v1/namespaces/{objects.space}/configmaps/one"
    cluster.plane.api.patch(path, {"data": {"a": "5"}}, fieldManager="operator")
    objects.plan(*items)
    address = f"manifest.ConfigMap/{objects.space}/one"
    told = "data.a is '5' there, '1' here, and belongs to field manager 'operator': leave it out of the definition, "
    assert objects.problems == [f"{address}: {told}or set force_conflicts"]
    with pytest.raises(EngineError, match="belongs to field manager 'operator'"):
        objects.apply(*items)
    forced = Objects(session, cluster.name, objects.name, force_conflicts=True)
    assert forced.apply(*items) == [f"ConfigMap/{objects.space}/one"]
    assert live(cluster, path)["data"] == {"a": "1"}
    without = (objects.namespace(), objects.thing())
    cluster.plane.api.patch(path, {"data": {"a": "6"}}, fieldManager="operator")
    objects.apply(*without)
    assert live(cluster, path)["data"] == {"a": "6"}, "what isn't declared is left alone"
    objects.apply(**EVERYTHING)


def test_what_exists_is_not_taken_over_unasked(objects: Objects, cluster: Cluster) -> None:
    objects.apply(objects.namespace())
    path = f"/api/v1/namespaces/{objects.space}/configmaps"
    cluster.plane.api.create(path, {"metadata": {"name": "one"}, "data": {"a": "1"}})
    items = (objects.namespace(), objects.thing(data={"a": "1"}))
    objects.plan(*items)
    assert "exists already but does not belong to stack" in objects.problems[0]
    other = Objects(objects.session, cluster.name)
    other.space = objects.space
    name = f"ConfigMap/{objects.space}/one"
    assert objects.apply(*items, adopt=(f"manifest.{name}",)) == ["manifest_set.main", name]
    assert actions(objects.plan(*items)) == {}
    other.plan(other.thing(data={"a": "1"}))
    assert "belongs to something of stack 'applyset-" in other.problems[0]
    objects.apply(**EVERYTHING)


def test_a_rollout_is_waited_for_and_told_about(objects: Objects, cluster: Cluster, session: Session) -> None:
    cluster.group("rollout", 1)
    items = (objects.namespace(), objects.thing("ServiceAccount", "web"), deployment(objects, serviceAccountName="web"))
    objects.apply(*items)
    path = f"/apis/apps/v1/namespaces/{objects.space}/deployments/web"
    assert live(cluster, path)["status"]["availableReplicas"] == 2
    assert actions(objects.plan(*items)) == {}
    impatient = Objects(session, cluster.name, objects.name, wait_timeout=3)
    nowhere = deployment(objects, serviceAccountName="web", nodeSelector={"no": "node"})
    outcome = impatient.outcome(*items[:2], nowhere)
    assert "it is not ready after 3 seconds: " in str(next(iter(outcome.errors.values())))
    # What hangs is no obstacle for the declaration that sets it right.
    assert objects.apply(*items) == [f"Deployment.apps/{objects.space}/web"]

    other = copy.deepcopy(items[2])
    other["spec"]["selector"]["matchLabels"]["more"] = "x"
    other["spec"]["template"]["metadata"]["labels"]["more"] = "x"
    objects.plan(*items[:2], other)
    assert "immutable_fields can't be changed in place" in objects.problems[0]
    address = f"manifest.Deployment.apps/{objects.space}/web"
    replaced = objects.plan(*items[:2], other, allow_replace=(address,))
    assert actions(replaced) == {f"Deployment.apps/{objects.space}/web": "replace"}
    objects.apply(*items[:2], other, allow_replace=(address,))
    assert live(cluster, path)["spec"]["selector"]["matchLabels"] == {"app": "web", "more": "x"}
    assert actions(objects.plan(*items[:2], other)) == {}
    objects.apply(**EVERYTHING)


def test_conditions_are_waited_for(objects: Objects, session: Session, cluster: Cluster) -> None:
    group = f"{objects.name}.example.org"
    widget = objects.thing("Widget", "w", f"{group}/v1", spec={"size": 1})
    conditions = [{"api_version": f"{group}/v1", "kind": "Widget", "type": "Ready", "status": "True"}]
    waiting = Objects(session, cluster.name, objects.name, wait_timeout=3, conditions=conditions)
    outcome = waiting.outcome(objects.namespace(), definition(group), widget)
    assert "not ready after 3 seconds: Ready is not known, not True" in str(next(iter(outcome.errors.values())))
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    cluster.plane.api.patch(f"/apis/{group}/v1/namespaces/{objects.space}/widgets/w", ready)
    assert waiting.apply(objects.namespace(), definition(group), widget) == []
    objects.apply(**EVERYTHING)


def test_custom_resources_are_gone_before_what_their_controller_runs_by(
    objects: Objects, session: Session, cluster: Cluster
) -> None:
    group = f"{objects.name}.example.org"
    held = objects.thing("Widget", "w", f"{group}/v1", spec={"size": 1}, metadata={"finalizers": ["example.org/hold"]})
    web = deployment(objects, 0, serviceAccountName="web")
    objects.apply(objects.namespace(), definition(group), held, objects.thing("ServiceAccount", "web"), web)
    widget, deployed = f"Widget.{group}/{objects.space}/w", f"Deployment.apps/{objects.space}/web"
    impatient = Objects(session, cluster.name, objects.name, wait_timeout=2)
    outcome = impatient.outcome(**EVERYTHING)
    assert [*outcome.errors] == [f"manifest.{widget}"]
    assert str(outcome.errors[f"manifest.{widget}"]) == (
        "it is not gone after 2 seconds: its finalizers (example.org/hold) hold it: what handles them does not run, or "
        "waits for something else"
    )
    assert [change.address for change in outcome.done] == [f"manifest.{widget}"], "begun, and nothing else"
    assert outcome.skipped[f"manifest.{deployed}"] == f"manifest.{widget}"
    path = f"/apis/{group}/v1/namespaces/{objects.space}/widgets/w"
    assert live(cluster, path)["metadata"]["deletionTimestamp"]
    assert live(cluster, f"/apis/apps/v1/namespaces/{objects.space}/deployments/web")

    # The controller comes to it while the next run waits.
    def release() -> None:
        cluster.plane.api.patch(path, {"metadata": {"finalizers": None}})

    timer = threading.Timer(1, release)
    timer.start()
    gone = objects.apply(**EVERYTHING)
    timer.join()
    assert gone.index(deployed) < gone.index(f"ServiceAccount/{objects.space}/web")
    assert gone[-1] == "manifest_set.main"
    assert actions(objects.plan(**EVERYTHING)) == {}


def test_a_job_is_waited_for_and_one_that_failed_is_made_anew(objects: Objects, cluster: Cluster) -> None:
    pod = {"containers": [{"name": "c", "image": "example.org/c:1"}], "restartPolicy": "Never"}
    spec = {"template": {"spec": {**pod, "nodeSelector": {"no": "node"}}}, "activeDeadlineSeconds": 1}
    items = (objects.namespace(), objects.thing("Job", "j", "batch/v1", spec=spec))
    failed = objects.outcome(*items)
    assert "it failed: Failed is True: DeadlineExceeded" in str(next(iter(failed.errors.values())))
    assert actions(objects.plan(*items)) == {f"Job.batch/{objects.space}/j": "replace"}
    hasty = Objects(objects.session, cluster.name, objects.name, wait=False)
    assert hasty.apply(*items) == [f"Job.batch/{objects.space}/j"]
    objects.apply(**EVERYTHING)


def test_the_api_server_refuses_beforehand(objects: Objects) -> None:
    room = objects.namespace(**{"pod-security.kubernetes.io/enforce": "restricted"})
    pod = objects.thing(
        "Pod", "p", spec={"containers": [{"name": "c", "image": "i", "securityContext": {"privileged": True}}]}
    )
    objects.apply(room)
    objects.plan(room, pod, objects.thing(name="x", dat={"a": "1"}), objects.thing("Pod", "q", spec={"containers": []}))
    told = "\n".join(objects.problems)
    assert len(objects.problems) == 3
    assert 'violates PodSecurity "restricted:latest": privileged' in told
    assert ".dat" in told
    assert "spec.containers: Required value" in told
    nowhere = objects.thing(metadata={"namespace": "no-such-place"})
    objects.plan(room, nowhere)
    assert (
        f"cluster '{objects.cluster}' has no namespace 'no-such-place': declare it in this set" in objects.problems[0]
    )
    objects.apply(**EVERYTHING)


def test_warnings_come_with_the_plan(objects: Objects) -> None:
    room = objects.namespace(**{"pod-security.kubernetes.io/warn": "restricted"})
    objects.apply(room)
    objects.plan(room, deployment(objects, 0))
    assert any('would violate PodSecurity "restricted:latest"' in text for text in objects.warnings)
    objects.apply(**EVERYTHING)


def test_webhooks_come_last_and_go_first(objects: Objects) -> None:
    hook = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": objects.name},
        "webhooks": [
            {
                "name": "check.example.org",
                "clientConfig": {"service": {"name": "nobody", "namespace": objects.space}},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": objects.space}},
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Fail",
            }
        ],
    }
    items = (hook, objects.namespace(), objects.thing())
    name = f"ValidatingWebhookConfiguration.admissionregistration.k8s.io/{objects.name}"
    assert objects.apply(*items)[-1] == name
    assert objects.apply(absent=True, allow_destroy=("*",))[0] == name


def test_a_key_of_a_secret_goes_when_it_is_no_longer_declared(objects: Objects, cluster: Cluster) -> None:
    def keys(**texts: str) -> tuple[dict[str, Any], ...]:
        return objects.namespace(), objects.thing("Secret", "keys", stringData=texts)

    objects.apply(*keys(one="first", two="second"))
    assert actions(objects.plan(*keys(one="first", two="second"))) == {}
    changed = objects.plan(*keys(one="other"))
    before, after = shown(changed.changing, objects.kinds)
    address = f"manifest.Secret/{objects.space}/keys"
    assert before[address]["result"]["data"] == {"one": "(secret)", "two": "(secret)"}
    assert after[address]["result"]["data"] == {"one": "(secret), another one"}
    objects.apply(*keys(one="other"))
    found = live(cluster, f"/api/v1/namespaces/{objects.space}/secrets/keys")
    assert found["data"] == {"one": "b3RoZXI="}
    objects.apply(**EVERYTHING)


def test_patches_change_what_a_publisher_wrote(session: Session, cluster: Cluster) -> None:
    objects = Objects(session, cluster.name)
    change = {"replicas": 0, "template": {"spec": {"containers": [{"name": "web", "args": ["--quiet"]}]}}}
    objects.settings["patches"] = [objects.thing("Deployment", "web", "apps/v1", spec=change)]
    items = (objects.namespace(), deployment(objects))
    objects.apply(*items)
    spec = live(cluster, f"/apis/apps/v1/namespaces/{objects.space}/deployments/web")["spec"]
    container = spec["template"]["spec"]["containers"][0]
    assert (spec["replicas"], container["image"], container["args"]) == (0, "example.org/web:1", ["--quiet"])
    assert actions(objects.plan(*items)) == {}
    objects.settings["patches"] = [objects.thing("Deployment", "wet", "apps/v1")]
    with pytest.raises(EngineError, match=r"did you mean Deployment\.apps/.*/web"):
        objects.plan(*items)
    objects.settings.pop("patches")
    assert actions(objects.plan(*items)) == {f"Deployment.apps/{objects.space}/web": "update"}
    objects.apply(**EVERYTHING)


def test_facts_of_the_cluster_come_from_one_description(
    session: Session, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = ("account_id", "arn", "endpoint", "name", "partition", "region", "version", "vpc_id")
    script = "#!/bin/sh\naws eks describe-cluster --name ${cluster.name} --region ${cluster.region} # ${HOME}\n"

    def items(objects: Objects) -> tuple[dict[str, Any], ...]:
        data = {**{fact: f"<${{cluster.{fact}}}>" for fact in facts}, "script": script}
        return objects.namespace(), objects.thing(data=data, metadata={"labels": {"vpc": "${cluster.vpc_id}"}})

    nowhere = Objects(session, "nowhere", "facts")
    before = nowhere.plan(*items(nowhere))
    objects = Objects(session, cluster.name, "facts")
    plan = objects.plan(*items(objects))
    assert list(actions(before).items()) == list(actions(plan).items()), "complete from the beginning"
    address = f"manifest.ConfigMap/{objects.space}/one"
    assert shown(before.changing, nowhere.kinds)[1][address]["definition"]["data"]["arn"] == "<(known after apply)>"
    asked: list[str] = []
    call = session.call

    def counted(service: str, operation: str, **params: Any) -> Any:
        asked.append(operation)
        return call(service, operation, **params)

    monkeypatch.setattr(session, "call", counted)
    objects.apply(*items(objects))
    assert asked == ["describe_cluster"]
    described = cluster.eks.describe_cluster(name=cluster.name)["cluster"]
    wanted = {
        "account_id": session.account_id,
        "partition": "aws",
        "region": REGION,
        "vpc_id": described["resourcesVpcConfig"]["vpcId"],
        **{name: described[name] for name in ("arn", "endpoint", "name", "version")},
    }
    found = live(cluster, f"/api/v1/namespaces/{objects.space}/configmaps/one")
    assert found["data"].pop("script") == script.replace("${cluster.name}", cluster.name).replace(
        "${cluster.region}", REGION
    )
    assert found["data"] == {name: f"<{value}>" for name, value in wanted.items()}
    assert found["metadata"]["labels"]["vpc"] == wanted["vpc_id"]
    assert actions(objects.plan(*items(objects))) == {}
    objects.apply(**EVERYTHING)


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_data_of_secrets_come_from_secrets_manager(aws: Aws, session: Session, cluster: Cluster) -> None:
    manager = aws("secretsmanager")
    repository = f"repository-{next(_numbers)}"
    manager.create_secret(Name=repository, SecretString=json.dumps({"token": "canary-one", "port": 22, "user": "git"}))
    key = f"key-{next(_numbers)}"
    there = boto3.client(
        "secretsmanager",
        region_name="us-east-1",
        endpoint_url=aws.state.endpoint,
        aws_access_key_id=aws.state.access_key_id,
        aws_secret_access_key=aws.state.secret_access_key,
    )
    there.create_secret(Name=key, SecretString="-----canary\nkey-----\n")
    objects = Objects(session, cluster.name)
    secrets = [
        {"name": "repo", "secret_id": repository},
        {"name": "key", "secret_id": key, "region": "us-east-1"},
    ]
    objects.settings["secrets"] = secrets
    config = "[${secret.repo.user}]\ntoken = ${secret.repo.token}\nport = ${secret.repo.port}\n"
    items = (
        objects.namespace(),
        objects.thing("Secret", "made", stringData={"config": config, "key": "${secret.key}", "plain": "text"}),
        objects.thing("Secret", "coded", data={"token": "${secret.repo.token}", "old": coded("old")}),
    )
    plan = objects.plan(*items)
    assert objects.problems == []
    objects.apply(*items)
    path = f"/api/v1/namespaces/{objects.space}/secrets"
    assert live(cluster, f"{path}/made")["data"] == {
        "config": coded("[git]\ntoken = canary-one\nport = 22\n"),
        "key": coded("-----canary\nkey-----\n"),
        "plain": coded("text"),
    }
    assert live(cluster, f"{path}/coded")["data"] == {"token": coded("canary-one"), "old": coded("old")}
    assert actions(objects.plan(*items)) == {}, "a second run changes nothing"
    for hidden in ("canary-one", "-----canary\nkey-----\n", config.replace("${secret.repo.", "")):
        assert hidden not in str(shown(plan.changing, objects.kinds)) + repr(plan)
    composed = coded("[git]\ntoken = canary-one\nport = 22\n").rstrip("=")
    assert {"canary-one", coded("canary-one").rstrip("="), composed} <= objects.concealed
    assert "git" not in objects.concealed, "what is so short would be hidden everywhere"

    # Rotation.
    manager.put_secret_value(SecretId=repository, SecretString=json.dumps({"token": "canary-two", "port": 22}))
    with pytest.raises(
        EngineError, match=r"has no key 'user', which \$\{secret.repo.user\} refers to: it has port, tok"
    ):
        objects.plan(*items)
    value = {"token": "canary-two", "port": 22, "user": "git"}
    manager.put_secret_value(SecretId=repository, SecretString=json.dumps(value))
    rotated = objects.plan(*items)
    names = [f"Secret/{objects.space}/{name}" for name in ("made", "coded")]
    assert actions(rotated) == dict.fromkeys(names, "update")
    before, after = shown(rotated.changing, objects.kinds)
    address = f"manifest.{names[1]}"
    assert before[address]["result"]["data"] == {"token": "(secret)", "old": "(secret)"}
    assert after[address]["result"]["data"] == {"token": "(secret), another one", "old": "(secret)"}
    assert not {"canary-one", "canary-two", coded("canary-two")} & {*str((before, after, rotated)).split("'")}
    objects.apply(*items)
    assert live(cluster, f"{path}/coded")["data"]["token"] == coded("canary-two")
    objects.apply(**EVERYTHING)
    objects.settings["secrets"] = [{"name": "repo", "secret_id": "gone-meanwhile"}]
    assert objects.apply(**EVERYTHING) == [], "what goes needs no secret"


def test_secrets_that_cannot_be_had_are_told_before_the_first_change(
    aws: Aws, session: Session, cluster: Cluster
) -> None:
    manager = aws("secretsmanager")
    number = next(_numbers)
    empty, going, binary, text, nested = (f"{name}-{number}" for name in ("empty", "going", "binary", "text", "nested"))
    manager.create_secret(Name=empty)
    manager.create_secret(Name=going, SecretString="x")
    manager.delete_secret(SecretId=going)
    manager.create_secret(Name=binary, SecretBinary=b"canary")
    manager.create_secret(Name=text, SecretString="canary-text")
    manager.create_secret(Name=nested, SecretString=json.dumps({"a": {"b": "canary"}}))
    told = {
        "nobody/made-it": f"account {session.account_id} has no secret 'nobody/made-it': create it by `aws "
        "secretsmanager create-secret --name nobody/made-it --secret-string file://value`, the file being a JSON "
        "object with a",
        empty: f"secret '{empty}' in account {session.account_id} has no value: give it one by `aws secretsmanager "
        f"put-secret-value --secret-id {empty} --secret-string file://value`",
        going: f"secret '{going}' in account {session.account_id} is scheduled for deletion: take that back by `aws ",
        binary: "is binary: store it as text",
        text: "is no JSON object, so ${secret.s.a} refers to nothing: refer to all of it by ${secret.s}",
        nested: "has no single value under 'a', which ${secret.s.a} refers to",
    }
    for secret_id, sentence in told.items():
        objects = Objects(session, cluster.name, secrets=[{"name": "s", "secret_id": secret_id}])
        items = (objects.namespace(), objects.thing("Secret", "s", stringData={"a": "${secret.s.a}"}))
        with pytest.raises(EngineError) as error:
            objects.plan(*items)
        assert len(error.value.problems) == 1
        assert sentence in error.value.problems[0]
        assert "canary" not in str(error.value)
        nowhere = Objects(session, "nowhere", secrets=[{"name": "s", "secret_id": secret_id}])
        if "/" in secret_id:
            # As long as there is no cluster, the secret may come, too.
            plan = nowhere.plan(*items)
            assert set(actions(plan).values()) == {"create"}
            assert "no secret value with name s: create secret 'nobody/made-it' before" in plan.missing[1]


def test_who_may_act_in_one_namespace_only_has_a_set_there(aws: Aws, cluster: Cluster, namespace: str) -> None:
    arn, credentials = aws.person("team")
    cluster.admit(arn, "AmazonEKSAdminPolicy", (namespace,))
    objects = Objects(session_of(aws, credentials), cluster.name, parent=namespace)
    objects.space = namespace
    items = (objects.thing(data={"a": "1"}), objects.thing(name="two"))
    objects.apply(*items)
    assert actions(objects.plan(*items)) == {}
    assert objects.apply(items[0]) == [f"ConfigMap/{namespace}/two"]
    with pytest.raises(
        EngineError, match='cannot list resource "configmaps" in API group "" in the namespace "default"'
    ):
        objects.plan(items[0], objects.thing(metadata={"namespace": "default"}))
    assert objects.apply(absent=True) == [f"ConfigMap/{namespace}/one", "manifest_set.main"]


def test_who_has_no_access_entry_is_told_so(aws: Aws, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_cluster, "_ENTRY_LAG", 1)
    stranger = Objects(session_of(aws, aws.person("stranger")[1]), cluster.name)
    with pytest.raises(
        EngineError, match=r"does not let these credentials in \(401\): give their role an access entry"
    ):
        stranger.plan(stranger.thing())


def test_a_token_is_made_anew_when_it_is_old(
    session: Session, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    make = _cluster.make_token

    def counted(session: Session, name: str) -> str:
        made.append(make(session, name))
        return made[-1]

    monkeypatch.setattr(_cluster, "make_token", counted)
    connection = Connection(cluster.name)
    connection.open(session)
    connection.request("GET", "/version")
    connection.request("GET", "/version")
    assert len(made) == 1
    monkeypatch.setattr(_cluster, "TOKEN_SECONDS", -1)
    connection.request("GET", "/version")
    assert len(made) == 2


PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - innovate.platform.manifests:
        cluster: "{{ cluster }}"
        name: "{{ set }}"
        region: eu-central-1
        namespace: "{{ space }}"
        allow_destroy: ["*"]
        state: "{{ state }}"
        definitions:
          - apiVersion: v1
            kind: Namespace
            metadata: {name: "{{ space }}"}
          - apiVersion: v1
            kind: Secret
            metadata: {name: keys}
            stringData: {password: "{{ password }}"}
"""


SECRET_PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - innovate.platform.manifests:
        cluster: "{{ cluster }}"
        name: "{{ set }}"
        region: eu-central-1
        namespace: "{{ space }}"
        allow_destroy: ["*"]
        state: "{{ state }}"
        secrets: [{name: repo, secret_id: canary}]
        definitions: |
          apiVersion: v1
          kind: Namespace
          metadata: {name: "{{ space }}"}
          ---
          apiVersion: v1
          kind: Secret
          metadata: {name: keys, labels: {guarded: "{{ guarded }}"}}
          stringData:
            config: |
              user = somebody
              token = ${secret.repo.token}
        patches:
          - apiVersion: v1
            kind: Secret
            metadata: {name: keys}
            data:
              token: ${secret.repo.token}
              literal: "{{ password | b64encode }}"
"""


@pytest.fixture
def play(aws: Aws, cluster: Cluster, credentials: dict[str, str], tmp_path: Path) -> Callable[..., str]:
    book = tmp_path / "play.yml"

    def run(*options: str, text: str = PLAY, fails: bool = False, **more: str) -> str:
        book.write_text(text)
        facts = {"cluster": cluster.name, "set": "played", "space": "played", "password": "first-password"}
        facts |= {"state": "present", **more}
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
            "ANSIBLE_HOME": str(tmp_path / "home"),
            "AWS_ENDPOINT_URL": aws.state.endpoint,
            "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
            "AWS_SESSION_TOKEN": credentials["SessionToken"],
            "ANSIBLE_NOCOLOR": "1",
        }
        command = ["ansible-playbook", "-i", "localhost,", "-c", "local", "-e", json.dumps(facts)]
        command += ["-e", f"ansible_python_interpreter={sys.executable}", *options, str(book)]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
        assert (ended.returncode != 0) == fails, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr

    return run


def test_the_module_shows_no_secret_and_no_token(play: Callable[..., str], cluster: Cluster) -> None:
    planned = play("--check", "--diff", "-vvv")
    assert "changed=1" in planned
    assert "(secret)" in planned
    first = play("--diff", "-vvv")
    assert "changed=1" in first
    path = "/api/v1/namespaces/played/secrets/keys"
    assert live(cluster, path)["data"] == {"password": "Zmlyc3QtcGFzc3dvcmQ="}
    assert "changed=0" in play()
    second = play("--diff", "-vvv", password="second-password")
    assert "changed=1" in second
    assert "(secret), another one" in second
    absent = play("-vvv", "--diff", state="absent")
    assert "changed=1" in absent
    assert "changed=0" in play(state="absent")
    for text in (planned, first, second, absent):
        for hidden in (
            "first-password",
            "second-password",
            "Zmlyc3QtcGFzc3dvcmQ",
            "c2Vjb25kLXBhc3N3b3Jk",
            "k8s-aws-v1",
        ):
            assert hidden not in text
        assert "manifest.Secret/played/keys" in text, "what isn't secret is shown"


@pytest.fixture
def telltales(cluster: Cluster) -> Iterator[None]:
    """Policies that repeat what they are shown, of Secrets whose label ``guarded`` asks for it."""
    root = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolic"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["secrets"]}
    for action in ("Deny", "Warn"):
        metadata = {"name": f"tell-{action.lower()}"}
        labels = "object.metadata.?labels.?guarded"
        spec = {
            "matchConstraints": {"resourceRules": [rule]},
            "matchConditions": [{"name": "marked", "expression": f"{labels}.orValue('') == '{action.lower()}'"}],
            "validations": [
                {
                    "expression": "false",
                    "messageExpression": "'told: ' + object.data['token'] + ' ' + object.data['config']",
                }
            ],
        }
        cluster.plane.api.create(f"{root}ies", {"metadata": metadata, "spec": spec})
        binding = {"policyName": metadata["name"], "validationActions": [action]}
        cluster.plane.api.create(f"{root}ybindings", {"metadata": metadata, "spec": binding})
    yield
    for action in ("deny", "warn"):
        cluster.plane.api.delete(f"{root}ybindings/tell-{action}")
        cluster.plane.api.delete(f"{root}ies/tell-{action}")


@pytest.mark.usefixtures("telltales")
def test_no_word_of_a_secret_comes_out_of_the_module(aws: Aws, play: Callable[..., str], cluster: Cluster) -> None:
    manager = aws("secretsmanager")
    manager.create_secret(
        Name="canary", SecretString=json.dumps({"token": "canary-number-one", "other": "canary-other"})
    )
    options = ("--diff", "-vvv")

    def run(*more: str, **facts: Any) -> str:
        return play(*options, *more, text=SECRET_PLAY, set="canary", space="canary", **{"guarded": "no", **facts})

    told = {"planned": run("--check"), "applied": run(), "unchanged": run()}
    path = "/api/v1/namespaces/canary/secrets/keys"
    counts = [re.findall(r"changed=\d", text)[-1] for text in told.values()]
    assert counts == ["changed=1", "changed=1", "changed=0"]
    config = "user = somebody\ntoken = canary-number-one\n"
    assert live(cluster, path)["data"] == {
        "config": coded(config),
        "token": coded("canary-number-one"),
        "literal": coded("first-password"),
    }
    manager.put_secret_value(SecretId="canary", SecretString=json.dumps({"token": "canary-number-two"}))
    told["rotation planned"] = run("--check")
    assert "(secret), another one" in told["rotation planned"]
    told["rotated"] = run()
    assert live(cluster, path)["data"]["token"] == coded("canary-number-two")
    told["warned"] = run("--check", guarded="warn")
    told["denied"] = run(guarded="deny", fails=True)
    told["denied in a plan"] = run("--check", guarded="deny", fails=True)
    assert "manifest.Secret/canary/keys: refused by the API server" in told["denied"]
    assert "it warns of Secret keys, and repeats what is in it: not shown" in told["warned"]
    manager.put_secret_value(SecretId="canary", SecretString=json.dumps({"other": "canary-number-two"}))
    told["without a key"] = run(fails=True)
    assert "has no key 'token'" in told["without a key"]
    told["absent"] = run(state="absent")
    texts = ("canary-number-one", "canary-number-two", "canary-other", "first-password")
    composed = (config, config.replace("one", "two"))
    hidden = [form for text in (*texts, *composed) for form in (text, coded(text).rstrip("="))]
    for when, text in told.items():
        assert [form for form in hidden if form in text] == [], when


def files_of_the_examples() -> dict[str, list[dict[str, Any]]]:
    """Stand-ins for the files that the examples read."""
    pools = definition("karpenter.sh")
    pools["metadata"]["name"] = "nodepools.karpenter.sh"
    pools["spec"]["scope"] = "Cluster"
    pools["spec"]["names"] = {
        "kind": "NodePool",
        "plural": "nodepools",
        "singular": "nodepool",
        "listKind": "NodePools",
    }
    pool = {"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "default"}, "spec": {"size": 1}}
    argocd = []
    for name in ("argocd-repo-server", "argocd-dex-server"):
        labels = {"app": name}
        pod = {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": name, "image": "example.org/argocd:1"}]},
        }
        spec = {"selector": {"matchLabels": labels}, "template": pod}
        argocd.append({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec})
    return {"karpenter-crds.yaml": [pools], "nodepools.yaml": [pool], "argocd-install.yaml": argocd}


def test_the_examples_run(aws: Aws, play: Callable[..., str], cluster: Cluster, tmp_path: Path) -> None:
    aws("secretsmanager").create_secret(Name="platform-config", SecretString=json.dumps({"token": "canary-example"}))
    for name, documents in files_of_the_examples().items():
        (tmp_path / name).write_text(yaml.safe_dump_all(documents))
    tasks = yaml.safe_load(EXAMPLES)
    for task in tasks:
        options = task["innovate.platform.manifests"]
        # One account, no node and no controller are here.
        options |= {"cluster": cluster.name, "wait": False}
        options.pop("account_name", None)
        if "src" in options:
            options["src"] = [str(tmp_path / Path(name).name) for name in options["src"]]
    # Each planned, applied, applied again, in one run: to start Ansible takes longer than a task.
    thrice = [{**task, "check_mode": planned} for task in tasks for planned in (True, False, False)]
    told = play(text=yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": thrice}]))
    assert re.findall(r"^(changed|ok): \[localhost\]", told, re.MULTILINE) == ["changed", "changed", "ok"] * len(
        tasks
    ), told
    config = live(cluster, "/api/v1/namespaces/argocd/secrets/platform-config")
    assert config["data"]["password"] == coded("canary-example")
    assert config["metadata"]["annotations"]["innovate/cluster"].endswith(f":cluster/{cluster.name}")
    deployments = {
        item["metadata"]["name"]: item["spec"] for item in cluster.plane.api.items("/apis/apps/v1/deployments")
    }
    assert deployments["argocd-repo-server"]["replicas"] == 2
    assert "argocd-dex-server" not in deployments
    nowhere = {"cluster": "nowhere", "name": "x", "region": REGION, "state": "absent"}
    text = yaml.safe_dump(
        [{"hosts": "localhost", "gather_facts": False, "tasks": [{"innovate.platform.manifests": nowhere}]}]
    )
    assert "changed=0" in play(text=text), "of a cluster that is gone, everything is absent"


def test_sets_are_applied_side_by_side(session: Session, cluster: Cluster) -> None:
    sets = [Objects(session, cluster.name) for _ in range(4)]
    threads = [
        threading.Thread(target=lambda one=one: one.apply(one.namespace(), one.thing(data={"a": "1"}))) for one in sets
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in sets:
        assert eventually(lambda one=one: actions(one.plan(one.namespace(), one.thing(data={"a": "1"}))) == {}, 5)  # type: ignore[misc]
