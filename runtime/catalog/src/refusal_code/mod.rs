//! The register of refusal codes: every code that a part of the system gives, with its rule, its reason, and what helps.
//!
//! `glovebox refusal <code>` shows an entry, and docs/refusals.md is written from all of them. The rule here is the
//! general one; a [`Refusal`](crate::Refusal) states it with the numbers of the case. A code keeps its meaning for good:
//! one that is no longer given leaves the register, and its name is not used again.

mod gate;
mod intake;
mod job;
mod policy;
mod request;
mod review;
mod sandbox;
mod witness;

/// One code of the register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusalCode {
    /// The code, `<part>.<what>`.
    pub code: &'static str,
    /// The rule, without the numbers of a case.
    pub rule: &'static str,
    /// Why there is such a rule.
    pub why: &'static str,
    /// What the reader can do about it.
    pub remedy: &'static str,
}

/// Codes of one part of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusalPart {
    /// What the part does, as a heading.
    pub title: &'static str,
    /// When its refusals are met.
    pub when: &'static str,
    /// Its codes.
    pub codes: &'static [RefusalCode],
}

/// Every part, in the order in which a job meets them.
pub const REFUSAL_PARTS: &[RefusalPart] = &[
    RefusalPart {
        title: "Connections and requests: `connect`, `request`, `server`",
        when: "Before anything is asked of the enclave, or instead of an answer.",
        codes: request::CODES,
    },
    RefusalPart {
        title: "Data: `catalog`, `ingest`, `key`, `audit`",
        when: "When datasets are filed and rows come in, and when an enclave is made or its log is read.",
        codes: intake::CODES,
    },
    RefusalPart {
        title: "Rights: `policy`",
        when: "When somebody asks for what roles, grants or their terms do not allow.",
        codes: policy::CODES,
    },
    RefusalPart {
        title: "Modules: `sandbox`",
        when: "When a module is submitted, and again before it runs.",
        codes: sandbox::CODES,
    },
    RefusalPart {
        title: "Jobs and budgets: `job`, `meter`, `run`",
        when: "When a job is submitted, holds its budget, and runs.",
        codes: job::CODES,
    },
    RefusalPart {
        title: "What may leave: `gate`",
        when: "After a run: for single cells and for whole releases. `job lint` tells most of them before.",
        codes: gate::CODES,
    },
    RefusalPart {
        title: "Reviews: `review`",
        when: "While an output waits for reviewers, and when one that they let go is fetched.",
        codes: review::CODES,
    },
    RefusalPart {
        title: "Witnesses: `witness`",
        when: "When an enclave asks a witness to cosign its log, which its operator's log tells of; and to readers while witnesses are missing.",
        codes: witness::CODES,
    },
];

/// The entry of a code.
#[must_use]
pub fn refusal_code(code: &str) -> Option<&'static RefusalCode> {
    refusal_codes().find(|entry| entry.code == code)
}

/// Every entry, in the order of [`REFUSAL_PARTS`].
pub fn refusal_codes() -> impl Iterator<Item = &'static RefusalCode> {
    REFUSAL_PARTS.iter().flat_map(|part| part.codes)
}

const fn entry(code: &'static str, rule: &'static str, why: &'static str, remedy: &'static str) -> RefusalCode {
    RefusalCode { code, rule, why, remedy }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_code_stands_once_and_says_something() {
        let mut seen = BTreeSet::new();
        for RefusalCode { code, rule, why, remedy } in refusal_codes() {
            assert!(seen.insert(code), "{code} stands twice");
            let (part, what) = code.split_once('.').unwrap();
            let is_name = |name: &str| {
                !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '-' || c.is_ascii_digit())
            };
            assert!(is_name(part) && is_name(what), "{code}");
            for text in [rule, why, remedy] {
                assert!(text.len() > 10 && !text.ends_with('.') && !text.contains('\n'), "{code}: {text}");
                assert!(text.starts_with(|c: char| !c.is_uppercase()) || text.starts_with("SQL"), "{code}: {text}");
            }
        }
        assert!(seen.len() > 100);
    }

    #[test]
    fn a_code_is_found_by_its_name() {
        assert_eq!(refusal_code("gate.cell-below-threshold").unwrap().code, "gate.cell-below-threshold");
        assert_eq!(refusal_code("gate.no-such-rule"), None);
    }
}
