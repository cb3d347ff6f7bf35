from datetime import timedelta

import pytest
from django.test import RequestFactory
from django.utils import timezone

from whyness_mixpanel.models import Outbox
from whyness_mixpanel.views import health


def ask(query: str = "") -> tuple[int, bytes]:
    """Return status and body of the health view."""
    response = health(RequestFactory().get(f"/health/{query}"))
    return response.status_code, response.content


@pytest.mark.usefixtures("db")
def test_an_empty_outbox_is_healthy() -> None:
    """Of each database."""
    nothing = '{"pending": 0, "parked": 0, "oldest_pending_s": null}'

    status, body = ask("?max_age_s=0")

    assert status == 200
    assert body.decode() == f'{{"ok": true, "databases": {{"default": {nothing}, "other": {nothing}}}}}'


@pytest.mark.usefixtures("db")
def test_the_age_that_matters_is_the_askers_choice() -> None:
    """A load balancer must not take a site away because its analytics wait: only who asks for it gets 503."""
    long_ago = timezone.now() - timedelta(minutes=20)
    Outbox.objects.create(encoded="{}", identity="distinct_id", created_at=long_ago)

    assert [ask(query)[0] for query in ("", "?max_age_s=900", "?max_age_s=1800", "?max_age_s=x")] == [
        200,
        503,
        200,
        400,
    ]


@pytest.mark.usefixtures("db")
def test_an_event_that_waits_for_long_is_a_warning() -> None:
    """Whether it is a fault is for the asker to say."""
    long_ago = timezone.now() - timedelta(minutes=11)
    Outbox.objects.create(encoded="{}", identity="distinct_id", created_at=long_ago)

    status, body = ask()

    assert status == 200
    assert "default: the oldest event has been waiting for more than 10 minutes" in body.decode()
