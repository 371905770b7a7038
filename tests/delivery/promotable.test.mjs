// What may go to production: only what is on main, was verified there, and whose last deployment to staging was a success to its end.

import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { missing, notes } from '../../scripts/delivery/gate.mjs';
import { reasonsAgainst } from '../../scripts/delivery/promotable.mjs';
import { outcome } from '../../scripts/delivery/records.mjs';
import { script } from './helpers.mjs';
import { deployment, github, guarded, status, verification } from './recorded_github.mjs';

const [older, commit, newer, elsewhere] = ['a', 'b', 'c', 'd'].map((digit) => digit.repeat(40));
const history = [older, commit, newer];
const done = ['in_progress', 'success'];
const good = () => ({ commit, onMain: 'behind', verifications: [verification(commit, 'success')], deployments: [deployment(commit, done)] });
const against = (changes) => reasonsAgainst({ ...good(), ...changes }).join('; ');

let service;
const ask = async (name, words, state) => {
  service = await github({ history, ...state });
  return script(name, words, { env: service.env });
};
afterEach(async () => {
  await service?.stop();
  service = undefined;
});

describe('the decision', () => {
  test('nothing speaks against what staging took', () => {
    assert.equal(against({}), '');
    assert.equal(against({ onMain: 'identical' }), '');
  });

  describe('how the deployment to staging ended', () => {
    const ends = {
      'it succeeded': [done, true],
      'it succeeded, and newer ones came after it': [[...done, 'inactive'], true],
      'it succeeded and was superseded twice': [[...done, 'inactive', 'inactive'], true],
      'it has no status': [[], false],
      'it is queued': [['queued'], false],
      'it is pending': [['pending'], false],
      'it waits': [['waiting'], false],
      'it is running': [['in_progress'], false],
      'its runner died': [['queued', 'in_progress'], false],
      'its smoke test failed': [['in_progress', 'failure'], false],
      'it broke off': [['in_progress', 'error'], false],
      'it failed and was then called inactive': [['in_progress', 'failure', 'inactive'], false],
      'it succeeded and then something failed': [[...done, 'failure'], false],
      'it was only ever inactive': [['inactive'], false],
      'it ended in a way that nobody knows yet': [['in_progress', 'retired'], false],
    };
    for (const [what, [states, may]] of Object.entries(ends)) {
      test(`${what}: ${may ? 'it may' : 'it may not'}`, () => assert.equal(against({ deployments: [deployment(commit, states)] }) === '', may));
    }
  });

  test('the last attempt counts, not the best one', () => {
    const [failed, succeeded] = [['in_progress', 'failure'], done];
    assert.match(against({ deployments: [deployment(commit, succeeded), deployment(commit, failed)] }), /smoke test, failed/);
    assert.equal(against({ deployments: [deployment(commit, failed), deployment(commit, succeeded)] }), '');
    const [first, last] = [deployment(commit, succeeded), deployment(commit, failed)];
    assert.match(against({ deployments: [last, first] }), /failed/, 'in whatever order they come');
  });

  test('the order of statuses is that of their numbers', () => {
    const [begun, failed, ended] = [status('in_progress'), status('failure'), status('success')];
    assert.equal(outcome([begun, ended, failed]), 'success');
    assert.equal(outcome([ended, failed, begun]), 'success');
  });

  test('a commit that was never on staging, or only in production, is refused', () => {
    assert.match(against({ deployments: [] }), /never deployed to staging/);
    assert.match(against({ deployments: [deployment(commit, done, { environment: 'production' })] }), /never deployed/);
    assert.match(against({ deployments: [deployment(newer, done)] }), /never deployed/);
  });

  test('a commit that is not on main is refused', () => {
    for (const onMain of ['ahead', 'diverged', 'unknown', '', undefined]) assert.match(against({ onMain }), /not on main/);
  });

  test('a commit that was not verified on main is refused', () => {
    const no = {
      'was not verified': [],
      'ended with: failure': [verification(commit, 'failure')],
      'ended with: cancelled': [verification(commit, 'cancelled')],
      'ended with: skipped': [verification(commit, 'skipped')],
      'not finished \\(in_progress\\)': [verification(commit, null, { state: 'in_progress' })],
      'ended with: timed_out': [verification(commit, 'success'), verification(commit, 'timed_out')],
    };
    for (const [said, verifications] of Object.entries(no)) assert.match(against({ verifications }), new RegExp(said));
    for (const other of [verification(newer, 'success'), verification(commit, 'success', { event: 'pull_request' }), verification(commit, 'success', { branch: 'work' })]) {
      assert.match(against({ verifications: [other] }), /was not verified/);
    }
  });

  test('every reason is said at once', () => {
    assert.equal(reasonsAgainst({ commit, onMain: 'diverged', verifications: [], deployments: [] }).length, 3);
  });

  test('what is no full commit id is refused before anything is asked', () => {
    for (const odd of ['', 'main', commit.slice(1), `${commit} `, commit.toUpperCase(), '$(id)', undefined]) assert.match(against({ commit: odd }), /not a full commit id/);
  });
});

describe('the script, asking', () => {
  const state = () => ({ deployments: [deployment(older, done), deployment(commit, done)], verifications: [verification(commit, 'success'), verification(older, 'success')] });

  test('a good commit passes, with what production runs', async () => {
    const all = state();
    all.deployments.push(deployment(older, done, { environment: 'production' }));
    const { code, outputs, page } = await ask('promotable.mjs', [commit], all);
    assert.deepEqual([code, outputs], [0, { commit, running: older }]);
    assert.match(page, /may go to production[\s\S]*Staging runs it now/);
    assert.ok(service.asked.every(({ headers }) => headers.authorization === 'Bearer token'));
  });

  test('without a commit it is the last one of staging', async () => {
    const { outputs } = await ask('promotable.mjs', [''], state());
    assert.deepEqual(outputs, { commit, running: '' });
  });

  test('without a commit a failure of the last one is not stepped over', async () => {
    const all = state();
    all.deployments.push(deployment(newer, ['in_progress', 'failure']));
    all.verifications.push(verification(newer, 'success'));
    const { code, outputs, stderr, page } = await ask('promotable.mjs', [], all);
    assert.deepEqual([code, outputs], [1, {}]);
    assert.match(stderr, new RegExp(`${newer} may not go to production: its last deployment to staging.*failed`));
    assert.match(page, /may not go to production/);
  });

  test("a commit that staging has left behind may go, and it is said; a step back in production is said louder", async () => {
    const all = state();
    all.deployments.push(deployment(newer, done), deployment(newer, done, { environment: 'production' }));
    const { code, page } = await ask('promotable.mjs', [commit], all);
    assert.equal(code, 0);
    assert.match(page, new RegExp(`Staging has moved on: staging runs ${newer}`));
    assert.match(page, /step back/);
  });

  test('a page that is older than what production runs lets nothing pass', async () => {
    const all = state();
    all.deployments.push(deployment(older, done, { environment: 'production' }));
    for (const [shown, code] of [[older, 0], ['', 1], [newer, 1]]) {
      const asked = await ask('promotable.mjs', [commit, shown], all);
      assert.equal(asked.code, code, asked.said);
      if (code === 1) assert.match(asked.stderr, /Start a new promotion/);
      await service.stop();
    }
  });

  test('before anything was on staging there is nothing to promote', async () => {
    const { code, stderr } = await ask('promotable.mjs', [], {});
    assert.equal(code, 1);
    assert.match(stderr, /nothing was deployed to staging yet/);
  });

  test('a record that a person made, or one of another task, proves nothing', async () => {
    for (const made of [{ creator: { login: 'mallory', id: 1, type: 'User' } }, { task: 'deploy' }]) {
      const { code, outputs } = await ask('promotable.mjs', [commit], { ...state(), deployments: [deployment(commit, done, made)] });
      assert.deepEqual([code, outputs], [1, {}]);
      await service.stop();
    }
  });

  test('a commit of another branch is refused', async () => {
    const all = { deployments: [deployment(elsewhere, done)], verifications: [verification(elsewhere, 'success')] };
    const { code, stderr } = await ask('promotable.mjs', [elsewhere], all);
    assert.equal(code, 1);
    assert.match(stderr, /not on main \(unknown\)/);
  });

  test('when GitHub does not answer, nothing passes', async () => {
    service = await github({ history });
    await service.stop();
    const { code, outputs } = await script('promotable.mjs', [commit], { env: service.env });
    service = undefined;
    assert.deepEqual([code, outputs], [1, {}]);
  });
});

describe('records', () => {
  test('what an environment runs is its last success, and nothing after a failure; what it got last is known then, too', async () => {
    for (const [deployments, expected] of [
      [[], { running: '', order: '', last: '' }],
      [[deployment(older, done)], { running: older, order: 'ahead', last: older }],
      [[deployment(older, [...done, 'inactive']), deployment(commit, done)], { running: commit, order: 'identical', last: commit }],
      [[deployment(older, done), deployment(newer, ['in_progress', 'failure'])], { running: '', order: '', last: newer }],
      [[deployment(older, done), deployment(newer, ['in_progress'])], { running: '', order: '', last: newer }],
      [[deployment(newer, done)], { running: newer, order: 'behind', last: newer }],
      [[deployment(elsewhere, done)], { running: '', order: '', last: '' }],
      [[deployment(older, done, { environment: 'production' })], { running: '', order: '', last: '' }],
    ]) {
      const { code, outputs, said } = await ask('records.mjs', ['running', 'staging', commit], { deployments });
      assert.deepEqual([code, outputs], [0, expected], said);
      await service.stop();
    }
  });

  test('a deployment is recorded when it begins, whatever else GitHub checks, and takes nothing from the others', async () => {
    const { code, outputs } = await ask('records.mjs', ['begin', 'staging', commit], {});
    assert.equal(code, 0);
    assert.match(outputs.record, /^\d+$/);
    const [record, begun] = service.made;
    assert.deepEqual([record.path, record.ref, record.task, record.environment, record.required_contexts, record.auto_merge], ['deployments', commit, 'deploy:gateway', 'staging', [], false]);
    assert.deepEqual([begun.path, begun.state, begun.auto_inactive, begun.log_url], [`deployments/${outputs.record}/statuses`, 'in_progress', false, 'https://github.com/acme/gateway/actions/runs/99']);
  });

  test("it ends as its job does, and only 'success' is a success", async () => {
    for (const [job, state] of Object.entries({ success: 'success', failure: 'failure', cancelled: 'error', skipped: 'error', odd: 'error' })) {
      assert.equal((await ask('records.mjs', ['end', '7', job], {})).code, 0);
      assert.deepEqual(service.made.map((made) => [made.path, made.state]), [['deployments/7/statuses', state]]);
      await service.stop();
    }
  });

  test('odd arguments record nothing', async () => {
    for (const words of [['begin', 'elsewhere', commit], ['begin', 'staging', 'main'], ['end', 'x', 'success'], ['end', '7'], ['running', 'main'], []]) {
      assert.equal((await ask('records.mjs', words, {})).code, 1, words.join(' '));
      assert.deepEqual(service.made, []);
      await service.stop();
    }
  });
});

describe('the gate in front of production', () => {
  const without = (changes) => missing({ ...guarded, ...changes }).join('; ');

  test('an environment with reviewers and a limit on branches holds', async () => {
    assert.deepEqual([without({}), notes(guarded)], ['', []]);
    const { code, stdout } = await ask('gate.mjs', ['production'], { environments: { production: guarded } });
    assert.equal(code, 0);
    assert.match(stdout, /waits for its reviewers/);
  });

  test('one that GitHub made by itself, without any protection, does not', async () => {
    const bare = { ...guarded, protection_rules: [], deployment_branch_policy: null };
    for (const environments of [{ production: bare }, {}]) {
      const { code, stderr } = await ask('gate.mjs', ['production'], { environments });
      assert.equal(code, 1);
      assert.match(stderr, /does not protect: (it has no required reviewers|it does not exist)/);
      await service.stop();
    }
  });

  test('one that chooses its branches lets main through, and nothing else', async () => {
    const production = { ...guarded, deployment_branch_policy: { protected_branches: false, custom_branch_policies: true } };
    for (const [chosen, expected] of [[[['branch', 'main']], ''], [[['branch', 'main'], ['branch', '*']], 'the branch "*"'], [[['tag', 'main']], 'the tag "main"']]) {
      const { code, stderr } = await ask('gate.mjs', ['production'], { environments: { production }, policies: { production: chosen } });
      assert.deepEqual([code, stderr.includes(`does not protect: ${expected} may deploy to it`)], expected ? [1, true] : [0, false], stderr);
      await service.stop();
    }
  });

  test('a time to wait is not a person, and an empty list is nobody', () => {
    const rules = (...protection_rules) => without({ protection_rules });
    assert.match(rules({ id: 1, type: 'wait_timer', wait_timer: 30 }), /no required reviewers/);
    assert.match(rules({ id: 1, type: 'required_reviewers', reviewers: [] }), /no required reviewers/);
    assert.match(without({ deployment_branch_policy: null }), /every branch/);
  });

  test('what weakens it is written on the page', () => {
    const reviewers = guarded.protection_rules.map((rule) => ({ ...rule, prevent_self_review: false }));
    assert.deepEqual(notes({ ...guarded, can_admins_bypass: true, protection_rules: reviewers }).length, 2);
  });
});
