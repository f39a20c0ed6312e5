//! The resources of `/v1`, one file each: parameters in, one use case of the engine, its answer out.

pub(crate) mod audit;
pub(crate) mod dataset;
pub(crate) mod document;
pub(crate) mod grant;
pub(crate) mod job;
pub(crate) mod key;
pub(crate) mod meter;
pub(crate) mod module;
pub(crate) mod organisation;
pub(crate) mod principal;
pub(crate) mod release;
pub(crate) mod review;
pub(crate) mod snapshot;
pub(crate) mod suspension;
pub(crate) mod whoami;
