"""A self-signed certificate for servers on this machine, made with openssl."""

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

_COMMAND = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=local"


@dataclass(frozen=True, slots=True)
class Certificate:
    """The files of a self-signed certificate."""

    file: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        """Return a TLS context for a server."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        return context


def make_certificate(directory: Path, name: str = "IP:127.0.0.1") -> Certificate:
    """Return a certificate for `name`, as openssl's subjectAltName writes it.

    Raises:
        FileNotFoundError: openssl is not installed.
    """
    certificate = Certificate(directory / "certificate.pem", directory / "key.pem")
    files = [
        "-out",
        str(certificate.file),
        "-keyout",
        str(certificate.key),
        "-addext",
        f"subjectAltName={name}",
    ]
    subprocess.run([*_COMMAND.split(), *files], check=True, capture_output=True)
    return certificate
