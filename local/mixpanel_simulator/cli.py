"""The command line: run a simulator, or a sink, as a process."""

import argparse
import asyncio
import json
import os
import signal
from pathlib import Path

from .control import handle
from .server import Server
from .settings import (
    COUNTS,
    DEFAULTS,
    IDENTITIES,
    ORDERS,
    REGIONS,
    STRICT_ANSWERS,
    Project,
    Settings,
    SettingsError,
)
from .simulator import Simulator
from .sink import Sink

EPILOG = """examples:
  # one project, on a free port; prints JSON with the URL
  .venv/bin/python -m local.mixpanel_simulator --project 123 --account acct --password-file secret.txt

  # answer a tenth of the requests with 429, see what arrived, remove the fault
  curl -X POST $URL/_simulator/faults -d '{"probability": 0.1, "status": 429}'
  curl $URL/_simulator/stats
  curl $URL/_simulator/events
  curl -X DELETE $URL/_simulator/faults

  # a project in the EU: this simulator, which stands for the US, answers 401
  .venv/bin/python -m local.mixpanel_simulator --project 123:eu --account acct --password-file secret.txt

  # for benchmarks: a sink that only counts
  .venv/bin/python -m local.mixpanel_simulator --sink

All features: docs/mixpanel-simulator.md
"""


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        server = _server(options)
        asyncio.run(_serve(server, "sink" if options.sink else "simulator"))
    except (SettingsError, OSError) as error:
        parser.error(str(error))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        allow_abbrev=False,
        prog="python -m local.mixpanel_simulator",
        description="Simulate Mixpanel's POST /import on 127.0.0.1, with faults on request.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--port", type=int, default=0, help="default 0: a free port")
    add(
        "--project",
        action="append",
        default=[],
        metavar="ID[:REGION[:TOKEN]]",
        help="a project; may be repeated",
    )
    add("--account", default="", help="name of the service account")
    add(
        "--password-file",
        type=Path,
        metavar="FILE",
        help="file with the service account's secret; a final line break is ignored",
    )
    add("--gdpr-token-file", type=Path, metavar="FILE", help="file with the token that may delete people")
    add(
        "--sink",
        action="store_true",
        help="check nothing and only count; takes only --port and --sink-delay-ms",
    )
    add("--sink-delay-ms", type=int, default=0, metavar="N", help="time to answer of a sink (default 0)")
    for name, allowed in (
        ("region", REGIONS),
        ("identity", IDENTITIES),
        ("export_order", ORDERS),
        ("engage_strict", STRICT_ANSWERS),
        ("unknown_project_status", (401, 400)),
    ):
        kind = type(allowed[0])
        add(_flag(name), choices=allowed, type=kind, default=argparse.SUPPRESS, help=_default_of(name))
    for name in COUNTS:
        add(_flag(name), type=int, default=argparse.SUPPRESS, metavar="N", help=_default_of(name))
    for name in ("export_zone", "blocked_event"):
        add(_flag(name), default=argparse.SUPPRESS, metavar="NAME", help=_default_of(name))
    add("--no-clamp-future", dest="clamp_future", action="store_false", default=argparse.SUPPRESS,
        help="keep times up to an hour ahead as sent")  # fmt: skip
    return parser


def _server(options: argparse.Namespace) -> Server:
    if options.sink:
        return Server(Sink(options.sink_delay_ms / 1000).handle, port=options.port)
    simulator = Simulator(_settings(options))
    return Server(lambda request: handle(simulator, request), simulator.faults, options.port)


def _settings(options: argparse.Namespace) -> Settings:
    if not (options.project and options.account and options.password_file):
        raise SettingsError("Give --project, --account and --password-file, or --sink.")
    own = {"port", "project", "account", "password_file", "gdpr_token_file", "sink", "sink_delay_ms"}
    token_file = options.gdpr_token_file
    return Settings(
        projects=tuple(map(_project, options.project)),
        account=options.account,
        password=options.password_file.read_text().rstrip("\n"),
        gdpr_token=token_file.read_text().rstrip("\n") if token_file else "",
        **{name: value for name, value in vars(options).items() if name not in own},
    )


def _project(text: str) -> Project:
    project_id, _, rest = text.partition(":")
    region, _, token = rest.partition(":")
    return Project(project_id=project_id, region=region or "us", token=token)


async def _serve(server: Server, mode: str) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await server.start()
    print(json.dumps({"url": server.url, "mode": mode, "pid": os.getpid()}), flush=True)
    await stop.wait()
    await server.stop()


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _default_of(name: str) -> str:
    return f"default {DEFAULTS[name]}"
