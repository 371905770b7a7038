// An object of 300 MiB passes through a live run without being held in memory.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { startGateway } from './harness/gateway.mjs';
import { agentOf, openRun, paths } from './helpers.mjs';

const mebibytes = 300;

let gateway;
before(async () => void (gateway = await startGateway()));
after(() => gateway?.stop());

/** The most memory that the process has had so far, in MiB. The simulated bucket is part of it. */
const peak = () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${gateway.pid}/status`, 'utf8'))[1]) / 1024;

test('300 MiB are streamed', { skip: process.platform !== 'linux' && 'the memory of a process is read from /proc' }, async () => {
  const { token } = await openRun(gateway, { mode: 'live' });
  const agent = agentOf(gateway, token);
  assert.equal((await agent.putObject('small', 'x')).status, 200);
  const before = peak();
  const digest = createHash('md5');
  const body = Readable.from((function* pieces() {
    for (let piece = 0; piece < mebibytes; piece += 1) {
      const bytes = Buffer.alloc(1 << 20, piece % 251);
      digest.update(bytes);
      yield bytes;
    }
  })());
  const put = await agent.call(paths.object('large'), { method: 'PUT', body, headers: { 'content-length': String(mebibytes << 20) } });
  assert.equal(put.status, 200, put.text);
  assert.deepEqual([put.json.result.size, put.json.result.etag], [String(mebibytes << 20), digest.digest('hex')]);
  const grown = peak() - before;
  assert.ok(grown < mebibytes * 0.75, `the process grew by ${grown} MiB`);
});
