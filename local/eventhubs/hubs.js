'use strict';
// Hubs, their partitions, and where in a partition somebody wants to begin. All in memory; a partition
// drops its oldest events when there are too many bytes in it. Not here: links, see senders.js and receivers.js.
const crypto = require('crypto');
const { long, stamp, string, timestamp } = require('./sections.js');

const KEPT_AFTER_CLEARING = 0.9;
const BYTES_AN_OFFSET = 64;
// Offsets begin where no earlier run has ended: a checkpoint from before a restart then lies before everything that is new,
// instead of hiding it.
const FIRST_OFFSET = Date.now() * 1000;

const SELECTOR = /^amqp\.annotation\.x-opt-(offset|sequence-number|enqueued-time)\s*(>=?)\s*'([^']*)'$/;
const MEASURES = { offset: 'offset', 'sequence-number': 'number', 'enqueued-time': 'time' };

class Partition {
  constructor(hub, id, keptBytes) {
    this.hub = hub;
    this.id = id;
    this.keptBytes = keptBytes;
    this.readers = new Set();
    this.first = 0; // the sequence number of the oldest event that is still there
    this.next = 0;
    this.offset = FIRST_OFFSET;
    this.last = null;
    this.events = [];
    this.bytes = 0;
  }

  append(bytes, key) {
    const annotations = {
      'x-opt-sequence-number': long(this.next),
      'x-opt-offset': string(String(this.offset)),
      'x-opt-enqueued-time': timestamp(Date.now()),
    };
    if (key !== undefined) annotations['x-opt-partition-key'] = string(key);
    this.last = { number: this.next, offset: this.offset, time: Date.now(), ...stamp(bytes, annotations) };
    this.next += 1;
    this.offset += Math.ceil(bytes.length / BYTES_AN_OFFSET);
    this.events.push(this.last);
    this.bytes += this.last.rest.length;
    if (this.bytes > this.keptBytes) this.clear();
  }

  clear() {
    let gone = 0;
    while (this.bytes > this.keptBytes * KEPT_AFTER_CLEARING) this.bytes -= this.events[gone++].rest.length;
    this.events.splice(0, gone);
    this.first += gone;
  }

  event(number) {
    return this.events[number - this.first];
  }

  // The sequence number at which a receiver with this selector begins. Throws for a selector that says nothing.
  begin(selector) {
    if (selector === undefined) return this.first;
    const found = SELECTOR.exec(selector);
    if (!found) throw new Error(`The filter '${selector}' is not understood.`);
    const [, measure, operator, value] = found;
    const inclusive = operator === '>=';
    if (value === '@latest') return inclusive && this.events.length ? this.next - 1 : this.next;
    const wanted = Number(value);
    if (value === '' || !Number.isFinite(wanted)) throw new Error(`The supplied ${measure} '${value}' is invalid.`);
    return this.find((event) => (inclusive ? event[MEASURES[measure]] >= wanted : event[MEASURES[measure]] > wanted));
  }

  // The first event for which this holds; it then holds for all that come after.
  find(holds) {
    let [low, high] = [0, this.events.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (holds(this.events[middle])) high = middle;
      else low = middle + 1;
    }
    return this.first + low;
  }
}

class Hub {
  constructor(name, partitions, consumerGroups, keptBytes) {
    this.name = name;
    this.created = Date.now();
    this.consumerGroups = new Set(['$default', ...consumerGroups.map((group) => group.toLowerCase())]);
    this.partitions = Array.from({ length: partitions }, (_, i) => new Partition(this, String(i), keptBytes));
    this.turn = 0;
  }

  partition(id) {
    return this.partitions.find((each) => each.id === id);
  }

  // One key, one partition; without a key each in turn. Which hash the cloud uses is not documented.
  choose(key) {
    if (key === undefined) return this.partitions[this.turn++ % this.partitions.length];
    return this.partitions[crypto.createHash('sha256').update(key).digest().readUInt32BE(0) % this.partitions.length];
  }
}

// Names are compared without regard to case.
class Namespace {
  constructor(hubs, consumerGroups, keptBytes) {
    this.hubs = new Map();
    for (const [name, partitions] of Object.entries(hubs)) {
      this.hubs.set(name.toLowerCase(), new Hub(name, partitions, consumerGroups, keptBytes));
    }
  }

  hub(name) {
    return this.hubs.get(String(name).toLowerCase());
  }
}

module.exports = { Namespace };
