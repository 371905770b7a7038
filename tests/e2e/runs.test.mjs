// Runs: how they are opened, on which terms, who sees them, and how they end.

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { startGateway } from './harness/gateway.mjs';
import { agentOf, assertProblem, openRun, paths, reportOf, until } from './helpers.mjs';

const schema = 'CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT); INSERT INTO notes VALUES (1, \'first\');';
const day = 24 * 3600;

describe('in staging', () => {
  let gateway;
  const open = (options) => openRun(gateway, options);
  const ask = (json, caller = { key: 'agent' }) => gateway.api('/v1/runs', { ...caller, json });

  before(async () => {
    gateway = await startGateway();
    await gateway.db.exec(schema);
  });
  beforeEach(() => gateway.heal());
  after(() => gateway.stop());

  test('a run that says nothing is an open dry run for a day, with a generated id', async () => {
    const answer = await gateway.api('/v1/runs', { key: 'agent', method: 'POST' });
    assert.equal(answer.status, 201);
    assert.equal(answer.headers.get('environment'), 'staging');
    const run = answer.json;
    assert.match(run.id, /^[A-Za-z0-9_-]{1,64}$/);
    assert.match(run.token, /^drt_staging_[\w-]+\.[\w-]+$/);
    assert.deepEqual([run.mode, run.phase, run.owner, run.environment, run.parent, run.labels, run.prompt_version],
      ['dry_run', 'open', 'agent', 'staging', null, {}, null]);
    assert.ok(run.mode_because !== '' && run.expires_at - run.opened_at === day * 1000);
    await agentOf(gateway, run.token).put('dry', 'x');
    assert.equal(await gateway.cache.get('dry'), null);
  });

  test('generated ids sort by time', async () => {
    const ids = [];
    for (let index = 0; index < 5; index += 1) {
      const { id, opened_at } = await open();
      ids.push(id);
      // Ids of one millisecond are not ordered, so the next run waits for the next one.
      await until(() => Date.now() > opened_at, 'the clock moves');
    }
    assert.deepEqual([...ids].sort(), ids);
    assert.equal(new Set(ids).size, 5);
  });

  test('an id has 1 to 64 of the safe characters', async () => {
    for (const id of ['a', 'Z-9_z', 'x'.repeat(64)]) assert.equal((await open({ id })).id, id);
    for (const id of ['', 'x'.repeat(65), 'a b', 'a/b', 'a.b', '../a', 'ä', 'a\n', 'a\u0000', '%61']) {
      assertProblem(await ask({ id }), 400, 'invalid_request', { about: JSON.stringify(id) });
    }
  });

  test('labels, prompt version and parent are kept and shown, in the report too', async () => {
    const parent = await open({ mode: 'live' });
    const terms = { parent: parent.id, labels: { team: 'desk', 'случай': '7|`x`' }, prompt_version: 'triage@12' };
    const { id } = await open(terms);
    const status = (await gateway.api(`/v1/runs/${id}`, { key: 'agent' })).json;
    const { run } = await reportOf(gateway, id);
    for (const shown of [status, run]) {
      assert.deepEqual([shown.parent, shown.labels, shown.prompt_version], [terms.parent, terms.labels, terms.prompt_version]);
    }
    assert.equal(status.token, undefined);
  });

  test('terms that are not valid open nothing', async () => {
    const before = (await gateway.api('/v1/runs?limit=1000', { key: 'operator' })).json.runs.length;
    const bad = [
      { mode: 'wild' }, { mode: 'DRY_RUN' }, { expires_in: 0 }, { expires_in: -1 }, { expires_in: 1.5 }, { expires_in: '60' }, { expires_in: 7 * day + 1 },
      { labels: ['a'] }, { labels: { a: 1 } }, { labels: { a: 'x'.repeat(201) } },
      { labels: Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`l${index}`, ''])) },
      { prompt_version: 'x'.repeat(201) }, { parent: 'not an id' }, { id: 7 }, { surprise: true }, [], 'text', null, 7,
    ];
    for (const terms of bad) assertProblem(await ask(terms), 400, 'invalid_request', { about: JSON.stringify(terms)?.slice(0, 60) });
    assertProblem(await gateway.api('/v1/runs', { key: 'agent', body: '{"mode":' }), 400, 'invalid_json');
    assertProblem(await gateway.api('/v1/runs', { key: 'agent', body: `{"prompt_version":"${'x'.repeat(70_000)}"}` }), 413, 'body_too_large');
    assert.equal((await gateway.api('/v1/runs?limit=1000', { key: 'operator' })).json.runs.length, before);
  });

  test('a run lives as long as it asked to, at most seven days', async () => {
    const run = await open({ expires_in: 7 * day });
    assert.equal(run.expires_at - run.opened_at, 7 * day * 1000);
    const { id, token } = await open({ id: 'short', mode: 'live', expires_in: 1 });
    const agent = agentOf(gateway, token);
    const late = await until(async () => {
      const answer = await agent.get('nothing');
      return answer.json.code === 'run_expired' ? answer : null;
    }, 'the run expires');
    assertProblem(late, 403, 'run_expired');
    const byKey = { key: 'agent', headers: { 'Run-Id': id } };
    const digest = await gateway.digest();
    assertProblem(await agent.put('late', 'x'), 403, 'run_expired');
    assertProblem(await gateway.api(paths.value('late'), { ...byKey, method: 'PUT', body: 'x' }), 403, 'run_expired');
    assertProblem(await gateway.api(paths.d1(), { ...byKey, json: { sql: 'DELETE FROM notes' } }), 403, 'run_expired');
    assertProblem(await gateway.api(paths.value('dry'), byKey), 403, 'run_expired');
    assert.equal(await gateway.digest(), digest);
    assert.equal((await gateway.api(`/v1/runs/${id}`, { key: 'agent' })).json.phase, 'expired');
    assert.equal((await reportOf(gateway, id, { key: 'agent' })).run.phase, 'expired');
  });

  test('an agent may open a live run, whose writes are real', async () => {
    const run = await open({ mode: 'live' });
    assert.equal(run.mode, 'live');
    const agent = agentOf(gateway, run.token);
    assert.equal((await agent.put('real', 'yes')).status, 200);
    assert.equal((await agent.sql("INSERT INTO notes (text) VALUES ('real')")).status, 200);
    assert.equal(await gateway.cache.get('real'), 'yes');
    assert.equal((await gateway.db.all("SELECT count(*) AS n FROM notes WHERE text = 'real'"))[0].n, 1);
  });

  test('the same request again answers the same run', async () => {
    const terms = { id: 'again', mode: 'live', labels: { a: '1', b: '2' }, prompt_version: 'v1', expires_in: 600 };
    const first = await ask(terms);
    assert.equal(first.status, 201);
    const second = await ask({ expires_in: 600, labels: { b: '2', a: '1' }, prompt_version: 'v1', mode: 'live', id: 'again' });
    assert.equal(second.status, 200);
    assert.deepEqual([second.json.opened_at, second.json.expires_at, second.json.owner], [first.json.opened_at, first.json.expires_at, 'agent']);
    // Both tokens work in the one run.
    await agentOf(gateway, first.json.token).put('again', '1');
    await agentOf(gateway, second.json.token).put('again', '2');
    assert.equal((await reportOf(gateway, 'again')).summary.writes, 2);
  });

  test('ten openings of one id at once open one run', async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => ask({ id: 'rush', mode: 'live' })));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [...Array(9).fill(200), 201]);
    assert.equal(new Set(answers.map(({ json }) => json.opened_at)).size, 1);
  });

  test('another owner or other terms get a conflict and change nothing', async () => {
    const terms = { id: 'taken', mode: 'live', labels: { a: '1' } };
    await open(terms);
    const others = [
      [terms, 'agent2'], [terms, 'approver'], [{ ...terms, mode: 'dry_run' }, 'agent'], [{ id: 'taken' }, 'agent'], [{ ...terms, labels: {} }, 'agent'],
      [{ ...terms, expires_in: 60 }, 'agent'], [{ ...terms, prompt_version: 'v' }, 'agent'], [{ ...terms, parent: 'again' }, 'agent'],
    ];
    for (const [request, key] of others) {
      const answer = await ask(request, { key });
      assertProblem(answer, 409, 'run_conflict', { about: JSON.stringify([request, key]) });
      assert.ok(!answer.text.includes('drt_'));
    }
    assert.equal((await gateway.api('/v1/runs/taken', { key: 'agent' })).json.mode, 'live');
  });

  test('a run token opens runs below its own run only', async () => {
    const parent = await open({ id: 'parent', mode: 'live' });
    await open({ id: 'sibling', mode: 'live' });
    const child = await open({ token: parent.token, id: 'child', mode: 'live' });
    assert.deepEqual([child.parent, child.owner, child.mode], ['parent', 'agent', 'live']);
    const grandchild = await open({ token: child.token, parent: 'child' });
    assert.equal(grandchild.parent, 'child');
    assertProblem(await ask({ parent: 'sibling' }, { token: parent.token }), 403, 'forbidden');
    assertProblem(await ask({ parent: 'parent' }, { token: child.token }), 403, 'forbidden');
  });

  test('nobody opens a run under somebody else’s, under none or under a closed one', async () => {
    await open({ id: 'theirs', key: 'agent2' });
    const { id } = await open({ id: 'over' });
    await gateway.api(`/v1/runs/${id}/close`, { key: 'agent', method: 'POST' });
    assertProblem(await ask({ parent: 'theirs' }), 404, 'unknown_run');
    assertProblem(await ask({ parent: 'nobody' }), 404, 'unknown_run');
    const answer = await ask({ id: 'orphan', parent: 'over', mode: 'live' });
    assert.ok(answer.status === 403 && answer.json.code === 'run_closed', answer.text);
    assertProblem(await gateway.api('/v1/runs/orphan', { key: 'operator' }), 404, 'unknown_run');
  });

  test('an operator opens no runs and works in none', async () => {
    assertProblem(await ask({}, { key: 'operator' }), 403, 'forbidden');
    const { id } = await open();
    assertProblem(await gateway.api(paths.value('x'), { key: 'operator', headers: { 'Run-Id': id } }), 403, 'forbidden');
  });

  test('another agent’s run is unknown whatever is asked, and approver and operator see it', async () => {
    const { id, token } = await open({ id: 'private', labels: { secret: 'plans' } });
    const other = await open({ key: 'agent2' });
    await agentOf(gateway, token).put('k', 'v');
    const views = [['GET', ''], ['GET', '/report'], ['GET', '/report?format=markdown'], ['POST', '/dry-run'], ['POST', '/close']];
    for (const caller of [{ key: 'agent2' }, { token: other.token }]) {
      for (const [method, view] of views) {
        const theirs = await gateway.api(`/v1/runs/${id}${view}`, { ...caller, method });
        const nobodys = await gateway.api(`/v1/runs/nobodys${view}`, { ...caller, method });
        assertProblem(theirs, 404, 'unknown_run', { about: view });
        assert.equal(theirs.text.replaceAll(id, 'ID'), nobodys.text.replaceAll('nobodys', 'ID'), 'the two are not told apart');
      }
    }
    for (const key of ['agent', 'approver', 'operator']) {
      assert.equal((await gateway.api(`/v1/runs/${id}`, { key })).json.id, id);
      assert.equal((await reportOf(gateway, id, { key })).summary.writes, 1);
    }
    assert.equal((await gateway.api(`/v1/runs/${id}`, { key: 'agent' })).json.phase, 'open');
    const listed = async (caller) => (await gateway.api('/v1/runs?limit=1000', caller)).json.runs.map((run) => run.id);
    await until(async () => (await listed({ key: 'operator' })).includes(id), 'the run is in the index');
    assert.ok((await listed({ key: 'agent' })).includes(id) && (await listed({ key: 'approver' })).includes(id));
    assert.ok(!(await listed({ key: 'agent2' })).includes(id) && !(await listed({ token: other.token })).includes(id));
  });

  test('a run token says nothing about other runs of its owner', async () => {
    const one = await open({ id: 'one', labels: { customer: 'a' } });
    await open({ id: 'two', labels: { customer: 'b' } });
    await until(async () => (await gateway.api('/v1/runs?limit=1000', { key: 'agent' })).text.includes('"two"'), 'both are in the index');
    const caller = { token: one.token };
    for (const view of ['', '/report']) assertProblem(await gateway.api(`/v1/runs/two${view}`, caller), 404, 'unknown_run');
    assert.ok(!(await gateway.api('/v1/runs?limit=1000', caller)).text.includes('"two"'));
    assertProblem(await gateway.api('/v1/alerts', caller), 403, 'forbidden');
  });

  test('the list is newest first and as long as asked', async () => {
    for (const id of ['list-1', 'list-2']) {
      const { opened_at } = await open({ id });
      await until(() => Date.now() > opened_at, 'the clock moves');
    }
    const list = async (limit) => (await gateway.api(`/v1/runs?limit=${limit}`, { key: 'agent' })).json.runs.map(({ id }) => id);
    await until(async () => (await list(50)).includes('list-2'), 'it is in the index');
    assert.deepEqual(await list(2), ['list-2', 'list-1']);
    for (const limit of ['0', '-1', '1001', 'x', '1.5']) assertProblem(await gateway.api(`/v1/runs?limit=${limit}`, { key: 'agent' }), 400, 'invalid_request');
  });

  test('the list tells whether a run still acts', async () => {
    const [open1, closed, brief] = await Promise.all([open({ id: 'acts' }), open({ id: 'ended' }), open({ id: 'brief', expires_in: 1 })]);
    assert.equal((await gateway.api(`/v1/runs/${closed.id}/close`, { token: closed.token, method: 'POST' })).status, 200);
    const listed = async () => {
      const { runs } = (await gateway.api('/v1/runs?limit=1000', { key: 'agent' })).json;
      return [open1, closed, brief].map(({ id }) => runs.find((run) => run.id === id)?.phase).join(' ');
    };
    await until(async () => (await listed()) === 'open closed expired', 'each is what it is');
  });

  test('a closed run refuses, and its report stays readable', async () => {
    const { id, token } = await open({ mode: 'live' });
    const agent = agentOf(gateway, token);
    await agent.put('closing', 'written');
    for (let times = 0; times < 2; times += 1) {
      const closed = await gateway.api(`/v1/runs/${id}/close`, { token, method: 'POST' });
      assert.deepEqual([closed.status, closed.json.phase], [200, 'closed']);
    }
    const digest = await gateway.digest();
    for (const answer of [await agent.get('closing'), await agent.put('closing', 'x'), await agent.sql('SELECT 1'), await agent.delObject('x')]) {
      assertProblem(answer, 403, 'run_closed');
    }
    assert.equal(await gateway.digest(), digest);
    const report = await reportOf(gateway, id, { token });
    assert.ok(report.run.closed_at >= report.run.opened_at);
    assert.equal(report.summary.live_writes, 1);
    const markdown = await gateway.api(`/v1/runs/${id}/report`, { key: 'agent', headers: { accept: 'text/markdown' } });
    assert.match(markdown.headers.get('content-type'), /text\/markdown/);
    assert.match(markdown.text, /^# Live run/);
    assertProblem(await gateway.api(`/v1/runs/${id}/report?format=pdf`, { key: 'agent' }), 400, 'invalid_request');
    // It is still the run that was opened: opening it again does not bring it back to life.
    assert.equal((await gateway.api(`/v1/runs/${id}`, { key: 'agent' })).json.phase, 'closed');
  });

  test('the environment says where one is and who one is', async () => {
    const { id, token } = await open();
    const { status, json } = await gateway.api('/v1/environment', { key: 'approver' });
    assert.equal(status, 200);
    assert.deepEqual([json.environment, json.account], ['staging', 'local']);
    assert.deepEqual(json.caller, { name: 'approver', role: 'approver', run: null });
    assert.deepEqual(json.stores.map(({ binding, kind, policy }) => [binding, kind, policy]), [['CACHE', 'kv', 'live'], ['DB', 'd1', 'live'], ['FILES', 'r2', 'live']]);
    assert.equal(json.limits.flag_budget_ms, 250);
    assert.deepEqual((await gateway.api('/v1/environment', { token })).json.caller, { name: 'agent', role: 'agent', run: id });
    assertProblem(await gateway.api('/v1/environment'), 401, 'unauthenticated');
  });

  test('health lives without a credential, and ready names the part that fails', async () => {
    const health = await gateway.api('/health');
    assert.deepEqual([health.status, health.json], [200, { status: 'ok' }]);
    const parts = { control: 'CONTROL', flags: 'FLAGS', DB: 'DB', CACHE: 'CACHE', FILES: 'FILES' };
    const ready = await gateway.api('/health/ready');
    const all = ['control', 'flags', 'keys', 'token_secret', 'runs', 'shadows', 'CACHE', 'DB', 'FILES'];
    assert.deepEqual([ready.status, ready.json], [200, { status: 'ready', checks: Object.fromEntries(all.map((part) => [part, 'ok'])) }]);
    for (const [part, store] of Object.entries(parts)) {
      for (const kind of store === 'DB' ? ['500', 'reset', 'hang'] : ['500', 'reset']) {
        await gateway.fault(store, null, kind);
        const { status, json } = await gateway.api('/health/ready');
        assert.equal(status, 503, `${store} ${kind}`);
        assert.deepEqual(Object.entries(json.checks).filter(([, state]) => state !== 'ok').map(([name]) => name), [part], `${store} ${kind}`);
        assert.equal((await gateway.api('/health')).status, 200);
        gateway.heal();
      }
    }
    assert.equal((await gateway.api('/health/ready')).status, 200);
  });
});

describe('in production', () => {
  let gateway;
  before(async () => {
    gateway = await startGateway({ environment: 'production' });
    await gateway.db.exec(schema);
  });
  after(() => gateway.stop());

  test('an agent’s runs are dry', async () => {
    const run = await openRun(gateway);
    assert.deepEqual([run.mode, run.environment], ['dry_run', 'production']);
    const digest = await gateway.digest();
    assert.equal((await agentOf(gateway, run.token).sql('DELETE FROM notes')).headers.get('dry-run'), 'true');
    assert.equal(await gateway.digest(), digest);
  });

  test('live is refused without an approver’s key and works with it', async () => {
    const answer = await gateway.api('/v1/runs', { key: 'agent', json: { id: 'mine', mode: 'live' } });
    assertProblem(answer, 403, 'live_not_granted');
    assertProblem(await gateway.api('/v1/runs/mine', { key: 'operator' }), 404, 'unknown_run');
    const run = await openRun(gateway, { key: 'approver', mode: 'live' });
    assert.equal(run.mode, 'live');
    assert.equal((await agentOf(gateway, run.token).sql("UPDATE notes SET text = 'granted'")).status, 200);
    assert.deepEqual(await gateway.db.all('SELECT text FROM notes'), [{ text: 'granted' }]);
  });

  test('a grant holds for the runs below, as long as the granted run is live and open', async () => {
    const run = await openRun(gateway, { key: 'approver', mode: 'live' });
    const child = await openRun(gateway, { token: run.token, mode: 'live' });
    const grandchild = await openRun(gateway, { token: child.token, mode: 'live' });
    assert.equal((await agentOf(gateway, grandchild.token).sql("UPDATE notes SET text = 'by a part of it'")).status, 200);
    assert.deepEqual(await gateway.db.all('SELECT text FROM notes'), [{ text: 'by a part of it' }]);
    await gateway.api(`/v1/runs/${run.id}/dry-run`, { token: run.token, method: 'POST' });
    const digest = await gateway.digest();
    assert.equal((await agentOf(gateway, grandchild.token).sql('DELETE FROM notes')).headers.get('dry-run'), 'true');
    assertProblem(await gateway.api('/v1/runs', { token: run.token, json: { mode: 'live' } }), 403, 'live_not_granted');
    const other = await openRun(gateway, { key: 'approver', mode: 'live' });
    const below = await openRun(gateway, { token: other.token, mode: 'live' });
    await gateway.api(`/v1/runs/${other.id}/close`, { token: other.token, method: 'POST' });
    assertProblem(await agentOf(gateway, below.token).sql('DELETE FROM notes'), 403, 'run_closed');
    const dry = await openRun(gateway);
    assertProblem(await gateway.api('/v1/runs', { token: dry.token, json: { mode: 'live' } }), 403, 'live_not_granted');
    assert.equal(await gateway.digest(), digest);
  });
});
