// The table of a study's trials. Sorting, filtering and paging are the server's: a page of a million trials costs as much as one
// of ten.
import {get, pacer, query, studyPath} from './api.js';
import {announce, card, h, setText} from './dom.js';
import {TRIAL_STATES, configValue, count, error, lastResult, plural} from './format.js';
import {DataTable, Pager, cells} from './tables.js';

const LIMITS = [25, 50, 100, 200];

function columns(study, href) {
  const own = study.spec.parameters.map((parameter) => ({
    key: `config.${parameter.name}`, label: parameter.name, sort: true, num: !parameter.choice,
    paint: (td, trial) => {
      const value = trial.config?.[parameter.name];
      cells.text(td, configValue(value), value === undefined || value === null ? null : String(value));
    }}));
  return [
    {key: 'id', label: 'Trial', sort: true, head: true, paint: (td, t) => cells.link(td, href(t.id), t.id)},
    {key: 'state', label: 'State', sort: true, paint: (td, t) => cells.chip(td, t.state)},
    {key: 'error', label: 'Error', sort: true, num: true,
      hint: 'At the highest rung reached; best first: the higher rung counts more',
      paint: (td, t) => cells.text(td, error(lastResult(t)?.error), lastResult(t) ? String(lastResult(t).error) : null)},
    {key: 'epochs', label: 'Epochs', sort: true, num: true, hint: 'Reached',
      paint: (td, t) => cells.text(td, lastResult(t) ? count(lastResult(t).epochs) : '–')},
    ...own,
    {key: 'round', label: 'Round', sort: true, num: true,
      paint: (td, t) => cells.text(td, Number(t.round) ? count(t.round) : '–')},
    {key: 'attempts', label: 'Attempts', sort: true, num: true, paint: (td, t) => cells.text(td, count(t.attempts))},
    {key: 'time', label: 'Last result', sort: true, num: true, paint: (td, t) => cells.ago(td, lastResult(t)?.endTime)},
  ];
}

export class TrialsCard {
  // `route` keeps what was chosen in the address, so that Back comes to the same page of the table.
  constructor({name, study, href, route, signal, every, total}) {
    Object.assign(this, {name, href, route, signal, tellTotal: total});
    const q = route.query;
    this.sort = q.get('sort') ?? 'error';
    this.descending = q.get('order') === 'desc';
    this.states = new Set(q.getAll('state'));
    this.where = q.getAll('where');
    this.offset = Number(q.get('offset')) || 0;
    this.limit = LIMITS.includes(Number(q.get('limit'))) ? Number(q.get('limit')) : 25;
    this.table = new DataTable({caption: 'Trials', columns: columns(study, href), keyOf: (t) => t.id,
      onSort: (key) => this.sortBy(key)});
    this.pager = new Pager('Pages of trials', (offset) => this.change({offset}));
    this.message = h('p', {class: 'form-error', role: 'alert', hidden: true});
    this.total = h('span', {class: 'muted', id: 'trials-total'});
    this.element = card('Trials', {id: 'trials', className: 'span-3', side: this.total},
      this.filters(study), this.message, this.table.element, this.foot());
    this.trigger = pacer(() => this.load(), every, signal);
    this.table.showOrder(this.sort, this.descending);
  }

  filters(study) {
    this.stateButtons = TRIAL_STATES.map((name) => h('button', {type: 'button', class: 'filter-chip',
      'aria-pressed': String(this.states.has(name.toUpperCase())),
      on: {click: (event) => this.toggleState(name.toUpperCase(), event.currentTarget)}}, name));
    this.whereList = h('span', {class: 'where-list'});
    const parameter = study.spec.parameters[0].name;
    this.input = h('input', {type: 'text', id: 'where', autocomplete: 'off', spellcheck: 'false',
      placeholder: `${parameter}<=0.1`, 'aria-describedby': 'where-hint'});
    const form = h('form', {class: 'where-form', on: {submit: (event) => this.addWhere(event)}},
      h('label', {for: 'where'}, 'Where'), this.input, h('button', {type: 'submit', class: 'small'}, 'Add'));
    this.showWhere();
    return h('div', {class: 'filters'},
      h('div', {class: 'filter-chips', role: 'group', 'aria-label': 'States'}, this.stateButtons), form, this.whereList,
      h('p', {class: 'hint', id: 'where-hint'},
        'NAME<=0.1, NAME>=0.1 or NAME=relu, where NAME is a parameter, id, epochs or error. All must hold.'));
  }

  foot() {
    const sizes = h('select', {id: 'trials-limit', on: {change: (e) => this.change({limit: Number(e.target.value), offset: 0})}},
      LIMITS.map((n) => h('option', {value: n, selected: n === this.limit}, n)));
    return h('div', {class: 'table-foot'}, h('label', {class: 'muted'}, 'Rows ', sizes), this.pager.element);
  }

  toggleState(state, button) {
    if (!this.states.delete(state)) this.states.add(state);
    button.setAttribute('aria-pressed', String(this.states.has(state)));
    this.change({offset: 0});
  }

  addWhere(event) {
    event.preventDefault();
    const text = this.input.value.trim();
    if (!text || this.where.includes(text)) return;
    this.change({where: [...this.where, text], offset: 0});
    this.input.value = '';
    this.showWhere();
  }

  showWhere() {
    this.whereList.replaceChildren(...this.where.map((text) => h('button', {type: 'button', class: 'where-item',
      'aria-label': `Remove the condition ${text}`, on: {click: () => {
        this.change({where: this.where.filter((w) => w !== text), offset: 0});
        this.showWhere();
        this.input.focus();
      }}}, text, h('span', {'aria-hidden': 'true'}, ' ×'))));
  }

  sortBy(key) {
    const descending = this.sort === key && !this.descending;
    this.change({sort: key, descending, offset: 0});
    this.table.showOrder(key, descending);
    announce(`Sorted by ${key.replace('config.', '')}, ${descending ? 'descending' : 'ascending'}`);
  }

  change(values) {
    Object.assign(this, values);
    this.offset = Math.max(0, this.offset);
    this.route.replaceQuery({sort: this.sort === 'error' ? '' : this.sort, order: this.descending ? 'desc' : '',
      state: [...this.states], where: this.where, offset: this.offset || '', limit: this.limit === 25 ? '' : this.limit});
    this.load();  // At once: a person asked.
  }

  async load() {
    const asked = this.asked = Symbol('load');
    const search = query({offset: this.offset, limit: this.limit, sort: this.sort, order: this.descending ? 'desc' : 'asc',
      state: [...this.states], where: this.where});
    try {
      const page = await get(`${studyPath(this.name)}/table${search}`, {signal: this.signal});
      if (asked === this.asked) this.show(page);
    } catch (failure) {
      if (this.signal.aborted || asked !== this.asked || failure.status === 0) return;  // Lost: the banner says it.
      setText(this.message, failure.message);
      this.message.hidden = false;
    }
  }

  show(page) {
    const matched = Number(page.matched);
    if (page.trials.length === 0 && matched > 0 && this.offset > 0) {
      this.change({offset: Math.floor((matched - 1) / this.limit) * this.limit});
      return;
    }
    this.message.hidden = true;
    this.tellTotal(page.total);
    this.table.update(page.trials, Number(page.total) > 0 ? 'No trial is like that.' : 'No trial has been sampled yet.');
    this.pager.update(this.offset, this.limit, page.trials.length, matched, count);
    setText(this.total, matched === Number(page.total) ? plural(page.total, 'trial')
      : `${count(matched)} of ${plural(page.total, 'trial')}`);
  }
}
