"""Find the commands in README, docs, samples, help texts, the Makefile's help and workflows."""

import ast
import re
import shlex
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
# Run as a whole, in its order, by its own test.
_WHOLE = "docs/tutorial.md"
_SHELL_FENCES = ("", "sh", "bash", "shell", "console")
# What begins a command: a program, perhaps behind variables.
_PROGRAMS = (
    r"make|whyness-mixpanel|\$WHYNESS_MIXPANEL|(?:python3? )?(?:example/)?manage\.py|python3?"
    r"|\.venv[\w-]*/bin/[\w.-]+|aws(?= --| [a-z]+ [a-z])|sam|pip3?|uv|pyenv|curl|git|apt-get|docker"
    r"|systemctl|npm|bash|sh"
)
_COMMAND = re.compile(rf"(?:[A-Z_]+=\S* )*(?:{_PROGRAMS})(?: |$)")
# A program's name alone, in a sentence, is not a command.
_WORDS = re.compile(rf"(?:{_PROGRAMS})")


class Command(NamedTuple):
    """One command, and the file that it stands in."""

    place: str
    text: str


@cache
def commands() -> list[Command]:
    """Return each command that ships, once for each place."""
    found = [*_in_pages(), *_in_samples(), *_in_epilogs(), *_in_makefile(), *_in_workflows()]
    return sorted({Command(place, _bare(text)) for place, text in found})


def tracked(*patterns: str) -> list[Path]:
    """Return the files that git tracks."""
    command = ["git", "ls-files", *patterns]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    return [ROOT / name for name in listed.stdout.splitlines()]


def lines_of(script: str) -> Iterator[str]:
    """Yield the commands of a shell script: continued lines as one, quotations and here-documents whole."""
    lines = iter(_joined(script).splitlines())
    for line in lines:
        text = line
        while not _is_whole(text) and (more := next(lines, None)) is not None:
            text += "\n" + more
        if word := re.search(r"<<'?(\w+)'?", text):
            while text.splitlines()[-1] != word[1]:
                text += "\n" + next(lines)
        if text.strip():
            yield _unwrapped(text.strip())


def _joined(script: str) -> str:
    """Return a script with each command that goes on behind a backslash as one line."""
    return re.sub(r"\s*\\\n\s*", " ", script)


def _unwrapped(text: str) -> str:
    """Return the command in `name() { ...; }` and in `NAME=$(...)`."""
    wrappings = (r"\w+\(\) \{ (.*); \}", r"\w+=\$\((.*)\)")
    found = [inner for wrapping in wrappings for inner in re.findall(f"^{wrapping}$", text, re.DOTALL)]
    return str(found[0]).strip() if found else text


def _is_whole(text: str) -> bool:
    try:
        shlex.split(text, comments=True)
    except ValueError:  # a quotation goes on
        return False
    return True


def _bare(text: str) -> str:
    """Return a command without the remark behind it."""
    return re.sub(r"\s+# .*$|\s{3,}\S.*$" if "\n" not in text else r"$^", "", text).strip()


def _is_command(text: str) -> bool:
    return bool(_COMMAND.match(text)) and not _WORDS.fullmatch(text)


def _in_pages() -> Iterator[tuple[str, str]]:
    for page in tracked("*.md", f":!{_WHOLE}"):
        place, text = str(page.relative_to(ROOT)), page.read_text()
        for language, block in FENCE.findall(text):
            if language in _SHELL_FENCES:
                yield from ((place, line) for line in lines_of(block) if _is_command(line.strip()))
        for inline in _INLINE.findall(FENCE.sub("", text)):
            if _is_command(inline) and " …" not in inline:
                yield place, inline


def _in_samples() -> Iterator[tuple[str, str]]:
    for sample in tracked("docs/samples/*"):
        place, text = str(sample.relative_to(ROOT)), sample.read_text()
        for line in text.splitlines():
            if line.startswith("#") and (found := re.search(r"((?:systemctl|docker) .+)$", line)):
                yield place, found[1]
            elif found := re.search(r"(?:ExecStart=|&& )(.*)$", line):
                yield place, found[1].removesuffix(" > /dev/null")
        if sample.name.endswith(".compose.yaml"):
            for service in yaml.safe_load(text)["services"].values():
                yield place, shlex.join(service["command"])


def _in_epilogs() -> Iterator[tuple[str, str]]:
    """Yield what stands in our sources' help texts: indented lines of strings that say `examples:`."""
    for source in tracked("*.py"):
        text = source.read_text()
        if source.is_relative_to(ROOT / "tests") or "examples:" not in text:  # to parse all takes seconds
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "examples:\n" in node.value:
                for line in _joined(node.value).splitlines():
                    if line.startswith("  ") and _is_command(line.strip()):
                        yield str(source.relative_to(ROOT)), line.strip()


def _in_makefile() -> Iterator[tuple[str, str]]:
    for target in re.findall(r"^([a-z0-9-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE):
        yield "Makefile", f"make {target}"


def _in_workflows() -> Iterator[tuple[str, str]]:
    for workflow in tracked(".github/workflows/*.yml"):
        for job in yaml.safe_load(workflow.read_text())["jobs"].values():
            for step in job["steps"]:
                yield from ((str(workflow.relative_to(ROOT)), line) for line in lines_of(step.get("run", "")))
