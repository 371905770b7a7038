//! Who is asking: keys of people and agents, and the tokens of runs.
//!
//! A key is `drk_<environment>_<secret>`; the gateway knows only its SHA-256. A run token is
//! `drt_<environment>_<payload>.<signature>`: it names one run, its owner, its environment and its end, and is worth
//! nothing anywhere else. The environment stands in the clear so that somebody who brings the wrong one can be told.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use super::refusal::{Code, Problem};
use super::run::{Millis, RunId};
use super::settings::Environment;

/// What the bearer of a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Opens runs and works in them.
    Agent,
    /// Reviews, and may open a live run in production.
    Approver,
    /// Sees alerts and every run.
    Operator,
}

impl Role {
    /// The spelling on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Approver => "approver",
            Self::Operator => "operator",
        }
    }
}

/// One entry of the secret `KEYS`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyEntry {
    /// Who it belongs to; the owner of the runs that it opens.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// SHA-256 of the whole key, in hex.
    pub sha256: String,
}

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// The bearer of a key.
    Key {
        /// The key's name.
        name: String,
        /// Its role.
        role: Role,
    },
    /// The bearer of a run's token.
    Run(RunClaim),
}

/// What a run token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunClaim {
    /// The run.
    #[serde(rename = "r")]
    pub run: RunId,
    /// The key that opened it.
    #[serde(rename = "o")]
    pub owner: String,
    /// When it ends.
    #[serde(rename = "x")]
    pub expires_at: Millis,
}

/// What the address of an import or export says: whoever has it may send or fetch this one file, for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferClaim {
    /// The run.
    #[serde(rename = "r")]
    pub run: RunId,
    /// The key that opened it.
    #[serde(rename = "o")]
    pub owner: String,
    /// The binding of the database.
    #[serde(rename = "s")]
    pub store: String,
    /// The file.
    #[serde(rename = "f")]
    pub file: String,
    /// MD5 of a file that is to be sent, in hex; absent for one that is to be fetched.
    #[serde(rename = "m", default)]
    pub md5: Option<String>,
    /// When it ends.
    #[serde(rename = "x")]
    pub expires_at: Millis,
}

/// The secrets that callers are checked against. Empty or missing secrets let nobody in.
#[derive(Clone)]
pub struct Keyring {
    environment: Environment,
    keys: Vec<KeyEntry>,
    token_secret: String,
}

/// The purpose of an address. A payload has no colon, so it never passes for that of a token.
const TRANSFER: &str = "transfer:";
/// A shorter signing secret than a SHA-256 block's half is guessable; the set-up generates 64 hex characters.
const MIN_TOKEN_SECRET_BYTES: usize = 32;

impl Keyring {
    /// Reads the secrets `KEYS` and `TOKEN_SECRET`. A missing `KEYS` is an empty list; one that is not understood is a
    /// fault, because half a list would lock out the wrong people.
    pub fn parse(environment: Environment, keys: Option<&str>, token_secret: Option<&str>) -> Result<Self, Problem> {
        let misconfigured = |name: &str| {
            Problem::new(
                Code::Misconfigured,
                format!("The gateway's secret {name} is not valid, so every request is refused."),
                "An operator must set it again: see Credentials in the README.",
            )
        };
        let keys: Vec<KeyEntry> = match keys.map(str::trim).filter(|text| !text.is_empty()) {
            None => Vec::new(),
            Some(text) => serde_json::from_str(text).map_err(|error| misconfigured("KEYS").caused_by(error))?,
        };
        let is_hash = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if keys.iter().any(|key| !is_hash(&key.sha256) || key.name.is_empty()) {
            return Err(misconfigured("KEYS"));
        }
        Ok(Self { environment, keys, token_secret: token_secret.unwrap_or_default().to_owned() })
    }

    /// Who `bearer` is.
    pub fn authenticate(&self, bearer: &str, now: Millis) -> Result<Caller, Problem> {
        let (family, rest) = if let Some(rest) = bearer.strip_prefix("drk_") {
            (Family::Key, rest)
        } else if let Some(rest) = bearer.strip_prefix("drt_") {
            (Family::Token, rest)
        } else {
            return Err(unauthenticated());
        };
        let (home, secret) = rest.split_once('_').ok_or_else(unauthenticated)?;
        let home = Environment::parse(home).ok_or_else(unauthenticated)?;
        if home != self.environment {
            return Err(Problem::new(
                Code::WrongEnvironment,
                format!(
                    "This credential belongs to {home}; this gateway is {}. Nothing was read or written.",
                    self.environment
                ),
                format!("Use a credential of {}, or the gateway of {home}.", self.environment),
            ));
        }
        match family {
            Family::Key => self.key(bearer),
            Family::Token => self.token(secret, now),
        }
    }

    fn key(&self, bearer: &str) -> Result<Caller, Problem> {
        let digest = hex::encode(Sha256::digest(bearer.as_bytes()));
        // Every entry is compared whole, so that the time taken says nothing about where a match is.
        let mut found = None;
        for entry in &self.keys {
            let same: Choice = entry.sha256.to_ascii_lowercase().as_bytes().ct_eq(digest.as_bytes());
            if bool::from(same) {
                found = Some(entry);
            }
        }
        found.map(|entry| Caller::Key { name: entry.name.clone(), role: entry.role }).ok_or_else(unauthenticated)
    }

    fn token(&self, signed: &str, now: Millis) -> Result<Caller, Problem> {
        let claim: RunClaim = self.verify("", signed)?;
        self.still_known(&claim.owner)?;
        if now >= claim.expires_at {
            return Err(Problem::new(
                Code::RunExpired,
                format!("The token of the run {} has expired; nothing was read or written.", claim.run),
                "Open a new run with POST /v1/runs.",
            ));
        }
        Ok(Caller::Run(claim))
    }

    /// What the address of an import or export stands for.
    pub fn transfer(&self, signed: &str, now: Millis) -> Result<TransferClaim, Problem> {
        let claim: TransferClaim = self.verify(TRANSFER, signed)?;
        self.still_known(&claim.owner)?;
        if now >= claim.expires_at {
            return Err(Problem::new(
                Code::RunExpired,
                "This address has expired; nothing was read or written.",
                "Begin the import or export again.",
            ));
        }
        Ok(claim)
    }

    /// Taking a key away takes the runs of its owner away too.
    fn still_known(&self, owner: &str) -> Result<(), Problem> {
        if self.keys.iter().any(|key| key.name == owner) { Ok(()) } else { Err(unauthenticated()) }
    }

    /// Reads what [`Self::sign`] signed for the same purpose.
    fn verify<T: DeserializeOwned>(&self, purpose: &str, signed: &str) -> Result<T, Problem> {
        let (payload, signature) = signed.split_once('.').ok_or_else(unauthenticated)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|error| unauthenticated().caused_by(error))?;
        self.signer(purpose, payload)
            .ok_or_else(unauthenticated)?
            .verify_slice(&signature)
            .map_err(|error| unauthenticated().caused_by(error))?;
        let payload = URL_SAFE_NO_PAD
            .decode(payload)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(unauthenticated)?;
        serde_json::from_str(&payload).map_err(|error| unauthenticated().caused_by(error))
    }

    fn sign<T: Serialize>(&self, purpose: &str, claim: &T) -> Result<String, Problem> {
        let payload = serde_json::to_string(claim).map_err(Problem::broken)?;
        let payload = URL_SAFE_NO_PAD.encode(payload);
        self.can_issue()?;
        let signature = self
            .signer(purpose, &payload)
            .ok_or_else(|| Problem::broken("no secret to sign with"))?
            .finalize()
            .into_bytes();
        Ok(format!("{payload}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// Whether tokens can be signed: asked before a run is opened, so that there is no run without a token.
    pub fn can_issue(&self) -> Result<(), Problem> {
        self.signer("", "").map(|_| ()).ok_or_else(|| {
            Problem::new(
                Code::Misconfigured,
                "The gateway has no secret TOKEN_SECRET of at least 32 characters, so it opens no runs.",
                "An operator must set it: see Credentials in the README.",
            )
        })
    }

    /// Whether there is a key that opens runs.
    pub fn can_open_runs(&self) -> Result<(), Problem> {
        if self.keys.iter().any(|key| matches!(key.role, Role::Agent | Role::Approver)) {
            return Ok(());
        }
        Err(Problem::new(
            Code::Misconfigured,
            "The gateway's secret KEYS has no key of an agent or approver, so nobody can open a run.",
            "An operator must set it: see Credentials in the README.",
        ))
    }

    /// Signs a run's token.
    pub fn issue(&self, claim: &RunClaim) -> Result<String, Problem> {
        Ok(format!("drt_{}_{}", self.environment, self.sign("", claim)?))
    }

    /// Signs the address of an import or export.
    pub fn issue_transfer(&self, claim: &TransferClaim) -> Result<String, Problem> {
        self.sign(TRANSFER, claim)
    }

    /// The environment is part of what is signed: two environments that were given the same secret by mistake still do
    /// not accept each other's tokens. So is the purpose: an address is no token.
    fn signer(&self, purpose: &str, payload: &str) -> Option<Hmac<Sha256>> {
        if self.token_secret.len() < MIN_TOKEN_SECRET_BYTES {
            return None;
        }
        let mut signer = Hmac::<Sha256>::new_from_slice(self.token_secret.as_bytes()).ok()?;
        signer.update(self.environment.as_str().as_bytes());
        signer.update(b".");
        signer.update(purpose.as_bytes());
        signer.update(payload.as_bytes());
        Some(signer)
    }
}

enum Family {
    Key,
    Token,
}

/// The answer to every credential that is not understood: it does not say what was wrong with it.
pub fn unauthenticated() -> Problem {
    Problem::new(
        Code::Unauthenticated,
        "The request has no valid credential; nothing was read or written.",
        "Send Authorization: Bearer with a key (drk_…) or a run token (drt_…) of this environment.",
    )
}

/// The refusal of a role that may not do this.
pub fn forbidden(what: &str, who: &str) -> Problem {
    Problem::new(Code::Forbidden, format!("This credential may not {what}."), format!("Use a credential of {who}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &str = "drk_staging_secret";

    fn keyring(environment: Environment) -> Keyring {
        let sha256 = hex::encode(Sha256::digest(KEY.as_bytes()));
        let keys = format!(r#"[{{"name":"desk","role":"agent","sha256":"{sha256}"}}]"#);
        Keyring::parse(environment, Some(&keys), Some(&"s".repeat(32))).unwrap()
    }

    fn claim() -> RunClaim {
        RunClaim { run: RunId::parse("r1").unwrap(), owner: "desk".into(), expires_at: 100 }
    }

    #[test]
    fn a_key_is_known_by_its_hash() {
        let caller = keyring(Environment::Staging).authenticate(KEY, 0).unwrap();
        assert_eq!(caller, Caller::Key { name: "desk".into(), role: Role::Agent });
    }

    #[test]
    fn somebody_can_open_a_run_only_with_the_key_of_an_agent_or_approver() {
        let can = |roles: &[&str]| {
            let key = |role: &&str| format!(r#"{{"name":"{role}","role":"{role}","sha256":"{}"}}"#, "0".repeat(64));
            let keys = format!("[{}]", roles.iter().map(key).collect::<Vec<_>>().join(","));
            Keyring::parse(Environment::Staging, Some(&keys), None).unwrap().can_open_runs().is_ok()
        };
        assert_eq!(
            [can(&[]), can(&["operator"]), can(&["operator", "agent"]), can(&["approver"])],
            [false, false, true, true]
        );
    }

    #[test]
    fn a_token_names_its_run_until_it_expires() {
        let keyring = keyring(Environment::Staging);
        let token = keyring.issue(&claim()).unwrap();
        assert_eq!(keyring.authenticate(&token, 99).unwrap(), Caller::Run(claim()));
        assert_eq!(keyring.authenticate(&token, 100).unwrap_err().code, Code::RunExpired);
    }

    #[test]
    fn the_run_token_format_unchanged() {
        let keyring = keyring(Environment::Staging);
        let pinned = expect_test::expect![
            "drt_staging_eyJyIjoicjEiLCJvIjoiZGVzayIsIngiOjEwMH0.rzHYYi2Y9zEsuZCxOsQn6w0qe0qzOZ73LEpCUDHnPA4"
        ];
        pinned.assert_eq(&keyring.issue(&claim()).unwrap());
    }

    #[test]
    fn a_credential_of_the_other_environment_is_told_so() {
        let token = keyring(Environment::Staging).issue(&claim()).unwrap();
        for bearer in [KEY, &token] {
            assert_eq!(
                keyring(Environment::Production).authenticate(bearer, 0).unwrap_err().code,
                Code::WrongEnvironment
            );
        }
    }

    #[test]
    fn a_token_relabelled_for_another_environment_with_the_same_secret_is_worthless() {
        let token = keyring(Environment::Staging).issue(&claim()).unwrap();
        let forged = token.replace("drt_staging_", "drt_production_");
        assert_eq!(keyring(Environment::Production).authenticate(&forged, 0).unwrap_err().code, Code::Unauthenticated);
    }

    #[test]
    fn unset_or_short_secrets_let_nobody_in_and_open_nothing() {
        for secret in [None, Some(""), Some("short")] {
            let keyring = Keyring::parse(Environment::Staging, None, secret).unwrap();
            assert_eq!(keyring.authenticate(KEY, 0).unwrap_err().code, Code::Unauthenticated);
            assert_eq!(keyring.issue(&claim()).unwrap_err().code, Code::Misconfigured);
            let forged = format!("drt_staging_{}.", URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claim()).unwrap()));
            assert_eq!(keyring.authenticate(&forged, 0).unwrap_err().code, Code::Unauthenticated);
        }
        assert!(Keyring::parse(Environment::Staging, Some("{"), None).is_err());
        assert!(
            Keyring::parse(Environment::Staging, Some(r#"[{"name":"a","role":"agent","sha256":""}]"#), None).is_err()
        );
    }

    proptest! {
        #[test]
        fn nothing_but_the_token_itself_is_accepted(position in 0usize..200, byte: u8) {
            let keyring = keyring(Environment::Staging);
            let token = keyring.issue(&claim()).unwrap();
            let mut bytes = token.clone().into_bytes();
            let position = position % bytes.len();
            bytes[position] = byte;
            if let Ok(text) = String::from_utf8(bytes) && text != token {
                prop_assert!(keyring.authenticate(&text, 0).is_err());
            }
            let cut: String = token.chars().take(position).collect();
            prop_assert!(keyring.authenticate(&cut, 0).is_err());
        }

        #[test]
        fn any_text_is_answered_without_a_panic(text in ".{0,80}") {
            prop_assert!(keyring(Environment::Staging).authenticate(&text, 0).is_err());
        }
    }
}
