// The page of one trial.
import {get, pacer, studyPath} from './api.js';
import {axis, endChart, errorCut, makeChart, token, tooltip} from './charts.js';
import {card, command, copyButton, h, problem, reconcile, setAttribute, setText} from './dom.js';
import {bytes, configValue, count, duration, error, lastResult, number, ordered, plural, seconds, stateName} from './format.js';
import {Live} from './live.js';
import {studyHref} from './study.js';
import {DataTable, cells, chip} from './tables.js';

const REFRESH_MS = 2000;
const MOST_LINES = 3000;  // Of one attempt's log; the newest.

class CurveCard {
  constructor() {
    this.canvas = h('canvas', {role: 'img', 'aria-label': 'Error over epochs', id: 'curve-canvas'});
    this.empty = h('p', {class: 'chart-empty'}, 'No error has been reported yet.');
    this.note = h('p', {class: 'hint'});
    const legend = h('ul', {class: 'legend', 'aria-label': 'Lines'}, [['best', 'results, at the rungs'],
      ['completed', 'epoch by epoch']].map(([key, label]) => h('li', {class: `legend-${key}`},
      h('span', {class: 'swatch', 'aria-hidden': 'true'}), label)));
    this.element = card('Error over epochs', {id: 'curve', className: 'span-2', side: legend},
      h('div', {class: 'chart chart-middle'}, this.canvas, this.empty), this.note);
  }

  update(trial) {
    const curve = trial.curve.map((p) => ({x: Number(p.epoch), y: Number(p.error)})).filter((p) => Number.isFinite(p.y));
    const results = trial.results.map((r) => ({x: Number(r.epochs), y: Number(r.error)})).filter((p) => Number.isFinite(p.y));
    const text = `${curve.length}/${results.length}/${curve.at(-1)?.y}/${results.at(-1)?.y}`;
    if (text === this.text) return;
    this.text = text;
    Object.assign(this, {curve, results});
    const any = curve.length + results.length > 0;
    this.empty.hidden = any;
    this.canvas.hidden = !any;
    if (!any) return;
    if (this.entry) this.entry.recolor();
    else this.entry = makeChart(this.canvas, () => this.build());
    const last = results.at(-1) ?? curve.at(-1);
    setAttribute(this.canvas, 'aria-label', `Line chart: error over epochs, ${plural(curve.length, 'epoch')}, `
      + `last ${error(last.y)} at epoch ${last.x}. The table of results has the rungs.`);
  }

  build() {
    const all = [...this.curve, ...this.results];
    const cut = errorCut(all.map((p) => p.y), 20);  // A curve falls steeply at first.
    setText(this.note, cut.above > 0 ? `${plural(cut.above, 'value')} above ${number(cut.max)} cut off.` : '');
    return {
      type: 'line',
      data: {datasets: [
        {label: 'results', data: this.results, showLine: this.curve.length === 0, borderColor: token('best'),
          backgroundColor: token('best'), pointRadius: 5, pointHoverRadius: 6, pointHitRadius: 8, pointBorderWidth: 0},
        {label: 'epoch by epoch', data: this.curve, borderColor: token('accent'), backgroundColor: token('accent'),
          borderWidth: 2, pointRadius: this.curve.length > 60 ? 0 : 2, pointHitRadius: 6, pointBorderWidth: 0},
      ]},
      options: {
        scales: {
          x: axis('epochs', 'linear', {bounds: 'data', suggestedMin: 0, suggestedMax: all.reduce((most, p) => Math.max(most, p.x), 1),
            ticks: {callback: (v) => (Number.isInteger(v) ? count(v) : ''), maxTicksLimit: 12, includeBounds: false}}),
          y: axis('error', 'linear', {max: cut.max, ticks: {callback: (v) => number(v)}}),
        },
        plugins: {legend: {display: false}, decimation: {enabled: true, algorithm: 'min-max'}, tooltip: tooltip({
          title: (items) => (items[0] ? `Epoch ${items[0].raw.x}` : ''),
          label: (item) => `${item.dataset.label === 'results' ? 'result' : 'error'}: ${error(item.raw.y)}`})},
      },
    };
  }

  end() {
    endChart(this.entry);
    this.entry = null;
  }
}

class LogCard {
  constructor() {
    this.body = h('div', {class: 'log'});
    this.empty = h('p', {class: 'empty-line'}, 'The trainer has printed nothing so far.');
    this.message = h('p', {class: 'hint', hidden: true});
    this.element = card('Log', {id: 'log', className: 'span-3'}, this.empty, this.message, this.body);
  }

  update(log) {
    this.message.hidden = true;
    this.empty.hidden = log.attempts.length > 0;
    // An attempt comes in several parts where lines between are missing.
    const parts = log.attempts.map((a, i) => ({...a, key: `${i}-${a.attempt}-${a.workerId}`}));
    reconcile(this.body, parts, (a) => a.key, (a) => this.attempt(a), (box, attempt) => {
      const {lines} = attempt;
      const shown = lines.slice(-MOST_LINES);
      const first = Number(attempt.firstLine) + lines.length - shown.length;
      setText(box.querySelector('.log-note'), first > 1 ? `Earlier lines, up to number ${count(first - 1)}, are not shown.` : '');
      this.write(box.querySelector('pre'), shown.join('\n'));
    });
  }

  attempt({attempt, workerId}) {
    const label = `Attempt ${attempt}, worker ${workerId}`;
    const pre = h('pre', {tabindex: '0', role: 'region', 'aria-label': `Log of attempt ${attempt}`});
    return h('div', null, h('h3', null, label), h('p', {class: 'hint log-note'}), pre);
  }

  // Who reads at the end stays at the end; who has scrolled up is left alone.
  write(pre, text) {
    if (pre.textContent === text) return;
    const atEnd = pre.scrollHeight - pre.scrollTop - pre.clientHeight < 30;
    pre.textContent = text;
    if (atEnd) pre.scrollTop = pre.scrollHeight;
  }

  fail(message) {
    this.empty.hidden = true;
    setText(this.message, `The log cannot be had: ${message}`);
    this.message.hidden = false;
  }
}

const metricsText = (metrics) => Object.entries(metrics ?? {}).map(([k, v]) => `${k}: ${number(v)}`).join(', ');

function resultsTable() {
  return new DataTable({caption: 'Results', keyOf: (r) => r.epochs, empty: 'No result yet.', columns: [
    {key: 'epochs', label: 'Epochs', head: true, paint: (td, r) => cells.text(td, `${count(r.fromEpoch)} → ${count(r.epochs)}`)},
    {key: 'error', label: 'Error', num: true, paint: (td, r) => cells.text(td, error(r.error), String(r.error))},
    {key: 'metrics', label: 'Metrics', paint: (td, r) => cells.text(td, metricsText(r.metrics) || '–')},
    {key: 'worker', label: 'Worker', paint: (td, r) => cells.text(td, r.workerId || '–')},
    {key: 'time', label: 'Trained for', num: true, paint: (td, r) => cells.text(td, duration(seconds(r.trainTime)))},
    {key: 'end', label: 'Reported', num: true, paint: (td, r) => cells.ago(td, r.endTime)},
  ]});
}

function checkpointsCard(name, id) {
  const table = new DataTable({caption: 'Checkpoints', keyOf: (c) => c.checkpointId, empty: 'None is kept.', columns: [
    {key: 'epoch', label: 'Epoch', head: true, paint: (td, c) => cells.text(td, count(c.epoch))},
    {key: 'size', label: 'Size', num: true,
      paint: (td, c) => cells.text(td, Number(c.sizeBytes) ? bytes(c.sizeBytes) : 'with the workers')},
    {key: 'id', label: 'Checkpoint', className: 'ellipsis', paint: (td, c) => cells.text(td, c.checkpointId, c.checkpointId)},
  ]});
  const download = h('div', null, h('p', {class: 'hint'}, 'To fetch the newest:'),
    command(`halving checkpoint ${name} --trial ${id}`));
  const element = card('Checkpoints', {id: 'checkpoints'}, table.element, download);
  return {element, update(trial) {
    table.update(trial.checkpoints);
    download.hidden = trial.checkpoints.length === 0;
  }};
}

class TrialPage {
  constructor(name, id, {main, signal, route}) {
    Object.assign(this, {name, id, main, signal, route});
    this.path = `${studyPath(name)}/trials/${encodeURIComponent(id)}`;
    const trigger = pacer(() => this.load(), () => REFRESH_MS, signal);
    signal.addEventListener('abort', () => this.curve?.end());
    const look = (status) => {
      this.status = status;
      trigger();
    };
    // The study's stream says when to look again.
    new Live({path: `${studyPath(name)}/events`, signal, poll: async () => look(await get(`${studyPath(name)}/status`, {signal})),
      on: {status: look, end: trigger,
        gone: () => this.missing(`There is no study “${name}”.`)}});
  }

  async load() {
    try {
      const [trial, log] = await Promise.all([
        get(this.path, {signal: this.signal}),
        get(`${this.path}/log`, {signal: this.signal}).catch((failure) => failure)]);
      if (this.signal.aborted) return;
      this.show(trial);
      if (log instanceof Error) this.log.fail(log.message);
      else this.log.update(log);
    } catch (failure) {
      if (this.signal.aborted || failure.status === 0) return;
      this.missing(failure.message);
    }
  }

  missing(message) {
    if (this.trial) return;
    this.main.replaceChildren(this.crumbs(), h('h1', {tabindex: '-1'}, `Trial ${this.id}`), problem(message));
    this.route.arrived();
  }

  crumbs() {
    return h('nav', {class: 'crumbs', 'aria-label': 'Path'}, h('a', {href: '#/'}, 'Studies'), ' / ',
      h('a', {href: studyHref(this.name)}, this.name));
  }

  build(trial) {
    this.chip = h('span', {class: 'chip'});
    this.subtitle = h('p', {class: 'subtitle'});
    this.failure = h('div', {class: 'callout bad', hidden: true});
    this.curve = new CurveCard();
    this.results = resultsTable();
    this.checkpoints = checkpointsCard(this.name, this.id);
    this.log = new LogCard();
    const values = ordered(trial.config, this.status?.study.spec.parameters);
    const config = card('Config', {id: 'config'},
      h('dl', {class: 'config'}, Object.entries(values).map(([key, value]) =>
        h('div', null, h('dt', null, key), h('dd', {title: String(value)}, configValue(value))))),
      h('div', {class: 'row'}, copyButton('Copy as JSON', () => JSON.stringify(values, null, 2))));
    this.main.replaceChildren(
      h('div', {class: 'page-head'}, this.crumbs(),
        h('div', {class: 'title-row'}, h('h1', {tabindex: '-1'}, `Trial ${trial.id}`), this.chip), this.subtitle, this.failure),
      h('div', {class: 'grid'}, this.curve.element, config,
        card('Results', {id: 'results', className: 'span-2'}, this.results.element), this.checkpoints.element, this.log.element));
    this.route.arrived();
  }

  show(trial) {
    if (!this.trial) this.build(trial);
    this.trial = trial;
    chip(this.chip, trial.state);
    const last = lastResult(trial);
    const running = this.status?.running.find((r) => r.trialId === trial.id);
    const parts = [
      last ? `error ${error(last.error)} at ${plural(last.epochs, 'epoch')}` : 'no result yet',
      Number(trial.round) ? `round ${count(trial.round)}` : '',
      `handed out ${Number(trial.attempts) === 1 ? 'once' : `${count(trial.attempts)} times`}`,
      stateName(trial.state) === 'running' ? `on worker ${trial.workerId}` : '',
      running ? `epoch ${count(running.epoch)} of ${count(running.epochs)}` : '',
      running?.straggling ? 'straggling' : ''];
    setText(this.subtitle, parts.filter(Boolean).join(' · '));
    this.failure.hidden = !trial.failure;
    if (trial.failure) {
      setText(this.failure, `Last failure: ${trial.failure}${Number(trial.failures)
        ? ` (${plural(trial.failures, 'failure')} at this rung)` : ''}`);
    }
    this.curve.update(trial);
    this.results.update(trial.results);
    this.checkpoints.update(trial);
  }
}

export function trialPage(context, name, id) {
  context.main.replaceChildren(h('p', {class: 'loading'}, `Loading trial ${id}…`));
  new TrialPage(name, id, context);
  return `Trial ${id} · ${name}`;
}
