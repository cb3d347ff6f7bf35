"""`python -m bench.peer_faults`: measure what each client, and this project, lose while Mixpanel fails."""

import argparse
import json
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from bench.page import ROOT, write_block
from bench.peer_faults import cells
from bench.peer_faults.cells import PROJECT, Cells, Fault
from bench.peer_faults.clients import CLIENTS, client_cells
from bench.peer_faults.offer import EVENTS_PER_MESSAGE, Offer
from bench.peer_faults.project import project_cells
from bench.programs import Failed, has_peers
from local.emulator import EmulatorMissing
from local.processes import ProcessFailed, stop_like_ctrl_c
from local.rie import CACHE_DIR, RieUnavailable

_EPILOG = """examples:
  make peer-faults                                         # installs the clients; two to four minutes
  .venv/bin/python -m bench.peer_faults --quick            # check that it works; the figures mean nothing
  .venv/bin/python -m bench.peer_faults --write-docs       # update README.md and docs/reference/bench.md
"""
_KNOWN_FAULTS = (EmulatorMissing, Failed, ProcessFailed, RieUnavailable)
_MARK = "peer faults"


def main() -> None:
    """Measure, print the tables, and print one line of JSON."""
    options = _options()
    if not has_peers():
        raise SystemExit("The other clients are not installed. Run `make peer-faults`.")
    stop_like_ctrl_c()
    faults = cells.make_faults(burst_s=options.burst_s, outage_s=options.outage_s)
    CACHE_DIR.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="peer-faults-", dir=CACHE_DIR) as directory:
        try:
            measured = _measure(Offer(options.events, options.patience_s, Path(directory)), faults)
        except _KNOWN_FAULTS as error:
            raise SystemExit(str(error)) from None
    text, short = cells.table(faults, measured), cells.short_table(faults, measured)
    print(f"{text}\n\n{short}\n")
    if options.write_docs:
        write_block(_MARK, f"{options.events:,} events a cell.\n\n{text}")
        write_block(_MARK, short, ROOT / "README.md")
    print(json.dumps({name: [asdict(cell) for cell in column] for name, column in measured.items()}))


def _measure(offer: Offer, faults: Sequence[Fault]) -> Cells:
    """Return the cells; the senders run at the same time, each under one fault after the other."""
    with ThreadPoolExecutor() as pool:
        columns = {name: pool.submit(client_cells, name, offer, faults) for name in CLIENTS}
        columns[PROJECT] = pool.submit(project_cells, offer, faults)
        measured = {name: column.result() for name, column in columns.items()}
    _check(measured)
    return measured


def _check(measured: Cells) -> None:
    broken = [name for name, (no_fault, *_) in measured.items() if no_fault.lost or no_fault.kept]
    if broken:
        raise Failed(f"Without a fault, these did not deliver all, so the figures mean nothing: {broken}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        allow_abbrev=False,
        prog="python -m bench.peer_faults",
        description="Count the events that each client loses while Mixpanel, played by the simulator, fails.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--events", type=_hundreds, default=20_000, help="events in each cell, in hundreds (default 20000)"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="run all of it with few events and short faults, to check that it works",
    )
    parser.add_argument(
        "--write-docs", action="store_true", help="update the tables of README.md and docs/reference/bench.md"
    )
    options = parser.parse_args()
    options.burst_s, options.outage_s, options.patience_s = 5, 10, 40
    if options.quick:
        options.events, options.burst_s, options.outage_s, options.patience_s = 1_000, 3, 4, 15
    return options


def _hundreds(text: str) -> int:
    if not text.isdecimal() or not int(text) or int(text) % EVENTS_PER_MESSAGE:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive multiple of {EVENTS_PER_MESSAGE}")
    return int(text)


if __name__ == "__main__":
    main()
