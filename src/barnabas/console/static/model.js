// The cluster as the page knows it: a snapshot, and patches to it. Pure; the same rules as model.py.

export const EMPTY = { cluster_id: null, controller: { broker: -1, epoch: -1 }, brokers: {}, topics: {} };

export function applied(before, patch) {
  const brokers = changed(before.brokers, patch.brokers);
  let topics = before.topics;
  if (patch.topics) {
    topics = { ...topics };
    for (const [name, change] of Object.entries(patch.topics)) {
      if (change === null) delete topics[name];
      else {
        const old = topics[name] ? topics[name].partitions : {};
        topics[name] = { ...change, partitions: changed(old, change.partitions) };
      }
    }
  }
  return {
    cluster_id: patch.cluster_id,
    controller: patch.controller || before.controller,
    brokers,
    topics,
  };
}

function changed(before, changes) {
  if (!changes || Object.keys(changes).length === 0) return before;
  const after = { ...before };
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) delete after[key];
    else after[key] = value;
  }
  return after;
}

// One row a partition, by topic and number.
export function partitionRows(snapshot) {
  const rows = [];
  for (const name of Object.keys(snapshot.topics).sort()) {
    const topic = snapshot.topics[name];
    for (const number of Object.keys(topic.partitions)) {
      rows.push({ topic: name, number: Number(number), p: topic.partitions[number], minIsr: topic.min_isr });
    }
  }
  return rows;
}

// Only a history has `unknown`: brokers of which nobody has told whether they live. `partial` is a
// partition of which it has not told everything; a leader that was not told is null.
const isUnknown = (snapshot, broker) => Boolean(snapshot.unknown && snapshot.unknown.includes(broker));

export function replicaState(snapshot, p, broker) {
  if (!p.replicas.includes(broker) && broker !== p.leader) return p.partial ? 'unknown' : '';
  if (isUnknown(snapshot, broker) && broker !== p.leader && !p.isr.includes(broker)) return 'unknown';
  if (!(broker in snapshot.brokers) && !isUnknown(snapshot, broker)) return 'offline';
  if (broker === p.leader) return 'leader';
  return p.isr.includes(broker) ? 'in sync' : 'lagging';
}

export const isLeaderless = (snapshot, p) =>
  p.leader !== null && !(p.leader in snapshot.brokers) && !isUnknown(snapshot, p.leader);

export const isUnderReplicated = (snapshot, p) =>
  p.replicas.some((b) => !isUnknown(snapshot, b) && (!(b in snapshot.brokers) || (b !== p.leader && !p.isr.includes(b))));

export const liveIsr = (snapshot, p) => p.isr.filter((b) => b in snapshot.brokers || isUnknown(snapshot, b)).length;

export const isMoving = (p) => Boolean((p.adding && p.adding.length) || (p.removing && p.removing.length));

export const isInternal = (topic) => topic === '__consumer_offsets' || topic === '__transaction_state';

// Every broker that is there or that something is assigned to.
export function brokerIds(snapshot) {
  const ids = new Set([...Object.keys(snapshot.brokers).map(Number), ...(snapshot.named || [])]);
  for (const topic of Object.values(snapshot.topics)) {
    for (const p of Object.values(topic.partitions)) for (const b of p.replicas) ids.add(b);
  }
  return [...ids].sort((a, b) => a - b);
}

// Per broker: how many partitions it leads, holds, and holds out of sync.
export function brokerCounts(snapshot) {
  const counts = {};
  const of = (b) => (counts[b] ||= { leads: 0, holds: 0, behind: 0, preferred: 0 });
  for (const topic of Object.values(snapshot.topics)) {
    for (const p of Object.values(topic.partitions)) {
      if (p.leader >= 0) of(p.leader).leads += 1;
      if (p.replicas.length) of(p.replicas[0]).preferred += 1;
      for (const b of p.replicas) {
        of(b).holds += 1;
        if (!p.isr.includes(b)) of(b).behind += 1;
      }
    }
  }
  return counts;
}
