"""Fixtures."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest


def make_certificate(folder: Path) -> Path:
    """Puts a self-signed certificate for localhost and its key into ``folder``."""
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    command += " -addext subjectAltName=DNS:localhost,IP:127.0.0.1"
    files: list[str | Path] = ["-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def openssl_certificate() -> Callable[[Path], Path]:
    """Makes further certificates."""
    return make_certificate


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a self-signed certificate for localhost, and its key."""
    return make_certificate(tmp_path_factory.mktemp("authority"))
