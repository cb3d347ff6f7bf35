"""Whose code runs: a directory that somebody happens to stand in is not ours."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
NOWHERE = "http://127.0.0.1:9"
AWS = {
    "AWS_ACCESS_KEY_ID": "x",
    "AWS_SECRET_ACCESS_KEY": "x",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_MAX_ATTEMPTS": "1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "QUEUE_URL": f"{NOWHERE}/1/live",
    "DEAD_LETTER_QUEUE_URL": f"{NOWHERE}/1/dead",
    "LOG_TABLE_NAME": "Log",
    "PYTHONPATH": f"{ROOT}:{ROOT / 'functions' / 'send_events'}",
    "PATH": os.environ["PATH"],
}
# As pip writes it: it stands in a folder of its own, and Python looks there first.
INSTALLED = "import sys\nfrom whyness_ops.cli import main\nsys.exit(main())\n"
PLANTED = "import pathlib\npathlib.Path(__file__).with_suffix('.ran').touch()\nraise SystemExit(77)\n"
ALL = ("boto3", "botocore", "json", "argparse", "django", "whyness_events", "whyness_mixpanel", "whyness_ops")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory to stand in, with an edit function and a site's settings."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "command").write_text(INSTALLED)
    here = tmp_path / "here"
    here.mkdir()
    (here / "fixes.py").write_text("def same(event):\n    return event\n")
    (here / "site_settings.py").write_text(
        "SECRET_KEY = 'x'\nINSTALLED_APPS = ['whyness_mixpanel']\n"
        "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': ':memory:'}}\n"
    )
    return here


def run(
    folder: Path, planted: tuple[str, ...], start: list[str], *arguments: str
) -> tuple[int, str, list[str]]:
    """Run a command there; return exit code, errors, and which planted modules ran."""
    for name in planted:
        (folder / f"{name}.py").write_text(PLANTED)
    done = subprocess.run(  # noqa: S603  (our own)
        [sys.executable, *start, *arguments], cwd=folder, env=AWS, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr, sorted(path.stem for path in folder.glob("*.ran"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["redrive", "--limit", "1"],
        ["redrive", "--limit", "1", "--edit", "fixes:same"],
        ["redrive", "--all", "--site", "site_settings"],
        ["capacity", "--events-per-day", "1m"],
    ],
)
def test_no_module_of_the_directory_takes_the_place_of_another(folder: Path, arguments: list[str]) -> None:
    """Neither without `--edit` and `--site`, nor with them, where it comes last."""
    code, errors, ran = run(folder, ALL, [str(folder.parent / "bin" / "command")], *arguments)

    assert ran == []
    assert code == (0 if arguments[0] == "capacity" else 3), errors  # what it named there was found


def test_without_edit_nothing_of_the_directory_is_found_at_all(folder: Path) -> None:
    """Not even what only it has."""
    script = folder.parent / "bin" / "command"
    script.write_text("import sys\nfrom whyness_ops.cli import main\nmain()\nimport only_here\n")

    _, errors, ran = run(folder, ("only_here",), [str(script)], "redrive", "--limit", "1")

    assert ran == []
    assert "No module named 'only_here'" in errors


@pytest.mark.parametrize(
    ("start", "planted"), [(["-m", "whyness_ops"], ("boto3", "django")), (["-P", "-m", "whyness_ops"], ALL)]
)
@pytest.mark.parametrize("more", [[], ["--site", "site_settings"]])
def test_started_by_python_m_the_directory_comes_last(
    folder: Path, start: list[str], planted: tuple[str, ...], more: list[str]
) -> None:
    """As far as it is ours: what Python itself imports for `-m` it takes from there, but for `-P`."""
    code, errors, ran = run(folder, planted, start, "redrive", "--limit", "1", *more)

    assert (code, ran) == (3, []), errors


def test_an_edit_from_the_directory_is_found_where_it_is_gone_meanwhile(folder: Path) -> None:
    """A directory that was removed is a sentence."""
    script = "import os; os.rmdir('../gone'); from whyness_ops.cli import main; raise SystemExit(main())"
    gone = folder.parent / "gone"
    gone.mkdir()

    code, errors, _ = run(gone, (), ["-c", script], "redrive", "--limit", "1", "--edit", "fixes:same")

    assert code == 2
    assert "Traceback" not in errors
