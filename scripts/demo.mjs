// make demo: a scripted agent works through a messy support desk in a dry run, the report says what it would have done,
// and a digest of every row, key and object before and after says that it did nothing.
//
// DEMO_STATE can name another folder than .state-demo; what an earlier demo left there is removed.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { triage } from '../demo/agent.mjs';
import { Gateway } from '../demo/client.mjs';
import { seed } from '../demo/data.mjs';
import { logTail, startGateway } from '../demo/gateway.mjs';
import { contentsOf, digestOf, withStores } from '../demo/stores.mjs';
import { prepareControl } from '../tests/e2e/harness/gateway.mjs';

const folder = path.resolve(process.env.DEMO_STATE ?? '.state-demo');
const shown = path.relative('', folder) || '.';
const colour = process.stdout.isTTY && !process.env.NO_COLOR;
const paint = (code) => (text) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text);
const [bold, dim, green, red] = [1, 2, 32, 31].map(paint);

// Whoever interrupts the demo does not want to keep its gateway: startGateway takes it down on exit.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));

try {
  process.exitCode = (await demo()) ? 0 : 1;
} catch (error) {
  console.error(red(`error: ${error.message}`));
  if (error.remedy) console.error(error.remedy);
  const tail = logTail(folder);
  if (tail) console.error(`\nthe end of ${shown}/gateway.log:\n${dim(tail)}`);
  process.exitCode = 1;
}

async function demo() {
  for (const leftover of ['v3', 'gateway.log', 'keys.env', 'report.md', 'report.json']) {
    rmSync(path.join(folder, leftover), { recursive: true, force: true });
  }
  mkdirSync(folder, { recursive: true });

  const before = await step(`a support desk in fresh stores under ${shown}`, () => withStores(folder, async (backdoor) => {
    const stores = backdoor.clients();
    await prepareControl(stores.control, 'staging');
    const { rows, tickets, keys, objects } = await seed(stores);
    note(`${rows} rows (${tickets} tickets), ${keys} keys, ${objects} objects`);
    return contentsOf(backdoor);
  }));

  const gateway = await step('a staging gateway (wrangler dev)', () => startGateway(folder));
  let run;
  try {
    run = await step('a dry run, and an agent that works in it as if it were live', () => play(gateway));
  } finally {
    await gateway.stop();
  }
  writeFileSync(path.join(folder, 'report.md'), run.markdown);
  writeFileSync(path.join(folder, 'report.json'), JSON.stringify(run.report, null, 2));
  const after = await step('the gateway stopped, the stores read again', () => withStores(folder, contentsOf));

  console.log(`\n${dim('─'.repeat(72))}\n\n${run.markdown.trimEnd()}\n\n${dim('─'.repeat(72))}\n`);
  return verdict(before, after, run.report.summary);
}

/** Opens a run, lets the agent work, closes it and fetches the report. */
async function play({ url, agentKey }) {
  const control = async (target, { method = 'GET', json, headers } = {}) => {
    const response = await fetch(`${url}${target}`, {
      method,
      headers: { authorization: `Bearer ${agentKey}`, ...(json ? { 'content-type': 'application/json' } : {}), ...headers },
      body: json && JSON.stringify(json),
    });
    if (!response.ok) throw new Error(`${method} ${target}: ${response.status} ${await response.text()}`);
    return response;
  };
  const opened = await control('/v1/runs', { method: 'POST', json: { mode: 'dry_run', labels: { agent: 'triage', queue: 'morning' }, prompt_version: 'triage-7' } });
  const { id, token } = await opened.json();
  const gateway = await Gateway.connect(url, token);
  const tickets = await triage({ gateway, say: note });
  note(`${tickets} tickets with ${gateway.requests} requests; every write was there when the agent looked`);
  await control(`/v1/runs/${id}/close`, { method: 'POST' });
  const report = await (await control(`/v1/runs/${id}/report`)).json();
  const markdown = await (await control(`/v1/runs/${id}/report`, { headers: { accept: 'text/markdown' } })).text();
  return { report, markdown };
}

function verdict(before, after, { operations, updated, inserted, deleted, skipped, failed, refused }) {
  const [digestBefore, digestAfter] = [before, after].map(digestOf);
  console.log(`${operations} operations: would have updated ${updated}, inserted ${inserted} and deleted ${deleted}; ${skipped} skipped, ${failed} failed, ${refused} refused`);
  console.log(`before ${digestBefore}\nafter  ${digestAfter}`);
  const identical = digestBefore === digestAfter;
  if (identical) {
    console.log(bold(green('identical: nothing was written')));
  } else {
    console.log(bold(red('different: something was written')));
    const [gone, come] = [before.filter((line) => !after.includes(line)), after.filter((line) => !before.includes(line))];
    for (const line of [...gone.map((text) => `- ${text}`), ...come.map((text) => `+ ${text}`)].slice(0, 20)) console.log(line.slice(0, 300));
  }
  console.log(`\nThe report is in ${shown}/report.md and report.json. Next: make dev, and the tour in the README.`);
  return identical;
}

async function step(title, act) {
  console.log(`${bold('==>')} ${title}`);
  const started = performance.now();
  const result = await act();
  note(`took ${((performance.now() - started) / 1000).toFixed(1)} s`);
  return result;
}

function note(text) {
  console.log(dim(`    ${text}`));
}
