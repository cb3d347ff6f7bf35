"""What an event has from the request in which it is sent: page, campaign, route, address, browser."""

import re
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from urllib.parse import unquote_plus

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest

from whyness_mixpanel import conf, proxies
from whyness_mixpanel.encoding import field_values
from whyness_mixpanel.privacy import filters

# Scheme, host with its port, path, query. A user and a password before the host are left out.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(?:[^/?#]*@)?([^/?#@]+)([^?#]*)(?:\?([^#]*))?").match
_PAGES = ("document", "frame", "iframe")
# Further parameters of a query are ignored.
_MOST_PARAMETERS = 200
# One within the other, as in a link that is a parameter of a link.
_MOST_ENCODINGS = 3


class RequestFacts:
    """What a request says, read when the first event asks for it.

    Args:
        request: of Django.
    """

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    def may_be_of(self, user: str) -> bool:
        """Whether this may be a request of an event's user, rather than of staff who act for the user."""
        return not user or field_values.user(getattr(self._request, "user", None)) in ("", user)

    @cached_property
    def address(self) -> str:
        """The client's address."""
        return address_of(self._request)

    @property
    def useragent(self) -> str:
        """The User-Agent header."""
        return self._request.META.get("HTTP_USER_AGENT", "")

    def properties(self) -> Mapping[str, str]:
        """Return page, referrer, campaign and route."""
        match = getattr(self._request, "resolver_match", None)  # middleware may send before there is one
        return self._page | ({"route": match.route} if match and match.route else {})

    @cached_property
    def _page(self) -> dict[str, str]:
        meta, kept = self._request.META, _url_parameters()
        referrer, referring_domain = _clean(meta.get("HTTP_REFERER", ""), kept)
        try:
            host = self._request.get_host()
            if not _is_page(self._request):
                is_ours = host.lower() == referring_domain.lower()
                return {"$current_url": _without_secrets(referrer)} if is_ours else {}
            url, _ = _clean(self._request.build_absolute_uri(), kept)
        except SuspiciousOperation:  # a host that is not allowed
            return {}
        page = {"$current_url": url, "$referrer": referrer, "$referring_domain": referring_domain}
        page |= _campaign(meta.get("QUERY_STRING", ""))
        return {name: _without_secrets(text) for name, text in page.items() if text}


def address_of(request: HttpRequest) -> str:
    """Return the client's address, `""` where it or the setting cannot be read."""
    try:
        trusted = conf.TRUSTED_PROXIES.get()
    except conf.SettingError:
        return ""  # the page must not fail; a system check names the setting
    meta = request.META
    return proxies.client_address(
        meta.get("REMOTE_ADDR") or "", meta.get("HTTP_X_FORWARDED_FOR") or "", trusted
    )


def _is_page(request: HttpRequest) -> bool:
    """Whether the answer is a page of its own, rather than for a page that posted or fetched."""
    meta = request.META
    if request.method not in ("GET", "HEAD"):
        return False
    if destination := meta.get("HTTP_SEC_FETCH_DEST"):
        return destination in _PAGES
    # Browsers before 2023 do not send that header.
    accepted = meta.get("HTTP_ACCEPT", "text/html")
    return "text/html" in accepted and "HTTP_X_REQUESTED_WITH" not in meta


def _clean(url: str, kept: Collection[str]) -> tuple[str, str]:
    """Return a URL without fragment, user and password, and with those parameters only; and its host."""
    match = _URL(url)
    if not match:
        return "", ""
    scheme, host, path, query = match.groups("")
    left = "&".join(pair for name, _, pair in _parameters(query) if name in kept)
    return f"{scheme}://{host}{path}" + (f"?{left}" if left else ""), host


def _without_secrets(text: str) -> str:
    """Return a text without secrets that percent-encoding would hide from the scrubber."""
    decoded = text
    for _ in range(_MOST_ENCODINGS):
        decoded = unquote_plus(decoded)
    scrubbed: str = filters.scrubber().scrub(decoded)
    return text if scrubbed == decoded else scrubbed


def _campaign(query: str) -> dict[str, str]:
    """Return the campaign parameters; of several of the same name, the first that is not empty."""
    found: dict[str, str] = {}
    for name, value, _ in _parameters(query):
        if name in conf.UTM and value.strip():
            found.setdefault(name, value)
    return found


def _parameters(query: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, value, and both as they are written."""
    for pair in query.split("&", _MOST_PARAMETERS)[:_MOST_PARAMETERS] if query else ():
        name, _, value = pair.partition("=")
        yield unquote_plus(name), unquote_plus(value), pair


def _url_parameters() -> Collection[str]:
    try:
        return conf.URL_PARAMETERS.get()
    except conf.SettingError:
        return ()  # as for addresses
