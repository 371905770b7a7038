// Whether a GitHub environment really waits for a person. GitHub makes an environment that a workflow names and nobody set up, without any protection;
// then a job for production would just run.
//
//   node scripts/delivery/gate.mjs ENVIRONMENT

import { github } from './github.mjs';
import { fail, isMain, summarise } from './lib.mjs';

/** What is missing, from GitHub's description of the environment, null for one that does not exist, and the names of branches and tags that may deploy to it. */
export function missing(environment, names = []) {
  if (!environment) return ['it does not exist'];
  const reviewers = (environment.protection_rules ?? []).filter(({ type }) => type === 'required_reviewers').flatMap(({ reviewers: list }) => list ?? []);
  return [
    ...(reviewers.length === 0 ? ['it has no required reviewers'] : []),
    ...(environment.deployment_branch_policy ? [] : ['every branch may deploy to it']),
    ...names.filter(({ name, type = 'branch' }) => name !== 'main' || type !== 'branch').map(({ name, type = 'branch' }) => `the ${type} ${JSON.stringify(name)} may deploy to it`),
  ];
}

/** What is allowed, but worth a thought. */
export function notes(environment) {
  const reviews = (environment.protection_rules ?? []).filter(({ type }) => type === 'required_reviewers');
  return [
    ...(reviews.some(({ prevent_self_review: prevented }) => prevented) ? [] : ['whoever starts a promotion may approve it']),
    ...(environment.can_admins_bypass === false ? [] : ['administrators may pass by the reviewers']),
  ];
}

if (isMain(import.meta.url)) {
  const name = process.argv[2] ?? fail('no environment is named', 'usage: gate.mjs ENVIRONMENT');
  const path = `environments/${encodeURIComponent(name)}`;
  const environment = await github(path).catch((error) => {
    if (error.status === 404) return null;
    throw error;
  });
  const named = environment?.deployment_branch_policy?.custom_branch_policies ? (await github(`${path}/deployment-branch-policies?per_page=100`)).branch_policies : [];
  const without = missing(environment, named);
  if (without.length > 0) fail(`the GitHub environment ${name} does not protect: ${without.join('; ')}`, 'Set it up: see GitHub in docs/operations.md. Nothing was deployed.');
  const open = notes(environment);
  if (open.length > 0) summarise(`## The gate\n\n${open.map((note) => `* Note: ${note}.`).join('\n')}`);
  console.log(`${name} waits for its reviewers.`);
}
