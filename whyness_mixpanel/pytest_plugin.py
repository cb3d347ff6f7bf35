"""The pytest fixture `mixpanel`: name this module in `pytest_plugins` of a conftest.py."""

from collections.abc import Iterator
from types import ModuleType

import pytest
from django.conf import settings
from django.test import override_settings

from whyness_mixpanel import conf, testing


@pytest.fixture
def mixpanel() -> Iterator[ModuleType]:
    """The module `whyness_mixpanel.testing`, cleared, with the backend locmem in force."""
    chosen = {**getattr(settings, conf.DICT_NAME, {}), "BACKEND": "locmem"}
    testing.clear()
    with override_settings(**{conf.DICT_NAME: chosen}):
        yield testing
    testing.clear()
