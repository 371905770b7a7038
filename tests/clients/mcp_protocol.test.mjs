// What the Model Context Protocol asks of a server, request by request, in both eras, and what nobody should send.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertProblem, openRun, reportOf } from '../e2e/helpers.mjs';
import { legacy, legacyVersions, modern, modernVersion, startDesk } from './mcp/support.mjs';

const versionKey = 'io.modelcontextprotocol/protocolVersion';
const capabilitiesKey = 'io.modelcontextprotocol/clientCapabilities';
const json = { 'content-type': 'application/json' };
const base64 = (text) => `=?base64?${Buffer.from(text).toString('base64')}?=`;
const raw = (body, headers = {}) => ({ body, headers: { ...json, ...headers } });
const put = { name: 'kv_put', arguments: { key: 'never', value: 'never' } };

describe('the protocol at /mcp', () => {
  let gateway;
  let run;
  let untouched;
  before(async () => {
    ({ gateway, untouched } = await startDesk());
    run = await openRun(gateway, { mode: 'live' });
  });
  after(() => gateway?.stop());
  const post = (options, credential = { token: run.token }) => gateway.api('/mcp', { method: 'POST', ...credential, ...options });

  /** Whatever is refused here was a write to a live run: nothing of it may be in the stores or in the journal. */
  const assertNothingDone = async () => {
    assert.equal(await gateway.digest(), untouched);
    assert.deepEqual((await reportOf(gateway, run.id)).operations, []);
  };

  test('server/discover tells versions, capabilities, instructions and how long they hold', async () => {
    const { status, headers, json: { jsonrpc, id, result } } = await post(modern('server/discover', {}, { id: 'first' }));
    assert.deepEqual([status, headers.get('content-type'), jsonrpc, id], [200, 'application/json', '2.0', 'first']);
    const { resultType, supportedVersions, capabilities, instructions, ttlMs, cacheScope, _meta: meta } = result;
    assert.deepEqual([resultType, supportedVersions, capabilities, cacheScope], ['complete', [modernVersion], { tools: {} }, 'private']);
    assert.ok(Number.isInteger(ttlMs) && ttlMs >= 0);
    const { name, version } = meta['io.modelcontextprotocol/serverInfo'];
    assert.deepEqual([name, typeof version], ['dryrun-gateway', 'string']);
    for (const word of ['dry run', 'own writes', 'nothing is written', 'is real', 'refusal', 'WHERE', 'run_report', 'staging', 'DB']) assert.ok(instructions.includes(word), word);
    assert.doesNotMatch(instructions, /approv/i, 'nothing is promised that is not there');
  });

  test('tools/list is the same in both eras, every time, and says how long it holds', async () => {
    const lists = await Promise.all([post(modern('tools/list')), post(modern('tools/list')), ...legacyVersions.map((version) => post(legacy('tools/list', {}, { version })))]);
    const [first, ...others] = lists.map((answer) => answer.json.result);
    assert.deepEqual([first.resultType, first.cacheScope, Number.isInteger(first.ttlMs)], ['complete', 'private', true]);
    for (const { tools } of others) assert.deepEqual(tools, first.tools);
    assert.equal(others.at(-1).resultType, undefined);
    assert.deepEqual(first.tools.map(({ name }) => name), ['d1_query', 'd1_schema', 'kv_get', 'kv_put', 'kv_delete', 'kv_list', 'r2_get', 'r2_put', 'r2_delete', 'r2_list', 'run_status', 'run_report']);
    const reads = first.tools.filter(({ annotations }) => annotations.readOnlyHint).map(({ name }) => name);
    assert.deepEqual(reads, ['d1_schema', 'kv_get', 'kv_list', 'r2_get', 'r2_list', 'run_status', 'run_report']);
  });

  test('initialize speaks the version that the client asked for, or the newest that it has', async () => {
    for (const [asked, spoken] of [...legacyVersions.map((version) => [version, version]), ['2024-11-05', legacyVersions[0]], ['1.0', legacyVersions[0]], [modernVersion, legacyVersions[0]]]) {
      const answer = await post(legacy('initialize', { protocolVersion: asked, capabilities: {}, clientInfo: { name: 'test', version: '1' } }, { version: null }));
      const { protocolVersion, capabilities, serverInfo, instructions } = answer.json.result;
      assert.deepEqual([answer.status, protocolVersion, capabilities, serverInfo.name, instructions.length > 200], [200, spoken, { tools: {} }, 'dryrun-gateway', true]);
      assert.equal(answer.headers.get('mcp-session-id'), null);
    }
    const ping = await post(legacy('ping', undefined, { id: 0 }));
    assert.deepEqual([ping.status, ping.json], [200, { jsonrpc: '2.0', id: 0, result: {} }]);
  });

  test('session and stream headers of older clients are ignored, and nothing of them is minted', async () => {
    const answer = await post(legacy('ping', undefined, { headers: { 'Mcp-Session-Id': 'mine', 'Last-Event-ID': '7' } }));
    assert.deepEqual([answer.status, answer.headers.get('mcp-session-id')], [200, null]);
    for (const method of ['GET', 'DELETE', 'PUT', 'OPTIONS', 'PATCH']) {
      const { status } = await gateway.api('/mcp', { method, token: run.token, headers: { accept: 'text/event-stream' } });
      assert.equal(status, 405, method);
    }
  });

  test('an id comes back as it was sent', async () => {
    for (const id of ['0', '-5', '12345678901234567890123456789', '"a"', '"\\u00e9\\n"', `"${'x'.repeat(900)}"`]) {
      const answer = await post(raw(`{"jsonrpc":"2.0","id":${id},"method":"ping"}`));
      assert.equal(answer.text, `{"jsonrpc":"2.0","id":${id},"result":{}}`);
    }
  });

  test('trace contexts and other members of _meta pass', async () => {
    const meta = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01', tracestate: 'a=b', baggage: 'c=d', progressToken: 7, 'com.example/x': { y: [1] }, 'io.modelcontextprotocol/clientInfo': { name: 'a', version: '1' } };
    assert.equal((await post(modern('tools/list', {}, { meta }))).status, 200);
  });

  test('a notification is taken without an answer', async () => {
    for (const options of [
      raw('{"jsonrpc":"2.0","method":"notifications/initialized"}', { 'MCP-Protocol-Version': '2025-11-25' }),
      raw('{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"reason":"x"}}'),
      raw('{"jsonrpc":"2.0","method":"notifications/junk","params":{"__proto__":{"a":[[[]]]}}}', { 'MCP-Protocol-Version': modernVersion, 'Mcp-Method': 'notifications/junk' }),
    ]) {
      const answer = await post(options);
      assert.deepEqual([answer.status, answer.text], [202, '']);
    }
  });

  test('several messages in one body are answered in their order, by the one version that has that', async () => {
    const batch = JSON.stringify([
      { jsonrpc: '2.0', id: 1, method: 'ping' },
      { jsonrpc: '2.0', method: 'notifications/initialized' },
      { jsonrpc: '2.0', id: 'two', method: 'tools/call', params: { name: 'kv_get', arguments: { key: 'greeting' } } },
      { jsonrpc: '2.0', id: 3, method: 'nothing' },
      { id: 4 },
    ]);
    const dry = await openRun(gateway);
    for (const headers of [{}, { 'MCP-Protocol-Version': '2025-03-26' }]) {
      const { status, json: answers } = await post(raw(batch, headers), { token: dry.token });
      assert.equal(status, 200);
      assert.deepEqual(answers.map(({ id, result, error }) => [id, result?.structuredContent?.value ?? error?.code]), [[1, undefined], ['two', 'hello'], [3, -32601], [4, -32600]]);
    }
    const silent = await post(raw('[{"jsonrpc":"2.0","method":"notifications/x"}]'));
    assert.deepEqual([silent.status, silent.text], [202, '']);
  });

  test('the answers to several messages are bounded together', async () => {
    const dry = await openRun(gateway);
    const large = 'x'.repeat(3 << 20);
    assert.equal((await gateway.api('/client/v4/accounts/local/storage/kv/namespaces/CACHE/values/large', { token: dry.token, method: 'PUT', body: large })).status, 200);
    const batch = Array.from({ length: 50 }, (_, id) => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'kv_get', arguments: { key: 'large' } } }));
    const { status, json: answers } = await post(raw(JSON.stringify(batch)), { token: dry.token });
    assert.equal(status, 200);
    const carriedOut = answers.filter(({ result }) => result?.structuredContent?.value === large).length;
    assert.ok(carriedOut > 0 && carriedOut < 5, `${carriedOut}`);
    assert.deepEqual(new Set(answers.slice(carriedOut).map(({ error }) => error?.code)), new Set([-32600]));
    assert.deepEqual(answers.map(({ id }) => id), batch.map(({ id }) => id));
  });

  const envelope = (meta) => ({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { ...put, _meta: meta } });
  const headersOf = (changes = {}) => ({ 'MCP-Protocol-Version': modernVersion, 'Mcp-Method': 'tools/call', 'Mcp-Name': 'kv_put', ...changes });
  const without = (name) => Object.fromEntries(Object.entries(headersOf()).filter(([other]) => other !== name));
  const whole = { [versionKey]: modernVersion, [capabilitiesKey]: {} };
  const call = (meta, headers = headersOf()) => ({ json: envelope(meta), headers });
  const text = JSON.stringify(envelope(whole));
  const refusals = [
    // Headers that say something else than the body, or nothing.
    ['the version header is missing', call(whole, without('MCP-Protocol-Version')), 400, -32020],
    ['the version header is another', call(whole, headersOf({ 'MCP-Protocol-Version': '2025-11-25' })), 400, -32020],
    ['the method header is missing', call(whole, without('Mcp-Method')), 400, -32020],
    ['the method header is another', call(whole, headersOf({ 'Mcp-Method': 'tools/list' })), 400, -32020],
    ['the method header is in capitals', call(whole, headersOf({ 'Mcp-Method': 'Tools/Call' })), 400, -32020],
    ['the method header comes twice', call(whole, headersOf({ 'Mcp-Method': ['tools/call', 'tools/call'] })), 400, -32020],
    ['the name header is missing', call(whole, without('Mcp-Name')), 400, -32020],
    ['the name header is another', call(whole, headersOf({ 'Mcp-Name': 'kv_get' })), 400, -32020],
    ['the name header is another in base64', call(whole, headersOf({ 'Mcp-Name': base64('kv_get') })), 400, -32020],
    ['the name header is no base64', call(whole, headersOf({ 'Mcp-Name': '=?base64?@@@?=' })), 400, -32020],
    ['the name header is no UTF-8', call(whole, headersOf({ 'Mcp-Name': '=?base64?/w==?=' })), 400, -32020],
    ['the name header has capitals in its marks', call(whole, headersOf({ 'Mcp-Name': base64('kv_put').replace('base64', 'BASE64') })), 400, -32020],
    ['initialize comes with the header of the later era', { ...legacy('initialize', { protocolVersion: '2025-11-25' }), headers: headersOf({ 'Mcp-Method': 'initialize' }) }, 400, -32020],
    ['a notification names another method', raw('{"jsonrpc":"2.0","method":"notifications/x"}', headersOf()), 400, -32020],
    // Versions.
    ['the version is of the future', { json: envelope({ ...whole, [versionKey]: '2031-01-01' }), headers: headersOf({ 'MCP-Protocol-Version': '2031-01-01' }) }, 400, -32022],
    ['the version is of the past', { json: envelope({ ...whole, [versionKey]: '1900-01-01' }), headers: headersOf({ 'MCP-Protocol-Version': '1900-01-01' }) }, 400, -32022],
    ['an older client names a version that never was', legacy('tools/call', put, { version: '2025-01-01' }), 400, -32022],
    ['an older client names no version at all', legacy('tools/call', put, { version: 'latest' }), 400, -32022],
    // What every request carries since 2026-07-28.
    ['_meta is missing', { json: { jsonrpc: '2.0', id: 1, method: 'tools/call', params: put }, headers: headersOf() }, 400, -32602],
    ['the version in _meta is missing', call({ [capabilitiesKey]: {} }), 400, -32602],
    ['the version in _meta is a number', call({ ...whole, [versionKey]: 20260728 }), 400, -32602],
    ['the capabilities are missing', call({ [versionKey]: modernVersion }), 400, -32602],
    ['the capabilities are a list', call({ ...whole, [capabilitiesKey]: [] }), 400, -32602],
    ['the client is text', call({ ...whole, 'io.modelcontextprotocol/clientInfo': 'me' }), 400, -32602],
    ['_meta is a list', call([]), 400, -32602],
    // Methods and tools.
    ['the method is of the earlier era', modern('ping'), 404, -32601],
    ['the method is unknown', modern('resources/list'), 404, -32601],
    ['the method is initialize in the later era', modern('initialize', { protocolVersion: modernVersion }), 404, -32601],
    ['the method is a name of every object', modern('__proto__'), 404, -32601],
    ['the method is unknown to an older client', legacy('resources/list'), 200, -32601],
    ['an older client discovers', legacy('server/discover'), 200, -32601],
    ['an older client initializes without a version', legacy('initialize', {}, { version: null }), 200, -32602],
    ['the tool is unknown', modern('tools/call', { name: 'nothing', arguments: {} }), 200, -32602],
    ['the tool is a name of every object', modern('tools/call', { name: 'constructor', arguments: {} }), 200, -32602],
    ['the tool is unknown and its name is no ASCII', modern('tools/call', { name: 'é', arguments: {} }, { headers: { 'Mcp-Name': base64('é') } }), 200, -32602],
    ['the tool is unknown to an older client', legacy('tools/call', { name: 'nothing' }), 200, -32602],
    ['the tool is a number', legacy('tools/call', { name: 7 }), 200, -32602],
    ['the arguments are a list', legacy('tools/call', { name: 'kv_put', arguments: ['never', 'never'] }), 200, -32602],
    ['the arguments are text', modern('tools/call', { name: 'kv_put', arguments: '{"key":"never","value":"never"}' }), 200, -32602],
    ['a cursor leads nowhere', modern('tools/list', { cursor: 'x' }), 200, -32602],
    // What is no message.
    ['the body is empty', raw(''), 400, -32700],
    ['the body is no JSON', raw('{"jsonrpc":'), 400, -32700],
    ['the body is JSON and more', raw(`${text}x`), 400, -32700],
    ['the body is no UTF-8', raw(Buffer.concat([Buffer.from('{"jsonrpc":"2.0","id":1,"method":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')])), 400, -32700],
    ['the body begins with a byte order mark', raw(`\ufeff${text}`), 400, -32700],
    ['the body has half a character', raw('{"jsonrpc":"2.0","id":1,"method":"\\ud800"}'), 400, -32600],
    ['the body is a number', raw('7'), 400, -32600],
    ['the body is null', raw('null'), 400, -32600],
    ['the body is an empty object', raw('{}'), 400, -32600],
    ['jsonrpc is missing', raw('{"id":1,"method":"ping"}'), 400, -32600],
    ['jsonrpc is 2', raw('{"jsonrpc":2,"id":1,"method":"ping"}'), 400, -32600],
    ['the id is null', raw('{"jsonrpc":"2.0","id":null,"method":"tools/call","params":{"name":"kv_put","arguments":{"key":"never","value":"never"}}}'), 400, -32600],
    ['the id is a fraction', raw('{"jsonrpc":"2.0","id":1.5,"method":"ping"}'), 400, -32600],
    ['the id is an object', raw('{"jsonrpc":"2.0","id":{},"method":"ping"}'), 400, -32600],
    ['the id is longer than any counter', raw(`{"jsonrpc":"2.0","id":${'9'.repeat(100_000)},"method":"ping"}`), 400, -32600],
    ['the id is a long text', raw(`{"jsonrpc":"2.0","id":"${'x'.repeat(2_000)}","method":"ping"}`), 400, -32600],
    ['a call has no id', raw(JSON.stringify({ jsonrpc: '2.0', method: 'tools/call', params: put })), 400, -32600],
    ['a call of the later era has no id', { json: { ...envelope(whole), id: undefined }, headers: headersOf() }, 400, -32600],
    ['the method comes twice', raw('{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}'), 400, -32600],
    ['the id comes twice, once escaped', raw('{"jsonrpc":"2.0","id":1,"\\u0069d":2,"method":"ping"}'), 400, -32600],
    ['the tool comes twice', raw('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"kv_get","name":"kv_put","arguments":{"key":"never","value":"never"}}}'), 400, -32602],
    ['the version in _meta comes twice', raw(text.replace(`"${capabilitiesKey}"`, `"${versionKey}":"2025-11-25","${capabilitiesKey}"`), headersOf()), 400, -32602],
    ['the message has a member of its own', raw('{"jsonrpc":"2.0","id":1,"method":"ping","__proto__":{"x":1}}'), 400, -32600],
    ['the message is a response', raw('{"jsonrpc":"2.0","id":1,"result":{}}'), 400, -32600],
    ['the message is a request and a response', raw('{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}'), 400, -32600],
    ['the parameters are a list', raw('{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}'), 400, -32602],
    ['the message nests too deeply', raw(`{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":${'['.repeat(100)}${']'.repeat(100)}}}`), 400, -32600],
    ['the body is nothing but brackets', raw('['.repeat(1_000_000)), 400, -32600],
    // Several messages.
    ['the list is empty', raw('[]'), 400, -32600],
    ['a list in a version without lists', raw(`[${JSON.stringify(legacy('tools/call', put).json)}]`, { 'MCP-Protocol-Version': '2025-06-18' }), 400, -32600],
    ['a list in the later era', raw(`[${text}]`, headersOf()), 400, -32600],
    ['a list with a message of the later era', raw(`[${JSON.stringify({ ...envelope(whole), method: 'tools/call' })}]`), 200, undefined],
    ['a list with initialize', raw(`[${JSON.stringify(legacy('initialize', { protocolVersion: '2025-03-26' }).json)},${JSON.stringify(legacy('tools/call', put).json)}]`), 400, -32600],
    ['a list that is too long', raw(JSON.stringify(Array(51).fill(legacy('tools/call', put).json))), 400, -32600],
    // What a page of another site could send without asking.
    ['the body is declared as text', { body: text, headers: headersOf({ 'content-type': 'text/plain' }) }, 415, -32600],
    ['the body is declared as a form', { body: text, headers: headersOf({ 'content-type': 'application/x-www-form-urlencoded' }) }, 415, -32600],
    ['the body is not declared', { body: text, headers: headersOf() }, 415, -32600],
    ['the body is declared twice', { body: text, headers: headersOf({ 'content-type': 'text/plain, application/json' }) }, 415, -32600],
  ];
  for (const [name, options, status, code] of refusals) {
    test(`refused: ${name}`, async () => {
      const answer = await post(options);
      const errors = [answer.json].flat().map((message) => message.error?.code);
      assert.equal(answer.status, status, answer.text.slice(0, 300));
      for (const error of errors) assert.equal(error, code ?? -32020, answer.text.slice(0, 300));
      assert.equal(answer.headers.get('content-type'), 'application/json');
      for (const message of [answer.json].flat()) assert.deepEqual([message.jsonrpc, message.result, typeof message.error.message], ['2.0', undefined, 'string']);
      await assertNothingDone();
    });
  }

  test('an unsupported version is answered with those that there are', async () => {
    const future = await post({ json: envelope({ ...whole, [versionKey]: '2031-01-01' }), headers: headersOf({ 'MCP-Protocol-Version': '2031-01-01' }) });
    assert.deepEqual([future.json.id, future.json.error.data], [1, { supported: [modernVersion], requested: '2031-01-01' }]);
    const older = await post(legacy('ping', undefined, { version: '2025-01-01' }));
    assert.deepEqual(older.json.error.data, { supported: [modernVersion, ...legacyVersions], requested: '2025-01-01' });
  });

  test('an error whose request has no readable id has null for one before 2026-07-28, and none since', async () => {
    assert.equal((await post(raw('{'))).json.id, null);
    assert.equal('id' in (await post(raw('{', headersOf()))).json, false);
  });

  test('a name header in base64 is read', async () => {
    const dry = await openRun(gateway);
    const answer = await post(modern('tools/call', { name: 'kv_get', arguments: { key: 'greeting' } }, { headers: { 'Mcp-Name': base64('kv_get') } }), { token: dry.token });
    assert.equal(answer.json.result.structuredContent.value, 'hello');
    assert.deepEqual([answer.headers.get('run-id'), answer.headers.get('dry-run'), answer.headers.get('environment')], [dry.id, 'true', 'staging']);
  });

  test('nobody without a valid credential of this environment gets an answer of the protocol', async () => {
    for (const [credential, status, code] of [
      [{}, 401, 'unauthenticated'],
      [{ key: 'drk_staging_nonsense' }, 401, 'unauthenticated'],
      [{ token: `${run.token}x` }, 401, 'unauthenticated'],
      [{ key: 'drk_production_nonsense' }, 403, 'wrong_environment'],
    ]) {
      for (const options of [modern('server/discover'), modern('tools/list'), legacy('initialize', { protocolVersion: '2025-11-25' }), modern('tools/call', put), raw('no JSON')]) {
        const answer = await post(options, credential);
        assertProblem(answer, status, code);
        assert.equal(answer.headers.get('www-authenticate') !== null, status === 401);
      }
    }
    await assertNothingDone();
  });

  test('a page of another origin is refused before anything else, whatever it sends', async () => {
    const own = gateway.url;
    const port = new URL(own).port;
    for (const origin of ['http://evil.example', 'null', `${own}.evil.example`, `http://localhost:${port}`, `https://127.0.0.1:${port}`, `${own}/`, `http://127.0.0.1:${Number(port) + 1}`, `${own}, ${own}`]) {
      for (const [method, options] of [['POST', modern('tools/call', put)], ['POST', raw('no JSON', { 'Dry-Run': 'maybe' })], ['GET', { headers: {} }], ['OPTIONS', { headers: { 'access-control-request-method': 'POST' } }]]) {
        const answer = await post({ ...options, method, headers: { ...options.headers, origin } });
        assert.deepEqual([answer.status, answer.json?.error?.code], [403, -32600], `${method} ${origin} ${answer.text}`);
        assert.equal([...answer.headers.keys()].find((name) => name.startsWith('access-control-')), undefined);
      }
      const nobody = await post({ ...modern('tools/call', put), headers: { ...modern('tools/call', put).headers, origin } }, {});
      assert.equal(nobody.status, 403);
    }
    const rebound = await post({ ...modern('tools/call', put), headers: { ...modern('tools/call', put).headers, origin: 'http://evil.example', host: 'evil.example' } });
    assert.deepEqual([rebound.status, rebound.json.error.code], [403, -32600], 'a name that points to this machine');
    await assertNothingDone();
    const allowed = await post({ ...modern('tools/list'), headers: { ...modern('tools/list').headers, origin: own } });
    assert.equal(allowed.status, 200);
    assert.equal([...allowed.headers.keys()].find((name) => name.startsWith('access-control-')), undefined);
  });

  test('random damage to a message is never an accident of the server', async () => {
    const dry = await openRun(gateway);
    let seedOfChance = 20260728;
    const chance = (below) => (seedOfChance = (seedOfChance * 1103515245 + 12345) % 2147483648) % below;
    const source = Buffer.from(text);
    for (let round = 0; round < 300; round += 1) {
      const damaged = Buffer.from(source);
      for (let cut = 0; cut <= chance(4); cut += 1) damaged[chance(damaged.length)] = chance(256);
      const body = chance(3) === 0 ? damaged.subarray(0, chance(damaged.length)) : damaged;
      const answer = await post({ body, headers: { ...json, ...headersOf() } }, { token: dry.token });
      const said = answer.json?.error?.code ?? answer.json?.result?.isError ?? answer.status === 202;
      assert.ok(answer.status < 500 && said !== undefined, `${answer.status} ${body.toString('latin1')}`);
    }
    assert.equal((await post(modern('tools/call', { name: 'run_status', arguments: {} }), { token: dry.token })).json.result.isError, false);
    assert.equal(await gateway.digest(), untouched);
  });
});
