// Whether a GitHub environment really waits for a person. GitHub makes an environment that a workflow names and nobody set up, without any protection;
// then a job for production would just run.
//
//   node scripts/delivery/gate.mjs ENVIRONMENT

import { github } from './github.mjs';
import { fail, isMain, summarise } from './lib.mjs';

/** What is missing, from GitHub's description of the environment; null stands for one that does not exist. */
export function missing(environment) {
  if (!environment) return ['it does not exist'];
  const reviewers = (environment.protection_rules ?? []).filter(({ type }) => type === 'required_reviewers').flatMap(({ reviewers: list }) => list ?? []);
  return [
    ...(reviewers.length === 0 ? ['it has no required reviewers'] : []),
    ...(environment.deployment_branch_policy ? [] : ['every branch may deploy to it']),
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
  const environment = await github(`environments/${encodeURIComponent(name)}`).catch((error) => {
    if (error.status === 404) return null;
    throw error;
  });
  const without = missing(environment);
  if (without.length > 0) fail(`the GitHub environment ${name} protects nothing: ${without.join('; ')}`, 'Set it up: see GitHub in docs/operations.md. Nothing was deployed.');
  const open = notes(environment);
  if (open.length > 0) summarise(`## The gate\n\n${open.map((note) => `* Note: ${note}.`).join('\n')}`);
  console.log(`${name} waits for its reviewers.`);
}
