"""Every setting of the app: `conf.QUEUE_URL.get()`. A variable's name is the setting's key.

The table of settings in the docs is generated from these declarations.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings

from whyness_events import IDENTITIES
from whyness_mixpanel import proxies, scrub, setting_parsers, sqs_hosts, url_parameters
from whyness_mixpanel.setting import DICT_NAME, NotSet, Setting, SettingError, name_settings

__all__ = ["DICT_NAME", "NotSet", "Setting", "SettingError"]  # from whyness_mixpanel.setting

BACKEND_NAMES = ("sqs", "mixpanel", "locmem", "console", "dummy")
# Those that send nothing over a network.
LOCAL_BACKENDS = frozenset({"locmem", "console", "dummy"})
RELAYS = ("thread", "command")
# As the Lambda's MIXPANEL_NAMES, whose module needs libraries that a site may not have.
NAMES_OF = ("uap", "browser")
# Settings of older versions, and why each is no longer needed.
REMOVED = {
    "OUTBOX": "Every event is written to the outbox in its transaction.",
    "PUBLISH_BUDGET_MS": "No page waits for the queue.",
}

ENABLED = Setting(
    default=True,
    parse=setting_parsers.flag,
    allowed="True or False",
    meaning="`False` discards every event, and `send()` returns `False`.",
)
BACKEND = Setting(
    default="sqs",
    parse=setting_parsers.backend(*BACKEND_NAMES),
    allowed=f"one of {', '.join(BACKEND_NAMES)}, or the dotted path of a backend of your own",
    meaning="Where events go: `sqs`; `mixpanel`, which posts to Mixpanel directly; `locmem`, which keeps "
    "them in memory for tests; `console`, which prints them; `dummy`, which discards them; or the dotted "
    "path of a backend of your own.",
)
QUEUE_URL = Setting(
    default="",
    parse=setting_parsers.queue_url,
    allowed="the URL of a standard SQS queue, whose name does not end in .fifo",
    meaning="The URL of the event queue, which must be a standard queue, not FIFO.",
)
REGION = Setting(
    default="",
    parse=setting_parsers.region,
    allowed="the name of an AWS region, such as eu-west-1",
    meaning="The queue's AWS region, where `QUEUE_URL` does not name it; without either, boto3 chooses.",
)
IDENTITY = Setting(
    default="distinct_id",
    parse=setting_parsers.one_of(*IDENTITIES),
    allowed=f"one of {', '.join(IDENTITIES)}",
    meaning="How the Mixpanel project identifies people: `distinct_id` or `simplified`. It must not change "
    "once the project has data.",
)
PROJECT_ID: Setting[int | None] = Setting(
    default=None,
    of_whyness=2780485,
    parse=setting_parsers.project_id,
    allowed="a positive integer",
    environment="MIXPANEL_PROJECT_ID",
    old_name="MIXPANEL_PROJECT_ID",
    meaning="The Mixpanel project, for the backend `mixpanel`; the Lambda has its own parameter. Where "
    "Whyness's tables are installed (the app `whyness_django` or `whyness_crm`), the default is 2780485.",
)
NAMES = Setting(
    default="uap",
    parse=setting_parsers.one_of(*NAMES_OF),
    allowed=f"one of {', '.join(NAMES_OF)}",
    meaning="Whose names browsers, systems and devices have, for the backend `mixpanel`: `uap`, those of "
    "uap-core; or `browser`, those of Mixpanel's browser library. The Lambda has its own parameter. Decide "
    "before the first event: reports keep both names.",
)
ANONYMOUS_USERS: Setting[frozenset[str]] = Setting(
    default=frozenset(),
    of_whyness=frozenset({"1"}),
    parse=setting_parsers.users,
    allowed="a collection of user ids, or text that separates them by commas",
    meaning="Ids of users who count as anonymous; in the environment, separated by commas. Where Whyness's "
    'tables are installed, the default is `{"1"}`, their placeholder user.',
)
RAISE_INVALID: Setting[bool | None] = Setting(
    default=None,
    parse=setting_parsers.flag,
    allowed="True or False",
    meaning="Whether an invalid event raises an exception; `None` means the value of `DEBUG`. With the "
    "backend `locmem` it always does.",
)
RELAY = Setting(
    default="thread",
    parse=setting_parsers.one_of(*RELAYS),
    allowed=f"one of {', '.join(RELAYS)}",
    meaning="Who publishes: `thread`, a thread of each process; or `command`, only `mixpanel_outbox drain`.",
)
CONNECT_TIMEOUT_S = Setting(
    default=1.0,
    parse=setting_parsers.seconds,
    allowed=f"a number of seconds above 0, at most {setting_parsers.LONGEST_TIMEOUT_S}",
    meaning="Seconds that each attempt waits for a connection.",
)
READ_TIMEOUT_S = Setting(
    default=2.0,
    parse=setting_parsers.seconds,
    allowed=f"a number of seconds above 0, at most {setting_parsers.LONGEST_TIMEOUT_S}",
    meaning="Seconds that each attempt waits for an answer.",
)
SCRUB_NAMES = Setting(
    default=scrub.NAMES,
    parse=scrub.parse_names,
    allowed="a collection of parts of keys (letters and digits), or text that separates them by commas",
    meaning="Parts of keys whose values are secret.",
)
SCRUB_PATTERNS = Setting(
    default=scrub.PATTERNS,
    parse=scrub.parse_patterns,
    allowed="a collection of regular expressions, none of which matches an empty text",
    keeps_blanks=True,
    meaning="Regular expressions that match secrets in texts.",
)
OPT_OUT: Setting[Callable[[Any], Any] | None] = Setting(
    default=None,
    parse=setting_parsers.function,
    allowed="a function, or the dotted path of one",
    meaning="A function `(users) -> set` that returns the users who do not want to be tracked, or its dotted "
    "path. It is called where events are published, without a request.",
)
TRUSTED_PROXIES: Setting[tuple[proxies.Trusted, ...]] = Setting(
    default=(),
    parse=proxies.parse_trusted,
    allowed="a collection of addresses, networks such as 10.0.0.0/8, and unix for a Unix socket; or text "
    "that separates them by commas",
    meaning="Addresses and networks whose `X-Forwarded-For` is trusted; `unix` stands for a Unix socket.",
)
BOT_USERAGENTS: Setting[tuple[str, ...]] = Setting(
    default=(),
    parse=setting_parsers.parts,
    allowed="a collection of parts of User-Agent headers, or text that separates them by commas",
    meaning="Parts of the User-Agent headers of programs, whose events `track()` does not send; in the "
    "environment, separated by commas.",
)
SUPER_PROPERTIES: Setting[dict[str, Any] | Callable[..., Any]] = Setting(
    default={},
    parse=setting_parsers.properties,
    allowed="a dictionary, a function that returns one, or the dotted path of a function",
    meaning="Properties of every event, such as the release: a dictionary; or a function `() -> dict`, which "
    "is called for each event, or its dotted path. The event's own properties count first. Backfills leave "
    "them out.",
)
URL_PARAMETERS: Setting[tuple[str, ...]] = Setting(
    default=url_parameters.UTM,
    parse=setting_parsers.texts,
    allowed="a collection of names of query parameters, or text that separates them by commas",
    meaning="Query parameters that the URLs of `ContextMiddleware` keep; all others are removed.",
)
DEAD_LETTER_QUEUE_URL = Setting(
    default="",
    parse=setting_parsers.queue_url,
    allowed="the URL of the dead-letter queue, a standard SQS queue whose name does not end in .fifo",
    meaning="The URL of the dead-letter queue, where `mixpanel_forget` looks for a person's events.",
)
PROJECT_TOKEN = Setting(
    default="",
    parse=setting_parsers.token,
    allowed="the token of the Mixpanel project",
    environment="MIXPANEL_PROJECT_TOKEN",
    meaning="The Mixpanel project's token, for `mixpanel_profiles` and `mixpanel_forget`.",
)
GDPR_TOKEN = Setting(
    default="",
    parse=setting_parsers.token,
    allowed="a GDPR OAuth token of Mixpanel",
    environment="MIXPANEL_GDPR_TOKEN",
    meaning="A GDPR OAuth token of an owner or admin, for `mixpanel_forget`.",
)
MIXPANEL_URL = Setting(
    default=setting_parsers.MIXPANEL_URLS[0],
    parse=setting_parsers.mixpanel_url,
    allowed=f"one of {', '.join(setting_parsers.MIXPANEL_URLS)}, without a path",
    environment="MIXPANEL_URL",
    meaning="The address of the project's region, for `mixpanel_profiles`, `mixpanel_forget` and the backend "
    "`mixpanel`.",
)
SERVICE_ACCOUNT = Setting(
    default="",
    parse=setting_parsers.line,
    allowed="the name of a Mixpanel service account",
    environment="MIXPANEL_SERVICE_ACCOUNT",
    old_name="MIXPANEL_SERVICE_ACCOUNT",
    meaning="The Mixpanel service account, for the backend `mixpanel`.",
)
SERVICE_PASSWORD = Setting(
    default="",
    parse=setting_parsers.line,
    allowed="the secret of the Mixpanel service account",
    environment="MIXPANEL_SERVICE_PASSWORD",
    old_name="MIXPANEL_SERVICE_PASSWORD",
    meaning="The secret of the service account.",
)
HISTORY_BEFORE: Setting[datetime | None] = Setting(
    default=None,
    parse=setting_parsers.moment,
    allowed="an aware datetime, its ISO 8601 text with an offset from UTC, or None where there is no history",
    none_is_a_value=True,
    meaning="An aware `datetime`: an older version of the app sent the rows of the three tables that were "
    "created before it. `None` means that there was no older version. In the environment, its ISO 8601 text "
    "or `None`.",
)
PROJECT_TIME_ZONE: Setting[ZoneInfo | None] = Setting(
    default=None,
    parse=setting_parsers.zone,
    allowed="the name of a time zone, such as Europe/Berlin",
    meaning="The time zone of the Mixpanel project, for `mixpanel_audit`; `UTC` for projects from 2023 on.",
)
LOG_TABLE_NAME = Setting(
    default="",
    parse=setting_parsers.token,
    allowed="the name of the Log table, the stack's output LogTableName",
    meaning="The stack's output `LogTableName`, for the admin's page of delivery failures.",
)

SETTINGS = name_settings(globals())


def raise_invalid() -> bool:
    """Whether an invalid event raises: in development and in tests, unless RAISE_INVALID decides."""
    if BACKEND.get() == "locmem":
        return True
    chosen = RAISE_INVALID.get()
    return settings.DEBUG if chosen is None else chosen


def region() -> str | None:
    """Return the queue's AWS region: REGION, else the one in QUEUE_URL, else None (the SDK's own choice)."""
    return REGION.get() or sqs_hosts.region_of(QUEUE_URL.get())
