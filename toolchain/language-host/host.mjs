// The Node language host: what `pulumi` starts to run programs, providers and policy packs that are written for Node. The official
// one comes with the official download of the CLI; a CLI built from Go modules has none, so this stands in. It speaks Pulumi's
// LanguageRuntime service (proto/pulumi/language.proto) on the stubs of npm @pulumi/pulumi and prints its port on standard output.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { join } from 'node:path';

// An engine that is killed ends nothing that it started, and nobody else would. (Also in ../end-with-parent.mjs: this file stands alone.)
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) process.exit(1);
}, 1000).unref();

/** Exit code of a program that has already told the user what is wrong. */
const alreadyReported = 32;

/** npm packages as the checkout that is being deployed has them. */
function requireFrom(folders) {
  for (const folder of folders) {
    if (!folder) continue;
    const candidate = createRequire(join(folder, 'any.js'));
    try {
      candidate.resolve('@pulumi/pulumi/package.json');
      return candidate;
    } catch {}
  }
  process.stderr.write('error: @pulumi/pulumi is not installed here: run `npm ci` in the checkout\n');
  process.exit(1);
}

const require = requireFrom([process.cwd(), process.env.MODELMILE_CHECKOUT]);
const sdk = createRequire(require.resolve('@pulumi/pulumi/package.json'));
const grpc = sdk('@grpc/grpc-js');
const messages = sdk('./proto/language_pb.js');
const { LanguageRuntimeService } = sdk('./proto/language_grpc_pb.js');
const { PluginInfo } = sdk('./proto/plugin_pb.js');
const { Empty } = sdk('google-protobuf/google/protobuf/empty_pb.js');

/** The engine's address: last argument, or told in the handshake. */
let engine = process.argv.slice(2).findLast((argument) => !argument.startsWith('-')) ?? '';
if (/^127\.0\.0\.1:\d+$/.test(engine)) {
  // Killed before this was started, it is the parent no more.
  const [address, port] = engine.split(':');
  const probe = connect(Number(port), address, () => probe.destroy());
  probe.on('error', () => process.exit(1)).unref();
}
const children = new Set();

function start(args, options) {
  const child = spawn(process.execPath, args, options);
  children.add(child);
  child.on('exit', () => children.delete(child));
  return child;
}

const nodeArguments = (info) => {
  const text = info?.getOptions()?.toJavaScript().nodeargs;
  return typeof text === 'string' ? text.split(/\s+/).filter(Boolean) : [];
};

/** `["a", "b"]` as repeated `--name value`, leaving out what is empty. */
const flags = (values) =>
  Object.entries(values).flatMap(([name, value]) => (value ? [`--${name}`, String(value)] : []));

function run({ request }, done) {
  const info = request.getInfo();
  const program = info ? join(info.getProgramDirectory(), info.getEntryPoint()) : request.getProgram();
  const args = [
    ...nodeArguments(info),
    sdk.resolve('./cmd/run'),
    ...flags({
      monitor: request.getMonitorAddress(),
      engine,
      organization: request.getOrganization(),
      project: request.getProject(),
      'root-directory': info?.getRootDirectory(),
      stack: request.getStack(),
      pwd: request.getPwd(),
      parallel: request.getParallel(),
    }),
    ...(request.getDryrun() ? ['--dry-run'] : []),
    program,
    ...request.getArgsList(),
  ];
  const config = Object.fromEntries(request.getConfigMap().entries());
  const child = start(args, {
    cwd: request.getPwd() || undefined,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: {
      ...process.env,
      PULUMI_CONFIG: JSON.stringify(config),
      PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(request.getConfigsecretkeysList()),
      PULUMI_NODEJS_TYPESCRIPT: 'false',
    },
  });
  child.on('error', (error) => done({ code: grpc.status.INTERNAL, message: error.message }));
  child.on('exit', (code, signal) => {
    const response = new messages.RunResponse();
    if (code === alreadyReported) response.setBail(true);
    else if (code !== 0) response.setError(`the program ended with ${signal ?? `exit code ${code}`}`);
    done(null, response);
  });
}

/** Providers and policy packs that are folders with a Node program. */
function runPlugin(call) {
  const { request } = call;
  const info = request.getInfo();
  const runner = request.getKind() === 'analyzer' ? './cmd/run-policy-pack' : './cmd/run-plugin';
  const environment = Object.fromEntries(
    request.getEnvList().map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
  );
  const target = info?.getProgramDirectory() || request.getProgram();
  const args = [...nodeArguments(info), sdk.resolve(runner), ...request.getArgsList()];
  const child = start([...args, target], {
    cwd: request.getPwd() || undefined,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const say = (set) => (chunk) => {
    const response = new messages.RunPluginResponse();
    response[set](chunk);
    call.write(response);
  };
  child.stdout.on('data', say('setStdout'));
  child.stderr.on('data', say('setStderr'));
  call.on('cancelled', () => child.kill());
  child.on('close', (code) => {
    const response = new messages.RunPluginResponse();
    response.setExitcode(code ?? 1);
    call.write(response);
    call.end();
  });
}

const answer = (make) => (call, done) => done(null, make(call.request));
const unimplemented = (_call, done) =>
  done({ code: grpc.status.UNIMPLEMENTED, message: 'not offered by this host' });

const implementation = {
  handshake: answer((request) => {
    engine = request.getEngineAddress() || engine;
    return new messages.LanguageHandshakeResponse();
  }),
  getPluginInfo: answer(() => {
    const info = new PluginInfo();
    info.setVersion(sdk('./package.json').version);
    return info;
  }),
  // Dependencies come from package.json and the lockfile; nothing is fetched behind the user's back.
  getRequiredPackages: answer(() => new messages.GetRequiredPackagesResponse()),
  getRequiredPlugins: answer(() => new messages.GetRequiredPluginsResponse()),
  getProgramDependencies: answer(() => new messages.GetProgramDependenciesResponse()),
  about: answer(() => {
    const about = new messages.AboutResponse();
    about.setExecutable(process.execPath);
    about.setVersion(process.version);
    return about;
  }),
  run,
  runPlugin,
  installDependencies: (call) => call.end(),
  cancel: answer(() => {
    for (const child of children) child.kill('SIGINT');
    return new Empty();
  }),
};
for (const [name, method] of Object.entries(LanguageRuntimeService)) {
  implementation[name] ??= method.responseStream
    ? (call) => call.emit('error', { code: grpc.status.UNIMPLEMENTED, message: 'not offered by this host' })
    : unimplemented;
}

const limits = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 };
const server = new grpc.Server(limits);
server.addService(LanguageRuntimeService, implementation);
server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
  process.stdout.write(`${port}\n`);
});
