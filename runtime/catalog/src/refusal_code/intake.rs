//! Codes of datasets, ingestion, keys and the log.

use super::{RefusalCode, entry};

pub(super) const CODES: &[RefusalCode] = &[
    entry(
        "catalog.assessment",
        "a risk assessment is named by the SM3 digest of its document and a date",
        "an assessment that can't be identified proves nothing",
        "correct digest (64 hexadecimal digits) and date (YYYY-MM-DD)",
    ),
    entry(
        "catalog.conditions",
        "conditional sharing states its conditions",
        "developers must know what they agree to",
        "state the conditions",
    ),
    entry(
        "catalog.grade",
        "a dataset's grade is at least that of each of its fields",
        "the grade decides who may open a view",
        "raise the dataset's grade",
    ),
    entry(
        "catalog.limits",
        "each limit of a dataset is at least 1",
        "a dataset on which nothing may be used is one that is not shared",
        "raise the limit, leave it out for the default, or set the sharing type `none`",
    ),
    entry(
        "catalog.privacy-limit",
        "a dataset's privacy limit has an ε above 0, a δ below 1, and no developer's share above the whole",
        "a limit of nothing is no limit to spend from, and a δ of 1 would allow everything to be published",
        "correct `privacy`, or leave it out if no differentially private release may leave",
    ),
    entry(
        "catalog.schema",
        "a schema declares each field once, with a type that can be checked and one person key",
        "everything that reads the rows rests on it",
        "correct the schema and file it again",
    ),
    entry(
        "ingest.bad-utf8",
        "text is UTF-8",
        "text in an unknown encoding would be read as something else",
        "write the source in UTF-8",
    ),
    entry(
        "ingest.column-types",
        "each column of the source has the type that the schema declares",
        "a type that is guessed is wrong some day",
        "correct the file or the schema and ingest again; nothing was published",
    ),
    entry(
        "ingest.columns",
        "the source has the columns of the schema",
        "a missing or foreign column is a sign of the wrong file",
        "correct the file and ingest it again; nothing was published",
    ),
    entry(
        "ingest.failed",
        "an ingestion ends with a snapshot or with nothing",
        "a fault of the enclave is noted in the log; nothing was published",
        "ask the operator for the cause, then ingest again",
    ),
    entry(
        "ingest.field-too-long",
        "a field and a row have a largest size",
        "one row must not fill the memory of an ingestion",
        "shorten the field, or leave the column out of the schema",
    ),
    entry(
        "ingest.missing-value",
        "a field that the schema calls required has a value",
        "analyses rely on it",
        "fill the value in the source, or declare the field nullable",
    ),
    entry(
        "ingest.no-rows",
        "a snapshot has at least one row",
        "an empty snapshot is a sign of the wrong file or of rules that no row meets",
        "correct the rows that the answer names; nothing was published",
    ),
    entry(
        "ingest.no-snapshot",
        "a job reads a published snapshot",
        "a dataset that is only filed has no rows yet",
        "wait until the supplier has ingested rows",
    ),
    entry(
        "ingest.not-a-boolean",
        "a field of type boolean holds `true` or `false`",
        "what is not understood is not guessed",
        "correct the row in the source",
    ),
    entry(
        "ingest.not-a-code",
        "a field of type code holds one of the declared codes",
        "keys of tables come from the declared codes alone",
        "correct the row in the source, or declare the code in the schema",
    ),
    entry(
        "ingest.not-a-date",
        "a field of type date holds a day YYYY-MM-DD",
        "what is not understood is not guessed",
        "correct the row in the source",
    ),
    entry(
        "ingest.not-a-number",
        "a field of a number type holds a finite number of that type",
        "what is not understood is not guessed",
        "correct the row in the source",
    ),
    entry(
        "ingest.out-of-range",
        "a value lies within the range that the schema declares",
        "values far outside are mistakes more often than findings",
        "correct the row in the source, or widen the range in the schema",
    ),
    entry(
        "ingest.ragged-row",
        "each row has as many fields as the header",
        "a row with fields too many or too few is shifted",
        "correct the row in the source",
    ),
    entry(
        "ingest.source-broken-off",
        "a source arrives whole",
        "half a table is none; nothing was published",
        "send it again",
    ),
    entry(
        "ingest.source-damaged",
        "a source can be read to its end",
        "a damaged file is not repaired by guessing; nothing was published",
        "make the file anew and ingest it again",
    ),
    entry(
        "ingest.storage-full",
        "there is room for the snapshot",
        "a full disk must not leave half a snapshot; nothing was published",
        "ask the operator to free space, then ingest again",
    ),
    entry(
        "ingest.too-many-rows-per-person",
        "one person has a bounded number of rows",
        "a person's rows are held together in memory",
        "check the person key; split the table if it is right",
    ),
    entry(
        "ingest.under-way",
        "one ingestion of a dataset runs at a time",
        "snapshots are numbered one after another",
        "wait for the other to end",
    ),
    entry(
        "key.passphrase-short",
        "a passphrase has at least 12 bytes",
        "it seals every key of the enclave",
        "choose a longer one",
    ),
    entry(
        "audit.sizes",
        "a proof of consistency goes from a smaller to a larger size that the log has had",
        "there is nothing to prove otherwise",
        "name sizes of signed tree heads, the smaller first",
    ),
];
