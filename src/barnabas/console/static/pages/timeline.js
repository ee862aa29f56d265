import { html, useMemo, useState } from '../lib.js';
import { useStore } from '../store.js';
import { Choice, clock, count, day, plural, span } from '../ui.js';

const QUIET_MS = 2500; // a pause of so long ends an incident
const FOLD_MIN = 4; // so many alike in a row become one line
const SHOWN = 60;

export const KINDS = {
  controller_elected: ['C', 'controller'], controller_gone: ['C', 'bad'],
  broker_registered: ['B', 'good'], broker_down: ['B', 'bad'],
  leader_elected: ['L', 'leader'], leader_epoch_raised: ['L', 'quiet'], partition_offline: ['L', 'bad'],
  isr_shrank: ['−', 'weak'], isr_expanded: ['+', 'good'],
  controller_ready: ['C', 'quiet'], controller_resigned: ['C', 'weak'], broker_shutting_down: ['B', 'weak'], registration_waiting: ['B', 'weak'],
  session_expired: ['Z', 'bad'], session_disconnected: ['Z', 'weak'], coordinator_was_stopped: ['Z', 'weak'],
  log_directory_failed: ['D', 'bad'], log_dir_failed: ['D', 'bad'], log_uncleanable: ['D', 'bad'], truncated: ['D', 'quiet'],
  isr_shrink_proposed: ['−', 'quiet'], group_rebalanced: ['G', 'quiet'], transaction_fenced: ['X', 'weak'],
  quota_violated: ['Q', 'weak'], authentication_failed: ['A', 'bad'], connection_closed: ['A', 'quiet'], handler_failed: ['!', 'bad'],
  topic_created: ['T', 'quiet'], topic_deleted: ['T', 'quiet'], partitions_added: ['T', 'quiet'],
  violation: ['!', 'alarm'], history_began: ['·', 'quiet'], phase: ['·', 'quiet'],
  process_started: ['P', 'good'], process_resumed: ['P', 'good'], process_stopped: ['P', 'weak'], process_paused: ['P', 'bad'], process_killed: ['P', 'bad'], process_ended: ['P', 'bad'],
  power_lost: ['P', 'bad'], power_restored: ['P', 'good'], network_cut: ['N', 'bad'], network_mended: ['N', 'good'], disk_broken: ['D', 'bad'], disk_mended: ['D', 'good'], disturbed: ['F', 'bad'],
  registration_written: ['Z', 'quiet'], registration_gone: ['Z', 'weak'], controller_written: ['Z', 'quiet'], controller_gone: ['Z', 'weak'], state_written: ['Z', 'quiet'], assignment_written: ['Z', 'quiet'],
  reassignment_began: ['M', 'quiet'], reassignment_done: ['M', 'good'], reassignment_cancelled: ['M', 'weak'],
};

export const GROUPS = {
  all: () => true,
  elections: (e) => e.kind.startsWith('leader') || e.kind.startsWith('controller'),
  isr: (e) => e.kind.startsWith('isr') || (e.kind === 'leader_elected' && ((e.fields || {}).isr_before || []).length > ((e.fields || {}).isr || []).length),
  brokers: (e) => e.kind.startsWith('broker') || e.kind.startsWith('controller'),
  clients: (e) => e.kind.startsWith('group') || e.kind.startsWith('transaction') || e.kind.startsWith('quota') || e.kind.startsWith('authentication') || e.kind.startsWith('connection'),
  topics: (e) => e.kind.startsWith('topic') || e.kind.startsWith('partitions') || e.kind.startsWith('reassignment'),
};

// Like events in a row say the same of many partitions.
function alike(e) {
  if (e.partition === undefined) return null;
  const f = e.fields || {};
  return JSON.stringify([e.kind, e.strategy, f.was, f.left, f.joined]);
}

function folded(events) {
  const lines = [];
  for (let i = 0; i < events.length;) {
    const same = alike(events[i]);
    let end = i + 1;
    while (same !== null && end < events.length && alike(events[end]) === same) end += 1;
    if (end - i >= FOLD_MIN) lines.push({ key: `f${events[i].number}`, events: events.slice(i, end) });
    else for (let j = i; j < end; j += 1) lines.push({ key: events[j].number, events: [events[j]] });
    i = end;
  }
  return lines;
}

// Newest first; inside one, the order in which things happened, each with the ms since its beginning.
export function incidents(events) {
  const found = [];
  let now = null;
  for (const e of events) {
    if (!now || e.time_ms - now.last > QUIET_MS) {
      now = { began: e.time_ms, last: e.time_ms, events: [] };
      found.push(now);
    }
    now.events.push(e);
    now.last = Math.max(now.last, e.time_ms);
    now.began = Math.min(now.began, e.time_ms);
  }
  for (const one of found) {
    // ZooKeeper's clock and this console's may differ; what was seen later is told later.
    one.size = one.events.length;
    one.lines = folded(one.events);
    let before = one.began;
    for (const line of one.lines) {
      line.since = line.events[0].time_ms - one.began;
      line.step = line.events[0].time_ms - before;
      before = line.events[line.events.length - 1].time_ms;
    }
  }
  return found.reverse();
}

function foldedText(events) {
  const [e] = events;
  const n = plural(events.length, 'partition');
  const f = e.fields || {};
  if (e.kind === 'leader_elected') {
    const to = {};
    for (const one of events) to[one.broker] = (to[one.broker] || 0) + 1;
    const whom = Object.entries(to).map(([b, k]) => `${b} (${k})`).join(', ');
    return f.was >= 0 ? `${n}: leader ${f.was} → ${whom}` : `${n} are led, by ${whom}`;
  }
  if (e.kind === 'partition_offline') return `${n} have no leader`;
  if (e.kind === 'isr_shrank') return `${n}: broker ${f.left} left the in-sync set`;
  if (e.kind === 'isr_expanded') return `${n}: broker ${f.joined} joined the in-sync set`;
  return `${n}: ${e.kind.replaceAll('_', ' ')}`;
}

const WORDS = {
  offline: 'offline', unclean: 'unclean', preferred: 'preferred', reassign: 'reassignment', 'handed over': 'handed over', 'controlled shutdown': 'controlled shutdown',
};

function Passed({ event }) {
  const over = event.fields && event.fields.passed_over;
  if (!over || !Object.keys(over).length) return null;
  return html`<span class="tag" title=${Object.entries(over).map(([b, why]) => `broker ${b}: ${why}`).join('; ')}>passed over: ${Object.keys(over).join(', ')}</span>`;
}

// `tone` is a class of its own; the event that a history has come to is `now`.
export function EventLine({ line, tone: place }) {
  const [first] = line.events;
  const [mark, tone] = KINDS[first.kind] || ['·', 'quiet'];
  const many = line.events.length > 1;
  const length = line.events[line.events.length - 1].time_ms - first.time_ms;
  return html`<li class=${`event ${place || ''}`} aria-current=${(place || '').startsWith('now') ? 'step' : null}>
    <time class="mono" title=${clock(first.time_ms)}>+${count(Math.max(line.since, 0))}<small> ms</small></time>
    <span class=${`kind ${tone}`} aria-hidden="true">${mark}</span>
    <div><p>${many ? foldedText(line.events) : first.text}
      ${WORDS[first.strategy] ? html` <span class=${`tag ${first.strategy === 'unclean' ? 'alarm' : ''}`}>${WORDS[first.strategy]}</span>` : null}
      ${many ? html` <span class="muted">within ${span(Math.max(length, 0))}</span>` : html` <${Passed} event=${first} />`}</p>
      ${first.why ? html`<p class="why">${first.why}</p>` : null}
      ${first.fields && first.fields.unseen ? html`<p class="why">${first.fields.unseen} changes in between were too quick to be seen.</p>` : null}
      ${many ? html`<details><summary>each of them</summary><ol class="events">${line.events.slice(0, 500).map((e) => html`<li key=${e.number} class="event small">
          <time class="mono">${clock(e.time_ms)}</time><span></span><p>${e.text} <${Passed} event=${e} /></p></li>`)}</ol></details>` : null}
    </div></li>`;
}

function title(incident) {
  const kinds = (k) => incident.events.filter((e) => e.kind === k);
  const brokers = (list) => [...new Set(list.map((e) => e.broker))].join(', ');
  const parts = [];
  const gone = kinds('broker_down');
  if (gone.length) parts.push(`broker ${brokers(gone)} gone`);
  const back = kinds('broker_registered');
  if (back.length) parts.push(`broker ${brokers(back)} registered`);
  const controllers = kinds('controller_elected');
  if (controllers.length) parts.push(`controller ${controllers[controllers.length - 1].broker}`);
  const moved = kinds('leader_elected');
  if (moved.length) parts.push(`${plural(moved.length, 'leader')} elected`);
  const lost = kinds('partition_offline');
  if (lost.length) parts.push(`${count(lost.length)} without leader`);
  const isr = kinds('isr_shrank').length + kinds('isr_expanded').length;
  if (isr && parts.length < 3) parts.push(`${plural(isr, 'ISR change')}`);
  const topics = [...kinds('topic_created'), ...kinds('topic_deleted')];
  if (topics.length && parts.length < 3) parts.push(topics.length > 2 ? plural(topics.length, 'topic') : topics.map((e) => e.text.toLowerCase().replace(/:.*/, '')).join(', '));
  return parts.join(' · ') || plural(incident.size, 'event');
}

export function Timeline({ here }) {
  const { events, complete, trouble } = useStore();
  const [group, setGroup] = useState('all');
  const [text, setText] = useState(here.query.get('text') || '');
  const [shown, setShown] = useState(SHOWN);
  const found = useMemo(() => {
    const wanted = text.trim().toLowerCase();
    return incidents(events.filter((e) => GROUPS[group](e) && (!wanted || `${e.text} ${e.why || ''}`.toLowerCase().includes(wanted))));
  }, [events, group, text]);
  if (!complete) return html`<p class="note">${trouble || 'Asking the cluster …'}</p>`;
  return html`<h1 class="unseen">Timeline</h1>
    <div class="tools">
      <${Choice} label="Which events" value=${group} onChange=${setGroup} options=${[
        { value: 'all', text: 'All', count: events.length },
        { value: 'elections', text: 'Elections' }, { value: 'isr', text: 'In-sync sets' },
        { value: 'brokers', text: 'Brokers' }, { value: 'topics', text: 'Topics and moves' }, { value: 'clients', text: 'Clients' },
      ]} />
      <label>Find <input type="search" value=${text} placeholder="broker 2, orders/0" onInput=${(e) => setText(e.target.value)} /></label>
    </div>
    ${found.length ? null : html`<p class="note">${events.length ? 'No event is so.' : 'Nothing has happened since this console was started. Kill a broker, and look here.'}</p>`}
    ${found.slice(0, shown).map((one) => html`<section class="incident" key=${one.events[0].number}>
      <h2>${title(one)}</h2><p class="muted mono">${day(one.began)} ${clock(one.began)} · took ${span(one.last - one.began)} · ${plural(one.size, 'event')}</p>
      <ol class="events">${one.lines.map((line) => html`<${EventLine} key=${line.key} line=${line} />`)}</ol></section>`)}
    ${found.length > shown ? html`<button type="button" onClick=${() => setShown(shown + SHOWN)}>Show older</button>` : null}`;
}
