// What somebody put into the base before the run: names that are SQL, objects that use the gateway's names, views of what must not be called.
// A statement of the agent that is harmless in itself reaches them.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { makeBase } from './fresh_base.mjs';
import { startGateway } from './harness/gateway.mjs';
import { openRun, paths, reportOf } from './helpers.mjs';
import { assertOnlyReads } from './rehearsal.mjs';

const log = "CREATE TABLE log (id INTEGER PRIMARY KEY, what TEXT); INSERT INTO log VALUES (1, 'a');";
const change = "UPDATE log SET what = 'b'";
const quoted = (name) => `"${name.replaceAll('"', '""')}"`;

let gateway;
before(async () => void (gateway = await startGateway()));
after(() => gateway.stop());

/** What each statement is answered with: the rows, the count of changes and the words of an error. */
async function answersIn(mode, statements) {
  const { id, token } = await openRun(gateway, { mode });
  const answers = [];
  for (const sql of statements) {
    const { status, json, text } = await gateway.api(paths.d1('raw'), { token, json: { sql } });
    assert.ok(status < 500, `${mode} ${sql} ${status} ${text}`);
    answers.push(status === 200 ? json.result.map(({ results, meta }) => [results, meta.changes]) : json);
  }
  return { id, answers };
}

/** The statements dry, with the base as it is afterwards compared to before; then live. */
async function dryThenLive(schema, statements) {
  await makeBase(gateway, schema);
  const digest = await gateway.digest();
  gateway.recorder.clear();
  const dry = await answersIn('dry_run', statements);
  assertOnlyReads(gateway, [dry.id]);
  assert.equal(await gateway.digest(), digest, 'the target has changed');
  const report = await reportOf(gateway, dry.id);
  const live = await answersIn('live', statements);
  return { dry: dry.answers, live: live.answers, report };
}

describe('names in the base are names, whatever they look like', () => {
  const names = {
    'a quote and a statement': 'x"; DROP TABLE log; --',
    'a single quote': "x'); DROP TABLE log; --",
    'a backtick and brackets': 'x`]; DROP TABLE log; [`',
    'comments': 'x*/ DROP TABLE log /* --',
    'line ends': 'x\n; DROP TABLE log;\r\n--',
    'nothing but a blank': ' ',
    'a no-break space': '\u00a0',
    'parameters': '?1 :a @b $c',
    'a keyword': 'select',
    'a wildcard': '%_\\',
  };
  for (const [what, name] of Object.entries(names)) {
    test(what, async () => {
      const [table, column, index, trigger, child, strict] = [name, `c${name}`, `i${name}`, `t${name}`, `child${name}`, `w${name}`].map(quoted);
      const schema = `${log}
        CREATE TABLE ${table} (${column} TEXT UNIQUE DEFAULT '''; DELETE FROM log; --', id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO ${table} VALUES ('it''s "x"', 5);
        CREATE INDEX ${index} ON ${table} (${column} COLLATE NOCASE);
        CREATE TABLE ${child} (${column} REFERENCES ${table} (id) ON DELETE CASCADE); INSERT INTO ${child} VALUES (5);
        CREATE TABLE ${strict} (${column} TEXT PRIMARY KEY, v) WITHOUT ROWID; INSERT INTO ${strict} VALUES ('''', 1);
        CREATE TRIGGER ${trigger} AFTER DELETE ON ${table} BEGIN INSERT INTO log (what) VALUES (old.${column}); END;`;
      const { dry, live, report } = await dryThenLive(schema, [
        `UPDATE ${table} SET ${column} = upper(${column})`, `INSERT INTO ${table} DEFAULT VALUES RETURNING *`, `INSERT OR REPLACE INTO ${strict} VALUES ('''', 2)`, `DELETE FROM ${table} WHERE id = 5`,
        'SELECT * FROM log', `SELECT * FROM ${strict}`, `SELECT * FROM ${child}`, `SELECT * FROM ${table}`,
      ]);
      assert.deepEqual(dry, live);
      assert.deepEqual(dry[4][0][0].rows, [[1, 'a'], [2, 'IT\'S "X"']], 'the trigger has fired');
      assert.deepEqual(report.changes.map(({ subject }) => subject).sort(), [name, `child${name}`, 'log', `w${name}`].sort());
    });
  }
});

describe('objects of the base that use the gateway’s names', () => {
  const refused = ({ code, remedy }) => ['reserved_name', 'not_rehearsable'].includes(code) && remedy.length > 5;

  test('a trigger that takes the notes away does not hide what changed', async () => {
    const { dry: [answer], report } = await dryThenLive(`${log} CREATE TRIGGER wipe AFTER UPDATE ON log BEGIN DELETE FROM _dryrun_touched; END;`, [change]);
    assert.ok(refused(answer), JSON.stringify(answer));
    assert.deepEqual(report.changes, []);
  });

  test('a trigger that adds to the notes invents nothing', async () => {
    const forged = "INSERT INTO _dryrun_touched (name, key, image) VALUES ('log', '99', '{\"id\":99,\"what\":\"forged\"}')";
    const { dry: [answer], report } = await dryThenLive(`${log} CREATE TRIGGER forge AFTER UPDATE ON log BEGIN ${forged}; END;`, [change]);
    assert.ok(refused(answer), JSON.stringify(answer));
    assert.deepEqual(report.changes, []);
  });

  test('a trigger that reads the notes is refused', async () => {
    const { dry: [answer] } = await dryThenLive(`${log} CREATE TABLE seen (image); CREATE TRIGGER look AFTER UPDATE ON log BEGIN INSERT INTO seen SELECT image FROM _dryrun_touched; END;`, [change]);
    assert.ok(refused(answer), JSON.stringify(answer));
  });

  test('a view of the notes shows nothing', async () => {
    const { dry: [, answer] } = await dryThenLive(`${log} CREATE VIEW spy AS SELECT image FROM _dryrun_touched;`, [change, 'SELECT * FROM spy']);
    assert.equal(Array.isArray(answer), false, JSON.stringify(answer));
  });

  test('a view of them that is renamed through does not harm the run', async () => {
    const { dry, live } = await dryThenLive(`${log} CREATE VIEW spy AS SELECT image FROM _dryrun_touched;`, ['ALTER TABLE log RENAME COLUMN what TO body', 'SELECT what FROM log']);
    assert.deepEqual(dry.map(Array.isArray), live.map(Array.isArray));
  });

  // Whether the run works next to them or refuses: it says so, and whatever it answers is as live.
  for (const [what, made] of Object.entries({
    'a table with the name of the notes': 'CREATE TABLE _dryrun_touched (x); INSERT INTO _dryrun_touched VALUES (1)',
    'a table with another name of the prefix': 'CREATE TABLE _dryrun_other (x); INSERT INTO _dryrun_other VALUES (1)',
    'a trigger with a name of the gateway’s': 'CREATE TABLE seen (n); CREATE TRIGGER _dryrun_0_before_update AFTER UPDATE ON log BEGIN INSERT INTO seen VALUES (1); END',
    'an index with a name of the gateway’s': 'CREATE INDEX _dryrun_index ON log (what)',
    'a view with the name of the notes': 'CREATE VIEW _dryrun_touched AS SELECT 1 AS n',
  })) {
    test(what, async () => {
      const { dry, live } = await dryThenLive(`${log} ${made};`, [change, 'SELECT * FROM log']);
      if (Array.isArray(dry[0])) assert.deepEqual(dry, live);
      else assert.ok(refused(dry[0]), JSON.stringify(dry[0]));
    });
  }
});

// Every PRAGMA that SQLite has or had. Each also stands for a table that can be read, where the platform lets it.
const everyPragma = `analysis_limit application_id auto_vacuum automatic_index busy_timeout cache_size cache_spill case_sensitive_like cell_size_check checkpoint_fullfsync
  collation_list compile_options count_changes data_store_directory data_version database_list default_cache_size defer_foreign_keys empty_result_callbacks encoding foreign_key_check
  foreign_key_list foreign_keys freelist_count full_column_names fullfsync function_list hard_heap_limit ignore_check_constraints incremental_vacuum index_info index_list index_xinfo
  integrity_check journal_mode journal_size_limit legacy_alter_table legacy_file_format lock_status locking_mode max_page_count mmap_size module_list optimize page_count page_list page_size
  parser_trace pragma_list query_only quick_check read_uncommitted recursive_triggers reverse_unordered_selects schema_version secure_delete short_column_names shrink_memory soft_heap_limit
  stats synchronous table_info table_list table_xinfo temp_store temp_store_directory threads trusted_schema user_version vdbe_addoptrace vdbe_debug vdbe_listing vdbe_trace wal_autocheckpoint
  wal_checkpoint writable_schema`.split(/\s+/);

describe('no table-valued PRAGMA changes anything or tells of the gateway', () => {
  for (const [when, statements] of Object.entries({ 'in a run that has only read': [], 'in a run that has written': [change] })) {
    test(when, async () => {
      await makeBase(gateway, `${log} CREATE INDEX log_what ON log (what);`);
      const digest = await gateway.digest();
      const { id, token } = await openRun(gateway);
      const ask = (sql) => gateway.api(paths.d1('raw'), { token, json: { sql } });
      for (const sql of statements) assert.equal((await ask(sql)).status, 200);
      gateway.recorder.clear();
      for (const pragma of everyPragma) {
        for (const parameters of ['', "('main')", "('log')", "('log', 'main')", '(1)']) {
          const { status, text } = await ask(`SELECT * FROM pragma_${pragma}${parameters}`);
          assert.ok(status < 500 && !text.includes('_dryrun_'), `${pragma}${parameters} ${status} ${text}`);
        }
        assert.equal(await gateway.digest(), digest, `${pragma} has changed the target`);
      }
      assertOnlyReads(gateway, [id]);
      const settings = await ask("SELECT 'A' LIKE 'a', (SELECT foreign_keys FROM pragma_foreign_keys)");
      if (settings.status === 200) assert.deepEqual(settings.json.result[0].results.rows, [[1, 1]]);
    });
  }
});

describe('views and triggers of the base that call what changes the database', () => {
  for (const [what, made] of Object.entries({
    'a view of pragma_optimize': 'CREATE VIEW tuned AS SELECT * FROM pragma_optimize',
    'a view of it as a text': "CREATE VIEW tuned AS SELECT * FROM 'pragma_optimize'",
    'a view that asks with IN': "CREATE VIEW tuned AS SELECT 'x' IN pragma_optimize(0xfffe) AS answer",
    'a view of a view of it': 'CREATE VIEW inner_view AS SELECT * FROM pragma_optimize(0xfffe); CREATE VIEW tuned AS SELECT count(*) FROM inner_view',
  })) {
    test(what, () => dryThenLive(`${log} CREATE INDEX log_what ON log (what); ${made};`, ['SELECT * FROM tuned', 'SELECT count(*) FROM log, tuned', change, 'SELECT * FROM tuned']));
  }

  test('a trigger that reads pragma_optimize', () =>
    dryThenLive(`${log} CREATE INDEX log_what ON log (what); CREATE TRIGGER tune AFTER UPDATE ON log BEGIN INSERT INTO log (what) SELECT * FROM pragma_optimize; END;`, [change, 'SELECT count(*) FROM log']));

  for (const made of ["fts5(optimize, content='pragma_optimize')", 'FTS5(optimize, CONTENT="PRAGMA_OPTIMIZE")']) {
    test(`an FTS5 table with its content: ${made}`, async () => {
      // The digest of all tables would read this one, too, so the statistics tell.
      const statistics = () => gateway.db.all("SELECT name FROM sqlite_master WHERE name LIKE 'sqlite_stat%'");
      await makeBase(gateway, `DROP TABLE IF EXISTS sqlite_stat1; DROP TABLE IF EXISTS sqlite_stat4; ${log} CREATE INDEX log_what ON log (what); CREATE VIRTUAL TABLE tuned USING ${made};`);
      assert.deepEqual(await statistics(), []);
      gateway.recorder.clear();
      const { id } = await answersIn('dry_run', ['SELECT * FROM tuned', 'SELECT count(*) FROM log, tuned', change, 'SELECT * FROM tuned']);
      assertOnlyReads(gateway, [id]);
      assert.deepEqual(await statistics(), []);
      await gateway.db.all('SELECT * FROM tuned');
      assert.notDeepEqual(await statistics(), [], 'reading it past the gateway writes');
    });
  }
});
