// The protocol's own conformance suite, in its version for servers. Every scenario of the suite is either run or pinned below with the reason why not.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startGateway } from '../e2e/harness/gateway.mjs';
import { openRun } from '../e2e/helpers.mjs';
import { openDoor } from './mcp/door.mjs';

const fixture = 'calls a tool that only the suite\'s own server has';
const noResources = 'the gateway offers tools, no resources';
const noPrompts = 'the gateway offers tools, no prompts';
const notApplicable = {
  'logging-set-level': 'the gateway sends no log messages, so it has no level to set',
  'completion-complete': 'the gateway completes no arguments',
  'tools-call-simple-text': fixture,
  'tools-call-image': fixture,
  'tools-call-audio': fixture,
  'tools-call-embedded-resource': fixture,
  'tools-call-mixed-content': fixture,
  'tools-call-with-logging': fixture,
  'tools-call-with-progress': fixture,
  'tools-call-sampling': fixture,
  'tools-call-elicitation': fixture,
  'elicitation-sep1034-defaults': fixture,
  'elicitation-sep1330-enums': fixture,
  'json-schema-2020-12': fixture,
  'tools-call-error': `${fixture}, and wants its failure as a result; the gateway answers an unknown tool with an error, as the protocol has it`,
  'resources-list': noResources,
  'resources-read-text': noResources,
  'resources-read-binary': noResources,
  'resources-templates-read': noResources,
  'resources-subscribe': noResources,
  'resources-unsubscribe': noResources,
  'prompts-list': noPrompts,
  'prompts-get-simple': noPrompts,
  'prompts-get-with-args': noPrompts,
  'prompts-get-embedded-resource': noPrompts,
  'prompts-get-with-image': noPrompts,
};
// How many checks each scenario makes of a server like this one: a scenario that checks nothing has not passed.
const applicable = {
  'server-initialize': 1,
  ping: 1,
  'tools-list': 1,
  'dns-rebinding-protection': 2,
  // Both are about streams; a server that answers JSON only has to say so without an error.
  'server-sse-polling': 0,
  'server-sse-multiple-streams': 0,
};

const suite = path.join(path.dirname(createRequire(import.meta.url).resolve('@modelcontextprotocol/conformance/package.json')), 'dist/index.js');

async function conformance(...words) {
  const child = spawn(process.execPath, [suite, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = [child.stdout, child.stderr].map(async (stream) => (await stream.toArray()).join(''));
  const [code] = await once(child, 'close');
  return { code, output: (await Promise.all(output)).join('') };
}

describe('the conformance suite', () => {
  let gateway;
  let door;
  let results;
  before(async () => {
    gateway = await startGateway();
    door = await openDoor(gateway, await openRun(gateway));
    results = mkdtempSync(path.join(tmpdir(), 'dryrun-conformance-'));
  });
  after(async () => {
    await door?.close();
    await gateway?.stop();
    rmSync(results, { recursive: true, force: true });
  });

  test('has no scenario that is neither run nor pinned', async () => {
    const { output } = await conformance('list', '--server');
    const scenarios = [...output.matchAll(/^ {2}- (\S+)/gm)].map(([, name]) => name);
    assert.deepEqual(scenarios.toSorted(), [...Object.keys(applicable), ...Object.keys(notApplicable)].toSorted());
  });

  for (const [scenario, least] of Object.entries(applicable)) {
    test(`passes ${scenario}`, async () => {
      const folder = path.join(results, scenario);
      const { code, output } = await conformance('server', '--url', `${door.url}/mcp`, '--scenario', scenario, '--output-dir', folder);
      assert.equal(code, 0, output);
      const checks = readdirSync(folder, { recursive: true }).filter((file) => file.endsWith('checks.json')).flatMap((file) => JSON.parse(readFileSync(path.join(folder, file), 'utf8')));
      assert.deepEqual(checks.filter(({ status }) => status === 'FAILURE'), []);
      const passed = checks.filter(({ status }) => status === 'SUCCESS');
      assert.ok(checks.length > 0 && passed.length >= least, `${passed.length} of ${checks.length} checks passed\n${output}`);
    });
  }

  for (const scenario of ['resources-list', 'prompts-list', 'logging-set-level', 'tools-call-simple-text']) {
    test(`is told plainly that there is nothing for ${scenario}`, async () => {
      const { code, output } = await conformance('server', '--url', `${door.url}/mcp`, '--scenario', scenario);
      assert.notEqual(code, 0);
      assert.match(output, /-32601|-32602|does not support/, output);
    });
  }
});
