// What the tests of real clients share: a gateway whose requests are counted, programs that are run to their end, and what both modes of a run owe their user.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { openRun } from '../e2e/helpers.mjs';
import { startGateway } from '../e2e/harness/gateway.mjs';
import { projectFolder } from '../e2e/harness/settings.mjs';

export const account = 'local';

/** Longest that a client may take for one command. A client that hangs or tries for ever is ended then, and the test fails. */
export const patience = 120_000;

/**
 * A gateway, and in front of it a door that counts what clients ask. Clients get the door's address.
 * Answers the gateway with `base` (the base URL for clients), `asked` and `stop`.
 */
export async function startStage(options) {
  const gateway = await startGateway(options);
  const asked = [];
  const door = http.createServer((request, response) => {
    const seen = { method: request.method, path: request.url, headers: request.headers, status: null };
    asked.push(seen);
    // The Host stays the door's, so that addresses which the gateway hands out lead through the door as well.
    // A connection of its own: workerd may close one that another request was refused on, just when this one would take it.
    const onward = http.request({ host: '127.0.0.1', port: new URL(gateway.url).port, method: request.method, path: request.url, headers: request.headers, agent: false });
    onward.on('response', (answer) => {
      seen.status = answer.statusCode;
      response.writeHead(answer.statusCode, answer.rawHeaders);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  });
  door.listen(0, '127.0.0.1');
  await once(door, 'listening');
  const url = `http://127.0.0.1:${door.address().port}`;
  const stop = async () => {
    door.closeAllConnections();
    door.close();
    await gateway.stop();
  };
  return Object.assign(Object.create(gateway), { url, base: `${url}/client/v4`, asked, stop });
}

/** What was asked of the gateway while `act` ran: its answer and the requests. */
export async function counting(stage, act) {
  const from = stage.asked.length;
  const result = await act();
  return { result, requests: stage.asked.slice(from) };
}

/** A run of each mode, named after who uses it. */
export const dryRun = (stage, terms = {}) => openRun(stage, { mode: 'dry_run', ...terms });
export const liveRun = (stage, terms = {}) => openRun(stage, { mode: 'live', ...terms });

/** A temporary folder with these files; `remove` takes it away. */
export function folderWith(files = {}) {
  const folder = mkdtempSync(path.join(tmpdir(), 'dryrun-client-'));
  for (const [name, content] of Object.entries(files)) writeFileSync(path.join(folder, name), content);
  return { folder, at: (name) => path.join(folder, name), remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Runs a program to its end: { code, stdout, stderr, output }. One that does not end is killed, and that is an error. */
export async function runProgram(command, args, { cwd = projectFolder, env = {}, input } = {}) {
  const child = spawn(command, args, { cwd, env: { ...quietEnvironment(), ...env }, detached: true, stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'] });
  const chunks = { stdout: [], stderr: [] };
  for (const name of ['stdout', 'stderr']) child[name].on('data', (chunk) => chunks[name].push(chunk));
  child.stdin?.end(input);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    process.kill(-child.pid, 'SIGKILL');
  }, patience);
  const [code, signal] = await once(child, 'close');
  clearTimeout(timer);
  const bytes = Buffer.concat(chunks.stdout);
  const [stdout, stderr] = [bytes.toString(), Buffer.concat(chunks.stderr).toString()];
  assert.equal(late, false, `${command} ${args.join(' ')} did not end within ${patience / 1000} s\n${stdout}${stderr}`);
  assert.equal(signal, null, `${command} ${args.join(' ')} ended by ${signal}\n${stderr}`);
  return { code, bytes, stdout, stderr, output: stdout + stderr };
}

/** Credentials and settings of whoever runs the tests must not reach the clients. */
export function quietEnvironment() {
  const kept = Object.entries(process.env).filter(([name]) => !/^(CLOUDFLARE|CF|WRANGLER|DRIZZLE|NODE_OPTIONS|NODE_TEST|PYTHON)/.test(name));
  return { ...Object.fromEntries(kept), NO_COLOR: '1', FORCE_COLOR: '0', WRANGLER_SEND_METRICS: 'false', CI: '1' };
}

/** Fails if `act` changes the targets, or if anything that may write even reaches them. */
export async function leavesTargetsAlone(stage, act) {
  const before = await stage.contents();
  const from = stage.recorder.requests.length;
  const result = await act();
  const writes = stage.recorder.requests.slice(from).filter(({ store, write }) => write && store !== 'CONTROL' && store !== 'FLAGS');
  assert.deepEqual(writes.map(({ store, operation, key, statements }) => ({ store, operation, key, statements })), []);
  assert.deepEqual(await stage.contents(), before);
  return result;
}

/** Text as a person reads it: colours and line breaks that a client put in are of no matter. */
export const plain = (text) => text.replace(/\x1b\[[0-9;]*m/g, '').replace(/\s+/g, ' ');

/** What a person was shown holds the refusal's reason and its remedy. */
export function assertShows(shown, ...texts) {
  for (const text of texts) assert.ok(plain(shown).includes(plain(text)), `this is missing: ${text}\nin: ${shown}`);
}

/**
 * The same work twice: in a dry run, which must leave the targets alone while the client sees its own writes, then live, which must change them.
 *
 * @param work     ({ token, run, dry }) => does the work and asserts what the client is told
 * @param written  asserts what the targets hold after the live work
 */
export function inBothModes(stageOf, title, work, written) {
  test(`${title}, in a dry run`, async () => {
    const stage = stageOf();
    const run = await dryRun(stage);
    await leavesTargetsAlone(stage, () => work({ token: run.token, run, dry: true }));
  });
  test(`${title}, live`, async () => {
    const stage = stageOf();
    const run = await liveRun(stage);
    const before = await stage.digest();
    await work({ token: run.token, run, dry: false });
    assert.notEqual(await stage.digest(), before, 'the targets changed');
    await written();
  });
}
