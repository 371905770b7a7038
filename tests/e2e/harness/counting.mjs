// The compiled Worker with a counter around every function that wasm imports from JavaScript. Only tests load it.

import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { projectFolder } from './settings.mjs';

export const COUNTS_PATH = '/counted-crossings';

const instantiation = /new WebAssembly\.Instance\((\w+),\s*(\w+)\(\)\)/g;

const counter = `
const calls = new Map();
const counted = (name, call) => function (...values) {
  calls.set(name, (calls.get(name) ?? 0) + 1);
  return Reflect.apply(call, this, values);
};
globalThis.countedImports = (imports) => {
  for (const functions of Object.values(imports)) {
    for (const [name, call] of Object.entries(functions)) {
      if (typeof call === 'function') functions[name] = counted(name, call);
    }
  }
  return imports;
};
export function takeCalls() {
  const taken = Object.fromEntries(calls);
  calls.clear();
  return taken;
}
`;

const entry = `
import { takeCalls } from './counter.js';
import Gateway from './index.js';
export { RunObject, ShadowObject } from './index.js';
export default {
  fetch(request, env, context) {
    if (new URL(request.url).pathname === '${COUNTS_PATH}') return Response.json(takeCalls());
    return Gateway.fetch(request, env, context);
  },
};
`;

/** For startGateway's option `modules`. A GET of COUNTS_PATH then answers { import: calls } since the last one. */
export function countingModules(build = 'build') {
  const folder = path.resolve(projectFolder, build);
  const glue = readFileSync(path.join(folder, 'gateway.js'), 'utf8');
  const found = glue.match(instantiation)?.length ?? 0;
  if (found === 0) throw new Error('gateway.js makes no WebAssembly.Instance that this harness knows');
  const wrapped = glue.replace(instantiation, 'new WebAssembly.Instance($1,globalThis.countedImports($2()))');
  const others = readdirSync(folder).filter((name) => /\.(js|wasm)$/.test(name) && name !== 'gateway.js');
  return {
    'entry.js': entry,
    'counter.js': counter,
    'gateway.js': wrapped,
    ...Object.fromEntries(others.map((name) => [name, readFileSync(path.join(folder, name))])),
  };
}
