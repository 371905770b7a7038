// A run's requests to all three stores in few words, and what may reach the stores when the run is dry.

import assert from 'node:assert/strict';
import { openRun, paths } from './helpers.mjs';

/** Opens a run and answers what can be asked in it. Every request takes the options of `gateway.api`. */
export async function agentIn(gateway, terms = {}, key = 'agent') {
  const { id, token } = await openRun(gateway, { key, ...terms });
  const ask = (path, options = {}) => gateway.api(path, { token, ...options });
  return {
    id,
    token,
    ask,
    query: (sql, params, options) => ask(paths.d1(), { json: { sql, params }, ...options }),
    batch: (batch, options) => ask(paths.d1(), { json: { batch }, ...options }),
    raw: (sql, params, options) => ask(paths.d1('raw'), { json: { sql, params }, ...options }),
    /** `path`: values/…, keys, metadata/… or bulk. */
    kv: (path, options) => ask(paths.kv(path), options),
    /** `path` is what follows /objects: /key or ?prefix=…. */
    r2: (path, options) => ask(paths.objects(path), options),
  };
}

/** A multipart form as the Cloudflare SDKs send a KV value with its metadata. */
export function multipart(fields) {
  const boundary = 'a-boundary-between-fields';
  const parts = Object.entries(fields).flatMap(([name, value]) => [
    Buffer.from(`--${boundary}\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n`), Buffer.from(value), Buffer.from('\r\n'),
  ]);
  return { headers: { 'content-type': `multipart/form-data; boundary=${boundary}` }, body: Buffer.concat([...parts, Buffer.from(`--${boundary}--\r\n`)]) };
}

/**
 * Whether a text can be nothing but one SELECT. It errs towards "no": SQLite has no statement that begins with SELECT or VALUES (which is
 * a SELECT in its grammar) and writes, and one that begins with WITH writes only where one of four words stands outside of quotes.
 */
export function isSingleSelect(sql) {
  const bare = sql
    .replace(/'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|--[^\n]*|\/\*[\s\S]*?\*\//g, (part) => (/^(--|\/\*)/.test(part) ? ' ' : ' quoted '))
    .trim()
    .replace(/;$/, '');
  if (/['"`[]|\/\*/.test(bare) || bare.includes(';')) return false;
  if (/^with\b/i.test(bare)) return !/\b(insert|update|delete|replace\s+into)\b/i.test(bare);
  return /^(select|values)\b/i.test(bare);
}

const harmless = { kv: ['get', 'bulk_get', 'list'], r2: ['get', 'head', 'list'] };

/** Asserts that of all that the recorder saw, the targets got only reads, and FLAGS nothing but the flag of `runs`. */
export function assertOnlyReads(gateway, runs) {
  const flags = runs.map((run) => `dryrun_active:${run}`);
  for (const request of gateway.recorder.requests) {
    if (request.store === 'CONTROL') continue;
    const seen = `${request.store} ${request.method} ${request.path} ${request.operation} ${request.key ?? ''} ${JSON.stringify(request.statements)}`;
    if (request.store === 'FLAGS') {
      assert.ok(request.operation === 'get' || (request.operation === 'put' && flags.includes(request.key)), seen);
    } else if (request.kind === 'd1') {
      assert.ok(request.statements.length > 0 && request.statements.every(({ sql }) => isSingleSelect(sql)), seen);
    } else {
      assert.ok(harmless[request.kind].includes(request.operation), seen);
    }
  }
}
