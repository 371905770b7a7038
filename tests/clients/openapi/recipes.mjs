// How to get every answer that the document describes: one recipe a code, for all operations that have it.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { both, onKey, reads, writes } from '../../e2e/harness/gateway.mjs';
import { agentOf, until } from '../../e2e/helpers.mjs';
import { announceFile, denied, exportFile, limits, storeOf, virtual } from './world.mjs';

const insert = "INSERT INTO notes (text) VALUES ('in')";
const flagOf = (run) => `dryrun_active:${run.id}`;
const md5 = (text, encoding) => createHash('md5').update(text).digest(encoding);
/** Whether it is part of a run, whose token then is its credential. */
export const isInARun = ({ tag }) => ['D1', 'KV', 'R2', 'not offered'].includes(tag);

/** What a request of each operation says besides its address. */
const contents = {
  openRun: { json: {} },
  reportHook: { json: { kind: 'hook_failure', cause: 'panic', message: 'it ended', agent: 'codex' } },
  mcp: { json: { jsonrpc: '2.0', id: 1, method: 'ping' } },
  query: { json: { sql: insert } },
  raw: { json: { sql: insert } },
  import: { json: { action: 'init', etag: md5(insert, 'hex') } },
  export: { json: { output_format: 'polling' } },
  putValue: { body: 'in' },
  putValues: { json: [{ key: 'in', value: 'in' }] },
  deleteValues: { json: ['in'] },
  deleteValuesByPost: { json: ['in'] },
  getValues: { json: { keys: ['seed'] } },
  putObject: { body: 'in' },
  sendFile: { body: 'in' },
};

/** A request that is in order. */
export async function plain(operation, world, run = world.run) {
  const params = { account: 'local', store: storeOf(operation), key: 'seed', run: run.id, position: 1 };
  if (operation.id === 'sendFile') params.signed = run.sending ?? (await announceFile(world.good, run.token, 'in')).signed;
  if (operation.id === 'fetchFile') params.signed = run.fetching ?? (await exportFile(world.good, run.token));
  const credential = isInARun(operation) || operation.id === 'verifyToken' ? { token: run.token } : operation.secured ? { key: operation.id === 'alerts' ? 'operator' : 'agent' } : {};
  return { params, ...credential, ...contents[operation.id] };
}

/** The same, where an import is to run and not only to be announced. */
async function working(operation, world, run, content = insert, store = storeOf(operation)) {
  const request = withParams(await plain(operation, world, run), { store });
  if (operation.id !== 'import') return request;
  const { signed, filename } = await announceFile(world.good, run.token, content, store);
  assert.equal((await world.good.api(`/transfers/${signed}`, { method: 'PUT', body: content })).status, 200);
  return { ...request, json: { action: 'ingest', filename } };
}

const withHeaders = (request, headers) => ({ ...request, headers: { ...request.headers, ...headers } });
const withParams = (request, params) => ({ ...request, params: { ...request.params, ...params } });
/** The same request about another key, or with another body. */
const another = ({ json, ...request }) => {
  if (json === undefined) return withParams(request, { key: 'another' });
  const wanted = typeof json[0] === 'string' ? ['another'] : Array.isArray(json) ? [{ ...json[0], value: 'another' }] : { ...json, sql: `${json.sql} ` };
  return { ...request, json: wanted };
};
const at = (gateway) => async (operation, world) => world.send(operation, { ...(await plain(operation, world)), gateway: world[gateway] });
const changed = (change) => async (operation, world) => world.send(operation, await change(await plain(operation, world), operation, world));
const statement = (sql, params) => async (operation, world) => {
  const request = await working(operation, world, operation.id === 'import' ? await world.dry() : world.run, sql);
  return world.send(operation, operation.id === 'import' ? request : { ...request, json: { sql, ...(params ? { params } : {}) } });
};
/** An export in a dry run that has written something, after the base changed, too. */
const exportAfter = async (operation, world, sql, options = {}, changes = 'SELECT 1') => {
  const run = await world.dry();
  assert.equal((await agentOf(world.good, run.token).sql(sql)).status, 200);
  await world.good.db.exec(changes);
  return world.send(operation, { ...(await plain(operation, world, run)), json: { dump_options: options } });
};

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
const live = async (operation, world) => working(operation, world, await world.live());

/** A no of each kind of store that says what happened, as its binding gets it. */
const noes = {
  refused: {
    D1: { body: { success: false, error: 'D1_ERROR: Exceeded maximum DB size.' } },
    KV: '403',
    R2: { status: 403, body: '', headers: { 'cf-r2-error': JSON.stringify({ version: 0, v4code: 10003, message: 'Access Denied' }) } },
  },
  busy: { D1: { body: { success: false, error: 'D1 DB is overloaded. Requests queued for too long.' } }, KV: '429', R2: '429' },
};
const whileTheStoreSays = async (no, operation, world) => {
  const request = await live(operation, world);
  return meanwhile(world, storeOf(operation), null, noes[no][operation.tag], () => world.send(operation, request));
};

/** By code: (operation, world) => answer. */
export const recipes = {
  // Who asks.
  unauthenticated: changed(({ key, token, ...request }) => withParams(request, { signed: 'nothing' })),
  wrong_environment: changed(({ token, ...request }) => ({ ...request, key: 'drk_production_somebody' })),
  run_expired: changed(({ key, ...request }, operation, world) => {
    return operation.secured ? { ...request, token: world.expiredToken(world.run.id) } : withParams(request, { signed: world.expiredAddress(world.run.id) });
  }),
  forbidden: changed(({ token, ...request }, operation) => ({ ...request, key: operation.id === 'alerts' ? 'agent' : 'operator' })),
  live_not_granted: changed((request, operation, world) => ({ ...request, json: { mode: 'live' }, gateway: world.production })),
  // Where.
  misconfigured: at('misconfigured'),
  environment_mismatch: at('crossed'),
  environment_unverified: at('unmarked'),
  unknown_account: changed((request) => withParams(request, { account: 'somebody' })),
  unknown_store: changed((request) => withParams(request, { store: 'nowhere' })),
  store_denied: async (operation, world) => world.send(operation, await working(operation, world, await world.dry(), insert, denied(storeOf(operation)))),
  route_not_found: changed(async (request, operation, world) => {
    if (operation.id === 'import') return { ...request, json: { action: 'ingest', filename: '0'.repeat(32) } };
    if (operation.id === 'export') return { ...request, json: { current_bookmark: '0'.repeat(32) } };
    // The next export takes the place of the last one.
    if (operation.id === 'fetchFile') await exportFile(world.good, world.run.token);
    return withParams(request, { position: 999 });
  }),
  method_not_allowed: async (operation, world) => {
    const other = operation.id === 'sendFile' ? await exportFile(world.good, world.run.token) : (await announceFile(world.good, world.run.token, 'in')).signed;
    return world.send(operation, withParams(await plain(operation, world), { signed: other }));
  },
  not_offered: changed((request, operation) => {
    if (operation.id === 'export') return withParams(request, { store: virtual });
    if (operation.id === 'bookmark') return { ...request, query: { timestamp: '1' } };
    return operation.tag === 'not offered' ? request : withHeaders(request, { record: 'true' });
  }),
  // Which run.
  run_required: changed(({ token, ...request }) => ({ ...request, key: 'agent' })),
  unknown_run: changed(({ token, ...request }, operation) => {
    if (operation.id === 'openRun') return { ...request, json: { parent: 'nobody' } };
    return isInARun(operation) ? withHeaders({ ...request, key: 'agent' }, { 'run-id': 'nobody' }) : withParams(request, { run: 'nobody' });
  }),
  run_closed: async (operation, world) => {
    const run = await world.dry();
    const request = await plain(operation, world, run);
    await agentOf(world.good, run.token).call(`/v1/runs/${run.id}/close`, { method: 'POST' });
    return world.send(operation, operation.id === 'openRun' ? { ...request, json: { parent: run.id } } : request);
  },
  run_conflict: changed((request, operation, world) => ({ ...request, json: { id: world.run.id, labels: { other: 'terms' } } })),
  run_unavailable: changed(async (_, operation, world) => {
    const own = await plain(operation, world, world.unreadable);
    const asked = { ...own, gateway: world.damaged };
    // What needs no run asks one all the same, when it is told to turn it dry.
    return operation.secured ? withHeaders(asked, { 'dry-run': 'true', 'run-id': world.unreadable.id }) : asked;
  }),
  parent_unavailable: async (operation, world) => {
    const parent = await world.live();
    const child = operation.id === 'openRun' ? null : await world.live({ parent: parent.id });
    const request = child ? await working(operation, world, child) : { ...(await plain(operation, world)), json: { mode: 'live', parent: parent.id } };
    return meanwhile(world, 'FLAGS', both(reads, onKey(flagOf(parent))), '503', () => world.send(operation, request));
  },
  // What is asked.
  invalid_request: changed((request) => withHeaders(request, { 'dry-run': 'maybe' })),
  invalid_json: changed(({ json, ...request }, operation) => {
    return operation.id === 'putObject' ? withHeaders(request, { 'object-form': '{' }) : withHeaders({ ...request, body: ' ' }, { 'content-type': 'application/json' });
  }),
  unsupported_media_type: changed((request) => withHeaders(request, { 'content-type': 'text/plain' })),
  body_too_large: changed(async ({ body, json, ...request }, operation, world) => {
    if (operation.id === 'sendFile') {
      const large = 'x'.repeat(limits.kept + 1);
      return { ...withParams(request, { signed: (await announceFile(world.good, world.run.token, large)).signed }), body: large };
    }
    if (operation.id === 'putObject') return { ...request, announced: 300 * 1024 * 1024 + 1 };
    return withHeaders({ ...request, body: 'x'.repeat(limits.body + 1) }, { 'content-type': operation.id === 'putValue' ? 'text/plain' : 'application/json' });
  }),
  length_required: changed((request, operation) => {
    const chunked = { ...request, body: Readable.from(['in']) };
    return operation.id === 'putValue' ? withHeaders(chunked, { 'content-type': 'multipart/form-data; boundary=edge' }) : chunked;
  }),
  key_invalid: changed((request, operation) => {
    const bodies = { putValues: [{ key: '', value: '' }], deleteValues: [''], deleteValuesByPost: [''], getValues: { keys: [''] } };
    if (operation.id === 'keys') return { ...request, query: { prefix: 'x'.repeat(513) } };
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
  shadow_budget_exceeded: (operation, world) => {
    if (operation.id === 'export') return exportAfter(operation, world, "UPDATE large SET text = 'y' WHERE id = 1");
    return statement('UPDATE large SET text = text || id')(operation, world);
  },
  not_rehearsable: (operation, world) => {
    if (operation.id !== 'export') return statement('ANALYZE')(operation, world);
    // The row that was copied and the others are of different times, and do not fit together.
    const moved = "UPDATE named SET name = 'another' WHERE id = 1; UPDATE named SET name = 'name 1' WHERE id = 2";
    return exportAfter(operation, world, "UPDATE named SET state = 'planned' WHERE id = 1", { tables: ['named'] }, moved);
  },
  sql_error: (operation, world) => (operation.id === 'export' ? exportAfter(operation, world, insert, { tables: ['nowhere'] }) : statement('SELECT * FROM nowhere')(operation, world)),
  // Repeated requests.
  idempotency_key_invalid: changed((request) => withHeaders(request, { 'idempotency-key': 'two words' })),
  idempotency_mismatch: async (operation, world) => {
    const request = withHeaders(await live(operation, world), { 'idempotency-key': `mismatch-${operation.id}` });
    await world.send(operation, request);
    if (operation.id === 'openRun') return world.send(operation, { ...request, json: { labels: { other: 'terms' } } });
    return world.send(operation, another(request));
  },
  idempotency_running: async (operation, world) => {
    const request = withHeaders(await live(operation, world), { 'idempotency-key': 'running' });
    const store = storeOf(operation);
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
    await meanwhile(world, storeOf(operation), writes, 'reset', () => world.send(operation, request));
    return world.send(operation, request);
  },
  // What stores answer.
  store_unavailable: async (operation, world) => {
    const request = isInARun(operation) ? await live(operation, world) : { ...(await plain(operation, world)), query: { moved: 'true' } };
    return meanwhile(world, storeOf(operation) ?? 'DB', null, 'reset', () => world.send(operation, request));
  },
  store_refused: (operation, world) => whileTheStoreSays('refused', operation, world),
  store_busy: (operation, world) => whileTheStoreSays('busy', operation, world),
  key_not_found: changed((request) => withParams(request, { key: 'nothing' })),
  object_not_found: changed((request) => withParams(request, { key: 'nothing' })),
  precondition_failed: changed((request) => withHeaders(request, { 'if-match': '"another"' })),
  not_modified: changed((request) => withHeaders(request, { 'if-none-match': '*' })),
  invalid_range: changed((request) => withHeaders(request, { range: 'bytes=99-' })),
  bad_digest: changed((request, operation) => (operation.id === 'sendFile' ? { ...request, body: 'ni' } : withHeaders(request, { 'content-md5': md5('out', 'base64') }))),
  body_not_kept: async (operation, world) => {
    const run = await world.dry();
    const agent = agentOf(world.good, run.token);
    await (operation.tag === 'KV' ? agent.put('seed', 'x'.repeat(limits.kept + 1)) : agent.putObject('seed', 'x'.repeat(limits.kept + 1)));
    return world.send(operation, await plain(operation, world, run));
  },
  // The gateway's own parts.
  flag_unavailable: async (operation, world) => {
    const request = await live(operation, world);
    return meanwhile(world, 'FLAGS', reads, '503', () => world.send(operation, request));
  },
  control_unavailable: async (operation, world) => {
    const request = withHeaders(await plain(operation, world), operation.id === 'openRun' ? { 'idempotency-key': 'unavailable' } : {});
    return meanwhile(world, 'CONTROL', null, '503', () => world.send(operation, request));
  },
};

/** Answers that are no problems, by operation and status, where the request in order is answered otherwise. */
export const successes = {
  'openRun 200': changed((request) => ({ ...request, json: { id: 'again' } })),
  'closeRun 200': async (operation, world) => world.send(operation, await plain(operation, world, await world.dry())),
  // The denied stores of the good gateway are not bound.
  'ready 200': at('production'),
  'object 206': changed((request) => withHeaders(request, { range: 'bytes=0-2' })),
  'mcp 202': changed((request) => ({ ...request, json: { jsonrpc: '2.0', method: 'notifications/initialized' } })),
  'mcp 400': changed((request) => ({ ...request, json: { jsonrpc: '1.0' } })),
  'mcp 403': changed((request) => withHeaders(request, { origin: 'https://elsewhere.example' })),
  'mcp 404': changed((request) => {
    const version = '2026-07-28';
    const _meta = { 'io.modelcontextprotocol/protocolVersion': version, 'io.modelcontextprotocol/clientCapabilities': {} };
    const asked = { ...request, json: { jsonrpc: '2.0', id: 1, method: 'nothing', params: { _meta } } };
    return withHeaders(asked, { 'mcp-protocol-version': version, 'mcp-method': 'nothing' });
  }),
  'mcp 413': changed(({ json, ...request }) => withHeaders({ ...request, body: 'x'.repeat(2 * limits.body) }, { 'content-type': 'application/json' })),
  'mcp 415': changed((request) => withHeaders(request, { 'content-type': 'text/plain' })),
  'ready 503': async (operation, world) => {
    const request = await plain(operation, world);
    return meanwhile(world, 'FILES', null, '503', () => world.send(operation, request));
  },
};
