// Debian's chromium under playwright-core, and what every scenario checks: no error on the console, no dialog that a script opened.
import {createRequire} from 'node:module';
import {readFileSync} from 'node:fs';
import readline from 'node:readline';

const require = createRequire(`${process.env.WEB_TOOLS}/`);
const {chromium} = require('playwright-core');
const AXE = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

export function check(condition, message) {
  if (!condition) throw new Error(message);
}

export function same(seen, expected, what) {
  const [a, b] = [JSON.stringify(seen), JSON.stringify(expected)];
  check(a === b, `${what}: seen ${a}, expected ${b}`);
}

// What the Python side does for a scenario, e.g. kill the server: a line there, a line back.
const lines = readline.createInterface({input: process.stdin})[Symbol.asyncIterator]();
export async function ask(what) {
  console.log(JSON.stringify({ask: what}));
  const {value} = await lines.next();
  return JSON.parse(value);
}

export class Browser {
  static async start(base) {
    const self = new Browser();
    self.base = base;
    self.complaints = [];
    self.expected = [];  // Patterns of complaints that a scenario provokes.
    self.browser = await chromium.launch({
      executablePath: process.env.CHROMIUM, args: process.getuid() === 0 ? ['--no-sandbox'] : []});
    return self;
  }

  // `prepare(page)` comes before the page is loaded.
  async page({dark = false, width = 1280, height = 900, prepare} = {}) {
    const context = await this.browser.newContext({
      viewport: {width, height}, colorScheme: dark ? 'dark' : 'light', reducedMotion: 'reduce'});
    const page = await context.newPage();
    page.setDefaultTimeout(20000);
    page.on('console', (message) => {
      if (['error', 'warning', 'assert'].includes(message.type())) {
        this.complaints.push(`${message.text()} (${message.location().url})`);
      }
    });
    page.on('pageerror', (error) => this.complaints.push(String(error.stack)));
    page.on('dialog', (dialog) => {
      this.complaints.push(`a script opened a dialog: ${dialog.message()}`);
      dialog.dismiss();
    });
    await prepare?.(page);
    await page.goto(`${this.base}/`);
    return page;
  }

  // No complaint of the browser, but those that were provoked.
  quiet() {
    const left = this.complaints.filter((text) => !this.expected.some((pattern) => pattern.test(text)));
    check(left.length === 0, `the browser complains:\n${left.join('\n')}`);
  }
}

// Goes to a route, as a link would, and waits until it is there.
export async function go(page, hash, ready) {
  await page.evaluate((to) => { location.hash = to; }, hash);
  await page.waitForSelector(ready);
}

export const text = (page, selector) => page.locator(selector).first().innerText();

export async function until(what, condition, deadlineMs = 20000) {
  const end = Date.now() + deadlineMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    check(Date.now() < end, `${what}: not within ${deadlineMs} ms`);
    await new Promise((resolve) => { setTimeout(resolve, 50); });
  }
}

// What axe-core finds, of any weight.
export async function accessible(page, where) {
  await page.evaluate(AXE);
  const found = await page.evaluate(() => globalThis.axe.run(document));
  const said = found.violations.map((v) => `${where}: ${v.impact} ${v.id}: ${v.help}\n  `
    + v.nodes.slice(0, 3).map((n) => `${n.target}: ${n.failureSummary}`).join('\n  '));
  check(said.length === 0, said.join('\n'));
}

// Presses Tab until what is focused matches.
export async function tabTo(page, selector, most = 60) {
  for (let i = 0; i < most; i++) {
    await page.keyboard.press('Tab');
    if (await page.evaluate((s) => document.activeElement?.matches(s), selector)) return;
  }
  check(false, `${most} presses of Tab do not reach ${selector}`);
}

// What the figure holds: "trial epochs error" of each point, sorted.
export const figurePoints = (page) => page.evaluate(() => {
  const chart = globalThis.Chart?.getChart('figure-canvas');
  const points = (chart?.data.datasets ?? []).flatMap((d) => d.data).filter((p) => p.trial && Number.isFinite(p.y));
  return points.map((p) => `${p.trial.id} ${p.x} ${p.y}`).sort();
});
