"""docs/tutorial.md, followed to the letter: its files written, its commands run, what they print compared."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import pytest

from local.emulator import MINISTACK
from local.keep import exports
from local.loopback import free_port
from local.stack import LocalStack
from tests.shipped.collect import ROOT
from tests.shipped.pages import Block, blocks

PAGE = "tutorial.md"
_PORT = "8765"  # of the reader's site
_END = "the block ends with"
_PATIENCE_S = 30.0
_LOOK_EACH_S = 0.3


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.skipif(not MINISTACK.exists(), reason=f"{MINISTACK} is missing: `make demo` installs it")
@pytest.mark.usefixtures("rie_path")
@pytest.mark.timeout(240)  # a reader's ten minutes; on a busy machine its thirty processes take two
def test_the_tutorial_goes_as_it_says(tmp_path: Path) -> None:
    """With a wheel of this checkout, on the stack and the `demo.env` that a kept demo has."""
    started, *rest = blocks(PAGE)
    assert started == Block("sh", "make wheel\nmake demo KEEP=1\n")

    for name in (".cache", "dist", "stack"):
        (tmp_path / name).mkdir()
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path / "dist")]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)  # noqa: S603  (as `make wheel` does)
    with LocalStack(tmp_path / "stack", window_s=1) as stack:
        (tmp_path / ".cache/demo.env").write_text(exports(stack, "http://127.0.0.1:9/"))
        follow(rest, tmp_path)


def follow(page: list[Block], directory: Path) -> None:
    """Do what each block says, at a port that is free."""
    port = str(free_port())
    with Terminal(directory) as terminal:
        for block, after in zip(page, [*page[1:], Block("", "")], strict=True):
            do(terminal, block, after.text if after.language == "text" else "", port)


def do(terminal: "Terminal", block: Block, expected: str, port: str) -> None:
    """Do what one block says; a look that comes too early is taken again, as a person does."""
    if block.language == "python":
        mode = ">>" if block.path.endswith("/settings.py") else ">"
        written = terminal.run(f"cat {mode} {block.path} <<'END OF FILE'\n{block.text}END OF FILE")
        assert written.is_like(""), f"{block.path}: {terminal.errors()}"
    if block.language != "sh":
        return
    command, give_up_at = block.text.replace(_PORT, port), time.monotonic() + _PATIENCE_S
    while not (done := terminal.run(command)).is_like(expected):
        what = f"{command}\nends with {done.status} and prints:\n{done.printed}\nThe page says:\n{expected}"
        assert expected, what + terminal.errors()
        assert time.monotonic() < give_up_at, what + terminal.errors()
        time.sleep(_LOOK_EACH_S)


class Done(NamedTuple):
    """The exit status of a block's last command, and what the block has printed."""

    status: int
    printed: str

    def is_like(self, expected: str) -> bool:
        """Whether the page says so; `…` stands for anything in a line."""
        pattern = ".*".join(map(re.escape, expected.strip().split("…")))
        return self.status == 0 and re.fullmatch(pattern, self.printed.strip()) is not None


class Terminal:
    """A shell of a reader who has nothing installed but what this project needs to run its demo.

    Libraries that pip would fetch are here already: all that stands beside the project in our environment.
    """

    def __init__(self, directory: Path) -> None:
        self._directory, libraries = directory, directory / "libraries"
        libraries.mkdir()
        for library in Path(sysconfig.get_path("purelib")).iterdir():
            if "whyness" not in library.name:
                (libraries / library.name).symlink_to(library)
        self._errors = (directory / "stderr.log").open("w+")
        self._environment = {
            "HOME": str(directory),
            "TMPDIR": str(directory),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(libraries),
            "PIP_NO_INDEX": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }

    def __enter__(self) -> Self:
        self._bash = subprocess.Popen(
            ["bash"],  # noqa: S607  (the reader's own)
            cwd=self._directory,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bash.communicate("kill $(jobs -p)\n", timeout=_PATIENCE_S)
        self._errors.close()

    def run(self, commands: str) -> Done:
        """Run commands, one after the other."""
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        self._bash.stdin.write(f"{{\n{commands}\n}} < /dev/null\nstatus=$?; echo; echo {_END} $status\n")
        self._bash.stdin.flush()
        lines: list[str] = []
        while not (lines and lines[-1].startswith(_END)):
            line = self._bash.stdout.readline()
            assert line, f"the shell has ended in: {commands}\n{self.errors()}"
            lines.append(line)
        return Done(int(lines[-1].split()[-1]), "".join(lines[:-1]))

    def errors(self) -> str:
        """Return what has gone to standard error."""
        self._errors.seek(0)
        return self._errors.read()
