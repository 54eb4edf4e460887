'use strict';
// What rhea has to be told so that Microsoft's client for Python (azure-eventhub, with its own AMQP stack) is content. The
// package on disk is not touched.
//   1. That client reads the fields of a performative by position and without looking at how many there are: AMQP lets a sender
//      leave trailing nulls out, so they are all written. It also wants to know how many links a session may have.
//   2. It may detach a link whose session it has already ended: that is not worth a connection.
//   3. An event is kept as the bytes that were sent: rhea's decoder forgets which kind of integer a number was.
const rhea = require('rhea');
const frames = require('rhea/lib/frames.js');
const Connection = require('rhea/lib/connection.js');

const FIELDS = { open: 10, begin: 8, attach: 14, flow: 11, transfer: 11, disposition: 6, detach: 3, end: 1, close: 1 };
const MOST_LINKS = 255;

for (const [name, count] of Object.entries(FIELDS)) {
  const create = frames[name];
  frames[name] = (fields) => {
    const performative = create(fields);
    for (let i = 0; i < count; i++) {
      if (performative.value[i] === undefined) performative.value[i] = rhea.types.wrap(null);
    }
    if (name === 'begin') performative.handle_max = MOST_LINKS;
    return performative;
  };
}

const detach = Connection.prototype.on_detach;
Connection.prototype.on_detach = function (frame) {
  if (this.remote_channel_map[frame.channel]) detach.call(this, frame);
};

const decode = rhea.message.decode;
rhea.message.decode = (bytes) => Object.defineProperty(decode(bytes), 'bytes', { value: bytes });

module.exports = rhea;
