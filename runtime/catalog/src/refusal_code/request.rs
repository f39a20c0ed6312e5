//! Codes of connections and requests.

use super::{RefusalCode, entry};

pub(super) const CODES: &[RefusalCode] = &[
    entry(
        "connect.certificate-no-longer-valid",
        "the certificate of a connection is valid and not revoked at every request",
        "rights that were taken away must end at once, on open connections too",
        "connect with a valid certificate; the security officer of the enclave issues one",
    ),
    entry(
        "request.bad-parameter",
        "parameters of path, query and headers are as the interface describes them",
        "what is not understood is not guessed",
        "see /v1/openapi.json or `--help` for what the parameter takes",
    ),
    entry(
        "request.changed-meanwhile",
        "a change is made to the state that its author saw",
        "two people may act on one thing at the same time; the second must look again",
        "read the thing again, and repeat the request if it still makes sense",
    ),
    entry(
        "request.cursor",
        "a cursor is the one that the page before gave",
        "cursors are opaque; a made-up one would skip items unseen",
        "start the list without a cursor",
    ),
    entry(
        "request.id-taken",
        "an id names one thing for good",
        "log and receipts name things by id; a second thing under one id would make them ambiguous",
        "choose another id",
    ),
    entry(
        "request.idempotency-key-in-use",
        "requests with one idempotency key are done one after another",
        "the answer to the first is the answer to all",
        "send it again in a moment",
    ),
    entry(
        "request.idempotency-key-reused",
        "an idempotency key stands for one request",
        "a key that is used for a second request would silently get the first one's answer",
        "use a fresh key for a new request",
    ),
    entry(
        "request.incomplete-body",
        "a body arrives whole and in time",
        "half a document is none, and a slow one holds up others",
        "send it again",
    ),
    entry(
        "request.jurisdiction",
        "a country or region is written as an ISO 3166 code",
        "rules on cross-border transfer go by the code",
        "write the code, for example `CN`",
    ),
    entry(
        "request.line",
        "titles, names and sources are one line of bounded length, without control characters",
        "they stand in tables, terminals and signed documents",
        "shorten it and take line breaks out",
    ),
    entry(
        "request.malformed-json",
        "a body is the JSON document that the route takes, without unknown members",
        "a misspelt member would otherwise be ignored, and with it what its author meant",
        "correct the place that the answer names; see /v1/openapi.json",
    ),
    entry(
        "request.method-not-allowed",
        "a path takes the methods of the interface",
        "what is not in the interface does not exist",
        "use a method that the header Allow lists",
    ),
    entry(
        "request.not-acceptable",
        "an answer comes in a type that the route offers",
        "an answer of another type than asked for could be misread",
        "ask for a type that the answer names",
    ),
    entry(
        "request.not-found",
        "what you name exists, and you may know of it",
        "whether a thing exists that you may not see is not told",
        "list the things that you may see to find the id",
    ),
    entry(
        "request.too-large",
        "a body has a largest size",
        "one caller must not fill the memory of all",
        "send less, or ask the operator for a higher limit",
    ),
    entry(
        "request.unknown-route",
        "a path is one of the interface",
        "what is not in the interface does not exist",
        "see /v1/openapi.json",
    ),
    entry(
        "request.unsupported-media-type",
        "a body has the content type that the route takes",
        "bytes of an unknown kind are not guessed at",
        "send the content type that the answer names",
    ),
    entry(
        "server.busy",
        "a bounded number of requests and streams is served at once",
        "one caller must not starve another",
        "wait as the header Retry-After says, then send it again",
    ),
    entry(
        "server.internal",
        "the enclave does its part",
        "this is a fault of the enclave, not of the request",
        "tell the operator the request id; the log has the cause under it",
    ),
    entry(
        "server.storage-full",
        "there is room for what is kept",
        "a full disk must not leave half a change; nothing was changed",
        "ask the operator to free space, then send it again",
    ),
];
