// Gateways and runs in every state that a documented answer needs: in good order, badly configured, with a run that cannot be read.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { startGateway } from '../../e2e/harness/gateway.mjs';
import { environmentSettings } from '../../e2e/harness/settings.mjs';
import { agentOf, openRun } from '../../e2e/helpers.mjs';
import { Document } from './document.mjs';

const secret = 'one secret for the gateway of this test and for this test';
const schema = `CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT); CREATE TABLE large (id INTEGER PRIMARY KEY, text TEXT);
  INSERT INTO large WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 50) SELECT i, 'x' FROM n`;

/** The store of each kind that requests go to, and one that is denied. */
export const stores = { D1: 'DB', KV: 'CACHE', R2: 'FILES' };
export const deniedStores = { D1: 'DENIED_DB', KV: 'DENIED_CACHE', R2: 'DENIED_FILES' };

/** Small limits, so that they are met with small requests. */
export const limits = { body: 300_000, kept: 10_000 };

export async function makeWorld() {
  const denied = Object.fromEntries(Object.entries(deniedStores).map(([kind, binding]) => [binding, { kind: kind.toLowerCase(), name: binding, policy: 'denied' }]));
  const { STORES } = environmentSettings('staging').vars;
  const small = { MAX_BODY_BYTES: String(limits.body), OVERLAY_MAX_BYTES: String(limits.kept), SHADOW_WHOLE_ROWS: '5', SHADOW_MAX_ROWS: '20' };
  const gateways = {
    // A patient budget for the flag: what fails here fails by its answer, not because the machine is busy.
    good: await startGateway({ vars: { FLAG_BUDGET_MS: '10000', ...small, STORES: { ...STORES, ...denied } }, secrets: { TOKEN_SECRET: secret } }),
    production: await startGateway({ environment: 'production' }),
    misconfigured: await startGateway({ vars: { ENVIRONMENT: undefined } }),
    crossed: await startGateway({ marker: 'production' }),
    unmarked: await startGateway({ marker: null }),
    damaged: await startGateway(),
  };
  const { good, damaged } = gateways;
  await good.db.exec(schema);
  await good.cache.put('seed', 'value');
  await good.files.put('seed', 'object');
  const document = new Document((await good.api('/openapi.json')).json);
  const world = {
    ...gateways,
    document,
    run: await openRun(good),
    live: (terms = {}) => openRun(good, { mode: 'live', ...terms }),
    dry: () => openRun(good),
    unreadable: await unreadableRun(damaged),
    /** A token as the gateway signs it, which was over a moment ago. */
    expiredToken: (run) => {
      const payload = Buffer.from(JSON.stringify({ r: run, o: 'agent', x: Date.now() - 1 })).toString('base64url');
      return `drt_staging_${payload}.${createHmac('sha256', secret).update(`staging.${payload}`).digest('base64url')}`;
    },
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
  // The run's first operation, and a row that it copied.
  assert.equal((await agentOf(good, world.run.token).sql("INSERT INTO notes (text) VALUES ('planned')")).status, 200);
  return world;
}

/** A run whose storage was damaged, as a disk does it: its object cannot start any more. */
async function unreadableRun(gateway) {
  const folder = path.join(gateway.state, 'objects');
  const files = () => readdirSync(folder, { recursive: true }).map((name) => path.join(folder, name));
  const known = new Set(files());
  const run = await openRun(gateway);
  await gateway.kill();
  const own = files().filter((file) => !known.has(file) && /\.sqlite(-\w+)?$/.test(file) && !file.includes('metadata'));
  assert.ok(own.some((file) => file.endsWith('.sqlite')), `no storage of the run among ${files().join(', ')}`);
  for (const file of own) writeFileSync(file, 'this is no database, but long enough to be taken for one that is damaged'.repeat(100));
  await gateway.restart();
  return run;
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
