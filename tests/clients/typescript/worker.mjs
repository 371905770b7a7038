// A Worker with raw bindings and with the client. POST { side, url, token } plays the suite on one of them, { side: 'seed' } puts the data in.

import { gateway } from 'dryrun-gateway';
import { play, seed } from './suite.mjs';

const sides = {
  binding: (env) => env,
  http: (_, { url, token }) => gateway({ url, token }),
  service: ({ GATEWAY }, { token }) => gateway({ fetcher: GATEWAY, token }),
};

export default {
  async fetch(request, env) {
    const asked = await request.json();
    if (asked.side === 'seed') {
      await seed(env);
      return Response.json({});
    }
    return Response.json(await play(sides[asked.side](env, asked)));
  },
};
