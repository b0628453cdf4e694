// Who looks at the page: the token that it shows to the server, and what its role may do. The token is kept for this tab alone, in
// sessionStorage, and goes nowhere but into the Authorization header.
const KEY = 'halving.token';

let token = stored();
let who = null;  // The server's answer to whoami: {auth, name, role, owner}.

function stored() {
  try {
    return sessionStorage.getItem(KEY) ?? '';
  } catch {
    return '';  // No storage: it holds until the page is left.
  }
}

export const hasToken = () => token !== '';
export const headers = () => (token ? {Authorization: `Bearer ${token}`} : {});

// What is wrong with a text as a token, or ''.
export function wrongToken(text) {
  if (text === '') return 'Type a token; it begins with hv_.';
  return /^hv_[0-9a-z_]+$/i.test(text) ? '' : 'This is no token: it is hv_ and letters and digits, as halving token create prints it.';
}

export function useToken(text) {
  token = text;
  try {
    sessionStorage.setItem(KEY, text);
  } catch { /* See above. */ }
}

export function forgetToken() {
  token = '';
  who = null;
  try {
    sessionStorage.removeItem(KEY);
  } catch { /* See above. */ }
  dispatchEvent(new Event('accesschange'));
}

export function setCaller(told) {
  who = told;
  dispatchEvent(new Event('accesschange'));
}

// Until the server has said otherwise, it decides.
export const mayChange = () => !who || who.auth !== 'tokens' || who.role === 'admin';

// "ann, a reader of team-a", or ''.
export function callerText() {
  if (!who || who.auth !== 'tokens') return '';
  return `${who.name}, ${who.role}${who.owner ? ` of ${who.owner}` : ''}`;
}

// The server wants a token, or another one; or this one may not see what the page shows. main.js hears of it.
export const tokenNeeded = (message) => dispatchEvent(new CustomEvent('tokenneeded', {detail: message}));
export const refused = (message) => dispatchEvent(new CustomEvent('refused', {detail: message}));

// What a refusal means for who looks at the page.
export function explained(message) {
  const text = callerText();
  return text ? `${message} (The token in use is that of ${text}.)` : message;
}
