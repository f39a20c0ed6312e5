//! Statistical tests of the mechanisms, each with a false alarm in a thousand million runs, and each shown to notice noise
//! of half the size.

mod attack;
mod distribution;
mod figures;
mod generator;
mod odds;
mod sensitivity;

use glovebox_catalog::{Epsilon, JobManifest, Privacy, Rho};

use crate::{Contribution, Reduced, Reduction};

/// A manifest of isolation `row` with one output; `keys` as JSON.
fn manifest(reducer: &serde_json::Value, keys: &serde_json::Value, contributions_max: u32) -> JobManifest {
    let mut output = reducer.clone();
    output["name"] = "figure".into();
    output["keys"] = keys.as_array().unwrap().iter().map(|key| key["name"].clone()).collect();
    let manifest = serde_json::json!({
        "abi": "glovebox:job@0.1.0", "name": "audit", "version": "1", "description": "noise under test",
        "isolation": "row", "inputs": [{"name": "x", "type": "float64"}], "keys": keys, "outputs": [output],
        "contributions_per_person_max": contributions_max,
    });
    JobManifest::parse(manifest.to_string().as_bytes()).unwrap()
}

/// One key of so many bands.
fn bands(count: u32) -> serde_json::Value {
    serde_json::json!([{"name": "band", "domain": {"bands": (0..=count).collect::<Vec<_>>()}}])
}

/// Contributions (person, cell, values), in any order.
fn reduce(manifest: &JobManifest, contributions: &[(u32, u32, Vec<f64>)]) -> Reduced {
    let mut contributions = contributions.to_vec();
    contributions.sort_by_key(|(person, ..)| *person);
    let mut reduction = Reduction::new(manifest).unwrap();
    for (person, cell, values) in &contributions {
        reduction.contribute(*person, Contribution { output: 0, cell: *cell, values }).unwrap();
    }
    reduction.finish()
}

fn laplace(epsilon: f64) -> Privacy {
    Privacy::Laplace { epsilon: Epsilon::new(epsilon).unwrap() }
}

fn gaussian(rho: f64) -> Privacy {
    Privacy::Gaussian { rho: Rho::new(rho).unwrap() }
}
