// Building and updating the page's elements. All that comes from the server goes in as text, never as markup: there is no call in
// here that could do otherwise.

// h('a', {class: 'x', href: '#/', on: {click: f}}, 'text', node, [more]). A prop that is null or false is left out, true is an
// attribute without a value.
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'on') {
      for (const [event, f] of Object.entries(value)) element.addEventListener(event, f);
    } else {
      element.setAttribute(name, value === true ? '' : String(value));
    }
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) append(element, child);
    else element.append(child instanceof Node ? child : String(child));
  }
}

// An icon: paths of a 16 by 16 grid, in the colour of the text.
const ICONS = {
  up: 'M8 12V4M4.5 7.5 8 4l3.5 3.5',
  down: 'M8 4v8M4.5 8.5 8 12l3.5-3.5',
  copy: 'M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z',
  warn: 'M8 2 14.5 13.5h-13zM8 6.5v3.2M8 11.6v.1',
  sun: 'M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6M8 1v1.6M8 13.4V15M1 8h1.6M13.4 8H15M3 3l1.1 1.1'
    + 'M11.9 11.9 13 13M13 3l-1.1 1.1M4.1 11.9 3 13',
  moon: 'M13.5 9.6A6 6 0 0 1 6.4 2.5a6 6 0 1 0 7.1 7.1',
  auto: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2M8 2v12M8 5l4.8-.5M8 8h6M8 11l4.8.5',
  plus: 'M8 3v10M3 8h10',
  close: 'M4 4l8 8M12 4l-8 8',
  key: 'M10.5 2.5a3 3 0 1 0 0 6 3 3 0 0 0 0-6M8.3 7.7 2.5 13.5M4.5 11.5l2 2',
};

export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const attributes = {viewBox: '0 0 16 16', class: 'icon', 'aria-hidden': 'true'};
  for (const [key, value] of Object.entries(attributes)) svg.setAttribute(key, value);
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', ICONS[name]);
  svg.append(path);
  return svg;
}

// Writes only what has changed: no layout, and no lost selection, for a number that stayed.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else if (element.getAttribute(name) !== String(value)) {
    element.setAttribute(name, value);
  }
}

// The parent's child number `index`, made if it is not one of this tag.
export function childAt(parent, index, tag, className) {
  const there = parent.children[index];
  if (there && there.localName === tag) return there;
  const made = h(tag, {class: className});
  if (there) there.replaceWith(made);
  else parent.append(made);
  return made;
}

// Makes the parent's children those of `items`, in order. An item that stays keeps its element, and with it focus and selection.
export function reconcile(parent, items, keyOf, create, update) {
  const keys = new Set(items.map((item) => String(keyOf(item))));
  const old = new Map();
  for (const child of [...parent.children]) {
    if (keys.has(child.dataset.key)) old.set(child.dataset.key, child);
    else child.remove();  // First, so that those behind it need not be moved.
  }
  let at = parent.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    const element = old.get(key) ?? create(item);
    element.dataset.key = key;
    update(element, item);
    if (element === at) at = at.nextElementSibling;
    else parent.insertBefore(element, at);
  }
}

let announceTimer = 0;
// Tells people who do not see the page. Polite; what follows at once replaces what was to be said.
export function announce(text) {
  const announcer = document.getElementById('announcer');
  clearTimeout(announceTimer);
  announceTimer = setTimeout(() => { announcer.textContent = text; }, 100);
}

export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return;
  } catch { /* Not over plain HTTP from another machine: the old way. */ }
  const area = h('textarea', {class: 'sr-only', 'aria-hidden': 'true', tabindex: '-1'});
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand('copy');
  area.remove();
}

// A button that copies what `text()` gives, and says so.
export function copyButton(label, text) {
  const caption = h('span', null, label);
  const button = h('button', {type: 'button', class: 'small', on: {click: async () => {
    await copyText(text());
    setText(caption, 'Copied');
    announce('Copied');
    setTimeout(() => setText(caption, label), 1500);
  }}}, icon('copy'), caption);
  return button;
}

// A command to type, with a button that copies it.
export function command(text) {
  return h('div', {class: 'command'}, h('code', {tabindex: '0'}, text), copyButton('Copy', () => text));
}

// A part of a page: a heading, what stands beside it, and a body.
export function card(title, {id, side, className} = {}, ...children) {
  const heading = h('h2', {id: `${id}-title`}, title);
  return h('section', {class: `card ${className ?? ''}`, id, 'aria-labelledby': `${id}-title`},
    h('div', {class: 'card-head'}, heading, side), ...children);
}

export function problem(text) {
  return h('div', {class: 'callout bad', role: 'alert'}, icon('warn'), h('p', null, text));
}
