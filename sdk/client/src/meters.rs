//! Budgets, their use, and live figures.

use glovebox_api::{GrantMeters, LiveMeters, Page};

use crate::{Client, ClientError, Paging, Watch};

impl Client {
    /// `GET /v1/meters`: budget and use of the grants that the caller may see.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn meters(&self, paging: &Paging) -> Result<Page<GrantMeters>, ClientError> {
        self.get(&["meters"], &paging.query()).await
    }

    /// `GET /v1/meters/live`: what runs and waits now. For operators.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn live_meters(&self) -> Result<LiveMeters, ClientError> {
        self.get(&["meters", "live"], &[]).await
    }

    /// `GET /v1/meters/live/events`: the same once a second, without end. Connects again when the connection breaks.
    #[must_use]
    pub fn watch_meters(&self) -> Watch<LiveMeters> {
        let path = vec!["meters".into(), "live".into(), "events".into()];
        Watch::new(self.clone(), path, "meters", |_| false)
    }
}
