"""The probe's Mixpanel without sockets: the simulator, called as the real one is over HTTP."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from local.mixpanel_simulator import Project, Settings, Simulator
from whyness_ops.audit.export_client import Answer as ExportAnswer
from whyness_ops.probe.asking import ask
from whyness_ops.probe.case import Case, Run
from whyness_ops.probe.cases import all_cases
from whyness_ops.probe.later import ZONE
from whyness_ops.probe.probe_answers import Answer
from whyness_ops.probe.reading_back import read_back
from whyness_ops.probe.row import Row
from whyness_ops.probe.scratch_project import Credentials, Mixpanel

NOW_MS = 1_795_000_123_456
CREDENTIALS = Credentials("account-of-me", "secret-of-me")
CASES = all_cases()
NAMES = [case.name for case in CASES]
TOO_MANY = next(case for case in CASES if case.name == "2,001 events")
# Without the large cases, which a planted difference elsewhere does not touch.
SMALL = [each for each in CASES if each != TOO_MANY and not each.name.startswith(("request of", "event of"))]


@dataclass(slots=True)
class Clock:
    """Epoch seconds, as the test sets them."""

    now_s: float = NOW_MS / 1_000

    def __call__(self) -> float:
        """Tell the time."""
        return self.now_s


@dataclass(frozen=True, slots=True)
class Simulated(Mixpanel):
    """The simulator in the place of Mixpanel; `settings` are planted."""

    settings: dict[str, Any] = field(default_factory=dict)
    simulators: list[Simulator] = field(default_factory=list)
    clock: Clock = field(default_factory=Clock)

    @property
    def simulator(self) -> Simulator:
        """Return the one simulator, made when it is first asked for."""
        if not self.simulators:
            account, password = self.credentials.account, self.credentials.password
            projects = (Project(project_id=self.project),)
            described = {"projects": projects, "export_per_s": 100, **self.settings}
            self.simulators.append(
                Simulator(Settings(account=account, password=password, **described), self.clock)
            )
        return self.simulators[0]

    def post(self, query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> Answer:
        """Import."""
        with_auth = {"Authorization": self.credentials.header(), **headers}
        reply = self.simulator.handle_import(with_auth, query, body)
        return Answer(reply.status, reply.body, reply.connection)

    @contextmanager
    def export(self, day: str) -> Iterator[ExportAnswer]:
        """Export."""
        query = {"project_id": self.project, "from_date": day, "to_date": day, "time_in_ms": "true"}
        reply = self.simulator.handle_export({"Authorization": self.credentials.header()}, query)
        yield ExportAnswer(reply.status, 0.0, is_gzip=False, body=self.shown(iter(reply.stream or ())))

    def shown(self, body: Iterator[bytes]) -> Iterator[bytes]:
        """Return the body of an export."""
        return body


def simulated(**settings: Any) -> Simulated:
    """Return a Mixpanel with these settings of the simulator."""
    return Simulated("", "", "123", CREDENTIALS, settings)


def both_halves(mixpanel: Simulated, cases: Sequence[Case] = SMALL) -> tuple[list[Row], list[Row]]:
    """Ask, and an hour later read back."""
    run = Run("0123abcd", NOW_MS)
    asked = [ask(mixpanel, run, case) for case in cases]
    mixpanel.clock.now_s += 3_600
    return asked, read_back(mixpanel.export, mixpanel.credentials, run, cases, sleep=lambda _: None)


def marked(rows: Sequence[Row]) -> set[str]:
    """Return the names of the cases that differ."""
    return {row.case for row in rows if row.differs}


__all__ = [
    "CASES",
    "NAMES",
    "NOW_MS",
    "SMALL",
    "TOO_MANY",
    "ZONE",
    "Simulated",
    "both_halves",
    "marked",
    "simulated",
]
