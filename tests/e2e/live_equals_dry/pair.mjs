// Two gateways with equal data: what is sent to one live is sent to the other dry, and the answers are compared.

import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { startGateway } from '../harness/gateway.mjs';
import { agentIn } from '../rehearsal.mjs';
import { comparable } from './compare.mjs';

const mostPages = 100;

// A busy machine must not make a live write fail: how long the flag is waited for is not the subject here.
const patient = { FLAG_BUDGET_MS: '10000' };

/**
 * @param seed  puts the data into the stores of a gateway
 * @param vars  variables of both
 */
export async function startPair(seed, vars = {}) {
  const [live, dry] = await Promise.all(['live', 'dry_run'].map(async (mode) => {
    const gateway = await startGateway({ vars: { ...patient, ...vars } });
    await seed(gateway);
    return { gateway, agent: await agentIn(gateway, { mode }) };
  }));
  return { live, dry, assertSame: (request) => assertSame(live, dry, request), stop: () => Promise.all([live.gateway.stop(), dry.gateway.stop()]) };
}

/** Sends a request; a list is followed page by page to its end. */
export async function answersOf(agent, { name, sql, status, refusedAnyhow, path, pages, stream, ...options }) {
  const answers = [await agent.ask(path, stream ? { ...options, body: Readable.from([stream]) } : options)];
  for (let cursor; pages && (cursor = answers.at(-1).json?.result_info?.cursor) && answers.length < mostPages; ) {
    answers.push(await agent.ask(`${path}${path.includes('?') ? '&' : '?'}cursor=${encodeURIComponent(cursor)}`, options));
  }
  return answers;
}

/** `status`: what both must answer; `refusedAnyhow`: it is enough that both refuse. */
async function assertSame(live, dry, request) {
  const [lives, dries] = await Promise.all([answersOf(live.agent, request), answersOf(dry.agent, request)]);
  if (request.refusedAnyhow) return assert.ok([...lives, ...dries].every(({ status, json }) => status >= 400 && json.success === false));
  assert.deepEqual(dries.map((answer) => comparable(answer, request.sql)), lives.map((answer) => comparable(answer, request.sql)));
  if (request.status) assert.deepEqual(lives.map(({ status }) => status), [request.status]);
  assert.ok(lives.length < mostPages, 'the list never ends');
  for (const answer of lives) assert.equal(answer.headers.get('dry-run'), null);
  for (const answer of dries.filter(({ status }) => status < 300)) assert.equal(answer.headers.get('dry-run'), 'true');
}
