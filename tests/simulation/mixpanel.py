"""Mixpanel in a run: the local simulator's own rules without sockets, and what it really holds."""

import base64
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from local.mixpanel_simulator import Project, Reply, Settings, Simulator
from local.mixpanel_simulator.ingest import StoredEvent
from local.mixpanel_simulator.store import EventStore
from tests.fakes import Late
from tests.mixpanel_model import FourFields, four_fields
from tests.simulation.trouble import AT_MIXPANEL, Window
from whyness_events.delivery.ports import Answer

PROJECT = "2780485"
OTHER_PROJECT = "1"
_ACCOUNT = "account"
_HEADERS = {"Content-Type": "application/json"}
_NEVER = float("inf")
_LOST = "connection failed (ConnectionError)"


class _WatchedStore(EventStore):
    """The simulator's store, that also says at once what it counts."""

    def __init__(self) -> None:
        super().__init__()
        self.counted: dict[bytes, FourFields] = {}
        self.fields: set[FourFields] = set()

    def add(self, event: StoredEvent) -> None:
        super().add(event)
        assert event.key is not None, "an event without insert id is never counted once"
        if event.key not in self.counted:
            counted = self.counted[event.key] = four_fields(json.loads(event.line))
            self.fields.add(counted)


class SimulatedMixpanel:
    """One project.

    Args:
        now_s: epoch seconds.
        start_s: when the windows' time begins.
        windows: of the faults that it takes part in.
        unknown_project_status: its answer to a wrong project id: 400 that explains nothing, or 401.
        seed: of the draws.
    """

    def __init__(
        self,
        now_s: Callable[[], float],
        start_s: float,
        windows: Iterable[Window],
        *,
        unknown_project_status: int,
        seed: int,
    ) -> None:
        self._now_s, self._start_s = now_s, start_s
        settings = Settings(
            projects=(Project(project_id=PROJECT),),
            account=_ACCOUNT,
            password="secret-0",
            unknown_project_status=unknown_project_status,
        )
        self._simulator = Simulator(settings, clock=now_s)
        self._store = self._simulator._states[PROJECT].store = _WatchedStore()
        self._rotations = sorted(w.from_s for w in windows if w.kind == "401")
        self._password = "secret-0"
        for number, window in enumerate(windows):
            if window.kind in AT_MIXPANEL:
                self._arm(window, seed + number)

    @property
    def counted(self) -> Sequence[FourFields]:
        """The four fields of each event that its reports count: one that is there twice counts twice."""
        return list(self._store.counted.values())

    def counts(self, fields: FourFields) -> bool:
        """Whether its reports count an event by these fields."""
        return fields in self._store.fields

    def post(self, body: bytes, *, project_id: str, password: str) -> tuple[Answer | Late, str]:
        """Take a request; return what comes back, and the name of the fault that struck it."""
        self._rotate()
        credential = base64.b64encode(f"{_ACCOUNT}:{password}".encode()).decode()
        headers = {**_HEADERS, "Authorization": f"Basic {credential}"}
        reply = self._simulator.handle_import(headers, {"strict": "1", "project_id": project_id}, body)
        return _answer(reply), self._simulator._stats["import"]._last[-1].fault

    def _rotate(self) -> None:
        passed_s = self._now_s() - self._start_s
        password = f"secret-{sum(from_s <= passed_s for from_s in self._rotations)}"
        if password != self._password:
            self._password = password
            self._simulator.configure(password=password)

    def _arm(self, window: Window, seed: int) -> None:
        effect: dict[str, Any] = {**AT_MIXPANEL[window.kind]}
        self._simulator.faults.add(
            name=window.kind,
            seed=seed,
            after_s=window.from_s,
            for_s=window.for_s,
            probability=window.part,
            **effect,
        )


def _answer(reply: Reply) -> Answer | Late:
    if reply.connection == "hang":
        return Late(Answer(0, error=_LOST), _NEVER)
    if reply.connection or reply.cut:
        return Answer(0, error=_LOST)
    answer = Answer(reply.status, reply.body, reply.headers.get("Retry-After", ""))
    return Late(answer, reply.delay_s) if reply.delay_s else answer
