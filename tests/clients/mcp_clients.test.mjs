// Real clients of the Model Context Protocol: the SDK of the earlier era, the client of the later one in both of its modes, and the inspector.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Client as EarlierClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as EarlierTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { openRun, reportOf } from '../e2e/helpers.mjs';
import { assertResult, assertWorkIsReal, legacyVersions, modernVersion, outputValidators, startDesk, work } from './mcp/support.mjs';

const who = { name: 'test', version: '1' };
const clients = [
  ['the SDK of the earlier era', legacyVersions[0], () => new EarlierClient(who), EarlierTransport],
  ['the client of the later era, as it comes', legacyVersions[0], () => new Client(who), StreamableHTTPClientTransport],
  ['the client of the later era, asked to find out', modernVersion, () => new Client(who, { versionNegotiation: { mode: 'auto' } }), StreamableHTTPClientTransport],
];

for (const [name, version, newClient, Transport] of clients) {
  describe(name, () => {
    let gateway;
    let untouched;
    before(async () => {
      ({ gateway, untouched } = await startDesk());
    });
    after(() => gateway?.stop());

    /** Connects with a credential. Answers the client, the versions that it put on the wire, and what it complained of. */
    const connect = async (credential, headers = {}) => {
      const versions = new Set();
      const errors = [];
      const transport = new Transport(new URL(`${gateway.url}/mcp`), {
        requestInit: { headers: { Authorization: `Bearer ${credential}`, ...headers } },
        fetch: (url, init) => {
          versions.add(new Headers(init.headers).get('mcp-protocol-version'));
          return fetch(url, init);
        },
      });
      const client = newClient();
      client.onerror = (error) => errors.push(error);
      await client.connect(transport);
      return { client, versions, errors };
    };

    test('connects, lists the tools and reads the instructions', async () => {
      const run = await openRun(gateway);
      const { client, versions, errors } = await connect(run.token);
      assert.equal(client.getServerVersion()?.name, 'dryrun-gateway');
      assert.match(client.getInstructions(), /dry run/);
      const { tools } = await client.listTools();
      assert.equal(tools.length, 12);
      assert.ok(versions.has(version), [...versions].join());
      assert.deepEqual(errors, []);
      await client.close();
    });

    for (const mode of ['dry_run', 'live']) {
      test(`does a piece of work in a run of mode ${mode}; it validates every answer itself`, async () => {
        const run = await openRun(gateway, { mode });
        const { client, errors } = await connect(run.token);
        await client.listTools();
        const validators = await outputValidators(gateway, run);
        await work(async (tool, args) => {
          const result = await client.callTool({ name: tool, arguments: args });
          assert.ok(!result.isError, JSON.stringify(result.structuredContent));
          assertResult(tool, result, validators);
          assert.equal(result.structuredContent.dry_run, mode === 'dry_run');
          return result.structuredContent;
        });
        assert.deepEqual(errors, []);
        await client.close();
        if (mode === 'dry_run') assert.equal(await gateway.digest(), untouched);
        else await assertWorkIsReal(gateway);
      });
    }

    test('gets errors and refusals as results that it can read, and an unknown tool as an error', async () => {
      const run = await openRun(gateway);
      const { client } = await connect(run.token);
      await client.listTools();
      for (const [tool, args, code] of [
        ['d1_query', { sql: "INSERT INTO customers (email) VALUES ('ada@example.com')" }, 'sql_error'],
        ['d1_query', { sql: 'PRAGMA journal_mode = WAL' }, 'statement_not_allowed'],
        ['kv_get', { key: 'no such key' }, 'key_not_found'],
        ['r2_get', { key: 'nothing' }, 'object_not_found'],
        ['kv_get', { key: 'a', other: 1 }, 'invalid_request'],
        ['kv_get', { key: 'a', store: 'other' }, 'unknown_store'],
      ]) {
        const { isError, structuredContent, content } = await client.callTool({ name: tool, arguments: args });
        assert.deepEqual([isError, structuredContent.error.code, content[1].text.startsWith(`${code}: `)], [true, code, true], tool);
      }
      await assert.rejects(client.callTool({ name: 'nothing', arguments: {} }), (error) => error.code === -32602 || assert.fail(error));
      const { operations } = await reportOf(gateway, run.id);
      assert.deepEqual(operations.map(({ problem }) => problem?.code ?? 'absent').at(-1), 'unknown_store');
      assert.equal(operations.length, 6, 'the one that names no store here as well');
      await client.close();
    });

    test('works with an agent\'s key and the header Run-Id, and is told what to do without one', async () => {
      const run = await openRun(gateway);
      const named = await connect(gateway.keys.agent, { 'Run-Id': run.id });
      const { structuredContent } = await named.client.callTool({ name: 'run_status', arguments: {} });
      assert.equal(structuredContent.status.id, run.id);
      await named.client.close();
      const nameless = await connect(gateway.keys.agent);
      const refused = await nameless.client.callTool({ name: 'kv_get', arguments: { key: 'a' } });
      assert.equal(refused.structuredContent.error.code, 'run_required');
      await nameless.client.close();
    });

    test('cannot connect without a valid credential', async () => {
      await assert.rejects(connect('nonsense'), (error) => /401|unauthor/i.test(`${error.name} ${error.code} ${error.message}`) || assert.fail(error));
    });
  });
}

describe('the inspector', () => {
  let gateway;
  let run;
  let home;
  let untouched;
  before(async () => {
    ({ gateway, untouched } = await startDesk());
    run = await openRun(gateway);
    home = mkdtempSync(path.join(tmpdir(), 'dryrun-inspector-'));
  });
  after(async () => {
    await gateway?.stop();
    rmSync(home, { recursive: true, force: true });
  });

  const inspector = path.join(path.dirname(createRequire(import.meta.url).resolve('@modelcontextprotocol/inspector/package.json')), 'clients/launcher/build/index.js');
  /** Runs the inspector's command line. It keeps a catalogue in its home, so it gets one of its own. */
  const inspect = async (...words) => {
    const child = spawn(process.execPath, [inspector, '--cli', `${gateway.url}/mcp`, '--transport', 'http', '--header', `Authorization: Bearer ${run.token}`, ...words], {
      env: { ...process.env, HOME: home, MCP_CATALOG_PATH: path.join(home, 'mcp.json'), NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [out, err] = [child.stdout, child.stderr].map(async (stream) => (await stream.toArray()).join(''));
    const [code] = await once(child, 'close');
    return { code, out: await out, err: await err };
  };

  test('lists the tools and finds nothing in their schemas that another client could not take', async () => {
    const { code, out, err } = await inspect('--method', 'tools/list', '--strict');
    assert.equal(code, 0, err);
    assert.equal(JSON.parse(out).tools.length, 12);
    assert.doesNotMatch(err, /error|warn/i, err.match(/Path: .*\n.*Issue: .{100}/g)?.join('\n'));
  });

  test('calls tools, and shows a refusal as one', async () => {
    const update = await inspect('--method', 'tools/call', '--tool-name', 'd1_query', '--tool-arg', "sql=UPDATE customers SET plan = 'pro' WHERE id = 2 RETURNING plan");
    assert.equal(update.code, 0, update.err);
    const { structuredContent } = JSON.parse(update.out);
    assert.deepEqual([structuredContent.dry_run, structuredContent.statements[0].results], [true, [{ plan: 'pro' }]]);
    const refused = await inspect('--method', 'tools/call', '--tool-name', 'kv_get', '--tool-arg', 'key=no such key');
    assert.ok(refused.out.includes('key_not_found'), refused.out + refused.err);
    assert.equal(await gateway.digest(), untouched);
  });
});
