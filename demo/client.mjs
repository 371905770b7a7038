// The gateway as an agent sees it: Cloudflare's REST shape over HTTP, and nothing else.

/** What the gateway or a store said no to. `code` is stable, `message` is for people. */
export class Refusal extends Error {
  constructor({ code, detail, remedy, status }) {
    super(detail);
    Object.assign(this, { code, remedy, status });
  }
}

export class Gateway {
  #root;
  #token;
  #paths;
  requests = 0;

  /** Asks the gateway for the stores behind it. `token` is a run token: it names the run, so no call has to. */
  static async connect(url, token) {
    const gateway = new Gateway();
    gateway.#root = url;
    gateway.#token = token;
    const { account, stores } = await gateway.#json('GET', '/v1/environment');
    const store = (kind) => stores.find((candidate) => candidate.kind === kind);
    const base = `/client/v4/accounts/${account}`;
    gateway.#paths = {
      d1: `${base}/d1/database/${store('d1').id}`,
      kv: `${base}/storage/kv/namespaces/${store('kv').id}`,
      r2: `${base}/r2/buckets/${store('r2').name}/objects`,
    };
    return gateway;
  }

  /** One statement: { rows, changes, replayed }. */
  async sql(sql, params = [], options) {
    return (await this.#query({ sql, params }, options))[0];
  }

  /** Statements as [sql, params], in one transaction. `once` makes a repetition harmless. */
  async batch(statements, options) {
    return this.#query({ batch: statements.map(([sql, params = []]) => ({ sql, params })) }, options);
  }

  /** The text of a value, or null. */
  async value(key) {
    return absent('key_not_found', async () => (await this.#send('GET', this.#key(key))).text());
  }

  /** Many values at once; null for what is not there. */
  async values(keys) {
    return (await this.#json('POST', `${this.#paths.kv}/bulk/get`, { json: { keys } })).result.values;
  }

  /** [{ name, expiration, metadata }] */
  async keys(prefix) {
    return (await this.#json('GET', `${this.#paths.kv}/keys?prefix=${encodeURIComponent(prefix)}`)).result;
  }

  async putValue(key, value, { metadata, ttl } = {}) {
    const form = new FormData();
    form.set('value', value);
    if (metadata) form.set('metadata', JSON.stringify(metadata));
    await this.#json('PUT', `${this.#key(key)}${ttl ? `?expiration_ttl=${ttl}` : ''}`, { body: form });
  }

  async deleteValue(key) {
    await this.#json('DELETE', this.#key(key));
  }

  /** { bytes, etag, type, metadata }, or null. */
  async object(key) {
    return absent('object_not_found', async () => {
      const response = await this.#send('GET', this.#object(key));
      const metadata = [...response.headers].filter(([name]) => name.startsWith('x-amz-meta-')).map(([name, value]) => [name.slice(11), value]);
      return {
        bytes: Buffer.from(await response.arrayBuffer()),
        etag: response.headers.get('etag'),
        type: response.headers.get('content-type'),
        metadata: Object.fromEntries(metadata),
      };
    });
  }

  /** [{ key, size, etag, … }] */
  async objects(prefix) {
    return (await this.#json('GET', `${this.#paths.r2}?prefix=${encodeURIComponent(prefix)}&per_page=1000`)).result;
  }

  async putObject(key, body, { type, metadata = {} }) {
    const custom = Object.entries(metadata).map(([name, value]) => [`x-amz-meta-${name}`, value]);
    return (await this.#json('PUT', this.#object(key), { body, headers: { 'content-type': type, ...Object.fromEntries(custom) } })).result;
  }

  async deleteObject(key) {
    await this.#json('DELETE', this.#object(key));
  }

  async #query(json, { once } = {}) {
    const headers = once ? { 'idempotency-key': once } : {};
    const response = await this.#send('POST', `${this.#paths.d1}/query`, { json, headers });
    const replayed = response.headers.get('idempotent-replayed') === 'true';
    return (await response.json()).result.map(({ results, meta }) => ({ rows: results, changes: meta.changes, replayed }));
  }

  async #json(...request) {
    return (await this.#send(...request)).json();
  }

  async #send(method, path, { json, body, headers = {} } = {}) {
    this.requests += 1;
    const response = await fetch(`${this.#root}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#token}`, ...(json ? { 'content-type': 'application/json' } : {}), ...headers },
      body: json ? JSON.stringify(json) : body,
    });
    if (!response.ok) throw new Refusal(await problem(response));
    // An agent that was told to rehearse stops at the first answer that does not say so.
    if (this.#paths && response.headers.get('dry-run') !== 'true') throw new Error(`${method} ${path} was not a dry run`);
    return response;
  }

  #key(key) {
    return `${this.#paths.kv}/values/${encodeURIComponent(key)}`;
  }

  #object(key) {
    return `${this.#paths.r2}/${encodeURIComponent(key)}`;
  }
}

async function problem(response) {
  const text = await response.text();
  try {
    return { status: response.status, ...JSON.parse(text) };
  } catch {
    return { status: response.status, code: 'no_problem', detail: `HTTP ${response.status}: ${text.slice(0, 200)}` };
  }
}

async function absent(code, read) {
  try {
    return await read();
  } catch (error) {
    if (error.code === code) return null;
    throw error;
  }
}
