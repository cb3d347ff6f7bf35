import ast
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[3] / "whyness_ops"
# Those after botocore come with extras.
ALLOWED = {"boto3", "botocore", "shtab", "starlette", "tqdm", "uvicorn", "whyness_events", "whyness_ops"}
ALLOWED |= sys.stdlib_module_names
PURE = (
    "columns",
    "edit",
    "help_texts",
    "dead_letter_message",
    "option_types",
    "output",
    "redriven",
    "resend",
    "selection",
    "snapshot",
)


def imported_by(source: str) -> set[str]:
    """Return the modules that a source names, also those whose names are text."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            names |= {str(argument.value) for argument in node.args if isinstance(argument, ast.Constant)}
    return names


def faults(names: Iterable[str]) -> list[str]:
    """Return the modules that the tools may not import."""
    return [
        name
        for name in sorted(names)
        if name.partition(".")[0] not in ALLOWED or name.startswith("whyness_events.delivery")
    ]


def test_tools_need_nothing_that_the_wheel_lacks() -> None:
    """Neither the delivery, which is not in the wheel, nor Django or our app: they run without a site."""
    paths = list(SOURCES.rglob("*.py"))

    assert faults({name for path in paths for name in imported_by(path.read_text())}) == []
    assert len(paths) > 30


@pytest.mark.parametrize(
    "source",
    [
        "import django",
        "def late():\n    from whyness_mixpanel.privacy import refuse_suppressed",
        "import importlib\nimportlib.import_module('django').setup()",
        "from importlib import import_module\nimport_module('whyness_mixpanel.privacy')",
        "__import__('django.conf')",
        "from whyness_events.delivery.items import Item",
    ],
)
def test_forbidden_import_is_found(source: str) -> None:
    """Wherever it stands, and where the module's name is text."""
    assert len(faults(imported_by(source))) == 1


def test_the_pure_modules_know_no_aws() -> None:
    """What selects, edits and describes can be tested and called without a network."""
    for name in PURE:
        imported = {module.partition(".")[0] for module in imported_by((SOURCES / f"{name}.py").read_text())}

        assert imported & {"boto3", "botocore", "socket", "time"} == set(), name
