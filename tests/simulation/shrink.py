"""From a run that broke a promise to the shortest one that still does."""

from dataclasses import dataclass, replace
from typing import Any

from tests.simulation.container import Container, MakeContainer
from tests.simulation.simulation import Result, Scenario, Simulation

_MOST_RUNS = 200
_DRAWS = 4


def shortest(scenario: Scenario, make_container: MakeContainer = Container) -> tuple[Scenario, Result]:
    """Leave out windows and messages for as long as the run still breaks a promise; return what is left.

    Raises:
        ValueError: it breaks none as it is.
    """
    search = _Search(make_container)
    found = search.failing(scenario)
    if found is None:
        raise ValueError(f"seed {scenario.seed} breaks no promise")
    found = search.failing(replace(found, slots=1)) or found
    for _ in range(2):
        found = search.shorter(found, "windows")
        found = search.shorter(found, "publications")
    return found, Simulation(found, make_container).run()


@dataclass
class _Search:
    make_container: MakeContainer
    runs: int = 0

    def failing(self, candidate: Scenario) -> Scenario | None:
        """Return it with draws that break a promise: what is left out changes what the draws mean."""
        for draws in range(candidate.draws, candidate.draws + _DRAWS):
            self.runs += 1
            if self.runs > _MOST_RUNS:
                return None
            tried = replace(candidate, draws=draws)
            if Simulation(tried, self.make_container).run().violations:
                return tried
        return None

    def shorter(self, found: Scenario, name: str) -> Scenario:
        """Leave out ever smaller runs of the field's parts."""
        size = len(getattr(found, name))
        while size:
            start = 0
            while start < len(parts := getattr(found, name)):
                left: Any = {name: [*parts[:start], *parts[start + size :]]}
                less = self.failing(replace(found, **left))
                found, start = (less, start) if less else (found, start + size)
            size //= 2
        return found


def told(scenario: Scenario, result: Result) -> str:
    """Return what people need to see of a run that broke a promise."""
    windows = [
        f"  {w.kind}: from {w.from_s:.0f} s for {w.for_s:.0f} s, part {w.part:.2f}" for w in scenario.windows
    ]
    lines = [
        f"seed {scenario.seed}, {scenario.days:g} days: {len(scenario.publications)} messages are enough",
        *windows,
        *result.history,
    ]
    return "\n".join(lines)
