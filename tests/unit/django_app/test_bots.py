import asyncio

import pytest
from django.test import RequestFactory

from tests.django_support import override, published
from whyness_mixpanel import bots, counters, setting_parsers
from whyness_mixpanel.track import atrack, track

PERSON = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 Version/17.4 Safari/604.1"
)
SCANNER = "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)"

pytestmark = pytest.mark.usefixtures("db")


def click(useragent: str, event: str = "User click") -> bool:
    """Track a click by whoever sends that header."""
    return track(RequestFactory().get("/", headers={"user-agent": useragent}), event, user=7)


def test_without_the_setting_every_click_counts() -> None:
    """The filter is off until somebody asks for it."""
    with override():
        assert click(SCANNER)

    assert len(published()) == 1
    assert counters.snapshot()["bots"] == 0


async def aclick(useragent: str, event: str) -> bool:
    """Track it in async code."""
    return await atrack(RequestFactory().get("/", headers={"user-agent": useragent}), event, user=7)


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("event", ["User click", "Prospect click", "Audio upload"])
def test_no_event_of_a_listed_program_is_sent_and_each_is_counted(event: str, *, is_async: bool) -> None:
    """A person's event with the same list is sent."""
    with override(BOT_USERAGENTS=bots.DEFAULT):
        found = [asyncio.run(aclick(x, event)) if is_async else click(x, event) for x in (SCANNER, PERSON)]

    assert found == [False, True]
    assert [event["useragent"] for event in published()] == [PERSON]
    assert counters.snapshot()["bots"] == 1


@pytest.mark.parametrize(("given", "is_sent"), [(PERSON, True), (SCANNER, False), ("", False), (None, False)])
def test_the_header_is_judged_unless_another_one_is_given(given: str | None, *, is_sent: bool) -> None:
    """A gateway tells whom it speaks for; a site that drops the header from its events is filtered too."""
    request = RequestFactory().get("/", headers={"user-agent": SCANNER})

    with override(BOT_USERAGENTS=bots.DEFAULT):
        assert track(request, "x", user=7, useragent=given) is is_sent


def test_a_program_is_known_before_the_request_is_asked_for_its_user() -> None:
    """Who signs in is a query."""
    request = RequestFactory().get("/", headers={"user-agent": SCANNER})
    request.user = None  # type: ignore[assignment]  # whoever asks it fails

    with override(BOT_USERAGENTS=bots.DEFAULT):
        assert not track(request, "x")


def test_a_view_can_ask_before_it_stores_a_click() -> None:
    """In upper or lower case; an empty header is a program's, because no browser sends one."""
    requests = RequestFactory()

    with override(BOT_USERAGENTS="LinkCheck, other"):
        assert bots.from_bot(requests.get("/", headers={"user-agent": "My linkchecker/2"}))
        assert not bots.from_bot(requests.get("/", headers={"user-agent": PERSON}))
        assert bots.from_bot(requests.get("/", headers={"user-agent": " "}))
        assert bots.from_bot(requests.get("/"))
    with override():
        assert not bots.from_bot(requests.get("/"))


def test_each_part_of_the_list_has_its_source() -> None:
    """Lower case, once, and a site adds its own."""
    assert all(part == part.lower() and part for part in bots.DEFAULT)
    assert all(source.startswith(("https://", "http://")) for source in bots.SOURCES.values())

    with override(BOT_USERAGENTS=(*bots.DEFAULT, "Our-Monitor")):
        assert bots.is_bot("our-monitor 1.0")
        assert bots.is_bot(SCANNER)


@pytest.mark.parametrize(
    "useragent",
    [
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Googlebot/2.1) Chrome/120.0 Safari",
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
        "TelegramBot (like TwitterBot)",
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
        "curl/8.5.0",
        "Slackbot 1.0 (+https://api.slack.com/robots)",
        "Slack-ImgProxy (+https://api.slack.com/robots)",
        "Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 Version/13.1 Safari/605.1.15 (Applebot/0.1; +http://x)",
        "axios/1.7.2",
        "python-httpx/0.27.0",
        "Microsoft Office Existence Discovery",
    ],
)
def test_the_list_that_comes_with_the_app_knows_programs_that_say_so(useragent: str) -> None:
    """They are named as their makers document them."""
    with override(BOT_USERAGENTS=bots.DEFAULT):
        assert bots.is_bot(useragent)


@pytest.mark.parametrize(
    "useragent",
    [
        PERSON,
        "Mozilla/5.0 (Linux; Android 9; CUBOT NOTE S) AppleWebKit/537.36 Chrome/99.0 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; Android 9; CUBOT) AppleWebKit/537.36 Chrome/99.0 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; U; Android 9; CUBOT-X18; de) AppleWebKit/537.36 Mobile Safari/537.36",
        "Mozilla/5.0 (Macintosh) AppleWebKit/537.36 Chrome/126.0 Electron/31 Safari/537.36 Slack_SSB/4.39.95",
        "okhttp/4.12.0",
        "Java/17.0.2",
        "Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8)",
        "Whyness/7 CFNetwork/1494.0.7 Darwin/23.4.0",
        "Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 Mobile/15E148 BOTIM/3.1",
    ],
)
def test_the_list_that_comes_with_the_app_leaves_people_alone(useragent: str) -> None:
    """Telephones, apps, and a chat's own window."""
    with override(BOT_USERAGENTS=bots.DEFAULT):
        assert not bots.is_bot(useragent)


@pytest.mark.parametrize("wrong", [7, [7], [""]])
def test_a_faulty_list_costs_no_event(wrong: object) -> None:
    """The system check names it."""
    with override(BOT_USERAGENTS=wrong):
        assert click(SCANNER)


@pytest.mark.parametrize(("found", "expected"), [("A/1, b", ("a/1", "b")), (["Curl/"], ("curl/",)), ((), ())])
def test_parts_are_compared_in_lower_case(found: object, expected: tuple[str, ...]) -> None:
    """In the environment there are commas between them."""
    assert setting_parsers.parts(found) == expected


@pytest.mark.parametrize("wrong", [7, [7], [""], "a,,b"])
def test_an_empty_part_which_every_header_has_is_refused(wrong: object) -> None:
    """The same holds for what is not a text."""
    with pytest.raises((TypeError, ValueError)):
        setting_parsers.parts(wrong)
