// Whether what is shown is true now: a word in the header, and a banner where it is not. One page is shown at a time, and only its
// stream reports here.
import {announce, h, icon, setAttribute, setText} from './dom.js';
import {ago, clock} from './format.js';

let kind = 'wait';
let lastGood = null;
let retryAt = 0;
let retryNow = () => {};
let banner = null;

const WORDS = {
  wait: 'Connecting', live: 'Live', polling: 'Every 5 s', lost: 'Disconnected', over: 'Ended', none: ''};

function show(next) {
  kind = next;
  const state = document.getElementById('link-state');
  setAttribute(state, 'data-kind', kind);
  setText(state.querySelector('.link-text'), WORDS[kind]);
  setAttribute(document.documentElement, 'data-stale', kind === 'lost');
}

// A page begins: nothing is known of its connection yet. A connection that was lost stays so until something is heard.
export function begin() {
  if (kind !== 'lost') show('wait');
}

// `over`: the study has ended, nothing more will come.
export function good(over = false) {
  lastGood = new Date();
  if (banner) {
    banner.remove();
    banner = null;
    announce('Connected to the server again.');
  }
  const next = over ? 'over' : 'live';
  if (kind !== next) show(next);
}

// A page that shows nothing that could be stale.
export function quiet() {
  banner?.remove();
  banner = null;
  show('none');
}

export function polling(s) {
  good();
  show('polling');
  document.getElementById('link-state').title =
    `The server has no event stream left for this page, so it asks every ${s} s.`;
}

export function lost(why, at, retry) {
  retryAt = at;
  retryNow = retry;
  if (!banner) {
    const text = lastGood
      ? `What is shown is as it was at ${clock(lastGood)}.` : 'Nothing could be loaded yet.';
    banner = h('div', {class: 'banner bad', id: 'lost-banner'}, icon('warn'),
      h('div', {class: 'banner-text'},
        h('span', {role: 'alert'}, h('strong', null, 'Connection to the server lost. '),
          h('span', {class: 'why'}), ' ', text),
        h('span', {class: 'banner-more'})),
      h('button', {type: 'button', class: 'small', on: {click: () => retryNow()}}, 'Try now'));
    setText(banner.querySelector('.why'), why);
    document.getElementById('banners').append(banner);
  }
  show('lost');
  tick();
}

function tick() {
  if (!banner) return;
  const s = Math.ceil((retryAt - Date.now()) / 1000);
  const since = lastGood ? `Last heard ${ago(lastGood)}. ` : '';
  setText(banner.querySelector('.banner-more'),
    `${since}${s > 0 ? `Trying again in ${s} s.` : 'Trying…'}`);
}
setInterval(tick, 1000);
