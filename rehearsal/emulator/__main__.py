# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m rehearsal.emulator``: run the emulated AWS in the foreground."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def main(argv: list[str] | None = None) -> int:
    """Parse the command line and serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m rehearsal.emulator", description="The emulated AWS on loopback.")
    parser.add_argument("--host", default="127.0.0.1", help="loopback address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port; 0 takes a free one (default: %(default)s)")
    parser.add_argument("--state-dir", type=Path, default=Path(".rehearsal"), help="default: %(default)s")
    parser.add_argument(
        "--pace",
        type=float,
        default=0.3,
        help="seconds that a minute of AWS's lasts; 0 is at once (default: %(default)s)",
    )
    parser.add_argument(
        "--check-responses",
        action="store_true",
        help="collect responses that don't fit the model (/rehearsal/responses)",
    )
    parser.add_argument("--kubernetes", action="store_true", help="real control planes behind the EKS clusters")
    parser.add_argument("--enforce", action="store_true", help="refuse what no policy allows (/rehearsal/enforcement)")
    args = parser.parse_args(argv)

    from rehearsal.emulator.server import Emulator  # noqa: PLC0415 - --help shouldn't wait for moto

    try:
        emulator = Emulator(
            args.state_dir.resolve(),
            host=args.host,
            port=args.port,
            pace=args.pace,
            check_responses=args.check_responses,
            kubernetes=args.kubernetes,
            enforcing=args.enforce,
        )
    except (ValueError, OSError) as error:
        print(f"cannot start: {error}", file=sys.stderr)
        return 2
    print(f"the emulated AWS answers at {emulator.endpoint}", flush=True)
    emulator.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
