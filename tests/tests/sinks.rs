//! Text of others where it could act: no write takes in a text outside of the repertoire, whichever member it stands in,
//! and no answer and no line of the log gives one back.

use bytes::Bytes;
use glovebox_catalog::text::is_plain;
use glovebox_server::ROUTES;
use serde_json::Value;

use crate::rest::zone::PEOPLE;
use crate::world::{Asked, World};

/// Turns lines round, hides in them, breaks them, clears a screen, and in eight bits.
const HOSTILE: [&str; 5] = ["\u{202e}", "\u{200b}", "\nx", "\u{1b}[2J", "\u{9b}2J"];
/// Members that take lines of text, in which a break is nothing else than one.
const LINES: [&str; 3] = ["description", "conditions", "comment"];

/// The places of all texts in a document.
fn texts(value: &Value, place: String, into: &mut Vec<String>) {
    match value {
        Value::String(_) => into.push(place),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| texts(item, format!("{place}/{at}"), into));
        }
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| texts(member, format!("{place}/{name}"), into));
        }
        _ => {}
    }
}

fn is_harmless(text: &str) -> bool {
    text.chars().all(|c| c == '\n' || c == '\u{fffd}' || is_plain(c))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_write_takes_in_what_acts_on_its_readers() {
    let world = World::start().await;
    let clients = ["officer", "supplier", "developer", "reviewer"]
        .map(|id| (id, world.zone.raw(Some(&world.zone.certificate(id)))));
    let (mut tried, mut wrong) = (0, Vec::new());
    for route in ROUTES.iter().filter(|route| route.method == "POST") {
        let Asked { path, content_type, body } = world.asked(route);
        let Ok(document) = serde_json::from_slice::<Value>(&body) else { continue };
        let mut places = Vec::new();
        texts(&document, String::new(), &mut places);
        for place in places {
            for hostile in HOSTILE {
                if hostile == "\nx" && LINES.iter().any(|member| place.ends_with(member)) {
                    continue;
                }
                let mut changed = document.clone();
                let text = changed.pointer_mut(&place).unwrap();
                *text = format!("{}{hostile}", text.as_str().unwrap()).into();
                for (who, client) in &clients {
                    let request = client.post(world.zone.url(&path)).header("content-type", content_type);
                    let answer = request.body(changed.to_string()).send().await.unwrap();
                    let (status, told) = (answer.status(), answer.text().await.unwrap());
                    tried += 1;
                    if status.is_success() || status.is_server_error() || !is_harmless(&told) {
                        wrong.push(format!("{who}: {} {place} with {hostile:?} gives {status} {told:?}", route.path));
                    }
                }
            }
        }
    }
    assert!(tried > 500, "{tried}");
    assert!(wrong.is_empty(), "{} of {tried}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(PEOPLE.len() > clients.len());

    let regulator = world.zone.raw(Some(&world.zone.certificate("regulator")));
    let log = regulator.get(world.zone.url("/v1/audit/export")).send().await.unwrap().text().await.unwrap();
    assert!(is_harmless(&log));
}

/// Nor does a path, a query or a header bring it back.
#[tokio::test(flavor = "multi_thread")]
async fn no_answer_gives_back_what_acts_on_its_readers() {
    let world = World::start().await;
    let client = world.zone.raw(Some(&world.zone.certificate("regulator")));
    for hostile in ["%E2%80%AE", "%1B%5B2J", "%0Ax", "%C2%9B2J", "%E2%80%8B"] {
        for path in [
            format!("/v1/jobs/{hostile}"),
            format!("/v1/jobs?cursor={hostile}"),
            format!("/v1/jobs?limit={hostile}"),
            format!("/v1/reviews?state={hostile}"),
            format!("/v1/audit/events?action={hostile}&{hostile}=1"),
            format!("/v1/datasets/x/snapshots/{hostile}/report"),
            format!("/v1/{hostile}"),
        ] {
            let answer = client.get(world.zone.url(&path)).body(Bytes::new()).send().await.unwrap();
            assert!(!answer.status().is_server_error(), "{path}");
            let told = answer.text().await.unwrap();
            assert!(is_harmless(&told), "{path} gives {told:?}");
        }
    }
}
