import http from 'node:http';

/** Connections to workerd. It closes one that was idle for five seconds, and one that is reused at that moment breaks: ours are given up before. */
export const newAgent = () => new http.Agent({ keepAlive: true, timeout: 2_000 });
