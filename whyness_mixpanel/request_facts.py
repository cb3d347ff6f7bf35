"""What an event has from the request in which it is sent: page, campaign, route, address, browser."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote_plus

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest
from django.utils.encoding import escape_uri_path

from whyness_mixpanel import conf, proxies
from whyness_mixpanel.encoding import field_values
from whyness_mixpanel.url_parameters import UTM

# Scheme, host with its port, path, query. A user and a password before the host are left out. Other schemes
# are not allowed, because anybody can write the header, and a link such as javascript:// may run.
_URL = re.compile(r"((?i:https?|android-app))://(?:[^/?#]*@)?([^/?#@]+)([^?#]*)(?:\?([^#]*))?").match
# Name, value, and both as they are written.
_Parameter = tuple[str, str, str]
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
        self._page: dict[str, str] | None = None
        self._address: str | None = None

    def may_be_of(self, user: str) -> bool:
        """Whether this may be a request of an event's user, rather than of staff who act for the user."""
        return not user or field_values.user(getattr(self._request, "user", None)) in ("", user)

    @property
    def address(self) -> str:
        """The client's address."""
        if self._address is None:
            self._address = address_of(self._request)
        return self._address

    @property
    def useragent(self) -> str:
        """The User-Agent header."""
        header: str = self._request.META.get("HTTP_USER_AGENT", "")
        return header if _is_sent(header) else ""

    def properties(self, scrub: Callable[[Any], Any]) -> Mapping[str, str]:
        """Return page, referrer, campaign and route, without secrets."""
        if self._page is None:
            texts = {name: text for name, text in _page(self._request).items() if _is_sent(text)}
            self._page = scrub(texts) | _hidden_secrets(texts, scrub)
        match = getattr(self._request, "resolver_match", None)  # middleware may send before there is one
        return self._page | {"route": str(match.route)} if match and match.route else self._page


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


def _page(request: HttpRequest) -> dict[str, str]:
    """Return page, referrer and campaign; texts may be empty."""
    referrer, referring_domain = _clean(request.META.get("HTTP_REFERER", ""))
    try:
        host = request.get_host()
    except SuspiciousOperation:  # a host that is not allowed
        return {}
    if not _is_page(request):
        return {"$current_url": referrer} if host.lower() == referring_domain.lower() else {}
    parameters = _parameters(request.META.get("QUERY_STRING", ""))
    address = f"{request.scheme}://{host}{escape_uri_path(request.path)}{_kept(parameters)}"
    page = {"$current_url": address, "$referrer": referrer, "$referring_domain": referring_domain}
    return page | _campaign(parameters)


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


def _clean(url: str) -> tuple[str, str]:
    """Return a URL without fragment, user and password, and with allowed parameters only; and its host."""
    match = _URL(url)
    if not match:
        return "", ""
    scheme, host, path, query = match.groups("")
    return f"{scheme}://{host}{path}{_kept(_parameters(query))}", host


def _kept(parameters: Sequence[_Parameter]) -> str:
    """Return the query of the allowed parameters, as it was written."""
    try:
        names = conf.URL_PARAMETERS.get() if parameters else ()
    except conf.SettingError:
        return ""  # as for addresses
    kept = "&".join(pair for name, _, pair in parameters if name in names)
    return f"?{kept}" if kept else ""


def _is_sent(text: str) -> bool:
    """Whether there is a text, and JSON can hold it."""
    return bool(text) and (text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text))


def _hidden_secrets(texts: Mapping[str, str], scrub: Callable[[Any], Any]) -> dict[str, str]:
    """Return without secrets, and decoded, those texts in which percent-encoding hides one."""
    found: dict[str, str] = {}
    for name, text in texts.items():
        if "%" in text or "+" in text:
            decoded = text
            for _ in range(_MOST_ENCODINGS):
                decoded = unquote_plus(decoded)
            scrubbed = scrub(decoded)
            found |= {name: scrubbed} if scrubbed != decoded else {}
    return found


def _campaign(parameters: Sequence[_Parameter]) -> dict[str, str]:
    """Return the campaign parameters; of several of the same name, the first that is not empty."""
    found: dict[str, str] = {}
    for name, value, _ in parameters:
        if name in UTM and value.strip():
            found.setdefault(name, value)
    return found


def _parameters(query: str) -> Sequence[_Parameter]:
    some = query.split("&", _MOST_PARAMETERS)[:_MOST_PARAMETERS] if query else ()
    parts = [(pair, *pair.partition("=")) for pair in some]
    return [(unquote_plus(name), unquote_plus(value), pair) for pair, name, _, value in parts]
