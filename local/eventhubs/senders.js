'use strict';
// Links on which a client sends: to a hub, or to one partition of it. An event is accepted when it is kept, and not before.
const { noPartition, notFound } = require('./refusal.js');
const { annotation, batched } = require('./sections.js');

// https://learn.microsoft.com/en-us/azure/event-hubs/event-hubs-quotas: 1 MB for a publication, batch or single
const LARGEST_MESSAGE = 1024 * 1024;
const BATCH = 0x80013700; // the message format of a batch: https://learn.microsoft.com/en-us/azure/service-bus-messaging/service-bus-amqp-protocol-guide
const ADDRESS = /^([^/]+)(?:\/partitions\/([^/]+))?$/i;

class Senders {
  constructor(namespace) {
    this.namespace = namespace;
  }

  // Take a link on. Throws a Refusal for an address that is none.
  open(receiver, address) {
    const [, name, id] = ADDRESS.exec(address) || [];
    const hub = name && this.namespace.hub(name);
    if (!hub) throw notFound(address);
    if (id !== undefined && !hub.partition(id)) throw noPartition(hub, id);
    receiver.local.attach.max_message_size = LARGEST_MESSAGE;
    receiver.on('message', (context) => this.take(context, hub, hub.partition(id)));
  }

  take({ receiver, delivery, message, format }, hub, wanted) {
    const bytes = message.bytes || message; // rhea decodes the usual format only
    if (bytes.length > LARGEST_MESSAGE) return tooLarge(receiver, bytes.length);
    try {
      this.keep(bytes, format === BATCH ? batched(bytes) : [bytes], hub, wanted);
    } catch (problem) {
      return delivery.reject({ condition: 'amqp:decode-error', description: problem.message });
    }
    delivery.accept();
  }

  keep(bytes, events, hub, wanted) {
    const key = annotation(bytes, 'x-opt-partition-key');
    const partition = wanted || hub.choose(key);
    for (const event of events) partition.append(event, key);
    for (const reader of partition.readers) reader.pump();
  }
}

function tooLarge(receiver, size) {
  const description = `The received message (size:${size}, limit:${LARGEST_MESSAGE}) exceeds the limit.`;
  receiver.close({ condition: 'amqp:link:message-size-exceeded', description });
}

module.exports = { Senders };
