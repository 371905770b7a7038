// What was deployed where, with which result: GitHub's deployment records, which the workflows write themselves.
//
//   node scripts/delivery/records.mjs begin ENVIRONMENT COMMIT       answers its number as the output `record`
//   node scripts/delivery/records.mjs end RECORD STATUS              the job's status: only "success" is one
//   node scripts/delivery/records.mjs running ENVIRONMENT [COMMIT]   which commit an environment runs and which it got last, and how COMMIT stands to it
//
// GitHub makes records of its own for a job with an environment. They name the newest commit of the branch instead of the one that was deployed,
// so ours have a task of their own.

import { compare, github } from './github.mjs';
import { fail, isCommit, isMain, output } from './lib.mjs';

export const task = 'deploy:gateway';
const environments = ['staging', 'production'];
/** Who writes with a workflow's own token. A record by anybody else proves nothing. */
const writer = 'github-actions[bot]';

/** The records of an environment, newest first, at most thirty; with a commit only its own. */
export async function recordsOf(environment, commit) {
  const query = new URLSearchParams({ environment, task, per_page: '30', ...(commit ? { sha: commit } : {}) });
  const records = await github(`deployments?${query}`);
  return records.filter(({ creator }) => creator?.login === writer).sort((one, other) => other.id - one.id);
}

export const statusesOf = (record) => github(`deployments/${record.id}/statuses?per_page=100`);

/** How a deployment ended, from its statuses. GitHub calls older successes inactive; that takes nothing back from them. */
export function outcome(statuses) {
  const newestFirst = [...statuses].sort((one, other) => other.id - one.id);
  return newestFirst.find(({ state }) => state !== 'inactive')?.state ?? 'none';
}

/**
 * The commit that an environment runs: of the newest record, when that is a success. After a failure nobody can say. `last` is the commit of the newest
 * record, however it ended: its migrations may have been applied.
 */
export async function running(environment) {
  const [newest] = await recordsOf(environment);
  if (!newest) return { commit: '', last: '', why: `nothing was deployed to ${environment} yet` };
  const ended = outcome(await statusesOf(newest));
  if (ended !== 'success') return { commit: '', last: newest.sha, why: `the last deployment to ${environment}, of ${newest.sha}, ended with: ${ended}` };
  return { commit: newest.sha, last: newest.sha, why: `${environment} runs ${newest.sha}` };
}

const address = () => {
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: repository, GITHUB_RUN_ID: run } = process.env;
  return server && run ? { log_url: `${server}/${repository}/actions/runs/${run}` } : {};
};

async function begin(environment, commit) {
  const record = await github('deployments', {
    method: 'POST',
    body: {
      ref: commit, task, environment, auto_merge: false, required_contexts: [], transient_environment: false,
      production_environment: environment === 'production', description: 'migrate, deploy, smoke test',
    },
  });
  await github(`deployments/${record.id}/statuses`, { method: 'POST', body: { state: 'in_progress', auto_inactive: false, ...address() } });
  return record.id;
}

async function end(record, status) {
  const state = { success: 'success', failure: 'failure', cancelled: 'error' }[status] ?? 'error';
  await github(`deployments/${record}/statuses`, { method: 'POST', body: { state, auto_inactive: false, ...address() } });
}

if (isMain(import.meta.url)) {
  const [verb, subject, argument] = process.argv.slice(2);
  const environment = () => (environments.includes(subject) ? subject : fail(`${subject} is no environment`, 'Use staging or production.'));
  if (verb === 'begin' && isCommit(argument)) {
    output({ record: await begin(environment(), argument) });
  } else if (verb === 'end' && /^\d+$/.test(subject ?? '') && argument) {
    await end(subject, argument);
  } else if (verb === 'running' && (!argument || isCommit(argument))) {
    const { commit, last, why } = await running(environment());
    const order = last && argument ? await compare(last, argument) : '';
    // After a forced push it can be gone, and with it whatever could be compared.
    const gone = order === 'unknown';
    console.log(gone ? `${why}, which is not in the repository any more` : why);
    output({ running: gone ? '' : commit, order: gone || !commit ? '' : order, last: gone ? '' : last });
  } else {
    fail('the arguments are not understood', 'usage: records.mjs begin ENVIRONMENT COMMIT | end RECORD STATUS | running ENVIRONMENT [COMMIT]');
  }
}
