// What wrangler uploads, environment by environment: the real command against a service that answers in Cloudflare's place and keeps what it was sent. With the
// configuration that the project comes with, and with one of somebody who set it up.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { parse } from 'smol-toml';
import { adopters, configuration, inProject, projectCopy, run, serve } from './helpers.mjs';

const flags = { staging: [], production: ['--env', 'production'] };
const account = 'a'.repeat(32);
const wrangler = (copy, words, env = {}) => run(inProject('node_modules/.bin/wrangler'), words, { cwd: copy.folder, env: { ...copy.env, ...env } });

const restOf = (asked) => asked.replace(/^\/client\/v4\/accounts\/[0-9a-f]{32}\//, '');

/** Cloudflare's API as far as a deployment asks it. Nothing exists yet, and everything is taken. */
async function cloudflare() {
  const service = await serve(({ method, path: asked, body }) => {
    const rest = restOf(asked);
    const ok = (result) => [200, { success: true, errors: [], messages: [], result }];
    if (method === 'GET' && rest.startsWith('workers/services/')) return [404, { success: false, errors: [{ code: 10090, message: 'workers.api.error.service_not_found' }], messages: [], result: null }];
    if (method === 'GET' && rest === 'workers/subdomain') return ok({ subdomain: 'acme' });
    if (method === 'GET' && rest.endsWith('/deployments')) return ok({ deployments: [] });
    if (method === 'GET' && rest.endsWith('/settings')) return ok({ bindings: [] });
    if (method === 'GET' && rest.endsWith('/subdomain')) return ok({ enabled: false, previews_enabled: false });
    if (asked === '/client/v4/zones') return ok([{ id: 'zone', name: 'acme.dev' }]);
    if (rest.endsWith('/domains/changeset')) return ok({ added: [], removed: [], updated: [], conflicting: [] });
    if (method === 'GET') return ok([]);
    return ok(rest.endsWith('/subdomain') ? JSON.parse(body) : { id: 'x', startup_time_ms: 1, deployment_id: 'd' });
  });
  const env = { CLOUDFLARE_API_BASE_URL: `${service.url}/client/v4`, CLOUDFLARE_API_TOKEN: 'token', CLOUDFLARE_ACCOUNT_ID: account };
  const written = () => service.asked.filter(({ method }) => method !== 'GET').map(({ method, path: asked, body }) => ({ what: `${method} ${restOf(asked)}`, body }));
  return { ...service, env, written };
}

/** The JSON part of an upload, and the names of its files. */
async function uploadOf(one, headers) {
  const form = await new Response(one.body, { headers: { 'content-type': headers['content-type'] } }).formData();
  return { metadata: JSON.parse(form.get('metadata')), files: [...form.keys()].filter((name) => name !== 'metadata') };
}

const by = (list, key) => [...list].sort((one, other) => (one[key] < other[key] ? -1 : 1));
/** The bindings that a section of wrangler.toml asks for, in the form of an upload. */
const bindingsOf = ({ vars, d1_databases, kv_namespaces, r2_buckets = [], durable_objects }) => by([
  ...Object.entries(vars).map(([name, value]) => (typeof value === 'string' ? { name, type: 'plain_text', text: value } : { name, type: 'json', json: value })),
  ...d1_databases.map(({ binding, database_id }) => ({ name: binding, type: 'd1', id: database_id })),
  ...kv_namespaces.map(({ binding, id }) => ({ name: binding, type: 'kv_namespace', namespace_id: id })),
  ...r2_buckets.map(({ binding, bucket_name }) => ({ name: binding, type: 'r2_bucket', bucket_name })),
  ...durable_objects.bindings.map(({ name, class_name }) => ({ name, type: 'durable_object_namespace', class_name })),
], 'name').map((binding) => JSON.parse(JSON.stringify(binding)));

for (const [whose, text] of [['the project', configuration], ['somebody who set it up', adopters]]) describe(`what is uploaded with the configuration of ${whose}`, { timeout: 300_000 }, () => {
  const toml = parse(text);
  const sections = { staging: toml, production: toml.env.production };
  const copy = projectCopy({ 'wrangler.toml': text });
  after(() => copy.remove());
  const sent = {};
  before(async () => {
    for (const name of ['staging', 'production']) {
      const api = await cloudflare();
      try {
        const done = await wrangler(copy, ['deploy', '--message', 'commit abc', '--var', 'COMMIT:abc', ...flags[name]], api.env);
        assert.equal(done.code, 0, done.said);
        const [upload] = api.asked.filter(({ method, path: asked }) => method === 'PUT' && /\/workers\/scripts\/[^/]+$/.test(asked));
        sent[name] = { ...(await uploadOf(upload, upload.headers)), script: upload.path.split('/').at(-1), written: api.written() };
      } finally {
        await api.stop();
      }
    }
  });

  test('a bare deployment goes to staging, and production only by its name', () => {
    assert.deepEqual([sent.staging.script, sent.production.script], [toml.name, toml.env.production.name]);
    for (const [name, other] of [['staging', 'production'], ['production', 'staging']]) {
      const scripts = sent[name].written.map(({ what }) => /workers\/scripts\/([^/?]+)/.exec(what)?.[1]).filter(Boolean);
      assert.ok(scripts.length > 0 && !scripts.includes(sent[other].script), scripts.join(' '));
    }
  });

  test('each gets the bindings and variables of its own section, the commit, and no other', () => {
    for (const name of ['staging', 'production']) assert.deepEqual(by(sent[name].metadata.bindings, 'name'), by([...bindingsOf(sections[name]), { name: 'COMMIT', type: 'plain_text', text: 'abc' }], 'name'), name);
  });

  test('nothing of one environment is in the upload of the other', () => {
    const valuesOf = (bindings) => new Set(bindings.flatMap(({ id, namespace_id, bucket_name, json }) => [id, namespace_id, bucket_name, ...Object.values(json ?? {}).flatMap((store) => [store.id, store.name])]).filter(Boolean));
    const [one, other] = ['staging', 'production'].map((name) => valuesOf(sent[name].metadata.bindings));
    assert.ok(one.size >= 5 && other.size >= 5);
    assert.deepEqual([...one].filter((value) => other.has(value)), []);
  });

  test('both make the same object classes, with SQLite, and run the same code', () => {
    for (const name of ['staging', 'production']) {
      const { metadata } = sent[name];
      assert.deepEqual(metadata.migrations, { new_tag: 'v1', steps: [{ new_sqlite_classes: ['RunObject', 'ShadowObject'] }] }, name);
      assert.deepEqual([metadata.main_module, metadata.compatibility_date, metadata.compatibility_flags], ['index.js', toml.compatibility_date, []], name);
    }
    assert.deepEqual(sent.production.files.sort(), sent.staging.files.sort());
  });

  test('no secret is in an upload: they are set once, by hand', () => {
    for (const name of ['staging', 'production']) assert.doesNotMatch(JSON.stringify(sent[name].metadata), /secret|KEYS|TOKEN_SECRET/, name);
  });

  test('the doors are the ones that are asked for: no previews, and a domain of its own where there is one', () => {
    for (const name of ['staging', 'production']) {
      const { name: worker, routes } = sections[name];
      const subdomain = [`POST workers/scripts/${worker}/subdomain`, { enabled: toml.workers_dev, previews_enabled: false }];
      const domains = (routes ?? []).map(({ pattern }) => [`PUT workers/scripts/${worker}/domains/records`, pattern]);
      const doors = sent[name].written.filter(({ what }) => /subdomain|routes|domains\/records|schedules/.test(what));
      assert.deepEqual(doors.map(({ what, body }) => {
        const json = JSON.parse(body);
        return [what.split('?')[0], json.origins ? json.origins.map(({ hostname }) => hostname).join() : json];
      }), [subdomain, ...domains], name);
    }
  });

  test('log lines are kept, and requests with their keys are not', () => {
    for (const name of ['staging', 'production']) assert.deepEqual(sent[name].metadata.observability, { enabled: true, logs: { invocation_logs: false } }, name);
  });

  test('the commit stands beside the version', () => {
    for (const name of ['staging', 'production']) assert.equal(sent[name].metadata.annotations['workers/message'], 'commit abc');
  });
});

describe('a shell that is set to production', { timeout: 120_000 }, () => {
  const copy = projectCopy();
  after(() => copy.remove());
  for (const words of [['deploy'], ['deploy', '--env', 'production'], ['versions', 'upload']]) {
    test(`wrangler ${words.join(' ')} uploads nothing, and says what to do`, async () => {
      const api = await cloudflare();
      try {
        const { code, said } = await wrangler(copy, words, { ...api.env, CLOUDFLARE_ENV: 'production' });
        assert.notEqual(code, 0);
        assert.match(said, /CLOUDFLARE_ENV is set to production; nothing was built or deployed\. Unset it/);
        assert.deepEqual(api.written(), []);
      } finally {
        await api.stop();
      }
    });
  }
});
