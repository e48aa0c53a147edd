// The one place that talks to the server.

// Seconds to wait for an answer.  One that does not come soon, or breaks off, is
// asked for again over another connection: the first may belong to a worker
// that hangs, or to one that has just died.

const tries = [2, 5];
const patience = tries.at(-1);
const late = `no answer within ${patience} s`;
const broken = 'no connection';

export class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;  // of HTTP; undefined without an answer
  }
}

async function json(response) {
  // what is no JSON is no answer; one that ends in the middle is another matter
  const body = await response.json().catch((error) => {
    if (error.name !== 'SyntaxError') {
      throw error;
    }

    return null;
  });

  // an unhealthy server says so with a 503
  if (response.ok ? body : typeof body?.status === 'string') {
    return body;
  }

  throw new ApiError(body?.error?.message ?? `HTTP status ${response.status}`,
                     response.status);
}

const absent = [404, 405, 501];

// What is below /debug/pprof answers errors as text

async function failed(response) {
  const text = await response.text().catch(() => '');
  let message = text.trim().split('\n')[0].slice(0, 200);

  try {
    message = JSON.parse(text).error.message;

  } catch {
    // not JSON: HTML of nginx itself says less than the status
    if (!message || message.startsWith('<')) {
      message = `HTTP status ${response.status}`;
    }
  }

  if (absent.includes(response.status) && !/worker/.test(message)) {
    message = `not in this build (${message})`;
  }

  return new ApiError(message, response.status);
}

// "base" is the URL of the directory above /api/profiling/ and /debug/pprof/,
// whatever prefix it has.  "scope" gives the pid of the one worker to ask
// about, or null.

export function connect(base, scope = () => null) {
  const place = (path) => {
    const url = new URL(path, base);

    if (scope() !== null) {
      url.searchParams.set('worker', scope());
    }

    return url;
  };

  const ask = async (path, read, options) => {
    try {
      return await read(await fetch(place(path),
                                    { cache: 'no-store', ...options }));

    } catch (error) {
      throw error.name === 'TimeoutError'
              ? new ApiError(late)
            : error.name === 'TypeError' ? new ApiError(broken)
            : error;
    }
  };

  const soon = (path, method, seconds) =>
    ask(`api/profiling/${path}`, json,
        { method, signal: AbortSignal.timeout(seconds * 1000) });

  const file = async (response) => {
    if (!response.ok) {
      throw await failed(response);
    }

    const header = response.headers.get('Content-Disposition');
    const name = /filename="?([\w.-]+)/.exec(header)?.[1] ?? 'profile';

    return { name, bytes: await response.arrayBuffer() };
  };

  return {
    place,
    get: (path) => soon(path, 'GET', tries[0]).catch((error) => {
      if (error.message !== late && error.message !== broken) {
        throw error;
      }

      return soon(path, 'GET', patience);
    }),

    post: (path) => soon(path, 'POST', patience),

    // {name, bytes}; takes as long as the capture does
    download: (path, signal) => ask(path, file, { signal }),
  };
}
