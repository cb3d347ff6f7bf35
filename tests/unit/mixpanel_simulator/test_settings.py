from typing import Any

import pytest

from local.mixpanel_simulator import Project, SettingsError
from local.mixpanel_simulator.settings import COUNTS, DEFAULTS
from tests.unit.mixpanel_simulator.builders import make_settings


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"region": "mars"}, "region must be one of us, eu, in"),
        ({"projects": (Project(project_id="1", region="mars"),)}, "region of project 1 must be one of"),
        ({"identity": "none"}, "identity must be one of simplified, original"),
        ({"unknown_project_status": 404}, "unknown_project_status must be one of 401, 400"),
        ({"export_order": "none"}, "export_order must be one of arrival, shuffled"),
        ({"export_zone": "Mars/Base"}, "export_zone must be a time zone"),
        ({"export_zone": "../etc"}, "export_zone must be a time zone"),
        ({"projects": ()}, "must not be empty"),
        ({"account": ""}, "must not be empty"),
        ({"password": ""}, "must not be empty"),
        *[({name: -1}, f"{name} must be an integer of at least") for name in COUNTS],
    ],
)
def test_setting_that_is_invalid_is_refused(change: dict[str, Any], said: str) -> None:
    """The error names the setting and what is allowed."""
    with pytest.raises(SettingsError, match=said):
        make_settings(**change)


def test_only_a_count_that_is_zero_by_default_may_be_zero() -> None:
    """A limit of nothing is a mistake."""
    assert [name for name in COUNTS if _accepts_zero(name)] == [name for name in COUNTS if not DEFAULTS[name]]


def test_secret_is_not_shown() -> None:
    """A printed configuration may end up anywhere."""
    assert "marker" not in repr(make_settings(password="marker"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"nonsense": 1}, "no setting 'nonsense'; these can be changed: account"),
        ({"projects": ()}, "no setting 'projects'"),
        ({"max_events": "5"}, "max_events must be of type int, not str"),
        ({"max_events": True}, "max_events must be of type int, not bool"),
        ({"clamp_future": 1}, "clamp_future must be of type bool, not int"),
        ({"max_events": 0}, "max_events must be an integer of at least 1"),
    ],
)
def test_change_that_is_invalid_is_refused(change: dict[str, Any], said: str) -> None:
    """Unknown, fixed, of the wrong type or out of range."""
    with pytest.raises(SettingsError, match=said):
        make_settings().changed(**change)


def _accepts_zero(name: str) -> bool:
    try:
        make_settings(**{name: 0})
    except SettingsError:
        return False
    return True
