// A KV namespace that answers reads from the past, as an edge cache does after a change elsewhere.

/** Copies every key of a namespace through `ask(method, path, body)`, as the binding itself would read it. */
export async function snapshotOfKv(ask) {
  const entries = new Map();
  for (let cursor = ''; cursor !== undefined; ) {
    const page = JSON.parse((await ask('GET', `/?key_count_limit=1000&cursor=${encodeURIComponent(cursor)}`)).body);
    for (const { name, expiration, metadata } of page.keys) {
      const { status, headers, body } = await ask('GET', `/${encodeURIComponent(name)}?urlencoded=true`);
      if (status === 200) entries.set(name, { headers, body, listing: { name, expiration, metadata } });
    }
    cursor = page.list_complete ? undefined : page.cursor;
  }
  return entries;
}

export function frozenAnswer(exchange, entries) {
  const { operation, key, keys, path, write } = exchange.request;
  // A write goes through: it is its later reading that is late.
  if (write) return exchange.forward();
  if (operation === 'get') {
    const entry = entries.get(key);
    return entry ? exchange.answer(200, entry.headers, entry.body) : exchange.answer(404, {}, 'Not Found');
  }
  if (operation === 'bulk_get') {
    const values = Object.fromEntries(keys.map((name) => [name, entries.get(name)?.body.toString('utf8') ?? null]));
    return exchange.answer(200, {}, JSON.stringify(values));
  }
  const prefix = new URL(path, 'http://store').searchParams.get('prefix') ?? '';
  const listed = [...entries.values()].map(({ listing }) => listing).filter(({ name }) => name.startsWith(prefix));
  return exchange.answer(200, {}, JSON.stringify({ keys: listed, list_complete: true, cacheStatus: null }));
}
