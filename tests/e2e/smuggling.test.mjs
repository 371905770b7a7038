// Every string of the corpus in a dry run and, statement for statement, in a live run of a twin: each is refused for its reason or answered
// with the very rows, the target stays as it is, nothing but single SELECTs reaches it, and no answer tells of what the gateway put there.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startGateway } from './harness/gateway.mjs';
import { openRun, paths, reportOf } from './helpers.mjs';
import { assertOnlyReads } from './rehearsal.mjs';
import { corpus, schema } from './smuggling_corpus.mjs';

let rehearsal; // the gateway of the dry runs
let twin; // another one, where the same is done live
let used; // a dry run that has written: it is answered by its shadow
let unused; // a dry run that only reads: it is answered by the target
let live;
let digest;

const runIn = async (gateway, terms) => {
  const { id, token } = await openRun(gateway, terms);
  const problems = new Map();
  const ask = async (json) => {
    const answer = await gateway.api(paths.d1('raw'), { token, json });
    if (answer.status !== 200) problems.set(answer.json.code, (problems.get(answer.json.code) ?? 0) + 1);
    return answer;
  };
  return { id, problems, ask, sql: (sql, params) => ask({ sql, ...(params ? { params } : {}) }) };
};

before(async () => {
  [rehearsal, twin] = await Promise.all([startGateway(), startGateway()]);
  await Promise.all([rehearsal.db.exec(schema), twin.db.exec(schema)]);
  [used, unused, live] = await Promise.all([runIn(rehearsal), runIn(rehearsal), runIn(twin, { mode: 'live' })]);
  const firstWrite = "UPDATE pairs SET v = 1 WHERE k = 'x'";
  for (const run of [used, live]) assert.equal((await run.sql(firstWrite)).status, 200);
  digest = await rehearsal.digest();
});
after(() => Promise.all([rehearsal?.stop(), twin?.stop()]));

const rowsOf = ({ json }) => json.result.map(({ results }) => results.rows);
const seen = ({ status, text }) => `${status} ${text.slice(0, 500)}`;

/** What dry and live answers have in common. Not `last_row_id`: without an insert it is the connection's last one, whoever made that. */
const substance = ({ status, json }) => (status === 200 ? json.result.map(({ results, meta }) => [results, meta.changes]) : [json.code, json.detail]);

function assertIs(answer, expected, about) {
  if (answer.status === 200) {
    if (expected?.rows) assert.deepEqual(rowsOf(answer).at(-1), expected.rows, about);
    else assert.equal(expected, undefined, `${about}: answered, and should not have been: ${seen(answer)}`);
    return;
  }
  assert.ok(answer.status >= 400 && answer.status < 500, `${about}: ${seen(answer)}`);
  const { code, detail, remedy, errors } = answer.json;
  if (expected) assert.deepEqual([code, detail.includes(expected.says)], [expected.code, true], `${about}: ${seen(answer)}`);
  assert.ok(detail.length > 5 && errors.length > 0 && errors.every(({ message }) => message !== ''), `${about}: ${seen(answer)}`);
  if (code !== 'sql_error') assert.ok(remedy.length > 5, `${about}: ${seen(answer)}`);
}

/** An answer may repeat reserved names that the agent wrote itself, and those that a refusal explains. */
function assertTellsNothing(answer, { sql, params, echoes }, about) {
  if (echoes) return;
  const words = [sql, ...(params ?? [])].flatMap((text) => String(text).split(/[^\p{L}\p{N}\p{Pc}:@$]+/u));
  const own = words.filter((word) => /dryrun|_cf_/i.test(word));
  let left = answer.text.replaceAll('(_dryrun_, _cf_ or __miniflare_)', '');
  for (const name of own.sort((one, other) => other.length - one.length)) left = left.replaceAll(name, '');
  assert.doesNotMatch(left, /_dryrun_|_cf_|dryrun_(touched|state|catalog)/i, `${about}: ${answer.text.slice(0, 500)}`);
}

async function assertUntouched(run, about, single = false) {
  // The look at the text that `assertOnlyReads` takes is a simple one; `single` says that a reader has seen that it is one SELECT.
  if (!single) assertOnlyReads(rehearsal, [run.id]);
  rehearsal.recorder.clear();
  const now = await rehearsal.digest();
  const changed = now !== digest;
  // Whoever comes next is not blamed for it.
  digest = now;
  assert.ok(!changed, `the target has changed: ${about}`);
}

/** Whether a string can be run without leaving anything behind in the run. */
const onlyReads = ({ sql }) => /^\s*(select|values|pragma|explain)\b/i.test(sql) && !/\b(insert|delete|update|create|alter|drop|replace)\b/i.test(sql);

const categories = Map.groupBy(corpus, ({ category }) => category);
for (const [category, strings] of categories) {
  describe(category, () => {
    for (const string of strings) {
      const { name, sql, params, expected, todo } = string;
      test(name, { todo }, async () => {
        rehearsal.recorder.clear();
        const dry = await used.sql(sql, params);
        const lived = string.live === null ? null : await live.sql(sql, params);
        await assertUntouched(used, 'in a run that has written', string.single);
        assertIs(dry, expected, 'dry');
        assertTellsNothing(dry, string, 'dry');
        if (lived) {
          assertIs(lived, string.live, 'live');
          if (string.live === expected) assert.deepEqual(substance(dry), substance(lived), 'dry is as live');
        }
        if (onlyReads(string)) {
          const clean = await unused.sql(sql, params);
          await assertUntouched(unused, 'in a run that has not written', string.single);
          assert.ok(clean.status < 500, seen(clean));
          if (expected?.code && expected.code !== 'sql_error' && clean.status !== 200) assertIs(clean, expected, 'in a run that has not written');
          assertTellsNothing(clean, string, 'in a run that has not written');
        }
        if (expected?.code) {
          const batch = await used.ask({ batch: [{ sql: "INSERT INTO pairs VALUES ('first of a batch', 1)" }, { sql, ...(params ? { params } : {}) }] });
          assert.ok(batch.status >= 400 && batch.status < 500, `in a batch: ${seen(batch)}`);
          assertTellsNothing(batch, string, 'in a batch');
          await assertUntouched(used, 'in a batch', string.single);
        }
      });
    }
  });
}

describe('after all of it', () => {
  test('the run still reads and writes by the rules', async () => {
    const answers = async (sql) => {
      const answer = await used.sql(sql);
      return answer.status === 200 ? rowsOf(answer).at(-1) : answer.json.detail;
    };
    assert.deepEqual(await answers("SELECT count(*) FROM pairs WHERE k = 'first of a batch'"), [[0]]);
    assert.deepEqual(await answers("SELECT 'A' LIKE 'a', 'A' = 'a', 'A' GLOB 'a'"), [[1, 0, 0]]);
    assert.match(await answers('INSERT INTO notes (n) VALUES (100)'), /CHECK constraint failed/);
    assert.match(await answers('INSERT INTO tags (note) VALUES (4711)'), /FOREIGN KEY constraint failed/);
    assert.match(await answers("INSERT INTO tags (label) VALUES ('a')"), /UNIQUE constraint failed/);
    assert.deepEqual(await answers("INSERT INTO notes (text) VALUES ('canary') RETURNING text"), [['canary']]);
    assert.deepEqual(await answers("SELECT upper(text) FROM notes WHERE text = 'canary'"), [['CANARY']]);
    assert.deepEqual(await answers("DELETE FROM notes WHERE text = 'canary' RETURNING text"), [['canary']]);
    assert.deepEqual(await answers('PRAGMA foreign_key_check'), []);
  });

  test('another run sees nothing of it', async () => {
    const other = await runIn(rehearsal);
    const base = ['log', 'loud', 'notes', 'notes_log', 'notes_text', 'pairs', 'tags'];
    const [names, notes, pairs] = await Promise.all([
      other.sql("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite%' AND substr(name, 1, 1) <> '_' ORDER BY name"), other.sql('SELECT id, text FROM notes'), other.sql('SELECT * FROM pairs'),
    ]);
    assert.deepEqual(rowsOf(names)[0].flat(), base);
    assert.deepEqual(rowsOf(notes)[0], [[1, 'Seed'], [2, 'second']]);
    assert.deepEqual(rowsOf(pairs)[0], [['x', 1]]);
  });

  test('nothing panicked, and every refusal is in the journal', async () => {
    assert.doesNotMatch(rehearsal.logs(), /panicked|RuntimeError|unreachable|Maximum call stack/);
    for (const run of [used, unused]) {
      const { problems } = await reportOf(rehearsal, run.id);
      assert.deepEqual(new Map([...Map.groupBy(problems, ({ code }) => code)].map(([code, lines]) => [code, lines.length]).sort()), new Map([...run.problems].sort()));
    }
  });

  test('the corpus is what it says', () => {
    assert.ok(corpus.length >= 170);
    assert.equal(new Set(corpus.map(({ category, name }) => `${category} ${name}`)).size, corpus.length, 'every name is there once');
  });
});
