"""Checks of the settings by themselves: their values and their names."""

import os
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from django.conf import settings

from whyness_mixpanel import conf
from whyness_mixpanel.checks.problem import Problem


def not_a_dictionary() -> Iterator[Problem]:
    """`WHYNESS_MIXPANEL` is not a dictionary."""
    if not isinstance(getattr(settings, conf.DICT_NAME, {}), Mapping):
        yield Problem(
            f'{conf.DICT_NAME} must be a dictionary, for example {{"QUEUE_URL": "https://sqs…"}}.',
            "Correct it in the Django settings. Until then, it is ignored.",
        )


def values_not_allowed() -> Iterator[Problem]:
    """A setting has a value that is not allowed."""
    for setting in conf.SETTINGS:
        try:
            setting.get()
        except conf.SettingError as error:
            yield Problem(
                f"{error.place} has a value that is not allowed.",
                f"Set it to {error.allowed}; or remove it, to use the default.",
            )


def set_twice() -> Iterator[Problem]:
    """A setting has different values under its new and its old name."""
    for setting in conf.SETTINGS:
        values = setting.in_settings()
        if len({str(value) for _, value in values}) > 1:
            yield Problem(
                f"{' and '.join(place for place, _ in values)} have different values. The first is in force.",
                "Keep one of them, and remove the other.",
            )


def removed_settings() -> Iterator[Problem]:
    """A setting of an older version is set; it has no effect."""
    for key, why in conf.REMOVED.items():
        variable = f"{conf.DICT_NAME}_{key}"
        places = [f'{conf.DICT_NAME}["{key}"]'] if key in _named() else []
        places += [f"the environment variable {variable}"] if variable in os.environ else []
        for place in places:
            yield Problem(f"{place} is not a setting any more. {why}", "Remove it.")


def unknown_keys() -> Iterator[Problem]:
    """A key of `WHYNESS_MIXPANEL` is not a setting."""
    known = [setting.key for setting in conf.SETTINGS]
    for key in sorted(str(key) for key in _named().keys() - set(known) - conf.REMOVED.keys()):
        near = get_close_matches(key.upper(), known, n=1)
        yield Problem(
            f'{conf.DICT_NAME}["{key}"] is not a setting of this app, so it has no effect.',
            f"Did you mean {near[0]}?" if near else f"Remove it. The settings are: {', '.join(known)}.",
        )


def _named() -> Mapping[Any, object]:
    return getattr(settings, conf.DICT_NAME, {})
