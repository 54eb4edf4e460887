'use strict';
// Who may use the namespace: a client puts a shared access signature on the node $cbs before it opens links.
// https://learn.microsoft.com/en-us/azure/service-bus-messaging/service-bus-amqp-protocol-guide#claims-based-authorization
const crypto = require('crypto');

const PREFIX = 'SharedAccessSignature ';
const ACCEPTED = { status: 202, description: 'Accepted' };
const MALFORMED = { status: 401, description: 'MalformedToken: The token is not a shared access signature.' };
const UNSIGNED = { status: 401, description: 'InvalidSignature: The token has an invalid signature.' };
const EXPIRED = { status: 401, description: 'ExpiredToken: The token is expired.' };

class Tokens {
  constructor(keyName, key) {
    this.keyName = keyName;
    this.key = key;
    this.expiries = new WeakMap(); // of connections, in seconds
  }

  // Answer a put-token request, and remember until when the connection is good.
  put(connection, { body }) {
    const { expiry, ...answer } = this.judge(String(body));
    if (expiry) this.expiries.set(connection, expiry);
    return answer;
  }

  judge(token) {
    if (!token.startsWith(PREFIX)) return MALFORMED;
    const fields = new URLSearchParams(token.slice(PREFIX.length));
    const [resource, signature, expiry] = ['sr', 'sig', 'se'].map((name) => fields.get(name) || '');
    if (fields.get('skn') !== this.keyName || !this.signs(resource, expiry, signature)) return UNSIGNED;
    if (!(Number(expiry) > Date.now() / 1000)) return EXPIRED;
    return { ...ACCEPTED, expiry: Number(expiry) };
  }

  // Clients disagree about the case of the escapes that they sign.
  signs(resource, expiry, signature) {
    const escaped = encodeURIComponent(resource);
    return [escaped, escaped.toLowerCase()].some((each) => {
      const made = crypto.createHmac('sha256', this.key).update(`${each}\n${expiry}`).digest('base64');
      return made === signature;
    });
  }

  admits(connection) {
    return (this.expiries.get(connection) || 0) > Date.now() / 1000;
  }
}

module.exports = { Tokens };
