// Lines over time: uPlot draws them, a sentence says the last values.
import uPlot from './vendor/uplot/uplot.js';
import { html, useEffect, useLayoutEffect, useRef, useState } from './lib.js';
import { ask } from './store.js';
import { KEPT_MS, columns, useFigures } from './figures.js';
import { bytes, count } from './ui.js';

const HEIGHT = 130;
const DASHES = [[], [6, 3], [2, 3], [10, 3, 2, 3]]; // lines differ in more than their colour
const INKS = ['--accent', '--good', '--weak', '--bad'];

const perSecond = (n) => `${n < 10 && n % 1 ? n.toFixed(1) : count(Math.round(n))}/s`;
const FORMS = {
  records: perSecond,
  bytes: (n) => `${bytes(Math.round(n))}/s`,
  ms: (n) => `${n < 10 ? n.toFixed(2) : count(Math.round(n))} ms`,
  lag: (n) => count(n),
};

// From the first point that is kept, a minute at least.
function lastMinutes(at) {
  const now = Date.now() / 1000;
  return [Math.max(Math.min(at.length ? at[0] : now, now - 60), now - KEPT_MS / 1000), now];
}

const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function useDark() {
  const [, again] = useState(0);
  const query = useRef(null);
  if (query.current === null) query.current = window.matchMedia('(prefers-color-scheme: dark)');
  useEffect(() => {
    const changed = () => again((n) => n + 1);
    query.current.addEventListener('change', changed);
    return () => query.current.removeEventListener('change', changed);
  }, []);
  return query.current.matches;
}

export function Chart({ title, form, series, points }) {
  const box = useRef(null);
  const plot = useRef(null);
  const dark = useDark();
  const say = FORMS[form];
  const names = series.map((s) => s.name);
  const data = columns(points, names);
  useLayoutEffect(() => {
    const axis = { stroke: ink('--muted'), grid: { stroke: ink('--line'), width: 1 }, ticks: { stroke: ink('--line'), width: 1 }, font: '11px system-ui, sans-serif' };
    plot.current = new uPlot({
      width: box.current.clientWidth || 300,
      height: HEIGHT,
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { time: true, range: (u) => lastMinutes(u.data[0]) },
        y: { range: (u, low, high) => [0, high > 0 ? high * 1.1 : 1] },
      },
      axes: [{ ...axis, size: 28, values: (u, splits) => splits.map((s) => new Date(s * 1000).toTimeString().slice(0, 5)), space: 70 }, { ...axis, size: 74, values: (u, splits) => splits.map((s) => say(s)) }],
      series: [{}, ...series.map((s, i) => ({ label: s.text, stroke: ink(INKS[i]), width: 1.5, dash: DASHES[i], points: { show: points.length < 3 } }))],
    }, data, box.current);
    const watcher = new ResizeObserver(() => plot.current.setSize({ width: box.current.clientWidth || 300, height: HEIGHT }));
    watcher.observe(box.current);
    return () => { watcher.disconnect(); plot.current.destroy(); plot.current = null; };
  }, [dark, names.join(), form]);
  useLayoutEffect(() => { if (plot.current) plot.current.setData(data); });
  const last = points.length ? points[points.length - 1].values : null;
  const told = series.map((s) => `${s.text} ${last && last[s.name] !== undefined ? say(last[s.name]) : 'not known yet'}`);
  return html`<figure class="chart"><figcaption><b>${title}</b><span class="unseen">: now ${told.join(', ')}, over the last ten minutes.</span>
      <span class="keys" aria-hidden="true">${series.map((s, i) => html`<span key=${s.name}><svg width="22" height="8"><line x1="0" y1="4" x2="22" y2="4" stroke-width="2" class=${`ink${i}`} stroke-dasharray=${DASHES[i].join(' ')} /></svg>${told[i]}</span>`)}</span></figcaption>
    <div ref=${box} class="plot" aria-hidden="true"></div></figure>`;
}

// Records and bytes in and out: of the cluster, or of a topic.
export function Traffic({ topic }) {
  const where = topic === undefined ? '/api/figures' : `/api/figures?${new URLSearchParams({ topic })}`;
  const [points, answer, error] = useFigures(where, () => ask(where));
  const known = answer && answer.source === 'metrics';
  return html`<section><h2>Traffic</h2>
    <div class="charts"><${Chart} title="Records in" form="records" series=${[{ name: 'records_in', text: 'in' }]} points=${points} />
      ${known ? html`<${Chart} title="Bytes" form="bytes" series=${[{ name: 'bytes_in', text: 'in' }, { name: 'bytes_out', text: 'out' }]} points=${points} />` : null}</div>
    ${answer && !known ? html`<p class="muted">No broker's HTTP listener is known: records are counted by the ends of logs, bytes are not known.${answer.left_out ? ` ${count(answer.left_out)} partitions are not counted.` : ''}</p>` : null}
    ${error || (answer && answer.why) ? html`<p class="muted">${error || answer.why}</p>` : null}</section>`;
}

const PARTS = [{ name: 'queue', text: 'queue' }, { name: 'local', text: 'handler' }, { name: 'remote', text: 'waiting' }, { name: 'response', text: 'response' }];

// How long the slowest of a hundred requests takes, in each part of its way.
export function Latency({ broker }) {
  const [api, setApi] = useState('');
  const [all, answer, error] = useFigures(`latency ${broker}`, async () => {
    const { requests, why } = await ask(`/api/figures/brokers/${broker}`);
    return { requests, why, values: requests };
  });
  if (!answer || !answer.requests) {
    const why = error || (answer && answer.why);
    return why ? html`<section><h2>Request latency</h2><p class="muted">${why}</p></section>` : null;
  }
  const names = Object.keys(answer.requests);
  const shown = api || (names.includes('Produce') ? 'Produce' : names[0]) || 'Produce';
  const points = all.filter((p) => p.values[shown]).map((p) => ({ at_ms: p.at_ms, values: p.values[shown] }));
  return html`<section><h2>Request latency</h2>
    <p class="tools thin"><label>Request <select value=${shown} onChange=${(e) => setApi(e.target.value)}>${[...new Set([...names, shown])].map((n) => html`<option key=${n}>${n}</option>`)}</select></label>
      <span class="muted">99 of 100 requests of the last minutes took at most so long in each part</span></p>
    <div class="charts one"><${Chart} title=${shown} form="ms" series=${PARTS} points=${points} /></div></section>`;
}

export function Lag({ points }) {
  return html`<div class="charts one"><${Chart} title="Lag" form="lag" series=${[{ name: 'lag', text: 'records' }]} points=${points} /></div>`;
}
