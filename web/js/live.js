// One event stream of the server, kept alive: reconnects with backoff, stops while the tab is hidden (a browser has six connections
// to a server for all its tabs), and asks every few seconds where the server has no stream left (503).
//
// It reads the stream by fetch() rather than EventSource: that tells a study that is gone (404) from a server that is, and it sees
// the comments, so that a connection whose other end has vanished is noticed.
import * as access from './access.js';
import * as connection from './connection.js';

const SILENCE_MS = 40000;     // The server says something every 15 s.
const POLL_MS = 5000;
const STREAM_AGAIN_MS = 60000;
const BACKOFF_MS = [500, 1000, 2000, 4000, 8000, 15000];

const sleep = (ms, signal) => new Promise((resolve) => {
  const timer = setTimeout(done, ms);
  function done() {
    clearTimeout(timer);
    signal.removeEventListener('abort', done);
    resolve();
  }
  signal.addEventListener('abort', done);
});

// Cuts a stream's text into events and calls `on(name, data)` for each.
export class EventParser {
  constructor(on) {
    this.on = on;
    this.rest = '';
    this.name = '';
    this.data = [];
  }
  push(text) {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop();
    for (const line of lines) this.line(line.endsWith('\r') ? line.slice(0, -1) : line);
  }
  line(line) {
    if (line === '') {
      if (this.data.length > 0) this.on(this.name || 'message', this.data.join('\n'));
      this.name = '';
      this.data = [];
    } else if (line.startsWith('event:')) {
      this.name = line.slice(6).trim();
    } else if (line.startsWith('data:')) {
      this.data.push(line.slice(line[5] === ' ' ? 6 : 5));
    }
  }
}

export class Live {
  // `path` is that of the stream, `poll` fetches what the stream would tell, `on` has a function for each event by name (and
  // `gone`, `end`). Ends with `signal`.
  constructor({path, poll, on, signal}) {
    Object.assign(this, {path, poll, on, signal});
    this.wake = new AbortController();  // Ends a pause, or a stream when the tab is hidden.
    this.failures = 0;
    const nudge = () => {
      this.failures = 0;
      if (this.pausing) this.wake.abort();
    };
    const visibility = () => this.wake.abort();
    document.addEventListener('visibilitychange', visibility, {signal});
    addEventListener('online', nudge, {signal});
    signal.addEventListener('abort', () => this.wake.abort());
    this.nudge = nudge;
    this.run();
  }

  async run() {
    while (!this.signal.aborted) {
      this.wake = new AbortController();
      if (document.hidden) {
        await sleep(2 ** 30, this.wake.signal);
        continue;
      }
      const outcome = await this.stream();
      if (this.signal.aborted || outcome === 'over') return;
      if (outcome === 'full') await this.pollForAWhile();
      else if (outcome !== 'hidden') await this.pause(outcome);
    }
  }

  async pause(why) {
    const ms = BACKOFF_MS[Math.min(this.failures, BACKOFF_MS.length - 1)] * (0.8 + 0.4 * Math.random());
    this.failures += 1;
    connection.lost(why, Date.now() + ms, this.nudge);
    this.pausing = true;
    await sleep(ms, this.wake.signal);
    this.pausing = false;
  }

  // Why the stream ended: 'over' for good, 'full', 'hidden', or a sentence for people.
  async stream() {
    const wake = this.wake;
    let why = 'The connection broke off.';
    let silence = 0;
    const heard = () => {
      clearTimeout(silence);
      silence = setTimeout(() => {
        why = `Nothing was heard for ${SILENCE_MS / 1000} s.`;
        wake.abort();
      }, SILENCE_MS);
    };
    try {
      heard();
      const response = await fetch(`/api/v1/${this.path}`, {
        signal: wake.signal, cache: 'no-store', headers: {...access.headers(), Accept: 'text/event-stream'}});
      if (response.status === 503) return 'full';
      if (response.status === 404) return this.end('gone');
      if (response.status === 401 || response.status === 403) return await this.refused(response);
      if (!response.ok) return `The server answered ${response.status}.`;
      let over = '';
      const parser = new EventParser((name, data) => { over = this.event(name, data) || over; });
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      while (!over) {
        const {done, value} = await reader.read();
        if (done) break;
        heard();
        parser.push(value);
      }
      if (over) reader.cancel().catch(() => {});
      if (over === 'bye') return 'The server was stopped.';
      return over || why;
    } catch {
      return document.hidden && wake.signal.aborted ? 'hidden' : this.signal.aborted ? 'over' : why;
    } finally {
      clearTimeout(silence);
    }
  }

  // The page gives way to what is shown then, and ends this.
  async refused(response) {
    const said = await response.json().then(({message}) => message, () => '');
    const tell = response.status === 401 ? access.tokenNeeded : access.refused;
    tell(said || `The server answered ${response.status}.`);
    return 'over';
  }

  event(name, data) {
    if (this.signal.aborted) return 'over';
    if (name === 'bye') return 'bye';
    if (name === 'end' || name === 'gone') return this.end(name);
    this.failures = 0;
    connection.good();
    this.on[name]?.(JSON.parse(data));
    return '';
  }

  end(name) {
    connection.good(true);
    if (name === 'gone') connection.quiet();
    this.on[name]?.();
    return 'over';
  }

  async pollForAWhile() {
    const until = Date.now() + STREAM_AGAIN_MS;
    while (Date.now() < until && !this.signal.aborted && !document.hidden) {
      this.wake = new AbortController();
      try {
        await this.poll();
        this.failures = 0;
        connection.polling(POLL_MS / 1000);
      } catch (failure) {
        if (this.signal.aborted) return;
        if (failure.status === 404) {
          this.end('gone');
          return;
        }
        await this.pause(failure.message);
        return;
      }
      await sleep(POLL_MS, this.wake.signal);
    }
  }
}

// Asks again and again, for what has no stream. Tells of a lost connection in the same way.
export async function keepAsking(ask, ms, signal) {
  let failures = 0;
  let wake = new AbortController();
  signal.addEventListener('abort', () => wake.abort());
  document.addEventListener('visibilitychange', () => wake.abort(), {signal});
  while (!signal.aborted) {
    wake = new AbortController();
    if (document.hidden) {
      await sleep(2 ** 30, wake.signal);
      continue;
    }
    let pause = ms();
    try {
      await ask();
      failures = 0;
      if (!signal.aborted) connection.good();
    } catch (failure) {
      if (signal.aborted) return;
      pause = BACKOFF_MS[Math.min(failures++, BACKOFF_MS.length - 1)];
      const now = wake;
      connection.lost(failure.message, Date.now() + pause, () => now.abort());
    }
    await sleep(pause, wake.signal);
  }
}
