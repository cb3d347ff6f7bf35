"""A certificate for servers on this machine, made by the command openssl; nobody else trusts it."""

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

_COMMAND = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=local"


@dataclass(frozen=True, slots=True)
class Certificate:
    """The files of a certificate that signs itself."""

    file: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        """Return what a server encrypts with."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        return context


def make_certificate(directory: Path, name: str = "IP:127.0.0.1") -> Certificate:
    """Return a certificate for `name`, as openssl's subjectAltName writes it.

    Raises:
        FileNotFoundError: there is no command openssl.
    """
    made = Certificate(directory / "certificate.pem", directory / "key.pem")
    files = ["-out", str(made.file), "-keyout", str(made.key), "-addext", f"subjectAltName={name}"]
    subprocess.run([*_COMMAND.split(), *files], check=True, capture_output=True)
    return made
