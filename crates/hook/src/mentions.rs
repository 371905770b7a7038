//! What a text that is not parsed speaks of: the last resort for code in other languages, and for what no shell would
//! understand.

/// Hosts of Cloudflare's API and of R2.
const HOSTS: [&str; 5] =
    ["api.cloudflare.com", "cloudflarestorage.com", "dash.cloudflare.com", "cloudflareclient.com", "upload.cloudflare"];
/// What code uses that talks to Cloudflare as the credentials around it allow.
const CLIENTS: [&str; 9] = [
    "from 'cloudflare'",
    "from \"cloudflare\"",
    "require('cloudflare')",
    "require(\"cloudflare\")",
    "import cloudflare",
    "from cloudflare",
    "cloudflare_api_token",
    "cf_api_token",
    "cloudflare_api_key",
];

/// A host of Cloudflare's that a text names.
pub(crate) fn host(text: &str) -> Option<&'static str> {
    let text = plain(text);
    HOSTS.into_iter().find(|host| text.contains(host))
}

/// Lower case, with the characters that programs read as dots, and percent-encoding undone.
fn plain(text: &str) -> String {
    unescaped(text).to_lowercase().replace(['\u{3002}', '\u{ff0e}', '\u{ff61}'], ".")
}

/// A text with percent-encoding undone.
pub(crate) fn unescaped(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while let Some(byte) = bytes.get(index) {
        let code = (*byte == b'%')
            .then(|| text.get(index + 1..index + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(code.unwrap_or(*byte));
        index += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Whether a text runs wrangler: its name as a word that is no file or package next to it.
pub(crate) fn wrangler(text: &str) -> bool {
    let text = text.to_lowercase();
    let mut rest = text.as_str();
    let mut before = None;
    while let Some((head, tail)) = rest.split_once("wrangler") {
        let left = head.chars().next_back().or(if head.is_empty() { before } else { None });
        let right = tail.chars().next();
        let is_part = |character: Option<char>| {
            character.is_some_and(|character| character.is_ascii_alphanumeric() || character == '_')
        };
        let names_a_file =
            [".toml", ".json", ".jsonc", "-", "@types"].iter().any(|end| tail.starts_with(end)) || left == Some('.');
        if !is_part(left) && left != Some('-') && !is_part(right) && !names_a_file {
            return true;
        }
        before = Some('r');
        rest = tail;
    }
    false
}

/// What code would talk to Cloudflare with.
pub(crate) fn client(text: &str) -> Option<&'static str> {
    let text = text.to_lowercase();
    CLIENTS.into_iter().find(|client| text.contains(client))
}

/// What a command that is not understood speaks of.
pub(crate) fn of_command(text: &str) -> Option<&'static str> {
    if text.to_lowercase().contains("wrangler") {
        return Some("wrangler");
    }
    host(text).or_else(|| client(text)).or_else(|| text.to_lowercase().contains("cloudflare").then_some("Cloudflare"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found_however_they_are_spelled() {
        for text in [
            "https://API.Cloudflare.com/x",
            "api%2ecloudflare.com",
            "api。cloudflare。com",
            "x.r2.cloudflarestorage.com.",
        ] {
            assert!(host(text).is_some(), "{text}");
        }
        for text in ["https://developers.cloudflare.com/d1", "https://example.com", "%zz%"] {
            assert_eq!(host(text), None, "{text}");
        }
    }

    #[test]
    fn wrangler_is_a_program_and_not_its_configuration() {
        for text in [
            "wrangler deploy",
            "execSync('wrangler deploy')",
            "npx wrangler@4 deploy",
            "./node_modules/.bin/wrangler",
            "wrangler",
        ] {
            assert!(wrangler(text), "{text}");
        }
        for text in
            ["wrangler.toml", "cat wrangler.jsonc", "wranglers", "my-wrangler-app", ".wrangler/state", "strangler"]
        {
            assert!(!wrangler(text), "{text}");
        }
    }
}
