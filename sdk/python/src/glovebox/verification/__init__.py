"""What it takes to verify a receipt offline: SM3, SM2, canonical JSON, Merkle proofs.

The formats are those of docs/receipts.md. Verification handles no secrets, so plain Python arithmetic will do; nothing
in here signs or keeps a key.
"""

from glovebox.verification.canonical import canonical_json, parse_json
from glovebox.verification.checks import verify_output, verify_receipt
from glovebox.verification.key import EnclaveKey
from glovebox.verification.sm3 import sm3
from glovebox.verification.witnesses import Witnesses

__all__ = ["EnclaveKey", "Witnesses", "canonical_json", "parse_json", "sm3", "verify_output", "verify_receipt"]
