"""The example site with a database of its own: migrate, seed, serve, and read back what it has logged."""

import json
import os
import secrets
import sqlite3
import sys
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from local.accounting import Key
from local.processes import ChildProcess, start
from local.traffic import People

ROOT = Path(__file__).parents[1]
_COMMAND_TIMEOUT_S = 60.0
_START_TIMEOUT_S = 30.0
_NOBODY_ID = 1
_USERS, _CONTACTS = 40, 40
# For each table: how to read an event's name, person id, time and row id; and the prefix of the person's id.
_QUERIES = {
    "SELECT item.title, log.user_id, log.create_date, log.id FROM whyness_django_trackerlog AS log"
    " JOIN whyness_django_trackeritem AS item ON item.id = log.item_id": "",
    "SELECT 'User click', contact_id, create_date, id FROM whyness_crm_authusertrackerclick": "",
    "SELECT 'Prospect click', contact_id, create_date, id FROM whyness_crm_contacttrackerclick": "p:",
}


Profile = dict[str, Any]


class Login(NamedTuple):
    """A superuser of the site's admin."""

    user: str
    password: str


class Site:
    """A running example site: a context manager with `url` and `people`.

    Args:
        work_dir: an existing directory for the database and the logs.
        environment: how the site reaches the queue.
        say: called with each step, as text.

    Raises:
        ProcessFailed: a command of the site failed.
    """

    url: str
    people: People

    def __init__(self, work_dir: Path, environment: Mapping[str, str], say: Callable[[str], None]) -> None:
        self._work_dir = work_dir
        self._database = work_dir / "site.sqlite3"
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DJANGO_"))
        }
        self._environment = {**inherited, "EXAMPLE_DATABASE": str(self._database), **environment}
        self._say = say
        self._running = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            self._say("creating the example site's database")
            self._run("migrate", "--verbosity=0")
            self.people = _people(self._run("seed", f"--users={_USERS}", f"--contacts={_CONTACTS}"))
            self._say("starting the example site")
            server = starting.enter_context(self._start("serve", "--port=0"))
            self.url = str(server.wait_for_json_line(timeout_s=_START_TIMEOUT_S)["url"])
            self._running = starting.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.__exit__(kind, error, trace)

    def counters(self) -> dict[str, int]:
        """Return the site's counters of events logged, published and not published."""
        with urllib.request.urlopen(f"{self.url}stats/", timeout=_START_TIMEOUT_S) as answer:  # noqa: S310  (loopback)
            counters: dict[str, int] = json.load(answer)
            return counters

    def drain(self) -> None:
        """Publish the rest of the site's outbox."""
        self._run("mixpanel_outbox", "drain")

    def sync_profiles(self, auditor: Mapping[str, str]) -> None:
        """Send the profiles of the site's people, after a test profile was read back.

        Args:
            auditor: the environment with the service account that reads it.

        Raises:
            ProcessFailed: not all were sent. The log says why.
        """
        with self._start("mixpanel_profiles", "sync", environment=auditor) as process:
            process.wait_for_end(timeout_s=_COMMAND_TIMEOUT_S)

    def audit(self, export_url: str, project: str, auditor: Mapping[str, str]) -> int:
        """Compare the rows of the last day with Mixpanel's export; return how many match.

        Args:
            export_url: of the simulator, which keeps UTC.
            project: its id.
            auditor: the environment with the service account.

        Raises:
            ProcessFailed: not all is accounted for. The log says what.
        """
        findings, now = self._work_dir / "audit.jsonl", datetime.now(UTC)
        period = {"since": now - timedelta(days=1), "until": now + timedelta(minutes=1)}
        options = {
            **{name: f"{moment:%Y-%m-%dT%H:%M:%S}" for name, moment in period.items()},
            "zone": "UTC",
            "project": project,
            "export-url": export_url,
            "settled": "0",
            "findings": str(findings),
        }
        command = ["mixpanel_audit", *(f"--{name}={value}" for name, value in options.items())]
        with self._start(*command, environment=auditor) as process:
            process.wait_for_end(timeout_s=_COMMAND_TIMEOUT_S)
        with findings.open() as file:
            return int(json.loads(file.readline())["verdicts"].get("matched", 0))

    def add_admin(self) -> Login:
        """Make a superuser. The password is in no log and no file."""
        login = Login("admin", secrets.token_urlsafe(12))
        with self._start(
            "createsuperuser",
            *("--noinput", f"--username={login.user}", "--email=admin@example.org"),
            environment={"DJANGO_SUPERUSER_PASSWORD": login.password},
        ) as process:
            process.wait_for_end(timeout_s=_COMMAND_TIMEOUT_S)
        return login

    def logged(self) -> list[Key]:
        """Return the rows of the database as events."""
        with closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)) as database:
            return [
                event_of(*row, prefix=prefix)
                for query, prefix in _QUERIES.items()
                for row in database.execute(query)
            ]

    def profiles(self) -> dict[str, Profile]:
        """Return what Mixpanel should show of each row of a person, by the id that events have."""
        with closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)) as database:
            users = database.execute("SELECT id, name, uid FROM whyness_django_authuser").fetchall()
            contacts = database.execute("SELECT id, is_prospect, is_registered FROM whyness_crm_contact")
            return profiles_of(users, contacts.fetchall())

    def _run(self, *command: str) -> str:
        with self._start(*command) as process:
            process.wait_for_end(timeout_s=_COMMAND_TIMEOUT_S)
            return process.log_path.read_text()

    def _start(self, *command: str, environment: Mapping[str, str] | None = None) -> ChildProcess:
        return start(
            f"manage.py {command[0]}",
            [sys.executable, str(ROOT / "example" / "manage.py"), *command],
            log_path=self._work_dir / f"site-{command[0]}.log",
            env={**self._environment, **(environment or {})},
        )


def event_of(name: str, person_id: int, create_date: str, row_id: int, *, prefix: str) -> Key:
    """Return the event of a row.

    `create_date` is Django's text in SQLite: UTC, without an offset. An event's time is in whole seconds.
    """
    time_s = int(datetime.fromisoformat(create_date).replace(tzinfo=UTC).timestamp())
    return Key(name, "" if person_id == _NOBODY_ID else f"{prefix}{person_id}", time_s * 1000, str(row_id))


def profiles_of(
    users: Iterable[tuple[int, str, str]], contacts: Iterable[tuple[int, int, int]]
) -> dict[str, Profile]:
    """Return the profiles of rows, by person. Those with id 1 stand for nobody, and have none."""
    shown: list[Profile] = [
        {"person": f"{key}", "kind": "user", "$name": name, "uid": uid} for key, name, uid in users
    ]
    for key, is_prospect, is_registered in contacts:
        properties = {"is_prospect": bool(is_prospect), "is_registered": bool(is_registered)}
        shown.append({"person": f"p:{key}", "kind": "prospect", **properties})
    nobody = {f"{_NOBODY_ID}", f"p:{_NOBODY_ID}"}
    return {each["person"]: each for each in shown if each["person"] not in nobody}


def _people(seeded: str) -> People:
    document: dict[str, Iterable[dict[str, Any]]] = json.loads(seeded.splitlines()[-1])
    return People(
        user_ids=[user["id"] for user in document["users"]],
        user_xrefs=[user["xref"] for user in document["users"]],
        contact_xrefs=[contact["xref"] for contact in document["contacts"]],
        destination_xrefs=[destination["xref"] for destination in document["destinations"]],
    )
