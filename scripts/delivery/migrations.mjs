// Whether the migrations of CONTROL may be applied: numbered without a gap, the same for both environments, none changed after it was deployed, and
// in production only what staging took.
//
//   node scripts/delivery/migrations.mjs [--since COMMIT] [--staging FILE] [--production FILE]
//
// FILE is the JSON list of the names that were applied there, in order, as scripts/delivery/applied prints it. COMMIT is what was deployed
// before, or tried.

import { readFileSync, readdirSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { fail, git, gitAgrees, isMain, short } from './lib.mjs';

const folder = 'migrations';

/** What is wrong with the names of the files. */
export function namingProblems(files) {
  const problems = [];
  const numbered = new Map();
  for (const name of [...files].sort()) {
    const [, digits] = /^(\d{4})_[a-z0-9]+(?:_[a-z0-9]+)*\.sql$/.exec(name) ?? [];
    if (!digits) {
      problems.push(`${name} is not called NNNN_what_it_does.sql`);
      continue;
    }
    const number = Number(digits);
    if (numbered.has(number)) problems.push(`${name} and ${numbered.get(number)} have the same number`);
    else numbered.set(number, name);
  }
  for (let number = 1; number <= Math.max(0, ...numbered.keys()); number += 1) {
    if (!numbered.has(number)) problems.push(`number ${String(number).padStart(4, '0')} is missing`);
  }
  return problems;
}

/** What was applied has to be the beginning of what there is: nothing unknown, nothing in between. */
export function appliedProblems(environment, files, applied) {
  const sorted = [...files].sort();
  const unknown = applied.filter((name) => !sorted.includes(name));
  if (unknown.length > 0) return [`${environment} has applied ${unknown.join(', ')}, which this commit does not have: it is older than what runs there, or a file was renamed`];
  const skipped = sorted.slice(0, applied.length).filter((name) => !applied.includes(name));
  return skipped.map((name) => `${environment} has applied ${applied.at(-1)} but not ${name}, which comes before it`);
}

/** Everything that speaks against applying, and what is still to be applied. */
export function plan({ files, staging, production }) {
  const problems = namingProblems(files);
  const pending = {};
  for (const [environment, applied] of Object.entries({ staging, production })) {
    if (!applied) continue;
    problems.push(...appliedProblems(environment, files, applied));
    pending[environment] = [...files].sort().filter((name) => !applied.includes(name));
  }
  if (staging && production) {
    for (const name of pending.production.filter((name) => !staging.includes(name))) {
      problems.push(`${name} was not applied to staging: it failed there, or has not been there yet`);
    }
  }
  return { problems, pending };
}

/**
 * Files that are not what they were in a commit that was deployed. New ones may come; nothing else. With a list of what was applied somewhere, a file that
 * is not on it may be mended: it failed before it did anything.
 */
export function editedSince(repository, commit, applied) {
  const lines = git(repository, 'diff', '-z', '--name-status', '--no-renames', '--no-ext-diff', commit, '--', folder).split('\0').filter(Boolean);
  const problems = [];
  for (let at = 0; at < lines.length; at += 2) {
    if (lines[at] === 'A' || (applied && !applied.includes(lines[at + 1].slice(folder.length + 1)))) continue;
    problems.push(`${lines[at + 1]} was ${lines[at] === 'D' ? 'removed' : 'changed'} after it was deployed with ${short(commit)}`);
  }
  return problems;
}

const namesIn = (file) => {
  const names = JSON.parse(readFileSync(file, 'utf8'));
  if (!Array.isArray(names) || names.some((name) => typeof name !== 'string')) fail(`${file} is not a list of names`, 'Make it with scripts/delivery/applied.');
  return names;
};

if (isMain(import.meta.url)) {
  const { values } = parseArgs({ options: { since: { type: 'string' }, staging: { type: 'string' }, production: { type: 'string' } } });
  const applied = Object.fromEntries(['staging', 'production'].filter((name) => values[name]).map((name) => [name, namesIn(values[name])]));
  const lists = Object.values(applied);
  const { problems, pending } = plan({ files: readdirSync(folder), ...applied });
  if (values.since) {
    if (gitAgrees('.', 'cat-file', '-e', `${values.since}^{commit}`)) problems.push(...editedSince('.', values.since, lists.length > 0 ? lists.flat() : undefined));
    else console.log(`Not compared with ${values.since}: it is not here.`);
  }
  for (const [environment, names] of Object.entries(pending)) {
    console.log(names.length === 0 ? `${environment}: nothing to apply` : `${environment}: to apply, in this order:\n${names.map((name) => `  ${name}`).join('\n')}`);
  }
  if (problems.length > 0) fail(problems.join('\n       '), 'Nothing was applied. Migrations are only ever added: see Migrations in docs/operations.md.');
  console.log('The migrations are numbered, complete and unchanged.');
}
