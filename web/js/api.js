// The server's JSON API (docs/http.md). Every failure is an ApiError with a message that can be shown as it is.

import * as access from './access.js';

const TIMEOUT_MS = 15000;

export class ApiError extends Error {
  // `status` is 0 when there was no answer.
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

// `quiet`: who calls deals with a refusal; else the page gives way to one.
async function request(method, path, {body, signal, headers = {}, quiet = false} = {}) {
  const signals = [AbortSignal.timeout(TIMEOUT_MS)];
  if (signal) signals.push(signal);
  const options = {method, headers: {...access.headers(), ...headers}, signal: AbortSignal.any(signals)};
  if (body !== undefined) {
    options.body = typeof body === 'string' ? body : JSON.stringify(body);
    options.headers['Content-Type'] = 'application/json';
  }
  let response;
  try {
    response = await fetch(`/api/v1/${path}`, options);
  } catch (failure) {
    if (signal?.aborted) throw failure;
    const why = failure.name === 'TimeoutError'
      ? `The server did not answer within ${TIMEOUT_MS / 1000} s.` : 'The server cannot be reached.';
    throw new ApiError(0, 'UNREACHABLE', why);
  }
  if (response.status === 304) return {response, data: null};
  const text = await response.text();
  let data;
  try {
    data = JSON.parse(text);
  } catch {
    throw new ApiError(response.status, 'UNKNOWN',
      `The server answered ${response.status} with something that is no JSON: ${text.slice(0, 200)}`);
  }
  if (!response.ok) throw refusal(method, response.status, data, quiet);
  return {response, data};
}

function refusal(method, status, {code, message = ''}, quiet) {
  const said = message || `HTTP ${status}`;
  if (status === 401 && !quiet) access.tokenNeeded(said);
  if (status === 403 && !quiet && method === 'GET') access.refused(said);
  return new ApiError(status, code, status === 403 ? access.explained(said) : said);
}

export const get = async (path, options) => (await request('GET', path, options)).data;

// Something that changes; the header is what a page of another site cannot send.
export const send = async (method, path, body) =>
  (await request(method, path, {body, headers: {'X-Halving': '1'}})).data;

// Fetches the same thing again and again, and gives null while it has not changed.
export class Tagged {
  constructor(path) {
    this.path = path;
    this.tag = null;
  }
  async get(signal) {
    const headers = this.tag ? {'If-None-Match': this.tag} : {};
    const {response, data} = await request('GET', this.path, {signal, headers});
    if (data !== null) this.tag = response.headers.get('ETag');
    return data;
  }
}

export const studyPath = (name) => `studies/${encodeURIComponent(name)}`;

// {a: 1, b: ['x', 'y'], c: ''} -> "?a=1&b=x&b=y"
export function query(values) {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== '' && one !== null && one !== undefined) search.append(key, one);
    }
  }
  const text = search.toString();
  return text ? `?${text}` : '';
}

// Runs `run` when asked to, but never twice at once, and not before `base()` ms and five times what the last one took have passed:
// a slow server or a large study is asked less often.
export function pacer(run, base, signal) {
  let endedAt = -Infinity;
  let took = 0;
  let timer = 0;
  let busy = false;
  let again = false;
  const go = async () => {
    timer = 0;
    if (signal.aborted) return;
    busy = true;
    const startedAt = performance.now();
    try {
      await run();
    } finally {
      endedAt = performance.now();
      took = endedAt - startedAt;
      busy = false;
    }
    if (again) {
      again = false;
      trigger();
    }
  };
  const trigger = () => {
    if (timer || signal.aborted) return;
    if (busy) {
      again = true;
      return;
    }
    const due = endedAt + Math.max(base(), 5 * took);
    timer = setTimeout(go, Math.max(0, due - performance.now()));
  };
  return trigger;
}
