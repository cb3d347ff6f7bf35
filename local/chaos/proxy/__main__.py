"""`python -m local.chaos.proxy`."""

import argparse
import json
import signal
import threading

from local.chaos.proxy.server import FaultProxy


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(
        description="Run a fault proxy in front of an AWS emulator, on 127.0.0.1."
    )
    parser.add_argument("--upstream", required=True, metavar="URL", help="URL of the emulator")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with FaultProxy(parser.parse_args().upstream) as proxy:
        print(json.dumps({"url": proxy.url}), flush=True)
        while not stop.wait(1):  # short waits, so that a signal just before one is not noticed late
            pass


if __name__ == "__main__":
    main()
