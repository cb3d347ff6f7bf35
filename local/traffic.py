"""Visitors of the example site: which requests they make, and the threads that make them."""

import http.client
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import quote, urlsplit

_TITLES = ("Video watched", "Audio upload", "Profile viewed", "Profile saved", "Question asked", "Signed in")
_METHODS = ("GET", "GET", "GET", "POST", "PUT")
_CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0"
_SAFARI = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version"
_USER_AGENTS = (
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_CHROME} Safari/537.36",
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_CHROME} Safari/537.36 Edg/131.0.2903.86",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_SAFARI}/18.1 Safari/605.1.15",
    f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1_1 like Mac OS X) {_SAFARI}/18.1.1 Mobile/15E148 Safari/604.1",
    f"Mozilla/5.0 (iPad; CPU OS 17_7 like Mac OS X) {_SAFARI}/17.7 Mobile/15E148 Safari/604.1",
    f"Mozilla/5.0 (Linux; Android 14; Pixel 8) {_CHROME} Mobile Safari/537.36",
    f"Mozilla/5.0 (Linux; Android 13; SAMSUNG SM-S911B) {_CHROME} Mobile Safari/537.36",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    'A "quoted" agent, née in Zürich',
    "",
)
# Public addresses (from MaxMind's test data), private ones, a list of proxies, and an invalid one.
_ADDRESSES = (
    "81.2.69.142",
    "89.160.20.112",
    "216.160.83.56",
    "175.16.199.1",
    "2001:218::1",
    "2a02:cf40::1, 10.0.0.7",
    "192.168.1.20",
    "127.0.0.1",
    "unknown",
)
_THREADS = 8
_TIMEOUT_S = 60


class Request(NamedTuple):
    """A visitor's request."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class People:
    """The people and destinations in the site's database."""

    user_ids: Sequence[int]
    user_xrefs: Sequence[str]
    contact_xrefs: Sequence[str]
    destination_xrefs: Sequence[str]


class TrafficError(RuntimeError):
    """The site did not answer, or not with a page or a redirect."""


def plan(count: int, people: People, *, seed: int) -> Iterator[Request]:
    """Return requests that send one event each; the same seed returns the same ones."""
    chance = random.Random(seed)  # noqa: S311  (traffic, not a secret)
    for _ in range(count):
        headers = {
            "User-Agent": chance.choice(_USER_AGENTS).encode().decode("latin-1"),
            "X-Forwarded-For": chance.choice(_ADDRESSES),
        }
        yield Request(*_page(people, chance), headers)


def _page(people: People, chance: random.Random) -> tuple[str, str]:
    link, title = chance.choice(people.destination_xrefs), quote(chance.choice(_TITLES))
    match chance.choices(("user", "nobody", "user click", "prospect click"), (55, 10, 15, 20)):
        case ["user"]:
            return chance.choice(_METHODS), f"/as/{chance.choice(people.user_ids)}/activity/{title}/"
        case ["nobody"]:
            return chance.choice(_METHODS), f"/activity/{title}/"
        case ["user click"]:
            return "GET", f"/goto/{link}/{chance.choice(people.user_xrefs)}/"
    return "GET", f"/goto/{link}/{chance.choice(people.contact_xrefs)}/"


def drive(url: str, requests: Iterator[Request], on_answer: Callable[[], None]) -> None:
    """Make all requests, several at a time, and call `on_answer` in this thread after each.

    Raises:
        TrafficError: an answer was neither a page nor a redirect, or there was none.
    """
    address = urlsplit(url).netloc
    executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="visitor")
    try:
        for answer in as_completed([executor.submit(_ask, address, request) for request in requests]):
            answer.result()
            on_answer()
    finally:
        executor.shutdown(cancel_futures=True)  # on Ctrl-C, skip the rest


def _ask(address: str, request: Request) -> None:
    connection = http.client.HTTPConnection(address, timeout=_TIMEOUT_S)
    try:
        connection.request(request.method, request.path, headers=request.headers)
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise TrafficError(f"{request.method} {request.path}: {type(error).__name__}: {error}") from error
    finally:
        connection.close()
    if answer.status not in {HTTPStatus.OK, HTTPStatus.FOUND}:
        raise TrafficError(f"{request.method} {request.path}: the site answered {answer.status}")
