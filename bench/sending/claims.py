"""Measure claims on PostgreSQL while a snapshot keeps dead rows and all processes are busy."""

import statistics

from bench.sending.at_rate import go, prepared
from bench.sending.sites import Queues, Site
from bench.sending.size import Size

# Eight processes: 640 events/s.
_EVENTS_PER_S_AND_PROCESS = 80


def claim(site: Site, queues: Queues, size: Size) -> dict[str, float]:
    """Return the mean duration of all claims of all processes.

    Raises:
        SystemExit: nothing was claimed.
    """
    if site.database != "PostgreSQL":
        return {}
    events = round(_EVENTS_PER_S_AND_PROCESS * size.claiming_s)
    with site.ready(queues.quick, "bench.run_dead_rows", size.dead_rows) as dead_rows:
        dead_rows.wait()
        traffic = ("send", events, size.claiming_s)
        with prepared(site, queues.quick, *traffic, count=size.processes) as processes:
            measured = go(processes)
        dead_rows.go()
    claims_s = [claim_s for process in measured for claim_s in process["claims_s"]]
    if not claims_s:
        raise SystemExit("Nothing was claimed, so the figures mean nothing.")
    return {"claim": statistics.mean(claims_s) * 1000}
