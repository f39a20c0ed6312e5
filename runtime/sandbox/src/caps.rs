//! Caps on what a module may be, each with the reason for its size.
//!
//! They bound the work of inspection and compilation, which happen before any fuel is counted, and straight-line work that
//! fuel and epochs can't interrupt, since both are checked only where a function starts and where a loop turns.

/// Core modules: what a Rust, C or SQL job takes is below 100 KiB; compiling costs about 1 ms of CPU per KiB.
pub const MODULE_SIZE_MAX_BYTES: usize = 4 << 20;
/// Components: an interpreter inside (Python 18 MB, JavaScript 12 MB) is the largest that is known.
pub const COMPONENT_SIZE_MAX_BYTES: usize = 32 << 20;
/// Records that one person or block may return. Each is 16 bytes of guest memory, so a batch of them stays below 1 MiB.
pub const RECORDS_PER_PERSON_MAX: usize = 65_536;
/// Rows that a `cohort` guest gets at a time, completed to whole persons.
pub const COHORT_BATCH_ROWS: usize = 4_096;
/// Rows after which a `cohort` guest sums up what it has seen and a fresh instance goes on, completed to whole persons: few
/// enough that a job on any table of use is merged from several.
pub const COHORT_STRETCH_ROWS: usize = 65_536;
/// Rows' worth of fuel that a `cohort` job has before the first row: for instances, merging and finishing.
pub const COHORT_BASE_ROWS: u64 = 4_096;
/// Fuel charged for each record that the host reads: a guest gets no host work for free.
pub const RECORD_FUEL_UNITS: u64 = 16;
/// Rows that the driver of a `row` job takes at a time: 64 columns of 12 bytes still fit in a level-2 cache of 4 MiB,
/// ordinary jobs in 256 KiB.
pub const ROWS_PER_BLOCK: usize = 4096;

/// Functions of all embedded core modules together.
pub(crate) const FUNCTIONS_MAX: u32 = 100_000;
/// One function's body: compilation is worse than linear in it.
pub(crate) const FUNCTION_SIZE_MAX_BYTES: usize = 512 << 10;
/// Locals of one function, parameters included.
pub(crate) const LOCALS_MAX: u32 = 10_000;
/// Nesting of blocks: a `match` of n arms nests n blocks.
pub(crate) const NESTING_MAX: usize = 4_096;
/// Targets of all `br_table` of one function.
pub(crate) const BRANCH_TARGETS_MAX: u64 = 65_536;
/// Variables of a function times its branches (a loop counts as its depth among loops): what a compiler carries along every
/// edge. A function of 15 KB at a product of 10 million takes minutes; at this one it takes a second or two.
pub(crate) const COMPLEXITY_MAX: u64 = 400_000;
/// The same, over all functions.
pub(crate) const COMPLEXITY_TOTAL_MAX: u64 = 4_000_000;
/// Values that live over a call (variables, and operands below it) times the calls of a function: a call takes every register,
/// so a compiler saves and finds again what lives over it. Some 10 million cost a second and 40 MiB; the largest function of
/// our examples and of an interpreter's main loop stays below a million.
pub(crate) const CALL_COMPLEXITY_MAX: u64 = 2_000_000;
/// The same, over all functions.
pub(crate) const CALL_COMPLEXITY_TOTAL_MAX: u64 = 20_000_000;
/// Parameters of a function: 64 nullable columns, 32 parameters and 256 state variables are 416.
pub(crate) const FUNCTION_PARAMETERS_MAX: usize = 416;
/// Arguments that the driver of a `row` job passes, over all functions: what its code grows with.
pub(crate) const ROW_ARGUMENTS_MAX: usize = 65_536;
/// Results of a function or block, parameters of a block: each is carried along every branch to it.
pub(crate) const BLOCK_VALUES_MAX: usize = 16;
/// Operators in one function that move or fill many bytes: between two checks of fuel and clock they do at most this many
/// times the memory cap.
pub(crate) const BULK_OPERATORS_MAX: u32 = 1_024;
/// Types, exports, aliases and the like together.
pub(crate) const ITEMS_MAX: u32 = 100_000;
/// Globals and segments together: each is initialised in every fresh instance, which no fuel pays for.
pub(crate) const INITIALISERS_MAX: u32 = 10_000;
/// Tables of one core module.
pub(crate) const TABLES_MAX: u32 = 4;
/// Elements of one table at the start.
pub(crate) const TABLE_ELEMENTS_MAX: u64 = 32_768;
/// Memory of one core module at the start, whatever its page size: 64 MiB.
pub(crate) const MEMORY_START_MAX_BYTES: u64 = 64 << 20;
/// Memory of an instance that is kept and overwritten between units. To copy 128 KiB takes 3 to 4 µs, a fresh instance 5 µs.
pub(crate) const RESET_MEMORY_MAX_BYTES: u64 = 128 << 10;
/// Mutable globals of such an instance. Compilers make one, the stack pointer; each costs the host some 20 ns a unit.
pub(crate) const RESET_GLOBALS_MAX: usize = 64;
/// Fuel charged for each 64 KiB of memory, or part of it, that an instance gets at the start or by growth: all of it must be
/// cleared.
pub(crate) const MEMORY_FUEL_UNITS: u64 = 255;
/// Custom sections together (names, producers); debugging information does not belong in a submitted module.
pub(crate) const CUSTOM_SECTIONS_MAX_BYTES: usize = 4 << 20;
/// The manifest.
pub(crate) const MANIFEST_MAX_BYTES: usize = 1 << 20;
/// Core modules in one component.
pub(crate) const CORE_MODULES_MAX: u32 = 16;
/// Core instances in one component.
pub(crate) const CORE_INSTANCES_MAX: u32 = 32;
/// Memories that a component may hold over all its instances.
pub(crate) const MEMORIES_PER_COMPONENT_MAX: u32 = 2;
/// Tables that a component may hold over all its instances.
pub(crate) const TABLES_PER_COMPONENT_MAX: u32 = 16;
