"""The poller with its runtimes, in this process (`polling`) or in one of its own.

    python -m local.poller_process --config FILE

prints a JSON line when it starts, and another with its counters when it ends (SIGTERM, Ctrl-C). The file
holds a `PollerConfig`; the AWS endpoint, region and credentials come from the environment.
"""

import argparse
import json
import logging
import os
import signal
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import boto3

from local.event_source_mapping import EventSourceMapping
from local.poller import Poller
from local.rie import get_rie
from local.runtime import Function, Runtime
from whyness_ops.stop import Stop

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@dataclass(frozen=True, slots=True)
class PollerConfig:
    """The settings of a poller. The runtimes write `lambda-N.log` in `log_dir`."""

    queue_url: str
    mapping: EventSourceMapping
    function: Function
    log_dir: Path

    def to_json(self) -> str:
        """Return the configuration as JSON, for `from_json`."""
        return json.dumps(asdict(self), default=os.fspath, indent=2)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read the JSON of `to_json`."""
        document = json.loads(text)
        function = document["function"]
        paths = {name: Path(function[name]) for name in ("code_dir", "python")}
        return cls(
            queue_url=document["queue_url"],
            mapping=EventSourceMapping(**document["mapping"]),
            function=Function(**{**function, **paths}),
            log_dir=Path(document["log_dir"]),
        )


def polling(config: PollerConfig, sqs: "SQSClient") -> Poller:
    """Return a poller, not yet started, with as many runtimes as the mapping's concurrency.

    Raises:
        RieUnavailable: the Lambda runtime emulator is not available.
    """
    rie_path = get_rie()
    runtimes = [
        Runtime(config.function, rie_path=rie_path, log_path=config.log_dir / f"lambda-{number}.log")
        for number in range(config.mapping.max_concurrency)
    ]
    return Poller(sqs, config.queue_url, config.mapping, runtimes)


def main(arguments: Sequence[str] | None = None) -> None:
    """Poll until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(
        allow_abbrev=False, description="Read a queue and call the function, as Lambda does."
    )
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="JSON of a PollerConfig")
    config = PollerConfig.from_json(parser.parse_args(arguments).config.read_text())
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    stop = Stop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    with polling(config, boto3.client("sqs")) as poller:
        print(json.dumps({"polling": config.queue_url}), flush=True)
        while not stop.is_set():
            stop.wait(1)
    print(json.dumps(asdict(poller.counters)), flush=True)


if __name__ == "__main__":
    main()
