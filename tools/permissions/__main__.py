# Copyright: Innovate platform maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make permissions``: record what the playbooks need, write the policies, and run the playbooks under them.

`python -m tools.permissions record` runs every playbook in the rehearsal and writes recorded.json and the policies;
`python -m tools.permissions rehearse` applies the whole site under exactly the committed policies, applies it again,
plans it under the plan policies, and takes an environment down.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from tools.permissions import data, page
from tools.permissions.enforcement import Accounts
from tools.permissions.lab import Lab, RunError, Step, opened
from tools.permissions.policies import ROLES
from tools.permissions.recording import ENVIRONMENT, record


def write_record(lab: Lab) -> None:
    """Run everything and write the record."""
    rows = record(lab)
    found = data.uses(rows, lab.emulator.admin("accounts"))
    data.PATH.write_text(data.written(found), encoding="utf-8")
    print(f"{data.PATH.name}: {len(found)} rows from {len(rows)} different requests")
    for path, text in page.files().items():
        path.write_text(text, encoding="utf-8")
    for path in page.orphans():
        path.unlink()


def rehearse(lab: Lab) -> list[str]:
    """Run the playbooks under the policies; return what went otherwise than it should."""
    accounts, wrong = Accounts(lab.emulator), []
    accounts.make("deploy")  # only the management account is there
    lab.emulator.admin("enforcement", "POST")
    lab.credentials = accounts.session("deploy")
    lab.run(Step("", "organization"))
    members = tuple(name for name in lab.emulator.admin("accounts") if name != "management")
    accounts.make("deploy", members)
    lab.always = {"platform_access_role_name": ROLES["deploy"]}
    lab.run(Step("", "access"))
    lab.run(Step("", "site"))
    again = lab.run(Step("", "site"))
    if any(again.values()):
        wrong.append(f"the second run changed something: {again}")
    wrong += _under_plan(lab, accounts)
    consent: dict[str, Any] = {"confirm": ENVIRONMENT, "rds_allow_destroy": ["db_instance.main"]}
    lab.run(Step("", "teardown", variables=consent))
    return wrong + [f"refused: {row}" for row in accounts.refused()]


def _under_plan(lab: Lab, accounts: Accounts) -> list[str]:
    accounts.make("plan")
    deploying, always = lab.credentials, lab.always
    lab.credentials, lab.always = accounts.session("plan"), {"platform_access_role_name": ROLES["plan"]}
    planned = lab.run(Step("", "site", check=True))
    lab.credentials, lab.always = deploying, always
    return [f"the plan under the plan policy found something to change: {planned}"] if any(planned.values()) else []


def main(argv: list[str] | None = None) -> int:
    """Record, rehearse, or both."""
    parser = argparse.ArgumentParser(prog="python -m tools.permissions", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["record", "rehearse"], help="default: both")
    inventories_help = "environments ask for the same, so that one is enough (default: %(default)s)"
    parser.add_argument("--inventories", default=f"organization,{ENVIRONMENT}", help=inventories_help)
    parser.add_argument("--directory", type=Path, help="for emulators and logs (default: a temporary one)")
    args = parser.parse_args(argv)
    directory = args.directory or Path(tempfile.mkdtemp(prefix="permissions-"))
    inventories = args.inventories.split(",")
    try:
        if args.what in (None, "record"):
            with opened(directory / "record", inventories) as lab:
                write_record(lab)
        if args.what in (None, "rehearse"):
            with opened(directory / "rehearse", inventories) as lab:
                wrong = rehearse(lab)
            print("\n".join(wrong) or "applied, applied again, planned and taken down under the policies")
            return 1 if wrong else 0
    except RunError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
