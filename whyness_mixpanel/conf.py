"""Every setting of the app: where it is looked up, its default, and what it may be.

Looked up at each use, so that a test can override it; nothing is read at import.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from whyness_events import IDENTITIES
from whyness_mixpanel import parse, proxies, scrub
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

_REGION_IN_HOST = re.compile(r"sqs\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?").fullmatch

T = TypeVar("T")


class SettingError(ImproperlyConfigured):
    """A setting's value is not one of those allowed. The text names the setting and never shows the value."""

    def __init__(self, place: str, allowed: str) -> None:
        super().__init__(f"{place}: allowed is {allowed}")
        self.place = place
        self.allowed = allowed


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
    """

    key: str
    default: T
    parse: Callable[[Any], T]
    allowed: str
    environment: str
    old_name: str | None = None

    def get(self) -> T:
        """Return the value in force; None and "" anywhere mean not set there.

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
        if in_environment := os.environ.get(self.environment):
            return self._parse(f"the environment variable {self.environment}", in_environment)
        return self.default

    def in_settings(self) -> list[tuple[str, object]]:
        """Return where in the Django settings it is set, and what stands there; the first counts."""
        places: list[tuple[str, object]] = []
        named = getattr(settings, DICT_NAME, None)
        if isinstance(named, Mapping) and (found := named.get(self.key)) not in (None, ""):
            places.append((f'{DICT_NAME}["{self.key}"]', found))
        if self.old_name and (found := getattr(settings, self.old_name, None)) not in (None, ""):
            places.append((self.old_name, found))
        return places

    def _parse(self, place: str, found: object) -> T:
        try:
            return self.parse(found)
        except Exception as error:
            if is_of_signal(error):
                raise
            raise SettingError(place, self.allowed) from None


ENABLED = Setting(
    key="ENABLED",
    default=True,
    parse=parse.flag,
    allowed="True or False",
    environment="WHYNESS_MIXPANEL_ENABLED",
)
BACKEND = Setting(
    key="BACKEND",
    default="sqs",
    parse=parse.one_of(*BACKEND_NAMES),
    allowed=f"one of {', '.join(BACKEND_NAMES)}",
    environment="WHYNESS_MIXPANEL_BACKEND",
)
QUEUE_URL = Setting(
    key="QUEUE_URL",
    default="",
    parse=parse.queue_url,
    allowed="the URL of a standard SQS queue, whose name does not end in .fifo",
    environment="WHYNESS_MIXPANEL_QUEUE_URL",
)
REGION = Setting(
    key="REGION",
    default="",
    parse=parse.region,
    allowed="the name of an AWS region, such as eu-west-1",
    environment="WHYNESS_MIXPANEL_REGION",
)
IDENTITY = Setting(
    key="IDENTITY",
    default="distinct_id",
    parse=parse.one_of(*IDENTITIES),
    allowed=f"one of {', '.join(IDENTITIES)}",
    environment="WHYNESS_MIXPANEL_IDENTITY",
)
PROJECT_ID = Setting(
    key="PROJECT_ID",
    default=2780485,
    parse=parse.project_id,
    allowed="a positive whole number",
    environment="MIXPANEL_PROJECT_ID",
    old_name="MIXPANEL_PROJECT_ID",
)
ANONYMOUS_USERS = Setting(
    key="ANONYMOUS_USERS",
    default=frozenset({"1"}),
    parse=parse.users,
    allowed="a collection of user ids, or text with commas between them",
    environment="WHYNESS_MIXPANEL_ANONYMOUS_USERS",
)
RAISE_INVALID: Setting[bool | None] = Setting(
    key="RAISE_INVALID",
    default=None,
    parse=parse.flag,
    allowed="True or False",
    environment="WHYNESS_MIXPANEL_RAISE_INVALID",
)
RELAY = Setting(
    key="RELAY",
    default="thread",
    parse=parse.one_of(*RELAYS),
    allowed=f"one of {', '.join(RELAYS)}",
    environment="WHYNESS_MIXPANEL_RELAY",
)
CONNECT_TIMEOUT_S = Setting(
    key="CONNECT_TIMEOUT_S",
    default=1.0,
    parse=parse.seconds,
    allowed=f"a number of seconds above 0, at most {parse.LONGEST_TIMEOUT_S}",
    environment="WHYNESS_MIXPANEL_CONNECT_TIMEOUT_S",
)
READ_TIMEOUT_S = Setting(
    key="READ_TIMEOUT_S",
    default=2.0,
    parse=parse.seconds,
    allowed=f"a number of seconds above 0, at most {parse.LONGEST_TIMEOUT_S}",
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
)
OPT_OUT: Setting[Callable[[Any], Any] | None] = Setting(
    key="OPT_OUT",
    default=None,
    parse=parse.function,
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
    parse=parse.parts,
    allowed="a collection of parts of User-Agent headers, or text with commas between them",
    environment="WHYNESS_MIXPANEL_BOT_USERAGENTS",
)
DEAD_LETTER_QUEUE_URL = Setting(
    key="DEAD_LETTER_QUEUE_URL",
    default="",
    parse=parse.queue_url,
    allowed="the URL of the dead-letter queue",
    environment="WHYNESS_MIXPANEL_DEAD_LETTER_QUEUE_URL",
)
PROJECT_TOKEN = Setting(
    key="PROJECT_TOKEN",
    default="",
    parse=str,
    allowed="the token of the Mixpanel project",
    environment="MIXPANEL_PROJECT_TOKEN",
)
GDPR_TOKEN = Setting(
    key="GDPR_TOKEN",
    default="",
    parse=str,
    allowed="a GDPR OAuth token of Mixpanel",
    environment="MIXPANEL_GDPR_TOKEN",
)
MIXPANEL_URL = Setting(
    key="MIXPANEL_URL",
    default=parse.MIXPANEL_URLS[0],
    parse=parse.mixpanel_url,
    allowed=f"one of {', '.join(parse.MIXPANEL_URLS)}, without a path",
    environment="MIXPANEL_URL",
)
SERVICE_ACCOUNT = Setting(
    key="SERVICE_ACCOUNT",
    default="",
    parse=str,
    allowed="the name of a Mixpanel service account",
    environment="MIXPANEL_SERVICE_ACCOUNT",
    old_name="MIXPANEL_SERVICE_ACCOUNT",
)
SERVICE_PASSWORD = Setting(
    key="SERVICE_PASSWORD",
    default="",
    parse=str,
    allowed="the secret of the Mixpanel service account",
    environment="MIXPANEL_SERVICE_PASSWORD",
    old_name="MIXPANEL_SERVICE_PASSWORD",
)
LOG_TABLE_NAME = Setting(
    key="LOG_TABLE_NAME",
    default="",
    parse=str,
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
    return REGION.get() or region_of(QUEUE_URL.get())


def region_of(queue_url: str) -> str | None:
    """Return the AWS region that a queue's URL names, if it names one."""
    found = _REGION_IN_HOST(urlsplit(queue_url).hostname or "")
    return found[1] if found else None
