// A deployed gateway, looked at from outside: what is well, what is not and by which name, what is waited for and what is not.

import assert from 'node:assert/strict';
import http from 'node:http';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { reads, startGateway } from '../e2e/harness/gateway.mjs';
import { environmentSettings } from '../e2e/harness/settings.mjs';
import { until } from '../e2e/helpers.mjs';
import { makeProject } from './helpers.mjs';

const quick = ['--retries', '1'];

async function withGateway(options, body) {
  const gateway = await startGateway(options);
  const project = makeProject({ [gateway.environment]: { url: gateway.url, key: gateway.keys.agent } });
  const env = { DRYRUN_ENV: gateway.environment };
  const start = (args = [], more = {}) => project.start(['smoke', '--json', ...args], { env: { ...env, ...more } });
  try {
    await body({ gateway, project, start, smoke: (args, more) => start(args, more).ended });
  } finally {
    project.remove();
    await gateway.stop();
  }
}

const failed = ({ json }) => json.steps.filter(({ passed }) => !passed).map(({ name }) => name);
const names = ({ json }) => json.steps.map(({ name }) => name.replace(/smoke-\S+/, 'RUN'));
const open = async (gateway) => (await gateway.api('/v1/runs', { key: 'operator' })).json.runs.filter(({ closed_at: closed }) => closed === null);

const ends = (said, step, message, tries) => {
  assert.equal(said.code, 1, said.stdout + said.stderr);
  assert.deepEqual(failed(said), [step]);
  const { problem, tries: made } = said.json.steps.find(({ passed }) => !passed);
  assert.match(problem.message, message);
  assert.ok(problem.remedy.length >= 10, problem.remedy);
  assert.equal(made, tries, problem.message);
};

describe('a healthy gateway', () => {
  for (const environment of ['staging', 'production']) {
    test(`of ${environment} passes, its stores stay as they are, and only closed dry runs are left`, () =>
      withGateway({ environment }, async ({ gateway, smoke, project }) => {
        const untouched = await gateway.digest();
        const said = await smoke();
        assert.equal(said.code, 0, said.stdout + said.stderr);
        assert.deepEqual(names(said), [
          'health', 'readiness', 'environment', 'dry run', 'CACHE: write and read back', 'DB: write and read back', 'FILES: write and read back', 'report',
          'second dry run', 'CACHE: untouched', 'DB: untouched', 'FILES: untouched', 'close RUN', 'close RUN']);
        assert.ok(said.json.steps.every(({ passed, tries, duration_ms: millis }) => passed && tries === 1 && millis >= 0));
        assert.deepEqual(await gateway.digest(), untouched);
        const { runs } = (await gateway.api('/v1/runs', { key: 'agent' })).json;
        assert.deepEqual([runs.length, runs.map(({ mode }) => mode), await open(gateway)], [2, ['dry_run', 'dry_run'], []]);
        const text = await project.run(['smoke'], { env: { DRYRUN_ENV: environment } });
        assert.match(text.stdout, new RegExp(`^Smoke test of ${environment} at http[^]*\n✓ DB: untouched +\\d+ ms +nothing of it is there\n[^]*\nAll is well\\.\n$`));
      }));
  }

  test('needs no dryrun.toml with --url and DRYRUN_KEY, and several databases are all looked at', () =>
    withGateway({ databases: ['OTHER'] }, async ({ gateway }) => {
      const nothing = makeProject();
      const said = await nothing.run(['smoke', '--json', '--url', `${gateway.url}/`], { env: { DRYRUN_KEY: gateway.keys.approver } });
      nothing.remove();
      assert.equal(said.code, 0, said.stdout + said.stderr);
      assert.ok(names(said).includes('OTHER: untouched'));
    }));

  test('is that of the commit that was deployed, or is waited for', async () => {
    const commit = 'c'.repeat(40);
    await withGateway({ vars: { COMMIT: commit } }, async ({ smoke, project }) => {
      assert.equal((await smoke(['--commit', commit])).code, 0);
      ends(await smoke(['--commit', 'd'.repeat(40), ...quick]), 'environment', new RegExp(`that of ${commit}, not of d{40}`), 2);
      assert.match((await project.run(['env'])).stdout, /version \S+ \(c{10}\)/);
    });
    await withGateway({}, async ({ smoke }) => ends(await smoke(['--commit', commit, ...quick]), 'environment', /no commit that it knows/, 2));
  });

  test('with a store that nobody may write to is well; nothing is written there', () => {
    const { STORES } = environmentSettings('staging').vars;
    const stores = { ...STORES, CACHE: { ...STORES.CACHE, policy: 'denied' }, FILES: { ...STORES.FILES, policy: 'dry_run' } };
    return withGateway({ vars: { STORES: stores } }, async ({ smoke }) => {
      const said = await smoke();
      assert.equal(said.code, 0, said.stdout + said.stderr);
      assert.deepEqual([names(said).some((name) => name.startsWith('CACHE')), names(said).some((name) => name.startsWith('FILES'))], [false, true]);
    });
  });
});

describe('what is broken', () => {
  test('a gateway without stores has nothing that could be looked at', () =>
    withGateway({ vars: { STORES: {} } }, async ({ smoke }) => ends(await smoke(quick), 'environment', /no store that may be written to/, 1)));

  test('KV that does not answer is named, after the tries', () =>
    withGateway({}, async ({ gateway, smoke }) => {
      await gateway.fault('CACHE', null, '503');
      ends(await smoke(quick), 'readiness', /These parts do not answer: CACHE\. These do: control, flags, keys, token_secret, runs, shadows, DB, FILES\./, 2);
    }));

  test('D1 that does not answer is named', () =>
    withGateway({}, async ({ gateway, smoke }) => {
      await gateway.fault('DB', null, 'reset');
      ends(await smoke(quick), 'readiness', /do not answer: DB\./, 2);
    }));

  test('the gateway\'s own D1 that does not answer is named', () =>
    withGateway({}, async ({ gateway, smoke }) => {
      await gateway.fault('CONTROL', null, '503');
      ends(await smoke(quick), 'readiness', /do not answer: control\./, 2);
    }));

  test('a store that breaks after it was ready fails its own step, and the run is closed', () =>
    withGateway({}, async ({ gateway, smoke }) => {
      // The look that readiness takes goes through; what follows does not.
      await gateway.fault('CACHE', (request) => reads(request) && request.key !== 'health-probe', '500');
      const said = await smoke(quick);
      ends(said, 'CACHE: write and read back', /values\/smoke-\S+ answers 5/, 2);
      assert.deepEqual(names(said).slice(-1), ['close RUN']);
      assert.deepEqual(await open(gateway), []);
    }));

  test('crossed bindings end at once, however many tries there are', () =>
    withGateway({ marker: 'production' }, async ({ smoke }) => {
      ends(await smoke(['--retries', '9']), 'readiness', /environment/i, 1);
    }));

  test('another environment than the one that is meant ends at once, and never sees the key', async () => {
    await withGateway({ environment: 'production' }, async ({ gateway }) => {
      const nothing = makeProject();
      const said = await nothing.run(['smoke', '--json', '--url', gateway.url], { env: { DRYRUN_KEY: `drk_staging_${'x'.repeat(43)}` } });
      ends(said, 'health', /says that it is production, not staging/, 1);
      const crossed = await nothing.run(['smoke', '--url', gateway.url], { env: { DRYRUN_KEY: gateway.keys.agent } });
      assert.deepEqual([crossed.code, /was not sent anywhere/.test(crossed.stderr)], [3, true], crossed.stderr);
      nothing.remove();
    });
  });

  test('a key that nobody has ends at once', () =>
    withGateway({}, async ({ smoke }) => {
      ends(await smoke(['--retries', '9'], { DRYRUN_KEY: `drk_staging_${'x'.repeat(43)}` }), 'environment', /no valid credential/, 1);
    }));

  test('an operator\'s key cannot open a run, which is said', () =>
    withGateway({}, async ({ gateway, smoke }) => {
      ends(await smoke(['--retries', '9'], { DRYRUN_KEY: gateway.keys.operator }), 'dry run', /open runs/, 1);
    }));
});

describe('a gateway that does something else than it says', () => {
  /** A gateway with somebody in between who changes what is asked. */
  async function changed(change, body) {
    await withGateway({}, async ({ gateway, start }) => {
      const server = http.createServer(async (request, response) => {
        const chunks = [];
        for await (const chunk of request) chunks.push(chunk);
        const asked = { method: request.method, path: request.url, authorization: request.headers.authorization, body: Buffer.concat(chunks).toString() };
        const { method, path, authorization, body: sent } = change(asked);
        const answer = await fetch(gateway.url + path, { method, headers: { ...(authorization ? { authorization } : {}), 'content-type': request.headers['content-type'] ?? 'text/plain' }, ...(sent === '' ? {} : { body: sent }) });
        const text = await answer.text();
        if (path === '/v1/runs') tokens.push(JSON.parse(text).token);
        response.writeHead(answer.status, Object.fromEntries(['environment', 'dry-run', 'content-type'].flatMap((name) => (answer.headers.has(name) ? [[name, answer.headers.get(name)]] : [])))).end(text);
      });
      const tokens = [];
      changed.tokens = tokens;
      await once(server.listen(0, '127.0.0.1'), 'listening');
      try {
        await body(await start([...quick, '--url', `http://127.0.0.1:${server.address().port}`]).ended, gateway);
      } finally {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    });
  }

  test('the same with nobody meddling passes', () => changed((asked) => asked, (said) => assert.equal(said.code, 0, said.stdout + said.stderr)));

  test('a run that is not dry is not written to, and closed', () =>
    changed(
      (asked) => ({ ...asked, body: asked.body.replace('dry_run', 'live') }),
      async (said, gateway) => {
        ends(said, 'dry run', /did not open a dry run/, 1);
        assert.deepEqual(await open(gateway), []);
        assert.equal(await gateway.cache.get(said.json.run), null);
      },
    ));

  for (const [store, path] of [['CACHE', /kv/], ['DB', /d1/], ['FILES', /r2/]]) {
    test(`what is still there afterwards is found in ${store}, at once`, () =>
      changed(
        (asked) => (path.test(asked.path) && changed.tokens.length > 1 ? { ...asked, authorization: `Bearer ${changed.tokens[0]}` } : asked),
        (said) => ends(said, `${store}: untouched`, new RegExp(`IS IN ${store} OF staging`), 1),
      ));
  }

  test('a write that does not arrive is missed when it is read back', () =>
    changed(
      (asked) => ({ ...asked, body: asked.method === 'PUT' && /r2/.test(asked.path) ? 'something else' : asked.body }),
      (said) => ends(said, 'FILES: write and read back', /does not answer what was written/, 1),
    ));

  test('a report without what was written is told', () =>
    changed(
      (asked) => ({ ...asked, path: asked.path.replace('values/smoke-', 'values/other-') }),
      (said) => ends(said, 'report', /does not have what was written to CACHE/, 1),
    ));
});

describe('what is not there yet', () => {
  test('a gateway that comes up after some tries passes', () =>
    withGateway({}, async ({ gateway, start }) => {
      await gateway.kill();
      const said = start(['--retries', '20']);
      await until(() => (said.stderr.match(/Trying again/g) ?? []).length >= 2, 'two tries went by');
      await gateway.restart();
      const { code, json, stdout } = await said.ended;
      assert.equal(code, 0, stdout + said.stderr);
      assert.ok(json.steps[0].tries > 2);
      assert.match(said.stderr, /health: .* does not answer.* Trying again in 0\.5 s \(1 of 20\)\.\nhealth: .* Trying again in 1\.0 s \(2 of 20\)\./);
    }));

  test('nobody there at all ends after the tries, and after the time', async () => {
    const free = http.createServer();
    await once(free.listen(0, '127.0.0.1'), 'listening');
    const { port } = free.address();
    await new Promise((resolve) => free.close(resolve));
    const nothing = makeProject();
    const env = { DRYRUN_KEY: `drk_staging_${'x'.repeat(43)}` };
    const smoke = (...args) => nothing.run(['smoke', '--json', '--url', `http://127.0.0.1:${port}`, ...args], { env });
    for (const [said, tries] of [[await smoke('--retries', '2'), 3], [await smoke('--retries', '99', '--within', '1'), 2], [await smoke('--retries', '0'), 1]]) {
      assert.deepEqual([said.code, failed(said), said.json.steps[0].tries], [1, ['health'], tries], said.stdout);
    }
    nothing.remove();
  });
});

describe('a server that is no gateway', () => {
  async function withServer(answer, body) {
    const seen = [];
    const server = http.createServer((request, response) => {
      seen.push(request);
      answer(response, seen.length);
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const nothing = makeProject();
    try {
      await body((args = []) => nothing.run(['smoke', '--json', '--url', `http://127.0.0.1:${server.address().port}`, ...args], { env: { DRYRUN_KEY: `drk_staging_${'x'.repeat(43)}` } }), seen);
    } finally {
      nothing.remove();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  for (const [what, answer, tries] of [
    ['a page', (response) => response.end('<html>Welcome</html>'), 1],
    ['a JSON that looks well', (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"status":"ok"}'), 1],
    ['a redirect', (response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(), 1],
    ['404, as before a route is there', (response) => response.writeHead(404).end('There is nothing here yet'), 2],
    ['an error of the server', (response) => response.writeHead(522).end('timed out'), 2],
  ]) {
    test(`${what}: is told, tried ${tries === 1 ? 'once' : 'again'}, and gets no key`, () =>
      withServer(answer, async (smoke, seen) => {
        const said = await smoke(quick);
        assert.deepEqual([said.code, failed(said), said.json.steps[0].tries], [1, ['health'], tries], said.stdout);
        assert.ok(seen.every(({ headers }) => headers.authorization === undefined));
      }));
  }
});
