'use strict';
// Links on which a client receives one partition for one consumer group, from where it says. A receiver with an epoch (an owner
// level) has its partition to itself: https://learn.microsoft.com/en-us/azure/event-hubs/event-hubs-event-processor-host#epoch
const { Refusal, noPartition, notFound } = require('./refusal.js');
const { DELIVERY_ANNOTATIONS, annotate, long, string, timestamp } = require('./sections.js');

// https://learn.microsoft.com/en-us/azure/event-hubs/event-hubs-quotas: receivers without an epoch, per consumer group
const MOST_RECEIVERS = 5;
const ADDRESS = /^([^/]+)\/consumergroups\/([^/]+)\/partitions\/([^/]+)$/i;
const METRICS = 'com.microsoft:enable-receiver-runtime-metric';

class Reader {
  constructor(sender, partition, group, { epoch, metrics, position }) {
    Object.assign(this, { sender, partition, group, epoch, metrics, position });
  }

  // Send what there is credit for. rhea counts what it has not written yet as not sent.
  pump() {
    const { outgoing } = this.sender.session;
    let credit = this.sender.credit - (outgoing.next_delivery_id - outgoing.next_pending_delivery);
    for (; credit > 0 && outgoing.available() && this.position < this.partition.next; credit--) {
      this.position = Math.max(this.position, this.partition.first);
      const event = this.partition.event(this.position++);
      this.sender.send(Buffer.concat([event.head, ...this.measure(), event.rest]), undefined, 0);
    }
  }

  // Where the partition ends, for a client that asked to be told with each event.
  measure() {
    if (!this.metrics) return [];
    const { last } = this.partition;
    const told = {
      last_enqueued_sequence_number: long(last.number),
      last_enqueued_offset: string(String(last.offset)),
      last_enqueued_time_utc: timestamp(last.time),
      runtime_info_retrieval_time_utc: timestamp(Date.now()),
    };
    return [annotate(DELIVERY_ANNOTATIONS, told)];
  }

  leave(error) {
    this.partition.readers.delete(this);
    if (error) this.sender.close(error);
  }
}

class Receivers {
  constructor(namespace) {
    this.namespace = namespace;
    this.readers = new Set();
  }

  // Take a link on. Throws a Refusal for one that cannot be.
  open(sender, address) {
    const { partition, group } = this.find(address);
    const { source, properties, desired_capabilities } = sender.remote.attach;
    const epoch = number((properties || {})['com.microsoft:epoch']);
    const wanted = {
      epoch,
      position: begin(partition, source.filter),
      metrics: [].concat(desired_capabilities || []).map(String).includes(METRICS),
    };
    makeRoom(partition, group, epoch);
    const reader = new Reader(sender, partition, group, wanted);
    partition.readers.add(reader);
    this.readers.add(reader);
    sender.on('sendable', () => reader.pump());
  }

  find(address) {
    const [, name, group, id] = ADDRESS.exec(address) || [];
    const hub = name && this.namespace.hub(name);
    if (!hub || !hub.consumerGroups.has(group.toLowerCase())) throw notFound(address);
    if (!hub.partition(id)) throw noPartition(hub, id);
    return { partition: hub.partition(id), group: group.toLowerCase() };
  }

  // Forget the receivers that have gone: `gone(sender)` says which.
  leave(gone) {
    for (const reader of this.readers) {
      if (!gone(reader.sender)) continue;
      reader.leave();
      this.readers.delete(reader);
    }
  }
}

function begin(partition, filter) {
  const [selector] = Object.values(filter || {}).map((value) => String((value && value.value) ?? value));
  try {
    return partition.begin(selector);
  } catch (problem) {
    throw new Refusal('com.microsoft:argument-error', problem.message);
  }
}

function makeRoom(partition, group, epoch) {
  const others = [...partition.readers].filter((reader) => reader.group === group);
  const owner = others.find((reader) => reader.epoch !== undefined);
  if (owner && (epoch === undefined || epoch < owner.epoch)) {
    const description = `Receiver with higher epoch '${owner.epoch}' already exists. Receiver with epoch ${epoch ?? 0} cannot be created.`;
    throw new Refusal('amqp:link:stolen', description);
  }
  if (epoch !== undefined) {
    const description = `New receiver with higher epoch of '${epoch}' is created hence current receiver is getting disconnected.`;
    for (const other of others) other.leave({ condition: 'amqp:link:stolen', description });
  } else if (others.length >= MOST_RECEIVERS) {
    const description = `Exceeded the maximum number of allowed receivers per partition in a consumer group which is ${MOST_RECEIVERS}.`;
    throw new Refusal('amqp:resource-limit-exceeded', description);
  }
}

const number = (value) => (value === undefined || value === null ? undefined : Number(value));

module.exports = { Receivers };
