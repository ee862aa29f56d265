// A history: its outline, the position in it, and the state there, which the server works out.
import { ask, put } from './store.js';

export const history = {
  outline: null, // all events, column by column
  position: 0, // how many have happened
  at_ms: 0, // since the beginning; between events while it plays
  near: [],
  phase: '',
  violations: 0,
  playing: false,
  speed: 1,
  error: null,
};

let wanted = 0;
let asking = false;

// How many events have happened by a time. `ms` never goes back.
export function positionAt(ms, at) {
  let low = 0;
  let high = ms.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ms[middle] <= at) low = middle + 1; else high = middle;
  }
  return low;
}

export const timeOf = (outline, position) => (position > 0 ? outline.ms[position - 1] : 0);

async function follow() {
  if (asking) return;
  asking = true;
  try {
    do {
      const asked = wanted;
      const answer = await ask(`/api/history/at?position=${asked}`);
      Object.assign(history, { position: answer.position, near: answer.near, phase: answer.phase, violations: answer.violations, error: null });
      put({
        snapshot: answer.snapshot, health: answer.health, nodes: answer.nodes,
        complete: true, connected: true, trouble: null,
      });
    } while (wanted !== history.position);
  } catch (error) {
    history.error = error.message;
    history.playing = false;
    put({ connected: false });
  } finally {
    asking = false;
  }
}

function go(position) {
  wanted = Math.min(Math.max(position, 0), history.outline.count);
  if (wanted !== history.position || asking) follow();
}

export function goTo(position) {
  history.playing = false;
  go(position);
  history.at_ms = timeOf(history.outline, wanted);
  put({});
}

export const step = (by) => goTo(wanted + by);

export function goToTime(at) {
  const last = history.outline.ms[history.outline.count - 1];
  history.playing = false;
  history.at_ms = Math.min(Math.max(at, 0), last);
  go(positionAt(history.outline.ms, history.at_ms));
  put({});
}

export function setSpeed(speed) {
  history.speed = speed;
  put({});
}

export function play() {
  if (history.playing) { history.playing = false; put({}); return; }
  const last = history.outline.ms[history.outline.count - 1];
  if (wanted >= history.outline.count) { wanted = 0; history.at_ms = 0; }
  history.playing = true;
  let before = performance.now();
  const frame = (now) => {
    if (!history.playing) return;
    history.at_ms = Math.min(history.at_ms + (now - before) * history.speed, last);
    before = now;
    go(positionAt(history.outline.ms, history.at_ms));
    if (history.at_ms >= last) history.playing = false;
    put({});
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  put({});
}

export async function open() {
  try {
    history.outline = await ask('/api/history');
  } catch (error) {
    history.error = error.message;
    put({});
    return;
  }
  wanted = history.outline.start;
  history.at_ms = timeOf(history.outline, wanted);
  await follow();
}
