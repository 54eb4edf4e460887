// Microsoft's own client, told by lines of JSON what to do, and telling by lines of JSON what happens to it.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const asked = JSON.parse(process.argv[2]);
const signalR = createRequire(asked.modules)("@microsoft/signalr");
const tell = (event, more = {}) => process.stdout.write(JSON.stringify({ event, ...more }) + "\n");
const words = (error) => (error === undefined ? null : String(error.message ?? error));

const connection = new signalR.HubConnectionBuilder()
  .withUrl(asked.url, { accessTokenFactory: () => asked.token, transport: asked.transport })
  .withAutomaticReconnect(Array(600).fill(50))
  .configureLogging(signalR.LogLevel.None)
  .build();
connection.keepAliveIntervalInMilliseconds = asked.keepAlive ?? 15000;
for (const target of ["feed", "mail"]) connection.on(target, (...list) => tell("message", { target, arguments: list }));
connection.onreconnecting((error) => tell("reconnecting", { error: words(error) }));
connection.onreconnected(() => tell("reconnected"));
connection.onclose((error) => tell("closed", { error: words(error) }));

const commands = {
  invoke: () => connection.invoke("anything", 1).then(() => tell("answered"), (error) => tell("refused", { error: words(error) })),
  stop: () => connection.stop(),
};
createInterface({ input: process.stdin })
  .on("line", (line) => commands[line]())
  .on("close", () => process.exit(0));
connection.start().then(() => tell("connected"), (error) => tell("failed", { error: words(error) }));
