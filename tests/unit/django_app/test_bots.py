import pytest
from django.test import RequestFactory

from tests.django_support import override, published
from whyness_mixpanel import bots, counters, parse
from whyness_mixpanel.track import track

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


@pytest.mark.parametrize("event", ["User click", "Prospect click"])
def test_a_click_of_a_listed_program_is_not_sent_and_counted(event: str) -> None:
    """A person's click with the same list is."""
    with override(BOT_USERAGENTS=bots.KNOWN):
        assert not click(SCANNER, event)
        assert click(PERSON, event)

    assert [found["useragent"] for found in published()] == [PERSON]
    assert counters.snapshot()["bots"] == 1


def test_other_events_are_not_filtered() -> None:
    """A program that uses the site does what it does."""
    with override(BOT_USERAGENTS=bots.KNOWN):
        assert click(SCANNER, "Audio upload")

    assert len(published()) == 1


def test_a_view_can_ask_before_it_stores_a_click() -> None:
    """In any case of letters; a request without the header is no program we know."""
    requests = RequestFactory()

    with override(BOT_USERAGENTS="LinkCheck, other"):
        assert bots.from_bot(requests.get("/", headers={"user-agent": "My linkchecker/2"}))
        assert not bots.from_bot(requests.get("/", headers={"user-agent": PERSON}))
        assert not bots.from_bot(requests.get("/"))


@pytest.mark.parametrize(
    "useragent",
    [
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Googlebot/2.1) Chrome/120.0 Safari",
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
        "TelegramBot (like TwitterBot)",
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
        "curl/8.5.0",
    ],
)
def test_the_list_that_comes_with_the_app_knows_programs_that_say_so(useragent: str) -> None:
    """They are named as their makers document them."""
    with override(BOT_USERAGENTS=bots.KNOWN):
        assert bots.is_bot(useragent)


@pytest.mark.parametrize(
    "useragent",
    [
        PERSON,
        "Mozilla/5.0 (Linux; Android 9; CUBOT NOTE S) AppleWebKit/537.36 Chrome/99.0 Mobile Safari/537.36",
    ],
)
def test_the_list_that_comes_with_the_app_leaves_people_alone(useragent: str) -> None:
    """Also those whose telephone is called CUBOT."""
    with override(BOT_USERAGENTS=bots.KNOWN):
        assert not bots.is_bot(useragent)


@pytest.mark.parametrize("wrong", [7, [7], [""]])
def test_a_faulty_list_costs_no_event(wrong: object) -> None:
    """The system check names it."""
    with override(BOT_USERAGENTS=wrong):
        assert click(SCANNER)


@pytest.mark.parametrize(("found", "expected"), [("A/1, b", ("a/1", "b")), (["Curl/"], ("curl/",)), ((), ())])
def test_parts_are_compared_in_lower_case(found: object, expected: tuple[str, ...]) -> None:
    """In the environment there are commas between them."""
    assert parse.parts(found) == expected


@pytest.mark.parametrize("wrong", [7, [7], [""], "a,,b"])
def test_an_empty_part_which_every_header_has_is_refused(wrong: object) -> None:
    """So is what is no text."""
    with pytest.raises((TypeError, ValueError)):
        parse.parts(wrong)
