"""Where the server is and who we are: arguments before environment before profile file."""

import ssl
import subprocess
from pathlib import Path

import pytest

from glovebox import ConfigurationError
from glovebox.access import Access


def identity(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in ("cert.pem", "key.pem", "ca.pem"):
        (folder / name).write_text("")
    return folder


def test_a_folder_holds_certificate_key_and_authority(tmp_path: Path) -> None:
    folder = identity(tmp_path / "lin.wei")
    access = Access.find("https://a:1/", folder, environment={"HOME": str(tmp_path)})
    assert access == Access("https://a:1", folder / "cert.pem", folder / "key.pem", folder / "ca.pem")
    pair = Access.find("https://a:1", (folder / "cert.pem", "other.pem"), "ca", environment={"HOME": str(tmp_path)})
    assert (pair.key, pair.authority) == (Path("other.pem"), Path("ca"))
    single = Access.find("https://a:1", folder / "cert.pem", environment={"HOME": str(tmp_path)})
    assert (single.certificate, single.key) == (folder / "cert.pem", folder / "cert.pem")


def test_the_environment_fills_what_is_not_given(tmp_path: Path) -> None:
    folder = identity(tmp_path / "lin.wei")
    environment = {"GLOVEBOX_SERVER": "https://b:2", "GLOVEBOX_IDENTITY": str(folder), "GLOVEBOX_CA": "/ca.pem"}
    access = Access.find(environment={**environment, "HOME": str(tmp_path)})
    assert (access.server, access.key, access.authority) == ("https://b:2", folder / "key.pem", Path("/ca.pem"))
    assert Access.find("https://c:3", environment={**environment, "HOME": str(tmp_path)}).server == "https://c:3"


def test_a_profile_fills_the_rest_with_paths_relative_to_the_file(tmp_path: Path) -> None:
    folder = identity(tmp_path / ".config/glovebox/lin")
    file = folder.parent / "profiles.toml"
    file.write_text('[default]\nserver = "https://a:1"\nidentity = "lin"\n[other]\nserver = "https://b:2"\n')
    environment = {"HOME": str(tmp_path)}
    assert Access.find(environment=environment) == Access(
        "https://a:1", folder / "cert.pem", folder / "key.pem", folder / "ca.pem"
    )
    assert Access.find(identity=folder, profile="other", environment=environment).server == "https://b:2"
    named = {"GLOVEBOX_PROFILES": str(file), "GLOVEBOX_PROFILE": "other"}
    assert Access.find(identity=folder, environment=named).server == "https://b:2"
    with pytest.raises(ConfigurationError, match="no profile `x`; it has: default, other"):
        Access.find(profile="x", environment=environment)
    file.write_text('[default]\nsurver = "https://a:1"\n')
    with pytest.raises(ConfigurationError, match="and nothing else"):
        Access.find(environment=environment)
    file.write_text("[default")
    with pytest.raises(ConfigurationError, match="can't read the profile file"):
        Access.find(environment=environment)


def test_other_suites_are_never_spoken_instead(tmp_path: Path) -> None:
    folder = identity(tmp_path / ".config/glovebox/lin")
    file = folder.parent / "profiles.toml"
    environment = {"HOME": str(tmp_path)}
    for tls in ("gm", "GM", "nothing"):
        file.write_text(f'[default]\nserver = "https://a:1"\nidentity = "lin"\ntls = "{tls}"\n')
        with pytest.raises(ConfigurationError, match="standard suites alone"):
            Access.find(environment=environment)
        # Said again, nearer.
        assert Access.find(environment={**environment, "GLOVEBOX_TLS": "standard"}).server == "https://a:1"
    with pytest.raises(ConfigurationError, match="standard suites alone"):
        Access.find("https://a:1", folder, environment={**environment, "GLOVEBOX_TLS": "gm"})


def test_an_encrypted_key_takes_its_passphrase_from_a_file(tmp_path: Path, authority: Path) -> None:
    encrypted = tmp_path / "key.pem"
    key, cipher = str(authority / "key.pem"), ["-aes256", "-passout", "pass:secret one"]
    subprocess.run(["openssl", "pkey", *cipher, "-in", key, "-out", str(encrypted)], check=True, capture_output=True)
    (tmp_path / "passphrase").write_text("secret one\n")
    (tmp_path / "wrong").write_text("secret two\n")
    environment = {"HOME": str(tmp_path), "GLOVEBOX_CA": str(authority / "cert.pem")}
    for name, opens in (("passphrase", True), ("wrong", False), (None, False)):
        named = {"GLOVEBOX_IDENTITY_PASSPHRASE_FILE": str(tmp_path / name)} if name else {}
        access = Access.find("https://a:1", (authority / "cert.pem", encrypted), environment=environment | named)
        if opens:
            access.tls()
        else:
            with pytest.raises(ConfigurationError, match="with private key"):
                access.tls()


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path)}
    for server, message in (
        (None, "set GLOVEBOX_SERVER"),
        ("http://a:1", "expected `https://name:port`"),
        ("https://a:1 x", "expected `https://name:port`"),
        ("https://a:99999", "expected `https://name:port`"),
        ("https://", "expected `https://name:port`"),
        ("https://a:1", "set GLOVEBOX_IDENTITY"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            Access.find(server, environment=environment)
    with pytest.raises(ConfigurationError, match="no profile file"):
        Access.find(profile="x", environment=environment)


def test_files_that_can_not_be_used_are_named(tmp_path: Path) -> None:
    access = Access.find("https://a:1", tmp_path / "nobody", environment={"HOME": str(tmp_path)})
    with pytest.raises(ConfigurationError, match="there is no file"):
        access.tls()
    folder = identity(tmp_path / "lin.wei")
    access = Access.find("https://a:1", folder, environment={"HOME": str(tmp_path)})
    with pytest.raises(ConfigurationError, match="can't use the authority's certificate"):
        access.tls()


def test_no_public_authority_and_no_old_protocol_is_trusted(tmp_path: Path, authority: Path) -> None:
    context = Access("https://a:1", authority / "cert.pem", authority / "key.pem", authority / "cert.pem").tls()
    assert context.minimum_version == ssl.TLSVersion.TLSv1_3
    assert context.check_hostname
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert len(context.get_ca_certs()) == 1
    swapped = Access("https://a:1", authority / "cert.pem", authority / "cert.pem", authority / "cert.pem")
    with pytest.raises(ConfigurationError, match="with private key"):
        swapped.tls()
