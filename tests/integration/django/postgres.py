"""Debian's PostgreSQL server for the tests: started where it is installed, on loopback, and stopped again."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class PostgresMissing(Exception):
    """There is no server to start; the text says what is missing."""


@contextmanager
def server() -> Iterator[int]:
    """Start a server in a directory of its own; yield its port. User `postgres`, no password.

    Raises:
        PostgresMissing: it is not installed, or may not be started by this user.
    """
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        raise PostgresMissing("PostgreSQL's server is not installed (Debian: apt-get install postgresql)")
    as_user = _as_unprivileged()
    directory = Path(tempfile.mkdtemp(prefix="pg-"))
    if as_user:
        shutil.chown(directory, "postgres", "postgres")
    run = [*as_user, str(programs[-1] / "initdb"), "--auth=trust", "--username=postgres", "--no-sync"]
    data = str(directory / "data")
    try:
        subprocess.run([*run, "-D", data], check=True, capture_output=True, timeout=90, cwd="/")  # noqa: S603  (PostgreSQL's own)
        port = _free_port()
        control = [*as_user, str(programs[-1] / "pg_ctl"), "-D", data, "-w", "-l", str(directory / "log")]
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        subprocess.run([*control, "-o", options, "start"], check=True, timeout=90, cwd="/")  # noqa: S603  (as above)
        try:
            yield port
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], check=True, timeout=90, cwd="/")  # noqa: S603  (as above)
    finally:
        shutil.rmtree(directory)


def _as_unprivileged() -> list[str]:
    if os.geteuid() != 0:
        return []
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        raise PostgresMissing("the server refuses root, and there is no user named postgres") from None
    return ["runuser", "-u", "postgres", "--"]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port
