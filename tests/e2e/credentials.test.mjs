// Who gets in: nobody but the bearer of a key or token of this very environment, and of this very run.

import assert from 'node:assert/strict';
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { startGateway } from './harness/gateway.mjs';
import { agentOf, assertProblem, openRun, paths, reportOf, until } from './helpers.mjs';

const sharedSecret = randomBytes(32).toString('hex');
const schema = 'CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)';

const base64 = (value) => Buffer.from(value).toString('base64url');
/** A token as a gateway signs it; the environment is part of what is signed. */
const signed = (claim, { environment = 'staging', label = environment, secret = sharedSecret } = {}) => {
  const payload = base64(typeof claim === 'string' ? claim : JSON.stringify(claim));
  return `drt_${label}_${payload}.${createHmac('sha256', secret).update(`${environment}.${payload}`).digest('base64url')}`;
};

/** One request of every kind; each with its own way to fail for want of a credential. */
const doors = (id) => [
  ['/v1/environment'], ['/v1/runs'], ['/v1/runs', { method: 'POST', json: {} }], ['/v1/runs', { method: 'POST', json: { mode: 'live' } }],
  [`/v1/runs/${id}`], [`/v1/runs/${id}/report`], [`/v1/runs/${id}/dry-run`, { method: 'POST' }], [`/v1/runs/${id}/close`, { method: 'POST' }], ['/v1/alerts'],
  [paths.d1(), { json: { sql: "INSERT INTO notes (text) VALUES ('in')" } }], [paths.d1('raw'), { json: { sql: 'SELECT 1' } }],
  [paths.value('door'), { method: 'PUT', body: 'in' }], [paths.value('door')], [paths.value('door'), { method: 'DELETE' }], [paths.kv('keys')],
  [paths.kv('bulk'), { method: 'PUT', json: [{ key: 'door', value: 'in' }] }],
  [paths.object('door'), { method: 'PUT', body: 'in' }], [paths.object('door')], [paths.object('door'), { method: 'DELETE' }], [paths.objects()],
];

/** Nobody gets through any door, and nothing has changed behind them. */
async function assertClosed(gateway, id, authorization, status, code) {
  const digest = await gateway.digest();
  for (const [path, options = {}] of doors(id)) {
    for (const named of [{}, { 'Run-Id': id }]) {
      const headers = { ...(authorization === undefined ? {} : { authorization }), ...named };
      const answer = await gateway.api(path, { ...options, headers });
      assertProblem(answer, status, code, { about: `${authorization} ${options.method ?? ''} ${path}` });
    }
  }
  assert.equal(await gateway.digest(), digest);
}

describe('staging and production side by side', () => {
  let staging;
  let production;
  let run;

  before(async () => {
    // The same TOKEN_SECRET in both, by mistake.
    [staging, production] = await Promise.all(['staging', 'production'].map((environment) => startGateway({ environment, secrets: { TOKEN_SECRET: sharedSecret } })));
    await Promise.all([staging, production].map((gateway) => gateway.db.exec(schema)));
    run = await openRun(staging, { id: 'work', mode: 'live' });
    assert.equal((await agentOf(staging, run.token).put('proof', 'the door opens')).status, 200);
  });
  after(() => Promise.all([staging.stop(), production.stop()]));

  test('without a credential everything is closed', () => assertClosed(staging, 'work', undefined, 401, 'unauthenticated'));

  test('a key that is not one is worthless', async () => {
    const { agent } = staging.keys;
    const bad = [
      '', 'x', agent.slice(0, -1), agent.slice(0, 20), `${agent}x`, agent.toUpperCase(), agent.replace('drk_', 'drt_'), agent.replace('drk_', ''), `drk_staging_${randomBytes(32).toString('base64url')}`,
      'drk_', 'drk_staging', 'drk_staging_', 'drk__x', 'drk_nowhere_x', 'drk_STAGING_x', createHash('sha256').update(agent).digest('hex'), `${agent} ${agent}`, `"${agent}"`, `${agent},${agent}`,
    ];
    for (const key of bad) {
      const answer = await staging.api('/v1/environment', { headers: { authorization: `Bearer ${key}` } });
      assertProblem(answer, 401, 'unauthenticated', { about: key });
      assert.match(answer.headers.get('www-authenticate'), /^Bearer/);
    }
    await assertClosed(staging, 'work', `Bearer ${agent.slice(0, -1)}`, 401, 'unauthenticated');
  });

  test('another scheme or another header is no credential', async () => {
    const { agent } = staging.keys;
    const basic = Buffer.from(`agent:${agent}`).toString('base64');
    for (const authorization of [agent, `Basic ${basic}`, `Token ${agent}`, `Bearer${agent}`, `bearer:${agent}`, 'Bearer', 'Bearer ', `Negotiate ${agent}`]) {
      assertProblem(await staging.api('/v1/environment', { headers: { authorization } }), 401, 'unauthenticated', { about: authorization });
    }
    for (const headers of [{ 'x-auth-key': agent }, { 'x-api-key': agent }, { cookie: `token=${agent}` }, { 'proxy-authorization': `Bearer ${agent}` }]) {
      assertProblem(await staging.api(`/v1/environment?access_token=${agent}`, { headers }), 401, 'unauthenticated');
    }
    for (const scheme of ['bearer', 'BEARER', 'Bearer ']) {
      assert.equal((await staging.api('/v1/environment', { headers: { authorization: `${scheme} ${agent}` } })).status, 200, scheme);
    }
  });

  test('a truncated, changed or forged token is worthless', async () => {
    const { token } = run;
    const [head, signature] = token.split('.');
    const claim = JSON.parse(Buffer.from(head.split('_').slice(2).join('_'), 'base64url'));
    const later = { ...claim, x: claim.x + 1 };
    const unsigned = `drt_staging_${base64(JSON.stringify(later))}`;
    const bad = [
      head, `${head}.`, `${token}x`, `${token}.${signature}`, `${head}..${signature}`, `.${signature}`, `drt_staging_.${signature}`, 'drt_staging_', 'drt_', 'drt_staging_.',
      `${unsigned}.${signature}`, `${unsigned}.`, unsigned, `${unsigned}.${base64(Buffer.alloc(32))}`, token.replace('drt_', 'drk_'), `${head}.${signature}=`, `${head}.${signature.replaceAll('A', '+')}!`,
      signed(later, { secret: 'another secret of the same length, more or less, who knows' }), signed(later, { secret: '' }),
      // Rightly signed, but not what a gateway writes.
      signed('{}'), signed('not json'), signed('[]'), signed({ ...claim, r: '../x' }), signed({ ...claim, x: 'never' }), signed({ ...claim, x: -1 }), signed({ ...claim, admin: true }), signed({ r: 'work', x: claim.x }),
    ];
    for (let cut = 1; cut < token.length; cut += 7) bad.push(token.slice(0, cut));
    for (const position of [12, 30, head.length - 1, head.length + 1, token.length - 2]) {
      bad.push(token.slice(0, position) + (token[position] === 'A' ? 'B' : 'A') + token.slice(position + 1));
    }
    for (const forged of bad) assertProblem(await staging.api('/v1/environment', { token: forged }), 401, 'unauthenticated', { about: forged });
    assert.equal((await staging.api('/v1/environment', { token: signed(claim) })).status, 200, 'the forger of this test can sign');
    await assertClosed(staging, 'work', `Bearer ${token.slice(0, -2)}`, 401, 'unauthenticated');
  });

  test('an expired token is told so and opens nothing', async () => {
    const expired = signed({ r: 'work', o: 'agent', x: Date.now() - 1 });
    for (const id of ['work', 'elsewhere']) await assertClosed(staging, id, `Bearer ${expired}`, 403, 'run_expired');
  });

  test('a credential of the other environment is told so, both ways', async () => {
    const theirs = await openRun(production, { id: 'work', key: 'approver', mode: 'live' });
    for (const credential of [production.keys.agent, production.keys.approver, production.keys.operator, theirs.token]) {
      await assertClosed(staging, 'work', `Bearer ${credential}`, 403, 'wrong_environment');
    }
    for (const credential of [staging.keys.agent, staging.keys.operator, run.token]) {
      await assertClosed(production, 'work', `Bearer ${credential}`, 403, 'wrong_environment');
    }
    const { json } = await production.api('/v1/environment', { key: staging.keys.agent });
    assert.match(json.detail, /staging.*production/);
    const alerts = await until(async () => {
      const listed = (await production.api('/v1/alerts', { key: 'operator' })).json.alerts;
      return listed.some(({ kind, cause }) => kind === 'agent_failure' && cause === 'wrong_environment') && listed;
    }, 'an alert names the stray credential');
    assert.ok(alerts.every(({ message }) => !/dr[kt]_/.test(message)));
  });

  test('with the same signing secret in both, a token with another label still does not pass', async () => {
    const claim = { r: 'work', o: 'agent', x: Date.now() + 60_000 };
    for (const [gateway, here, there] of [[staging, 'staging', 'production'], [production, 'production', 'staging']]) {
      const relabelled = signed(claim, { environment: there, label: here });
      await assertClosed(gateway, 'work', `Bearer ${relabelled}`, 401, 'unauthenticated');
      assert.equal((await gateway.api('/v1/environment', { token: signed(claim, { environment: here }) })).status, 200);
    }
  });

  test('one run’s token is nothing to another run', async () => {
    const other = await openRun(staging, { id: 'other', mode: 'live' });
    const digest = await staging.digest();
    for (const [path, options = {}] of doors('other').filter(([path]) => path.startsWith('/client'))) {
      assertProblem(await staging.api(path, { ...options, token: run.token, headers: { 'Run-Id': 'other' } }), 403, 'forbidden', { about: path });
    }
    for (const [method, view] of [['GET', ''], ['GET', '/report'], ['POST', '/dry-run'], ['POST', '/close']]) {
      assertProblem(await staging.api(`/v1/runs/other${view}`, { method, token: run.token }), 404, 'unknown_run');
    }
    assert.equal(await staging.digest(), digest);
    assert.equal((await reportOf(staging, 'other', { token: other.token })).summary.operations, 0);
    assert.equal((await staging.api(paths.value('proof'), { token: run.token, headers: { 'Run-Id': 'work' } })).text, 'the door opens');
  });

  test('another agent’s key is nothing to a run, and no key works without naming one', async () => {
    const digest = await staging.digest();
    for (const key of ['agent2', 'approver']) {
      for (const [path, options = {}] of doors('work').filter(([path]) => path.startsWith('/client'))) {
        assertProblem(await staging.api(path, { ...options, key, headers: { 'Run-Id': 'work' } }), 404, 'unknown_run', { about: `${key} ${path}` });
      }
    }
    for (const id of ['nobodys', '', '../work', 'x'.repeat(300), 'work,work']) {
      const answer = await staging.api(paths.value('proof'), { key: 'agent', headers: { 'Run-Id': id } });
      assertProblem(answer, 404, 'unknown_run', { about: id });
    }
    assertProblem(await staging.api(paths.value('proof'), { key: 'agent' }), 400, 'run_required');
    assert.equal(await staging.digest(), digest);
    assert.equal((await staging.api(paths.value('proof'), { key: 'agent', headers: { 'Run-Id': 'work' } })).text, 'the door opens');
  });
});

describe('a gateway whose secrets are missing', () => {
  const cases = [
    ['no KEYS', { KEYS: undefined }, 401, 'unauthenticated'],
    ['empty KEYS', { KEYS: '' }, 401, 'unauthenticated'],
    ['KEYS that name nobody', { KEYS: '[]' }, 401, 'unauthenticated'],
    ['KEYS that are not understood', { KEYS: '[{"name":"agent"' }, 503, 'misconfigured'],
    ['a key without a hash', { KEYS: '[{"name":"agent","role":"agent","sha256":""}]' }, 503, 'misconfigured'],
    ['a key with an unknown role', { KEYS: `[{"name":"agent","role":"root","sha256":"${'0'.repeat(64)}"}]` }, 503, 'misconfigured'],
    ['neither secret', { KEYS: undefined, TOKEN_SECRET: undefined }, 401, 'unauthenticated'],
  ];
  for (const [name, secrets, status, code] of cases) {
    test(`${name}: nobody gets in`, async () => {
      const gateway = await startGateway({ secrets });
      try {
        for (const credential of [undefined, '', gateway.keys.agent, gateway.keys.operator, 'drk_staging_', 'drk_staging_undefined', 'drk_staging_null']) {
          const authorization = credential === undefined ? {} : { authorization: `Bearer ${credential}` };
          for (const [path, options = {}] of doors('work')) {
            assertProblem(await gateway.api(path, { ...options, headers: authorization }), status, code, { about: `${credential} ${path}` });
          }
        }
        assert.deepEqual(await notReady(gateway), 'TOKEN_SECRET' in secrets ? ['keys', 'token_secret'] : ['keys']);
      } finally {
        await gateway.stop();
      }
    });
  }

  for (const secret of [undefined, '', 'short']) {
    test(`TOKEN_SECRET ${JSON.stringify(secret) ?? 'unset'}: no run is opened and no token passes`, async () => {
      const gateway = await startGateway({ secrets: { TOKEN_SECRET: secret } });
      try {
        assertProblem(await gateway.api('/v1/runs', { key: 'agent', json: { id: 'ghost', mode: 'live' } }), 503, 'misconfigured');
        assertProblem(await gateway.api('/v1/runs/ghost', { key: 'operator' }), 404, 'unknown_run');
        assert.deepEqual(await notReady(gateway), ['token_secret']);
        for (const guess of ['', 'short', 'undefined', 'null']) {
          const token = signed({ r: 'work', o: 'agent', x: Date.now() + 60_000 }, { secret: guess });
          assertProblem(await gateway.api(paths.value('x'), { token, method: 'PUT', body: 'x' }), 401, 'unauthenticated', { about: guess });
        }
      } finally {
        await gateway.stop();
      }
    });
  }
});

describe('a gateway in which nobody could work is not ready', () => {
  const operator = { name: 'operator', role: 'operator', sha256: '0'.repeat(64) };
  const broken = (name) => ({
    'index.js': `import worker, * as objects from './real.js';
      export default worker;
      class Broken { fetch() { throw new Error('broken on purpose'); } }
      export const RunObject = ${name === 'runs'} ? Broken : objects.RunObject;
      export const ShadowObject = ${name === 'shadows'} ? Broken : objects.ShadowObject;`,
    ...Object.fromEntries(readdirSync('build').filter((file) => /\.(js|wasm)$/.test(file)).map((file) => [file === 'index.js' ? 'real.js' : file, readFileSync(`build/${file}`)])),
  });
  const cases = [
    ['only an operator has a key', { secrets: { KEYS: JSON.stringify([operator]) } }, ['keys']],
    ['there is no store', { vars: { STORES: '{}' } }, ['stores']],
    ['the objects of runs do not work', { modules: broken('runs') }, ['runs']],
    ['the objects of shadows do not work', { modules: broken('shadows') }, ['shadows']],
  ];
  for (const [name, options, parts] of cases) {
    test(name, async () => {
      const gateway = await startGateway(options);
      try {
        assert.deepEqual(await notReady(gateway), parts);
        assert.deepEqual((await gateway.api('/health')).json, { status: 'ok' });
      } finally {
        await gateway.stop();
      }
    });
  }

  for (const variable of ['ACCOUNT_ID', 'STORES', 'ENVIRONMENT']) {
    test(`without ${variable} it says which variable it is`, async () => {
      const gateway = await startGateway({ vars: { [variable]: undefined } });
      try {
        const answer = await gateway.api('/health/ready');
        assertProblem(answer, 503, 'misconfigured');
        assert.match(answer.json.detail, new RegExp(variable));
      } finally {
        await gateway.stop();
      }
    });
  }
});

/** The parts that are not ready. */
async function notReady(gateway) {
  const { status, json } = await gateway.api('/health/ready');
  const failed = Object.entries(json.checks).filter(([, state]) => state !== 'ok').map(([part]) => part);
  assert.deepEqual([status, json.status], failed.length ? [503, 'not ready'] : [200, 'ready']);
  return failed;
}

describe('a gateway whose bindings are crossed', () => {
  const cases = [
    ['production’s marker behind staging', { environment: 'staging', marker: 'production' }, 'environment_mismatch'],
    ['staging’s marker behind production', { environment: 'production', marker: 'staging' }, 'environment_mismatch'],
    ['no marker', { marker: null }, 'environment_unverified'],
  ];
  for (const [name, options, code] of cases) {
    test(`${name}: everything is refused, to everybody, but the gateway lives`, async () => {
      const gateway = await startGateway(options);
      try {
        await gateway.db.exec(schema);
        for (const key of ['agent', 'approver', 'operator', undefined]) {
          await assertClosed(gateway, 'work', key && `Bearer ${gateway.keys[key]}`, 503, code);
        }
        const ready = await gateway.api('/health/ready');
        assert.deepEqual([ready.status, ready.json.checks.control], [503, 'failed']);
        assert.deepEqual((await gateway.api('/health')).json, { status: 'ok' });
        assert.ok(gateway.recorder.requests.every(({ store, write }) => store === 'CONTROL' || store === 'FLAGS' || !write));
        assert.deepEqual(await gateway.control.all('SELECT * FROM runs'), []);
      } finally {
        await gateway.stop();
      }
    });
  }

  test('a marker that cannot be read refuses everything until it can', async () => {
    const gateway = await startGateway();
    try {
      await gateway.db.exec(schema);
      await gateway.fault('CONTROL', null, '500');
      await assertClosed(gateway, 'work', `Bearer ${gateway.keys.agent}`, 503, 'environment_unverified');
      gateway.heal();
      assert.equal((await openRun(gateway, { mode: 'live' })).mode, 'live');
    } finally {
      await gateway.stop();
    }
  });
});
