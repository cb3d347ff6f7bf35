"""Programs that follow links: crawlers, previews, and what scans the links of an e-mail before a person does.

Off by default. A filter can only know what a program says of itself; whoever pretends to be a browser counts.
"""

from django.http import HttpRequest

from whyness_mixpanel import conf, counters

# Parts of the headers that such programs send, in lower case, as their makers document them (2026-11):
# search engines, previews of chats, e-mail gateways that scan links, and HTTP libraries. Not a bare `bot`:
# telephones are called CUBOT.
KNOWN = (
    "bot/", "bot-", "bot;", "bot)", "telegrambot", "crawl", "spider", "slurp",
    "facebookexternalhit", "whatsapp", "skypeuripreview", "bingpreview",
    "googleimageproxy", "mediapartners-google", "google-read-aloud", "barracuda", "proofpoint", "mimecast",
    "safelinks", "microsoft office", "ms-office", "python-requests", "python-urllib", "curl/", "wget/",
    "go-http-client", "okhttp", "java/", "headlesschrome",
)  # fmt: skip
# The events that links make.
CLICKS = frozenset({"User click", "Prospect click"})


def is_bot(useragent: str) -> bool:
    """Whether BOT_USERAGENTS has a part of this header; never where the setting cannot be read."""
    try:
        parts = conf.BOT_USERAGENTS.get()
    except conf.SettingError:
        return False  # the event counts; the system check names the setting
    header = useragent.lower()
    return any(part in header for part in parts)


def is_bots_click(event: str, useragent: str) -> bool:
    """Whether an event is a click of a program; it is counted as `bots`."""
    if event not in CLICKS or not is_bot(useragent):
        return False
    counters.add("bots")
    return True


def from_bot(request: HttpRequest) -> bool:
    """Whether a program asks: for a call site that stores a row for each click, before it does."""
    return is_bot(request.META.get("HTTP_USER_AGENT", ""))
