"""One setting of the app: its places, in the order in which they are looked up.

It is looked up at each use, so that a test can override it. Nothing is read at import.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from whyness_mixpanel.faults import is_of_signal

DICT_NAME = "WHYNESS_MIXPANEL"
# The apps of Whyness whose tables have its placeholder users, and whose events go to its Mixpanel project.
_WHYNESS_APPS = frozenset({"whyness_django", "whyness_crm"})

# Where Django's settings keep what was read, until it changes. Each look through them takes 30 times as long.
_known = vars(settings)

T = TypeVar("T")


class SettingError(ImproperlyConfigured):
    """A setting's value is not allowed. The text names the setting and never shows the value."""

    def __init__(self, place: str, allowed: str) -> None:
        super().__init__(f"{place} must be {allowed}")
        self.place = place
        self.allowed = allowed


class NotSet(SettingError):
    """A required setting is not set anywhere."""

    def __init__(self, setting: "Setting[Any]") -> None:
        super().__init__(setting.place, setting.allowed)
        self._setting = setting

    def __str__(self) -> str:
        key, variable = self._setting.key, self._setting.environment
        return f"{key} is not set. Set it in {DICT_NAME}, or {variable} in the environment, to {self.allowed}"


@dataclass(slots=True, eq=False, kw_only=True)
class Setting(Generic[T]):
    """One setting; `name_settings` gives it the name of its variable as `key`.

    Args:
        default: its value where it is not set anywhere.
        parse: converts a value to the setting's type, or raises.
        allowed: the values that `parse` accepts, after "must be".
        meaning: for the table in the docs.
        environment: the environment variable; empty: WHYNESS_MIXPANEL_ and the key.
        old_name: the Django setting that older versions of the app read.
        of_whyness: replaces the default where Whyness's tables are installed.
        keeps_blanks: blanks around a text are part of the value.
        none_is_a_value: None in the dictionary is a value, and does not mean "not set".
    """

    default: T
    parse: Callable[[Any], T]
    allowed: str
    meaning: str
    environment: str = ""
    old_name: str | None = None
    of_whyness: T | None = None
    keeps_blanks: bool = False
    none_is_a_value: bool = False
    key: str = field(default="", init=False)
    _variable: object = field(default="", init=False)  # `environment` as os.environ encodes it

    def set_key(self, key: str) -> None:
        """Name it, and its environment variable if that has no name of its own."""
        self.key = key
        self.environment = self.environment or f"{DICT_NAME}_{key}"
        self._variable = os.environ.encodekey(self.environment)

    @property
    def place(self) -> str:
        """Where it is set in the Django settings, as a person would write it."""
        return f'{DICT_NAME}["{self.key}"]'

    def get(self) -> T:
        """Return the value in force; None and blank text anywhere mean not set there.

        Raises:
            SettingError: the value is not allowed.
        """
        try:
            places = self.in_settings() or self._in_environment()
        except Exception as error:
            if is_of_signal(error):
                raise
            raise SettingError(self.key, self.allowed) from error  # a value that cannot even be compared
        for place, value in places:
            return self._parse(place, value)
        if self.of_whyness is not None and not apps.app_configs.keys().isdisjoint(_WHYNESS_APPS):
            return self.of_whyness
        return self.default

    def require(self) -> T:
        """Return the value in force, which must be set.

        Raises:
            NotSet: it is not set anywhere.
            SettingError: as `get`.
        """
        value = self.get()
        if value in (None, ""):
            raise NotSet(self)
        return value

    def in_settings(self) -> list[tuple[str, object]]:
        """Return the places in the Django settings where it is set, with their values; the first counts."""
        values: list[tuple[str, object]] = []
        named = _known[DICT_NAME] if DICT_NAME in _known else getattr(settings, DICT_NAME, None)
        if (type(named) is dict or isinstance(named, Mapping)) and self.key in named:
            value = named[self.key]
            if self.none_is_a_value and value is None:
                return [(self.place, None)]
            values.append((self.place, value))
        if self.old_name:
            values.append((self.old_name, getattr(settings, self.old_name, None)))
        return values and [(place, self._bare(value)) for place, value in values if _is_set(value)]

    def is_set(self) -> bool:
        """Whether it is set anywhere."""
        return bool(self.in_settings() or self._in_environment())

    def _in_environment(self) -> list[tuple[str, object]]:
        variables: Any = os.environ
        # Most variables do not exist. For those, `get` raises inside, and takes longer than all else here.
        is_usual: bool = type(variables) is os._Environ  # noqa: SLF001  (the only quick way)
        if is_usual and self._variable not in variables._data:  # noqa: SLF001  (as above)
            return []
        value = variables.get(self.environment)
        return [(f"the environment variable {self.environment}", self._bare(value))] if _is_set(value) else []

    def _bare(self, value: object) -> object:
        """Return a text without the blanks and newlines that a file or a console adds around it."""
        return value.strip() if isinstance(value, str) and not self.keeps_blanks else value

    def _parse(self, place: str, value: object) -> T:
        try:
            return self.parse(value)
        except Exception as error:
            if is_of_signal(error):
                raise
            raise SettingError(place, self.allowed) from None


def name_settings(module: Mapping[str, object]) -> tuple[Setting[Any], ...]:
    """Give each setting among a module's variables its variable's name, and return them in order."""
    # isinstance would ask Django's settings, a variable too, for their class, and so load them.
    named = {name: value for name, value in module.items() if type(value) is Setting}
    for key, setting in named.items():
        setting.set_key(key)
    return tuple(named.values())


def _is_set(value: object) -> bool:
    return value is not None and not (isinstance(value, str) and not value.strip())
