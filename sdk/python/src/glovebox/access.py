"""To which enclave, and as whom: arguments, environment or a profile file, as for the command line."""

import os
import re
import ssl
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from glovebox.errors import ConfigurationError

StrPath = str | os.PathLike[str]

# What a profile holds.
_WORDS = {"server", "tls"}
_PATHS = {"ca", "identity", "identity_passphrase_file"}


@dataclass(frozen=True)
class Access:
    """Where the server is, how to prove oneself to it, and whom to trust: the zone's own authority, no other."""

    server: str
    certificate: Path
    key: Path
    authority: Path
    key_passphrase: Path | None = None

    @classmethod
    def find(
        cls,
        server: str | None = None,
        identity: StrPath | tuple[StrPath, StrPath] | None = None,
        ca: StrPath | None = None,
        profile: str | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> "Access":
        """Takes what is not given from the environment, then from the profile file."""
        section = _profile(profile, environment)
        server = server or environment.get("GLOVEBOX_SERVER") or section.get("server")
        if not server:
            raise ConfigurationError(
                "no server: give `gb.connect('https://name:port', …)`, set GLOVEBOX_SERVER, or use a profile"
            )
        if not _is_address(server):
            raise ConfigurationError(f"can't use the server's address `{server}`: expected `https://name:port`")
        # Never in place of what was asked for: whoever wants RFC 8998 is not served by other suites.
        tls = environment.get("GLOVEBOX_TLS") or section.get("tls") or "auto"
        if tls not in ("auto", "standard"):
            raise ConfigurationError(
                f"`tls` is `{tls}`, and Python's ssl speaks the standard suites alone: choose `standard` or `auto` "
                "with a P-256 identity, or use the command line"
            )
        found = identity or environment.get("GLOVEBOX_IDENTITY") or section.get("identity")
        if not found:
            raise ConfigurationError(
                "no identity: give `identity=`, a folder with cert.pem and key.pem, set GLOVEBOX_IDENTITY, or "
                "use a profile"
            )
        certificate, key = _pair(found)
        authority = ca or environment.get("GLOVEBOX_CA") or section.get("ca") or certificate.parent / "ca.pem"
        passphrase = environment.get("GLOVEBOX_IDENTITY_PASSPHRASE_FILE") or section.get("identity_passphrase_file")
        return cls(
            server.rstrip("/"),
            certificate,
            key,
            Path(authority).expanduser(),
            Path(passphrase).expanduser() if passphrase else None,
        )

    def tls(self) -> ssl.SSLContext:
        """TLS 1.3 with the caller's certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        for path in (self.authority, self.certificate, self.key):
            if not path.is_file():
                raise ConfigurationError(f"there is no file `{path}`: `glovebox pki issue` makes an identity's folder")
        try:
            context.load_verify_locations(cafile=self.authority)
        except ssl.SSLError as error:
            raise ConfigurationError(f"can't use the authority's certificate `{self.authority}`: {error}") from error
        try:
            # Never none: a prompt would hang a notebook.
            context.load_cert_chain(self.certificate, self.key, password=self._password)
        except ssl.SSLError as error:
            raise ConfigurationError(
                f"can't use certificate `{self.certificate}` with private key `{self.key}`: {error}"
            ) from error
        return context

    def _password(self) -> bytes:
        """The first line of the file with the private key's passphrase."""
        lines = self.key_passphrase.read_bytes().splitlines() if self.key_passphrase else []
        return lines[0] if lines else b""


def _is_address(server: str) -> bool:
    try:
        parts = urlsplit(server)
        # Reading the port checks it.
        return parts.scheme == "https" and bool(parts.hostname) and parts.port != 0 and not re.search(r"\s", server)
    except ValueError:
        return False


def _pair(identity: StrPath | tuple[StrPath, StrPath]) -> tuple[Path, Path]:
    """Certificate and key: two files, a folder with both, or one file with both."""
    if isinstance(identity, tuple):
        certificate, key = (Path(part).expanduser() for part in identity)
        return certificate, key
    path = Path(identity).expanduser()
    return (path / "cert.pem", path / "key.pem") if path.is_dir() else (path, path)


def _profile(wanted: str | None, environment: Mapping[str, str]) -> dict[str, str]:
    """The section of the profile file. Paths in it are relative to the file."""
    wanted = wanted or environment.get("GLOVEBOX_PROFILE")
    given = environment.get("GLOVEBOX_PROFILES")
    config = Path(environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME", "~")).expanduser() / ".config")
    path = Path(given) if given else config / "glovebox" / "profiles.toml"
    if not path.exists():
        if given or wanted:
            raise ConfigurationError(f"there is no profile file `{path}`; GLOVEBOX_PROFILES names another")
        return {}
    try:
        sections: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"can't read the profile file `{path}`: {error}") from error
    if wanted and wanted not in sections:
        raise ConfigurationError(f"`{path}` has no profile `{wanted}`; it has: {', '.join(sections) or 'none'}")
    section = sections.get(wanted or "default", {})
    if not isinstance(section, dict) or not section.keys() <= _WORDS | _PATHS:
        known = ", ".join(f"`{name}`" for name in sorted(_WORDS | _PATHS))
        raise ConfigurationError(f"`{path}`: a profile has {known}, and nothing else")
    return {name: str(path.parent / value) if name in _PATHS else value for name, value in section.items()}
