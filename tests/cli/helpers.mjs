// Small moves that the tests of the command share: the real binary, in a project folder of its own.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startGateway } from '../e2e/harness/gateway.mjs';
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
  const all = [];
  const start = (args, options = {}) => {
    const started = startDryrun(args, { cwd: folder, ...options, env: { ...env, ...options.env } });
    all.push(started);
    return started;
  };
  /** Takes down what a failed test left running, and the folder. */
  const remove = () => {
    for (const { child, kill } of all) if (child.exitCode === null && child.signalCode === null) kill();
    rmSync(folder, { recursive: true, force: true });
  };
  return { folder, home, env, start, run: (args, options) => start(args, options).ended, remove };
}

/** A staging and a production gateway, and a project that knows an agent's key of both. `stop` ends all three. */
export async function twoEnvironments(options = {}) {
  const [staging, production] = await Promise.all(['staging', 'production'].map((environment) => startGateway({ environment, ...options })));
  const project = makeProject({ staging: { url: staging.url, key: staging.keys.agent }, production: { url: production.url, key: production.keys.agent } });
  const stop = async () => {
    project.remove();
    await Promise.all([staging.stop(), production.stop()]);
  };
  return { staging, production, project, stop };
}

function inline(table) {
  return `{ ${Object.entries(table).map(([name, value]) => `${name} = ${JSON.stringify(value)}`).join(', ')} }`;
}

/** Starts the command, perhaps `through` another one. `ended` resolves to { code, signal, stdout, stderr, json }; `json` is that of standard output, or else of the last line of standard error. */
export function startDryrun(args, { cwd, env, input = '', through = [] } = {}) {
  const [program, ...words] = [...through, binary, ...args];
  // A group of its own, which goes as a whole.
  const child = spawn(program, words, { cwd, env, stdio: ['pipe', 'pipe', 'pipe'], detached: true });
  const said = { child, stdout: '', stderr: '', kill: () => process.kill(-child.pid, 'SIGKILL') };
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
