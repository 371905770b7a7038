// Gateways and runs in every state that a documented answer needs: in good order, badly configured, with a run that cannot be read.

import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { startGateway } from '../../e2e/harness/gateway.mjs';
import { environmentSettings } from '../../e2e/harness/settings.mjs';
import { agentOf, openRun } from '../../e2e/helpers.mjs';
import { Document } from './document.mjs';

const secret = 'one secret for the gateway of this test and for this test';
const schema = `CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT); CREATE TABLE large (id INTEGER PRIMARY KEY, text TEXT);
  INSERT INTO large WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 50) SELECT i, 'x' FROM n;
  CREATE TABLE named (id INTEGER PRIMARY KEY, name TEXT UNIQUE, state TEXT);
  INSERT INTO named SELECT id, 'name ' || id, 'new' FROM large LIMIT 8`;

/** The store of each kind that requests go to. One of each that is denied has a longer name. */
const stores = { d1: 'DB', kv: 'CACHE', r2: 'FILES' };
export const storeOf = ({ path: address }) => stores[/\/(d1|kv|r2)\//.exec(address)?.[1]];
export const denied = (store) => `DENIED_${store}`;
/** A database with a virtual table. */
export const virtual = 'VIRTUAL';

/** Small limits, so that they are met with small requests. */
export const limits = { body: 300_000, kept: 150_000 };

export async function makeWorld() {
  const closed = Object.fromEntries(Object.entries(stores).map(([kind, store]) => [denied(store), { kind, name: denied(store), policy: 'denied' }]));
  const { STORES } = environmentSettings('staging').vars;
  const small = { MAX_BODY_BYTES: String(limits.body), OVERLAY_MAX_BYTES: String(limits.kept), SHADOW_WHOLE_ROWS: '5', SHADOW_MAX_ROWS: '20' };
  const gateways = {
    // A patient budget for the flag: what fails here fails by its answer, not because the machine is busy.
    good: await startGateway({ vars: { FLAG_BUDGET_MS: '10000', ...small, STORES: { ...STORES, ...closed, [virtual]: { kind: 'd1', name: virtual } } }, databases: [virtual], secrets: { TOKEN_SECRET: secret } }),
    production: await startGateway({ environment: 'production' }),
    misconfigured: await startGateway({ vars: { ENVIRONMENT: undefined } }),
    crossed: await startGateway({ marker: 'production' }),
    unmarked: await startGateway({ marker: null }),
    damaged: await startGateway(),
  };
  const { good, damaged } = gateways;
  await good.db.exec(schema);
  await good.virtual.exec('CREATE VIRTUAL TABLE words USING fts5(word)');
  const document = new Document((await good.api('/openapi.json')).json);
  const world = {
    ...gateways,
    document,
    run: await openRun(good),
    live: (terms = {}) => openRun(good, { mode: 'live', ...terms }),
    dry: () => openRun(good),
    /** What live writes of other recipes may have taken away. */
    seed: async () => {
      await good.cache.put('seed', 'value');
      await good.files.put('seed', 'object');
    },
    unreadable: await unreadableRun(damaged),
    /** As the gateway signs it, but it was over a moment ago. */
    expiredToken: (run) => `drt_staging_${signed('', { r: run, o: 'agent', x: Date.now() - 1 })}`,
    expiredAddress: (run) => signed('transfer:', { r: run, o: 'agent', s: 'DB', f: '0'.repeat(32), x: Date.now() - 1 }),
    /** Sends a request of an operation. Whatever comes back must be described. */
    send: async (operation, { params = {}, query = {}, gateway = good, announced, ...options }) => {
      const filled = operation.path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(params[name] ?? assert.fail(`${operation.id} needs ${name}`)));
      const search = new URLSearchParams(query).toString();
      const target = search === '' ? filled : `${filled}?${search}`;
      const answer = announced === undefined ? await gateway.api(target, { method: operation.method, ...options }) : await announce(gateway, operation.method, target, options.token, announced);
      document.assertDescribed(operation, answer);
      return answer;
    },
    stop: () => Promise.all(Object.values(gateways).map((gateway) => gateway.stop())),
  };
  await world.seed();
  // The run's first operation, and a row that it copied.
  assert.equal((await agentOf(good, world.run.token).sql("INSERT INTO notes (text) VALUES ('planned')")).status, 200);
  return world;
}

function signed(purpose, claim) {
  const payload = Buffer.from(JSON.stringify(claim)).toString('base64url');
  return `${payload}.${createHmac('sha256', secret).update(`staging.${purpose}${payload}`).digest('base64url')}`;
}

/** Where the file of an import goes: the last part of its address. */
export async function announceFile(gateway, token, content, store = 'DB') {
  const etag = createHash('md5').update(content).digest('hex');
  const { json, text } = await gateway.api(`/client/v4/accounts/local/d1/database/${store}/import`, { token, json: { action: 'init', etag } });
  assert.ok(json.success, text);
  return { filename: json.result.filename, signed: json.result.upload_url.split('/').at(-1) };
}

/** The last part of the address of an export. */
export async function exportFile(gateway, token) {
  const { json, text } = await gateway.api('/client/v4/accounts/local/d1/database/DB/export', { token, json: { output_format: 'polling' } });
  assert.ok(json.success, text);
  return json.result.signed_url.split('/').at(-1);
}

/** A run whose storage was damaged, as a disk does it: its object cannot start any more. */
async function unreadableRun(gateway) {
  const folder = path.join(gateway.state, 'objects');
  const files = () => readdirSync(folder, { recursive: true }).map((name) => path.join(folder, name));
  const known = new Set(files());
  const run = await openRun(gateway);
  const { signed: sending } = await announceFile(gateway, run.token, 'in');
  const fetching = await exportFile(gateway, run.token);
  await gateway.kill();
  const own = files().filter((file) => !known.has(file) && /\.sqlite(-\w+)?$/.test(file) && !file.includes('metadata'));
  assert.ok(own.some((file) => file.endsWith('.sqlite')), `no storage of the run among ${files().join(', ')}`);
  for (const file of own) writeFileSync(file, 'this is no database, but long enough to be taken for one that is damaged'.repeat(100));
  await gateway.restart();
  return { ...run, sending, fetching };
}

/** Announces a body of some length and sends none of it: the gateway must not wait for it. */
function announce(gateway, method, target, token, bytes) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(Number(new URL(gateway.url).port), '127.0.0.1');
    socket.write(`${method} ${target} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/octet-stream\r\nContent-Length: ${bytes}\r\n\r\n`);
    let received = '';
    socket.setEncoding('utf8').on('error', reject).on('data', (piece) => {
      received += piece;
      const [head, text] = received.split('\r\n\r\n');
      if (text === undefined || Buffer.byteLength(text) < Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)) return;
      socket.destroy();
      const headers = new Headers(head.split('\r\n').slice(1).map((line) => line.split(': ')));
      resolve({ status: Number(head.split(' ')[1]), headers, text, bytes: Buffer.from(text), json: JSON.parse(text) });
    });
  });
}
