// The form that asks for a token, what is shown instead of a page that a token may not see, and who is named in the header.
import * as access from './access.js';
import {get} from './api.js';
import {announce, h, setAttribute, setText} from './dom.js';

// Asks who the token belongs to. A server of before tokens knows nobody.
export async function askWho() {
  try {
    access.setCaller(await get('whoami', {quiet: true}));
  } catch (failure) {
    if (failure.status === 404) access.setCaller({auth: 'off'});
    if (failure.status === 401) access.tokenNeeded(failure.message);
  }
}

// `arrived()` once the server takes a token that is typed.
export function tokenForm(main, why, arrived) {
  const input = h('input', {type: 'password', id: 'token', autocomplete: 'off', spellcheck: 'false', required: true,
    'aria-describedby': 'token-hint'});
  const message = h('p', {class: 'form-error', role: 'alert', hidden: true});
  const button = h('button', {type: 'submit', class: 'primary'}, 'Continue');
  const fail = (text) => {
    setText(message, text);
    message.hidden = false;
    input.setAttribute('aria-invalid', 'true');
    input.focus();
  };
  const form = h('form', {class: 'token-form', novalidate: true, on: {submit: async (event) => {
    event.preventDefault();
    const text = input.value.trim();
    const wrong = access.wrongToken(text);
    if (wrong) {
      fail(wrong);
      return;
    }
    button.disabled = true;
    message.hidden = true;
    access.useToken(text);
    try {
      access.setCaller(await get('whoami', {quiet: true}));
      arrived();
    } catch (failure) {
      if (failure.status !== 0) access.forgetToken();
      fail(failure.message);
    }
    button.disabled = false;
  }}},
  h('label', {for: 'token'}, 'Token'), input,
  h('p', {class: 'hint', id: 'token-hint'}, 'An admin makes one: ', h('code', null, 'halving token create NAME --role reader'),
    '. It is kept in this tab only, until the tab is closed or the token is forgotten.'),
  message, h('div', {class: 'row'}, button));
  main.replaceChildren(h('div', {class: 'nothing token', id: 'token-needed'},
    h('h1', {tabindex: '-1'}, 'This server asks for a token'), why ? h('p', null, why) : null, form));
  input.focus();
}

export function refusedPage(main, why) {
  const other = h('button', {type: 'button', class: 'primary', on: {click: () => {
    access.forgetToken();
    access.tokenNeeded('');
  }}}, 'Use another token');
  const text = access.callerText();
  main.replaceChildren(h('div', {class: 'nothing', id: 'refused'},
    h('h1', {tabindex: '-1'}, 'The server refuses this'), h('p', null, why),
    text ? h('p', null, `The token in use is that of ${text}.`) : null,
    access.hasToken() ? h('p', null, other) : null, h('p', null, h('a', {href: '#/'}, 'All studies'))));
  main.querySelector('h1').focus({preventScroll: true});
}

// Names the caller in the header, and shows nobody what they may not do.
export function keepCallerShown() {
  const name = document.getElementById('who');
  const forget = document.getElementById('forget');
  const paint = () => {
    setText(name, access.callerText());
    forget.hidden = !access.hasToken();
    setAttribute(document.documentElement, 'data-reads-only', !access.mayChange());
  };
  forget.addEventListener('click', () => {
    access.forgetToken();
    announce('The token is forgotten.');
    access.tokenNeeded('The token is forgotten.');
  });
  addEventListener('accesschange', paint);
  paint();
}
