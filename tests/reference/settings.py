"""docs/reference/settings.md: the settings of the Django app and of the Lambda."""

from typing import Any

from tests.reference.markdown import code, plain, table
from whyness_events.delivery.settings import SETTINGS
from whyness_mixpanel import conf

# Defaults that depend on the site.
_DEFAULTS = {"RAISE_INVALID": "the setting `DEBUG`; with the backend `locmem` always `True`"}


def django_settings() -> str:
    """Return a section for each setting of the Django app."""
    return "\n\n".join(_section(setting) for setting in conf.SETTINGS)


def _section(setting: conf.Setting[Any]) -> str:
    lines = [
        f"- Allowed: {plain(setting.allowed)}.",
        f"- Default: {_DEFAULTS.get(setting.key) or _default(setting.default)}.",
        f"- Environment: {code(setting.environment)}.",
    ]
    if setting.old_name:
        lines.append(f"- Django setting of older versions: {code(setting.old_name)}.")
    return "\n".join([f"### {setting.key}", "", setting.meaning, "", *lines])


def _default(default: object) -> str:
    if default in (None, "", (), frozenset(), {}):
        return "none"
    if isinstance(default, tuple | frozenset):
        return ", ".join(code(str(part)) for part in default)
    return code(f'"{default}"' if isinstance(default, str) else str(default))


def lambda_settings() -> str:
    """Return the table of the Lambda's environment."""
    rows = [(code(s.name), s.meaning, s.allowed, _lambda_default(s.default)) for s in SETTINGS]
    return table(("variable", "meaning", "allowed", "default"), rows)


def _lambda_default(default: str | None) -> str:
    return "required" if default is None else code(default) if default else "-"
