// The error against each parameter, and against time or the epochs spent. A point is a result, its colour the rung.
import {WhenSeen, axis, endChart, errorCut, logTicks, makeChart, rungColor, token, tooltip} from './charts.js';
import {card, h, reconcile, setAttribute, setText} from './dom.js';
import {configValue, count, duration, error, number, plural, stateName} from './format.js';

const MOST_POINTS = 2000;  // Of one parameter's chart; there may be dozens of them.

const lastKnown = (trial) => trial.results.findLast((r) => r.error !== undefined);

function thinned(points, most) {
  if (points.length <= most) return points;
  const best = points.toSorted((a, b) => b.rung - a.rung || a.y - b.y).slice(0, most / 2);
  const kept = new Set(best);
  const others = points.filter((p) => !kept.has(p));
  const step = others.length / (most / 2);
  for (let i = 0; i < most / 2; i++) best.push(others[Math.floor(i * step)]);
  return best;
}

function byRung(points, rungs, radius) {
  return rungs.map((epochs, k) => ({
    label: plural(epochs, 'epoch'), order: rungs.length - k,
    data: points.filter((p) => p.rung === k).sort((a, b) => a.x - b.x),  // `normalized` promises that.
    backgroundColor: rungColor(k, rungs.length, 0.45 + 0.5 * (k + 1) / rungs.length), borderWidth: 0,
    pointRadius: radius * (0.8 + 0.7 * k / Math.max(1, rungs.length - 1)), pointHitRadius: 5,
    pointHoverRadius: 6, pointBorderWidth: 0, showLine: false,
  }));
}

function rungLegend(rungs) {
  return h('ul', {class: 'legend', 'aria-label': 'Colours'}, rungs.map((epochs, k) => {
    const swatch = h('span', {class: 'swatch round', 'aria-hidden': 'true'});
    const high = rungs.length > 1 ? (100 * k) / (rungs.length - 1) : 100;
    swatch.style.setProperty('background', `color-mix(in srgb, var(--rung-high) ${high}%, var(--rung-low))`);
    return h('li', null, swatch, plural(epochs, 'epoch'));
  }));
}

function errorAxis(errors, log) {
  const useLog = log && errors.every((e) => e > 0);
  return axis('', useLog ? 'logarithmic' : 'linear', {
    max: useLog ? undefined : errorCut(errors).max,
    ticks: {callback: (value) => number(value), maxTicksLimit: 6},
    afterBuildTicks: useLog ? logTicks : undefined,
  });
}

function interaction(open, title, lines) {
  const at = (chart, items) => (items[0] ? chart.data.datasets[items[0].datasetIndex].data[items[0].index] : null);
  return {
    plugins: {legend: {display: false}, tooltip: tooltip({
      title: (items) => (items[0]?.raw ? title(items[0].raw) : ''), label: (item) => lines(item.raw)})},
    onHover: (event, items) => event.chart.canvas.classList.toggle('can-click', items.length > 0),
    onClick: (_event, items, chart) => {
      const point = at(chart, items);
      if (point) open(point.id);
    },
  };
}

// One parameter.
class ParameterChart {
  constructor(parameter, open, options) {
    Object.assign(this, {parameter, open, options});
    this.canvas = h('canvas', {role: 'img', 'aria-label': `Error against ${parameter.name}`});
    this.note = h('p', {class: 'hint'});
    const id = `parameter-${parameter.name.replace(/[^\w-]/g, '_')}`;
    this.element = h('figure', {class: 'small-chart'},
      h('figcaption', {id}, parameter.name, this.isLog() ? h('span', {class: 'muted'}, ' log') : null),
      h('div', {class: 'chart chart-small'}, this.canvas), this.note);
    this.figure = null;
    this.seen = new WhenSeen(this.element, () => this.draw());
  }

  isLog() {
    return Boolean(this.parameter.float?.log || this.parameter.int?.log);
  }

  update(figure) {
    this.figure = figure;
    this.seen.refresh();
  }

  draw() {
    if (!this.figure) return;
    this.points = this.measure();
    if (this.entry) this.entry.recolor();
    else this.entry = makeChart(this.canvas, () => this.build());
    const {name} = this.parameter;
    setAttribute(this.canvas, 'aria-label', `Scatter chart: error against ${name}, ${plural(this.points.length, 'trial')}. `
      + 'The trial table has the same.');
  }

  measure() {
    const {name, choice} = this.parameter;
    this.choices = choice?.values.map((value) => JSON.stringify(value));
    let absent = 0;
    const points = [];
    for (const trial of this.figure.drawn) {
      const result = lastKnown(trial);
      const value = trial.config?.[name];
      if (value === undefined || value === null) absent += 1;
      if (!result || value === undefined || value === null) continue;
      const at = this.choices ? this.choices.indexOf(JSON.stringify(value)) : value;
      if (at < 0) continue;
      const jitter = this.choices ? ((trial.id * 0.618034) % 1 - 0.5) * 0.5 : 0;
      points.push({x: at + jitter, y: result.error, id: trial.id, value, rung: this.figure.rungs.indexOf(result.epochs)});
    }
    const kept = thinned(points, MOST_POINTS);
    const notes = [];
    if (kept.length < points.length) notes.push(`${count(kept.length)} of ${count(points.length)} trials.`);
    if (absent > 0) notes.push(`${plural(absent, 'trial has', 'trials have')} no value.`);
    setText(this.note, notes.join(' '));
    return kept;
  }

  xAxis() {
    if (this.choices) {
      const values = this.parameter.choice.values;
      return axis('', 'linear', {min: -0.5, max: values.length - 0.5,
        afterBuildTicks: (scale) => { scale.ticks = values.map((_v, value) => ({value})); },
        ticks: {autoSkip: values.length > 8,
          callback: (at) => { const t = configValue(values[at]); return t.length > 12 ? `${t.slice(0, 11)}…` : t; }}});
    }
    const {min, max} = this.parameter.float ?? this.parameter.int;
    return axis('', this.isLog() ? 'logarithmic' : 'linear', {min: Number(min ?? 0), max: Number(max),
      afterBuildTicks: this.isLog() ? logTicks : undefined,
      ticks: {callback: (value) => number(value), maxTicksLimit: 6}});
  }

  build() {
    const {name} = this.parameter;
    return {
      type: 'scatter',
      data: {datasets: byRung(this.points, this.figure.rungs, 2.5)},
      options: {
        clip: 4,
        scales: {x: this.xAxis(), y: errorAxis(this.points.map((p) => p.y), this.options.log)},
        ...interaction(this.open, (p) => `Trial ${p.id}`, (p) => [`${name}: ${configValue(p.value)}`,
          `error: ${error(p.y)} at ${plural(this.figure.rungs[p.rung], 'epoch')}`]),
      },
    };
  }

  end() {
    this.seen.end();
    endChart(this.entry);
  }
}

export class ParametersCard {
  constructor(open, options) {
    Object.assign(this, {open, options});
    this.charts = new Map();
    this.grid = h('div', {class: 'small-charts'});
    this.legend = h('div');
    this.element = card('Error against each parameter', {id: 'parameters', className: 'span-3'}, this.legend, this.grid);
  }

  update(study, figure) {
    const parameters = study.spec.parameters;
    for (const parameter of parameters) {
      if (!this.charts.has(parameter.name)) {
        this.charts.set(parameter.name, new ParameterChart(parameter, this.open, this.options));
      }
    }
    reconcile(this.grid, parameters, (p) => p.name, (p) => this.charts.get(p.name).element, () => {});
    if (this.rungs !== String(figure.rungs)) {
      this.rungs = String(figure.rungs);
      this.legend.replaceChildren(rungLegend(figure.rungs));
    }
    for (const chart of this.charts.values()) chart.update(figure);
  }

  end() {
    for (const chart of this.charts.values()) chart.end();
  }
}

// The best so far, as a line of steps, over all results.
export class ProgressCard {
  constructor(open, options) {
    Object.assign(this, {open, options});
    this.byTime = true;
    this.canvas = h('canvas', {role: 'img', id: 'progress-canvas', 'aria-label': 'Best so far'});
    const choose = (byTime) => () => { this.byTime = byTime; this.seen.refresh(); };
    const radio = (label, byTime) => h('label', {class: 'toggle'}, h('input',
      {type: 'radio', name: 'progress-x', checked: byTime === this.byTime, on: {change: choose(byTime)}}), label);
    this.rows = h('tbody');
    this.details = h('details', {class: 'alternative', on: {toggle: () => this.fillTable()}},
      h('summary', null, 'The best so far as a table'),
      h('div', {class: 'table-region', role: 'region', tabindex: '0', 'aria-label': 'The best so far'},
        h('table', null, h('caption', {class: 'sr-only'}, 'Each result that was better than all before it'),
          h('thead', null, h('tr', null, ['Trial', 'Error', 'Epochs', 'Time', 'Epochs spent'].map(
            (label, i) => h('th', {scope: 'col', class: i > 0 ? 'num' : null}, label)))), this.rows)));
    this.empty = h('p', {class: 'chart-empty', hidden: true}, 'No error has been reported yet.');
    this.element = card('Best so far', {id: 'best-so-far', className: 'span-3', side: h('div', {class: 'toggles',
      role: 'radiogroup', 'aria-label': 'Against'}, radio('Time', true), radio('Epochs spent', false))},
    h('div', {class: 'chart chart-middle'}, this.canvas, this.empty), this.details);
    this.seen = new WhenSeen(this.element, () => this.draw());
  }

  update(figure) {
    this.figure = figure;
    this.seen.refresh();
  }

  draw() {
    if (!this.figure) return;
    const any = this.figure.drawn.some(lastKnown);
    this.empty.hidden = any;
    this.canvas.hidden = !any;
    if (!any) return;
    this.measure();
    if (this.entry) this.entry.recolor();
    else this.entry = makeChart(this.canvas, () => this.build());
    const best = this.figure.incumbents.at(-1);
    setAttribute(this.canvas, 'aria-label', `Scatter chart: errors of results over ${this.byTime ? 'time' : 'epochs spent'}, `
      + `and the best so far.${best ? ` Lowest: ${error(best.error)} by trial ${best.trialId}.` : ''} The table below has it.`);
    this.fillTable();
  }

  measure() {
    const key = this.byTime ? 'seconds' : 'studyEpochs';
    const results = this.figure.drawn.flatMap((trial) => trial.results.filter((r) => r.error !== undefined).map((r) => ({
      x: r[key], y: r.error, id: trial.id, state: trial.state, rung: this.figure.rungs.indexOf(r.epochs)})));
    this.points = thinned(results, 6000);
    this.latest = Math.max(0, ...this.points.map((p) => p.x));
    this.unit = !this.byTime ? [1, 'epochs spent'] : this.latest > 2 * 86400 ? [86400, 'days']
      : this.latest > 2 * 3600 ? [3600, 'hours'] : this.latest > 180 ? [60, 'minutes'] : [1, 'seconds'];
    for (const point of this.points) point.x /= this.unit[0];
    this.steps = this.figure.incumbents.map((i) => (
      {x: i[key] / this.unit[0], y: i.error, id: i.trialId, rung: this.figure.rungs.indexOf(i.epochs)}));
    const last = this.steps.at(-1);
    if (last) this.steps.push({...last, x: Math.max(last.x, this.latest / this.unit[0])});
  }

  build() {
    const line = {label: 'best so far', type: 'line', data: this.steps, order: -1, stepped: true, showLine: true,
      borderColor: token('best'), backgroundColor: token('best'), borderWidth: 2.5, pointRadius: 0, pointHitRadius: 5};
    const x = axis(this.byTime ? `time since the start, ${this.unit[1]}` : this.unit[1], 'linear',
      {min: 0, max: this.latest / this.unit[0] || 1, ticks: {callback: (value) => number(value), maxTicksLimit: 9,
        includeBounds: false}});
    return {
      type: 'scatter',
      data: {datasets: [line, ...byRung(this.points, this.figure.rungs, 2)]},
      options: {
        clip: 4,
        scales: {x, y: errorAxis(this.points.map((p) => p.y), this.options.log)},
        ...interaction(this.open, (p) => `Trial ${p.id}${p.state ? ` · ${stateName(p.state)}` : ''}`, (p) => [
          `error: ${error(p.y)} at ${plural(this.figure.rungs[p.rung], 'epoch')}`,
          this.byTime ? `after ${duration(p.x * this.unit[0])}` : `after ${plural(p.x, 'epoch')} in all`]),
      },
    };
  }

  fillTable() {
    if (!this.details.open || !this.figure) return;
    this.rows.replaceChildren(...this.figure.incumbents.toReversed().slice(0, 200).map((i) => h('tr', null,
      h('th', {scope: 'row'}, h('a', {href: this.open.href(i.trialId)}, String(i.trialId))),
      [error(i.error), count(i.epochs), duration(i.seconds), count(i.studyEpochs)].map(
        (text) => h('td', {class: 'num'}, text)))));
  }

  end() {
    this.seen.end();
    endChart(this.entry);
  }
}
