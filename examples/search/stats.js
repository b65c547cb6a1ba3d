// Draws what /stats says, once a second, for the last two minutes.
'use strict';
const KEPT = 120;
const HEIGHT = 176, LEFT = 64, TOP = 8, BOTTOM = 8;
const get = id => document.getElementById(id);
const past = [];
let before = null;

const seconds = value => value === undefined || value === null ? '–'
  : value < 1e-9 ? '0' : value < 1e-3 ? `${(value * 1e6).toFixed(0)} µs`
    : value < 1 ? `${(value * 1e3).toFixed(value < .01 ? 2 : 0)} ms` : `${value.toFixed(1)} s`;
const bytes = value => value < 1e9 ? `${(value / 1e6).toFixed(1)} MB` : `${(value / 1e9).toFixed(2)} GB`;
const whole = value => Math.round(value).toLocaleString('en');
const rates = value => value.toLocaleString('en', { maximumFractionDigits: 1 });

function svg(tag, attributes, text) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text) made.textContent = text;
  return made;
}

// The next round number at or above a value: 1, 2 or 5 times a power of ten.
function above(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].find(step => step * power >= value * .999) * power;
}

function draw(chart, names, words) {
  const width = chart.clientWidth || 560;
  const top = above(Math.max(...past.flatMap(point => names.map(name => point[name] || 0))));
  const parts = [];
  for (const share of [0, .5, 1]) {
    const y = HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM);
    parts.push(svg('line', { x1: LEFT, x2: width, y1: y, y2: y }));
    parts.push(svg('text', { x: LEFT - 8, y: y + 4, 'text-anchor': 'end' }, words(share * top)));
  }
  names.forEach((name, number) => {
    const line = past.map((point, at) => {
      const x = width - (past.length - 1 - at) * (width - LEFT) / (KEPT - 1);
      const y = HEIGHT - BOTTOM - (point[name] || 0) / top * (HEIGHT - TOP - BOTTOM);
      return `${x.toFixed(1)},${y.toFixed(1)}`;
    });
    parts.push(svg('polyline', { points: line.join(' '), class: ['one', 'two', 'three'][number] }));
  });
  chart.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
  chart.replaceChildren(...parts);
}

function workers(now, elapsed) {
  const earlier = new Map((before?.workers || []).map(worker => [worker.worker, worker]));
  let busy = 0;
  const rows = now.workers.map(worker => {
    const old = earlier.get(worker.worker);
    const share = old && elapsed > 0 ? (worker.cpu_seconds - old.cpu_seconds) / elapsed : 0;
    busy += share;
    const row = document.createElement('tr');
    for (const text of [worker.interpreter, `${(100 * share).toFixed(0)} %`]) row.insertCell().textContent = text;
    const bar = row.insertCell();
    bar.className = 'bar';
    bar.append(document.createElement('div'));
    bar.firstChild.style.width = `${Math.min(100, 100 * share)}%`;
    for (const text of [whole(worker.requests), seconds(worker.latency?.p50), seconds(worker.latency?.p99)])
      row.insertCell().textContent = text;
    return row;
  });
  get('workers').replaceChildren(...rows);
  return busy;
}

async function step() {
  try {
    const answer = await fetch('/stats', { cache: 'no-store' });
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    const now = await answer.json();
    const elapsed = before ? now.uptime - before.uptime : 0;
    const rate = elapsed > 0 ? (now.requests - before.requests) / elapsed : 0;
    const busy = workers(now, elapsed);
    const { p50, p90, p99 } = now.latency || {};
    past.push({ rate, p50, p90, p99, pss: now.memory.pss, rss: now.memory.rss });
    past.splice(0, past.length - KEPT);
    get('rate').textContent = whole(rate);
    get('requests').textContent = whole(now.requests);
    get('latency').textContent = `${seconds(p50)} · ${seconds(p99)}`;
    get('cores').textContent = busy.toFixed(2);
    get('memory').textContent = bytes(now.memory.pss);
    get('connections').textContent = whole(now.connections);
    get('uptime').textContent = now.uptime < 120 ? `${Math.floor(now.uptime)} s`
      : `${Math.floor(now.uptime / 60).toLocaleString('en')} min`;
    draw(get('rate-chart'), ['rate'], rates);
    draw(get('latency-chart'), ['p50', 'p90', 'p99'], seconds);
    draw(get('memory-chart'), ['pss', 'rss'], bytes);
    before = now;
    get('trouble').textContent = '';
  } catch (error) {
    get('trouble').textContent = `No answer from the server: ${error.message}`;
  }
  setTimeout(step, 1000);
}
step();
