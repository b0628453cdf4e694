// Routes, theme, and the one page that is shown at a time.
import {query} from './api.js';
import * as connection from './connection.js';
import {announce, h, icon, setAttribute} from './dom.js';
import {newStudyPage} from './new_study.js';
import {keepServerShown} from './server.js';
import {studiesPage} from './studies.js';
import {studyPage} from './study.js';
import {tick} from './tables.js';
import {askWho, keepCallerShown, refusedPage, tokenForm} from './token.js';
import {trialPage} from './trial.js';
import {workersPage} from './workers.js';

const ROUTES = [
  [/^$/, studiesPage, 'studies'],
  [/^studies\/([^/]+)$/, studyPage, 'studies'],
  [/^studies\/([^/]+)\/trials\/(\d+)$/, trialPage, 'studies'],
  [/^workers$/, workersPage, 'workers'],
  [/^new$/, newStudyPage, 'studies'],
];

let current = null;  // AbortController of the page that is shown.
let first = true;

// The route of a path and what it names. A path that is no valid text is no page.
function find(path) {
  const found = ROUTES.find(([pattern]) => pattern.test(path));
  try {
    return [found, found ? path.match(found[0]).slice(1).map(decodeURIComponent) : []];
  } catch {
    return [undefined, []];
  }
}

function notFound({main, route}) {
  main.replaceChildren(h('div', {class: 'nothing'}, h('h1', {tabindex: '-1'}, 'There is no such page'),
    h('p', null, h('a', {href: '#/'}, 'All studies'))));
  route.arrived();
  return 'Not found';
}

// What a page gets of its address: the query, a way to change it without leaving, and `arrived()` to call once its heading is
// there.
function routeOf(path, search, signal) {
  return {
    query: new URLSearchParams(search),
    replaceQuery(values) {
      if (signal.aborted) return;
      history.replaceState(null, '', `#/${path}${query(values)}`);
    },
    // Who came by a link stands at the new page's heading, and hears it.
    arrived() {
      if (signal.aborted || this.there) return;
      this.there = true;
      if (!this.first) document.querySelector('#main h1')?.focus({preventScroll: true});
    },
    first,
  };
}

function show() {
  current?.abort();
  current = new AbortController();
  const [path, search] = location.hash.replace(/^#\/?/, '').split('?', 2);
  const main = document.getElementById('main');
  const route = routeOf(path, search ?? '', current.signal);
  const [found, parameters] = find(path);
  connection.begin();
  if (path === 'new' || !found) connection.quiet();
  scrollTo(0, 0);
  const title = (found ? found[1] : notFound)({main, route, signal: current.signal}, ...parameters);
  document.title = `${title} – Halving`;
  if (!first) announce(title);
  first = false;
  for (const link of document.querySelectorAll('[data-nav]')) {
    setAttribute(link, 'aria-current', link.dataset.nav === found?.[2] ? 'page' : null);
  }
}

// Instead of the page that is shown: nothing of it must stay, or go on.
function giveWay(title, paint) {
  current?.abort();
  connection.quiet();
  for (const dialog of document.querySelectorAll('dialog[open]')) dialog.close();
  paint(document.getElementById('main'));
  document.title = `${title} – Halving`;
  announce(title);
}

addEventListener('tokenneeded', ({detail}) => {
  if (document.getElementById('token-needed')) return;
  giveWay('A token is needed', (main) => tokenForm(main, detail, show));
});
addEventListener('refused', ({detail}) => {
  if (document.getElementById('token-needed')) return;
  giveWay('Refused', (main) => refusedPage(main, detail));
});

const THEMES = ['auto', 'light', 'dark'];
const THEME_ICONS = {auto: 'auto', light: 'sun', dark: 'moon'};

function themeButton() {
  const button = document.getElementById('theme');
  const root = document.documentElement;
  const paint = () => {
    const theme = root.dataset.theme ?? 'auto';
    button.replaceChildren(icon(THEME_ICONS[theme]));
    const label = `Theme: ${theme === 'auto' ? 'as the system' : theme}`;
    button.setAttribute('aria-label', label);
    button.title = label;
    dispatchEvent(new Event('themechange'));
  };
  button.addEventListener('click', () => {
    const next = THEMES[(THEMES.indexOf(root.dataset.theme ?? 'auto') + 1) % THEMES.length];
    if (next === 'auto') delete root.dataset.theme;
    else root.dataset.theme = next;
    try {
      if (next === 'auto') localStorage.removeItem('halving.theme');
      else localStorage.setItem('halving.theme', next);
    } catch { /* No storage: it holds until the page is left. */ }
    paint();
    announce(button.title);
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', paint);
  paint();
}

document.getElementById('skip').addEventListener('click', (event) => {
  event.preventDefault();  // The address is the route.
  document.getElementById('main').focus();
});
addEventListener('hashchange', show);
setInterval(tick, 1000);
themeButton();
keepServerShown();
keepCallerShown();
askWho();
show();
