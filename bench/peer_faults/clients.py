"""Send events by other clients, each under every fault, to a Mixpanel simulator of its own."""

import json
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench import programs
from bench.peer_faults.cells import NO_FAULT, Cell, Fault
from bench.peer_faults.offer import Offer
from bench.workload import mixpanel_events
from local.mixpanel_simulator import MixpanelSimulator
from local.processes import raise_if_interrupted

_TICK_S = 0.5
_LIMIT_S = 150
_BENCH = "bench"  # the account and the password of the clients
_SCRIPT = programs.ROOT / "bench/peers/fault_import.cjs"
CLIENTS: Mapping[str, Callable[[Path], Sequence[str]]] = {
    "mixpanel": lambda file: programs.peer_python("bench.peers.fault_mixpanel", file),
    "mixpanel-utils": lambda file: programs.peer_python("bench.peers.fault_utils", file),
    "mixpanel-import": lambda file: programs.peer_node(str(_SCRIPT), file),
}


def client_cells(name: str, offer: Offer, faults: Sequence[Fault]) -> list[Cell]:
    """Return a client's cells.

    Raises:
        Failed: the program failed, or the figures mean nothing.
    """
    work_dir = offer.work_dir / name
    work_dir.mkdir()
    file = work_dir / "events.json"
    file.write_text(json.dumps(mixpanel_events(offer.event_count)))
    return [_cell(CLIENTS[name](file), offer, fault, work_dir) for fault in faults]


def _cell(command: Sequence[str], offer: Offer, fault: Fault, work_dir: Path) -> Cell:
    with MixpanelSimulator(project_id="1", account=_BENCH, password=_BENCH) as mixpanel:
        said = _run(command, mixpanel, fault, offer.patience_s, work_dir)
        if fault != NO_FAULT and not _struck_count(mixpanel):
            raise programs.Failed(f"The fault never struck ({fault.title}): {' '.join(command)}")
        lost = offer.event_count - mixpanel.stats()["events"]["unique"]
    return Cell(lost, waited_s=offer.patience_s) if said is None else Cell.of_client(lost, said)


def _run(
    command: Sequence[str], mixpanel: MixpanelSimulator, fault: Fault, patience_s: float, work_dir: Path
) -> Mapping[str, Any] | None:
    """Return what a program said; None if it did not end. The fault begins once the program is ready."""
    environment = {**programs.environment_of(mixpanel.url), "PYTHONPATH": str(programs.ROOT)}
    pipe = subprocess.PIPE
    with (
        (work_dir / "log").open("a") as log,
        subprocess.Popen(
            command, env=environment, cwd=work_dir, stdin=pipe, stdout=pipe, stderr=log, text=True
        ) as process,
    ):
        try:
            if process.stdout is None or process.stdout.readline() != "ready\n":
                raise programs.Failed(f"{' '.join(command)} ended before it was ready")
            _begin(fault, mixpanel)
            output = _output(process, mixpanel, patience_s)
        finally:
            process.kill()
    return None if output is None else _last_words(output)


def _output(process: "subprocess.Popen[str]", mixpanel: MixpanelSimulator, patience_s: float) -> str | None:
    """Return all that a program prints; None if it neither ends nor sends anything for so long."""
    began = last_sent = time.monotonic()
    request_count = 0
    while time.monotonic() < last_sent + patience_s:
        raise_if_interrupted()
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=_TICK_S)[0]
        if request_count != (request_count := _request_count(mixpanel)):
            last_sent = time.monotonic()
        if last_sent > began + _LIMIT_S:
            raise programs.Failed(f"a client still sends after {_LIMIT_S} s: this machine is too busy")
    return None


def _request_count(mixpanel: MixpanelSimulator) -> int:
    return sum(mixpanel.stats()["requests_by_outcome"].values())


def _begin(fault: Fault, mixpanel: MixpanelSimulator) -> None:
    if fault.effect:
        mixpanel.faults.add(**fault.effect)
    if fault.wrong_password:
        mixpanel.configure(password="another")  # noqa: S106  (of a simulator)


def _struck_count(mixpanel: MixpanelSimulator) -> int:
    by_fault = sum(fault["fired"] for fault in mixpanel.faults.listed())
    return int(by_fault or mixpanel.stats()["requests_by_outcome"].get("401", 0))


def _last_words(output: str) -> Mapping[str, Any]:
    lines = output.splitlines()
    if not lines or not lines[-1].startswith("{"):
        raise programs.Failed(f"a client ended without its last line; its output: {output[-500:]}")
    said: dict[str, Any] = json.loads(lines[-1])
    return said
