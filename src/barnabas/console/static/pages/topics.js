import { html, useMemo, useState } from '../lib.js';
import { ask, useStore } from '../store.js';
import { brokerIds, isInternal, isLeaderless, isUnderReplicated, liveIsr, replicaState } from '../model.js';
import { Traffic } from '../chart.js';
import { Action, Replica, Settings, VirtualTable, Waiting, count, plural, useAnswer } from '../ui.js';

function Create() {
  const [name, setName] = useState('');
  const [partitions, setPartitions] = useState('');
  const [replicas, setReplicas] = useState('');
  const [minIsr, setMinIsr] = useState('');
  const run = async () => {
    await ask('/api/topics', { method: 'POST', body: {
      name: name.trim(), partitions: partitions === '' ? -1 : Number(partitions), replicas: replicas === '' ? -1 : Number(replicas),
      configs: minIsr === '' ? {} : { 'min.insync.replicas': minIsr },
    } });
    setName('');
  };
  return html`<details class="box"><summary>Create a topic</summary><div class="form">
    <label>Name <input value=${name} onInput=${(e) => setName(e.target.value)} /></label>
    <label>Partitions <input class="short" inputmode="numeric" placeholder="default" value=${partitions} onInput=${(e) => setPartitions(e.target.value)} /></label>
    <label>Replicas <input class="short" inputmode="numeric" placeholder="default" value=${replicas} onInput=${(e) => setReplicas(e.target.value)} /></label>
    <label>min.insync.replicas <input class="short" inputmode="numeric" placeholder="default" value=${minIsr} onInput=${(e) => setMinIsr(e.target.value)} /></label>
    <${Action} text="Create" kind="primary" disabled=${!name.trim()} run=${run} /></div></details>`;
}

function Alter({ name, settings, reload }) {
  const [key, setKey] = useState('');
  const [value, setValue] = useState('');
  const own = settings.filter((s) => s.source === 'topic');
  const change = (body) => async () => { await ask(`/api/topics/${encodeURIComponent(name)}/settings`, { method: 'POST', body }); setKey(''); setValue(''); reload(); };
  return html`<div class="form">
    <label>Setting <select value=${key} onChange=${(e) => { setKey(e.target.value); const s = settings.find((one) => one.name === e.target.value); setValue(s && s.value ? s.value : ''); }}>
      <option value="">choose</option>${settings.map((s) => html`<option key=${s.name} value=${s.name}>${s.name}</option>`)}</select></label>
    <label>Value <input value=${value} onInput=${(e) => setValue(e.target.value)} /></label>
    <${Action} text="Set" kind="primary" disabled=${!key} run=${change({ set: { [key]: value } })} />
    ${own.some((s) => s.name === key) ? html`<${Action} text="Back to the brokers' value" run=${change({ delete: [key] })} />` : null}</div>`;
}

function One({ name, store }) {
  const { snapshot } = store;
  const topic = snapshot.topics[name];
  const [answer, error, reload] = useAnswer(() => ask(`/api/topics/${encodeURIComponent(name)}`), `${name} ${topic ? Object.keys(topic.partitions).length : 0}`);
  const ids = useMemo(() => brokerIds(snapshot), [snapshot]);
  if (!topic) return html`<h1>${name}</h1><p class="note">There is no such topic.</p>`;
  const rows = Object.entries(topic.partitions).map(([n, p]) => ({ n: Number(n), p }));
  const offsets = answer ? answer.offsets : {};
  const head = html`<span role="columnheader" class="num">No.</span><span role="columnheader" class="num">Epoch</span>${ids.map((id) => html`<span role="columnheader" class="col" key=${id}>${id}</span>`)}
    <span role="columnheader" class="num">In sync</span><span role="columnheader" class="num">First offset</span><span role="columnheader" class="num">End</span><span role="columnheader" class="num">Records</span>`;
  const row = ({ n, p }) => {
    const [first, end] = offsets[n] || [];
    const known = first !== undefined && first !== null && end !== null;
    return html`<span role="rowheader" class="num">${n}</span><span role="cell" class="num muted">${p.epoch}</span>
      ${ids.map((id) => html`<span role="cell" class="col" key=${id}><${Replica} state=${replicaState(snapshot, p, id)} /></span>`)}
      <span role="cell" class=${`num ${isLeaderless(snapshot, p) ? 'dead' : isUnderReplicated(snapshot, p) ? 'weak' : ''}`}>${liveIsr(snapshot, p)}/${p.replicas.length}</span>
      <span role="cell" class="num muted">${known ? count(first) : '—'}</span><span role="cell" class="num">${known ? count(end) : '—'}</span><span role="cell" class="num">${known ? count(end - first) : '—'}</span>`;
  };
  return html`<h1>${name}${isInternal(name) ? html` <span class="tag">internal</span>` : null}</h1>
    <p class="muted">${topic.topic_id ? html`Topic id <span class="mono">${topic.topic_id}</span> · ` : null}${plural(rows.length, 'partition')} · min.insync.replicas ${topic.min_isr} · <a href=${`#/records/${encodeURIComponent(name)}`}>records</a></p>
    <h2>Partitions</h2>
    <${VirtualTable} label=${`Partitions of ${name}`} head=${head} rows=${rows} rowHeight=${28} row=${row}
      columns=${`3.5rem 4rem repeat(${ids.length}, minmax(2.6rem, 4.5rem)) 5rem repeat(3, minmax(6rem, 1fr))`} minWidth=${`${34 + ids.length * 2.8}rem`} maxWidth=${`${52 + ids.length * 5}rem`} />
    <${Traffic} topic=${name} />
    <h2>Settings</h2>
    ${answer ? html`${store.write ? html`<${Alter} name=${name} settings=${answer.settings} reload=${reload} />` : null}<${Settings} settings=${answer.settings} first="topic" />` : html`<${Waiting} error=${error} />`}
    ${store.write && !isInternal(name) ? html`<h2>Delete</h2><p><${Action} text="Delete this topic" kind="danger" confirm=${`Delete ${name} and all its records?`}
      run=${async () => { await ask(`/api/topics/${encodeURIComponent(name)}`, { method: 'DELETE' }); window.location.hash = '#/topics'; }} /></p>` : null}`;
}

export function Topics({ here }) {
  const store = useStore();
  const { snapshot, complete, trouble } = store;
  const [text, setText] = useState('');
  const [internal, setInternal] = useState(false);
  const [only, setOnly] = useState(false);
  const all = useMemo(() => Object.entries(snapshot.topics).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, t]) => {
    const partitions = Object.values(t.partitions);
    return {
      name, minIsr: t.min_isr, partitions: partitions.length,
      replicas: partitions.reduce((most, p) => Math.max(most, p.replicas.length), 0),
      under: partitions.filter((p) => isUnderReplicated(snapshot, p)).length,
      underMin: partitions.filter((p) => !isLeaderless(snapshot, p) && liveIsr(snapshot, p) < t.min_isr).length,
      leaderless: partitions.filter((p) => isLeaderless(snapshot, p)).length,
    };
  }), [snapshot]);
  if (here.rest.length) return html`<${One} name=${here.rest[0]} store=${store} key=${here.rest[0]} />`;
  if (!complete) return html`<p class="note">${trouble || 'Asking the cluster …'}</p>`;
  const rows = all.filter((t) => (internal || !isInternal(t.name)) && (!only || t.under || t.leaderless || t.underMin) && t.name.toLowerCase().includes(text.trim().toLowerCase()));
  const head = html`<span role="columnheader">Topic</span><span role="columnheader" class="num">Partitions</span><span role="columnheader" class="num">Replicas</span><span role="columnheader" class="num">Min ISR</span>
    <span role="columnheader" class="num">Under-replicated</span><span role="columnheader" class="num">Under min ISR</span><span role="columnheader" class="num">Leaderless</span>`;
  const row = (t) => html`<span role="rowheader" class="name"><a href=${`#/topics/${encodeURIComponent(t.name)}`}>${t.name}</a>${isInternal(t.name) ? html` <span class="tag">internal</span>` : null}</span>
    <span role="cell" class="num">${count(t.partitions)}</span><span role="cell" class="num">${t.replicas}</span><span role="cell" class="num">${t.minIsr}</span>
    <span role="cell" class=${`num ${t.under ? 'weak' : 'muted'}`}>${count(t.under)}</span><span role="cell" class=${`num ${t.underMin ? 'dead' : 'muted'}`}>${count(t.underMin)}</span><span role="cell" class=${`num ${t.leaderless ? 'dead' : 'muted'}`}>${count(t.leaderless)}</span>`;
  return html`<h1 class="unseen">Topics</h1><div class="tools">
      <label>Find <input type="search" value=${text} placeholder="name" onInput=${(e) => setText(e.target.value)} /></label>
      <label class="check"><input type="checkbox" checked=${only} onChange=${(e) => setOnly(e.target.checked)} /> only with problems</label>
      <label class="check"><input type="checkbox" checked=${internal} onChange=${(e) => setInternal(e.target.checked)} /> internal topics</label>
      <p class="muted" role="status">${count(rows.length)} of ${plural(all.length, 'topic')}</p></div>
    ${store.write ? html`<${Create} />` : null}
    ${rows.length ? html`<${VirtualTable} label="Topics" head=${head} rows=${rows} rowHeight=${28} row=${row} columns="minmax(11rem,1fr) repeat(3, 6rem) 9rem 8rem 7rem" minWidth="58rem" />` : html`<p class="note">${all.length ? 'No topic is so.' : 'There is no topic yet.'}</p>`}`;
}
