//! What a reviewer should not overlook in objects.

use std::collections::{BTreeMap, BTreeSet};

use dryrun_text::Words;

use crate::domain::effect::{Change, Image, Net};
use crate::domain::finding::{Finding, FindingKind, MAX_NAMED, Recorded};
use crate::domain::journal::Position;

/// Shortest object key that is looked for in rows; shorter ones are found in any text.
const MIN_REFERENCE_CHARS: usize = 4;

/// Planned objects of one store that planned changes name.
#[derive(Default)]
struct Planned<'a> {
    keys: Vec<&'a str>,
    named_in: BTreeSet<&'a str>,
    operations: BTreeSet<Position>,
}

/// Objects that the plan would create and that planned rows name: if only one of the two is made real, the row points
/// at nothing.
pub fn findings(recorded: &Recorded<'_>) -> Vec<Finding> {
    let mut stores: BTreeMap<&str, Planned<'_>> = BTreeMap::new();
    let objects = recorded
        .nets
        .iter()
        .filter(|net| net.effect.subject == "objects" && net.effect.change() == Some(Change::Inserted));
    for object in objects.filter(|object| object.effect.key.chars().count() >= MIN_REFERENCE_CHARS) {
        let named_in: Vec<&Net> = recorded
            .nets
            .iter()
            .filter(|net| {
                net.effect.subject != "objects"
                    && net.effect.after.as_ref().is_some_and(|image| names(image, &object.effect.key))
            })
            .collect();
        if named_in.is_empty() {
            continue;
        }
        let planned = stores.entry(object.effect.store.as_str()).or_default();
        planned.keys.push(&object.effect.key);
        planned.named_in.extend(named_in.iter().map(|net| net.effect.subject.as_str()));
        planned.operations.extend(&object.operations);
    }
    stores
        .into_iter()
        .map(|(store, Planned { keys, named_in, operations })| {
            let name = |data: &&str| Words::default().name(*data);
            let one = keys.len() == 1;
            let mut message = Words::new(if one { "The object " } else { "The objects " });
            message = message.join(keys.iter().take(MAX_NAMED).map(name), ", ");
            if keys.len() > MAX_NAMED {
                message = message.say(" and ").number(keys.len() - MAX_NAMED).say(" more");
            }
            let message = message
                .say(" in ")
                .name(store)
                .say(if one { " exists" } else { " exist" })
                .say(" only in this plan, and planned changes of ")
                .join(named_in.iter().map(name), ", ")
                .say(if one { " refer to it." } else { " refer to them." });
            let operations = operations.into_iter().collect();
            Finding { kind: FindingKind::ObjectOnlyInPlan, message, operations }
        })
        .collect()
}

fn names(image: &Image, key: &str) -> bool {
    image.values().any(|value| value.as_str().is_some_and(|text| text.contains(key)))
}
