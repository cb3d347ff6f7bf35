import ast
import sys
from pathlib import Path

SOURCES = Path(__file__).parents[3] / "whyness_ops"
ALLOWED = {"boto3", "botocore", "whyness_events", "whyness_ops"} | sys.stdlib_module_names
PURE = (
    "columns",
    "edit",
    "help_texts",
    "letters",
    "option_types",
    "output",
    "redriven",
    "selection",
    "snapshot",
)


def imported_by(path: Path) -> set[str]:
    """Return the modules that a source names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def test_the_tools_need_nothing_that_the_wheel_lacks() -> None:
    """Neither the delivery, which is not in the wheel, nor Django, which need not be installed."""
    paths = list(SOURCES.rglob("*.py"))

    imported = {name for path in paths for name in imported_by(path)}

    assert {name for name in imported if name.partition(".")[0] not in ALLOWED} == set()
    assert {name for name in imported if name.startswith("whyness_events.delivery")} == set()
    assert len(paths) > 10


def test_the_pure_modules_know_no_aws() -> None:
    """What selects, edits and describes can be tested and called without a network."""
    for name in PURE:
        imported = {module.partition(".")[0] for module in imported_by(SOURCES / f"{name}.py")}

        assert imported & {"boto3", "botocore", "socket", "time"} == set(), name
