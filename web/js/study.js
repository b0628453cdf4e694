// The page of one study.
import {Tagged, get, pacer, studyPath} from './api.js';
import {ActionBar} from './actions.js';
import {announce, card, childAt, command, copyButton, h, icon, problem, reconcile, setText} from './dom.js';
import {FigureCard} from './figure.js';
import {configValue, count, duration, error, lastResult, ordered, percent, plural, policyName, searcherName, seconds, stateName,
  toNumber} from './format.js';
import {Live} from './live.js';
import {RungsCard} from './rungs.js';
import {ParametersCard, ProgressCard} from './scatter.js';
import {DataTable, agoTime, cells, chip, setBar, since} from './tables.js';
import {TrialsCard} from './trials.js';

const REFRESH_MS = 2000;
const LARGE_REFRESH_MS = 5000;
const ENDED_LOOK_MS = 15000;
const LARGE = 20000;  // Trials.
const FEW_RUNNING = 4;

export const studyHref = (name) => `#/studies/${encodeURIComponent(name)}`;
export const trialHref = (name, id) => `${studyHref(name)}/trials/${id}`;

// The figures at the top.
class Facts {
  constructor(labels) {
    this.values = new Map();
    this.element = h('dl', {class: 'facts'}, labels.map((label) => {
      const value = h('dd', {class: 'fact-value'}, '–');
      const more = h('dd', {class: 'fact-more'});
      this.values.set(label, {value, more});
      return h('div', {class: 'fact'}, h('dt', null, label), value, more);
    }));
  }
  set(label, value, more = '') {
    this.value(label, value);
    this.more(label, more);
  }
  value(label, text) {
    setText(this.values.get(label).value, text);
  }
  more(label, text) {
    setText(this.values.get(label).more, text);
  }
}

class BestCard {
  constructor(name, href) {
    this.href = href;
    this.where = h('p', {class: 'best-where'});
    this.list = h('dl', {class: 'config'});
    this.config = {};
    this.copy = copyButton('Copy as JSON', () => JSON.stringify(this.config, null, 2));
    this.empty = h('p', {class: 'empty-line'}, 'No trial has reported an error yet.');
    this.command = h('div', null, h('p', {class: 'hint'}, 'Its checkpoint, the trained model:'),
      command(`halving checkpoint ${name}`));
    this.full = h('div', {hidden: true}, this.where, this.list, h('div', {class: 'row'}, this.copy), this.command);
    this.element = card('Best config', {id: 'best'}, this.empty, this.full);
  }

  update(best, parameters) {
    this.full.hidden = !best;
    this.empty.hidden = Boolean(best);
    if (!best) return;
    const last = lastResult(best);
    this.config = ordered(best.config, parameters);
    const text = JSON.stringify([best.id, best.config, last]);
    if (text === this.text) return;
    this.text = text;
    this.where.replaceChildren(h('strong', {class: 'best-error'}, error(last?.error)),
      ` at ${plural(last?.epochs ?? 0, 'epoch')}, `, h('a', {href: this.href(best.id)}, `trial ${best.id}`));
    reconcile(this.list, Object.entries(this.config), ([key]) => key, () => h('div', null, h('dt'), h('dd')),
      (row, [key, value]) => {
        setText(row.children[0], key);
        setText(row.children[1], configValue(value));
        row.children[1].title = String(value);
      });
    this.command.hidden = !best.hasCheckpoint;
  }
}

class RunningCard {
  constructor(name, href) {
    this.all = false;
    this.table = new DataTable({caption: 'Running trials', keyOf: (r) => r.trialId, empty: 'No trial is running.', columns: [
      {key: 'trial', label: 'Trial', head: true, paint: (td, r) => {
        cells.link(td, href(r.trialId), r.trialId);
        const line = childAt(td, 1, 'div', 'row-note');
        setText(line, 'straggling');
        line.hidden = !r.straggling;
      }},
      {key: 'worker', label: 'Worker', className: 'ellipsis', paint: (td, r) => cells.text(td, r.workerId, r.workerId)},
      {key: 'epoch', label: 'Epoch', className: 'meter-cell',
        paint: (td, r) => cells.bar(td, r.epoch / r.epochs, `${count(r.epoch)} of ${count(r.epochs)}`)},
      {key: 'for', label: 'For', num: true, paint: (td, r, tr) => {
        since(td, seconds(r.runningFor));
        tr.classList.toggle('straggling', r.straggling);
      }},
    ]});
    this.more = h('button', {type: 'button', class: 'small', 'aria-expanded': 'false', on: {click: () => {
      this.all = !this.all;
      this.more.setAttribute('aria-expanded', String(this.all));
      this.update(this.status);
    }}});
    this.side = h('span', {class: 'muted'});
    const workers = h('p', {class: 'table-foot'}, h('a', {href: `#/workers?q=${encodeURIComponent(name)}`}, 'Their workers'));
    this.element = card('Running trials', {id: 'running', side: this.side}, this.table.element, this.more, workers);
  }

  update(status) {
    this.status = status;
    const shown = this.all ? status.running : status.running.slice(0, FEW_RUNNING);
    this.table.update(shown);
    const total = Number(status.runningTotal);
    const slow = status.running.filter((r) => r.straggling).length;
    setText(this.side, [total ? count(total) : '', slow ? `${count(slow)} straggling` : ''].filter(Boolean).join(' · '));
    this.more.hidden = status.running.length <= FEW_RUNNING;
    setText(this.more, this.all ? 'Show the longest running only' : `Show ${count(status.running.length)}`);
  }
}

class Header {
  constructor(name, latest, changed) {
    this.chip = h('span', {class: 'chip'});
    this.what = h('p', {class: 'subtitle'});
    this.made = h('time');
    this.actions = new ActionBar(name, latest, changed);
    this.bar = h('div', {class: 'meter meter-large'});
    this.barText = h('p', {class: 'progress-text'});
    this.notes = h('ul', {class: 'notes', 'aria-label': 'Notes'});
    this.facts = new Facts(['Best error', 'Trials', 'Evaluations', 'Epochs trained', 'Workers busy', 'Time running']);
    this.element = h('div', {class: 'page-head'},
      h('nav', {class: 'crumbs', 'aria-label': 'Path'}, h('a', {href: '#/'}, 'Studies')),
      h('div', {class: 'title-row'}, h('h1', {tabindex: '-1'}, name), this.chip, this.actions.element),
      this.what, this.bar, this.barText, this.notes, this.facts.element);
  }

  update(status) {
    const {study} = status;
    const {spec} = study;
    chip(this.chip, study.state);
    this.actions.update(study.state);
    if (!this.what.firstChild) {
      agoTime(this.made, study.createTime);
      this.what.append(`${spec.objective} · ${policyName(spec.halving.policy)}, eta ${spec.halving.eta}, ${
        spec.halving.minEpochs} to ${spec.halving.maxEpochs} epochs · ${searcherName(spec.searcher)} · created `, this.made);
    }
    setBar(this.bar, status.progress);
    this.bar.className = `meter meter-large is-${stateName(study.state)}`;
    setText(this.barText, this.progress(status));
    reconcile(this.notes, status.notes, (note) => note, () => h('li', {class: 'callout warn'}, icon('warn'), h('span')),
      (li, note) => setText(li.lastElementChild, note));
    this.notes.hidden = status.notes.length === 0;
    this.setFacts(status);
  }

  progress(status) {
    const {study} = status;
    const state = stateName(study.state);
    if (state === 'running') {
      const left = status.timeLeft ? `, about ${duration(seconds(status.timeLeft))} left` : '';
      return `${percent(status.progress)} of the way to the nearest limit${left}`;
    }
    if (state === 'paused') return `${percent(status.progress)} of the way; paused: nothing is handed out`;
    return study.endReason ? `${state}: ${study.endReason}` : state;
  }

  setFacts(status) {
    const last = status.best && lastResult(status.best);
    this.facts.set('Best error', error(last?.error), last ? `at ${plural(last.epochs, 'epoch')}` : 'no error yet');
    const failed = Number(status.failedTrials);
    this.facts.more('Trials', [[status.runningTotal, 'running'], [status.queued, 'queued'], [failed, 'failed']]
      .filter(([n]) => Number(n) > 0).map(([n, what]) => `${count(n)} ${what}`).join(', '));
    const limits = status.study.spec.limits ?? {};
    const of = (limit) => (Number(limit) > 0 ? `of ${count(limit)}` : '');
    this.facts.set('Evaluations', count(status.evaluations), of(limits.maxEvaluations));
    const lost = Number(status.epochsLost);
    this.facts.set('Epochs trained', count(status.epochsTrained),
      [of(limits.maxTotalEpochs), lost ? `${count(lost)} lost` : ''].filter(Boolean).join(', '));
    this.facts.set('Workers busy', percent(status.utilisation), 'with this study, in 10 min');
    this.facts.set('Time running', duration(seconds(status.runningTime)),
      limits.maxWallTime ? `of ${duration(seconds(limits.maxWallTime))}` : '');
  }
}

class StudyPage {
  constructor(name, {main, signal, route}) {
    Object.assign(this, {name, main, signal, route});
    this.options = {log: false};
    this.tagged = new Tagged(`${studyPath(name)}/figure`);
    this.every = () => (this.trials > LARGE ? LARGE_REFRESH_MS : REFRESH_MS);
    this.refreshFigure = pacer(() => this.loadFigure(), this.every, signal);
    this.open = (id) => { location.hash = trialHref(name, id); };
    this.open.href = (id) => trialHref(name, id);
    signal.addEventListener('abort', () => this.end());
    this.follow();
  }

  follow() {
    this.ended = false;
    new Live({path: `${studyPath(this.name)}/events`, signal: this.signal, poll: () => this.poll(), on: {
      status: (status) => this.show(status),
      gone: () => this.gone(),
      end: () => { this.ended = true; this.refresh(); this.lookNowAndThen(); },
    }});
  }

  // A study that has ended has no stream, but others may extend or delete it.
  lookNowAndThen() {
    setTimeout(async () => {
      if (!this.ended || this.signal.aborted) return;
      if (!document.hidden) {
        try {
          await this.poll();
        } catch (failure) {
          if (failure.status === 404) this.gone();
        }
      }
      if (this.signal.aborted || !this.ended) return;
      if (this.status.study.endTime === undefined) this.follow();
      else this.lookNowAndThen();
    }, ENDED_LOOK_MS);
  }

  // After a person has changed something: an ended study may go on, and is followed again.
  async changed() {
    if (this.ended) this.follow();
    else await this.poll().catch(() => {});  // Lost: the stream says so.
  }

  async poll() {
    this.show(await get(`${studyPath(this.name)}/status`, {signal: this.signal}));
  }

  build(status) {
    const {name, open, options} = this;
    this.head = new Header(name, () => this.status, () => this.changed());
    this.figure = new FigureCard(open, status.study.spec.parameters, options, () => this.redraw());
    this.best = new BestCard(name, open.href);
    this.rungs = new RungsCard(status.study);
    this.progress = new ProgressCard(open, options);
    this.running = new RunningCard(name, open.href);
    this.parameters = new ParametersCard(open, options);
    this.table = new TrialsCard({name, study: status.study, href: open.href, route: this.route, signal: this.signal,
      every: this.every, total: (n) => this.head.facts.value('Trials', count(n))});
    const spec = h('details', {class: 'card span-3 spec'}, h('summary', null, 'Specification'),
      h('div', {class: 'row'}, copyButton('Copy as JSON', () => JSON.stringify({study: status.study.spec}, null, 2))),
      h('pre', {tabindex: '0', 'aria-label': 'Specification as JSON'}, JSON.stringify({study: status.study.spec}, null, 2)));
    const failed = h('div', {id: 'figure-problem', class: 'span-3', hidden: true});
    this.figureProblem = failed;
    this.main.replaceChildren(this.head.element, h('div', {class: 'grid'}, failed, this.figure.element,
      h('div', {class: 'stack'}, this.best.element, this.running.element),
      this.rungs.element, this.progress.element, this.parameters.element, this.table.element, spec));
    this.route.arrived();
  }

  show(status) {
    if (this.signal.aborted) return;
    const before = this.status;
    this.status = status;
    if (!before) this.build(status);
    this.head.update(status);
    this.best.update(status.best, status.study.spec.parameters);
    this.rungs.update(status);
    this.running.update(status);
    const idle = status.study.endTime !== undefined && status.running.length === 0;
    this.running.element.hidden = idle;
    this.tell(before, status);
    document.title = `${idle ? '' : `${percent(status.progress)} `}${this.name} – Halving`;
    this.refresh();
  }

  // Says aloud what is worth it: another state, a better best.
  tell(before, status) {
    if (!before) return;
    const state = stateName(status.study.state);
    if (state !== stateName(before.study.state)) {
      announce(`Study ${this.name} is ${state}. ${status.study.endReason}`);
      return;
    }
    const [was, now] = [before.best, status.best].map((t) => t && toNumber(lastResult(t)?.error));
    if (now !== undefined && now !== was && Date.now() > (this.toldAt ?? 0) + 15000) {
      this.toldAt = Date.now();
      announce(`New best error ${error(now)}, trial ${status.best.id}.`);
    }
  }

  refresh() {
    this.refreshFigure();
    this.table?.trigger();
  }

  async loadFigure() {
    try {
      const figure = await this.tagged.get(this.signal);
      if (figure === null || this.signal.aborted) return;
      this.trials = Number(figure.trials);
      this.lastFigure = figure;
      this.figureProblem.hidden = true;
      this.redraw();
    } catch (failure) {
      if (this.signal.aborted || failure.status === 0 || !this.figureProblem) return;
      this.figureProblem.replaceChildren(problem(`The figure cannot be drawn: ${failure.message}`));
      this.figureProblem.hidden = false;
    }
  }

  redraw() {
    if (!this.lastFigure) return;
    this.figure.update(this.lastFigure);
    this.progress.update(this.lastFigure);
    this.parameters.update(this.status.study, this.lastFigure);
  }

  gone() {
    this.ended = false;
    const was = this.status ? 'It was deleted.' : 'It may have been deleted, or the name has a slip.';
    this.end();
    this.main.replaceChildren(h('div', {class: 'nothing'}, h('h1', {tabindex: '-1'}, `There is no study “${this.name}”`),
      h('p', null, was), h('p', null, h('a', {href: '#/'}, 'All studies'))));
    this.route.arrived();
  }

  end() {
    for (const part of [this.figure, this.progress, this.parameters]) part?.end();
    this.figure = this.progress = this.parameters = null;
    this.lastFigure = null;
  }
}

export function studyPage(context, name) {
  context.main.replaceChildren(h('p', {class: 'loading'}, `Loading ${name}…`));
  new StudyPage(name, context);
  return name;
}

