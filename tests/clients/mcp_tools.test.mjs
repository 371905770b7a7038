// The tools at /mcp over plain HTTP: each answer conforms to its schema and says whether it was real, and a tool does what the REST API does.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { agentOf, openRun, reportOf } from '../e2e/helpers.mjs';
import { assertResult, assertWorkIsReal, legacy, modern, outputValidators, startDesk, toolsOf, work } from './mcp/support.mjs';

const MiB = 1 << 20;

describe('tools in a dry run', () => {
  let gateway;
  let untouched;
  before(async () => {
    ({ gateway, untouched } = await startDesk());
  });
  after(() => gateway?.stop());
  const dryRun = async () => {
    const run = await openRun(gateway);
    return { run, ...(await toolsOf(gateway, { token: run.token })) };
  };
  const assertUntouched = async () => assert.equal(await gateway.digest(), untouched);

  test('a whole piece of work is planned, reported and not written', async () => {
    const { run, done } = await dryRun();
    const { status, report } = await work(async (name, args) => {
      const content = await done(name, args);
      assert.deepEqual([content.dry_run, content.run, content.environment], [true, run.id, 'staging']);
      assert.equal(typeof content.operation, name.startsWith('run_') ? 'object' : 'number');
      return content;
    });
    assert.equal(status.mode, 'dry_run');
    assert.deepEqual(report, JSON.parse(JSON.stringify(await reportOf(gateway, run.id))));
    assert.deepEqual([report.summary.inserted, report.summary.updated, report.summary.deleted], [5, 2, 2]);
    await assertUntouched();
  });

  test('positions in the journal are those of the answers', async () => {
    const { run, done, refused } = await dryRun();
    const positions = [
      (await done('kv_put', { key: 'a', value: '1' })).operation,
      (await refused('kv_get', { key: 'nothing' }, 'key_not_found')).operation,
      (await refused('d1_query', { sql: 'SELEC' }, 'sql_not_parsed')).operation,
      (await done('d1_schema', {})).operation,
    ];
    assert.deepEqual(positions, [1, 2, 3, 4]);
    const { operations } = await reportOf(gateway, run.id);
    assert.deepEqual(operations.map(({ action, outcome }) => [action, outcome]), [['put', 'done'], ['get', 'done'], ['SQL', 'refused'], ['BATCH of 4', 'done']]);
  });

  test('errors are the ones that the store would give, and refusals have a remedy', async () => {
    const { done, refused } = await dryRun();
    for (const [sql, message] of [
      ["INSERT INTO customers (email) VALUES ('ada@example.com')", /UNIQUE constraint failed: customers\.email/],
      ['INSERT INTO tickets (customer, title) VALUES (99, \'x\')', /FOREIGN KEY constraint failed/],
      ['UPDATE customers SET seats = -1 WHERE id = 1', /CHECK constraint failed/],
      ['SELECT colour FROM customers', /no such column: colour/],
    ]) {
      const { error, dry_run: dry } = await refused('d1_query', { sql }, 'sql_error');
      assert.match(error.message, message);
      assert.equal(dry, true);
    }
    for (const [tool, args, code] of [
      ['d1_query', { sql: 'ATTACH DATABASE \'x\' AS y' }, 'statement_not_allowed'],
      ['d1_query', { sql: 'SELECT * FROM _cf_KV' }, 'reserved_name'],
      ['d1_query', { sql: 'SELECT 1; SELECT ?', params: [1] }, 'invalid_request'],
      ['d1_query', { sql: 'SELECT 1', batch: [{ sql: 'SELECT 1' }] }, 'invalid_request'],
      ['d1_query', { batch: [] }, 'invalid_request'],
      ['d1_query', {}, 'invalid_request'],
      ['d1_query', { sql: '' }, 'no_statement'],
      ['d1_query', { sql: `SELECT ${Array(101).fill('?').join(', ')}`, params: Array(101).fill(1) }, 'too_many_parameters'],
      ['d1_query', { batch: [{ sql: 'SELECT 1', what: 1 }] }, 'invalid_request'],
      ['d1_query', { sql: 'SELECT ?', params: [{}] }, 'invalid_request'],
      ['kv_put', { key: 'a', value: 'x', expiration_ttl: 5 }, 'invalid_request'],
      ['kv_put', { key: 'a', value: 'x', expiration_ttl: 99999999999 }, 'invalid_request'],
      ['kv_put', { key: 'a', value: 'x', metadata: 'm'.repeat(1025) }, 'invalid_request'],
      ['kv_put', { key: 'k'.repeat(513), value: 'x' }, 'key_invalid'],
      ['kv_put', { key: 'a', value: '%%%', encoding: 'base64' }, 'invalid_request'],
      ['kv_get', { key: '' }, 'key_invalid'],
      ['kv_list', { limit: 5 }, 'invalid_request'],
      ['r2_put', { key: 'k'.repeat(1025), value: 'x' }, 'key_invalid'],
      ['r2_put', { key: 'a', value: 'x', custom_metadata: { a: 'm'.repeat(8193) } }, 'invalid_request'],
      ['r2_put', { key: 'a', value: 'x', http_metadata: { expires: 'tomorrow' } }, 'invalid_request'],
      ['r2_put', { key: 'a', value: 'x', http_metadata: { 'x-other': 'a' } }, 'invalid_request'],
      ['r2_list', { limit: 0 }, 'invalid_request'],
      ['r2_get', { key: 'a', length: 0 }, 'invalid_request'],
    ]) {
      const { error, operation } = await refused(tool, args, code);
      assert.ok(error.remedy.length > 5, `${tool} ${code}`);
      assert.equal(typeof operation, 'number', `${tool} ${code} is in the journal`);
    }
    await refused('r2_get', { key: 'nothing' }, 'object_not_found');
    await refused('r2_get', { key: 'notes/1.txt', offset: 1000 }, 'invalid_range');
    assert.equal((await done('run_status')).status.mode, 'dry_run');
    await assertUntouched();
  });

  test('unknown arguments and those of another type are refused by their name', async () => {
    const { refused } = await dryRun();
    for (const [tool, args, named] of [
      ['kv_get', { key: 'a', kee: 1 }, 'kee'],
      ['kv_get', { key: 'a', ['__proto__x']: 1 }, '__proto__x'],
      ['kv_get', {}, 'key'],
      ['kv_put', { key: 'a' }, 'value'],
      ['kv_put', { key: 'a', value: 7 }, 'value'],
      ['kv_put', { key: 'a', value: '', encoding: 'hex' }, 'encoding'],
      ['kv_put', { key: 'a', value: '', expiration: -1 }, 'expiration'],
      ['kv_list', { limit: 'ten' }, 'limit'],
      ['kv_list', { limit: 10.5 }, 'limit'],
      ['d1_query', { sql: ['SELECT 1'] }, 'sql'],
      ['d1_query', { sql: 'SELECT 1', params: 'x' }, 'params'],
      ['d1_query', { batch: { sql: 'SELECT 1' } }, 'batch'],
      ['d1_query', { batch: [['SELECT 1']] }, 'an object'],
      ['d1_schema', { table: 1 }, 'table'],
      ['kv_delete', { key: 'a', store: 7 }, 'store'],
      ['run_report', { random_string: '' }, 'random_string'],
      ['r2_put', { key: 'a', value: '', custom_metadata: { a: 1 } }, 'custom_metadata'],
      ['run_status', { run: 'other' }, 'run'],
      ['run_report', { moved: 'yes' }, 'moved'],
    ]) {
      const { error } = await refused(tool, args, 'invalid_request');
      assert.ok(error.message.includes(named), `${tool} ${named}: ${error.message}`);
    }
  });

  test('a store answers to its binding, its name and its id, and others are refused with those that there are', async () => {
    const { done, refused } = await dryRun();
    const { stores } = (await gateway.api('/v1/environment', { key: 'agent' })).json;
    const reads = { d1: ['d1_query', { sql: 'SELECT count(*) AS n FROM customers' }], kv: ['kv_get', { key: 'greeting' }], r2: ['r2_get', { key: 'notes/1.txt' }] };
    for (const { kind, binding, name, id } of stores) {
      const [tool, args] = reads[kind];
      for (const store of [binding, name, id].filter(Boolean)) assert.equal((await done(tool, { ...args, store })).ok, true, store);
      const { error, operation } = await refused(tool, { ...args, store: 'nothing' }, 'unknown_store');
      assert.ok(error.remedy.includes(binding) && operation > 0, error.remedy);
    }
    await refused('kv_get', { key: 'a', store: 'FILES' }, 'unknown_store');
  });

  test('the schema is described as the run sees it', async () => {
    const { done } = await dryRun();
    const before = await done('d1_schema', {});
    assert.deepEqual(before.tables.map(({ name }) => name), ['customers', 'log', 'tickets']);
    const [customers, , tickets] = before.tables;
    assert.deepEqual(customers.columns.map(({ name, type, not_null: notNull, default: value, primary_key: key }) => [name, type, notNull, value, key]),
      [['id', 'INTEGER', false, null, 1], ['email', 'TEXT', true, null, 0], ['plan', 'TEXT', true, "'free'", 0], ['seats', 'INTEGER', false, null, 0]]);
    assert.deepEqual(customers.indexes.map(({ unique, columns, sql }) => [unique, columns, sql]), [[true, ['email'], null]]);
    assert.deepEqual(tickets.indexes.map(({ name, unique, columns }) => [name, unique, columns]), [['tickets_by_state', false, ['state', 'customer']]]);
    assert.deepEqual(tickets.triggers.map(({ name }) => name), ['tickets_closed']);
    assert.deepEqual(before.views.map(({ name }) => name), ['open_tickets']);

    await done('d1_query', { sql: 'CREATE TABLE notes (a TEXT, b TEXT, c INTEGER GENERATED ALWAYS AS (length(a)), PRIMARY KEY (b, a)); CREATE INDEX partly ON notes (lower(a)) WHERE a IS NOT NULL; DROP VIEW open_tickets' });
    await done('d1_query', { sql: "UPDATE tickets SET state = 'closed' WHERE id = 10" });
    const after = await done('d1_schema', {});
    assert.deepEqual(after.tables.map(({ name }) => name), ['customers', 'log', 'notes', 'tickets']);
    const notes = after.tables.find(({ name }) => name === 'notes');
    assert.deepEqual(notes.columns.map(({ name, primary_key: key, generated }) => [name, key, generated]), [['a', 2, false], ['b', 1, false], ['c', 0, true]]);
    assert.deepEqual(notes.indexes.find(({ name }) => name === 'partly').columns, [null]);
    assert.deepEqual([notes.indexes.find(({ name }) => name === 'partly').partial, after.views], [true, []]);
    assert.deepEqual(after.tables.filter(({ name }) => name !== 'notes'), before.tables, 'no trace of the gateway');
    assert.deepEqual((await done('d1_schema', { table: 'NOTES' })).tables, [notes]);
    assert.deepEqual((await done('d1_schema', { table: "x' OR 1=1 --" })).tables, []);
    await assertUntouched();
  });

  test('lists come in pages that lead to each other', async () => {
    const { done } = await dryRun();
    for (let index = 0; index < 25; index += 1) await done('kv_put', { key: `page/${String(index).padStart(2, '0')}`, value: 'x' });
    const names = [];
    for (let cursor = null, first = true; first || cursor !== null; first = false) {
      const page = await done('kv_list', { prefix: 'page/', limit: 10, ...(cursor ? { cursor } : {}) });
      names.push(...page.keys.map(({ name }) => name));
      ({ cursor } = page);
    }
    assert.equal(new Set(names).size, 25);
    for (const key of ['f/a', 'f/b', 'f/c/d']) await done('r2_put', { key, value: 'x' });
    const first = await done('r2_list', { prefix: 'f/', delimiter: '/', limit: 2 });
    const second = await done('r2_list', { prefix: 'f/', delimiter: '/', limit: 2, cursor: first.cursor });
    assert.deepEqual([first, second].map(({ objects, prefixes }) => [objects.map(({ key }) => key), prefixes]), [[['f/a', 'f/b'], []], [[], ['f/c/']]]);
    assert.equal(second.cursor, null);
    assert.deepEqual((await done('r2_list', { prefix: 'f/', start_after: 'f/a' })).objects.map(({ key }) => key), ['f/b', 'f/c/d']);
  });

  test('a value of 25 MiB can be put as text and in base64, and one byte more cannot', async () => {
    const { run, done, refused } = await dryRun();
    const agent = agentOf(gateway, run.token);
    await done('kv_put', { key: 'text', value: 'x'.repeat(25 * MiB) });
    assert.equal((await agent.get('text')).bytes.length, 25 * MiB);
    await refused('kv_put', { key: 'long', value: 'x'.repeat(25 * MiB + 1) }, 'body_too_large');
    const other = await dryRun();
    await other.done('kv_put', { key: 'long', value: Buffer.alloc(25 * MiB).toString('base64'), encoding: 'base64' });
    const huge = await gateway.api('/mcp', { token: run.token, ...modern('tools/call', { name: 'kv_put', arguments: { key: 'a', value: 'x'.repeat(35_200_000) } }) });
    assert.deepEqual([huge.status, huge.json?.error?.code], [413, -32600], huge.text.slice(0, 200));
  });

  test('what is too long for a tool is refused, and read in parts', async () => {
    const { done, refused } = await dryRun();
    await gateway.files.put('big', Buffer.alloc(8 * MiB + 1, 97));
    await gateway.cache.put('big', 'a'.repeat(8 * MiB + 1));
    try {
      for (const tool of ['r2_get', 'kv_get']) assert.match((await refused(tool, { key: 'big' }, 'body_too_large')).error.message, /8388609 bytes/);
      const part = await done('r2_get', { key: 'big', offset: 8 * MiB - 2 });
      assert.deepEqual([part.value, part.offset, part.length, part.size], ['aaa', 8 * MiB - 2, 3, 8 * MiB + 1]);
      await done('r2_get', { key: 'big', length: 1000 });
      const long = `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10) SELECT hex(zeroblob(450000)) AS x FROM n`;
      assert.match((await refused('d1_query', { sql: long }, 'body_too_large')).error.message, /^The answer has/);
      await done('d1_query', { sql: 'SELECT 1 AS one' });
    } finally {
      await gateway.files.delete('big');
      await gateway.cache.delete('big');
    }
    await assertUntouched();
  });

  test('without a run the tools answer what to do', async () => {
    for (const tool of ['kv_get', 'run_status', 'run_report']) {
      const { refused } = await toolsOf(gateway, { key: 'agent' });
      const { error, run, operation, dry_run: dry } = await refused(tool, tool === 'kv_get' ? { key: 'a' } : {}, 'run_required');
      assert.match(error.remedy, /POST \/v1\/runs/);
      assert.deepEqual([run, operation, dry], [null, null, null]);
    }
    const { id } = await openRun(gateway);
    const { done, refused } = await toolsOf(gateway, { key: 'agent' });
    const named = { headers: { 'Run-Id': id } };
    assert.equal((await done('kv_get', { key: 'greeting' }, named)).run, id);
    assert.equal((await done('run_status', {}, named)).status.id, id);
    const stranger = await toolsOf(gateway, { key: 'agent2' });
    for (const [tool, args] of [['kv_get', { key: 'greeting' }], ['run_status', {}], ['run_report', {}]]) await stranger.refused(tool, args, 'unknown_run', named);
    const operator = await toolsOf(gateway, { key: 'operator' });
    assert.equal((await operator.done('run_report', {}, named)).report.run.id, id);
    await operator.refused('kv_get', { key: 'greeting' }, 'forbidden', named);
    await operator.refused('run_status', {}, 'run_required');
    await refused('kv_get', { key: 'a' }, 'unknown_run', { headers: { 'Run-Id': 'no such run!' } });
    const other = await toolsOf(gateway, { token: (await openRun(gateway)).token });
    await other.refused('run_status', {}, 'forbidden', named);
  });

  test('a closed run refuses work and still tells its report', async () => {
    const { run, done, refused } = await dryRun();
    await done('kv_put', { key: 'a', value: '1' });
    await gateway.api(`/v1/runs/${run.id}/close`, { token: run.token, method: 'POST' });
    await refused('kv_put', { key: 'b', value: '1' }, 'run_closed');
    const { report } = await done('run_report');
    assert.deepEqual([report.summary.inserted, report.summary.refused, report.run.phase], [1, 1, 'closed']);
    assert.ok((await done('run_report', { moved: true })).report.moved);
  });
});

describe('tools in a live run', () => {
  let gateway;
  before(async () => void ({ gateway } = await startDesk()));
  after(() => gateway?.stop());

  test('a whole piece of work is written and says that it is real', async () => {
    const run = await openRun(gateway, { mode: 'live' });
    const { done } = await toolsOf(gateway, { token: run.token });
    const { status } = await work(async (name, args) => {
      const content = await done(name, args);
      assert.equal(content.dry_run, false);
      assert.match(content.notice, /^Live run \S+: /);
      return content;
    });
    assert.equal(status.mode, 'live');
    await assertWorkIsReal(gateway);
    assert.match((await done('kv_put', { key: 'last', value: 'x' })).notice, /this was written to staging and is real/);
  });

  test('the word Dry-Run on any message turns the run dry, also on one that fails', async () => {
    const messages = [
      modern('tools/call', { name: 'kv_put', arguments: { key: 'x', value: 'planned' } }),
      modern('tools/call', { name: 'kv_put', arguments: { key: 'x', what: 1 } }),
      modern('tools/call', { name: 'no_such_tool', arguments: {} }),
      modern('tools/list'),
      legacy('ping'),
      { body: 'no JSON', headers: { 'content-type': 'application/json' } },
      { body: 'text', headers: { 'content-type': 'text/plain' } },
    ];
    for (const [index, message] of messages.entries()) {
      const run = await openRun(gateway, { mode: 'live' });
      await gateway.api('/mcp', { token: run.token, ...message, method: 'POST', headers: { ...message.headers, 'Dry-Run': 'true' } });
      const { done } = await toolsOf(gateway, { token: run.token });
      assert.equal((await done('run_status')).status.mode, 'dry_run', `message ${index}`);
      assert.equal((await done('kv_put', { key: 'y', value: 'planned' })).dry_run, true);
    }
    assert.equal(await gateway.cache.get('x'), null);
    assert.equal(await gateway.cache.get('y'), null);
    const run = await openRun(gateway, { mode: 'live' });
    const unclear = await gateway.api('/mcp', { token: run.token, ...modern('tools/call', { name: 'kv_put', arguments: { key: 'z', value: '1' } }, { headers: { 'Dry-Run': 'yes' } }) });
    assert.deepEqual([unclear.status, unclear.json.code], [400, 'invalid_request']);
    assert.equal(await gateway.cache.get('z'), null);
  });

  test('a guard that fails is a refusal that says so, and nothing is written', async () => {
    const run = await openRun(gateway, { mode: 'live' });
    const { refused, done } = await toolsOf(gateway, { token: run.token });
    await gateway.fault('FLAGS', null, '503');
    try {
      const { error } = await refused('kv_put', { key: 'guarded', value: '1' }, 'flag_unavailable');
      assert.ok(error.remedy.length > 5);
    } finally {
      gateway.heal('FLAGS');
    }
    assert.equal(await gateway.cache.get('guarded'), null);
    await done('kv_put', { key: 'guarded', value: '1' });
    assert.equal(await gateway.cache.get('guarded'), '1');
  });

  test('a store that fails is an error of the call, not of the protocol', async () => {
    const run = await openRun(gateway, { mode: 'live' });
    const validators = await outputValidators(gateway, { token: run.token });
    for (const [store, name, args] of [['DB', 'd1_query', { sql: 'SELECT 1' }], ['CACHE', 'kv_get', { key: 'a' }], ['FILES', 'r2_list', {}]]) {
      await gateway.fault(store, null, '500');
      const answer = await gateway.api('/mcp', { token: run.token, ...modern('tools/call', { name, arguments: args }) });
      gateway.heal(store);
      assert.equal(answer.status, 200, answer.text);
      assertResult(name, answer.json.result, validators);
      assert.deepEqual([answer.json.result.isError, answer.json.result.structuredContent.error.code], [true, 'store_unavailable'], store);
    }
  });
});
