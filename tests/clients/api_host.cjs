// Loaded before a tool whose code holds Cloudflare's address (node --require): its requests to that host go to the gateway that API_HOST_BASE names,
// with nothing in them changed but the address. A request to any other host is refused, so that no test leaves the machine.

const http = require('node:http');
const https = require('node:https');

const { API_HOST_BASE: base } = process.env;
const cloudflare = 'https://api.cloudflare.com';

function redirected(address) {
  const { origin, pathname, search } = new URL(address);
  if (origin !== cloudflare) throw new Error(`a request to ${origin} was stopped`);
  return new URL(`${pathname}${search}`, base);
}

https.request = (address, options, answered) => {
  const target = redirected(address);
  return http.request(target, { ...options, host: target.host, hostname: target.hostname, port: target.port, protocol: 'http:', agent: false }, answered);
};

const { fetch } = globalThis;
globalThis.fetch = async (request, options) => {
  const asked = new Request(request, options);
  const body = asked.body ? await asked.arrayBuffer() : undefined;
  return fetch(redirected(asked.url), { method: asked.method, headers: asked.headers, body });
};
