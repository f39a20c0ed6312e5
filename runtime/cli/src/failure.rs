//! How failures are told, and which exit code stands for which.

use std::process::ExitCode;

use glovebox_audit::VerifyError;
use glovebox_catalog::Refusal;
use glovebox_client::ClientError;
use glovebox_engine::EngineError;
use serde_json::{Value, json};

use crate::output::Output;
use crate::text::clean;

/// Refused or failed.
const REFUSED: u8 = 1;
/// No connection, or certificates that can't be used. (2 is wrong usage, which clap answers.)
const NO_CONNECTION: u8 = 3;
/// A receipt, proof or export does not verify.
const DOES_NOT_VERIFY: u8 = 4;

/// Something refused for reasons with codes: a job that ended without a release, a module that failed inspection.
#[derive(Debug)]
pub(crate) struct Refused {
    /// What was refused.
    pub(crate) what: String,
    /// Why.
    pub(crate) reasons: Vec<Refusal>,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Refused {}

/// Something does not verify.
#[derive(Debug)]
pub(crate) struct Unverified {
    /// What was to be verified.
    pub(crate) what: String,
    /// What is wrong with it.
    pub(crate) error: VerifyError,
}

impl std::fmt::Display for Unverified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} does not verify: {}", self.what, self.error)
    }
}

impl std::error::Error for Unverified {}

/// Tells the failure on standard error and gives its exit code.
pub(crate) fn report(error: &anyhow::Error, output: &Output) -> ExitCode {
    let told = Told::of(error);
    if output.is_json() {
        output.note(&json!({ "error": told.json() }).to_string());
    } else {
        output.note(&told.text());
    }
    ExitCode::from(told.exit_code)
}

/// The error and its causes, outermost first. Many an error quotes its cause, which is then not said again; and that a
/// fault is internal means nothing to whoever runs the enclave.
pub(crate) fn words(error: &anyhow::Error) -> String {
    let mut words = String::new();
    for cause in error.chain() {
        let text = match cause.downcast_ref() {
            Some(EngineError::Internal(text)) => text.clone(),
            _ => cause.to_string(),
        };
        if words.is_empty() {
            words = text;
        } else if !words.ends_with(&text) {
            words = format!("{words}: {text}");
        }
    }
    words
}

/// A failure, taken apart.
struct Told {
    message: String,
    reasons: Vec<Refusal>,
    hint: Option<String>,
    exit_code: u8,
}

impl Told {
    fn of(error: &anyhow::Error) -> Self {
        let plain = |exit_code| Self { message: words(error), reasons: Vec::new(), hint: None, exit_code };
        for cause in error.chain() {
            if let Some(refused) = cause.downcast_ref::<Refused>() {
                return Self { message: refused.what.clone(), reasons: refused.reasons.clone(), ..plain(REFUSED) };
            }
            if cause.is::<Unverified>() || cause.is::<VerifyError>() {
                return plain(DOES_NOT_VERIFY);
            }
            if let Some(EngineError::Refused(reasons) | EngineError::Invalid(reasons)) = cause.downcast_ref() {
                return Self { reasons: reasons.clone(), ..plain(REFUSED) };
            }
            match cause.downcast_ref::<ClientError>() {
                Some(ClientError::Problem(problem)) => return Self::of_problem(problem),
                Some(ClientError::Connection { remedy, .. }) => {
                    let unknown = "is the server running, and does it accept this certificate? \
                                   `glovebox serve` says where it listens";
                    let hint = remedy.clone().unwrap_or_else(|| unknown.to_owned());
                    return Self { hint: Some(hint), ..plain(NO_CONNECTION) };
                }
                Some(ClientError::Access { .. }) => return plain(NO_CONNECTION),
                Some(ClientError::Verify(_) | ClientError::Key { .. }) => return plain(DOES_NOT_VERIFY),
                _ => {}
            }
        }
        plain(REFUSED)
    }

    fn of_problem(problem: &glovebox_api::Problem) -> Self {
        let only = || vec![Refusal::new(&problem.code, &problem.title, "", &problem.detail)];
        let reasons = if problem.reasons.is_empty() { only() } else { problem.reasons.clone() };
        let failed = problem.status >= 500;
        let message = if failed { "the enclave failed" } else { "refused by the enclave" };
        let request = problem.request_id.as_ref().filter(|_| failed);
        let hint = request.map(|id| format!("the operator finds it in the log under request {id}"));
        Self { message: message.to_owned(), reasons, hint, exit_code: REFUSED }
    }

    fn text(&self) -> String {
        let mut text = format!("error: {}", clean(&self.message));
        for reason in &self.reasons {
            text.push_str(&explained(reason));
        }
        if let Some(hint) = &self.hint {
            text.push_str(&format!("\n  hint: {hint}"));
        }
        text
    }

    fn json(&self) -> Value {
        json!({
            "message": self.message,
            "code": self.reasons.first().map(|reason| &reason.code),
            "reasons": self.reasons,
            "hint": self.hint,
            "exit_code": self.exit_code,
        })
    }
}

/// A refusal in full: code, rule, place, remedy.
pub(crate) fn explained(reason: &Refusal) -> String {
    let Refusal { code, rule, place, remedy } = reason;
    let mut text = format!("\n  {}\n    rule:   {}", clean(code), clean(rule));
    if !place.is_empty() {
        text.push_str(&format!("\n    where:  {}", clean(place)));
    }
    text.push_str(&format!("\n    remedy: {}", clean(remedy)));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_is_quoted_is_said_once() {
        let cause = || anyhow::anyhow!("in use");
        let quoted = cause().context("can't listen: in use").context("start the server");
        assert_eq!(words(&quoted), "start the server: can't listen: in use");
        let internal = anyhow::Error::from(EngineError::Internal("the passphrase does not open it".to_owned()));
        assert_eq!(words(&internal.context("can't open")), "can't open: the passphrase does not open it");
    }

    #[test]
    fn every_reason_of_a_refusal_is_told() {
        let reasons = vec![
            Refusal::new("policy.purpose", "the rule", "the grant", "the remedy"),
            Refusal::new("policy.column-not-granted", "another", "", "do that"),
        ];
        let problem = glovebox_api::Problem {
            problem_type: "urn:glovebox:refusal:policy.purpose".into(),
            title: "the rule".into(),
            status: 403,
            detail: "the remedy".into(),
            code: "policy.purpose".into(),
            reasons,
            request_id: Some("r1".into()),
        };
        let told = Told::of(&ClientError::Problem(Box::new(problem)).into());
        assert_eq!(told.exit_code, 1);
        let expected = "error: refused by the enclave\n  policy.purpose\n    rule:   the rule\n    where:  the grant\n    \
                        remedy: the remedy\n  policy.column-not-granted\n    rule:   another\n    remedy: do that";
        assert_eq!(told.text(), expected);
        assert_eq!(told.json()["code"], "policy.purpose");
    }

    #[test]
    fn exit_codes_tell_who_is_at_fault() {
        let code = |error: anyhow::Error| Told::of(&error).exit_code;
        assert_eq!(code(ClientError::Connection { detail: "refused".into(), remedy: None }.into()), 3);
        assert_eq!(code(VerifyError::OtherOutput.into()), 4);
        assert_eq!(code(anyhow::anyhow!("no such file").context("receipt.json")), 1);
    }
}
