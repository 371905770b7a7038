// Talks to tests/clients/cloudflare_py.py: one process for a whole test file, because importing the package takes longer than most requests.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { projectFolder } from '../e2e/harness/settings.mjs';
import { patience, quietEnvironment } from './support.mjs';

/** The Python of scripts/setup_python. */
export const python = path.join(projectFolder, '.tools/python/bin/python');

/** Answers { ask, stop }. `ask` sends one request and resolves with its answer; a script that ends, breaks or does not answer is an error. */
export function startPython() {
  assert.ok(existsSync(python), 'there is no Python in .tools: run scripts/setup_python first');
  const child = spawn(python, [path.join(projectFolder, 'tests/clients/cloudflare_py.py')], { stdio: ['pipe', 'pipe', 'pipe'], env: quietEnvironment() });
  let complaints = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (complaints += text));
  const ended = once(child, 'close');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();

  const ask = async (request) => {
    child.stdin.write(`${JSON.stringify(request)}\n`);
    const timer = setTimeout(() => child.kill('SIGKILL'), patience);
    const { value, done } = await lines.next();
    clearTimeout(timer);
    assert.ok(!done, `the script ended, or took longer than ${patience / 1000} s, at ${request.ask}\n${complaints}`);
    const answer = JSON.parse(value);
    assert.equal(answer.broken, undefined, answer.broken);
    return answer;
  };
  const stop = async () => {
    child.stdin.end();
    await ended;
  };
  return { ask, stop };
}
