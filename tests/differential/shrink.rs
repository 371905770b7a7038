//! Makes a sequence that shows a mismatch small.

use crate::oracle::Oracle;
use crate::sequence::{Step, prepared};
use crate::show::Mismatch;

/// Plays a sequence again.
pub(crate) type Play<'a> = dyn FnMut(&[String], &Oracle, &[Step]) -> Option<Mismatch> + 'a;

/// Leaves out whatever the mismatch does not need. `play` plays a sequence on a fresh database and says what differs.
pub(crate) fn shrink(
    play: &mut Play<'_>,
    mut setup: Vec<String>,
    mut steps: Vec<Step>,
    mut mismatch: Mismatch,
) -> (Vec<String>, Vec<Step>, Mismatch) {
    let kind = |mismatch: &Mismatch| mismatch.what.split(' ').next().unwrap_or_default().to_owned();
    let wanted = kind(&mismatch);
    let mut again = |setup: &[String], steps: &[Step]| {
        let (oracle, setup) = prepared(setup);
        play(&setup, &oracle, steps).filter(|mismatch| kind(mismatch) == wanted).map(|mismatch| (setup, mismatch))
    };
    let mut tries = 200;
    let single: Vec<String> = setup.iter().flat_map(|sql| rows_apart(sql)).collect();
    if let Some((taken, found)) = again(&single, &steps) {
        (setup, mismatch) = (taken, found);
    }
    let mut size = steps.len().max(setup.len());
    while size > 0 && tries > 0 {
        for what in [true, false] {
            let mut at = 0;
            loop {
                let length = if what { steps.len() } else { setup.len() };
                if at >= length || tries == 0 {
                    break;
                }
                tries -= 1;
                let rest =
                    |from: usize| (from..length).filter(|place| *place < at || *place >= at + size).collect::<Vec<_>>();
                let (tried_steps, tried_setup): (Vec<Step>, Vec<String>) = if what {
                    (rest(0).into_iter().map(|place| steps[place].clone()).collect(), setup.clone())
                } else {
                    (steps.clone(), rest(0).into_iter().map(|place| setup[place].clone()).collect())
                };
                match again(&tried_setup, &tried_steps) {
                    Some((taken, found)) => (setup, steps, mismatch) = (taken, tried_steps, found),
                    None => at += size,
                }
            }
        }
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
    let mut place = (0, 0);
    while let Some(step) = steps.get(place.0) {
        if step.0.len() < 2 || place.1 >= step.0.len() || tries == 0 {
            place = (place.0 + 1, 0);
            continue;
        }
        tries -= 1;
        let mut tried = steps.clone();
        tried[place.0].0.remove(place.1);
        match again(&setup, &tried) {
            Some((_, found)) => (steps, mismatch) = (tried, found),
            None => place.1 += 1,
        }
    }
    (setup, steps, mismatch)
}

/// An INSERT of several rows as one for each row.
fn rows_apart(sql: &str) -> Vec<String> {
    let Some((head, values)) = sql.split_once(" VALUES ").filter(|(head, _)| head.starts_with("INSERT")) else {
        return vec![sql.to_owned()];
    };
    let mut rows: Vec<String> = vec![String::new()];
    let (mut depth, mut quoted) = (0, false);
    for letter in values.chars() {
        match letter {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                rows.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(row) = rows.last_mut() {
            row.push(letter);
        }
    }
    rows.iter().map(|row| format!("{head} VALUES {}", row.trim())).collect()
}
