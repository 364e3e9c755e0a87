# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine raises: always whole sentences for a person, all of them at once."""

from __future__ import annotations

from collections.abc import Sequence


def message(problems: Sequence[str]) -> str:
    """Return what a module fails with: the one sentence, or the list of all."""
    if len(problems) == 1:
        return problems[0]
    return f"{len(problems)} problems:\n" + "\n".join(f"- {item}" for item in problems)


class EngineError(Exception):
    """One or more mistakes or refusals, each a sentence that says what was wanted, what was found, what to do next."""

    def __init__(self, problems: Sequence[str] | str) -> None:
        self.problems: list[str] = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))


class Tombstone(EngineError):
    """A creation call with a client token was answered with a resource that has been deleted since.

    AWS remembers tokens longer than resources (https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html);
    the engine then asks again with a token salted by that resource's id.
    """

    def __init__(self, identifier: str) -> None:
        self.identifier = identifier
        super().__init__(f"the client token belongs to {identifier}, which has been deleted")


class Halted(EngineError):
    """A step wasn't begun, since no further step may be: the sentence says why."""


class Unclear(EngineError):
    """A call that makes something got no answer, or one that tells nothing: it may have had its effect.

    Asking again would make a second one where the API neither takes a client token nor wants a unique name. The engine
    looks first.
    """
