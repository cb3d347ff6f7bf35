"""`make mutation`: what it changes, how it counts, and when it fails. The run itself takes minutes."""

import re
import tomllib

import pytest

from infra.mutation import ROOT, read, report

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutmut"]


def _lines(**counts: int) -> list[str]:
    return [
        f"    whyness_events.delivery.trial.xǁTrialǁneeds__mutmut_{number}: {status.replace('_', ' ')}"
        for status, count in counts.items()
        for number in range(count)
    ]


def test_every_module_and_test_it_names_is_there() -> None:
    """A module that was renamed would silently be left out."""
    modules = [name.replace("src/", "functions/send_events/") for name in SETTINGS["only_mutate"]]
    tests = SETTINGS["pytest_add_cli_args_test_selection"]

    assert [name for name in (*modules, *tests) if not (ROOT / name).exists()] == []


def test_the_page_has_figures_for_the_same_modules() -> None:
    """What is measured and what docs/explanation/testing.md tells of are one list."""
    page = (ROOT / "docs/explanation/testing.md").read_text()
    _, _, figures = page.partition("<!-- mutation -->")
    modules = [
        name.removeprefix("src/whyness_events/").removesuffix(".py").replace("/", ".")
        for name in SETTINGS["only_mutate"]
    ]

    assert re.findall(r"^\| ([a-z.]+) \|", figures, re.MULTILINE) == ["module", *sorted(modules), "all"]


def test_mutants_are_counted_by_module() -> None:
    """Functions and methods alike; what is no result is passed over."""
    lines = [
        "spinning",
        *_lines(killed=3, survived=1),
        "    whyness_events.wire.x__load__mutmut_7: timeout",
        "    whyness_events.wire.x_encode_event__mutmut_1: no tests",
    ]

    assert read(lines) == {
        "delivery.trial": {"killed": 3, "survived": 1},
        "wire": {"timeout": 1, "no tests": 1},
    }
    assert report(read(lines))[1][2:-1] == [
        "| delivery.trial | 4 | 3 | 0 | 1 | 75.0% |",
        "| wire | 2 | 0 | 1 | 1 | 50.0% |",
        "| all | 6 | 3 | 1 | 2 | 66.7% |",
    ]


@pytest.mark.parametrize(
    ("counts", "is_enough"),
    [
        ({"killed": 9, "survived": 1}, True),
        ({"killed": 8, "timeout": 1, "survived": 1}, True),
        ({"killed": 89, "survived": 11}, False),
        ({"killed": 89, "no_tests": 11}, False),
        ({"killed": 89, "suspicious": 11}, False),
        ({}, False),
    ],
)
def test_less_than_nine_in_ten_fails(counts: dict[str, int], *, is_enough: bool) -> None:
    """A mutant that no test failed for was not noticed, whatever became of it; and none is not enough."""
    assert report(read(_lines(**counts)))[0] is is_enough
