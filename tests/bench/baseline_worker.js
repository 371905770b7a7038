// What people write without a gateway, with the same API in small: /<guard>/<store>[/<key>][?run=<id>].
//
// `bare` just does it. `naive` is the usual dry-run switch: read a flag, then write. `naive-dry` is its other branch:
// read the flag, keep it standing, and answer what a write would have answered.

const flagOf = (url) => `dryrun_active:${url.searchParams.get('run')}`;

const guards = {
  bare: (env, url, write) => write(),
  naive: async (env, url, write) => ((await env.FLAGS.get(flagOf(url))) === null ? write() : refuse('the flag stands')),
  'naive-dry': async (env, url, write, mock) => {
    const flag = flagOf(url);
    await env.FLAGS.get(flag);
    await env.FLAGS.put(flag, '1', { expirationTtl: 3600 });
    return mock;
  },
};

const stores = {
  d1: async (request, env) => {
    const { sql, params } = await request.json();
    return { run: () => env.DB.prepare(sql).bind(...params).all(), mock: { success: true, results: [], meta: { changes: 1 } } };
  },
  kv: async (request, env, key) => {
    const value = await request.text();
    return { run: () => env.CACHE.put(key, value), mock: {} };
  },
  r2: async (request, env, key) => {
    const body = await request.arrayBuffer();
    const run = async () => {
      const { etag, size, version, uploaded } = await env.FILES.put(key, body);
      return { key, etag, size, version, uploaded };
    };
    return { run, mock: { key, size: body.byteLength } };
  },
};

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const [, guard, store, ...key] = url.pathname.split('/');
    const { run, mock } = await stores[store](request, env, key.join('/'));
    const result = await guards[guard](env, url, run, mock);
    return Response.json({ result, success: true, errors: [], messages: [] });
  },
};

function refuse(why) {
  throw new Error(why);
}
