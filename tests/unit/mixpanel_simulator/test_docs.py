import re
from dataclasses import fields
from pathlib import Path

import msgspec
import pytest

from local.mixpanel_simulator import Fault
from local.mixpanel_simulator.settings import DEFAULTS

TEXT = (Path(__file__).parents[3] / "docs" / "mixpanel-simulator.md").read_text()


@pytest.mark.parametrize("name", [each.name for each in fields(Fault)] + list(DEFAULTS))
def test_each_field_of_a_fault_and_each_setting_is_documented(name: str) -> None:
    """By its name."""
    assert f"`{name}`" in TEXT


@pytest.mark.parametrize(
    "name", [name for name, default in DEFAULTS.items() if isinstance(default, (int, str))]
)
def test_documented_default_is_the_real_one(name: str) -> None:
    """In the table of settings."""
    row = re.search(rf"^\| `{name}` \| (\S+) \|", TEXT, re.MULTILINE)

    assert row
    default = "none" if DEFAULTS[name] == "" else str(DEFAULTS[name])
    assert row[1].strip("`") == default.replace("True", "true")


@pytest.mark.parametrize("example", re.findall(r"(?:-d '|\| `)([\[{].*?[\]}])(?:'|`)", TEXT))
def test_each_example_of_a_fault_is_one(example: str) -> None:
    """It can be sent as it stands."""
    value = msgspec.json.decode(example)

    assert all(Fault.from_json(each) for each in (value if isinstance(value, list) else [value]))


def test_examples_are_found() -> None:
    """The test above has something to do."""
    assert len(re.findall(r"(?:-d '|\| `)([\[{].*?[\]}])(?:'|`)", TEXT)) == 10
