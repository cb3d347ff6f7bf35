"""What all tests share: Hypothesis tries the same examples on every machine, and is never timed."""

import gc
import os
from functools import cache
from pathlib import Path

import botocore.session
import pytest
from hypothesis import settings

from tests.spread import spread
from whyness_ops import stack

settings.register_profile("ci", derandomize=True, deadline=None, max_examples=100)
# `make mutation` runs each test for each mutant.
settings.register_profile("mutation", derandomize=True, deadline=None, max_examples=20)
settings.load_profile("ci")

# Each session of boto3 parses AWS's descriptions of its services anew: most of what a client costs.
botocore.session.create_loader = cache(botocore.session.create_loader)


class _DemoFile:
    """The file of a demo that is up in a test's own directory; a demo in the checkout's is not the test's."""

    def read_text(self) -> str:
        if Path.cwd() == Path(__file__).parents[1]:
            raise FileNotFoundError
        return stack.DEMO_FILE.read_text()


# A developer may have kept one, and so do the tests of the tutorial and the drill, beside all others.
stack.demo_variables.__defaults__ = (_DemoFile(),)


def pytest_collection() -> None:
    """Look for no garbage while tests are collected: hardly anything is, and it takes a third of the time."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Look for garbage in what tests make, not in all that was imported for them."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let several workers share what is slow from the beginning."""
    items[:] = spread(items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
