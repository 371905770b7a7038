// A small HTTP client. Not fetch: that hides which connection is used, and one to a killed workerd must not come back.

import http from 'node:http';
import { once } from 'node:events';
import { newAgent } from './connections.mjs';

export class Client {
  #port;
  #agent = newAgent();

  /** @param port  () => the port to talk to now */
  constructor(port) {
    this.#port = port;
  }

  /** Returns { status, headers, text, bytes, json }; `headers` is a Headers, `json` undefined when the body is none. */
  async send(path, { method, headers = {}, json, body, signal } = {}) {
    const sent = json === undefined ? body : JSON.stringify(json);
    const request = http.request({
      host: '127.0.0.1',
      port: this.#port(),
      path,
      method: method ?? (sent === undefined ? 'GET' : 'POST'),
      headers: { ...(json === undefined ? {} : { 'content-type': 'application/json' }), ...lengthOf(sent), ...headers },
      agent: this.#agent,
      signal,
    });
    if (sent?.pipe) sent.pipe(request);
    else request.end(sent);
    const sentAt = Date.now();
    const [response] = await once(request, 'response');
    // workerd also counts the time of a request as idle, and closes the connection after a long one: it is not used again.
    if (Date.now() - sentAt > 1_000) request.shouldKeepAlive = false;
    const chunks = [];
    for await (const chunk of response) chunks.push(chunk);
    return answer(response, Buffer.concat(chunks));
  }

  forgetConnections() {
    this.#agent.destroy();
    this.#agent = newAgent();
  }
}

// Node frames the body of a DELETE only when it is told how long it is.
function lengthOf(sent) {
  return sent === undefined || sent.pipe ? {} : { 'content-length': String(Buffer.byteLength(sent)) };
}

function answer({ statusCode, rawHeaders }, bytes) {
  const headers = new Headers();
  for (let index = 0; index < rawHeaders.length; index += 2) headers.append(rawHeaders[index], rawHeaders[index + 1]);
  const text = bytes.toString('utf8');
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    // Not every answer is JSON.
  }
  return { status: statusCode, headers, text, bytes, json };
}
