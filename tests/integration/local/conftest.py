from pathlib import Path

import pytest

from local.emulator import Account, Emulator
from local.rie import RieUnavailable, get_rie


@pytest.fixture
def account(emulator: Emulator) -> Account:
    """An AWS account that no other test sees."""
    return emulator.new_account()


@pytest.fixture(scope="session")
def rie_path() -> Path:
    """The Lambda runtime interface emulator, downloaded once."""
    try:
        return get_rie()
    except RieUnavailable as error:
        pytest.skip(str(error))
