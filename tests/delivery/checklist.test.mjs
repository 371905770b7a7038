// From nothing to a gateway that answers: the commands, and what is said to be done.

import assert from 'node:assert/strict';
import { readdirSync, rmSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { parse } from 'smol-toml';
import { startGateway, reads } from '../e2e/harness/gateway.mjs';
import { adopters, configuration, inProject, newFolder, projectCopy, run, script, serve } from './helpers.mjs';

const sectionsIn = (text) => ({ staging: parse(text), production: parse(text).env.production });
const sections = sectionsIn(configuration);
// The one that the project comes with, and one with two databases, no R2 and no KV of its own.
const copy = projectCopy();
const other = projectCopy({ 'wrangler.toml': adopters });
after(() => [copy, other].forEach((each) => each.remove()));
const checklist = (words, env, { at } = copy) => run(at('scripts/delivery/checklist'), words, { env });

describe('the commands', () => {
  for (const [place, text, environment, elsewhere] of [
    [copy, configuration, 'staging', 'production'], [copy, configuration, 'production', 'staging'], [other, adopters, 'staging', 'production'], [other, adopters, 'production', 'staging'],
  ]) {
    test(`${environment} of ${sectionsIn(text).staging.name}: every store is made and nothing of ${elsewhere} is named`, async () => {
      const { code, stdout } = await checklist([environment], {}, place);
      assert.equal(code, 0);
      const { d1_databases: databases, kv_namespaces: namespaces, r2_buckets: buckets = [] } = sectionsIn(text)[environment];
      const flag = environment === 'production' ? ' --env production' : '';
      for (const { database_name: name } of databases) assert.match(stdout, new RegExp(`^wrangler d1 create ${name}${flag} +#`, 'm'));
      for (const { binding } of namespaces) assert.match(stdout, new RegExp(`^wrangler kv namespace create \\S+${flag} +# ${binding}: `, 'm'));
      for (const { bucket_name: name } of buckets) assert.match(stdout, new RegExp(`^wrangler r2 bucket create ${name}${flag} +#`, 'm'));
      const about = stdout.split('\n').filter((line) => /^wrangler (d1 (migrations|execute)|deploy|secret)|\| wrangler/.test(line));
      assert.equal(about.length, 6);
      for (const line of about) assert.equal(line.includes('--env production'), environment === 'production', line);
      assert.doesNotMatch(stdout, new RegExp(`'${elsewhere}'|drk_${elsewhere}|create \\S*${elsewhere}`));
    });
  }

  test('make a control database that the gateway takes for its own, as they stand', { timeout: 60_000 }, async () => {
    const state = newFolder('control');
    try {
      const { stdout } = await checklist(['production']);
      const steps = stdout.split('\n').filter((line) => /^wrangler d1 (migrations|execute)/.test(line)).map((line) => line.replace('--remote', `--local --persist-to ${state}`));
      assert.equal(steps.length, 2);
      for (const line of steps) {
        const { code, said } = await run('bash', ['-c', line], { cwd: copy.folder, env: copy.env });
        assert.equal(code, 0, said);
      }
      const asked = await run('bash', ['-c', `wrangler d1 execute CONTROL --env production --local --persist-to ${state} --json --command "SELECT environment FROM environment_marker"`], { cwd: copy.folder, env: copy.env });
      assert.deepEqual(JSON.parse(asked.stdout)[0].results, [{ environment: 'production' }]);
    } finally {
      rmSync(state, { recursive: true, force: true });
    }
  });

  test('odd arguments do nothing', async () => {
    for (const words of [[], ['prod'], ['staging', '--fix']]) assert.equal((await checklist(words)).code, 1, words.join(' '));
  });
});

describe('a key', () => {
  test('is the one whose hash is in its entry, and the gateway takes it', { timeout: 60_000 }, async () => {
    const { code, stdout } = await script('key.mjs', ['staging', 'smoke', 'agent']);
    assert.equal(code, 0);
    const [key] = /drk_staging_\S+/.exec(stdout);
    const entry = JSON.parse(/\{.*\}/.exec(stdout)[0]);
    assert.deepEqual(entry, { name: 'smoke', role: 'agent', sha256: createHash('sha256').update(key).digest('hex') });
    const gateway = await startGateway({ secrets: { KEYS: JSON.stringify([entry]) }, proxied: false });
    try {
      const { status, json } = await gateway.api('/v1/environment', { key });
      assert.deepEqual([status, json.caller.name, json.caller.role], [200, 'smoke', 'agent']);
    } finally {
      await gateway.stop();
    }
  });

  test('is another one each time, and only of what there is', async () => {
    const [one, other] = [await script('key.mjs', ['production', 'a', 'operator']), await script('key.mjs', ['production', 'a', 'operator'])];
    assert.notEqual(one.stdout, other.stdout);
    for (const words of [['live', 'a', 'agent'], ['staging', 'a', 'admin'], ['staging', 'A b', 'agent'], ['staging']]) assert.equal((await script('key.mjs', words)).code, 1);
  });
});

describe('what is done, as the gateway says it', { timeout: 120_000 }, () => {
  let gateway;
  before(async () => (gateway = await startGateway()));
  after(() => gateway?.stop());
  const check = (env = {}, name = 'staging') => checklist([name, '--check'], { GATEWAY_URL: gateway.url, DRYRUN_KEY: gateway.keys.operator, ...env });

  test('every store answers, and the key and the stores are those of wrangler.toml', async () => {
    const { stdout } = await check();
    for (const line of ['the gateway says that it is staging', 'the gateway reaches control', 'the gateway reaches flags', 'the gateway reaches DB', 'the gateway reaches CACHE', 'the gateway reaches FILES', "the gateway's stores are those of wrangler.toml", `the gateway answers for the account ${sections.staging.vars.ACCOUNT_ID}`]) {
      assert.ok(stdout.includes(`ok     ${line}\n`), `${line}\n${stdout}`);
    }
    assert.match(stdout, /ok {5}the key is taken: operator, operator/);
    assert.match(stdout, /- {6}the account: CLOUDFLARE_API_TOKEN and CLOUDFLARE_ACCOUNT_ID are not set/);
  });

  test('a store that does not answer is named', async () => {
    await gateway.fault('CACHE', reads, '503');
    try {
      const { code, stdout } = await check();
      assert.equal(code, 1);
      assert.match(stdout, /FAILED the gateway reaches CACHE: failed\n +See docs\/operations\.md/);
      assert.match(stdout, /ok {5}the gateway reaches DB/);
    } finally {
      await gateway.heal('CACHE');
    }
  });

  test('the gateway of the other environment is found out', async () => {
    const { code, stdout } = await check({}, 'production');
    assert.equal(code, 1);
    assert.match(stdout, /FAILED the gateway says that it is staging/);
    assert.match(stdout, /FAILED the gateway's stores are those of wrangler\.toml/);
  });

  test('a key that is not taken is said with its reason, and is not shown', async () => {
    for (const [key, reason] of [[`drk_production_${'x'.repeat(43)}`, 'wrong_environment'], [`drk_staging_${'x'.repeat(43)}`, 'unauthenticated']]) {
      const { code, said } = await check({ DRYRUN_KEY: key });
      assert.equal(code, 1);
      assert.match(said, new RegExp(`FAILED the key is taken: ${reason}`));
      assert.ok(!said.includes('xxx'));
    }
  });

  test('no gateway at all is one failure', async () => {
    const { code, stdout } = await check({ GATEWAY_URL: 'http://127.0.0.1:9' });
    assert.equal(code, 1);
    assert.match(stdout, /FAILED the gateway: /);
  });

  test('a key is not needed', async () => assert.match((await check({ DRYRUN_KEY: '' })).stdout, /- {6}who asks: DRYRUN_KEY is not set/));
});

describe('what is done, as Cloudflare says it', () => {
  const account = 'a'.repeat(32);
  const controlOf = (name) => sections[name].d1_databases.find(({ binding }) => binding === 'CONTROL').database_id;
  /** An account that has what `has` says. */
  const accountWith = (has) => serve(({ method, path, body }) => {
    const rest = path.replace(`/client/v4/accounts/${account}/`, '');
    const ok = (result) => [200, { success: true, errors: [], messages: [], result }];
    const no = (message) => [404, { success: false, errors: [{ code: 7404, message }], messages: [], result: null }];
    if (rest.endsWith('/query')) {
      const { sql } = JSON.parse(body);
      assert.match(sql, /^SELECT /);
      return has.stores ? ok([{ success: true, results: sql.includes('marker') ? has.marker.map((environment) => ({ environment })) : has.migrations.map((name) => ({ name })) }]) : no('not found');
    }
    assert.equal(method, 'GET');
    if (rest.endsWith('/secrets')) return ok(has.secrets.map((name) => ({ name, type: 'secret_text' })));
    return has.stores ? ok({ name: rest }) : no('The thing could not be found');
  });
  const all = { stores: true, marker: ['staging'], migrations: readdirSync(inProject('migrations')), secrets: ['KEYS', 'TOKEN_SECRET', 'ALERT_WEBHOOK_URL'] };
  const check = async (has, name = 'staging') => {
    const service = await accountWith({ ...all, ...has });
    try {
      return { ...(await checklist([name, '--check'], { CLOUDFLARE_API_BASE_URL: `${service.url}/client/v4`, CLOUDFLARE_API_TOKEN: 'token', CLOUDFLARE_ACCOUNT_ID: account })), asked: service.asked };
    } finally {
      await service.stop();
    }
  };

  test('what is there is there, and nothing is written', async () => {
    const { stdout, asked } = await check({});
    for (const line of ['database DB (support-desk-staging)', 'database CONTROL (dryrun-control-staging)', 'bucket FILES (support-desk-files-staging)', 'marker in CONTROL: staging', 'secret KEYS', 'secret TOKEN_SECRET', 'secret ALERT_WEBHOOK_URL']) {
      assert.ok(stdout.includes(`ok     ${line}\n`), `${line}\n${stdout}`);
    }
    assert.ok(asked.some(({ path }) => path.includes(controlOf('staging'))));
    assert.ok(!asked.some(({ path }) => path.includes(controlOf('production'))));
  });

  test('what is missing is named with its command', async () => {
    const { code, stdout } = await check({ stores: false, secrets: [] });
    assert.equal(code, 1);
    assert.match(stdout, /FAILED database DB \(support-desk-staging\): The thing could not be found\n +wrangler d1 create support-desk-staging/);
    assert.match(stdout, /FAILED secret TOKEN_SECRET/);
    assert.match(stdout, /FAILED marker in CONTROL: none/);
    assert.match(stdout, /- {6}secret ALERT_WEBHOOK_URL: none, so nobody is called/);
  });

  test("the other environment's control database is found out by its marker", async () => {
    assert.match((await check({ marker: ['production'] })).stdout, /FAILED marker in CONTROL: production\n +This is the database of the other environment/);
  });

  test('a migration that was not applied is named', async () => {
    assert.match((await check({ migrations: [] })).stdout, /FAILED migrations of CONTROL: not applied: 0001_control\.sql/);
  });

  test('an account that is not that of wrangler.toml is found', async () => {
    assert.match((await check({})).stdout, /FAILED the account is that of wrangler\.toml\n +CLOUDFLARE_ACCOUNT_ID is a+, ACCOUNT_ID is /);
  });
});
