#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: published_files
short_description: Have charts and manifests at hand as their publishers published them
version_added: 0.1.0
description:
  - Fetches the files that lock files name, from their publishers or from a mirror, and checks each against its SHA-256.
    Files that are in the local cache are checked again in each run and not fetched; damaged ones are.
  - A lock file has the format of C(sha256sum), with URLs as names. Lines that begin with a number sign are comments.
  - Nothing but a cache is written, so the module fetches in check mode too (a plan needs the files), and never reports
    a change. RV(fetched) tells what came.
  - Files are fetched side by side. Hosts that want the same files at the same time wait for each other. A run that was
    interrupted goes on with what is missing.
  - Proxies are those of E(HTTPS_PROXY), E(HTTP_PROXY) and E(NO_PROXY). Certificate authorities are the system's, or
    those of E(SSL_CERT_FILE). Credentials for a mirror are read from C(~/.netrc), or from the file that E(NETRC) names.
author:
  - Innovate platform maintainers (@innovate-inc)
options:
  checksums:
    description:
      - The lock files, read where the module runs. In a role, C({{ role_path }}/files/published.sha256).
    type: list
    elements: path
    required: true
  mirror:
    description:
      - URL under which a mirror keeps what publishers have, in a directory for each host. With
        V(https://mirror.example.com/published) the file C(https://raw.githubusercontent.com/a/b/v1/c.yaml) is fetched
        from C(https://mirror.example.com/published/raw.githubusercontent.com/a/b/v1/c.yaml).
      - With a mirror no publisher is asked. Without one, or when it is empty, the publishers are.
    type: str
    default: ''
  dest:
    description:
      - Directory of the cache. It may be deleted at any time. By default C(innovate-platform/published) in
        E(XDG_CACHE_HOME), else in C(~/.cache).
    type: path
  timeout:
    description: Seconds after which a file that hasn't come is given up.
    type: int
    default: 30
  retries:
    description: How often a file is asked for again when the connection fails or the answer is one that may pass.
    type: int
    default: 2
"""

EXAMPLES = r"""
- name: Fetch what two roles take from their publishers, or from a mirror where the environment names one
  innovate.platform.published_files:
    checksums:
      - roles/karpenter/files/published.sha256
      - roles/argocd/files/published.sha256
    mirror: "{{ lookup('ansible.builtin.env', 'PLATFORM_MIRROR') }}"
  register: published

- name: Define Karpenter's kinds in a cluster
  innovate.platform.manifests:
    cluster: dev
    name: karpenter-kinds
    account_name: dev
    region: eu-central-1
    src: "{{ published.files | select('search', '/crds/') }}"
"""

RETURN = r"""
directory:
  description:
    - The directory that holds these files and nothing else, below the names of their hosts. Another content of the lock
      files makes another directory.
  returned: success
  type: str
  sample: /home/you/.cache/innovate-platform/published/0f3a9c51d2e84b76
files:
  description: The paths of the files, in the order of the lock files.
  returned: success
  type: list
  elements: str
  sample:
    - /home/you/.cache/innovate-platform/published/0f3a9c51d2e84b76/raw.githubusercontent.com/a/b/v1/c.yaml
fetched:
  description: The number of files that were fetched, because the cache hadn't them or had them damaged.
  returned: always
  type: int
problems:
  description: Every mistake in the lock files, or every file that couldn't be had, a sentence each.
  returned: on failure
  type: list
  elements: str
"""

import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.innovate.platform.plugins.module_utils._engine.errors import message
from ansible_collections.innovate.platform.plugins.module_utils._published.fetch import Fetcher, default_cache
from ansible_collections.innovate.platform.plugins.module_utils._published.lock import (
    mirror_problems,
    number_problems,
    read_files,
)

ARGUMENTS = {
    "checksums": {"type": "list", "elements": "path", "required": True},
    "mirror": {"type": "str", "default": ""},
    "dest": {"type": "path"},
    "timeout": {"type": "int", "default": 30},
    "retries": {"type": "int", "default": 2},
}


def fail(module: AnsibleModule, problems: list[str], fetched: int = 0) -> None:
    """End the module with all that is wrong."""
    module.fail_json(msg=message(problems), problems=problems, fetched=fetched)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = module.params
    entries, problems = read_files(params["checksums"])
    problems += mirror_problems(params["mirror"])
    problems += number_problems(params["timeout"], params["retries"])
    if problems:
        fail(module, problems)
    cache = Path(params["dest"]).absolute() if params["dest"] else default_cache(os.environ)
    fetcher = Fetcher(params["mirror"], params["timeout"], params["retries"])
    try:
        done = fetcher.bring(entries, cache)
    except OSError as error:
        fail(module, [f"the cache {cache} can't be written: {error.strerror or error}"])
    if done.problems:
        fail(module, list(done.problems), done.fetched)
    module.exit_json(
        changed=False, directory=str(done.directory), files=[str(path) for path in done.files], fetched=done.fetched
    )


if __name__ == "__main__":
    main()
