"""Edge: calls to AWS side by side, so that a screen takes as long as the slowest; a failure is a sentence."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from whyness_ops.errors import OpsError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unknown:
    """What could not be found out, and why, in a sentence."""

    why: str


def gather(calls: Mapping[str, Callable[[], T]]) -> dict[str, T | Unknown]:
    """Return what each call returned, or why it did not, by name."""
    with ThreadPoolExecutor(max_workers=max(1, len(calls))) as pool:
        futures = {name: pool.submit(asked, name, call) for name, call in calls.items()}
        return {name: future.result() for name, future in futures.items()}


def asked(name: str, call: Callable[[], T]) -> T | Unknown:
    """Return what a call returns, or why it does not."""
    try:
        return call()
    except OpsError as error:
        return Unknown(str(error))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        # An answer that lacks what AWS's documentation promises.
        return Unknown(f"AWS answered without what {name} needs ({type(error).__name__}: {error}).")
