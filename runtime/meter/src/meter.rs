//! The meters by name.

use crate::Amounts;

/// One thing that is metered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Meter {
    /// Jobs started.
    Jobs,
    /// Releases that left.
    Releases,
    /// Cells that left.
    Cells,
    /// Sets of persons that jobs may have claimed.
    Claims,
    /// Bytes that left.
    BytesOut,
    /// Bits that releases can carry.
    LeakageBits,
    /// Fuel, by the size of what is computed on.
    Fuel,
    /// Rows, by the size of the snapshot.
    Rows,
}

impl Meter {
    /// Every meter, in the order in which a reservation checks them.
    pub const ALL: [Self; 8] = [
        Self::Jobs,
        Self::Releases,
        Self::Cells,
        Self::Claims,
        Self::BytesOut,
        Self::LeakageBits,
        Self::Fuel,
        Self::Rows,
    ];

    /// Its name in refusal codes: `meter.<name>-exhausted`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jobs => "jobs",
            Self::Releases => "releases",
            Self::Cells => "cells",
            Self::Claims => "claims",
            Self::BytesOut => "bytes-out",
            Self::LeakageBits => "leakage-bits",
            Self::Fuel => "fuel",
            Self::Rows => "rows",
        }
    }

    /// Its unit, as people read it.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::Jobs => "jobs",
            Self::Releases => "releases",
            Self::Cells => "cells",
            Self::Claims => "claimed sets",
            Self::BytesOut => "bytes out",
            Self::LeakageBits => "bits of leakage bound",
            Self::Fuel => "units of fuel",
            Self::Rows => "rows read",
        }
    }

    /// Its amount.
    #[must_use]
    pub fn of(self, amounts: &Amounts) -> u64 {
        match self {
            Self::Jobs => amounts.jobs,
            Self::Releases => amounts.releases,
            Self::Cells => amounts.cells,
            Self::Claims => amounts.claims,
            Self::BytesOut => amounts.bytes_out,
            Self::LeakageBits => amounts.leakage_bits,
            Self::Fuel => amounts.fuel_units,
            Self::Rows => amounts.rows_read,
        }
    }

    /// Its amount, to change.
    pub fn of_mut(self, amounts: &mut Amounts) -> &mut u64 {
        match self {
            Self::Jobs => &mut amounts.jobs,
            Self::Releases => &mut amounts.releases,
            Self::Cells => &mut amounts.cells,
            Self::Claims => &mut amounts.claims,
            Self::BytesOut => &mut amounts.bytes_out,
            Self::LeakageBits => &mut amounts.leakage_bits,
            Self::Fuel => &mut amounts.fuel_units,
            Self::Rows => &mut amounts.rows_read,
        }
    }
}
