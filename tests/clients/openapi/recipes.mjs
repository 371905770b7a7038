// How to get every answer that the document describes: one recipe a code, for all operations that have it.

import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { both, onKey, reads, writes } from '../../e2e/harness/gateway.mjs';
import { agentOf, until } from '../../e2e/helpers.mjs';
import { deniedStores, limits, stores } from './world.mjs';

const insert = "INSERT INTO notes (text) VALUES ('in')";
export const isData = ({ tag }) => tag in stores;
const flagOf = (run) => `dryrun_active:${run.id}`;

/** What a request of each operation says besides its address. */
const contents = {
  openRun: { json: {} },
  query: { json: { sql: insert } },
  raw: { json: { sql: insert } },
  putValue: { body: 'in' },
  putValues: { json: [{ key: 'in', value: 'in' }] },
  deleteValues: { json: ['in'] },
  deleteValuesByPost: { json: ['in'] },
  getValues: { json: { keys: ['seed'] } },
  putObject: { body: 'in' },
};

/** A request that is in order. */
export function plain(operation, world, run = world.run) {
  const params = { account: 'local', store: stores[operation.tag], key: 'seed', run: run.id, position: 1 };
  const credential = isData(operation) ? { token: run.token } : operation.secured ? { key: operation.id === 'alerts' ? 'operator' : 'agent' } : {};
  return { params, ...credential, ...contents[operation.id] };
}

const withHeaders = (request, headers) => ({ ...request, headers: { ...request.headers, ...headers } });
const withParams = (request, params) => ({ ...request, params: { ...request.params, ...params } });
const at = (gateway) => (operation, world) => world.send(operation, { ...plain(operation, world), gateway: world[gateway] });
const changed = (change) => (operation, world) => world.send(operation, change(plain(operation, world), operation, world));
const statement = (sql, params) => changed((request) => ({ ...request, json: { sql, ...(params ? { params } : {}) } }));

/** While something is broken. */
async function meanwhile(world, store, predicate, kind, work) {
  await world.good.fault(store, predicate, kind);
  try {
    return await work();
  } finally {
    world.good.heal();
  }
}

/** In a run of its own, live: nothing of it was planned, so its stores are really asked. */
const live = async (operation, world) => plain(operation, world, await world.live());

/** By code: (operation, world) => answer. */
export const recipes = {
  // Who asks.
  unauthenticated: changed(({ key, token, ...request }) => request),
  wrong_environment: changed(({ token, ...request }) => ({ ...request, key: 'drk_production_somebody' })),
  run_expired: changed(({ key, ...request }, operation, world) => ({ ...request, token: world.expiredToken(world.run.id) })),
  forbidden: changed(({ token, ...request }, operation) => ({ ...request, key: operation.id === 'alerts' ? 'agent' : 'operator' })),
  live_not_granted: changed((request, operation, world) => ({ ...request, json: { mode: 'live' }, gateway: world.production })),
  // Where.
  misconfigured: at('misconfigured'),
  environment_mismatch: at('crossed'),
  environment_unverified: at('unmarked'),
  unknown_account: changed((request) => withParams(request, { account: 'somebody' })),
  unknown_store: changed((request) => withParams(request, { store: 'nowhere' })),
  store_denied: changed((request, operation) => withParams(request, { store: deniedStores[operation.tag] })),
  route_not_found: changed((request) => withParams(request, { position: 999 })),
  // Which run.
  run_required: changed(({ token, ...request }) => ({ ...request, key: 'agent' })),
  unknown_run: changed(({ token, ...request }, operation) => {
    if (operation.id === 'openRun') return { ...request, json: { parent: 'nobody' } };
    return isData(operation) ? withHeaders({ ...request, key: 'agent' }, { 'run-id': 'nobody' }) : withParams(request, { run: 'nobody' });
  }),
  run_closed: async (operation, world) => {
    const run = await world.dry();
    await agentOf(world.good, run.token).call(`/v1/runs/${run.id}/close`, { method: 'POST' });
    return world.send(operation, operation.id === 'openRun' ? { ...plain(operation, world), json: { parent: run.id } } : plain(operation, world, run));
  },
  run_conflict: changed((request, operation, world) => ({ ...request, json: { id: world.run.id, labels: { other: 'terms' } } })),
  run_unavailable: changed((request, operation, world) => {
    const own = plain(operation, world, world.unreadable);
    if (isData(operation)) return { ...own, gateway: world.damaged };
    return withHeaders({ ...own, gateway: world.damaged }, { 'dry-run': 'true', 'run-id': world.unreadable.id });
  }),
  parent_unavailable: async (operation, world) => {
    const parent = await world.live();
    const child = operation.id === 'openRun' ? null : await world.live({ parent: parent.id });
    const request = child ? plain(operation, world, child) : { ...plain(operation, world), json: { mode: 'live', parent: parent.id } };
    return meanwhile(world, 'FLAGS', both(reads, onKey(flagOf(parent))), '503', () => world.send(operation, request));
  },
  // What is asked.
  invalid_request: changed((request) => withHeaders(request, { 'dry-run': 'maybe' })),
  invalid_json: changed(({ json, ...request }) => withHeaders({ ...request, body: ' ' }, { 'content-type': 'application/json' })),
  unsupported_media_type: changed((request) => withHeaders(request, { 'content-type': 'text/plain' })),
  body_too_large: changed(({ body, json, ...request }, operation) => {
    if (operation.id === 'putObject') return { ...request, announced: 300 * 1024 * 1024 + 1 };
    return withHeaders({ ...request, body: 'x'.repeat(limits.body + 1) }, { 'content-type': operation.id === 'putValue' ? 'text/plain' : 'application/json' });
  }),
  length_required: changed((request, operation) => {
    const chunked = { ...request, body: Readable.from(['in']) };
    return operation.id === 'putValue' ? withHeaders(chunked, { 'content-type': 'multipart/form-data; boundary=edge' }) : chunked;
  }),
  key_invalid: changed((request, operation) => {
    const bodies = { putValues: [{ key: '', value: '' }], deleteValues: [''], deleteValuesByPost: [''], getValues: { keys: [''] } };
    return operation.id in bodies ? { ...request, json: bodies[operation.id] } : withParams(request, { key: 'x'.repeat(1_025) });
  }),
  // Statements.
  no_statement: statement('-- nothing'),
  sql_not_parsed: statement('SELEC 1'),
  statement_too_long: statement(`SELECT '${'x'.repeat(100_000)}'`),
  statement_too_nested: statement(`SELECT ${'('.repeat(200)}1${')'.repeat(200)}`),
  too_many_parameters: statement('SELECT ?', Array(101).fill(1)),
  ambiguous_text: statement('SELECT 1\u0000'),
  statement_not_allowed: statement('VACUUM'),
  reserved_name: statement('SELECT * FROM _dryrun_touched'),
  shadow_budget_exceeded: statement('UPDATE large SET text = text || id'),
  not_rehearsable: statement('ANALYZE'),
  sql_error: statement('SELECT * FROM nowhere'),
  // Repeated requests.
  idempotency_key_invalid: changed((request) => withHeaders(request, { 'idempotency-key': 'two words' })),
  idempotency_mismatch: async (operation, world) => {
    const request = withHeaders(await live(operation, world), { 'idempotency-key': `mismatch-${operation.id}` });
    await world.send(operation, request);
    return world.send(operation, operation.id === 'openRun' ? { ...request, json: { labels: { other: 'terms' } } } : { ...request, query: { other: 'request' } });
  },
  idempotency_running: async (operation, world) => {
    const request = withHeaders(await live(operation, world), { 'idempotency-key': 'running' });
    const store = stores[operation.tag];
    world.good.recorder.clear();
    let first;
    try {
      return await meanwhile(world, store, writes, 'hang', async () => {
        first = world.send(operation, request);
        await until(() => world.good.recorder.requests.some((asked) => asked.store === store), 'the store is asked');
        return world.send(operation, request);
      });
    } finally {
      await first;
    }
  },
  outcome_unknown: async (operation, world) => {
    const request = withHeaders(await live(operation, world), { 'idempotency-key': 'unknown' });
    await meanwhile(world, stores[operation.tag], writes, 'reset', () => world.send(operation, request));
    return world.send(operation, request);
  },
  // What stores answer.
  store_unavailable: async (operation, world) => {
    const request = isData(operation) ? await live(operation, world) : { ...plain(operation, world), query: { moved: 'true' } };
    return meanwhile(world, stores[operation.tag] ?? 'DB', null, 'reset', () => world.send(operation, request));
  },
  key_not_found: changed((request) => withParams(request, { key: 'nothing' })),
  object_not_found: changed((request) => withParams(request, { key: 'nothing' })),
  precondition_failed: changed((request) => withHeaders(request, { 'if-match': '"another"' })),
  not_modified: changed((request) => withHeaders(request, { 'if-none-match': '*' })),
  invalid_range: changed((request) => withHeaders(request, { range: 'bytes=99-' })),
  bad_digest: changed((request) => withHeaders(request, { 'content-md5': createHash('md5').update('out').digest('base64') })),
  body_not_kept: async (operation, world) => {
    const run = await world.dry();
    const agent = agentOf(world.good, run.token);
    await (operation.tag === 'KV' ? agent.put('seed', 'x'.repeat(limits.kept + 1)) : agent.putObject('seed', 'x'.repeat(limits.kept + 1)));
    return world.send(operation, plain(operation, world, run));
  },
  // The gateway's own parts.
  flag_unavailable: async (operation, world) => {
    const request = await live(operation, world);
    return meanwhile(world, 'FLAGS', reads, '503', () => world.send(operation, request));
  },
  control_unavailable: (operation, world) =>
    meanwhile(world, 'CONTROL', null, '503', () => world.send(operation, withHeaders(plain(operation, world), operation.id === 'openRun' ? { 'idempotency-key': 'unavailable' } : {}))),
};

/** Answers that are no problems, by operation and status, where the request in order is answered otherwise. */
export const successes = {
  'openRun 200': changed((request) => ({ ...request, json: { id: 'again' } })),
  'closeRun 200': async (operation, world) => world.send(operation, plain(operation, world, await world.dry())),
  // The denied stores of the good gateway are not bound.
  'ready 200': at('production'),
  'object 206': changed((request) => withHeaders(request, { range: 'bytes=0-2' })),
  'ready 503': (operation, world) => meanwhile(world, 'FILES', null, '503', () => world.send(operation, plain(operation, world))),
};
