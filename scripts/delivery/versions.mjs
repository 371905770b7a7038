// Which version of the Worker runs, and how to go back to it.
//
//   node scripts/delivery/versions.mjs remember [--env production] > before.json    before a deployment
//   node scripts/delivery/versions.mjs agrees before.json COMMIT                    says when it is not COMMIT that runs, as the records say
//   node scripts/delivery/versions.mjs tell before.json                             after a deployment: how to roll back, onto the page

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fail, isCommit, isMain, summarise } from './lib.mjs';

/** What runs, from `wrangler deployments status --json` and `wrangler versions list --json`. */
export function running(status, versions) {
  const [version] = [...(status.versions ?? [])].sort((one, other) => other.percentage - one.percentage);
  if (!version) return null;
  const known = versions.find(({ id }) => id === version.version_id);
  return { version: version.version_id, message: known?.annotations?.['workers/message'] ?? '', since: status.created_on ?? '' };
}

export function howTo(before, words) {
  if (!before) return 'Nothing ran before, so there is nothing to roll back to: `wrangler delete` takes the Worker away.';
  const flags = words.length > 0 ? ` ${words.join(' ')}` : '';
  return [
    `Before this ran \`${before.version}\`${before.message ? ` (${before.message})` : ''}, since ${before.since}. To go back to it:`,
    `\`\`\`sh\nwrangler rollback ${before.version}${flags} --message "why"\nwrangler deployments status${flags}\n\`\`\``,
    'Migrations are forward only: they stay, and the older Worker has to live with them. Secrets of that version come back with it. Afterwards deploy the next fix by the usual way; until then the records of deployments name a commit that does not run.',
  ].join('\n\n');
}

/** What a person has to know when the records and Cloudflare do not say the same. Workflows deploy with the message "commit <id>". */
export function disagreement(before, commit) {
  const runs = /^commit ([0-9a-f]{40})$/.exec(before?.message ?? '')?.[1];
  if (runs === commit) return '';
  const known = isCommit(commit) ? `commit ${commit}` : 'nothing';
  const really = before ? `version ${before.version} (${before.message || 'without a message'})` : 'nothing';
  return `By the records of deployments ${known} runs, by Cloudflare ${really}. Somebody deployed, rolled back or put a secret by hand, or a deployment failed: what this page compares with is what the records say.`;
}

function wrangler(...words) {
  const ran = spawnSync('wrangler', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, WRANGLER_SEND_METRICS: 'false' } });
  if (ran.error) throw ran.error;
  return ran;
}

if (isMain(import.meta.url)) {
  const [verb, ...rest] = process.argv.slice(2);
  if (verb === 'remember') {
    const [status, versions] = [wrangler('deployments', 'status', '--json', ...rest), wrangler('versions', 'list', '--json', ...rest)];
    // 10007: there is no such Worker. A Worker that was only given secrets has no deployments. Anything else is not known to be nothing.
    const none = status.status !== 0 && /\b10007\b|has no deployments/.test(status.stdout + status.stderr);
    if (!none && (status.status !== 0 || versions.status !== 0)) fail(`wrangler cannot say what runs: ${status.stderr || versions.stderr || status.stdout}`, 'Nothing was deployed.');
    const before = none ? null : running(JSON.parse(status.stdout), JSON.parse(versions.stdout));
    console.log(JSON.stringify({ before, words: rest }));
  } else if (verb === 'agrees' && rest.length === 2) {
    const { before } = JSON.parse(readFileSync(rest[0], 'utf8'));
    const text = (before || rest[1]) && disagreement(before, rest[1]);
    if (text) summarise(`## Not what the records say\n\n${text}`);
    else console.log('What runs is what the records say.');
  } else if (verb === 'tell' && rest.length === 1) {
    const { before, words } = JSON.parse(readFileSync(rest[0], 'utf8'));
    summarise(`## How to roll back\n\n${howTo(before, words)}`);
  } else {
    fail('the arguments are not understood', 'usage: versions.mjs remember [--env production] > FILE | agrees FILE COMMIT | tell FILE');
  }
}
