//! What the tests of this crate share: a vault in a temporary folder, one dataset, and permits as the policies give them.

use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use futures::TryStreamExt;
use glovebox_catalog::{
    Budget, Capacity, Category, Code, Dataset, DatasetId, DatasetScope, Field, FieldType, Grade, GrantId, GrantTerms,
    Identifiability, InputColumn, InputType, JobManifest, LegalBasis, Organisation, OrganisationId, OrganisationKind,
    Principal, PrincipalId, Purpose, Recipient, Role, RowFilter, Schema, Sharing, Snapshot, Timestamp,
};
use glovebox_gm::Key256;
use glovebox_policy::{Authoriser, Permit, PermitRequest, decide, propose};

use crate::{IngestOptions, PlainBatch, RootKey, SourceFormat, Staged, Vault, VaultError};

const POLICIES: &str = concat!(
    include_str!("../../../policies/roles.cedar"),
    include_str!("../../../policies/datasets.cedar"),
    include_str!("../../../policies/grants.cedar"),
    include_str!("../../../policies/jobs.cedar"),
    include_str!("../../../policies/transfer.cedar"),
);
const POLICY_SCHEMA: &str = include_str!("../../../policies/schema.cedarschema");

/// A vault in a folder that goes away with it.
pub(crate) struct Zone {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) vault: Vault,
}

impl Zone {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::create(dir(folder.path()), &root_key(1)).unwrap();
        Self { folder, vault }
    }

    pub(crate) async fn ingest(&self, dataset: &Dataset, number: u32, csv: &[u8]) -> Result<Staged, VaultError> {
        let options = IngestOptions::default();
        self.vault.ingest(dataset, number, csv, SourceFormat::Csv, options, now()).await
    }

    /// Ingests and publishes.
    pub(crate) async fn publish(&self, dataset: &Dataset, number: u32, csv: &[u8]) -> Staged {
        let staged = self.ingest(dataset, number, csv).await.unwrap();
        self.vault.publish(&staged).unwrap();
        staged
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }
}

pub(crate) fn dir(path: &Path) -> Dir {
    Dir::open_ambient_dir(path, ambient_authority()).unwrap()
}

pub(crate) fn root_key(byte: u8) -> RootKey {
    RootKey::from_key(Key256::from_slice(&[byte; 32]).unwrap())
}

pub(crate) fn now() -> Timestamp {
    Timestamp::parse("2026-11-23T08:00:00Z").unwrap()
}

pub(crate) fn field(name: &str, field_type: FieldType) -> Field {
    Field {
        name: name.into(),
        description: String::new(),
        unit: None,
        field_type,
        nullable: false,
        grade: Grade::new(3).unwrap(),
        category: Category::HealthStatus,
        identifiability: Identifiability::Quasi,
    }
}

pub(crate) fn nullable(name: &str, field_type: FieldType) -> Field {
    Field { nullable: true, ..field(name, field_type) }
}

pub(crate) fn code(value: &str) -> Code {
    Code { value: value.into(), label: value.into() }
}

/// `id` text, `sex` code 1/2/9 or missing, `age` 0 to 120, `bmi` 10 to 80 or missing, `seen` date or missing,
/// `smoker` boolean or missing, `note` text or missing.
pub(crate) fn dataset() -> Dataset {
    let id = Field { identifiability: Identifiability::Direct, ..field("id", FieldType::Text) };
    let sex = FieldType::Code { codes: vec![code("1"), code("2"), code("9")] };
    dataset_of(vec![
        id,
        nullable("sex", sex),
        field("age", FieldType::Int64 { min: Some(0), max: Some(120) }),
        nullable("bmi", FieldType::Float64 { min: Some(10.0), max: Some(80.0) }),
        nullable("seen", FieldType::Date),
        nullable("smoker", FieldType::Boolean),
        nullable("note", FieldType::Text),
    ])
}

/// A dataset of these fields; the first is the person key.
pub(crate) fn dataset_of(fields: Vec<Field>) -> Dataset {
    Dataset {
        id: DatasetId::new("ward").unwrap(),
        supplier: OrganisationId::new("hospital").unwrap(),
        title: "A ward".into(),
        description: String::new(),
        category: Category::HealthStatus,
        grade: Grade::new(3).unwrap(),
        sharing: Sharing::Conditional,
        conditions: String::new(),
        update_period_days: None,
        source: "made up".into(),
        licence: "CC0-1.0".into(),
        privacy: None,
        limits: glovebox_catalog::DatasetLimits::default(),
        assessment: None,
        schema: Schema { person_key: fields[0].name.clone(), fields },
    }
}

pub(crate) fn input(name: &str, input_type: InputType, nullable: bool) -> InputColumn {
    InputColumn { name: name.into(), input_type, nullable }
}

pub(crate) fn codes(list: &[&str]) -> InputType {
    InputType::Code(list.iter().map(|code| (*code).to_owned()).collect())
}

fn principal(id: &str, organisation: &str, role: Role) -> Principal {
    Principal {
        id: PrincipalId::new(id).unwrap(),
        name: id.into(),
        organisation: OrganisationId::new(organisation).unwrap(),
        roles: [role].into(),
        active: true,
    }
}

const BUDGET: Budget = Budget {
    jobs_max: 10,
    releases_max: 10,
    claims_max: 1 << 40,
    cells_max: 100,
    bytes_out_max: 100_000,
    fuel_max_units: 1_000_000_000,
    rows_max: 1_000_000_000,
    leakage_bits_max: 1_000_000,
    epsilon_max: glovebox_catalog::Epsilon::ZERO,
};

/// A permit for `inputs` of `snapshot`, by the whole way: grant proposed, approved twice, authorised.
pub(crate) fn permit(
    dataset: &Dataset,
    snapshot: &Snapshot,
    inputs: Vec<InputColumn>,
    filter: Option<RowFilter>,
) -> Permit {
    let developer = principal("dev", "company", Role::Developer);
    let organisation = |id: &str, kind| Organisation {
        id: OrganisationId::new(id).unwrap(),
        name: id.into(),
        kind,
        jurisdiction: "CN".into(),
    };
    let organisations = [
        organisation("hospital", OrganisationKind::Supplier),
        organisation("company", OrganisationKind::Developer),
        organisation("laboratory", OrganisationKind::ReviewBoard),
    ];
    let terms = GrantTerms {
        title: "A question".into(),
        purpose: Purpose::Research,
        basis: LegalBasis::SeparateConsent,
        scopes: vec![DatasetScope {
            dataset: dataset.id.clone(),
            fields: inputs.iter().map(|input| input.name.clone()).collect(),
            filter,
        }],
        valid_from: now(),
        valid_until: now().plus_days(30),
        recipients: vec![Recipient { organisation: developer.organisation.clone(), jurisdiction: "CN".into() }],
        budget: BUDGET,
        disclosure_profile: "default".into(),
        isolations: glovebox_catalog::automatic_isolations(),
        review_required: false,
        agreement_sm3: "a".repeat(64),
    };
    let id = GrantId::new("grt-1").unwrap();
    let mut grant = propose(id, terms, &developer, std::slice::from_ref(dataset), &organisations, now()).unwrap();
    let supplier = principal("sup", "hospital", Role::Supplier);
    decide(&mut grant, &supplier, Capacity::Supplier, true, "", now()).unwrap();
    let reviewer = principal("rev", "laboratory", Role::Reviewer);
    decide(&mut grant, &reviewer, Capacity::Reviewer, true, "", now()).unwrap();
    let manifest = serde_json::json!({
        "abi": glovebox_catalog::ABI_VERSION, "name": "question", "version": "1.0.0", "description": "",
        "isolation": "person", "inputs": inputs,
        "outputs": [{"name": "persons", "reducer": "distinct-persons"}],
        "contributions_per_person_max": 1
    });
    let manifest = JobManifest::parse(manifest.to_string().as_bytes()).unwrap();
    let authoriser = Authoriser::new(POLICIES, POLICY_SCHEMA).unwrap();
    let request = PermitRequest {
        principal: &developer,
        grant: &grant,
        dataset,
        snapshot,
        manifest: &manifest,
        uses_so_far: 0,
        now: now(),
        address: None,
    };
    authoriser.permit(request).unwrap()
}

/// Every batch of what `permit` opens.
pub(crate) async fn read(vault: &Vault, permit: &Permit) -> Result<Vec<PlainBatch>, VaultError> {
    vault.open_view(permit)?.batches().try_collect().await
}

/// One row of a batch as text: the ordinal, then each column, empty for missing.
pub(crate) fn lines(batches: &[PlainBatch]) -> Vec<String> {
    use arrow::util::display::{ArrayFormatter, FormatOptions};
    let options = FormatOptions::default();
    let mut lines = Vec::new();
    for batch in batches {
        let columns: Vec<_> =
            batch.columns().columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        for (row, ordinal) in batch.ordinals().iter().enumerate() {
            let values: Vec<String> = columns.iter().map(|column| column.value(row).to_string()).collect();
            lines.push(format!("{ordinal}: {}", values.join(",")));
        }
    }
    lines
}
