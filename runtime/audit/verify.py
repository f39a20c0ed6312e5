"""Verifies a receipt or an export with Python and OpenSSL alone: nothing of Glovebox takes part.

    python3 verify.py receipt receipt.json enclave.pem [witnesses.toml]
    python3 verify.py export export.jsonl enclave.pem [witnesses.toml]

With the file of the witnesses, it also checks that enough of them cosigned (docs/witnesses.md).

It needs an OpenSSL with SM2 and SM3 (3.0 or newer), for the `openssl` command and for Python's hashlib. It shows that
the formats of docs/receipts.md are enough; `glovebox receipt verify` checks more strictly and says what is wrong.
"""

import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile
import tomllib


def sm3(data):
    return hashlib.new("sm3", data).digest()


def canonical(value):
    """Canonical JSON, for the numbers that statements hold in practice (Python writes 1e-7 in another way)."""
    return json.dumps(whole(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def whole(value):
    """18.0 is written 18."""
    if isinstance(value, dict):
        return {name: whole(member) for name, member in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


def check_signature(context, value, signature, key):
    raw = bytes.fromhex(signature)
    assert len(raw) == 64
    body = b"".join(der_integer(part) for part in (raw[:32], raw[32:]))
    with tempfile.TemporaryDirectory() as folder:
        message, der = pathlib.Path(folder, "message"), pathlib.Path(folder, "signature")
        message.write_bytes(context + b"\n" + canonical(value))
        der.write_bytes(b"\x30" + bytes([len(body)]) + body)
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", key, "-rawin", "-digest", "sm3"]
        command += ["-pkeyopt", "distid:1234567812345678", "-in", message, "-sigfile", der]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def der_integer(part):
    part = part.lstrip(b"\0")
    part = b"\0" + part if part[0] & 0x80 else part
    return b"\x02" + bytes([len(part)]) + part


def check_cosignatures(head, cosignatures, witnesses):
    """As many of the witnesses as the file requires, each with its own key. Others are not looked at."""
    found = 0
    for witness in witnesses["witness"]:
        own = [cosignature for cosignature in cosignatures if cosignature["witness"] == witness["name"]]
        assert len(own) <= 1
        for cosignature in own:
            seen = {name: head[name] for name in ("log_id", "root", "size")}
            seen |= {name: cosignature[name] for name in ("at", "witness")}
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as key:
                key.write(witness["public_key"])
                key.flush()
                assert cosignature["key_sm3"] == fingerprint(key.name)
                check_signature(b"glovebox/cosignature/v1", seen, cosignature["signature"], key.name)
            found += 1
    assert len({witness["public_key"] for witness in witnesses["witness"]}) == len(witnesses["witness"])
    assert found >= witnesses["required"] > len(witnesses["witness"]) / 2


def check_head(signed, key):
    check_signature(b"glovebox/tree-head/v1", signed["head"], signed["signature"], key)
    return signed["head"]


def fingerprint(key):
    der = subprocess.run(["openssl", "pkey", "-pubin", "-in", key, "-outform", "DER"], check=True, capture_output=True)
    return sm3(der.stdout).hex()


def check_receipt(receipt, key):
    statement, event, proof = receipt["statement"], receipt["event"], receipt["inclusion"]
    head = check_head(receipt["head"], key)
    assert statement["receipt_version"] == 1
    assert statement["enclave_fingerprint"] == fingerprint(key)
    check_signature(b"glovebox/statement/v1", statement, receipt["signature"], key)
    assert event["detail"]["statement_sm3"] == sm3(canonical(statement)).hex()
    assert statement["log_id"] == head["log_id"]
    assert (proof["sequence"], proof["size"]) == (event["sequence"], head["size"])
    # RFC 9162, section 2.1.3.2.
    place, last, node = proof["sequence"], proof["size"] - 1, sm3(b"\0" + canonical(event))
    assert place <= last
    for sibling in map(bytes.fromhex, proof["hashes"]):
        assert last > 0
        if place & 1 or place == last:
            node = sm3(b"\1" + sibling + node)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            node = sm3(b"\1" + node + sibling)
        place, last = place >> 1, last >> 1
    assert last == 0 and node.hex() == head["root"]
    return head, receipt.get("cosignatures", [])


def check_export(lines, key):
    *events, last = lines
    last = json.loads(last)
    head = check_head(last["head"], key)
    assert head["size"] == len(events)
    assert [json.loads(line)["sequence"] for line in events] == list(range(len(events)))
    assert tree_hash([sm3(b"\0" + line) for line in events]).hex() == head["root"]
    return head, last.get("cosignatures", [])


def tree_hash(nodes):
    """RFC 9162, section 2.1.1: the last node of an odd row goes up as it is."""
    while len(nodes) > 1:
        pairs = [sm3(b"\1" + left + right) for left, right in zip(nodes[::2], nodes[1::2])]
        nodes = pairs + nodes[len(pairs) * 2 :]
    return nodes[0] if nodes else sm3(b"")


kind, path, key, *witnesses = sys.argv[1:]
content = pathlib.Path(path).read_bytes()
if kind == "receipt":
    head, cosignatures = check_receipt(json.loads(content), key)
elif kind == "export":
    assert content.endswith(b"\n")
    head, cosignatures = check_export(content.split(b"\n")[:-1], key)
else:
    sys.exit(f"expected `receipt` or `export`, got `{kind}`")
if witnesses:
    check_cosignatures(head, cosignatures, tomllib.loads(pathlib.Path(witnesses[0]).read_text("utf-8")))
print(f"the {kind} verifies")
