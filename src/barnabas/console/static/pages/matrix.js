import { html, useMemo, useRef, useState } from '../lib.js';
import { useStore } from '../store.js';
import {
  brokerIds, isInternal, isLeaderless, isMoving, isUnderReplicated, liveIsr, partitionRows, replicaState,
} from '../model.js';
import { Choice, Legend, Replica, VirtualTable, count } from '../ui.js';

const SHOWS = {
  all: () => true,
  under: (s, r) => isUnderReplicated(s, r.p),
  leaderless: (s, r) => isLeaderless(s, r.p),
  'under-min': (s, r) => !isLeaderless(s, r.p) && liveIsr(s, r.p) < r.minIsr,
  moving: (s, r) => isMoving(r.p),
  'not-preferred': (s, r) => !r.p.partial && !isLeaderless(s, r.p) && r.p.leader !== r.p.replicas[0],
};

// What is done to a broker in a history: a mark, and words.
const TROUBLES = { paused: 'II', killed: '×', ended: '×', stopped: '×', 'without power': '×', 'not started': '×' };
function trouble(node) {
  if (!node) return null;
  const cut = (node.not_to || []).length + (node.not_from || []).length > 0;
  const words = [TROUBLES[node.process] ? node.process : '', cut ? 'cut off' : '', node.disk ? `disk ${node.disk}` : ''].filter(Boolean);
  return words.length ? [TROUBLES[node.process] || (cut ? '≠' : '!'), words.join(', ')] : null;
}

export function Matrix({ here, compact }) {
  const store = useStore();
  const { snapshot, complete, lag } = store;
  const [show, setShow] = useState(here.query.get('show') in SHOWS ? here.query.get('show') : 'all');
  const [text, setText] = useState(here.query.get('text') || '');
  const [broker, setBroker] = useState(here.query.get('broker') || '');
  const [internal, setInternal] = useState(true);
  const ids = useMemo(() => brokerIds(snapshot), [snapshot]);
  const all = useMemo(() => partitionRows(snapshot), [snapshot]);
  const counts = useMemo(() => {
    const found = {};
    for (const [name, test] of Object.entries(SHOWS)) found[name] = all.reduce((n, r) => n + (test(snapshot, r) ? 1 : 0), 0);
    return found;
  }, [all]);
  const rows = useMemo(() => {
    const id = broker === '' ? null : Number(broker);
    const wanted = text.trim().toLowerCase();
    return all.filter((r) => SHOWS[show](snapshot, r)
      && (id === null || r.p.replicas.includes(id))
      && (internal || !isInternal(r.topic))
      && (!wanted || `${r.topic}/${r.number}`.toLowerCase().includes(wanted)));
  }, [all, show, text, broker, internal]);
  const before = useRef(new Map());
  const flashes = useMemo(() => {
    const now = new Map();
    const changed = new Map();
    for (const r of all) {
      const key = `${r.topic}/${r.number}`;
      now.set(key, r.p);
      const old = before.current.get(key);
      if (old && old !== r.p) changed.set(key, old);
    }
    before.current = now;
    return changed;
  }, [all]);
  const columns = `minmax(11rem, 1fr) 3.5rem repeat(${ids.length}, minmax(2.6rem, 4.5rem)) 5rem`;
  const head = html`<span role="columnheader">Partition</span><span role="columnheader" class="num">Epoch</span>
    ${ids.map((id) => {
      const there = id in snapshot.brokers || (snapshot.unknown || []).includes(id);
      const done = trouble(store.nodes[`broker:${id}`]);
      return html`<span role="columnheader" class=${`col ${there ? '' : 'gone'}`} key=${id} title=${`broker ${id}${there ? '' : ' is gone'}${id === snapshot.controller.broker ? ', controller' : ''}${done ? `, ${done[1]}` : ''}`}>${id}${id === snapshot.controller.broker ? html`<sup aria-label="controller">c</sup>` : null}${done ? html`<b class="bad" aria-hidden="true"> ${done[0]}</b><span class="unseen"> ${done[1]}</span>` : null}</span>`;
    })}
    <span role="columnheader" class="num">In sync</span>`;
  const row = (r) => {
    const key = `${r.topic}/${r.number}`;
    const live = liveIsr(snapshot, r.p);
    const bad = isLeaderless(snapshot, r.p) ? 'dead' : live < r.minIsr ? 'dead' : live < r.p.replicas.length ? 'weak' : '';
    return html`<span role="rowheader" class="name" title=${key}><a href=${`#/timeline?text=${encodeURIComponent(key)}`}>${r.topic}<i>/</i>${r.number}</a>${isMoving(r.p) ? html` <span class="tag">moving</span>` : null}${r.p.recovering ? html` <span class="tag alarm">unclean</span>` : null}</span>
      <span role="cell" class="num muted">${r.p.epoch < 0 ? '—' : r.p.epoch}</span>
      ${ids.map((id) => {
        const state = replicaState(snapshot, r.p, id);
        const old = flashes.get(key);
        const behind = state === 'lagging' && lag[key] ? lag[key][id] : undefined;
        const was = old ? replicaState(snapshot, old, id) : state;
        return html`<span role="cell" class=${`col ${was !== state ? 'flash' : ''}`} key=${id}><${Replica} state=${state} lag=${behind} title=${state && `broker ${id}: ${state}${behind === undefined ? '' : ` by ${count(behind)} records`}${id === r.p.replicas[0] ? ', preferred leader' : ''}`} /></span>`;
      })}
      <span role="cell" class=${`num ${bad}`}>${live}/${r.p.partial ? '?' : r.p.replicas.length}</span>`;
  };
  if (!complete) return html`<p class="note">${store.trouble || 'Asking the cluster …'}</p>`;
  return html`${compact ? null : html`<h1 class="unseen">Partitions</h1>
    <div class="tools">
      <${Choice} label="Which partitions" value=${show} onChange=${setShow} options=${[
        { value: 'all', text: 'All', count: counts.all },
        { value: 'under', text: 'Under-replicated', count: counts.under },
        { value: 'leaderless', text: 'Leaderless', count: counts.leaderless },
        { value: 'under-min', text: 'Under min ISR', count: counts['under-min'] },
        { value: 'moving', text: 'Moving', count: counts.moving },
        { value: 'not-preferred', text: 'Not led by preferred', count: counts['not-preferred'] },
      ]} />
      <label>Broker <select value=${broker} onChange=${(e) => setBroker(e.target.value)}><option value="">all</option>${ids.map((id) => html`<option key=${id} value=${String(id)}>${id}</option>`)}</select></label>
      <label>Find <input type="search" value=${text} placeholder="topic/number" onInput=${(e) => setText(e.target.value)} /></label>
      <label class="check"><input type="checkbox" checked=${internal} onChange=${(e) => setInternal(e.target.checked)} /> internal topics</label>
    </div>`}
    <div class="tools thin"><${Legend} unknown=${snapshot.unknown} /><p class="muted" role="status">${count(rows.length)} of ${count(all.length)} partitions</p></div>
    ${rows.length
      ? html`<${VirtualTable} label="Partitions by brokers" head=${head} rows=${rows} columns=${columns} rowHeight=${28} row=${row} minWidth=${`${21 + ids.length * 2.8}rem`} maxWidth=${`${40 + ids.length * 5}rem`} />`
      : html`<p class="note">${all.length ? 'No partition is so.' : 'There is no topic yet.'}</p>`}`;
}
