// The frame of the console: where one is, what can be seen, whether it is live.
import { html, render, useEffect, useLayoutEffect, useState } from './lib.js';
import { follow, useStore } from './store.js';
import { Overview } from './pages/overview.js';
import { Matrix } from './pages/matrix.js';
import { Timeline } from './pages/timeline.js';
import { Brokers } from './pages/brokers.js';
import { Topics } from './pages/topics.js';
import { Records } from './pages/records.js';
import { Groups } from './pages/groups.js';
import { Moves } from './pages/moves.js';
import { Coordinator } from './pages/coordinator.js';
import { Access } from './pages/access.js';
import { Tour } from './pages/tour.js';

const PAGES = [
  ['overview', 'Overview', Overview],
  ['partitions', 'Partitions', Matrix],
  ['timeline', 'Timeline', Timeline],
  ['brokers', 'Brokers', Brokers],
  ['topics', 'Topics', Topics],
  ['records', 'Records', Records],
  ['groups', 'Groups', Groups],
  ['moves', 'Moves', Moves],
  ['coordinator', 'Coordinator', Coordinator],
  ['access', 'Access', Access],
  ['tour', 'Tour', Tour],
];

function place() {
  const [path, query = ''] = window.location.hash.replace(/^#\/?/, '').split('?');
  const [name, ...rest] = path.split('/').map(decodeURIComponent);
  return { name: name || 'overview', rest, query: new URLSearchParams(query) };
}

function Frame() {
  const store = useStore();
  const [here, setHere] = useState(place());
  useLayoutEffect(() => { // Before the browser can tell of another place, or that one would be missed.
    const moved = () => { setHere(place()); document.getElementById('main').focus({ preventScroll: true }); };
    window.addEventListener('hashchange', moved);
    return () => window.removeEventListener('hashchange', moved);
  }, []);
  const page = PAGES.find(([name]) => name === here.name) || PAGES[0];
  useEffect(() => { document.title = `${page[1]} · Barnabas`; }, [page]);
  const level = store.health ? store.health.level : 'unknown';
  const live = store.connected && !store.trouble;
  return html`<a class="skip" href="#main" onClick=${(e) => { e.preventDefault(); document.getElementById('main').focus(); }}>To the content</a>
    <header>
      <a class="brand" href="#/overview"><span class=${`dot ${level}`} aria-hidden="true"></span>Barnabas</a>
      <nav aria-label="Pages">${PAGES.map(([name, text]) => html`<a key=${name} href=${`#/${name}`} aria-current=${page[0] === name ? 'page' : null}>${text}</a>`)}</nav>
      <p class=${`live ${live ? 'on' : 'off'}`} role="status">${live ? 'live' : store.connected ? 'old' : 'no connection'}</p>
    </header>
    ${store.connected && store.trouble && store.complete ? html`<p class="banner" role="alert">${store.trouble}</p>` : null}
    <main id="main" tabindex="-1"><${page[2]} here=${here} key=${page[0]} /></main>`;
}

render(html`<${Frame} />`, document.getElementById('app'));
follow();
