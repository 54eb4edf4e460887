'use strict';
// An AMQP message as a row of sections, found without decoding what is in them, so that an event goes out as it came in but for
// the annotations that belong to the broker. https://docs.oasis-open.org/amqp/core/v1.0/amqp-core-messaging-v1.0.html#section-message-format

const HEADER = 0x70;
const DELIVERY_ANNOTATIONS = 0x71;
const MESSAGE_ANNOTATIONS = 0x72;
const DATA = 0x75;

// The upper half of a constructor says how wide the value is: https://docs.oasis-open.org/amqp/core/v1.0/amqp-core-types-v1.0.html#section-encodings
const FIXED = { 4: 0, 5: 1, 6: 2, 7: 4, 8: 8, 9: 16 };
const COUNTED_BY_A_BYTE = [0xa, 0xc, 0xe];
const COUNTED_BY_FOUR = [0xb, 0xd, 0xf];

// Where the value that starts at `at` ends.
function end(bytes, at) {
  const constructor = bytes.readUInt8(at++);
  const width = constructor >> 4;
  if (constructor === 0) return end(bytes, end(bytes, at)); // a descriptor, and what it describes
  if (width in FIXED) return at + FIXED[width];
  if (COUNTED_BY_A_BYTE.includes(width)) return at + 1 + bytes.readUInt8(at);
  if (COUNTED_BY_FOUR.includes(width)) return at + 4 + bytes.readUInt32BE(at);
  throw new Error(`0x${constructor.toString(16)} constructs nothing`);
}

// The sections in their order: {code, bytes (all of it), value (without its descriptor)}. Throws for what is not a message.
function split(bytes) {
  const sections = [];
  for (let at = 0; at < bytes.length;) {
    if (bytes.readUInt8(at) !== 0) throw new Error('a section begins with its descriptor');
    const value = end(bytes, at + 1);
    const next = end(bytes, value);
    if (next > bytes.length) throw new Error('the message is cut off');
    sections.push({ code: bytes.readUInt8(value - 1), bytes: bytes.subarray(at, next), value: bytes.subarray(value, next) });
    at = next;
  }
  return sections;
}

// What a binary or text value holds, without its constructor and length.
const content = (value) => value.subarray(value[0] >> 4 === 0xa ? 2 : 5);

// The pairs of a map as [key, bytes of key and value]; our annotations have symbols as keys.
function pairs(map) {
  const wide = map[0] === 0xd1;
  const found = [];
  for (let at = wide ? 9 : 3; at < map.length;) {
    const value = end(map, at);
    const next = end(map, value);
    found.push([content(map.subarray(at, value)).toString(), map.subarray(at, next)]);
    at = next;
  }
  return found;
}

const symbol = (text) => Buffer.concat([Buffer.from([0xa3, text.length]), Buffer.from(text)]);
const string = (text) => {
  const utf8 = Buffer.from(text);
  const head = Buffer.from([0xb1, 0, 0, 0, 0]);
  head.writeUInt32BE(utf8.length, 1);
  return Buffer.concat([head, utf8]);
};
const eight = (constructor) => (number) => {
  const bytes = Buffer.from([constructor, 0, 0, 0, 0, 0, 0, 0, 0]);
  bytes.writeBigInt64BE(BigInt(number), 1);
  return bytes;
};
const long = eight(0x81);
const timestamp = eight(0x83);

// A section of annotations: `kept` are pairs as they came, `ours` is {name: encoded value}.
function annotate(code, ours, kept = []) {
  const written = Object.entries(ours).map(([name, value]) => Buffer.concat([symbol(name), value]));
  const body = Buffer.concat([...kept, ...written]);
  const head = Buffer.from([0, 0x53, code, 0xd1, 0, 0, 0, 0, 0, 0, 0, 0]);
  head.writeUInt32BE(body.length + 4, 4);
  head.writeUInt32BE(2 * (kept.length + written.length), 8);
  return Buffer.concat([head, body]);
}

// An event with the broker's annotations in place of any that the sender wrote: {head, rest}, between which each delivery
// may put annotations of its own. Those that the sender meant for its own hop end here.
function stamp(bytes, ours) {
  const sections = split(bytes);
  const kept = sections
    .filter((section) => section.code === MESSAGE_ANNOTATIONS)
    .flatMap((section) => pairs(section.value))
    .filter(([name]) => !(name in ours))
    .map(([, pair]) => pair);
  const named = (code) => sections.filter((section) => section.code === code).map((section) => section.bytes);
  const others = sections.filter((section) => section.code > MESSAGE_ANNOTATIONS).map((section) => section.bytes);
  return {
    head: Buffer.concat(named(HEADER)),
    rest: Buffer.concat([annotate(MESSAGE_ANNOTATIONS, ours, kept), ...others]),
  };
}

// The text of one of a message's annotations, or undefined.
function annotation(bytes, name) {
  const section = split(bytes).find((each) => each.code === MESSAGE_ANNOTATIONS);
  const pair = section && pairs(section.value).find(([key]) => key === name);
  return pair && content(pair[1].subarray(end(pair[1], 0))).toString();
}

// What travels in a batch: each data section of the envelope is an event of its own, encoded.
const batched = (bytes) => split(bytes).filter((section) => section.code === DATA).map((section) => content(section.value));

module.exports = { DELIVERY_ANNOTATIONS, annotate, annotation, batched, long, stamp, string, timestamp };
