// A gateway of the demo's own: `wrangler dev` on a free port of this machine, on stores and with keys that nobody else uses.

import { spawn, spawnSync } from 'node:child_process';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { createWriteStream, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { configurationFile, projectFolder } from '../tests/e2e/harness/settings.mjs';

// wrangler takes 2 to 5 seconds on two cores; a machine that compiles at the same time takes longer.
const startBudget = 60_000;
const stopBudget = 5_000;

/** Starts a gateway on the stores in `folder`. Answers { url, agentKey, stop } once every store behind it answers. */
export async function startGateway(folder) {
  const { file, agentKey } = writeKeys(folder);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(process.execPath, [
    path.join(projectFolder, 'node_modules/wrangler/bin/wrangler.js'), 'dev', '--config', configurationFile, '--local', '--ip', '127.0.0.1', '--port', String(port), '--inspector-port', '0',
    '--persist-to', folder, '--env-file', file, '--show-interactive-dev-session=false',
  ], {
    cwd: projectFolder,
    // A group of its own, so that workerd goes when wrangler goes.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, WRANGLER_SEND_METRICS: 'false', CLOUDFLARE_CF_FETCH_ENABLED: 'false', CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV: 'true', NO_COLOR: '1', FORCE_COLOR: '0' },
  });
  const log = createWriteStream(logFile(folder));
  child.stdout.pipe(log, { end: false });
  child.stderr.pipe(log, { end: false });

  const exited = once(child, 'exit');
  const killGroup = (signal) => {
    try {
      process.kill(-child.pid, signal);
    } catch {
      // Nobody is left in it.
    }
  };
  const lastResort = () => killGroup('SIGKILL');
  process.once('exit', lastResort);
  const stop = async () => {
    killGroup('SIGTERM');
    await Promise.race([exited, sleep(stopBudget, null, { ref: false })]);
    killGroup('SIGKILL');
    process.off('exit', lastResort);
    log.end();
  };

  try {
    await untilReady(url, child);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, agentKey, stop };
}

/** The last lines that the gateway wrote. */
export function logTail(folder, lines = 40) {
  try {
    return readFileSync(logFile(folder), 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  } catch {
    return '';
  }
}

function logFile(folder) {
  return path.join(folder, 'gateway.log');
}

// Not .dev.vars: that is the user's own, and an explicit file is read instead of it.
function writeKeys(folder) {
  const { stdout, status } = spawnSync(process.execPath, [path.join(projectFolder, 'scripts/dev_vars.mjs')], { encoding: 'utf8' });
  if (status !== 0) throw new Error('scripts/dev_vars.mjs made no keys');
  const file = path.join(folder, 'keys.env');
  writeFileSync(file, stdout, { mode: 0o600 });
  return { file, agentKey: /^DEV_AGENT_KEY=(.+)$/m.exec(stdout)[1] };
}

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

async function untilReady(url, child) {
  let last = 'no answer';
  for (const end = performance.now() + startBudget; performance.now() < end; await sleep(50)) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error('wrangler dev ended before the gateway answered');
    try {
      const response = await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(5_000) });
      last = `${response.status} ${await response.text()}`;
      if (response.ok) return;
    } catch {
      // It does not listen yet.
    }
  }
  throw new Error(`the gateway was not ready within ${startBudget / 1000} s: ${last}`);
}
