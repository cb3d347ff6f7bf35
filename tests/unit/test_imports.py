"""Who may import whom under functions/: one way, from the contract to the handler."""

import ast
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "functions" / "send_events"

CONTRACT = "whyness_events"
DELIVERY = f"{CONTRACT}.delivery"
# What touches the world outside: two folders, and two modules beside them. Everything else is pure.
EDGES = tuple(f"{DELIVERY}.{name}" for name in ("aws", "mixpanel.transport", "clock", "telemetry"))
# Not the world outside, yet forbidden to pure modules: it is passed in, so that days can be simulated.
IMPURE_STANDARD = frozenset(
    {
        "asyncio",
        "concurrent",
        "http",
        "io",
        "os",
        "pathlib",
        "secrets",
        "select",
        "shutil",
        "signal",
        "socket",
    }
    | {"ssl", "subprocess", "tempfile", "threading", "time", "uuid"}
)
# Beside the contract and the standard library.
ALLOWED = {
    "pure": {"msgspec"},
    f"{DELIVERY}.mixpanel.useragent": {"msgspec", "ua_parser"},
    f"{DELIVERY}.mixpanel.location": {"socket"},  # inet_pton, which only reads a text
}
_ENVIRONMENT = frozenset({"environ", "environb", "getenv", "putenv", "unsetenv"})
NEVER = frozenset({"django", "tests", "local", "example", "bench", "whyness_mixpanel", "whyness_ops"})


def module_of(path: Path, root: Path) -> str:
    """Return the module's dotted name."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(tree: ast.Module, root: Path = SOURCES) -> Iterator[tuple[int, str]]:
    """Return line and module of each import, wherever it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import hides where it goes"
            module = node.module or ""
            yield from ((node.lineno, _submodule(module, alias.name, root)) for alias in node.names)


def _submodule(module: str, name: str, root: Path) -> str:
    """`from package import module` names the module."""
    imported = f"{module}.{name}"
    return imported if (root / Path(*imported.split("."))).with_suffix(".py").exists() else module


def is_edge(module: str) -> bool:
    """Return whether it is, or is in, one of the edges."""
    return any(f"{module}.".startswith(f"{edge}.") for edge in EDGES)


def fault_of(importer: str, imported: str) -> str:
    """Return why `importer` may not import `imported`, or nothing."""
    top = imported.split(".", maxsplit=1)[0]
    if top in NEVER:
        return "nothing that runs in Lambda knows of it"
    if importer.startswith(DELIVERY):
        return _fault_of_delivery(importer, imported, top)
    if importer.startswith(CONTRACT):
        inside = top == CONTRACT and not imported.startswith(DELIVERY)
        return "" if inside or _is_standard(top) else "the contract imports only the standard library"
    return ""


def _fault_of_delivery(importer: str, imported: str, top: str) -> str:
    if top == "handler":
        return "only Lambda calls the handler"
    if is_edge(importer):
        return ""
    if top == CONTRACT:
        return "a pure module does not know the edges" if is_edge(imported) else ""
    if top in ALLOWED.get(importer, ALLOWED["pure"]):
        return ""
    if top in IMPURE_STANDARD or not _is_standard(top):
        return "a pure module gets the world outside passed in"
    return ""


def _is_standard(top: str) -> bool:
    return top in sys.stdlib_module_names


def import_faults(root: Path) -> list[str]:
    """Return each import under `root` that breaks the layers: file, line and reason."""
    return [
        f"{path.relative_to(root)}:{line} imports {imported}: {fault}"
        for path in sorted(root.rglob("*.py"))
        for line, imported in imports_of(ast.parse(path.read_text()))
        if (fault := fault_of(module_of(path, root), imported))
    ]


def folder_graph(root: Path, package: str) -> dict[str, set[str]]:
    """Return which folder of a package imports which; a module beside the folders stands for itself.

    What only mypy reads is left out: nothing is loaded by it.
    """
    graph: defaultdict[str, set[str]] = defaultdict(set)
    for path in sorted((root / Path(*package.split("."))).rglob("*.py")):
        importer = module_of(path, root)
        for _, imported in imports_of(_as_run(ast.parse(path.read_text())), root):
            if imported.startswith(f"{package}."):
                graph[_folder(importer, package)].add(_folder(imported, package))
    return {folder: others - {folder} for folder, others in graph.items()}


def _as_run(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    return tree


def _folder(module: str, package: str) -> str:
    above = module.rpartition(".")[0]
    return module if above == package else above


def environment_faults(root: Path) -> list[str]:
    """Return each place under `root` that reads the environment and is not the handler giving it on."""
    return [
        f"{path.relative_to(root)}:{line} reads the environment"
        for path in sorted(root.rglob("*.py"))
        for line in _environment_lines(ast.parse(path.read_text()), is_handler=path == root / "handler.py")
    ]


def _environment_lines(tree: ast.Module, *, is_handler: bool) -> Iterator[int]:
    nodes = list(ast.walk(tree))
    given = (
        {id(argument) for node in nodes for argument in _arguments_of_reading(node)} if is_handler else set()
    )
    for node in nodes:
        by_import = (
            isinstance(node, ast.ImportFrom) and node.module == "os" and _names_of(node) & _ENVIRONMENT
        )
        by_attribute = isinstance(node, ast.Attribute) and node.attr in _ENVIRONMENT and id(node) not in given
        if isinstance(node, ast.stmt | ast.expr) and (by_import or by_attribute):
            yield node.lineno


_READERS = ("read_settings", "read_revision", "warm_up")


def _arguments_of_reading(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _READERS:
        return node.args
    return []


def _names_of(node: ast.ImportFrom) -> set[str]:
    return {alias.name for alias in node.names}


def test_imports_point_one_way() -> None:
    """Contract, pure delivery, edges, handler: each imports only from before it."""
    assert import_faults(SOURCES) == []


def test_only_the_handler_touches_the_environment() -> None:
    """It hands it to the settings; everything else gets values."""
    assert environment_faults(SOURCES) == []


def test_every_edge_exists() -> None:
    """An edge that was renamed must not become a rule about nothing."""
    paths = [SOURCES / Path(*name.split(".")) for name in EDGES]

    assert [path for path in paths if not path.is_dir() and not path.with_suffix(".py").exists()] == []


@pytest.mark.parametrize(
    ("root", "package", "folders"),
    [
        (SOURCES, DELIVERY, {"aws", "mixpanel", "mixpanel.transport", "reading", "sending", "settling"}),
        (ROOT, "whyness_mixpanel", {"backends", "diagnosis", "encoding", "privacy", "publishing", "sources"}),
    ],
)
def test_folders_make_no_circle(root: Path, package: str, folders: set[str]) -> None:
    """Who follows the imports from folder to folder never comes back."""
    graph = folder_graph(root, package)

    assert {f"{package}.{name}" for name in folders} <= set(graph)
    TopologicalSorter(graph).prepare()


def test_circle_of_folders_is_found(tmp_path: Path) -> None:
    """Also one that no two modules make: from a folder to another, and from there back to a neighbour."""
    _write(tmp_path, "app.one.first", "import app.two.second")
    _write(tmp_path, "app.two.second", "import json")
    _write(tmp_path, "app.two.third", "from app.one import fourth")
    _write(tmp_path, "app.one.fourth", "import json")

    with pytest.raises(CycleError):
        TopologicalSorter(folder_graph(tmp_path, "app")).prepare()


def test_module_name_occurs_once_or_is_on_the_page() -> None:
    """Who searches for a file finds one, but for the pairs that docs/architecture.md explains."""
    places = (SOURCES, ROOT / "whyness_mixpanel", ROOT / "whyness_ops")
    count = Counter(path.name for place in places for path in place.rglob("*.py"))
    twice = {name for name in count if count[name] > 1 and not name.startswith("__")}
    page = (ROOT / "docs/architecture.md").read_text()
    _, _, section = page.partition("## Modules that share a name")

    assert set(re.findall(r"^\| `([a-z_]+\.py)` \|", section.partition("\n## ")[0], re.MULTILINE)) == twice


def _write(root: Path, module: str, text: str) -> None:
    path = (root / Path(*module.split("."))).with_suffix(".py")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("whyness_events.event", "import msgspec"),
        ("whyness_events.event", "import requests"),
        ("whyness_events.event", "from whyness_events.delivery.items import Item"),
        ("whyness_events.event", "from whyness_events.delivery import items"),
        ("whyness_events.wire", "from django.conf import settings"),
        ("whyness_events.delivery.sending.sender", "import boto3"),
        ("whyness_events.delivery.sending.sender", "from botocore.config import Config"),
        ("whyness_events.delivery.sending.sender", "import requests"),
        ("whyness_events.delivery.sending.sender", "import time"),
        ("whyness_events.delivery.sending.sender", "import os.path"),
        ("whyness_events.delivery.sending.sender", "from whyness_events.delivery.clock import SystemClock"),
        (
            "whyness_events.delivery.sending.sender",
            "from whyness_events.delivery.mixpanel.transport import client",
        ),
        ("whyness_events.delivery.deliver", "from aws_lambda_powertools import Logger"),
        ("whyness_events.delivery.deliver", "def late():\n    import threading"),
        ("whyness_events.delivery.mixpanel.translate", "import ua_parser"),
        ("whyness_events.delivery.mixpanel.transport.client", "import handler"),
        ("whyness_events.delivery.mixpanel.transport.client", "import django"),
        ("handler", "from tests.fakes import FakePool"),
        ("handler", "import local.stack"),
        ("handler", "import whyness_mixpanel"),
    ],
)
def test_import_that_breaks_the_layers_is_named(tmp_path: Path, module: str, line: str) -> None:
    """The rule is worth something only if it can be broken: file and line are in the text."""
    _write(tmp_path, module, f'"""A module."""\n\n{line}\n')

    (fault,) = import_faults(tmp_path)

    assert fault.startswith(f"{Path(*module.split('.'))}.py:{3 + line.count(chr(10))} imports ")


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("whyness_events.event", "import re, json"),
        ("whyness_events.event", "from whyness_events import limits"),
        ("whyness_events.delivery.reading.decode", "import msgspec"),
        ("whyness_events.delivery.reading.decode", "from whyness_events.delivery.items import Item"),
        ("whyness_events.delivery.mixpanel.useragent", "from ua_parser import Parser"),
        ("whyness_events.delivery.mixpanel.transport.client", "import requests, time, threading"),
        ("handler", "import os"),
    ],
)
def test_import_along_the_layers_is_fine(tmp_path: Path, module: str, line: str) -> None:
    """The rule does not forbid what the design allows."""
    _write(tmp_path, module, line)

    assert import_faults(tmp_path) == []


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("handler", "import os\nregion = os.environ['AWS_REGION']"),
        ("handler", "import os\nread_settings({**os.environ})"),
        ("whyness_events.delivery.settings", "import os\nread_settings(os.environ)"),
        ("whyness_events.delivery.aws.clients", "import os\nregion = os.getenv('AWS_REGION')"),
        ("whyness_events.delivery.aws.clients", "\nfrom os import environ"),
    ],
)
def test_second_reader_of_the_environment_is_named(tmp_path: Path, module: str, line: str) -> None:
    """Only read_settings(os.environ), in the handler, is allowed."""
    _write(tmp_path, module, line)

    assert environment_faults(tmp_path) == [f"{Path(*module.split('.'))}.py:2 reads the environment"]
