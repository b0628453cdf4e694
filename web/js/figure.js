// The figure of a study: error over epochs, a line for each trial through its rungs. Those that are out are faint and share one
// dataset, with gaps between them: a chart of some datasets draws faster than one of thousands.
import {axis, endChart, errorCut, logTicks, makeChart, token, tooltip} from './charts.js';
import {card, h, setAttribute, setText} from './dom.js';
import {configValue, count, error, number, ordered, plural, stateName} from './format.js';

const TABLE_ROWS = 200;

// Best first: the higher rung, then the lower error.
function better(a, b) {
  const [x, y] = [a.results[a.results.length - 1], b.results[b.results.length - 1]];
  if (x.epochs !== y.epochs) return y.epochs - x.epochs;
  return (x.error ?? Infinity) - (y.error ?? Infinity) || a.id - b.id;
}

const GROUPS = [
  {key: 'best', label: 'best', color: 'best', alpha: 1, width: 3.5, radius: 4},
  {key: 'completed', label: 'completed', color: 'accent', alpha: 0.85, width: 1.75, radius: 2.5},
  {key: 'going', label: 'going on', color: 'going', alpha: 0.85, width: 1.5, radius: 2.5},
  {key: 'out', label: 'eliminated', color: 'faint', alpha: 0.5, width: 1, radius: 1.75},
];

function groupOf(trial, best) {
  if (trial === best) return 'best';
  const state = stateName(trial.state);
  if (state === 'completed') return 'completed';
  return state === 'queued' || state === 'running' || state === 'waiting' ? 'going' : 'out';
}

// Draws the line of the trial under the mouse over everything else.
const hoverLine = {
  id: 'hoverLine',
  afterDatasetsDraw(chart) {
    const trial = chart.hovered;
    if (!trial) return;
    const {ctx, scales: {x, y}, chartArea: area} = chart;
    ctx.save();
    ctx.beginPath();
    ctx.rect(area.left, area.top, area.width, area.height);
    ctx.clip();
    ctx.strokeStyle = token('text');
    ctx.lineWidth = 2.5;
    ctx.beginPath();
    for (const point of trial.results) {
      if (point.error !== undefined) ctx.lineTo(x.getPixelForValue(point.epochs), y.getPixelForValue(point.error));
    }
    ctx.stroke();
    ctx.restore();
  },
};

export class FigureCard {
  // `open(id)` shows a trial; `options` are shared by the study's charts: {log}.
  constructor(open, parameters, options, changed) {
    this.open = open;
    this.parameters = parameters;
    this.options = options;
    this.byEpoch = false;
    this.figure = null;
    this.canvas = h('canvas', {role: 'img', 'aria-label': 'Error over epochs', id: 'figure-canvas'});
    this.byEpochBox = this.toggle('Epoch by epoch', () => { this.byEpoch = !this.byEpoch; this.redraw(); });
    this.logBox = this.toggle('Log error', () => { options.log = !options.log; changed(); });
    this.legend = h('ul', {class: 'legend', 'aria-label': 'Lines'});
    this.note = h('p', {class: 'hint'});
    this.rows = h('tbody');
    this.details = h('details', {class: 'alternative', on: {toggle: () => this.fillTable()}},
      h('summary', null, 'The figure as a table'), h('div',
        {class: 'table-region', role: 'region', tabindex: '0', 'aria-label': 'The figure as a table'},
        h('table', null, h('caption', {class: 'sr-only'}, 'Results of the best trials'),
          h('thead', null, h('tr', null, ['Trial', 'State', 'Results: error at epochs'].map(
            (label) => h('th', {scope: 'col'}, label)))), this.rows)));
    this.empty = h('p', {class: 'chart-empty', hidden: true});
    this.box = h('div', {class: 'chart chart-large'}, this.canvas, this.empty);
    this.element = card('Error over epochs', {id: 'figure', className: 'span-2',
      side: h('div', {class: 'toggles'}, this.byEpochBox, this.logBox)},
    this.box, this.legend, this.note, this.details);
  }

  toggle(label, change) {
    const box = h('input', {type: 'checkbox', on: {change}});
    return h('label', {class: 'toggle'}, box, label);
  }

  update(figure) {
    this.figure = figure;
    this.best = figure.drawn.filter((t) => t.results.at(-1)?.error !== undefined).reduce(
      (best, trial) => (best === null || better(trial, best) < 0 ? trial : best), null);
    this.redraw();
  }

  redraw() {
    if (!this.figure) return;
    this.measure();
    const any = this.any;
    setText(this.empty, this.diverged > 0 ? 'Every result so far has diverged.'
      : 'Results appear here as trials report their errors.');
    this.empty.hidden = any;
    this.canvas.hidden = !any;
    if (!any) return;
    if (this.entry) {
      this.entry.recolor();
    } else {
      this.entry = makeChart(this.canvas, () => this.build());
    }
    this.describe();
    if (this.details.open) this.fillTable();
  }

  measure() {
    const errors = this.figure.drawn.flatMap((t) => t.results.map((r) => r.error));
    const known = errors.filter((e) => e !== undefined);
    this.any = known.length > 0;
    this.diverged = errors.length - known.length;
    this.canLog = known.length > 0 && known.every((e) => e > 0);
    this.log = this.options.log && this.canLog;
    this.cut = this.log ? {above: 0} : errorCut(known);
    this.logEpochs = this.figure.rungs.at(-1) / this.figure.rungs[0] > 12;
  }

  points(trial) {
    if (this.byEpoch && trial.curve?.length > 0) {
      return trial.curve.map((p) => ({x: p.epoch, y: p.error ?? NaN, trial}));
    }
    return trial.results.map((r) => ({x: r.epochs, y: r.error ?? NaN, trial}));
  }

  datasets() {
    const data = new Map(GROUPS.map((group) => [group.key, []]));
    this.counts = new Map(GROUPS.map((group) => [group.key, 0]));
    for (const trial of this.figure.drawn) {
      const key = groupOf(trial, this.best);
      const into = data.get(key);
      if (into.length > 0) into.push({x: NaN, y: NaN, trial: null});
      for (const point of this.points(trial)) into.push(point);
      this.counts.set(key, this.counts.get(key) + 1);
    }
    // Where thousands of lines lie over each other, each is fainter: the picture shows how dense they are, not a solid block.
    const alpha = (group) => group.alpha * Math.min(1, Math.sqrt(150 / Math.max(1, this.counts.get(group.key))));
    return GROUPS.map((group, order) => ({
      label: group.label, data: data.get(group.key), order,
      borderColor: token(group.color, alpha(group)), backgroundColor: token(group.color, alpha(group)),
      borderWidth: group.width, pointRadius: this.byEpoch ? 1 : group.radius, pointHitRadius: 7,
      pointHoverRadius: 5, pointBorderWidth: 0, spanGaps: false,
    }));
  }

  build() {
    const rungs = this.figure.rungs;
    const epochs = axis('epochs', this.logEpochs ? 'logarithmic' : 'linear', {
      bounds: 'data', suggestedMin: this.byEpoch ? Math.min(1, rungs[0]) : rungs[0], suggestedMax: rungs.at(-1),
      afterBuildTicks: (scale) => { scale.ticks = rungs.map((value) => ({value})); },
      ticks: {callback: (value) => count(value)},
    });
    const errors = axis('error', this.log ? 'logarithmic' : 'linear', {
      max: this.cut.max, ticks: {callback: (value) => number(value)},
      afterBuildTicks: this.log ? logTicks : undefined,
    });
    const of = (items) => items[0]?.raw.trial;
    return {
      type: 'line',
      data: {datasets: this.datasets()},
      plugins: [hoverLine],
      options: {
        scales: {x: epochs, y: errors},
        plugins: {legend: {display: false}, tooltip: tooltip({
          title: (items) => (of(items) ? `Trial ${of(items).id} · ${stateName(of(items).state)}` : ''),
          label: (item) => this.lines(item.raw.trial),
        })},
        onHover: (event, items) => this.hover(event.chart, items),
        onClick: (_event, items, chart) => {
          const trial = this.trialAt(chart, items);
          if (trial) this.open(trial.id);
        },
      },
    };
  }

  trialAt(chart, items) {
    const item = items[0];
    return item ? chart.data.datasets[item.datasetIndex].data[item.index].trial : null;
  }

  hover(chart, items) {
    const trial = this.trialAt(chart, items);
    chart.canvas.classList.toggle('can-click', Boolean(trial));
    if (chart.hovered === trial) return;
    chart.hovered = trial;
    chart.draw();
  }

  lines(trial) {
    const config = Object.entries(ordered(trial.config, this.parameters));
    const lines = config.slice(0, 10).map(([key, value]) => `${key}: ${configValue(value)}`);
    if (config.length > 10) lines.push(`and ${config.length - 10} more`);
    for (const r of trial.results) {
      lines.push(`${plural(r.epochs, 'epoch')}: ${r.error === undefined ? 'diverged' : error(r.error)}`);
    }
    return lines;
  }

  describe() {
    const {trials, leftOut, rungs} = this.figure;
    this.legend.replaceChildren(...GROUPS.filter((g) => this.counts.get(g.key) > 0).map((g) =>
      h('li', {class: `legend-${g.key}`}, h('span', {class: 'swatch', 'aria-hidden': 'true'}),
        g.key === 'best' ? `best: trial ${this.best.id}` : `${count(this.counts.get(g.key))} ${g.label}`)));
    const notes = [];
    if (Number(leftOut) > 0) {
      notes.push(`${count(trials - leftOut)} of ${count(trials)} trials are drawn: of each rung the best, and an `
        + 'even choice of the others.');
    }
    if (this.cut.above > 0) {
      notes.push(`${plural(this.cut.above, 'result')} above ${number(this.cut.max)} cut off; the log scale shows all.`);
    }
    if (this.diverged > 0) notes.push(`${plural(this.diverged, 'result')} diverged.`);
    if (this.options.log && !this.canLog) notes.push('No log scale: not all errors are above 0.');
    if (this.byEpoch) notes.push('Only the best trials have a curve; the others are drawn through their rungs.');
    setText(this.note, notes.join(' '));
    const last = this.best?.results.at(-1);
    setAttribute(this.canvas, 'aria-label', `Line chart: error over epochs of ${plural(trials, 'trial')}, `
      + `rungs at ${rungs.join(', ')} epochs.${last?.error === undefined ? ''
        : ` Best: trial ${this.best.id} with ${error(last.error)} at ${plural(last.epochs, 'epoch')}.`}`
      + ' The table below has the same.');
  }

  fillTable() {
    if (!this.details.open || !this.figure) return;
    const rows = this.figure.drawn.filter((t) => t.results.length > 0).sort(better).slice(0, TABLE_ROWS);
    this.rows.replaceChildren(...rows.map((trial) => h('tr', null,
      h('th', {scope: 'row'}, h('a', {href: this.open.href(trial.id)}, String(trial.id))),
      h('td', null, stateName(trial.state)),
      h('td', null, trial.results.map((r) =>
        `${r.error === undefined ? 'diverged' : error(r.error)} at ${r.epochs}`).join(', ')))));
  }

  end() {
    endChart(this.entry);
  }
}
