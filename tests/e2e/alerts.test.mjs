// A guard that fails calls somebody: a log line, a row that operators read, a POST to the webhook; each cause once a minute.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { after, before, beforeEach, describe, test } from 'node:test';
import { onKey, reads, startGateway } from './harness/gateway.mjs';
import { agentOf, assertProblem, openRun, until } from './helpers.mjs';

/** A webhook's receiver: `calls` are the bodies it got, `behaviour` is what it does with a call. */
async function startReceiver() {
  const receiver = { calls: [], waiting: [], behaviour: (response) => response.writeHead(204).end() };
  const server = http.createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    receiver.calls.push({ method: request.method, type: request.headers['content-type'], text: Buffer.concat(chunks).toString() });
    receiver.behaviour(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  receiver.url = `http://127.0.0.1:${server.address().port}/alerts`;
  receiver.stop = () => {
    server.closeAllConnections();
    server.close();
  };
  return receiver;
}

const start = (webhook) => startGateway({ vars: { FLAG_BUDGET_MS: '10000' }, secrets: { ALERT_WEBHOOK_URL: webhook } });
const flagOf = (run) => `dryrun_active:${run.id}`;
const breakFlag = (gateway, run, kind = '503') => gateway.fault('FLAGS', (request) => reads(request) && onKey(flagOf(run))(request), kind);
const alertsOf = async (gateway) => (await gateway.api('/v1/alerts', { key: 'operator' })).json.alerts;
const rowsFor = async (gateway, kind, cause) => (await alertsOf(gateway)).filter((row) => row.kind === kind && row.cause === cause);
const total = (rows) => rows.reduce((sum, { count }) => sum + count, 0);

/** The structured lines of the log. */
function logLines(gateway) {
  return gateway.logs().split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line.slice(line.indexOf('{')))];
    } catch {
      return [];
    }
  });
}
const loggedAlerts = (gateway, cause) => logLines(gateway).filter((line) => line.event === 'alert' && line.cause === cause);

describe('an alert', () => {
  let gateway;
  let receiver;
  before(async () => {
    receiver = await startReceiver();
    gateway = await start(receiver.url);
  });
  beforeEach(() => gateway.heal());
  const called = (cause) => receiver.calls.map(({ text }) => JSON.parse(text)).filter((call) => call.cause === cause);
  after(async () => {
    await gateway.stop();
    receiver.stop();
  });

  test('nothing is raised for what an agent or a store says no to', async () => {
    const run = await openRun(gateway, { mode: 'live' });
    const agent = agentOf(gateway, run.token);
    assert.equal((await agent.sql('SELEKT 1')).status, 400);
    assert.equal((await agent.sql('INSERT INTO missing VALUES (1)')).status, 400);
    assert.equal((await agent.get('missing')).status, 404);
    assert.equal((await gateway.api('/v1/runs', { key: 'nonsense', json: {} })).status, 401);
    assert.deepEqual(await alertsOf(gateway), []);
    assert.deepEqual(logLines(gateway).filter(({ event }) => event === 'alert'), []);
    assert.deepEqual(receiver.calls, []);
  });

  test('five failures of the flag are one row, one call and five log lines', async () => {
    const run = await openRun(gateway, { mode: 'live' });
    const agent = agentOf(gateway, run.token);
    await breakFlag(gateway, run);
    const began = Date.now();
    const answers = await Promise.all(Array.from({ length: 5 }, (_, index) => agent.put(`alert-${index}`, 'x')));
    for (const answer of answers) assertProblem(answer, 503, 'flag_unavailable');

    const rows = await until(async () => {
      const found = await rowsFor(gateway, 'guard_failure', 'flag_unavailable');
      return total(found) >= 5 && found;
    }, 'five failures are counted');
    assert.equal(total(rows), 5);
    // One row, or two when a minute ended meanwhile.
    const minutes = new Set(rows.map(({ minute }) => minute));
    assert.equal(minutes.size, rows.length);
    assert.ok(rows.length <= 1 + Math.floor(Date.now() / 60_000) - Math.floor(began / 60_000));
    for (const row of rows) {
      assert.equal(row.run, run.id);
      assert.match(row.message, /dryrun_active/);
      assert.ok(row.first_at >= began && row.first_at <= row.last_at && row.last_at <= Date.now());
      assert.equal(row.minute, Math.floor(row.first_at / 60_000));
    }

    await until(() => receiver.calls.length >= rows.length, 'the webhook is called');
    assert.equal(receiver.calls.length, rows.length);
    const [{ method, type, text }] = receiver.calls;
    assert.deepEqual([method, type], ['POST', 'application/json']);
    const { kind, cause, environment, run: named, message, remedy } = JSON.parse(text);
    assert.deepEqual([kind, cause, environment, named], ['guard_failure', 'flag_unavailable', 'staging', run.id]);
    assert.ok(message.length > 10 && remedy.length > 10);

    const lines = loggedAlerts(gateway, 'flag_unavailable');
    assert.equal(lines.length, 5);
    for (const line of lines) assert.deepEqual([line.level, line.kind, line.run, line.environment], ['alert', 'guard_failure', run.id, 'staging']);
  });

  test('a credential of another environment is the failure of an agent', async () => {
    const answer = await gateway.api('/v1/runs', { key: gateway.keys.agent.replace('staging', 'production'), json: {} });
    assertProblem(answer, 403, 'wrong_environment');
    const rows = await until(async () => {
      const found = await rowsFor(gateway, 'agent_failure', 'wrong_environment');
      return found.length > 0 && found;
    }, 'the alert is stored');
    assert.equal(total(rows), 1);
    const call = await until(() => called('wrong_environment').at(-1), 'the webhook is called');
    assert.equal(call.kind, 'agent_failure');
    assert.equal(loggedAlerts(gateway, 'wrong_environment')[0].kind, 'agent_failure');
  });

  test('no alert says a secret', async () => {
    const everything = [JSON.stringify(await alertsOf(gateway)), gateway.logs(), ...receiver.calls.map(({ text }) => text)].join('\n');
    assert.match(everything, /wrong_environment/);
    const secrets = Object.values(gateway.keys).map((key) => key.split('_')[2]);
    for (const secret of [...secrets, 'drt_staging_']) assert.ok(!everything.includes(secret));
  });

  test('operators and approvers read alerts, agents do not', async () => {
    const run = await openRun(gateway);
    for (const key of ['operator', 'approver']) assert.ok((await gateway.api('/v1/alerts', { key })).json.alerts.length >= 2, key);
    for (const credential of [{ key: 'agent' }, { key: 'agent2' }, { token: run.token }]) {
      assertProblem(await gateway.api('/v1/alerts', credential), 403, 'forbidden');
    }
    assertProblem(await gateway.api('/v1/alerts'), 401, 'unauthenticated');
  });

  test('a dry run whose flag cannot be published raises one as well', async () => {
    await gateway.fault('FLAGS', ({ write }) => write, '500');
    const seen = total(await rowsFor(gateway, 'guard_failure', 'flag_unavailable'));
    const run = await openRun(gateway);
    await until(async () => {
      const rows = await rowsFor(gateway, 'guard_failure', 'flag_unavailable');
      return total(rows) > seen && rows.some((row) => row.run === run.id);
    }, 'the alert is stored');
  });

  test('without the control database it still reaches the log and the webhook', async () => {
    const run = await openRun(gateway, { mode: 'live' });
    const agent = agentOf(gateway, run.token);
    const lines = loggedAlerts(gateway, 'flag_unavailable').length;
    await breakFlag(gateway, run, 'reset');
    await gateway.fault('CONTROL', null, '503');
    assertProblem(await agent.put('no-control', 'x'), 503, 'flag_unavailable');
    await until(() => called('flag_unavailable').some((call) => call.run === run.id), 'the webhook is called');
    assert.equal(loggedAlerts(gateway, 'flag_unavailable').length, lines + 1);
    assert.equal(await gateway.cache.get('no-control'), null);
  });

  test('without the control database open runs go on, live and dry', async () => {
    const live = await openRun(gateway, { mode: 'live' });
    const dry = await openRun(gateway);
    await gateway.fault('CONTROL', null, 'hang');
    assert.equal((await agentOf(gateway, live.token).put('goes-on', 'live')).status, 200);
    assert.equal((await agentOf(gateway, dry.token).put('goes-on', 'dry')).headers.get('dry-run'), 'true');
    assert.equal(await gateway.cache.get('goes-on'), 'live');
  });

  test('a control database that does not answer is an alert of its own', async () => {
    await gateway.fault('CONTROL', null, '500');
    const answer = await gateway.api('/v1/runs', { key: 'operator' });
    assertProblem(answer, 503, 'control_unavailable');
    await until(() => loggedAlerts(gateway, 'control_unavailable').length === 1, 'the log line');
    await until(() => called('control_unavailable').length === 1, 'the webhook is called');
  });
});

describe('a hook that fails', () => {
  let gateway;
  let receiver;
  before(async () => {
    receiver = await startReceiver();
    gateway = await start(receiver.url);
  });
  after(async () => {
    await gateway.stop();
    receiver.stop();
  });
  const failure = { kind: 'hook_failure', cause: 'gateway_slow', message: 'No answer within 2 s.', agent: 'claude-code' };
  const report = (credential, changes = {}, options = {}) => gateway.api('/v1/alerts', { ...credential, json: { ...failure, ...changes }, ...options });
  const kinds = async () => [...new Set((await alertsOf(gateway)).map(({ kind }) => kind))];

  test('is an alert of its own kind, told by run tokens and keys, with one call a minute', async () => {
    const run = await openRun(gateway);
    for (const credential of [{ token: run.token }, { key: 'agent' }, { key: 'approver' }]) {
      const answer = await report(credential);
      assert.deepEqual([answer.status, answer.json.kind, answer.json.cause], [202, 'hook_failure', 'gateway_slow'], answer.text);
    }
    const rows = await until(async () => {
      const found = await rowsFor(gateway, 'hook_failure', 'gateway_slow');
      return total(found) === 3 && found;
    }, 'all three are counted');
    assert.ok(rows.every(({ message }) => /^claude-code of (agent|approver): No answer within 2 s\.$/.test(message)), JSON.stringify(rows));
    assert.deepEqual(await kinds(), ['hook_failure']);
    const calls = await until(() => receiver.calls.length >= rows.length && receiver.calls.map(({ text }) => JSON.parse(text)), 'the webhook is called');
    assert.equal(calls.length, rows.length);
    const { kind, cause, environment, run: named, remedy } = calls[0];
    assert.deepEqual([kind, cause, environment, named], ['hook_failure', 'gateway_slow', 'staging', run.id]);
    assert.match(remedy, /dryrun hook test/);
    assert.equal(loggedAlerts(gateway, 'gateway_slow').length, 3);
  });

  test('says no secret', async () => {
    const run = await openRun(gateway);
    const answer = await report({ token: run.token }, { cause: 'panic', message: `with ${run.token} and ${gateway.keys.agent}\nand more` });
    assert.equal(answer.json.message, 'claude-code of agent: with … and … and more');
    const [row] = await until(async () => {
      const found = await rowsFor(gateway, 'hook_failure', 'panic');
      return found.length > 0 && found;
    }, 'it is stored');
    assert.equal(row.run, run.id);
    const everything = [JSON.stringify(await alertsOf(gateway)), gateway.logs(), ...receiver.calls.map(({ text }) => text)].join('\n');
    for (const secret of [run.token, gateway.keys.agent]) assert.ok(!everything.includes(secret));
  });

  test('is told in this form alone, and nobody raises another kind', async () => {
    const before = await alertsOf(gateway);
    for (const changes of [{ kind: 'guard_failure' }, { kind: 'agent_failure' }, { cause: 'flag_unavailable' }, { cause: 'x'.repeat(1000) }, { agent: '' }, { agent: 'A B' }, { message: ' ' }, { more: 1 }, { message: 1 }]) {
      const answer = await report({ key: 'agent' }, changes);
      assert.equal(answer.status, 400, answer.text);
      assert.match(answer.json.code, /^invalid_/);
    }
    assertProblem(await gateway.api('/v1/alerts', { key: 'agent', method: 'POST', body: JSON.stringify(failure), headers: { 'content-type': 'text/plain' } }), 415, 'unsupported_media_type');
    assertProblem(await report({}), 401, 'unauthenticated');
    assertProblem(await report({ key: 'nonsense' }), 401, 'unauthenticated');
    assertProblem(await report({ key: 'agent' }, { message: 'x'.repeat(70_000) }), 413, 'body_too_large');
    assert.deepEqual(await alertsOf(gateway), before);
  });

  test('reaches the log and the webhook without the control database', async () => {
    await gateway.fault('CONTROL', null, '503');
    assert.equal((await report({ key: 'agent' }, { cause: 'configuration' })).status, 202);
    await until(() => receiver.calls.some(({ text }) => JSON.parse(text).cause === 'configuration'), 'the webhook is called');
    assert.equal(loggedAlerts(gateway, 'configuration').length, 1);
    gateway.heal();
  });
});

describe('a webhook', () => {
  const cases = [
    { name: 'answers 500', behaviour: (response) => response.writeHead(500).end('no') },
    { name: 'breaks the connection', behaviour: (response) => response.socket.resetAndDestroy() },
    { name: 'never answers', behaviour: () => {} },
  ];
  for (const { name, behaviour } of cases) {
    test(`that ${name} does not disturb the answers`, async () => {
      const receiver = await startReceiver();
      receiver.behaviour = behaviour;
      const gateway = await start(receiver.url);
      try {
        await undisturbed(gateway);
        // The call is out (and, where nobody answers it, still open), the answers are all in.
        await until(() => receiver.calls.length > 0, 'the webhook is called');
        if (name !== 'never answers') await until(() => logLines(gateway).some(({ event }) => event === 'alert_webhook_failed'), 'the log says so');
      } finally {
        await gateway.stop();
        receiver.stop();
      }
    });
  }

  test('that nobody listens to does not disturb the answers', async () => {
    const receiver = await startReceiver();
    receiver.stop();
    const gateway = await start(receiver.url);
    try {
      await undisturbed(gateway);
      await until(() => logLines(gateway).some(({ event }) => event === 'alert_webhook_failed'), 'the log says so');
    } finally {
      await gateway.stop();
    }
  });

  test('that is no address does not disturb the answers', async () => {
    const gateway = await start('not an address');
    try {
      await undisturbed(gateway);
    } finally {
      await gateway.stop();
    }
  });

  async function undisturbed(gateway) {
    const run = await openRun(gateway, { mode: 'live' });
    const agent = agentOf(gateway, run.token);
    await breakFlag(gateway, run);
    for (let index = 0; index < 3; index += 1) assertProblem(await agent.put('webhook', 'x'), 503, 'flag_unavailable');
    gateway.heal();
    assert.equal((await agent.put('webhook', 'x')).status, 200);
    assert.equal(await gateway.cache.get('webhook'), 'x');
    await until(async () => total(await rowsFor(gateway, 'guard_failure', 'flag_unavailable')) === 3, 'all three are counted');
  }
});

describe('an alert that needs no working gateway', () => {
  let receiver;
  before(async () => void (receiver = await startReceiver()));
  beforeEach(() => void (receiver.calls.length = 0));
  after(() => receiver.stop());

  test('a panic is listed and called in by the instance that comes after', async () => {
    const gateway = await startGateway({ build: 'build-probe', secrets: { ALERT_WEBHOOK_URL: receiver.url } });
    try {
      const agent = agentOf(gateway, (await openRun(gateway)).token);
      for (let times = 1; times <= 2; times += 1) {
        assertProblem(await agent.put('panic-probe', 'x'), 503, 'run_unavailable');
        await until(async () => total(await rowsFor(gateway, 'guard_failure', 'interrupted')) === times, 'the alert is counted');
      }
      await until(() => receiver.calls.length > 0, 'the webhook is called');
      const { kind, cause, environment, run, message, remedy } = JSON.parse(receiver.calls[0].text);
      assert.deepEqual([kind, cause, environment, run], ['guard_failure', 'interrupted', 'staging', null]);
      assert.match(`${message} ${remedy}`, /panic.*log/s);
      assert.doesNotMatch(receiver.calls[0].text, /asked for by the probe/);
    } finally {
      await gateway.stop();
    }
  });

  for (const [what, vars, environment] of [['a number that is none', { FLAG_BUDGET_MS: 'soon' }, 'staging'], ['no environment', { ENVIRONMENT: '' }, '']]) {
    test(`a gateway with ${what} answers nobody, and calls somebody`, async () => {
      const gateway = await startGateway({ vars, secrets: { ALERT_WEBHOOK_URL: receiver.url } });
      try {
        assertProblem(await gateway.api('/v1/runs', { key: 'agent', json: {} }), 503, 'misconfigured');
        await until(() => receiver.calls.length > 0, 'the webhook is called');
        const call = JSON.parse(receiver.calls[0].text);
        assert.deepEqual([call.kind, call.cause, call.environment], ['guard_failure', 'misconfigured', environment]);
        assert.match(call.message, new RegExp(Object.keys(vars)[0]));
        assert.equal((await gateway.control.all("SELECT sum(count) AS calls FROM alerts WHERE cause = 'misconfigured'"))[0].calls >= 1, true);
      } finally {
        await gateway.stop();
      }
    });
  }
});
