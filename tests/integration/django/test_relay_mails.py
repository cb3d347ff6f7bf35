"""What administrators are mailed: an ERROR where events are lost, once; an outage is one WARNING."""

from pathlib import Path

import pytest

from tests.integration.django.relay_project import RelayProject, both, only_sqlite

# Django's own way of telling administrators, into files.
MAILS = """
ADMINS = [("A", "a@example.invalid")]
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = os.environ["QUEUE"] + ".mails"
LOGGING = {
    "version": 1,
    "handlers": {
        "mail": {"class": "django.utils.log.AdminEmailHandler", "level": "ERROR"},
        "console": {"class": "logging.StreamHandler", "level": "WARNING"},
    },
    "loggers": {"whyness_mixpanel": {"handlers": ["mail", "console"]}},
}
"""


@pytest.fixture
def mailing(unmigrated: RelayProject) -> RelayProject:
    """A project that mails, without a table."""
    unmigrated.set(MAILS)
    return unmigrated


def mails(project: RelayProject) -> list[str]:
    """Return the texts of all mails."""
    directory = Path(f"{project.queue}.mails")
    files = sorted(directory.iterdir()) if directory.exists() else []
    return [mail for file in files for mail in file.read_text().split("\n" + "-" * 79 + "\n") if mail]


# The end of the transaction is unknown, and the outbox has no table.
LOST = """
def lose(count):
    connection.set_autocommit(False)
    for number in range(1, count + 1):
        assert send(number) is False
        connection.rollback()
    connection.set_autocommit(True)
lose(30)
assert counters.snapshot()["lost"] == 30
"""
AGAIN = """
from django.core.management import call_command
call_command("migrate", verbosity=0)
assert send(100) is True
with connection.cursor() as cursor:
    cursor.execute("DROP TABLE whyness_mixpanel_outbox")
lose(30)
assert counters.snapshot()["lost"] == 60
"""


@both
def test_thirty_lost_events_are_one_mail(mailing: RelayProject) -> None:
    """And thirty more after the outbox has worked again are one more."""
    mailing.run(*mailing.script(LOST))
    assert len(mails(mailing)) == 1

    mailing.run(*mailing.script(LOST + AGAIN))
    assert len(mails(mailing)) == 3


TWO_DATABASES = """
for number in range(1, 31):
    assert Event(event="A", insert_id=number).send(using="other") is False
    assert Event(event="").send(using="other") is False  # it cannot be parked: it is lost
    assert send(100 + number) is True
until(lambda: counters.snapshot()["published"] == 60)
assert counters.snapshot()["lost"] == 30
"""


@only_sqlite
def test_two_databases_of_which_one_lacks_the_table_are_one_warning_and_one_mail(
    mailing: RelayProject,
) -> None:
    """Events to both in turn: what holds for the one changes with no event to the other."""
    other = {**mailing.database, "NAME": f"{mailing.database['NAME']}.other"}
    mailing.set(f"DATABASES['other'] = {other!r}\n")
    mailing.run("-m", "django", "migrate", "--verbosity=0")

    printed = mailing.run(*mailing.script(TWO_DATABASES))

    assert printed.count("The outbox does not accept events") == 1
    assert len(mails(mailing)) == 1


OUTAGE = """
for number in range(1, 31):
    assert send(number) is True
    time.sleep(0.05)
"""


@only_sqlite
def test_an_outage_is_one_warning_and_no_mail(mailing: RelayProject) -> None:
    """However many events come meanwhile."""
    mailing.run("-m", "django", "migrate", "--verbosity=0")
    mailing.be("throttles")

    printed = mailing.run(*mailing.script(OUTAGE))

    assert printed.count("Publishing failed: Throttling.Exceeded.") == 1
    assert len(printed.splitlines()) == 1
    assert mails(mailing) == []
