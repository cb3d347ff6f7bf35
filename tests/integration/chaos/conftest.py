from collections.abc import Iterator
from pathlib import Path

import pytest

from local.chaos.proxy.server import FaultProxy
from local.emulator import MINISTACK, Account, Emulator
from local.rie import RieUnavailable, get_rie


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """One emulator for all tests of this worker; each test has an account of its own in it."""
    if not MINISTACK.exists():
        pytest.skip(f"{MINISTACK} is missing: `make demo` installs it")
    with Emulator(tmp_path_factory.mktemp("emulator")) as running:
        yield running


@pytest.fixture
def proxy(emulator: Emulator) -> Iterator[FaultProxy]:
    """A proxy without faults in front of it."""
    with FaultProxy(emulator.endpoint) as running:
        yield running


@pytest.fixture
def account(emulator: Emulator, proxy: FaultProxy) -> Account:
    """An AWS account that no other test sees, through the proxy."""
    return Account(proxy.url, emulator.new_account().access_key)


@pytest.fixture(scope="session")
def rie_path() -> Path:
    """The Lambda runtime interface emulator, downloaded once."""
    try:
        return get_rie()
    except RieUnavailable as error:
        pytest.skip(str(error))
