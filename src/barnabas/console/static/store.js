// What the server says, kept for all pages.
import { EMPTY, applied } from './model.js';
import { useLayoutEffect, useState } from './lib.js';

const EVENTS_MAX = 10000;

export const store = {
  snapshot: EMPTY,
  events: [],
  health: null,
  trouble: null,
  complete: false,
  connected: false,
  processes: {},
  lag: {},
  nodes: {},
  write: false,
  zookeeper: false,
  clockOffset: 0,
};

const listeners = new Set();
let pending = false;

function tell() {
  if (pending) return;
  pending = true;
  requestAnimationFrame(() => {
    pending = false;
    for (const listener of [...listeners]) listener();
  });
}

export function useStore() {
  const [, again] = useState(0);
  useLayoutEffect(() => { // Before another message can come, or that one would be missed.
    const listener = () => again((n) => n + 1);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, []);
  return store;
}

// By time; what has the same stays in the order in which it was seen.
function inOrder(events) {
  return [...events].sort((a, b) => a.time_ms - b.time_ms || a.number - b.number);
}

// What another source than a server's stream knows.
export function put(changes) {
  Object.assign(store, changes);
  tell();
}

function take(message) {
  if (message.snapshot) {
    store.snapshot = message.snapshot;
    store.events = [];
  }
  if (message.patch) store.snapshot = applied(store.snapshot, message.patch);
  if (message.events.length) {
    store.events = inOrder(store.events.concat(message.events).slice(-EVENTS_MAX));
  }
  if (message.refined) {
    const better = new Map(message.refined.map((e) => [e.number, e]));
    store.events = inOrder(store.events.map((e) => better.get(e.number) || e));
  }
  store.health = message.health;
  store.trouble = message.trouble;
  store.complete = message.complete;
  store.processes = message.processes;
  store.lag = message.lag;
  store.write = message.write;
  store.zookeeper = message.zookeeper;
  store.clockOffset = message.now_ms - Date.now();
  tell();
}

export function follow() {
  const source = new EventSource('/api/changes');
  source.onopen = () => { store.connected = true; tell(); };
  source.onmessage = (event) => take(JSON.parse(event.data));
  source.onerror = () => {
    store.connected = false;
    tell();
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, 2000);
  };
}

// A request of the page. Throws an Error with the server's sentence.
export async function ask(path, { method = 'GET', body } = {}) {
  const answer = await fetch(path, {
    method,
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  let document = null;
  try { document = await answer.json(); } catch { /* no JSON: said below */ }
  if (!answer.ok) throw new Error((document && document.error) || `HTTP ${answer.status}`);
  return document;
}
