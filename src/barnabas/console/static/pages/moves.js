import { html, useEffect, useState } from '../lib.js';
import { ask, useStore } from '../store.js';
import { isInternal } from '../model.js';
import { Action, Waiting, plural, useAnswer } from '../ui.js';

function Plan({ store, reload }) {
  const names = Object.keys(store.snapshot.topics).sort((a, b) => isInternal(a) - isInternal(b) || (a < b ? -1 : 1));
  const ids = Object.keys(store.snapshot.brokers).map(Number).sort((a, b) => a - b);
  const [topic, setTopic] = useState('');
  const [brokers, setBrokers] = useState('');
  const [plan, setPlan] = useState(null);
  const chosen = topic || names[0] || '';
  const send = (body) => async () => {
    const answer = await ask('/api/moves', { method: 'POST', body: { topic: chosen, ...body } });
    setPlan(answer);
    if (answer.executed) reload();
  };
  const list = () => (brokers || ids.join(',')).split(',').map((t) => Number(t.trim()));
  const elect = (body) => async () => { const a = await ask('/api/elections', { method: 'POST', body }); setPlan({ elected: a }); };
  return html`<div class="form">
      <label>Topic <select value=${chosen} onChange=${(e) => { setTopic(e.target.value); setPlan(null); }}>${names.map((n) => html`<option key=${n} value=${n}>${n}</option>`)}</select></label>
      <label>to brokers <input value=${brokers} placeholder=${ids.join(',')} onInput=${(e) => { setBrokers(e.target.value); setPlan(null); }} /></label>
      <${Action} text="Show the plan" disabled=${!chosen} run=${send({ brokers: list() })} />
      ${plan && plan.executed === false && store.write ? html`<${Action} text="Begin the move" kind="danger" run=${send({ brokers: list(), execute: true })} />` : null}
      ${store.write ? html`<${Action} text="Elect preferred leaders" run=${elect({ topic: null })} />` : null}</div>
    ${plan && plan.elected ? html`<p class="thin" role="status">${plural(plan.elected.elected, 'leader')} elected.</p>` : null}
    ${plan && plan.partitions ? html`<p class="thin" role="status">${plan.executed ? 'Begun:' : 'Nothing is changed yet:'}</p><div class="scroll" tabindex="0" role="group" aria-label="Table"><table><thead><tr><th scope="col">Partition</th><th scope="col">From</th><th scope="col">To</th><th scope="col"></th></tr></thead>
      <tbody>${plan.partitions.map((p) => html`<tr key=${p.partition}><th scope="row">${chosen}/${p.partition}</th><td class="mono">${p.from.join(', ')}</td><td class="mono">${p.to === null ? 'back' : p.to.join(', ')}</td><td class="bad">${p.error || ''}</td></tr>`)}</tbody></table></div>` : null}`;
}

export function Moves() {
  const store = useStore();
  const [answer, error, reload] = useAnswer(() => ask('/api/moves'), `moves ${store.health ? store.health.moving : 0}`);
  const busy = answer && answer.moves.length > 0;
  useEffect(() => { const timer = setInterval(reload, busy ? 1000 : 5000); return () => clearInterval(timer); }, [busy]);
  const cancel = (m) => async () => { await ask('/api/moves', { method: 'POST', body: { topic: m.topic, partition: m.partition, cancel: true, execute: true } }); reload(); };
  return html`<h1>Moves</h1><p class="muted">A reassignment copies partitions to other brokers while they are written and read; leadership follows.</p>
    <h2>On the move</h2>
    ${!answer ? html`<${Waiting} error=${error} />` : !busy ? html`<p class="muted">Nothing moves.</p>` : html`<div class="scroll" tabindex="0" role="group" aria-label="Table"><table><thead><tr><th scope="col">Partition</th><th scope="col">Adding</th><th scope="col">Removing</th><th scope="col">Copied</th><th scope="col"></th></tr></thead>
      <tbody>${answer.moves.map((m) => html`<tr key=${`${m.topic}/${m.partition}`}><th scope="row">${m.topic}/${m.partition}</th><td class="mono">${m.adding.join(', ') || '—'}</td><td class="mono">${m.removing.join(', ') || '—'}</td>
        <td>${m.progress === null ? '—' : html`<progress max="1" value=${m.progress} aria-label=${`${m.topic}/${m.partition}`}></progress> ${Math.floor(m.progress * 100)} %`}</td><td>${store.write ? html`<${Action} text="cancel" run=${cancel(m)} />` : null}</td></tr>`)}</tbody></table></div>`}
    <h2>Plan</h2><${Plan} store=${store} reload=${reload} />`;
}
