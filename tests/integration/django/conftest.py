from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from local.emulator import Account, Emulator, EmulatorMissing
from tests.django_support import db, override, pristine
from tests.integration.django import postgres
from tests.integration.django.relay_project import ROOT, RelayProject, make_project
from whyness_mixpanel.backends import sqs
from whyness_mixpanel.publishing import send
from whyness_mixpanel.publishing.mode import Mode

__all__ = ["db", "pristine"]

Publishing = Callable[..., AbstractContextManager[object]]
Migrated = Callable[[RelayProject, Path], RelayProject]


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """SQS over its real wire protocol, on loopback."""
    try:
        with Emulator(tmp_path_factory.mktemp("emulator")) as emulator:
            yield emulator
    except EmulatorMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def account(emulator: Emulator) -> Account:
    """An AWS account of this test alone."""
    return emulator.new_account()


@pytest.fixture
def no_aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No AWS configuration of this machine, and a new client."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(sqs, "_made", None)
    yield
    if sqs._made is not None:
        sqs._made.client.close()


@pytest.fixture
def by_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever commits publishes: without a thread a test sees at once what comes of it."""
    monkeypatch.setattr(send, "mode_of", lambda _: Mode.CALLER)


@pytest.fixture
def publishing_to(monkeypatch: pytest.MonkeyPatch, no_aws: None, by_caller: None) -> Publishing:  # noqa: ARG001  (as they say)
    """Returns a function that makes an endpoint the queue's: a context, with settings to choose."""

    def publishing_to(endpoint: str, access_key: str = "123456789012", **chosen: object) -> object:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "MARKER-secret")
        settings = {"BACKEND": "sqs", "QUEUE_URL": f"{endpoint}/{access_key}/events", "REGION": "us-east-1"}
        return override(**settings | chosen)

    return publishing_to  # type: ignore[return-value]  # Django's override_settings is a context manager


@pytest.fixture(scope="session")
def postgres_port() -> Iterator[int]:
    """A server of PostgreSQL."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: it is Django's way to PostgreSQL")
    try:
        with postgres.server() as port:
            yield port
    except postgres.PostgresMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(params=["sqlite", "postgresql", "bound"])
def unmigrated(request: pytest.FixtureRequest, tmp_path: Path) -> RelayProject:
    """A project on each database, without a table; `bound` is PostgreSQL with server_side_binding."""
    port = None if request.param == "sqlite" else request.getfixturevalue("postgres_port")
    return make_project(tmp_path, request.param, port)


@pytest.fixture
def project(unmigrated: RelayProject, migrated: Migrated) -> RelayProject:
    """A migrated project."""
    unmigrated.fill_from(migrated(unmigrated, ROOT))
    return unmigrated


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Migrated:
    """Returns a function that returns a project like another, migrated by a release; made once of each."""
    made: dict[tuple[object, Path], RelayProject] = {}

    def migrated(like: RelayProject, code: Path) -> RelayProject:
        key = like.database["ENGINE"], code
        if key not in made:
            kind = "sqlite" if "sqlite" in str(key[0]) else "postgresql"
            made[key] = make_project(tmp_path_factory.mktemp("migrated"), kind, like.database.get("PORT"))
            made[key].with_code(code).run("-m", "django", "migrate", "--verbosity=0")
        return made[key]

    return migrated
