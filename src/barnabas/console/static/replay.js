// The frame of a history: where in time one is, and the pages that a history can serve.
import { html, render, useEffect, useMemo, useState } from './lib.js';
import { useStore } from './store.js';
import { goTo, goToTime, history, open, play, setSpeed, step } from './history.js';
import { Matrix } from './pages/matrix.js';
import { Now, Happened } from './pages/replay.js';
import { count, span } from './ui.js';

const PAGES = [['replay', 'Replay', Now], ['partitions', 'Partitions', Matrix], ['timeline', 'Timeline', Happened]];
const OTHERS = ['overview', 'brokers', 'topics', 'records', 'groups', 'moves', 'coordinator', 'access'];
const SPEEDS = [0.01, 0.1, 1, 10, 100];
const BINS = 240;

function place() {
  const [path, query = ''] = window.location.hash.replace(/^#\/?/, '').split('?');
  const [name, ...rest] = path.split('/').map(decodeURIComponent);
  return { name: name || 'replay', rest, query: new URLSearchParams(query) };
}

function Nothing({ here }) {
  return html`<h1>Not in a history</h1><p class="note">${OTHERS.includes(here.name)
    ? html`A history is made of events alone: it has no ${here.name}. Look at the <a href="#/replay">replay</a>.`
    : html`There is no such page. Look at the <a href="#/replay">replay</a>.`}</p>`;
}

// How much happened when, what was done to the cluster, and where it did wrong.
function Strip({ outline }) {
  const { bars, bad } = useMemo(() => {
    const last = Math.max(outline.ms[outline.count - 1], 1);
    const found = Array.from({ length: BINS }, () => [0, 0]);
    const hit = outline.kinds.map((k) => /^(process_(killed|paused|ended|stopped)|power_lost|network_cut|disk_broken|disturbed)$/.test(k));
    for (let i = 0; i < outline.count; i += 1) {
      const bin = found[Math.min(Math.floor((outline.ms[i] / last) * BINS), BINS - 1)];
      bin[0] += 1;
      if (hit[outline.kind[i]]) bin[1] += 1;
    }
    const most = Math.log1p(Math.max(...found.map((b) => b[0])));
    return {
      bars: found.map(([n, hits], i) => ({ i, height: n ? 2 + (Math.log1p(n) / most) * 16 : 0, hits })).filter((b) => b.height),
      bad: outline.violations.map((n) => (outline.ms[n] / last) * BINS),
    };
  }, [outline]);
  return html`<svg class="strip" viewBox=${`0 0 ${BINS} 20`} preserveAspectRatio="none" aria-hidden="true">
    ${bars.map((b) => html`<rect key=${b.i} class=${b.hits ? 'hit' : ''} x=${b.i + 0.1} y=${20 - b.height} width="0.8" height=${b.height} />`)}
    ${bad.map((x) => html`<rect class="violation" x=${Math.min(x, BINS - 1.2)} y="0" width="1.2" height="20" />`)}</svg>`;
}

function Transport({ outline }) {
  const last = outline.ms[outline.count - 1];
  const leap = Math.max(last / 50, 1);
  const now = history.position > 0 ? outline.text[history.position - 1] : 'nothing has happened yet';
  const where = `${span(Math.round(history.at_ms))} of ${span(last)}, event ${count(history.position)} of ${count(outline.count)}`;
  const key = (event) => {
    const does = {
      ArrowLeft: () => step(-1), ArrowRight: () => step(1), ArrowDown: () => step(-1), ArrowUp: () => step(1),
      PageDown: () => goToTime(history.at_ms - leap), PageUp: () => goToTime(history.at_ms + leap),
      Home: () => goTo(0), End: () => goTo(outline.count), ' ': play,
    }[event.key];
    if (!does || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    does();
  };
  const next = outline.violations.find((n) => n + 1 !== history.position);
  return html`<section class="transport" aria-label="Time">
    <div class="tools thin"><span class="buttons">
      <button type="button" onClick=${() => step(-1)} disabled=${history.position === 0}>Previous event</button>
      <button type="button" class="primary" onClick=${play}>${history.playing ? 'Pause' : 'Play'}</button>
      <button type="button" onClick=${() => step(1)} disabled=${history.position === outline.count}>Next event</button></span>
      <label>Speed <select value=${String(history.speed)} onChange=${(e) => setSpeed(Number(e.target.value))}>${SPEEDS.map((s) => html`<option key=${s} value=${String(s)}>${s}×</option>`)}</select></label>
      ${outline.violations.length ? html`<button type="button" class="danger" onClick=${() => goTo((next === undefined ? outline.violations[0] : next) + 1)}>Violation</button>` : null}
      <p class="mono where">${where}</p></div>
    <${Strip} outline=${outline} />
    <input type="range" min="0" max=${Math.max(last, 1)} step="any" value=${history.at_ms} aria-label="Time" aria-valuetext=${`${where}: ${now}`}
      onInput=${(e) => goToTime(Number(e.target.value))} onKeyDown=${key} />
    <p class="muted keys">On the slider: <kbd>←</kbd> <kbd>→</kbd> event, <kbd>Page up</kbd> <kbd>Page down</kbd> time, <kbd>Home</kbd> <kbd>End</kbd>, <kbd>Space</kbd> play</p></section>`;
}

function Frame() {
  const store = useStore();
  const [here, setHere] = useState(place());
  useEffect(() => {
    const moved = () => { setHere(place()); document.getElementById('main').focus({ preventScroll: true }); };
    window.addEventListener('hashchange', moved);
    return () => window.removeEventListener('hashchange', moved);
  }, []);
  const page = PAGES.find(([name]) => name === here.name) || [here.name, 'Not in a history', Nothing];
  useEffect(() => { document.title = `${page[1]} · Barnabas`; }, [page[1]]);
  const { outline } = history;
  return html`<a class="skip" href="#main" onClick=${(e) => { e.preventDefault(); document.getElementById('main').focus(); }}>To the content</a>
    <header>
      <a class="brand" href="#/replay"><span class=${`dot ${store.health ? store.health.level : 'unknown'}`} aria-hidden="true"></span>Barnabas</a>
      <nav aria-label="Pages">${PAGES.map(([name, text]) => html`<a key=${name} href=${`#/${name}`} aria-current=${page[0] === name ? 'page' : null}>${text}</a>`)}</nav>
      <p class=${`live ${history.error ? 'off' : 'past'}`} role="status">${history.error ? 'no connection' : 'a history'}</p>
    </header>
    ${history.error ? html`<p class="banner" role="alert">${history.error}</p>` : null}
    ${outline ? html`<${Transport} outline=${outline} />` : null}
    <main id="main" tabindex="-1">${outline && store.complete ? html`<${page[2]} here=${here} key=${page[0]} />` : html`<h1 class="unseen">Replay</h1><p class="note">Reading the history …</p>`}</main>`;
}

render(html`<${Frame} />`, document.getElementById('app'));
open();
