"""A profile: a table, and what Mixpanel shows of the person of each of its rows."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import models, router

from whyness_events import InvalidEvent, limits
from whyness_events.event import check_property_name
from whyness_events.values import kind, longer_than

# Names of Mixpanel's own that a profile may have; PERSONAL ones only where `personal` names them.
MIXPANELS = frozenset({"$created", "$city", "$region", "$country_code", "$timezone"})
PERSONAL = frozenset({"$name", "$first_name", "$last_name", "$email", "$phone", "$avatar"})
# Of a BigAutoField, in each database.
_LARGEST_KEY = 2**63 - 1
# What is added to each profile.
PERSON, KIND = "person", "kind"

_NAME = re.compile(r"[a-z][a-z0-9-]{0,15}").fullmatch
# It ends in a colon, so that no prefix and key give the same person as another prefix and key.
_PREFIX = re.compile(r"(?:[a-z]{1,16}:)?").fullmatch


@dataclass(frozen=True)
class Profile:
    """A table whose rows are people.

    Args:
        name: 1 to 16 of `[a-z0-9-]`, starting with a letter; the property `kind` of each profile.
        model: label such as `shop.Customer`; looked up when it is used. Its primary key is an integer.
        build: returns the properties of a row, a dictionary. The result must always be the same for the same
            row: no clock, nothing random. A property of the value None is removed from the profile.
        prefix: `""`, or a word and a colon, such as `"p:"` for prospects. With the key it is the person, as
            events name it.
        personal: which of PERSONAL `build` may return.
        retired: names that `build` returned once and that are to be removed.
        changed: the DateTimeField that says when a row changed last, for `sync --recent`.
        prefetch: the relations that `build` follows, as for `prefetch_related`.
    """

    name: str
    model: str
    build: Callable[[Any], dict[str, Any]]
    prefix: str = ""
    personal: tuple[str, ...] = ()
    retired: tuple[str, ...] = ()
    changed: str = ""
    prefetch: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _NAME(self.name):
            raise ValueError("A profile's name must be 1 to 16 of a-z, 0-9 and -, and start with a letter.")
        if not _PREFIX(self.prefix):
            raise ValueError('A profile\'s prefix must be "", or 1 to 16 of a-z and a colon, such as "p:".')
        if unknown := sorted(set(self.personal) - PERSONAL):
            raise ValueError(f"personal has {', '.join(unknown)}; allowed: {', '.join(sorted(PERSONAL))}.")
        for name in self.retired:
            try:
                check_name(name, MIXPANELS | PERSONAL)
            except InvalidEvent as error:
                raise ValueError(f"retired has {error.found}; allowed: {error.allowed}.") from error

    @property
    def is_installed(self) -> bool:
        """Whether its model is installed."""
        try:
            apps.get_model(self.model)
        except LookupError:
            return False
        return True

    @property
    def has_integer_key(self) -> bool:
        """Whether the primary key of its model is an integer, also of another model's row."""
        field: Any = apps.get_model(self.model)._meta.pk  # noqa: SLF001  (Django's public API for models)
        while field.remote_field:
            field = field.target_field
        return isinstance(field, models.IntegerField)

    def rows(self) -> models.QuerySet[Any]:
        """Return all rows, ordered by key, from the database that is written to: a replica may be behind.

        Raises:
            LookupError: the model is not installed.
        """
        model: type[models.Model] = apps.get_model(self.model)
        rows = model._base_manager.using(router.db_for_write(model))  # noqa: SLF001  (Django's public API for models)
        return rows.order_by("pk").prefetch_related(*self.prefetch)

    def person(self, key: int) -> str:
        """Return whom a row is about, as events name the person."""
        return f"{self.prefix}{key}"


_profiles: dict[str, Profile] = {}


def register(profile: Profile) -> None:
    """Register a profile; call this in the `ready()` of an AppConfig. The same one may be registered again.

    Raises:
        ValueError: another profile has its name, or is about the same people (it has the same prefix).
    """
    for other in _profiles.values():
        if other != profile and profile.name == other.name:
            raise ValueError(f"A profile with the name {profile.name} is already registered.")
        if other != profile and profile.prefix == other.prefix:
            raise ValueError(f"The profiles {other.name} and {profile.name} are about the same people.")
    _profiles[profile.name] = profile


def registered() -> list[Profile]:
    """Return the profiles by name."""
    return [_profiles[name] for name in sorted(_profiles)]


def profile_of(person: str) -> tuple[Profile, int] | None:
    """Return the profile and the key of a person; None where no profile is about such people."""
    for profile in _profiles.values():
        key = person.removeprefix(profile.prefix)
        if not re.fullmatch(r"-?[0-9]{1,19}", key) or abs(int(key)) > _LARGEST_KEY:
            continue
        if profile.person(int(key)) == person:
            return profile, int(key)
    return None


def check_name(name: str, allowed: Iterable[str]) -> None:
    """Raise InvalidEvent unless a profile may have a property with this name."""
    if name in allowed:
        return
    if name in {PERSON, KIND} or name.startswith(limits.RESERVED_PREFIXES):
        found = "a name of Mixpanel's that personal does not name" if name in PERSONAL else "a reserved name"
        raise InvalidEvent("properties.*", found, "names that do not begin with $ or mp_")
    check_property_name(name)
    if longer_than(name, limits.STRING_BYTES):
        raise InvalidEvent("properties.*", f"a name that is {kind(name)}", "at most 255 bytes")
