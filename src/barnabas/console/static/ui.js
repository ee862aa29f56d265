// Small parts that pages share.
import { html, useEffect, useLayoutEffect, useRef, useState } from './lib.js';

export const MARKS = { leader: 'L', 'in sync': 's', lagging: '–', offline: '×', unknown: '?', '': '' };
const CLASSES = { leader: 'leader', 'in sync': 'insync', lagging: 'lagging', offline: 'offline', unknown: 'unknown', '': 'none' };

// A number in three or four characters: 7, 999, 12k, 3M.
export function short(n) {
  if (n < 1000) return String(n);
  if (n < 1e6) return `${Math.floor(n / 1000)}k`;
  return n < 1e9 ? `${Math.floor(n / 1e6)}M` : `${Math.floor(n / 1e9)}G`;
}

export function Replica({ state, title, lag }) {
  if (!state) return html`<span class="cell none" aria-hidden="true">·</span>`;
  return html`<span class=${`cell ${CLASSES[state]}`} title=${title || state}><span aria-hidden="true">${lag ? short(lag) : MARKS[state]}</span><span class="unseen">${state}${lag ? ` by ${lag} records` : ''}</span></span>`;
}

export function Legend({ unknown }) {
  return html`<p class="legend" aria-label="Legend">
    ${['leader', 'in sync', 'lagging', 'offline', ...(unknown ? ['unknown'] : [])].map((s) => html`<span><${Replica} state=${s} /> ${s}</span>`)}
  </p>`;
}

const two = (n) => String(n).padStart(2, '0');
const three = (n) => String(n).padStart(3, '0');

export function clock(ms) {
  if (!(ms > 0)) return '';
  const d = new Date(ms);
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}.${three(d.getMilliseconds())}`;
}

export function day(ms) {
  const d = new Date(ms);
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;
}

export function moment(ms) {
  return ms > 0 ? `${day(ms)} ${clock(ms)}` : '—';
}

export function span(ms) {
  if (ms < 1000) return `${ms} ms`;
  if (ms < 60000) return `${(ms / 1000).toFixed(3)} s`;
  const s = Math.round(ms / 1000);
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

export function bytes(n) {
  if (n === null || n === undefined || n < 0) return '—';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let at = 0;
  while (n >= 1024 && at < units.length - 1) { n /= 1024; at += 1; }
  return `${at === 0 ? n : n.toFixed(1)} ${units[at]}`;
}

export const count = (n) => n.toLocaleString('en-US');

export function plural(n, noun) {
  return `${count(n)} ${noun}${n === 1 ? '' : 's'}`;
}

// A table of which only the rows in sight are in the page. `columns` is a CSS grid template.
// `at` is a row that is to be in sight.
export function VirtualTable({ label, head, rows, columns, rowHeight, row, minWidth, maxWidth, at }) {
  const box = useRef(null);
  useLayoutEffect(() => {
    const element = box.current;
    if (!(at >= 0)) return;
    const top = at * rowHeight;
    const room = element.clientHeight - 2 * rowHeight;
    if (top < element.scrollTop || top > element.scrollTop + room - rowHeight) element.scrollTop = top - room / 2;
  }, [at, rowHeight]);
  const [view, setView] = useState({ top: 0, height: 600 });
  useLayoutEffect(() => {
    const element = box.current;
    const look = () => setView({ top: element.scrollTop, height: element.clientHeight });
    look();
    element.addEventListener('scroll', look, { passive: true });
    const watcher = new ResizeObserver(look);
    watcher.observe(element);
    return () => { element.removeEventListener('scroll', look); watcher.disconnect(); };
  }, []);
  const first = Math.max(0, Math.floor(view.top / rowHeight) - 8);
  const last = Math.min(rows.length, Math.ceil((view.top + view.height) / rowHeight) + 8);
  const grid = { gridTemplateColumns: columns };
  const cells = [];
  for (let i = first; i < last; i += 1) {
    cells.push(html`<div class="vrow" role="row" key=${i} aria-rowindex=${i + 2}
      style=${{ ...grid, height: `${rowHeight}px`, transform: `translateY(${i * rowHeight}px)` }}>${row(rows[i], i)}</div>`);
  }
  return html`<div class="vtable" ref=${box} tabindex="0" style=${{ maxWidth: maxWidth || 'none' }} role="table" aria-label=${label} aria-rowcount=${rows.length + 1}>
    <div class="vinner" style=${{ minWidth: minWidth || 'auto' }}>
      <div class="vhead" role="row" aria-rowindex="1" style=${grid}>${head}</div>
      <div class="vbody" role="rowgroup" style=${{ height: `${rows.length * rowHeight}px` }}>${cells}</div>
    </div>
  </div>`;
}

export function Choice({ label, value, options, onChange }) {
  return html`<div class="choice" role="group" aria-label=${label}>
    ${options.map((o) => html`<button type="button" key=${o.value} aria-pressed=${o.value === value}
      onClick=${() => onChange(o.value)}>${o.text}${o.count === undefined ? null : html` <b>${count(o.count)}</b>`}</button>`)}
  </div>`;
}

// What a server answers to `load`, again when `key` changes: [answer, error, reload].
export function useAnswer(load, key) {
  const [state, setState] = useState({ answer: null, error: null, key: null });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let gone = false;
    load().then(
      (answer) => { if (!gone) setState({ answer, error: null, key }); },
      (error) => { if (!gone) setState({ answer: null, error: error.message, key }); },
    );
    return () => { gone = true; };
  }, [key, turn]);
  const fresh = state.key !== null && state.key.split(' ')[0] === String(key).split(' ')[0] ? state : { answer: null, error: null };
  return [fresh.answer, fresh.error, () => setTurn((n) => n + 1)];
}

export function Waiting({ error }) {
  return error
    ? html`<p class="note bad" role="alert">${error}</p>`
    : html`<p class="note">Asking …</p>`;
}

// A button for something that is done at the server, and what came of it.
export function Action({ text, run, kind, disabled, confirm, title, what }) {
  const [state, setState] = useState('');
  const click = async () => {
    if (confirm && !window.confirm(confirm)) return;
    setState('…');
    try { await run(); setState(''); } catch (error) { setState(error.message); }
  };
  return html`<span class="action"><button type="button" class=${kind || ''} title=${title || null} disabled=${disabled || state === '…'} onClick=${click}>${text}${what ? html`<span class="unseen"> ${what}</span>` : null}</button>
    ${state && state !== '…' ? html`<span class="bad" role="alert">${state}</span>` : null}</span>`;
}

// Settings with the place where each value comes from; those that were set come first.
export function Settings({ settings, first }) {
  const [text, setText] = useState('');
  const [all, setAll] = useState(false);
  const isSet = (s) => s.source !== 'default';
  const wanted = text.trim().toLowerCase();
  const rows = settings.filter((s) => (wanted ? s.name.includes(wanted) : all || isSet(s)))
    .sort((a, b) => (b.source === first) - (a.source === first) || isSet(b) - isSet(a) || (a.name < b.name ? -1 : 1));
  return html`<div class="tools"><label>Find <input type="search" value=${text} placeholder="setting" onInput=${(e) => setText(e.target.value)} /></label>
      <label class="check"><input type="checkbox" checked=${all} onChange=${(e) => setAll(e.target.checked)} /> defaults as well</label></div>
    ${rows.length ? html`<div class="scroll" tabindex="0" role="group" aria-label="Table"><table><thead><tr><th scope="col">Setting</th><th scope="col">Value</th><th scope="col">From</th></tr></thead>
      <tbody>${rows.map((s) => html`<tr key=${s.name}><th scope="row" class="mono" title=${s.documentation || ''}>${s.name}</th><td class="mono wrap">${s.sensitive ? html`<i class="muted">secret</i>` : s.value === null || s.value === '' ? html`<i class="muted">not set</i>` : s.value}</td><td>${s.source === 'default' ? html`<span class="muted">default</span>` : s.source}</td></tr>`)}</tbody></table></div>`
      : html`<p class="muted">${wanted ? 'No setting of that name.' : 'All settings have their defaults.'}</p>`}`;
}
