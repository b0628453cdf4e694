// Opens a study's page and measures it; page_load.py says what.
//
//   node page_load.mjs BASE STUDY REPEATS
import {readFileSync} from 'node:fs';
import {Browser} from '../tests/web/browser.mjs';

const [base, study, repeats] = process.argv.slice(2);
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

// Runs in the page, from before its first script: when each part is there, in ms since the navigation.
function watch() {
  const seen = globalThis.seen = {};
  const look = () => {
    if (document.querySelector('.title-row .chip')) seen.status ??= performance.now();
    if (document.querySelector('#trials tbody tr')) seen.table ??= performance.now();
    if (globalThis.Chart?.getChart('figure-canvas')?.data.datasets.length) seen.figure ??= performance.now();
    if (Object.keys(seen).length < 3) requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}

// The memory of the largest process that draws a page, in MB; what it shares with others counts in part.
async function largestTab(browser) {
  const session = await browser.browser.newBrowserCDPSession();
  const {processInfo} = await session.send('SystemInfo.getProcessInfo');
  await session.detach();
  const tabs = processInfo.filter((process) => process.type === 'renderer').map(({id}) =>
    Number(readFileSync(`/proc/${id}/smaps_rollup`, 'utf8').match(/^Pss:\s+(\d+)/m)[1]) / 1024);
  return Math.max(...tabs);
}

async function once(browser) {
  const page = await browser.page();
  await page.addInitScript(watch);
  await page.goto('about:blank');
  await page.goto(`${base}/#/studies/${study}`);
  await page.waitForFunction(() => Object.keys(globalThis.seen).length === 3);
  await page.evaluate(() => { for (const part of document.querySelectorAll('.card')) part.scrollIntoView(); });
  await page.waitForTimeout(1000);  // Every chart is drawn now.
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.collectGarbage');
  const {usedSize} = await session.send('Runtime.getHeapUsage');
  const refresh = await page.evaluate(() => {
    const started = performance.now();
    globalThis.Chart.getChart('figure-canvas').update('none');
    return performance.now() - started;
  });
  const seen = await page.evaluate(() => globalThis.seen);
  const tab = await largestTab(browser);
  await page.context().close();
  return {...seen, heap: usedSize / 1e6, tab, refresh};
}

const browser = await Browser.start(base);
const runs = [];
for (let i = 0; i < Number(repeats); i++) runs.push(await once(browser));
await browser.browser.close();
for (const [key, unit] of [['status', 'ms'], ['table', 'ms'], ['figure', 'ms'], ['heap', 'MB'], ['tab', 'MB'], ['refresh', 'ms']]) {
  const values = runs.map((run) => run[key]);
  const [least, middle, most] = [Math.min(...values), median(values), Math.max(...values)].map((n) => n.toFixed(0));
  console.log(`${key.padEnd(9)} ${middle} ${unit}  (${least} to ${most})`);
}
process.exit(0);
