// Stand-ins for native provider plugins that cannot be had: `node provider.mjs <mode> <package>...` serves each package on a port of
// its own and prints the ports as a JSON array. Modes: preview (nothing is changed), render (manifests go to MODELMILE_RENDER_DIR),
// apply (what a stand-in can do, it does). They say so on standard error. Unlike the plugins they validate nothing.
import { createRequire } from 'node:module';
import { changesBetween } from './replacements.mjs';
import { fromStruct, toStruct } from './values.mjs';

const require = createRequire(import.meta.url);
const sdk = createRequire(require.resolve('@pulumi/pulumi/package.json'));
const grpc = sdk('@grpc/grpc-js');
const messages = sdk('./proto/provider_pb.js');
const { ResourceProviderService } = sdk('./proto/provider_grpc_pb.js');
const { PluginInfo } = sdk('./proto/plugin_pb.js');
const { Empty } = sdk('google-protobuf/google/protobuf/empty_pb.js');
const { Struct } = sdk('google-protobuf/google/protobuf/struct_pb.js');

const [mode, ...packages] = process.argv.slice(2);

function message(Type, fields) {
  const made = new Type();
  for (const [key, value] of Object.entries(fields)) made[`set${key}`](value);
  return made;
}

const typeOf = (urn) => urn.split('::')[2].split('$').at(-1);
/** A gRPC handler of what may fail: with a sentence, never with a stack trace. */
const answer = (make) => (call, done) =>
  Promise.resolve(call.request)
    .then(make)
    .then(
      (response) => done(null, response),
      (error) => done({ code: grpc.status.FAILED_PRECONDITION, message: error.message }),
    );

/** The kind of each change as Pulumi numbers it. */
const { Kind } = messages.PropertyDiff;
const kinds = { add: Kind.ADD, delete: Kind.DELETE, update: Kind.UPDATE };

function diff(request) {
  const type = typeOf(request.getUrn());
  const changes = changesBetween(
    type,
    fromStruct(request.getOldInputs() ?? request.getOlds()),
    fromStruct(request.getNews()),
  );
  const response = message(messages.DiffResponse, {
    Changes: changes.length > 0 ? 2 : 1,
    Hasdetaileddiff: true,
    DiffsList: [...new Set(changes.map(({ path }) => path.split(/[.[]/)[0]))],
    ReplacesList: changes.filter(({ replaces }) => replaces === true).map(({ path }) => path),
    Deletebeforereplace: changes.some(({ replaces }) => replaces === true),
  });
  for (const { path, op, replaces } of changes) {
    const kind = kinds[op] + (replaces === true ? 1 : 0);
    response.getDetaileddiffMap().set(path, message(messages.PropertyDiff, { Kind: kind, Inputdiff: true }));
    if (replaces === undefined)
      process.stderr.write(
        `stand-in: ${request.getUrn().split('::').at(-1)} (${type}) ${path}: replacement unknown\n`,
      );
  }
  return response;
}

async function serve(name) {
  const { version } = require(`@pulumi/${name}/package.json`);
  const { standIn } = await import(`./${name}.mjs`);
  const resources = standIn(mode);
  const about = (request) => ({
    type: typeOf(request.getUrn()),
    urn: request.getUrn(),
    inputs: fromStruct(request.getProperties?.() ?? request.getNews()),
  });
  const implementation = {
    handshake: answer(() => new messages.ProviderHandshakeResponse()),
    attach: answer(() => new Empty()),
    getSchema: answer(() =>
      message(messages.GetSchemaResponse, { Schema: JSON.stringify({ name, version }) }),
    ),
    checkConfig: answer((request) => message(messages.CheckResponse, { Inputs: request.getNews() })),
    // Another region or cluster is another provider; what it holds is not moved.
    diffConfig: answer(() => message(messages.DiffResponse, { Changes: 1 })),
    configure: answer((request) => {
      resources.configure?.(fromStruct(request.getArgs()));
      return message(messages.ConfigureResponse, {
        Acceptsecrets: true,
        Supportspreview: true,
        Acceptresources: true,
      });
    }),
    check: answer((request) =>
      message(messages.CheckResponse, { Inputs: request.getNews() ?? new Struct() }),
    ),
    diff: answer(diff),
    create: answer(async (request) => {
      const asked = request.getProperties() ?? new Struct();
      if (request.getPreview()) {
        const known = (await resources.preview?.(about(request))) ?? {};
        return message(messages.CreateResponse, { Properties: toStruct(Struct, asked, known) });
      }
      const { id, outputs } = await resources.create(about(request));
      return message(messages.CreateResponse, { Id: id, Properties: toStruct(Struct, asked, outputs) });
    }),
    update: answer(async (request) => {
      const asked = request.getNews();
      const { outputs } = request.getPreview()
        ? { outputs: (await resources.preview?.(about(request))) ?? {} }
        : await resources.update({ ...about(request), id: request.getId() });
      return message(messages.UpdateResponse, { Properties: toStruct(Struct, asked, outputs) });
    }),
    read: answer(async (request) => {
      const there = (await resources.exists?.({ ...about(request), id: request.getId() })) ?? true;
      if (!there) return new messages.ReadResponse();
      return message(messages.ReadResponse, {
        Id: request.getId(),
        Properties: request.getProperties() ?? new Struct(),
        Inputs: request.getInputs() ?? new Struct(),
      });
    }),
    delete: answer(async (request) => {
      await resources.delete({ ...about(request), id: request.getId() });
      return new Empty();
    }),
    // Nothing is looked up: outputs that hang on it stay unknown.
    invoke: answer(() => message(messages.InvokeResponse, { Return: new Struct() })),
    cancel: answer(() => new Empty()),
    getPluginInfo: answer(() => message(PluginInfo, { Version: version })),
  };
  for (const [method, row] of Object.entries(ResourceProviderService)) {
    implementation[method] ??= row.responseStream
      ? (call) => call.emit('error', { code: grpc.status.UNIMPLEMENTED, message: method })
      : (_call, done) => done({ code: grpc.status.UNIMPLEMENTED, message: method });
  }
  const server = new grpc.Server({
    'grpc.max_receive_message_length': -1,
    'grpc.max_send_message_length': -1,
  });
  server.addService(ResourceProviderService, implementation);
  const port = await new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  process.stderr.write(`a stand-in takes the place of the ${name} provider: ${resources.does}\n`);
  return port;
}

process.stdout.write(`${JSON.stringify(await Promise.all(packages.map(serve)))}\n`);
process.on('disconnect', () => process.exit(0));
