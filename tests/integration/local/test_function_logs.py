"""The function's log lines in the emulator's CloudWatch Logs."""

import json
from pathlib import Path

from local.emulator import Emulator
from local.function_logs import LogShipper
from whyness_ops.watch.log_poller import LogPoller


def test_each_complete_line_is_shipped_once(emulator: Emulator, tmp_path: Path) -> None:
    """Of all runtimes; half a line when it is whole; what is no JSON stays in the file."""
    logs = emulator.new_account().client("logs")
    poller = LogPoller(logs, "group", 0)
    line = json.dumps({"message": "invocation", "n": 1})
    first, second = tmp_path / "lambda-0.log", tmp_path / "lambda-1.log"
    first.write_text(f"START RequestId\n{line}\n{line[:9]}")
    second.write_text(line.replace("1", "2") + "\n")

    shipper = LogShipper(logs, "group", tmp_path)
    shipper.make_group()
    shipper.ship()
    shipper.ship()
    with first.open("a") as file:
        file.write(line[9:].replace("1", "3") + "\n")
    shipper.ship()

    assert sorted(line.fields["n"] for line in poller.poll()) == [1, 2, 3]
