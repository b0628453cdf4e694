// The list of studies.
import {get, query} from './api.js';
import {childAt, command, h, icon, setText} from './dom.js';
import {STUDY_STATES, count, duration, error, plural, seconds, stateName} from './format.js';
import {Live} from './live.js';
import {showServer} from './server.js';
import {studyHref, trialHref} from './study.js';
import {DataTable, Pager, cells} from './tables.js';

const LIMIT = 25;
const EXAMPLE = 'examples/lenet-fashion-mnist.json';

function paintName(td, row) {
  cells.link(childAt(td, 0, 'div'), studyHref(row.name), row.name);
  setText(childAt(td, 1, 'div', 'row-more'), row.objective);
  const notes = row.notes.length === 0 ? '' : row.notes[0] + (row.notes.length > 1 ? ` (and ${row.notes.length - 1} more)` : '');
  const line = childAt(td, 2, 'div', 'row-note');
  setText(line, notes);
  line.title = row.notes.join('\n');
  line.hidden = notes === '';
}

function paintProgress(td, row) {
  const state = stateName(row.state);
  cells.bar(td, row.progress);
  td.firstElementChild.className = `meter is-${state}`;
  const left = row.timeLeft ? `≈ ${duration(seconds(row.timeLeft))} left` : '';
  const more = childAt(td, 2, 'div', 'row-more');
  setText(more, state === 'running' ? left : row.endReason);
  more.title = row.endReason;
}

function paintBest(td, row) {
  const known = row.bestError !== undefined;
  const first = childAt(td, 0, 'div');
  if (known) cells.link(first, trialHref(row.name, row.bestTrialId), error(row.bestError));
  else cells.text(first, '–');
  setText(childAt(td, 1, 'div', 'row-more'), known ? `at ${plural(row.bestEpochs, 'epoch')}` : '');
}

function paintTrials(td, row) {
  setText(childAt(td, 0, 'div'), count(row.trials));
  const more = [[row.running, 'running'], [row.queued, 'queued'], [row.failedTrials, 'failed']]
    .filter(([n]) => Number(n) > 0).map(([n, what]) => `${count(n)} ${what}`);
  setText(childAt(td, 1, 'div', 'row-more'), more.join(', '));
}

const COLUMNS = [
  {key: 'name', label: 'Study', head: true, paint: paintName},
  {key: 'state', label: 'State', paint: (td, row) => cells.chip(td, row.state)},
  {key: 'progress', label: 'Progress', className: 'progress-cell', paint: paintProgress},
  {key: 'best', label: 'Best error', num: true, paint: paintBest},
  {key: 'trials', label: 'Trials', num: true, paint: paintTrials},
  {key: 'evaluations', label: 'Evaluations', num: true, paint: (td, row) => cells.text(td, count(row.evaluations))},
  {key: 'epochs', label: 'Epochs', num: true, paint: (td, row) => cells.text(td, count(row.epochsTrained))},
  {key: 'created', label: 'Created', num: true, paint: (td, row) => cells.ago(td, row.createTime)},
];

function emptyState() {
  return h('div', {class: 'nothing', id: 'no-studies'},
    h('h2', null, 'No study yet'),
    h('p', null, 'A study searches the best config of a training program. Create one here, or where the server runs:'),
    h('p', {class: 'changes'}, h('a', {href: '#/new', class: 'button primary'}, icon('plus'), 'New study')),
    command(`halving create ${EXAMPLE}`),
    command(`grpcurl -plaintext -d @ ${location.hostname}:7070 halving.v1.StudyService/CreateStudy < ${EXAMPLE}`),
    h('p', {class: 'hint'}, 'Then start workers, one for each GPU: ', h('code', null, 'halving-worker --device auto'), '.'));
}

class StudiesPage {
  constructor({main, signal, route}) {
    Object.assign(this, {signal, route});
    this.search = route.query.get('q') ?? '';
    this.states = new Set(route.query.getAll('state'));
    this.offset = Number(route.query.get('offset')) || 0;
    this.table = new DataTable({caption: 'Studies', columns: COLUMNS, keyOf: (row) => row.name});
    this.pager = new Pager('Pages of studies', (offset) => this.change({offset: Math.max(0, offset)}));
    this.sum = h('p', {class: 'subtitle', id: 'studies-sum'}, ' ');
    this.list = h('section', {class: 'card', 'aria-label': 'List of studies', hidden: true}, this.filters(), this.table.element,
      h('div', {class: 'table-foot'}, h('span'), this.pager.element));
    this.loading = h('p', {class: 'loading'}, 'Loading the studies…');
    this.none = emptyState();
    this.none.hidden = true;
    main.replaceChildren(h('div', {class: 'page-head'}, h('div', {class: 'title-row'},
      h('h1', {tabindex: '-1'}, 'Studies'),
      h('div', {class: 'actions changes'}, h('a', {href: '#/new', class: 'button primary'}, icon('plus'), 'New study'))),
    this.sum), this.loading, this.none, this.list);
    this.follow();
  }

  filters() {
    const box = h('input', {type: 'search', id: 'study-search', placeholder: 'Name or objective', autocomplete: 'off',
      spellcheck: 'false', on: {input: () => {
        clearTimeout(this.typing);
        this.typing = setTimeout(() => this.change({search: box.value.trim(), offset: 0}), 200);
      }}});
    box.value = this.search;
    const buttons = STUDY_STATES.map((name) => h('button', {type: 'button', class: 'filter-chip',
      'aria-pressed': String(this.states.has(name.toUpperCase())), on: {click: (event) => {
        if (!this.states.delete(name.toUpperCase())) this.states.add(name.toUpperCase());
        event.currentTarget.setAttribute('aria-pressed', String(this.states.has(name.toUpperCase())));
        this.change({offset: 0});
      }}}, name));
    return h('div', {class: 'filters'}, h('div', {class: 'where-form'}, h('label', {for: 'study-search'}, 'Search'), box),
      h('div', {class: 'filter-chips', role: 'group', 'aria-label': 'States'}, buttons));
  }

  change(values) {
    Object.assign(this, values);
    this.route.replaceQuery({q: this.search, state: [...this.states], offset: this.offset || ''});
    this.follow();
  }

  // The stream is of what is asked for: another question, another stream.
  follow() {
    this.stop?.abort();
    this.stop = new AbortController();
    const signal = AbortSignal.any([this.stop.signal, this.signal]);
    const search = query({offset: this.offset, limit: LIMIT, q: this.search, state: [...this.states]});
    const show = (overview) => { if (!signal.aborted) this.show(overview); };
    new Live({path: `events${search}`, signal, on: {overview: show},
      poll: async () => show(await get(`overview${search}`, {signal}))});
  }

  show(overview) {
    showServer(overview);
    const {studies} = overview;
    const [matched, total] = [Number(overview.matched), Number(overview.total)];
    if (studies.length === 0 && matched > 0 && this.offset > 0) {
      this.change({offset: Math.floor((matched - 1) / LIMIT) * LIMIT});
      return;
    }
    this.loading.hidden = true;
    this.none.hidden = total > 0;
    this.list.hidden = total === 0;
    setText(this.sum, total === 0 ? '' : `${count(total)} in all, ${count(overview.running)} running`);
    this.table.update(studies, 'No study is like that.');
    this.pager.update(this.offset, LIMIT, studies.length, matched, count);
  }
}

export function studiesPage(context) {
  new StudiesPage(context);
  context.route.arrived();
  return 'Studies';
}
