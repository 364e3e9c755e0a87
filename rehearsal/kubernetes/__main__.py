# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m rehearsal.kubernetes build|list|token``: the clusters' programs, and tokens for clusters."""

from __future__ import annotations

import argparse
import json
import sys

from rehearsal.kubernetes import binaries
from rehearsal.kubernetes.toolchain import ToolchainError


def main(argv: list[str] | None = None) -> int:
    """Parse the command line and do what it says."""
    table = binaries.programs()
    parser = argparse.ArgumentParser(prog="python -m rehearsal.kubernetes", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    building = commands.add_parser("build", help="build what is missing into the cache")
    building.add_argument("program", nargs="*", metavar="PROGRAM", help=f"of {', '.join(table)}; default: all")
    commands.add_parser("list", help="say where each program is")
    entering = commands.add_parser("token", help="print a token, as `aws eks get-token` does, for kubectl")
    entering.add_argument("--cluster-name", required=True, help="the cluster; the environment tells who asks")
    args = parser.parse_args(argv)
    if args.command == "token":
        from rehearsal.kubernetes import tokens  # noqa: PLC0415 - only this command needs boto3

        print(json.dumps(tokens.credential(args.cluster_name)))
        return 0
    if args.command == "list":
        for program in table.values():
            found = binaries.find(program)
            where = f"{found.source}: {found.path}" if found else "to be built"
            print(f"{program.name:<26}{program.version:<10}{where}")
        return 0
    unknown = [name for name in args.program if name not in table]
    if unknown:
        print(f"no such program: {', '.join(unknown)}; there are {', '.join(table)}", file=sys.stderr)
        return 2
    try:
        binaries.ready(args.program or table, lambda line: print(line, flush=True))
    except (binaries.BuildError, ToolchainError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
