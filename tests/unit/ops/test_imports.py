import ast
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[3] / "whyness_ops"
# Those after botocore come with extras.
ALLOWED = {"boto3", "botocore", "shtab", "starlette", "tqdm", "uvicorn", "whyness_events", "whyness_ops"}
ALLOWED |= sys.stdlib_module_names
# What the audit needs: the libraries of its extra, and how the delivery reads and translates an event.
AUDIT = SOURCES / "audit"
AUDIT_LIBRARIES = {"msgspec", "numpy"}
AUDIT_DELIVERY = {
    f"whyness_events.delivery.{name}" for name in ("event_struct", "items", "mixpanel.translate")
} | {
    "whyness_events.delivery.mixpanel.useragent",
    "whyness_events.delivery.reading.decode",
}
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
    *(
        f"audit/{name}"
        for name in ("audit_page", "audit_report", "audited_event", "comparing", "export_body")
    ),
    *(f"audit/{name}" for name in ("export_pace", "normalisations", "project_time", "verdicts")),
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
    """Neither libraries of an extra, but for the audit, nor Django or our app: they run without a site."""
    paths = [path for path in SOURCES.rglob("*.py") if AUDIT not in path.parents]
    audit = {name for path in AUDIT.rglob("*.py") for name in imported_by(path.read_text())}

    assert faults({name for path in paths for name in imported_by(path.read_text())}) == []
    assert (
        faults({name for name in audit if name.partition(".")[0] not in AUDIT_LIBRARIES} - AUDIT_DELIVERY)
        == []
    )
    assert len(paths) > 30


def test_command_line_needs_no_library_of_the_extra() -> None:
    """The other commands run where the extra `audit` is not installed."""
    program = (
        "import sys; sys.modules.update(dict.fromkeys(('numpy', 'msgspec', 'ua_parser'))); "
        "from whyness_ops.options import make_parser; make_parser()"
    )

    subprocess.run([sys.executable, "-c", program], check=True, env={"PYTHONPATH": ":".join(sys.path)})  # noqa: S603  (this Python)


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

        assert imported & {"boto3", "botocore", "numpy", "os", "socket", "time"} == set(), name
