//! One person's story, drawn from the seed and the person's number alone: every table tells the same one.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, LogNormal, Normal, Pareto, Zipf};

use crate::hospital::SyntheticError;
use crate::icd10::ICD10;

/// Days since 1970-01-01 of 2016-01-01, when the first encounter may start, and how many days follow.
const FIRST_DAY: i32 = 16_801;
const DAYS: i32 = 3_653;
/// Nobody comes more often than every third day or so.
const ENCOUNTERS_MAX: f64 = 1_000.0;

pub(crate) const SEXES: [(&str, &str); 2] = [("F", "Female"), ("M", "Male")];
pub(crate) const REGIONS: usize = 30;
pub(crate) const DEPARTMENTS: [(&str, &str); 12] = [
    ("internal", "Internal medicine"),
    ("paediatrics", "Paediatrics"),
    ("surgery", "General surgery"),
    ("gynaecology", "Obstetrics and gynaecology"),
    ("orthopaedics", "Orthopaedics"),
    ("cardiology", "Cardiology"),
    ("ent", "Ear, nose and throat"),
    ("ophthalmology", "Ophthalmology"),
    ("dermatology", "Dermatology"),
    ("oncology", "Oncology"),
    ("psychiatry", "Psychiatry"),
    ("rare-diseases", "Rare diseases"),
];
pub(crate) const KINDS: [(&str, &str); 3] =
    [("outpatient", "Outpatient"), ("emergency", "Emergency"), ("inpatient", "Inpatient")];

/// Shapes of the distributions; one value for a whole table.
#[derive(Debug, Clone)]
pub(crate) struct Shapes {
    region: Zipf<f64>,
    department: Zipf<f64>,
    diagnosis: Zipf<f64>,
    encounters: Pareto<f64>,
    stay: Pareto<f64>,
    cost: LogNormal<f64>,
    height: [Normal<f64>; 2],
    bmi: LogNormal<f64>,
}

impl Shapes {
    /// Encounters a person follow a Pareto law with exponent 1.3 (a few persons hold a large share of the rows),
    /// diagnoses, departments and regions Zipf laws.
    pub(crate) fn new() -> Result<Self, SyntheticError> {
        let normal = |mean, deviation| Normal::new(mean, deviation).map_err(|_| SyntheticError::Shape);
        let log_normal = |mean, deviation| LogNormal::new(mean, deviation).map_err(|_| SyntheticError::Shape);
        let pareto = |exponent| Pareto::new(1.0, exponent).map_err(|_| SyntheticError::Shape);
        Ok(Self {
            region: zipf(REGIONS, 0.9)?,
            department: zipf(DEPARTMENTS.len(), 1.0)?,
            diagnosis: zipf(ICD10.len(), 1.2)?,
            encounters: pareto(1.3)?,
            stay: pareto(1.1)?,
            cost: log_normal(5.5, 1.2)?,
            height: [normal(158.0, 6.5)?, normal(171.0, 7.0)?],
            bmi: log_normal(3.18, 0.17)?,
        })
    }
}

fn zipf(length: usize, exponent: f64) -> Result<Zipf<f64>, SyntheticError> {
    Zipf::new(length as f64, exponent).map_err(|_| SyntheticError::Shape)
}

/// What the tables say of one person.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) number: u64,
    pub(crate) birth_day: i32,
    pub(crate) sex: usize,
    pub(crate) region: usize,
    pub(crate) insured: bool,
    pub(crate) height_cm: f64,
    pub(crate) weight_kg: Option<f64>,
    pub(crate) encounters: u32,
    seed: u64,
}

/// One visit or stay.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Encounter {
    pub(crate) day: i32,
    pub(crate) kind: usize,
    pub(crate) department: usize,
    pub(crate) stay_days: i64,
    pub(crate) cost_cny: f64,
    pub(crate) systolic_mmhg: Option<f64>,
    pub(crate) died: bool,
    /// Indexes into [`ICD10`]; at least one, the first is the principal diagnosis.
    pub(crate) diagnoses: [Option<usize>; 3],
}

impl Person {
    pub(crate) fn draw(shapes: &Shapes, seed: u64, number: u64) -> Self {
        let seed = mix(seed, number);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let sex = usize::from(rng.random_bool(0.49));
        let height_cm = shapes.height.get(sex).map_or(165.0, |shape| shape.sample(&mut rng)).clamp(120.0, 220.0);
        let bmi = shapes.bmi.sample(&mut rng).clamp(12.0, 70.0);
        let weight_kg = rng.random_bool(0.95).then_some(bmi * (height_cm / 100.0).powi(2));
        let encounters = shapes.encounters.sample(&mut rng).clamp(1.0, ENCOUNTERS_MAX) as u32;
        Self {
            number,
            birth_day: FIRST_DAY - rng.random_range(0..90 * 365),
            sex,
            region: rank(&shapes.region, &mut rng),
            insured: rng.random_bool(0.93),
            height_cm,
            weight_kg,
            encounters,
            seed,
        }
    }

    /// Encounter number `index` of this person; `index` is below `self.encounters`.
    pub(crate) fn encounter(&self, shapes: &Shapes, index: u32) -> Encounter {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(mix(self.seed, u64::from(index) + 1));
        let kind = match rng.random_range(0..100) {
            0..80 => 0,
            80..90 => 1,
            _ => 2,
        };
        let stay_days = if kind == 2 { shapes.stay.sample(&mut rng).min(365.0) as i64 } else { 0 };
        let mut diagnoses = [Some(rank(&shapes.diagnosis, &mut rng)), None, None];
        for further in diagnoses.iter_mut().skip(1) {
            if rng.random_bool(0.35) {
                *further = Some(rank(&shapes.diagnosis, &mut rng));
            }
        }
        Encounter {
            day: FIRST_DAY + rng.random_range(0..DAYS),
            kind,
            department: rank(&shapes.department, &mut rng),
            stay_days,
            cost_cny: shapes.cost.sample(&mut rng).min(1e7) * (1 + stay_days) as f64,
            systolic_mmhg: rng.random_bool(0.7).then(|| rng.random_range(90..190).into()),
            died: kind == 2 && rng.random_bool(0.02),
            diagnoses,
        }
    }
}

/// A rank from 0; [`Zipf`] counts from 1.
fn rank(shape: &Zipf<f64>, rng: &mut Xoshiro256PlusPlus) -> usize {
    (shape.sample(rng) as usize).saturating_sub(1)
}

/// SplitMix64's finaliser (Steele, Lea, Flood 2014), so that neighbouring numbers get unrelated seeds.
fn mix(seed: u64, number: u64) -> u64 {
    let mut z = seed ^ number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
