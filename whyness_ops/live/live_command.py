"""The command `live`: serves the live page on this machine until it is stopped."""

import argparse
import importlib
import json
import os
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from whyness_ops.argument_parser import Commands, add_parser
from whyness_ops.errors import SetupFault, UsageFault
from whyness_ops.option_types import Whole
from whyness_ops.stack import Stack, demo_variables
from whyness_ops.stack_options import add_connection, connect
from whyness_ops.stop import Stop

if TYPE_CHECKING:
    from whyness_ops.live.watching import Watch

EXAMPLES = """examples:
  whyness-mixpanel live --env prod
  whyness-mixpanel live --stack whyness-mixpanel-dev --port 8400
  whyness-mixpanel live                   the demo that is up here (make demo KEEP=1)

It prints the address, which works on this machine only and ends with a token. Ctrl-C ends it.
"""
SIMULATOR = "MIXPANEL_SIMULATOR"
_HOST = "127.0.0.1"
_CLOSE_WITHIN_S = 2


def add_live(group: Commands) -> None:
    """Add the command."""
    parser = add_parser(group, "live", "serve a page that shows what happens now, on this machine", EXAMPLES)
    parser.set_defaults(run=live)
    how = parser.add_argument_group("serving")
    how.add_argument(
        "--port", type=Whole(1, 65_535), metavar="N", help="port on 127.0.0.1 (default one that is free)"
    )
    out = parser.add_argument_group("output")
    out.add_argument("--json", action="store_true", help="the address as one JSON object instead of text")
    add_connection(parser)


def live(options: argparse.Namespace, stop: Stop) -> int:
    """Serve the page until a stop."""
    _check_libraries()
    aws, stack = connect(options)
    stack.need("queue_url")
    from whyness_ops.live.demo import Demo  # noqa: PLC0415  (boto3 and more: no other command needs it)
    from whyness_ops.live.watching import Watch  # noqa: PLC0415

    simulator = simulator_url(stack)
    watch = Watch(aws, stack, Demo(simulator, aws, stack, stop) if simulator else None)
    with serving(watch, options.port or 0) as url:
        _say(url, as_json=options.json)
        while not stop.is_set():
            stop.wait(1)
    return 0


@contextmanager
def serving(watch: "Watch", port: int = 0) -> Iterator[str]:
    """Serve the page from a thread; yield its address. After '#' a browser keeps the token to itself.

    So it is in no request's line, no log and no Referer.

    Raises:
        SetupFault: the port is taken.
    """
    import uvicorn  # noqa: PLC0415  (an extra)

    from whyness_ops.live.app import make_app  # noqa: PLC0415

    token = secrets.token_urlsafe(32)
    config = uvicorn.Config(
        make_app(watch, token),
        access_log=False,
        server_header=False,
        log_level="warning",
        lifespan="off",
        ws="none",
        proxy_headers=False,
        timeout_graceful_shutdown=_CLOSE_WITHIN_S,
    )
    server = uvicorn.Server(config)
    with _listen(port) as listener:
        thread = threading.Thread(target=server.run, args=([listener],), name="live page", daemon=True)
        thread.start()
        try:
            yield f"http://{_HOST}:{listener.getsockname()[1]}/#{token}"
        finally:
            server.should_exit = True
            thread.join(_CLOSE_WITHIN_S + 1)


def simulator_url(stack: Stack) -> str:
    """Return where the demo's simulator is; "" unless it and the queue are on this machine."""
    from whyness_ops.live.simulator import is_loopback  # noqa: PLC0415

    url = os.environ.get(SIMULATOR) or demo_variables().get(SIMULATOR, "")
    return url if is_loopback(url) and is_loopback(stack.queue_url) else ""


def _check_libraries() -> None:
    try:
        importlib.import_module("starlette")
        importlib.import_module("uvicorn")
    except ModuleNotFoundError as error:
        raise UsageFault(
            "The live page needs the libraries starlette and uvicorn. "
            "Install the wheel with its extra `live`."
        ) from error


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((_HOST, port))
    except OSError as error:
        raise SetupFault(
            f"Cannot listen on {_HOST}:{port}: {error.strerror}. Give another --port, or none."
        ) from error


def _say(url: str, *, as_json: bool) -> None:
    text = json.dumps({"url": url}) if as_json else f"The live page: {url}\nCtrl-C ends it."
    print(text, flush=True)  # noqa: T201  (a command line talks)
