# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a kind of resource is to the engine: a table of properties and four verbs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

STACK_TAG = "innovate:stack"
ADDRESS_TAG = "innovate:address"

PropertyType = Literal["str", "int", "float", "bool", "list", "set", "dict", "map", "json"]
State = Literal["ready", "pending", "deleting", "failed"]


@dataclass(frozen=True)
class Property:
    """How one property behaves.

    :param type: ``set`` is a list whose order means nothing; ``dict`` compares only the members that are declared;
        ``map`` compares whole (labels, parameters); ``json`` is a document such as a policy.
    :param required: creation is impossible without it.
    :param immutable: a change needs a replacement (CloudFormation's createOnlyProperties).
    :param default: what an undeclared property means; None leaves it unmanaged.
    :param secret: never shown in a plan, a diff or a result.
    :param write_only: can't be read back, so it is given at creation and never compared.
    :param choices: the only values there are, where the API's model has no enumeration of them.
    :param same: compares wanted with observed where equality is not enough (policies).
    :param deferrable: a list or set whose items may come later: a run that doesn't wait leaves out those that refer to
        what isn't there yet (a rule for another stack's security group).
    :param doc: one line for people.
    """

    type: PropertyType
    required: bool = False
    immutable: bool = False
    default: Any = None
    secret: bool = False
    write_only: bool = False
    choices: tuple[Any, ...] = ()
    same: Callable[[Any, Any], bool] | None = None
    deferrable: bool = False
    doc: str = ""


@dataclass(frozen=True)
class Observed:
    """One thing as the cloud has it.

    :param id: the identifier that other resources refer to.
    :param properties: in the names and shapes of the kind's properties.
    :param attributes: what the cloud assigned (``arn``, ``endpoint``); ``id`` is added by itself.
    :param tags: all its tags, as a dictionary.
    :param state: ``pending`` while the cloud still builds it, ``failed`` when it gave up, ``deleting`` on its way out.
    :param address: for kinds that carry no tags, the address that their name or parent implies; else empty.
    :param foreseen: what the API itself says that declared properties would come to, where it can be asked (a dry run):
        compared and shown in their place.
    :param holds_data: whether this one holds data, in a kind of which not all do.
    :param place: where it is, in a stack of several places (Regions): ids are unique only in one.
    """

    id: str
    properties: Mapping[str, Any]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    state: State = "ready"
    address: str = ""
    foreseen: Mapping[str, Any] = field(default_factory=dict)
    holds_data: bool = False
    place: str = ""

    def attribute(self, name: str) -> Any:
        """Return an attribute, the id, or an observed property by name; None if there is no such thing."""
        if name == "id":
            return self.id
        return self.attributes.get(name, self.properties.get(name))


@dataclass(frozen=True)
class Pending:
    """The answer of a kind that something isn't ready, or isn't gone, yet. It counts as false.

    :param status: the cloud's own word for how it stands, such as ``CREATING``; for people.
    """

    status: str = ""

    def __bool__(self) -> bool:
        return False


@dataclass(frozen=True)
class Wanted:
    """What a kind is asked to bring about: all values known.

    :param tags: the whole set of tags, ownership included.
    """

    address: str
    properties: Mapping[str, Any]
    tags: Mapping[str, str]

    def get(self, name: str, default: Any = None) -> Any:
        """Return a declared property, or ``default`` where it isn't declared."""
        value = self.properties.get(name)
        return default if value is None else value

    def __getitem__(self, name: str) -> Any:
        return self.properties[name]


@dataclass(frozen=True)
class Obstacle:
    """What isn't the stack's and stands in the way of a deletion, which would stop half-way.

    :param text: a sentence: what is in the way, and what to do first.
    :param stack: the stack of the same account that takes it along; empty if there is none.
    :param id: what has to go of that stack; empty if any deletion in it will do.
    :param address: an address, if listing it in ``allow_destroy`` consents to its end.
    """

    text: str
    stack: str = ""
    id: str = ""
    address: str = ""


@dataclass(frozen=True)
class Scope:
    """What an observation is about: one stack, and what is declared in it.

    :param declared: for each kind, the declared properties by name; :class:`Unknown` where a value isn't there yet.
    """

    stack: str
    declared: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    def names(self, kind: str, key: str) -> list[str]:
        """Return the known, distinct values of one property over all declared resources of a kind, in order."""
        values = (properties.get(key) for properties in self.declared.get(kind, ()))
        return list(dict.fromkeys(value for value in values if isinstance(value, str)))


class Kind(ABC):
    """One type of resource. A kind neither sorts, compares, prints nor asks about check mode.

    ``session`` is whatever the layer above hands through; the engine never looks into it.
    """

    name: ClassVar[str]
    properties: ClassVar[Mapping[str, Property]]
    attributes: ClassVar[tuple[str, ...]] = ()
    """Names of what the cloud assigns, beside ``id``."""
    volatile: ClassVar[tuple[str, ...]] = ()
    """The attributes that an update changes (the number of a template's newest version): unknown to a plan with one."""
    key: ClassVar[tuple[str, ...]] = ()
    """The properties that identify one without our tags (its natural key)."""
    taggable: ClassVar[bool] = True
    """Whether it carries tags; what doesn't is ours when its natural key is."""
    marked: ClassVar[bool] = False
    """Bears a mark of ownership other than tags, of which ``observe`` tells in the form of the ownership tags."""
    makes_room: ClassVar[bool] = True
    """What goes may be in the way of what comes (a unique name, a range of addresses), so it goes first."""
    holds_data: ClassVar[bool] = False
    """Deleted only when its address is listed in ``allow_destroy``."""
    preexisting: ClassVar[bool] = False
    """Comes and goes with its parent (a VPC's default security group): configured, never made or deleted."""
    create_before_delete: ClassVar[bool] = False
    """A replacement is made before the old one goes; only for what has no unique name."""
    lookup: ClassVar[bool] = False
    """Read-only: something that another stack owns."""
    closed_in: ClassVar[tuple[str, str] | None] = None
    """A property and a kind: what that property places in something of that kind which is the stack's, without being
    anybody's (access entries of a cluster, made by hand), is told as foreign. Nothing is done about it."""
    central: ClassVar[bool] = False
    """The organization's own: asked in its management account, or in one that it is delegated to, and nowhere else."""
    priced: ClassVar[tuple[str, ...] | None] = None
    """The properties that decide what it costs a month, maybe none (a flat price); None for what costs nothing."""
    slow: ClassVar[bool] = False
    """Takes minutes to be ready, so that a run that doesn't wait goes on without it."""
    timeout: ClassVar[int] = 900
    """Seconds to wait for readiness or disappearance."""

    @abstractmethod
    def observe(self, session: Any, scope: Scope) -> Iterable[Observed]:
        """List what the stack owns of this kind, and what has a declared natural key, in as few calls as can be."""

    def create(self, session: Any, wanted: Wanted, token: str) -> Observed:
        """Create it and return it as it is now, ready or not. ``token`` is a client token of 64 hexadecimal digits."""
        raise NotImplementedError(f"{self.name} is read-only")

    def update(self, session: Any, observed: Observed, wanted: Wanted, changed: frozenset[str]) -> Observed:
        """Bring the ``changed`` properties to what is wanted. Tags are written by :meth:`tag`."""
        raise NotImplementedError(f"{self.name} has nothing that can be updated")

    def delete(self, session: Any, observed: Observed) -> None:
        """Delete it; something already gone is no error."""
        raise NotImplementedError(f"{self.name} is read-only")

    def tag(self, session: Any, observed: Observed, tags: Mapping[str, str]) -> None:
        """Write these tags, leaving others alone."""
        raise NotImplementedError(f"{self.name} has no tags")

    def ready(self, session: Any, observed: Observed) -> Observed | Pending | None:
        """Return it with its attributes as they are now once it is ready; raise when it failed.

        While it isn't: :class:`Pending` with its status, or None where the API tells none.
        """
        return observed

    def gone(self, session: Any, observed: Observed) -> bool | Pending:
        """Tell whether a deleted one has disappeared; while it hasn't, with its status if the API tells it."""
        return True

    def check(self, properties: Mapping[str, Any]) -> list[str]:
        """Return what is wrong with declared properties, without any call. Values may be references."""
        return []

    def refuse(self, observed: Observed, properties: Mapping[str, Any]) -> list[str]:
        """Return why what is wanted can't be reached from what is observed (a version downgrade, a shrinking disk)."""
        return []

    def loses(self, observed: Observed, properties: Mapping[str, Any]) -> list[str]:
        """Return what others may lose by an update (a policy type is disabled, and its policies are detached with it).

        Each is a clause such as ``it disables TAG_POLICY``; the update needs the consent of ``allow_destroy``.
        """
        return []

    def is_foreign(self, observed: Observed, mentioned: AbstractSet[str]) -> bool:
        """Tell whether something untagged in a closed set was put there by somebody, rather than by the cloud itself.

        :param mentioned: the strings that the stack's own resources hold (the roles of its node groups).
        """
        return True

    def obstacles(self, session: Any, leaving: Sequence[Observed]) -> list[Obstacle]:
        """Return what others have in, or on, what is to be deleted; asked before the first deletion of a stack."""
        return []

    def preflight(self, session: Any, wanted: Sequence[Mapping[str, Any]]) -> list[str]:
        """Return what the cloud would refuse (a zone or version it doesn't offer); asked only before a change."""
        return []
