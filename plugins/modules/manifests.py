#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: manifests
short_description: Manage a set of objects in an EKS cluster
version_added: 0.1.0
description:
  - Declares objects of a cluster as one stack named C(manifests-<cluster>-<name>), by server-side apply. What the set
    had and the declaration no longer has is deleted.
  - The cluster is found by its name in the account. The module makes its token itself and needs no kubeconfig.
  - The plan (check mode) is complete also while the cluster doesn't exist, or the kinds that the set itself defines. Of
    what exists the API server says by a dry run what would change, defaults and admission included.
  - Custom resources come after their definitions, what is in a namespace after the namespace, webhook configurations
    and API services last. Deletion goes the other way round.
  - The set is an ApplySet (KEP-3659). Its parent is a ConfigMap, its members bear the label
    C(applyset.kubernetes.io/part-of).
  - Objects are addressed as C(manifest.<kind>.<group>/<namespace>/<name>), such as
    V(manifest.Deployment.apps/backend/web) or V(manifest.Namespace/backend).
  - Namespaces, persistent volumes and their claims, and custom resource definitions take data along when they go, so
    their deletion has to be allowed by O(allow_destroy).
  - What is in a Secret is never shown.
  - Any text in O(definitions), O(src) and O(patches) may refer to facts of the cluster, such as
    C(${cluster.account_id}), but for keys and what an object is called by. There are C(account_id), C(arn),
    C(endpoint), C(name), C(partition), C(region), C(version) and C(vpc_id). While the cluster isn't there a plan says
    that they are known after apply. C($${cluster.name}) stands for the text itself; C(${name}) and the like are left
    alone.
author:
  - Innovate platform maintainers (@innovate-inc)
extends_documentation_fragment:
  - innovate.platform.stack
  - amazon.aws.common.modules
  - amazon.aws.region.modules
options:
  cluster:
    description: Name of the EKS cluster.
    type: str
    required: true
  name:
    description: Name of the set, unique in the cluster.
    type: str
    required: true
  definitions:
    description:
      - The objects, as a list of documents, as YAML text with any number of documents, or as a list of both.
      - O(definitions) or O(src) is required with O(state=present).
    type: raw
  src:
    description: Files of YAML or JSON with any number of documents, read where the module runs.
    type: list
    elements: path
    default: []
  patches:
    description:
      - Partial documents that are merged onto those that they are for, before anything else is looked at, in the forms
        of O(definitions). Each has C(apiVersion), C(kind) and C(metadata.name), and C(metadata.namespace) where the
        object isn't in O(namespace). One that fits no object is an error.
      - Dictionaries are merged, and V(null) takes a key out. Lists whose items all have a C(name) of their own are
        merged by it (C(volumeMounts) by C(mountPath)); other lists are replaced.
      - C($patch) as a key, V(delete) being its value, deletes such an item of a list, or the whole object. With
        V(replace) it replaces the dictionary that it is in.
    type: raw
  secrets:
    description:
      - Secrets of Secrets Manager that data of Secrets refer to. C(${secret.repo.password}) is what the secret called
        V(repo) has under V(password) in its JSON object, C(${secret.repo}) all of its text.
      - Such references are allowed in C(data) and C(stringData) of Secrets only. In C(data) a text with references is
        encoded in base64 as a whole.
      - The module reads the values itself, and needs C(secretsmanager:GetSecretValue) for it. They appear in no plan,
        no result and no error.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What references call it.
        type: str
        required: true
      secret_id:
        description: Name or ARN of the secret.
        type: str
        required: true
      region:
        description: Region that it is in, by default the module's.
        type: str
  namespace:
    description:
      - Namespace of the objects that name none, where their kind is one of Kubernetes' own or defined in the set.
        Objects of other kinds are taken as they are written.
    type: str
  parent_namespace:
    description: Namespace of the set's parent object. Another one makes another set.
    type: str
    default: kube-system
  field_manager:
    description: Name under which the API server notes which fields are ours; without it the name of the stack.
    type: str
  force_conflicts:
    description:
      - Take over fields that other field managers declare. Without this they are reported with the manager's name, and
        nothing is changed.
    type: bool
    default: false
  drift_managers:
    description:
      - Field managers, or patterns, whose changes are drift rather than another declaration, and are brought back
        without O(force_conflicts).
    type: list
    elements: str
    default: [kubectl-edit, kubectl-patch, kubectl-replace, kubectl-label, kubectl-annotate, kubectl-scale]
  wait:
    description:
      - Wait until Deployments, StatefulSets and DaemonSets are rolled out, Jobs complete, namespaces active, API
        services available, and until O(wait_conditions) hold. Definitions of kinds are waited for in any case.
    type: bool
    default: true
  wait_timeout:
    description: Seconds after which an object that is not ready, or not gone, is an error that says what it lacks.
    type: int
    default: 600
  wait_conditions:
    description: Conditions to wait for of objects of other kinds.
    type: list
    elements: dict
    default: []
    suboptions:
      api_version:
        description: Group and version of the kind, such as V(karpenter.sh/v1).
        type: str
        required: true
      kind:
        description: The kind.
        type: str
        required: true
      type:
        description: Type of the condition.
        type: str
        required: true
      status:
        description: The status it must have; V(True), V(False) or V(Unknown).
        type: str
        default: 'True'
  tags:
    description:
      - Accepted so that defaults of the action group reach this module, and not used. Objects in a cluster bear labels.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: A namespace with its limits
  innovate.platform.manifests:
    cluster: dev
    name: backend
    account_name: dev
    region: eu-central-1
    namespace: backend
    definitions:
      - apiVersion: v1
        kind: Namespace
        metadata:
          name: backend
          labels:
            pod-security.kubernetes.io/enforce: restricted
      - apiVersion: v1
        kind: LimitRange
        metadata:
          name: defaults
        spec:
          limits:
            - type: Container
              default: {memory: 256Mi}
              defaultRequest: {cpu: 50m, memory: 128Mi}

- name: Definitions of kinds and what is of these kinds, from files
  innovate.platform.manifests:
    cluster: dev
    name: karpenter
    region: eu-central-1
    src:
      - files/karpenter-crds.yaml
      - files/nodepools.yaml
    wait_conditions:
      - {api_version: karpenter.sh/v1, kind: NodePool, type: Ready}

- name: A publisher's manifests, but for what is different here, and a repository's credential
  innovate.platform.manifests:
    cluster: dev
    name: argocd
    account_name: dev
    region: eu-central-1
    namespace: argocd
    src: [files/argocd-install.yaml]
    definitions:
      - apiVersion: v1
        kind: Namespace
        metadata: {name: argocd}
      - apiVersion: v1
        kind: Secret
        metadata:
          name: platform-config
          labels:
            argocd.argoproj.io/secret-type: repository
          annotations:
            innovate/cluster: ${cluster.arn}
        stringData:
          url: https://github.com/innovate-inc/platform-config.git
          username: git
          password: ${secret.repository.token}
    patches:
      - apiVersion: apps/v1
        kind: Deployment
        metadata: {name: argocd-repo-server}
        spec:
          replicas: 2
          template:
            spec:
              containers:
                - name: argocd-repo-server
                  resources:
                    requests: {cpu: 100m, memory: 256Mi}
      - apiVersion: apps/v1
        kind: Deployment
        metadata: {name: argocd-dex-server}
        $patch: delete
    secrets:
      - {name: repository, secret_id: platform-config}

- name: Take a set away, its namespace included
  innovate.platform.manifests:
    cluster: dev
    name: backend
    account_name: dev
    region: eu-central-1
    allow_destroy: [manifest.Namespace/backend]
    state: absent
"""

RETURN = r"""
changes:
  description: What changed, or in check mode would change, one item for each object.
  returned: always
  type: list
  elements: dict
  sample:
    - {action: create, address: manifest.Namespace/backend, kind: manifest, id: null, changed: [], forced_by: [],
       reason: ""}
stack:
  description: Name of the stack.
  returned: success
  type: str
  sample: vpc-dev
account:
  description: Where the stack is. The ID is null while the account isn't there.
  returned: success
  type: dict
  sample: {name: dev, id: "111111111111", region: eu-central-1, organization: o-a1b2c3d4e5}
applied:
  description: Whether what is in RV(changes) was carried out; false in check mode.
  returned: success
  type: bool
awaits:
  description: Addresses of what an earlier run began and AWS isn't done with; nothing is to be changed there.
  returned: success
  type: list
  elements: str
billable:
  description: What decides the price of each resource that has one, as it is and as it will be, also where it stays.
  returned: success
  type: list
  elements: dict
  sample: [{address: nat_gateway.main, kind: nat_gateway, before: null, after: {}}]
preflight:
  description:
    - What M(innovate.platform.plan_gate) holds against the plans of other stacks and accounts, as lists of dictionaries
      (C(needs) of quotas, C(quotas) as they are and are used, C(ceilings) of NodePools, C(facts) such as ranges of
      addresses) and C(notes).
  returned: in check mode, where O(planning) isn't V(final)
  type: dict
problems:
  description: Every mistake or refusal, a sentence each; also what the API server would refuse.
  returned: on failure
  type: list
  elements: str
applyset_id:
  description: Identifier of the set, the value of its members' label.
  returned: success
  type: str
  sample: applyset-wHf5Gity0G0nPN34KuNBIBBEOu2H9ED2KqsblMPFygM-v1
parent:
  description: The set's parent object.
  returned: success
  type: str
  sample: ConfigMap/kube-system/manifests-dev-backend
objects:
  description: Each declared object with its UID; null in a plan while it isn't there.
  returned: success
  type: dict
  sample:
    Namespace/backend: {uid: 0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0}
"""

from collections.abc import Mapping, Sequence

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from ansible_collections.innovate.platform.plugins.module_utils._engine.resource import leaves
from ansible_collections.innovate.platform.plugins.module_utils._kinds._cluster import Cluster
from ansible_collections.innovate.platform.plugins.module_utils._kinds._object_set import HANDS, ObjectSet
from ansible_collections.innovate.platform.plugins.module_utils._kinds._objects import identity
from ansible_collections.innovate.platform.plugins.module_utils._kinds._secret_values import SecretValues
from ansible_collections.innovate.platform.plugins.module_utils._kinds.eks_cluster_lookup import EksClusterLookup
from ansible_collections.innovate.platform.plugins.module_utils._kinds.kubernetes_api_lookup import KubernetesApiLookup
from ansible_collections.innovate.platform.plugins.module_utils._kinds.manifest import Manifest
from ansible_collections.innovate.platform.plugins.module_utils._kinds.manifest_set import ManifestSet
from ansible_collections.innovate.platform.plugins.module_utils._kinds.secret_value_lookup import SecretValueLookup
from ansible_collections.innovate.platform.plugins.module_utils._manifests.declaration import (
    Declaration,
    declared_set,
    secret_sources,
    set_outputs,
    set_resources,
    wait_conditions,
)
from ansible_collections.innovate.platform.plugins.module_utils._manifests.documents import (
    Found,
    read,
    redacted,
    secret_values,
)
from ansible_collections.innovate.platform.plugins.module_utils._run.stack import STACK_ARGUMENTS, Stack, run_stack

WAIT_CONDITIONS = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "api_version": {"type": "str", "required": True},
        "kind": {"type": "str", "required": True},
        "type": {"type": "str", "required": True},
        "status": {"type": "str", "default": "True"},
    },
}
SECRETS = {
    "type": "list",
    "elements": "dict",
    "default": [],
    # What secrets are called is none.
    "no_log": False,
    "options": {
        "name": {"type": "str", "required": True},
        "secret_id": {"type": "str", "required": True, "no_log": False},
        "region": {"type": "str"},
    },
}
ARGUMENTS = {
    "cluster": {"type": "str", "required": True},
    "name": {"type": "str", "required": True},
    # Not for the system's log. What of it is to be hidden in results, `hide` says.
    "definitions": {"type": "raw", "no_log": True},
    "src": {"type": "list", "elements": "path", "default": []},
    "patches": {"type": "raw", "no_log": True},
    "secrets": SECRETS,
    "namespace": {"type": "str"},
    "parent_namespace": {"type": "str", "default": "kube-system"},
    "field_manager": {"type": "str"},
    "force_conflicts": {"type": "bool", "default": False},
    "drift_managers": {"type": "list", "elements": "str", "default": list(HANDS)},
    "wait": {"type": "bool", "default": True},
    "wait_timeout": {"type": "int", "default": 600},
    "wait_conditions": WAIT_CONDITIONS,
}


def hide(module: AnsibleAWSModule, found: Mapping[str, Sequence[Found]]) -> None:
    """Hide what is in Secrets from the invocation and from whatever the API server answers, and nothing else.

    Ansible would hide each text in ``definitions`` and ``patches`` wherever it comes up, names and kinds among them.

    :param found: the documents by option.
    """
    params = module.params
    for option, documents in found.items():
        module.no_log_values.difference_update({str(leaf) for leaf in leaves(params[option])})
        params[option] = redacted(params[option], documents)
    credentials = {params.get(name) for name in ("access_key", "secret_key", "session_token")}
    module.no_log_values.update(text for text in credentials if text)
    for documents in found.values():
        module.no_log_values.update(secret_values(documents))


def main() -> None:
    """Run the module."""
    module = AnsibleAWSModule(argument_spec={**ARGUMENTS, **STACK_ARGUMENTS}, supports_check_mode=True)
    params = module.params
    found, wrong = read(params["definitions"], params["src"])
    patches, also_wrong = read(params["patches"], (), "patches")
    hide(module, {"definitions": found, "patches": patches})
    declaration = Declaration(
        cluster=params["cluster"],
        name=params["name"],
        namespace=params["namespace"] or "",
        parent_namespace=params["parent_namespace"],
        field_manager=params["field_manager"] or "",
        conditions=params["wait_conditions"],
        secrets=params["secrets"],
        wait_timeout=params["wait_timeout"],
        absent=params["state"] == "absent",
    )
    documents, problems = declared_set(declaration, found, [*wrong, *also_wrong], patches)
    objects = ObjectSet(
        Cluster(declaration.cluster, module.warn),
        declaration.stack,
        declaration.parent_namespace,
        declaration.field_manager,
        force_conflicts=params["force_conflicts"],
        hands=tuple(params["drift_managers"]),
        wait=params["wait"],
        wait_timeout=params["wait_timeout"],
        conditions=wait_conditions(declaration.conditions),
        documents={identity(document): document for document in documents},
        secrets=SecretValues(secret_sources(declaration, documents), module.no_log_values.update),
        absent=declaration.absent,
    )
    resources = set_resources(declaration, documents, objects)
    kinds = (
        EksClusterLookup(objects.cluster.describe),
        SecretValueLookup(objects),
        KubernetesApiLookup(objects.cluster),
        ManifestSet(objects),
        Manifest(objects),
    )
    run_stack(module, Stack(declaration.stack, resources, problems, set_outputs(documents, objects)), kinds)


if __name__ == "__main__":
    main()
