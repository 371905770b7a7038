//! Variables that a command must not set or show.

/// What a variable is to the programs that read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variable {
    /// A credential.
    Credential,
    /// It decides where Cloudflare's tools go, or as whom.
    Leads,
    /// A command line that programs start.
    Command,
    /// Text in which substitutions run.
    Prompt,
    /// Options of Node.
    NodeOptions,
    /// A file or library that programs load, or options that name one.
    Loads,
}

const VARIABLES: [(Variable, &str); 6] = [
    (
        Variable::Credential,
        "CLOUDFLARE_API_TOKEN CLOUDFLARE_API_KEY CLOUDFLARE_API_USER_SERVICE_KEY CF_API_TOKEN CF_API_KEY \
         CLOUDFLARE_ACCESS_CLIENT_SECRET WRANGLER_CF_AUTHORIZATION_TOKEN WRANGLER_R2_SQL_AUTH_TOKEN \
         AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN R2_SECRET_ACCESS_KEY DRYRUN_TOKEN TOKEN_SECRET DEV_APPROVER_KEY \
         DEV_OPERATOR_KEY",
    ),
    (
        Variable::Leads,
        "CLOUDFLARE_API_BASE_URL CF_API_BASE_URL CLOUDFLARE_BASE_URL CLOUDFLARE_EMAIL CF_EMAIL CLOUDFLARE_API_HEADERS \
         CLOUDFLARE_CUSTOM_HEADERS CLOUDFLARE_COMPLIANCE_REGION WRANGLER_API_ENVIRONMENT AWS_ENDPOINT_URL \
         AWS_ENDPOINT_URL_S3 DRYRUN_URL DRYRUN_RUN_ID DRYRUN_CONFIG AWS_ACCESS_KEY_ID",
    ),
    (
        Variable::Command,
        "PROMPT_COMMAND GIT_SSH_COMMAND GIT_SSH EDITOR VISUAL VISUAL_EDITOR GIT_EDITOR GIT_SEQUENCE_EDITOR PAGER \
         GIT_PAGER MANPAGER GIT_EXTERNAL_DIFF GIT_ASKPASS SSH_ASKPASS SUDO_ASKPASS GIT_PROXY_COMMAND BROWSER",
    ),
    (Variable::Prompt, "PS0 PS1 PS2 PS4"),
    (Variable::NodeOptions, "NODE_OPTIONS"),
    (
        Variable::Loads,
        "BASH_ENV ENV LD_PRELOAD DYLD_INSERT_LIBRARIES PERL5OPT PERL5DB RUBYOPT PYTHONSTARTUP LESSOPEN LESSCLOSE \
         ZDOTDIR",
    ),
];

/// How keys and run tokens of the gateway begin.
const TOKENS: &str = "drk_staging_ drk_production_ drt_staging_ drt_production_";

/// What is known of a variable.
pub(crate) fn variable(name: &str) -> Option<Variable> {
    if name.eq_ignore_ascii_case("npm_config_script_shell") {
        return Some(Variable::Loads);
    }
    VARIABLES.into_iter().find(|(_, names)| super::has(names, name)).map(|(kind, _)| kind)
}

/// The first of these variables that a text names.
fn named(kind: Variable, text: &str) -> Option<&'static str> {
    let names = VARIABLES.into_iter().filter(|(one, _)| *one == kind).flat_map(|(_, names)| names.split(' '));
    names.into_iter().find(|name| text.contains(name))
}

/// Whether a variable's value is a credential.
pub(crate) fn is_secret(name: &str) -> bool {
    variable(name) == Some(Variable::Credential)
}

/// Whether a text names a variable that holds a credential, or decides where Cloudflare's tools go.
pub(crate) fn names_guarded(text: &str) -> bool {
    named(Variable::Credential, text).or_else(|| named(Variable::Leads, text)).is_some()
}

/// The variable with a credential, or the beginning of one, that a text names.
pub(crate) fn names_secret(text: &str) -> Option<&'static str> {
    named(Variable::Credential, text).or_else(|| TOKENS.split(' ').find(|start| text.contains(start)))
}
