// Numbers, durations and times as people read them; and the names of states. Protobuf's JSON has int64 as strings, NaN as "NaN",
// durations as "3.5s".

const GROUPED = new Intl.NumberFormat('en-US');

export const toNumber = (value) => (value === undefined || value === null || value === '' ? NaN : Number(value));

// A whole number, with commas from 10,000 on.
export function count(value) {
  const n = Number(value ?? 0);
  return Math.abs(n) >= 10000 ? GROUPED.format(n) : String(n);
}

// Any number in 4 significant digits; integers as they are.
export function number(value) {
  const n = toNumber(value);
  if (Number.isNaN(n)) return value === undefined || value === null ? '–' : 'NaN';
  if (!Number.isFinite(n)) return n > 0 ? '∞' : '−∞';
  if (Number.isInteger(n)) return Math.abs(n) < 1e9 ? count(n) : n.toExponential(3);
  const size = Math.abs(n);
  return size < 1e-4 || size >= 1e7 ? n.toExponential(3) : String(Number(n.toPrecision(4)));
}

// An error: always 4 significant digits, so that a column of them lines up.
export function error(value) {
  if (value === undefined || value === null) return '–';
  const n = Number(value);
  if (!Number.isFinite(n)) return number(value);
  const size = Math.abs(n);
  if (size === 0) return '0.0000';
  return size < 1e-4 || size >= 1e5 ? n.toExponential(3) : n.toPrecision(4);
}

// A value of a config: a number, a string, a boolean; numbers in full precision are for titles.
export function configValue(value) {
  if (value === undefined || value === null) return '–';
  if (typeof value === 'number') return number(value);
  return typeof value === 'string' ? value : JSON.stringify(value);
}

// A config in the order of its parameters; JSON's objects come in any.
export function ordered(config, parameters) {
  const names = (parameters ?? []).map((p) => p.name).filter((name) => config?.[name] !== undefined);
  const others = Object.keys(config ?? {}).filter((name) => !names.includes(name)).sort();
  return Object.fromEntries([...names, ...others].map((name) => [name, config[name]]));
}

export const percent = (fraction) => `${Math.floor(100 * Number(fraction ?? 0))} %`;

// The seconds of a duration of protobuf's JSON, "3.5s". NaN when unset.
export const seconds = (text) => (text ? Number.parseFloat(text) : NaN);

export function duration(s) {
  if (!Number.isFinite(s)) return '–';
  if (s < 1) return `${Number(s.toPrecision(2))} s`;
  if (s < 10) return `${Number(s.toFixed(1))} s`;
  if (s < 60) return `${Math.round(s)} s`;
  const units = [['d', 86400], ['h', 3600], ['min', 60], ['s', 1]];
  const at = units.findIndex(([, size]) => s >= size);
  const [unit, size] = units[at];
  const [nextUnit, nextSize] = units[at + 1];
  const rest = Math.floor((s % size) / nextSize);
  return `${Math.floor(s / size)} ${unit}${rest ? ` ${rest} ${nextUnit}` : ''}`;
}

export function bytes(value) {
  let n = Number(value ?? 0);
  for (const unit of ['B', 'KiB', 'MiB', 'GiB']) {
    if (n < 1024) return `${Number(n.toPrecision(3))} ${unit}`;
    n /= 1024;
  }
  return `${Number(n.toPrecision(4))} TiB`;
}

export const absolute = (date) => date.toLocaleString(undefined, {dateStyle: 'medium', timeStyle: 'medium'});

export const clock = (date) => date.toLocaleTimeString(undefined, {timeStyle: 'medium'});

export function ago(date, now = Date.now()) {
  const s = (now - date.getTime()) / 1000;
  if (s < 5) return 'just now';
  if (s < 60) return `${Math.floor(s / 5) * 5} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ago`;
  if (s < 14 * 86400) return `${Math.floor(s / 86400)} d ago`;
  return date.toLocaleDateString(undefined, {dateStyle: 'medium'});
}

// STUDY_STATE_RUNNING, TRIAL_STATE_RUNNING -> running
export const stateName = (state) => String(state ?? '').replace(/^(STUDY|TRIAL)_STATE_/, '').toLowerCase();

export const STUDY_STATES = ['running', 'paused', 'completed', 'stopped', 'failed'];
export const TRIAL_STATES = ['queued', 'running', 'waiting', 'eliminated', 'completed', 'failed', 'stopped'];

const POLICIES = {
  POLICY_HALVING: 'successive halving',
  POLICY_HALVING_PER_ROUND: 'successive halving, round by round',
  POLICY_ASHA: 'ASHA',
  POLICY_DELAYED_ASHA: 'delayed ASHA',
  POLICY_HYPERBAND: 'Hyperband',
};
const SEARCHERS = {
  SEARCHER_RANDOM: 'random search',
  SEARCHER_SOBOL: 'Sobol sequence',
  SEARCHER_PERTURB: 'local search',
  SEARCHER_TPE: 'TPE',
  SEARCHER_GP: 'Gaussian process',
};
export const policyName = (policy) => POLICIES[policy] ?? POLICIES.POLICY_HALVING;
export const searcherName = (searcher) => SEARCHERS[searcher] ?? SEARCHERS.SEARCHER_RANDOM;

export const plural = (n, one, many = `${one}s`) => `${count(n)} ${Number(n) === 1 ? one : many}`;

// A last result that counts: the one of the highest rung reached.
export const lastResult = (trial) => trial.results?.[trial.results.length - 1];
