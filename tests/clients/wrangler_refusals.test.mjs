// What wrangler's user sees when the gateway says no: the reason, the remedy, an exit code, and no second attempt.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { assertShows, counting, leavesTargetsAlone } from './support.mjs';
import { caseNames, checkCase, startRefusals } from './refusals.mjs';
import { bucket, database, namespace, printedJson, wranglerProject } from './wrangler.mjs';

let refusals;
let project;
before(async () => {
  refusals = await startRefusals();
  project = wranglerProject(refusals.small.base, { 'note.txt': 'text', 'vacuum.sql': 'UPDATE big SET n = 0;\nVACUUM;\n' });
  mkdirSync(project.at('migrations'));
});
after(async () => {
  await refusals?.stop();
  project?.remove();
});

function command({ d1, kv, r2 }) {
  if (d1) return ['d1', 'execute', d1.database === database.database_id ? 'DB' : 'GONE', '--remote', '--command', d1.sql];
  if (kv) return ['kv', 'key', kv.method.toLowerCase(), kv.key, ...(kv.body ? [kv.body] : []), '--remote', '--namespace-id', namespace.id];
  return ['r2', 'object', r2.method.toLowerCase(), `${bucket}/${r2.key}`, '--remote', ...(r2.body ? ['--file', 'note.txt'] : ['--pipe'])];
}

describe('wrangler shows why it was refused, and asks once', () => {
  for (const name of caseNames) {
    test(name, () => checkCase(refusals, name, ({ stage, token, ...asked }) => project.using(token, { base: stage.base })(...command(asked)), ({ code, output }, said, { kv }) => {
      assert.equal(code, 1, output);
      // Of a value that cannot be read wrangler tells the status, whatever the answer holds.
      if (kv?.method === 'GET') assertShows(output, `${said.status}: `);
      else assertShows(output, said.message, said.remedy, String(said.number));
    }, () => 1));
  }

  test('a script that reads --json finds code, reason and remedy', () => checkCase(refusals, 'VACUUM', ({ token }) => project.using(token)('d1', 'execute', 'DB', '--remote', '--json', '--command', 'VACUUM'), (seen, said) => {
    assert.equal(seen.code, 1);
    const { error } = printedJson(seen);
    assert.deepEqual([error.code, error.meta], [said.number, { reason: said.code, remedy: said.remedy }]);
  }));

  test('a file with one refused statement runs none of them', () => checkCase(refusals, 'VACUUM', ({ token }) => project.using(token)('d1', 'execute', 'DB', '--remote', '--file', 'vacuum.sql'), async (seen, said) => {
    assert.equal(seen.code, 1, seen.output);
    assertShows(seen.output, said.message, said.remedy);
    const { json } = await refusals.small.api(`/client/v4/accounts/local/d1/database/DB/query`, { token: refusals.run.token, json: { sql: 'SELECT count(*) AS n FROM big WHERE n = 0' } });
    assert.deepEqual(json.result[0].results, [{ n: 0 }]);
  }, () => 3));
});

test('a database that neither the project nor the gateway knows is not found', async () => {
  const ended = await project.using(refusals.run.token)('d1', 'execute', 'nowhere', '--remote', '--command', 'SELECT 1');
  assert.equal(ended.code, 1);
  assertShows(ended.output, "Couldn't find a D1 DB with name or binding 'nowhere'");
});

describe('what the gateway does not offer is refused', () => {
  const d1 = (...args) => ['d1', ...args];
  const commands = [
    d1('create', 'another'), d1('delete', 'DB', '--skip-confirmation'), d1('time-travel', 'restore', 'DB', '--bookmark', '00000000-00000000-00000000-0000', '--json'), d1('insights', 'DB'), d1('info', 'DB'),
    ['kv', 'namespace', 'create', 'another'], ['kv', 'namespace', 'delete', '--namespace-id', namespace.id, '--skip-confirmation'], ['kv', 'namespace', 'rename', '--namespace-id', namespace.id, '--new-name', 'other'],
    ['r2', 'bucket', 'create', 'another'], ['r2', 'bucket', 'delete', bucket], ['r2', 'bucket', 'info', bucket], ['r2', 'bucket', 'cors', 'list', bucket],
    ['queues', 'list'], ['secret', 'list'], ['versions', 'list'],
  ];
  for (const [mode, tried] of [['in a dry run', commands], ['live', commands.slice(0, 2)]]) {
    for (const args of tried) {
      test(`wrangler ${args.join(' ')}, ${mode}`, async () => {
        const { small: stage, run, live } = refusals;
        const { token } = mode === 'live' ? live : run;
        const { result: { code, output }, requests } = await leavesTargetsAlone(stage, () => counting(stage, () => project.using(token)(...args)));
        assert.equal(code, 1, output);
        assert.ok(requests.length <= 2, `${requests.length} requests`);
        const { method, path, status } = requests.at(-1);
        assert.equal(status, 403, `${method} ${path}`);
        const { json, text } = await stage.api(path, { token, method });
        assert.ok(text.includes('not_offered'), text);
        // Of analytics wrangler takes a refusal in JSON for "no figures", so that one is text; it shows the first 100 characters.
        if (json) assertShows(output, json.detail, json.remedy);
        else assertShows(output, text.slice(0, 100));
      });
    }
  }
});
