// Idempotency-Key: the same key and request have one effect and one answer, whatever happens in between.

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { startGateway, writes } from './harness/gateway.mjs';
import { agentOf, assertProblem, openRun, paths, reportOf, until } from './helpers.mjs';

const json = { 'content-type': 'application/json' };
const schema = 'CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT);';

// Every kind of write: the request, and another one at the same address or of the same kind.
const kinds = {
  'D1 query': [[paths.d1(), { json: { sql: "INSERT INTO notes (text) VALUES ('a') RETURNING id" } }], [paths.d1(), { json: { sql: "INSERT INTO notes (text) VALUES ('b') RETURNING id" } }]],
  'D1 raw': [[paths.d1('raw'), { json: { sql: 'INSERT INTO notes (text) VALUES (?) RETURNING *', params: ['a'] } }], [paths.d1('raw'), { json: { sql: 'INSERT INTO notes (text) VALUES (?) RETURNING *', params: ['b'] } }]],
  'D1 batch': [[paths.d1(), { json: { batch: [{ sql: "INSERT INTO notes (text) VALUES ('a')" }, { sql: 'SELECT count(*) AS n FROM notes' }] } }], [paths.d1(), { json: { batch: [{ sql: "INSERT INTO notes (text) VALUES ('a')" }] } }]],
  'D1 query as raw': [[paths.d1(), { json: { sql: 'DELETE FROM notes WHERE id = -1' } }], [paths.d1('raw'), { json: { sql: 'DELETE FROM notes WHERE id = -1' } }]],
  'KV put': [[paths.value('k'), { method: 'PUT', body: 'a' }], [paths.value('k'), { method: 'PUT', body: 'b' }]],
  'KV put with another life': [[paths.value('k', '?expiration_ttl=600'), { method: 'PUT', body: 'a' }], [paths.value('k', '?expiration_ttl=601'), { method: 'PUT', body: 'a' }]],
  'KV put to another key': [[paths.value('k'), { method: 'PUT', body: 'a' }], [paths.value('l'), { method: 'PUT', body: 'a' }]],
  'KV put with metadata': [
    [paths.value('m'), { method: 'PUT', ...form({ value: 'v', metadata: '{"a":1}' }) }], [paths.value('m'), { method: 'PUT', ...form({ value: 'v{"a":1}' }) }],
  ],
  'KV delete': [[paths.value('k'), { method: 'DELETE' }], [paths.value('l'), { method: 'DELETE' }]],
  'KV delete after put': [[paths.value('k'), { method: 'PUT', body: 'a' }], [paths.value('k'), { method: 'DELETE' }]],
  'KV bulk put': [[paths.kv('bulk'), { method: 'PUT', json: [{ key: 'x', value: '1' }, { key: 'y', value: '2' }] }], [paths.kv('bulk'), { method: 'PUT', json: [{ key: 'x', value: '1' }] }]],
  'KV bulk delete': [[paths.kv('bulk/delete'), { json: ['x', 'y'] }], [paths.kv('bulk/delete'), { json: ['x'] }]],
  'R2 put': [[paths.object('o'), { method: 'PUT', body: 'aa' }], [paths.object('o'), { method: 'PUT', body: 'bbb' }]],
  'R2 put of the same length': [[paths.object('o'), { method: 'PUT', body: 'aa' }], [paths.object('o'), { method: 'PUT', body: 'bb' }]],
  'R2 put with metadata': [[paths.object('o'), { method: 'PUT', body: 'aa', headers: { 'x-amz-meta-a': '1' } }], [paths.object('o'), { method: 'PUT', body: 'aa', headers: { 'x-amz-meta-a': '2' } }]],
  'R2 delete': [[paths.object('o'), { method: 'DELETE' }], [paths.object('p'), { method: 'DELETE' }]],
};

function form(fields) {
  const parts = Object.entries(fields).map(([name, value]) => `--edge\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`);
  return { headers: { 'content-type': 'multipart/form-data; boundary=edge' }, body: `${parts.join('')}--edge--\r\n` };
}

describe('Idempotency-Key', () => {
  let gateway;
  before(async () => {
    gateway = await startGateway({ vars: { FLAG_BUDGET_MS: '5000' } });
    await gateway.db.exec(schema);
  });
  beforeEach(() => gateway.heal());
  after(() => gateway.stop());

  const send = (agent, [path, options], key) => agent.call(path, { ...options, headers: { ...options.headers, 'idempotency-key': key } });
  const targetWrites = () => gateway.recorder.requests.filter(({ store, write }) => ['DB', 'CACHE', 'FILES'].includes(store) && write).length;
  const start = async (mode, terms = {}) => {
    const { id, token } = await openRun(gateway, { mode, ...terms });
    return { id, token, agent: agentOf(gateway, token) };
  };

  for (const [name, [request, other]] of Object.entries(kinds)) {
    for (const mode of ['live', 'dry_run']) {
      test(`${name}, ${mode}: the same again is answered as before and done once, another one is refused`, async () => {
        const { id, agent } = await start(mode);
        await agent.put('before', 'so that flag and shadow are warm');
        gateway.recorder.clear();
        const first = await send(agent, request, 'key-1');
        assert.equal(first.status, 200, first.text);
        assert.equal(first.headers.get('idempotent-replayed'), null);
        const effects = targetWrites();
        assert.ok(mode === 'live' ? effects > 0 : effects === 0);
        const digest = await gateway.digest();
        for (const key of ['key-1', '"key-1"']) {
          const again = await send(agent, request, key);
          assert.deepEqual([again.status, again.text, again.headers.get('idempotent-replayed')], [200, first.text, 'true']);
          for (const header of ['operation', 'run-id', 'dry-run', 'environment']) assert.equal(again.headers.get(header), first.headers.get(header), header);
        }
        assertProblem(await send(agent, other, 'key-1'), 422, 'idempotency_mismatch');
        assert.equal(targetWrites(), effects);
        assert.equal(await gateway.digest(), digest);
        const { operations } = await reportOf(gateway, id);
        assert.equal(operations.filter(({ access, outcome }) => access === 'write' && ['done', 'skipped'].includes(outcome)).length, 2);
        // A key of its own is a write of its own.
        assert.equal((await send(agent, request, 'key-2')).headers.get('idempotent-replayed'), null);
      });
    }
  }

  test('a long answer is answered again as it was', async () => {
    const { agent } = await start('live');
    const request = [paths.d1(), { json: { sql: 'INSERT INTO notes (text) VALUES (?) RETURNING text', params: ['x'.repeat(1_600_000)] } }];
    const first = await send(agent, request, 'long');
    assert.equal(first.status, 200);
    const again = await send(agent, request, 'long');
    assert.equal(again.headers.get('idempotent-replayed'), 'true');
    assert.ok(again.text === first.text, `${again.text.length} bytes for ${first.text.length}: ${again.text.slice(0, 200)}`);
  });

  test('keys belong to their run', async () => {
    const [one, two] = [await start('live'), await start('live')];
    const request = kinds['D1 query'][0];
    const [first, second] = [await send(one.agent, request, 'shared'), await send(two.agent, request, 'shared')];
    assert.deepEqual([first.headers.get('idempotent-replayed'), second.headers.get('idempotent-replayed')], [null, null]);
    assert.notEqual(first.json.result[0].results[0].id, second.json.result[0].results[0].id);
  });

  test('a read ignores the key', async () => {
    const { agent } = await start('live');
    await agent.put('read', '1');
    const read = () => agent.get('read', { headers: { 'idempotency-key': 'read' } });
    assert.equal((await read()).text, '1');
    await agent.put('read', '2');
    assert.equal((await read()).text, '2');
  });

  test('a first request still at work is waited for, not repeated', async () => {
    for (const [kind, store] of [['D1 query', 'DB'], ['KV put', 'CACHE'], ['R2 put', 'FILES']]) {
      const { agent } = await start('live');
      gateway.recorder.clear();
      await gateway.fault(store, writes, 'hang');
      const first = send(agent, kinds[kind][0], 'slow').catch((error) => ({ error }));
      await until(() => targetWrites() === 1, 'the store is writing');
      const second = await send(agent, kinds[kind][0], 'slow');
      assertProblem(second, 409, 'idempotency_running', { about: kind });
      assertProblem(await send(agent, kinds[kind][1], 'slow'), 422, 'idempotency_mismatch');
      gateway.heal();
      // The connection broke after the store may have written: nobody knows, so nobody tries again under this key.
      const answered = await first;
      assertProblem(answered, 502, 'store_unavailable', { about: kind });
      const third = await send(agent, kinds[kind][0], 'slow');
      assert.equal(third.status, 409, third.text);
      assert.equal(targetWrites(), 1);
    }
  });

  test('of many at once with one key one writes, the others wait or get its answer', async () => {
    for (const mode of ['live', 'dry_run']) {
      const { id, agent } = await start(mode);
      await gateway.fault('DB', writes, { delay: 100 });
      const answers = await Promise.all(Array.from({ length: 8 }, () => send(agent, kinds['D1 query'][0], 'rush')));
      gateway.heal();
      const done = answers.filter(({ status, headers }) => status === 200 && headers.get('idempotent-replayed') === null);
      assert.equal(done.length, 1, JSON.stringify(answers.map(({ status, text }) => [status, text.slice(0, 100)])));
      for (const answer of answers.filter((one) => !done.includes(one))) {
        if (answer.status === 200) assert.equal(answer.text, done[0].text);
        else assertProblem(answer, 409, 'idempotency_running');
      }
      assert.equal((await reportOf(gateway, id)).operations.filter(({ outcome }) => outcome === 'done').length, 1);
    }
  });

  test('what was refused frees its key', async () => {
    const { agent } = await start('live');
    gateway.recorder.clear();
    await gateway.fault('FLAGS', null, '503');
    for (const [name, [request]] of Object.entries(kinds)) assertProblem(await send(agent, request, name.replaceAll(' ', '-')), 503, 'flag_unavailable', { about: name });
    assert.equal(targetWrites(), 0);
    gateway.heal();
    for (const [name, [request]] of Object.entries(kinds)) {
      const answer = await send(agent, request, name.replaceAll(' ', '-'));
      assert.deepEqual([answer.status, answer.headers.get('idempotent-replayed')], [200, null], `${name} ${answer.text}`);
    }
  });

  test('what failed in the store may be tried again with its key', async () => {
    for (const mode of ['live', 'dry_run']) {
      const { agent } = await start(mode);
      const request = [paths.d1(), { json: { sql: 'INSERT INTO notes (id) VALUES (1000001), (1000001)' } }];
      for (let times = 0; times < 2; times += 1) assertProblem(await send(agent, request, 'failing'), 400, 'sql_error', { remedy: false });
    }
  });

  test('a run that turned dry in between still gives the answer of the live write', async () => {
    const { id, agent } = await start('live');
    const first = await send(agent, kinds['KV put'][0], 'turning');
    await agent.call(`/v1/runs/${id}/dry-run`, { method: 'POST' });
    const again = await send(agent, kinds['KV put'][0], 'turning');
    assert.deepEqual([again.text, again.headers.get('dry-run'), again.headers.get('idempotent-replayed')], [first.text, null, 'true']);
  });

  test('a caller who hangs up in the middle of a write does not lose it, nor block its run', async () => {
    for (const mode of ['live', 'dry_run']) {
      const { agent } = await start(mode);
      gateway.recorder.clear();
      await gateway.fault('DB', mode === 'live' ? writes : null, { delay: 300 }, { times: 1 });
      const gone = new AbortController();
      const first = send(agent, [paths.d1(), { json: kinds['D1 query'][0][1].json, signal: gone.signal }], 'gone').catch(() => 'aborted');
      await until(() => gateway.recorder.requests.some(({ store }) => store === 'DB'), 'the store was asked');
      gone.abort();
      assert.equal(await first, 'aborted');
      const again = await until(async () => {
        const answer = await send(agent, kinds['D1 query'][0], 'gone');
        return answer.json.code === 'idempotency_running' ? null : answer;
      }, `${mode}: the first request comes to an end`, 10_000);
      assert.ok(again.status === 200 || again.json.code === 'outcome_unknown', again.text);
      assert.equal((await agent.put('next', 'x')).status, 200);
      gateway.heal();
    }
  });

  test('opening a run without an id but with a key gives the same run again', async () => {
    const open = (body, key, caller = { key: 'agent' }) => gateway.api('/v1/runs', { ...caller, method: 'POST', body, headers: { ...json, 'idempotency-key': key } });
    const first = await open('{"mode":"live"}', 'open-1');
    const again = await open('{"mode":"live"}', 'open-1');
    assert.deepEqual([first.status, again.status, again.json.id, again.json.opened_at], [201, 200, first.json.id, first.json.opened_at]);
    assertProblem(await open('{"mode":"dry_run"}', 'open-1'), 422, 'idempotency_mismatch');
    assert.notEqual((await open('{"mode":"live"}', 'open-2')).json.id, first.json.id);
    assert.notEqual((await open('{"mode":"live"}', 'open-1', { key: 'agent2' })).json.id, first.json.id);
    assertProblem(await open('{}', 'a b'), 400, 'idempotency_key_invalid');
    const rush = await Promise.all(Array.from({ length: 6 }, () => open('{}', 'open-rush')));
    assert.equal(new Set(rush.map(({ json: run }) => run.id)).size, 1);
    assert.deepEqual(rush.map(({ status }) => status).sort(), [200, 200, 200, 200, 200, 201]);
  });
});

test('a write cut off by a crash leaves its key with an unknown outcome, and is not done again', async () => {
  const gateway = await startGateway();
  try {
    await gateway.db.exec(schema);
    for (const mode of ['live', 'dry_run']) {
      const { id, token } = await openRun(gateway, { mode });
      const write = () => agentOf(gateway, token).sql("INSERT INTO notes (text) VALUES ('once')", undefined, { headers: { 'idempotency-key': 'crash' } });
      gateway.recorder.clear();
      await gateway.fault('DB', mode === 'live' ? writes : null, 'hang');
      const cut = write().catch(() => 'cut');
      await until(() => gateway.recorder.requests.some(({ store, write: isWrite }) => store === 'DB' && (mode !== 'live' || isWrite)), 'the store hangs');
      await gateway.kill();
      assert.equal(await cut, 'cut');
      gateway.heal();
      await gateway.restart();
      gateway.recorder.clear();
      for (let times = 0; times < 2; times += 1) assertProblem(await write(), 409, 'outcome_unknown', { about: mode });
      assert.ok(!gateway.recorder.requests.some(({ store, write: isWrite }) => store === 'DB' && isWrite));
      const report = await reportOf(gateway, id);
      assert.equal(report.hazards.some(({ kind }) => kind === 'outcome_unknown'), mode === 'live');
      assert.deepEqual(await gateway.db.all('SELECT * FROM notes'), []);
    }
  } finally {
    await gateway.stop();
  }
});
