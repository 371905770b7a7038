// Stands between the gateway's bindings and the simulators of its stores: records every request and injects faults.

import http from 'node:http';
import { once } from 'node:events';
import { newAgent } from './connections.mjs';
import { answeredRows, describeRequest } from './wire.mjs';
import { faultAction } from './faults.mjs';
import { snapshotOfKv } from './frozen_kv.mjs';

export class StoreProxy {
  #stores;
  #servers = new Map();
  #faults = [];
  #pending = new Set();
  #simulatorPort;
  #agent = newAgent();
  requests = [];

  /** @param simulatorPort  (binding) => port of its simulator now; it changes when workerd restarts */
  constructor(stores, simulatorPort) {
    this.#stores = new Map(stores.map((store) => [store.binding, store]));
    this.#simulatorPort = simulatorPort;
  }

  /** Returns { binding: port }. The ports stay the same until `stop`. */
  async start() {
    const ports = {};
    for (const store of this.#stores.values()) {
      const server = http.createServer({ keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 });
      server.on('request', (request, response) => {
        this.#handle(store, request, response).catch((error) => {
          // A request that workerd gave up, or one to a workerd that was killed: there is nobody left to tell.
          if (process.env.HARNESS_DEBUG) console.error('proxy', store.binding, error);
          response.destroy();
        });
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      this.#servers.set(store.binding, server);
      ports[store.binding] = server.address().port;
    }
    return ports;
  }

  async fault(store, predicate, kind, { after = false, times = Infinity } = {}) {
    if (!this.#stores.has(store)) throw new Error(`no store ${store}`);
    const matches = predicate ?? (() => true);
    if (kind === 'stale' || kind === 'absent') {
      if (this.#stores.get(store).kind !== 'kv') throw new Error(`only KV can be ${kind}`);
    }
    const ask = (method, path) => this.#askSimulator(store, { method, path, headers: {}, body: Buffer.alloc(0) });
    const snapshot = kind === 'stale' ? await snapshotOfKv(ask) : undefined;
    this.#faults.unshift({ store, matches, act: faultAction(kind, { after, snapshot }), kind, remaining: times });
  }

  /** Without a store: all of them. What hangs is broken off. */
  heal(store) {
    const healed = (other) => store === undefined || other === store;
    this.#faults = this.#faults.filter((fault) => !healed(fault.store));
    for (const exchange of this.#pending) if (healed(exchange.request.store)) exchange.reset();
  }

  /** Requests to the old workerd must not linger in a test that has killed it. */
  forgetConnections() {
    for (const exchange of this.#pending) exchange.reset();
    this.#agent.destroy();
    this.#agent = newAgent();
  }

  async stop() {
    this.heal();
    this.#agent.destroy();
    for (const server of this.#servers.values()) {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    }
  }

  async #handle(store, incoming, response) {
    const body = await readAll(incoming);
    const { method, url, headers } = incoming;
    const request = describeRequest({ store: store.binding, kind: store.kind, method, url, headers, body });
    const fault = this.#faults.find((candidate) => {
      return candidate.store === store.binding && candidate.remaining > 0 && candidate.matches(request);
    });
    request.fault = fault ? fault.kind : null;
    request.status = null;
    request.rows = [];
    this.requests.push(request);

    const askStore = () => this.#askSimulator(store.binding, { method, path: url, headers, body });
    const exchange = new Exchange(request, response, askStore, this.#pending);
    if (!fault) return exchange.forward();
    fault.remaining -= 1;
    return fault.act(exchange);
  }

  async #askSimulator(binding, { method, path, headers, body }) {
    const forwarded = { ...headers, 'content-length': String(body.length) };
    delete forwarded['transfer-encoding'];
    delete forwarded.connection;
    if (body.length === 0 && (method === 'GET' || method === 'HEAD')) delete forwarded['content-length'];
    const outgoing = http.request({
      host: '127.0.0.1', port: this.#simulatorPort(binding), method, path, headers: forwarded, agent: this.#agent,
    });
    outgoing.end(body);
    const [answer] = await once(outgoing, 'response');
    return { status: answer.statusCode, headers: answer.headers, body: await readAll(answer) };
  }
}

/** One request of the gateway and everything a fault may do with it. */
class Exchange {
  #response;
  #pending;

  constructor(request, response, askStore, pending) {
    this.request = request;
    this.askStore = askStore;
    this.#response = response;
    this.#pending = pending;
    response.sendDate = false;
    response.once('close', () => this.#pending.delete(this));
  }

  async forward() {
    const { status, headers, body } = await this.askStore();
    if (this.request.kind === 'd1') this.request.rows = answeredRows(body);
    return this.answer(status, headers, body);
  }

  answer(status, headers, body) {
    const bytes = Buffer.from(body);
    this.beginAnswer(status, { ...headers, 'content-length': String(bytes.length) });
    this.#response.end(bytes);
  }

  beginAnswer(status, headers) {
    const sent = { ...headers };
    delete sent['transfer-encoding'];
    delete sent.connection;
    delete sent['keep-alive'];
    this.request.status = status;
    this.#response.writeHead(status, sent);
  }

  sendPart(bytes) {
    return new Promise((resolve) => this.#response.write(bytes, resolve));
  }

  hang() {
    this.#pending.add(this);
  }

  wait(milliseconds) {
    return new Promise((resolve) => setTimeout(resolve, milliseconds));
  }

  reset() {
    this.#response.socket?.resetAndDestroy();
  }
}

async function readAll(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}
