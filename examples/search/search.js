// Searches as one types: a pause of a few milliseconds, one request at a time, those that are out of date are dropped.
'use strict';
const input = document.getElementById('q');
const list = document.getElementById('results');
const status = document.getElementById('status');
const article = document.getElementById('article');
const name = document.querySelector('h1').textContent;
const PAUSE_MS = 40;
let chosen = -1;
let timer = 0;
let searching = null;
let reading = null;
let shown = null;

// From here on it is a list to choose from; without this script it is a list of links.
document.querySelector('form button').className = 'hidden';
document.querySelector('form button').tabIndex = -1;
list.setAttribute('role', 'listbox');
list.setAttribute('aria-label', 'Titles');
for (const [attribute, value] of Object.entries({
  role: 'combobox', 'aria-autocomplete': 'list', 'aria-controls': 'results',
  'aria-expanded': 'false', 'aria-haspopup': 'listbox',
})) input.setAttribute(attribute, value);

// A part of an address that is "." or ".." would be taken for a step in the path.
const address = (place, text) =>
  /^\.{1,2}$/.test(text) ? `/${place}/?q=${encodeURIComponent(text)}`
    : `/${place}/` + encodeURIComponent(text);

// This page's own address with a search, and an article if one is open.
const here = (query, title = history.state?.title) =>
  query || title ? '?' + new URLSearchParams({ q: query, ...(title && { title }) }) : '/';

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  if (className) made.className = className;
  return made;
}

async function search() {
  const query = input.value.trim();
  searching?.abort();
  history.replaceState(history.state, '', here(query));
  if (!query) {
    shown = null;
    show('', { count: 0, titles: [] });
    status.textContent = '';
    return;
  }
  const control = searching = new AbortController();
  try {
    const began = performance.now();
    const answer = await fetch(address('title', query), { signal: control.signal });
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    const found = await answer.json();
    if (control.signal.aborted) return;
    shown = query;
    show(query, found);
    const took = Math.max(1, Math.round(performance.now() - began));
    const many = found.count.toLocaleString('en');
    status.textContent = found.count === 0 ? `No title begins with “${query}”`
      : found.count > found.titles.length
        ? `${many} titles, the first ${found.titles.length} shown (${took} ms)`
        : `${many} title${found.count === 1 ? '' : 's'} (${took} ms)`;
  } catch (error) {
    if (error.name !== 'AbortError') status.textContent = `No answer: ${error.message}`;
  }
}

function show(query, found) {
  const options = found.titles.map((title, number) => {
    const option = element('li');
    option.id = 'option-' + number;
    option.dataset.title = title;
    option.setAttribute('role', 'option');
    option.setAttribute('aria-selected', 'false');
    const same = title.slice(0, query.length);
    if (same.toLowerCase() === query.toLowerCase()) option.append(element('b', same), title.slice(query.length));
    else option.textContent = title;
    return option;
  });
  list.replaceChildren(...options);
  list.scrollTop = 0;
  input.setAttribute('aria-expanded', String(options.length > 0));
  choose(options.length ? 0 : -1);
}

function choose(number) {
  list.children[chosen]?.setAttribute('aria-selected', 'false');
  chosen = number;
  const option = list.children[number];
  if (!option) return input.removeAttribute('aria-activedescendant');
  option.setAttribute('aria-selected', 'true');
  option.scrollIntoView({ block: 'nearest' });
  input.setAttribute('aria-activedescendant', option.id);
}

async function open(title, remember = true) {
  reading?.abort();
  const control = reading = new AbortController();
  article.setAttribute('aria-busy', 'true');
  try {
    const answer = await fetch(address('page', title), { signal: control.signal });
    const text = await answer.text();
    if (control.signal.aborted) return;
    if (remember) history.pushState({ title }, '', here(input.value.trim(), title));
    document.title = `${title} · ${name}`;
    const kind = answer.headers.get('Content-Type') || '';
    const head = element('h2', title);
    const facts = element('p', '', 'facts');
    const source = element('a', 'as it is in the source');
    source.href = address('page', title);
    facts.append(`${new Blob([text]).size.toLocaleString('en')} bytes, `, source);
    const body = !answer.ok ? element('p', `There is no page “${title}”.`)
      : kind.includes('xml') ? wikiPage(text, facts) : docsPage(text, facts);
    article.replaceChildren(head, facts, body);
    scrollTo(0, 0);
    article.focus({ preventScroll: true });
  } catch (error) {
    if (error.name !== 'AbortError') article.replaceChildren(element('p', `No answer: ${error.message}`));
  } finally {
    if (reading === control) article.removeAttribute('aria-busy');
  }
}

// A documentation page: title, rule, what and how, where, text.
function docsPage(text, facts) {
  const [, , , call = '', where = '', , ...rest] = text.split('\n');
  const part = document.createDocumentFragment();
  const [, kind = '', how = call] = call.match(/^(\w+): (.*)$/) || [];
  facts.prepend(`${kind} · ${where} · `);
  part.append(element('div', how, 'call'), element('pre', rest.join('\n').trimEnd()));
  return part;
}

// An article of a dump. Not a whole reading of wiki text: headings, lists, links, emphasis; templates and tables are left out.
function wikiPage(xml, facts) {
  const part = document.createDocumentFragment();
  const page = new DOMParser().parseFromString(xml, 'text/xml');
  const get = path => page.querySelector(path);
  const time = get('revision > timestamp')?.textContent;
  if (time) facts.prepend(`revision of ${time.slice(0, 10)} · `);
  const target = get('redirect')?.getAttribute('title');
  if (target) {
    const line = element('p', 'Redirects to ');
    line.append(link(target, target));
    part.append(line);
  }
  const revisions = page.querySelectorAll('revision > text');
  let text = revisions.length ? revisions[revisions.length - 1].textContent : '';
  if (target) text = text.replace(/^#redirect[^\n]*/i, '');
  text = text.replace(/<!--[^]*?-->/g, '').replace(/<ref[^>]*\/>|<ref[^>]*>[^]*?<\/ref>/gi, '');
  for (let before = ''; before !== text;) {
    before = text;
    text = text.replace(/\{\{[^{}]*\}\}|\{\|[^{}]*\|\}/g, '');
  }
  text = text.replace(/\[\[(?:File|Image|Category):(?:[^\[\]]|\[\[[^\[\]]*\]\])*\]\]/gi, '')
    .replace(/<\/?[a-z][^>]*>/gi, '').replace(/ \([\s,;]*\)/g, '').replace(/\(, /g, '(');
  let items = null;
  for (const line of text.split('\n')) {
    const heading = line.match(/^(={2,5})\s*(.*?)\s*\1\s*$/);
    const item = line.match(/^[*#:;]+\s*(.*)$/);
    if (!item) items = null;
    if (heading) part.append(element(heading[1].length === 2 ? 'h3' : 'h4', heading[2]));
    else if (item) {
      if (!items) part.append(items = element('ul'));
      items.append(inline('li', item[1]));
    } else if (line.trim()) part.append(inline('p', line));
  }
  return part;
}

function link(title, text) {
  const made = element('a', text);
  made.href = address('page', title);
  made.dataset.title = title;
  return made;
}

function inline(tag, text) {
  const made = element(tag);
  const pattern = /\[\[([^\[\]|]+)(?:\|([^\[\]]*))?\]\]|\[(https?:\S+)(?:\s+([^\]]*))?\]|'''(.*?)'''|''(.*?)''/g;
  let end = 0;
  for (const found of text.matchAll(pattern)) {
    made.append(text.slice(end, found.index));
    end = found.index + found[0].length;
    const [, title, label, url, words, strong, soft] = found;
    if (title) made.append(link(title.split('#')[0] || title, label || title));
    else if (url) {
      const away = element('a', words || url);
      away.href = url;
      made.append(away);
    } else made.append(...[inline(strong ? 'strong' : 'em', strong || soft || '')]);
  }
  made.append(text.slice(end));
  return made;
}

input.addEventListener('input', () => {
  clearTimeout(timer);
  timer = setTimeout(search, PAUSE_MS);
});
input.addEventListener('keydown', event => {
  const last = list.children.length - 1;
  const page = 10;
  const moves = {
    ArrowDown: Math.min(last, chosen + 1), ArrowUp: Math.max(0, chosen - 1),
    PageDown: Math.min(last, chosen + page), PageUp: Math.max(0, chosen - page),
  };
  if (event.key in moves && last >= 0) {
    choose(moves[event.key]);
    event.preventDefault();
  }
});
document.querySelector('form').addEventListener('submit', async event => {
  event.preventDefault();
  clearTimeout(timer);
  // What is shown may be for fewer letters than are typed by now.
  if (shown !== input.value.trim()) await search();
  if (list.children[chosen]) open(list.children[chosen].dataset.title);
});
list.addEventListener('click', event => {
  const option = event.target.closest('li[data-title]');
  if (!option) return;
  choose([...list.children].indexOf(option));
  open(option.dataset.title);
});
article.addEventListener('click', event => {
  const away = event.target.closest('a[data-title]');
  if (!away || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  open(away.dataset.title);
});
document.addEventListener('keydown', event => {
  if (event.key !== 'Escape' && !(event.key === '/' && document.activeElement !== input)) return;
  event.preventDefault();
  input.focus();
  input.select();
});
addEventListener('popstate', event => {
  input.value = new URLSearchParams(location.search).get('q') || '';
  search();
  if (event.state?.title) open(event.state.title, false);
});
const wanted = new URLSearchParams(location.search).get('title');
if (wanted) {
  history.replaceState({ title: wanted }, '', location.search);
  open(wanted, false);
}
if (input.value) search();
