// The rungs of a study as a funnel: how many trials stand where, and when each rung closes.
import {card, childAt, h, setText} from './dom.js';
import {count, duration, error, seconds} from './format.js';
import {DataTable, cells} from './tables.js';

const MOST_ROWS = 60;
const PARTS = [['promoted', 'promoted'], ['running', 'running'], ['queued', 'queued'], ['waiting', 'waiting'],
  ['out', 'not promoted'], ['failed', 'failed']];

// What a rung's bar is made of. Waiting and failed ones are both outcomes, so what is left of the reports is out.
function parts(rung) {
  const n = Object.fromEntries(Object.entries(rung).map(([key, value]) => [key, Number(value)]));
  const waiting = Math.min(n.waiting, Math.max(0, n.reported - n.promoted));
  return {promoted: n.promoted, running: n.running, queued: n.queued, failed: n.failed, waiting,
    out: Math.max(0, n.reported - n.promoted - waiting)};
}

const total = (p) => Object.values(p).reduce((sum, n) => sum + n, 0);

function paintBar(td, row) {
  const bar = childAt(td, 0, 'div', 'funnel');
  const said = [];
  PARTS.forEach(([key, label], i) => {
    const part = childAt(bar, i, 'span', `part-${key}`);
    part.style.setProperty('width', `${(100 * row.parts[key]) / row.most}%`);
    part.hidden = row.parts[key] === 0;
    if (row.parts[key] > 0) said.push(`${count(row.parts[key])} ${label}`);
  });
  bar.title = said.join(', ');
  setText(childAt(td, 1, 'span', 'sr-only'), said.join(', ') || 'empty');
}

const numbers = (key, label, hint) => ({key, label, hint, num: true,
  paint: (td, row) => cells.text(td, Number(row[key]) ? count(row[key]) : '·')});

export class RungsCard {
  constructor(study) {
    const policy = study.spec.halving.policy;
    const columns = [{key: 'epochs', label: 'Epochs', head: true, paint: (td, row) => cells.text(td, count(row.epochs))}];
    if (policy === 'POLICY_HYPERBAND') {
      columns.push({key: 'bracket', label: 'Bracket', num: true, paint: (td, row) => cells.text(td, String(row.bracket))});
    }
    if (policy === 'POLICY_HALVING_PER_ROUND') {
      columns.push({key: 'round', label: 'Round', num: true,
        paint: (td, row) => cells.text(td, Number(row.round) ? count(row.round) : 'closed', 'The sum over closed rounds')});
    }
    columns.push(
      {key: 'bar', label: 'Trials', className: 'funnel-cell', paint: paintBar},
      numbers('queued', 'Queued'), numbers('running', 'Running'),
      {key: 'waiting', label: 'Waiting', num: true, hint: 'Outcomes gathered, of those that close the rung',
        paint: (td, row) => cells.text(td, Number(row.size) ? `${count(row.waiting)} of ${count(row.size)}` : count(row.waiting))},
      numbers('reported', 'Reported'), numbers('promoted', 'Promoted'), numbers('failed', 'Failed'),
      {key: 'best', label: 'Best', num: true, paint: (td, row) => cells.text(td, error(row.bestError))},
      {key: 'median', label: 'Median', num: true, paint: (td, row) => cells.text(td, error(row.medianError))},
      {key: 'usual', label: 'Usual time', num: true, hint: 'Median of the last 64 evaluations',
        paint: (td, row) => cells.text(td, duration(seconds(row.usualTime)))},
      {key: 'closes', label: 'Closes in', num: true, hint: 'Expected, at the pace of the last evaluations',
        paint: (td, row) => cells.text(td, row.closesIn ? `≈ ${duration(seconds(row.closesIn))}` : '–')});
    this.table = new DataTable({caption: 'Rungs', columns, empty: 'No rung yet.',
      keyOf: (row) => `${row.bracket}-${row.round}-${row.epochs}`});
    this.note = h('p', {class: 'hint', hidden: true});
    const legend = h('ul', {class: 'legend', 'aria-label': 'Colours'}, PARTS.map(([key, label]) =>
      h('li', null, h('span', {class: `swatch part-${key}`, 'aria-hidden': 'true'}), label)));
    this.element = card('Rungs', {id: 'rungs', className: 'span-3', side: legend}, this.table.element, this.note);
  }

  update(status) {
    const rows = status.rungs.map((rung) => ({...rung, parts: parts(rung)}));
    const most = Math.max(1, ...rows.map((row) => total(row.parts)));
    for (const row of rows) row.most = most;
    const shown = rows.length > MOST_ROWS ? rows.slice(-MOST_ROWS) : rows;
    this.table.update(shown);
    this.note.hidden = shown.length === rows.length;
    setText(this.note, `The last ${shown.length} of ${rows.length} rungs are shown.`);
  }
}
