// Real histories, in the form that the workflow has them: a commit and the one before it, and what runs fetched besides.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { changed, workerParts } from '../../scripts/delivery/changed.mjs';
import { History, script, textOf } from './helpers.mjs';

const first = {
  'src/lib.rs': 'one', 'src/domain/gate.rs': 'gate', 'migrations/0001_control.sql': 'CREATE TABLE a (b);', 'wrangler.toml': 'name = "a"', 'Cargo.toml': '[workspace]',
  'README.md': 'readme', 'docs/operations.md': 'docs', 'tests/tidy.rs': 'tidy', 'cli/src/main.rs': 'main', '.github/workflows/ci.yml': 'on: push', 'scripts/build': 'build', 'scripts/demo.mjs': 'demo',
};
const folders = [];
const keep = (history) => {
  folders.push(history);
  return history;
};
after(() => folders.forEach((history) => history.remove()));

/** A history with a first commit that runs. */
function running() {
  const history = keep(History.make());
  history.commit(first);
  return { history, runs: history.head };
}

/** What is decided in the clone that the workflow makes. */
function decide(history, { commit = history.head, running: runs, order = 'ahead' }) {
  const clone = keep(history.shallow(commit));
  if (runs) {
    const other = keep(history.shallow(runs, 1));
    clone.git('fetch', '-q', '--update-shallow', other.folder, 'HEAD');
  }
  return changed(clone.folder, { commit, running: runs, order });
}

describe('one commit after what runs', () => {
  const cases = {
    'a source file': [{ 'src/lib.rs': 'two' }, true],
    'a new source file': [{ 'src/domain/new.rs': 'new' }, true],
    'a source file that goes': [{ 'src/domain/gate.rs': null }, true],
    'a new migration': [{ 'migrations/0002_more.sql': 'CREATE TABLE c (d);' }, true],
    'wrangler.toml': [{ 'wrangler.toml': 'name = "b"' }, true],
    'the lock file': [{ 'Cargo.lock': 'locked' }, true],
    'the packages, wrangler among them': [{ 'package-lock.json': '{}' }, true],
    'how it is built': [{ 'scripts/build': 'other' }, true],
    'source and documentation': [{ 'src/lib.rs': 'two', 'README.md': 'two' }, true],
    'documentation only': [{ 'README.md': 'two', 'docs/operations.md': 'two' }, false],
    'tests only': [{ 'tests/tidy.rs': 'two', 'tests/e2e/new.test.mjs': 'new' }, false],
    'the command line only': [{ 'cli/src/main.rs': 'two' }, false],
    'a workflow only': [{ '.github/workflows/ci.yml': 'on: pull_request' }, false],
    'another script': [{ 'scripts/demo.mjs': 'two' }, false],
    'a name that only begins like a part': [{ 'src2/lib.rs': 'two', 'wrangler.toml.bak': 'old', 'docs/src/lib.rs': 'x' }, false],
    'a name that looks like a pattern': [{ '*': 'star', 'docs/[src]': 'x', ':(top)src': 'y' }, false],
    'nothing': [{}, false],
  };
  for (const [what, [files, deploy]] of Object.entries(cases)) {
    test(`${what}: ${deploy ? 'deploy' : 'nothing to deploy'}`, () => {
      const { history, runs } = running();
      history.commit(files);
      const decided = decide(history, { running: runs });
      assert.equal(decided.deploy, deploy, decided.why);
      assert.equal(decided.files.length > 0, deploy);
    });
  }

  test('a rename out of the source, into it or within it is a change of the Worker', () => {
    for (const [from, to, part] of [['src/domain/gate.rs', 'docs/gate.rs', 'src/domain/gate.rs'], ['docs/operations.md', 'src/operations.md', 'src/operations.md'], ['src/domain/gate.rs', 'src/gate.rs', 'src/domain/gate.rs src/gate.rs']]) {
      const { history, runs } = running();
      history.rename(from, to);
      assert.deepEqual(decide(history, { running: runs }).files.join(' '), part);
    }
  });

  test('a file that only gets another mode is a change', () => {
    const { history, runs } = running();
    history.git('update-index', '--chmod=+x', 'scripts/build');
    history.git('commit', '-q', '-m', 'executable');
    assert.deepEqual(decide(history, { running: runs }).files, ['scripts/build']);
  });
});

describe('ways that changes come to main', () => {
  const branch = (history, files) => {
    history.git('checkout', '-q', '-b', 'work');
    for (const [index, change] of files.entries()) history.commit(change, `work ${index}`);
    history.git('checkout', '-q', 'main');
  };

  test('a merge brings what its branch changed, also when its last commit is documentation', () => {
    const { history, runs } = running();
    branch(history, [{ 'src/lib.rs': 'two' }, { 'README.md': 'two' }]);
    history.commit({ 'tests/tidy.rs': 'meanwhile' });
    const beside = history.head;
    history.git('merge', '-q', '--no-ff', '-m', 'merge', 'work');
    assert.equal(history.git('rev-parse', 'HEAD^1'), beside);
    assert.deepEqual(decide(history, { running: runs }).files, ['src/lib.rs']);
  });

  test('a merge of documentation brings nothing', () => {
    const { history, runs } = running();
    branch(history, [{ 'README.md': 'two' }]);
    history.git('merge', '-q', '--no-ff', '-m', 'merge', 'work');
    assert.equal(decide(history, { running: runs }).deploy, false);
  });

  test('a squashed branch is one commit with all of it', () => {
    const { history, runs } = running();
    branch(history, [{ 'src/lib.rs': 'two' }, { 'README.md': 'two' }]);
    history.git('merge', '-q', '--squash', 'work');
    history.git('commit', '-q', '-m', 'squashed');
    assert.deepEqual(decide(history, { running: runs }).files, ['src/lib.rs']);
  });

  test('a push of several commits is found whole, although the commit before knows nothing of it', () => {
    const { history, runs } = running();
    history.commit({ 'src/lib.rs': 'two' });
    history.commit({ 'README.md': 'two' });
    const decided = decide(history, { running: runs });
    assert.deepEqual([decided.deploy, decided.files], [true, ['src/lib.rs']]);
    assert.match(decided.why, /which runs/);
  });

  test('a revert of what runs is deployed', () => {
    const { history } = running();
    const runs = history.commit({ 'src/lib.rs': 'two' });
    history.git('revert', '--no-edit', 'HEAD');
    assert.deepEqual(decide(history, { running: runs }).files, ['src/lib.rs']);
  });

  test('a revert of what never ran is deployed as well: its deploy may have half happened', () => {
    const { history, runs } = running();
    history.commit({ 'src/lib.rs': 'two' });
    history.git('revert', '--no-edit', 'HEAD');
    const decided = decide(history, { running: runs });
    assert.equal(decided.deploy, true);
    assert.match(decided.why, /the commit before/);
  });

  test('after a forced push what runs is gone, and everything is deployed', () => {
    const { history, runs } = running();
    history.git('checkout', '-q', '--orphan', 'fresh');
    history.commit(first, 'rewritten');
    history.commit({ 'README.md': 'two' });
    const clone = keep(history.shallow(history.head));
    const decided = changed(clone.folder, { commit: history.head, running: runs, order: '' });
    assert.equal(decided.deploy, true);
    assert.match(decided.why, /not in the history/);
  });

  test('after a forced push what runs can still be there: only what differs counts', () => {
    const { history, runs } = running();
    history.commit({ 'src/lib.rs': 'dropped' });
    history.git('reset', '-q', '--hard', runs);
    history.commit({ 'README.md': 'two' });
    assert.equal(decide(history, { running: runs, order: 'diverged' }).deploy, false);
  });
});

describe('what is not known', () => {
  test('the first commit is deployed', () => {
    const { history, runs } = running();
    const decided = decide(history, { commit: runs, running: '' });
    assert.equal(decided.deploy, true);
    assert.match(decided.why, /first/);
  });

  test('a commit without the one before it is deployed', () => {
    const { history, runs } = running();
    history.commit({ 'README.md': 'two' });
    const clone = keep(history.shallow(history.head, 1));
    assert.equal(changed(clone.folder, { commit: history.head, running: runs, order: 'ahead' }).deploy, true);
  });

  test('documentation is deployed when nobody knows what runs: a deploy before it failed', () => {
    const { history } = running();
    history.commit({ 'README.md': 'two' });
    const decided = decide(history, { running: '' });
    assert.equal(decided.deploy, true);
    assert.match(decided.why, /not known for certain/);
  });

  test('what is older than what runs is not deployed over it', () => {
    const { history } = running();
    const older = history.commit({ 'src/lib.rs': 'two' });
    const runs = history.commit({ 'src/lib.rs': 'three' });
    const decided = decide(history, { commit: older, running: runs, order: 'behind' });
    assert.equal(decided.deploy, false);
    assert.match(decided.why, /newer/);
  });
});

describe('the script', () => {
  let history;
  before(() => ({ history } = running()));

  test('hands its decision to the workflow and shows the files', async () => {
    const runs = history.head;
    const commit = history.commit({ 'src/lib.rs': 'script' });
    const { code, outputs, stdout } = await script('changed.mjs', [commit, runs, 'ahead'], { cwd: history.folder });
    assert.deepEqual([code, outputs], [0, { deploy: 'true' }]);
    assert.match(stdout, /^ {2}src\/lib\.rs$/m);
  });

  test('takes no branch or abbreviation for a commit', async () => {
    for (const commit of ['main', history.head.slice(0, 10), '--output=x', '']) {
      const { code, outputs } = await script('changed.mjs', [commit, '', ''], { cwd: history.folder });
      assert.deepEqual([code, outputs], [1, {}], commit);
    }
  });
});

test('everything that scripts/build makes the Worker of is looked at', () => {
  const [, inputs] = /^inputs=\(([^)]*)\)$/m.exec(textOf('scripts/build'));
  for (const input of inputs.split(/\s+/)) assert.ok(workerParts.includes(input), input);
});
