// The end of a way out that is in the sandbox: a program that listens on the loopback of the sandbox's own empty network,
// and hands each connection on to the worker's socket. Any Node runs it.

/** Its arguments: a port, and the path of the socket. Once it listens it writes its process id, and ends its output. */
const program = `
const net = require("node:net");
const fs = require("node:fs");
const [port, path] = process.argv.slice(1);
const server = net.createServer({ allowHalfOpen: true }, (client) => {
  const worker = net.connect({ path, allowHalfOpen: true });
  for (const [one, other] of [[client, worker], [worker, client]]) {
    one.on("error", () => other.destroy());
    one.pipe(other);
  }
});
server.listen(Number(port), "127.0.0.1", () => {
  fs.writeSync(1, String(process.pid));
  fs.closeSync(1);
  // A connection must not get the number of an output: Node does not close those.
  fs.openSync("/dev/null", "w");
});
`;

/**
 * For the shell that starts a command in a sandbox. Its arguments: a Node, a port and the path of the socket, or three
 * empty ones where there is no way out; what follows is left as the arguments. It goes on in the background, as
 * `$forwarder`; `$unconnected` is not empty where it does not listen.
 */
export const startForwarder = `
forwarder= unconnected=
if [ -n "$1" ]; then
  forwarder=$("$1" --max-old-space-size=64 -e '${program}' "$2" "$3" </dev/null 3>&- 4>&- &)
  [ -n "$forwarder" ] || unconnected=yes
fi
shift 3
`;

export const noForwarder = ['', '', ''];
