// Small helpers.  Whatever a name holds goes in as text, never as markup;
// nodes stay, and so do the focus, a selection and a scroll position.

export const $ = (id) => document.getElementById(id);

// An element: el('p', { class: 'quiet', onclick: f }, 'text', otherElement)

export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);

  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') {
      node.addEventListener(name.slice(2), value);

    } else if (value === true) {
      node.setAttribute(name, '');

    } else if (value !== false && value != null) {
      node.setAttribute(name, value);
    }
  }

  node.append(...children.filter((child) => child != null));

  return node;
}

// What was put into a node last is kept with it: to ask the document, for all
// figures in every update, costs more than to work them out.

const last = Symbol('last');

const changed = (node, name, value) => {
  const kept = node[last] ??= {};

  if (kept[name] === value) {
    return false;
  }

  kept[name] = value;

  return true;
};

// {text, title}, as format.field() gives them.  A node that has been given to
// one of these is changed by them alone.

export function put(node, { text, title = '' }) {
  if (changed(node, 'text', text)) {
    node.textContent = text;
  }

  if (changed(node, 'title', title) && (title || node.title)) {
    node.title = title;
  }
}

export function putClass(node, name) {
  if (changed(node, 'class', name)) {
    node.className = name;
  }
}

export function putToggle(node, name, on) {
  if (changed(node, name, on)) {
    node.classList.toggle(name, on);
  }
}

export function putAttribute(node, name, value) {
  if (changed(node, name, value)) {
    node.setAttribute(name, value);
  }
}

export function putHidden(node, hidden) {
  if (changed(node, 'hidden', hidden)) {
    node.hidden = hidden;
  }
}

// As many children as there are items, made when they are missing

export function children(parent, { length }, make) {
  while (parent.children.length < length) {
    parent.append(make());
  }

  while (parent.children.length > length) {
    parent.lastElementChild.remove();
  }

  return [...parent.children];
}

// Pairs of a <dl>: [name, {text, title}, note or nothing]

export function pairs(parent, list) {
  const make = () => el('div', {}, el('dt'), el('dd', { class: 'value' }),
                        el('dd', { class: 'quiet' }));

  children(parent, list, make).forEach(({ children: parts }, i) => {
    const [name, value, note] = list[i];

    put(parts[0], { text: name });
    put(parts[1], value);
    put(parts[2], note ?? { text: '' });
    putHidden(parts[2], !note);
  });
}

export function save(blob, name) {
  const link = el('a', { href: URL.createObjectURL(blob), download: name });

  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

// The colour of a custom property, as a canvas wants it; kept, since to ask the
// browser for it makes it style the whole page.

const colours = new Map();
let probe;

export function colour(name) {
  if (!probe) {
    probe = el('i', { hidden: true });
    document.body.append(probe);
  }

  if (!colours.has(name)) {
    probe.style.color = `var(${name})`;
    colours.set(name, getComputedStyle(probe).color);
  }

  return colours.get(name);
}

export const forgetColours = () => colours.clear();
