"""From a run that broke a promise to the shortest one that still does."""

from dataclasses import dataclass, replace
from typing import Any

from tests.simulation.result import Result
from tests.simulation.scenario import Scenario
from tests.simulation.simulation import Simulation, line

# In all the runs of a search; what a run costs beside its messages counts as some more.
_MOST_MESSAGES = 4_000
_RUN_MESSAGES = 5
_DRAWS, _DRAWS_OF_FEW, _FEW = 3, 24, 20


def shortest(scenario: Scenario) -> tuple[Scenario, Result]:
    """Leave out windows and messages for as long as the run still breaks a promise; return what is left.

    Raises:
        ValueError: it breaks none as it is.
    """
    search = _Search()
    least = search.failing(scenario)
    if least is None:
        raise ValueError(f"seed {scenario.seed} breaks no promise")
    least = search.failing(replace(least, slots=1)) or least
    for _ in range(2):
        least = search.shorter(least, "windows")
        least = search.shorter(least, "publications")
    return least, Simulation(least).run()


@dataclass
class _Search:
    messages: int = 0

    def failing(self, candidate: Scenario) -> Scenario | None:
        """Return it with draws that break a promise: what is left out changes what the draws mean."""
        is_short = len(candidate.publications) <= _FEW
        for draws in range(candidate.draws, candidate.draws + (_DRAWS_OF_FEW if is_short else _DRAWS)):
            self.messages += len(candidate.publications) + _RUN_MESSAGES
            if self.messages > _MOST_MESSAGES:
                return None
            tried = replace(candidate, draws=draws)
            if Simulation(tried).run().violations:
                return tried
        return None

    def shorter(self, scenario: Scenario, name: str) -> Scenario:
        """Leave out ever smaller runs of the field's parts."""
        size = len(getattr(scenario, name))
        while size:
            start = 0
            while start < len(parts := getattr(scenario, name)):
                left: Any = {name: [*parts[:start], *parts[start + size :]]}
                less = self.failing(replace(scenario, **left))
                scenario, start = (less, start) if less else (scenario, start + size)
            size //= 2
        return scenario


def told(scenario: Scenario, result: Result) -> str:
    """Return what people need to see of a run that broke a promise."""
    windows = [
        f"  {w.kind}: from {w.from_s:.0f} s for {w.for_s:.0f} s, part {w.part:.2f}" for w in scenario.windows
    ]
    lines = [
        f"seed {scenario.seed}, {scenario.days:g} days: {len(scenario.publications)} messages are enough",
        *windows,
        *(line(at_s, text) for at_s, text in result.history),
    ]
    return "\n".join(lines)
