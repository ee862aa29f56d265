// Figures over the last ten minutes, kept while the page is open. Pure but for `keep` and `useFigures`.
import { useEffect, useState } from './lib.js';

export const KEPT_MS = 600_000;
export const ROUND_MS = 2_000;
const GAP_MS = 3 * ROUND_MS; // longer without an answer is a gap in a line

// What each counter has risen by in a second, from two answers: of those that are in both, and that
// have not begun anew. Null if there is none.
export function rates(before, after) {
  const seconds = (after.at_ms - before.at_ms) / 1000;
  if (!(seconds > 0) || before.source !== after.source) return null;
  const found = {};
  for (const [key, now] of Object.entries(after.counters)) {
    const then = before.counters[key];
    if (!then) continue;
    for (const [name, value] of Object.entries(now)) {
      if (!(name in then)) continue;
      const risen = value - then[name];
      found[name] = (found[name] || 0) + (risen >= 0 ? risen / seconds : 0);
    }
  }
  return Object.keys(found).length ? found : null;
}

// Columns for a chart: times in seconds, then one list for each name; null where nothing is known.
export function columns(points, names) {
  const at = [];
  const lists = names.map(() => []);
  let before = null;
  for (const point of points) {
    if (before !== null && point.at_ms - before > GAP_MS) {
      at.push((before + 1) / 1000);
      for (const list of lists) list.push(null);
    }
    at.push(point.at_ms / 1000);
    names.forEach((name, i) => lists[i].push(point.values[name] === undefined ? null : point.values[name]));
    before = point.at_ms;
  }
  return [at, ...lists];
}

export function added(points, point) {
  return [...points.filter((p) => p.at_ms > point.at_ms - KEPT_MS), point];
}

const kept = new Map(); // by what they are of: points and the last answer

export function keep(key, at_ms, values, answer) {
  const known = kept.get(key) || { points: [] };
  const points = values ? added(known.points, { at_ms, values }) : known.points;
  kept.set(key, { points, answer: answer || known.answer });
}

export const pointsOf = (key) => (kept.get(key) || { points: [] }).points;

// Asks every two seconds while the page is in sight: `load` gives an answer with counters, of which
// rates are made, or with `values`. [points, last answer, error].
export function useFigures(key, load) {
  const [, again] = useState(0);
  const [error, setError] = useState(null);
  useEffect(() => {
    let gone = false;
    let timer = null;
    const look = async () => {
      if (!document.hidden) {
        try {
          const answer = { ...(await load()), at_ms: Date.now() };
          const before = (kept.get(key) || {}).answer;
          const values = 'values' in answer ? answer.values : (before && answer.at_ms - before.at_ms < GAP_MS ? rates(before, answer) : null);
          keep(key, answer.at_ms, values, answer);
          if (!gone) setError(null);
        } catch (problem) {
          if (!gone) setError(problem.message);
        }
        if (!gone) again((n) => n + 1);
      }
      if (!gone) timer = setTimeout(look, ROUND_MS);
    };
    look();
    return () => { gone = true; clearTimeout(timer); };
  }, [key]);
  const known = kept.get(key) || { points: [] };
  return [known.points, known.answer || null, error];
}
