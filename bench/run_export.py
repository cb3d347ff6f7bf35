"""Write what Mixpanel would export of all activities, with injected faults. Run by bench.whole_audit."""

import gzip
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import django

from bench.run_audit import DIFFERENT, EACH, MISSING, UNEXPECTED
from bench.workload import START_MS


def main() -> None:
    """Write the file `argv[1]`, of `argv[2]` rows."""
    django.setup()
    from whyness_mixpanel import sources  # noqa: PLC0415  (after django.setup())
    from whyness_mixpanel.sources import expected, expected_ranges  # noqa: PLC0415  (as above)
    from whyness_mixpanel.sources.expected_rows import Asked  # noqa: PLC0415  (as above)

    with tempfile.TemporaryDirectory() as directory, gzip.open(sys.argv[1], "wb", compresslevel=1) as file:
        selected = expected.period(START_MS, START_MS + 1)
        written = expected_ranges.write_expected(
            [sources.get("activity")],
            Asked(Path(directory), selected, "distinct_id", START_MS, derived=False),
            on_trouble=print,
            is_stopped=lambda: False,
        )
        file.writelines(_exported(written.files, int(sys.argv[2])))


def _exported(paths: Iterable[Path], rows: int) -> Iterator[bytes]:
    lines = (line for path in paths for line in path.open("rb"))
    for number, line in enumerate(lines):
        exported = line.replace(b"}}\n", b',"mp_processing_time_ms":%d,"$import":true}}\n' % START_MS)
        place = number % (rows // EACH)
        if place == DIFFERENT:
            exported = exported.replace(b'"useragent":"', b'"useragent":"Not ')
        if place == UNEXPECTED:
            yield exported.replace(b'"$insert_id":"', b'"$insert_id":"9999')
        if place != MISSING:
            yield exported


if __name__ == "__main__":
    main()
