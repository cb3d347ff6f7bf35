"""`make mutation`: change the pure core in small ways (mutants), and check that the tests detect it.

mutmut's settings are in pyproject.toml. It looks for modules in `src`, so it runs in a directory with links
to the project's parts.
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
# A mutant that never ends is detected too.
_DETECTED = ("killed", "timeout")

Results = Mapping[str, Counter[str]]


def read(lines: Iterable[str]) -> Results:
    """Count the mutants of each module by status, from the lines of `mutmut results`."""
    results: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for match in filter(None, map(_RESULT.match, lines)):
        results[match["module"]][match["status"]] += 1
    return results


def score(counts: Mapping[str, int]) -> float:
    """Return the share of detected mutants; 0 without mutants."""
    return sum(counts.get(status, 0) for status in _DETECTED) / max(1, sum(counts.values()))


def table(results: Results) -> list[str]:
    """Return the counts of each module and of all as a Markdown table."""
    total = sum(results.values(), Counter[str]())
    rows = [*sorted(results.items()), ("all", total)]
    return [
        "| module | mutants | killed | timeouts | survived | detected |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        *(_row(name, counts) for name, counts in rows),
    ]


def _row(name: str, counts: Mapping[str, int]) -> str:
    mutants, killed, timeouts = sum(counts.values()), *(counts.get(status, 0) for status in _DETECTED)
    survived = mutants - killed - timeouts
    return f"| {name} | {mutants} | {killed} | {timeouts} | {survived} | {score(counts):.1%} |"


def _prepare() -> None:
    shutil.rmtree(WORKPLACE, ignore_errors=True)
    WORKPLACE.mkdir(parents=True)
    for place, source in _PLACES.items():
        (WORKPLACE / place).symlink_to(ROOT / source)


def report(results: Results) -> tuple[bool, list[str]]:
    """Return whether enough mutants are detected, and the table with a verdict."""
    total = score(sum(results.values(), Counter[str]()))
    word = "ok" if total >= LEAST else "FAILED"
    return total >= LEAST, [
        *table(results),
        f"{word}: the tests detected {total:.1%} of the mutants, and at least {LEAST:.0%} are required",
    ]


def main() -> int:
    """Return 0 if enough mutants are detected."""
    _prepare()
    run = subprocess.run([MUTMUT, "run", "--max-children", _PROCESSES], cwd=WORKPLACE, check=False)
    if run.returncode:
        return run.returncode  # it printed the reason
    command = [MUTMUT, "results", "--all", "true"]
    output = subprocess.run(command, cwd=WORKPLACE, check=True, capture_output=True, text=True).stdout
    lines = output.splitlines()
    is_enough, figures = report(read(lines))
    print("", *(line.strip() for line in lines if not line.endswith(_DETECTED)), sep="\n")
    tool = os.path.relpath(MUTMUT, WORKPLACE)
    print(f"To see a mutant's change: cd {WORKPLACE.relative_to(ROOT)} && {tool} show NAME")
    print("", *figures, sep="\n")
    return 0 if is_enough else 1


if __name__ == "__main__":
    sys.exit(main())
