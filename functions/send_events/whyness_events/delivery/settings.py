"""The environment into one frozen Settings; all faults are named together.

Each field of Settings declares its variable; docs/reference/settings.md is generated from SETTINGS.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from msgspec import Struct

from whyness_events.delivery.mixpanel.describers import DESCRIBERS
from whyness_events.delivery.ports import SetupFault
from whyness_events.delivery.setting_conflicts import (
    MOST_RECEIVES,
    SPARE_RECEIVES,
    conflicts,
    longest_exhaust_s,
)
from whyness_events.delivery.setting_kinds import Kind, integer, is_digits, is_safe_url, is_url, number, text
from whyness_events.wire import IDENTITIES

# Source: docs.mixpanel.com/reference/overview, 2026-11-23.
REGIONS = {
    "us": "https://api.mixpanel.com",
    "eu": "https://api-eu.mixpanel.com",
    "in": "https://api-in.mixpanel.com",
}

T = TypeVar("T")


class SettingsFault(SetupFault):
    """The environment is faulty; the text names every variable and what it must be, and shows no value."""


class Setting(Struct, frozen=True):
    """One environment variable.

    Args:
        name: of the variable.
        meaning: for the README's table.
        allowed: what it may hold, in words, after "must be".
        parse: converts its text, or raises ValueError.
        default: the text of its default; None where it must be set.
    """

    name: str
    meaning: str
    allowed: str
    parse: Callable[[str], Any]
    default: str | None

    def value(self, written: str) -> Any:
        """Return the value of its text; an empty one, where it may be missing, is itself."""
        return self.parse(written) if written else written

    def fault(self, written: str) -> str:
        """Return what is wrong with its text, `""` where nothing is."""
        if not written and self.default is None:
            return f"{self.name} must be set to {self.allowed}"
        try:
            self.value(written)
        except ValueError:
            return f"{self.name} must be {self.allowed}"
        return ""


def _setting(name: str, meaning: str, kind: Kind[T], default: str | None = "") -> T:
    declared: T = field(metadata={"setting": Setting(name, meaning, *kind, default)})
    return declared


@dataclass(frozen=True, slots=True, repr=False)  # one of the fields is a password
class Settings:
    """What an operator decides."""

    project_id: str = _setting(
        "MIXPANEL_PROJECT_ID", "the project that gets the events", text("digits", is_digits), None
    )
    region: str = _setting(
        "MIXPANEL_REGION",
        "where the project's data lives",
        text("us, eu or in", REGIONS.__contains__),
        "us",
    )
    other_api_url: str = _setting(
        "MIXPANEL_API_URL",
        "another address instead of the region's, for tests",
        text("an https URL, or http to loopback", is_safe_url),
    )
    identity: str = _setting(
        "MIXPANEL_IDENTITY",
        "how messages without a stamp name people; permanent for a project",
        text(" or ".join(IDENTITIES), IDENTITIES.__contains__),
        "distinct_id",
    )
    names: str = _setting(
        "MIXPANEL_NAMES",
        "whose names browsers, systems and devices have: uap-core's, or those of Mixpanel's browser library",
        text(" or ".join(DESCRIBERS), DESCRIBERS.__contains__),
        "uap",
    )
    secret_arn: str = _setting(
        "MIXPANEL_SECRET_ARN",
        'the secret with the service account, as JSON {"account", "password"}',
        text("an ARN or a name; or MIXPANEL_SERVICE_ACCOUNT and MIXPANEL_SERVICE_PASSWORD instead"),
    )
    account: str = _setting(
        "MIXPANEL_SERVICE_ACCOUNT", "the service account, where there is no secret", text()
    )
    password: str = _setting("MIXPANEL_SERVICE_PASSWORD", "its password, where there is no secret", text())
    queue_url: str = _setting("QUEUE_URL", "the queue the events come from", text("a URL", is_url), None)
    dead_letter_queue_url: str = _setting(
        "DEAD_LETTER_QUEUE_URL", "where dead letters go", text("a URL", is_url), None
    )
    log_table_name: str = _setting("LOG_TABLE_NAME", "the table that says why", text(), None)
    max_receive_count: int = _setting(
        "MAX_RECEIVE_COUNT",
        "the queue's own, from the template",
        integer(SPARE_RECEIVES, MOST_RECEIVES, ", and enough for 72 hours of pauses"),
        "1000",
    )
    sender_threads: int = _setting(
        "SENDER_THREADS", "requests at once from one container", integer(1, 20), "4"
    )
    answer_timeout_s: float = _setting(
        "ANSWER_TIMEOUT_S", "how long an answer may take, seconds", number(0.1, 300), "30"
    )
    redelivery_base_s: float = _setting(
        "REDELIVERY_BASE_S",
        "pause before a record comes again after its first receive, seconds; doubles with each",
        number(0.1, 900),
        "15",
    )
    redelivery_cap_s: float = _setting(
        "REDELIVERY_CAP_S", "the longest such pause, seconds", number(0.1, 3600), "900"
    )
    exhaust_after_s: float = _setting(
        "EXHAUST_AFTER_S",
        "how long after its publication an undelivered event is dead-lettered, seconds",
        number(1, longest_exhaust_s(0.0), ", less with a long REDELIVERY_CAP_S"),
        "259200",
    )
    breaker_s: float = _setting(
        "BREAKER_S",
        "how long a container sends nothing after its set-up was refused, before it probes, seconds",
        number(0, 3600),
        "60",
    )

    @property
    def api_url(self) -> str:
        """Mixpanel's address, without a slash at its end."""
        return (self.other_api_url or REGIONS[self.region]).rstrip("/")


_BY_FIELD: dict[str, Setting] = {declared.name: declared.metadata["setting"] for declared in fields(Settings)}
SETTINGS = tuple(_BY_FIELD.values())


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Return the settings. Blanks and newlines around a value are ignored.

    Raises:
        SettingsFault: something is missing or out of range; names all of it, shows none of it.
    """
    texts = {s.name: environ.get(s.name, "").strip() or s.default or "" for s in SETTINGS}
    _refuse(_faults(texts))
    settings = Settings(**{name: s.value(texts[s.name]) for name, s in _BY_FIELD.items()})
    _refuse(
        conflicts(
            exhaust_after_s=settings.exhaust_after_s,
            base_s=settings.redelivery_base_s,
            cap_s=settings.redelivery_cap_s,
            max_receive_count=settings.max_receive_count,
        )
    )
    return settings


def _faults(texts: Mapping[str, str]) -> Iterator[str]:
    yield from (fault for setting in SETTINGS if (fault := setting.fault(texts[setting.name])))
    account, password = texts["MIXPANEL_SERVICE_ACCOUNT"], texts["MIXPANEL_SERVICE_PASSWORD"]
    if not texts["MIXPANEL_SECRET_ARN"] and not (account and password):
        yield "MIXPANEL_SECRET_ARN must be set, or MIXPANEL_SERVICE_ACCOUNT and MIXPANEL_SERVICE_PASSWORD"


def read_revision(environ: Mapping[str, str]) -> str:
    """Return what is deployed, as git describes it; `""` if the environment does not say.

    It is not a setting: a log line has it also where the settings are invalid.
    """
    return environ.get("REVISION", "")


def _refuse(faults: Iterator[str]) -> None:
    if named := "; ".join(faults):
        raise SettingsFault(f"Invalid settings: {named}.")
