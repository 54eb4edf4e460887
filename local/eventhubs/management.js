'use strict';
// Answers what clients ask about hubs and partitions on the node $management: the READ operation for either.
// https://learn.microsoft.com/en-us/azure/event-hubs/event-hubs-amqp-protocol-guide
const { types } = require('rhea');

const TEXT = 0xa1; // the elements of an array are short strings
const NEVER = -62135596800000; // the time of an event that has not come yet: the year 1

function read(namespace, { application_properties: asked = {} }) {
  const hub = namespace.hub(asked.name);
  const partition = hub && hub.partition(String(asked.partition));
  if (hub && asked.type === 'com.microsoft:eventhub') return found(describeHub(hub));
  if (partition && asked.type === 'com.microsoft:partition') return found(describePartition(partition));
  return { status: 404, description: `The messaging entity '${asked.name}' could not be found.`, condition: 'amqp:not-found' };
}

const found = (fields) => ({ status: 200, description: 'OK', body: types.wrap_map(fields) });

function describeHub(hub) {
  return {
    name: hub.name,
    type: 'com.microsoft:eventhub',
    created_at: types.wrap_timestamp(hub.created),
    partition_count: types.wrap_int(hub.partitions.length),
    partition_ids: types.wrap_array(hub.partitions.map((partition) => partition.id), TEXT),
  };
}

function describePartition(partition) {
  const { last, hub } = partition;
  return {
    name: hub.name,
    type: 'com.microsoft:partition',
    partition: partition.id,
    begin_sequence_number: types.wrap_long(partition.first),
    last_enqueued_sequence_number: types.wrap_long(last ? last.number : -1),
    last_enqueued_offset: last ? String(last.offset) : '-1',
    last_enqueued_time_utc: types.wrap_timestamp(last ? last.time : NEVER),
    is_partition_empty: partition.events.length === 0,
  };
}

module.exports = { read };
