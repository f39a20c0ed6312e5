//! What a call costs when the instance is kept from person to person, which Glovebox never does: the ground below.

use anyhow::{Result, anyhow};
use wasmtime::component::{Component, Linker as ComponentLinker, TypedFunc as ComponentFunc};
use wasmtime::{Config, Engine, Instance, Module, Store, TypedFunc};

use crate::guest;

/// An instance that is called again and again, with fuel and epochs counted as in the sandbox.
pub struct Kept {
    store: Store<()>,
    empty: TypedFunc<(), ()>,
}

/// The same for a component.
pub struct KeptComponent {
    store: Store<()>,
    empty: ComponentFunc<(), ()>,
}

impl Kept {
    /// The `person` guest, instantiated once.
    ///
    /// # Errors
    /// When it can't be.
    pub fn new() -> Result<Self> {
        let engine = engine()?;
        let mut store = store(&engine)?;
        let module = Module::new(&engine, wat::parse_str(guest::person(""))?).map_err(fault)?;
        let instance = Instance::new(&mut store, &module, &[]).map_err(fault)?;
        let empty = instance.get_typed_func(&mut store, "empty").map_err(fault)?;
        Ok(Self { store, empty })
    }

    /// One call that does nothing.
    ///
    /// # Errors
    /// When the guest traps.
    pub fn call(&mut self) -> Result<()> {
        self.empty.call(&mut self.store, ()).map_err(fault)
    }
}

impl KeptComponent {
    /// A component, instantiated once.
    ///
    /// # Errors
    /// When it can't be.
    pub fn new() -> Result<Self> {
        let engine = engine()?;
        let mut store = store(&engine)?;
        let component = Component::new(&engine, wat::parse_str(guest::EMPTY_COMPONENT)?).map_err(fault)?;
        let instance = ComponentLinker::new(&engine).instantiate(&mut store, &component).map_err(fault)?;
        let empty = instance.get_typed_func(&mut store, "empty").map_err(fault)?;
        Ok(Self { store, empty })
    }

    /// One call that does nothing.
    ///
    /// # Errors
    /// When the guest traps.
    pub fn call(&mut self) -> Result<()> {
        self.empty.call(&mut self.store, ()).map_err(fault)
    }
}

fn engine() -> Result<Engine> {
    let mut config = Config::new();
    config.consume_fuel(true);
    config.epoch_interruption(true);
    Engine::new(&config).map_err(fault)
}

fn store(engine: &Engine) -> Result<Store<()>> {
    let mut store = Store::new(engine, ());
    store.set_fuel(u64::MAX).map_err(fault)?;
    store.set_epoch_deadline(u64::MAX / 2);
    Ok(store)
}

fn fault(error: wasmtime::Error) -> anyhow::Error {
    anyhow!("{error:#}")
}
