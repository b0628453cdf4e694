// The workers: what each does, how busy it was, and which need a look.
import {get, query} from './api.js';
import {card, h, setText} from './dom.js';
import {count, duration, percent, plural, seconds} from './format.js';
import {keepAsking} from './live.js';
import {studyHref, trialHref} from './study.js';
import {DataTable, Pager, cells, since} from './tables.js';

const ASK_MS = 2000;
const PAGE = 1000;         // Of one call.
const MOST = 20000;        // Workers that this page holds.
const ROWS = 100;

function stateOf(worker) {
  if (!worker.connected) return 'disconnected';
  if (worker.study) return worker.straggling ? 'straggling' : 'busy';
  return 'idle';
}

const ORDER = ['straggling', 'disconnected', 'idle', 'busy'];
const KEYS = {
  worker: (w) => w.workerId, host: (w) => `${w.host} ${w.device}`, state: (w) => ORDER.indexOf(stateOf(w)),
  trial: (w) => `${w.study} ${String(w.trialId).padStart(12)}`, utilisation: (w) => w.utilisation,
  finished: (w) => Number(w.trialsFinished), lost: (w) => Number(w.leasesLost), seen: (w) => seconds(w.lastSeen)};

function paintState(td, worker) {
  const state = stateOf(worker);
  cells.chip(td, state);
}

function paintTrial(td, worker) {
  if (!worker.study) {
    cells.text(td, worker.idleFor ? 'idle for ' : '–');
    if (worker.idleFor) {
      const time = h('span');
      since(time, seconds(worker.idleFor));
      td.append(time);
    }
    return;
  }
  if (td.children.length !== 2) td.replaceChildren(h('a'), ' · ', h('a'));
  const [study, trial] = td.children;
  study.href = studyHref(worker.study);
  setText(study, worker.study);
  trial.href = trialHref(worker.study, worker.trialId);
  setText(trial, `trial ${worker.trialId}`);
}

const COLUMNS = [
  {key: 'worker', label: 'Worker', sort: true, head: true, paint: (td, w) => cells.text(td, w.workerId, w.workerId)},
  {key: 'state', label: 'State', sort: true, paint: paintState},
  {key: 'utilisation', label: 'Busy, of late', sort: true, className: 'meter-cell',
    paint: (td, w) => cells.bar(td, w.utilisation, percent(w.utilisation))},
  {key: 'trial', label: 'Doing', sort: true, paint: paintTrial},
  {key: 'host', label: 'Host and device', sort: true,
    paint: (td, w) => cells.text(td, [w.host, w.device].filter(Boolean).join(' · '))},
  {key: 'objectives', label: 'Objectives', paint: (td, w) => cells.text(td, w.objectives.join(', ') || 'any')},
  {key: 'finished', label: 'Finished', sort: true, num: true, paint: (td, w) => cells.text(td, count(w.trialsFinished))},
  {key: 'lost', label: 'Leases lost', sort: true, num: true, paint: (td, w) => cells.text(td, count(w.leasesLost))},
  {key: 'seen', label: 'Last seen', sort: true, num: true, paint: (td, w) => cells.text(td,
    seconds(w.lastSeen) < 5 ? 'just now' : `${duration(seconds(w.lastSeen))} ago`)},
];

class WorkersPage {
  constructor({main, signal, route}) {
    Object.assign(this, {signal, route});
    this.workers = null;
    this.search = route.query.get('q') ?? '';
    this.states = new Set(route.query.getAll('state'));
    this.sort = route.query.get('sort') ?? 'worker';
    this.descending = route.query.get('order') === 'desc';
    this.offset = 0;
    this.table = new DataTable({caption: 'Workers', columns: COLUMNS, keyOf: (w) => w.workerId, onSort: (key) => this.sortBy(key)});
    this.table.showOrder(this.sort, this.descending);
    this.pager = new Pager('Pages of workers', (offset) => this.change({offset: Math.max(0, offset)}));
    this.sum = h('p', {class: 'subtitle'}, ' ');
    this.note = h('p', {class: 'hint', hidden: true});
    this.none = h('div', {class: 'nothing', hidden: true}, h('h2', null, 'No worker yet'),
      h('p', null, 'A worker asks the server for trials and trains them. Start one for each GPU:'),
      h('p', null, h('code', null, 'halving-worker --device auto')));
    this.list = card('All workers', {id: 'workers'}, this.filters(), this.table.element, this.note,
      h('div', {class: 'table-foot'}, h('span'), this.pager.element));
    this.list.hidden = true;
    this.loading = h('p', {class: 'loading'}, 'Loading the workers…');
    main.replaceChildren(h('div', {class: 'page-head'}, h('h1', {tabindex: '-1'}, 'Workers'), this.sum),
      this.loading, this.none, this.list);
    keepAsking(() => this.load(), () => Math.max(ASK_MS, (this.workers?.length ?? 0) * 3), signal);
  }

  filters() {
    const box = h('input', {type: 'search', id: 'worker-search', placeholder: 'Name, host, device or study', autocomplete: 'off',
      spellcheck: 'false', on: {input: () => this.change({search: box.value.trim(), offset: 0})}});
    box.value = this.search;
    const buttons = ORDER.map((name) => h('button', {type: 'button', class: 'filter-chip',
      'aria-pressed': String(this.states.has(name)), on: {click: (event) => {
        if (!this.states.delete(name)) this.states.add(name);
        event.currentTarget.setAttribute('aria-pressed', String(this.states.has(name)));
        this.change({offset: 0});
      }}}, name));
    return h('div', {class: 'filters'}, h('div', {class: 'where-form'}, h('label', {for: 'worker-search'}, 'Search'), box),
      h('div', {class: 'filter-chips', role: 'group', 'aria-label': 'States'}, buttons));
  }

  sortBy(key) {
    const descending = this.sort === key && !this.descending;
    this.table.showOrder(key, descending);
    this.change({sort: key, descending, offset: 0});
  }

  change(values) {
    Object.assign(this, values);
    this.route.replaceQuery({q: this.search, state: [...this.states], sort: this.sort === 'worker' ? '' : this.sort,
      order: this.descending ? 'desc' : ''});
    this.show();
  }

  async load() {
    const workers = [];
    let token = '';
    do {
      const page = await get(`workers${query({page_size: PAGE, page_token: token})}`, {signal: this.signal});
      workers.push(...page.workers);
      token = page.nextPageToken;
    } while (token && workers.length < MOST);
    if (this.signal.aborted) return;
    this.workers = workers;
    this.more = Boolean(token);
    this.show();
  }

  matching() {
    const text = this.search.toLowerCase();
    const matches = this.workers.filter((w) => (this.states.size === 0 || this.states.has(stateOf(w)))
      && (text === '' || `${w.workerId} ${w.host} ${w.device} ${w.study}`.toLowerCase().includes(text)));
    const key = KEYS[this.sort] ?? KEYS.worker;
    const sign = this.descending ? -1 : 1;
    const compare = (a, b) => (typeof a === 'string' ? a.localeCompare(b, undefined, {numeric: true}) : a - b);
    return matches.sort((a, b) => sign * compare(key(a), key(b)) || compare(a.workerId, b.workerId));
  }

  show() {
    if (!this.workers) return;
    const {workers} = this;
    this.loading.hidden = true;
    this.none.hidden = workers.length > 0;
    this.list.hidden = workers.length === 0;
    const n = new Map(ORDER.map((name) => [name, 0]));
    for (const worker of workers) n.set(stateOf(worker), n.get(stateOf(worker)) + 1);
    const connected = workers.filter((w) => w.connected);
    const mean = connected.reduce((sum, w) => sum + w.utilisation, 0) / Math.max(1, connected.length);
    setText(this.sum, workers.length === 0 ? '' : `${count(connected.length)} connected, busy ${percent(mean)} of late · `
      + [...n].filter(([, many]) => many > 0).map(([name, many]) => `${count(many)} ${name}`).join(', '));
    const rows = this.matching();
    if (this.offset >= rows.length) this.offset = Math.max(0, Math.floor((rows.length - 1) / ROWS) * ROWS);
    const shown = rows.slice(this.offset, this.offset + ROWS);
    this.table.update(shown, 'No worker is like that.');
    this.pager.update(this.offset, ROWS, shown.length, rows.length, count);
    this.note.hidden = !this.more;
    setText(this.note, `The first ${plural(workers.length, 'worker')} are looked at; there are more.`);
  }
}

export function workersPage(context) {
  new WorkersPage(context);
  context.route.arrived();
  return 'Workers';
}
