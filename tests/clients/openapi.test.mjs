// The OpenAPI document against the gateway that serves it: schemathesis makes requests from what is documented, right ones and wrong ones,
// and whatever is answered must be documented. Every answer that is documented is reached in openapi_codes.test.mjs.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { startGateway } from '../e2e/harness/gateway.mjs';
import { projectFolder } from '../e2e/harness/settings.mjs';
import { agentOf, openRun, paths } from '../e2e/helpers.mjs';

const run = promisify(execFile);
const python = path.join(projectFolder, '.tools/python/bin');
const checks = [
  'not_a_server_error', 'status_code_conformance', 'content_type_conformance', 'response_headers_conformance', 'response_schema_conformance', 'negative_data_rejection', 'positive_data_acceptance',
  'unsupported_method', 'allow_header_conformance', 'missing_required_header',
];
/** Operations whose requests can be of the right form and wrong all the same: SQL that means nothing, cursors of other lists, times that are over, digests of other bodies. */
const rightIsNotEnough = ['query', 'raw', 'import', 'export', 'keys', 'objects', 'putValue', 'putValues', 'getValues', 'putObject', 'sendFile'];
/** Closing the run would be the end of it, and the messages of MCP have a protocol of their own. */
const leftAlone = ['closeRun', 'mcp'];
/** What a right request may be answered besides: it is somebody else's, it was made before, its condition does not hold. */
const rightStatuses = ['2xx', '304', '401', '403', '404', '405', '409', '412', '416', '422'];

let gateway;
let folder;
let document;
let opened;

before(async () => {
  assert.ok(existsSync(path.join(python, 'schemathesis')), 'schemathesis is missing: run scripts/setup_python');
  folder = mkdtempSync(path.join(tmpdir(), 'openapi-'));
  // Without the harness's proxies: what they cannot carry (DEL in a header) is no fault of the gateway.
  gateway = await startGateway({ proxied: false, vars: { FLAG_BUDGET_MS: '10000' } });
  await gateway.db.exec("CREATE TABLE tickets (id INTEGER PRIMARY KEY, state TEXT); INSERT INTO tickets VALUES (7, 'new')");
  await gateway.cache.put('seed', '{"a":1}', { metadata: { by: 'test' } });
  await gateway.files.put('seed', 'an object', { httpMetadata: { contentType: 'text/plain' } });
  document = (await gateway.api('/openapi.json')).json;
  opened = await openRun(gateway);
});
after(async () => {
  await gateway?.stop();
  if (folder) rmSync(folder, { recursive: true });
});

/** Fails with what the validator says when the document is not one of OpenAPI 3.1. */
function validate(json) {
  const file = path.join(folder, 'document.json');
  writeFileSync(file, JSON.stringify(json));
  const script = 'import json, sys; from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR; OPENAPI_31_VALIDATOR.validate(json.load(open(sys.argv[1])))';
  return run(path.join(python, 'python'), ['-c', script, file]);
}

test('the document is one of OpenAPI 3.1', async () => {
  assert.equal(document.openapi, '3.1.0');
  await validate(document);
  const { title, ...info } = document.info;
  await assert.rejects(validate({ ...document, info }), /"title" is a required property/);
});

/** Names that exist, for nine requests of ten: with random ones nothing would be reached. */
async function configuration(opened, without) {
  const agent = agentOf(gateway, opened.token);
  const etag = createHash('md5').update('SELECT 1').digest('hex');
  const announced = (await agent.call(paths.d1('import'), { json: { action: 'init', etag } })).json.result;
  const exported = (await agent.call(paths.d1('export'), { json: { output_format: 'polling' } })).json.result;
  const lastPart = (url) => url.split('/').at(-1);
  const dictionaries = {
    account: ['local'], d1: ['DB'], kv: ['CACHE'], r2: ['FILES'], run: [opened.id], key: ['seed', 'a/b', 'ü'], position: [1, 2, 3],
    sql: ['SELECT * FROM tickets', "INSERT INTO tickets (state) VALUES ('open')", 'UPDATE tickets SET state = ? WHERE id = ?', 'DELETE FROM tickets', 'CREATE TABLE more (a)', 'SELECT 1; SELECT 2'],
    // For JSON Schema 60.0 is a whole number, for the gateway it is none.
    seconds: [60, 3_600, 604_800],
    upload: [lastPart(announced.upload_url)], download: [lastPart(exported.signed_url)], file: [announced.filename],
  };
  const store = (kind) => ({ 'path.account': 'account', 'path.store': kind, 'path.key': 'key', 'header.Run-Id': 'run' });
  const operations = [
    ['path-regex', '/d1/', { ...store('d1'), 'body.sql': 'sql', 'body.filename': 'file' }], ['path-regex', '/kv/', store('kv')], ['path-regex', '/r2/', store('r2')],
    ['path-regex', '^/v1/runs/', { 'path.run': 'run', 'path.position': 'position' }],
    ['operation-id', 'openRun', { 'body.expires_in': 'seconds' }],
    ['operation-id', 'sendFile', { 'path.signed': 'upload' }], ['operation-id', 'fetchFile', { 'path.signed': 'download' }],
  ];
  const named = ([selector, value, bindings]) => [
    '[[operations]]', `include-${selector} = ${JSON.stringify(value)}`, '[operations.parameters]',
    ...Object.entries(bindings).map(([parameter, dictionary]) => `${JSON.stringify(parameter)} = { dictionary = ${JSON.stringify(dictionary)}, probability = ${dictionary === 'seconds' ? 1 : 0.9} }`),
  ];
  const lines = [
    // One after the other: the same seed then makes the same requests, and Python's parser is not safe in threads.
    'seed = 20261120', 'workers = 1', 'continue-on-failure = true',
    '[generation]', 'database = "none"', '[checks]', 'enabled = false', ...checks.map((check) => `${check}.enabled = ${check !== without}`),
    `positive_data_acceptance.expected-statuses = ${JSON.stringify(rightStatuses)}`,
    ...Object.entries(dictionaries).flatMap(([name, values]) => [`[dictionaries.${name}]`, `values = ${JSON.stringify(values)}`]),
    // Of two entries for an operation the first one counts more.
    '[[operations]]', `include-operation-id = ${JSON.stringify(rightIsNotEnough)}`, '[operations.checks.positive_data_acceptance]', 'enabled = false',
    ...operations.flatMap(named),
  ];
  const file = path.join(folder, 'schemathesis.toml');
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}

/** Runs schemathesis; nothing that it finds is accepted, and nothing in the real stores may change. */
async function fuzz({ opened, credential, phases, examples, options = [], operations, without }) {
  const file = await configuration(opened ?? (await openRun(gateway)), without);
  const digest = await gateway.digest();
  const authorization = credential === undefined ? [] : ['--header', `Authorization: Bearer ${credential}`];
  const told = ['--phases', phases, '--max-examples', String(examples), '--warnings', 'off', '--no-color', ...authorization, ...options];
  const { stdout } = await run(path.join(python, 'schemathesis'), ['--config-file', file, 'run', `${gateway.url}/openapi.json`, ...told], { cwd: folder, maxBuffer: 64 << 20 }).catch((error) => {
    assert.fail(`${error.stdout}\n${error.stderr}`.slice(-20_000));
  });
  const summary = stdout.slice(stdout.indexOf('= SUMMARY =')).split('\n').slice(1).join('\n').trim();
  console.log(summary);
  assert.match(summary, /Test cases:\n\s+\d+ generated, \d+ passed/);
  assert.equal(Number(/Tested: (\d+)/.exec(summary)?.[1]), operations, summary);
  assert.equal(await gateway.digest(), digest, 'the stores have changed');
  assert.ok(!/panicked|RuntimeError/.test(gateway.logs()), gateway.logs().slice(-2_000));
}

/** How many operations there are of this kind. The document itself is read once and not asked again. */
const countOf = (wanted) => Object.entries(document.paths).flatMap(([address, methods]) => Object.values(methods).filter((operation) => operation.operationId !== 'document' && wanted(address, operation))).length;

test('an agent in a dry run is answered nothing that is not documented', () =>
  fuzz({
    opened, credential: opened.token, phases: 'examples,coverage,fuzzing', examples: 20,
    options: leftAlone.flatMap((id) => ['--exclude-operation-id', id]), operations: countOf((_, { operationId }) => !leftAlone.includes(operationId)),
  }));

test('the run of that agent is still a dry run that works, and its report tells of all this', async () => {
  const { json } = await gateway.api(`/v1/runs/${opened.id}/report`, { token: opened.token });
  assert.deepEqual([json.run.mode, json.run.phase], ['dry_run', 'open']);
  assert.ok(json.summary.operations > 500 && json.summary.writes > 200 && json.summary.inserted > 0, JSON.stringify(json.summary));
});

test('nor is an approver in the control plane, one step after the other', () =>
  fuzz({ credential: gateway.keys.approver, phases: 'coverage,fuzzing,stateful', examples: 20, options: ['--include-path-regex', '^/(v1|health)'], operations: countOf((address) => /^\/(v1|health)/.test(address)) }));

// With the word Dry-Run even an address that there is not wants to know first whose run is meant.
test('nor is somebody without a credential', () => fuzz({ without: 'unsupported_method', phases: 'coverage', examples: 5, operations: countOf(() => true) }));
