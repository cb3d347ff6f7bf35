"""The environment into one frozen Settings; all faults are named together."""

import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from whyness_events.delivery.mixpanel.answers import RETRY_AFTER_CAP_S
from whyness_events.delivery.ports import SetupFault
from whyness_events.delivery.settling.exhaust import (
    EXHAUST_AFTER_S,
    LONGEST_WAIT_S,
    RECEIVES_TO_SPARE,
    UNREAD_AFTER_S,
)
from whyness_events.delivery.settling.redelivery import SOON_UNTIL, pause_range_s
from whyness_events.wire import IDENTITIES

# Source: docs.mixpanel.com/reference/overview, 2026-11-23.
REGIONS = {
    "us": "https://api.mixpanel.com",
    "eu": "https://api-eu.mixpanel.com",
    "in": "https://api-in.mixpanel.com",
}
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
# SQS's own limit.
_MOST_RECEIVES = 1_000
# Of the template; tests/infra holds them together.
QUEUE_VISIBILITY_S = 725.0
# What hides a suspect while an invocation lasts. Source: Lambda quotas, function timeout, 2026-11-23.
_LONGEST_INVOCATION_S = 900.0
# Receives beside those that our pauses space: the last ones, with which a record is given up, those of a
# record under trial, and those that a throttled invocation burns, or a copy that SQS delivers twice.
_SPARE_RECEIVES = RECEIVES_TO_SPARE + SOON_UNTIL + 50


class SettingsFault(SetupFault):
    """The environment is faulty; the text names every variable and what it may hold."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment variable.

    Args:
        name: of the variable.
        meaning: for the README's table.
        allowed: what it may hold, in words.
        fits: whether a text is that.
        default: None where it must be set.
    """

    name: str
    meaning: str
    allowed: str
    fits: Callable[[str], bool]
    default: str | None = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """What an operator decides; SETTINGS has the meaning and range of each."""

    project_id: str
    api_url: str
    identity: str
    secret_arn: str
    account: str
    password: str
    dead_letter_queue_url: str
    log_table_name: str
    queue_url: str
    max_receive_count: int
    sender_threads: int
    answer_timeout_s: float
    redelivery_base_s: float
    redelivery_cap_s: float
    exhaust_after_s: float
    breaker_s: float

    def __repr__(self) -> str:
        """Show nothing: one of the fields is a password."""
        return "Settings(...)"


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _between(low: float, high: float) -> Callable[[str], bool]:
    def fits(text: str) -> bool:
        try:
            return low <= float(text) <= high
        except ValueError:
            return False

    return fits


def _whole_between(low: int, high: int) -> Callable[[str], bool]:
    return lambda text: _is_digits(text) and low <= int(text) <= high


def _is_url(text: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(text)
        return bool(parts.scheme in ("https", "http") and parts.hostname and parts.port != 0)
    except ValueError:  # a port or an address that is none
        return False


def _is_api_url(text: str) -> bool:
    parts = urllib.parse.urlsplit(text) if _is_url(text) else None
    return parts is not None and (parts.scheme == "https" or parts.hostname in _LOOPBACK)


def _is_text(text: str) -> bool:
    return bool(text)


def longest_exhaust_s(redelivery_cap_s: float) -> float:
    """Return the largest EXHAUST_AFTER_S with which each record ends long before SQS forgets it."""
    _, pause_s = pause_range_s(_MOST_RECEIVES, base_s=redelivery_cap_s, cap_s=redelivery_cap_s)
    longest_s = max(pause_s, RETRY_AFTER_CAP_S, QUEUE_VISIBILITY_S) + _LONGEST_INVOCATION_S
    return LONGEST_WAIT_S - UNREAD_AFTER_S - 2 * longest_s


def least_receive_count(exhaust_after_s: float, *, base_s: float, cap_s: float) -> int:
    """Return the least MAX_RECEIVE_COUNT that the shortest pauses do not use up in that time, or in 72 h.

    Beyond SQS's own limit it is only known to be too large.
    """
    count, waited_s = 0, 0.0
    while waited_s < min(exhaust_after_s, EXHAUST_AFTER_S) and count < _MOST_RECEIVES:
        count += 1
        waited_s += int(pause_range_s(count, base_s=base_s, cap_s=cap_s)[0] + 0.5)
    return count + _SPARE_RECEIVES


SETTINGS = (
    Setting("MIXPANEL_PROJECT_ID", "the project that gets the events", "digits", _is_digits, None),
    Setting("MIXPANEL_REGION", "where the project's data lives", "us, eu or in", REGIONS.__contains__, "us"),
    Setting(
        "MIXPANEL_API_URL",
        "another address instead of the region's, for tests",
        "an https URL, or http to loopback",
        _is_api_url,
    ),
    Setting(
        "MIXPANEL_IDENTITY",
        "how messages without a stamp name people; permanent for a project",
        " or ".join(IDENTITIES),
        IDENTITIES.__contains__,
        "distinct_id",
    ),
    Setting(
        "MIXPANEL_SECRET_ARN",
        'the secret with the service account, as JSON {"account", "password"}',
        "an ARN or a name; or MIXPANEL_SERVICE_ACCOUNT and MIXPANEL_SERVICE_PASSWORD instead",
        _is_text,
    ),
    Setting("MIXPANEL_SERVICE_ACCOUNT", "the service account, where there is no secret", "text", _is_text),
    Setting("MIXPANEL_SERVICE_PASSWORD", "its password, where there is no secret", "text", _is_text),
    Setting("QUEUE_URL", "the queue the events come from", "a URL", _is_url, None),
    Setting("DEAD_LETTER_QUEUE_URL", "where dead letters go", "a URL", _is_url, None),
    Setting("LOG_TABLE_NAME", "the table that says why", "text", _is_text, None),
    Setting(
        "MAX_RECEIVE_COUNT",
        "the queue's own, from the template",
        f"{_SPARE_RECEIVES} to {_MOST_RECEIVES}, and enough for 72 hours of pauses",
        _whole_between(_SPARE_RECEIVES, _MOST_RECEIVES),
        "1000",
    ),
    Setting("SENDER_THREADS", "requests at once from one container", "1 to 20", _whole_between(1, 20), "4"),
    Setting(
        "ANSWER_TIMEOUT_S", "how long an answer may take, seconds", "0.1 to 300", _between(0.1, 300), "30"
    ),
    Setting(
        "REDELIVERY_BASE_S",
        "pause before a record comes again after its first receive, seconds; doubles with each",
        "0.1 to 900",
        _between(0.1, 900),
        "15",
    ),
    Setting("REDELIVERY_CAP_S", "the longest such pause, seconds", "0.1 to 3600", _between(0.1, 3600), "900"),
    Setting(
        "EXHAUST_AFTER_S",
        "how long after its publication an undelivered event is dead-lettered, seconds",
        f"1 to {longest_exhaust_s(0.0):.0f}, less with a long REDELIVERY_CAP_S",
        _between(1, longest_exhaust_s(0.0)),
        "259200",
    ),
    Setting(
        "BREAKER_S",
        "how long a container sends nothing after its set-up was refused, before it probes, seconds",
        "0 to 3600",
        _between(0, 3600),
        "60",
    ),
)


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Return the settings.

    Raises:
        SettingsFault: something is missing or out of range; names all of it, shows none of it.
    """
    values = {setting.name: environ.get(setting.name, "") or setting.default or "" for setting in SETTINGS}
    faults = [fault for setting in SETTINGS if (fault := _fault(setting, values[setting.name]))]
    account, password = values["MIXPANEL_SERVICE_ACCOUNT"], values["MIXPANEL_SERVICE_PASSWORD"]
    if not values["MIXPANEL_SECRET_ARN"] and not (account and password):
        faults.append("MIXPANEL_SECRET_ARN: set it, or both MIXPANEL_SERVICE_ACCOUNT and ..._PASSWORD")
    faults = faults or list(_faults_together(values))
    if faults:
        raise SettingsFault("faulty settings: " + "; ".join(faults))
    return Settings(
        project_id=values["MIXPANEL_PROJECT_ID"],
        api_url=(values["MIXPANEL_API_URL"] or REGIONS[values["MIXPANEL_REGION"]]).rstrip("/"),
        identity=values["MIXPANEL_IDENTITY"],
        secret_arn=values["MIXPANEL_SECRET_ARN"],
        account=account,
        password=password,
        dead_letter_queue_url=values["DEAD_LETTER_QUEUE_URL"],
        log_table_name=values["LOG_TABLE_NAME"],
        queue_url=values["QUEUE_URL"],
        max_receive_count=int(values["MAX_RECEIVE_COUNT"]),
        sender_threads=int(values["SENDER_THREADS"]),
        answer_timeout_s=float(values["ANSWER_TIMEOUT_S"]),
        redelivery_base_s=float(values["REDELIVERY_BASE_S"]),
        redelivery_cap_s=float(values["REDELIVERY_CAP_S"]),
        exhaust_after_s=float(values["EXHAUST_AFTER_S"]),
        breaker_s=float(values["BREAKER_S"]),
    )


def read_revision(environ: Mapping[str, str]) -> str:
    """Return what is deployed, as git describes it; "" where nobody said it.

    It is no setting: the log line says it also where the settings are faulty.
    """
    return environ.get("REVISION", "")


def _faults_together(values: Mapping[str, str]) -> Iterator[str]:
    """Yield what is wrong with settings that are allowed each by itself."""
    names = ("EXHAUST_AFTER_S", "REDELIVERY_BASE_S", "REDELIVERY_CAP_S", "MAX_RECEIVE_COUNT")
    exhaust_after_s, base_s, cap_s, receive_count = (float(values[name]) for name in names)
    if exhaust_after_s > (most_s := longest_exhaust_s(cap_s)):
        yield f"EXHAUST_AFTER_S: must be 1 to {most_s:.0f} with this REDELIVERY_CAP_S, or SQS forgets events"
    least = least_receive_count(exhaust_after_s, base_s=base_s, cap_s=cap_s)
    if least > _MOST_RECEIVES:
        yield (
            "REDELIVERY_BASE_S, REDELIVERY_CAP_S: must be longer with this EXHAUST_AFTER_S, or 72 hours of "
            f"outage use up the {_MOST_RECEIVES} receives that MAX_RECEIVE_COUNT may be"
        )
    elif receive_count < least:
        yield (
            f"MAX_RECEIVE_COUNT: must be {least} to {_MOST_RECEIVES} with this EXHAUST_AFTER_S, "
            "REDELIVERY_BASE_S and REDELIVERY_CAP_S"
        )


def _fault(setting: Setting, value: str) -> str:
    if value:
        return "" if setting.fits(value) else f"{setting.name}: must be {setting.allowed}"
    return f"{setting.name}: must be set to {setting.allowed}" if setting.default is None else ""
