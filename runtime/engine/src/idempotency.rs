//! Requests that are sent twice and carried out once.

use glovebox_gm::sm3;
use glovebox_store::{Answer, Claim};

use crate::{Caller, Engine, EngineError};

/// What became of an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remembered {
    /// The key is new: carry out the request, then [`Engine::remember`] its answer or [`Engine::forget`] the key.
    New,
    /// The same request was carried out: its answer.
    Answered {
        /// HTTP status.
        status: u16,
        /// Body.
        body: Vec<u8>,
    },
    /// The same request is being carried out.
    InProgress,
    /// The key was used for another request.
    OtherRequest,
}

impl Engine {
    /// Claims `key` for the caller's request, whose method, path and body are `request`.
    ///
    /// # Errors
    /// [`EngineError::Internal`].
    pub fn recall(&self, caller: &Caller, key: &str, request: &[u8]) -> Result<Remembered, EngineError> {
        Ok(match self.store().claim(&caller.principal.id, key, sm3(request), self.now())? {
            Claim::New => Remembered::New,
            Claim::Answered(Answer { status, body }) => Remembered::Answered { status, body },
            Claim::InProgress => Remembered::InProgress,
            Claim::OtherRequest => Remembered::OtherRequest,
        })
    }

    /// Keeps the answer to a claimed key.
    ///
    /// # Errors
    /// [`EngineError::NotFound`] when the key is not claimed.
    pub fn remember(&self, caller: &Caller, key: &str, status: u16, body: Vec<u8>) -> Result<(), EngineError> {
        Ok(self.store().answer(&caller.principal.id, key, &Answer { status, body })?)
    }

    /// Gives up a claimed key whose request was not carried out.
    ///
    /// # Errors
    /// [`EngineError::Internal`].
    pub fn forget(&self, caller: &Caller, key: &str) -> Result<(), EngineError> {
        Ok(self.store().abandon(&caller.principal.id, key)?)
    }
}
