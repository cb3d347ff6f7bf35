import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[3] / "local" / "mixpanel_simulator"


def test_nothing_of_the_product_is_imported() -> None:
    """It is the other side of the wire: a mistake must not stand on both."""
    foreign = {"whyness_events", "whyness_mixpanel", "whyness_ops", "handler", "example", "local"}

    seen = {(path.name, name) for path in PACKAGE.glob("*.py") for name in imported(path)}

    assert len(seen) > 50
    assert [each for each in seen if each[1].partition(".")[0] in foreign] == []


def test_core_uses_no_sockets_and_no_threads_of_its_own() -> None:
    """A simulation in virtual time runs it as it is."""
    edge = {"server.py", "http1.py", "running.py", "cli.py", "__init__.py", "__main__.py"}

    seen = {(p.name, n) for p in PACKAGE.glob("*.py") if p.name not in edge for n in imported(p)}

    assert [each for each in seen if each[1] in {"asyncio", "socket", "http.server", "signal"}] == []


def imported(path: Path) -> set[str]:
    """Return the absolute names that a module imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module or "")
    return names
