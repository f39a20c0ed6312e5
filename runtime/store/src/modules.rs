//! Modules: what inspection found, and the bytes.

use glovebox_audit::{Draft, Event};
use glovebox_catalog::{Door, JobManifest, ModuleId, OrganisationId, PrincipalId, Separation, Timestamp};
use glovebox_gm::sm3;
use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};

use crate::records::{self, Table};
use crate::{Page, Slice, Store, StoreError};

/// A submitted module without its bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModuleRow {
    /// SM3 digest of its bytes.
    pub id: ModuleId,
    /// SHA-256 digest of its bytes.
    pub sha256: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Organisation that submitted it.
    pub organisation: OrganisationId,
    /// Who submitted it.
    pub submitted_by: PrincipalId,
    /// When.
    pub submitted_at: Timestamp,
    /// Its door.
    pub door: Door,
    /// What keeps one unit's rows from the next.
    pub separation: Separation,
    /// Its manifest.
    pub manifest: JobManifest,
}

impl Store {
    /// Keeps a module.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when it was submitted before, [`StoreError::Corrupt`] when `bytes` have another digest
    /// than `module.id`.
    pub fn put_module(&self, module: &ModuleRow, bytes: &[u8], audit: Draft) -> Result<Event, StoreError> {
        check_bytes(&module.id, bytes)?;
        let kept = self.write(audit, |changes| {
            changes.insert(Table::Modules, module.id.as_str(), module)?;
            changes
                .connection()
                .prepare_cached("INSERT INTO module_bytes (id, bytes) VALUES (?1, ?2)")?
                .execute(params![module.id.as_str(), bytes])?;
            Ok(())
        });
        kept.map(|((), event)| event)
    }

    /// Reads a module's entry.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn module(&self, id: &ModuleId) -> Result<Option<ModuleRow>, StoreError> {
        self.read(|connection| records::find(connection, Table::Modules, id.as_str()))
    }

    /// Reads a module's bytes and holds them against its id.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an unknown module, [`StoreError::Corrupt`] when the bytes are not the module's.
    pub fn module_bytes(&self, id: &ModuleId) -> Result<Vec<u8>, StoreError> {
        let bytes: Option<Vec<u8>> = self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT bytes FROM module_bytes WHERE id = ?1")?;
            Ok(statement.query_row([id.as_str()], |row| row.get(0)).optional()?)
        })?;
        let bytes = bytes.ok_or_else(|| StoreError::NotFound { kind: Table::Modules.kind(), id: id.to_string() })?;
        check_bytes(id, &bytes)?;
        Ok(bytes)
    }

    /// Lists modules by id, of one organisation or of all.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn modules(&self, organisation: Option<&OrganisationId>, slice: &Slice) -> Result<Page<ModuleRow>, StoreError> {
        let conditions = [("organisation = ?", organisation.map(OrganisationId::as_str))];
        self.read(|connection| records::list(connection, Table::Modules, &conditions, slice))
    }
}

fn check_bytes(id: &ModuleId, bytes: &[u8]) -> Result<(), StoreError> {
    if sm3(bytes).to_string() == id.as_str() {
        return Ok(());
    }
    Err(StoreError::corrupt(format!("the bytes of module `{id}` have another digest")))
}
