// Runs a command and puts what it said onto the page that a person reads before deciding; ends as the command does.
//
//   node scripts/delivery/summary.mjs TITLE [--markdown] [--only-show] -- COMMAND [ARGUMENT …]
//
// --markdown: the command writes Markdown itself. --only-show: exit code 1 (it found something) is shown and goes on; every other one ends here.

import { spawnSync } from 'node:child_process';
import { stripVTControlCharacters } from 'node:util';
import { fail, fenced, isMain, summarise } from './lib.mjs';

/** A page holds 1 MiB. */
const most = 60_000;

/** What the page says about a command that ran. */
export function section({ title, markdown, onlyShow }, { code, said }) {
  const text = stripVTControlCharacters(said).trim();
  const cut = text.length > most ? `${text.slice(0, most)}\n… ${text.length - most} more characters are in the log` : text;
  const verdict = code === 0 ? 'ok' : code === 1 && onlyShow ? 'look at this' : `failed (exit code ${code})`;
  const body = cut === '' ? '' : markdown ? cut : fenced(cut);
  return `## ${title}: ${verdict}\n\n${body}`;
}

if (isMain(import.meta.url)) {
  const words = process.argv.slice(2);
  const end = words.indexOf('--');
  const [title, ...flags] = words.slice(0, Math.max(end, 0));
  const [command, ...rest] = end < 0 ? [] : words.slice(end + 1);
  if (!title || !command || flags.some((flag) => !['--markdown', '--only-show'].includes(flag))) {
    fail('the arguments are not understood', 'usage: summary.mjs TITLE [--markdown] [--only-show] -- COMMAND [ARGUMENT …]');
  }
  const ran = spawnSync(command, rest, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 1 << 28 });
  if (ran.error) fail(`${command} cannot be run: ${ran.error.message}`, 'Nothing was deployed.');
  const code = ran.status ?? 128;
  process.stdout.write(ran.stdout);
  process.stderr.write(ran.stderr);
  const onlyShow = flags.includes('--only-show');
  const markdown = flags.includes('--markdown');
  summarise(section({ title, markdown, onlyShow }, { code, said: markdown ? ran.stdout : `${ran.stdout}\n${ran.stderr}` }));
  process.exit(code === 1 && onlyShow ? 0 : code);
}
