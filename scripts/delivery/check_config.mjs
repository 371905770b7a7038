// See scripts/check_config.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse } from 'smol-toml';
import { judge, sectionsOf } from './config_rules.mjs';
import { fail, isMain } from './lib.mjs';

const wrong = (what, remedy) => ({ level: 'wrong', what, remedy });
const note = (what, remedy) => ({ level: 'note', what, remedy });

/** What stands beside wrangler.toml and changes what wrangler does, or should not be kept with it. */
export function neighbours(folder, variables, tracked) {
  const others = ['wrangler.json', 'wrangler.jsonc', '.wrangler/deploy/config.json'].filter((name) => existsSync(path.join(folder, name)));
  const settings = readdirSync(folder).filter((name) => /^\.(env|dev\.vars)(\.|$)/.test(name)).sort();
  const named = (name, pattern) => readFileSync(path.join(folder, name), 'utf8').split('\n').some((line) => pattern.test(line));
  const production = (name) => `${name} sets CLOUDFLARE_ENV`;
  return [
    ...others.map((name) => wrong(`there is ${name}, which wrangler takes in place of wrangler.toml`, 'Only wrangler.toml is judged here and supported. Take the other file away.')),
    ...(variables.CLOUDFLARE_ENV ? [wrong(`CLOUDFLARE_ENV is set to ${variables.CLOUDFLARE_ENV}`, 'Unset it: a bare wrangler deploy would go there. Name production in the command: --env production')] : []),
    ...settings.filter((name) => named(name, /^\s*(export\s+)?CLOUDFLARE_ENV\s*=/)).map((name) => wrong(production(name), 'Take the line away: a bare wrangler deploy would go there.')),
    ...settings.filter((name) => named(name, /drk_production_/)).map((name) => wrong(`${name} holds a key of production`, 'Keep keys of production in a secrets manager, away from what agents can read.')),
    ...settings.filter((name) => tracked.includes(name)).map((name) => wrong(`${name} is in the repository`, `Everybody who has the repository has its secrets: git rm --cached ${name}, and exchange them.`)),
    ...settings.filter((name) => named(name, /^\s*(export\s+)?ENVIRONMENT\s*=/)).map((name) => note(`${name} sets ENVIRONMENT, over that of wrangler.toml on this machine`, 'Take the line away; make dev is staging.')),
  ];
}

/** What the Worker's own code says of the variables of both environments. */
export function variables(toml, { cwd = process.cwd() } = {}) {
  const sections = sectionsOf(toml);
  const ran = spawnSync('cargo', ['run', '--quiet', '--locked', '--example', 'settings'], { cwd, encoding: 'utf8', input: JSON.stringify(sections.map(([, { vars = {} }]) => vars)) });
  if (ran.error) throw ran.error;
  if (ran.status !== 0) throw new Error(`the Worker's settings cannot be asked: ${ran.stderr}`);
  return JSON.parse(ran.stdout).flatMap(({ problem, known }, at) => {
    const [environment, { vars = {} }] = sections[at];
    if (problem !== null) return [wrong(`${environment}: ${problem}`, 'See Configuration in README.md.')];
    return Object.keys(vars).filter((name) => !known.includes(name)).map((name) => wrong(`${environment}: the gateway does not read ${name}`, `It reads ${known.join(', ')}.`));
  });
}

/** What wrangler itself would bind, without uploading anything. */
export function rehearsal(toml) {
  const out = mkdtempSync(path.join(tmpdir(), 'dryrun-check-'));
  const { CLOUDFLARE_ENV: _, ...env } = { ...process.env, WRANGLER_SEND_METRICS: 'false', CI: 'true', NO_COLOR: '1', FORCE_COLOR: '0' };
  try {
    return sectionsOf(toml).flatMap(([environment, section]) => {
      const flags = environment === 'staging' ? [] : ['--env', environment];
      const ran = spawnSync('wrangler', ['deploy', '--dry-run', '--outdir', path.join(out, environment), ...flags], { encoding: 'utf8', env });
      if (ran.error) throw ran.error;
      if (ran.status !== 0) return [wrong(`${environment}: wrangler would not deploy it:\n${(ran.stderr + ran.stdout).trim()}`, 'Correct what wrangler names.')];
      const bound = [...ran.stdout.matchAll(/^env\.(\w+) \((.*)\)\s{2,}(.+?)\s*$/gm)].map(([, binding]) => binding);
      const meant = [
        ...Object.keys(section.vars ?? {}), ...['d1_databases', 'kv_namespaces', 'r2_buckets'].flatMap((list) => (section[list] ?? []).map(({ binding }) => binding)),
        ...(section.durable_objects?.bindings ?? []).map(({ name }) => name),
      ];
      return [
        ...bound.filter((binding) => !meant.includes(binding)).map((binding) => wrong(`${environment}: ${binding} is bound, and the gateway does not use it`, 'Take it away: what the Worker can reach it has to need.')),
        ...meant.filter((binding) => !bound.includes(binding)).map((binding) => wrong(`${environment}: wrangler would not bind ${binding}`, 'Look at what wrangler deploy --dry-run says.')),
      ];
    });
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

/** The judgement for people. `deploy` is the environment that is about to be deployed, or nothing. */
export function describe(judged, deploy) {
  const blocks = ({ level, environment }) => level === 'wrong' || (level === 'todo' && environment === deploy);
  const label = (finding) => (finding.level === 'note' ? 'note  ' : finding.level === 'wrong' ? 'WRONG ' : blocks(finding) ? 'TO DO!' : 'TO DO ');
  const lines = judged.flatMap(({ rule, findings }) => (findings.length === 0 ? [`ok     ${rule}`] : [
    ...findings.map((finding) => `${label(finding)} ${finding.what.replaceAll('\n', '\n         ')}\n         ${finding.remedy}`),
  ]));
  const all = judged.flatMap(({ findings }) => findings);
  const count = (level) => all.filter((finding) => finding.level === level).length;
  const passes = !all.some(blocks);
  const verdict = passes
    ? (count('todo') === 0 ? 'wrangler.toml is fit to be deployed.' : 'Nothing is wrong. What is to do blocks the deployment of that environment (scripts/check_config --deploy), and not make dev.')
    : deploy ? `${deploy} is not to be deployed like this.` : 'wrangler.toml has to be corrected.';
  return { passes, text: `${lines.join('\n')}\n\n${count('wrong')} wrong, ${count('todo')} to do, ${count('note')} to think of. ${verdict}` };
}

function parsed(file) {
  try {
    return parse(readFileSync(file, 'utf8'));
  } catch (error) {
    return fail(`${file} cannot be read: ${error.message}`, file === 'wrangler.toml' ? 'wrangler.json and wrangler.jsonc are not supported: the example is tests/config/wrangler.toml.' : undefined);
  }
}

if (isMain(import.meta.url)) {
  const words = process.argv.slice(2);
  const deploy = words[0] === '--deploy' && words.length === 2 ? words[1] : undefined;
  if (words.length > 0 && !['staging', 'production'].includes(deploy)) fail('the arguments are not understood', 'usage: scripts/check_config [--deploy staging|production]');
  const [toml, example] = ['wrangler.toml', 'tests/config/wrangler.toml'].map(parsed);
  const listed = spawnSync('git', ['ls-files', '-z'], { encoding: 'utf8', maxBuffer: 1 << 28 });
  const tracked = listed.status === 0 ? listed.stdout.split('\0') : [];
  const unlisted = listed.status === 0 ? [] : [note('git cannot say which files are in the repository', 'Look yourself that no .env or .dev.vars is.')];
  const judged = [
    { rule: 'wrangler reads this file, and no other one changes what it does', findings: [...neighbours('.', process.env, tracked), ...unlisted] },
    ...judge(toml, example),
  ];
  // Whatever asks others needs a file that has its parts.
  if (toml.env?.production) {
    judged.push({ rule: 'the Worker understands every variable', findings: variables(toml) });
    if (!deploy) judged.push({ rule: 'wrangler would bind these stores and objects, and nothing else', findings: rehearsal(toml) });
  }
  const { passes, text } = describe(judged, deploy);
  console.log(text);
  process.exitCode = passes ? 0 : 1;
}
