//! Codes of witnesses: what they answer an enclave.

use super::{RefusalCode, entry};

pub(super) const CODES: &[RefusalCode] = &[
    entry(
        "witness.fork",
        "heads that an enclave signs are of one log that only grows",
        "two signed heads that contradict each other prove that the enclave's state was put back, copied, or made anew under \
         its old key; the witness keeps both",
        "compare the two heads in the witness's folder (`glovebox witness show`) with the enclave's operator; the enclave \
         goes on from the newer state alone",
    ),
    entry(
        "witness.malformed",
        "a request holds a signed head, the signed head that the witness knows, and a proof between them",
        "what is not understood is not guessed",
        "see docs/witnesses.md for the message",
    ),
    entry(
        "witness.missing",
        "what is read is in a log that enough witnesses cosigned",
        "an enclave whose state was put back or copied gets no cosignatures, and must show nothing",
        "try again later; the operator's log, metrics and `glovebox doctor` say which witness is missing",
    ),
    entry(
        "witness.not-kept",
        "a head is on the witness's disk before it is cosigned",
        "a witness that forgets what it cosigned could be asked to cosign another root of that size",
        "look into the witness's log; make room on its disk",
    ),
    entry(
        "witness.old-size",
        "a request goes on from the size that the witness knows",
        "only a proof from there shows that nothing was taken away since",
        "ask again with a proof from the size in the answer; an enclave whose log is shorter was put back to an older state",
    ),
    entry(
        "witness.other-log",
        "a witness watches one log of one enclave",
        "a second log would begin without all that the first one holds",
        "set up a witness for the other log in a folder of its own",
    ),
    entry(
        "witness.signature",
        "heads are signed by the enclave that the witness was set up with",
        "nobody else may move what a witness knows",
        "compare the enclave's public key with the one in the witness's folder",
    ),
    entry(
        "witness.unproven",
        "a proof leads from the head that the witness knows to the one that it is shown",
        "without it, the log may be another one",
        "look whether something between enclave and witness changes requests; if not, the log was forked",
    ),
];
