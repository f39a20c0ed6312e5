//! Who plays in the demo: seven people of six organisations, each with a certificate of their own.

use glovebox_catalog::{OrganisationKind, Role};
use glovebox_client::Client;

use crate::zone::{Person, Zone, organisation};

const OPERATOR: (&str, &str, OrganisationKind) = ("zone-operator", "Operator of the zone", OrganisationKind::Operator);
const ORGANISATIONS: [(&str, &str, OrganisationKind); 5] = [
    ("hospital-a", "Hospital A 甲医院", OrganisationKind::Supplier),
    ("hospital-b", "Hospital B 乙医院", OrganisationKind::Supplier),
    ("company-c", "Company C 丙公司", OrganisationKind::Developer),
    ("review-board", "Review board 审查委员会", OrganisationKind::ReviewBoard),
    ("health-commission", "Health commission 卫健委", OrganisationKind::Regulator),
];

const fn person(id: &'static str, name: &'static str, organisation: &'static str, role: Role) -> Person {
    Person { id, name, organisation, role }
}

pub(crate) const OFFICER: Person = person("wang.min", "Wang Min 王敏", "zone-operator", Role::SecurityOfficer);
pub(crate) const RUNNER: Person = person("zhao.lei", "Zhao Lei 赵磊", "zone-operator", Role::Operator);
pub(crate) const SUPPLIER_A: Person = person("chen.jing", "Chen Jing 陈静", "hospital-a", Role::Supplier);
pub(crate) const SUPPLIER_B: Person = person("sun.hao", "Sun Hao 孙浩", "hospital-b", Role::Supplier);
pub(crate) const REVIEWER: Person = person("li.na", "Li Na 李娜", "review-board", Role::Reviewer);
pub(crate) const DEVELOPER: Person = person("lin.wei", "Lin Wei 林伟", "company-c", Role::Developer);
pub(crate) const REGULATOR: Person = person("he.yun", "He Yun 何云", "health-commission", Role::Regulator);

/// A client for each person.
pub(crate) struct Cast {
    pub(crate) operator: Client,
    pub(crate) supplier_a: Client,
    pub(crate) supplier_b: Client,
    pub(crate) reviewer: Client,
    pub(crate) developer: Client,
    pub(crate) regulator: Client,
}

impl Cast {
    /// A zone with an enclave that knows the security officer alone, and the officer's client.
    pub(crate) async fn open_zone(folder: &std::path::Path) -> anyhow::Result<(Zone, Client)> {
        let (id, name, kind) = OPERATOR;
        let mut zone = Zone::start(folder, organisation(id, name, kind)?, &OFFICER).await?;
        let officer = zone.admit(&OFFICER)?;
        Ok((zone, officer))
    }

    /// The security officer files everyone.
    pub(crate) async fn file(zone: &mut Zone, officer: &Client) -> anyhow::Result<Self> {
        for (id, name, kind) in ORGANISATIONS {
            officer.create_organisation(&organisation(id, name, kind)?).await?;
        }
        for person in [RUNNER, SUPPLIER_A, SUPPLIER_B, REVIEWER, DEVELOPER, REGULATOR] {
            officer.create_principal(&person.filed()?).await?;
        }
        Ok(Self {
            operator: zone.admit(&RUNNER)?,
            supplier_a: zone.admit(&SUPPLIER_A)?,
            supplier_b: zone.admit(&SUPPLIER_B)?,
            reviewer: zone.admit(&REVIEWER)?,
            developer: zone.admit(&DEVELOPER)?,
            regulator: zone.admit(&REGULATOR)?,
        })
    }
}
