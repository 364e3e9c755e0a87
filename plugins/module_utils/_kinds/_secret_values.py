# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of secrets in Secrets Manager, read once for all that refers to them, and hidden before anything is shown."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._engine.errors import EngineError
from .._engine.resource import leaves
from ._session import Session, error_code

LOOKUP = "secret_value_lookup"
"""The kind that references to secrets are of."""
WHOLE = ""
"""The attribute that a reference without a key has: all of the secret's text."""
_TELLING = 8
"""What is shorter stands in other texts, too, and would be hidden everywhere in them."""


@dataclass(frozen=True)
class Source:
    """A secret that is referred to.

    :param name: what references call it.
    :param keys: the keys that are referred to; empty for all of it.
    """

    name: str
    secret_id: str
    region: str = ""
    keys: frozenset[str] = frozenset()


class SecretValues:
    """The values of all secrets that are referred to; safe between threads.

    :param conceal: told every value, plain and in base64, as soon as it is known.
    """

    def __init__(
        self, sources: Sequence[Source] = (), conceal: Callable[[Iterable[str]], Any] = lambda texts: None
    ) -> None:
        self.sources = sources
        self._conceal = conceal
        self._lock = threading.Lock()
        self._texts: dict[str, str] = {}
        self._read = False
        self._problems: list[str] = []

    def read(self, session: Session) -> set[str]:
        """Read all secrets side by side, once; return the names of those that are there.

        Raises EngineError with a sentence for each that can't be read, has no value, or lacks a key.
        """
        with self._lock:
            if not self._read:
                self._read = True
                try:
                    texts = session.each(lambda source: self._text(session, source), self.sources)
                except EngineError as error:
                    self._problems = error.problems
                else:
                    pairs = zip(self.sources, texts, strict=True)
                    self._texts = {source.name: text for source, text in pairs if text is not None}
            if self._problems:
                raise EngineError(self._problems)
            return set(self._texts)

    def value(self, name: str, key: str) -> str:
        """Return a value by the secret's name and a key of it."""
        source = next(source for source in self.sources if source.name == name)
        if name not in self._texts:
            raise EngineError(f"secret '{source.secret_id}' has no value that is known")
        return _part(self._texts[name], key)

    def conceal(self, texts: Iterable[str]) -> None:
        """Conceal what is made of values, too."""
        self._conceal(_forms(texts))

    def _text(self, session: Session, source: Source) -> str | None:
        where = f"secret '{source.secret_id}' in account {session.account_id}"
        region = f" --region {source.region}" if source.region else ""
        try:
            answer = session.call("secretsmanager", "get_secret_value", region=source.region, SecretId=source.secret_id)
        except EngineError as error:
            code = error_code(error)
            told = str(error.__cause__)
            if code == "ResourceNotFoundException" and "staging label" in told:
                raise EngineError(
                    f"{where} has no value: give it one by `aws secretsmanager put-secret-value --secret-id "
                    f"{source.secret_id}{region} --secret-string file://value`"
                ) from None
            if code == "ResourceNotFoundException":
                return None
            if code == "InvalidRequestException" and "delet" in told:
                raise EngineError(
                    f"{where} is scheduled for deletion: take that back by `aws secretsmanager restore-secret "
                    f"--secret-id {source.secret_id}{region}`, or refer to another one"
                ) from None
            if code in ("AccessDeniedException", "DecryptionFailure"):
                raise EngineError(
                    f"{where} can't be read ({code}): allow secretsmanager:GetSecretValue on it to the role that this "
                    "runs as, and kms:Decrypt where it has a key of its own"
                ) from None
            raise
        text = answer.get("SecretString")
        if text is None:
            raise EngineError(f"{where} is binary: store it as text, in base64 if need be")
        self.conceal([text, *(str(leaf) for leaf in leaves(_members(text) or {}))])
        problems = [problem for key in sorted(source.keys) if (problem := _lack(source, text, key))]
        if problems:
            raise EngineError([f"{where} {problem}" for problem in problems])
        return str(text)


def missing(source: Source, account: str) -> str:
    """Return what to do about a secret that isn't there."""
    region = f" --region {source.region}" if source.region else ""
    keys = ", ".join(sorted(source.keys - {WHOLE}))
    content = f", the file being a JSON object with {keys}" if keys else ""
    name = source.secret_id.rpartition(":")[2]
    return (
        f"account {account} has no secret '{source.secret_id}': create it by `aws secretsmanager create-secret --name "
        f"{name}{region} --secret-string file://value`{content}"
    )


def _members(text: str) -> Mapping[str, Any] | None:
    """Return the members of a secret that is a JSON object."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _lack(source: Source, text: str, key: str) -> str:
    if key == WHOLE:
        return ""
    members = _members(text)
    reference = f"${{secret.{source.name}.{key}}}"
    if members is None:
        return f"is no JSON object, so {reference} refers to nothing: refer to all of it by ${{secret.{source.name}}}"
    if key not in members:
        return f"has no key '{key}', which {reference} refers to: it has {', '.join(sorted(members)) or 'none'}"
    if isinstance(members[key], (dict, list)) or members[key] is None:
        return f"has no single value under '{key}', which {reference} refers to: make it a text"
    return ""


def _part(text: str, key: str) -> str:
    if key == WHOLE:
        return text
    value = (_members(text) or {})[key]
    return value if isinstance(value, str) else json.dumps(value)


def _forms(texts: Iterable[str]) -> set[str]:
    """Return texts and their base64, but for those so short that they say nothing."""
    telling = {text for text in texts if len(text) >= _TELLING}
    return telling | {base64.b64encode(text.encode()).decode().rstrip("=") for text in telling}
