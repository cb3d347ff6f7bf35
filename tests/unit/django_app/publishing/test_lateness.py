"""Without a relay, only this warning says that no drain runs."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from whyness_mixpanel.models import Outbox
from whyness_mixpanel.publishing import lateness


@pytest.mark.usefixtures("db")
def test_a_drain_that_does_not_run_is_told_once_an_hour(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Looks are a minute apart, warnings an hour."""
    now_s = [1_000.0]
    monkeypatch.setattr(lateness, "_next_look_s", {})
    monkeypatch.setattr(time, "monotonic", lambda: now_s[0])
    lateness.warn_of_late("default")
    long_ago = timezone.now() - timedelta(minutes=11)
    Outbox.objects.create(encoded="{}", identity="distinct_id", created_at=long_ago)
    told = []
    for passed_s in (1, 60, 3_000, 600):
        now_s[0] += passed_s
        lateness.warn_of_late("default")
        told.append(len(caplog.records))

    assert told == [0, 1, 1, 2]
    assert "Check that 'manage.py mixpanel_outbox drain' is running" in caplog.text


@pytest.mark.usefixtures("db")
def test_each_database_has_its_own_looks(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Otherwise a busy database would suppress the warnings of all others."""
    monkeypatch.setattr(lateness, "_next_look_s", {})
    long_ago = timezone.now() - timedelta(minutes=11)
    Outbox.objects.using("other").create(encoded="{}", identity="distinct_id", created_at=long_ago)

    lateness.warn_of_late("default")
    lateness.warn_of_late("other")

    assert ["outbox of other" in record.getMessage() for record in caplog.records] == [True]
