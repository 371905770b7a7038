// Small moves that the tests of the command share: the real binary, in a project folder of its own.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { projectFolder } from '../e2e/harness/settings.mjs';

export const binary = path.join(projectFolder, 'target/debug/dryrun');

/** Nothing of whoever runs the tests: no credentials, no settings, a home of its own. */
const bare = { PATH: `${path.join(projectFolder, 'node_modules/.bin')}:${process.env.PATH}`, LANG: 'C.UTF-8', CI: '1', NO_COLOR: '1', WRANGLER_SEND_METRICS: 'false' };

/**
 * A folder with a dryrun.toml.
 * @param profiles  { staging: { url, key }, production: … }: `key` is the key itself, which comes from a variable, or a table as dryrun.toml has it
 */
export function makeProject(profiles = {}) {
  const folder = mkdtempSync(path.join(tmpdir(), 'dryrun-cli-'));
  const home = path.join(folder, 'home');
  mkdirSync(home);
  const env = { ...bare, HOME: home, XDG_CONFIG_HOME: path.join(home, '.config') };
  const sections = Object.entries(profiles).map(([name, { url, key }]) => {
    const variable = `TEST_${name.toUpperCase()}_KEY`;
    if (typeof key === 'string') env[variable] = key;
    return `[${name}]\nurl = ${JSON.stringify(url)}\nkey = ${typeof key === 'string' ? `{ variable = "${variable}" }` : inline(key)}\n`;
  });
  writeFileSync(path.join(folder, 'dryrun.toml'), sections.join('\n'));
  const start = (args, options = {}) => startDryrun(args, { cwd: folder, ...options, env: { ...env, ...options.env } });
  return { folder, home, env, start, run: (args, options) => start(args, options).ended, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

function inline(table) {
  return `{ ${Object.entries(table).map(([name, value]) => `${name} = ${JSON.stringify(value)}`).join(', ')} }`;
}

/** Starts the command, perhaps `through` another one. `ended` resolves to { code, signal, stdout, stderr, json }; `json` is that of standard output, or else of the last line of standard error. */
export function startDryrun(args, { cwd, env, input = '', through = [] } = {}) {
  const [program, ...words] = [...through, binary, ...args];
  const child = spawn(program, words, { cwd, env, stdio: ['pipe', 'pipe', 'pipe'] });
  const said = { child, stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) child[name].setEncoding('utf8').on('data', (chunk) => (said[name] += chunk));
  child.stdin.on('error', () => {}); // a command need not read its input
  child.stdin.end(input);
  said.ended = once(child, 'close').then(([code, signal]) => ({ code, signal, stdout: said.stdout, stderr: said.stderr, json: parsed(said.stdout) ?? parsed(said.stderr.trimEnd().split('\n').at(-1)) }));
  return said;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
