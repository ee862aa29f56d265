import { html, useEffect, useMemo, useState } from '../lib.js';
import { Lag } from '../chart.js';
import { keep, pointsOf } from '../figures.js';
import { ask, useStore } from '../store.js';
import { Action, VirtualTable, Waiting, count, plural, useAnswer } from '../ui.js';

const TARGETS = [['to_earliest', 'to the first record'], ['to_latest', 'to the end'], ['to_offset', 'to an offset'], ['shift_by', 'by so many records'], ['to_time', 'to a time (ms since 1970)']];

function Reset({ name, topics, reload }) {
  const { write } = useStore();
  const [to, setTo] = useState('to_earliest');
  const [value, setValue] = useState('0');
  const [topic, setTopic] = useState('');
  const [plan, setPlan] = useState(null);
  const needs = to === 'to_offset' || to === 'shift_by' || to === 'to_time';
  const send = (execute) => async () => {
    const answer = await ask(`/api/groups/${encodeURIComponent(name)}/reset`, { method: 'POST', body: { to, value: needs ? Number(value) : 0, topic: topic || null, execute } });
    setPlan(answer);
    if (execute) reload();
  };
  const change = (set) => (e) => { set(e.target.value); setPlan(null); };
  return html`<details class="box"><summary>Reset positions</summary><div class="form">
      <label>Topic <select value=${topic} onChange=${change(setTopic)}><option value="">all of them</option>${topics.map((t) => html`<option key=${t} value=${t}>${t}</option>`)}</select></label>
      <label>Move <select value=${to} onChange=${change(setTo)}>${TARGETS.map(([v, t]) => html`<option key=${v} value=${v}>${t}</option>`)}</select></label>
      ${needs ? html`<label>Number <input class="short" value=${value} onInput=${change(setValue)} /></label>` : null}
      <${Action} text="Show what would happen" run=${send(false)} />
      ${plan && !plan.executed && write ? html`<${Action} text="Do it" kind="danger" run=${send(true)} />` : null}</div>
    ${plan ? html`<p class="thin" role="status">${plan.executed ? 'Done:' : 'Nothing is changed yet:'}</p><div class="scroll" tabindex="0" role="group" aria-label="Table"><table><thead><tr><th scope="col">Partition</th><th scope="col" class="num">Now</th><th scope="col" class="num">New</th></tr></thead>
      <tbody>${plan.positions.map((p) => html`<tr key=${`${p.topic}/${p.partition}`}><th scope="row">${p.topic}/${p.partition}</th><td class="num">${p.committed === null ? '—' : count(p.committed)}</td><td class="num">${count(p.new)}</td></tr>`)}</tbody></table></div>` : null}</details>`;
}

function One({ name }) {
  const { write } = useStore();
  const [answer, error, reload] = useAnswer(() => ask(`/api/groups/${encodeURIComponent(name)}`), name);
  useEffect(() => { const timer = setInterval(reload, 2000); return () => clearInterval(timer); }, [name]);
  const lag = answer ? answer.positions.reduce((sum, p) => sum + (p.lag || 0), 0) : null;
  const key = `lag ${name}`;
  useMemo(() => { if (answer) keep(key, Date.now(), { lag }); }, [answer]);
  if (!answer) return html`<h1>${name}</h1><${Waiting} error=${error} />`;
  return html`<h1>${name} <span class="tag">${answer.state}</span></h1>
    <p class="muted">${answer.protocol === 'consumer' ? 'consumer protocol (KIP-848)' : 'classic protocol'}${answer.assignor ? `, assignor ${answer.assignor}` : ''}${answer.epoch === null ? '' : `, epoch ${answer.epoch}`} · coordinator is broker ${answer.coordinator} · lag ${count(lag)}</p>
    <h2>${plural(answer.members.length, 'member')}</h2>
    ${answer.members.length ? html`<div class="scroll" tabindex="0" role="group" aria-label="Table"><table><thead><tr><th scope="col">Client</th><th scope="col">Host</th><th scope="col">Member</th><th scope="col">Partitions</th></tr></thead>
      <tbody>${answer.members.map((m) => html`<tr key=${m.id}><th scope="row">${m.client}${m.instance ? html` <span class="tag">${m.instance}</span>` : null}</th><td class="mono">${m.host}</td><td class="mono">${m.id}</td><td class="wrap">${m.partitions === null ? '—' : m.partitions.map(([t, p]) => `${t}/${p}`).join(', ') || 'none'}</td></tr>`)}</tbody></table></div>` : html`<p class="muted">Nobody reads just now.</p>`}
    <h2>Positions</h2>
    ${answer.positions.length ? html`<${Lag} points=${pointsOf(key)} />` : null}
    ${answer.positions.length ? html`<div class="scroll" tabindex="0" role="group" aria-label="Table"><table><thead><tr><th scope="col">Partition</th><th scope="col" class="num">Position</th><th scope="col" class="num">End</th><th scope="col" class="num">Lag</th><th scope="col">Read by</th></tr></thead>
      <tbody>${answer.positions.map((p) => html`<tr key=${`${p.topic}/${p.partition}`}><th scope="row"><a href=${`#/records/${encodeURIComponent(p.topic)}`}>${p.topic}</a>/${p.partition}</th><td class="num">${p.committed === null ? '—' : count(p.committed)}</td><td class="num">${p.end === null ? '—' : count(p.end)}</td><td class=${`num ${p.lag ? 'weak' : 'muted'}`}>${p.lag === null ? '—' : count(p.lag)}</td><td>${p.client || '—'}</td></tr>`)}</tbody></table></div>
      <${Reset} name=${name} topics=${[...new Set(answer.positions.map((p) => p.topic))]} reload=${reload} />` : html`<p class="muted">It has no position anywhere.</p>`}
    ${write && !answer.members.length ? html`<h2>Delete</h2><p><${Action} text="Delete this group" kind="danger" confirm=${`Delete group ${name} with its positions?`} run=${async () => { await ask(`/api/groups/${encodeURIComponent(name)}`, { method: 'DELETE' }); window.location.hash = '#/groups'; }} /></p>` : null}`;
}

export function Groups({ here }) {
  const [answer, error, reload] = useAnswer(() => ask('/api/groups'), 'groups');
  const [text, setText] = useState('');
  useEffect(() => { const timer = setInterval(reload, 3000); return () => clearInterval(timer); }, []);
  if (here.rest.length) return html`<${One} name=${here.rest[0]} key=${here.rest[0]} />`;
  if (!answer) return html`<h1>Groups</h1><${Waiting} error=${error} />`;
  const rows = answer.groups.filter((g) => g.name.toLowerCase().includes(text.trim().toLowerCase()));
  const head = html`<span role="columnheader">Group</span><span role="columnheader">State</span><span role="columnheader">Type</span><span role="columnheader">Protocol</span><span role="columnheader" class="num">Coordinator</span>`;
  const row = (g) => html`<span role="rowheader" class="name"><a href=${`#/groups/${encodeURIComponent(g.name)}`}>${g.name}</a></span><span role="cell">${g.state}</span><span role="cell">${g.type || '—'}</span><span role="cell">${g.protocol}</span><span role="cell" class="num">${g.coordinator}</span>`;
  return html`<h1 class="unseen">Groups</h1><div class="tools"><label>Find <input type="search" value=${text} placeholder="name" onInput=${(e) => setText(e.target.value)} /></label><p class="muted" role="status">${plural(rows.length, 'group')}</p></div>
    ${rows.length ? html`<${VirtualTable} label="Groups" head=${head} rows=${rows} rowHeight=${28} row=${row} columns="minmax(11rem,1fr) 10rem 8rem 8rem 8rem" minWidth="46rem" />` : html`<p class="note">There is no group${answer.groups.length ? ' of that name' : ' yet'}.</p>`}`;
}
