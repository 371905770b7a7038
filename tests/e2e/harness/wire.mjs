// Reads what the real bindings send to their stores: which operation, on which key, with which SQL, and whether it writes.

export function describeRequest({ store, kind, method, url, headers, body }) {
  const shape = { d1: describeD1, kv: describeKv, r2: describeR2 }[kind]({ method, url: new URL(url, 'http://store'), headers, body });
  return {
    store,
    kind,
    method,
    path: url,
    headers,
    body: body.length <= 65_536 ? body.toString('utf8') : null,
    bytes: body.length,
    operation: null,
    key: null,
    statements: [],
    ...shape,
  };
}

function describeD1({ url, body }) {
  let queries = [];
  try {
    queries = [JSON.parse(body.toString('utf8'))].flat();
  } catch {
    // Not ours to judge: the simulator will answer it.
  }
  const statements = queries.map(({ sql, params }) => ({ sql: String(sql), params: params ?? [] }));
  return { operation: url.pathname.slice(1), statements, write: statements.some(({ sql }) => mayWrite(sql)) };
}

/** How many rows D1 answered to each statement; none where it said no. */
export function answeredRows(body) {
  try {
    return [JSON.parse(body.toString('utf8'))].flat().map(({ results }) => (results?.rows ?? results ?? []).length);
  } catch {
    return [];
  }
}

// A guess that errs towards "write": good enough to aim a fault. Assertions look at `statements`.
function mayWrite(sql) {
  const words = sql.replace(/--[^\n]*|\/\*[\s\S]*?\*\//g, ' ').replace(/'(?:[^']|'')*'/g, "''").trim();
  if (/;\s*\S/.test(words)) return true;
  if (/^with\b/i.test(words)) return /\b(insert|update|delete|replace)\b/i.test(words);
  if (/^pragma\b/i.test(words)) return words.includes('=');
  return !/^(select|values|explain)\b/i.test(words);
}

function describeKv({ method, url, body }) {
  if (url.pathname === '/bulk/get' && method === 'POST') {
    const keys = JSON.parse(body.toString('utf8')).keys;
    return { operation: 'bulk_get', key: null, keys, write: false };
  }
  if (url.pathname === '/' && method === 'GET') return { operation: 'list', write: false };
  const operation = { GET: 'get', PUT: 'put', DELETE: 'delete' }[method] ?? method;
  const raw = url.pathname.slice(1);
  const key = url.searchParams.get('urlencoded') === 'true' ? decodeURIComponent(raw) : raw;
  return { operation, key, write: operation !== 'get' };
}

function describeR2({ headers, body }) {
  let request = {};
  try {
    const size = Number(headers['cf-r2-metadata-size'] ?? 0);
    request = JSON.parse(headers['cf-r2-request'] ?? body.subarray(0, size).toString('utf8'));
  } catch {
    // As above.
  }
  const operation = request.method ?? null;
  return {
    operation,
    key: request.object ?? null,
    keys: request.objects,
    write: !['head', 'get', 'list'].includes(operation),
  };
}

// Predicates for `gateway.fault`.
export const reads = (request) => !request.write;
export const writes = (request) => request.write;
export const onKey = (key) => (request) => request.key === key || (request.keys ?? []).includes(key);
export const both = (first, second) => (request) => first(request) && second(request);
