# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a set of objects makes of good and bad parameters, and of what it finds."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.hooks import HierarchicalEmitter

from ansible_collections.innovate.platform.plugins.module_utils._engine.errors import EngineError
from ansible_collections.innovate.platform.plugins.module_utils._engine.kind import ADDRESS_TAG, STACK_TAG, Observed
from ansible_collections.innovate.platform.plugins.module_utils._engine.plan import Options, Plan, make_plan
from ansible_collections.innovate.platform.plugins.module_utils._engine.render import documents as shown
from ansible_collections.innovate.platform.plugins.module_utils._engine.resource import Resource
from ansible_collections.innovate.platform.plugins.module_utils._engine.validate import validate
from ansible_collections.innovate.platform.plugins.module_utils._kinds._cluster import ApiError, Cluster
from ansible_collections.innovate.platform.plugins.module_utils._kinds._object_set import ObjectSet
from ansible_collections.innovate.platform.plugins.module_utils._kinds._objects import identity
from ansible_collections.innovate.platform.plugins.module_utils._kinds._order import needs, uses, uses_of_existing
from ansible_collections.innovate.platform.plugins.module_utils._kinds._readiness import unready
from ansible_collections.innovate.platform.plugins.module_utils._kinds._refusals import at, sentences
from ansible_collections.innovate.platform.plugins.module_utils._kinds._secret_values import (
    SecretValues,
    Source,
    missing,
)
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
)
from ansible_collections.innovate.platform.plugins.module_utils._manifests.documents import (
    read,
    redacted,
    secret_values,
)

PASSWORD = "correct-horse-battery"
SET = "manifest_set.main"


def thing(kind: str = "ConfigMap", name: Any = "one", api_version: str = "v1", **more: Any) -> dict[str, Any]:
    namespace = more.pop("namespace", "team")
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **more.pop("metadata", {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **more}


def space(name: str = "team") -> dict[str, Any]:
    return thing("Namespace", name, namespace="")


def definition(**changes: Any) -> dict[str, Any]:
    spec = {
        "group": "example.org",
        "scope": "Namespaced",
        "names": {"kind": "Widget", "plural": "widgets"},
        "versions": [{"name": "v1", "served": True, "storage": True}],
    }
    name = changes.pop("name", "widgets.example.org")
    return thing("CustomResourceDefinition", name, "apiextensions.k8s.io/v1", namespace="", spec={**spec, **changes})


def without(document: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in names}


def wrong(definitions: Any, src: Sequence[str] = (), patches: Any = None, **options: Any) -> list[str]:
    declaration = Declaration(**{"cluster": "dev", "name": "set", **options})
    found, problems = read(definitions, src)
    more, also = read(patches, (), "patches")
    return declared_set(declaration, found, [*problems, *also], more)[1]


def declared(*items: dict[str, Any], patches: Any = None, **options: Any) -> tuple[list[Resource], dict[str, Any]]:
    declaration = Declaration(**{"cluster": "dev", "name": "set", **options})
    more = read(patches, (), "patches")[0]
    found, problems = declared_set(declaration, *read(list(items), ()), more)
    assert problems == []
    objects = ObjectSet(
        Cluster("dev"),
        declaration.stack,
        documents={identity(item): item for item in found},
        secrets=SecretValues(secret_sources(declaration, found)),
        absent=declaration.absent,
    )
    kinds = (
        EksClusterLookup(),
        SecretValueLookup(objects),
        KubernetesApiLookup(objects.cluster),
        ManifestSet(objects),
        Manifest(objects),
    )
    return set_resources(declaration, found, objects), {kind.name: kind for kind in kinds}


BAD: dict[str, tuple[Any, dict[str, Any], str]] = {
    "nothing": ([], {}, "definitions and src hold no document"),
    "empty text": ("---\n---\n", {}, "definitions and src hold no document"),
    "no kind": (without(thing(), "kind"), {}, "definitions, document 1 (one) has no kind"),
    "no apiVersion": (without(thing(), "apiVersion"), {}, "(ConfigMap one) has no apiVersion"),
    "apiVersion is no version": (thing(api_version="apps"), {}, "has apiVersion 'apps': write it as v1 or apps/v1"),
    "kind is no kind": (thing("config map"), {}, "has kind 'config map': a kind is one word"),
    "no metadata": (without(thing(), "metadata"), {}, "(ConfigMap) has no metadata"),
    "no name": (thing(name=""), {}, "(ConfigMap) has no metadata.name"),
    "a generated name": (thing(name="", metadata={"generateName": "x-"}), {}, "has generateName"),
    "a name in capitals": (thing(name="One"), {}, "has metadata.name 'One': use up to 253 lower-case letters"),
    "a name with an underscore": (thing(name="one_two"), {}, "has metadata.name 'one_two'"),
    "a name that is a number": (thing(name=7), {}, "has metadata.name 7, which is not a text: put it in quotes"),
    "too long a namespace": (space("n" * 64), {}, "use up to 63 lower-case letters, digits and hyphens"),
    "a service with a digit first": (thing("Service", "1st"), {}, "a letter first (RFC 1035)"),
    "a role with a slash": (
        thing("Role", "a/b", "rbac.authorization.k8s.io/v1"),
        {},
        "has metadata.name 'a/b': it may hold no / and no %",
    ),
    "no namespace": (thing(namespace=""), {}, "has no metadata.namespace: give it one, or the module's `namespace`"),
    "a namespace where there is none": (
        thing("ClusterRole", "x", "rbac.authorization.k8s.io/v1"),
        {},
        "has metadata.namespace 'team', but a ClusterRole is in no namespace: leave it out",
    ),
    "a namespace for a kind of the set that has none": (
        [definition(scope="Cluster"), thing("Widget", "w", "example.org/v1")],
        {},
        "but a Widget is in no namespace",
    ),
    "no namespace for a kind of the set": (
        [definition(), thing("Widget", "w", "example.org/v1", namespace="")],
        {},
        "(Widget w) has no metadata.namespace",
    ),
    "twice the same": ([thing(), thing()], {}, "ConfigMap/team/one is declared 2 times (definitions, document 1 and"),
    "not an object": (["- 1\n- 2\n"], {}, "definitions, document 1 is a list, not an object"),
    "a number": ([7], {}, "definitions, document 1 is a number, not an object"),
    "no yaml": ("kind: [unclosed\n", {}, "definitions, line 2, column 1: this is no YAML"),
    "no yaml in an item": ([thing(), "a: b: c"], {}, "definitions, item 2, line 1, column 5: this is no YAML"),
    "a key twice": ("kind: A\nkind: B\n", {}, "line 2, column 1: this is no YAML: the key 'kind' is there twice"),
    "a label that is true": (
        thing(metadata={"labels": {"on": True}}),
        {},
        "has on: true in metadata.labels, which is not a text: put it in quotes",
    ),
    "a label with a space": (thing(metadata={"labels": {"a": "b c"}}), {}, "has a: 'b c' in metadata.labels"),
    "a key of an annotation": (thing(metadata={"annotations": {"a b": "c"}}), {}, "has 'a b' in metadata.annotations"),
    "somebody's set": (
        thing(metadata={"labels": {"applyset.kubernetes.io/part-of": "x"}}),
        {},
        "has the label applyset.kubernetes.io/part-of, which this module sets",
    ),
    "copied from a cluster": (
        thing(metadata={"resourceVersion": "12"}),
        {},
        "has metadata.resourceVersion, which only the API server sets",
    ),
    "a secret that is no base64": (
        thing("Secret", "s", data={"password": PASSWORD + "!"}),
        {},
        "has data.password, which is not base64: put plain text under stringData",
    ),
    "a definition with another name": (
        definition(name="widget.example.org"),
        {},
        "a definition's name is its plural and its group, widgets.example.org",
    ),
    "a definition that serves nothing": (
        definition(versions=[{"name": "v1", "served": False}]),
        {},
        "has no version under spec.versions that is served",
    ),
    "the parent in its own set": (space("kube-system"), {}, "parent_namespace: 'kube-system' is declared in the set"),
    "a cluster's name": (thing(), {"cluster": "dev/1"}, "cluster: 'dev/1' is not a cluster's name"),
    "a set's name": (thing(), {"name": "Set"}, "name: 'Set': use up to 63 lower-case letters"),
    "a default namespace": (thing(), {"namespace": "Team"}, "has namespace 'Team': use up to 63 lower-case letters"),
    "a manager's name": (thing(), {"field_manager": "x" * 129}, "field_manager: use up to 128 printable characters"),
    "no time": (thing(), {"wait_timeout": 0}, "wait_timeout: 0 is not a number of seconds from 1 on"),
    "a status": (thing(), {"conditions": [{"status": "yes"}]}, "wait_conditions: 'yes' is no status of a condition"),
}


SECRETS = [{"name": "repo", "secret_id": "platform-config"}]


def patch(kind: str = "Deployment", name: Any = "web", api_version: str = "apps/v1", **more: Any) -> dict[str, Any]:
    return thing(kind, name, api_version, **more)


BAD |= {
    "a patch that is no object": (thing(), {"patches": ["- 1"]}, "patches, document 1 is a list, not an object"),
    "a patch that is no yaml": (thing(), {"patches": "kind: [unclosed"}, "patches, line 2, column 1: this is no YAML"),
    "a patch without kind": (
        thing(),
        {"patches": [without(patch(), "kind")]},
        "patches, document 1 (web) has no kind: a patch names its object by apiVersion, kind and metadata.name",
    ),
    "a patch without a name": (thing(), {"patches": [patch(name=None)]}, "(Deployment) has no metadata.name"),
    "a patch without a version": (thing(), {"patches": [without(patch(), "apiVersion")]}, "has no apiVersion"),
    "a patch for nothing": (
        thing(),
        {"patches": [patch()]},
        "fits no object of the set: there is no Deployment.apps/team/web: declare that object, or take the patch out",
    ),
    "a patch for another name": (
        thing(),
        {"patches": [patch("ConfigMap", "ones", "v1")]},
        "there is no ConfigMap/team/ones: did you mean ConfigMap/team/one?",
    ),
    "a patch for another namespace": (
        thing(),
        {"patches": [patch("ConfigMap", "one", "v1", namespace="")], "namespace": "other"},
        "there is no ConfigMap/other/one: did you mean ConfigMap/team/one?",
    ),
    "a patch of another version": (
        thing("CronJob", "c", "batch/v1"),
        {"patches": [patch("CronJob", "c", "batch/v1beta1")]},
        "(CronJob c) is written for batch/v1beta1, its object (definitions, document 1) for batch/v1: a patch can't",
    ),
    "a patch with a list for a dictionary": (
        thing(data={"a": "1"}),
        {"patches": [patch("ConfigMap", "one", "v1", data=["a"])]},
        "has a list under data, where its object has a dictionary",
    ),
    "a patch with a dictionary for a list": (
        thing("Role", "r", "rbac.authorization.k8s.io/v1", rules=[]),
        {"patches": [patch("Role", "r", "rbac.authorization.k8s.io/v1", rules={"verbs": ["get"]})]},
        "has a dictionary under rules, where its object has a list",
    ),
    "a patch that deletes what is not there": (
        thing("Service", "s", spec={"ports": [{"name": "http", "port": 80}]}),
        {"patches": [patch("Service", "s", "v1", spec={"ports": [{"name": "https", "$patch": "delete"}]})]},
        "deletes spec.ports[name=https], which its object has not: it has http there",
    ),
    "a patch with another directive": (
        thing(data={"a": "1"}),
        {"patches": [patch("ConfigMap", "one", "v1", data={"$patch": "merge", "b": "2"})]},
        "has $patch: merge under data: use delete, on an object or an item with a name in a list, or replace",
    ),
    "a patch that makes a mistake": (
        thing(data={"a": "1"}),
        {"patches": [patch("ConfigMap", "one", "v1", metadata={"labels": {"on": True}})]},
        "definitions, document 1 with patches, document 1 (ConfigMap one) has on: true in metadata.labels",
    ),
    "a fact of the cluster that there is none of": (
        thing(data={"a": "${cluster.accountid}"}),
        {},
        "of a cluster there is account_id, arn, endpoint, name, partition, region, version, vpc_id, or write $${clus",
    ),
    "a reference in a name": (
        thing(name="x-${cluster.name}"),
        {},
        "has ${cluster.name} in metadata.name: what an object is called has to be known beforehand",
    ),
    "a reference in a namespace": (
        thing(namespace="${cluster.name}"),
        {},
        "has ${cluster.name} in metadata.namespace: what an object is called has to be known beforehand",
    ),
    "a reference in a kind": (thing("${cluster.version}"), {}, "has ${cluster.version} in kind: what an object"),
    "a label that an ARN does not fit into": (
        thing(metadata={"labels": {"a": "${cluster.arn}"}}),
        {},
        "has a: '${cluster.arn}' in metadata.labels: a label's value is up to 63 letters",
    ),
    "a secret outside of Secrets": (
        thing(data={"a": "x ${secret.repo.token}"}),
        {},
        "has ${secret.repo.token} outside of a Secret: secrets go into data or stringData of a Secret only, or write $",
    ),
    "a secret in an annotation of a Secret": (
        thing("Secret", metadata={"annotations": {"a": "${secret.repo.token}"}}),
        {},
        "has ${secret.repo.token} outside of a Secret",
    ),
    "a secret that is not declared": (
        thing("Secret", stringData={"a": "${secret.rep.token}", "b": "${secret.repo.token}"}),
        {"secrets": SECRETS},
        "has ${secret.rep.token}, but no secret is called 'rep': did you mean repo",
    ),
    "a secret where none is declared": (
        thing("Secret", stringData={"a": "${secret.repo.token}"}),
        {},
        "has ${secret.repo.token}, but no secret is called 'repo': declare it under `secrets`, or write",
    ),
    "a secret with an empty key": (
        thing("Secret", stringData={"a": "${secret.repo.}", "b": "${secret.repo}"}),
        {"secrets": SECRETS},
        "has ${secret.repo.}: give the key after the dot, or no dot",
    ),
    "a secret that nothing refers to": (
        thing(),
        {"secrets": SECRETS},
        "secrets: nothing refers to 'repo': take it out",
    ),
    "a secret's name": (
        thing("Secret", stringData={"a": "${secret.re po.x}"}),
        {"secrets": [{"name": "re po", "secret_id": "x"}]},
        "secrets: 're po' is no name for references: use up to 63 letters, digits, - and _",
    ),
    "two secrets of one name": (
        thing("Secret", stringData={"a": "${secret.repo}"}),
        {"secrets": [*SECRETS, {"name": "repo", "secret_id": "other"}]},
        "secrets: 'repo' is there 2 times: give each its own name",
    ),
}


@pytest.mark.parametrize("case", BAD, ids=str)
def test_a_mistake_is_one_sentence(case: str) -> None:
    definitions, options, sentence = BAD[case]
    problems = wrong(definitions, **options)
    assert len(problems) == 1, problems
    assert sentence in problems[0]


def test_all_mistakes_are_told_together() -> None:
    problems = wrong([without(thing(), "kind"), thing(name="One"), "a: b: c"], name="Set")
    assert len(problems) == 4


def test_a_file_that_cannot_be_read_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("kind: [")
    problems = wrong(None, [str(tmp_path / "none.yaml"), str(tmp_path / "bad.yaml")])
    assert "none.yaml can't be read: No such file or directory" in problems[0]
    assert "bad.yaml, line 2" in problems[1]


def test_a_mistake_in_a_secret_tells_nothing_of_it() -> None:
    problems = wrong([thing("Secret", "s", data={"password": PASSWORD + "!"}, stringData={"n": 7})])
    assert len(problems) == 2
    assert not any(PASSWORD in problem for problem in problems)


def test_documents_come_from_texts_lists_and_files(tmp_path: Path) -> None:
    path = tmp_path / "more.yaml"
    path.write_text("apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Namespace, metadata: {name: b}}\n")
    text = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: a, annotations: {day: 2026-01-01}}\n---\n"
    found, problems = read([text, space("c")], [str(path)])
    assert problems == []
    assert [identity(item.document) for item in found] == ["Namespace/a", "Namespace/c", "Namespace/b"]
    assert found[0].document["metadata"]["annotations"] == {"day": "2026-01-01"}
    assert read(text, [])[0][0].where == "definitions, document 1"


def test_the_default_namespace_is_for_kinds_that_are_known_to_be_in_one() -> None:
    items = [
        thing(namespace=""),
        thing("Widget", "w", "example.org/v1", namespace=""),
        definition(),
        thing("NodePool", "default", "karpenter.sh/v1", namespace=""),
    ]
    resources, _kinds = declared(*items, namespace="team")
    names = {resource.name for resource in resources if resource.kind == "manifest"}
    assert names == {
        "ConfigMap/team/one",
        "Widget.example.org/team/w",
        "CustomResourceDefinition.apiextensions.k8s.io/widgets.example.org",
        "NodePool.karpenter.sh/default",
    }


# Patches


def merged(document: dict[str, Any], *patches: dict[str, Any]) -> dict[str, Any]:
    resources, _kinds = declared(document, patches=list(patches))
    return dict(next(item for item in resources if item.kind == "manifest").properties["definition"])


def test_a_patch_merges_dictionaries_and_named_items() -> None:
    containers = [
        {"name": "web", "image": "web:1", "args": ["a"], "env": [{"name": "A", "value": "1"}]},
        {"name": "side", "image": "side:1"},
    ]
    document = deployment(containers=containers, tolerations=[{"key": "old"}], priorityClassName="low")
    change = {
        "replicas": 3,
        "template": {
            "spec": {
                "containers": [
                    {"name": "web", "args": ["b", "c"], "env": [{"name": "B", "value": "2"}]},
                    {"name": "side", "$patch": "delete"},
                    {"name": "more", "image": "more:1", "resources": None},
                ],
                "tolerations": [{"key": "new"}],
                "priorityClassName": None,
            }
        },
    }
    spec = merged(document, patch(spec=change))["spec"]
    assert spec["replicas"] == 3
    assert spec["template"]["spec"] == {
        "containers": [
            {
                "name": "web",
                "image": "web:1",
                "args": ["b", "c"],
                "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
            },
            {"name": "more", "image": "more:1"},
        ],
        "tolerations": [{"key": "new"}],
    }


def test_mounts_of_one_volume_are_told_apart_by_their_paths() -> None:
    mounts = [{"name": "v", "mountPath": "/a"}, {"name": "w", "mountPath": "/b"}]
    more = [{"name": "v", "mountPath": "/c"}, {"name": "w", "mountPath": "/b", "readOnly": True}]
    document = deployment(containers=[{"name": "web", "image": "i", "volumeMounts": mounts}])
    change = {"template": {"spec": {"containers": [{"name": "web", "volumeMounts": more}]}}}
    assert merged(document, patch(spec=change))["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] == [
        {"name": "v", "mountPath": "/a"},
        {"name": "w", "mountPath": "/b", "readOnly": True},
        {"name": "v", "mountPath": "/c"},
    ]


def test_lists_in_which_a_name_comes_twice_are_replaced() -> None:
    subjects = [{"kind": "User", "name": "a"}, {"kind": "Group", "name": "a"}]
    api, role = "rbac.authorization.k8s.io/v1", {"kind": "Role", "name": "r", "apiGroup": "x"}
    binding = thing("RoleBinding", "b", api, subjects=subjects, roleRef=role)
    new = [{"kind": "User", "name": "b"}]
    assert merged(binding, patch("RoleBinding", "b", api, subjects=new))["subjects"] == new


def test_a_dictionary_may_be_replaced_and_patches_follow_each_other() -> None:
    document = thing(data={"a": "1", "b": "2"})
    first = patch("ConfigMap", "one", "v1", data={"$patch": "replace", "c": "3"})
    second = patch("ConfigMap", "one", "v1", data={"d": "4"})
    assert merged(document, first, second)["data"] == {"c": "3", "d": "4"}
    assert document["data"] == {"a": "1", "b": "2"}, "what is given isn't changed"


def test_a_patch_deletes_an_object_and_mends_one_that_is_wrong() -> None:
    bad = thing(name="two", metadata={"labels": {"on": True}})
    gone = {**patch("ConfigMap", "one", "v1"), "$patch": "delete"}
    mended = patch("ConfigMap", "two", "v1", metadata={"labels": {"on": "yes"}})
    resources, _kinds = declared(thing(), bad, patches=[gone, mended])
    names = [item.name for item in resources if item.kind == "manifest"]
    assert names == ["ConfigMap/team/two"]


def test_namespaces_of_patches_are_those_of_documents() -> None:
    document = thing(namespace="")
    change = patch("ConfigMap", "one", "v1", namespace="", data={"a": "1"})
    for with_namespace in (document, change, None):
        items = [
            {**item, "metadata": {"name": "one", "namespace": "team"}} if item is with_namespace else item
            for item in (document, change)
        ]
        resources, _kinds = declared(items[0], patches=[items[1]], namespace="team")
        found = next(item for item in resources if item.kind == "manifest")
        assert (found.name, found.properties["definition"]["data"]) == ("ConfigMap/team/one", {"a": "1"})


# References


def test_texts_refer_to_the_cluster() -> None:
    texts = {
        "whole": "${cluster.account_id}",
        "part": "arn:aws:iam::${cluster.account_id}:role/${cluster.name}\n# ${cluster.region}\n",
        "name": "${cluster.name}!",
        "script": "echo ${FOO} ${cluster} $cluster ${cluster:-x} ${CLUSTER.x} $(x)",
        "escaped": "$${cluster.region} $${secret.repo.x} $${OTHER}",
    }
    resources, kinds = declared(thing(data=texts, metadata={"labels": {"region": "${cluster.region}"}}))
    definition = next(item for item in resources if item.kind == "manifest").properties["definition"]
    assert str(definition["data"]["part"]).startswith(
        "arn:aws:iam::${eks_cluster_lookup.cluster.account_id}:role/dev\n"
    )
    assert definition["data"]["name"] == "dev!"
    assert definition["data"]["script"] == texts["script"]
    assert definition["data"]["escaped"] == "${cluster.region} ${secret.repo.x} $${OTHER}"
    made = plan(resources, kinds)
    _before, after = shown(made.changing, kinds)
    told = after["manifest.ConfigMap/team/one"]["definition"]
    assert told["data"]["whole"] == told["metadata"]["labels"]["region"] == "(known after apply)"
    assert told["data"]["part"] == ("arn:aws:iam::(known after apply):role/dev\n# (known after apply)\n")
    there = Observed("dev", {"cluster_name": "dev"}, {"account_id": "111122223333", "region": "eu-central-1"})
    known = make_plan(resources, kinds, {"eks_cluster_lookup": [there]}, Options("manifests-dev-set"))
    _before, after = shown(known.changing, kinds)
    told = after["manifest.ConfigMap/team/one"]["definition"]
    assert told["data"]["part"] == "arn:aws:iam::111122223333:role/dev\n# eu-central-1\n"
    assert actions(known) == actions(made), "the plan from empty is that of the apply"


def test_a_reference_is_in_values_not_in_keys() -> None:
    resources, _kinds = declared(thing(data={"a": "${cluster.arn}"}, metadata={"annotations": {"b": "${cluster.arn}"}}))
    found = next(item for item in resources if item.kind == "manifest").properties["definition"]
    assert str(found["metadata"]["annotations"]["b"]) == "${eks_cluster_lookup.cluster.arn}"
    problems = wrong(thing(metadata={"annotations": {"${cluster.arn}": "x"}}))
    assert "has '${cluster.arn}' in metadata.annotations" in problems[0]


# Order


def hook(name: str = "hook") -> dict[str, Any]:
    return thing("ValidatingWebhookConfiguration", name, "admissionregistration.k8s.io/v1", namespace="")


def deployment(**pod: Any) -> dict[str, Any]:
    spec = {"containers": [{"name": "web", "image": "web:1"}], **pod}
    return thing("Deployment", "web", "apps/v1", spec={"template": {"spec": spec}})


def test_each_comes_after_what_it_needs() -> None:
    pod = {
        "serviceAccountName": "web",
        "volumes": [{"name": "v", "secret": {"secretName": "keys"}}],
        "containers": [{"name": "web", "envFrom": [{"configMapRef": {"name": "one"}}]}],
    }
    binding = thing(
        "RoleBinding", "web", "rbac.authorization.k8s.io/v1", roleRef={"kind": "Role", "name": "web"}, subjects=[]
    )
    documents = [
        hook(),
        deployment(**pod),
        thing("Widget", "w", "example.org/v1"),
        binding,
        thing("Role", "web", "rbac.authorization.k8s.io/v1"),
        thing("ServiceAccount", "web"),
        thing("Secret", "keys"),
        thing(),
        thing("ConfigMap", "other", namespace="other"),
        definition(),
        space(),
    ]
    found = needs(documents)
    web = "Deployment.apps/team/web"
    role = "rbac.authorization.k8s.io/team/web"
    assert found["ConfigMap/team/one"] == {"Namespace/team"}
    assert found["ConfigMap/other/other"] == set()
    assert found["Widget.example.org/team/w"] == {
        "Namespace/team",
        "CustomResourceDefinition.apiextensions.k8s.io/widgets.example.org",
    }
    assert found[f"RoleBinding.{role}"] == {"Namespace/team", f"Role.{role}"}
    assert found[web] == {
        "Namespace/team",
        "ServiceAccount/team/web",
        "Secret/team/keys",
        "ConfigMap/team/one",
        f"RoleBinding.{role}",
    }
    assert found[identity(hook())] == {identity(item) for item in documents} - {identity(hook())}


def test_what_a_pod_uses_is_seen_wherever_it_is_named() -> None:
    sources = [{"secret": {"name": "a"}}, {"configMap": {"name": "b"}}]
    env = [{"name": "E", "valueFrom": {"secretKeyRef": {"name": "c", "key": "k"}}}]
    pod = {
        "volumes": [
            {"name": "p", "projected": {"sources": sources}},
            {"name": "d", "persistentVolumeClaim": {"claimName": "d"}},
        ],
        "initContainers": [{"name": "i", "env": env}],
        "containers": [],
        "priorityClassName": "high",
    }
    assert uses(deployment(**pod)) == {
        "Namespace/team",
        "ServiceAccount/team/default",
        "Secret/team/a",
        "ConfigMap/team/b",
        "Secret/team/c",
        "PersistentVolumeClaim/team/d",
        "PriorityClass.scheduling.k8s.io/high",
    }


def test_custom_resources_go_before_what_their_controllers_run_by() -> None:
    names = {
        "widget": "Widget.example.org/team/w",
        "web": "Deployment.apps/team/web",
        "account": "ServiceAccount/team/web",
        "binding": "ClusterRoleBinding.rbac.authorization.k8s.io/web",
        "space": "Namespace/team",
        "definition": "CustomResourceDefinition.apiextensions.k8s.io/widgets.example.org",
        "hook": "ValidatingWebhookConfiguration.admissionregistration.k8s.io/hook",
    }
    owned = set(names.values())
    widget = uses_of_existing(thing("Widget", "w", "example.org/v1"), owned, names["definition"])
    assert widget == owned - {names["widget"], names["hook"]}
    assert uses_of_existing(deployment(serviceAccountName="web"), owned, "") == {names["account"], names["space"]}
    assert uses_of_existing(hook(), owned, "") == owned - {names["hook"]}
    assert uses_of_existing(definition(), owned, "") == set()


# Plans


def plan(resources: list[Resource], kinds: dict[str, Any], *live: Observed, **options: Any) -> Plan:
    assert validate(resources, kinds) == []
    return make_plan(resources, kinds, {"manifest": live}, Options("manifests-dev-set", **options))


def there(name: str, result: Any = None, *, ours: bool = True, **more: Any) -> Observed:
    tags = {STACK_TAG: "manifests-dev-set", ADDRESS_TAG: f"manifest.{name}"} if ours else {}
    extra = {"immutable_fields": more.pop("immutable")} if "immutable" in more else {}
    return Observed(
        id=name,
        properties={"object": name, "result": result, "uses": more.pop("uses", []), **extra},
        attributes={"uid": "u", "api_version": "v1", "refusals": more.pop("refusals", ())},
        tags=tags,
        **more,
    )


def actions(made: Plan) -> dict[str, str]:
    return {change.address: change.action for change in made.changes if change.action not in ("none", "read")}


def test_without_a_cluster_the_plan_is_complete_and_says_what_is_missing() -> None:
    resources, kinds = declared(space(), thing(), definition(), thing("Widget", "w", "example.org/v1"))
    made = plan(resources, kinds)
    addresses = [resource.address for resource in resources if resource.kind.startswith("manifest")]
    assert actions(made) == dict.fromkeys(addresses, "create")
    assert "no eks cluster with cluster_name dev: run playbooks/cluster.yml first" in made.missing[0]


def test_a_kind_that_nobody_defines_is_missing() -> None:
    resources, kinds = declared(thing("NodePool", "default", "karpenter.sh/v1", namespace=""))
    made = plan(resources, kinds)
    assert "no kubernetes api with api karpenter.sh/v1 NodePool: install what defines it" in made.missing[1]


def test_what_the_dry_run_foresees_is_compared_and_shown() -> None:
    resources, kinds = declared(thing())
    same = plan(resources, kinds, there("ConfigMap/team/one", {"a": 1}, foreseen={"result": {"a": 1}}))
    assert "manifest.ConfigMap/team/one" not in actions(same)
    other = plan(resources, kinds, there("ConfigMap/team/one", {"a": 1}, foreseen={"result": {"a": 2}}))
    assert actions(other)["manifest.ConfigMap/team/one"] == "update"
    change = next(change for change in other.changes if change.kind == "manifest")
    assert shown([change], kinds) == (
        {"manifest.ConfigMap/team/one": {"result": {"a": 1}}},
        {"manifest.ConfigMap/team/one": {"result": {"a": 2}}},
    )


def test_an_immutable_field_forces_a_replacement_that_has_to_be_allowed() -> None:
    resources, kinds = declared(deployment())
    name = "Deployment.apps/team/web"
    live = there(name, {}, immutable={"spec.selector": "a"}, foreseen={"immutable_fields": {"spec.selector": "b"}})
    refused = plan(resources, kinds, live)
    assert "immutable_fields can't be changed in place" in refused.problems[0]
    allowed = plan(resources, kinds, live, allow_replace=(f"manifest.{name}",))
    assert (allowed.problems, actions(allowed)[f"manifest.{name}"]) == ((), "replace")


def test_what_the_api_server_refuses_is_a_problem_of_the_plan() -> None:
    resources, kinds = declared(thing())
    made = plan(resources, kinds, there("ConfigMap/team/one", {}, refusals=("refused by admission",)))
    assert made.problems == ("manifest.ConfigMap/team/one: refused by admission",)


def test_what_is_not_ours_is_adopted_only_when_asked() -> None:
    resources, kinds = declared(thing())
    live = there("ConfigMap/team/one", {"a": 1}, ours=False, foreseen={"result": {"a": 2}})
    assert "exists already but does not belong to stack" in plan(resources, kinds, live).problems[0]
    made = plan(resources, kinds, live, adopt=("manifest.*",))
    assert actions(made)["manifest.ConfigMap/team/one"] == "adopt"
    assert plan(resources, kinds, live, absent=True).changes == ()


def test_what_is_no_longer_declared_goes_but_for_data() -> None:
    resources, kinds = declared(thing())
    claim = there("PersistentVolumeClaim/team/data", {}, holds_data=True, uses=["Namespace/team"])
    gone = there("ConfigMap/team/old", {}, uses=["Namespace/team"])
    made = plan(resources, kinds, claim, gone, there("Namespace/team", {}, holds_data=True))
    assert actions(made) == {
        SET: "create",
        "manifest.ConfigMap/team/one": "create",
        "manifest.PersistentVolumeClaim/team/data": "keep",
        "manifest.ConfigMap/team/old": "delete",
        "manifest.Namespace/team": "keep",
    }
    allowed = plan(resources, kinds, claim, allow_destroy=("manifest.PersistentVolumeClaim/*",))
    assert actions(allowed)["manifest.PersistentVolumeClaim/team/data"] == "delete"


# Secrets


def test_what_is_in_a_secret_is_never_shown() -> None:
    coded = base64.b64encode(PASSWORD.encode()).decode()
    secret = thing("Secret", "s", stringData={"password": PASSWORD}, data={"coded": coded})
    resources, kinds = declared(secret)
    made = plan(resources, kinds)
    assert PASSWORD not in str(shown(made.changing, kinds))
    assert coded not in str(shown(made.changing, kinds))
    assert PASSWORD not in repr(resources)
    found, _problems = read([secret], [])
    assert PASSWORD not in str(redacted([secret], found))
    assert {PASSWORD, coded} <= secret_values(found)
    assert coded in secret_values(read([thing("Secret", "s", stringData={"password": PASSWORD})], [])[0])
    assert redacted([thing()], read([thing()], [])[0]) == [thing()]


class Manager:
    """A client of Secrets Manager that answers as the service does."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.meta = SimpleNamespace(events=HierarchicalEmitter())
        self._endpoint = SimpleNamespace(http_session=None)

    def get_secret_value(self, **params: str) -> Any:
        self.asked.append(params["SecretId"])
        if isinstance(self.answer, dict):
            return self.answer
        code, message = self.answer
        raise ClientError({"Error": {"Code": code, "Message": message}}, "GetSecretValue")


def values_of(answer: Any, *keys: str, region: str = "") -> tuple[SecretValues, Session, Manager, set[str]]:
    client, concealed = Manager(answer), set[str]()
    session = Session(lambda service, where: client, "111122223333", "eu-central-1", "aws")
    source = Source("repo", "platform-config", region, frozenset(keys))
    return SecretValues([source], concealed.update), session, client, concealed


@pytest.mark.parametrize(
    ("answer", "keys", "sentence"),
    [
        (
            ("AccessDeniedException", f"not authorized to see {PASSWORD}"),
            ("token",),
            "secret 'platform-config' in account 111122223333 can't be read (AccessDeniedException): allow secrets",
        ),
        (("DecryptionFailure", "x"), ("token",), "can't be read (DecryptionFailure): allow"),
        (
            ("InvalidRequestException", "You can't perform this operation: it was marked for deletion."),
            ("token",),
            "is scheduled for deletion: take that back by `aws secretsmanager restore-secret --secret-id platform-conf",
        ),
        (
            ("ResourceNotFoundException", "can't find the specified secret value for staging label: AWSCURRENT"),
            ("token",),
            "has no value: give it one by `aws secretsmanager put-secret-value --secret-id platform-config",
        ),
        (
            ("InternalServiceError", "later"),
            ("token",),
            "secretsmanager:GetSecretValue in account 111122223333: Internal",
        ),
        ({"SecretBinary": b"x"}, ("token",), "is binary: store it as text"),
        ({"SecretString": PASSWORD}, ("token",), "is no JSON object, so ${secret.repo.token} refers to nothing"),
        ({"SecretString": "[1]"}, ("token",), "is no JSON object"),
        (
            {"SecretString": '{"a": 1, "b": 2}'},
            ("token",),
            "has no key 'token', which ${secret.repo.token} refers to: it has a, b",
        ),
        ({"SecretString": "{}"}, ("token",), "it has none"),
        ({"SecretString": '{"token": null}'}, ("token",), "has no single value under 'token'"),
        ({"SecretString": '{"token": ["' + PASSWORD + '"]}'}, ("token",), "has no single value under 'token'"),
    ],
)
def test_a_secret_that_cannot_be_had_is_one_sentence(answer: Any, keys: tuple[str, ...], sentence: str) -> None:
    values, session, client, _concealed = values_of(answer, *keys)
    for _time in range(2):
        with pytest.raises(EngineError) as error:
            values.read(session)
        assert len(error.value.problems) == 1
        assert sentence in error.value.problems[0]
        assert PASSWORD not in str(error.value)
        assert error.value.__cause__ is None, "nor in a traceback"
    assert len(client.asked) == 1


def test_a_secret_is_read_once_and_concealed_at_once() -> None:
    text = json.dumps({"token": PASSWORD, "user": "git", "port": 22, "on": True})
    values, session, client, concealed = values_of({"SecretString": text}, "token", "port", "")
    assert values.read(session) == values.read(session) == {"repo"}
    assert client.asked == ["platform-config"]
    coded = base64.b64encode(PASSWORD.encode()).decode().rstrip("=")
    assert {PASSWORD, coded, text} <= concealed
    assert "git" not in concealed
    assert [values.value("repo", key) for key in ("token", "user", "port", "on", "")] == [
        PASSWORD,
        "git",
        "22",
        "true",
        text,
    ]


def test_a_secret_that_is_not_there_is_told_with_what_to_do() -> None:
    values, session, _client, _concealed = values_of(("ResourceNotFoundException", "can't find the secret."), "b", "a")
    assert values.read(session) == set()
    source = Source("repo", "arn:aws:secretsmanager:eu-west-1:1:secret:config", "eu-west-1", frozenset({"b", "a"}))
    assert missing(source, "111122223333") == (
        "account 111122223333 has no secret 'arn:aws:secretsmanager:eu-west-1:1:secret:config': create it by `aws "
        "secretsmanager create-secret --name config --region eu-west-1 --secret-string file://value`, the file being a "
        "JSON object with a, b"
    )


def test_where_a_secret_is_has_to_be_a_region() -> None:
    secret = thing("Secret", stringData={"a": "${secret.repo}"})
    resources, kinds = declared(secret, secrets=[{**SECRETS[0], "region": "Frankfurt"}])
    assert validate(resources, kinds) == [
        "secret_value_lookup.repo: region 'Frankfurt' is no Region: write it as eu-central-1"
    ]
    resources, kinds = declared(secret, secrets=[{"name": "repo", "secret_id": ""}])
    assert "secret_value_lookup.repo: secret_id" in validate(resources, kinds)[0]


def test_a_plan_knows_secrets_by_name_only() -> None:
    secret = thing("Secret", stringData={"a": "x ${secret.repo.token} ${cluster.arn}"}, data={"b": "${secret.repo}"})
    resources, kinds = declared(secret, secrets=SECRETS)
    made = plan(resources, kinds)
    assert (
        "secret_value_lookup.repo: no secret value with name repo: create secret 'platform-config'" in made.missing[1]
    )
    _before, after = shown(made.changing, kinds)
    assert after["manifest.Secret/team/one"]["definition"]["data"] == {"b": "(secret)", "a": "(secret)"}
    objects = kinds["manifest"]._objects
    objects.secrets._texts = {"repo": '{"token": "t"}'}
    objects.cluster.attributes = {"arn": "arn:x"}
    sent = {key: base64.b64decode(text).decode() for key, text in objects.sent("Secret/team/one")["data"].items()}
    assert sent == {"a": "x t arn:x", "b": '{"token": "t"}'}


def refused(message: str, **more: Any) -> str:
    secret = thing("Secret", "s", data={"password": base64.b64encode(PASSWORD.encode()).decode()})
    told = sentences(ApiError(422, "Invalid", message, **more), secret)
    assert len(told) == 1
    return told[0]


def test_what_an_api_server_says_of_a_secret_is_shown_only_if_it_does_not_repeat_it() -> None:
    coded = base64.b64encode(PASSWORD.encode()).decode()
    for message in (f"policy says {PASSWORD}!", f"policy says {coded}", coded.rstrip("=")):
        assert "isn't shown, it repeats what is in the Secret" in refused(message)
        assert PASSWORD not in refused(message)
        assert coded.rstrip("=") not in refused(message)
    assert refused("no Secrets here").endswith("no Secrets here")
    causes = [{"field": "data[x]", "message": f"Invalid value: {PASSWORD[:5]}"}]
    assert "finds fault with data[x]" in refused("...", causes=causes)


# Readiness


def rollout(kind: str = "Deployment", **status: Any) -> dict[str, Any]:
    conditions = [{"type": "Available", "status": "True"}]
    document = thing(kind, "web", "apps/v1", spec={"replicas": 2}, metadata={"generation": 2})
    return {**document, "status": {"observedGeneration": 2, "conditions": conditions, **status}}


@pytest.mark.parametrize(
    ("document", "lack"),
    [
        (rollout(observedGeneration=1), "its controller has not seen the change yet"),
        (rollout(updatedReplicas=1), "1 of 2 pods are of the new revision"),
        (rollout(updatedReplicas=2, replicas=3), "1 pods of the old revision are still there"),
        (rollout(updatedReplicas=2, replicas=2, availableReplicas=1), "1 of 2 pods are available"),
        (rollout(updatedReplicas=2, replicas=2, availableReplicas=2), ""),
        (rollout("StatefulSet", updatedReplicas=2, replicas=2, availableReplicas=2), ""),
        (rollout("DaemonSet", desiredNumberScheduled=1), "0 of 1 pods are of the new revision"),
        ({**space(), "status": {"phase": "Terminating"}}, "its phase is Terminating"),
        (thing("Job", "j", "batch/v1"), "Complete is not known, not True"),
        (thing(), ""),
    ],
)
def test_what_an_object_lacks_is_told(document: dict[str, Any], lack: str) -> None:
    assert unready(document) == lack


def test_conditions_may_be_asked_for() -> None:
    pool = {**thing("NodePool", "p"), "status": {"conditions": [{"type": "Ready", "status": "False", "reason": "No"}]}}
    assert unready(pool) == ""
    assert unready(pool, [("Ready", "True")]) == "Ready is False, not True (No)"


def test_a_condition_of_what_was_before_does_not_count() -> None:
    condition = {"type": "Ready", "status": "True", "observedGeneration": 1}
    pool = {**thing("NodePool", "p", metadata={"generation": 2}), "status": {"conditions": [condition]}}
    assert unready(pool, [("Ready", "True")]) == (
        "Ready is True of what it was before: its controller has not seen the change yet"
    )
    condition["observedGeneration"] = 2
    assert unready(pool, [("Ready", "True")]) == ""


def test_what_is_waited_for_too_long_says_what_its_condition_says() -> None:
    told = {"type": "Ready", "status": "False", "reason": "NodeClassNotReady", "message": "Subnets not found"}
    pool = {**thing("NodePool", "p"), "status": {"conditions": [told]}}
    objects = ObjectSet(Cluster("dev"), "set", wait_timeout=-1)
    with pytest.raises(EngineError) as error:
        objects.overdue("NodePool/p", "ready", unready(pool, [("Ready", "True")]))
    assert str(error.value) == (
        "it is not ready after -1 seconds: Ready is False, not True (NodeClassNotReady: Subnets not found)"
    )


def test_fields_are_found_by_the_paths_that_conflicts_name() -> None:
    document = {"spec": {"containers": [{"name": "a"}, {"name": "web", "image": "web:1"}]}}
    assert at(document, 'spec.containers[name="web"].image') == "web:1"
    assert at(document, "spec.nothing.image") is None
