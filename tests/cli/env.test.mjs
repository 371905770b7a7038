// dryrun env: where this is and whether all is well; profiles, keys, and two environments side by side.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startGateway } from '../e2e/harness/gateway.mjs';
import { projectFolder } from '../e2e/harness/settings.mjs';
import { binary, makeProject } from './helpers.mjs';

let staging;
let production;
before(async () => {
  [staging, production] = await Promise.all(['staging', 'production'].map((environment) => startGateway({ environment, databases: ['OTHER'] })));
  await staging.db.exec(`CREATE TABLE customers (id INTEGER PRIMARY KEY); CREATE TABLE tickets (id INTEGER PRIMARY KEY);
    CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE); INSERT INTO d1_migrations (name) VALUES ('0001_init.sql'), ('0002_tickets.sql');`);
});
after(() => Promise.all([staging?.stop(), production?.stop()]));

const profile = (gateway, key = 'agent') => ({ url: gateway.url, key: gateway.keys[key] });

/** Runs dryrun in a project of its own. */
async function dryrun(profiles, args = ['env'], { prepare = () => {}, ...options } = {}) {
  const project = makeProject(profiles);
  try {
    prepare(project);
    return await project.run(args, options);
  } finally {
    project.remove();
  }
}

/** A web site that is no gateway, for the time of one test; `asked` is what was asked of it. */
async function stranger(t, { status = 200, ...headers } = {}) {
  const asked = [];
  const server = createServer((request, response) => {
    asked.push({ path: request.url, authorization: request.headers.authorization });
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end('{"status":"ok","runs":[]}');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { asked, url: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() };
}

describe('when all is well', () => {
  test('says where this is, who asks, what is ready, and each store with its tables and migration level', async () => {
    const ended = await dryrun({ staging: profile(staging) });
    assert.equal(ended.code, 0, ended.stdout);
    assert.match(ended.stdout, /^Environment: staging$/m);
    assert.match(ended.stdout, /^ {2}Key +agent \(agent\), from the variable TEST_STAGING_KEY$/m);
    assert.match(ended.stdout, /^ {2}Gateway +http:\/\/127\.0\.0\.1:\d+, version \d+\.\d+\.\d+, account local$/m);
    assert.match(ended.stdout, /^ {2}Ready +control ok, flags ok, keys ok, token_secret ok, runs ok, shadows ok, CACHE ok, DB ok, FILES ok, OTHER ok$/m);
    assert.match(ended.stdout, /^ {2}DB +d1 +support-desk-staging +live +3 tables, migrated to 0002_tickets\.sql$/m);
    assert.match(ended.stdout, /^ {2}OTHER +d1 +other-database +live +0 tables, no migrations$/m);
    assert.match(ended.stdout, /^ {2}FILES +r2 +support-desk-files-staging +live$/m);
    assert.match(ended.stdout, /^All is well\.\n$/m);
    assert.equal(ended.stderr, '');
  });

  test('as JSON too, and its own dry run is labelled and closed', async () => {
    const digest = await staging.digest();
    const { code, json } = await dryrun({ staging: profile(staging) }, ['env', '--json']);
    assert.equal(code, 0);
    assert.deepEqual([json.environment, json.url, json.well, json.health, json.ready.status, json.problems, json.key.role], ['staging', staging.url, true, 'ok', 'ready', [], 'agent']);
    const db = json.stores.find(({ binding }) => binding === 'DB');
    assert.deepEqual([db.kind, db.policy, db.tables, db.migration], ['d1', 'live', 3, '0002_tickets.sql']);
    assert.equal(json.gateway.limits.flag_budget_ms, 250);
    const { runs } = (await staging.api('/v1/runs', { key: 'operator' })).json;
    assert.ok(runs.length > 0);
    for (const run of runs) assert.deepEqual([run.mode, run.labels, typeof run.closed_at], ['dry_run', { purpose: 'preflight' }, 'number']);
    assert.equal(await staging.digest(), digest);
  });

  test('an operator’s key opens no runs: that is said, and nothing fails', async () => {
    const ended = await dryrun({ staging: profile(staging, 'operator') });
    assert.equal(ended.code, 0, ended.stdout);
    assert.match(ended.stdout, /^Note: Tables and migrations were not read: an operator's key opens no runs\./m);
    assert.match(ended.stdout, /^ {2}DB +d1 +support-desk-staging +live$/m);
  });

  test('inside of a run it names the run, and looks below it', async () => {
    const ended = await dryrun({ staging: profile(staging) }, ['exec', '--live', '--', binary, 'env', '--json']);
    assert.equal(ended.code, 0, ended.stderr);
    assert.deepEqual([ended.json.well, ended.json.key.from], [true, "the run's token (DRYRUN_TOKEN)"]);
    assert.ok(ended.stderr.includes(`Run:         ${ended.json.key.run} (LIVE`), ended.stderr);
  });
});

describe('what is not well is said with its remedy', () => {
  test('a store that does not answer', async () => {
    staging.fault('FILES', null, '503');
    staging.fault('FLAGS', null, '503');
    try {
      const ended = await dryrun({ staging: profile(staging) });
      assert.equal(ended.code, 1, ended.stdout);
      assert.match(ended.stdout, /FILES failed/);
      assert.match(ended.stdout, /^PROBLEM: FILES does not answer the gateway\.\n {2}An operator must look at the binding FILES of the gateway/m);
      assert.match(ended.stdout, /^PROBLEM: flags does not answer the gateway\.\n {2}An operator must look at the binding FLAGS: does its KV namespace exist\?$/m);
      assert.doesNotMatch(ended.stdout, /All is well/);
      const { json } = await dryrun({ staging: profile(staging) }, ['env', '--json']);
      assert.deepEqual([json.well, json.problems.map(({ what }) => what)], [false, ['flags does not answer the gateway.', 'FILES does not answer the gateway.']]);
    } finally {
      staging.heal('FILES');
      staging.heal('FLAGS');
    }
  });

  test('a database that cannot be read', async () => {
    staging.fault('OTHER', null, '503');
    try {
      const ended = await dryrun({ staging: profile(staging) });
      assert.equal(ended.code, 1);
      assert.match(ended.stdout, /^PROBLEM: OTHER was not read: .+$/m);
      assert.match(ended.stdout, /3 tables, migrated to 0002_tickets\.sql/);
    } finally {
      staging.heal('OTHER');
    }
  });

  test('a key that the gateway does not know', async () => {
    const ended = await dryrun({ staging: { url: staging.url, key: 'drk_staging_unknown' } });
    assert.equal(ended.code, 1);
    assert.match(ended.stdout, /^ {2}Key +not accepted, from the variable TEST_STAGING_KEY$/m);
    assert.match(ended.stdout, /^PROBLEM: The gateway does not say what it is: The request has no valid credential.*\n {2}Send Authorization/m);
  });

  test('a gateway that does not answer', async (t) => {
    const silent = await stranger(t);
    silent.stop();
    const ended = await dryrun({ staging: { url: silent.url, key: 'drk_staging_x' } });
    assert.deepEqual([ended.code, ended.stdout], [5, '']);
    assert.match(ended.stderr, /^error: The staging gateway at \S+ does not answer: .*\n {2}Look whether it runs/);
    const { json } = await dryrun({ staging: { url: silent.url, key: 'drk_staging_x' } }, ['env', '--json']);
    assert.deepEqual([json.error.code, json.error.exit], ['unreachable', 5]);
  });

  test('crossed bindings: a gateway that is told to be what its database is not', async () => {
    const crossed = await startGateway({ environment: 'staging', marker: 'production' });
    try {
      const ended = await dryrun({ staging: profile(crossed) });
      assert.equal(ended.code, 1);
      assert.match(ended.stdout, /PROBLEM: control does not answer/);
      assert.match(ended.stdout, /its CONTROL database belongs to production: the bindings are crossed/);
    } finally {
      await crossed.stop();
    }
  });
});

describe('which environment', () => {
  test('is one variable: staging when it is not set, production by name, nothing else', async () => {
    const both = { staging: profile(staging), production: profile(production) };
    const environmentOf = async (env) => (await dryrun(both, ['env', '--json'], { env })).json;
    assert.equal((await environmentOf({})).environment, 'staging');
    assert.equal((await environmentOf({ DRYRUN_ENV: 'staging' })).url, staging.url);
    assert.equal((await environmentOf({ DRYRUN_ENV: 'production' })).url, production.url);
    for (const other of ['prod', 'Production', '', 'dev']) {
      const { error } = await environmentOf({ DRYRUN_ENV: other });
      assert.deepEqual([error.code, error.exit], ['configuration', 3]);
      assert.match(error.remedy, /DRYRUN_ENV=staging .* DRYRUN_ENV=production/);
    }
  });

  test('a project without staging does nothing until production is named, and says so where nobody can miss it', async () => {
    const only = { production: profile(production) };
    for (const args of [['env'], ['exec', '--', 'echo', 'ran'], ['runs'], ['rehearse', 'dryrun.toml.sql', '--database', 'DB'], ['smoke']]) {
      const prepare = ({ folder }) => writeFileSync(path.join(folder, 'dryrun.toml.sql'), 'SELECT 1;');
      const unnamed = await dryrun(only, args, { prepare });
      assert.deepEqual([unnamed.code, unnamed.stdout], [3, ''], args.join(' '));
      assert.match(unnamed.stderr, /^!{72}\nTHIS PROJECT HAS NO STAGING .*\nNothing is done: .*\n.*\n!{72}\nerror: .*NO STAGING.*\n {2}Add \[staging\] to it, or say that you mean production/);
      const named = await dryrun(only, args, { prepare, env: { DRYRUN_ENV: 'production' } });
      assert.equal(named.code, 0, named.stderr);
      assert.match(named.stderr, /^!{72}\nTHIS PROJECT HAS NO STAGING .*\nYou chose production: this acts on production\./);
    }
  });

  test('without a dryrun.toml, or with one that is not understood, says what to write', async () => {
    const none = await dryrun({}, ['env'], { env: { DRYRUN_CONFIG: 'nowhere.toml' } });
    assert.deepEqual([none.code, /nowhere\.toml cannot be read/.test(none.stderr)], [3, true], none.stderr);
    const empty = await dryrun({});
    assert.match(empty.stderr, /has no \[staging\]\.\n {2}Write one: \[staging\]/);
    const wrong = await dryrun({}, ['env'], { prepare: ({ folder }) => writeFileSync(path.join(folder, 'dryrun.toml'), '[staging]\nurl = 1\n') });
    assert.deepEqual([wrong.code, /is not understood/.test(wrong.stderr)], [3, true]);
    const third = await dryrun({}, ['env'], { prepare: ({ folder }) => writeFileSync(path.join(folder, 'dryrun.toml'), '[preview]\nurl = ""\nkey = { variable = "X" }\n') });
    assert.deepEqual([third.code, /preview/.test(third.stderr)], [3, true], third.stderr);
  });

  // The project's own dryrun.toml belongs to whoever runs the gateway; that it comes with these is said in scripts/dev and README.md.
  test('make dev has the port and makes the keys that a profile is told to name', () => {
    const read = (file) => readFileSync(path.join(projectFolder, file), 'utf8');
    const [, port] = read('scripts/dev').match(/^port="\$\{PORT:-(\d+)\}"$/m);
    assert.ok(read('README.md').includes(`export API=http://127.0.0.1:\${PORT:-${port}}`));
    assert.ok(read('scripts/dev').includes(`dryrun.toml names port ${port}`));
    const keys = execFileSync(process.execPath, [path.join(projectFolder, 'scripts/dev_vars.mjs')], { encoding: 'utf8' });
    for (const role of ['AGENT', 'APPROVER', 'OPERATOR']) assert.match(keys, new RegExp(`^DEV_${role}_KEY=drk_staging_`, 'm'));
  });

  test('is found from any folder below the project', async () => {
    const project = makeProject({ staging: profile(staging) });
    const below = path.join(project.folder, 'a/b');
    mkdirSync(below, { recursive: true });
    assert.equal((await project.run(['env', '--json'], { cwd: below })).json.well, true);
    project.remove();
  });
});

describe('where the key comes from', () => {
  const withFile = (mode) => dryrun({ staging: { url: staging.url, key: { file: 'key' } } }, ['env'], {
    prepare: ({ folder }) => {
      writeFileSync(path.join(folder, 'key'), `  ${staging.keys.agent}\n`);
      chmodSync(path.join(folder, 'key'), mode);
    },
  });

  test('a file; one that others can read is not well', async () => {
    const own = await withFile(0o600);
    assert.deepEqual([own.code, own.stderr], [0, ''], own.stdout);
    assert.match(own.stdout, /from the file key$/m);
    for (const mode of [0o640, 0o604]) {
      const open = await withFile(mode);
      assert.equal(open.code, 1);
      assert.match(open.stderr, /^!{72}\nOTHERS ON THIS MACHINE CAN READ THE KEY: \S+key has mode 6\d\d\.\nchmod 600 \S+key\n!{72}$/m);
      assert.match(open.stdout, /PROBLEM: OTHERS ON THIS MACHINE/);
    }
  });

  test('a key that stands in dryrun.toml itself is refused and not repeated', async () => {
    for (const key of ['"drk_staging_half"', '{ variable = "drk_staging_half" }', '{ file = "drk_staging_half" }', '{ command = "echo drk_staging_half" }', '"drk_staging_half']) {
      const prepare = ({ folder }) => writeFileSync(path.join(folder, 'dryrun.toml'), `[staging]\nurl = "${staging.url}"\nkey = ${key}\n`);
      for (const args of [['env'], ['env', '--json']]) {
        const { code, stdout, stderr } = await dryrun({}, args, { prepare });
        assert.equal(code, 3);
        assert.match(stdout + stderr, /dryrun\.toml is not understood: line 3: /);
        assert.doesNotMatch(stdout + stderr, /half/, key);
      }
    }
  });

  test('a command, one for each environment, that runs in the project’s folder', async () => {
    const key = (environment) => ({ command: ['sh', `./fetch-${environment}`] });
    const profiles = { staging: { url: staging.url, key: key('staging') }, production: { url: production.url, key: key('production') } };
    const prepare = ({ folder }) => {
      for (const gateway of [staging, production]) writeFileSync(path.join(folder, `fetch-${gateway.environment}`), `echo ${gateway.keys.agent}\n`);
    };
    for (const DRYRUN_ENV of ['staging', 'production']) {
      const { json } = await dryrun(profiles, ['env', '--json'], { prepare, env: { DRYRUN_ENV } });
      assert.deepEqual([json.well, json.key.from], [true, 'the command sh'], DRYRUN_ENV);
    }
  });

  test('one that cannot be had is said without the secret', async () => {
    const failing = await dryrun({ staging: { url: staging.url, key: { command: ['sh', '-c', 'echo drk_staging_half; echo locked >&2; exit 3'] } } });
    assert.equal(failing.code, 3);
    assert.match(failing.stderr, /error: The command for the key, sh, failed \(exit status: 3\): locked\n/);
    assert.doesNotMatch(failing.stderr, /half/);
    for (const [key, why] of [[{ variable: 'NOT_SET' }, /The variable NOT_SET is not set/], [{ file: 'nowhere' }, /key file nowhere cannot be read/], [{ command: ['no-such-command-at-all'] }, /cannot be run/], [{ command: ['true'] }, /There is no key in the command true: it is empty/]]) {
      const ended = await dryrun({ staging: { url: staging.url, key } });
      assert.deepEqual([ended.code, ended.stdout], [3, '']);
      assert.match(ended.stderr, why);
    }
  });
});

describe('staging and production side by side', () => {
  const commands = [['env'], ['exec', '--', 'echo', 'ran'], ['runs'], ['close', 'x'], ['turn-dry', 'x'], ['report', 'x']];
  const cases = { staging: ['production', () => production], production: ['staging', () => staging] };

  for (const [here, [there, other]] of Object.entries(cases)) {
    const own = () => (here === 'staging' ? staging : production);

    test(`a key of ${there} in the place of that of ${here} is not even sent`, async (t) => {
      const site = await stranger(t);
      for (const args of commands) {
        const ended = await dryrun({ staging: profile(staging), [here]: { url: site.url, key: other().keys.approver } }, args, { env: { DRYRUN_ENV: here } });
        assert.deepEqual([ended.code, ended.stdout], [3, ''], args.join(' '));
        assert.match(ended.stderr, new RegExp(`The key in the variable TEST_\\w+_KEY belongs to ${there}, not to ${here}\\. It was not sent anywhere\\.`));
      }
      assert.deepEqual(site.asked, []);
    });

    test(`the address of ${there} in the place of that of ${here} is noticed, and nothing is done there`, async () => {
      const digest = await other().digest();
      for (const args of commands) {
        const ended = await dryrun({ staging: profile(staging), [here]: { url: other().url, key: own().keys.approver } }, args, { env: { DRYRUN_ENV: here } });
        assert.deepEqual([ended.code, ended.stdout], [4, ''], `${args.join(' ')} ${ended.stderr}`);
        assert.match(ended.stderr, new RegExp(`says that it is ${there}, not ${here}\\. Nothing was done\\.`));
      }
      assert.equal(await other().digest(), digest);
    });

    test(`a run of ${here} is none in ${there}`, async () => {
      const both = { staging: profile(staging), production: profile(production) };
      const ended = await dryrun(both, ['exec', '--', 'sh', '-c', `DRYRUN_ENV=${there} "$0" exec -- echo ran; DRYRUN_URL=${other().url} "$0" exec -- echo ran; DRYRUN_ENV=${there} DRYRUN_URL=${other().url} "$0" exec -- echo ran`, binary], { env: { DRYRUN_ENV: here } });
      assert.deepEqual([ended.code, ended.stdout], [4, ''], ended.stderr);
      assert.match(ended.stderr, new RegExp(`says that it is ${here}, not ${there}[^]*says that it is ${there}, not ${here}[^]*This credential belongs to ${here}; this gateway is ${there}`));
    });
  }

  test('env and exec find out where they are before they show a key', async (t) => {
    const site = await stranger(t, { environment: 'production' });
    for (const args of [['env'], ['exec', '--', 'echo', 'ran']]) {
      assert.equal((await dryrun({ staging: { url: site.url, key: staging.keys.agent } }, args)).code, 4);
    }
    assert.deepEqual(site.asked, [{ path: '/health', authorization: undefined }, { path: '/health', authorization: undefined }]);
  });

  test('something that is no gateway is not taken for one', async (t) => {
    for (const headers of [{}, { environment: 'preview' }]) {
      const site = await stranger(t, headers);
      for (const args of commands) assert.notEqual((await dryrun({ staging: { url: site.url, key: staging.keys.agent } }, args)).code, 0, args.join(' '));
    }
  });

  test('a redirect is not followed', async (t) => {
    const elsewhere = await stranger(t, { environment: 'staging' });
    const redirecting = await stranger(t, { status: 307, location: `${elsewhere.url}/v1/runs`, environment: 'staging' });
    const ended = await dryrun({ staging: { url: redirecting.url, key: staging.keys.agent } }, ['runs']);
    assert.deepEqual([ended.code, elsewhere.asked], [5, []], ended.stderr);
  });
});
