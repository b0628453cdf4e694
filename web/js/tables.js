// Tables: sorted by buttons in their heads, in a region of their own that scrolls, updated in place.
import {childAt, h, icon, reconcile, setAttribute, setText} from './dom.js';
import {absolute, ago, duration, percent, stateName} from './format.js';

// What a cell may show. Each reuses what is there.
export const cells = {
  text(td, text, title) {
    if (td.firstElementChild) td.replaceChildren();
    setText(td, text);
    setAttribute(td, 'title', title);
  },
  link(td, href, text, title) {
    const a = childAt(td, 0, 'a');
    setAttribute(a, 'href', href);
    setText(a, text);
    setAttribute(a, 'title', title);
  },
  chip(td, state) {
    chip(childAt(td, 0, 'span', 'chip'), state);
  },
  ago(td, iso) {
    if (!iso) return cells.text(td, '–');
    agoTime(childAt(td, 0, 'time'), iso);
  },
  bar(td, fraction, text) {
    const bar = childAt(td, 0, 'div', 'meter');
    setBar(bar, fraction);
    setText(childAt(td, 1, 'span', 'meter-text'), text ?? percent(fraction));
  },
};

export function chip(span, state) {
  const name = stateName(state);
  setAttribute(span, 'class', `chip is-${name}`);
  setText(span, name);
}

// A bar that is `fraction` full. What it says is said in text beside it.
export function setBar(bar, fraction) {
  const fill = childAt(bar, 0, 'span', 'meter-fill');
  setAttribute(bar, 'aria-hidden', 'true');
  fill.style.setProperty('width', `${Math.max(0, Math.min(1, Number(fraction) || 0)) * 100}%`);
}

// A time that goes on telling how long ago it was.
export function agoTime(time, iso) {
  if (time.dateTime === iso) return;
  const date = new Date(iso);
  time.dateTime = iso;
  time.dataset.at = String(date.getTime());
  setAttribute(time, 'title', absolute(date));
  setText(time, ago(date));
}

// A duration that goes on growing while it is shown, from `s` seconds now.
export function since(element, s) {
  if (!Number.isFinite(s)) {
    delete element.dataset.since;
    setText(element, '–');
    return;
  }
  element.dataset.since = String(Date.now() - s * 1000);
  setText(element, duration(s));
}

export function tick(now = Date.now()) {
  if (document.hidden || document.documentElement.hasAttribute('data-stale')) return;
  for (const time of document.querySelectorAll('time[data-at]')) {
    setText(time, ago(new Date(Number(time.dataset.at)), now));
  }
  for (const element of document.querySelectorAll('[data-since]')) {
    setText(element, duration(Math.floor((now - Number(element.dataset.since)) / 1000)));
  }
}

// columns: [{key, label, paint(td, row), sort: true, num: true, head: true, hint}]. `head` is the column that names its row.
export class DataTable {
  constructor({caption, columns, keyOf, onSort, empty}) {
    Object.assign(this, {columns, keyOf, onSort, emptyText: empty ?? 'Nothing here.'});
    this.headers = columns.map((column) => this.header(column));
    this.body = h('tbody');
    this.table = h('table', null, h('caption', {class: 'sr-only'}, caption),
      h('thead', null, h('tr', null, this.headers)), this.body);
    this.region = h('div', {class: 'table-region', role: 'region', tabindex: '0', 'aria-label': `${caption}, table`},
      this.table);
    this.empty = h('p', {class: 'empty-line', hidden: true}, this.emptyText);
    this.element = h('div', {class: 'table-box'}, this.region, this.empty);
  }

  header(column) {
    const props = {scope: 'col', class: column.num ? 'num' : null, title: column.hint};
    if (!column.sort || !this.onSort) return h('th', props, column.label);
    return h('th', props, h('button', {type: 'button', class: 'sort',
      on: {click: () => this.onSort(column.key)}}, h('span', null, column.label), icon('down')));
  }

  showOrder(key, descending) {
    this.columns.forEach((column, i) => {
      const sorted = column.key === key;
      setAttribute(this.headers[i], 'aria-sort', sorted ? (descending ? 'descending' : 'ascending') : null);
    });
  }

  update(rows, emptyText = this.emptyText) {
    reconcile(this.body, rows, this.keyOf, () => this.row(), (tr, row) => {
      this.columns.forEach((column, i) => column.paint(tr.children[i], row, tr));
    });
    setText(this.empty, emptyText);
    this.empty.hidden = rows.length > 0;
    this.table.hidden = rows.length === 0;
  }

  row() {
    return h('tr', null, this.columns.map((column) => column.head
      ? h('th', {scope: 'row'}) : h('td', {class: column.num ? 'num' : column.className})));
  }
}

// "1–50 of 1,234" with buttons; `go(offset)` shows another page.
export class Pager {
  constructor(label, go) {
    this.text = h('span', {class: 'pager-text', role: 'status'});
    this.back = h('button', {type: 'button', class: 'small', on: {click: () => go(this.offset - this.limit)}},
      'Previous');
    this.next = h('button', {type: 'button', class: 'small', on: {click: () => go(this.offset + this.limit)}},
      'Next');
    this.element = h('nav', {class: 'pager', 'aria-label': label}, this.text, this.back, this.next);
  }

  update(offset, limit, shown, matched, format) {
    Object.assign(this, {offset, limit});
    setText(this.text, matched === 0 ? 'none'
      : `${format(offset + 1)}–${format(offset + shown)} of ${format(matched)}`);
    this.back.disabled = offset <= 0;
    this.next.disabled = offset + shown >= matched;
  }
}
