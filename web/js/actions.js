// What a person can do to a study: each asks first and says what will happen.
import {send, studyPath} from './api.js';
import {announce, h} from './dom.js';
import {ask} from './dialogs.js';
import {plural, stateName} from './format.js';

const p = (...text) => h('p', null, ...text);

function simple(name, what, words) {
  return async () => {
    const done = await ask({...words, run: () => send('POST', `${studyPath(name)}/${what}`)});
    if (done) announce(words.done);
    return done;
  };
}

function runningWords(status) {
  const n = Number(status?.runningTotal ?? 0);
  return n === 0 ? 'No trial is running now.' : `${plural(n, 'trial is', 'trials are')} running now.`;
}

const LIMIT_FIELDS = [
  ['maxEvaluations', 'Evaluations in all', '1', '1'],
  ['maxRounds', 'Rounds in all', '1', '1'],
  ['maxTotalEpochs', 'Epochs in all', '1', '1'],
  ['maxWallTime', 'Time running in all, hours', 'any', '0'],
  ['targetError', 'End at an error as low as', 'any', null],
  ['noImprovement', 'End after so many trials at max_epochs that improve nothing', '1', '1'],
];

const limitValue = (key, limits) => {
  const value = key === 'noImprovement' ? limits?.[key]?.trials : limits?.[key];
  if (value === undefined || value === null || value === '0') return '';
  return key === 'maxWallTime' ? String(Number.parseFloat(value) / 3600) : String(value);
};

function extendDialog(name, status) {
  const {limits, halving} = status.study.spec;
  const fields = LIMIT_FIELDS.filter(([key]) =>
    key !== 'maxRounds' || !halving.policy.includes('ASHA'));
  const inputs = fields.map(([key, label, step, min]) => h('label', {class: 'field'}, h('span', null, label),
    h('input', {type: 'number', name: key, step, min, value: limitValue(key, limits), placeholder: 'no limit'})));
  const changed = (form) => {
    const body = {};
    for (const [key] of fields) {
      const text = form.elements[key].value;
      if (text === '' || text === limitValue(key, limits)) continue;
      if (key === 'maxWallTime') body[key] = `${(Number(text) * 3600).toFixed(3)}s`;
      else if (key === 'noImprovement') body[key] = {trials: text};
      else body[key] = key === 'targetError' ? Number(text) : text;
    }
    return body;
  };
  return ask({
    title: `Extend ${name}?`, confirm: 'Extend',
    body: [p('Limits can be raised. A study that is completed goes on with its trials as they stood; where a checkpoint is '
      + 'gone, a trial starts from scratch.'), h('div', {class: 'fields'}, inputs)],
    ready: (form) => Object.keys(changed(form)).length > 0,
    run: (form) => send('POST', `${studyPath(name)}/extend`, changed(form)),
  });
}

function deleteDialog(name) {
  return ask({
    title: `Delete ${name}?`, confirm: 'Delete for good', danger: true,
    body: [p('The study, all results of its trials and their checkpoints are removed. This cannot be undone.'),
      h('label', {class: 'field'}, h('span', null, 'Type the study\'s name to confirm'),
        h('input', {type: 'text', name: 'name', autocomplete: 'off', spellcheck: 'false', placeholder: name}))],
    ready: (form) => form.elements.name.value === name,
    run: () => send('DELETE', studyPath(name)),
  });
}

// {key: {label, states, run}}; `latest()` gives the newest status.
export function actions(name, latest, changed) {
  const then = (f) => async () => { if (await f()) changed(); };
  return [
    {label: 'Pause', states: ['running'], run: then(() => simple(name, 'pause', {
      title: `Pause ${name}?`, confirm: 'Pause', done: 'The study is paused.',
      body: [p('No trial is handed out until the study is resumed, promotions and retries included.'),
        p(`${runningWords(latest())} They go on to the end of their rung, and their results count.`)]})())},
    {label: 'Resume', primary: true, states: ['paused'], run: then(() => simple(name, 'resume', {
      title: `Resume ${name}?`, confirm: 'Resume', done: 'The study goes on.',
      body: [p('Trials are handed out to workers again.')]})())},
    {label: 'Extend…', states: ['running', 'paused', 'completed'], run: then(() => extendDialog(name, latest()))},
    {label: 'Stop', states: ['running', 'paused'], run: then(() => simple(name, 'stop', {
      title: `Stop ${name}?`, confirm: 'Stop for good', danger: true, done: 'The study is stopped.',
      body: [p('The study ends at once and cannot be resumed. Its results are kept.'),
        p(`${runningWords(latest())} They are told to stop, and what they trained since their last result is lost.`)]})())},
    {label: 'Delete', danger: true, states: ['completed', 'stopped', 'failed'], run: async () => {
      if (await deleteDialog(name)) location.hash = '#/';
    }},
  ];
}

// The buttons that a study's state allows.
export class ActionBar {
  constructor(name, latest, changed) {
    this.buttons = actions(name, latest, changed).map((action) => {
      const button = h('button', {type: 'button', class: action.primary ? 'primary' : action.danger ? 'quiet-danger' : '',
        on: {click: action.run}}, action.label);
      return {button, states: action.states};
    });
    this.element = h('div', {class: 'actions changes', role: 'group', 'aria-label': 'What to do with the study'},
      this.buttons.map(({button}) => button));
  }
  update(state) {
    for (const {button, states} of this.buttons) button.hidden = !states.includes(stateName(state));
  }
}
