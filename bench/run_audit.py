"""One way to compare two files of events; both name the same injected faults. Run by bench.audit."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

_START_MS, _STEP_MS = 1_760_000_000_000, 29
# As many of each kind, whatever the number of rows; where in each tenth of the rows they are.
EACH = 10
MISSING, DIFFERENT, UNEXPECTED = 7, 11, 13
FAULTS = {"missing": EACH, "different": EACH, "unexpected": EACH}


def write_sides(rows: int, directory: Path) -> None:
    """Write what is expected, and an export of it that lacks, alters and adds events."""
    step = rows // EACH
    with (
        (directory / "expected.jsonl").open("w") as expected,
        (directory / "exported.jsonl").open("w") as export,
    ):
        for number in range(rows):
            time_ms = _START_MS + number * _STEP_MS
            head = f'{{"event":"Event {number % 20}","properties":{{"time":{time_ms},'
            own = f'"distinct_id":"{number % 50_000}","plan":"pro","seconds":{number % 997},'
            rest = (
                '"useragent":"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",'
                '"$browser":"Firefox","$browser_version":"140.0","$os":"Linux",'
                f'"data":{{"path":"/audio/{number % 1000}/","query":"","method":"GET","ok":true}}'
            )
            insert_id = f'"$insert_id":"{number:032x}",'
            expected.write(f'{head}"ip":0,{own}{insert_id}{rest}}}}}\n')
            added = f',"mp_processing_time_ms":{time_ms + 900},"$import":true}}}}\n'
            if number % step == MISSING:
                continue
            if number % step == DIFFERENT:
                own = own.replace('"pro"', '"free"')
            export.write(f"{head}{own}{insert_id}{rest}{added}")
            if number % step == UNEXPECTED:
                export.write(f'{head}{own}"$insert_id":"foreign-{number}",{rest}{added}')


def compare(directory: Path) -> dict[str, int]:
    """Compare as the audit does."""
    from whyness_ops.audit.comparison import compare_sides  # noqa: PLC0415  (the other way needs none of it)
    from whyness_ops.audit.project_time import ProjectTime  # noqa: PLC0415
    from whyness_ops.audit.rereading import Question  # noqa: PLC0415

    records = directory / "records"
    records.mkdir()
    end_ms = _START_MS + 10**9
    question = Question(
        directory=records,
        expected=[directory / "expected.jsonl"],
        exported=[directory / "exported.jsonl"],
        project_time=ProjectTime(ZoneInfo("UTC"), _START_MS, end_ms),
        late_after_ms=end_ms,
        kept_from_ms=0,
    )
    sums = compare_sides(question).by_verdict()
    return {str(verdict): sums[verdict] for verdict in sums if str(verdict) in FAULTS}


def dictionary(directory: Path) -> dict[str, int]:
    """Compare with one dictionary of all expected events."""
    expected = {
        (event["event"], event["properties"]["$insert_id"]): event["properties"]
        for event in _events(directory / "expected.jsonl")
    }
    faults = dict.fromkeys(FAULTS, 0)
    for event in _events(directory / "exported.jsonl"):
        properties = event["properties"]
        wanted = expected.pop((event["event"], properties["$insert_id"]), None)
        if wanted is None:
            faults["unexpected"] += 1
            continue
        wanted.pop("ip")
        if {**properties, **wanted} != properties:
            faults["different"] += 1
    faults["missing"] = len(expected)
    return faults


def _events(path: Path) -> Iterator[dict[str, Any]]:
    with path.open() as file:
        yield from map(json.loads, file)


def main() -> None:
    """Run one way, and print its time and what it found."""
    way, directory = sys.argv[1:]
    began_s = time.perf_counter()
    faults = {"compare": compare, "dictionary": dictionary}[way](Path(directory))
    print(json.dumps({"seconds": time.perf_counter() - began_s, "faults": faults}))


if __name__ == "__main__":
    main()
