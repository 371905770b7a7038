//! The routes, on one screen.

use crate::domain::stores::kv;
use crate::domain::stores::r2;
use std::cell::OnceCell;

use matchit::{Params, Router};

use super::request::decode;
use super::takes;
use crate::domain::refusal::{Code, Problem};
use crate::domain::settings::StoreKind;
use crate::domain::strict::Takes;
use dryrun_text::cut_with_count;

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    Health,
    Ready,
    Document,
    Environment,
    OpenRun,
    ListRuns,
    Run(String),
    TurnDry(String),
    CloseRun(String),
    Report(String),
    Operation(String, u64),
    Alerts,
    /// A hook in front of an agent's tools tells that it failed.
    ReportHook,
    Account(Account),
    /// What Cloudflare has and the gateway does not, and belongs to no store.
    NotOffered(String),
    Analytics,
    /// A file for an import, by its signed address.
    Receive(String),
    /// A file of an export, by its signed address.
    Send(String),
    Mcp,
    Data(Data),
}

/// A question about the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Account {
    User,
    Token,
    All,
    One(String),
    Memberships,
    Stores(String, StoreKind),
}

/// A request of the data plane: which account, which store, what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Data {
    pub account: String,
    pub store: String,
    pub action: Action,
}

/// What a request of the data plane asks. Keys are decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    Describe(StoreKind),
    NotOffered(StoreKind, String),
    Query,
    Raw,
    Import,
    Export,
    Bookmark,
    GetValue(String),
    PutValue(String),
    DeleteValue(String),
    Metadata(String),
    Keys,
    BulkGet,
    BulkPut,
    BulkDelete,
    GetObject(String),
    HeadObject(String),
    PutObject(String),
    DeleteObject(String),
    Objects,
}

type Build = fn(&Parts<'_, '_>) -> Result<Route, Problem>;

/// Method, path, what it understands besides, route.
const ROUTES: &[(&str, &str, &Takes, Build)] = &[
    ("GET", "/health", &takes::NOTHING, |_| Ok(Route::Health)),
    ("GET", "/health/ready", &takes::NOTHING, |_| Ok(Route::Ready)),
    ("GET", "/openapi.json", &takes::NOTHING, |_| Ok(Route::Document)),
    ("GET", "/v1/environment", &takes::NOTHING, |_| Ok(Route::Environment)),
    ("POST", "/v1/runs", &takes::OPEN_RUN, |_| Ok(Route::OpenRun)),
    ("GET", "/v1/runs", &takes::LIST, |_| Ok(Route::ListRuns)),
    ("GET", "/v1/runs/{run}", &takes::NOTHING, |parts| Ok(Route::Run(parts.text("run")?))),
    ("POST", "/v1/runs/{run}/dry-run", &takes::ONCE, |parts| Ok(Route::TurnDry(parts.text("run")?))),
    ("POST", "/v1/runs/{run}/close", &takes::ONCE, |parts| Ok(Route::CloseRun(parts.text("run")?))),
    ("GET", "/v1/runs/{run}/report", &takes::REPORT, |parts| Ok(Route::Report(parts.text("run")?))),
    ("GET", "/v1/runs/{run}/operations/{position}", &takes::NOTHING, |parts| {
        Ok(Route::Operation(parts.text("run")?, parts.number("position")?))
    }),
    ("GET", "/v1/alerts", &takes::LIST, |_| Ok(Route::Alerts)),
    ("POST", "/v1/alerts", &takes::HOOK_REPORT, |_| Ok(Route::ReportHook)),
    ("PUT", "/transfers/{signed}", &takes::FILE, |parts| Ok(Route::Receive(parts.text("signed")?))),
    ("GET", "/transfers/{signed}", &takes::NOTHING, |parts| Ok(Route::Send(parts.text("signed")?))),
    ("GET", "/client/v4/user", &takes::NOTHING, |_| Ok(Route::Account(Account::User))),
    ("GET", "/client/v4/user/tokens/verify", &takes::NOTHING, |_| Ok(Route::Account(Account::Token))),
    ("GET", "/client/v4/accounts", &takes::PAGES, |_| Ok(Route::Account(Account::All))),
    ("GET", "/client/v4/accounts/{account}", &takes::NOTHING, |parts| {
        Ok(Route::Account(Account::One(parts.text("account")?)))
    }),
    ("GET", "/client/v4/memberships", &takes::PAGES, |_| Ok(Route::Account(Account::Memberships))),
    ("POST", "/client/v4/graphql", &takes::REFUSED, |_| Ok(Route::Analytics)),
    ("GET", "/client/v4/accounts/{account}/d1/database", &takes::STORES, |parts| parts.stores(StoreKind::D1)),
    ("POST", "/client/v4/accounts/{account}/d1/database", &takes::REFUSED, |_| no("making databases")),
    ("GET", "/client/v4/accounts/{account}/d1/database/{store}", &takes::DESCRIBE, |parts| {
        parts.data(Action::Describe(StoreKind::D1))
    }),
    ("PUT", "/client/v4/accounts/{account}/d1/database/{store}", &takes::REFUSED, |parts| {
        parts.no(StoreKind::D1, "changing a database's settings")
    }),
    ("PATCH", "/client/v4/accounts/{account}/d1/database/{store}", &takes::REFUSED, |parts| {
        parts.no(StoreKind::D1, "changing a database's settings")
    }),
    ("DELETE", "/client/v4/accounts/{account}/d1/database/{store}", &takes::REFUSED, |parts| {
        parts.no(StoreKind::D1, "deleting databases")
    }),
    ("POST", "/mcp", &takes::MESSAGES, |_| Ok(Route::Mcp)),
    ("POST", "/client/v4/accounts/{account}/d1/database/{store}/query", &takes::SQL, |parts| parts.data(Action::Query)),
    ("POST", "/client/v4/accounts/{account}/d1/database/{store}/raw", &takes::SQL, |parts| parts.data(Action::Raw)),
    ("POST", "/client/v4/accounts/{account}/d1/database/{store}/import", &takes::IMPORT, |parts| {
        parts.data(Action::Import)
    }),
    ("POST", "/client/v4/accounts/{account}/d1/database/{store}/export", &takes::EXPORT, |parts| {
        parts.data(Action::Export)
    }),
    ("GET", "/client/v4/accounts/{account}/d1/database/{store}/time_travel/bookmark", &takes::BOOKMARK, |parts| {
        parts.data(Action::Bookmark)
    }),
    ("POST", "/client/v4/accounts/{account}/d1/database/{store}/time_travel/restore", &takes::REFUSED, |parts| {
        parts.no(StoreKind::D1, "restoring a database to an earlier state, which no rehearsal can show")
    }),
    ("GET", "/client/v4/accounts/{account}/storage/kv/namespaces", &takes::STORES, |parts| parts.stores(StoreKind::Kv)),
    ("POST", "/client/v4/accounts/{account}/storage/kv/namespaces", &takes::REFUSED, |_| no("making namespaces")),
    ("GET", "/client/v4/accounts/{account}/storage/kv/namespaces/{store}", &takes::DESCRIBE, |parts| {
        parts.data(Action::Describe(StoreKind::Kv))
    }),
    ("PUT", "/client/v4/accounts/{account}/storage/kv/namespaces/{store}", &takes::REFUSED, |parts| {
        parts.no(StoreKind::Kv, "renaming namespaces")
    }),
    ("DELETE", "/client/v4/accounts/{account}/storage/kv/namespaces/{store}", &takes::REFUSED, |parts| {
        parts.no(StoreKind::Kv, "deleting namespaces")
    }),
    ("GET", "/client/v4/accounts/{account}/storage/kv/namespaces/{store}/keys", &takes::KEYS, |parts| {
        parts.data(Action::Keys)
    }),
    ("GET", "/client/v4/accounts/{account}/storage/kv/namespaces/{store}/values/{*key}", &takes::READ, |parts| {
        parts.data(Action::GetValue(parts.text("key")?))
    }),
    ("PUT", "/client/v4/accounts/{account}/storage/kv/namespaces/{store}/values/{*key}", &takes::PUT_VALUE, |parts| {
        parts.data(Action::PutValue(parts.text("key")?))
    }),
    ("DELETE", "/client/v4/accounts/{account}/storage/kv/namespaces/{store}/values/{*key}", &takes::WRITE, |parts| {
        parts.data(Action::DeleteValue(parts.text("key")?))
    }),
    ("GET", "/client/v4/accounts/{account}/storage/kv/namespaces/{store}/metadata/{*key}", &takes::READ, |parts| {
        parts.data(Action::Metadata(parts.text("key")?))
    }),
    ("PUT", "/client/v4/accounts/{account}/storage/kv/namespaces/{store}/bulk", &takes::BULK_PUT, |parts| {
        parts.data(Action::BulkPut)
    }),
    ("DELETE", "/client/v4/accounts/{account}/storage/kv/namespaces/{store}/bulk", &takes::BULK_DELETE, |parts| {
        parts.data(Action::BulkDelete)
    }),
    ("POST", "/client/v4/accounts/{account}/storage/kv/namespaces/{store}/bulk/delete", &takes::BULK_DELETE, |parts| {
        parts.data(Action::BulkDelete)
    }),
    ("POST", "/client/v4/accounts/{account}/storage/kv/namespaces/{store}/bulk/get", &takes::BULK_GET, |parts| {
        parts.data(Action::BulkGet)
    }),
    ("GET", "/client/v4/accounts/{account}/r2/buckets", &takes::BUCKETS, |parts| parts.stores(StoreKind::R2)),
    ("POST", "/client/v4/accounts/{account}/r2/buckets", &takes::REFUSED, |_| no("making buckets")),
    ("GET", "/client/v4/accounts/{account}/r2/buckets/{store}", &takes::DESCRIBE, |parts| {
        parts.data(Action::Describe(StoreKind::R2))
    }),
    ("PUT", "/client/v4/accounts/{account}/r2/buckets/{store}", &takes::REFUSED, |parts| {
        parts.no(StoreKind::R2, "changing a bucket's settings")
    }),
    ("PATCH", "/client/v4/accounts/{account}/r2/buckets/{store}", &takes::REFUSED, |parts| {
        parts.no(StoreKind::R2, "changing a bucket's settings")
    }),
    ("DELETE", "/client/v4/accounts/{account}/r2/buckets/{store}", &takes::REFUSED, |parts| {
        parts.no(StoreKind::R2, "deleting buckets")
    }),
    ("GET", "/client/v4/accounts/{account}/r2/buckets/{store}/objects", &takes::OBJECTS, |parts| {
        parts.data(Action::Objects)
    }),
    ("GET", "/client/v4/accounts/{account}/r2/buckets/{store}/objects/{*key}", &takes::GET_OBJECT, |parts| {
        parts.data(Action::GetObject(parts.text("key")?))
    }),
    ("HEAD", "/client/v4/accounts/{account}/r2/buckets/{store}/objects/{*key}", &takes::HEAD_OBJECT, |parts| {
        parts.data(Action::HeadObject(parts.text("key")?))
    }),
    ("PUT", "/client/v4/accounts/{account}/r2/buckets/{store}/objects/{*key}", &takes::PUT_OBJECT, |parts| {
        parts.data(Action::PutObject(parts.text("key")?))
    }),
    ("DELETE", "/client/v4/accounts/{account}/r2/buckets/{store}/objects/{*key}", &takes::WRITE, |parts| {
        parts.data(Action::DeleteObject(parts.text("key")?))
    }),
    // Everything else that Cloudflare's API has.
    (ANY, "/client/v4/{*rest}", &takes::REFUSED, |parts| other(&parts.text("rest")?)),
];

/// Longest address that a refusal repeats.
const MAX_NAMED_CHARS: usize = 120;
/// Stands for every method.
const ANY: &str = "*";

fn no(what: &str) -> Result<Route, Problem> {
    Ok(Route::NotOffered(what.to_owned()))
}

/// What nothing else answers. A client that resolves the key `.` while it makes an address leaves none in it.
fn other(rest: &str) -> Result<Route, Problem> {
    match rest.split('/').collect::<Vec<_>>().as_slice() {
        ["accounts", _, "storage", "kv", "namespaces", _, "values" | "metadata", ""] => kv::check_key("")?,
        ["accounts", _, "r2", "buckets", _, "objects", ""] => r2::check_key("")?,
        _ => {}
    }
    no(&cut_with_count(&format!("/{rest}"), MAX_NAMED_CHARS))
}

struct Parts<'k, 'v>(Params<'k, 'v>);

impl Parts<'_, '_> {
    fn text(&self, name: &str) -> Result<String, Problem> {
        decode(self.0.get(name).unwrap_or_default())
    }

    fn number(&self, name: &str) -> Result<u64, Problem> {
        self.text(name)?.parse().map_err(|error| {
            Problem::new(
                Code::InvalidRequest,
                format!("The {name} in the path is not a number."),
                "Take a position from the run's report.",
            )
            .caused_by(error)
        })
    }

    fn no(&self, kind: StoreKind, what: &str) -> Result<Route, Problem> {
        self.data(Action::NotOffered(kind, what.to_owned()))
    }

    fn stores(&self, kind: StoreKind) -> Result<Route, Problem> {
        Ok(Route::Account(Account::Stores(self.text("account")?, kind)))
    }

    fn data(&self, action: Action) -> Result<Route, Problem> {
        Ok(Route::Data(Data { account: self.text("account")?, store: self.text("store")?, action }))
    }
}

/// The methods that a path has, with what each leads to.
type Methods = Vec<(&'static str, &'static Takes, Build)>;

fn build() -> Router<Methods> {
    let mut paths: Vec<(&str, Methods)> = Vec::new();
    for (method, path, takes, route) in ROUTES {
        match paths.iter_mut().find(|(other, _)| other == path) {
            Some((_, methods)) => methods.push((method, takes, *route)),
            None => paths.push((path, vec![(method, takes, *route)])),
        }
    }
    let mut router = Router::new();
    for (path, methods) in paths {
        // Two of these paths never conflict: the test below finds every one of them.
        let _ = router.insert(path, methods);
    }
    router
}

thread_local! {
    static ROUTER: OnceCell<Router<Methods>> = const { OnceCell::new() };
}

/// The methods that a path answers.
pub(super) fn methods(path: &str) -> Vec<&'static str> {
    ROUTER.with(|router| {
        router
            .get_or_init(build)
            .at(path)
            .map(|matched| matched.value.iter().map(|(method, ..)| *method).collect())
            .unwrap_or_default()
    })
}

/// Finds the route of a request, and what it understands.
pub(super) fn find(method: &str, path: &str) -> Result<(Route, &'static Takes), Problem> {
    ROUTER.with(|router| {
        let router = router.get_or_init(build);
        let not_found = || {
            Problem::new(
                Code::RouteNotFound,
                "The gateway has nothing at this address.",
                "See the API in the README; keys with unusual characters must be percent-encoded.",
            )
        };
        let matched = router.at(path).map_err(|error| not_found().caused_by(error))?;
        let Some((_, takes, route)) = matched.value.iter().find(|(other, ..)| *other == method || *other == ANY) else {
            return Err(Problem::new(
                Code::MethodNotAllowed,
                format!("This path does not support {method}."),
                format!("Use {}.", methods(path).join(" or ")),
            ));
        };
        Ok((route(&Parts(matched.params))?, *takes))
    })
}

/// Method and path of every route, and what it understands.
#[cfg(test)]
pub(super) fn routes() -> impl Iterator<Item = (&'static str, &'static str, &'static Takes)> {
    ROUTES.iter().map(|(method, path, takes, _)| (*method, *path, *takes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_found_by_its_own_method_and_path() {
        for (method, path, ..) in ROUTES {
            let path = path
                .replace("{*key}", "a%2Fb/c")
                .replace("{*rest}", "zones/1")
                .replace("{position}", "7")
                .replace(['{', '}'], "");
            assert!(find(method, &path).is_ok(), "{method} {path}");
        }
    }

    #[test]
    fn keys_are_decoded_once_whether_their_slashes_are_encoded_or_not() {
        let key = |path: &str| match find("GET", &format!("/client/v4/accounts/a/r2/buckets/b/objects/{path}")) {
            Ok((Route::Data(Data { action: Action::GetObject(key), .. }), _)) => key,
            other => panic!("{other:?}"),
        };
        assert_eq!(key("dir%2Fa%20b.txt"), "dir/a b.txt");
        assert_eq!(key("dir/a%20b.txt"), "dir/a b.txt");
        assert_eq!(key("q%3Fx%23y%2520z"), "q?x#y%20z");
        assert_eq!(key("%E2%9C%93"), "✓");
    }

    #[test]
    fn a_known_path_with_another_method_says_which_ones_there_are() {
        let problem = find("DELETE", "/v1/runs").unwrap_err();
        assert_eq!((problem.code, problem.remedy.as_str()), (Code::MethodNotAllowed, "Use POST or GET."));
        assert_eq!(find("GET", "/v1/nothing").unwrap_err().code, Code::RouteNotFound);
        assert_eq!(
            find("GET", "/client/v4/accounts/a/r2/buckets/b/objects/%FF").unwrap_err().code,
            Code::InvalidRequest
        );
    }
}
