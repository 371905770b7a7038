// See scripts/check_config.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { parse } from 'smol-toml';
import { judge, sectionsOf, storesOf } from './config_rules.mjs';
import { fail, isMain } from './lib.mjs';

const [file, exampleFile] = ['wrangler.toml', 'tests/config/wrangler.toml'];
const wrong = (what, remedy) => ({ level: 'wrong', what, remedy });
const note = (what, remedy) => ({ level: 'note', what, remedy });

/**
 * Files beside wrangler.toml that change what wrangler does, or that hold what they should not.
 *
 * @param variables  the process's environment
 * @param tracked    names of files in the repository
 */
export function neighbours(folder, variables, tracked) {
  const instead = ['wrangler.json', 'wrangler.jsonc', '.wrangler/deploy/config.json'];
  const settings = readdirSync(folder).filter((name) => /^\.(env|dev\.vars)(\.|$)/.test(name)).sort();
  const those = (pattern) => settings.filter((name) => pattern.test(readFileSync(path.join(folder, name), 'utf8')));
  const toProduction = 'Remove it: a bare wrangler deploy would go there. Name production in the command: --env production';
  return [
    ...instead.filter((name) => existsSync(path.join(folder, name))).map((name) =>
      wrong(`wrangler reads ${name} instead of wrangler.toml`, 'Remove it: only wrangler.toml is supported.')),
    ...(variables.CLOUDFLARE_ENV ? [wrong(`CLOUDFLARE_ENV is set to ${variables.CLOUDFLARE_ENV}`, toProduction)] : []),
    ...those(/^\s*(export\s+)?CLOUDFLARE_ENV\s*=/m).map((name) => wrong(`${name} sets CLOUDFLARE_ENV`, toProduction)),
    ...those(/drk_production_/).map((name) =>
      wrong(`${name} holds a key of production`, 'Move it to a secrets manager, where agents cannot read it.')),
    ...settings.filter((name) => tracked.includes(name)).map((name) =>
      wrong(`${name} is in the repository`, `Remove it (git rm --cached ${name}) and replace the secrets in it.`)),
    ...those(/^\s*(export\s+)?ENVIRONMENT\s*=/m).map((name) =>
      note(`${name} sets ENVIRONMENT on this machine`, 'Remove it: make dev runs staging.')),
  ];
}

/** What the Worker's own code says of the variables of both environments. */
export function variables(toml, { cwd = process.cwd() } = {}) {
  const sections = sectionsOf(toml);
  const input = JSON.stringify(sections.map(([, { vars = {} }]) => vars));
  const ran = spawnSync('cargo', ['run', '--quiet', '--locked', '--example', 'settings'], { cwd, encoding: 'utf8', input });
  if (ran.error) throw ran.error;
  if (ran.status !== 0) throw new Error(`the Worker's settings cannot be asked: ${ran.stderr}`);
  return JSON.parse(ran.stdout).flatMap(({ problem, known }, at) => {
    const [environment, { vars = {} }] = sections[at];
    if (problem !== null) return [wrong(`${environment}: ${problem}`, 'See Configuration in README.md.')];
    const unread = Object.keys(vars).filter((name) => !known.includes(name));
    return unread.map((name) => wrong(`${environment}: the gateway does not read ${name}`, `It reads ${known.join(', ')}.`));
  });
}

/** The last lines of an output. A build that fails can write thousands. */
function end(said, most = 30) {
  const lines = stripVTControlCharacters(said).split('\n').filter((line) => line.trim() !== '');
  return [...(lines.length > most ? [`… ${lines.length - most} lines before`] : []), ...lines.slice(-most)].join('\n');
}

/** What wrangler would bind, without uploading anything. */
export function rehearsal(toml) {
  const out = mkdtempSync(path.join(tmpdir(), 'dryrun-check-'));
  const env = { ...process.env, CLOUDFLARE_ENV: undefined, CI: 'true', NO_COLOR: '1', FORCE_COLOR: '0' };
  try {
    return sectionsOf(toml).flatMap(([environment, section]) => {
      const flags = environment === 'staging' ? [] : ['--env', environment];
      const words = ['deploy', '--dry-run', '--outdir', path.join(out, environment), ...flags];
      const ran = spawnSync('wrangler', words, { encoding: 'utf8', env });
      if (ran.error) throw ran.error;
      if (ran.status !== 0) {
        return [wrong(`${environment}: wrangler would not deploy this:\n${end(ran.stdout + ran.stderr)}`, 'Correct what wrangler names.')];
      }
      const bound = [...ran.stdout.matchAll(/^env\.(\w+) \(.*\)\s{2,}.+$/gm)].map(([, binding]) => binding);
      const objects = (section.durable_objects?.bindings ?? []).map(({ name }) => name);
      const meant = [...Object.keys(section.vars ?? {}), ...storesOf(section).map(({ binding }) => binding), ...objects];
      return [
        ...bound.filter((binding) => !meant.includes(binding)).map((binding) =>
          wrong(`${environment}: ${binding} is bound, but the gateway does not use it`, 'Remove the binding.')),
        ...meant.filter((binding) => !bound.includes(binding)).map((binding) =>
          wrong(`${environment}: wrangler would not bind ${binding}`, 'Look at the output of wrangler deploy --dry-run.')),
      ];
    });
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

/** The judgement for people. `deploy` is the environment that is about to be deployed, if any. */
export function describe(judged, deploy) {
  const blocks = ({ level, environment }) => level === 'wrong' || (level === 'todo' && environment === deploy);
  const labels = { wrong: 'WRONG ', note: 'note  ', todo: 'TO DO ' };
  const label = (finding) => (finding.level === 'todo' && blocks(finding) ? 'BLOCKS' : labels[finding.level]);
  const indent = `\n${' '.repeat(9)}`;
  const shown = (finding) => `${label(finding)} ${finding.what.replaceAll('\n', indent)}${indent}${finding.remedy}`;
  const lines = judged.flatMap(({ rule, findings }) => (findings.length === 0 ? [`ok     ${rule}`] : findings.map(shown)));
  const all = judged.flatMap(({ findings }) => findings);
  const count = (level) => all.filter((finding) => finding.level === level).length;
  const passes = !all.some(blocks);
  return { passes, text: [...lines, '', `${count('wrong')} wrong, ${count('todo')} to do, ${count('note')} notes. ${verdict()}`].join('\n') };

  function verdict() {
    if (!passes) return deploy ? `Do not deploy ${deploy}.` : `Correct ${file}.`;
    if (count('todo') === 0) return `${file} is ready to be deployed.`;
    return 'Nothing is wrong. What is to do blocks the deployment of its environment, but not make dev.';
  }
}

function read(name) {
  try {
    return parse(readFileSync(name, 'utf8'));
  } catch (error) {
    const remedy = 'wrangler.json and wrangler.jsonc are not supported.';
    return fail(`${name} cannot be read: ${error.message}`, `Start with a copy of the example, ${exampleFile}. ${remedy}`);
  }
}

/** Judges by the rules; a file whose parts are of another type than the rules expect ends with that. */
function judgement(toml, example) {
  try {
    return judge(toml, example);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return fail(`${file} does not have the form that wrangler expects: ${error.message}`, `Compare it with ${exampleFile}.`);
  }
}

/** The names of the files in the repository, or null where git does not know. */
function repository() {
  const listed = spawnSync('git', ['ls-files', '-z'], { encoding: 'utf8', maxBuffer: 1 << 28 });
  return listed.status === 0 ? listed.stdout.split('\0') : null;
}

if (isMain(import.meta.url)) {
  const words = process.argv.slice(2);
  const deploy = words[0] === '--deploy' && words.length === 2 ? words[1] : undefined;
  if (words.length > 0 && !['staging', 'production'].includes(deploy)) {
    fail('the arguments are not understood', 'usage: scripts/check_config [--deploy staging|production]');
  }
  const [toml, example] = [file, exampleFile].map(read);
  const tracked = repository();
  const unknown = tracked ? [] : [note('git does not list the files of the repository', 'Check that no .env and .dev.vars is in it.')];
  const judged = [
    { rule: 'wrangler reads this file, and no other file changes that', findings: [...neighbours('.', process.env, tracked ?? []), ...unknown] },
    ...judgement(toml, example),
  ];
  // These ask others, who need a file with both of its parts.
  if (toml.env?.production) {
    judged.push({ rule: 'the Worker understands every variable', findings: variables(toml) });
    if (!deploy) judged.push({ rule: 'wrangler would bind these stores and objects, and no others', findings: rehearsal(toml) });
  }
  const { passes, text } = describe(judged, deploy);
  console.log(text);
  process.exitCode = passes ? 0 : 1;
}
