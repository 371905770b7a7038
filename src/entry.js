// The Worker's entry: the compiled gateway, with an end to every request even after a panic.
//
// A panic ends the wasm instance, and with it every promise that it made, its own time-outs included: nobody would ever settle them, and callers
// would wait for ever. So each request is raced, out here, against a look at whether its instance still lives. scripts/build puts this file in
// front of the generated code, which makes a new instance with the next request.

import Gateway, { RunObject as Run, ShadowObject as Shadow } from './gateway.js';

const CHECK_EVERY_MS = 250;

const instances = () => globalThis.__worker_init_state ?? {};

function outlive(call) {
  const promise = call();
  const born = instances().instanceId;
  let timer;
  const ended = new Promise((_, reject) => {
    timer = setInterval(() => {
      if (instances().criticalError || instances().instanceId !== born) reject(new Error('the instance that served this request ended'));
    }, CHECK_EVERY_MS);
  });
  return Promise.race([promise, ended]).finally(() => clearInterval(timer));
}

// An interrupted alarm rejects, and the platform tries it again.
const outliving = (Generated) => class {
  constructor(state, env) {
    this.generated = new Generated(state, env);
  }

  fetch(request) {
    return outlive(() => this.generated.fetch(request));
  }

  alarm(details) {
    return outlive(() => this.generated.alarm(details));
  }
};

export const RunObject = outliving(Run);
export const ShadowObject = outliving(Shadow);

export default {
  async fetch(request, env, context) {
    try {
      return await outlive(() => new Gateway(context, env).fetch(request));
    } catch (error) {
      console.error(JSON.stringify({ level: 'error', event: 'interrupted', environment: env.ENVIRONMENT, message: String(error?.message ?? error) }));
      context.waitUntil(raise(context, env));
      return interrupted(env.ENVIRONMENT);
    }
  },
};

// The next instance raises the alert, when there is one.
async function raise(context, env) {
  try {
    await outlive(() => new Gateway(context, env).interrupted(env));
  } catch (error) {
    console.error(JSON.stringify({ level: 'alert', event: 'alert_not_raised', cause: 'interrupted', environment: env.ENVIRONMENT, message: String(error?.message ?? error) }));
  }
}

// The same form as every other problem (src/http/problem.rs).
function interrupted(environment) {
  const code = 'run_unavailable';
  const number = 1000726;
  const detail = "The gateway was interrupted while it handled this request; whether anything was written is in the run's journal.";
  const remedy = "Read the run's report before trying again; use an Idempotency-Key so that nothing is written twice.";
  const problem = {
    type: `urn:dryrun-gateway:problem:${code}`, title: 'run unavailable', status: 503, detail, code, remedy, environment,
    result: null, success: false,
    errors: [{ code: number, message: detail, error_chain: [{ code: number, message: remedy }], meta: { reason: code, remedy } }],
    messages: [],
  };
  return Response.json(problem, { status: 503, headers: { 'x-should-retry': 'false', 'Cache-Control': 'no-store', Problem: code, Environment: environment } });
}
