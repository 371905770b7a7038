//! Programs that speak to other machines.

use super::guards;
use super::mentions;
use super::scope::{Input, Scope};
use super::surroundings::Surroundings;
use super::table::options::CLIENT;
use super::table::{files, has, variables};
use super::values::Value;
use super::verdict::Verdict;

/// What leads where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leads {
    /// To the gateway of the run or the project.
    Gateway,
    /// To Cloudflare or to production.
    Past,
    /// Elsewhere.
    Elsewhere,
}

/// Scheme, host and port of an address, in lower case.
fn origin(address: &str) -> Option<String> {
    let (scheme, rest) = address.split_once("://")?;
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    (!authority.contains('@')).then(|| format!("{}://{}", scheme.to_lowercase(), authority.to_lowercase()))
}

/// Where a text leads that has an address in it.
pub(crate) fn leads(text: &str, here: &Surroundings<'_>) -> Leads {
    let own = |url: &str| origin(url).is_some() && origin(url) == origin(text);
    if let Some(url) = here.run_url() {
        if own(url) {
            return Leads::Gateway;
        }
    } else if here.gateways.iter().any(|url| own(url)) {
        return Leads::Gateway;
    }
    let lower = text.to_lowercase();
    // A host, or one below it; not another one that ends or begins alike.
    let at = |host: &String| {
        lower.split_once(host.as_str()).is_some_and(|(before, after)| {
            let continues = |character: char| character.is_ascii_alphanumeric() || character == '-';
            !before.ends_with(continues) && (host.ends_with('.') || !after.starts_with(continues))
        })
    };
    let is_worker = lower.contains(".workers.dev")
        && here.production_workers.iter().any(|name| at(&format!("{name}.")) || lower.contains(&format!("-{name}.")));
    if mentions::host(text).is_some() || here.production.iter().any(at) || is_worker {
        return Leads::Past;
    }
    Leads::Elsewhere
}

/// A refusal for an address past the gateway.
pub(crate) fn past(address: &str) -> Verdict {
    Verdict::direct(
        format!("{} is Cloudflare or production itself, past the gateway.", shortened(address)),
        "In a run the gateway answers in Cloudflare's place: dryrun exec -- sh -c 'curl -H \"Authorization: Bearer \
         $CLOUDFLARE_API_TOKEN\" \"$CLOUDFLARE_API_BASE_URL/accounts/$CLOUDFLARE_ACCOUNT_ID/…\"'.",
    )
}

fn shortened(text: &str) -> String {
    if text.chars().count() > 100 {
        format!("{}…", text.chars().take(100).collect::<String>())
    } else {
        text.to_owned()
    }
}

/// Whether the next word is the value of this option, and so no address.
fn takes_next(program: &str, option: &str) -> bool {
    if option.starts_with("--") {
        return has(CLIENT, option);
    }
    let letters = letters_with_value(program);
    // The first letter with a value takes the rest of the word, or else the next one.
    option
        .chars()
        .skip(1)
        .position(|letter| letters.contains(letter))
        .is_some_and(|at| at + 2 == option.chars().count())
}

/// Whether this is a long option, or a short form of its name that a program takes for it (`--conf`).
fn is_long(option: &str, name: &str) -> bool {
    let said = option.split('=').next().unwrap_or_default();
    said.len() > 4 && name.starts_with(said)
}

/// Whether a word of short options has this one: `-sK file`, `-sKfile`.
fn has_letter(program: &str, option: &str, letter: char) -> bool {
    let Some(letters) = option.strip_prefix('-').filter(|rest| !rest.starts_with('-')) else { return false };
    let valued = letters_with_value(program);
    // What comes after a letter with a value is its value.
    let end = letters
        .char_indices()
        .find(|(_, one)| valued.contains(*one))
        .map_or(letters.len(), |(at, one)| at + one.len_utf8());
    letters.get(..end).is_some_and(|letters| letters.contains(letter))
}

/// The short options that have a value.
fn letters_with_value(program: &str) -> &'static str {
    match program {
        "curl" => "AbcCdDeEFHKmoPQrtTuUwxXyYz",
        "wget" => "aABDeiIloOPQRtTUwX",
        _ => "",
    }
}

/// curl, wget and their kin.
pub(crate) fn client(
    program: &str,
    arguments: &[Value],
    input: &Input,
    scope: &Scope,
    here: &Surroundings<'_>,
) -> Verdict {
    let mut verdict = Verdict::Harmless;
    let mut is_secret = false;
    let mut elsewhere = false;
    let mut gateway = false;
    let mut skip = false;
    for argument in arguments {
        is_secret |= argument.secret;
        let shown = argument.shown();
        let options_from_file = match program {
            "wget" => {
                has_letter(program, &shown, 'i')
                    || is_long(&shown, "--input-file")
                    || is_long(&shown, "--config")
                    || is_long(&shown, "--execute")
                    || has_letter(program, &shown, 'e')
            }
            "curl" | "curlie" => has_letter("curl", &shown, 'K') || is_long(&shown, "--config"),
            _ => shown.starts_with("-K") || shown.starts_with("--config"),
        };
        if options_from_file {
            verdict =
                verdict.and(Verdict::unclear(format!("{program} takes its options or addresses from a file here.")));
        }
        // `name:value` and `name=value` of HTTPie are no addresses.
        if has("http https xh xhs", program)
            && argument.start().contains([':', '='])
            && !argument.start().contains("://")
            && !argument.start().starts_with(':')
        {
            if mentions::host(&shown).is_some() {
                verdict = verdict.and(past(&shown));
            }
            continue;
        }
        if std::mem::take(&mut skip) {
            if mentions::host(&shown).is_some() {
                verdict = verdict.and(past(&shown));
            }
            continue;
        }
        if shown.starts_with('-') && !argument.parts.is_empty() {
            skip = takes_next(program, &shown);
            let value = shown.split_once('=').map_or(shown.as_str(), |(_, value)| value);
            if leads(value, here) == Leads::Past || mentions::host(&shown).is_some() {
                verdict = verdict.and(past(&shown));
            }
            continue;
        }
        // An address is known as soon as its host is: "http://host:1/$path".
        let known = argument.start();
        let host_is_known =
            argument.text().is_some() || known.split_once("://").is_some_and(|(_, rest)| rest.contains(['/', '?']));
        let authority =
            known.split_once("://").map_or(known, |(_, rest)| rest).split(['/', '?']).next().unwrap_or_default();
        if !host_is_known || authority.contains(['{', '}', '[', '*']) && !authority.starts_with("[:") {
            verdict = verdict.and(Verdict::unclear(format!("Cannot tell in advance where `{shown}` leads.")));
            continue;
        }
        match leads(&shown, here) {
            Leads::Gateway => gateway = true,
            Leads::Past => verdict = verdict.and(past(&shown)),
            Leads::Elsewhere => elsewhere = true,
        }
    }
    if let Input::Text(text) = input
        && mentions::host(text).is_some()
    {
        verdict = verdict.and(past(text));
    }
    if is_secret && (elsewhere || !gateway) {
        verdict =
            verdict.and(Verdict::credential("This command sends a credential somewhere else than to the gateway."));
    }
    if gateway && !scope.within_exec {
        verdict = verdict.and(through(here));
    }
    verdict
}

/// What goes to the gateway: inside of a run its object decides; outside, a key would be needed that agents do not
/// have, and the gateway refuses by itself.
pub(crate) fn through(here: &Surroundings<'_>) -> Verdict {
    if here.is_in_run() { Verdict::Gateway } else { Verdict::Harmless }
}

/// Clients of S3, with which R2 can be reached. Their settings may lead there by a name alone.
pub(crate) fn s3(program: &str, arguments: &[Value], scope: &Scope, here: &Surroundings<'_>) -> Verdict {
    let line = arguments.iter().map(Value::shown).collect::<Vec<_>>().join(" ").to_lowercase();
    let speaks = |text: &str| mentions::host(text).is_some() || text.to_lowercase().contains("cloudflare");
    let names_r2 = line.split(|character: char| !character.is_ascii_alphanumeric()).any(|word| word == "r2");
    let home = here.home.as_ref();
    let settings: Vec<_> = match program {
        "aws" => vec![home.map(|home| home.join(".aws/config")), scope.cwd.as_ref().map(|cwd| cwd.join(".aws/config"))],
        "rclone" => {
            vec![home.map(|home| home.join(".config/rclone/rclone.conf")), home.map(|home| home.join(".rclone.conf"))]
        }
        "s3cmd" => vec![home.map(|home| home.join(".s3cfg"))],
        "mc" => vec![home.map(|home| home.join(".mc/config.json"))],
        _ => Vec::new(),
    };
    let is_other =
        program == "aws" && !["s3", "s3api", "configure"].iter().any(|word| line.split(' ').any(|part| part == *word));
    let by_settings =
        !is_other && settings.into_iter().flatten().filter_map(|path| here.files.read(&path)).any(|text| speaks(&text));
    let by_variables = !is_other
        && here.variables.iter().any(|(name, value)| {
            (name.starts_with("AWS_ENDPOINT_URL") || name.starts_with("RCLONE_CONFIG_") || name.starts_with("MC_HOST_"))
                && speaks(value)
        });
    if speaks(&line) || names_r2 || by_settings || by_variables {
        return Verdict::direct(
            format!("`{program}` would reach R2 past the gateway."),
            "In a run, wrangler reaches it: dryrun exec -- wrangler r2 object get|put|delete BUCKET/KEY --remote.",
        );
    }
    if arguments.iter().any(|argument| argument.secret) {
        Verdict::credential("This command passes on a credential.")
    } else {
        Verdict::Harmless
    }
}

/// Whether code takes the variables of its process as a whole: `process.env`, not `process.env.HOME`.
pub(crate) fn shows_all_variables(text: &str) -> bool {
    let whole = |name: &str, one: &[&str]| {
        text.split(name).skip(1).any(|after| {
            let after = after.trim_start();
            !after.starts_with(|character: char| character.is_ascii_alphanumeric() || character == '_')
                && !one.iter().any(|start| after.starts_with(start))
        })
    };
    whole("process.env", &[".", "[", "?."])
        || text.contains("env}")
            && text
                .split("env}")
                .skip(1)
                .any(|after| after.trim_start().trim_start_matches('=').trim_start().starts_with("process"))
        || text.contains("process['env']")
        || text.contains("process[\"env\"]")
        || whole("os.environ", &["[", ".get", "b[", "b.get"])
        || text.contains("import environ")
        || text.contains("os.environb")
        || text.contains("%ENV")
        || whole("ENVIRON", &["["])
        || whole("$ENV", &[".", "{", "["])
        || whole("$_ENV", &["["])
        || text.contains("getenv()")
        || text.contains("phpinfo(")
        || whole("p ENV", &["["])
        || ["to_h", "to_a", "each", "inspect", "map", "select", "values", "filter"]
            .iter()
            .any(|method| text.contains(&format!("ENV.{method}")))
}

/// Code in a file.
pub(crate) const SCRIPT: &str = "A script";
/// What a program reads from the command line: it may be code, or text for people.
pub(crate) const INPUT: &str = "The input of this program";
/// Code on the command line.
pub(crate) const CODE: &str = "This code";

/// Whether code reaches Cloudflare by itself.
pub(crate) fn code(text: &str, what: &str, scope: &Scope, here: &Surroundings<'_>) -> Verdict {
    if let Some(host) = mentions::host(text) {
        return past(host);
    }
    if here.production.iter().any(|host| text.to_lowercase().contains(host.as_str())) {
        return past("A host of production");
    }
    let in_run = (here.is_gated() || scope.within_exec) && !scope.cleared;
    if mentions::wrangler(text) {
        let says = format!("{what} starts wrangler; cannot tell in advance with which arguments.");
        return match what {
            // In a run it finds the gateway like everything else that is started there.
            SCRIPT if in_run => Verdict::Harmless,
            INPUT if in_run => Verdict::Gateway,
            SCRIPT => {
                Verdict::direct(says, "Run it in a run, where wrangler finds the gateway: dryrun exec -- COMMAND.")
            }
            _ => Verdict::unclear(says),
        };
    }
    if let verdict @ Verdict::Refused(_) = guards::code(text)
        && what != SCRIPT
    {
        return verdict;
    }
    if what == CODE && shows_all_variables(text) {
        return Verdict::credential(format!("{what} takes all variables, credentials among them."));
    }
    if let Some(name) = variables::names_secret(text).filter(|_| !in_run) {
        return Verdict::credential(format!("{what} reads {name}."));
    }
    if let Some(client) = mentions::client(text).filter(|_| !in_run) {
        return Verdict::direct(
            format!("{what} talks to Cloudflare ({client})."),
            "Run it in a run: dryrun exec -- COMMAND. Cloudflare's SDKs find the gateway by themselves there.",
        );
    }
    let names_file = text
        .split(|character: char| character.is_whitespace() || "'\"`(),;=".contains(character))
        .any(|word| files::credential(word.as_ref()).is_some());
    if names_file && what != SCRIPT {
        return Verdict::credential(format!("{what} reads a file with credentials."));
    }
    Verdict::Harmless
}
