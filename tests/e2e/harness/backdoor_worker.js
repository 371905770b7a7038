// Runs inside workerd with direct bindings to every store, so that a test sees them without the gateway and its proxies.

import { Buffer } from 'node:buffer';

export default {
  async fetch(request, env) {
    const { store, operation, input } = await request.json();
    try {
      const result = await operations[operation](env[store], input.map(decode));
      return Response.json({ result: encode(result) });
    } catch (error) {
      return Response.json({ error: String(error?.message ?? error) }, { status: 500 });
    }
  },
};

// JSON carries neither bytes nor dates, which values and metadata are made of.
function decode(value) {
  if (value === null || typeof value !== 'object') return value;
  if (typeof value.$bytes === 'string') return new Uint8Array(Buffer.from(value.$bytes, 'base64'));
  if (typeof value.$date === 'string') return new Date(value.$date);
  if (Array.isArray(value)) return value.map(decode);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, decode(inner)]));
}

function encode(value) {
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof ArrayBuffer) return { $bytes: Buffer.from(value).toString('base64') };
  if (value instanceof Date) return { $date: value.toISOString() };
  if (Array.isArray(value)) return value.map(encode);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, encode(inner)]));
}

const operations = {
  d1_all: async (database, [sql, params]) => (await database.prepare(sql).bind(...params).all()).results,
  // Local D1 runs every statement of one string, in one transaction; its own exec() would split the text at line ends.
  d1_exec: async (database, [sql]) => (await database.prepare(sql).run()).meta,
  d1_contents: (database) => d1Contents(database),

  kv_get: (namespace, [key, type]) => namespace.get(key, type),
  kv_getWithMetadata: async (namespace, [key, type]) => {
    const { value, metadata } = await namespace.getWithMetadata(key, type);
    return { value, metadata };
  },
  kv_put: (namespace, [key, value, options]) => namespace.put(key, value, options ?? {}),
  kv_delete: (namespace, [key]) => namespace.delete(key),
  kv_list: (namespace, [options]) => listAll(namespace, options, ({ keys }) => keys),
  kv_contents: (namespace) => kvContents(namespace),

  r2_get: async (bucket, [key]) => {
    const object = await bucket.get(key);
    return object && { ...describeObject(object), bytes: await object.arrayBuffer() };
  },
  r2_head: async (bucket, [key]) => {
    const object = await bucket.head(key);
    return object && describeObject(object);
  },
  r2_put: async (bucket, [key, value, options]) => describeObject(await bucket.put(key, value, options ?? {})),
  r2_delete: (bucket, [keys]) => bucket.delete(keys),
  r2_list: async (bucket, [options]) =>
    (await listAll(bucket, { include: ['httpMetadata', 'customMetadata'], ...options }, ({ objects }) => objects)).map(describeObject),
  r2_contents: (bucket) => r2Contents(bucket),
};

function describeObject({ key, size, etag, version, uploaded, httpMetadata, customMetadata, checksums }) {
  const { md5, sha1, sha256, sha384, sha512 } = checksums ?? {};
  const known = Object.entries({ md5, sha1, sha256, sha384, sha512 }).filter(([, bytes]) => bytes);
  const hex = known.map(([name, bytes]) => [name, Buffer.from(bytes).toString('hex')]);
  return { key, size, etag, version, uploaded, httpMetadata, customMetadata, checksums: Object.fromEntries(hex) };
}

async function listAll(store, options, itemsOf) {
  const items = [];
  for (let cursor; ; ) {
    const page = await store.list({ ...options, cursor });
    items.push(...itemsOf(page));
    cursor = page.cursor;
    if (!cursor) return items;
  }
}

// The contents of a store as lines: one for every schema object, row, key or object. Two stores are equal when their lines are.

const name = (identifier) => `"${identifier.replaceAll('"', '""')}"`;
// quote() keeps integers and reals to the last bit but cuts a text at its first NUL; hex() does not.
const exactly = (column) =>
  `CASE typeof(${name(column)}) WHEN 'text' THEN 'text:' || hex(${name(column)}) WHEN 'blob' THEN 'blob:' || hex(${name(column)}) ELSE quote(${name(column)}) END`;

async function d1Contents(database) {
  const all = async (sql) => (await database.prepare(sql).all()).results;
  const raw = (sql) => database.prepare(sql).raw();
  const schema = await all(
    `SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE '\\_cf\\_%' ESCAPE '\\' ORDER BY type, name`);
  const lines = schema.map((object) => `schema ${JSON.stringify(object)}`);
  for (const table of schema.filter(({ type }) => type === 'table').map((object) => object.name)) {
    const [{ wr: withoutRowid }] = await all(`SELECT wr FROM pragma_table_list WHERE name = ${sqlText(table)}`);
    const columns = (await all(`PRAGMA table_info(${name(table)})`)).map((column) => column.name);
    const order = withoutRowid ? columns.map((_, index) => index + 1).join(', ') : '_rowid_';
    const rows = [];
    // SQLite gives at most 100 columns in one result here, and a table may have as many.
    for (let first = 0; first < columns.length; first += 90) {
      const part = columns.slice(first, first + 90).map(exactly);
      const selected = withoutRowid ? part : [...part, '_rowid_'];
      const found = await raw(`SELECT ${selected.join(', ')} FROM ${name(table)} ORDER BY ${order}`);
      found.forEach((row, index) => (rows[index] = [...(rows[index] ?? []), ...row]));
    }
    lines.push(...rows.map((row) => `row ${JSON.stringify(table)} ${JSON.stringify(row)}`));
  }
  return lines;
}

const sqlText = (value) => `'${value.replaceAll("'", "''")}'`;

async function kvContents(namespace) {
  const lines = [];
  for (const { name: key, expiration } of await listAll(namespace, {}, ({ keys }) => keys)) {
    const { value, metadata } = await namespace.getWithMetadata(key, 'arrayBuffer');
    lines.push(`key ${JSON.stringify([key, await sha256(value), metadata ?? null, expiration ?? null])}`);
  }
  return lines;
}

async function r2Contents(bucket) {
  const lines = [];
  for (const { key } of await listAll(bucket, {}, ({ objects }) => objects)) {
    const object = await bucket.get(key);
    const { uploaded, version, ...described } = describeObject(object);
    lines.push(`object ${JSON.stringify([described, await sha256(await object.arrayBuffer())])}`);
  }
  return lines;
}

async function sha256(bytes) {
  return Buffer.from(await crypto.subtle.digest('SHA-256', bytes)).toString('hex');
}
