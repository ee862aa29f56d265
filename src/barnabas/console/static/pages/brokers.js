import { html, useEffect } from '../lib.js';
import { ask, useStore } from '../store.js';
import { isUnderReplicated, partitionRows, replicaState } from '../model.js';
import { Action, Replica, Settings, VirtualTable, Waiting, bytes, count, moment, plural, useAnswer } from '../ui.js';
import { Latency } from '../chart.js';
import { BrokerTable } from './overview.js';

const VERBS = {
  running: [['kill', 'SIGKILL: no goodbye, as in a crash', 'danger'], ['pause', 'SIGSTOP: alive, but silent', ''], ['stop', 'a controlled shutdown', ''], ['restart', 'stop it cleanly and start it again', '']],
  paused: [['resume', 'SIGCONT', 'primary'], ['kill', 'SIGKILL: no goodbye, as in a crash', 'danger']],
};
const DOWN = [['restart', 'start it again', 'primary']];

export function ProcessButtons({ name, store }) {
  const state = store.processes[name];
  if (!state || !store.write) return null;
  return html`<span class="buttons">${(VERBS[state] || DOWN).map(([verb, title, kind]) => html`<${Action} key=${verb} kind=${kind} title=${title}
    text=${verb === 'restart' && !VERBS[state] ? 'start' : verb} what=${name}
    run=${() => ask(`/api/processes/${encodeURIComponent(name)}/${verb}`, { method: 'POST' })} />`)}</span>`;
}

function One({ id, store }) {
  const { snapshot } = store;
  const broker = snapshot.brokers[id];
  const [answer, error, reload] = useAnswer(() => ask(`/api/brokers/${id}`), `${id} ${broker ? broker.epoch : ''}`);
  useEffect(() => { const timer = setInterval(reload, 3000); return () => clearInterval(timer); }, [id]);
  const rows = partitionRows(snapshot).filter((r) => r.p.replicas.includes(id));
  const lag = answer ? answer.lag : {};
  const head = html`<span role="columnheader">Partition</span><span role="columnheader" class="col plain">Here</span><span role="columnheader" class="num">Lag</span><span role="columnheader" class="col plain">Leader</span><span role="columnheader">In sync</span>`;
  const row = (r) => {
    const behind = lag[`${r.topic}/${r.number}`];
    return html`<span role="rowheader" class="name"><a href=${`#/topics/${encodeURIComponent(r.topic)}`}>${r.topic}<i>/</i>${r.number}</a></span>
    <span role="cell" class="col"><${Replica} state=${replicaState(snapshot, r.p, id)} /></span>
    <span role="cell" class=${`num ${behind ? 'weak' : 'muted'}`}>${behind === undefined ? '—' : count(behind)}</span>
    <span role="cell" class="col">${r.p.leader < 0 ? '—' : r.p.leader}</span>
    <span role="cell" class=${isUnderReplicated(snapshot, r.p) ? 'weak' : ''}>${r.p.isr.join(', ')} of ${r.p.replicas.join(', ')}</span>`;
  };
  return html`<h1>Broker ${id}${snapshot.controller.broker === id ? html` <span class="tag">controller</span>` : null}
      ${broker ? null : html` <span class="tag alarm">gone</span>`}</h1>
    <p class="tools"><${ProcessButtons} name=${`broker:${id}`} store=${store} /></p>
    ${broker ? html`<dl class="facts"><dt>Listeners</dt><dd class="mono">${broker.endpoints.map((e) => html`<div>${e.listener ? `${e.listener}://` : ''}${e.host}:${e.port}${e.security_protocol && e.security_protocol !== e.listener ? ` (${e.security_protocol})` : ''}</div>`)}</dd>
      <dt>Registered</dt><dd class="mono">${moment(broker.since_ms)}</dd><dt>Broker epoch</dt><dd class="mono">${broker.epoch < 0 ? '—' : broker.epoch}</dd><dt>Rack</dt><dd>${broker.rack || '—'}</dd>
      ${answer && answer.directories.map((d) => html`<dt>Log directory</dt><dd><span class="mono">${d.path}</span>: ${d.error ? html`<span class="bad">${d.error}</span>` : `${plural(d.replicas, 'replica')}, ${bytes(d.used_bytes)}; ${bytes(d.usable_bytes)} of ${bytes(d.total_bytes)} free`}</dd>`)}</dl>` : null}
    ${error && broker ? html`<p class="note bad" role="alert">${error}</p>` : null}
    ${broker ? html`<${Latency} broker=${id} />` : null}
    <h2>${plural(rows.length, 'replica')}</h2>
    ${rows.length ? html`<${VirtualTable} label=${`Replicas on broker ${id}`} head=${head} rows=${rows} columns="minmax(11rem,1fr) 4rem 6rem 5rem minmax(9rem,1fr)" maxWidth="64rem" rowHeight=${28} row=${row} minWidth="34rem" />` : null}
    ${answer && answer.settings.length ? html`<h2>Settings</h2><${Settings} settings=${answer.settings} />` : null}`;
}

export function Brokers({ here }) {
  const store = useStore();
  if (here.rest.length) return html`<${One} id=${Number(here.rest[0])} store=${store} key=${here.rest[0]} />`;
  return html`<h1>Brokers</h1><${BrokerTable} store=${store} />
    ${store.write && Object.keys(store.processes).length ? html`<h2>Processes</h2><div class="scroll" tabindex="0" role="group" aria-label="Table"><table><thead><tr><th scope="col">Process</th><th scope="col">State</th><th scope="col">Do</th></tr></thead>
      <tbody>${Object.entries(store.processes).filter(([name]) => name !== "console" && name !== "control").map(([name, state]) => html`<tr key=${name}><th scope="row">${name}</th><td><span class=${`state ${state === 'running' ? 'good' : 'bad'}`}>${state}</span></td><td><${ProcessButtons} name=${name} store=${store} /></td></tr>`)}</tbody></table></div>` : null}`;
}
