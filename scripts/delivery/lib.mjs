// Small moves that the delivery scripts share.

import { execFileSync } from 'node:child_process';
import { appendFileSync, realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Abbreviations, branches and tags can change their meaning; forty digits cannot. */
export const isCommit = (text) => /^[0-9a-f]{40}$/.test(text ?? '');
export const short = (commit) => commit.slice(0, 10);

/** Runs git in a folder and answers what it printed. */
export function git(folder, ...words) {
  return execFileSync('git', words, { cwd: folder, encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Whether git says yes: an exit code of 0. */
export function gitAgrees(folder, ...words) {
  try {
    git(folder, ...words);
    return true;
  } catch (error) {
    if (typeof error.status === 'number') return false;
    throw error;
  }
}

/** Hands values to the later steps of a workflow, and shows them. */
export function output(values) {
  const lines = Object.entries(values).map(([name, value]) => {
    const line = `${name}=${value}`;
    // A second line would be another output.
    if (/[\r\n]/.test(line)) throw new Error(`the output ${name} is more than one line`);
    return line;
  });
  if (process.env.GITHUB_OUTPUT) appendFileSync(process.env.GITHUB_OUTPUT, `${lines.join('\n')}\n`);
  console.log(lines.join('\n'));
}

/** Adds to the page that a person reads before deciding; on a terminal it is printed. */
export function summarise(markdown) {
  if (process.env.GITHUB_STEP_SUMMARY) appendFileSync(process.env.GITHUB_STEP_SUMMARY, `${markdown}\n\n`);
  else console.log(markdown);
}

/** Text of somebody else's as a block of Markdown, whatever is in it. */
export function fenced(text) {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}text\n${text.replace(/\n?$/, '\n')}${fence}`;
}

/** One cell of a Markdown table. */
export function cell(value) {
  if (value === undefined) return '';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return `\`${text.replaceAll('`', "'").replaceAll('|', '\\|').replaceAll(/\s+/g, ' ')}\``;
}

export const table = (heads, rows) =>
  [`| ${heads.join(' | ')} |`, `|${' --- |'.repeat(heads.length)}`, ...rows.map((row) => `| ${row.join(' | ')} |`)].join('\n');

/** Says what is wrong, with what to do about it, and ends. */
export function fail(message, remedy) {
  console.error(`error: ${message}${remedy ? `\n  ${remedy}` : ''}`);
  process.exit(1);
}

/** Whether the file was called by itself, not imported by a test. */
export const isMain = (url) => Boolean(process.argv[1]) && fileURLToPath(url) === realpathSync(process.argv[1]);
