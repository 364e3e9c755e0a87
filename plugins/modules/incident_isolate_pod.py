#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: incident_isolate_pod
short_description: Isolate a pod, and keep it as it is
version_added: 0.1.0
description:
  - Makes a network policy that lets nothing in or out, and labels the pod for it. All other labels of the pod are taken
    away, so that its Service and its controller let it go, and no policy that allows something finds it by them.
  - The cluster is found by its name in the account. The module makes its token itself and needs no kubeconfig.
  - With O(state=absent) the pod gets its labels back.
author:
  - Innovate platform maintainers (@innovate-inc)
extends_documentation_fragment:
  - innovate.platform.incident
  - innovate.platform.account
  - amazon.aws.common.modules
  - amazon.aws.region.modules
options:
  cluster:
    description: Name of the EKS cluster.
    type: str
    default: ""
  namespace:
    description: The pod's namespace.
    type: str
    default: ""
  pod:
    description: The pod's name.
    type: str
    default: ""
  cordon:
    description: Whether the pod's node takes no new pods.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Isolate a pod of dev, and keep others from its node
  innovate.platform.incident_isolate_pod:
    incident: INC-2026-014
    cluster: dev
    namespace: shop
    pod: web-5d9c
    cordon: true
    account_name: dev
    region: eu-central-1
"""

RETURN = r"""
steps:
  description: What was done, a sentence each and in its order; in check mode what would be done.
  returned: always
  type: list
  elements: str
  sample: [cordon node ip-10-10-64-4.eu-central-1.compute.internal]
notes:
  description: What the person should know beside.
  returned: always
  type: list
  elements: str
record:
  description: Name of the SSM parameter that says what was done and how it was before.
  returned: success
  type: str
  sample: /innovate/incidents/INC-2026-014/isolate-pod/dev.shop.web-5d9c
problems:
  description: Every mistake or refusal, a sentence each.
  returned: on failure
  type: list
  elements: str
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from ansible_collections.innovate.platform.plugins.module_utils._incident.pod import IsolatePod
from ansible_collections.innovate.platform.plugins.module_utils._kinds._cluster import Cluster
from ansible_collections.innovate.platform.plugins.module_utils._run.incident import INCIDENT_ARGUMENTS, run_incident

ARGUMENTS = {
    "cluster": {"type": "str", "default": ""},
    "namespace": {"type": "str", "default": ""},
    "pod": {"type": "str", "default": ""},
    "cordon": {"type": "bool", "default": False},
    **INCIDENT_ARGUMENTS,
}


def main() -> None:
    """Run the module."""
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = module.params
    cluster = Cluster(params["cluster"], module.warn)
    run_incident(module, lambda _open: IsolatePod(cluster, params["namespace"], params["pod"], params["cordon"]))


if __name__ == "__main__":
    main()
