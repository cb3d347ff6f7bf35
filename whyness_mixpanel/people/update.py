"""Pure: a row becomes an update of its person's profile, or is refused with the field and the reason."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple

from django.db import Error

from whyness_events import InvalidEvent, limits
from whyness_events.event import CALLERS_PROPERTY_KEYS
from whyness_events.values import Cutter, check_value, kind, size_bytes
from whyness_mixpanel import conf
from whyness_mixpanel.encoding.plain_values import members, readable_name, settled
from whyness_mixpanel.encoding.refusal import Refusal
from whyness_mixpanel.faults import is_of_signal, kind_of, type_name
from whyness_mixpanel.people.profile import KIND, MIXPANELS, PERSON, Profile, check_name
from whyness_mixpanel.privacy.filters import spellings
from whyness_mixpanel.sources.source import NoEvent

# Of a request; the documentation names no limit of the whole body.
REQUEST_BYTES = 1_000_000
# The id of a profile that is written to learn whether Mixpanel takes anything, and is deleted again.
CANARY = "whyness-mixpanel-check"
# Its property that says with which token it was written.
MARK = "mark"
DELETED_DIGEST = "-"
_KEPT_NAMES = 1_024
_SHORT = int(limits.STRING_BYTES)
# `members` has refused those that JSON, or a double, does not hold.
_NUMBERS = frozenset({int, float, bool, type(None)})
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode


class Update(NamedTuple):
    """What Mixpanel is to have of a person: the JSON of `$set` and `$unset`; without both, no profile."""

    key: int
    person: str
    digest: str = DELETED_DIGEST
    set_json: str = ""
    unset_json: str = ""

    @property
    def is_delete(self) -> bool:
        """Whether it removes the profile."""
        return not self.set_json


class Refused(NamedTuple):
    """A row that breaks a rule. The reason names the field and shows no value."""

    key: int
    person: str
    reason: str


@dataclass(frozen=True)
class Project:
    """The Mixpanel project.

    Args:
        url: of its region, one of MIXPANEL_URL.
        token: of the project.
        identity: its identity mode.
    """

    url: str
    token: str = field(repr=False)
    identity: str

    @classmethod
    def from_settings(cls) -> "Project":
        """Return the project of the settings, without a token where none is set."""
        return cls(conf.MIXPANEL_URL.get(), conf.PROJECT_TOKEN.get(), conf.IDENTITY.get())

    def distinct_id(self, person: str) -> str:
        """Return the id of a person's profile: under `simplified` a prospect is a device."""
        names = spellings(person)
        return names[1] if self.identity == "simplified" and len(names) > 1 else person

    def digest(self, person: str, content: str) -> str:
        """Return what tells two updates apart; those of another project or region differ too."""
        whole = "\n".join((self.url, self.token, self.distinct_id(person), content))
        return blake2b(whole.encode(), digest_size=16).hexdigest()

    def objects(self, update: Update) -> list[str]:
        """Return the update objects, one operator each."""
        operators = [("$set", update.set_json), ("$unset", update.unset_json)]
        return self._objects(self.distinct_id(update.person), operators)

    @property
    def mark(self) -> str:
        """What the canary's property MARK is: it tells one token from another."""
        return self.digest(CANARY, "")

    def canary(self, *, is_delete: bool = False) -> str:
        """Return the update that writes, or deletes, the canary."""
        return self._objects(
            CANARY, [("$set", "" if is_delete else _to_json({KIND: "check", MARK: self.mark}))]
        )[0]

    def deletes(self, person: str) -> list[str]:
        """Return the updates that delete a person's profiles under every spelling."""
        return [text for id_ in spellings(person) for text in self._objects(id_, [])]

    def _objects(self, distinct_id: str, operators: list[tuple[str, str]]) -> list[str]:
        # Without $ip, each update would move the person to where the site's server is.
        head = {"$token": self.token, "$distinct_id": distinct_id, "$ip": "0", "$ignore_time": True}
        begin = _to_json(head)[:-1]
        some = [(name, text) for name, text in operators if text] or [("$delete", '""')]
        return [f'{begin},"{name}":{text}}}' for name, text in some]


class Renderer:
    """Renders the rows of a profile.

    Args:
        profile: whose rows.
        project: where they go.
        scrub: replaces secrets.
    """

    def __init__(self, profile: Profile, project: Project, scrub: Callable[[Any], Any]) -> None:
        self._profile, self._project, self._scrub = profile, project, scrub
        self._allowed = MIXPANELS | set(profile.personal)
        self._checked: set[str] = set()

    def render(self, key: int, row: Any) -> Update | Refused:
        """Return the update of a row.

        Raises:
            django.db.Error: `build` asked the database, which failed.
        """
        person = self._profile.person(key)
        if isinstance(row, NoEvent):
            return Refused(key, person, f"the row: {row}")
        try:
            if person in limits.PLACEHOLDERS:
                raise InvalidEvent("the key", "a placeholder", "another id")  # noqa: TRY301  (as its neighbours)
            return self._update(key, person, self._values(_built(self._profile.build, row)))
        except InvalidEvent as error:
            return Refused(key, person, f"{error.path}: found {error.found}; allowed: {error.allowed}")

    def _values(self, built: Any) -> dict[str, Any]:
        """Return the checked properties."""
        try:
            made, refused = members(built)
        except Refusal as refusal:
            raise InvalidEvent("properties", refusal.found, refusal.allowed) from refusal
        for name, _, fault in refused:
            allowed = fault.allowed or "a value that can be read"
            raise InvalidEvent(readable_name(name), fault.found, allowed) from fault
        if len(made) > CALLERS_PROPERTY_KEYS:
            raise InvalidEvent("properties", kind(made), f"at most {CALLERS_PROPERTY_KEYS} keys")
        scrubbed = self._scrub(made)
        return {
            name: value if name in self._checked and _is_short(value) else self._checked_value(name, value)
            for name, value in scrubbed.items()
        }

    def _checked_value(self, name: str, value: Any) -> Any:
        """Return the value with long texts cut."""
        try:
            check_name(name, self._allowed)
            check_value(name, value)
        except InvalidEvent as error:
            raise InvalidEvent(readable_name(name), error.found, error.allowed) from error
        if len(self._checked) < _KEPT_NAMES:
            self._checked.add(name)
        return Cutter().cut(value)

    def _update(self, key: int, person: str, values: Mapping[str, Any]) -> Update:
        absent = {name for name, value in values.items() if value is None} | set(self._profile.retired)
        shown = {name: value for name, value in values.items() if name not in absent}
        set_json = _to_json({**shown, PERSON: person, KIND: self._profile.name})
        unset_json = _to_json(sorted(absent)) if absent else ""
        update = Update(
            key, person, self._project.digest(person, set_json + unset_json), set_json, unset_json
        )
        if len(set_json) > REQUEST_BYTES // 5:  # a character takes at most four bytes
            check_size(self._project.objects(update))
        return update


def _is_short(value: Any) -> bool:
    """Whether nothing about a JSON value needs a check or a cut; most values are such."""
    kind_ = type(value)
    return (kind_ is str and len(value) <= _SHORT and value.isascii()) or kind_ in _NUMBERS


def check_size(objects: list[str]) -> None:
    """Raise InvalidEvent if a person's updates do not fit into a request."""
    size = sum(size_bytes(text) + 1 for text in objects) + 1
    if size > REQUEST_BYTES:
        raise InvalidEvent("properties", f"a profile of {size} bytes", f"at most {REQUEST_BYTES}")


def _built(build: Callable[[Any], Any], row: Any) -> Any:
    """Return what `build` makes of a row; whatever it raises is a fault of the row."""
    try:
        built = build(row)
        built = built if type(built) is dict else settled(built)
    except Error:
        raise
    except Exception as error:
        if is_of_signal(error):
            raise
        raise InvalidEvent("build", type_name(error), "a dictionary") from error
    if not issubclass(type(built), dict):
        raise InvalidEvent("build", kind_of(built), "a dictionary")
    return built
