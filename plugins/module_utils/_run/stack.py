# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one stack through the engine on behalf of a module."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from .._engine.apply import Outcome, apply
from .._engine.errors import EngineError, message
from .._engine.kind import Kind, Observed, Obstacle
from .._engine.observe import observe, obstacles, preflight
from .._engine.plan import CHANGING, Change, Options, Plan, make_plan, scope_of
from .._engine.render import billable, documents, rows
from .._engine.resource import Ref, Resource, Unknown, substitute
from .._engine.validate import validate
from .._kinds._session import Session
from .._plan.document import read, unplanned
from .._preflight.findings import findings, notes
from .._preflight.usage import survey
from .account import ACCOUNT_ARGUMENTS, Account, open_account
from .account import problems_of as account_problems
from .lock import Lock, clock
from .progress import Recorder
from .witness import witnessed

STACK_ARGUMENTS: dict[str, dict[str, Any]] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "tags": {"type": "dict", "default": {}},
    "adopt": {"type": "list", "elements": "str", "default": []},
    "allow_replace": {"type": "list", "elements": "str", "default": []},
    "allow_destroy": {"type": "list", "elements": "str", "default": []},
    "planning": {"type": "str", "choices": ["final", "gathered", "preview"], "default": "final"},
    "approved_plan": {"type": "path"},
    **ACCOUNT_ARGUMENTS,
}
"""What every module that owns a stack takes; documented by the fragment ``innovate.platform.stack``."""

WAIT_ARGUMENTS: dict[str, dict[str, Any]] = {"wait": {"type": "bool", "default": True}}
"""What modules take whose stacks have things that AWS takes minutes for; fragment ``innovate.platform.stack.wait``."""


@dataclass(frozen=True)
class Stack:
    """What a module declares.

    :param name: unique in an account and Region, such as ``vpc-dev``.
    :param resources: the declaration.
    :param problems: what the area found wrong with the parameters.
    :param outputs: the module's own return values; references in them are resolved at the end (None while unknown).
    :param wait: see :class:`Options`.
    """

    name: str
    resources: Sequence[Resource]
    problems: Sequence[str] = ()
    outputs: Mapping[str, Any] = field(default_factory=dict)
    wait: bool = True


_TAG = re.compile(r"[\w\s.:/=+@-]*")
_MOST_TAGS = 40

Discover = Callable[[Session, str], Iterable[Kind]]
"""Says which kinds a stack, by its name, owns something of."""


def run_stack(
    module: AnsibleAWSModule, stack: Stack, kinds: Iterable[type[Kind] | Kind], discover: Discover | None = None
) -> NoReturn:
    """Validate, observe, plan and, outside check mode, apply; then end the module.

    :param kinds: every kind that the stack may own, also those that this declaration has none of, so that what was
        declared once and isn't any more is found and deleted.
    :param discover: for modules whose stacks may own any kind: finds those to look at beside the declared ones.
    """
    by_name = {kind.name: kind for kind in (item() if isinstance(item, type) else item for item in kinds)}
    try:
        _run(module, stack, by_name, discover)
    except EngineError as error:
        _fail(module, error.problems)


def _run(module: AnsibleAWSModule, stack: Stack, kinds: dict[str, Kind], discover: Discover | None) -> NoReturn:
    params = module.params
    problems = [
        *stack.problems,
        *validate(stack.resources, kinds),
        *tag_problems(params["tags"]),
        *account_problems(params),
    ]
    if problems:
        _fail(module, problems)
    approved, problems = read("approved_plan", params["approved_plan"])
    if problems:
        _fail(module, problems)
    account = open_account(module)
    options = Options(
        stack=stack.name,
        tags={str(key): str(value) for key, value in params["tags"].items()},
        absent=params["state"] == "absent",
        adopt=tuple(params["adopt"]),
        allow_replace=tuple(params["allow_replace"]),
        allow_destroy=tuple(params["allow_destroy"]),
        identity=f"{account.session.account_id}/{account.region}" if account.session else "",
        wait=stack.wait,
    )
    began = clock()

    def again() -> Plan:
        return _planned(account.session, stack, kinds, options, discover)

    plan = again()
    judgement = _judged(module, account, plan, kinds, approved)
    if judgement.problems and not judgement.reporting:
        _fail(module, judgement.problems, **{**judgement.result, "changed": False})
    if module.check_mode or account.session is None:
        _tell(module, account, stack, kinds, plan, judgement)

    def again_if_allowed() -> Plan:
        plan = again()
        problems, _hindered = _refusals(module, account, plan, kinds, approved)
        if problems:
            raise EngineError(problems)
        return plan

    plan, outcome = _carried_out(module, account, kinds, plan, again_if_allowed, began)
    done = _result(account, plan, kinds, outcome.done)
    done["awaits"] = [change.address for change in plan.changes if change.address in outcome.awaits]
    for sentence in plan.missing:
        module.warn(f"left for another run, since there is something missing: {sentence}")
    if outcome.errors:
        _fail_applying(module, outcome, done)
    found = {} if options.absent else _declared(plan)
    later = f"; {len(done['awaits'])} to be awaited or left for another run" if done["awaits"] else ""
    msg = _summary(outcome.done, "did") + later
    module.exit_json(**done, **_outputs(stack, found, outcome.observed), msg=msg)
    raise SystemExit(0)  # what exit_json does; it has no type that says so


@dataclass(frozen=True)
class _Judgement:
    """What is to be said of a plan before anything is changed.

    :param reporting: whether what is in the way is told in the result, for the gate to judge all stacks together.
    """

    result: Mapping[str, Any]
    problems: Sequence[str]
    hindered: Sequence[Obstacle]
    reporting: bool


def _judged(
    module: AnsibleAWSModule,
    account: Account,
    plan: Plan,
    kinds: Mapping[str, Kind],
    approved: Mapping[str, Any] | None,
) -> _Judgement:
    """Hold a plan against what the cloud, its quotas and the approved plan allow."""
    result = _result(account, plan, kinds)
    problems, hindered = _refusals(module, account, plan, kinds, approved)
    surveyed = {**result, "preflight": survey(account.session, kinds, plan)}
    reporting = module.check_mode and module.params["planning"] != "final"
    if reporting:
        # The quotas of an account are judged for all stacks together, and other stacks of the same run may take away
        # before what is in the way: the gate knows all of them.
        told = [{"text": item.text, "stack": item.stack, "id": item.id} for item in hindered]
        result = {**surveyed, "obstacles": told}
    else:
        problems += findings([surveyed], applying=False)
        for note in notes([surveyed]):
            module.warn(note)
    if module.check_mode and module.params["planning"] == "preview":
        result["changed"] = False
    return _Judgement(result, problems, hindered, reporting)


def _tell(
    module: AnsibleAWSModule,
    account: Account,
    stack: Stack,
    kinds: Mapping[str, Kind],
    plan: Plan,
    judgement: _Judgement,
) -> NoReturn:
    """End with the plan: in check mode, or where there is no account."""
    for sentence in plan.missing if account.session is not None else ():
        # Fine while it is still to be made; a misspelt name looks the same.
        module.warn(f"the plan takes for granted what is not there: {sentence}")
    for obstacle in judgement.hindered if not judgement.reporting else ():
        module.warn(f"the plan takes for granted that this goes first: {obstacle.text}")
    extra = {"problems": judgement.problems, **witnessed(plan, kinds)} if judgement.reporting else {}
    outputs = _outputs(stack, _declared(plan), {})
    module.exit_json(**judgement.result, **extra, **outputs, msg=_summary(plan.changes, "would"))
    raise SystemExit(0)  # what exit_json does; it has no type that says so


def _carried_out(
    module: AnsibleAWSModule,
    account: Account,
    kinds: Mapping[str, Kind],
    plan: Plan,
    again: Callable[[], Plan],
    began: float,
) -> tuple[Plan, Outcome]:
    """Apply a plan while this run has the stack's lock; where there is nothing to do, it needs none.

    :param again: makes the plan anew, since another run may have changed the stack after ``began``.
    """
    session = account.session
    if session is None or not any(change.action in CHANGING or change.is_underway for change in plan.changes):
        return plan, apply(plan, kinds, session)
    recorder = Recorder(account.name, plan.options.stack)
    with closing(recorder), Lock(session, plan.options.stack, account.caller, module.warn, recorder.step) as lock:
        if lock.may_be_outdated(began, saw_nothing=_is_new(plan)):
            plan = again()
        outcome = apply(plan, kinds, session, recorder.step, lock.lost)
        lock.stack_is_gone = _is_gone(plan, outcome)
    return plan, outcome


def _is_new(plan: Plan) -> bool:
    """Tell whether there is nothing of a stack."""
    return not any(change.observed for change in plan.changes if change.action != "read")


def _is_gone(plan: Plan, outcome: Outcome) -> bool:
    """Tell whether nothing is left of a stack."""
    whole = not outcome.errors and not outcome.awaits
    return plan.options.absent and whole and all(change.action != "keep" for change in plan.changes)


def _planned(
    session: Session | None, stack: Stack, kinds: dict[str, Kind], options: Options, discover: Discover | None
) -> Plan:
    """Return what is to be done; an account that isn't there is an empty world."""
    observed: Mapping[str, Sequence[Observed]] = {}
    if session is not None:
        for kind in discover(session, stack.name) if discover else ():
            kinds.setdefault(kind.name, kind)
        observed = observe(session, kinds, scope_of(stack.name, stack.resources, kinds))
    return make_plan(stack.resources, kinds, observed, options)


def _refusals(
    module: AnsibleAWSModule,
    account: Account,
    plan: Plan,
    kinds: Mapping[str, Kind],
    approved: Mapping[str, Any] | None,
) -> tuple[list[str], list[Obstacle]]:
    """Return why a plan can't be carried out, and what is in its way.

    In check mode what is missing may still come to be, and what is in the way may go.
    """
    problems = list(plan.problems)
    if account.session is None:
        if plan.changing and not module.check_mode:
            problems.append(f"account '{account.name}' does not exist: run playbooks/organization.yml first")
        return problems, []
    if not module.check_mode and plan.options.wait:
        problems += plan.missing
    try:
        problems += preflight(account.session, kinds, plan)
    except EngineError as error:
        problems += error.problems
    hindered = obstacles(account.session, kinds, plan)
    if not module.check_mode:
        problems += [obstacle.text for obstacle in hindered]
        if approved is not None:
            where = (account.session.account_id, account.region)
            problems += unplanned(approved, *where, plan.options.stack, rows(plan.changing, kinds))
    return problems, hindered


def tag_problems(tags: Mapping[Any, Any]) -> list[str]:
    """Return what AWS would refuse of the tags of a stack, at the first creation or later.

    https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html#tag-conventions
    """
    problems = []
    if len(tags) > _MOST_TAGS:
        problems.append(f"tags: {len(tags)} tags are too many: AWS allows 50, of which some are for names and owners")
    for name, value in tags.items():
        text = str(value)
        if not str(name):
            problems.append("tags: one has an empty name")
        elif str(name).lower().startswith(("aws:", "innovate:")):
            problems.append(f"tags: {name!r} begins with {str(name).partition(':')[0]}:, which is not for you to give")
        elif value is None:
            problems.append(f"tags: {name!r} has no value: give one, or '' for an empty one")
        elif isinstance(value, (Mapping, list, tuple)):
            problems.append(f"tags: the value of {name!r} is not a single value")
        for what, words, most in (("name", str(name), 128), ("value", text, 256)):
            if len(words) > most:
                problems.append(
                    f"tags: the {what} of {str(name)[:40]!r} has {len(words)} characters, AWS allows {most}"
                )
            elif not _TAG.fullmatch(words) and not isinstance(value, (Mapping, list, tuple)):
                problems.append(
                    f"tags: the {what} {words!r} has characters other than letters, digits, spaces and _ . : / = + - @"
                )
    return problems


def _result(
    account: Account, plan: Plan, kinds: Mapping[str, Kind], done: Sequence[Change] | None = None
) -> dict[str, Any]:
    """Return the part of a result that every stack has; ``done`` is what was carried out, None before that."""
    kept = [change for change in plan.changes if change.action == "keep"]
    shown = [*(plan.changing if done is None else done), *kept]
    order = {id(change): index for index, change in enumerate(plan.changes)}
    shown.sort(key=lambda change: order.get(id(change), 0))
    before, after = documents(shown, kinds)
    return {
        "changed": any(change.action in CHANGING for change in shown),
        "applied": done is not None,
        "stack": plan.options.stack,
        "account": account.described(),
        "changes": rows(shown, kinds),
        "awaits": [change.address for change in plan.changes if change.is_underway] if done is None else [],
        "billable": billable(plan.changes, kinds),
        "diff": {
            "before_header": f"{plan.options.stack} as it is",
            "after_header": f"{plan.options.stack} as declared",
            "before": before,
            "after": after,
        },
    }


def _declared(plan: Plan) -> dict[str, Change]:
    """Return by address what outputs can refer to; a twin under the address of what stays isn't declared."""
    return {change.address: change for change in plan.changes if change.resource and change.action != "delete"}


def _outputs(stack: Stack, changes: Mapping[str, Change], observed: Mapping[str, Observed]) -> dict[str, Any]:
    def resolve(ref: Ref) -> Any:
        if ref.address in observed:
            value = observed[ref.address].attribute(ref.attribute)
            if value is not None:
                return value
        change = changes.get(ref.address)
        return change.attribute(ref.attribute) if change is not None else Unknown()

    def known(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: known(item) for key, item in value.items()}
        if isinstance(value, list):
            return [known(item) for item in value]
        return None if isinstance(value, Unknown) else value

    return dict(known(substitute(stack.outputs, resolve)))


def _summary(changes: Iterable[Change], mood: str) -> str:
    counts: dict[str, int] = {}
    for change in changes:
        if change.action in CHANGING:
            counts[change.action] = counts.get(change.action, 0) + 1
    if not counts:
        return "nothing to change"
    verb = "" if mood == "would" else "d"
    return ", ".join(
        f"{count} {_PARTICIPLES[action] if verb else 'to ' + action}" for action, count in sorted(counts.items())
    )


_PARTICIPLES = {
    "create": "created",
    "update": "updated",
    "replace": "replaced",
    "delete": "deleted",
    "adopt": "adopted",
}


def _fail(module: AnsibleAWSModule, problems: Sequence[str], **result: Any) -> NoReturn:
    problems = list(dict.fromkeys(problems))
    module.fail_json(msg=message(problems), problems=problems, **result)
    raise SystemExit(1)  # what fail_json does; it has no type that says so


def _fail_applying(module: AnsibleAWSModule, outcome: Outcome, result: Mapping[str, Any]) -> NoReturn:
    problems = []
    unexpected = []
    for address, error in outcome.errors.items():
        if isinstance(error, EngineError):
            problems += [problem if address in problem else f"{address}: {problem}" for problem in error.problems]
        else:
            problems.append(f"{address}: {type(error).__name__}: {error}")
            unexpected.append("".join(traceback.format_exception(error)))
    problems += [f"{address}: not done, because {cause} failed" for address, cause in outcome.skipped.items()]
    extra = {"exception": "\n".join(unexpected)} if unexpected else {}
    _fail(module, problems, **result, **extra)
