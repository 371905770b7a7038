// The order of migrations: numbered without a gap, the same for both, unchanged once deployed, staging first.

import assert from 'node:assert/strict';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { editedSince, namingProblems, plan } from '../../scripts/delivery/migrations.mjs';
import { History, inProject, newFolder, projectCopy, run, script } from './helpers.mjs';

const files = ['0001_control.sql', '0002_more.sql', '0003_most.sql'];
const folders = [];
const keep = (folder) => {
  folders.push(folder);
  return folder;
};
after(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

describe('names', () => {
  test('a numbered list without a gap is right, in whatever order it is read', () => {
    assert.deepEqual(namingProblems([...files].reverse()), []);
  });

  for (const [what, names, problem] of [
    ['a gap', ['0001_a.sql', '0003_c.sql'], /0002 is missing/],
    ['a list that does not begin at the beginning', ['0002_b.sql'], /0001 is missing/],
    ['the same number twice, as two branches make it', ['0001_a.sql', '0002_b.sql', '0002_c.sql'], /0002_c\.sql and 0002_b\.sql have the same number/],
    ['a number of three digits', ['001_a.sql'], /001_a\.sql is not called/],
    ['something that is no migration', ['0001_a.sql', 'README.md'], /README\.md is not called/],
    ['a name that a shell would take apart', ['0001_a b.sql'], /not called/],
    ['capital letters', ['0001_A.sql'], /not called/],
  ]) {
    test(`${what} is found`, () => assert.match(namingProblems(names).join('\n'), problem));
  }

  test("the project's own are right", async () => {
    const { code, said } = await script('migrations.mjs', []);
    assert.equal(code, 0, said);
  });
});

describe('what was applied', () => {
  const problemsOf = (staging, production) => plan({ files, staging, production }).problems.join('\n');

  test('what is still to come is named in its order', () => {
    const { problems, pending } = plan({ files: [...files].reverse(), staging: files, production: files.slice(0, 1) });
    assert.deepEqual([problems, pending], [[], { staging: [], production: ['0002_more.sql', '0003_most.sql'] }]);
  });

  test('a fresh database takes all of them', () => {
    assert.deepEqual(plan({ files, staging: [] }).pending, { staging: files });
  });

  test('production takes only what staging took', () => {
    assert.match(problemsOf(files.slice(0, 2), files.slice(0, 1)), /0003_most\.sql was not applied to staging/);
    assert.equal(problemsOf(files, files.slice(0, 1)), '');
  });

  test('one that failed in staging is not in its list, and blocks production', () => {
    assert.match(problemsOf(['0001_control.sql'], ['0001_control.sql']), /0002_more\.sql was not applied to staging/);
  });

  test('a database further than the commit is no place for it', () => {
    for (const name of ['staging', 'production']) {
      const lists = { staging: files, production: files, [name]: [...files, '0004_newer.sql'] };
      assert.match(plan({ files, ...lists }).problems.join('\n'), new RegExp(`${name} has applied 0004_newer\\.sql, which this commit does not have`));
    }
  });

  test('a renamed file is one that the database does not know', () => {
    assert.match(problemsOf(['0001_old_name.sql'], undefined), /0001_old_name\.sql, which this commit does not have/);
  });

  test('one that comes in between is found', () => {
    assert.match(problemsOf(['0001_control.sql', '0003_most.sql'], undefined), /0003_most\.sql but not 0002_more\.sql/);
  });
});

describe('what was deployed', () => {
  const history = History.make();
  keep(history.folder);
  const deployed = history.commit({ 'migrations/0001_a.sql': 'CREATE TABLE a (b);', 'migrations/0002_b.sql': 'CREATE TABLE c (d);', 'src/lib.rs': 'x' });
  const since = (changes) => {
    history.git('checkout', '-q', '--detach', deployed);
    history.commit(changes);
    return editedSince(history.folder, deployed).join('\n');
  };

  test('may get company', () => assert.equal(since({ 'migrations/0003_c.sql': 'CREATE TABLE e (f);', 'src/lib.rs': 'y' }), ''));
  test('is never changed, not by a blank', () => assert.match(since({ 'migrations/0001_a.sql': 'CREATE TABLE a (b); ' }), /0001_a\.sql was changed after it was deployed/));
  test('is never removed', () => assert.match(since({ 'migrations/0001_a.sql': null }), /0001_a\.sql was removed/));
  test('is never renamed', () => {
    assert.match(since({ 'migrations/0002_b.sql': null, 'migrations/0002_better.sql': 'CREATE TABLE c (d);' }), /0002_b\.sql was removed/);
  });

  test('is never changed once it was applied, though its deployment failed; one that was not applied may be mended', () => {
    since({ 'migrations/0001_a.sql': 'CREATE TABLE a (b, c);', 'migrations/0002_b.sql': 'CREATE TABLE c (d, e);' });
    const found = (applied) => editedSince(history.folder, deployed, applied).map((problem) => problem.slice(0, 10));
    assert.deepEqual([found([]), found(['0001_a.sql']), found(['0001_a.sql', '0002_b.sql'])], [[], ['migrations'], ['migrations', 'migrations']]);
  });

  test('an edit is a failure of the script, with what to do', async () => {
    since({ 'migrations/0001_a.sql': 'CREATE TABLE other (b);' });
    const { code, stderr } = await script('migrations.mjs', ['--since', deployed], { cwd: history.folder });
    assert.equal(code, 1);
    assert.match(stderr, /0001_a\.sql was changed[\s\S]*docs\/operations\.md/);
  });

  test('a commit that is gone is said, and nothing is compared with it', async () => {
    since({ 'migrations/0003_c.sql': 'CREATE TABLE e (f);' });
    for (const [gone, said] of [['0'.repeat(40), /it is not here/], ['', /unchanged/]]) {
      const { code, stdout } = await script('migrations.mjs', ['--since', gone], { cwd: history.folder });
      assert.equal(code, 0);
      assert.match(stdout, said);
    }
  });
});

describe('a real database, by wrangler', { timeout: 120_000 }, () => {
  const state = keep(newFolder('control'));
  const copy = projectCopy();
  after(() => copy.remove());
  const place = ['--local', '--persist-to', state];
  const wrangler = (...words) => run(inProject('node_modules/.bin/wrangler'), words, { cwd: copy.folder, env: copy.env });
  const applied = async (...words) => {
    const { code, stdout, said } = await run(copy.at('scripts/delivery/applied'), words);
    assert.equal(code, 0, said);
    return JSON.parse(stdout);
  };

  test('a fresh one has none, and asking does not make the table', async () => {
    assert.deepEqual([await applied(...place), await applied(...place)], [[], []]);
    const { stdout } = await wrangler('d1', 'execute', 'CONTROL', ...place, '--json', '--command', "SELECT count(*) AS n FROM sqlite_master WHERE name = 'd1_migrations'");
    assert.equal(JSON.parse(stdout)[0].results[0].n, 0);
  });

  test('after they were applied the list is that of the files, and nothing is left to do', async () => {
    const done = await wrangler('d1', 'migrations', 'apply', 'CONTROL', ...place);
    assert.equal(done.code, 0, done.said);
    const list = await applied(...place);
    assert.deepEqual(list, readdirSync(inProject('migrations')).sort());
    const file = path.join(state, 'applied.json');
    writeFileSync(file, JSON.stringify(list));
    const { code, stdout } = await script('migrations.mjs', ['--staging', file, '--production', file]);
    assert.equal(code, 0);
    assert.match(stdout, /staging: nothing to apply\nproduction: nothing to apply/);
  });

  test('the environments have databases of their own', async () => {
    assert.deepEqual(await applied(...place, '--env', 'production'), []);
  });

  test('one that cannot be asked is a failure, not an empty list', async () => {
    const { code, stdout, stderr } = await run(copy.at('scripts/delivery/applied'), ['--remote'], { env: { CLOUDFLARE_API_TOKEN: 'x', CLOUDFLARE_ACCOUNT_ID: 'a'.repeat(32), CLOUDFLARE_API_BASE_URL: 'http://127.0.0.1:9/client/v4' } });
    assert.notEqual(code, 0);
    assert.equal(stdout, '');
    assert.match(stderr, /could not be asked/);
  });
});
