'use strict';
// Why a link is not taken on: what goes into the error of its detach.

class Refusal extends Error {
  constructor(condition, description) {
    super(description);
    this.condition = condition;
    this.description = description;
  }
}

const notFound = (address) => new Refusal('amqp:not-found', `The messaging entity '${address}' could not be found.`);

const noPartition = (hub, id) =>
  new Refusal('com.microsoft:argument-out-of-range', `The partition '${id}' is not one of the ${hub.partitions.length} of '${hub.name}'.`);

module.exports = { Refusal, noPartition, notFound };
