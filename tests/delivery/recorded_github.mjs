// What GitHub's REST API answers, in the form that its reference shows (docs.github.com/rest: deployments, deployment statuses, workflow runs,
// comparisons, environments), and a service that answers from it.

import { serve } from './helpers.mjs';

export const repository = 'acme/gateway';
const bot = { login: 'github-actions[bot]', id: 41898282, type: 'Bot', site_admin: false };
let numbers = 1000;
const at = (number) => new Date(Date.UTC(2026, 0, 1) + number * 1000).toISOString();

export function deployment(sha, states, { environment = 'staging', task = 'deploy:gateway', creator = bot, id = (numbers += 1) } = {}) {
  return {
    url: `https://api.github.com/repos/${repository}/deployments/${id}`, id, node_id: `DE_${id}`, sha, ref: sha, task, payload: {}, original_environment: environment, environment,
    description: 'migrate, deploy, smoke test', creator, created_at: at(id), updated_at: at(id), transient_environment: false, production_environment: environment === 'production',
    statuses: states.map((state) => status(state)).reverse(),
  };
}

export function status(state) {
  const id = (numbers += 1);
  return { id, node_id: `DS_${id}`, state, creator: bot, description: '', environment: 'staging', target_url: '', created_at: at(id), updated_at: at(id), environment_url: '', log_url: '' };
}

export function verification(sha, conclusion, { event = 'push', branch = 'main', state = 'completed' } = {}) {
  const id = (numbers += 1);
  return {
    id, name: 'verify', node_id: `WFR_${id}`, head_branch: branch, head_sha: sha, path: '.github/workflows/ci.yml', run_number: id, event, status: state, conclusion, workflow_id: 7,
    run_attempt: 1, created_at: at(id), updated_at: at(id), head_repository: { full_name: repository },
  };
}

export const guarded = {
  id: 1, node_id: 'EN_1', name: 'production', can_admins_bypass: false,
  protection_rules: [
    { id: 1, type: 'branch_policy' },
    { id: 2, type: 'required_reviewers', prevent_self_review: true, reviewers: [{ type: 'User', reviewer: { login: 'ada', id: 5, type: 'User' } }] },
  ],
  deployment_branch_policy: { protected_branches: true, custom_branch_policies: false },
};

/** A repository. `history` is main, oldest first; `deployments` and `verifications` as above; `environments` by name; `policies`: which [type, name] may deploy to one that says so. */
export async function github({ history = [], deployments = [], verifications = [], environments = {}, policies = {} } = {}) {
  const made = [];
  const service = await serve(({ method, path, query, body }) => {
    const rest = path.replace(`/repos/${repository}/`, '');
    const [, id] = /^deployments\/(\d+)\/statuses$/.exec(rest) ?? [];
    if (method === 'POST') {
      const sent = JSON.parse(body);
      made.push({ path: rest, ...sent });
      if (id) {
        const one = status(sent.state);
        deployments.find((record) => record.id === Number(id))?.statuses.unshift(one);
        return [201, one];
      }
      const { statuses, ...one } = deployment(sent.ref, [], sent);
      deployments.push({ ...one, statuses });
      return [201, one];
    }
    if (id) return [200, [...deployments].find((one) => one.id === Number(id)).statuses];
    if (rest === 'deployments') {
      const wanted = deployments.filter((one) => ['environment', 'task', 'sha'].every((name) => query[name] === undefined || one[name] === query[name]));
      return [200, wanted.map(({ statuses, ...one }) => one).reverse().slice(0, Number(query.per_page ?? 30))];
    }
    if (rest === 'actions/workflows/ci.yml/runs') {
      const wanted = verifications.filter((run) => run.head_sha === query.head_sha && run.event === query.event && run.head_branch === query.branch);
      return [200, { total_count: wanted.length, workflow_runs: wanted.reverse() }];
    }
    if (rest === 'git/ref/heads/main') return [200, { ref: 'refs/heads/main', node_id: 'REF_1', object: { type: 'commit', sha: history.at(-1) } }];
    const [, base, head] = /^compare\/([^.]+)\.\.\.([^.]+)$/.exec(rest) ?? [];
    if (base) {
      const [from, to] = [base, head].map((name) => history.indexOf(name));
      if (from < 0 || to < 0) return [404, { message: 'Not Found', documentation_url: 'https://docs.github.com/rest', status: '404' }];
      return [200, { status: to === from ? 'identical' : to < from ? 'behind' : 'ahead', ahead_by: Math.max(0, to - from), behind_by: Math.max(0, from - to), total_commits: 0 }];
    }
    const [, chosen] = /^environments\/(.+)\/deployment-branch-policies$/.exec(rest) ?? [];
    if (chosen) return [200, { total_count: 1, branch_policies: policies[chosen].map(([type, name]) => ({ id: (numbers += 1), node_id: 'GP_1', name, type })) }];
    const [, name] = /^environments\/(.+)$/.exec(rest) ?? [];
    if (name && environments[name]) return [200, environments[name]];
    return [404, { message: 'Not Found', documentation_url: 'https://docs.github.com/rest', status: '404' }];
  });
  return { ...service, made, env: { GITHUB_API_URL: service.url, GITHUB_REPOSITORY: repository, GITHUB_TOKEN: 'token', GITHUB_SERVER_URL: 'https://github.com', GITHUB_RUN_ID: '99' } };
}
