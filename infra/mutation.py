"""Change the pure core in each small way, and see whether a test fails: `make mutation`.

mutmut's settings are in pyproject.toml. It finds modules by their path below `src`, so it runs in a directory
in which the parts of the project have such places.
"""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORKPLACE = ROOT / ".cache/mutation"
MUTMUT = str(Path(sys.executable).with_name("mutmut"))
LEAST = 0.90
_PROCESSES = "2"
_PLACES = {"src": "functions/send_events"} | {
    name: name for name in ("pyproject.toml", "tests", "whyness_mixpanel", "whyness_ops")
}
_RESULT = re.compile(r"^\s*whyness_events\.(?P<module>[a-z_.]+)\.x\S+: (?P<status>[a-z ]+)$")
# A mutant that never ends would be noticed, too.
_NOTICED = ("killed", "timeout")

Results = Mapping[str, Counter[str]]


def read(lines: Iterable[str]) -> Results:
    """Return how many mutants of each module ended how, from the lines of `mutmut results`."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for match in filter(None, map(_RESULT.match, lines)):
        found[match["module"]][match["status"]] += 1
    return found


def score(counts: Mapping[str, int]) -> float:
    """Return which part of the mutants a test noticed; none noticed where there are none."""
    return sum(counts.get(status, 0) for status in _NOTICED) / max(1, sum(counts.values()))


def table(results: Results) -> list[str]:
    """Return the figures of each module, and of all, as a table in Markdown."""
    total = sum(results.values(), Counter[str]())
    rows = [*sorted(results.items()), ("all", total)]
    return [
        "| module | mutants | killed | timeouts | survived | noticed |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        *(_row(name, counts) for name, counts in rows),
    ]


def _row(name: str, counts: Mapping[str, int]) -> str:
    mutants, killed, timeouts = sum(counts.values()), *(counts.get(status, 0) for status in _NOTICED)
    survived = mutants - killed - timeouts
    return f"| {name} | {mutants} | {killed} | {timeouts} | {survived} | {score(counts):.1%} |"


def _prepare() -> None:
    shutil.rmtree(WORKPLACE, ignore_errors=True)
    WORKPLACE.mkdir(parents=True)
    for place, source in _PLACES.items():
        (WORKPLACE / place).symlink_to(ROOT / source)


def report(results: Results) -> tuple[bool, list[str]]:
    """Return whether enough mutants are noticed, and the figures with a sentence that says so."""
    total = score(sum(results.values(), Counter[str]()))
    word = "ok" if total >= LEAST else "FAILED"
    return total >= LEAST, [*table(results), f"{word}: {total:.1%} noticed, {LEAST:.0%} are asked for"]


def main() -> int:
    """Return 0 where enough mutants are noticed."""
    _prepare()
    run = subprocess.run([MUTMUT, "run", "--max-children", _PROCESSES], cwd=WORKPLACE, check=False)
    if run.returncode:
        return run.returncode  # it has said why
    command = [MUTMUT, "results", "--all", "true"]
    said = subprocess.run(command, cwd=WORKPLACE, check=True, capture_output=True, text=True).stdout
    lines = said.splitlines()
    is_enough, figures = report(read(lines))
    print("", *(line.strip() for line in lines if not line.endswith(_NOTICED)), sep="\n")
    tool = os.path.relpath(MUTMUT, WORKPLACE)
    print(f"what one of them changes: cd {WORKPLACE.relative_to(ROOT)} && {tool} show NAME")
    print("", *figures, sep="\n")
    return 0 if is_enough else 1


if __name__ == "__main__":
    sys.exit(main())
