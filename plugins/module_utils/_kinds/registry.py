# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind by its name. Imported by name, since Ansible ships to a module only what it imports statically."""

from __future__ import annotations

from .._engine.kind import Kind
from ._regional import regional
from .access_analyzer import AccessAnalyzer
from .account_assignment import AccountAssignment
from .budget import Budget
from .cloudtrail_trail import CloudtrailTrail
from .config_delivery_channel import ConfigDeliveryChannel
from .config_recorder import ConfigRecorder
from .db_instance import DbInstance
from .db_parameter_group import DbParameterGroup
from .db_subnet_group import DbSubnetGroup
from .default_security_group import DefaultSecurityGroup
from .ebs_default_encryption import EbsDefaultEncryption
from .ec2_account_settings import Ec2AccountSettings
from .ec2_default_vpc import Ec2DefaultVpc
from .ecr_repository import EcrRepository
from .eks_access_entry import EksAccessEntry
from .eks_addon import EksAddon
from .eks_cluster import EksCluster
from .eks_cluster_lookup import EksClusterLookup
from .eks_fargate_profile import EksFargateProfile
from .eks_nodegroup import EksNodegroup
from .eks_pod_identity_association import EksPodIdentityAssociation
from .elastic_ip import ElasticIp
from .event_rule import EventRule
from .flow_log import FlowLog
from .guardduty_detector import GuarddutyDetector
from .guardduty_organization_configuration import GuarddutyOrganizationConfiguration
from .iam_account_alias import IamAccountAlias
from .iam_instance_profile import IamInstanceProfile
from .iam_oidc_provider import IamOidcProvider
from .iam_password_policy import IamPasswordPolicy
from .iam_policy import IamPolicy
from .iam_role import IamRole
from .iam_role_lookup import IamRoleLookup
from .iam_service_linked_role import IamServiceLinkedRole
from .identity_center_lookup import IdentityCenterLookup
from .identity_store_group import IdentityStoreGroup
from .identity_store_group_lookup import IdentityStoreGroupLookup
from .internet_gateway import InternetGateway
from .kms_alias import KmsAlias
from .kms_alias_lookup import KmsAliasLookup
from .kms_key import KmsKey
from .launch_template import LaunchTemplate
from .log_group import LogGroup
from .nat_gateway import NatGateway
from .network_acl import NetworkAcl
from .organization import Organization
from .organization_account import OrganizationAccount
from .organization_accounts_lookup import OrganizationAccountsLookup
from .organization_lookup import OrganizationLookup
from .organization_management_account import OrganizationManagementAccount
from .organization_policy import OrganizationPolicy
from .organization_policy_attachment import OrganizationPolicyAttachment
from .organization_root import OrganizationRoot
from .organizational_unit import OrganizationalUnit
from .permission_set import PermissionSet
from .route_table import RouteTable
from .s3_account_public_access_block import S3AccountPublicAccessBlock
from .s3_bucket import S3Bucket
from .secret import Secret
from .security_group import SecurityGroup
from .service_organization_admin import ServiceOrganizationAdmin
from .sqs_queue import SqsQueue
from .ssm_service_setting import SsmServiceSetting
from .subnet import Subnet
from .subnets_lookup import SubnetsLookup
from .vpc import Vpc
from .vpc_endpoint import VpcEndpoint
from .vpc_lookup import VpcLookup

_TYPES: tuple[type[Kind], ...] = (
    regional(AccessAnalyzer),
    AccountAssignment,
    Budget,
    CloudtrailTrail,
    regional(ConfigDeliveryChannel),
    regional(ConfigRecorder),
    DbInstance,
    DbParameterGroup,
    DbSubnetGroup,
    DefaultSecurityGroup,
    regional(EbsDefaultEncryption),
    regional(Ec2AccountSettings),
    regional(Ec2DefaultVpc),
    EcrRepository,
    EksAccessEntry,
    EksAddon,
    EksCluster,
    EksClusterLookup,
    EksFargateProfile,
    EksNodegroup,
    EksPodIdentityAssociation,
    ElasticIp,
    EventRule,
    FlowLog,
    regional(GuarddutyDetector),
    regional(GuarddutyOrganizationConfiguration),
    IamAccountAlias,
    IamInstanceProfile,
    IamOidcProvider,
    IamPasswordPolicy,
    IamPolicy,
    IamRole,
    IamRoleLookup,
    IamServiceLinkedRole,
    IdentityCenterLookup,
    IdentityStoreGroup,
    IdentityStoreGroupLookup,
    InternetGateway,
    KmsAlias,
    KmsAliasLookup,
    KmsKey,
    LaunchTemplate,
    LogGroup,
    NatGateway,
    NetworkAcl,
    Organization,
    OrganizationAccount,
    OrganizationAccountsLookup,
    OrganizationLookup,
    OrganizationManagementAccount,
    OrganizationPolicy,
    OrganizationPolicyAttachment,
    OrganizationRoot,
    OrganizationalUnit,
    PermissionSet,
    RouteTable,
    S3AccountPublicAccessBlock,
    S3Bucket,
    Secret,
    SecurityGroup,
    regional(ServiceOrganizationAdmin),
    SqsQueue,
    regional(SsmServiceSetting),
    Subnet,
    SubnetsLookup,
    Vpc,
    VpcEndpoint,
    VpcLookup,
)

KINDS: dict[str, Kind] = {kind.name: kind() for kind in sorted(_TYPES, key=lambda kind: kind.name)}
"""One instance of each, in the order of their names; kinds have no state."""
