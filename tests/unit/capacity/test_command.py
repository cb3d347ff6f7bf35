import json
from pathlib import Path

import pytest

from bench.capacity import PAGE, TABLES, TEXTS, written
from whyness_ops.capacity.capacity_command import events
from whyness_ops.capacity.prices import PricesFault, measured, read_prices
from whyness_ops.capacity.text import time_text
from whyness_ops.cli import main


@pytest.mark.parametrize(
    ("text", "count"),
    [("10000", 1e4), ("10k", 1e4), ("5m", 5e6), ("5M", 5e6), ("1bn", 1e9), ("1.5bn", 1.5e9), ("2_000", 2e3)],
)
def test_events_are_given_as_people_write_them(text: str, count: float) -> None:
    """Thousands, millions and billions have a unit."""
    assert events(text) == count


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--events-per-day", "0"],
        ["--events-per-day", "-5m"],
        ["--events-per-day", "nan"],
        ["--events-per-day", "5x"],
        ["--events-per-day", "2000bn"],
        ["--events-per-day", "1m", "--bytes", "0"],
        ["--events-per-day", "1m", "--bytes", "1000001"],
        ["--events-per-day", "1m", "--memory-mb", "64"],
        ["--events-per-day", "1m", "--concurrency", "1"],
        ["--events-per-day", "1m", "--peak-factor", "0.5"],
        ["--events-per-day", "1m", "--outage-hours", "inf"],
    ],
)
def test_a_wrong_number_is_a_usage_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A number out of range is refused, and the error names the range."""
    with pytest.raises(SystemExit) as left:
        main(["capacity", *arguments])

    assert left.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_the_text_has_costs_limits_times_and_advice(capsys: pytest.CaptureFixture[str]) -> None:
    """The text has the costs, the limits, and what to do."""
    code = main(["capacity", "--events-per-day", "10bn"])

    told = capsys.readouterr().out
    assert code == 0
    assert "never" in told
    assert "Exceeded in the busy hours: Mixpanel's events/s." in told
    assert "need 8 projects" in told


def test_without_a_number_a_message_has_what_the_relay_packs(capsys: pytest.CaptureFixture[str]) -> None:
    """50 events/s: what 1,000 of them take to be sent is what was measured; a number of one's own counts."""
    per_million = []
    for more in ([], ["--events-per-message", "1"]):
        main(["capacity", "--events-per-day", "4320000", "--json", *more])
        per_million.append(json.loads(capsys.readouterr().out)["sending_usd_per_million"])

    requests = [usd / read_prices()["sqs_request"] / 1_000 for usd in per_million]
    assert requests == [pytest.approx(measured().live_requests_per_1000), pytest.approx(1_000)]


def test_the_text_has_what_sending_costs(capsys: pytest.CaptureFixture[str]) -> None:
    """The same as docs/reference/capacity.md."""
    main(["capacity", "--events-per-day", "4320000"])

    usd = measured().live_requests_per_1000 * 1_000 * read_prices()["sqs_request"]
    assert f"{usd:.4f} of it to send them" in capsys.readouterr().out
    assert f"| 50 | 4.32m | 10.9 | {measured().live_requests_per_1000} | {usd:.4f} |" in PAGE.read_text()


def test_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    """A program reads the same figures."""
    main(["capacity", "--events-per-day", "1bn", "--projects", "3", "--json"])

    found = json.loads(capsys.readouterr().out)
    assert found["load"]["projects"] == 3
    assert found["costs"]["total"] > found["costs"]["sqs"] > found["costs"]["lambda"] > 0
    assert found["drain_s"] > 0


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mine.toml", "sqs_request = 0.001\n"),
        ("mine.toml", '[sqs_request]\nusd = 0.001\nsource = "my bill"\n'),
        ("mine.json", '{"sqs_request": 0.001}'),
    ],
)
def test_a_file_replaces_single_prices(tmp_path: Path, name: str, text: str) -> None:
    """The named price is the file's, the others are the package's."""
    path = tmp_path / name
    path.write_text(text)

    found, own = read_prices(path), read_prices()

    assert found["sqs_request"] == 0.001
    assert found["lambda_gb_s"] == own["lambda_gb_s"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sqs = 1", "Use one of: "),
        ("sqs_request = -1", "from 0 to"),
        ("sqs_request = nan", "from 0 to"),
        ("sqs_request = true", "from 0 to"),
        ('sqs_request = "1"', "from 0 to"),
        ("[sqs_request]\nsource = 'x'", "from 0 to"),
        ("sqs_request = inf", "from 0 to"),
        (f"sqs_request = 1{'0' * 400}", "from 0 to"),
        (f"sqs_request = {'9' * 5_000}", "cannot be read as TOML"),
        (f"sqs_request = {'[' * 5_000}", "cannot be read as TOML"),
        ("sqs_request 1", "cannot be read as TOML"),
    ],
)
def test_a_faulty_file_is_a_sentence(
    tmp_path: Path, text: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says what to change, and the exit code is that of a wrong command line."""
    path = tmp_path / "mine.toml"
    path.write_text(text)

    code = main(["capacity", "--events-per-day", "1m", "--prices", str(path)])

    assert code == 2
    assert told in capsys.readouterr().err


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    """A wrong path is named."""
    with pytest.raises(PricesFault, match="absent"):
        read_prices(tmp_path / "absent.toml")


def test_each_price_says_where_it_stands_and_when_it_was_read() -> None:
    """A price without source or date cannot be checked."""
    prices = read_prices().by_name.values()

    assert [price for price in prices if not price.source.startswith("https://aws.amazon.com/")] == []
    assert [price for price in prices if not price.checked.startswith(("2026", "to be checked"))] == []
    assert len(prices) > 10


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "never"), (0, "0 s"), (119, "119 s"), (600, "10 min"), (18_000, "5.0 h"), (259_200, "3.0 days")],
)
def test_times_are_in_the_unit_that_suits(seconds: float | None, text: str) -> None:
    """Seconds, minutes, hours, days."""
    assert time_text(seconds) == text


def test_tables_in_the_docs_are_what_the_model_says() -> None:
    """docs/reference/capacity.md is as `python -m bench.capacity` writes it."""
    page = PAGE.read_text()

    assert [mark for mark in TEXTS if f"<!-- {mark} -->\nA" not in page] == []
    assert [mark for mark in TABLES if f"<!-- {mark} -->\n| " not in page] == []
    assert written(page) == page


def test_more_clients_than_mixpanel_recommends_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Twenty senders are allowed, twenty-four are remarked upon."""
    told = []
    for concurrency in ("5", "6"):
        main(["capacity", "--events-per-day", "1m", "--concurrency", concurrency])
        told.append("recommends at most 20" in capsys.readouterr().out)

    assert told == [False, True]
