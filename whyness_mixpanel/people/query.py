"""Edge: the Query API for profiles, in pages of 1,000; a page that does not come is asked for again.

Source: docs.mixpanel.com/reference/engage-query and openapi/query.openapi.yaml of mixpanel/docs, 2026-11-26.
"""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from http.client import HTTPException
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request

from whyness_mixpanel.privacy.deletion_api import open_without_redirects
from whyness_ops.audit.audit_command import Credentials
from whyness_ops.audit.export_pace import Pace
from whyness_ops.errors import NotJudged

# Each page is asked for once, and again after these waits.
_WAITS_S = (2.0, 10.0, 60.0)
_TIMEOUT_S = 60.0
_ANSWER_BYTES = 256_000_000
_REFUSALS = {
    400: "After --resume: the earlier run is too old, so delete its file.",
    401: "Check AUDIT_ACCOUNT and AUDIT_PASSWORD, PROJECT_ID and MIXPANEL_URL.",
    402: "The project's plan has no queries.",
    403: "Give the service account the role Consumer in this project.",
    404: "Check MIXPANEL_URL.",
}


class Found(NamedTuple):
    """A profile as Mixpanel has it; its id may be another than the one that was sent."""

    distinct_id: str
    properties: Mapping[str, Any]


class Answer(NamedTuple):
    """A page of the profiles of a session, which shows them as they were when it began."""

    session: str
    number: int
    page_size: int
    total: int
    found: list[Found]

    @property
    def page_count(self) -> int:
        """How many pages the session has."""
        return max(1, -(-self.total // self.page_size))


class _TryAgain(Exception):
    pass


class ProfileQueries:
    """Asks for the profiles of a project.

    Args:
        url: of the project's region, one of MIXPANEL_URL.
        project_id: of the project.
        credentials: of a service account.
        pace: of the requests.
        is_stopped: whether to stop before the next request.
    """

    def __init__(
        self,
        url: str,
        project_id: str,
        credentials: Credentials,
        pace: Pace,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._url = f"{url}/api/2.0/engage?{urlencode({'project_id': project_id})}"
        token = base64.b64encode(":".join(credentials).encode()).decode()
        self._headers = {"Authorization": f"Basic {token}"}
        self._pace, self._is_stopped = pace, is_stopped

    def pages(self, session: str = "", number: int = 0) -> Iterator[Answer]:
        """Yield the pages of all profiles, or those of a session from a page on.

        Raises:
            NotJudged: Mixpanel refuses, gives no answer or an incomplete one, or the command was stopped.
        """
        answer = self._asked({"session_id": session, "page": str(number)} if session else {})
        yield answer
        for page in range(number + 1, answer.page_count):
            yield self._asked({"session_id": answer.session, "page": str(page)})

    def named(self, distinct_id: str) -> list[Found]:
        """Return the profile with this id, if there is one; raises like `pages`."""
        return self._asked({"distinct_id": distinct_id}).found

    def _asked(self, form: Mapping[str, str]) -> Answer:
        why = ""
        for wait_s in (*_WAITS_S, None):
            self._pace.before_request()
            if self._is_stopped():
                raise NotJudged("Stopped before all profiles were read.")
            try:
                return _read(self._open(form), int(form.get("page", "0")))
            except _TryAgain as trouble:
                why = str(trouble)
                if wait_s is not None:
                    self._pace.pause(wait_s, why)
        raise NotJudged(f"Mixpanel gave no profiles in {len(_WAITS_S) + 1} tries: {why}.")

    def _open(self, form: Mapping[str, str]) -> bytes:
        # The URL is one of a few: conf.MIXPANEL_URL allows no other.
        request = Request(self._url, data=urlencode(form).encode(), headers=self._headers)  # noqa: S310  (as above)
        try:
            with open_without_redirects(request, timeout=_TIMEOUT_S) as response:
                body: bytes = response.read(_ANSWER_BYTES)
                return body
        except HTTPError as error:
            error.close()
            if error.code == HTTPStatus.TOO_MANY_REQUESTS or error.code >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise _TryAgain(f"it answers {error.code}") from None
            advice = _REFUSALS.get(error.code, "Check MIXPANEL_URL.")
            raise NotJudged(f"Mixpanel refuses to show profiles with {error.code}. {advice}") from None
        except (OSError, HTTPException) as error:
            raise _TryAgain(f"it cannot be reached ({type(error).__name__})") from None


def _read(body: bytes, number: int) -> Answer:
    """Return the answer; one with fewer profiles than it announces is none."""
    try:
        raw = json.loads(body)
        found = [Found(str(each["$distinct_id"]), dict(each["$properties"])) for each in raw["results"]]
        answer = Answer(str(raw["session_id"]), number, int(raw["page_size"]), int(raw["total"]), found)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        raise _TryAgain("its answer cannot be read") from None
    due = min(answer.page_size, answer.total - number * answer.page_size)
    if answer.page_size < 1 or len(found) != max(0, due):
        raise _TryAgain(f"it answers with {len(found)} profiles where {max(0, due)} are due")
    return answer
