//! The only code, besides `http` and the crate's root, that names the platform.

pub mod alerts;
pub mod control;
pub mod d1;
pub mod environment;
pub mod export;
pub mod flag;
pub mod js;
pub mod kv;
pub mod ledger;
pub mod objects;
pub mod overlay;
#[cfg(feature = "panic-probe")]
mod panic_probe;
pub mod r2;
pub mod run_object;
pub mod run_world;
pub mod shadow;
pub mod shadow_object;
pub mod sql;
pub mod transfers;
pub mod versions;
pub mod wire;
