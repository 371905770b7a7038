// Every kind of refusal that a client can run into, as a table: whose token, where, and what is asked. Each client's test asks it in its own way
// and must show its user what the gateway said.

import assert from 'node:assert/strict';
import { readWranglerToml } from '../e2e/harness/settings.mjs';
import { counting, dryRun, liveRun, startStage } from './support.mjs';

const account = '/client/v4/accounts/local';
const stores = readWranglerToml().vars.STORES;
const database = stores.DB.id;
const put = { method: 'PUT', key: 'note', body: 'text' };
const onEachStore = (name, code, terms) => [['D1', { d1: { database, sql: 'UPDATE big SET n = 0 WHERE id = 1' } }], ['KV', { kv: put }], ['R2', { r2: put }]]
  .map(([store, asked]) => [`${name}, ${store}`, code, { ...asked, ...terms }]);

// `who` is a run of startRefusals, and with `at` its gateway is another one than the run's. A client that repeats what a retry can mend may ask `requests` times.
const cases = new Map([
  ['VACUUM', 'statement_not_allowed', { d1: { database, sql: 'VACUUM' } }],
  ['ATTACH', 'statement_not_allowed', { d1: { database, sql: "ATTACH 'other.db' AS other" } }],
  ['a transaction statement', 'statement_not_allowed', { d1: { database, sql: 'BEGIN' } }],
  ['a name that the gateway keeps for itself', 'reserved_name', { d1: { database, sql: 'CREATE TABLE _dryrun_mine (a)' } }],
  ['what cannot be rehearsed', 'not_rehearsable', { d1: { database, sql: 'REINDEX' } }],
  ['more rows than a dry run may copy', 'shadow_budget_exceeded', { d1: { database, sql: 'UPDATE big SET n = n + 1' } }],
  ['a database that is not there', 'unknown_store', { d1: { database: '00000000-0000-0000-0000-000000000000', sql: 'SELECT 1' } }],
  ['a value that was not kept', 'body_not_kept', { kv: { method: 'GET', key: 'large' } }],
  ['an object that was not kept', 'body_not_kept', { r2: { method: 'GET', key: 'large' } }],
  ...onEachStore('a closed run', 'run_closed', { who: 'closed' }),
  ...onEachStore('a store whose policy is denied', 'store_denied', { who: 'denied', at: 'shut' }),
  ...onEachStore('a token of another environment', 'wrong_environment', { at: 'production' }),
  ...onEachStore('a token that nobody made', 'unauthenticated', { who: 'nobody' }),
  ...onEachStore('a live write while the flag cannot be read', 'flag_unavailable', { who: 'live', fault: true, requests: 3 }),
].map(([name, code, terms]) => [name, { code, who: 'run', at: 'small', requests: 1, ...terms }]));
export const caseNames = [...cases.keys()];

/** Three gateways: `small` with tiny budgets, `shut` whose stores are denied, and `production`; and runs on them: `run` is dry, `live` is live, `closed` is closed. */
export async function startRefusals() {
  const [small, shut, production] = await Promise.all([
    startStage({ vars: { SHADOW_WHOLE_ROWS: '10', SHADOW_MAX_ROWS: '20', OVERLAY_MAX_BYTES: '1000' } }),
    startStage({ vars: { STORES: Object.fromEntries(Object.entries(stores).map(([binding, store]) => [binding, { ...store, policy: 'denied' }])) } }),
    startStage({ environment: 'production' }),
  ]);
  const stages = [small, shut, production];
  for (const stage of stages) await stage.db.exec('CREATE TABLE big (id INTEGER PRIMARY KEY, n INTEGER)');
  await small.db.exec('INSERT INTO big WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 100) SELECT n, n FROM numbers');

  const [run, closed, live, denied] = await Promise.all([dryRun(small), dryRun(small), liveRun(small), liveRun(shut)]);
  assert.equal((await small.api(`/v1/runs/${closed.id}/close`, { token: closed.token, method: 'POST' })).status, 200);
  for (const target of [valuePath('large'), objectPath('large')]) {
    const answer = await small.api(target, { token: run.token, method: 'PUT', body: 'x'.repeat(5_000) });
    assert.equal(answer.status, 200, `${target}: ${answer.text}`);
  }
  return { small, shut, production, run, closed, live, denied, nobody: { token: 'nonsense' }, stop: () => Promise.all(stages.map((stage) => stage.stop())) };
}

const valuePath = (key) => `${account}/storage/kv/namespaces/${stores.CACHE.id}/values/${key}`;
const objectPath = (key) => `${account}/r2/buckets/${stores.FILES.name}/objects/${key}`;

/** How the gateway answers to somebody who asks it directly. */
async function saidDirectly({ stage, token, code, d1, kv, r2 }) {
  const { method, key, body } = kv ?? r2 ?? {};
  const answer = d1
    ? await stage.api(`${account}/d1/database/${d1.database}/query`, { token, json: { sql: d1.sql } })
    : await stage.api(kv ? valuePath(key) : objectPath(key), { token, method, body });
  assert.deepEqual([answer.json?.success, answer.json?.code], [false, code], answer.text);
  assert.ok(answer.status >= 400 && answer.json.detail !== '' && answer.json.remedy !== '', answer.text);
  return { status: answer.status, code, number: answer.json.errors[0].code, message: answer.json.detail, remedy: answer.json.remedy };
}

/**
 * One case for one client: it must change nothing, ask no more often than it may, and show its user what the gateway says.
 *
 * @param ask      ({ stage, token, d1 | kv | r2 }) => what the user saw
 * @param shows    (seen, said, case) asserts that
 * @param allowed  (case) => how often this client may ask
 */
export async function checkCase(refusals, name, ask, shows, allowed = ({ requests }) => requests) {
  const found = cases.get(name);
  const stage = refusals[found.at];
  const refusal = { ...found, stage, token: refusals[found.who].token };
  if (found.fault) await stage.fault('FLAGS', null, 503);
  try {
    const said = await saidDirectly(refusal);
    const contents = await stage.contents();
    const { result: seen, requests } = await counting(stage, () => ask(refusal));
    await shows(seen, said, refusal);
    const asked = requests.map(({ method, path, status }) => `${method} ${path} ${status}`);
    assert.ok(requests.length >= 1 && requests.length <= allowed(refusal), asked.join('\n'));
    assert.deepEqual(await stage.contents(), contents);
  } finally {
    if (found.fault) await stage.heal();
  }
}
