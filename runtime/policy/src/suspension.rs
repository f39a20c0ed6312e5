//! Who may suspend what, and who must consent before it goes on: one table, and the functions that walk it.
//!
//! Whoever runs the zone stops things at once, and starts none of them alone. That an organisation is the one concerned
//! is asked of the policies before (`policies/suspensions.cedar`).

use glovebox_catalog::text::is_plain;
use glovebox_catalog::{Principal, Role, Side, Suspended, SuspendedKind, Suspension, Timestamp, Voice};

use crate::PolicyError;

const REASON_CHARS_MAX: usize = 2_000;

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SuspensionRule {
    /// What is suspended.
    pub kind: SuspendedKind,
    /// For which side.
    pub by: Side,
    /// Who must consent, each by a different person: one side of every group.
    pub resumed_by: &'static [&'static [Side]],
}

const ZONE: &[Side] = &[Side::Operator, Side::SecurityOfficer];
/// The zone and the owner of the data.
const ZONE_AND_SUPPLIER: &[&[Side]] = &[ZONE, &[Side::Supplier]];
/// The zone and somebody who judges modules from outside: their authors have no say in whether they are safe.
const ZONE_AND_REVIEWER: &[&[Side]] = &[ZONE, &[Side::Reviewer]];
/// Two people of the zone with different roles.
const BOTH_OF_ZONE: &[&[Side]] = &[&[Side::Operator], &[Side::SecurityOfficer]];

const fn rule(kind: SuspendedKind, by: Side, resumed_by: &'static [&'static [Side]]) -> SuspensionRule {
    SuspensionRule { kind, by, resumed_by }
}

/// Everything that can be suspended, and how it goes on. What is not here can't be suspended. Suppliers suspend grants
/// by [`crate::suspend`], each for itself.
pub const SUSPENSION_RULES: &[SuspensionRule] = &[
    rule(SuspendedKind::Grant, Side::Operator, ZONE_AND_SUPPLIER),
    rule(SuspendedKind::Grant, Side::SecurityOfficer, ZONE_AND_SUPPLIER),
    rule(SuspendedKind::Dataset, Side::Supplier, &[&[Side::Supplier]]),
    rule(SuspendedKind::Dataset, Side::Operator, ZONE_AND_SUPPLIER),
    rule(SuspendedKind::Dataset, Side::SecurityOfficer, ZONE_AND_SUPPLIER),
    rule(SuspendedKind::Module, Side::Operator, ZONE_AND_REVIEWER),
    rule(SuspendedKind::Module, Side::SecurityOfficer, ZONE_AND_REVIEWER),
    rule(SuspendedKind::Organisation, Side::Operator, BOTH_OF_ZONE),
    rule(SuspendedKind::Organisation, Side::SecurityOfficer, BOTH_OF_ZONE),
    rule(SuspendedKind::Zone, Side::Operator, BOTH_OF_ZONE),
    rule(SuspendedKind::Zone, Side::SecurityOfficer, BOTH_OF_ZONE),
];

/// Records that `by` suspends it. Takes effect with the commit.
///
/// # Errors
/// [`PolicyError`] for somebody who has left or may not, without a reason, or when their side has suspended it already.
pub fn place_suspension(on: &mut Suspended, by: &Principal, reason: &str, now: Timestamp) -> Result<(), PolicyError> {
    let side = side_of(by, |side| SUSPENSION_RULES.iter().any(|rule| rule.kind == on.kind && rule.by == side))?;
    let reason = cleaned(reason);
    if reason.is_empty() {
        return Err(PolicyError::ReasonMissing);
    }
    if on.standing.iter().any(|standing| standing.by.side == side) {
        return Err(PolicyError::AlreadySuspended { what: on.path() });
    }
    let by = voice(by, side, reason, now);
    on.standing.push(told(on.kind, Suspension { by, consents: Vec::new(), waits_for: Vec::new() }));
    Ok(())
}

/// Records that `by` consents to everything that stands and still needs their side; what has all its consents is lifted.
///
/// # Errors
/// [`PolicyError`] for somebody who has left, whose side no suspension waits for, or who has consented already.
pub fn consent_to_resume(on: &mut Suspended, by: &Principal, reason: &str, now: Timestamp) -> Result<(), PolicyError> {
    if on.standing.is_empty() {
        return Err(PolicyError::NotSuspended { what: on.path() });
    }
    let kind = on.kind;
    let mut after = on.standing.clone();
    let mut counted = false;
    let mut fault = None;
    for standing in &mut after {
        if standing.consents.iter().any(|consent| consent.principal == by.id) {
            fault = Some(PolicyError::SamePerson);
            continue;
        }
        let side = side_of(by, |side| waits_for(kind, standing).iter().any(|group| group.contains(&side)));
        match side {
            Ok(side) => {
                standing.consents.push(voice(by, side, cleaned(reason), now));
                counted = true;
            }
            Err(error) => fault = fault.or(Some(error)),
        }
    }
    if let (false, Some(fault)) = (counted, fault) {
        return Err(fault);
    }
    after.retain(|standing| !waits_for(kind, standing).is_empty());
    on.standing = after.into_iter().map(|standing| told(kind, standing)).collect();
    Ok(())
}

/// The groups of sides of which nobody has consented yet.
fn waits_for(kind: SuspendedKind, standing: &Suspension) -> Vec<&'static [Side]> {
    let rule = SUSPENSION_RULES.iter().find(|rule| rule.kind == kind && rule.by == standing.by.side);
    // A suspension that no rule knows needs both of the zone, whatever the record says.
    let groups = rule.map_or(BOTH_OF_ZONE, |rule| rule.resumed_by);
    let mut open: Vec<&'static [Side]> = Vec::new();
    let mut left: Vec<Side> = standing.consents.iter().map(|consent| consent.side).collect();
    for group in groups {
        match left.iter().position(|side| group.contains(side)) {
            Some(at) => drop(left.remove(at)),
            None => open.push(group),
        }
    }
    open
}

/// The same, with the sides that it waits for written down.
fn told(kind: SuspendedKind, standing: Suspension) -> Suspension {
    let waits_for = waits_for(kind, &standing).into_iter().map(<[Side]>::to_vec).collect();
    Suspension { waits_for, ..standing }
}

fn side_of(by: &Principal, may: impl Fn(Side) -> bool) -> Result<Side, PolicyError> {
    if !by.active {
        return Err(PolicyError::Inactive);
    }
    let sides = [
        (Role::Operator, Side::Operator),
        (Role::SecurityOfficer, Side::SecurityOfficer),
        (Role::Supplier, Side::Supplier),
        (Role::Reviewer, Side::Reviewer),
    ];
    let held = sides.into_iter().filter(|(role, side)| by.roles.contains(role) && may(*side));
    held.map(|(_, side)| side).next().ok_or(PolicyError::NotTheirSide)
}

fn voice(by: &Principal, side: Side, reason: String, at: Timestamp) -> Voice {
    Voice { principal: by.id.clone(), organisation: by.organisation.clone(), side, reason, at }
}

fn cleaned(reason: &str) -> String {
    let kept: String = reason.chars().filter(|c| *c == '\n' || is_plain(*c)).take(REASON_CHARS_MAX).collect();
    kept.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::fixtures::{now, principal};

    const SIDES: [(Side, Role, &str); 4] = [
        (Side::Operator, Role::Operator, "zone-ops"),
        (Side::SecurityOfficer, Role::SecurityOfficer, "zone-ops"),
        (Side::Supplier, Role::Supplier, "hospital"),
        (Side::Reviewer, Role::Reviewer, "laboratory"),
    ];

    /// `number` tells persons of one side apart.
    fn person(side: Side, number: usize) -> Principal {
        let (_, role, organisation) = SIDES.into_iter().find(|(known, ..)| *known == side).unwrap();
        principal(&format!("{}-{number}", side.as_str()), organisation, &[role])
    }

    /// Every kind, every side that suspends, and every set of sides that consents: it goes on exactly when each group of
    /// the table has its consent.
    #[test]
    fn the_table_is_what_happens() {
        for kind in SuspendedKind::ALL {
            for (by, ..) in SIDES {
                let rule = SUSPENSION_RULES.iter().find(|rule| rule.kind == kind && rule.by == by);
                let mut on = Suspended::none(kind, "x");
                let placed = place_suspension(&mut on, &person(by, 0), "why", now());
                assert_eq!(placed.is_ok(), rule.is_some(), "{kind:?} by {by:?}");
                let Some(rule) = rule else { continue };
                for set in 0_u32..16 {
                    let sides: Vec<Side> =
                        (0..4).filter(|bit| set >> bit & 1 == 1).map(|bit| SIDES[bit as usize].0).collect();
                    let mut on = on.clone();
                    for side in &sides {
                        let _ = consent_to_resume(&mut on, &person(*side, 1), "fine", now());
                    }
                    let every_group = rule.resumed_by.iter().all(|group| group.iter().any(|side| sides.contains(side)));
                    assert_eq!(on.standing.is_empty(), every_group, "{kind:?} by {by:?} resumed by {sides:?}");
                }
            }
        }
    }

    #[test]
    fn whoever_runs_the_zone_starts_nothing_alone() {
        for rule in SUSPENSION_RULES.iter().filter(|rule| rule.by != Side::Supplier) {
            assert_eq!(rule.resumed_by.len(), 2, "{rule:?}");
            for side in [Side::Operator, Side::SecurityOfficer] {
                let mut on = Suspended::none(rule.kind, "x");
                place_suspension(&mut on, &person(rule.by, 0), "why", now()).unwrap();
                let alone = person(side, 1);
                let _ = consent_to_resume(&mut on, &alone, "fine", now());
                assert!(consent_to_resume(&mut on, &alone, "again", now()).is_err());
                // A second person of the same side is no other side.
                let _ = consent_to_resume(&mut on, &person(side, 2), "fine", now());
                assert_eq!(on.standing.len(), 1, "{rule:?} lifted by {side:?}");
            }
        }
    }

    #[test]
    fn one_person_with_two_roles_is_one_person() {
        let mut on = Suspended::none(SuspendedKind::Module, "x");
        place_suspension(&mut on, &person(Side::Operator, 0), "why", now()).unwrap();
        let both = principal("both", "laboratory", &[Role::Operator, Role::Reviewer]);
        consent_to_resume(&mut on, &both, "fine", now()).unwrap();
        assert_eq!(consent_to_resume(&mut on, &both, "fine", now()), Err(PolicyError::SamePerson));
        assert_eq!(on.standing.len(), 1);
    }

    #[test]
    fn each_suspension_is_lifted_for_itself() {
        let mut on = Suspended::none(SuspendedKind::Dataset, "table");
        place_suspension(&mut on, &person(Side::Supplier, 0), "a leak?", now()).unwrap();
        place_suspension(&mut on, &person(Side::Operator, 0), "a leak?", now()).unwrap();
        let again = place_suspension(&mut on, &person(Side::Operator, 1), "more", now());
        assert_eq!(again, Err(PolicyError::AlreadySuspended { what: "dataset/table".into() }));
        consent_to_resume(&mut on, &person(Side::Supplier, 1), "clear", now()).unwrap();
        let standing: BTreeSet<_> = on.standing.iter().map(|standing| standing.by.side).collect();
        assert_eq!(standing, BTreeSet::from([Side::Operator]));
        consent_to_resume(&mut on, &person(Side::SecurityOfficer, 0), "clear", now()).unwrap();
        assert!(on.standing.is_empty());
        let nothing = consent_to_resume(&mut on, &person(Side::Operator, 0), "", now());
        assert_eq!(nothing, Err(PolicyError::NotSuspended { what: "dataset/table".into() }));
    }

    #[test]
    fn a_reason_is_said_and_kept_clean() {
        let mut on = Suspended::none(SuspendedKind::Zone, "zone");
        assert_eq!(
            place_suspension(&mut on, &person(Side::Operator, 0), " \u{7}", now()),
            Err(PolicyError::ReasonMissing)
        );
        place_suspension(&mut on, &person(Side::Operator, 0), "drill\u{1b}[31m", now()).unwrap();
        assert_eq!(on.standing[0].by.reason, "drill[31m");
        let left = Principal { active: false, ..person(Side::SecurityOfficer, 0) };
        assert_eq!(consent_to_resume(&mut on, &left, "", now()), Err(PolicyError::Inactive));
    }
}
