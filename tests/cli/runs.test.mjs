// What the command tells of runs, from outside and from inside of them.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startGateway } from '../e2e/harness/gateway.mjs';
import { agentOf, openRun } from '../e2e/helpers.mjs';
import { binary, makeProject } from './helpers.mjs';

let gateway;
let as;
let run;
before(async () => {
  gateway = await startGateway();
  await gateway.db.exec("CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT UNIQUE, plan TEXT); INSERT INTO customers VALUES (1, 'ada@example.com', 'free'), (2, 'bob@example.com', 'pro');");
  as = Object.fromEntries(Object.keys(gateway.keys).map((name) => [name, makeProject({ staging: { url: gateway.url, key: gateway.keys[name] } })]));
  run = await openRun(gateway, { id: 'worked', labels: { ticket: '4711' } });
  const agent = agentOf(gateway, run.token);
  await agent.batch([{ sql: 'UPDATE customers SET plan = ? WHERE id = ?', params: ['pro\u001b[2J', 1] }, { sql: 'DELETE FROM customers WHERE id = 2' }]);
  await agent.sql("INSERT INTO customers (email) VALUES ('ada@example.com')");
});
after(async () => {
  for (const project of Object.values(as ?? {})) project.remove();
  await gateway?.stop();
});

const ok = async (key, args) => {
  const ended = await as[key].run(args);
  assert.equal(ended.code, 0, ended.stderr);
  return ended;
};

describe('from outside', () => {
  test('runs lists an agent’s own, and everybody’s to an operator', async () => {
    const theirs = await openRun(gateway, { key: 'agent2' });
    const below = await openRun(gateway, { parent: run.id });
    await gateway.api(`/v1/runs/${below.id}/close`, { key: 'agent', json: {} });
    const { stdout } = await ok('agent', ['runs']);
    assert.match(stdout, /^RUN +MODE +STATE +OPENED +OWNER$/m);
    assert.match(stdout, /^worked +dry run +open +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC +agent +ticket=4711$/m);
    assert.match(stdout, new RegExp(`^${below.id} +dry run +closed .* below worked$`, 'm'));
    assert.ok(!stdout.includes(theirs.id));
    assert.ok((await ok('operator', ['runs'])).stdout.includes(theirs.id));
    assert.deepEqual((await ok('agent', ['runs', '--json', '--limit', '1'])).json.runs.map(({ id }) => id), [below.id]);
  });

  test('a run that has expired is said to be', async () => {
    const short = await openRun(gateway, { expires_in: 1 });
    while ((await gateway.api(`/v1/runs/${short.id}`, { key: 'agent' })).json.phase !== 'expired');
    assert.match((await ok('agent', ['runs'])).stdout, new RegExp(`^${short.id} +dry run +expired`, 'm'));
  });

  test('report is Markdown for people and JSON for programs, and tells what moved when it is asked', async () => {
    const { stdout } = await ok('approver', ['report', 'worked']);
    assert.match(stdout, /^# Dry run `worked`$/m);
    assert.match(stdout, /`plan`: `free` → `pro�\[2J`/);
    assert.doesNotMatch(stdout, /Changed in the database since/);
    assert.equal((await ok('approver', ['report', 'worked', '--json'])).json.summary.operations, 2);
    await gateway.db.exec("UPDATE customers SET plan = 'other' WHERE id = 2");
    assert.match((await ok('agent', ['report', '--moved', 'worked'])).stdout, /^## Changed in the database since it was copied$[^]*DB `customers` `2` changed/m);
    await gateway.db.exec("UPDATE customers SET plan = 'pro' WHERE id = 2");
  });

  test('operation shows one step with its images, and hostile values stay text', async () => {
    const { stdout } = await ok('agent', ['operation', 'worked', '1']);
    assert.equal(stdout, `Step 1: DB BATCH of 2: done (dry run)
  UPDATE customers SET plan = ? WHERE id = ?  ← ["pro\\u001b[2J",1]
  DELETE FROM customers WHERE id = 2
updated customers 1 (statement 1)
  plan: "free" → "pro\\u001b[2J"
deleted customers 2 (statement 2)
  id: 2
  email: "bob@example.com"
  plan: "pro"
`);
    const failed = (await ok('agent', ['operation', 'worked', '2'])).stdout;
    assert.match(failed, /^Step 2: DB INSERT customers: failed \(dry run\)\n {2}INSERT .*\n {2}sql_error: UNIQUE constraint failed: customers\.email.*\nIt changed nothing\.\n$/);
    assert.equal((await ok('agent', ['operation', 'worked', '1', '--json'])).json.effects.length, 2);
  });

  test('turn-dry and close are for good', async () => {
    const live = await openRun(gateway, { mode: 'live' });
    assert.match((await ok('agent', ['turn-dry', live.id])).stdout, /is a dry run, because its agent asked for a dry run\. It writes nothing any more\./);
    assert.equal((await ok('agent', ['turn-dry', live.id, '--json'])).json.mode, 'dry_run');
    assert.match((await ok('agent', ['close', live.id])).stdout, new RegExp(`The run ${live.id} is closed\\. Its report stays: dryrun report ${live.id}`));
    assert.equal((await gateway.api(`/v1/runs/${live.id}`, { key: 'agent' })).json.phase, 'closed');
  });

  test('alerts are for operators and approvers', async () => {
    assert.equal((await ok('operator', ['alerts'])).stdout, 'There are no alerts.\n');
    await gateway.api('/v1/environment', { key: 'drk_production_x' });
    const { stdout } = await ok('operator', ['alerts']);
    assert.match(stdout, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC {2}1 × wrong_environment \(agent failure\)\n {2}This credential belongs to production/);
    assert.equal((await ok('approver', ['alerts', '--json'])).json.alerts[0].cause, 'wrong_environment');
    const refused = await as.agent.run(['alerts']);
    assert.deepEqual([refused.code, refused.stdout], [4, '']);
    assert.match(refused.stderr, /error: This credential may not read alerts\.\n {2}Use a credential of an operator or an approver\./);
  });

  test('what is not there or not understood is said with an exit code of its own', async () => {
    const cases = [
      [['report', 'nowhere'], 4, /There is no run nowhere/],
      [['report', '../environment'], 2, /"\.\.\/environment" is not the id of a run/],
      [['report'], 2, /Which run\?[^]*dryrun runs lists them/],
      [['operation', 'worked', 'first'], 2, /"first" is no position/],
      [['operation', 'worked', '99'], 4, /./],
      [['operation'], 2, /Usage/],
      [['runs', '--limit', 'x'], 2, /invalid value/],
      [['runs', '--limit', '0'], 4, /./],
      [['exec'], 2, /Usage/],
      [['exec', '--live', '--dry', '--', 'true'], 2, /cannot be used with/],
      [['exec', '--label', 'x', '--', 'true'], 2, /a label is NAME=VALUE/],
      [['approve', 'worked'], 2, /unrecognized subcommand/],
    ];
    for (const [args, code, why] of cases) {
      const ended = await as.agent.run(args);
      assert.deepEqual([ended.code, ended.stdout], [code, ''], `${args.join(' ')} ${ended.stderr}`);
      assert.match(ended.stderr, why);
      // The same for programs: one document, and nothing else. Standard output of exec is its command's.
      const told = await as.agent.run(['--json', ...args]);
      const [here, there] = args[0] === 'exec' ? ['stderr', 'stdout'] : ['stdout', 'stderr'];
      assert.deepEqual([told.code, told[there], JSON.parse(told[here]).error.exit], [code, '', code], args.join(' '));
      assert.match(told.json.error.message + told.json.error.remedy, new RegExp(why.source.replace('[^]*', '|')));
    }
    const { json } = await as.agent.run(['report', 'nowhere', '--json']);
    assert.deepEqual([json.error.code, json.error.exit], ['unknown_run', 4]);
  });
});

describe('inside of a run', () => {
  test('the current run is the one that is meant', async () => {
    const script = `"$0" report --json; "$0" runs --json; "$0" turn-dry --json; "$0" operation 1; "$0" close --json`;
    const ended = await as.agent.run(['exec', '--live', '--label', 'a=b', '--', 'sh', '-c', `set -e; curl -sf -H "Authorization: Bearer $DRYRUN_TOKEN" "$CLOUDFLARE_BASE_URL/accounts/local/d1/database/DB/query" -H 'Content-Type: application/json' -d '{"sql":"SELECT 1"}' > /dev/null; ${script}`, binary]);
    assert.equal(ended.code, 0, ended.stderr);
    const [report, runs, dry, step, , read, closed] = ended.stdout.split('\n');
    const { id } = JSON.parse(report).run;
    assert.deepEqual(JSON.parse(report).run.labels, { a: 'b' });
    assert.deepEqual(JSON.parse(runs).runs.map((listed) => listed.id), [id]);
    assert.deepEqual([JSON.parse(dry).id, JSON.parse(dry).mode], [id, 'dry_run']);
    assert.match(step, /^Step 1: DB SELECT: done \(live\)$/);
    assert.equal(read, 'It only read.');
    assert.deepEqual([JSON.parse(closed).id, JSON.parse(closed).phase], [id, 'closed']);
    assert.match(ended.stderr, /Nothing was written to staging through the gateway\./);
  });
});

describe('the command itself', () => {
  test('every command explains itself with examples', async () => {
    for (const name of ['env', 'exec', 'runs', 'report', 'operation', 'turn-dry', 'close', 'alerts', 'completions']) {
      const { code, stdout } = await as.agent.run([name, '--help']);
      assert.equal(code, 0, name);
      assert.match(stdout, /Examples:\n {2}\S*dryrun/, name);
    }
    assert.match((await as.agent.run(['--help'])).stdout, /Exit codes: 0 done · 1 /);
  });

  test('completions are made for every shell, and know the commands', async () => {
    for (const shell of ['bash', 'zsh', 'fish', 'powershell', 'elvish']) {
      const { code, stdout } = await as.agent.run(['completions', shell]);
      assert.equal(code, 0, shell);
      for (const name of ['exec', 'turn-dry']) assert.ok(stdout.includes(name), `${shell} ${name}`);
      assert.deepEqual((await as.agent.run(['completions', shell, '--json'])).json, { shell, script: stdout });
    }
  });
});
