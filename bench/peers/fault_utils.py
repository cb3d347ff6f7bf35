"""Import the events of a file with mixpanel-utils while Mixpanel fails; say what it raised."""

import json
import os
import sys

from mixpanel_utils import MixpanelUtils


def main() -> None:
    """Import the file `argv[1]` in one call."""
    client = MixpanelUtils("bench", token="token", service_account_username="bench", project_id=1)  # noqa: S106  (the simulator's)
    client.import_api = os.environ["MIXPANEL_API_URL"]
    raised = {}
    print("ready", flush=True)
    sys.stdin.read()
    try:
        client.import_events(sys.argv[1], 0)
    except Exception as error:  # noqa: BLE001  (analytics must not break a page)
        raised[type(error).__name__] = 1
    print(json.dumps({"raised": raised}))


if __name__ == "__main__":
    main()
