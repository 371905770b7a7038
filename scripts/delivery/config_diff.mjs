// What wrangler.toml says about the two environments, and what of production changes with a commit.
//
//   node scripts/delivery/config_diff.mjs [COMMIT [RUNNING]]
//
// Without COMMIT it is the file as it is. RUNNING is the commit that production runs. Fails when the environments share something that they must not
// share, or differ in something in which they must agree.

import { readFileSync } from 'node:fs';
import { parse } from 'smol-toml';
import { cell, fail, git, gitAgrees, isCommit, isMain, short, table } from './lib.mjs';

/** What an environment takes from the top level unless it says otherwise; all else it has to say itself (developers.cloudflare.com/workers/wrangler/configuration). */
const inherited = [
  'main', 'account_id', 'compatibility_date', 'compatibility_flags', 'workers_dev', 'preview_urls', 'route', 'routes', 'build', 'migrations', 'triggers', 'limits',
  'observability', 'placement', 'logpush', 'rules', 'no_bundle', 'minify', 'keep_vars', 'assets', 'tsconfig', 'find_additional_modules', 'base_dir', 'upload_source_maps',
];

/** One environment as a flat list: path → value. Things with a binding or a name are listed by it, whatever their order. */
export function flat(toml, environment) {
  const { env = {}, ...top } = toml;
  const section = environment === 'staging' ? top : env[environment];
  if (!section) throw new Error(`wrangler.toml has no [env.${environment}]`);
  const whole = environment === 'staging' ? top : { ...Object.fromEntries(inherited.filter((key) => key in top).map((key) => [key, top[key]])), ...section };
  const found = {};
  const walk = (path, value) => {
    if (Array.isArray(value)) {
      const nameOf = (item) => item?.binding ?? item?.name ?? item?.tag ?? item?.pattern;
      if (value.every((item) => nameOf(item) !== undefined)) for (const item of value) walk([...path, nameOf(item)], item);
      else found[path.join('.')] = value;
    } else if (value !== null && typeof value === 'object') {
      for (const [key, inner] of Object.entries(value)) walk([...path, key], inner);
    } else {
      found[path.join('.')] = value;
    }
  };
  walk([], whole);
  return Object.fromEntries(Object.entries(found).sort(([one], [other]) => (one < other ? -1 : 1)));
}

/** Things of the account, and whatever says which environment this is: the same value twice would be a door from one to the other. */
const mustDiffer = [
  /^name$/, /^vars\.ENVIRONMENT$/, /^d1_databases\.[^.]+\.(database_id|database_name|preview_database_id)$/, /^kv_namespaces\.[^.]+\.(id|preview_id)$/,
  /^r2_buckets\.[^.]+\.(bucket_name|preview_bucket_name)$/, /^vars\.STORES\.[^.]+\.(id|name)$/, /^routes?(\..*)?$/,
];
/** Numbers and policies that may be others on purpose; the reader sees them. */
const mayDiffer = [/^vars\.(ACCOUNT_ID|[A-Z_]+_(MS|SECONDS|ROWS|BYTES))$/, /^vars\.STORES\.[^.]+\.policy$/, /^account_id$/, /^workers_dev$/, /^limits\./, /^observability\./, /^placement\./];

/** What one of them may have and the other not. */
const mayBeMissing = [/^routes?(\..*)?$/, /^account_id$/, /^(limits|observability|placement)\./];

const isOneOf = (patterns, path) => patterns.some((pattern) => pattern.test(path));

/** Compares the environments. Answers { shared, unlike, differences } and both kinds of `problems`; differences are rows of [path, staging, production]. */
export function compareEnvironments(toml) {
  const [staging, production] = ['staging', 'production'].map((environment) => flat(toml, environment));
  const paths = [...new Set([...Object.keys(staging), ...Object.keys(production)])].sort();
  const shared = [];
  const unlike = [];
  const differences = [];
  for (const path of paths) {
    const same = JSON.stringify(staging[path]) === JSON.stringify(production[path]);
    if (same) {
      if (isOneOf(mustDiffer, path)) shared.push(`${path} is the same in both environments: ${JSON.stringify(staging[path])}`);
      continue;
    }
    const both = path in staging && path in production;
    const expected = (isOneOf(mustDiffer, path) || isOneOf(mayDiffer, path)) && (both || isOneOf(mayBeMissing, path));
    if (!expected) unlike.push(`${path} must be the same in both environments: staging ${JSON.stringify(staging[path]) ?? 'has none'}, production ${JSON.stringify(production[path]) ?? 'has none'}`);
    differences.push([path, staging[path], production[path]]);
  }
  // A thing can be shared under two names as well.
  const identities = (side) => Object.entries(side).filter(([path]) => isOneOf(mustDiffer, path) && !/^routes?/.test(path));
  const inProduction = new Map(identities(production).map(([path, value]) => [value, path]));
  for (const [path, value] of identities(staging)) {
    const other = inProduction.get(value);
    if (other !== undefined && other !== path) shared.push(`${path} of staging is ${other} of production: ${JSON.stringify(value)}`);
  }
  return { problems: [...shared, ...unlike], shared, unlike, differences };
}

/** What of an environment is other than it was: rows of [path, before, after]. */
export function changesOf(before, after, environment = 'production') {
  const [was, is] = [flat(before, environment), flat(after, environment)];
  return [...new Set([...Object.keys(was), ...Object.keys(is)])]
    .sort()
    .filter((path) => JSON.stringify(was[path]) !== JSON.stringify(is[path]))
    .map((path) => [path, was[path], is[path]]);
}

const rows = (list) => list.map(([path, one, other]) => [cell(path), cell(one), cell(other)]);

export function describe({ problems, differences }, changes, since) {
  return [
    ...(problems.length > 0 ? [`**Not as it should be:**\n\n${problems.map((problem) => `* ${problem}`).join('\n')}`] : []),
    since === undefined ? 'What production runs is not known from the records, so every line of its configuration may change.'
      : changes.length === 0 ? `Nothing of production's configuration changes against ${short(since)}, which it runs.`
        : `What changes of production against ${short(since)}, which it runs:\n\n${table(['', 'now', 'with this commit'], rows(changes))}`,
    `<details><summary>How the environments differ (${differences.length})</summary>\n\n${table(['', 'staging', 'production'], rows(differences))}\n\n</details>`,
  ].join('\n\n');
}

if (isMain(import.meta.url)) {
  const [commit, running] = process.argv.slice(2);
  const tomlAt = (id) => parse(git('.', 'show', `${id}:wrangler.toml`));
  const now = isCommit(commit) ? tomlAt(commit) : parse(readFileSync('wrangler.toml', 'utf8'));
  const compared = compareEnvironments(now);
  const known = isCommit(running) && gitAgrees('.', 'cat-file', '-e', `${running}^{commit}`);
  console.log(describe(compared, known ? changesOf(tomlAt(running), now) : [], known ? running : undefined));
  if (compared.problems.length > 0) fail('the environments share or lack something', 'Correct wrangler.toml; nothing was deployed.');
}
