//! Names of files in arguments: where one may be in a word, and which names a pattern stands for.

/// Whether a pattern of file names matches a name: `*`, `?` and brackets, the last as if they matched anything.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let mut pattern = pattern.chars();
    match pattern.next() {
        None => name.is_empty(),
        // Several in a row are one; each of them would multiply the ways to try.
        Some('*') if pattern.as_str().starts_with('*') => matches(pattern.as_str(), name),
        Some('*') => (0..=name.len()).filter_map(|start| name.get(start..)).any(|rest| matches(pattern.as_str(), rest)),
        Some(character) => {
            let mut rest = name.chars();
            let Some(first) = rest.next() else { return false };
            match character {
                '[' => pattern.as_str().split_once(']').is_some_and(|(_, after)| matches(after, rest.as_str())),
                '?' => matches(pattern.as_str(), rest.as_str()),
                character => character == first.to_ascii_lowercase() && matches(pattern.as_str(), rest.as_str()),
            }
        }
    }
}

/// What may be a file in an argument: `--file=.env`, `@.env`, `KEY=@.env`, `-T.env`, `id=x,src=.env`.
pub(crate) fn candidates(text: &str) -> Vec<&str> {
    let after = |mark: char| text.split_once(mark).map(|(_, rest)| rest.trim_start_matches(['@', '<']));
    let attached = if text.starts_with('-') && !text.starts_with("--") { text.get(2..) } else { None };
    let all = [
        Some(text),
        text.strip_prefix('@'),
        after('='),
        after('@'),
        after(':'),
        attached,
        text.rsplit([',', '=']).next(),
    ];
    all.into_iter()
        .flatten()
        .filter(|candidate| !candidate.is_empty() && candidate.len() < 4096 && !candidate.contains('\n'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_a_shell_matches_them() {
        for (pattern, name) in [
            ("*", "abc"),
            (".e*", ".env"),
            (".?nv", ".env"),
            (".[de]nv", ".env"),
            ("*.toml", "default.toml"),
            (".env", ".ENV"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        assert!(!matches(&format!("{}x", "*".repeat(5_000)), "default.toml"));
        for (pattern, name) in [("*.rs", ".env"), (".e?", ".env"), ("", "a"), ("[a", "a")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
