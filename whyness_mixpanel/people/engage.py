"""`POST /engage`: packs updates into requests, posts them, and judges the answers.

It answers 200 to nearly everything, also to a request of which a single update was valid. Source:
docs.mixpanel.com/reference/profile-set and openapi/ingestion.openapi.yaml of mixpanel/docs, 2026-11-26.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from enum import Enum, auto
from http import HTTPStatus
from http.client import HTTPException
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.request import Request

from whyness_events.values import size_bytes
from whyness_mixpanel.people.update import REQUEST_BYTES, Project, Update
from whyness_mixpanel.privacy.deletion_api import open_without_redirects
from whyness_mixpanel.setting_parsers import MIXPANEL_URLS

# Half of what Mixpanel allows.
REQUEST_UPDATES = 1_000
TIMEOUT_S = 30.0
_ANSWER_BYTES = 1_000_000
# https://api.mixpanel.com, https://api-eu.mixpanel.com, https://api-in.mixpanel.com
_HOSTS = {url: url.replace("://", "://api-").replace("api-mix", "api.mix") for url in MIXPANEL_URLS}
# `ip=0`: else the address of this server would be the people's. `strict` and `verbose`: say what is wrong.
_QUERY = "/engage?strict=1&verbose=1&ip=0"


class Reply(NamedTuple):
    """An answer; status 0 where none arrived."""

    status: int
    body: bytes = b""


class Verdict(Enum):
    """What an answer says of a request."""

    YES = auto()  # all of it is done
    NO = auto()  # not all of it was accepted
    UNSURE = auto()  # it may have acted, or may still act
    SETUP = auto()  # it was refused, as any other would be


Post = Callable[[bytes], Reply]


def poster(url: str) -> Post:
    """Return the function that posts a body to the project's region, and never raises for a failure.

    Args:
        url: one of MIXPANEL_URL, or of a simulator on loopback.
    """
    address = f"{_HOSTS.get(url, url)}{_QUERY}"

    def post(body: bytes) -> Reply:
        # The URL is one of a few: conf.MIXPANEL_URL allows no other.
        request = Request(address, data=body, headers={"Content-Type": "application/json"})  # noqa: S310  (as above)
        try:
            with open_without_redirects(request, timeout=TIMEOUT_S) as response:
                return Reply(response.status, _read(response))
        except HTTPError as error:
            error.close()
            return Reply(error.code)
        except (OSError, HTTPException):
            return Reply(0)

    return post


def _read(response: Any) -> bytes:
    """Return the body, or its beginning; the timeout of a socket is for each part of it."""
    until_s, body = time.monotonic() + TIMEOUT_S, b""
    while len(body) < _ANSWER_BYTES and (part := response.read1(_ANSWER_BYTES)):
        body += part
        if time.monotonic() > until_s:
            raise TimeoutError
    return body


def judge(reply: Reply, update_count: int) -> Verdict:
    """Return what an answer says of a request of so many updates."""
    if reply.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return Verdict.NO
    if reply.status != HTTPStatus.OK:
        is_client = HTTPStatus.BAD_REQUEST <= reply.status < HTTPStatus.INTERNAL_SERVER_ERROR
        return Verdict.SETUP if is_client and reply.status != HTTPStatus.TOO_MANY_REQUESTS else Verdict.UNSURE
    try:
        answer = json.loads(reply.body)
    except (ValueError, RecursionError):
        return Verdict.UNSURE
    return _judge_json(answer, update_count)


def _judge_json(answer: object, update_count: int) -> Verdict:
    if type(answer) is int:  # it did not heed `verbose`, and 1 says that at least one was valid
        answer = {"status": answer, "num_good_events": min(answer, 1)}
    if not isinstance(answer, dict) or answer.get("status") not in (0, 1):
        return Verdict.UNSURE
    good = answer.get("num_good_events", update_count)
    is_whole = answer["status"] == 1 and not answer.get("error") and good == update_count
    return Verdict.YES if is_whole else Verdict.NO


def body_of(objects: Sequence[str]) -> bytes:
    """Return the body of a request."""
    return f"[{','.join(objects)}]".encode()


def chunks(updates: Sequence[Update], project: Project) -> Iterator[Sequence[Update]]:
    """Yield the updates of one request after the other, in order; a person's updates stay together."""
    start, count, size = 0, 0, 2
    for index, update in enumerate(updates):
        objects = project.objects(update)
        its_size = sum(size_bytes(text) + 1 for text in objects)
        if count and (count + len(objects) > REQUEST_UPDATES or size + its_size > REQUEST_BYTES):
            yield updates[start:index]
            start, count, size = index, 0, 2
        count, size = count + len(objects), size + its_size
    if updates:
        yield updates[start:]
