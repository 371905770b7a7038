// Whether a commit of main has to be deployed: did anything change that the Worker is made of?
//
//   node scripts/delivery/changed.mjs COMMIT [RUNNING [ORDER]]
//
// COMMIT is compared with the commit before it on main, and with RUNNING, the commit that the environment runs. The second look finds what the first
// cannot: a push of several commits, a deploy that failed, one that waited and was replaced. Whatever is not known for certain is a reason to deploy.
// ORDER is how COMMIT stands to RUNNING in the history: with "behind", something newer runs already, and it stays.

import { git, gitAgrees, isCommit, isMain, output, short, fail } from './lib.mjs';

/** What the Worker is made of, and what makes it: files and folders. The inputs of scripts/build are among them. */
export const workerParts = [
  'src', 'migrations', 'wrangler.toml',
  'Cargo.toml', 'Cargo.lock', 'build.rs', '.cargo', 'crates', 'rust-toolchain', 'rust-toolchain.toml',
  'package.json', 'package-lock.json', '.npmrc',
  'scripts/build', 'scripts/common.sh', 'scripts/setup',
];

/** The parts that differ between two commits, both names of a renamed one. */
export function differing(folder, before, after) {
  const names = git(folder, 'diff', '-z', '--name-only', '--no-renames', '--no-ext-diff', before, after, '--', ...workerParts);
  return names.split('\0').filter(Boolean);
}

const has = (folder, commit) => gitAgrees(folder, 'cat-file', '-e', `${commit}^{commit}`);

/** Answers { deploy, why, files }. */
export function changed(folder, { commit, running = '', order = '' }) {
  if (order === 'behind') return { deploy: false, why: `${short(running)} runs already, and it is newer`, files: [] };
  const yes = (why, files = []) => ({ deploy: true, why, files });
  if (!has(folder, `${commit}^1`)) return yes('the commit before this one is not here: it is the first, or was not fetched');
  if (!isCommit(running)) return yes('it is not known for certain which commit runs');
  if (!has(folder, running)) return yes(`${short(running)}, which runs, is not in the history any more`);
  const before = differing(folder, `${commit}^1`, commit);
  if (before.length > 0) return yes('the Worker changed since the commit before', before);
  const since = differing(folder, running, commit);
  if (since.length > 0) return yes(`the Worker changed since ${short(running)}, which runs`, since);
  return { deploy: false, why: `nothing that the Worker is made of changed since ${short(running)}, which runs`, files: [] };
}

if (isMain(import.meta.url)) {
  const [commit, running, order] = process.argv.slice(2);
  if (!isCommit(commit)) fail('the first argument is not a full commit id', 'usage: changed.mjs COMMIT [RUNNING [ORDER]]');
  const { deploy, why, files } = changed(process.cwd(), { commit, running, order });
  output({ deploy });
  console.log(`${deploy ? 'deploy' : 'nothing to deploy'}: ${why}`);
  for (const file of files) console.log(`  ${file}`);
}
