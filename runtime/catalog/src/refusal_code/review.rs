//! Codes of reviews.

use super::{RefusalCode, entry};

pub(super) const CODES: &[RefusalCode] = &[
    entry(
        "review.already-claimed",
        "a reviewer takes an output up once",
        "the record then tells who looks at it, and since when",
        "comment, return, approve or refuse",
    ),
    entry(
        "review.comment-missing",
        "a question, an answer, a note and a refusal come with words",
        "the other side can't act on a decision without its reason, and the record is to be understood later",
        "say in a comment what the other side has to know",
    ),
    entry(
        "review.expired",
        "an output is decided on within the time of its review, and within the term of its grant",
        "an output that waits for ever would be released into circumstances that nobody has agreed to",
        "submit the job again, and agree with the reviewers on a time",
    ),
    entry(
        "review.fetch-time-over",
        "a reviewed output can be fetched for a bounded time",
        "what reviewers let go was meant for a use that they knew of",
        "use the copy that you have fetched, or submit the job again",
    ),
    entry(
        "review.fetches-exhausted",
        "a reviewed output can be fetched a bounded number of times",
        "each fetch is a transfer that the supplier answers for",
        "use the copy that you have fetched, or submit the job again",
    ),
    entry(
        "review.not-claimed",
        "a reviewer takes an output up before saying anything on it",
        "the record then tells who looks at it, and since when",
        "claim the review first",
    ),
    entry(
        "review.not-independent",
        "an output is judged by people who have no part in it: neither in the job, the module nor the data",
        "whoever gains by a release must not be the one who lets it go",
        "ask a reviewer of an organisation that is not concerned, who did not submit the job or the module",
    ),
    entry(
        "review.output-destroyed",
        "an output that did not leave is destroyed when its review ends",
        "what may not leave must not lie about",
        "read the record of the review",
    ),
    entry(
        "review.refused",
        "an output leaves when two reviewers approve and none refuses",
        "rules can't judge everything that a job of isolation `cohort` may put into a table; people can",
        "read the reviewers' reason, change the job and submit it again",
    ),
    entry(
        "review.same-person",
        "an output is approved by two different reviewers",
        "one person alone can err, and can be pressed",
        "ask a second reviewer",
    ),
    entry(
        "review.state",
        "each step of a review follows on certain others",
        "so that nothing leaves by a detour, and what has ended stays ended",
        "read the review's state; final states need a new job",
    ),
    entry(
        "review.withdrawn",
        "a review ends with its job and its grant",
        "an output leaves under the right that it was computed under, or not at all",
        "submit the job again under an active grant",
    ),
];
