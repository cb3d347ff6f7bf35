import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test import RequestFactory
from django.utils import timezone

from whyness_mixpanel import last_audit
from whyness_mixpanel.models import LastAudit, Outbox
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
    databases = f'{{"default": {nothing}, "other": {nothing}}}'
    assert body.decode() == f'{{"ok": true, "databases": {databases}, "audit": null}}'


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


@pytest.mark.usefixtures("db")
def test_the_last_audit_is_shown_with_its_result_alone() -> None:
    """Anybody may ask; a fault of the audit does not take the site out of service."""
    line = {"at": "then", "exit_code": 1, "faults": 3, "verdicts": {"matched": 120_000}, "why": "/a/path"}
    last_audit.store(line)

    status, body = ask("?max_age_s=0")

    audit = json.loads(body)["audit"]
    assert (status, audit["at"], audit["exit_code"], audit["faults"]) == (200, "then", 1, 3)
    assert b"matched" not in body
    assert b"/a/path" not in body
    assert b"120" not in body


@pytest.mark.usefixtures("db")
def test_a_database_that_is_not_migrated_yet_is_healthy() -> None:
    """New code runs before its migration: there is no last audit then."""
    with connection.schema_editor() as editor:
        editor.delete_model(LastAudit)
    try:
        answer = ask()
    finally:
        with connection.schema_editor() as editor:
            editor.create_model(LastAudit)

    assert (answer[0], json.loads(answer[1])["audit"]) == (200, None)
