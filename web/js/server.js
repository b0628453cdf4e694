// What is known of the server as a whole, shown around every page: workers, version, whether its journal can be written.
import * as access from './access.js';
import {get} from './api.js';
import {announce, h, icon, setText} from './dom.js';
import {count, plural} from './format.js';

const ASK_MS = 10000;
let banner = null;
let heardAt = -Infinity;

export function showServer(overview) {
  heardAt = performance.now();
  const connected = Number(overview.workersConnected);
  setText(document.getElementById('fleet'), connected === 0 ? 'no worker'
    : `${count(overview.workersBusy)} of ${plural(connected, 'worker')} busy`);
  setText(document.getElementById('version'), `halving-server ${overview.serverVersion}`);
  if (overview.journalWritable === false && !banner) {
    banner = h('div', {class: 'banner bad', id: 'journal-banner', role: 'alert'}, icon('warn'),
      h('div', {class: 'banner-text'}, h('strong', null, 'The server\'s journal cannot be written. '),
        'Its disk may be full. Every change is refused until it is not; workers keep their results and try again.'));
    document.getElementById('banners').append(banner);
  } else if (overview.journalWritable !== false && banner) {
    banner.remove();
    banner = null;
    announce('The server\'s journal can be written again.');
  }
}

// Pages that hear nothing of the server as a whole ask now and then.
async function ask() {
  if (document.hidden || document.documentElement.hasAttribute('data-stale')) return;
  if (document.getElementById('token-needed')) return;
  if (performance.now() - heardAt < ASK_MS - 500) return;
  try {
    showServer(await get('overview?limit=1', {quiet: true}));
  } catch (failure) {
    // Of a lost connection the page's own tells.
    if (failure.status === 401) access.tokenNeeded(failure.message);
  }
}

export function keepServerShown() {
  setTimeout(ask, 300);
  setInterval(ask, ASK_MS);
}
