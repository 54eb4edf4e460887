'use strict';
// Event Hubs over AMQP 1.0, as far as Microsoft's clients need it: `node server.js '{"port": 0, "hubs": {"notifications": 4},
// "consumerGroups": [], "keptBytes": 1000000, "keyName": "...", "key": "..."}'`. Prints its port when it is ready. Not here: the Kafka endpoint, AMQP over
// WebSockets, TLS, tokens of Entra ID, anything that outlives the process.
const rhea = require('./dialect.js');
const { Namespace } = require('./hubs.js');
const management = require('./management.js');
const { Receivers } = require('./receivers.js');
const { Refusal } = require('./refusal.js');
const { Senders } = require('./senders.js');
const { Tokens } = require('./tokens.js');

const { port, hubs, consumerGroups, keptBytes, keyName, key } = JSON.parse(process.argv[2]);
const PRESETTLED = 1;
const CBS = '$cbs';
const MANAGEMENT = '$management';
const MANAGEMENT_PATH = /(^|\/)\$management$/;
// Silent connections are closed, by the cloud after four minutes and here too.
const IDLE_MS = 240_000;

const namespace = new Namespace(hubs, consumerGroups, keptBytes);
const senders = new Senders(namespace);
const receivers = new Receivers(namespace);
const tokens = new Tokens(keyName, key);
const connections = new Set();
const container = rhea.create_container({ id: 'eventhubs' });
container.sasl_server_mechanisms.enable_anonymous();

container.on('connection_open', ({ connection }) => {
  connections.add(connection);
  connection.socket.on('close', () => {
    connections.delete(connection);
    receivers.leave((sender) => sender.connection === connection);
  });
});

// A link on which the client sends. The names of events are rhea's: what is a sender there is a receiver here.
container.on('receiver_open', ({ receiver, connection }) => {
  take(receiver, receiver.remote.attach.target, (address) => {
    if (address === CBS) {
      return receiver.on('message', (context) => answer(context, CBS, tokens.put(connection, context.message)));
    }
    admit(connection, 'Send');
    if (!MANAGEMENT_PATH.test(address)) return senders.open(receiver, address);
    receiver.on('message', (context) => answer(context, MANAGEMENT, management.read(namespace, context.message)));
  });
});

// The client never settles what it receives, and a session keeps what is not settled: events and answers alike go out settled, or
// the one answer that let a receiver in would stop its session after 2,047 events.
container.on('sender_open', ({ sender, session, connection }) => {
  sender.local.attach.snd_settle_mode = PRESETTLED;
  take(sender, sender.remote.attach.source, (address) => {
    if (address !== CBS) admit(connection, 'Listen');
    const node = MANAGEMENT_PATH.test(address) ? MANAGEMENT : address;
    if (node !== CBS && node !== MANAGEMENT) return receivers.open(sender, address);
    session.answers = { ...session.answers, [node]: sender };
  });
});

container.on('sender_close', ({ sender: gone }) => receivers.leave((sender) => sender === gone));
container.on('session_close', ({ session }) => receivers.leave((sender) => sender.session === session));

// Attach a link at our end too; one that is refused is detached right after, with the reason.
function take(link, { address }, open) {
  link.set_target(link.remote.attach.target);
  link.set_source(link.remote.attach.source);
  try {
    open(String(address).replace(/^(amqps?:\/\/[^/]+)?\//, ''));
  } catch (problem) {
    if (!(problem instanceof Refusal)) throw problem;
    link.close({ condition: problem.condition, description: problem.description });
  }
}

function admit(connection, claim) {
  if (tokens.admits(connection)) return;
  const description = `Unauthorized access. '${claim}' claim(s) are required to perform this operation.`;
  throw new Refusal('amqp:unauthorized-access', description);
}

// The answer goes out on the other link that the client opened in the same session.
function answer({ delivery, message, receiver }, node, { status, description, condition, body }) {
  delivery.accept();
  const sender = receiver.session.answers && receiver.session.answers[node];
  if (!sender) return;
  const id = message.message_id;
  const properties = { 'status-code': rhea.types.wrap_int(status), 'status-description': description };
  if (condition) properties['error-condition'] = condition;
  sender.send({
    correlation_id: Buffer.isBuffer(id) ? rhea.types.wrap_uuid(id) : id,
    application_properties: properties,
    body,
  });
}

// What a client does wrong ends its connection, and no more than that.
for (const event of ['error', 'protocol_error', 'connection_error', 'session_error', 'receiver_error', 'sender_error']) {
  container.on(event, (problem) => console.error(event, String(problem.message || (problem.error && problem.error.description))));
}
container.on('disconnected', () => {});

const options = { port, host: '127.0.0.1', max_frame_size: 65536, idle_time_out: IDLE_MS, tcp_no_delay: true };
const server = container.listen({ ...options, receiver_options: { autoaccept: false } });
server.on('listening', () => console.log(server.address().port));
server.on('error', (problem) => {
  console.error(problem.message);
  process.exit(1);
});

// Whoever started us holds the other end of our input; when that is gone, even by kill -9, so are we. A line on it cuts all
// connections, as a network does.
process.stdin.on('end', () => process.exit(0));
process.stdin.on('data', () => {
  for (const connection of connections) connection.abort_socket(connection.socket);
});
process.stdin.unref(); // listening for that must not keep us alive after SIGTERM
