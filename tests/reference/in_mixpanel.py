"""docs/in-mixpanel.md: the properties that can arrive, and what browsers are called in both modes."""

import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple

import msgspec
import pytest

from tests.browsers import BROWSERS, Browser
from tests.reference.markdown import code, table
from whyness_events import limits
from whyness_events.delivery.mixpanel import translate, useragent
from whyness_events.delivery.mixpanel.describers import DESCRIBERS
from whyness_events.event import Event
from whyness_mixpanel.url_parameters import UTM

_PAGE = ("$current_url", "$referrer", "$referring_domain", "route")


class Property(NamedTuple):
    """A property: its description in Lexicon, and when it is there."""

    name: str
    lexicon: str
    there: str


_HEADER = "where the User-Agent header says it"
_UAP = f"{_HEADER}; with `uap` names only"
_SITE = "where the site has `ContextMiddleware`"
_CAMPAIGN = (
    "the site or newsletter of the link",
    "the kind of link, such as email or cpc",
    "its name",
    "which of several links",
    "the search term that was paid for",
    "its id",
    "the platform that directs the traffic",
    "its id at the advertiser",
    "the kind of creative",
    "the tactic, such as remarketing",
)
_PROPERTIES = (
    Property(
        "time",
        "When it happened. In milliseconds, or in whole seconds for rows of the three tables of Whyness.",
        "always",
    ),
    Property(
        "$insert_id",
        "The deduplication key. An event that arrives twice with the same name, person, time and key counts "
        "once.",
        "always",
    ),
    Property(
        "distinct_id",
        "The person: 123 is a registered user, p:45 a prospect ($device:p-45 in a project with simplified "
        "identities). Empty where there is no user.",
        "always",
    ),
    Property(
        "$user_id",
        "The registered user, again.",
        "in a project with simplified identities, for a registered user",
    ),
    Property(
        "$device_id",
        "The prospect, as p-45.",
        "in a project with simplified identities, for a prospect and a registered user who used to be one",
    ),
    Property(
        "prospect",
        "The prospect that this registered user used to be: 45 for p:45.",
        "on events that link the two",
    ),
    Property(
        "ip",
        "The person's address. Mixpanel replaces it by city, region and country, and does not keep it. 0: "
        "there is no public address, so no location.",
        "always; Mixpanel does not show it",
    ),
    Property(
        "data",
        "What the request was: GET, POST, or the link that was clicked.",
        "where the site says it",
    ),
    Property("useragent", "The User-Agent header as the browser sent it.", "where there was one"),
    Property("$browser", "The browser's name.", _HEADER),
    Property(
        "$browser_version",
        "The browser's version: a text with uap names, a number with browser names.",
        _HEADER,
    ),
    Property("$os", "The operating system.", _HEADER),
    Property("$os_version", "The operating system's version, a text.", _UAP),
    Property(
        "$device",
        "The kind of device. With uap names its model, or K where Chrome on Android hides it.",
        _HEADER,
    ),
    Property("$brand", "The device's maker.", _UAP),
    Property("$model", "The device's model.", _UAP),
    Property(
        "$current_url",
        "The page on which it happened, without its query but for campaign parameters.",
        f"{_SITE}, or sets it",
    ),
    Property("$referrer", "The page from which the visitor came, without its query.", f"{_SITE}, on pages"),
    Property("$referring_domain", "The host from which the visitor came.", f"{_SITE}, on pages"),
    Property("route", "The site's pattern of the address, without ids.", _SITE),
    *(
        Property(name, f"Campaign: {what}.", f"{_SITE}, on the page that a campaign's link opens")
        for name, what in zip(UTM, _CAMPAIGN, strict=True)
    ),
    Property("mp_lib", "whyness-mixpanel: the event came through the server's pipeline.", "always"),
    Property("$lib_version", "The version of the pipeline that delivered the event.", "always"),
)
_SAMPLE = Event(
    insert_id="0d5c1f52",
    event="Video watched",
    user="123",
    time=1_763_900_000_000,
    ip="81.2.69.142",
    useragent=next(browser.header for browser in BROWSERS if browser.title == "Chrome, Android, model named"),
    data="GET",
    prospect="45",
    properties={
        "$current_url": "https://www.example.com/videos/12/?utm_source=mail",
        "$referrer": "https://www.google.com/",
        "$referring_domain": "www.google.com",
        "route": "videos/<int:number>/",
        **dict.fromkeys(UTM, "mail"),
    },
)


def properties() -> str:
    """Return the table of the properties, with their values in both modes for one visit."""
    modes = {mode: _arrived(mode) for mode in DESCRIBERS}
    heads = ("property", "text for Lexicon", "when it is there", *(f"`{mode}`" for mode in modes))
    return table(heads, [_property(row, modes) for row in _PROPERTIES])


def _property(row: Property, modes: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    values = (code(json.dumps(found[row.name])) if row.name in found else "-" for found in modes.values())
    short = ("…" if row.name == "useragent" else value for value in values)
    return code(row.name), row.lexicon, row.there, *short


def _arrived(mode: str) -> dict[str, Any]:
    ((encoded, _),) = translate.Translator(DESCRIBERS[mode]).translate([_SAMPLE], ["simplified"])
    found: dict[str, Any] = json.loads(encoded)["properties"]
    return found


def browsers() -> str:
    """Return the table of what browsers are called in both modes; `browser` is as the browser library."""
    heads = (
        "browser",
        *(f"`{mode}`: {name}" for name in ("browser, version", "`$device`") for mode in DESCRIBERS),
    )
    return table(heads, map(_row, BROWSERS))


def _row(browser: Browser) -> tuple[str, ...]:
    said = [describe(browser.header) for describe in DESCRIBERS.values()]
    names = [
        ", ".join(str(found[name]) for name in ("$browser", "$browser_version") if name in found)
        for found in said
    ]
    devices = [str(found.get("$device", "-")) for found in said]
    return browser.title, *names, *devices


def callers() -> str:
    """Return the properties with Mixpanel's names that a site may set itself."""
    return ", ".join(code(name) for name in sorted(limits.CALLERS_PROPERTIES))


def explained() -> list[str]:
    """Return the properties that the table explains."""
    return [row.name for row in _PROPERTIES]


def possible() -> set[str]:
    """Return every property that can arrive without the site naming it."""
    known = {field.encode_name for field in msgspec.structs.fields(translate._Identified)}
    return known | translate.LIBRARY.keys() | {"useragent"} | _described() | {*_PAGE, *UTM}


def _described() -> set[str]:
    """Return what a header can say at most."""
    all_of_it = SimpleNamespace(
        user_agent=SimpleNamespace(family="a", major="1", minor="2"),
        os=SimpleNamespace(family="a", major="1", minor="2"),
        device=SimpleNamespace(family="a", brand="b", model="c"),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(useragent, "_parser", lambda: SimpleNamespace(parse=lambda _: all_of_it))
        return set(useragent.describe_useragent("any"))
