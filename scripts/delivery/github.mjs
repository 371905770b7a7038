// GitHub's REST API, as far as the delivery needs it. The token is the workflow's own, with the permissions of its job.

const patience = 30_000;

/** Asks; `path` is below the repository. Fails on every answer but 2xx. */
export async function github(path, { method = 'GET', body } = {}) {
  const { GITHUB_API_URL: api = 'https://api.github.com', GITHUB_REPOSITORY: repository, GITHUB_TOKEN: token } = process.env;
  if (!repository || !token) throw new Error('GITHUB_REPOSITORY and GITHUB_TOKEN have to be set');
  const response = await fetch(`${api}/repos/${repository}/${path}`, {
    method,
    headers: { accept: 'application/vnd.github+json', authorization: `Bearer ${token}`, 'x-github-api-version': '2022-11-28', 'user-agent': 'dryrun-gateway-delivery' },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(patience),
  });
  const text = await response.text();
  if (!response.ok) {
    const said = /^\s*\{/.test(text) ? JSON.parse(text).message : text.slice(0, 200);
    throw Object.assign(new Error(`GitHub answered ${response.status} to ${method} ${path}: ${said}`), { status: response.status });
  }
  return JSON.parse(text);
}

/** How `head` stands to `base`: ahead, behind, identical or diverged; "unknown" when one of them is not there any more. */
export async function compare(base, head) {
  try {
    return (await github(`compare/${base}...${head}?per_page=1`)).status;
  } catch (error) {
    if (error.status === 404) return 'unknown';
    throw error;
  }
}
