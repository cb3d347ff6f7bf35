"""POST of the Query API for profiles: pages of 1,000, for the service account."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from .api_request import ApiRequest
from .importing import authorised_account
from .profiles import Profile, Profiles
from .rate_limit import QueryRate
from .reply import NOT_JSON, Refused, Reply, json_reply
from .settings import Settings

PATH = "/api/2.0/engage"
SESSION_S = 3_600.0
"""How long pages can be asked for. Mixpanel documents none."""


@dataclass(frozen=True, slots=True)
class _Session:
    """The profiles that a query found, as they were then."""

    project_id: str
    until_s: float
    found: list[Profile]


class ProfileQueries:
    """The queries of the last hour. Not thread-safe."""

    def __init__(self) -> None:
        self._rate = QueryRate()
        self._sessions: dict[str, _Session] = {}
        self._session_count = 0

    def answer(
        self, request: ApiRequest, settings: Settings, profiles: Mapping[str, Profiles], now_s: float
    ) -> Reply:
        """Answer a request that arrived at `now_s`, in epoch seconds."""
        try:
            project_id = authorised_account(request.headers, request.query, settings).project_id
            form = _form(request.body.raw)
            self._rate.take(
                project_id, now_s, per_hour=settings.query_per_hour, per_s=settings.query_per_hour
            )
            self._sessions = {name: each for name, each in self._sessions.items() if each.until_s >= now_s}
            name = form.get("session_id") or self._opened(project_id, form, profiles[project_id], now_s)
            return _page(name, self._session(name, project_id), form, settings)
        except Refused as refusal:
            return json_reply(refusal.status, {"error": refusal.error, "request": PATH})

    def _opened(self, project_id: str, form: Mapping[str, str], profiles: Profiles, now_s: float) -> str:
        self._session_count += 1
        name = f"session-{self._session_count}"
        wanted = _wanted(form)
        found = [each for each in profiles.all() if wanted is None or each.distinct_id in wanted]
        self._sessions[name] = _Session(project_id, now_s + SESSION_S, found)
        return name

    def _session(self, name: str, project_id: str) -> _Session:
        session = self._sessions.get(name)
        if not session or session.project_id != project_id:
            raise Refused(400, "session_id is unknown or too old")
        return session


def _form(body: bytes) -> dict[str, str]:
    form = dict(parse_qsl(body.decode("latin-1"), keep_blank_values=True))
    unknown = form.keys() - {"distinct_id", "distinct_ids", "output_properties", "session_id", "page"}
    if unknown:
        raise Refused(400, f"the simulator has no {min(unknown)}")
    if not form.get("page", "0").isdecimal() or ("page" in form and "session_id" not in form):
        raise Refused(400, "page must be a number, and needs a session_id")
    return form


def _wanted(form: Mapping[str, str]) -> set[str] | None:
    if "distinct_ids" in form:
        return set(_names(form, "distinct_ids"))
    return {form["distinct_id"]} if "distinct_id" in form else None


def _names(form: Mapping[str, str], parameter: str) -> list[str]:
    try:
        return msgspec.json.decode(form[parameter], type=list[str])
    except NOT_JSON as error:
        raise Refused(400, f"{parameter} must be a JSON array of texts") from error


def _page(name: str, session: _Session, form: Mapping[str, str], settings: Settings) -> Reply:
    page, size = int(form.get("page", "0")), settings.query_page_size
    found = session.found[page * size : (page + 1) * size]
    shown = _names(form, "output_properties") if "output_properties" in form else None
    answer = {
        "page": page,
        "page_size": size,
        "session_id": name,
        "status": "ok",
        "total": len(session.found),
        "results": [described(each, shown) for each in found],
    }
    return json_reply(200, answer)


def described(profile: Profile, names: list[str] | None = None) -> dict[str, Any]:
    """Return a profile as the Query API does, with all properties or those of these names."""
    properties = profile.properties
    if names is not None:
        properties = {name: properties[name] for name in names if name in properties}
    return {"$distinct_id": profile.distinct_id, "$properties": properties}
