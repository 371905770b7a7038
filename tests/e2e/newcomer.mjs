// What the tests of the README share: its blocks, and a shell that runs them as a newcomer would.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { projectFolder } from './harness/settings.mjs';
import { until } from './helpers.mjs';

const stopBudget = 5_000;

/** The fenced blocks of one section of the README, as { language, file, text }; `file` is the name after the language, or undefined. */
export function blocksOf(title) {
  const readme = readFileSync(path.join(projectFolder, 'README.md'), 'utf8');
  const section = readme.split(/^## /m).find((text) => text.startsWith(`${title}\n`));
  assert.ok(section, `README.md has no section ${title}`);
  return [...section.matchAll(/^```(\w+)(?: (\S+))?\n(.*?)^```$/gms)].map(([, language, file, text]) => ({ language, file, text }));
}

/** Shell texts as one script that stops at the first error; a line before each tells what printed what. See `stepsOf`. */
export function scriptOf(texts) {
  return ['exec 2>&1; set -eu -o pipefail\n', ...texts.map((text, number) => `echo '@@ step ${number}'\n${text}`)].join('');
}

/** What each of the texts of `scriptOf` printed. */
export const stepsOf = (output) => output.split(/^@@ step \d+\n/m).slice(1);

/** Runs a command to its end and answers what `start` answers. */
export async function runToEnd(command, args, options, budget) {
  const shell = start(command, args, options);
  try {
    await until(() => shell.ended, `${command} ends`, budget).catch((error) => assert.fail(`${error.message}\n${shell.output}`));
  } finally {
    await shell.stop();
  }
  return shell;
}

/** Starts a command in a process group of its own that `stop` takes down; so does the end of this process. */
export function start(command, args, { cwd = projectFolder, env = {} } = {}) {
  const child = spawn(command, args, { cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0', ...env } });
  const started = { output: '', ended: null, stop };
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk) => (started.output += chunk));
  child.on('error', (error) => (started.ended = { error: error.message }));
  child.on('close', (code, signal) => (started.ended = { code, signal }));

  const signalGroup = (signal) => {
    try {
      process.kill(-child.pid, signal);
    } catch {
      // Nobody is left in it.
    }
  };
  const lastResort = () => signalGroup('SIGKILL');
  const leave = () => process.exit(130); // an end by a signal skips 'exit'
  process.once('exit', lastResort);
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, leave);
  return started;

  async function stop() {
    if (child.pid !== undefined && started.ended === null) {
      signalGroup('SIGTERM');
      await until(() => started.ended, 'it stops', stopBudget).catch(() => {});
    }
    if (child.pid !== undefined) lastResort();
    process.off('exit', lastResort);
    for (const signal of ['SIGINT', 'SIGTERM']) process.off(signal, leave);
  }
}
