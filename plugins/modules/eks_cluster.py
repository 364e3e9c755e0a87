#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: eks_cluster
short_description: Manage a whole EKS cluster, from its key to its node groups
version_added: 0.1.0
description:
  - Declares an EKS cluster with its KMS key for secrets, control plane logs, roles, add-ons, node groups, access
    entries, pod identity associations, Fargate profiles and IAM OIDC provider, as one stack named C(eks-<name>).
  - The API server has a private endpoint, access goes by access entries only (authentication mode C(API)), and nobody
    is administrator without being listed in O(access_entries).
  - The add-ons vpc-cni, kube-proxy, eks-pod-identity-agent, coredns and aws-ebs-csi-driver are always there. Those
    that need permissions get them by pod identity, so that nodes have none but their own.
  - A core node group, tainted C(CriticalAddonsOnly), runs what the cluster itself needs.
  - Kubernetes goes up one minor version at a time. The control plane goes first, then add-ons without a pinned
    version, then the nodes, a few at a time.
  - The plan (check mode) is complete also while nothing exists yet.
author:
  - Innovate platform maintainers (@innovate-inc)
extends_documentation_fragment:
  - innovate.platform.stack
  - innovate.platform.stack.wait
  - amazon.aws.common.modules
  - amazon.aws.region.modules
options:
  name:
    description: Name of the cluster.
    type: str
    required: true
  kubernetes_version:
    description:
      - Minor version of Kubernetes, as a string such as V('1.35'). Without the quotes YAML would take V(1.30) for
        C(1.3), so a number is refused.
    type: raw
    required: true
  vpc:
    description: Name of the network, as the module M(innovate.platform.vpc) was given it; O(name) unless given.
    type: str
  tier:
    description: Tier of subnets in which control plane, nodes and Fargate pods stand.
    type: str
    default: private
  endpoint_public_access:
    description: Whether the API server can be reached from outside of the VPC as well, by O(public_access_cidrs).
    type: bool
    default: false
  public_access_cidrs:
    description: Addresses that may reach the public endpoint. V(0.0.0.0/0) is refused.
    type: list
    elements: str
    default: []
  service_ipv4_cidr:
    description: Range of the addresses of Kubernetes services. EKS chooses one unless given. It can't be changed later.
    type: str
  log_types:
    description: Logs of the control plane that go to CloudWatch Logs.
    type: list
    elements: str
    choices: [api, audit, authenticator, controllerManager, scheduler]
    default: [api, audit, authenticator, controllerManager, scheduler]
  log_retention_in_days:
    description: Days that these logs are kept; one of the values that CloudWatch Logs allows.
    type: int
    default: 90
  support_type:
    description:
      - What becomes of the cluster when its version's standard support ends. V(STANDARD) has it upgraded, V(EXTENDED)
        keeps the version for a further year at six times the price.
    type: str
    choices: [STANDARD, EXTENDED]
    default: STANDARD
  deletion_protection:
    description: Whether the cluster is protected from deletion. With O(state=absent) it has to be V(false).
    type: bool
    default: false
  metadata_hop_limit:
    description:
      - How far answers of the instance metadata service travel. V(1) keeps pods that don't use the host's network
        from the nodes' role, V(2) lets them have it.
    type: int
    default: 1
  core_node_group:
    description: The node group for what the cluster itself needs. Other pods are kept off it by its taint.
    type: dict
    default: {}
    suboptions:
      instance_types:
        description: Alternatives in order of preference, all of one architecture. It can't be changed in place.
        type: list
        elements: str
        default: [t4g.medium]
      min_size:
        description: Least number of nodes.
        type: int
        default: 2
      max_size:
        description: Largest number of nodes.
        type: int
        default: 3
      disk_size:
        description: Size of the nodes' root volume in GiB. It is encrypted.
        type: int
        default: 20
  node_groups:
    description:
      - Further node groups, each of one architecture and one way of paying. Their nodes have the label
        C(innovate.io/pool) with the group's name.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the node group.
        type: str
        required: true
      instance_types:
        description: Alternatives in order of preference, all of one architecture. It can't be changed in place.
        type: list
        elements: str
        required: true
      capacity_type:
        description: How the nodes are paid for. It can't be changed in place.
        type: str
        choices: [ON_DEMAND, SPOT]
        default: ON_DEMAND
      min_size:
        description: Least number of nodes.
        type: int
        default: 0
      max_size:
        description: Largest number of nodes.
        type: int
        default: 3
      desired_size:
        description:
          - Number of nodes at creation; O(node_groups[].min_size) unless given. Later it belongs to whatever scales
            the group.
        type: int
      disk_size:
        description: Size of the nodes' root volume in GiB. It is encrypted.
        type: int
        default: 20
      labels:
        description: Further labels of the nodes.
        type: dict
        default: {}
      taints:
        description: Taints of the nodes.
        type: list
        elements: dict
        default: []
        suboptions:
          key:
            description: Key of the taint.
            type: str
            required: true
          value:
            description: Value of the taint.
            type: str
          effect:
            description: What happens to pods that don't tolerate it.
            type: str
            choices: [NO_SCHEDULE, PREFER_NO_SCHEDULE, NO_EXECUTE]
            required: true
  addons:
    description: Further add-ons, and versions and settings of those that are always there.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the add-on, such as V(metrics-server).
        type: str
        required: true
      version:
        description:
          - Version such as V(v1.20.4-eksbuild.2).
          - Without it the add-on is created with EKS's default for O(kubernetes_version), stays on that version, and
            moves to the default of the next one when O(kubernetes_version) changes.
        type: str
      configuration_values:
        description: Settings by the add-on's own schema (C(aws eks describe-addon-configuration)), merged into ours.
        type: dict
        default: {}
  access_entries:
    description: Who may use the cluster.
    type: list
    elements: dict
    default: []
    suboptions:
      principal_arn:
        description: ARN of an IAM role or user.
        type: str
      role_name:
        description:
          - Instead of O(access_entries[].principal_arn), the name of a role in the cluster's account, or a pattern
            that only one role has, such as V(AWSReservedSSO_PlatformAdmin_*) for a permission set of IAM Identity
            Center.
        type: str
      type:
        description: V(STANDARD) for people and programs; the others are for nodes that EKS doesn't manage.
        type: str
        choices: [STANDARD, EC2_LINUX, EC2_WINDOWS, FARGATE_LINUX, EC2, HYBRID_LINUX, HYPERPOD_LINUX]
        default: STANDARD
      kubernetes_groups:
        description: Groups that role bindings in the cluster refer to.
        type: list
        elements: str
        default: []
      policies:
        description: Access policies of EKS.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: Name such as V(AmazonEKSClusterAdminPolicy).
            type: str
            required: true
          namespaces:
            description: Namespaces that it is limited to; the whole cluster unless given.
            type: list
            elements: str
            default: []
  pod_identity_associations:
    description: Roles for service accounts.
    type: list
    elements: dict
    default: []
    suboptions:
      namespace:
        description: Namespace of the service account.
        type: str
        required: true
      service_account:
        description: Name of the service account.
        type: str
        required: true
      role_arn:
        description: ARN of a role that trusts C(pods.eks.amazonaws.com). Without it a role is made of the policies.
        type: str
      managed_policy_arns:
        description: ARNs of managed policies, or names of AWS managed ones.
        type: list
        elements: str
        default: []
      policies:
        description: Inline policies, documents by name.
        type: dict
        default: {}
  fargate_profiles:
    description: Pods that run on Fargate.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the profile.
        type: str
        required: true
      selectors:
        description: Which pods, one to five alternatives. It can't be changed in place.
        type: list
        elements: dict
        required: true
        suboptions:
          namespace:
            description: Namespace of the pods.
            type: str
            required: true
          labels:
            description: Labels that the pods must have.
            type: dict
            default: {}
"""

EXAMPLES = r"""
- name: A cluster in the network of the same name
  innovate.platform.eks_cluster:
    name: dev
    account_name: dev
    region: eu-central-1
    kubernetes_version: "1.35"
    access_entries:
      - role_name: OrganizationAccountAccessRole
        policies: [{name: AmazonEKSClusterAdminPolicy}]

- name: The cluster of prod
  innovate.platform.eks_cluster:
    name: prod
    account_name: prod
    region: eu-central-1
    kubernetes_version: "1.35"
    vpc: prod
    endpoint_public_access: true
    public_access_cidrs: [198.51.100.0/24]
    deletion_protection: true
    log_retention_in_days: 365
    core_node_group:
      instance_types: [t4g.large]
      min_size: 3
      max_size: 6
    node_groups:
      - name: web-arm64
        instance_types: [c7g.large, c6g.large]
        min_size: 2
        max_size: 10
      - name: batch-amd64
        instance_types: [m6i.large, m6a.large, m5.large]
        capacity_type: SPOT
        max_size: 20
        labels: {workload: batch}
        taints:
          - {key: workload, value: batch, effect: NO_SCHEDULE}
    addons:
      - name: coredns
        configuration_values: {replicaCount: 3}
      - name: metrics-server
    access_entries:
      - role_name: AWSReservedSSO_PlatformAdmin_*
        policies: [{name: AmazonEKSClusterAdminPolicy}]
      - role_name: AWSReservedSSO_Developer_*
        kubernetes_groups: [developers]
        policies: [{name: AmazonEKSViewPolicy, namespaces: [shop]}]
    pod_identity_associations:
      - namespace: shop
        service_account: orders
        policies:
          read-orders:
            Version: "2012-10-17"
            Statement:
              - {Effect: Allow, Action: "s3:GetObject", Resource: "arn:aws:s3:::innovate-prod-orders/*"}
    fargate_profiles:
      - name: jobs
        selectors: [{namespace: jobs}]

- name: Take the cluster of dev down
  innovate.platform.eks_cluster:
    name: dev
    account_name: dev
    region: eu-central-1
    kubernetes_version: "1.35"
    state: absent
    allow_destroy: [kms_key.secrets]
"""

RETURN = r"""
changes:
  description: What changed, or in check mode would change, one item for each resource.
  returned: always
  type: list
  elements: dict
  sample:
    - action: create
      address: eks_cluster.main
      kind: eks_cluster
      id: null
      changed: []
      forced_by: []
      reason: ""
      before: null
      after: {}
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
  description:
    - Addresses of what an earlier run began and AWS isn't done with; nothing is to be changed there.
    - After a run with O(wait=false), of what was only begun and of what was left for another run.
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
  description: Every mistake or refusal, a sentence each.
  returned: on failure
  type: list
  elements: str
cluster:
  description: The cluster; what isn't known yet is null in a plan.
  returned: success
  type: dict
  contains:
    name:
      description: Name of the cluster.
      type: str
      sample: dev
    arn:
      description: ARN of the cluster.
      type: str
      sample: arn:aws:eks:eu-central-1:123456789012:cluster/dev
    version:
      description: Minor version of Kubernetes.
      type: str
      sample: "1.35"
    platform_version:
      description: EKS's own version of the control plane.
      type: str
      sample: eks.3
    endpoint:
      description: URL of the API server.
      type: str
      sample: https://0A1B2C3D4E5F.gr7.eu-central-1.eks.amazonaws.com
    certificate_authority:
      description: Certificate authority of the API server, base64.
      type: str
      sample: LS0tLS1CRUdJTi...
    oidc_issuer:
      description: Issuer of the tokens of service accounts.
      type: str
      sample: https://oidc.eks.eu-central-1.amazonaws.com/id/0A1B2C3D4E5F
    cluster_security_group_id:
      description: Security group of control plane and nodes.
      type: str
      sample: sg-0a1b2c3d4e5f67890
oidc_provider_arn:
  description: ARN of the IAM OIDC provider for roles of service accounts.
  returned: success
  type: str
  sample: arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/0A1B2C3D4E5F
node_role_arn:
  description: ARN of the nodes' role.
  returned: success
  type: str
  sample: arn:aws:iam::123456789012:role/innovate/eks-dev/eks-dev-node
kms_key_arn:
  description: ARN of the key that encrypts Kubernetes secrets.
  returned: success
  type: str
  sample: arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d-4e5f-6789-0a1b-2c3d4e5f6789
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from ansible_collections.innovate.platform.plugins.module_utils._eks.cluster import cluster_resources
from ansible_collections.innovate.platform.plugins.module_utils._eks.options import LOG_TYPES, from_parameters
from ansible_collections.innovate.platform.plugins.module_utils._kinds.eks_access_entry import EksAccessEntry
from ansible_collections.innovate.platform.plugins.module_utils._kinds.eks_addon import EksAddon
from ansible_collections.innovate.platform.plugins.module_utils._kinds.eks_cluster import EksCluster
from ansible_collections.innovate.platform.plugins.module_utils._kinds.eks_fargate_profile import EksFargateProfile
from ansible_collections.innovate.platform.plugins.module_utils._kinds.eks_nodegroup import EksNodegroup
from ansible_collections.innovate.platform.plugins.module_utils._kinds.eks_pod_identity_association import (
    EksPodIdentityAssociation,
)
from ansible_collections.innovate.platform.plugins.module_utils._kinds.iam_oidc_provider import IamOidcProvider
from ansible_collections.innovate.platform.plugins.module_utils._kinds.iam_role import IamRole
from ansible_collections.innovate.platform.plugins.module_utils._kinds.iam_role_lookup import IamRoleLookup
from ansible_collections.innovate.platform.plugins.module_utils._kinds.kms_alias import KmsAlias
from ansible_collections.innovate.platform.plugins.module_utils._kinds.kms_key import KmsKey
from ansible_collections.innovate.platform.plugins.module_utils._kinds.launch_template import LaunchTemplate
from ansible_collections.innovate.platform.plugins.module_utils._kinds.log_group import LogGroup
from ansible_collections.innovate.platform.plugins.module_utils._kinds.subnets_lookup import SubnetsLookup
from ansible_collections.innovate.platform.plugins.module_utils._run.stack import (
    STACK_ARGUMENTS,
    WAIT_ARGUMENTS,
    Stack,
    run_stack,
)

KINDS = (
    SubnetsLookup,
    IamRoleLookup,
    KmsKey,
    KmsAlias,
    LogGroup,
    IamRole,
    IamOidcProvider,
    EksCluster,
    EksAddon,
    EksPodIdentityAssociation,
    EksAccessEntry,
    LaunchTemplate,
    EksNodegroup,
    EksFargateProfile,
)
CORE_NODE_GROUP = {
    "type": "dict",
    "default": {},
    "options": {
        "instance_types": {"type": "list", "elements": "str", "default": ["t4g.medium"]},
        "min_size": {"type": "int", "default": 2},
        "max_size": {"type": "int", "default": 3},
        "disk_size": {"type": "int", "default": 20},
    },
}
TAINTS = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        # The name of a taint, no secret.
        "key": {"type": "str", "required": True, "no_log": False},
        "value": {"type": "str"},
        "effect": {"type": "str", "choices": ["NO_SCHEDULE", "PREFER_NO_SCHEDULE", "NO_EXECUTE"], "required": True},
    },
}
NODE_GROUPS = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "name": {"type": "str", "required": True},
        "instance_types": {"type": "list", "elements": "str", "required": True},
        "capacity_type": {"type": "str", "choices": ["ON_DEMAND", "SPOT"], "default": "ON_DEMAND"},
        "min_size": {"type": "int", "default": 0},
        "max_size": {"type": "int", "default": 3},
        "desired_size": {"type": "int"},
        "disk_size": {"type": "int", "default": 20},
        "labels": {"type": "dict", "default": {}},
        "taints": TAINTS,
    },
}
ADDONS = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "name": {"type": "str", "required": True},
        "version": {"type": "str"},
        "configuration_values": {"type": "dict", "default": {}},
    },
}
ENTRY_TYPES = ["STANDARD", "EC2_LINUX", "EC2_WINDOWS", "FARGATE_LINUX", "EC2", "HYBRID_LINUX", "HYPERPOD_LINUX"]
ACCESS_ENTRIES = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "principal_arn": {"type": "str"},
        "role_name": {"type": "str"},
        "type": {"type": "str", "choices": ENTRY_TYPES, "default": "STANDARD"},
        "kubernetes_groups": {"type": "list", "elements": "str", "default": []},
        "policies": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "name": {"type": "str", "required": True},
                "namespaces": {"type": "list", "elements": "str", "default": []},
            },
        },
    },
}
POD_IDENTITY_ASSOCIATIONS = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "namespace": {"type": "str", "required": True},
        "service_account": {"type": "str", "required": True},
        "role_arn": {"type": "str"},
        "managed_policy_arns": {"type": "list", "elements": "str", "default": []},
        "policies": {"type": "dict", "default": {}},
    },
}
FARGATE_PROFILES = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "name": {"type": "str", "required": True},
        "selectors": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                "namespace": {"type": "str", "required": True},
                "labels": {"type": "dict", "default": {}},
            },
        },
    },
}
ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "kubernetes_version": {"type": "raw", "required": True},
    "vpc": {"type": "str"},
    "tier": {"type": "str", "default": "private"},
    "endpoint_public_access": {"type": "bool", "default": False},
    "public_access_cidrs": {"type": "list", "elements": "str", "default": []},
    "service_ipv4_cidr": {"type": "str"},
    "log_types": {"type": "list", "elements": "str", "choices": list(LOG_TYPES), "default": list(LOG_TYPES)},
    "log_retention_in_days": {"type": "int", "default": 90},
    "support_type": {"type": "str", "choices": ["STANDARD", "EXTENDED"], "default": "STANDARD"},
    "deletion_protection": {"type": "bool", "default": False},
    "metadata_hop_limit": {"type": "int", "default": 1},
    "core_node_group": CORE_NODE_GROUP,
    "node_groups": NODE_GROUPS,
    "addons": ADDONS,
    "access_entries": ACCESS_ENTRIES,
    "pod_identity_associations": POD_IDENTITY_ASSOCIATIONS,
    "fargate_profiles": FARGATE_PROFILES,
}


def main() -> None:
    """Run the module."""
    module = AnsibleAWSModule(
        argument_spec={**ARGUMENTS, **STACK_ARGUMENTS, **WAIT_ARGUMENTS}, supports_check_mode=True
    )
    cluster = from_parameters(module.params, module.region or "")
    resources, problems, outputs = cluster_resources(cluster)
    run_stack(module, Stack(cluster.stack, resources, problems, outputs, module.params["wait"]), KINDS)


if __name__ == "__main__":
    main()
