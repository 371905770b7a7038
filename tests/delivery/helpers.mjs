// Small moves that the delivery tests share: histories, scripts, and services on this machine that answer in GitHub's or Cloudflare's place.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const projectFolder = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
export const inProject = (file) => path.join(projectFolder, file);
export const textOf = (file) => readFileSync(inProject(file), 'utf8');
export const newFolder = (purpose) => mkdtempSync(path.join(tmpdir(), `dryrun-${purpose}-`));

/** wrangler.toml as it comes with the project, and as somebody has it who set the gateway up. */
export const configuration = textOf('tests/config/wrangler.toml').replaceAll('../../', '');
export const adopters = textOf('tests/config/adopter.toml');

// A test must not depend on how the machine or the workflow that it runs in is set up.
const neutral = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(GIT_|GITHUB_|CLOUDFLARE_|DRYRUN_|WRANGLER_)/.test(name)));
export const environment = {
  ...neutral, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_SYSTEM: '/dev/null', GIT_AUTHOR_NAME: 'a', GIT_AUTHOR_EMAIL: 'a@example.com',
  GIT_COMMITTER_NAME: 'a', GIT_COMMITTER_EMAIL: 'a@example.com', WRANGLER_SEND_METRICS: 'false', NO_COLOR: '1',
};

/** A git repository in a temporary folder. */
export class History {
  constructor(folder = newFolder('history')) {
    this.folder = folder;
  }

  static make() {
    const history = new History();
    history.git('init', '-q', '-b', 'main');
    return history;
  }

  git(...words) {
    return execFileSync('git', words, { cwd: this.folder, encoding: 'utf8', env: environment, stdio: ['ignore', 'pipe', 'pipe'] }).trim();
  }

  get head() {
    return this.git('rev-parse', 'HEAD');
  }

  write(files) {
    for (const [name, text] of Object.entries(files)) {
      const file = path.join(this.folder, name);
      if (text === null) rmSync(file);
      else {
        mkdirSync(path.dirname(file), { recursive: true });
        writeFileSync(file, text);
      }
    }
  }

  /** Writes files (null removes one), commits, and answers the commit's id. */
  commit(files, message = 'change') {
    this.write(files);
    this.git('add', '-A');
    this.git('commit', '-q', '--allow-empty', '-m', message);
    return this.head;
  }

  rename(from, to) {
    mkdirSync(path.dirname(path.join(this.folder, to)), { recursive: true });
    renameSync(path.join(this.folder, from), path.join(this.folder, to));
    return this.commit({});
  }

  /** What the workflow has: a commit and the one before it. */
  shallow(commit, depth = 2) {
    const clone = new History(newFolder('clone'));
    clone.git('init', '-q', '-b', 'main');
    clone.git('fetch', '-q', '--depth', String(depth), `file://${this.folder}`, commit);
    clone.git('checkout', '-q', '--detach', 'FETCH_HEAD');
    return clone;
  }

  remove() {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Runs a program to its end. Answers { code, stdout, stderr, said }. */
export async function run(command, words, { cwd = projectFolder, env = {}, input } = {}) {
  const child = spawn(command, words, { cwd, env: { ...environment, ...env }, stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'] });
  child.stdin?.end(input);
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (data) => (stdout += data));
  child.stderr.on('data', (data) => (stderr += data));
  const [code] = await once(child, 'close');
  return { code, stdout, stderr, said: stdout + stderr };
}

/**
 * A copy of the project that is somebody else's: its wrangler.toml is the one of the example unless `files` says otherwise (null: no such file). What was
 * installed and built is shared. `env` finds the programs; cargo works in the project itself, whose build is warm.
 */
export function projectCopy(files = {}) {
  const folder = newFolder('copy');
  const at = (name) => path.join(folder, name);
  const shared = ['node_modules', '.tools', 'build', 'build-probe', 'target'];
  const left = new Set([...shared, '.git', '.state', '.state-demo', '.wrangler', 'wrangler.toml', 'wrangler.json', 'wrangler.jsonc']);
  const isLeft = (name) => left.has(name) || /^\.(env|dev\.vars)(\.|$)/.test(name);
  cpSync(projectFolder, folder, { recursive: true, filter: (from) => from === projectFolder || path.dirname(from) !== projectFolder || !isLeft(path.basename(from)) });
  for (const name of shared) symlinkSync(inProject(name), at(name));
  for (const [name, text] of Object.entries({ 'wrangler.toml': configuration, ...files })) {
    if (text === null) continue;
    mkdirSync(path.dirname(at(name)), { recursive: true });
    writeFileSync(at(name), text);
  }
  const bin = newFolder('bin');
  writeFileSync(path.join(bin, 'cargo'), `#!/bin/sh\n${cargoInProject}\n`);
  chmodSync(path.join(bin, 'cargo'), 0o755);
  const PATH = `${bin}:${at('node_modules/.bin')}:${environment.PATH}`;
  const remove = () => [folder, bin].forEach((each) => rmSync(each, { recursive: true, force: true }));
  return { folder, at, env: { PATH, CI: 'true' }, remove };
}

/** A shell command in the place of cargo, wherever it is called. */
export const cargoInProject = `cd '${projectFolder}' && PATH='${environment.PATH}' exec cargo "$@"`;

/** Runs a delivery script; `outputs` and `page` are what it hands to the workflow. */
export async function script(name, words, options = {}) {
  const folder = newFolder('step');
  const files = { GITHUB_OUTPUT: path.join(folder, 'output'), GITHUB_STEP_SUMMARY: path.join(folder, 'page') };
  for (const file of Object.values(files)) writeFileSync(file, '');
  try {
    const ran = await run(process.execPath, [inProject(`scripts/delivery/${name}`), ...words], { ...options, env: { ...files, ...options.env } });
    const lines = readFileSync(files.GITHUB_OUTPUT, 'utf8').split('\n').filter(Boolean);
    const outputs = Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
    return { ...ran, outputs, page: readFileSync(files.GITHUB_STEP_SUMMARY, 'utf8') };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A service on this machine. `answer` gets { method, path, query, headers, body } and answers [status, JSON]. Keeps what it was asked. */
export async function serve(answer) {
  const asked = [];
  const server = http.createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    const url = new URL(request.url, 'http://127.0.0.1');
    const one = { method: request.method, path: url.pathname, query: Object.fromEntries(url.searchParams), headers: request.headers, body: Buffer.concat(parts) };
    asked.push(one);
    const [status, json] = answer(one);
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json));
  });
  // A connection that is closed while the next request is on its way would make the client send that request twice.
  server.keepAliveTimeout = 120_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    asked,
    stop: () => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); }),
  };
}
