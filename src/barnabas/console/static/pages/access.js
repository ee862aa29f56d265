import { html, useState } from '../lib.js';
import { ask } from '../store.js';
import { Waiting, count, useAnswer } from '../ui.js';

function Part({ title, part, columns, none, find }) {
  const rows = part.rows.filter((r) => !find || Object.values(r).join(' ').toLowerCase().includes(find));
  return html`<h2>${title}</h2>${part.error ? html`<p class="muted">${part.error}</p>` : rows.length === 0 ? html`<p class="muted">${part.rows.length ? 'None of that name.' : none}</p>`
    : html`<div class="scroll" tabindex="0" role="group" aria-label="Table"><table><thead><tr>${columns.map(([, name]) => html`<th scope="col" key=${name}>${name}</th>`)}</tr></thead>
      <tbody>${rows.slice(0, 2000).map((r, i) => html`<tr key=${i}>${columns.map(([key]) => html`<td key=${key} class=${r[key] === 'Deny' ? 'bad' : ''}>${typeof r[key] === 'number' ? count(r[key]) : r[key]}</td>`)}</tr>`)}</tbody></table></div>`}`;
}

export function Access() {
  const [answer, error] = useAnswer(() => ask('/api/access'), 'access');
  const [text, setText] = useState('');
  const find = text.trim().toLowerCase();
  if (!answer) return html`<h1>Access</h1><${Waiting} error=${error} />`;
  return html`<h1>Access</h1><div class="tools"><label>Find <input type="search" value=${text} placeholder="principal, resource" onInput=${(e) => setText(e.target.value)} /></label></div>
    <${Part} title="ACLs" part=${answer.acls} find=${find} none="There are no ACLs." columns=${[['principal', 'Principal'], ['permission', 'Permission'], ['operation', 'Operation'], ['resource', 'Resource'], ['name', 'Name'], ['pattern', 'Pattern'], ['host', 'Host']]} />
    <${Part} title="Users (SCRAM)" part=${answer.users} find=${find} none="Nobody logs in with SCRAM." columns=${[['user', 'User'], ['mechanism', 'Mechanism'], ['iterations', 'Iterations']]} />
    <${Part} title="Quotas" part=${answer.quotas} find=${find} none="Nobody has a quota." columns=${[['entity', 'Whose'], ['quota', 'Quota'], ['value', 'Value']]} />`;
}
