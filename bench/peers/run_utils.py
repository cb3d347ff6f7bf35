"""Send the same records with mixpanel-utils, to the address in its attribute `import_api`."""

import os
import sys

from mixpanel_utils import MixpanelUtils

from bench.cpu import measure
from bench.workload import invocations, read


def main() -> None:
    """Measure `argv[1]` events with `argv[2]` threads."""
    event_count, threads = int(sys.argv[1]), int(sys.argv[2])
    prepared = invocations(event_count, per_message=100)
    client = MixpanelUtils(
        "secret",
        token="token",  # noqa: S106  (the sink takes any)
        service_account_username="bench",
        project_id=1,
        pool_size=threads,
    )
    client.import_api = os.environ["MIXPANEL_API_URL"]
    measure(lambda: client.import_events(list(read(prepared)), 0), event_count)


if __name__ == "__main__":
    main()
