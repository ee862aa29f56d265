import { html, useMemo } from '../lib.js';
import { useStore } from '../store.js';
import { brokerCounts, brokerIds } from '../model.js';
import { clock, count, plural } from '../ui.js';
import { Traffic } from '../chart.js';
import { EventLine, incidents } from './timeline.js';

function Tile({ name, value, tone, href }) {
  return html`<a class=${`tile ${tone && value ? tone : ''}`} href=${href}><b>${count(value)}</b><span>${name}</span></a>`;
}

export function BrokerTable({ store }) {
  const { snapshot, processes } = store;
  const counts = useMemo(() => brokerCounts(snapshot), [snapshot]);
  const ids = useMemo(() => brokerIds(snapshot), [snapshot]);
  return html`<div class="scroll" tabindex="0" role="group" aria-label="Table"><table>
    <thead><tr><th scope="col">Broker</th><th scope="col">State</th><th scope="col">Address</th><th scope="col">Rack</th>
      <th scope="col" class="num">Leads</th><th scope="col" class="num">Preferred</th><th scope="col" class="num">Replicas</th><th scope="col" class="num">Not in sync</th></tr></thead>
    <tbody>${ids.map((id) => {
      const broker = snapshot.brokers[id];
      const c = counts[id] || { leads: 0, holds: 0, behind: 0, preferred: 0 };
      const process = processes[`broker:${id}`];
      const state = process === 'paused' ? 'paused' : broker ? 'registered' : process && process !== 'running' ? process : 'gone';
      const address = broker ? broker.endpoints.map((e) => `${e.host}:${e.port}`).join(', ') : '—';
      return html`<tr key=${id}>
        <th scope="row"><a href=${`#/brokers/${id}`}>${id}</a>${snapshot.controller.broker === id ? html` <span class="tag">controller</span>` : null}</th>
        <td><span class=${`state ${broker && state !== 'paused' ? 'good' : 'bad'}`}>${state}</span></td>
        <td class="mono">${address}</td><td>${(broker && broker.rack) || '—'}</td>
        <td class="num">${count(c.leads)}</td><td class="num">${count(c.preferred)}</td><td class="num">${count(c.holds)}</td>
        <td class=${`num ${c.behind ? 'bad' : ''}`}>${count(c.behind)}</td></tr>`;
    })}</tbody></table></div>`;
}

export function Overview() {
  const store = useStore();
  const { health, snapshot, events } = store;
  const last = useMemo(() => incidents(events.slice(-400)).slice(0, 1), [events]);
  if (!store.complete || !health) return html`<p class="note" role="status">${store.trouble || 'Asking the cluster …'}</p>`;
  return html`
    <section class=${`health ${health.level}`}><h1>${health.sentence}</h1>
      <p class="muted">${snapshot.cluster_id ? html`Cluster <span class="mono">${snapshot.cluster_id}</span> · ` : null}${
        snapshot.controller.broker >= 0
          ? html`controller is broker ${snapshot.controller.broker}${snapshot.controller.epoch >= 0 ? `, epoch ${snapshot.controller.epoch}` : ''}${snapshot.controller.since_ms > 0 ? `, since ${clock(snapshot.controller.since_ms)}` : ''}`
          : 'no controller'}</p></section>
    <section class="tiles" aria-label="Numbers">
      <${Tile} name="brokers" value=${health.brokers} href="#/brokers" />
      <${Tile} name="topics" value=${health.topics} href="#/partitions" />
      <${Tile} name="partitions" value=${health.partitions} href="#/partitions" />
      <${Tile} name="leaderless" value=${health.leaderless} tone="alarm" href="#/partitions?show=leaderless" />
      <${Tile} name="under min ISR" value=${health.under_min_isr} tone="alarm" href="#/partitions?show=under-min" />
      <${Tile} name="under-replicated" value=${health.under_replicated} tone="warn" href="#/partitions?show=under" />
      <${Tile} name="moving" value=${health.moving} href="#/partitions?show=moving" />
      <${Tile} name="not led by preferred" value=${health.not_preferred} href="#/partitions?show=not-preferred" />
    </section>
    <section><h2>Brokers</h2><${BrokerTable} store=${store} /></section>
    <${Traffic} />
    <section><h2>Last happenings</h2>
      ${last.length
        ? html`<p class="muted">${clock(last[0].began)} · ${plural(last[0].size, 'event')} · <a href="#/timeline">whole timeline</a></p>
          <ol class="events">${last[0].lines.slice(-12).map((line) => html`<${EventLine} key=${line.key} line=${line} />`)}</ol>`
        : html`<p class="note">Nothing has happened since this console was started.</p>`}
    </section>`;
}
