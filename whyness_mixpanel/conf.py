"""Every setting of the app: where it is looked up, its default, and what it may be.

Looked up at each use, so that a test can override it; nothing is read at import.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from whyness_events import IDENTITIES
from whyness_mixpanel import proxies, scrub, setting_parsers, sqs_hosts
from whyness_mixpanel.faults import is_of_signal

DICT_NAME = "WHYNESS_MIXPANEL"
BACKEND_NAMES = ("sqs", "mixpanel", "locmem", "console", "dummy")
# Those that send nothing over a network.
LOCAL_BACKENDS = frozenset({"locmem", "console", "dummy"})
RELAYS = ("thread", "command")
# Settings that older versions had, and what stands there now.
REMOVED = {
    "OUTBOX": "Every event is a row of the transaction now.",
    "PUBLISH_BUDGET_MS": "No page waits for the queue any more.",
}
# The apps of Whyness whose tables have its stand-ins, and whose events are in its Mixpanel project.
_WHYNESS_APPS = frozenset({"whyness_django", "whyness_crm"})

T = TypeVar("T")


class SettingError(ImproperlyConfigured):
    """A setting's value is not one of those allowed. The text names the setting and never shows the value."""

    def __init__(self, place: str, allowed: str) -> None:
        super().__init__(f"{place}: allowed is {allowed}")
        self.place = place
        self.allowed = allowed


class NotSet(SettingError):
    """A setting that is needed is set nowhere."""

    def __init__(self, setting: "Setting[Any]") -> None:
        super().__init__(f'{DICT_NAME}["{setting.key}"]', setting.allowed)
        self._setting = setting

    def __str__(self) -> str:
        key, variable = self._setting.key, self._setting.environment
        return f"{key} is not set. Set it in {DICT_NAME}, or {variable} in the environment, to {self.allowed}"


@dataclass(frozen=True, slots=True)
class Setting(Generic[T]):
    """One setting.

    Args:
        key: its name in the WHYNESS_MIXPANEL dictionary.
        default: what holds where it is set nowhere.
        parse: turns what was found into its type, or raises.
        allowed: what `parse` takes, in words.
        environment: its name among the environment variables.
        old_name: the Django setting that older versions of the app read.
        of_whyness: what holds instead of the default where Whyness's tables are installed.
        keeps_blanks: those around a text are part of it.
    """

    key: str
    default: T
    parse: Callable[[Any], T]
    allowed: str
    environment: str
    old_name: str | None = None
    of_whyness: T | None = None
    keeps_blanks: bool = False

    def get(self) -> T:
        """Return the value in force; None and blank text anywhere mean not set there.

        Raises:
            SettingError: what is set is not allowed.
        """
        try:
            found_in = self.in_settings()
        except Exception as error:
            if is_of_signal(error):
                raise
            raise SettingError(self.key, self.allowed) from error  # a value that cannot even be compared
        for place, found in found_in:
            return self._parse(place, found)
        in_environment = os.environ.get(self.environment)
        if _is_set(in_environment):
            return self._parse(f"the environment variable {self.environment}", self._bare(in_environment))
        if self.of_whyness is not None and not _WHYNESS_APPS.isdisjoint(apps.app_configs):
            return self.of_whyness
        return self.default

    def require(self) -> T:
        """Return the value in force, which must be one.

        Raises:
            NotSet: it is set nowhere.
            SettingError: as above.
        """
        found = self.get()
        if found in (None, ""):
            raise NotSet(self)
        return found

    def in_settings(self) -> list[tuple[str, object]]:
        """Return where in the Django settings it is set, and what stands there; the first counts."""
        places: list[tuple[str, object]] = []
        named = getattr(settings, DICT_NAME, None)
        if isinstance(named, Mapping) and _is_set(found := named.get(self.key)):
            places.append((f'{DICT_NAME}["{self.key}"]', self._bare(found)))
        if self.old_name and _is_set(found := getattr(settings, self.old_name, None)):
            places.append((self.old_name, self._bare(found)))
        return places

    def _bare(self, found: object) -> object:
        """Return a text without what a file or a console has put around it."""
        return found.strip() if isinstance(found, str) and not self.keeps_blanks else found

    def is_set(self) -> bool:
        """Whether it is set anywhere."""
        return bool(self.in_settings()) or _is_set(os.environ.get(self.environment))

    def _parse(self, place: str, found: object) -> T:
        try:
            return self.parse(found)
        except Exception as error:
            if is_of_signal(error):
                raise
            raise SettingError(place, self.allowed) from None


@dataclass(frozen=True, slots=True)
class NoneIsAValue(Setting[T]):
    """A setting that None in the dictionary sets: there is none."""

    def in_settings(self) -> list[tuple[str, object]]:
        """Return where in the Django settings it is set, and what stands there."""
        named = getattr(settings, DICT_NAME, None)
        if isinstance(named, Mapping) and self.key in named and named[self.key] is None:
            return [(f'{DICT_NAME}["{self.key}"]', None)]
        return Setting.in_settings(self)


ENABLED = Setting(
    key="ENABLED",
    default=True,
    parse=setting_parsers.flag,
    allowed="True or False",
    environment="WHYNESS_MIXPANEL_ENABLED",
)
BACKEND = Setting(
    key="BACKEND",
    default="sqs",
    parse=setting_parsers.backend(*BACKEND_NAMES),
    allowed=f"one of {', '.join(BACKEND_NAMES)}, or the dotted path of a backend of your own",
    environment="WHYNESS_MIXPANEL_BACKEND",
)
QUEUE_URL = Setting(
    key="QUEUE_URL",
    default="",
    parse=setting_parsers.queue_url,
    allowed="the URL of a standard SQS queue, whose name does not end in .fifo",
    environment="WHYNESS_MIXPANEL_QUEUE_URL",
)
REGION = Setting(
    key="REGION",
    default="",
    parse=setting_parsers.region,
    allowed="the name of an AWS region, such as eu-west-1",
    environment="WHYNESS_MIXPANEL_REGION",
)
IDENTITY = Setting(
    key="IDENTITY",
    default="distinct_id",
    parse=setting_parsers.one_of(*IDENTITIES),
    allowed=f"one of {', '.join(IDENTITIES)}",
    environment="WHYNESS_MIXPANEL_IDENTITY",
)
PROJECT_ID: Setting[int | None] = Setting(
    key="PROJECT_ID",
    default=None,
    of_whyness=2780485,
    parse=setting_parsers.project_id,
    allowed="a positive whole number",
    environment="MIXPANEL_PROJECT_ID",
    old_name="MIXPANEL_PROJECT_ID",
)
ANONYMOUS_USERS: Setting[frozenset[str]] = Setting(
    key="ANONYMOUS_USERS",
    default=frozenset(),
    of_whyness=frozenset({"1"}),
    parse=setting_parsers.users,
    allowed="a collection of user ids, or text with commas between them",
    environment="WHYNESS_MIXPANEL_ANONYMOUS_USERS",
)
RAISE_INVALID: Setting[bool | None] = Setting(
    key="RAISE_INVALID",
    default=None,
    parse=setting_parsers.flag,
    allowed="True or False",
    environment="WHYNESS_MIXPANEL_RAISE_INVALID",
)
RELAY = Setting(
    key="RELAY",
    default="thread",
    parse=setting_parsers.one_of(*RELAYS),
    allowed=f"one of {', '.join(RELAYS)}",
    environment="WHYNESS_MIXPANEL_RELAY",
)
CONNECT_TIMEOUT_S = Setting(
    key="CONNECT_TIMEOUT_S",
    default=1.0,
    parse=setting_parsers.seconds,
    allowed=f"a number of seconds above 0, at most {setting_parsers.LONGEST_TIMEOUT_S}",
    environment="WHYNESS_MIXPANEL_CONNECT_TIMEOUT_S",
)
READ_TIMEOUT_S = Setting(
    key="READ_TIMEOUT_S",
    default=2.0,
    parse=setting_parsers.seconds,
    allowed=f"a number of seconds above 0, at most {setting_parsers.LONGEST_TIMEOUT_S}",
    environment="WHYNESS_MIXPANEL_READ_TIMEOUT_S",
)

SCRUB_NAMES = Setting(
    key="SCRUB_NAMES",
    default=scrub.NAMES,
    parse=scrub.parse_names,
    allowed="a collection of parts of keys (letters and digits), or text with commas between them",
    environment="WHYNESS_MIXPANEL_SCRUB_NAMES",
)
SCRUB_PATTERNS = Setting(
    key="SCRUB_PATTERNS",
    default=scrub.PATTERNS,
    parse=scrub.parse_patterns,
    allowed="a collection of regular expressions, none of which matches nothing",
    environment="WHYNESS_MIXPANEL_SCRUB_PATTERNS",
    keeps_blanks=True,
)
# It is called by whoever publishes, the relay's thread or a drain: without a request.
OPT_OUT: Setting[Callable[[Any], Any] | None] = Setting(
    key="OPT_OUT",
    default=None,
    parse=setting_parsers.function,
    allowed="a function, or its dotted path",
    environment="WHYNESS_MIXPANEL_OPT_OUT",
)
TRUSTED_PROXIES: Setting[tuple[proxies.Trusted, ...]] = Setting(
    key="TRUSTED_PROXIES",
    default=(),
    parse=proxies.parse_trusted,
    allowed="a collection of addresses and networks such as 10.0.0.0/8, and unix for a Unix socket",
    environment="WHYNESS_MIXPANEL_TRUSTED_PROXIES",
)
BOT_USERAGENTS: Setting[tuple[str, ...]] = Setting(
    key="BOT_USERAGENTS",
    default=(),
    parse=setting_parsers.parts,
    allowed="a collection of parts of User-Agent headers, or text with commas between them",
    environment="WHYNESS_MIXPANEL_BOT_USERAGENTS",
)
DEAD_LETTER_QUEUE_URL = Setting(
    key="DEAD_LETTER_QUEUE_URL",
    default="",
    parse=setting_parsers.queue_url,
    allowed="the URL of the dead-letter queue",
    environment="WHYNESS_MIXPANEL_DEAD_LETTER_QUEUE_URL",
)
PROJECT_TOKEN = Setting(
    key="PROJECT_TOKEN",
    default="",
    parse=setting_parsers.token,
    allowed="the token of the Mixpanel project",
    environment="MIXPANEL_PROJECT_TOKEN",
)
GDPR_TOKEN = Setting(
    key="GDPR_TOKEN",
    default="",
    parse=setting_parsers.token,
    allowed="a GDPR OAuth token of Mixpanel",
    environment="MIXPANEL_GDPR_TOKEN",
)
MIXPANEL_URL = Setting(
    key="MIXPANEL_URL",
    default=setting_parsers.MIXPANEL_URLS[0],
    parse=setting_parsers.mixpanel_url,
    allowed=f"one of {', '.join(setting_parsers.MIXPANEL_URLS)}, without a path",
    environment="MIXPANEL_URL",
)
SERVICE_ACCOUNT = Setting(
    key="SERVICE_ACCOUNT",
    default="",
    parse=setting_parsers.line,
    allowed="the name of a Mixpanel service account",
    environment="MIXPANEL_SERVICE_ACCOUNT",
    old_name="MIXPANEL_SERVICE_ACCOUNT",
)
SERVICE_PASSWORD = Setting(
    key="SERVICE_PASSWORD",
    default="",
    parse=setting_parsers.line,
    allowed="the secret of the Mixpanel service account",
    environment="MIXPANEL_SERVICE_PASSWORD",
    old_name="MIXPANEL_SERVICE_PASSWORD",
)
HISTORY_BEFORE: NoneIsAValue[datetime | None] = NoneIsAValue(
    key="HISTORY_BEFORE",
    default=None,
    parse=setting_parsers.moment,
    allowed="an aware datetime, or its ISO 8601 text with an offset from UTC; None where there is no history",
    environment="WHYNESS_MIXPANEL_HISTORY_BEFORE",
)
LOG_TABLE_NAME = Setting(
    key="LOG_TABLE_NAME",
    default="",
    parse=setting_parsers.token,
    allowed="the name of the Log table, the stack's output LogTableName",
    environment="WHYNESS_MIXPANEL_LOG_TABLE_NAME",
)

SETTINGS: tuple[Setting[Any], ...] = (
    ENABLED,
    BACKEND,
    QUEUE_URL,
    REGION,
    IDENTITY,
    PROJECT_ID,
    ANONYMOUS_USERS,
    RAISE_INVALID,
    RELAY,
    CONNECT_TIMEOUT_S,
    READ_TIMEOUT_S,
    SCRUB_NAMES,
    SCRUB_PATTERNS,
    OPT_OUT,
    TRUSTED_PROXIES,
    BOT_USERAGENTS,
    DEAD_LETTER_QUEUE_URL,
    PROJECT_TOKEN,
    GDPR_TOKEN,
    MIXPANEL_URL,
    SERVICE_ACCOUNT,
    SERVICE_PASSWORD,
    HISTORY_BEFORE,
    LOG_TABLE_NAME,
)


def raise_invalid() -> bool:
    """Whether an invalid event raises: in development and in tests, unless RAISE_INVALID decides."""
    if BACKEND.get() == "locmem":
        return True
    chosen = RAISE_INVALID.get()
    return settings.DEBUG if chosen is None else chosen


def region() -> str | None:
    """Return the queue's AWS region: REGION, else the one in QUEUE_URL, else None (the SDK's own choice)."""
    return REGION.get() or sqs_hosts.region_of(QUEUE_URL.get())


def _is_set(found: object) -> bool:
    return found is not None and not (isinstance(found, str) and not found.strip())
