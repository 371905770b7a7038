// dryrun exec: a command in a run, with real clients against a real gateway.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startGateway } from '../e2e/harness/gateway.mjs';
import { projectFolder } from '../e2e/harness/settings.mjs';
import { openRun, reportOf, until } from '../e2e/helpers.mjs';
import { binary, makeProject } from './helpers.mjs';

const customers = [
  { id: 1, email: 'ada@example.com', plan: 'free' },
  { id: 2, email: 'bob@example.com', plan: 'pro' },
];

let gateway;
let project;
before(async () => {
  gateway = await startGateway();
  await gateway.db.exec("CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT UNIQUE, plan TEXT); INSERT INTO customers VALUES (1, 'ada@example.com', 'free'), (2, 'bob@example.com', 'pro');");
  project = makeProject({ staging: { url: gateway.url, key: gateway.keys.agent } });
  symlinkSync(path.join(projectFolder, 'node_modules'), path.join(project.folder, 'node_modules'));
  writeFileSync(path.join(project.folder, 'wrangler.toml'), `name = "support-desk"
compatibility_date = "2026-01-01"
[[d1_databases]]
binding = "DB"
database_name = "support-desk-staging"
database_id = "5d0a3a52-6f0e-4c0b-9d57-1f4f2f0c6a01"
`);
});
after(async () => {
  project?.remove();
  await gateway?.stop();
});

const exec = (args, options) => project.run(['exec', ...args], options);
const runIdIn = (stderr) => stderr.match(/^Run: +(\S+) \(/m)?.[1] ?? assert.fail(stderr);
const phaseOf = async (id) => (await gateway.api(`/v1/runs/${id}`, { key: 'operator' })).json.phase;
const runsOf = async () => (await gateway.api('/v1/runs?limit=50', { key: 'operator' })).json.runs;
/** A script of Node as a command: it does not depend on what a shell does. */
const node = (script) => [process.execPath, '-e', script];
/** What a command saw: its environment, and the MCP configuration with its mode. */
const look = node(`const fs = require('fs'); const file = process.env.DRYRUN_MCP_CONFIG;
  console.log(JSON.stringify({ env: process.env, file, mcp: JSON.parse(fs.readFileSync(file)), mode: fs.statSync(file).mode & 0o777, folder: fs.statSync(require('path').dirname(file)).mode & 0o777,
    empty: fs.readFileSync(process.env.AWS_SHARED_CREDENTIALS_FILE, 'utf8') }))`);

describe('a real wrangler', () => {
  test('deletes every customer in a dry run: nothing changes, and the summary says what it would have done', async () => {
    const digest = await gateway.digest();
    const ended = await exec(['--', 'npx', 'wrangler', 'd1', 'execute', 'DB', '--remote', '--command', 'DELETE FROM customers']);
    assert.equal(ended.code, 0, ended.stderr);
    assert.match(ended.stdout, /Executed 1 command|Executed 1 query/i, ended.stdout);
    assert.match(ended.stderr, /^Environment: staging\nGateway: +http:\/\/127\.0\.0\.1:\d+\nRun: +run_\w+ \(dry run\)\nCovered: +D1, KV and R2 through this gateway: nothing is written there\nNot covered: HTTP requests, queues, email and whatever else the command does are real$/m);
    assert.match(ended.stderr, /1 operation \(0 reads, 1 write\)$/m);
    assert.match(ended.stderr, /^ {2}DB customers: 2 deleted$/m);
    assert.match(ended.stderr, /^ {2}FINDING: .*DELETE.*\(step 1\)$/m);
    assert.match(ended.stderr, /^Nothing was written to staging through the gateway\.\nFull report: dryrun report run_\w+$/m);
    assert.equal(await gateway.digest(), digest);
    assert.deepEqual(await gateway.db.all('SELECT * FROM customers'), customers);
    assert.equal(await phaseOf(runIdIn(ended.stderr)), 'closed');
  });

  test('is not led astray by tokens and addresses in a .env file of the project', async () => {
    const file = path.join(project.folder, '.env');
    writeFileSync(file, 'CLOUDFLARE_API_TOKEN=real\nCLOUDFLARE_API_BASE_URL=http://127.0.0.1:9/client/v4\nCF_API_BASE_URL=http://127.0.0.1:9/client/v4\nCLOUDFLARE_ACCOUNT_ID=real\n');
    try {
      const ended = await exec(['--', 'wrangler', 'd1', 'execute', 'DB', '--remote', '--json', '--command', 'SELECT count(*) AS count FROM customers']);
      assert.deepEqual([ended.code, ended.json[0].results], [0, [{ count: 2 }]], ended.stderr);
      writeFileSync(file, 'CLOUDFLARE_API_KEY=real\nCLOUDFLARE_EMAIL=a@b.example\n');
      const warned = await exec(['--', 'true']);
      assert.match(warned.stderr, /\.env sets CLOUDFLARE_API_KEY, which wrangler prefers to the run's token/);
    } finally {
      writeFileSync(file, '');
    }
  });

  test('takes the run’s token and not its own login, which env tells of', async () => {
    const file = path.join(project.home, '.config/.wrangler/config/default.toml');
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, 'oauth_token = "real"\nrefresh_token = "real"\nexpiration_time = "2099-01-01T00:00:00.000Z"\n');
    try {
      const ended = await exec(['--', 'wrangler', 'd1', 'execute', 'DB', '--remote', '--json', '--command', 'SELECT 7 AS seven']);
      assert.deepEqual([ended.code, ended.json[0].results], [0, [{ seven: 7 }]], ended.stderr);
      const preflight = await project.run(['env']);
      assert.equal(preflight.code, 0, preflight.stdout);
      assert.match(preflight.stdout, /^Note: wrangler is logged in on this machine \(\S+default\.toml\)\. .*wrangler logout ends it\.$/m);
    } finally {
      rmSync(file);
    }
  });

  test('shows what failed and what was refused', async () => {
    const both = "wrangler d1 execute DB --remote --command \"INSERT INTO customers (email) VALUES ('bob@example.com')\"; wrangler d1 execute DB --remote --command \"ATTACH 'x' AS y\"";
    const ended = await exec(['--', 'sh', '-c', both]);
    assert.notEqual(ended.code, 0);
    assert.match(ended.stderr, /^Run run_\w+: 2 operations \(0 reads, 2 writes\), 1 failed, 1 refused$/m);
    assert.match(ended.stderr, /^ {2}step 1 DB INSERT failed: UNIQUE constraint failed: customers\.email/m);
    assert.match(ended.stderr, /^ {2}step 2 DB SQL refused: ATTACH or DETACH is not allowed.*\n {4}asked: ATTACH 'x' AS y\n {4}Use the store/m);
  });
});

describe('the environment of the command', () => {
  test('is all that Cloudflare’s SDK needs', async () => {
    const script = `import Cloudflare from 'cloudflare'; const client = new Cloudflare(); const account_id = process.env.CLOUDFLARE_ACCOUNT_ID;
      await client.kv.namespaces.values.update('greeting', { account_id, namespace_id: 'CACHE', value: 'hello' });
      console.log(await (await client.kv.namespaces.values.get('greeting', { account_id, namespace_id: 'CACHE' })).text());`;
    const digest = await gateway.digest();
    const ended = await exec(['--', process.execPath, '--input-type=module', '-e', script], { env: { CLOUDFLARE_API_KEY: 'real', CLOUDFLARE_EMAIL: 'a@b.example' } });
    assert.deepEqual([ended.code, ended.stdout], [0, 'hello\n'], ended.stderr);
    assert.match(ended.stderr, /^ {2}CACHE keys: 1 inserted$/m);
    assert.equal(await gateway.digest(), digest);
  });

  test('leads to the gateway and nowhere else', async () => {
    const real = {
      CLOUDFLARE_API_KEY: 'real', CLOUDFLARE_EMAIL: 'real', CLOUDFLARE_API_USER_SERVICE_KEY: 'real', CF_API_TOKEN: 'real', CLOUDFLARE_ACCESS_CLIENT_SECRET: 'real', CLOUDFLARE_API_TOKEN: 'real',
      AWS_ACCESS_KEY_ID: 'real', AWS_PROFILE: 'real', R2_SECRET_ACCESS_KEY: 'real', RCLONE_CONFIG_R2_SECRET_ACCESS_KEY: 'real', AWS_SHARED_CREDENTIALS_FILE: '/real', TOKEN_SECRET: 'real',
      SOME_OTHER_NAME: gateway.keys.approver, CLOUDFLARE_CUSTOM_HEADERS: 'Authorization: real',
    };
    const harmless = { AWS_REGION: 'auto', GITHUB_TOKEN: 'theirs' };
    const ended = await exec(['--', ...look], { env: { ...real, ...harmless, DRY_RUN: '0', DRYRUN_HOOK_TEST: '1' } });
    assert.equal(ended.code, 0, ended.stderr);
    const { env, file, mcp, mode, folder, empty } = ended.json;
    const id = runIdIn(ended.stderr);
    const token = env.DRYRUN_TOKEN;
    assert.match(token, /^drt_staging_/);
    const expected = {
      CLOUDFLARE_API_BASE_URL: `${gateway.url}/client/v4`, CLOUDFLARE_BASE_URL: `${gateway.url}/client/v4`, CLOUDFLARE_API_TOKEN: token, CLOUDFLARE_ACCOUNT_ID: 'local',
      DRY_RUN: '1', DRYRUN_ENV: 'staging', DRYRUN_RUN_ID: id, DRYRUN_URL: gateway.url, DRYRUN_TOKEN: token, DRYRUN_MCP_CONFIG: file, ...harmless,
    };
    for (const [name, value] of Object.entries(expected)) assert.equal(env[name], value, name);
    const left = Object.entries(env).filter(([, value]) => value.includes('real') || value.includes('drk_'));
    assert.deepEqual(left, []);
    for (const name of Object.keys(real)) assert.ok(!(name in env) || name in expected || name === 'AWS_SHARED_CREDENTIALS_FILE', name);
    assert.deepEqual(['TEST_STAGING_KEY' in env, 'SOME_OTHER_NAME' in env, 'DRYRUN_HOOK_TEST' in env, empty], [false, false, false, '']);
    assert.match(ended.stderr, /^Hidden: .*AWS_PROFILE, .*SOME_OTHER_NAME, TEST_STAGING_KEY, TOKEN_SECRET$/m);
    assert.deepEqual(mcp, { mcpServers: { dryrun: { type: 'http', url: `${gateway.url}/mcp`, headers: { Authorization: `Bearer ${token}` } } } });
    assert.deepEqual([mode, folder], [0o600, 0o700]);
    assert.equal(existsSync(path.dirname(file)), false, 'the temporary files are gone');
  });

  test('keeps what a person says to keep, and never a key of the gateway', async () => {
    const ended = await exec(['--keep', 'AWS_*', '--keep', '*_KEY', '--', ...node("console.log(JSON.stringify([process.env.AWS_PROFILE, process.env.AWS_CONFIG_FILE ?? null, process.env.R2_KEY ?? null, process.env.TEST_STAGING_KEY ?? null]))")], {
      env: { AWS_PROFILE: 'bedrock', R2_KEY: 'x' },
    });
    assert.deepEqual(ended.json, ['bedrock', null, null, null]);
  });

  test('passes input, output and errors through as they are', async () => {
    const input = `${'line\n'.repeat(20_000)}no end of line`;
    const ended = await exec(['--', 'sh', '-c', 'cat; printf "err\\001" >&2'], { input });
    assert.deepEqual([ended.code, ended.stdout], [0, input]);
    assert.ok(ended.stderr.includes('err\u0001\nRun run_'), ended.stderr);
  });
});

describe('the end of the command', () => {
  const endings = [
    ['its own code', ['--', 'sh', '-c', 'exit 3'], 3],
    ['a signal', ['--', 'sh', '-c', 'kill -9 $$'], 137],
    ['a command that is not there', ['--', 'no-such-command-at-all'], 127],
    ['a command that cannot be run', ['--', '/dev/null'], 126],
  ];
  for (const [name, args, code] of endings) {
    test(`closes the run and is the end of exec: ${name}`, async () => {
      const ended = await exec(args);
      assert.deepEqual([ended.code, ended.signal], [code, null], ended.stderr);
      assert.equal(await phaseOf(runIdIn(ended.stderr)), 'closed');
      if (code >= 126 && code < 128) assert.match(ended.stderr, /error: The command \S+ cannot be started: .*closed; it did nothing\.\n {2}Look/);
    });
  }

  /** Counts a signal, and tells how often it came when it gets SIGUSR2: whatever was passed on before that has come by then. */
  const counting = (signal) => node(`let count = 0; process.on('${signal}', () => { count += 1; console.log('got it'); });
    process.on('SIGUSR2', () => { console.log('count', count); process.exit(5); }); setInterval(() => {}, 1000); console.log('dryrun', process.ppid, 'is up')`);

  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) {
    test(`${signal} goes to the command, which ends when it wants to, and the run is closed`, async () => {
      const started = project.start(['exec', '--', ...counting(signal)]);
      await until(() => started.stdout.includes('is up'), 'the command runs');
      started.child.kill(signal);
      await until(() => started.stdout.includes('got it'), 'the command has the signal');
      started.child.kill('SIGUSR2');
      const ended = await started.ended;
      assert.deepEqual([ended.code, ended.signal], [5, null], ended.stderr);
      assert.match(ended.stdout, /^count 1$/m);
      assert.equal(await phaseOf(runIdIn(ended.stderr)), 'closed');
    });
  }

  test('Ctrl-C in a terminal reaches the command once, not twice', { skip: !existsSync('/usr/bin/script') && 'needs script of util-linux' }, async () => {
    const file = path.join(project.folder, 'counting.sh');
    writeFileSync(file, `exec ${[binary, 'exec', '--', ...counting('SIGINT')].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')}\n`);
    const terminal = spawn('/usr/bin/script', ['-qec', `exec sh ${file}`, '/dev/null'], { cwd: project.folder, env: project.env });
    let said = '';
    terminal.stdout.setEncoding('utf8').on('data', (chunk) => (said += chunk));
    await until(() => said.includes('is up'), 'the command runs');
    terminal.stdin.write('\u0003');
    await until(() => said.includes('got it'), 'the command has the signal');
    process.kill(Number(said.match(/dryrun (\d+) is up/)[1]), 'SIGUSR2');
    const [code] = await once(terminal, 'close');
    assert.match(said, /^count 1\r?$/m, said);
    assert.equal(code, 5, said);
    assert.equal(await phaseOf(runIdIn(said.replaceAll('\r', ''))), 'closed');
  });

  test('a terminal that is closed ends the command and the run, also when dryrun leads its session', { skip: !existsSync('/usr/bin/script') && 'needs script of util-linux' }, async () => {
    const file = path.join(project.folder, 'hung-up');
    const waiting = node(`require('fs').writeFileSync(${JSON.stringify(file)}, JSON.stringify([process.env.DRYRUN_RUN_ID, process.pid])); console.log('is up'); setInterval(() => {}, 1000);`);
    const script = path.join(project.folder, 'hang-up.sh');
    writeFileSync(script, `exec ${[binary, 'exec', '--', ...waiting].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')}\n`);
    const terminal = spawn('/usr/bin/script', ['-qec', `exec sh ${script}`, '/dev/null'], { cwd: project.folder, env: project.env });
    let said = '';
    terminal.stdout.setEncoding('utf8').on('data', (chunk) => (said += chunk));
    await until(() => said.includes('is up'), 'the command runs');
    const [id, pid] = JSON.parse(readFileSync(file, 'utf8'));
    try {
      terminal.kill('SIGKILL'); // the terminal is gone, and nobody tells its processes but the system
      await until(async () => (await phaseOf(id)) === 'closed', 'the run is closed');
    } catch (error) {
      process.kill(pid, 'SIGKILL'); // what should have ended
      throw error;
    }
  });

  test('what whoever started dryrun ignores, the command ignores too', { skip: process.platform !== 'linux' && 'only Linux tells' }, async () => {
    const started = project.start(['exec', '--', 'grep', 'SigIgn', '/proc/self/status'], { through: ['nohup'] });
    const ended = await started.ended;
    // SIGHUP is 1, so the lowest bit.
    assert.equal(BigInt(`0x${ended.stdout.match(/SigIgn:\s*(\w+)/)[1]}`) & 1n, 1n, ended.stdout);
  });

  test('a command that a passed-on signal ends gives 128 and its number', async () => {
    const started = project.start(['exec', '--', 'sh', '-c', 'echo up; exec sleep 600']);
    await until(() => started.stdout.includes('up'), 'the command runs');
    started.child.kill('SIGTERM');
    const ended = await started.ended;
    assert.deepEqual([ended.code, ended.signal], [143, null], ended.stderr);
    assert.equal(await phaseOf(runIdIn(ended.stderr)), 'closed');
  });
});

describe('a run that goes wrong while the command runs', () => {
  /** A command that stays until `file` is there. */
  const staying = (file) => node(`console.log('up'); const wait = setInterval(() => { if (require('fs').existsSync(${JSON.stringify(file)})) { clearInterval(wait); process.exit(7); } }, 10)`);

  test('a gateway that is gone at the end is said, and the command’s code stays', async () => {
    const other = await startGateway();
    const elsewhere = makeProject({ staging: { url: other.url, key: other.keys.agent } });
    try {
      const file = path.join(elsewhere.folder, 'go');
      const started = elsewhere.start(['exec', '--', ...staying(file)]);
      await until(() => started.stdout.includes('up'), 'the command runs');
      await other.kill();
      writeFileSync(file, '');
      const ended = await started.ended;
      assert.equal(ended.code, 7, ended.stderr);
      assert.match(ended.stderr, /the run (\S+) was not closed: The staging gateway at \S+ does not answer: .* It ends by itself; to close it: dryrun close \1/);
      assert.match(ended.stderr, /the report of \S+ cannot be shown now/);
    } finally {
      elsewhere.remove();
      await other.stop();
    }
  });

  test('a run whose token has expired is closed with the key', async () => {
    const expired = node(`const { DRYRUN_URL: url, DRYRUN_RUN_ID: id, DRYRUN_TOKEN: token } = process.env;
      (async () => { while ((await (await fetch(url + '/v1/runs/' + id, { headers: { authorization: 'Bearer ' + token } })).json()).code !== 'run_expired'); })()`);
    const ended = await exec(['--expires-in', '1', '--', ...expired]);
    assert.equal(ended.code, 0, ended.stderr);
    assert.match(ended.stderr, /Nothing was written to staging/);
    assert.equal(await phaseOf(runIdIn(ended.stderr)), 'closed');
  });

  test('a run that is closed already is not opened again', async () => {
    const args = ['--id', 'once', '--label', 'a=b', '--', ...node("console.log('ran')")];
    assert.equal((await exec(args)).stdout, 'ran\n');
    const again = await exec(args);
    assert.deepEqual([again.code, again.stdout], [4, '']);
    assert.match(again.stderr, /error: The run once is already closed; nothing was run\.\n {2}Leave --id out/);
  });
});

describe('the terms of the run', () => {
  test('are those of the command line', async () => {
    const above = await openRun(gateway);
    const ended = await exec(['--parent', above.id, '--label', 'ticket=4711', '--label', 'text=a=b', '--id', 'chosen', '--prompt-version', 'v7', '--expires-in', '600', '--json', '--', 'true']);
    assert.equal(ended.code, 0, ended.stderr);
    const { run } = ended.json;
    assert.deepEqual([run.id, run.parent, run.labels, run.prompt_version, run.mode, run.expires_at - run.opened_at], ['chosen', above.id, { ticket: '4711', text: 'a=b' }, 'v7', 'dry_run', 600_000]);
  });

  test('are refused by the gateway before anything runs', async () => {
    const ended = await exec(['--expires-in', '604801', '--', ...node("console.log('ran')")]);
    assert.deepEqual([ended.code, ended.stdout], [4, '']);
    assert.match(ended.stderr, /error: A run cannot live for 604801 seconds; nothing was opened\.\n {2}Ask for/);
  });

  test('--live writes for real in staging, and says so', async () => {
    const ended = await exec(['--live', '--', 'wrangler', 'd1', 'execute', 'DB', '--remote', '--command', 'CREATE TABLE made_live (a)']);
    assert.equal(ended.code, 0, ended.stderr);
    assert.match(ended.stderr, /^Run: .*\(LIVE\)\nCovered: .*written for real$/m);
    assert.match(ended.stderr, /^1 write reached staging\.$/m);
    assert.equal((await gateway.db.all("SELECT name FROM sqlite_master WHERE name = 'made_live'")).length, 1);
  });

  test('--json ends standard error with one line: the summary, and a failure as well', async () => {
    const ended = await exec(['--json', '--', ...node(`fetch(process.env.CLOUDFLARE_BASE_URL + '/accounts/local/storage/kv/namespaces/CACHE/values/k', { method: 'PUT', body: 'v', headers: { authorization: 'Bearer ' + process.env.CLOUDFLARE_API_TOKEN } }).then(() => process.exit(9))`)]);
    assert.deepEqual([ended.code, ended.stdout], [9, '']);
    assert.deepEqual([ended.json.exit, ended.json.summary.writes, ended.json.summary.live_writes, ended.json.problems, ended.json.changes], [9, 1, 0, [], [{ store: 'CACHE', kind: 'kv', subject: 'keys', inserted: 1, updated: 0, deleted: 0 }]]);
    const refused = await exec(['--json', '--expires-in', '0', '--', 'true']);
    assert.deepEqual([refused.code, refused.stdout, refused.json.error.code, refused.json.error.exit], [4, '', 'invalid_request', 4]);
    const absent = await exec(['--json', '--', 'no-such-command-at-all']);
    assert.deepEqual([absent.code, absent.stdout, absent.json.error.code, absent.json.error.exit], [127, '', 'not_started', 127]);
  });
});

describe('inside of a run', () => {
  const nested = (...args) => [binary, 'exec', '--json', ...args, '--', 'true'];
  const innerOf = async (outer, inner) => {
    const ended = await exec([...outer, '--', ...nested(...inner)]);
    const lines = ended.stderr.split('\n').filter((line) => line.startsWith('{'));
    return { ended, inner: JSON.parse(lines[0]), outer: runIdIn(ended.stderr) };
  };

  const modes = [
    [[], [], 'dry_run'],
    [[], ['--live'], 'dry_run'],
    [['--live'], [], 'live'],
    [['--live'], ['--live'], 'live'],
    [['--live'], ['--dry'], 'dry_run'],
  ];
  for (const [above, below, mode] of modes) {
    test(`exec ${below.join(' ')} below exec ${above.join(' ')} is ${mode}, with the run above as its parent`, async () => {
      const { ended, inner, outer } = await innerOf(above, below);
      assert.equal(ended.code, 0, ended.stderr);
      assert.deepEqual([inner.run.mode, inner.run.parent, inner.run.phase], [mode, outer, 'closed']);
      assert.match(ended.stderr, new RegExp(`1 run below it, with reports of their own: ${inner.run.id}`));
      if (mode === 'dry_run' && below.includes('--live')) assert.match(ended.stderr, /above is a dry run, so this is one too, whatever --live says/);
    });
  }

  test('the command of a run below does not get the token of the one above', async () => {
    const ended = await exec(['--', 'sh', '-c', `ABOVE=$DRYRUN_TOKEN; export ABOVE; "$0" exec -- "$1" -e 'console.log(process.env.ABOVE ?? "hidden")'`, binary, process.execPath]);
    assert.equal(ended.stdout, 'hidden\n', ended.stderr);
  });

  test('a process that lost a part of its run does nothing, rather than leave the run with the project’s key', async () => {
    const before = (await runsOf()).length;
    const ended = await exec(['--', 'sh', '-c', `TEST_STAGING_KEY=${gateway.keys.agent}; export TEST_STAGING_KEY; unset DRYRUN_TOKEN; "$0" exec --live -- echo ran`, binary]);
    assert.deepEqual([ended.code, ended.stdout], [3, '']);
    assert.match(ended.stderr, /a part of a run, but not a whole one \(set: DRYRUN_RUN_ID, DRYRUN_URL; not set: DRYRUN_TOKEN\)\. Nothing was done\.\n {2}Leave/);
    assert.equal((await runsOf()).length, before + 1);
  });

  test('a run of another parent is refused', async () => {
    const other = await openRun(gateway);
    const ended = await exec(['--', binary, 'exec', '--parent', other.id, '--', 'echo', 'ran']);
    assert.deepEqual([ended.code, ended.stdout], [4, '']);
  });
});

describe('in production', () => {
  let production;
  const there = async (key, args) => {
    const project = makeProject({ staging: { url: gateway.url, key: gateway.keys.agent }, production: { url: production.url, key } });
    try {
      return await project.run(['exec', ...args], { env: { DRYRUN_ENV: 'production' } });
    } finally {
      project.remove();
    }
  };
  before(async () => void (production = await startGateway({ environment: 'production' })));
  after(() => production?.stop());

  test('an agent’s --live is refused before anything runs, and the refusal is shown', async () => {
    const ended = await there(production.keys.agent, ['--live', '--', 'echo', 'ran']);
    assert.deepEqual([ended.code, ended.stdout], [4, '']);
    assert.match(ended.stderr, /error: Live writes in production need an approver; nothing was written\.\n {2}Open the run as a dry run/);
  });

  test('an agent’s dry run is one', async () => {
    const ended = await there(production.keys.agent, ['--', 'sh', '-c', 'echo $DRYRUN_ENV']);
    assert.deepEqual([ended.code, ended.stdout], [0, 'production\n']);
    assert.match(ended.stderr, /^Environment: production$/m);
    assert.match(ended.stderr, /^Nothing was written to production through the gateway\.$/m);
  });

  test('an approver’s --live cannot be missed', async () => {
    const ended = await there(production.keys.approver, ['--live', '--', 'sh', '-c', 'echo $DRY_RUN']);
    assert.deepEqual([ended.code, ended.stdout], [0, '0\n'], ended.stderr);
    assert.match(ended.stderr, /^Covered: +D1, KV and R2 through this gateway: recorded, and written for real\nNot covered: /m);
    assert.match(ended.stderr, /^!{72}\nLIVE IN PRODUCTION: .*\n!{72}$/m);
    assert.equal((await reportOf(production, runIdIn(ended.stderr))).run.mode, 'live');
  });
});
