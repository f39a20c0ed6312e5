//! The engine that all runs share: its configuration, the clock behind deadlines, and the cache of compiled modules.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use glovebox_catalog as catalog;
use glovebox_catalog::{Isolation, JobManifest, Separation};
use glovebox_gm::{Digest, sm3};
use wasmtime::{
    Enabled, Engine, InstanceAllocationStrategy, Module, OperatorCost, OptLevel, PoolingAllocationConfig, WasmFeatures,
};

use crate::caps;
use crate::columnar::Columnar;
use crate::compiling::{Turn, compile_apart};
use crate::component::ComponentJob;
use crate::door::Door;
use crate::globals;
use crate::inspect::FEATURES;
use crate::row::RowJob;
use crate::{Inspected, SandboxError};

/// How often running guests look at deadline and cancellation.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Bounds of a sandbox. They hold for all runs together and can't be exceeded by the limits of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Runs at the same time. More than that fail to start with an error of the host.
    pub runs_max: u32,
    /// Memory that any guest instance may grow to.
    pub memory_max_bytes: usize,
    /// Stack of a guest. The thread that drives a run needs this much and 256 KiB more.
    pub stack_max_bytes: usize,
    /// Compiled modules that are kept, in bytes of machine code; the longest unused goes first.
    pub cache_max_bytes: usize,
    /// How long a compilation may take before its module is refused. It can't be stopped: caps on modules bound it.
    pub compile_max: Duration,
}

impl Default for Config {
    /// 16 runs, 256 MiB of memory, 512 KiB of stack, 256 MiB of compiled modules, 60 seconds to compile one.
    fn default() -> Self {
        Self {
            runs_max: 16,
            memory_max_bytes: 256 << 20,
            stack_max_bytes: 512 << 10,
            cache_max_bytes: 256 << 20,
            compile_max: Duration::from_secs(60),
        }
    }
}

/// Compiles modules and holds what their runs share. Cheap to clone.
#[derive(Clone)]
pub struct Sandbox(Arc<Shared>);

struct Shared {
    engine: Engine,
    cache: Mutex<Cache>,
    compiling: Turn,
    compile_max: Duration,
}

impl Sandbox {
    /// A sandbox, with the thread that advances its clock.
    ///
    /// # Errors
    /// [`SandboxError::Host`] when memory for the pool can't be reserved or the thread not be started.
    pub fn new(config: &Config) -> Result<Self, SandboxError> {
        let engine = Engine::new(&engine_config(config)).map_err(host("reserve its pool"))?;
        start_ticker(&engine)?;
        let cache = Cache { max_bytes: config.cache_max_bytes, entries: VecDeque::new() };
        let (cache, compiling) = (Mutex::new(cache), Turn::default());
        Ok(Self(Arc::new(Shared { engine, cache, compiling, compile_max: config.compile_max })))
    }

    /// Compiles a module that passed inspection, or takes it from the cache.
    ///
    /// # Errors
    /// [`SandboxError::NotInspected`] when `bytes` are others than were inspected, [`SandboxError::Interface`] when compiling
    /// takes too long, [`SandboxError::Host`] when the compiler fails.
    pub fn compile(&self, inspected: &Inspected, bytes: &[u8]) -> Result<Compiled, SandboxError> {
        let digest = sm3(bytes);
        if digest != *inspected.module_sm3() {
            return Err(SandboxError::NotInspected);
        }
        if let Some(compiled) = self.lock().find(&digest) {
            return Ok(compiled);
        }
        // Not under the cache's lock: compiling takes milliseconds to seconds.
        let turn = self.0.compiling.take();
        // Whoever had the turn before may have compiled the same.
        if let Some(compiled) = self.lock().find(&digest) {
            return Ok(compiled);
        }
        let (sandbox, inspected, bytes) = (self.clone(), inspected.clone(), bytes.to_vec());
        compile_apart(turn, self.0.compile_max, move || {
            let compiled = Compiled::new(&sandbox.0.engine, &inspected, &bytes)?;
            // Kept although nobody may wait for it any more: the next who asks has it at once.
            sandbox.lock().keep(digest, compiled.clone());
            Ok(compiled)
        })
    }

    /// Machine code held by the cache, in bytes.
    #[must_use]
    pub fn cached_bytes(&self) -> usize {
        self.lock().entries.iter().map(|(_, compiled)| compiled.0.code_bytes).sum()
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Cache> {
        // The cache holds no invariant that a panic elsewhere could have broken.
        self.0.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A compiled module, ready to run any number of times. Cheap to clone.
#[derive(Clone)]
pub struct Compiled(Arc<CompiledJob>);

struct CompiledJob {
    manifest: JobManifest,
    separation: Separation,
    code_bytes: usize,
    job: Job,
    /// The door of a `row` job with rounds: `update` may keep state, so it has fresh instances.
    update: Option<Door>,
}

/// How a job takes its rows.
pub(crate) enum Job {
    /// One by one, as scalars.
    Row(RowJob),
    /// As columns of a unit.
    Door(Door),
}

impl Compiled {
    fn new(engine: &Engine, inspected: &Inspected, bytes: &[u8]) -> Result<Self, SandboxError> {
        let manifest = inspected.manifest().clone();
        let mut update = None;
        let (code, job) = match (inspected.door(), manifest.isolation) {
            (catalog::Door::Columnar, isolation) => {
                let opened = inspected.resettable().map(|state| globals::open(bytes, &state.globals)).transpose();
                let opened = opened.map_err(host("open the module's globals"))?;
                let bytes = opened.as_ref().map_or(bytes, |opened| opened.module.as_slice());
                let globals = opened.as_ref().map(|opened| opened.names.as_slice());
                let module = Module::from_binary(engine, bytes).map_err(host("compile the module"))?;
                let code = module.image_range();
                let job = match isolation {
                    Isolation::Row => {
                        if manifest.rounds.is_some() {
                            update = Some(Door::Columnar(Columnar::new(engine, &module, None)?));
                        }
                        Job::Row(RowJob::new(engine, module, &manifest)?)
                    }
                    _ => Job::Door(Door::Columnar(Columnar::new(engine, &module, globals)?)),
                };
                (code, job)
            }
            (catalog::Door::Component, _) => {
                let component = wasmtime::component::Component::from_binary(engine, bytes)
                    .map_err(host("compile the component"))?;
                let code = component.image_range();
                (code, Job::Door(Door::Component(ComponentJob::new(engine, &component)?)))
            }
        };
        let code_bytes = code.end as usize - code.start as usize;
        let separation = inspected.separation();
        Ok(Self(Arc::new(CompiledJob { manifest, separation, code_bytes, job, update })))
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> &JobManifest {
        &self.0.manifest
    }

    /// How its runs keep the rows of one unit from the next.
    #[must_use]
    pub fn separation(&self) -> Separation {
        self.0.separation
    }

    pub(crate) fn job(&self) -> &Job {
        &self.0.job
    }

    /// The door through which `update` is called.
    pub(crate) fn update(&self) -> Option<&Door> {
        match &self.0.job {
            Job::Row(_) => self.0.update.as_ref(),
            Job::Door(door) => Some(door),
        }
    }
}

/// Compiled modules, the longest unused first.
struct Cache {
    max_bytes: usize,
    entries: VecDeque<(Digest, Compiled)>,
}

impl Cache {
    fn find(&mut self, digest: &Digest) -> Option<Compiled> {
        let position = self.entries.iter().position(|(cached, _)| cached == digest)?;
        let entry = self.entries.remove(position)?;
        let compiled = entry.1.clone();
        self.entries.push_back(entry);
        Some(compiled)
    }

    fn keep(&mut self, digest: Digest, compiled: Compiled) {
        self.entries.retain(|(cached, _)| *cached != digest);
        self.entries.push_back((digest, compiled));
        let mut bytes: usize = self.entries.iter().map(|(_, compiled)| compiled.0.code_bytes).sum();
        while bytes > self.max_bytes {
            let Some((_, dropped)) = self.entries.pop_front() else { break };
            bytes -= dropped.0.code_bytes;
        }
    }
}

/// Everything that bears on determinism and containment, in one place.
fn engine_config(config: &Config) -> wasmtime::Config {
    let mut engine = wasmtime::Config::new();
    engine.wasm_features(WasmFeatures::all(), false);
    engine.wasm_features(FEATURES | WasmFeatures::COMPONENT_MODEL, true);
    engine.consume_fuel(true);
    // Growth calls the host. What it brings is charged by the byte (guest.rs), as memory.copy and the like are by default;
    // a page has 64 KiB or one byte.
    engine.operator_cost(OperatorCost { MemoryGrow: u8::MAX, ..OperatorCost::new() });
    engine.epoch_interruption(true);
    engine.max_wasm_stack(config.stack_max_bytes);
    engine.cranelift_opt_level(OptLevel::Speed);
    // Inside it costs 2 to 9 times; NaNs are made canonical where values leave the guest.
    engine.cranelift_nan_canonicalization(false);
    // A trap's class is all that is told, so no time goes into its backtrace.
    engine.wasm_backtrace_max_frames(None);
    engine.generate_address_map(false);
    engine.memory_init_cow(true);
    engine.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(config)));
    engine
}

/// Slots for `runs_max` runs: each holds one guest at a time, a component several core instances.
fn pool(config: &Config) -> PoolingAllocationConfig {
    let runs = config.runs_max.max(1);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(runs);
    pool.total_core_instances(runs.saturating_mul(caps::CORE_INSTANCES_MAX));
    pool.total_memories(runs.saturating_mul(caps::MEMORIES_PER_COMPONENT_MAX));
    pool.total_tables(runs.saturating_mul(caps::TABLES_PER_COMPONENT_MAX));
    pool.max_core_instances_per_component(caps::CORE_INSTANCES_MAX);
    pool.max_memories_per_component(caps::MEMORIES_PER_COMPONENT_MAX);
    pool.max_tables_per_component(caps::TABLES_PER_COMPONENT_MAX);
    pool.max_tables_per_module(caps::TABLES_MAX);
    pool.max_memories_per_module(1);
    pool.table_elements(usize::try_from(caps::TABLE_ELEMENTS_MAX).unwrap_or(usize::MAX));
    pool.max_memory_size(config.memory_max_bytes);
    pool.max_core_instance_size(4 << 20);
    pool.max_component_instance_size(8 << 20);
    // Off for secrecy, whatever it costs: wasmtime 48 resets only the pages that the scan finds written and present at that
    // instant. A dirty page that the kernel is just moving (compaction, NUMA balancing) or holds in swap is neither, and its
    // former content came back in the next instance. Without the scan no page is left to what the kernel says of it.
    pool.pagemap_scan(Enabled::No);
    // Memory protection keys are off, because they are not compiled in (tests/tests/layering.rs): with them a slot whose
    // image was mapped anew could be read from other slots.
    //
    // This much from the start of a memory is cleared by memset in every instance, written or not; what lies behind is given
    // back to the kernel. So it must stay small: 16 KiB cost 4 µs an instance, 1 MiB 16 µs.
    pool.linear_memory_keep_resident(16 << 10);
    pool.table_keep_resident(16 << 10);
    pool
}

/// One thread advances the epoch that deadlines and cancellation are checked at; it ends with the engine.
fn start_ticker(engine: &Engine) -> Result<(), SandboxError> {
    let engine = engine.weak();
    std::thread::Builder::new()
        .name("sandbox-ticker".to_owned())
        .spawn(move || {
            while let Some(engine) = engine.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(TICK);
            }
        })
        .map(drop)
        .map_err(host("start its clock"))
}

pub(crate) fn host<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> SandboxError {
    move |error| SandboxError::Host { what, detail: format!("{error:#}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel is not asked which pages a guest wrote: what it leaves out would reach the next guest.
    #[test]
    fn a_slot_is_reset_without_asking_the_kernel() {
        assert_eq!(pool(&Config::default()).get_pagemap_scan(), Enabled::No);
    }
}
