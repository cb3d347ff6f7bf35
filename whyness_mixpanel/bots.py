"""Recognises programs by their User-Agent: crawlers, link previews, e-mail scanners, HTTP libraries.

Off by default. A program that pretends to be a browser is not recognised.
"""

from collections.abc import Mapping
from types import MappingProxyType

from django.http import HttpRequest

from whyness_mixpanel import conf

# A community list, with the headers as observed.
_LISTED = "https://github.com/monperrus/crawler-user-agents"
_GOOGLE = "https://developers.google.com/search/docs/crawling-indexing/overview-google-crawlers"
_META = "https://developers.facebook.com/docs/sharing/webmasters/web-crawlers"
_OFFICE = (
    "https://blogs.msdn.com/b/vsofficedeveloper/archive/2008/03/11/office-existence-discovery-protocol.aspx"
)
_SCANNERS = "https://check.live-direct-marketing.online/blog/bot-clicks-security-scanners-detect"
# Parts of their User-Agent headers in lower case, with what documents them (2026-11-27). Not among them: a
# bare `bot`, which apps and telephones have in their names; `java/`, `okhttp`, `dalvik`, `cfnetwork`, which
# apps on telephones send.
SOURCES: Mapping[str, str] = MappingProxyType(
    {
        # Most names: Googlebot/2.1, AdsBot-Google, "…; bot; …", YandexBot) and so on.
        "bot/": _LISTED,
        "bot-": _LISTED,
        "bot;": _LISTED,
        "bot)": _LISTED,
        "crawl": _LISTED,
        "spider": _LISTED,
        # Search engines and assistants with other names.
        "applebot": "http://www.apple.com/go/applebot",
        "slurp": "http://help.yahoo.com/help/us/ysearch/slurp",
        "googleother": _GOOGLE,
        "google-inspectiontool": _GOOGLE,
        "mediapartners-google": _GOOGLE,
        "apis-google": _GOOGLE,
        "feedfetcher-google": _GOOGLE,
        "google-read-aloud": _GOOGLE,
        "google-site-verification": _GOOGLE,
        "meta-external": _META,
        "chatgpt-user": "https://openai.com/bot",
        "claude-user": _LISTED,
        "perplexity-user": "https://docs.perplexity.ai/guides/bots",
        # Previews of links, and proxies for images.
        "facebookexternalhit": _META,
        "whatsapp/": _LISTED,
        "telegrambot": _LISTED,
        "slackbot": "https://api.slack.com/robots",
        "slack-imgproxy": "https://api.slack.com/robots",
        "skypeuripreview": _LISTED,
        "bingpreview": "https://www.bing.com/webmaster/help/which-crawlers-does-bing-use-8c184ec0",
        "googleimageproxy": _LISTED,
        # Scanners of links in e-mails and documents.
        "microsoft office existence discovery": _OFFICE,
        "microsoft office protocol discovery": "https://stackoverflow.com/questions/8073908",
        "barracuda": _SCANNERS,
        "proofpoint": _SCANNERS,
        # HTTP libraries and tools, each by the header that it sends unless told otherwise.
        "axios/": "https://github.com/axios/axios",
        "aiohttp/": "https://docs.aiohttp.org/en/stable/",
        "curl/": "https://curl.se/",
        "go-http-client": "https://pkg.go.dev/net/http",
        "node-fetch": "https://github.com/bitinn/node-fetch",
        "python-httpx": "https://www.python-httpx.org",
        "python-requests": _LISTED,
        "python-urllib": _LISTED,
        "wget/": _LISTED,
        "headlesschrome": "https://developers.google.com/web/updates/2017/04/headless-chrome",
    }
)
# For BOT_USERAGENTS; a site adds its own: (*bots.DEFAULT, "our-monitor").
DEFAULT = tuple(SOURCES)
# Phone makers whose names end in "bot".
_PHONES = ("cubot",)


def is_bot(useragent: str) -> bool:
    """Whether this header contains an entry of BOT_USERAGENTS, or is empty, as no browser's is.

    False where the setting is empty or invalid.
    """
    try:
        parts = conf.BOT_USERAGENTS.get()
    except conf.SettingError:
        return False  # the event counts; a system check names the setting
    header = useragent.strip().lower()
    for phone in _PHONES:
        header = header.replace(phone, phone[:-1])
    return bool(parts) and (not header or any(part in header for part in parts))


def from_bot(request: HttpRequest) -> bool:
    """Whether the request comes from a program, for call sites that store a row per click."""
    return is_bot(request.META.get("HTTP_USER_AGENT") or "")
