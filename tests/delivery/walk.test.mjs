// A change on its way: the workflows' own steps, in their order, with the real scripts, git and wrangler. GitHub and Cloudflare are services on this machine,
// a database is a real SQLite, and the smoke test, the rehearsal and the drift answer what the test tells them.

import assert from 'node:assert/strict';
import { chmodSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parse } from 'smol-toml';
import { History, adopters, cargoInProject, inProject, newFolder, run, serve } from './helpers.mjs';
import { github, guarded, verification, repository } from './recorded_github.mjs';
import { Walk, evaluate } from './walk.mjs';

// Two databases, an account and a domain for each environment: what a project has that was set up.
const toml = parse(adopters);
const accounts = { staging: toml.account_id, production: toml.env.production.account_id };
const controlOf = ({ d1_databases: databases }) => databases.find(({ binding }) => binding === 'CONTROL').database_id;
const control = { staging: controlOf(toml), production: controlOf(toml.env.production) };

/** An account: databases that run what they are sent, and Workers with their versions. `writes` is what changed something, in order. */
async function cloudflare() {
  const databases = Object.fromEntries(Object.values(control).map((id) => [id, new DatabaseSync(':memory:')]));
  const versions = {};
  const writes = [];
  const nameOf = (id) => Object.keys(control).find((name) => control[name] === id);
  const service = await serve(({ method, path: asked, body, headers }) => {
    const [, account, rest = asked] = /^\/client\/v4\/accounts\/(\w+)\/(.*)$/.exec(asked) ?? [];
    const ok = (result) => [200, { success: true, errors: [], messages: [], result }];
    const no = (status, code, message) => [status, { success: false, errors: [{ code, message }], messages: [], result: null }];
    const writing = (what) => {
      const [, environment] = /^Bearer write-(\w+)$/.exec(headers.authorization) ?? [];
      if (!environment || account !== accounts[environment]) throw new Error(`${what} with ${headers.authorization} in ${account}`);
      writes.push(what);
    };
    const [, id] = /^d1\/database\/([^/]+)\/query$/.exec(rest) ?? [];
    if (id) {
      const { sql } = JSON.parse(body);
      try {
        if (/^\s*SELECT\b/i.test(sql)) return ok([{ success: true, results: databases[id].prepare(sql).all(), meta: {} }]);
        for (const [, name] of sql.matchAll(/values \('([^']+)'\)/gi)) writing(`${nameOf(id)} migration ${name}`);
        databases[id].exec(`BEGIN; ${sql}; COMMIT`);
        return ok([{ success: true, results: [], meta: {} }]);
      } catch (error) {
        if (databases[id].isTransaction) databases[id].exec('ROLLBACK');
        return no(400, 7500, error.message);
      }
    }
    const [, worker, part] = /^workers\/scripts\/([^/]+)(?:\/(.*))?$/.exec(rest) ?? [];
    if (method === 'PUT' && worker && !part) {
      const [, message] = /"workers\/message":"([^"]*)"/.exec(body.toString('latin1'));
      (versions[worker] ??= []).unshift({ id: `v${writes.length}`, annotations: { 'workers/message': message }, metadata: { created_on: '2026-01-01T00:00:00Z' } });
      writing(`${worker} deployed, ${message}`);
      return ok({ id: 'x', startup_time_ms: 1, deployment_id: 'd' });
    }
    if (method === 'GET' && part === 'deployments') {
      const [version] = versions[worker] ?? [];
      // wrangler asks so before a first deployment, and then of a Worker that is not there.
      if (!version) return no(404, 10007, 'This Worker does not exist on your account.');
      return ok({ deployments: [{ id: 'd', created_on: '2026-01-01T00:00:00Z', versions: [{ version_id: version.id, percentage: 100 }] }] });
    }
    if (method === 'GET' && part === 'versions') return ok({ items: versions[worker] ?? [] });
    if (method === 'GET' && rest.startsWith('workers/services/')) return no(404, 10090, 'workers.api.error.service_not_found');
    if (method === 'GET' && rest === 'workers/subdomain') return ok({ subdomain: 'acme' });
    if (method === 'GET' && part === 'settings') return ok({ bindings: [] });
    if (method === 'GET' && part === 'subdomain') return ok({ enabled: false, previews_enabled: false });
    if (asked === '/client/v4/zones') return ok([{ id: 'zone', name: 'acme.dev' }]);
    if (part === 'domains/changeset') return ok({ added: [], removed: [], updated: [], conflicting: [] });
    if (method === 'GET') return ok([]);
    return ok(part === 'subdomain' ? JSON.parse(body) : { id: 'x' });
  });
  const applied = (name) => databases[control[name]].prepare("SELECT count(*) AS n FROM sqlite_master WHERE name = 'd1_migrations'").get().n === 0 ? []
    : databases[control[name]].prepare('SELECT name FROM d1_migrations ORDER BY id').all().map((row) => row.name);
  return { ...service, writes, applied, env: { CLOUDFLARE_API_BASE_URL: `${service.url}/client/v4`, WRANGLER_SEND_METRICS: 'false' } };
}

test('expressions say what they say on GitHub', () => {
  const context = { a: { b: 'x', 'c-d': '' }, job: { status: 'failure' } };
  for (const [expression, value] of [["a.b == 'x'", true], ["a.b != 'x'", false], ["a.nothing == ''", true], ["always() && a.b == 'y'", false], ["a.c-d == '' && a.b == 'x'", true], ['a.b', 'x'], ['job.status', 'failure']]) {
    assert.equal(evaluate(expression, context), value, expression);
  }
  assert.throws(() => evaluate('1 + 1', context), /not understood/);
});

describe('a change on its way', { timeout: 600_000 }, () => {
  const origin = History.make();
  const place = newFolder('answers');
  const answers = path.join(place, 'answers');
  const calls = path.join(place, 'calls');
  const history = [];
  const [deployments, verifications, environments] = [[], [], { production: guarded }];
  const walks = [];
  let targets = 'MAIN_DB=target/main AUDIT_DB=target/audit';
  let api;
  let hub;

  // The project as far as it is deployed; the Worker is a small one, because building is not what is looked at.
  const own = (file) => readFileSync(inProject(file), 'utf8');
  const first = {
    ...Object.fromEntries(readdirSync(inProject('scripts/delivery')).map((name) => [`scripts/delivery/${name}`, own(`scripts/delivery/${name}`)])),
    'scripts/common.sh': own('scripts/common.sh'), 'package.json': '{"type": "module"}', 'src/lib.rs': 'one', 'README.md': 'one',
    'scripts/check_config': own('scripts/check_config'), 'scripts/build': '#!/bin/sh\n', 'wrangler.toml': adopters, 'tests/config/wrangler.toml': own('tests/config/wrangler.toml'),
    'build/index.js': 'export class RunObject {}\nexport class ShadowObject {}\nexport default { fetch: () => new Response("") };\n',
    'migrations/0001_control.sql': 'CREATE TABLE runs (id TEXT PRIMARY KEY);',
  };

  // What reads the variables is compiled once and not by every step.
  const settings = inProject('target/debug/examples/settings');
  before(async () => {
    const built = await run('bash', ['-c', cargoInProject, 'cargo', 'build', '--quiet', '--locked', '--example', 'settings']);
    assert.equal(built.code, 0, built.said);
    api = await cloudflare();
    hub = await github({ history, deployments, verifications, environments });
    writeFileSync(calls, '');
  });
  after(async () => {
    await Promise.all([api?.stop(), hub?.stop()]);
    for (const walk of walks) walk.remove();
    origin.remove();
    rmSync(place, { recursive: true, force: true });
  });

  /** A commit of main that was verified. */
  const merged = (files) => {
    origin.write(files);
    for (const name of ['delivery/applied', 'delivery/checklist', 'check_config', 'build']) chmodSync(path.join(origin.folder, 'scripts', name), 0o755);
    const commit = origin.commit({});
    history.push(commit);
    verifications.push(verification(commit, 'success'));
    return commit;
  };

  const dryrun = `echo "\${DRYRUN_ENV:-} \${DRYRUN_KEY:-}\${PRODUCTION_KEY:-} $*" >> '${calls}'; echo "said of $1"; exit "$(sed -n "s/^$1 //p" '${answers}')"`;
  function walkOf(context) {
    const walk = new Walk({
      origin, env: { ...hub.env, ...api.env },
      context: { github: { token: 'token', repository, sha: origin.head, ref: 'refs/heads/main', ...context.github }, inputs: context.inputs ?? {} },
      secrets: {
        staging: { CLOUDFLARE_API_TOKEN: 'write-staging', SMOKE_KEY: 'smoke-staging' },
        'production-preview': { PRODUCTION_READ_TOKEN: 'read', STAGING_READ_TOKEN: 'read', STAGING_KEY: 'agent-staging', PRODUCTION_KEY: 'agent-production' },
        production: { CLOUDFLARE_API_TOKEN: 'write-production', SMOKE_KEY: 'smoke-production' },
      },
      variables: {
        staging: { CLOUDFLARE_ACCOUNT_ID: accounts.staging, GATEWAY_URL: 'https://staging.example.com' },
        'production-preview': {
          PRODUCTION_ACCOUNT_ID: accounts.production, STAGING_ACCOUNT_ID: accounts.staging, STAGING_URL: 'https://staging.example.com', PRODUCTION_URL: 'https://example.com',
          TARGET_MIGRATIONS: targets,
        },
        production: { CLOUDFLARE_ACCOUNT_ID: accounts.production, GATEWAY_URL: 'https://example.com' },
      },
      instead: { make: 'exit 0', npm: 'exit 0', cargo: `if [ "$1" = run ]; then exec '${settings}'; fi\nmkdir -p target/release\nprintf '%s\\n' '#!/bin/bash' ${JSON.stringify(dryrun).replaceAll('$', '\\$').replaceAll('`', '\\`')} > target/release/dryrun\nchmod +x target/release/dryrun` },
    });
    walks.push(walk);
    return walk;
  }

  /** Walks a workflow; `answered` is the exit code of each command of `dryrun`. Answers how its jobs ended, its page, and what was written meanwhile. */
  async function go(file, context, answered = {}) {
    writeFileSync(answers, Object.entries({ smoke: 0, rehearse: 0, drift: 0, ...answered }).map(([name, code]) => `${name} ${code}\n`).join(''));
    writeFileSync(calls, '');
    const from = api.writes.length;
    const walk = walkOf(context);
    const results = await walk.workflow(file);
    return { results, page: walk.page, log: walk.log, writes: api.writes.slice(from), calls: readFileSync(calls, 'utf8').split('\n').filter(Boolean) };
  }
  const deploy = (commit, answered, changes = {}) => go('deploy.yml', { github: { event: { workflow_run: { conclusion: 'success', event: 'push', head_branch: 'main', head_sha: commit, head_repository: { full_name: repository }, ...changes } } } }, answered);
  const promote = (commit, answered, changes = {}) => go('promote.yml', { inputs: { commit }, ...changes }, answered);
  const endOf = (environment) => deployments.filter((record) => record.environment === environment).map(({ sha, statuses }) => [history.indexOf(sha), statuses[0]?.state]);
  const [nothing, refused] = [{ decide: 'success', staging: 'skipped' }, { check: 'failure', rehearse: 'skipped', production: 'skipped' }];

  test('the first commit is migrated, deployed to staging alone, smoked and recorded', async () => {
    const commit = merged(first);
    const { results, writes, calls: called, log } = await deploy(commit);
    assert.deepEqual(results, { decide: 'success', staging: 'success' }, log);
    assert.deepEqual(writes, ['staging migration 0001_control.sql', `${toml.name} deployed, commit ${commit}`]);
    assert.deepEqual(called, [`staging smoke-staging smoke --url https://staging.example.com --commit ${commit}`]);
    assert.deepEqual(endOf('staging'), [[0, 'success']]);
  });

  test('documentation is not deployed', async () => {
    const { results, writes, page } = await deploy(merged({ 'README.md': 'two' }));
    assert.deepEqual([results, writes], [nothing, []]);
    assert.match(page, /nothing to deploy: nothing that the Worker is made of changed/);
  });

  test('what was not verified, comes from a fork or is no push is not even looked at', async () => {
    for (const odd of [{ conclusion: 'failure' }, { conclusion: 'cancelled' }, { event: 'pull_request' }, { head_branch: 'work' }, { head_repository: { full_name: 'mallory/gateway' } }]) {
      assert.deepEqual((await deploy(origin.head, {}, odd)).results, { decide: 'skipped', staging: 'skipped' });
    }
  });

  test('a failed smoke test is recorded, and blocks the way to production', async () => {
    const commit = merged({ 'src/lib.rs': 'two' });
    const { results, page } = await deploy(commit, { smoke: 1 });
    assert.deepEqual(results, { decide: 'success', staging: 'failure' });
    assert.match(page, /## Smoke test of staging: failed[\s\S]*said of smoke/);
    assert.deepEqual(endOf('staging').at(-1), [2, 'failure']);
    for (const asked of ['', commit]) {
      const promotion = await promote(asked);
      assert.deepEqual([promotion.results, promotion.writes], [refused, []]);
      assert.match(promotion.page, /may not go to production[\s\S]*failed/);
    }
  });

  test('documentation after a failure is deployed, because nobody knows what runs', async () => {
    const { results, page } = await deploy(merged({ 'README.md': 'three' }));
    assert.deepEqual(results, { decide: 'success', staging: 'success' });
    assert.match(page, /not known for certain/);
  });

  test('a verification that ends late does not put an older commit over a newer one', async () => {
    const { results, writes, page } = await deploy(history[2]);
    assert.deepEqual([results, writes], [nothing, []]);
    assert.match(page, /it is newer/);
  });

  test('a migration that fails in staging ends there: no Worker, no promotion', async () => {
    const commit = merged({ 'migrations/0002_more.sql': 'ALTER TABLE nowhere ADD COLUMN a;' });
    const { results, writes } = await deploy(commit);
    assert.equal(results.staging, 'failure');
    assert.deepEqual(writes, ['staging migration 0002_more.sql'], 'it was tried, and nothing came after it');
    assert.deepEqual(api.applied('staging'), ['0001_control.sql']);
    assert.deepEqual((await promote(commit)).results, refused);
  });

  test('a migration that was changed after it was deployed is refused before anything is written', async () => {
    const mended = merged({ 'migrations/0002_more.sql': 'ALTER TABLE runs ADD COLUMN a;' });
    assert.equal((await deploy(mended)).results.staging, 'success', 'one that never ran may be mended');
    const { results, writes, page } = await deploy(merged({ 'migrations/0001_control.sql': 'CREATE TABLE runs (id INTEGER);' }));
    assert.deepEqual([results.staging, writes], ['failure', []]);
    assert.match(page, /0001_control\.sql was changed after it was deployed/);
    const after = await deploy(merged({ 'README.md': 'four' }));
    assert.deepEqual([after.results.staging, after.writes], ['failure', []], 'nor with the commit that comes after it');
  });

  test('what staging took is migrated, deployed to production alone, smoked and recorded, and its page says it all', async () => {
    const commit = merged({ 'migrations/0001_control.sql': first['migrations/0001_control.sql'], 'src/lib.rs': 'good' });
    assert.equal((await deploy(commit)).results.staging, 'success');
    const { results, writes, calls: called, page, log } = await promote('', { drift: 1 });
    assert.deepEqual(results, { check: 'success', rehearse: 'success', production: 'success' }, log);
    assert.deepEqual(writes, ['production migration 0001_control.sql', 'production migration 0002_more.sql', `${toml.env.production.name} deployed, commit ${commit}`]);
    assert.deepEqual(called, ['production agent-production rehearse --database MAIN_DB -- target/main', 'production agent-production rehearse --database AUDIT_DB -- target/audit', ' agent-production drift --from staging --to production', `production smoke-production smoke --url https://example.com --commit ${commit}`]);
    assert.deepEqual(endOf('production'), [[history.indexOf(commit), 'success']]);
    const titles = [...page.matchAll(/^## (.*)$/gm)].map(([, title]) => title);
    assert.deepEqual(titles, [
      `${commit.slice(0, 10)} may go to production`, 'Configuration: ok', 'Setting up: ok', 'Migrations: ok', 'Rehearsal of MAIN_DB: ok', 'Rehearsal of AUDIT_DB: ok', 'Drift of the schemas: look at this',
      `${commit.slice(0, 10)} may go to production`, 'Smoke test of production: ok', 'How to roll back',
    ]);
    assert.match(page, /production: to apply, in this order:\n {2}0001_control\.sql\n {2}0002_more\.sql/);
  });

  test('the next promotion shows what changes, and names the version to go back to', async () => {
    const runs = origin.head;
    const commit = merged({ 'wrangler.toml': first['wrangler.toml'].replaceAll('SHADOW_MAX_ROWS = "50000"', 'SHADOW_MAX_ROWS = "9"') });
    assert.equal((await deploy(commit)).results.staging, 'success');
    const { results, page, writes } = await promote(commit);
    assert.equal(results.production, 'success');
    assert.deepEqual(writes, [`${toml.env.production.name} deployed, commit ${commit}`]);
    assert.match(page, /\| `vars\.SHADOW_MAX_ROWS` \| `50000` \| `9` \|/);
    assert.match(page, new RegExp(`Before this ran \`v\\d+\` \\(commit ${runs}\\)[\\s\\S]*wrangler rollback v\\d+ --env production`));
    assert.doesNotMatch(page, /Not what the records say/);
  });

  test('a rehearsal that fails ends before anybody is asked', async () => {
    const { results, writes } = await promote('', { rehearse: 1 });
    assert.deepEqual([results, writes], [{ check: 'success', rehearse: 'failure', production: 'skipped' }, []]);
  });

  test('folders that do not say which database they are for end before anybody is asked', async () => {
    const [before, bare] = [targets, 'target/main'];
    targets = bare;
    try {
      const { results, writes, calls: called, log } = await promote('');
      assert.deepEqual([results, writes, called], [{ check: 'success', rehearse: 'failure', production: 'skipped' }, [], []]);
      assert.match(log, /does not say which database target\/main is for; wrangler\.toml has MAIN_DB, AUDIT_DB/);
    } finally {
      targets = before;
    }
  });

  test('a configuration that is not set up is not deployed', async () => {
    const left = adopters.replaceAll('7be3f0d2-1c44-4f0e-9a6b-20c1d7e5a912', '5d0a3a52-6f0e-4c0b-9d57-1f4f2f0c6a01');
    const { results, writes, page } = await deploy(merged({ 'wrangler.toml': left }));
    assert.deepEqual([results.staging, writes], ['failure', []]);
    assert.match(page, /BLOCKS staging: AUDIT_DB has the id of the example/);
    merged({ 'wrangler.toml': first['wrangler.toml'] });
  });

  test('a smoke test that fails in production is recorded, and the way back is on the page', async () => {
    const { results, page } = await promote('', { smoke: 1 });
    assert.equal(results.production, 'failure');
    assert.equal(endOf('production').at(-1)[1], 'failure');
    assert.match(page, /## How to roll back[\s\S]*wrangler rollback v\d+ --env production/);
  });

  test('without a gate in front of production, or from another branch, nothing begins', async () => {
    assert.deepEqual((await promote('', {}, { github: { ref: 'refs/heads/work' } })).results, { check: 'skipped', rehearse: 'skipped', production: 'skipped' });
    environments.production = { ...guarded, protection_rules: [] };
    const { results, writes, log } = await promote('');
    assert.deepEqual([results, writes], [refused, []]);
    assert.match(log, /does not protect: it has no required reviewers/);
  });

  test('text from a person is never run', async () => {
    environments.production = guarded;
    const bad = path.join(place, 'bad');
    for (const text of [`$(touch ${bad})`, `"; touch ${bad}; "`, `\`touch ${bad}\``, `x\ncommit=${origin.head}`]) assert.deepEqual((await promote(text)).results, refused);
    assert.throws(() => readFileSync(bad), { code: 'ENOENT' });
  });
});
