import { html, useEffect, useState } from '../lib.js';
import { ask } from '../store.js';
import { Action, MARKS, Waiting, count, plural, span, useAnswer } from '../ui.js';
import { KINDS } from './timeline.js';

const CLASSES = { leader: 'leader', 'in sync': 'insync', lagging: 'lagging', offline: 'offline', reads: 'leader' };
const LETTERS = { ...MARKS, reads: 'R' };

// The last run of each lesson, as the server tells it.
function useRuns() {
  const [runs, setRuns] = useState({});
  useEffect(() => {
    let source = null;
    let again = null;
    const follow = () => {
      source = new EventSource('/api/tour/changes');
      source.onmessage = (event) => {
        const told = Object.fromEntries(JSON.parse(event.data).runs.map((r) => [r.lesson, r]));
        setRuns((known) => ({ ...known, ...told }));
      };
      source.onerror = () => { if (source.readyState === EventSource.CLOSED) again = setTimeout(follow, 2000); };
    };
    follow();
    return () => { clearTimeout(again); source.close(); };
  }, []);
  return runs;
}

const isBusy = (run) => Boolean(run) && run.state !== 'done';

function Mark({ state }) {
  if (!state) return html`<span class="cell none" aria-hidden="true">·</span>`;
  return html`<span class=${`cell ${CLASSES[state] || 'none'}`} title=${state}><span aria-hidden="true">${LETTERS[state] || '?'}</span><span class="unseen">${state}</span></span>`;
}

function Picture({ picture }) {
  const notes = picture.rows.some((row) => row.note);
  return html`<figure class="picture"><figcaption>${picture.title}</figcaption>
    <div class="scroll" tabindex="0" role="group" aria-label=${picture.title}><table><thead><tr><th scope="col"></th>${picture.columns.map((c) => html`<th scope="col" key=${c}>${c.split(', ').map((part, i) => (i ? html`<br /><span class=${part === 'gone' ? 'bad' : part === 'paused' ? 'weak' : ''}>${part}</span>` : part))}</th>`)}</tr></thead>
      <tbody>${picture.rows.map((row) => html`<tr key=${row.name}><th scope="row">${row.name}${notes ? html`<div class="muted small">${row.note}</div>` : null}</th>
        ${row.cells.map((cell, i) => html`<td key=${i}><${Mark} state=${cell.state} />${cell.note ? html`<div class="muted small">${cell.note}</div>` : null}</td>`)}</tr>`)}</tbody></table></div>
    ${picture.note ? html`<p class="muted small">${picture.note}</p>` : null}</figure>`;
}

function Key({ pictures }) {
  const used = new Set(pictures.flatMap((p) => p.rows.flatMap((r) => r.cells.map((c) => c.state))));
  const shown = ['leader', 'in sync', 'lagging', 'offline', 'reads'].filter((s) => used.has(s));
  return html`<p class="legend" aria-label="Legend">${shown.map((s) => html`<span key=${s}><${Mark} state=${s} /> ${s}</span>`)}</p>`;
}

const STATES = { waits: '', now: 'now', done: 'done', failed: 'failed', 'left out': 'left out' };

function Steps({ lesson, run }) {
  return html`<ol class="steps">${lesson.steps.map((step, i) => {
    const done = run ? run.steps[i] : { state: 'waits' };
    return html`<li key=${step.name} class=${done.state.replace(' ', '-')} aria-current=${done.state === 'now' ? 'step' : null}>
      <p>${step.will} ${done.ms !== null && done.ms !== undefined ? html`<span class="tag">${span(done.ms)}</span>` : STATES[done.state] ? html`<span class=${`tag ${done.state === 'failed' ? 'alarm' : ''}`}>${STATES[done.state]}</span>` : null}</p>
      ${(done.said || []).map((text) => html`<p key=${text} class="said">${text}</p>`)}</li>`;
  })}</ol>`;
}

function Expected({ lesson, run }) {
  const seen = run ? Object.fromEntries(run.seen.map((s) => [s.name, s])) : {};
  return html`<ul class="expected">${lesson.expects.map((one) => {
    const saw = seen[one.name];
    return html`<li key=${one.name} class=${saw ? (saw.holds ? 'yes' : 'no') : ''}>
      <span class="sign" aria-hidden="true">${saw ? (saw.holds ? '✓' : '×') : '·'}</span>
      <div><p>${one.text}</p>${saw ? html`<p class="said"><b class=${saw.holds ? 'good' : 'bad'}>${saw.holds ? 'Seen.' : 'Not seen.'}</b> ${saw.saw}</p>` : null}</div></li>`;
  })}</ul>`;
}

function Events({ run }) {
  if (!run || !run.events.length) return null;
  const zero = run.zero_ms || run.events[0].time_ms;
  return html`<h2>What the cluster told</h2>
    <p class="muted">Its own events. Times are from the moment at which the lesson did what it is about.</p>
    <ol class="events lone">${run.events.map((e) => {
      const [mark, tone] = KINDS[e.kind] || ['·', 'quiet'];
      const at = e.time_ms - zero;
      return html`<li class="event" key=${e.number}><time class="mono">${at < 0 ? '−' : '+'}${count(Math.abs(at))}<small> ms</small></time>
        <span class=${`kind ${tone}`} aria-hidden="true">${mark}</span><div><p>${e.text}</p>${e.why ? html`<p class="why">${e.why}</p>` : null}</div></li>`;
    })}</ol>
    ${run.events_left_out ? html`<p class="muted">${plural(run.events_left_out, 'more event')}: see the <a href="#/timeline">timeline</a>.</p>` : null}`;
}

function Verdict({ run }) {
  if (!run || run.state === 'preparing') return run ? html`<p class="thin" role="status">Making sure that the cluster is whole …</p>` : null;
  if (run.state === 'mending') return html`<p class="thin" role="status">Done. Mending the cluster …</p>`;
  if (run.state !== 'done') return html`<p class="thin" role="status">Running …</p>`;
  if (run.failure) return html`<p class="note bad" role="alert">The lesson could not be carried to its end: ${run.failure}${run.not_mended ? ` The cluster is not whole: ${run.not_mended}.` : ''}</p>`;
  const missed = run.seen.filter((s) => !s.holds).length;
  return html`<p class="thin" role="status">${missed
    ? html`<span class="bad">${plural(missed, 'thing')} of ${run.seen.length} did not happen as expected.</span>`
    : html`<span class="good">All ${run.seen.length} things were seen.</span>`} ${run.not_mended ? html`<span class="bad">The cluster is not whole: ${run.not_mended}.</span>` : 'The cluster is whole again.'}</p>`;
}

function One({ lesson, lessons, run, busy, whyNot }) {
  const before = lessons[lesson.number - 2];
  const next = lessons[lesson.number];
  const begin = () => ask(`/api/tour/${lesson.name}`, { method: 'POST' });
  const other = busy && busy !== lesson.name ? lessons.find((l) => l.name === busy) : null;
  return html`<p class="crumbs"><a href="#/tour">Tour</a> · lesson ${lesson.number} of ${lessons.length}</p>
    <h1>${lesson.title}</h1>
    <div class="about">${lesson.about.map((text) => html`<p key=${text}>${text}</p>`)}</div>
    <h2>${run && run.state === 'done' ? 'What was done' : 'What will happen'}</h2>
    <${Steps} lesson=${lesson} run=${run} />
    <div class="tools"><span class="buttons"><${Action} kind="primary" text=${isBusy(run) ? 'Running …' : run ? 'Do it again' : 'Do it'} disabled=${Boolean(busy) || Boolean(whyNot)} run=${begin} /></span>
      <span class="muted">${whyNot || (other ? `Lesson ${other.number} is running.` : `About ${lesson.lasts_s} seconds. The lesson mends the cluster afterwards.`)}</span></div>
    <${Verdict} run=${run} />
    <h2>What is expected${run && run.seen.length ? ', and what was seen' : ''}</h2>
    <${Expected} lesson=${lesson} run=${run} />
    ${run && run.pictures.length ? html`<h2>Before and after</h2><${Key} pictures=${run.pictures} />
      <div class="pictures">${run.pictures.map((p) => html`<${Picture} key=${p.title} picture=${p} />`)}</div>` : null}
    <${Events} run=${run} />
    <p class="turn">${before ? html`<a href=${`#/tour/${before.name}`}>← ${before.number}. ${before.title}</a>` : html`<span></span>`}
      ${next ? html`<a href=${`#/tour/${next.name}`}>${next.number}. ${next.title} →</a>` : html`<a href="#/tour">All lessons →</a>`}</p>`;
}

function outcome(run) {
  if (!run) return html`<span class="muted">not yet</span>`;
  if (run.state !== 'done') return 'running';
  return run.holds ? html`<span class="good">seen</span>` : html`<span class="bad">not as expected</span>`;
}

export function Tour({ here }) {
  const [answer, error, reload] = useAnswer(() => ask('/api/tour'), 'tour');
  const runs = useRuns();
  useEffect(() => {
    if (!answer || !answer.why_not) return undefined;
    const timer = setInterval(reload, 1000); // what is missing may come
    return () => clearInterval(timer);
  }, [answer]);
  if (!answer) return html`<h1>Tour</h1><${Waiting} error=${error} />`;
  const { lessons } = answer;
  const running = Object.values(runs).find(isBusy);
  const busy = running ? running.lesson : null;
  const lesson = lessons.find((l) => l.name === here.rest[0] || String(l.number) === here.rest[0]);
  if (lesson) return html`<${One} key=${lesson.name} lesson=${lesson} lessons=${lessons} run=${runs[lesson.name]} busy=${busy} whyNot=${answer.why_not} />`;
  return html`<h1>Tour</h1>
    <p class="about">Seven lessons on this cluster. Each says what is about to happen, does it, and shows what happened, with the cluster's own events and times. They can be taken in any order, and again; each mends the cluster afterwards.</p>
    ${answer.why_not ? html`<p class="note bad" role="alert">${answer.why_not}</p>` : null}
    <ol class="lessons">${lessons.map((l) => html`<li key=${l.name}><a class="tile" href=${`#/tour/${l.name}`}><b>${l.number}. ${l.title}</b><span>${l.gist}</span><span>${outcome(runs[l.name])}</span></a></li>`)}</ol>`;
}
