// A form to plan and create a study.
import {send} from './api.js';
import {announce, card, h, setText} from './dom.js';
import {count, plural} from './format.js';
import {studyHref} from './study.js';
import {DataTable, cells} from './tables.js';

const EXAMPLE = {
  name: 'my-study',
  objective: 'lenet',
  objective_options: {activation: 'relu', train_examples: 12000},
  parameters: [
    {name: 'learning_rate', float: {min: 0.01, max: 1, log: true}},
    {name: 'batch_size', int: {min: 32, max: 256}},
  ],
  initial_configs: [{learning_rate: 0.1, batch_size: 128}],
  halving: {min_epochs: 2, max_epochs: 10, eta: 2},
  limits: {max_evaluations: 30},
  searcher: 'SEARCHER_GP',
};

// JSON that fits a screen: what fits a line stands on one.
function pretty(value, indent = '') {
  const flat = JSON.stringify(value, null, 1).replace(/\n\s*/g, ' ').replace(/([[{]) /g, '$1').replace(/ ([\]}])/g, '$1');
  if (typeof value !== 'object' || (indent !== '' && flat.length + indent.length < 76)) return flat;
  const inner = `${indent}  `;
  if (Array.isArray(value)) {
    return `[\n${value.map((v) => inner + pretty(v, inner)).join(',\n')}\n${indent}]`;
  }
  return `{\n${Object.entries(value).map(([k, v]) => `${inner}${JSON.stringify(k)}: ${pretty(v, inner)}`).join(',\n')}\n${indent}}`;
}

// The text as a request. Takes a study, or {"study": {...}} as `halving create` does.
function request(text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch (failure) {
    throw new Error(`This is no JSON: ${failure.message}`);
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new Error('A study is a JSON object, {"name": ..., "objective": ..., ...}.');
  }
  return value.study && typeof value.study === 'object' ? value : {study: value};
}

class NewStudyPage {
  constructor({main, signal}) {
    this.signal = signal;
    this.text = h('textarea', {id: 'spec', rows: '24', spellcheck: 'false', autocomplete: 'off', 'aria-describedby': 'spec-hint'});
    this.text.value = pretty(EXAMPLE);
    this.message = h('p', {class: 'form-error', role: 'alert', hidden: true});
    this.plan = h('div', {role: 'status', id: 'plan'}, h('p', {class: 'empty-line'},
      'Plan shows the rungs, the trials and what they cost, before anything runs.'));
    this.create = h('button', {type: 'submit', class: 'primary changes'}, 'Create');
    const planButton = h('button', {type: 'button', on: {click: () => this.try(() => this.showPlan())}}, 'Plan');
    const form = h('form', {class: 'new-form', on: {submit: (event) => {
      event.preventDefault();
      this.try(() => this.createStudy());
    }}},
    h('label', {for: 'spec'}, 'Study as JSON'), this.text,
    h('p', {class: 'hint', id: 'spec-hint'}, 'The same that ',
      h('code', null, 'halving create FILE'), ' takes: the study alone, or {"study": {...}}.'),
    h('p', {class: 'hint only-reads'}, 'The token in use may only read: it can plan a study, but not create one. That needs the role admin.'),
    this.message, h('div', {class: 'row'}, planButton, this.create));
    main.replaceChildren(h('div', {class: 'page-head'},
      h('nav', {class: 'crumbs', 'aria-label': 'Path'}, h('a', {href: '#/'}, 'Studies')),
      h('h1', {tabindex: '-1'}, 'New study')),
    h('div', {class: 'grid'}, card('Specification', {id: 'specification', className: 'span-2'}, form),
      card('Plan', {id: 'plan-card'}, this.plan)));
  }

  async try(f) {
    this.message.hidden = true;
    this.text.removeAttribute('aria-invalid');
    this.create.disabled = true;
    try {
      await f();
    } catch (failure) {
      setText(this.message, failure.message);
      this.message.hidden = false;
      this.text.setAttribute('aria-invalid', 'true');
    }
    this.create.disabled = false;
  }

  async showPlan() {
    const plan = await send('POST', 'plan', request(this.text.value));
    const brackets = plan.rungs.some((rung) => rung.bracket > 0);
    const columns = [
      {key: 'epochs', label: 'Epochs', head: true, paint: (td, r) => cells.text(td, count(r.epochs))},
      ...(brackets ? [{key: 'bracket', label: 'Bracket', num: true, paint: (td, r) => cells.text(td, String(r.bracket))}] : []),
      {key: 'trials', label: 'Trials', num: true, paint: (td, r) => cells.text(td, count(r.trials))}];
    const table = new DataTable({caption: 'Rungs of one round', columns, keyOf: (r) => `${r.bracket}-${r.epochs}`});
    table.update(plan.rungs);
    const rounds = Number(plan.rounds);
    this.plan.replaceChildren(table.element, h('dl', {class: 'config'},
      [['Evaluations a round', count(plan.evaluationsPerRound)], ['Epochs a round', count(plan.epochsPerRound)],
        ['Epochs from scratch', count(plan.epochsPerRoundFromScratch)],
        ['Rounds', rounds ? `${plural(rounds, 'round')} within the limits` : 'no bound']].map(([key, value]) =>
        h('div', null, h('dt', null, key), h('dd', null, value)))));
  }

  async createStudy() {
    const study = await send('POST', 'studies', request(this.text.value));
    announce(`Study ${study.spec.name} is created.`);
    location.hash = studyHref(study.spec.name);
  }
}

export function newStudyPage(context) {
  new NewStudyPage(context);
  context.route.arrived();
  return 'New study';
}
