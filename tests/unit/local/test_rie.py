import os
import stat
import zipfile
from pathlib import Path

import pytest

from local.rie import RieUnavailable, extract, get_rie, install, is_elf_for, tool_version

X86_64 = 62
ARM64 = 183


def elf(machine: int) -> bytes:
    """Return the first bytes of a 64-bit little-endian executable."""
    return b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00" + machine.to_bytes(2, "little") + bytes(100)


def make_wheel(directory: Path, version: str = "1.0", **binaries: bytes) -> Path:
    """Write a wheel of the tool with these emulators."""
    path = directory / f"aws_sam_cli-{version}-py3-none-any.whl"
    info = f"aws_sam_cli-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: aws-sam-cli\nVersion: {version}\n"
        )
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
        for suffix, binary in binaries.items():
            archive.writestr(f"samcli/local/rapid/aws-lambda-rie-{suffix}", binary)
    return path


def test_the_one_file_for_the_processor_is_taken(tmp_path: Path) -> None:
    """The wheel holds one emulator per processor, and the right one is extracted."""
    wheel = make_wheel(tmp_path, x86_64=elf(X86_64), arm64=elf(ARM64))

    assert extract(wheel, "arm64", ARM64) == elf(ARM64)


@pytest.mark.parametrize(
    "binary", [elf(ARM64), b"", b"\x7fELF", b"#!/bin/sh\n", elf(X86_64).replace(b"\x02\x01", b"\x01\x01", 1)]
)
def test_file_that_cannot_run_here_is_refused(tmp_path: Path, binary: bytes) -> None:
    """Another processor, another word size, or no ELF file at all: the error names the file."""
    wheel = make_wheel(tmp_path, x86_64=binary)

    with pytest.raises(RieUnavailable, match="not a 64-bit ELF file for x86_64"):
        extract(wheel, "x86_64", X86_64)


def test_wheel_without_the_emulator_is_refused(tmp_path: Path) -> None:
    """A later release may move the file; the error says what to do."""
    with pytest.raises(RieUnavailable, match="Pin another aws-sam-cli"):
        extract(make_wheel(tmp_path), "x86_64", X86_64)


def test_installed_file_is_executable_and_alone(tmp_path: Path) -> None:
    """The file is complete and executable, and no other file is left."""
    path = tmp_path / "aws-lambda-rie"

    install(elf(X86_64), path)

    assert path.read_bytes() == elf(X86_64)
    assert path.stat().st_mode & stat.S_IXUSR
    assert list(tmp_path.iterdir()) == [path]


def test_processors_are_told_apart() -> None:
    """The ELF header says for which processor a file is."""
    assert is_elf_for(elf(X86_64), X86_64)
    assert not is_elf_for(elf(X86_64), ARM64)


def test_failed_download_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offline and with an empty cache, the error says what is needed, why it failed, and what to do."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", os.fspath(tmp_path))

    with pytest.raises(RieUnavailable, match=r"(?s)could not download aws-sam-cli .*try again"):
        get_rie(cache_dir=tmp_path / "cache")

    assert list((tmp_path / "cache").iterdir()) == []


def test_emulator_is_fetched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first call downloads the pinned release and keeps one executable; the second needs no index."""
    index, cache = tmp_path / "index", tmp_path / "cache"
    index.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", os.fspath(index))
    wheel = make_wheel(index, tool_version(), x86_64=elf(X86_64), arm64=elf(ARM64))

    first = get_rie(cache_dir=cache)
    wheel.unlink()
    second = get_rie(cache_dir=cache)

    assert second == first
    assert list(cache.iterdir()) == [first]
    assert is_elf_for(first.read_bytes(), {"x86_64": X86_64, "aarch64": ARM64}[os.uname().machine])
    assert tool_version() in first.name
