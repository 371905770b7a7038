//! Answers of the control plane and of `/health`, as they are on the wire.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::cloudflare::control::{IndexedRun, RaisedAlert};
use crate::domain::credential::{Caller, Role};
use crate::domain::report::RunSummary;
use crate::domain::run::RunId;
use crate::domain::settings::{Environment, Policy, Settings, StoreKind};

/// The answer of `POST /v1/runs`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct OpenedRun {
    /// The run.
    #[serde(flatten)]
    pub run: RunSummary,
    /// The bearer token that stands for the run. Only this answer has it.
    pub token: String,
}

/// The answer of `GET /v1/runs`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct RunList {
    /// The newest first.
    pub runs: Vec<IndexedRun>,
}

/// The answer of `GET /v1/alerts`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct AlertList {
    /// The newest first.
    pub alerts: Vec<RaisedAlert>,
}

/// The answer of `POST /v1/alerts`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct RaisedByHook {
    /// Always `hook_failure`.
    pub kind: &'static str,
    /// Why.
    pub cause: &'static str,
    /// The run, when its token told.
    pub run: Option<RunId>,
    /// What the alert says.
    pub message: String,
}

/// The answer of `GET /v1/environment`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Installation<'a> {
    /// Where this is.
    environment: Environment,
    /// The account that clients name in the path.
    account: &'a str,
    /// The stores behind this gateway.
    stores: Vec<KnownStore<'a>>,
    /// Who is asking.
    caller: KnownCaller<'a>,
    /// The gateway's version.
    version: &'static str,
    /// The commit that was deployed; null when the deployment did not say.
    commit: Option<&'a str>,
    /// What it allows.
    limits: Limits,
}

/// A store behind this gateway. A path may name it by binding, name or id.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct KnownStore<'a> {
    binding: &'a str,
    kind: StoreKind,
    name: &'a str,
    id: Option<&'a str>,
    policy: Policy,
}

/// The bearer of the credential.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct KnownCaller<'a> {
    /// The name of the key.
    name: &'a str,
    role: Role,
    /// The run whose token this is; null of a key.
    run: Option<&'a RunId>,
}

/// The configured limits.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Limits {
    /// Longest wait for the flag before a write is refused, in milliseconds.
    flag_budget_ms: u64,
    /// How long a published flag lives.
    flag_ttl_seconds: u64,
    /// Rows that a run may copy from D1.
    shadow_max_rows: u64,
    /// Bytes that a run may copy from D1.
    shadow_max_bytes: u64,
    /// Bytes of planned values and objects that a run keeps.
    overlay_max_bytes: u64,
    /// Longest request body that is held in memory.
    max_body_bytes: u64,
}

impl<'a> Installation<'a> {
    /// What this caller may know of an installation.
    pub(super) fn of(settings: &'a Settings, caller: &'a Caller) -> Self {
        let store = |(binding, store): (&'a String, &'a crate::domain::settings::StoreSettings)| KnownStore {
            binding,
            kind: store.kind,
            name: &store.name,
            id: store.id.as_deref(),
            policy: store.policy,
        };
        Self {
            environment: settings.environment,
            account: &settings.account,
            stores: settings.stores.iter().map(store).collect(),
            caller: match caller {
                Caller::Key { name, role } => KnownCaller { name, role: *role, run: None },
                Caller::Run(claim) => KnownCaller { name: &claim.owner, role: Role::Agent, run: Some(&claim.run) },
            },
            version: env!("CARGO_PKG_VERSION"),
            commit: settings.commit.as_deref(),
            limits: Limits {
                flag_budget_ms: u64::try_from(settings.flag_budget.as_millis()).unwrap_or(u64::MAX),
                flag_ttl_seconds: settings.flag_ttl_seconds,
                shadow_max_rows: settings.shadow_max_rows,
                shadow_max_bytes: settings.shadow_max_bytes,
                overlay_max_bytes: settings.overlay_max_bytes,
                max_body_bytes: settings.max_body_bytes,
            },
        }
    }
}

/// The answer of `GET /health`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Health {
    /// It answers, so it lives.
    #[cfg_attr(test, schemars(extend("const" = "ok")))]
    pub status: &'static str,
}

/// The answer of `GET /health/ready`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Readiness {
    /// `ready` when every part answered: somebody can open a run and work.
    #[cfg_attr(test, schemars(extend("enum" = ["ready", "not ready"])))]
    pub status: &'static str,
    /// `ok` or `failed` for the gateway's own stores (`control`, `flags`), its secrets (`keys`: one of an agent or
    /// approver is there; `token_secret`), its objects (`runs`, `shadows`), and each target, by binding; `stores`
    /// when there is none.
    #[cfg_attr(test, schemars(extend("additionalProperties" = {"enum": ["ok", "failed"]})))]
    pub checks: Map<String, Value>,
}
