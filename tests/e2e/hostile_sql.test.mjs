// What SQL may not say: refused before anything runs, whatever its spelling, alone or hidden among other statements, live and dry alike.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startGateway } from './harness/gateway.mjs';
import { agentOf, assertProblem, openRun, paths, reportOf } from './helpers.mjs';

const spellings = (name) => [name, name.toUpperCase(), `"${name}"`, `\`${name}\``, `[${name}]`, `main.${name}`, `main."${name}"`, `main.[${name}]`, ` ${name}`, `/**/"${name}"`];
const literal = (name) => [`'${name}'`, `main.'${name}'`];
const chain = (link, count) => Array.from({ length: count }, () => link).join('');

const groups = {
  statement_not_allowed: [
    // PRAGMAs that change state, and those that are not known to change none.
    ...['foreign_keys = 2', 'foreign_keys(full)', 'temp.foreign_keys = 0', 'main.ignore_check_constraints(1)', 'writable_schema = on', 'journal_mode = delete', 'journal_mode', 'user_version = 7', 'ignore_check_constraints = on',
      'case_sensitive_like = on', 'case_sensitive_like', 'legacy_alter_table = on', 'defer_foreign_keys = 2', 'temp.defer_foreign_keys = on', 'recursive_triggers = on', 'query_only = 1', 'schema_version = 1', 'wal_checkpoint', 'optimize(x)', 'incremental_vacuum', 'integrity_check', 'temp_store = 2'].map((pragma) => `PRAGMA ${pragma}`),
    'pragma/**/ignore_check_constraints/**/=/**/on', 'PrAgMa "recursive_triggers" = on', 'PRAGMA [legacy_alter_table] = 1', 'PRAGMA table_info(notes); PRAGMA user_version = 7', 'PRAGMA table_info', 'PRAGMA temp.table_info(notes)',
    "ATTACH 'x.db' AS other", "ATTACH DATABASE ':memory:' AS other", 'DETACH other', 'DETACH DATABASE main', 'VACUUM', "VACUUM INTO 'copy.db'", 'vacuum main',
    'BEGIN', 'BEGIN IMMEDIATE TRANSACTION', 'COMMIT', 'END', 'END TRANSACTION', 'ROLLBACK', 'SAVEPOINT a', 'RELEASE a', 'ROLLBACK TO a', `BEGIN; DELETE FROM notes; COMMIT`,
    'CREATE TEMP TABLE t (a)', 'CREATE TEMPORARY TABLE t AS SELECT * FROM notes', 'CREATE TEMP VIEW v AS SELECT 1', 'CREATE TEMP TRIGGER t AFTER INSERT ON notes BEGIN SELECT 1; END', 'CREATE TABLE temp.t (a)',
    'INSERT INTO temp.t VALUES (1)', 'DELETE FROM other.notes', 'DROP TABLE temp.notes', 'UPDATE temp.notes SET text = 1',
    "INSERT OR ROLLBACK INTO notes VALUES (1, 'x')", "UPDATE OR ROLLBACK notes SET text = 'x'", "UPDATE OR/**/ROLLBACK notes SET text = 'x'", 'CREATE TABLE t (a UNIQUE ON CONFLICT ROLLBACK)',
    "CREATE TRIGGER t BEFORE DELETE ON notes BEGIN SELECT RAISE(ROLLBACK, 'no'); END", 'CREATE TABLE t (a INTEGER PRIMARY KEY ON CONFLICT\nROLLBACK)',
    'EXPLAIN DELETE FROM notes', 'EXPLAIN QUERY PLAN UPDATE notes SET text = 1', 'EXPLAIN CREATE TABLE t (a)',
    // Hidden behind what looks harmless.
    'SELECT 1; VACUUM', 'SELECT 1;VACUUM;', '-- SELECT\nVACUUM', '/* SELECT 1; */ VACUUM', "SELECT ';'; BEGIN", 'SELECT ";"; BEGIN', 'SELECT [a b] FROM (SELECT 1 AS [a b]); BEGIN', "SELECT '--'; ROLLBACK", 'SELECT 1 /* -- */; COMMIT',
    'SELECT 1;\n;\n;PRAGMA journal_mode = off', 'WITH a AS (SELECT 1) SELECT * FROM a; ATTACH \'x\' AS y', 'CREATE TRIGGER t AFTER INSERT ON notes BEGIN SELECT 1; END; VACUUM', "SELECT 'it''s'; VACUUM",
  ],
  reserved_name: [
    ...spellings('_cf_KV').flatMap((name) => [`SELECT * FROM ${name}`, `DROP TABLE ${name}`]), ...spellings('_cf_METADATA').map((name) => `INSERT INTO ${name} VALUES (1, 2)`),
    ...literal('_cf_KV').flatMap((name) => [`SELECT * FROM ${name}`, `SELECT 1 IN ${name}`, `DROP TABLE ${name}`]), ...[...spellings('_dryrun_catalog'), ...literal('_dryrun_catalog')].flatMap((name) => [`SELECT * FROM ${name}`, `DELETE FROM ${name}`]),
    'CREATE TABLE _dryrun_x (a)', 'CREATE TABLE "_DryRun_x" (a)', 'CREATE TABLE _cf_x (a)', 'CREATE INDEX _dryrun_i ON notes (text)', 'CREATE VIEW _dryrun_v AS SELECT 1', 'ALTER TABLE notes RENAME TO _dryrun_notes',
    'CREATE TRIGGER _dryrun_t AFTER INSERT ON notes BEGIN SELECT 1; END', 'CREATE TRIGGER t AFTER INSERT ON notes BEGIN DELETE FROM _dryrun_capture; END',
    'CREATE VIEW v AS SELECT * FROM _cf_KV', 'WITH x AS (SELECT * FROM "_cf_KV") SELECT * FROM x', 'SELECT (SELECT max(rowid) FROM _dryrun_log)', 'SELECT 1; SELECT * FROM _dryrun_x', 'DROP TRIGGER _dryrun_t',
    "SELECT * FROM pragma_table_info('_dryrun_catalog')", "UPDATE main.sqlite_sequence SET seq = 9", 'DELETE FROM sqlite_master', 'INSERT INTO "sqlite_stat1" VALUES (1, 2, 3)', 'DROP TABLE sqlite_sequence', 'CREATE TABLE sqlite_x (a)',
    'UPDATE main.[sqlite_master] SET sql = 1',
  ],
  ambiguous_text: [
    '\ufeffSELECT 1', 'SELECT 1;\ufeffDELETE FROM notes', 'SELECT \ufeff1', "SELECT 'a\u0000b'", 'SELECT 1\u0000; DELETE FROM notes', '\u0000', 'SELECT 1 /* DELETE FROM notes', 'SELECT 1; /*', '/*/', 'SELECT 1 /* a */ /* b',
    'SELECT [a;b] FROM notes', "SELECT [a'b] FROM notes", 'SELECT [a/*b] FROM notes', 'SELECT [a--b] FROM notes', 'SELECT [a[b] FROM notes', 'SELECT [a"b] FROM notes',
  ],
  sql_not_parsed: [
    "SELECT 'open", 'SELECT "open', 'SELECT `open', "SELECT 'a'; DELETE FROM notes WHERE text = 'b", 'SELEC 1', 'SELECT', 'SELECT FROM', 'DELETE notes', 'UPDATE notes', 'notes', '1', ')', '(', 'SELECT 1 SELECT 2', 'SELECT 1,, 2', 'SELECT @', 'SELECT #1',
    'SELECT \u0001', 'SELECT 1; garbage; SELECT 2', "INSERT INTO notes VALUES (1, 'x'", 'INSERT INTO notes (text) VALUES (\'a\') garbage here', 'CREATE TABLE t', 'CREATE TRIGGER t AFTER INSERT ON notes BEGIN DELETE FROM notes', 'SELECT x\'0\'', 'SELECT 0x', 'SELECT 1e', 'SELECT 12ab',
    'GRANT ALL ON notes TO agent', 'TRUNCATE notes', 'SHOW TABLES', 'LOAD DATA', 'CREATE DATABASE x', '.tables', '\\d', 'DO $$ BEGIN END $$',
  ],
  no_statement: ['', ' ', ';', ';;;', ' ; ; ', '-- only a comment', '/* only a comment */', '\n\t\r', '-- a\n/* b */;'],
  statement_too_long: [`SELECT '${'x'.repeat(100_000)}'`, `SELECT 1; SELECT '${'x'.repeat(100_000)}'`, `SELECT 1 ${' '.repeat(100_000)}`, `SELECT 1 /* ${'x'.repeat(100_000)} */`, chain('SELECT 1;', 5001), `SELECT '${'é'.repeat(50_001)}'`],
  statement_too_nested: [
    `SELECT ${chain('(', 200)}1${chain(')', 200)}`, `SELECT ${chain('(', 20_000)}1${chain(')', 20_000)}`, chain('(', 30_000), `${chain('SELECT (', 300)}1${chain(')', 300)}`, `SELECT ${chain('CASE WHEN 1 THEN ', 200)}1${chain(' END', 200)}`,
    `SELECT ${chain('abs(', 200)}1${chain(')', 200)}`, `SELECT * FROM ${chain('(SELECT * FROM ', 200)}notes${chain(')', 200)}`, `SELECT 1 WHERE ${chain('1 IN (', 200)}1${chain(')', 200)}`,
  ],
};

// Depth without brackets: a parser that descends for each of these needs a stack for each. Any refusal will do; a crash will not.
const deepWithoutBrackets = {
  NOT: `SELECT ${chain('NOT ', 20_000)}1`, minus: `SELECT ${chain('- ', 40_000)}1`, tilde: `SELECT ${chain('~', 90_000)}1`, plus: `SELECT ${chain('+', 90_000)}1`, sum: `SELECT 1${chain('+1', 40_000)}`, and: `SELECT 1${chain(' AND 1', 15_000)}`,
  or: `SELECT 1 WHERE 1${chain(' OR 1', 15_000)}`, text: `SELECT 'a'${chain("||'a'", 19_000)}`, collate: `SELECT 'a'${chain(' COLLATE nocase', 6_000)}`, isnull: `SELECT 1${chain(' ISNULL', 14_000)}`, equals: `SELECT 1${chain('=1', 45_000)}`,
  union: `SELECT 1${chain(' UNION SELECT 1', 6_000)}`, join: `SELECT * FROM notes${chain(' JOIN notes', 9_000)}`, comma: `SELECT * FROM notes${chain(',notes', 16_000)}`, columns: `SELECT 1${chain(',1', 45_000)}`, arrow: `SELECT '{}'${chain("->'a'", 19_000)}`,
  with: `WITH a AS (SELECT 1)${chain(',b AS (SELECT 1)', 6_000)} SELECT 1`, values: `INSERT INTO notes (text) VALUES (1)${chain(',(1)', 24_000)}`, when: `SELECT CASE 1${chain(' WHEN 1 THEN 1', 7_000)} END`, dots: `SELECT a${chain('.a', 45_000)}`, between: `SELECT 1${chain(' BETWEEN 1 AND 1', 6_000)}`,
  explain: `${chain('EXPLAIN ', 10_000)}SELECT 1`, semicolons: chain(';', 99_000), comments: `SELECT 1${chain('/**/', 24_000)}`, quotes: `SELECT '${chain("''", 49_000)}'`, parameters: `SELECT ${chain('?,', 45_000)}1`, like: `SELECT 1 LIKE 1${chain(' LIKE 1', 12_000)}`,
  unaryThenCase: `SELECT ${chain('- CASE WHEN 1 THEN ', 90)}1`, escape: `SELECT 'a' LIKE 'b'${chain(" ESCAPE 'c'", 8_000)}`, notNull: `SELECT 1${chain(' NOT NULL', 10_000)}`, cast: `SELECT ${chain('CAST(', 99)}1${chain(' AS INT)', 99)}`,
};

let gateway;
let tokens;
let digest;
const shown = (sql) => JSON.stringify(sql.length > 70 ? `${sql.slice(0, 60)}… (${sql.length})` : sql);

before(async () => {
  gateway = await startGateway();
  await gateway.db.exec("CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT); INSERT INTO notes VALUES (1, 'seed')");
  tokens = { live: (await openRun(gateway, { mode: 'live' })).token, dry: (await openRun(gateway)).token };
  // The shadow stands, so that there is something to reach for.
  assert.equal((await agentOf(gateway, tokens.dry).sql("INSERT INTO notes (text) VALUES ('planned')")).status, 200);
  digest = await gateway.digest();
});
after(() => gateway.stop());

const assertUnharmed = async (about) => {
  assert.equal(await gateway.digest(), digest, `the database has changed: ${about}`);
  assert.equal((await gateway.api('/health')).status, 200);
  assert.ok(!/panicked|RuntimeError|unreachable|Maximum call stack/.test(gateway.logs()), `${about}\n${gateway.logs().slice(-2000)}`);
};

for (const [code, texts] of Object.entries(groups)) {
  describe(code, () => {
    for (const sql of texts) {
      test(shown(sql), async () => {
        for (const [mode, token] of Object.entries(tokens)) {
          const agent = agentOf(gateway, token);
          const status = code === 'statement_not_allowed' || code === 'reserved_name' ? 403 : 400;
          gateway.recorder.clear();
          assertProblem(await agent.sql(sql), status, code, { about: mode });
          assertProblem(await agent.batch([{ sql: "INSERT INTO notes (text) VALUES ('first')" }, { sql }]), status, code, { about: `${mode}, in a batch` });
          assert.deepEqual(gateway.recorder.requests.filter(({ store }) => store === 'DB'), [], 'the database was not even asked');
        }
        await assertUnharmed(sql);
      });
    }
  });
}

describe('depth without brackets is answered, never a crash', () => {
  for (const [name, sql] of Object.entries(deepWithoutBrackets)) {
    test(`${name} (${sql.length} bytes)`, async () => {
      for (const [mode, token] of Object.entries(tokens)) {
        const { status, text } = await agentOf(gateway, token).sql(name === 'values' ? `${sql} RETURNING 1/0, nothing` : sql);
        assert.ok(status === 200 || (status >= 400 && status < 500), `${mode} ${status} ${text.slice(0, 300)}`);
      }
      await assertUnharmed(name);
    });
  }
});

test('a literal does not stand for a name of the platform', async () => {
  for (const token of Object.values(tokens)) {
    for (const sql of ["SELECT * FROM '_cf_KV'", "DROP TABLE '_cf_KV'", "INSERT INTO '_cf_METADATA' VALUES (1, 2)", "SELECT * FROM pragma_table_info('_cf_KV')"]) {
      const { status, json } = await agentOf(gateway, token).sql(sql);
      assert.ok((status >= 400 && status < 500) || json.result[0].results.length === 0, `${sql} ${status}`);
    }
  }
  await assertUnharmed('literals');
});

test('text that only mentions what is forbidden is fine', async () => {
  const harmless = [
    "SELECT 'PRAGMA foreign_keys = off; VACUUM; ATTACH'", "SELECT '_cf_KV' AS a", 'SELECT 1 AS "begin"', "SELECT 'a' /* BEGIN; */", 'SELECT 1 -- ; DROP TABLE notes', "SELECT text FROM notes WHERE text = 'ROLLBACK'", 'SELECT [a b] FROM (SELECT 1 AS [a b])',
    "SELECT ';'", 'SELECT 1;', ';SELECT 1', 'SELECT 1; SELECT 2', "SELECT '''' AS q", 'PRAGMA table_info(notes)', "PRAGMA table_info('notes')", 'EXPLAIN SELECT 1', 'SELECT "text" FROM main.notes', "SELECT 'x\ufffd'", "SELECT '🙂 العربية'",
  ];
  for (const [mode, token] of Object.entries(tokens)) {
    for (const sql of harmless) assert.equal((await agentOf(gateway, token).sql(sql)).status, 200, `${mode} ${sql}`);
  }
  await assertUnharmed('harmless text');
});

/** Words that would be a table of somebody's where a table is named. */
const words = ['pragma_once', 'pragma_optimize', '_dryrun_x', '_dryrun_touched', '_cf_KV', '_cf_METADATA', '__miniflare_do_name', 'sqlite_master', 'pragma_table_list', 'total_changes', 'rollback', 'replace', 'conflict'];

test('a value is stored and found whatever it says, and a column may be called so', async () => {
  const run = async (mode) => {
    const agent = agentOf(gateway, (await openRun(gateway, { mode })).token);
    const answers = [];
    const ask = async (sql, params) => {
      const { status, json, text } = await agent.sql(sql, params);
      assert.equal(status, 200, `${mode} ${sql} ${text}`);
      answers.push(json.result.at(-1).results);
    };
    const list = words.map((word) => `'${word}'`).join(', ');
    await ask(`CREATE TABLE said (word TEXT PRIMARY KEY CHECK (word <> '_dryrun_y'), rollback TEXT DEFAULT '_dryrun_x', "abort" INT, pragma_x TEXT, _dryrun_z TEXT, [_cf_col] TEXT)`);
    await ask(`CREATE INDEX said_words ON said (word || '_cf_KV') WHERE pragma_x <> 'pragma_optimize'`);
    await ask(`CREATE VIEW heard AS SELECT word AS pragma_y FROM said WHERE word IN (${list})`);
    await ask(`CREATE TRIGGER echoed AFTER UPDATE ON said WHEN new.word = '_dryrun_x' BEGIN UPDATE said SET pragma_x = '_cf_KV' WHERE word = 'pragma_once' OR rollback = 'sqlite_master'; END`);
    for (const word of words) await ask(`INSERT INTO said (word, _dryrun_z) VALUES ('${word}', ?) RETURNING word, rollback, _dryrun_z`, [word]);
    await ask(`UPDATE said SET pragma_x = CASE word WHEN '_dryrun_x' THEN 'pragma_optimize' ELSE upper('_cf_kv') END, "abort" = 1 WHERE word IN (${list}) OR rollback = '_dryrun_x' RETURNING word = '_dryrun_x' AS "_dryrun_alias"`);
    await ask(`INSERT INTO said (word) VALUES ('_cf_KV') ON CONFLICT (word) DO UPDATE SET rollback = 'rollback' WHERE said.word = '_cf_KV'`);
    await ask('SELECT word, rollback, "abort", pragma_x, "_cf_col" FROM said ORDER BY word');
    await ask(`SELECT pragma_y FROM heard AS pragma_z WHERE pragma_y = '_dryrun_touched'`);
    await ask(`SELECT value FROM json_each('["_dryrun_x"]') WHERE value = '_dryrun_x'`);
    await ask(`WITH pragma_x AS (SELECT 'pragma_optimize' AS rollback) SELECT rollback FROM pragma_x WHERE rollback = 'pragma_optimize' OR rollback`);
    await ask(`DELETE FROM said WHERE word = 'total_changes' RETURNING word`);
    for (const made of ['TABLE said', 'VIEW heard']) await ask(`DROP ${made}`);
    return answers;
  };
  const dry = await run('dry_run');
  assert.deepEqual(dry[4], [{ word: 'pragma_once', rollback: '_dryrun_x', _dryrun_z: 'pragma_once' }]);
  await assertUnharmed('values');
  assert.deepEqual(dry, await run('live'));
  digest = await gateway.digest();
});

test('PRAGMAs are answered as D1 answers them, and leave the connection as it is', async () => {
  const asked = ['PRAGMA foreign_keys', 'PRAGMA main.foreign_keys', ...['= OFF', '(0)', '= false', "= 'off'", '= no', '= ON', '= 1'].map((value) => `PRAGMA foreign_keys ${value}`), 'PRAGMA "foreign_keys"=OFF', 'PRAGMA foreign_keys',
    'PRAGMA defer_foreign_keys', 'PRAGMA quick_check', 'PRAGMA quick_check(notes)', 'PRAGMA ignore_check_constraints', 'PRAGMA recursive_triggers', 'PRAGMA reverse_unordered_selects', 'PRAGMA legacy_alter_table', 'PRAGMA optimize'];
  const pair = 'CREATE TABLE IF NOT EXISTS child (note INTEGER REFERENCES notes (id))';
  const answers = {};
  for (const mode of ['dry_run', 'live']) {
    const { token, id } = await openRun(gateway, { mode });
    const agent = agentOf(gateway, token);
    assert.equal((await agent.sql(pair)).status, 200);
    answers[mode] = [];
    for (const sql of asked) {
      const { status, json, text } = await gateway.api(paths.d1('raw'), { token, json: { sql } });
      assert.equal(status, 200, `${mode} ${sql} ${text}`);
      answers[mode].push([sql, json.result.map(({ results, meta }) => [results, meta.changes])]);
    }
    const batch = await agent.batch(['PRAGMA foreign_keys = OFF', 'PRAGMA foreign_keys', 'PRAGMA defer_foreign_keys = on', 'PRAGMA defer_foreign_keys', 'PRAGMA foreign_keys = ON'].map((sql) => ({ sql })));
    answers[mode].push(batch.json.result.map(({ results }) => results));
    // Foreign keys are still on, also in the request that switched them off.
    for (const statements of [['INSERT INTO child VALUES (99)'], ['PRAGMA foreign_keys = OFF', 'INSERT INTO child VALUES (99)']]) {
      assertProblem(await agent.batch(statements.map((sql) => ({ sql }))), 400, 'sql_error', { remedy: false, about: mode });
    }
    const { hazards, coverage } = await reportOf(gateway, id);
    assert.ok(hazards.some(({ kind, message }) => kind === 'foreign_keys_stay_on' && message.includes('has no effect on D1')), JSON.stringify(hazards));
    if (mode === 'dry_run') assert.ok(!coverage.exact && Object.keys(coverage.inexact).some((note) => note.includes('PRAGMA optimize was not run')), JSON.stringify(coverage));
  }
  assert.deepEqual(answers.dry_run, answers.live);
  assert.deepEqual(answers.live[0][1][0][0], { columns: ['foreign_keys'], rows: [[1]] });
  assert.deepEqual(answers.live[2][1][0][0], { columns: [], rows: [] });
  digest = await gateway.digest();
});

test('a run may send five thousand statements in one text and no more, and changes() counts among them', async () => {
  const text = `CREATE TABLE many (id INTEGER PRIMARY KEY, v TEXT);${Array.from({ length: 4_996 }, (_, at) => `INSERT INTO many VALUES (${at}, 'row ${at}');`).join('\n')}
    UPDATE many SET v = 'all'; INSERT INTO many VALUES (9999, changes()); SELECT count(*) AS n, max(v) AS all_of_them, (SELECT v FROM many WHERE id = 9999) AS changed FROM many`;
  for (const mode of ['dry_run', 'live']) {
    const agent = agentOf(gateway, (await openRun(gateway, { mode })).token);
    const began = performance.now();
    const { status, json, text: said } = await agent.sql(text);
    console.log(`# 5,000 statements, ${mode}: ${Math.round(performance.now() - began)} ms`);
    assert.equal(status, 200, said.slice(0, 500));
    assert.deepEqual([json.result.length, json.result.at(-1).results], [5_000, [{ n: 4_997, all_of_them: 'all', changed: '4996' }]]);
    assertProblem(await agent.sql(`${text}; SELECT 1`), 400, 'statement_too_long', { about: mode });
  }
  digest = await gateway.digest();
});

test('the gateway’s own tables and triggers are not seen from inside a dry run', async () => {
  const agent = agentOf(gateway, tokens.dry);
  const looks = [
    'SELECT * FROM sqlite_master', 'SELECT name, sql FROM sqlite_schema', 'SELECT count(*) AS n, group_concat(name) AS names FROM sqlite_master', 'PRAGMA table_list', 'SELECT * FROM pragma_table_list', 'SELECT * FROM pragma_table_list()',
    'SELECT * FROM "sqlite_master"', 'SELECT m.name FROM main.sqlite_master AS m', 'WITH s AS (SELECT * FROM sqlite_master) SELECT * FROM s', "SELECT tbl_name, sql FROM sqlite_master WHERE type = 'trigger'", 'SELECT * FROM sqlite_temp_master',
    'SELECT * FROM dbstat', "SELECT * FROM pragma_index_list('notes')", 'SELECT * FROM sqlite_sequence',
  ];
  const named = async (asker) => (await asker.sql('SELECT type, name, tbl_name FROM sqlite_master ORDER BY name')).json.result[0].results;
  for (const made of ['nothing new', 'CREATE TABLE made (a)', 'CREATE TRIGGER t AFTER INSERT ON notes BEGIN INSERT INTO made VALUES (new.id); END', 'ALTER TABLE notes ADD COLUMN extra']) {
    if (made !== 'nothing new') assert.equal((await agent.sql(made)).status, 200, made);
    else assert.deepEqual(await named(agent), await named(agentOf(gateway, tokens.live)));
    for (const sql of looks) {
      const { status, text } = await agent.sql(sql);
      assert.ok(status === 200 || status === 400 || status === 403, `${sql} ${status} ${text}`);
      assert.ok(!/_dryrun_/i.test(text), `${made}: ${sql} ${text}`);
    }
    const hidden = (await agent.sql("SELECT count(*) AS n FROM sqlite_master WHERE name LIKE '\\_dry%' ESCAPE '\\' OR sql LIKE '%\\_dryr%' ESCAPE '\\'")).json.result[0].results;
    assert.deepEqual(hidden, [{ n: 0 }], made);
  }
  assert.ok((await named(agent)).some(({ name }) => name === 'made'), 'what the run made is seen');
  await assertUnharmed('looks');
});
