from collections.abc import Iterator
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, migrations
from django.db.migrations.exceptions import IrreversibleError
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from whyness_mixpanel.models import Event, Log, Outbox

OLD = [("whyness_mixpanel", "0001_initial")]
NEW = [("whyness_mixpanel", "0002_event_without_table")]
NEWEST = MigrationLoader(None).graph.leaf_nodes("whyness_mixpanel")[0]


@pytest.fixture
def whole(db: None) -> Iterator[None]:  # noqa: ARG001  (a fixture that is needed, not read)
    """The databases, migrated to the newest state again afterwards."""
    yield
    call_command("migrate", verbosity=0)


def test_models_and_migrations_agree() -> None:
    """`makemigrations --check` finds nothing to do, in the app and in the example."""
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_the_first_migration_is_the_one_that_databases_have_applied() -> None:
    """Its name, its operations and their fields may not change."""
    initial = MigrationLoader(None).get_migration("whyness_mixpanel", "0001_initial")

    made = {
        operation.name: [name for name, _ in operation.fields]
        for operation in initial.operations
        if isinstance(operation, migrations.CreateModel)
    }

    assert made == {
        "Event": ["id", "insert_id", "event", "user", "ip", "useragent", "method", "time"],
        "Log": ["id", "create_date", "status_code", "message"],
    }
    assert len(initial.operations) == 2


@pytest.mark.usefixtures("db")
def test_the_second_migration_touches_no_old_table() -> None:
    """A database of the old version is upgraded by adding the outbox, and by nothing else."""
    out = StringIO()

    call_command("sqlmigrate", *NEW[0], stdout=out)

    statements = [line for line in out.getvalue().splitlines() if line and not line.startswith("--")]
    made = [line for line in statements if line not in {"BEGIN;", "COMMIT;"}]
    assert made
    assert all(line.startswith("CREATE") and '"whyness_mixpanel_outbox"' in line for line in made)


@pytest.mark.usefixtures("whole")
def test_the_outbox_is_not_dropped_while_events_wait_in_it() -> None:
    """Reversing the migration would lose them: it says what to do, and goes once they are gone."""
    Outbox.objects.create(encoded="{}", identity="distinct_id")
    executor = MigrationExecutor(connection)

    with pytest.raises(IrreversibleError, match=r"1 unpublished events.* mixpanel_outbox drain"):
        executor.migrate(OLD)
    kept = Outbox.objects.count()
    Outbox.objects.all().delete()
    MigrationExecutor(connection).migrate(OLD)
    MigrationExecutor(connection).migrate(NEW)

    assert (kept, Outbox.objects.count()) == (1, 0)


@pytest.mark.usefixtures("whole")
def test_an_upgrade_keeps_every_row_of_the_log() -> None:
    """From the old state to the new one and back, with rows in the table."""
    executor = MigrationExecutor(connection)
    executor.migrate(OLD)
    old_log = executor.loader.project_state(OLD).apps.get_model("whyness_mixpanel", "Log")
    old_log.objects.create(status_code=400, message="kept")

    executor = MigrationExecutor(connection)
    executor.migrate(NEW)

    assert [(row.status_code, row.message) for row in Log.objects.all()] == [(400, "kept")]
    assert "whyness_mixpanel_event" not in connection.introspection.table_names()


@pytest.mark.usefixtures("db")
def test_a_row_of_the_log_can_be_read_as_text() -> None:
    """For the admin."""
    row = Log.objects.create(status_code=200)

    assert str(row) == f"{row.create_date} 200"


def test_event_has_no_table() -> None:
    """It is a plain object: nothing in Django's registry knows it."""
    from django.apps import apps  # noqa: PLC0415  (only this test looks at the registry)

    models = {model.__name__ for model in apps.get_app_config("whyness_mixpanel").get_models()}
    assert "Event" not in models
    assert {"Log", "Outbox"} <= models
    assert not hasattr(Event, "_meta")


@pytest.mark.usefixtures("whole")
def test_migrate_refuses_before_anything_is_undone() -> None:
    """Where rows wait; forward, or back to where nothing is lost, it goes."""
    Outbox.objects.create(encoded="{}", identity="distinct_id")

    with pytest.raises(CommandError, match=r"Nothing was reversed.* 1 unpublished events"):
        call_command("migrate", *OLD[0], verbosity=0)
    applied = MigrationExecutor(connection).loader.applied_migrations
    call_command("migrate", "whyness_mixpanel", "0004", verbosity=0)

    assert NEWEST in applied
    assert Outbox.objects.count() == 1


@pytest.mark.usefixtures("whole")
def test_a_reversal_without_the_table_is_left_to_the_migration() -> None:
    """Whoever fakes a migration has no table to ask."""
    with connection.schema_editor() as editor:
        editor.delete_model(Outbox)
    try:
        call_command("migrate", *OLD[0], fake=True, verbosity=0)
        call_command("migrate", "whyness_mixpanel", fake=True, verbosity=0)
    finally:
        with connection.schema_editor() as editor:
            editor.create_model(Outbox)
