"""What all integration tests share: one emulator a worker."""

from collections.abc import Iterator

import pytest

from local.emulator import MINISTACK, Emulator


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """One emulator for all tests of this worker; each test has an account of its own in it."""
    if not MINISTACK.exists():
        pytest.skip(f"{MINISTACK} is missing: `make demo` installs it")
    with Emulator(tmp_path_factory.mktemp("emulator")) as running:
        yield running
