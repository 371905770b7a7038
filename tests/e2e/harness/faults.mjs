// The ways in which a store can fail. A fault is chosen per request; see `gateway.fault` in gateway.mjs.

import { frozenAnswer } from './frozen_kv.mjs';

/**
 * Turns what a test wrote into a function (request, proxy) => Promise.
 *
 *   '503' '429' '500' '404' …  that status
 *   'hang'                     no answer until healed or stopped, then the connection breaks
 *   'reset'                    the connection breaks at once (TCP RST)
 *   'truncated'                the store's answer breaks off half way through its body
 *   'absent'                   KV: as if there were no such key (a cached absence)
 *   'stale'                    KV: what the namespace held when the fault was set
 *   { delay: milliseconds }    the store's answer, later
 *   { first: async () => … }   the store's answer, after that was done
 *   { body, status, headers }  this answer
 *
 * With `after` the store gets the request first and its answer is lost: the effect has happened, the caller cannot know.
 */
export function faultAction(kind, { after = false, snapshot } = {}) {
  const act = action(kind, snapshot);
  if (!after) return act;
  return async (exchange) => {
    await exchange.askStore();
    return act(exchange);
  };
}

function action(kind, snapshot) {
  if (typeof kind === 'number' || /^\d{3}$/.test(kind)) {
    const status = Number(kind);
    return (exchange) => exchange.answer(status, statusHeaders(exchange.request.kind, status), `injected fault ${status}`);
  }
  if (kind === 'hang') return (exchange) => exchange.hang();
  if (kind === 'reset') return (exchange) => exchange.reset();
  if (kind === 'truncated') return truncate;
  if (kind === 'absent') return (exchange) => frozenAnswer(exchange, new Map());
  if (kind === 'stale') return (exchange) => frozenAnswer(exchange, snapshot);
  if (typeof kind?.delay === 'number') {
    return async (exchange) => {
      await exchange.wait(kind.delay);
      return exchange.forward();
    };
  }
  if (typeof kind?.first === 'function') {
    return async (exchange) => {
      await kind.first();
      return exchange.forward();
    };
  }
  if (kind?.body !== undefined) {
    const { body, status = 200, headers = {} } = kind;
    const isText = typeof body === 'string' || Buffer.isBuffer(body);
    return (exchange) => exchange.answer(status, headers, isText ? body : JSON.stringify(body));
  }
  throw new Error(`unknown fault ${JSON.stringify(kind)}`);
}

// R2 says in a header what went wrong; its binding reads only that. https://developers.cloudflare.com/r2/api/error-codes/
const r2Errors = {
  404: [10007, 'The specified key does not exist.'],
  429: [10058, 'Reduce your concurrent request rate for the same object.'],
  500: [10001, 'We encountered an internal error. Please try again.'],
  503: [10043, 'Please look at https://www.cloudflarestatus.com for issues or contact customer support.'],
};

function statusHeaders(kind, status) {
  const headers = { 'content-type': 'text/plain' };
  if (kind !== 'r2' || !(status in r2Errors)) return headers;
  const [v4code, message] = r2Errors[status];
  return { ...headers, 'cf-r2-error': JSON.stringify({ version: 0, v4code, message }) };
}

async function truncate(exchange) {
  const { status, headers, body } = await exchange.askStore();
  exchange.beginAnswer(status, { ...headers, 'content-length': String(Math.max(body.length, 1)) });
  await exchange.sendPart(body.subarray(0, Math.floor(body.length / 2)));
  exchange.reset();
}
