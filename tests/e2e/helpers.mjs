// Small moves that the end-to-end tests share.

import assert from 'node:assert/strict';

const account = '/client/v4/accounts/local';

export const paths = {
  d1: (kind = 'query', store = 'DB') => `${account}/d1/database/${store}/${kind}`,
  kv: (rest, store = 'CACHE') => `${account}/storage/kv/namespaces/${store}/${rest}`,
  value: (key, query = '') => `${account}/storage/kv/namespaces/CACHE/values/${encodeURIComponent(key)}${query}`,
  objects: (query = '', store = 'FILES') => `${account}/r2/buckets/${store}/objects${query}`,
  object: (key, store = 'FILES') => `${account}/r2/buckets/${store}/objects/${encodeURIComponent(key)}`,
};

/** Opens a run; fails when it was not opened. Answers what the gateway answered, the token among it. */
export async function openRun(gateway, { key = 'agent', token, ...terms } = {}) {
  const opened = await gateway.api('/v1/runs', { ...(token ? { token } : { key }), json: terms });
  assert.ok(opened.status === 201 || opened.status === 200, `${opened.status} ${opened.text}`);
  return opened.json;
}

/** What an agent does with its token. `options`: headers, signal and the like, see client.mjs. */
export function agentOf(gateway, token) {
  const call = (path, options = {}) => gateway.api(path, { token, ...options });
  return {
    call,
    sql: (sql, params, options = {}) => call(paths.d1(), { json: { sql, ...(params ? { params } : {}) }, ...options }),
    batch: (batch, options = {}) => call(paths.d1(), { json: { batch }, ...options }),
    get: (key, options = {}) => call(paths.value(key), options),
    put: (key, body, options = {}) => call(paths.value(key), { method: 'PUT', body, ...options }),
    del: (key, options = {}) => call(paths.value(key), { method: 'DELETE', ...options }),
    getObject: (key, options = {}) => call(paths.object(key), options),
    putObject: (key, body, options = {}) => call(paths.object(key), { method: 'PUT', body, ...options }),
    delObject: (key, options = {}) => call(paths.object(key), { method: 'DELETE', ...options }),
  };
}

/** The run's report as JSON, read with its token or a key. */
export async function reportOf(gateway, id, credential = { key: 'operator' }) {
  const { status, json, text } = await gateway.api(`/v1/runs/${id}/report`, credential);
  assert.equal(status, 200, text);
  return json;
}

/** A problem is an RFC 9457 document and a Cloudflare envelope in one, and says what to do. Codes of a store's own errors have no remedy. */
export function assertProblem(answer, status, code, { remedy = true, about = '' } = {}) {
  const { json, headers, text } = answer;
  assert.deepEqual([answer.status, json?.code], [status, code], `${about} ${text.slice(0, 300)}`);
  assert.match(headers.get('content-type') ?? '', /json/, about);
  assert.deepEqual([json.status, json.success, json.result], [status, false, null], about);
  for (const member of ['type', 'title', 'detail']) assert.ok(typeof json[member] === 'string' && json[member] !== '', `${about} ${member}`);
  if (remedy) assert.ok(typeof json.remedy === 'string' && json.remedy.length > 5, `${about} remedy: ${json.remedy}`);
  assert.ok(Array.isArray(json.messages), about);
  assert.ok(json.errors.length > 0 && json.errors.every((error) => Number.isInteger(error.code) && error.message !== ''), `${about} errors`);
  if (status === 405) assert.match(headers.get('allow') ?? '', /^[A-Z*]+(, [A-Z]+)*$/, about);
  if (status === 503) assert.match(headers.get('retry-after') ?? headers.get('x-should-retry') ?? '', /^(\d+|false)$/, about);
  else if (status < 500 && status !== 409) assert.equal(headers.get('x-should-retry'), 'false', about);
}

/** Waits for a condition, not for a time; fails when it does not come true. */
export async function until(condition, what, { patience = 30_000, state } = {}) {
  const deadline = Date.now() + patience;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`this did not come true: ${what}${state ? ` (${JSON.stringify(state())})` : ''}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

let writesEverywhere = 0;
/** Writes a new name into the table things, as a key and as an object. Returns the answers by store. */
export async function writeEverywhere(agent, options) {
  const name = `everywhere-${(writesEverywhere += 1)}`;
  return {
    DB: await agent.sql('INSERT INTO things (name) VALUES (?)', [name], options),
    CACHE: await agent.put(name, name, options),
    FILES: await agent.putObject(name, name, options),
  };
}

export function assertAllPlanned(answers) {
  for (const [store, answer] of Object.entries(answers)) {
    assert.deepEqual([answer.status, answer.headers.get('dry-run')], [200, 'true'], `${store} ${answer.text}`);
  }
}
