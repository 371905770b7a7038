// The README's tour, as it stands: a newcomer who types it gets what it promises.

import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { until } from './helpers.mjs';
import { blocksOf, runToEnd, scriptOf, start, stepsOf } from './newcomer.mjs';
import { configurationFile, projectFolder } from './harness/settings.mjs';
import { freePort } from '../../demo/gateway.mjs';

const startBudget = 90_000;
const tourBudget = 20_000;
const commandBudget = 60_000;

describe('the tour in the README', { timeout: 200_000 }, () => {
  const state = mkdtempSync(path.join(tmpdir(), 'dryrun-readme-'));
  // The tour sources ./.dev.vars in the project's folder; here that folder is one of the test's own, and the configuration is that of the tour.
  const keys = path.join(state, '.dev.vars');
  const blocks = blocksOf('A tour in five minutes').filter(({ language }) => language === 'sh').map(({ text }) => text);
  let gateway;
  let tour;
  const commandBlocks = blocksOf("From an agent's shell").filter(({ language }) => language === 'sh').map(({ text }) => text);
  let command;
  let api;

  before(async () => {
    const port = await freePort();
    gateway = start('scripts/dev', [], { env: { PORT: String(port), STATE: state, CONFIG: configurationFile, DEV_VARS: keys } });
    await until(() => {
      assert.equal(gateway.ended, null, `scripts/dev ended: ${gateway.output}`);
      return answers(`http://127.0.0.1:${port}/health`);
    }, 'the gateway answers', startBudget).catch((error) => assert.fail(`${error.message}\n${gateway.output}`));

    api = `http://127.0.0.1:${port}`;
    const shell = await runToEnd('bash', ['-c', scriptOf(blocks)], { cwd: state, env: { PORT: String(port) } }, tourBudget);
    tour = { ...shell, steps: stepsOf(shell.output) };
    writeFileSync(path.join(state, 'dryrun.toml'), `[staging]\nurl = "${api}"\nkey = { variable = "DEV_AGENT_KEY" }\n`);
    // What the block finds in the project: the configuration, the command, and wrangler.
    copyFileSync(configurationFile, path.join(state, 'wrangler.toml'));
    for (const name of ['target', 'node_modules']) symlinkSync(path.join(projectFolder, name), path.join(state, name));
    command = await runToEnd('bash', ['-c', scriptOf([blocks[0], ...commandBlocks])], { cwd: state, env: { PORT: String(port) } }, commandBudget);
  });

  after(async () => {
    await gateway?.stop();
    rmSync(state, { recursive: true, force: true });
  });

  /** What the only block that contains `text` printed. */
  const printedBy = (text) => {
    const numbers = [...blocks.keys()].filter((number) => blocks[number].includes(text));
    assert.equal(numbers.length, 1, `${numbers.length} blocks contain ${text}`);
    return tour.steps[numbers[0]];
  };

  test('runs to its end without an error of the shell or of curl', () => {
    assert.deepEqual(tour.ended, { code: 0, signal: null }, tour.output);
    assert.doesNotMatch(tour.output, /curl: |command not found|SyntaxError/);
    assert.equal(tour.steps.length, blocks.length);
  });

  test('puts data into the database, live', () => {
    const answered = jsonLines(printedBy('CREATE TABLE'));
    assert.ok(answered.length > 0);
    for (const { success, result } of answered) {
      assert.equal(success, true);
      for (const { meta } of result) assert.notEqual(meta.dry_run, true);
    }
  });

  test('shows a write that says that it is a dry run, in its body and in a header', () => {
    const printed = printedBy('UPDATE customers');
    const [update] = jsonLines(printed);
    assert.ok(printed.includes('"dry_run":true'), printed);
    assert.deepEqual([update.success, update.result[0].meta.changes, update.result[0].meta.dry_run], [true, 1, true]);
    assert.match(printed, /^Dry-Run: true\r?$/im);
  });

  test('shows that the run reads its own write', () => {
    const [, read] = jsonLines(printedBy('UPDATE customers'));
    assert.deepEqual(read.result[0].results, customers({ ada: 'pro' }));
    assert.equal(read.result[0].meta.dry_run, true);
  });

  test('shows the error that D1 would give', () => {
    const [{ success, errors }] = jsonLines(printedBy('INSERT INTO customers (email)'));
    assert.equal(success, false);
    assert.match(errors[0].message, /^UNIQUE constraint failed: customers\.email/);
  });

  test('plans a key and an object', () => {
    const answered = jsonLines(printedBy('/r2/buckets/'));
    assert.equal(answered.length, 2);
    for (const { success, messages } of answered) {
      assert.equal(success, true);
      assert.match(messages[0].message, /nothing was written/);
    }
  });

  test('shows a report with everything that the run would have done', () => {
    const report = printedBy('/report?format=markdown');
    assert.match(report, /^# Dry run `tour`$/m);
    assert.match(report, /`who=me`/);
    assert.match(report, /`plan`: `free` → `pro`/);
    assert.match(report, /failed: `UNIQUE constraint failed: customers\.email/);
    assert.match(report, /inserted `greeting`/);
    assert.match(report, /inserted `notes\/1\.txt`/);
  });

  test('shows in the end that nothing was changed', () => {
    const [rows, key, ...more] = jsonLines(printedBy('values/greeting\n'));
    assert.deepEqual(rows.result[0].results, customers({ ada: 'free' }));
    assert.deepEqual([key.success, key.status, key.code], [false, 404, 'key_not_found']);
    assert.deepEqual(more, []);
  });

  test('shows what the command dryrun prints around wrangler, line by line', () => {
    assert.deepEqual(command.ended, { code: 0, signal: null }, command.output);
    const [, shown] = /^```\n(Environment: staging\n.*?)^```$/ms.exec(readFileSync(path.join(projectFolder, 'README.md'), 'utf8'));
    // What varies: the port, the run, and which variables the shell had.
    const bare = (text) => text.replace(/run_[0-9A-Z]+…?/g, 'run').replace(/127\.0\.0\.1:\d+/g, 'gateway');
    const printed = bare(stepsOf(command.output)[1]);
    const lines = bare(shown).split('\n').filter((line) => line && !line.includes('…'));
    assert.ok(lines.length >= 8);
    let from = 0;
    for (const line of lines) {
      const place = printed.indexOf(`${line}\n`, from);
      assert.ok(place >= 0, `${line}\nis not, or not in its place, in\n${printed}`);
      from = place + line.length;
    }
  });

  test('leaves a gateway whose dry runs do not show what wrangler dev keeps in each object', async () => {
    const agent = /^DEV_AGENT_KEY=(\S+)$/m.exec(readFileSync(keys, 'utf8'))[1];
    const post = async (where, token, body) => (await fetch(`${api}${where}`, { method: 'POST', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' }, body: JSON.stringify(body) })).json();
    const { token } = await post('/v1/runs', agent, {});
    const query = async (sql) => {
      const { success, result, detail } = await post('/client/v4/accounts/local/d1/database/DB/query', token, { sql });
      assert.ok(success, `${sql}: ${detail}`);
      return result[0].results;
    };
    await query('CREATE TABLE noted (customer INTEGER REFERENCES customers (id))');
    assert.deepEqual(await query('PRAGMA foreign_key_check'), []);
    const names = (await query("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")).map(({ name }) => name);
    assert.deepEqual(names.filter((name) => !name.startsWith('_cf_')), ['customers', 'noted']);
  });

  test('makes keys that only their owner can read', () => {
    assert.match(readFileSync(keys, 'utf8'), /^DEV_AGENT_KEY=drk_staging_/m);
    assert.equal(statSync(keys).mode & 0o777, 0o600);
  });
});

function customers({ ada }) {
  return [
    { id: 1, email: 'ada@example.com', plan: ada },
    { id: 2, email: 'bob@example.com', plan: 'pro' },
  ];
}

function jsonLines(printed) {
  return printed.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
}

async function answers(url) {
  return fetch(url, { signal: AbortSignal.timeout(5_000) }).then((response) => response.ok, () => false);
}
