// dryrun hook: the real binary on calls as the agents give them, before a real gateway that is up, down, slow or strange.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync, lstatSync, chmodSync, statSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startGateway } from '../e2e/harness/gateway.mjs';
import { projectFolder } from '../e2e/harness/settings.mjs';
import { openRun, until } from '../e2e/helpers.mjs';

const binary = path.join(projectFolder, 'target/debug/dryrun');
const agents = ['claude-code', 'codex', 'gemini', 'cursor'];

/** A folder with a dryrun.toml, and a home of its own. */
function makeProject(text) {
  const folder = mkdtempSync(path.join(tmpdir(), 'dryrun-hook-'));
  const home = path.join(folder, 'home');
  mkdirSync(home);
  if (text !== undefined) writeFileSync(path.join(folder, 'dryrun.toml'), text);
  return { folder, home, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

const bare = (home) => ({ PATH: process.env.PATH, HOME: home, LANG: 'C.UTF-8' });

async function start(program, args, { cwd, env, input = '' }) {
  const child = spawn(program, args, { cwd, env, stdio: ['pipe', 'pipe', 'pipe'] });
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) child[name].setEncoding('utf8').on('data', (chunk) => (said[name] += chunk));
  child.stdin.on('error', () => {}); // a hook need not read its input
  if (input !== null) child.stdin.end(input);
  const [code, signal] = await once(child, 'close');
  return { code, signal, ...said };
}

/** A shell command as each agent tells its hooks of it. */
const shellCall = {
  'claude-code': (command, cwd) => ({
    session_id: '6f1b2f0e', transcript_path: '/home/u/.claude/projects/p/6f1b2f0e.jsonl', cwd, prompt_id: 'p1', permission_mode: 'default', hook_event_name: 'PreToolUse',
    tool_name: 'Bash', tool_input: { command, description: 'x' }, tool_use_id: 'toolu_01',
  }),
  codex: (command, cwd) => ({
    session_id: '0199', transcript_path: null, cwd, hook_event_name: 'PreToolUse', model: 'gpt-5', turn_id: 't1', permission_mode: 'default', tool_name: 'Bash', tool_input: { command }, tool_use_id: 'call_1',
  }),
  gemini: (command, cwd) => ({
    session_id: 's', transcript_path: '/home/u/.gemini/tmp/x.json', cwd, hook_event_name: 'BeforeTool', timestamp: '2026-11-20T10:00:00.000Z', tool_name: 'run_shell_command', tool_input: { command, description: 'x' },
  }),
  cursor: (command, cwd) => ({
    conversation_id: 'c', generation_id: 'g', model: 'm', hook_event_name: 'beforeShellExecution', cursor_version: '2.1.0', workspace_roots: [cwd], user_email: null, command, cwd, sandbox: false,
  }),
};
const toolCall = {
  'claude-code': (tool_name, tool_input, cwd) => ({ ...shellCall['claude-code']('', cwd), tool_name, tool_input }),
  codex: (tool_name, tool_input, cwd) => ({ ...shellCall.codex('', cwd), tool_name, tool_input }),
  gemini: (tool_name, tool_input, cwd) => ({ ...shellCall.gemini('', cwd), tool_name, tool_input }),
  cursor: (tool_name, tool_input, cwd) => ({ ...shellCall.cursor('', cwd), hook_event_name: 'preToolUse', tool_name, tool_input, tool_use_id: 't' }),
};

function assertAllowed(agent, ended) {
  assert.deepEqual([ended.code, ended.stderr], [0, ''], JSON.stringify(ended));
  // No word more than needed: "allow" would take a person's own permission prompts away.
  if (agent === 'gemini') assert.deepEqual(JSON.parse(ended.stdout), {});
  else if (agent === 'cursor') assert.deepEqual(JSON.parse(ended.stdout), { permission: 'allow' });
  else assert.equal(ended.stdout, '');
}

function assertBlocked(agent, ended, why) {
  assert.equal(ended.code, 2, JSON.stringify(ended));
  assert.match(ended.stderr, /^dryrun hook: blocked[.,]/);
  assert.match(ended.stderr, why);
  if (agent === 'gemini') assert.deepEqual(JSON.parse(ended.stdout), { decision: 'deny', reason: ended.stderr.trimEnd() });
  else if (agent === 'cursor') assert.deepEqual(JSON.parse(ended.stdout), { permission: 'deny', user_message: ended.stderr.trimEnd(), agent_message: ended.stderr.trimEnd() });
  else assert.equal(ended.stdout, '');
}

const staging = (url) => `[staging]\nurl = "${url}"\nkey = { file = "staging.key" }\n`;
const runVariables = (url, run, environment = 'staging') => ({
  DRYRUN_URL: url, DRYRUN_RUN_ID: run.id, DRYRUN_TOKEN: run.token, DRYRUN_ENV: environment,
  CLOUDFLARE_API_BASE_URL: `${url}/client/v4`, CLOUDFLARE_BASE_URL: `${url}/client/v4`, CLOUDFLARE_API_TOKEN: run.token, CLOUDFLARE_ACCOUNT_ID: 'local',
});
const through = "npx wrangler d1 execute DB --remote --command 'DELETE FROM customers'";

let gateway;
let project;
before(async () => {
  gateway = await startGateway();
  project = makeProject(staging(gateway.url));
  writeFileSync(path.join(project.folder, 'staging.key'), gateway.keys.agent);
});
after(async () => {
  project?.remove();
  await gateway?.stop();
});

const hook = (agent, event, { env = {}, cwd = project.folder } = {}) =>
  start(binary, ['hook', agent], { cwd, env: { ...bare(project.home), ...env }, input: typeof event === 'string' || event === null || Buffer.isBuffer(event) ? event : JSON.stringify(event) });
const shell = (agent, command, options) => hook(agent, shellCall[agent](command, project.folder), options);
const alertsOf = async () => (await gateway.api('/v1/alerts?limit=100', { key: 'operator' })).json.alerts;

/** Waits for the alert of a hook, and answers its row. */
const alertOf = (cause, message) => until(async () => (await alertsOf()).find((row) => row.kind === 'hook_failure' && row.cause === cause && message.test(row.message)), `the alert ${cause} ${message}`);

describe('outside of a run', () => {
  for (const agent of agents) {
    test(`${agent}: what is harmless is allowed, what goes past the gateway is blocked with a remedy`, async () => {
      for (const command of ['ls -la', 'git status', 'npx wrangler d1 execute DB --local --command "SELECT 1"', `dryrun exec -- ${through}`, '']) assertAllowed(agent, await shell(agent, command));
      const refused = [
        [through, /would act on Cloudflare directly\.\nRehearse it in a run: dryrun exec -- wrangler d1 execute/],
        ['npx wrangler deploy --env production', /not for agents\.\nDeploying.*goes? through CI|not for agents/],
        ['curl -X DELETE https://api.cloudflare.com/client/v4/accounts/a/d1/database/b', /past the gateway/],
        ['cat staging.key', /holds a key of the gateway/],
        ['cat .dev.vars', /holds credentials/],
        ['env | grep CLOUDFLARE', /shows all variables/],
        ['bash -c "$(echo d3JhbmdsZXI= | base64 -d) deploy"', /Cannot tell in advance what bash runs/],
        ['wrangler deploy "', /mentions wrangler/],
      ];
      for (const [command, why] of refused) assertBlocked(agent, await shell(agent, command), why);
    });
  }

  test('a script that is called is looked into', async () => {
    writeFileSync(path.join(project.folder, 'package.json'), JSON.stringify({ scripts: { ship: 'npm run really', really: 'node_modules/.bin/wrangler deploy', test: 'node --test' } }));
    writeFileSync(path.join(project.folder, 'ship.sh'), '#!/bin/sh\nwrangler deploy\n');
    assertBlocked('claude-code', await shell('claude-code', 'npm run ship'), /The script (ship|really) of package\.json/);
    assertBlocked('claude-code', await shell('claude-code', './ship.sh'), /wrangler deploy/);
    assertAllowed('claude-code', await shell('claude-code', 'npm test'));
  });

  test('a command is judged in the folder in which it runs', async () => {
    const inner = path.join(project.folder, 'inner');
    mkdirSync(inner);
    writeFileSync(path.join(inner, 'only-here.sh'), 'wrangler deploy\n');
    assertBlocked('codex', await hook('codex', { ...shellCall.codex('sh only-here.sh', inner) }), /wrangler deploy/);
    assertBlocked('codex', await hook('codex', { ...shellCall.codex('', project.folder), tool_input: { command: 'sh only-here.sh', workdir: 'inner' } }), /wrangler deploy/);
  });
});

describe('tools of the agents', () => {
  const cases = {
    'claude-code': {
      allowed: [['Read', { file_path: 'README.md' }], ['Write', { file_path: 'src/a.ts', content: 'wrangler deploy' }], ['Edit', { file_path: 'a', old_string: 'x', new_string: 'y' }], ['Grep', { pattern: 'CLOUDFLARE_API_TOKEN' }], ['Glob', { pattern: '**/.env' }],
        ['WebFetch', { url: 'https://developers.cloudflare.com/d1/', prompt: 'x' }], ['TodoWrite', { todos: [] }], ['mcp__github__create_issue', { title: 'wrangler deploy' }], ['mcp__cloudflare__search_cloudflare_documentation', { query: 'd1' }], ['mcp__dryrun__d1_query', { sql: 'DELETE FROM a' }]],
      blocked: [['Read', { file_path: '.env' }], ['Read', { file_path: '/home/u/.config/.wrangler/config/default.toml' }], ['Edit', { file_path: '.dev.vars', old_string: 'x', new_string: 'y' }], ['Write', { file_path: '.claude/settings.json', content: '{}' }], ['MultiEdit', { file_path: '.env', edits: [] }],
        ['NotebookEdit', { notebook_path: '.env', new_source: '' }], ['Grep', { pattern: 'x', path: '.dev.vars' }], ['Grep', { pattern: 'CLOUDFLARE_API_TOKEN', output_mode: 'content' }], ['WebFetch', { url: 'https://api.cloudflare.com/client/v4', prompt: 'x' }],
        ['mcp__cloudflare-bindings__d1_database_query', { sql: 'SELECT 1' }], ['mcp__cloudflare__kv_namespace_delete', {}], ['mcp__shell__run', { command: 'wrangler deploy' }]],
    },
    codex: {
      allowed: [['apply_patch', { command: '*** Begin Patch\n*** Update File: src/a.ts\n@@\n-x\n+wrangler deploy\n*** End Patch' }], ['mcp__dryrun__kv_put', {}]],
      blocked: [['apply_patch', { command: '*** Begin Patch\n*** Update File: src/a.ts\n*** Add File: .dev.vars\n+x\n*** End Patch' }], ['apply_patch', { command: '*** Begin Patch\n*** Delete File: .codex/hooks.json\n*** End Patch' }], ['mcp__cloudflare__kv_put', {}], ['shell', { command: ['bash', '-lc', 'wrangler deploy'] }]],
    },
    gemini: {
      allowed: [['read_file', { file_path: 'a.md' }], ['write_file', { file_path: 'a.md', content: 'x' }], ['google_web_search', { query: 'x' }], ['mcp__dryrun__d1_query', {}], ['list_directory', { path: '.' }]],
      blocked: [['read_file', { absolute_path: '/p/.env' }], ['read_many_files', { include: ['src/**', '.env*'] }], ['replace', { file_path: '.gemini/settings.json', old_string: 'a', new_string: 'b' }], ['web_fetch', { prompt: 'read https://api.cloudflare.com/client/v4/zones' }], ['mcp__cloudflare__d1_delete', {}], ['search_file_content', { pattern: 'CLOUDFLARE_API_TOKEN' }]],
    },
    cursor: {
      allowed: [['Write', { file_path: 'a.ts' }], ['Read', { file_path: 'a.ts' }], ['MCP:dryrun:d1_query', {}]],
      blocked: [['Write', { file_path: '.env' }], ['Shell', { command: 'wrangler deploy' }], ['Delete', { path: '.cursor/hooks.json' }], ['MCP:cloudflare:kv_put', {}]],
    },
  };
  for (const agent of agents) {
    test(agent, async () => {
      for (const [tool, input] of cases[agent].allowed) assertAllowed(agent, await hook(agent, toolCall[agent](tool, input, project.folder)));
      for (const [tool, input] of cases[agent].blocked) assertBlocked(agent, await hook(agent, toolCall[agent](tool, input, project.folder)), /blocked\. /);
    });
  }

  test('cursor: its own events for servers and files', async () => {
    const base = { ...shellCall.cursor('', project.folder), command: undefined };
    const mcp = (tool_name, more) => ({ ...base, hook_event_name: 'beforeMCPExecution', tool_name, tool_input: '{"sql":"DELETE FROM a"}', ...more });
    const read = (file_path) => ({ ...base, hook_event_name: 'beforeReadFile', file_path, content: 'x', attachments: [] });
    assertAllowed('cursor', await hook('cursor', mcp('d1_query', { url: `${gateway.url}/mcp` })));
    assertBlocked('cursor', await hook('cursor', mcp('d1_query', { url: 'https://bindings.mcp.cloudflare.com/mcp' })), /Cloudflare's own MCP server/);
    assertBlocked('cursor', await hook('cursor', mcp('d1_query', { command: 'npx mcp-remote https://bindings.mcp.cloudflare.com/sse' })), /Cloudflare's own MCP server/);
    assertAllowed('cursor', await hook('cursor', read('src/a.ts')));
    assertBlocked('cursor', await hook('cursor', read('/p/.dev.vars')), /holds credentials/);
  });

  test('gemini: a server is known by its context', async () => {
    const event = toolCall.gemini('mcp_cf_d1_query', {}, project.folder);
    assertBlocked('gemini', await hook('gemini', { ...event, mcp_context: { server_name: 'cf', tool_name: 'd1_query', url: 'https://bindings.mcp.cloudflare.com/mcp' } }), /Cloudflare's own MCP server/);
    assertAllowed('gemini', await hook('gemini', { ...event, mcp_context: { server_name: 'gw', tool_name: 'd1_query', url: `${gateway.url}/mcp` } }));
  });
});

describe('in a run', () => {
  test('a command that goes through the gateway is allowed while the run is open, dry or live', async () => {
    for (const mode of ['dry_run', 'live']) {
      const run = await openRun(gateway, { mode });
      const env = runVariables(gateway.url, run);
      for (const agent of agents) {
        assertAllowed(agent, await shell(agent, through, { env }));
        assertAllowed(agent, await shell(agent, 'node seed.mjs', { env }));
        assertBlocked(agent, await shell(agent, 'npx wrangler deploy', { env }), /not for agents/);
        assertBlocked(agent, await shell(agent, `CLOUDFLARE_API_BASE_URL=https://api.cloudflare.com/client/v4 ${through}`, { env }), /decides where Cloudflare's tools go/);
        assertBlocked(agent, await shell(agent, `env -i ${through}`, { env }), /would not go to the gateway/);
      }
      await gateway.api(`/v1/runs/${run.id}/close`, { token: run.token, method: 'POST', json: {} });
      assertBlocked('claude-code', await shell('claude-code', through, { env }), /The run \S+ is closed\.\nOpen another one/);
      assertAllowed('claude-code', await shell('claude-code', 'ls', { env }));
    }
  });

  test('a live run of production is for the gateway to decide: the hook asks whether it is open', async () => {
    const production = await startGateway({ environment: 'production' });
    try {
      const granted = await openRun(production, { key: 'approver', mode: 'live' });
      assertAllowed('claude-code', await shell('claude-code', through, { env: runVariables(production.url, granted, 'production') }));
      const dry = await openRun(production);
      assertAllowed('claude-code', await shell('claude-code', through, { env: runVariables(production.url, dry, 'production') }));
      // Crossed: the variables say staging, the gateway is production.
      assertBlocked('claude-code', await shell('claude-code', through, { env: runVariables(production.url, dry, 'staging') }), /says that it is production, and this is staging/);
      assertBlocked('claude-code', await shell('claude-code', through, { env: { ...runVariables(production.url, dry, 'production'), DRYRUN_TOKEN: gateway.keys.agent } }), /The gateway refuses/);
    } finally {
      await production.stop();
    }
  });

  test('a run that there is not, or another one than the token is for, is blocked with what the gateway says', async () => {
    const run = await openRun(gateway);
    const env = runVariables(gateway.url, run);
    assertBlocked('codex', await shell('codex', through, { env: { ...env, DRYRUN_RUN_ID: 'another' } }), /The gateway refuses: .*unknown_run/);
    assertBlocked('codex', await shell('codex', through, { env: { ...env, DRYRUN_TOKEN: `${run.token}x` } }), /The gateway refuses: /);
    assertBlocked('codex', await shell('codex', through, { env: { ...env, DRYRUN_RUN_ID: '../alerts' } }), /which is no run/);
  });
});

/** Somebody in front of the gateway who answers questions about runs in their own way, and passes everything else on. */
async function startStranger(behaviour) {
  const server = http.createServer((request, response) => {
    if (request.method === 'GET') return behaviour(request, response);
    const target = new URL(gateway.url);
    const passed = http.request({ host: target.hostname, port: target.port, path: request.url, method: request.method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    passed.on('error', () => response.destroy());
    return request.pipe(passed);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${server.address().port}`, stop: () => (server.closeAllConnections(), server.close()) };
}

const described = (run, changes = {}) => JSON.stringify({ id: run.id, environment: 'staging', mode: 'dry_run', phase: 'open', ...changes });
const answers = (status, body, headers = { Environment: 'staging', 'Content-Type': 'application/json' }) => (_, response) => response.writeHead(status, headers).end(body);

describe('a gateway that fails', () => {
  const strange = [
    ['never answers', () => () => {}, 'gateway_slow', /did not answer within 2 s/],
    ['breaks the connection', () => (_, response) => response.socket.resetAndDestroy(), 'gateway_unreachable', /cannot be reached/],
    ['answers no JSON', () => answers(200, '<html>'), 'gateway_answer', /not valid JSON/],
    ['answers an empty body', () => answers(200, ''), 'gateway_answer', /not valid JSON/],
    ['answers another run', (run) => answers(200, described({ ...run, id: 'other' })), 'gateway_answer', /200, and not about the run/],
    ['answers an unknown mode', (run) => answers(200, described(run, { mode: 'maybe' })), 'gateway_answer', /not about the run/],
    ['answers an unknown phase', (run) => answers(200, described(run, { phase: 'ajar' })), 'gateway_answer', /without a phase/],
    ['answers 204', () => answers(204, undefined), 'gateway_answer', /not valid JSON/],
    ['answers 500', () => answers(500, '{}'), 'gateway_answer', /answered 500/],
    ['answers 503 with a code', () => answers(503, '{"code":"run_unavailable","detail":"The run does not answer."}'), 'gateway_answer', /503: The run does not answer\. \(run_unavailable\)/],
    ['sends elsewhere', (run) => (request, response) => (request.url.startsWith('/elsewhere') ? answers(200, described(run))(request, response) : answers(302, '', { Location: '/elsewhere', Environment: 'staging' })(request, response)), 'gateway_answer', /not valid JSON/],
    ['does not say its environment', (run) => answers(200, described(run), {}), 'configuration', /says that it is no environment/],
    ['never ends its answer', (run) => (_, response) => { response.writeHead(200, { Environment: 'staging' }); response.write(described(run)); }, 'gateway_slow', /did not end within 2 s/],
    ['breaks off half way', (run) => (_, response) => { response.writeHead(200, { Environment: 'staging', 'Content-Length': 1000 }); response.write(described(run), () => response.socket.destroySoon()); }, 'gateway_answer', /broke off/],
  ];
  for (const [name, behaviour, cause, why] of strange) {
    test(`that ${name} blocks, and an operator is alerted`, async () => {
      const run = await openRun(gateway);
      const stranger = await startStranger(behaviour(run));
      try {
        const agent = agents[strange.findIndex(([other]) => other === name) % agents.length];
        const ended = await shell(agent, through, { env: runVariables(stranger.url, run) });
        assertBlocked(agent, ended, /because the hook does not work/);
        assertBlocked(agent, ended, why);
        assert.match(ended.stderr, /\nAn operator was alerted\.\n$/);
        const row = await alertOf(cause, why);
        assert.ok(row.message.startsWith(`${agent} of agent: `), row.message);
        // What does not need the gateway does not wait for it.
        assertAllowed(agent, await shell(agent, 'ls', { env: runVariables(stranger.url, run) }));
      } finally {
        stranger.stop();
      }
    });
  }

  test('nothing of that counts as a failure of the guard or of an agent', async () => {
    const kinds = new Set((await alertsOf()).map(({ kind }) => kind));
    assert.deepEqual([...kinds], ['hook_failure']);
  });

  test('that is down blocks, says that nobody was alerted, and lets through again when it is back', async () => {
    const own = await startGateway();
    try {
      const run = await openRun(own);
      const env = runVariables(own.url, run);
      assertAllowed('claude-code', await shell('claude-code', through, { env }));
      await own.kill();
      for (const agent of agents) {
        const ended = await shell(agent, through, { env });
        assertBlocked(agent, ended, /cannot be reached/);
        assert.match(ended.stderr, /\nNobody was alerted: .+\.\n$/);
      }
      await own.restart();
      assertAllowed('claude-code', await shell('claude-code', through, { env }));
    } finally {
      await own.stop();
    }
  });
});

describe('a hook that fails', () => {
  const inputs = [
    ['nothing', '', 'input', /nothing came in/],
    ['broken JSON', '{"hook_event_name": "PreToolUse", ', 'input', /is not valid JSON/],
    ['JSON that is no object', '[]', 'input', /not a JSON object/],
    ['a member that is there twice', '{"hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_input": {"command": "wrangler deploy", "command": "ls"}}', 'input', /"command" is there twice/],
    ['no event', '{}', 'input', /hook_event_name/],
    ['an unknown event', '{"hook_event_name": "Surprise", "tool_name": "Bash", "tool_input": {"command": "ls"}}', 'unknown_tool', /does not know the event "Surprise"/],
    ['bytes that are no text', Buffer.from([0x7b, 0xff, 0xfe]), 'input', /not UTF-8/],
  ];
  for (const [name, input, cause, why] of inputs) {
    test(`by ${name} blocks for every agent, and an operator is alerted with the project's key`, async () => {
      for (const agent of agents) {
        const ended = await hook(agent, input);
        assertBlocked(agent, ended, why);
        assert.match(ended.stderr, /\nAn operator was alerted\.\n$/);
      }
      await alertOf(cause, why);
    });
  }

  test('by a tool that it does not know, or without what it needs, blocks', async () => {
    for (const agent of agents) {
      assertBlocked(agent, await hook(agent, toolCall[agent]('BrandNewTool', {}, project.folder)), /does not know the tool "BrandNewTool"/);
      assertBlocked(agent, await hook(agent, toolCall[agent]('Read', {}, project.folder)), /has no file_path/);
      const { tool_name, command, ...rest } = shellCall[agent]('ls', project.folder);
      assertBlocked(agent, await hook(agent, rest), /is missing, or is no text/);
      assertBlocked(agent, await hook(agent, { ...rest, tool_name: 1, command: 1 }), /is missing, or is no text/);
    }
    await alertOf('unknown_tool', /BrandNewTool/);
  });

  test('by a panic of its own blocks, and an operator is alerted', async () => {
    for (const agent of agents) {
      const ended = await shell(agent, 'ls', { env: { DRYRUN_HOOK_PANICS: '1' } });
      assertBlocked(agent, ended, /The hook itself broke at /);
      assert.match(ended.stderr, /An operator was alerted\./);
    }
    await alertOf('panic', /The hook itself broke/);
  });

  test('by a call that never ends blocks at its own deadline, and an operator is alerted', async () => {
    const began = Date.now();
    const ended = await hook('cursor', null);
    assertBlocked('cursor', ended, /was not done within 4 s/);
    assert.ok(Date.now() - began < 10_000, 'before the limit in the settings');
    await alertOf('deadline', /was not done/);
  });

  test('by its configuration blocks everything', async () => {
    const cases = [
      [undefined, {}, /There is no dryrun\.toml here or above/],
      ['', {}, /There is no dryrun\.toml here or above/],
      ['not toml [', {}, /is not understood/],
      [staging('http://127.0.0.1:9'), { DRYRUN_ENV: 'neither' }, /DRYRUN_ENV is "neither"/],
    ];
    for (const [text, env, why] of cases) {
      const broken = makeProject(text);
      try {
        for (const agent of agents) {
          const ended = await start(binary, ['hook', agent], { cwd: broken.folder, env: { ...bare(broken.home), ...env }, input: JSON.stringify(shellCall[agent]('ls', broken.folder)) });
          assertBlocked(agent, ended, why);
          assert.match(ended.stderr, /Nobody was alerted: /);
        }
      } finally {
        broken.remove();
      }
    }
  });

  test('by a part of the variables of a run blocks what goes to Cloudflare', async () => {
    const run = await openRun(gateway);
    for (const name of ['DRYRUN_RUN_ID', 'DRYRUN_URL', 'DRYRUN_TOKEN']) {
      const env = runVariables(gateway.url, run);
      delete env[name];
      assertBlocked('claude-code', await shell('claude-code', through, { env }), /would act on Cloudflare directly/);
    }
  });

  test('never ends with another code than 0 and 2, whatever its command line is', async () => {
    for (const args of [['hook'], ['hook', 'nobody'], ['hook', 'codex', '--what'], ['hook', 'codex', 'more']]) {
      assert.equal((await start(binary, args, { cwd: project.folder, env: bare(project.home) })).code, 2, args.join(' '));
    }
  });
});

const files = { 'claude-code': '.claude/settings.json', codex: '.codex/hooks.json', gemini: '.gemini/settings.json', cursor: '.cursor/hooks.json' };
const existing = {
  'claude-code': { $schema: 'https://json.schemastore.org/claude-code-settings.json', permissions: { deny: ['Read(.env)'] }, hooks: { PreToolUse: [{ matcher: 'Bash', hooks: [{ type: 'command', command: './theirs.sh' }] }], Stop: [{ hooks: [{ type: 'command', command: 'say done' }] }] } },
  codex: { hooks: { PreToolUse: [{ matcher: 'Bash', hooks: [{ type: 'command', command: './theirs.sh', timeout: 30 }] }], SessionStart: [] } },
  gemini: { model: { name: 'x' }, hooks: { BeforeTool: [{ matcher: 'write_file', hooks: [{ type: 'command', command: './theirs.sh' }] }] } },
  cursor: { version: 1, hooks: { beforeShellExecution: [{ command: './theirs.sh' }], afterFileEdit: [{ command: './format.sh' }] } },
};

/** The command lines of ours in settings. */
function commandsIn(settings) {
  const found = new Set();
  JSON.stringify(settings, (key, value) => {
    if (key === 'command' && typeof value === 'string' && value.includes('dryrun')) found.add(value);
    return value;
  });
  return [...found];
}

describe('install', () => {
  const withProject = async (work) => {
    const own = makeProject(staging(gateway.url));
    const run = (...args) => start(binary, ['hook', ...args], { cwd: own.folder, env: bare(own.home) });
    try {
      await work({ ...own, run, read: (file) => JSON.parse(readFileSync(path.join(own.folder, file), 'utf8')) });
    } finally {
      own.remove();
    }
  };

  for (const agent of agents) {
    test(`${agent}: into fresh settings, and a second time changes nothing`, () => withProject(async ({ folder, run, read }) => {
      const first = await run('install', agent);
      assert.equal(first.code, 0, first.stderr);
      assert.match(first.stdout, new RegExp(`^Wrote the hook for ${agent} into `));
      const settings = read(files[agent]);
      const [command, ...others] = commandsIn(settings);
      assert.deepEqual(others, []);
      assert.match(command, new RegExp(`dryrun hook ${agent} \\|\\| exit 2$`));
      const text = readFileSync(path.join(folder, files[agent]), 'utf8');
      const second = await run('install', agent);
      assert.match(second.stdout, /already; nothing was changed/);
      assert.equal(readFileSync(path.join(folder, files[agent]), 'utf8'), text);
      assert.deepEqual(readdirSync(path.dirname(path.join(folder, files[agent]))), [path.basename(files[agent])]);
    }));

    test(`${agent}: into settings of others, of which nothing is lost, with a copy of the file as it was`, () => withProject(async ({ folder, run, read }) => {
      const file = path.join(folder, files[agent]);
      mkdirSync(path.dirname(file));
      const text = `${JSON.stringify(existing[agent])}\n\n`;
      writeFileSync(file, text);
      chmodSync(file, 0o640);
      const ended = await run('install', agent, '--project');
      assert.equal(ended.code, 0, ended.stderr);
      assert.equal(readFileSync(`${file}.before-dryrun-1`, 'utf8'), text);
      assert.equal(statSync(file).mode & 0o777, 0o640);
      const settings = read(files[agent]);
      for (const [event, list] of Object.entries(existing[agent].hooks)) assert.deepEqual(settings.hooks[event].slice(0, list.length), list, event);
      for (const [name, value] of Object.entries(existing[agent])) if (name !== 'hooks') assert.deepEqual(settings[name], value);
      assert.equal(commandsIn(settings).length, 1);
      await run('install', agent);
      assert.deepEqual(read(files[agent]), settings);
      assert.ok(!existsSync(`${file}.before-dryrun-2`));
    }));
  }

  test('into the settings of the user', () => withProject(async ({ home, folder, run }) => {
    for (const agent of agents) assert.equal((await run('install', agent, '--user')).code, 0);
    for (const agent of agents) {
      assert.equal(commandsIn(JSON.parse(readFileSync(path.join(home, files[agent]), 'utf8'))).length, 1);
      assert.ok(!existsSync(path.join(folder, files[agent])));
    }
  }));

  test('shows what it would write, and writes nothing', () => withProject(async ({ folder, run }) => {
    for (const agent of agents) {
      const ended = await run('install', agent, '--print');
      assert.equal(commandsIn(JSON.parse(ended.stdout)).length, 1);
      assert.ok(!existsSync(path.join(folder, files[agent])));
    }
  }));

  test('leaves settings alone that it does not understand', () => withProject(async ({ folder, run }) => {
    for (const text of ['{ // a comment\n}', '[]', '{"hooks": []}', '{"hooks": {"PreToolUse": "x"}}']) {
      const file = path.join(folder, files['claude-code']);
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, text);
      const ended = await run('install', 'claude-code');
      assert.equal(ended.code, 3, ended.stdout);
      assert.match(ended.stderr, /othing was changed/);
      assert.equal(readFileSync(file, 'utf8'), text);
      assert.deepEqual(readdirSync(path.dirname(file)), ['settings.json']);
    }
  }));

  test('writes through a link', () => withProject(async ({ folder, run }) => {
    const real = path.join(folder, 'shared.json');
    const link = path.join(folder, files.cursor);
    mkdirSync(path.dirname(link));
    writeFileSync(real, '{}');
    symlinkSync(real, link);
    assert.equal((await run('install', 'cursor')).code, 0);
    assert.ok(lstatSync(link).isSymbolicLink());
    assert.equal(commandsIn(JSON.parse(readFileSync(real, 'utf8'))).length, 1);
  }));

  test('replaces what an earlier version wrote', () => withProject(async ({ folder, run, read }) => {
    const file = path.join(folder, files['claude-code']);
    mkdirSync(path.dirname(file));
    writeFileSync(file, JSON.stringify({ hooks: { PreToolUse: [{ matcher: 'Bash', hooks: [{ type: 'command', command: '/old/place/dryrun hook claude-code || exit 2' }] }, existing['claude-code'].hooks.PreToolUse[0]] } }));
    await run('install', 'claude-code');
    const list = read(files['claude-code']).hooks.PreToolUse;
    assert.equal(list.length, 2);
    assert.deepEqual(list[1], existing['claude-code'].hooks.PreToolUse[0]);
    assert.ok(!JSON.stringify(list).includes('/old/place'));
  }));

  test('hook test proves it on the spot, and finds what does not hold', { timeout: 120_000 }, () => withProject(async ({ folder, home, run }) => {
    assert.match((await run('test')).stderr, /The hook is in no settings/);
    assert.equal((await run('test')).code, 1);
    for (const agent of agents) await run('install', agent);
    const good = await run('test');
    assert.equal(good.code, 0, good.stderr);
    assert.equal(good.stderr.match(/^ {2}ok {6}/gm).length, 40);
    assert.match(good.stdout, /All 40 are as they should be/);
    const alerts = await alertsOf();

    const file = path.join(folder, files.codex);
    writeFileSync(file, readFileSync(file, 'utf8').replace(' || exit 2', ''));
    const unwrapped = await run('test', 'codex');
    assert.equal(unwrapped.code, 1);
    assert.match(unwrapped.stderr, /FAILED {2}blocks when it is killed/);
    assert.match(unwrapped.stderr, /FAILED {2}blocks when the program is missing: exit code 127/);

    writeFileSync(file, readFileSync(file, 'utf8').replace(binary, '/nowhere/dryrun'));
    assert.match((await run('test', 'codex')).stderr, /FAILED {2}allows a harmless command/);
    // A proof alerts nobody, whatever breaks in it, and a broken hook fails the proofs.
    assert.deepEqual(await alertsOf(), alerts);
    await run('install', 'codex');
    const broken = await start(binary, ['hook', 'test', 'codex'], { cwd: folder, env: { ...bare(home), DRYRUN_HOOK_PANICS: '1' } });
    assert.match(broken.stderr, /FAILED {2}allows a harmless command: .*Nobody was alerted: this is a test of the hook\./);
    assert.equal(broken.code, 1);
    writeFileSync(path.join(folder, 'dryrun.toml'), 'not [ valid');
    assert.equal((await run('test', 'codex')).code, 3);
    assert.deepEqual(await alertsOf(), alerts);
  }));
});

describe('the command line in the settings', () => {
  // What the agents do with an exit code other than 0 and 2, a time-out or a killed hook is to let the call through.
  const cases = [
    ['a program that is missing', () => '/nowhere/dryrun'],
    ['a program that fails with 1', (folder) => script(folder, 'exit 1')],
    ['a program that is no program', (folder) => script(folder, 'if then', 0o644)],
    ['a script with an error', (folder) => script(folder, 'if then')],
    ['a program that kills itself', (folder) => script(folder, 'kill -9 $$')],
    ['a program that hangs', (folder) => script(folder, 'exec sleep 60')],
    ['a program that is stopped', (folder) => script(folder, 'kill -STOP $$; sleep 60')],
  ];
  function script(folder, text, mode = 0o755) {
    const file = path.join(folder, 'dryrun');
    writeFileSync(file, `#!/bin/sh\n${text}\n`, { mode });
    return file;
  }
  for (const [name, program] of cases) {
    test(`blocks with ${name}`, async () => {
      const own = makeProject(staging(gateway.url));
      try {
        await start(binary, ['hook', 'install', 'claude-code'], { cwd: own.folder, env: bare(own.home) });
        const [command] = commandsIn(JSON.parse(readFileSync(path.join(own.folder, files['claude-code']), 'utf8')));
        const ended = await start('sh', ['-c', command.replace(binary, program(own.folder))], { cwd: own.folder, env: bare(own.home), input: JSON.stringify(shellCall['claude-code']('ls', own.folder)) });
        assert.equal(ended.code, 2, JSON.stringify(ended));
      } finally {
        own.remove();
      }
    });
  }

  test('blocks when somebody kills it, and allows what it allows', async () => {
    const own = makeProject(staging(gateway.url));
    try {
      await start(binary, ['hook', 'install', 'gemini'], { cwd: own.folder, env: bare(own.home) });
      const [command] = commandsIn(JSON.parse(readFileSync(path.join(own.folder, files.gemini), 'utf8')));
      const ended = await start('sh', ['-c', command], { cwd: own.folder, env: bare(own.home), input: JSON.stringify(shellCall.gemini('ls', own.folder)) });
      assertAllowed('gemini', ended);
      // It waits for a gateway that does not answer, so that there is somebody to kill.
      const silent = net.createServer();
      silent.listen(0, '127.0.0.1');
      await once(silent, 'listening');
      const url = `http://127.0.0.1:${silent.address().port}`;
      const child = spawn('sh', ['-c', command], { cwd: own.folder, env: { ...bare(own.home), ...runVariables(url, { id: 'r', token: 'drt_staging_x' }) }, stdio: ['pipe', 'pipe', 'pipe'] });
      child.stdin.end(JSON.stringify(shellCall.gemini(through, own.folder)));
      const [socket] = await once(silent, 'connection');
      const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ').map(Number);
      for (const pid of children) process.kill(pid, 'SIGKILL');
      const [code] = await once(child, 'exit');
      assert.equal(code, 2);
      socket.destroy();
      silent.close();
    } finally {
      own.remove();
    }
  });
});
