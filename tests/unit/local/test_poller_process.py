from pathlib import Path

from local.event_source_mapping import EventSourceMapping
from local.poller_process import PollerConfig
from local.runtime import Function


def test_config_reads_back_as_it_was_written() -> None:
    """A configuration survives the way through its file."""
    function = Function(Path("code"), "handler.handler", 120, 512, {"A": "ü"}, python=Path("/python"))
    mapping = EventSourceMapping(10_000, 5, 4, reports_item_failures=True)
    config = PollerConfig("http://127.0.0.1:1/1/queue", mapping, function, Path("logs"))

    assert PollerConfig.from_json(config.to_json()) == config
