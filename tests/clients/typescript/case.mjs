// A case is a name and what to do with the stores. Names that end in "!" are those at which the raw binding throws.

/** @param run  (stores, memory) => what came of it; `memory` passes things on to later cases */
export const one = (name, run, more = {}) => ({ name, run, ...more });

/** What a promise was rejected with, where several calls are looked at in one case. */
export const caught = (call) => Promise.resolve().then(call).then(() => { throw new Error('nothing was thrown'); }, (error) => error);

export const text = (stream) => new Response(stream).text();
