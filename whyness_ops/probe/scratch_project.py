"""Edge: a person's calls of /import. No redirect is followed: the password stays there."""

import base64
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import ip_address
from urllib.parse import urlencode, urlsplit

from whyness_ops.errors import SetupFault, UsageFault
from whyness_ops.probe.probe_answers import Answer

HOSTS = {
    "us": ("https://api.mixpanel.com", "https://data.mixpanel.com"),
    "eu": ("https://api-eu.mixpanel.com", "https://data-eu.mixpanel.com"),
    "in": ("https://api-in.mixpanel.com", "https://data-in.mixpanel.com"),
}
"""The addresses of /import and of the export, by region."""

_IMPORT_S = 60
_MOST_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Credentials:
    """Of a person or a service account.

    Attributes:
        password: never shown.
    """

    account: str
    password: str = field(repr=False)

    def header(self) -> str:
        """Return the header's value."""
        return "Basic " + base64.b64encode(f"{self.account}:{self.password}".encode()).decode()

    def removed(self, text: str) -> str:
        """Return text without them, as nobody knows what a server says."""
        for secret in (self.header().partition(" ")[2], self.password, self.account):
            text = text.replace(secret, "[removed]")
        return text


def hosts(region: str, api_url: str | None) -> tuple[str, str]:
    """Return the addresses of /import and of the export.

    Raises:
        UsageFault: the URL is neither this machine's nor Mixpanel's.
    """
    if api_url is None:
        return HOSTS[region]
    url = api_url.rstrip("/")
    for pair in HOSTS.values():
        if url == pair[0]:
            return pair
    if not _is_loopback(url):
        raise UsageFault("--api-url can be a simulator on this machine, or one of Mixpanel's own hosts.")
    return url, url


@dataclass(frozen=True, slots=True)
class Mixpanel:
    """One project.

    Attributes:
        import_url: of the host that takes events.
        export_url: of the host that gives them back.
    """

    import_url: str
    export_url: str
    project: str
    credentials: Credentials

    def post(self, query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a request to /import; whatever happens to it is an answer.

        Raises:
            SetupFault: there is no connection.
        """
        with_auth = {"Authorization": self.credentials.header(), **headers}
        connection = _connection(self.import_url, _IMPORT_S)
        try:
            # A server may answer a body that is too large before it has read all of it.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request("POST", f"/import?{urlencode(query)}", body, with_auth)
            response = connection.getresponse()
            answer = Answer(response.status, response.read(_MOST_BYTES))
            is_whole = not response.length or len(answer.body) == _MOST_BYTES
            return answer if is_whole else Answer(0, trouble="it was cut short")
        except (OSError, HTTPException) as error:
            return Answer(0, trouble=_in_words(error))
        finally:
            connection.close()


def _connection(url: str, timeout_s: float) -> HTTPConnection:
    """Return an open connection.

    Raises:
        SetupFault: there is none.
    """
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
    try:
        connection.connect()
    except OSError as error:
        raise SetupFault(f"{url} cannot be reached: {_in_words(error)}.") from error
    return connection


def _is_loopback(url: str) -> bool:
    try:
        parts = urlsplit(url)
        is_plain = parts.scheme in {"http", "https"} and not (parts.path or parts.query or parts.username)
        return is_plain and parts.port != 0 and ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def _in_words(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
