// What a history shows: the cluster at one moment, and all that happened.
import { html, useMemo, useState } from '../lib.js';
import { useStore } from '../store.js';
import { goTo, history } from '../history.js';
import { brokerIds } from '../model.js';
import { Choice, VirtualTable, count } from '../ui.js';
import { EventLine, GROUPS, KINDS } from './timeline.js';
import { Matrix } from './matrix.js';

const FAULTS = /^(violation|process_|power_|network_|disk_|disturbed|phase)/;
const ZOOKEEPER = /^(registration_|controller_written|controller_gone|state_written|assignment_written|session_|coordinator_)/;
const SHOWS = {
  ...GROUPS,
  faults: (e) => FAULTS.test(e.kind),
  zookeeper: (e) => ZOOKEEPER.test(e.kind),
};

function Nodes({ snapshot, nodes }) {
  const ids = brokerIds(snapshot);
  const rows = [...ids.map((id) => [`broker:${id}`, id]), ...Object.keys(nodes).filter((n) => !/^broker:\d+$/.test(n)).map((n) => [n, null])];
  const registered = (id) => (id in snapshot.brokers ? html`<span class="state good">registered</span>`
    : snapshot.unknown.includes(id) ? html`<span class="state">unknown</span>` : html`<span class="state bad">not registered</span>`);
  return html`<div class="scroll" tabindex="0" role="group" aria-label="Nodes"><table><thead><tr><th scope="col">Node</th><th scope="col">In ZooKeeper</th><th scope="col">Process</th><th scope="col">Network</th><th scope="col">Disk</th></tr></thead>
    <tbody>${rows.map(([name, id]) => {
      const n = nodes[name] || {};
      const cut = [n.not_to ? `nothing gets to ${n.not_to.join(', ')}` : '', n.not_from ? `nothing comes from ${n.not_from.join(', ')}` : ''].filter(Boolean).join('; ');
      const both = n.not_to && n.not_from && n.not_to.length === n.not_from.length && n.not_to.every((o) => n.not_from.includes(o));
      return html`<tr key=${name}><th scope="row">${name}${id !== null && snapshot.controller.broker === id ? html` <span class="tag">controller</span>` : null}</th>
        <td>${id === null ? '—' : registered(id)}</td>
        <td>${n.process ? html`<span class=${`state ${n.process === 'running' ? 'good' : 'bad'}`}>${n.process}</span>` : '—'}</td>
        <td class="wrap">${both ? html`<span class="bad">cut off from ${n.not_to.join(', ')}</span>` : cut ? html`<span class="bad">${cut}</span>` : '—'}</td>
        <td>${n.disk ? html`<span class="bad">${n.disk}</span>` : '—'}</td></tr>`;
    })}</tbody></table></div>`;
}

export function Now({ here }) {
  const { snapshot, nodes, health } = useStore();
  const { outline, near, position } = history;
  const controller = !snapshot.controller_known ? 'who is controller is not told'
    : snapshot.controller.broker >= 0 ? `controller is broker ${snapshot.controller.broker}${snapshot.controller.epoch >= 0 ? `, epoch ${snapshot.controller.epoch}` : ''}` : 'no controller';
  return html`<section class=${`health ${health.level}`}><h1>${health.sentence}</h1>
      <p class="muted">${outline.about ? `${outline.about} · ` : ''}${history.phase ? `${history.phase} · ` : ''}${controller}</p></section>
    ${history.violations ? html`<p class="note alarm" role="alert">${count(history.violations)} violation${history.violations === 1 ? '' : 's'} so far: ${outline.text[outline.violations[history.violations - 1]]}</p>` : null}
    <div class="halves moment"><section><h2>Nodes</h2><${Nodes} snapshot=${snapshot} nodes=${nodes} />
      <h2>Partitions</h2><${Matrix} here=${here} compact=${true} /></section>
    <section><h2>Events</h2><ol class="events">${near.map((e) => {
      const line = { events: [e], since: outline.ms[e.number] };
      const tone = e.number === position - 1 ? 'now' : e.number >= position ? 'later' : '';
      return html`<${EventLine} key=${e.number} line=${line} tone=${`${tone}${e.kind === 'violation' ? ' violated' : ''}`.trim()} />`;
    })}</ol></section></div>`;
}

export function Happened() {
  useStore();
  const { outline, position } = history;
  const [group, setGroup] = useState('all');
  const [text, setText] = useState('');
  const rows = useMemo(() => {
    const wanted = text.trim().toLowerCase();
    const fits = outline.kinds.map((kind) => SHOWS[group]({ kind }));
    const found = [];
    for (let i = 0; i < outline.count; i += 1) {
      if (fits[outline.kind[i]] && (!wanted || outline.text[i].toLowerCase().includes(wanted))) found.push(i);
    }
    return found;
  }, [outline, group, text]);
  let at = rows.length - 1;
  if (at >= 0 && rows[at] >= position) {
    let low = 0;
    let high = rows.length;
    while (low < high) { const middle = (low + high) >> 1; if (rows[middle] < position) low = middle + 1; else high = middle; }
    at = low - 1;
  }
  const head = html`<span role="columnheader" class="num">ms</span><span role="columnheader"><span class="unseen">Kind</span></span><span role="columnheader">Event</span><span role="columnheader">Told by</span>`;
  const row = (number) => {
    const kind = outline.kinds[outline.kind[number]];
    const [mark, tone] = KINDS[kind] || ['·', 'quiet'];
    const place = number === position - 1 ? 'now' : number >= position ? 'later' : '';
    return html`<span role="rowheader" class=${`num mono ${place}`}>${count(outline.ms[number])}</span><span role="cell"><span class=${`kind ${tone}`} title=${kind.replaceAll('_', ' ')} aria-hidden="true">${mark}</span></span>
      <span role="cell" class=${`name ${place}`}><a href="#/timeline" title=${outline.text[number]} aria-current=${place === 'now' ? 'step' : null} onClick=${(e) => { e.preventDefault(); goTo(number + 1); }}>${outline.text[number]}</a></span><span role="cell" class="muted">${outline.sources[outline.source[number]]}</span>`;
  };
  return html`<h1 class="unseen">Timeline</h1><div class="tools">
      <${Choice} label="Which events" value=${group} onChange=${setGroup} options=${[
        { value: 'all', text: 'All', count: outline.count }, { value: 'faults', text: 'Faults' },
        { value: 'elections', text: 'Elections' }, { value: 'isr', text: 'In-sync sets' }, { value: 'brokers', text: 'Brokers' },
        { value: 'zookeeper', text: 'ZooKeeper' }, { value: 'topics', text: 'Topics and moves' }, { value: 'clients', text: 'Clients' },
      ]} />
      <label>Find <input type="search" value=${text} placeholder="broker 2, orders-0" onInput=${(e) => setText(e.target.value)} /></label>
      <p class="muted" role="status">${count(rows.length)} of ${count(outline.count)} events</p></div>
    ${rows.length ? html`<${VirtualTable} label="Events" head=${head} rows=${rows} columns="6.5rem 2rem minmax(16rem, 1fr) 8rem" rowHeight=${28} row=${row} minWidth="36rem" at=${at} />` : html`<p class="note">No event is so.</p>`}`;
}
