"""`python -m local.chaos.proxy`."""

import argparse
import json
import signal

from local.chaos.proxy.server import FaultProxy
from whyness_ops.stop import Stop


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(
        allow_abbrev=False, description="Run a fault proxy in front of an AWS emulator, on 127.0.0.1."
    )
    parser.add_argument("--upstream", required=True, metavar="URL", help="URL of the emulator")
    stop = Stop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with FaultProxy(parser.parse_args().upstream) as proxy:
        print(json.dumps({"url": proxy.url}), flush=True)
        while not stop.is_set():
            stop.wait(1)


if __name__ == "__main__":
    main()
