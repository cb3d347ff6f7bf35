"""Edge: Mixpanel's API for deleting people. One request a second, which is its rate limit.

Source: docs.mixpanel.com/reference/gdpr-api and openapi/gdpr.openapi.yaml of mixpanel/docs, 2026-11-23.
"""

import json
import re
import time
from collections.abc import Callable, Sequence
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener

from whyness_mixpanel import conf

MOST_IDS = 1_999
PAUSE_S = 1.1
STATUSES = ("PENDING", "STAGING", "STARTED", "SUCCESS", "FAILURE", "REVOKED", "NOT_FOUND", "UNKNOWN")

_TIMEOUT_S = 30.0
_ANSWER_BYTES = 1_000_000
_TRACKING_ID = re.compile(r"[A-Za-z0-9_.:-]{1,255}").fullmatch
_ADVICE = {
    400: "Check that PROJECT_TOKEN is the token of the project.",
    401: "Create a new GDPR_TOKEN: it belongs to one person, an owner or admin, and expires after a year.",
    403: "GDPR_TOKEN must belong to an owner or admin of the project of PROJECT_TOKEN.",
    404: "Check that MIXPANEL_URL is the region of the project.",
    429: "Try again in a minute.",
}


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


class NotAsked(Exception):
    """Mixpanel could not be reached, or refused; the text is safe and says what to do."""


def open_without_redirects(request: Request, *, timeout: float) -> Any:
    """Return the response, as `urlopen`; a redirect would send the token to a host that the answer names."""
    return build_opener(_NoRedirect()).open(request, timeout=timeout)


class DeletionApi:
    """The deletions of one project.

    Args:
        url: the URL of the project's region, one of MIXPANEL_URL.
        project_token: the token of the project.
        gdpr_token: the personal OAuth token of an owner or admin.
        sleep: waits for a number of seconds.
    """

    def __init__(
        self, url: str, *, project_token: str, gdpr_token: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._url = f"{url}/api/app/data-deletions/v3.0"
        self._query = urlencode({"token": project_token})
        self._headers = {"Authorization": f"Bearer {gdpr_token}", "Content-Type": "application/json"}
        self._sleep = sleep
        self._is_first = True

    def ask(self, distinct_ids: Sequence[str]) -> str:
        """Request the deletion of all data under the ids, at most MOST_IDS; return its tracking id.

        Raises:
            NotAsked: it was refused, or the result is unknown.
        """
        body = json.dumps({"compliance_type": "GDPR", "distinct_ids": list(distinct_ids)})
        tracking_id = self._call("POST", "/", body).get("task_id")
        if not isinstance(tracking_id, str) or not _TRACKING_ID(tracking_id):
            raise NotAsked("Mixpanel answered without the id of a deletion. Try again.")
        return tracking_id

    def status(self, tracking_id: str) -> str:
        """Return the status of a deletion, one of STATUSES.

        Raises:
            NotAsked: the status is unknown.
        """
        state = self._call("GET", f"/{quote(tracking_id, safe='')}").get("status")
        return state if state in STATUSES else "UNKNOWN"

    def _call(self, method: str, path: str, body: str | None = None) -> dict[str, Any]:
        if not self._is_first:
            self._sleep(PAUSE_S)
        self._is_first = False
        data = body.encode() if body else None
        # The URL is one of a few: conf.MIXPANEL_URL allows no other.
        request = Request(  # noqa: S310  (as above)
            f"{self._url}{path}?{self._query}", data=data, headers=self._headers, method=method
        )
        try:
            with open_without_redirects(request, timeout=_TIMEOUT_S) as response:
                answer = json.loads(response.read(_ANSWER_BYTES))
        except HTTPError as error:
            error.close()
            raise NotAsked(_sentence(error.code)) from None
        except (OSError, HTTPException) as error:
            raise NotAsked(f"Mixpanel cannot be reached ({type(error).__name__}). Try again.") from None
        except (ValueError, RecursionError):
            raise NotAsked("Mixpanel's answer cannot be read. Try again.") from None
        results = answer.get("results") if isinstance(answer, dict) else None
        return results if isinstance(results, dict) else {}


def from_settings() -> DeletionApi:
    """Return the API of the project in the settings.

    Raises:
        NotAsked: PROJECT_TOKEN or GDPR_TOKEN is not set.
    """
    tokens = (conf.PROJECT_TOKEN, conf.GDPR_TOKEN)
    if missing := [setting for setting in tokens if not setting.get()]:
        names = " and ".join(f"{setting.key} (environment: {setting.environment})" for setting in missing)
        raise NotAsked(f"Mixpanel was not asked: {names} {'is' if len(missing) == 1 else 'are'} not set.")
    return DeletionApi(
        conf.MIXPANEL_URL.get(), project_token=conf.PROJECT_TOKEN.get(), gdpr_token=conf.GDPR_TOKEN.get()
    )


def _sentence(status: int) -> str:
    return f"Mixpanel answered {status}. {_ADVICE.get(status, 'Try again later.')}"
