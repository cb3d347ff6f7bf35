"""Prices and measurements as data, from files in this directory; a user's file can replace prices."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from whyness_ops.errors import OpsError

_MOST_USD = 1_000_000
_HERE = Path(__file__).parent


class PricesFault(OpsError):
    """The file of prices cannot be used; the text says what to change."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Price:
    """USD for one unit, with its source and the date on which that was read."""

    usd: float
    unit: str
    source: str
    checked: str


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices by name; `prices["sqs_request"]` is USD for one unit."""

    region: str
    by_name: Mapping[str, Price]

    def __getitem__(self, name: str) -> float:
        """Return USD for one unit."""
        return self.by_name[name].usd


@dataclass(frozen=True, slots=True)
class Measured:
    """Measurements of this code; `measured.toml` describes them and names the command."""

    command: str
    date: str
    machine: str
    cpu_s_per_100k_packed: float
    cpu_s_per_100k_single: float
    memory_packed_mib: float
    memory_single_mib: float
    import_cpu_ms: float
    live_requests_per_1000: float
    added_bytes: int
    envelope_bytes: int
    record_bytes: int
    escaped_part: float
    log_bytes: int


@lru_cache(maxsize=1)
def measured() -> Measured:
    """Return the measurements."""
    return Measured(**tomllib.loads((_HERE / "measured.toml").read_text()))


def read_prices(path: Path | None = None) -> Prices:
    """Return the prices; those in `path` (TOML or JSON) replace others of the same name.

    In it, a price is a number, or a table with `usd` and optionally `source` and `checked`.

    Raises:
        PricesFault: the file cannot be read, or names a price that is not used.
    """
    own = tomllib.loads((_HERE / "prices.toml").read_text())
    region = str(own.pop("region"))
    prices = {name: Price(**entry) for name, entry in own.items()}
    given = dict(_read(path)) if path else {}
    region = str(given.pop("region", region))
    for name, entry in given.items():
        if name not in prices:
            raise PricesFault(f"{path}: {name!r} is not a price. Use one of: {', '.join(sorted(prices))}.")
        prices[name] = _replaced(prices[name], entry, f"{path}: {name}")
    return Prices(region, prices)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        text = path.read_text()
        document = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise PricesFault(
            f"{path} cannot be read as TOML, or as JSON if its name ends in .json: {error}"
        ) from None
    if not isinstance(document, dict):
        raise PricesFault(f'{path} must be an object of prices, for example {{"sqs_request": 0.0000005}}.')
    return document


def _replaced(price: Price, entry: object, where: str) -> Price:
    table = entry if isinstance(entry, dict) else {"usd": entry}
    usd = table.get("usd")
    if isinstance(usd, bool) or not isinstance(usd, (int, float)) or not 0 <= usd <= _MOST_USD:
        raise PricesFault(f"{where} must be a number from 0 to {_MOST_USD}: USD for one {price.unit}.")
    source, checked = (str(table.get(key, "given")) for key in ("source", "checked"))
    return Price(float(usd), price.unit, source, checked)
