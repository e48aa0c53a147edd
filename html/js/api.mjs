// The one place that talks to the server.

const patience = 5;  // seconds

async function json(response) {
  const body = await response.json().catch(() => null);

  // an unhealthy server says so with a 503
  if (response.ok ? body : typeof body?.status === 'string') {
    return body;
  }

  throw new Error(body?.error?.message ?? `HTTP status ${response.status}`);
}

// "base" is the URL of /api/profiling/, below whatever prefix

export function connect(base) {
  const ask = async (path, read, options) => {
    try {
      return await read(await fetch(new URL(path, base),
                                    { cache: 'no-store', ...options }));

    } catch (error) {
      throw error.name === 'TimeoutError'
              ? new Error(`no answer within ${patience} s`)
            : error.name === 'TypeError' ? new Error('no connection')
            : error;
    }
  };

  const soon = (path, method) =>
    ask(path, json, { method, signal: AbortSignal.timeout(patience * 1000) });

  // a file: {name, blob}
  const file = async (response) => {
    if (!response.ok) {
      await json(response);
    }

    const header = response.headers.get('Content-Disposition');
    const name = /filename="?([\w.-]+)/.exec(header)?.[1] ?? 'profile.prof';

    return { name, blob: await response.blob() };
  };

  return {
    get: (path) => soon(path, 'GET'),
    post: (path) => soon(path, 'POST'),
    download: (path, signal) => ask(path, file, { signal }),
  };
}
