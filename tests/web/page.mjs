// Scenarios of the page in a real browser against a real server; page_test.py starts those and says which one.
//
//   node page.mjs SCENARIO BASE [JSON of what the scenario is told]
import {Browser, accessible, ask, check, figurePoints, go, same, tabTo, text, until} from './browser.mjs';

const SCRIPT = '<script>alert(1)</script>';
const state = (page, name) => page.waitForSelector(`.title-row .chip.is-${name}`);

async function emptyList(page) {
  await page.waitForSelector('#no-studies:not([hidden])');
  const shown = await text(page, '#no-studies');
  for (const part of ['halving create', 'grpcurl -plaintext', 'New study']) {
    check(shown.includes(part), `the empty list does not tell of "${part}":\n${shown}`);
  }
}

// The whole way without a mouse: skip link, form, plan, creation.
async function createByKeyboard(page, spec, rungs) {
  await page.keyboard.press('Tab');
  same(await page.evaluate(() => document.activeElement.id), 'skip', 'the first stop of Tab');
  await page.keyboard.press('Enter');
  same(await page.evaluate(() => document.activeElement.id), 'main', 'where the skip link leads');
  await tabTo(page, 'main a[href="#/new"]');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#spec');
  same(await page.evaluate(() => document.activeElement.tagName), 'H1', 'what is focused on a new page');
  await tabTo(page, '#spec');
  await page.keyboard.press('Control+A');
  await page.keyboard.insertText('{"name": "no json"');
  await tabTo(page, 'form .primary');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.form-error:not([hidden])');
  check((await text(page, '.form-error')).includes('no JSON'), 'a slip in the JSON is not shown');
  await page.fill('#spec', JSON.stringify({...spec, halving: {...spec.halving, eta: 1}}));
  await page.click('text="Plan" >> visible=true');
  await until('the server\'s message', async () => (await text(page, '.form-error')).includes('eta is 1'));
  await page.fill('#spec', JSON.stringify(spec));
  await page.focus('#spec');
  await tabTo(page, 'form button[type="button"]');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#plan tbody tr');
  const planned = await page.$$eval('#plan tbody tr', (rows) => rows.map((row) => [...row.children].map((c) => c.textContent)));
  same(planned, rungs, 'the planned rungs');
  await tabTo(page, 'form .primary');
  await page.keyboard.press('Enter');
}

// The figure and the table have what the command line has.
async function sameAsCommand(page, {points, trials}) {
  await until('the figure has the results', async () => JSON.stringify(await figurePoints(page)) === JSON.stringify(points),
    8000).catch(async () => same(await figurePoints(page), points, 'points of the figure'));
  await page.click('#trials thead button:has-text("Trial")');
  await until('the table is sorted', async () => (await text(page, '#trials tbody th')) === '1');
  const rows = await page.$$eval('#trials tbody tr', (all) => all.map((row) => row.firstElementChild.textContent));
  same(rows.length, Math.min(25, trials), 'rows of the table');
  same(await page.getAttribute('#trials thead th:first-child', 'aria-sort'), 'ascending', 'aria-sort');
}

// Nothing that came from outside has become markup.
async function onlyText(page, where) {
  const made = await page.evaluate(() => document.querySelectorAll('main script, main b, main img').length);
  same(made, 0, `elements made of what came from outside, ${where}`);
}

async function create(browser, {spec, rungs, name, worker, skill}) {
  browser.expected.push(/400 \(/);  // The refused plan, as chromium logs it.
  const page = await browser.page();
  await emptyList(page);
  await createByKeyboard(page, spec, rungs);
  await state(page, 'running');
  same(await page.evaluate(() => location.hash), `#/studies/${name}`, 'where creating leads');
  await ask('open the gate');
  await state(page, 'completed');
  await sameAsCommand(page, await ask('results'));
  check((await text(page, '#trials')).includes(SCRIPT), 'the choice is not shown as text');
  await onlyText(page, 'study');
  await page.fill('#where', `act=${SCRIPT}`);
  await page.keyboard.press('Enter');
  await until('the filter holds', async () => (await page.$$eval('#trials tbody tr', (rows) => rows.map((r) => r.innerText)))
    .every((row) => row.includes('<script>')));
  await page.fill('#where', 'nonsense');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#trials .form-error:not([hidden])');
  await go(page, `#/studies/${name}/trials/1`, '#results tbody tr');
  check((await text(page, '#results')).includes(worker), `the worker is not shown as text:\n${await text(page, '#results')}`);
  await until('the log is shown as text', async () => (await text(page, '#log')).includes(SCRIPT));
  await onlyText(page, 'trial');
  await go(page, '#/workers', '#workers tbody tr');
  const workers = await text(page, '#workers');
  check(workers.includes(worker) && workers.includes(skill), `the worker is not shown as text:\n${workers}`);
  await onlyText(page, 'workers');
}

async function stop(browser, {name}) {
  browser.expected.push(/404 \(/);  // The study that is gone.
  const page = await browser.page();
  await go(page, `#/studies/${name}`, '#running tbody tr');
  const button = '.actions button:has-text("Stop")';
  await page.focus(button);
  await page.keyboard.press('Enter');
  await page.waitForSelector('dialog[open]');
  check((await text(page, 'dialog')).includes('cannot be resumed'), 'the dialog does not say what will happen');
  await accessible(page, 'dialog');
  await page.keyboard.press('Escape');
  await page.waitForSelector('dialog', {state: 'detached'});
  check(await page.evaluate(() => document.activeElement.textContent === 'Stop'), 'focus is not back at the button');
  await page.click('.actions button:has-text("Pause")');
  await page.click('dialog .primary');
  await state(page, 'paused');
  await page.click('.actions button:has-text("Resume")');
  await page.click('dialog .primary');
  await state(page, 'running');
  await page.click(button);
  await page.click('dialog .danger');
  await state(page, 'stopped');
  await page.click('.actions button:has-text("Delete")');
  check(await page.isDisabled('dialog .danger'), 'deleting does not ask for the name');
  await page.fill('dialog input', name);
  await page.click('dialog .danger');
  await page.waitForSelector('#no-studies:not([hidden])');
  await go(page, `#/studies/${name}`, '.nothing h1');
}

async function lost(browser, {name}) {
  browser.expected.push(/ERR_/, /503 \(/);
  const page = await browser.page();
  const streams = {open: 0};
  page.on('request', (r) => { if (r.url().endsWith('/events')) streams.open += 1; });
  for (const over of ['requestfailed', 'requestfinished']) {
    page.on(over, (r) => { if (r.url().endsWith('/events')) streams.open -= 1; });
  }
  await go(page, `#/studies/${name}`, '#running tbody tr');
  await ask('kill the server');
  await page.waitForSelector('#lost-banner');
  check((await text(page, '#lost-banner')).includes('as it was at'), 'the banner does not say since when');
  check(await page.isVisible('#running tbody tr'), 'what was known is gone');
  await accessible(page, 'without a server');
  await ask('start the server');
  await page.waitForSelector('#lost-banner', {state: 'detached', timeout: 30000});
  await page.waitForSelector('#link-state[data-kind="live"]');
  // A tab that nobody sees holds no connection.
  const hide = (hidden) => page.evaluate((value) => {
    Object.defineProperty(document, 'hidden', {value, configurable: true});
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);
  await hide(true);
  await until('a hidden tab ends its stream', () => streams.open === 0);
  // Nor does a page fail that finds all streams taken.
  await ask('take all streams');
  await hide(false);
  await page.waitForSelector('#link-state[data-kind="polling"]');
  await ask('open the gate');
  await state(page, 'completed');
}

async function access(browser, {name}) {
  const routes = [['#/', '#study-search'], [`#/studies/${name}`, '#trials tbody tr'],
    [`#/studies/${name}/trials/1`, '#results tbody tr'], ['#/workers', '#workers tbody tr'], ['#/new', '#spec'], ['#/no/such/page', '.nothing h1']];
  for (const dark of [false, true]) {
    const page = await browser.page({dark});
    for (const [hash, ready] of routes) {
      await go(page, hash, ready);
      await page.evaluate(() => { for (const d of document.querySelectorAll('details')) d.open = true; });
      await accessible(page, `${hash} ${dark ? 'dark' : 'light'}`);
    }
    const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/\d+/)[0]);
    check(dark === ground < 100, `${dark ? 'dark' : 'light'}, but the ground is ${ground} bright`);
    await page.click('#theme');
    if (dark) {
      same(await page.evaluate(() => document.documentElement.dataset.theme), 'light', 'the theme chosen');
      await page.reload();
      same(await page.evaluate(() => document.documentElement.dataset.theme), 'light', 'the theme kept');
    }
    await page.context().close();
  }
  const phone = await browser.page({width: 360, height: 740});
  for (const [hash, ready] of routes) {
    await go(phone, hash, ready);
    const wide = await phone.evaluate(() => document.documentElement.scrollWidth);
    check(wide <= 360, `${hash} is ${wide} px wide on a screen of 360`);
  }
}

// Stands for a server that wants tokens: takes `token`, whose caller is `as`, and refuses what `as.refused` matches.
const wantsTokens = (token, as) => (page) => page.route('**/api/**', async (route) => {
  const {authorization} = await route.request().allHeaders();
  const say = (status, body) => route.fulfill({status, contentType: 'application/json', body: JSON.stringify(body)});
  if (authorization !== `Bearer ${token}`) {
    await say(401, {code: 'UNAUTHENTICATED', message: authorization ? 'the token is not known here' : 'a token is needed'});
  } else if (route.request().url().endsWith('/whoami')) {
    await say(200, {auth: 'tokens', name: 'ann', role: as.role, owner: 'vision'});
  } else if (as.refused?.test(route.request().url())) {
    await say(403, {code: 'PERMISSION_DENIED', message: 'this study is of another team; it needs a token of its owner'});
  } else {
    await route.continue();
  }
});

async function typeToken(page, token) {
  await page.waitForSelector('#token-needed');
  same(await page.evaluate(() => document.activeElement.id), 'token', 'what is focused');
  for (const [wrong, said] of [['', 'Type a token'], ['secret word', 'This is no token'], ['hv_0_0', 'not known here']]) {
    await page.fill('#token', wrong);
    await page.keyboard.press('Enter');
    await until(`"${wrong}" is refused`, async () => (await text(page, '.token-form')).includes(said));
  }
  await page.fill('#token', '');
  await page.keyboard.insertText(token);
  await page.keyboard.press('Enter');
  await page.waitForSelector('#study-search');
}

async function tokenIsNowhereElse(page, token) {
  const kept = await page.evaluate(() => ({here: {...sessionStorage}, ever: {...localStorage}, cookie: document.cookie, url: location.href}));
  same(kept.here, {'halving.token': token}, 'sessionStorage');
  check(!JSON.stringify([kept.ever, kept.cookie, kept.url]).includes(token), 'the token lies where it should not');
  same(await page.context().cookies(), [], 'cookies');
}

async function token(browser, {name, token: typed}) {
  browser.expected.push(/401 \(/, /403 \(/);
  for (const dark of [false, true]) {
    const as = {role: 'reader'};
    const page = await browser.page({dark, prepare: wantsTokens(typed, as)});
    await page.waitForSelector('#token-needed');
    await accessible(page, `token form, ${dark ? 'dark' : 'light'}`);
    await typeToken(page, typed);
    await tokenIsNowhereElse(page, typed);
    await page.waitForSelector('#link-state[data-kind="live"]');
    same(await text(page, '#who'), 'ann, reader of vision', 'who is named');
    check(!await page.isVisible('a[href="#/new"]'), 'a reader is shown how to create a study');
    await go(page, `#/studies/${name}`, '#trials tbody tr');
    check(!await page.isVisible('.title-row .actions'), 'a reader is shown what would change the study');
    await accessible(page, `a reader's page, ${dark ? 'dark' : 'light'}`);
    await go(page, '#/new', '.only-reads');
    check(await page.isVisible('.only-reads') && !await page.isVisible('form [type="submit"]'), 'a reader may create');
    as.refused = /studies\//;
    await go(page, `#/studies/${name}`, '#refused');
    const refusal = await text(page, '#refused');
    check(refusal.includes('another team') && refusal.includes('ann, reader'), `the refusal does not say why:\n${refusal}`);
    await accessible(page, `refused, ${dark ? 'dark' : 'light'}`);
    Object.assign(as, {refused: null, role: 'admin'});
    await page.reload();
    await page.waitForSelector('.title-row .actions', {state: 'visible'});
    await page.click('#forget');
    await page.waitForSelector('#token-needed');
    same(await page.evaluate(() => sessionStorage.length), 0, 'what is left of the token');
    check(!await page.isVisible('#trials'), 'what the token showed is still there');
    await page.reload();
    await page.waitForSelector('#token-needed');
    await page.context().close();
  }
  const phone = await browser.page({width: 360, height: 740, prepare: wantsTokens(typed, {role: 'admin'})});
  await typeToken(phone, typed);
  const wide = await phone.evaluate(() => document.documentElement.scrollWidth);
  check(wide <= 360, `with a token the page is ${wide} px wide on a screen of 360`);
}

// Every text in every answer carries markup that names its field; what the page works with (enums, numbers, times) does not.
const MARKUP = (field) => `<evil-x>${field}</evil-x><img src=x onerror=alert(1)>`;
const WORKS = /^([A-Z][A-Z_]*|-?\d.*|NaN|-?Infinity|tokens|admin|)$/;
const RARE = {
  '/whoami': () => ({auth: 'tokens', name: MARKUP('caller'), role: 'admin', owner: MARKUP('owner')}),
  '/trials/1': (trial) => ({...trial, failure: MARKUP('failure')}),
  '/status': (status) => ({...status, notes: [MARKUP('note')]}),
  '/overview': (overview) => ({...overview, serverVersion: MARKUP('version')}),
};

function marked(value, field) {
  if (typeof value === 'string') return WORKS.test(value) || value.includes('<') ? value : value + MARKUP(field);
  if (Array.isArray(value)) return value.map((one) => marked(one, field));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [
    ['config', 'metrics'].includes(field) ? key + MARKUP(`${field} key`) : key, marked(one, key)]));
}

// `failing.url` has 400, with a message; `failing.token`: everything has 401.
const marksEverything = (failing) => (page) => page.route('**/api/**', async (route) => {
  const {pathname} = new URL(route.request().url());
  const refuse = (status, code) => route.fulfill({status, contentType: 'application/json', body: JSON.stringify({code, message: MARKUP('message')})});
  if (failing.token) return refuse(401, 'UNAUTHENTICATED');
  if (failing.url?.test(pathname)) return refuse(400, 'INVALID_ARGUMENT');
  if (pathname.endsWith('/events')) return refuse(503, 'UNAVAILABLE');  // The page asks for the same things again and again.
  const response = await route.fetch();
  if (!response.ok()) return route.fulfill({response});  // Not modified.
  const json = await response.json();
  const rare = Object.entries(RARE).find(([end]) => pathname.endsWith(end))?.[1] ?? ((same) => same);
  return route.fulfill({response, json: marked(rare(json), '')});
});

async function shownAsText(page, where, fields) {
  await page.evaluate(() => { for (const d of document.querySelectorAll('details')) d.open = true; });
  const missing = async () => {
    const shown = await page.evaluate(() => document.body.innerText);
    return fields.filter((field) => !shown.includes(MARKUP(field)));
  };
  await until('', async () => (await missing()).length === 0, 8000).catch(async () => same(await missing(), [], `what ${where} does not show as text`));
  same(await page.evaluate(() => document.querySelectorAll('evil-x, [onerror], [src="x"]').length), 0, `elements made of what came from outside, ${where}`);
}

async function markup(browser, {name}) {
  browser.expected.push(/50[03] \(/, /40[01] \(/);
  const failing = {};
  const page = await browser.page({prepare: marksEverything(failing)});
  const study = `#/studies/${name}`;
  await go(page, '#/', '#study-search');
  await shownAsText(page, 'the list of studies', ['name', 'objective', 'version', 'caller', 'owner']);
  await go(page, study, '#running tbody tr');
  await shownAsText(page, 'a study', ['objective', 'config key', 'act', 'name', 'note', 'workerId', '1-10']);
  await go(page, `${study}/trials/1`, '#results tbody tr');
  await shownAsText(page, 'a trial', ['failure', 'config key', 'act', 'metrics key', 'workerId', 'lines']);
  await go(page, '#/workers', '#workers tbody tr');
  await shownAsText(page, 'the list of workers', ['workerId', 'host', 'device', 'objectives', 'study']);
  await ask('open the gate');
  await go(page, study, '.title-row .chip.is-completed');
  await shownAsText(page, 'a study that has ended', ['endReason']);
  for (const [url, hash] of [[/figure$/, study], [/table$/, study], [/log$/, `${study}/trials/1`], [/trials\/1$/, `${study}/trials/1`]]) {
    failing.url = url;
    await go(page, '#/workers', '#workers tbody tr');
    await go(page, hash, 'main h1');
    await shownAsText(page, `a page without ${url}`, ['message']);
  }
  failing.url = /plan$|studies$/;
  await go(page, '#/new', '#spec');
  for (const button of ['form button[type="button"]', 'form .primary']) {
    await page.click(button);
    await shownAsText(page, `the form, by ${button}`, ['message']);
  }
  failing.token = true;
  await page.reload();
  await shownAsText(page, 'the form for a token', ['message']);
}

const [name, base, told] = process.argv.slice(2);
const browser = await Browser.start(base);
try {
  await {create, stop, lost, access, token, markup}[name](browser, JSON.parse(told ?? '{}'));
  browser.quiet();
  console.log(JSON.stringify({done: name}));
} catch (failure) {
  console.log(JSON.stringify({failed: `${failure.stack}\n${browser.complaints.join('\n')}`}));
} finally {
  await browser.browser.close();
}
process.exit(0);
