// What the tests of the Model Context Protocol share: stores with something in them, messages of both eras, and a check of every result.

import assert from 'node:assert/strict';
import { AjvJsonSchemaValidator } from '@modelcontextprotocol/sdk/validation/ajv';
import { startGateway } from '../../e2e/harness/gateway.mjs';

export const modernVersion = '2026-07-28';
export const legacyVersions = ['2025-11-25', '2025-06-18', '2025-03-26'];

/** A gateway in front of a support desk: tables with a key, an index, a trigger and a view, one value and one object. `untouched` is the digest of all that. */
export async function startDesk() {
  const gateway = await startGateway();
  await gateway.db.exec(`CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, plan TEXT NOT NULL DEFAULT 'free', seats INTEGER CHECK (seats >= 0));
    CREATE TABLE tickets (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE, title TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'open');
    CREATE TABLE log (id INTEGER PRIMARY KEY, line TEXT);
    CREATE INDEX tickets_by_state ON tickets (state, customer);
    CREATE TRIGGER tickets_closed AFTER UPDATE OF state ON tickets WHEN new.state = 'closed' BEGIN INSERT INTO log (line) VALUES ('closed ' || new.id); END;
    CREATE VIEW open_tickets AS SELECT id, title FROM tickets WHERE state = 'open';
    INSERT INTO customers VALUES (1, 'ada@example.com', 'pro', 3), (2, 'bob@example.com', 'free', 1);
    INSERT INTO tickets (id, customer, title) VALUES (10, 1, 'Cannot log in'), (11, 2, 'Refund'), (12, 2, 'Typo')`);
  await gateway.cache.put('greeting', 'hello');
  await gateway.files.put('notes/1.txt', 'first note', { httpMetadata: { contentType: 'text/plain' }, customMetadata: { author: 'ada' } });
  return { gateway, untouched: await gateway.digest() };
}

let ids = 0;

/** A request of the time since 2026-07-28, with the headers that repeat it: options for `gateway.api('/mcp', …)`. */
export function modern(method, params = {}, { meta = {}, headers = {}, id = (ids += 1) } = {}) {
  const name = params.name === undefined ? {} : { 'Mcp-Name': String(params.name) };
  return {
    json: { jsonrpc: '2.0', id, method, params: { ...params, _meta: { 'io.modelcontextprotocol/protocolVersion': modernVersion, 'io.modelcontextprotocol/clientCapabilities': {}, ...meta } } },
    headers: { 'MCP-Protocol-Version': modernVersion, 'Mcp-Method': method, ...name, ...headers },
  };
}

/** A request of the time before. */
export function legacy(method, params, { version = legacyVersions[0], headers = {}, id = (ids += 1) } = {}) {
  return {
    json: { jsonrpc: '2.0', id, method, ...(params === undefined ? {} : { params }) },
    headers: { ...(version === null ? {} : { 'MCP-Protocol-Version': version }), ...headers },
  };
}

/** Calls tools over plain HTTP as `credential` may, and checks each result against the tool's own schema. */
export async function toolsOf(gateway, credential) {
  const validators = await outputValidators(gateway, credential);
  const call = async (name, args = {}, options) => {
    const answer = await gateway.api('/mcp', { ...credential, ...modern('tools/call', { name, arguments: args }, options) });
    assert.equal(answer.status, 200, answer.text);
    assert.ok(answer.json.result, answer.text);
    assertResult(name, answer.json.result, validators);
    return answer.json.result;
  };
  return {
    call,
    /** The structured content of a call that must succeed. */
    done: async (name, args, options) => {
      const { isError, structuredContent } = await call(name, args, options);
      assert.equal(isError, false, JSON.stringify(structuredContent));
      return structuredContent;
    },
    /** The error of a call that must not. */
    refused: async (name, args, code, options) => {
      const { isError, structuredContent } = await call(name, args, options);
      assert.deepEqual([isError, structuredContent.error?.code], [true, code], JSON.stringify(structuredContent));
      return structuredContent;
    },
  };
}

export async function outputValidators(gateway, credential) {
  const { json } = await gateway.api('/mcp', { ...credential, ...modern('tools/list') });
  const ajv = new AjvJsonSchemaValidator();
  return new Map(json.result.tools.map(({ name, outputSchema }) => [name, ajv.getValidator(outputSchema)]));
}

/** A result conforms to its schema, says in words and in a member whether it was a dry run, and says the same as text. */
export function assertResult(name, result, validators) {
  const { content, structuredContent, isError } = result;
  const { valid, errorMessage } = validators.get(name)(structuredContent);
  assert.ok(valid, `${name}: ${errorMessage}\n${JSON.stringify(structuredContent).slice(0, 500)}`);
  assert.equal(structuredContent.ok, !isError);
  for (const block of content) assert.deepEqual([block.type, typeof block.text], ['text', 'string']);
  const texts = content.map(({ text }) => text);
  if (name === 'run_report' && !isError) assert.match(texts[0], /^# /);
  else assert.deepEqual(JSON.parse(texts[0]), structuredContent);
  assert.equal(texts.at(-1), structuredContent.notice);
  if (structuredContent.dry_run === true) assert.match(structuredContent.notice, /^Dry run \S+: nothing was written to staging\./);
  if (isError) assert.ok(texts[1].startsWith(`${structuredContent.error.code}: ${structuredContent.error.message}`), texts[1]);
}

/**
 * A piece of work as an agent would do it. `call(name, arguments)` answers the structured content of a call that succeeded.
 * Leaves the run with changes in all three stores.
 */
export async function work(call) {
  const { tables, views } = await call('d1_schema', { table: 'tickets' });
  assert.deepEqual(tables.map(({ name }) => name), ['tickets']);
  assert.deepEqual(views, []);
  assert.deepEqual(tables[0].foreign_keys, [{ columns: ['customer'], references: 'customers', to: ['id'], on_update: 'NO ACTION', on_delete: 'CASCADE' }]);
  const rows = async (sql, params) => (await call('d1_query', { sql, ...(params ? { params } : {}) })).statements.map(({ results }) => results);
  const [open] = await rows('SELECT id FROM open_tickets ORDER BY id');
  assert.deepEqual(open, [{ id: 10 }, { id: 11 }, { id: 12 }]);
  const closed = await call('d1_query', { sql: "UPDATE tickets SET state = 'closed' WHERE id = ? RETURNING id, state", params: [12] });
  assert.deepEqual([closed.statements[0].results, closed.statements[0].meta.changes], [[{ id: 12, state: 'closed' }], 2]);
  await call('d1_query', { batch: [{ sql: 'INSERT INTO customers (id, email, seats) VALUES (?, ?, ?)', params: [3, 'eve@example.com', 2] }, { sql: 'UPDATE customers SET plan = ? WHERE id = ?', params: ['pro', 2] }] });
  assert.deepEqual(await rows('SELECT line FROM log; SELECT id FROM open_tickets ORDER BY id'), [[{ line: 'closed 12' }], [{ id: 10 }, { id: 11 }]]);
  assert.deepEqual(await rows('SELECT plan, seats FROM customers WHERE id IN (?, ?) ORDER BY id', [2, 3]), [[{ plan: 'pro', seats: 1 }, { plan: 'free', seats: 2 }]]);

  await call('kv_put', { key: 'seen/12', value: 'closed', metadata: { by: 'agent' }, expiration_ttl: 3600 });
  await call('kv_put', { key: 'raw', value: Buffer.from([0, 255, 128]).toString('base64'), encoding: 'base64' });
  assert.deepEqual(pick(await call('kv_get', { key: 'seen/12' }), 'value', 'encoding', 'size', 'metadata'), ['closed', 'text', 6, { by: 'agent' }]);
  assert.deepEqual(pick(await call('kv_get', { key: 'raw' }), 'value', 'encoding', 'size', 'metadata'), ['AP+A', 'base64', 3, null]);
  await call('kv_delete', { key: 'greeting' });
  const { keys, cursor } = await call('kv_list', {});
  assert.deepEqual([keys.map(({ name }) => name), keys[1].metadata, cursor], [['raw', 'seen/12'], { by: 'agent' }, null]);

  const put = await call('r2_put', { key: 'notes/2.txt', value: 'zwei ✓', http_metadata: { 'content-type': 'text/plain' }, custom_metadata: { Author: 'ägent' } });
  assert.deepEqual(pick(put, 'key', 'size'), ['notes/2.txt', 8]);
  const got = await call('r2_get', { key: 'notes/2.txt' });
  assert.deepEqual(pick(got, 'value', 'encoding', 'offset', 'length', 'size', 'etag'), ['zwei ✓', 'text', 0, 8, 8, put.etag]);
  assert.deepEqual([got.http_metadata, got.custom_metadata], [{ 'content-type': 'text/plain' }, { Author: 'ägent' }]);
  assert.deepEqual(pick(await call('r2_get', { key: 'notes/2.txt', offset: 0, length: 4 }), 'value', 'length', 'size'), ['zwei', 4, 8]);
  await call('r2_delete', { key: 'notes/1.txt' });
  const listed = await call('r2_list', { prefix: 'notes/' });
  assert.deepEqual([listed.objects.map(({ key, custom_metadata }) => [key, custom_metadata.Author]), listed.prefixes], [[['notes/2.txt', 'ägent']], []]);
  assert.deepEqual((await call('r2_list', { delimiter: '/' })).prefixes, ['notes/']);

  const { status } = await call('run_status', {});
  assert.equal(status.phase, 'open');
  const { report } = await call('run_report', {});
  assert.deepEqual([report.summary.failed, report.summary.refused], [0, 0]);
  return { status, report };
}

/** Asserts that the work is in the real stores. */
export async function assertWorkIsReal(gateway) {
  assert.deepEqual(await gateway.db.all('SELECT id, plan FROM customers ORDER BY id'), [{ id: 1, plan: 'pro' }, { id: 2, plan: 'pro' }, { id: 3, plan: 'free' }]);
  assert.deepEqual(await gateway.db.all('SELECT line FROM log'), [{ line: 'closed 12' }]);
  assert.equal(await gateway.cache.get('greeting'), null);
  const { value, metadata } = await gateway.cache.getWithMetadata('seen/12');
  assert.deepEqual([value, metadata], ['closed', { by: 'agent' }]);
  assert.deepEqual([...new Uint8Array(await gateway.cache.getBytes('raw'))], [0, 255, 128]);
  assert.equal(await gateway.files.get('notes/1.txt'), null);
  const object = await gateway.files.get('notes/2.txt');
  assert.deepEqual([object.bytes.toString(), object.httpMetadata.contentType, object.customMetadata.Author], ['zwei ✓', 'text/plain', 'ägent']);
}

function pick(object, ...names) {
  return names.map((name) => object[name]);
}
