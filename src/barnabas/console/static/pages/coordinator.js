import { html, useEffect } from '../lib.js';
import { ask, useStore } from '../store.js';
import { Waiting, bytes, count, moment, useAnswer } from '../ui.js';

function Body({ body }) {
  if (body.hidden) return html`<p class="muted">${body.hidden}</p>`;
  if (body.empty) return html`<p class="muted">no data</p>`;
  if (body.json !== undefined) return html`<pre class="box">${JSON.stringify(body.json, null, 2)}</pre>`;
  return html`<pre class="box">${body.raw.text === undefined ? body.raw.hex : body.raw.text}</pre>`;
}

const link = (path) => `#/coordinator?path=${encodeURIComponent(path)}`;

function Crumbs({ path }) {
  const parts = path === '/' ? [] : path.slice(1).split('/');
  return html`<p class="mono crumbs"><a href=${link('/')}>/</a>${parts.map((p, i) => html`<a href=${link(`/${parts.slice(0, i + 1).join('/')}`)}>${p}</a>${i < parts.length - 1 ? '/' : ''}`)}</p>`;
}

function Server() {
  const [answer, error, reload] = useAnswer(() => ask('/api/coordinator'), 'coordinator');
  useEffect(() => { const timer = setInterval(reload, 3000); return () => clearInterval(timer); }, []);
  if (!answer) return html`<${Waiting} error=${error} />`;
  const text = answer.words.srvr || answer.words.mntr;
  return html`<dl class="facts"><dt>Server</dt><dd class="mono">${answer.server}</dd><dt>This console's session</dt><dd><span class="mono">${answer.session}</span>, ${answer.state}, timeout ${count(answer.session_timeout_ms)} ms, ${count(answer.watches)} watches</dd>
    ${answer.words.wchs ? html`<dt>All watches</dt><dd>${answer.words.wchs.trim().split('\n').join('; ')}</dd>` : null}</dl>
    ${answer.words.dump ? html`<details class="box"><summary>Sessions and their ephemeral nodes</summary><pre>${answer.words.dump}</pre></details>` : null}
    ${text ? html`<details class="box"><summary>What the server says of itself</summary><pre>${text}</pre></details>` : html`<p class="muted">The server answers no four-letter words (4lw.commands.whitelist).</p>`}`;
}

export function Coordinator({ here }) {
  const { zookeeper, snapshot } = useStore();
  const path = here.query.get('path') || '/';
  const [answer, error, reload] = useAnswer(() => ask(`/api/znodes?${new URLSearchParams({ path })}`), `${path} ${zookeeper}`);
  useEffect(() => { reload(); }, [snapshot]);
  if (!zookeeper) return html`<h1>Coordinator</h1><p class="note">This console asks brokers alone. Start it with --zookeeper to see the tree.</p>`;
  const base = path === '/' ? '' : path;
  return html`<h1>Coordinator</h1><${Server} />
    <h2>Tree</h2><${Crumbs} path=${path} />
    ${!answer ? html`<${Waiting} error=${error} />` : html`<div class="halves"><div>
      <div class="scroll" tabindex="0" role="group" aria-label="Table"><table><thead><tr><th scope="col">Node</th><th scope="col" class="num">Children</th><th scope="col" class="num">Bytes</th><th scope="col">Session</th></tr></thead>
        <tbody>${path === '/' ? null : html`<tr><th scope="row"><a href=${link(base.replace(/\/[^/]*$/, '') || '/')}>..</a></th><td></td><td></td><td></td></tr>`}
        ${answer.children.map((c) => html`<tr key=${c.name}><th scope="row" class="mono"><a href=${link(`${base}/${c.name}`)}>${c.name}</a></th><td class="num">${c.children ? count(c.children) : '—'}</td><td class="num">${c.bytes ? count(c.bytes) : '—'}</td><td class="mono">${c.session || ''}</td></tr>`)}
        ${answer.children.length === 0 ? html`<tr><td colspan="4" class="muted">no children</td></tr>` : null}</tbody></table></div>
        ${answer.left_out ? html`<p class="muted">${count(answer.left_out)} more are not shown.</p>` : null}</div>
      <div><${Body} body=${answer.body} /><dl class="facts small"><dt>Version</dt><dd class="mono">${answer.stat.version}</dd><dt>Changed</dt><dd class="mono">${moment(answer.stat.mtime)}, zxid ${answer.stat.mzxid}</dd><dt>Created</dt><dd class="mono">${moment(answer.stat.ctime)}, zxid ${answer.stat.czxid}</dd>
        <dt>Size</dt><dd>${bytes(answer.stat.bytes)}</dd>${answer.stat.session ? html`<dt>Ephemeral, of session</dt><dd class="mono">${answer.stat.session}</dd>` : null}</dl></div></div>`}`;
}
