"""The simulator without sockets: settings, projects, faults and counters, with a clock as an argument."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from functools import partial
from typing import Any

import msgspec

from .api_request import ApiRequest
from .body import ImportBody
from .deletions import DeletionRequest, Deletions
from .effects import struck
from .engaging import People
from .exporting import export_events, whole
from .fault import APIS
from .faults import Faults
from .importing import ProjectState, import_events
from .profile_query import ProfileQueries, described
from .rate_limit import QueryRate
from .reply import Reply
from .settings import CHANGEABLE, Settings
from .stats import RequestNote, Stats

Run = Callable[[ApiRequest, Settings, float], Reply]


class Simulator:
    """A simulator, usable from any thread.

    Args:
        settings: projects, credentials, limits.
        clock: returns epoch seconds, for the rate limit, faults and event times.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = threading.RLock()
        self.faults = Faults(clock)
        self._forget()

    def handle_import(self, headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> Reply:
        """Answer a POST /import.

        Args:
            headers: names in any case.
            query: decoded.
            body: as received.

        Returns:
            The answer and how to deliver it: without sockets, the caller does what `delay_s`, `connection`
            and `cut` say.
        """
        return self._handle("import", headers, query, body, self._import)

    def handle_export(self, headers: Mapping[str, str], query: Mapping[str, str]) -> Reply:
        """Answer a GET of the raw export; see `handle_import`."""
        return whole(self._handle("export", headers, query, b"", self._export))

    def handle_engage(self, headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> Reply:
        """Answer a POST that changes profiles; see `handle_import`."""
        return self._handle("engage", headers, query, body, self._people.engage)

    def handle_query(self, headers: Mapping[str, str], query: Mapping[str, str], body: bytes) -> Reply:
        """Answer a POST that asks for profiles; see `handle_import`."""
        return self._handle("query", headers, query, body, self._query)

    def handle_deletion(self, request: DeletionRequest) -> Reply:
        """Answer a request to delete people."""
        with self._lock:
            return self._deletions.handle(request, self._settings, self._clock())

    def profiles(self, *, project_id: str = "") -> list[dict[str, Any]]:
        """Return the profiles as the Query API does, of all projects or one.

        Raises:
            KeyError: no such project.
        """
        with self._lock:
            self._caught_up()
            of = self._people.profiles
            wanted = [of[project_id]] if project_id else of.values()
            return [described(profile) for profiles in wanted for profile in profiles.all()]

    def deletions(self) -> list[dict[str, Any]]:
        """Return the requests to delete people."""
        with self._lock:
            return self._deletions.listed()

    def move_deletions(self, status: str) -> list[dict[str, Any]]:
        """Give every open deletion this status; SUCCESS deletes the people's events and profiles.

        Raises:
            DeletionError: the status is unknown.
        """
        with self._lock:
            for deletion in self._deletions.move(status):
                if status == "SUCCESS":
                    self._states[deletion.project_id].store.remove(deletion.concerns)
                    self._people.profiles[deletion.project_id].remove(deletion.distinct_ids)
            return self._deletions.listed()

    def lines(self, *, raw: bool = False, project_id: str = "") -> Iterator[bytes]:
        """Iterate over the imported events, as blocks of JSON lines.

        Args:
            raw: include duplicates.
            project_id: only this project; "" = all.

        Raises:
            KeyError: no such project.
        """
        with self._lock:
            states = [self._states[project_id]] if project_id else list(self._states.values())
            blocks = [state.store.lines(raw=raw) for state in states]
        return itertools.chain.from_iterable(blocks)

    def events(self, *, raw: bool = False, project_id: str = "") -> list[dict[str, Any]]:
        """Return the imported events, decoded; arguments and errors as for `lines`."""
        decoder = msgspec.json.Decoder(dict[str, Any])
        return [
            event
            for block in self.lines(raw=raw, project_id=project_id)
            for event in decoder.decode_lines(block)
        ]

    def stats(self) -> dict[str, Any]:
        """Return the counts of imports by outcome, and of events, in total and by project.

        Under the name of each other API, its requests.
        """
        with self._lock:
            projects = {project_id: _counts(state) for project_id, state in self._states.items()}
            totals = {
                name: sum(counts[name] for counts in projects.values()) for name in _counts(ProjectState())
            }
            return {
                "events": totals,
                "projects": projects,
                **self._stats["import"].to_json(),
                **{api: self._stats[api].to_json() for api in APIS if api != "import"},
            }

    def shown_settings(self) -> dict[str, Any]:
        """Return the settings that can be changed, without secrets."""
        shown = [each.name for each in fields(self._settings) if each.repr and each.name in CHANGEABLE]
        return {name: getattr(self._settings, name) for name in shown}

    def configure(self, **changes: Any) -> None:
        """Change settings from the next request on.

        Raises:
            SettingsError: names the setting and what it allows; no setting is changed.
        """
        with self._lock:
            self._settings = self._settings.changed(**changes)

    def reset(self) -> None:
        """Forget events, profiles, counters, faults and the rate of the last minute; settings stay."""
        self.faults.clear()
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        self._states = {project.project_id: ProjectState() for project in self._settings.projects}
        self._stats = {api: Stats() for api in APIS}
        self._queries = QueryRate()
        self._people = People(self._settings)
        self._profile_queries = ProfileQueries()
        self._deletions = Deletions()

    def _handle(
        self, api: str, headers: Mapping[str, str], query: Mapping[str, str], body: bytes, run: Run
    ) -> Reply:
        lower = {name.lower(): value for name, value in headers.items()}
        given = ImportBody(lower, body)
        with self._lock:
            now_s = self._caught_up()
            fault = self.faults.strike(given, now_s, api)
            request = ApiRequest(lower, query, given, fault)
            own = partial(run, request, self._settings, now_s)
            reply = struck(fault, given, own) if fault else own()
            name = (fault.name or "unnamed") if fault else ""
            self._stats[api].add(RequestNote(now_s, reply.outcome, len(body), sorted(lower), name))
            return reply

    def _caught_up(self) -> float:
        """Let the requests act that were to act by now, and return the time."""
        now_s = self._clock()
        self._people.catch_up(now_s)
        return now_s

    def _import(self, request: ApiRequest, settings: Settings, now_s: float) -> Reply:
        return import_events(request, settings=settings, states=self._states, now_s=now_s)

    def _export(self, request: ApiRequest, settings: Settings, now_s: float) -> Reply:
        return export_events(
            request, settings=settings, states=self._states, queries=self._queries, now_s=now_s
        )

    def _query(self, request: ApiRequest, settings: Settings, now_s: float) -> Reply:
        return self._profile_queries.answer(request, settings, self._people.profiles, now_s)


def _counts(state: ProjectState) -> dict[str, int]:
    return {
        "raw": state.store.raw_count,
        "unique": state.store.unique_count,
        "ignored": state.ignored_count,
        "rejected": state.rejected_count,
    }
