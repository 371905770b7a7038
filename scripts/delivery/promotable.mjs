// Whether a commit may go to production. Only what staging took, and what passed its smoke test there.
//
//   node scripts/delivery/promotable.mjs [COMMIT [RUNNING]]
//
// Without COMMIT it is the last one that was deployed to staging, whatever became of it: a failure is not stepped over. RUNNING is what production ran
// when the page was written; when it runs something else by now, the page is old and nothing passes.

import { compare, github } from './github.mjs';
import { fail, isCommit, isMain, output, short, summarise } from './lib.mjs';
import { outcome, recordsOf, running, statusesOf } from './records.mjs';

const states = {
  none: 'was recorded without a result', queued: 'waits', pending: 'waits', waiting: 'waits', in_progress: 'is still running, or was cut off',
  failure: 'failed', error: 'was cancelled or broke off',
};

/**
 * The decision.
 *
 * @param commit         what should go to production
 * @param onMain         how it stands to main: compare(main, commit)
 * @param verifications  the runs of the verifying workflow for the commit, by push to main
 * @param deployments    the commit's deployments to staging, each with its `statuses`
 * @returns the reasons against it; none means that it may
 */
export function reasonsAgainst({ commit, onMain, verifications, deployments }) {
  if (!isCommit(commit)) return [`${JSON.stringify(commit)} is not a full commit id of 40 hexadecimal digits`];
  const reasons = [];
  if (!['identical', 'behind'].includes(onMain)) reasons.push(`it is not on main (${onMain})`);

  const verified = newest(verifications.filter((run) => run.head_sha === commit && run.event === 'push' && run.head_branch === 'main'));
  if (!verified) reasons.push('it was not verified on main');
  else if (verified.status !== 'completed') reasons.push(`its verification is not finished (${verified.status})`);
  else if (verified.conclusion !== 'success') reasons.push(`its verification ended with: ${verified.conclusion}`);

  const deployed = newest(deployments.filter((record) => record.sha === commit && record.environment === 'staging'));
  const ended = deployed && outcome(deployed.statuses);
  if (!deployed) reasons.push('it was never deployed to staging; a commit that changes nothing of the Worker is not, and need not be promoted');
  else if (ended !== 'success') reasons.push(`its last deployment to staging, with migrations and smoke test, ${states[ended] ?? `ended with: ${ended}`}`);
  return reasons;
}

const newest = (list) => [...list].sort((one, other) => other.id - one.id)[0];

if (isMain(import.meta.url)) {
  let commit = process.argv[2] ?? '';
  if (commit === '') {
    commit = (await recordsOf('staging'))[0]?.sha ?? fail('nothing was deployed to staging yet', 'Merge to main, and wait for the deployment to staging.');
  }
  if (!isCommit(commit)) fail(reasonsAgainst({ commit })[0], 'Copy the whole id: git rev-parse COMMIT');
  // By its id: a tag may be called main, too.
  const onMain = await compare((await github('git/ref/heads/main')).object.sha, commit);
  const query = new URLSearchParams({ head_sha: commit, event: 'push', branch: 'main', per_page: '30' });
  const verifications = (await github(`actions/workflows/ci.yml/runs?${query}`)).workflow_runs;
  const deployments = await Promise.all((await recordsOf('staging', commit)).map(async (record) => ({ ...record, statuses: await statusesOf(record) })));
  const reasons = reasonsAgainst({ commit, onMain, verifications, deployments });
  if (reasons.length > 0) {
    summarise(`## ${short(commit)} may not go to production\n\n${reasons.map((reason) => `* ${reason}`).join('\n')}`);
    fail(`${commit} may not go to production: ${reasons.join('; ')}.`, 'Deploy it to staging with success, or promote another commit.');
  }
  const [staging, production] = [await running('staging'), await running('production')];
  const shown = process.argv[3];
  if (shown !== undefined && shown !== production.commit) {
    fail(`production does not run ${shown || 'what it ran'} any more, as it did when the page of this promotion was written: ${production.why}`, 'Start a new promotion, for a new page.');
  }
  const order = production.commit ? await compare(production.commit, commit) : 'unknown';
  const notes = [
    staging.commit === commit ? 'Staging runs it now.' : `Staging has moved on: ${staging.why}.`,
    `${production.why[0].toUpperCase()}${production.why.slice(1)}.`,
    ...(order === 'behind' || order === 'diverged' ? ['**Production runs something newer: this would be a step back.** Migrations do not go back with it.'] : []),
  ];
  summarise(`## ${short(commit)} may go to production\n\nIt is on main, was verified, and was deployed to staging with its migrations and a smoke test.\n\n${notes.map((note) => `* ${note}`).join('\n')}`);
  output({ commit, running: production.commit });
}
