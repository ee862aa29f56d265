import { html, useEffect, useRef, useState } from '../lib.js';
import { ask, useStore } from '../store.js';
import { isInternal } from '../model.js';
import { Action, Choice, bytes, clock, count, day } from '../ui.js';

const KEPT = 500;

function Bytes({ value }) {
  if (value === null || value === undefined) return html`<i class="muted">null</i>`;
  if (value.hex !== undefined) return html`<span class="mono hex">${value.hex}</span>`;
  return value.text === '' ? html`<i class="muted">empty</i>` : html`<span class="mono">${value.text}</span>`;
}

function pretty(value) {
  if (!value || value.text === undefined) return null;
  try { const parsed = JSON.parse(value.text); return typeof parsed === 'object' && parsed !== null ? JSON.stringify(parsed, null, 2) : null; } catch { return null; }
}

function Row({ r }) {
  const [open, setOpen] = useState(false);
  const where = html`<td class="num mono">${r.partition}</td><td class="num mono">${count(r.offset)}</td><td class="mono" title=${r.timestamp > 0 ? day(r.timestamp) : ''}>${clock(r.timestamp) || '—'}</td>`;
  if (r.unreadable) return html`<tr class="control">${where}<td colspan="3"><span class="tag alarm">cannot be read</span> ${r.unreadable}</td></tr>`;
  if (r.control) {
    return html`<tr class="control">${where}<td colspan="3"><span class="tag">control batch</span> ${r.control} of producer <span class="mono">${r.producer || '—'}</span>${r.coordinator_epoch === undefined ? '' : `, coordinator epoch ${r.coordinator_epoch}`}</td></tr>`;
  }
  const whole = pretty(r.value);
  return html`<tr>${where}
    <td class="clip"><${Bytes} value=${r.key} /></td><td class="clip wide"><${Bytes} value=${r.value} /></td>
    <td><button type="button" class="small" aria-expanded=${open} onClick=${() => setOpen(!open)}>${open ? 'less' : 'more'}</button>${r.headers.length ? html` <span class="tag">${r.headers.length} headers</span>` : null}${r.transactional ? html` <span class="tag">transactional</span>` : null}</td></tr>
    ${open ? html`<tr class="opened"><td colspan="6"><dl class="facts">
      <dt>Key</dt><dd><pre><${Bytes} value=${r.key} /></pre></dd><dt>Value${r.value ? html`<br /><span class="muted">${bytes(r.value.bytes)}</span>` : null}</dt><dd><pre>${whole === null ? html`<${Bytes} value=${r.value} />` : whole}</pre></dd>
      ${r.headers.map(([name, value]) => html`<dt>Header <span class="mono">${name}</span></dt><dd><${Bytes} value=${value} /></dd>`)}
      <dt>Time</dt><dd class="mono">${r.timestamp > 0 ? `${day(r.timestamp)} ${clock(r.timestamp)} (${r.timestamp})` : r.timestamp}</dd><dt>Batch</dt><dd>leader epoch ${r.leader_epoch}${r.producer ? `, producer ${r.producer}` : ''}${r.codec ? `, ${r.codec}` : ''}</dd></dl></td></tr>` : null}`;
}

function Produce({ topic, partitions }) {
  const [key, setKey] = useState('');
  const [value, setValue] = useState('');
  const [headers, setHeaders] = useState('');
  const [partition, setPartition] = useState('');
  const [done, setDone] = useState('');
  const run = async () => {
    setDone('');
    const pairs = headers.split('\n').filter((l) => l.trim()).map((l) => { const at = l.indexOf('='); return at < 0 ? [l.trim(), ''] : [l.slice(0, at).trim(), l.slice(at + 1)]; });
    const answer = await ask(`/api/topics/${encodeURIComponent(topic)}/records`, { method: 'POST', body: { key: key === '' ? null : key, value, headers: pairs, partition: partition === '' ? null : Number(partition) } });
    setDone(`Acknowledged: partition ${answer.partition}, offset ${answer.offset}.`);
  };
  return html`<details class="box"><summary>Produce a record</summary><div class="form column">
    <label>Key <input value=${key} placeholder="null" onInput=${(e) => setKey(e.target.value)} /></label>
    <label>Value <textarea rows="3" value=${value} onInput=${(e) => setValue(e.target.value)}></textarea></label>
    <label>Headers <textarea rows="2" placeholder="name=value, one a line" value=${headers} onInput=${(e) => setHeaders(e.target.value)}></textarea></label>
    <label>Partition <select value=${partition} onChange=${(e) => setPartition(e.target.value)}><option value="">by the key</option>${partitions.map((n) => html`<option key=${n} value=${n}>${n}</option>`)}</select></label>
    <p><${Action} text="Produce with acks=all" kind="primary" run=${run} /> <span class="good" role="status">${done}</span></p></div></details>`;
}

export function Records({ here }) {
  const store = useStore();
  const { snapshot } = store;
  const names = Object.keys(snapshot.topics).sort((a, b) => isInternal(a) - isInternal(b) || (a < b ? -1 : 1));
  const topic = here.rest[0] || names[0] || '';
  const [partition, setPartition] = useState('');
  const [mode, setMode] = useState('newest');
  const [offset, setOffset] = useState('0');
  const [find, setFind] = useState('');
  const [wanted, setWanted] = useState('');
  const [rows, setRows] = useState(null);
  const [error, setError] = useState('');
  const [left, setLeft] = useState(0);
  const turn = useRef(0);
  const partitions = topic in snapshot.topics ? Object.keys(snapshot.topics[topic].partitions) : [];
  const query = () => new URLSearchParams({ ...(partition === '' ? {} : { partition }), ...(wanted ? { find: wanted } : {}) });
  const load = () => {
    if (!topic) return;
    const mine = (turn.current += 1);
    setError('');
    const q = query();
    q.set('from', mode === 'offset' ? offset || '0' : mode);
    ask(`/api/topics/${encodeURIComponent(topic)}/records?${q}`).then(
      (answer) => { if (mine === turn.current) setRows(mode === 'newest' ? answer.records.reverse() : answer.records); },
      (failed) => { if (mine === turn.current) { setRows([]); setError(failed.message); } },
    );
  };
  useEffect(() => {
    setRows(null); setLeft(0); setError('');
    if (mode !== 'live') { load(); return undefined; }
    setRows([]);
    const source = new EventSource(`/api/topics/${encodeURIComponent(topic)}/tail?${query()}`);
    source.onmessage = (event) => {
      const message = JSON.parse(event.data);
      setError(message.trouble[0] || '');
      if (message.left_out) setLeft((n) => n + message.left_out);
      if (message.records.length) setRows((old) => [...message.records.reverse(), ...(old || [])].slice(0, KEPT));
    };
    source.onerror = () => setError('The live tail was interrupted.');
    source.onopen = () => setError('');
    return () => source.close();
  }, [topic, partition, mode, wanted]);
  useEffect(() => { setPartition(''); }, [topic]);
  if (!topic) return html`<h1>Records</h1><p class="note">There is no topic yet.</p>`;
  return html`<h1 class="unseen">Records of ${topic}</h1><div class="tools">
      <label>Topic <select value=${topic} onChange=${(e) => { window.location.hash = `#/records/${encodeURIComponent(e.target.value)}`; }}>${names.map((n) => html`<option key=${n} value=${n}>${n}</option>`)}</select></label>
      <label>Partition <select value=${partition} onChange=${(e) => setPartition(e.target.value)}><option value="">all</option>${partitions.map((n) => html`<option key=${n} value=${n}>${n}</option>`)}</select></label>
      <${Choice} label="Which records" value=${mode} onChange=${setMode} options=${[{ value: 'newest', text: 'Newest' }, { value: 'oldest', text: 'Oldest' }, { value: 'offset', text: 'From an offset' }, { value: 'live', text: 'Live tail' }]} />
      ${mode === 'offset' ? html`<label>Offset <input class="short" inputmode="numeric" value=${offset} onInput=${(e) => setOffset(e.target.value)} onKeyDown=${(e) => e.key === 'Enter' && load()} /></label>` : null}
      <label>Find <input type="search" value=${find} placeholder="in key, value, headers" onInput=${(e) => { setFind(e.target.value); if (!e.target.value) setWanted(''); }} onKeyDown=${(e) => e.key === 'Enter' && setWanted(find)} /></label>
      ${mode === 'live' ? null : html`<button type="button" onClick=${() => { if (wanted === find) load(); else setWanted(find); }}>Read</button>`}
    </div>
    ${store.write && !isInternal(topic) ? html`<${Produce} topic=${topic} partitions=${partitions} />` : null}
    ${error ? html`<p class="note bad" role="alert">${error}</p>` : null}
    ${rows === null ? html`<p class="note">Reading …</p>` : rows.length === 0
      ? (error ? null : html`<p class="note" role="status">${mode === 'live' ? 'Waiting for records …' : 'No record is there.'}</p>`)
      : html`<p class="muted thin" role="status">${count(rows.length)} records${mode === 'newest' || mode === 'live' ? ', newest first' : ''}${left ? `; ${count(left)} more came too fast to be shown` : ''}</p>
      <div class="scroll" tabindex="0" role="group" aria-label="Table"><table class="records"><thead><tr><th scope="col" class="num">Partition</th><th scope="col" class="num">Offset</th><th scope="col">Time</th><th scope="col">Key</th><th scope="col">Value</th><th scope="col"><span class="unseen">Details</span></th></tr></thead>
        <tbody>${rows.map((r) => html`<${Row} key=${`${r.partition}/${r.offset}`} r=${r} />`)}</tbody></table></div>`}`;
}
