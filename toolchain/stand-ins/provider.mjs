// A stand-in for a native provider plugin, for previews where the real one cannot be had: `node provider.mjs <package>` prints its
// port. It takes every resource as it is asked for and answers look-ups with nothing, so computed outputs stay unknown; it validates
// nothing and changes nothing. It says so on standard error.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const sdk = createRequire(require.resolve('@pulumi/pulumi/package.json'));
const grpc = sdk('@grpc/grpc-js');
const messages = sdk('./proto/provider_pb.js');
const { ResourceProviderService } = sdk('./proto/provider_grpc_pb.js');
const { PluginInfo } = sdk('./proto/plugin_pb.js');
const { Empty } = sdk('google-protobuf/google/protobuf/empty_pb.js');
const { Struct } = sdk('google-protobuf/google/protobuf/struct_pb.js');

const name = process.argv[2];
const { version } = require(`@pulumi/${name}/package.json`);
const empty = () => Struct.fromJavaScript({});
const answer = (make) => (call, done) => done(null, make(call.request));
const refuse = (_call, done) =>
  done({
    code: grpc.status.FAILED_PRECONDITION,
    message: `the offline stand-in for ${name} changes nothing: install the real plugin (pulumi plugin install resource ${name} ${version})`,
  });

function message(Type, fields) {
  const made = new Type();
  for (const [key, value] of Object.entries(fields)) made[`set${key}`](value);
  return made;
}

const implementation = {
  handshake: answer(() => new messages.ProviderHandshakeResponse()),
  attach: answer(() => new Empty()),
  parameterize: refuse,
  getSchema: answer(() => message(messages.GetSchemaResponse, { Schema: JSON.stringify({ name, version }) })),
  checkConfig: answer((request) => message(messages.CheckResponse, { Inputs: request.getNews() })),
  diffConfig: answer(() => message(messages.DiffResponse, { Changes: 1 })),
  configure: answer(() =>
    message(messages.ConfigureResponse, {
      Acceptsecrets: true,
      Supportspreview: true,
      Acceptresources: true,
    }),
  ),
  check: answer((request) => message(messages.CheckResponse, { Inputs: request.getNews() ?? empty() })),
  // Only what the throw-away state of an offline preview knows: everything is new there.
  diff: answer(() => message(messages.DiffResponse, { Changes: 0 })),
  create: (call, done) => {
    if (!call.request.getPreview()) return refuse(call, done);
    done(null, message(messages.CreateResponse, { Properties: call.request.getProperties() ?? empty() }));
  },
  invoke: answer(() => message(messages.InvokeResponse, { Return: empty() })),
  read: answer((request) =>
    message(messages.ReadResponse, { Id: request.getId(), Properties: request.getProperties() ?? empty() }),
  ),
  update: refuse,
  delete: refuse,
  cancel: answer(() => new Empty()),
  getPluginInfo: answer(() => message(PluginInfo, { Version: version })),
};
for (const [method, row] of Object.entries(ResourceProviderService)) {
  implementation[method] ??= row.responseStream
    ? (call) => call.emit('error', { code: grpc.status.UNIMPLEMENTED, message: method })
    : (_call, done) => done({ code: grpc.status.UNIMPLEMENTED, message: method });
}

const server = new grpc.Server({ 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 });
server.addService(ResourceProviderService, implementation);
server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  process.stdout.write(`${port}\n`);
  process.stderr.write(`offline: a stand-in takes the place of the ${name} provider; it validates nothing\n`);
});
process.on('disconnect', () => process.exit(0));
