#!/usr/bin/env bash
# kafkajs 2.2.4 (npm, its newest release): the header of a record batch may name a largest timestamp
# that is smaller than that of a record in the batch.
#
# A batch of two messages, the first with a timestamp of 2013, the second with none, is encoded as
# the library's producer encodes it. The record without a timestamp gets the time of sending; the
# header's maxTimestamp is the one of 2013, since only timestamps that were given are compared.
# Whoever believes the header deletes the fresh record by retention, or does not find it by time.
#
# Seen: "header: 1388534400000, last record: later by 12 years" (in 2026)
# Exits with 0 while that is so. Needs npm and node.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y > npm.log 2>&1
npm install --silent kafkajs@2.2.4 >> npm.log 2>&1
cat > encode.js <<'JS'
const produce = require('./node_modules/kafkajs/src/protocol/requests/produce/v3/request')
const OLD = 1388534400000
const messages = [{ key: 'a', value: 'old', timestamp: OLD }, { key: 'b', value: 'new' }]
produce({ acks: -1, timeout: 1000, topicData: [{ topic: 't', partitions: [{ partition: 0, messages }] }] })
  .encode().then(({ buffer }) => {
    // transactional id, acks, timeout, one topic "t", one partition, its size: 2+2+4 +4+3 +4+4+4 bytes
    const batch = buffer.subarray(27)
    const first = Number(batch.readBigInt64BE(27)), largest = Number(batch.readBigInt64BE(35))
    // records: length, attributes, timestamp delta, offset delta, ...
    const varint = at => { let v = 0n, s = 0n, b; do { b = batch[at++]; v |= BigInt(b & 127) << s; s += 7n } while (b & 128); return [Number((v >> 1n) ^ -(v & 1n)), at] }
    let [length, at] = varint(61)
    let [second, body] = varint(at + length)
    const [delta] = varint(body + 1)
    const years = (first + delta - largest) / (365.25 * 86400e3)
    console.log(`header: ${largest}, last record: later by ${Math.floor(years)} years`)
    process.exit(batch[16] === 2 && largest === OLD && years > 10 ? 0 : 1)
  })
JS
node encode.js
