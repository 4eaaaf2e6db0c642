import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { Agent, type RequestOptions, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { Client, credentials } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createLog } from '../../../serving/log.ts';
import { TlsGate } from '../../../serving/security/tls.ts';
import { until } from '../../support/load.ts';
import { type Certificate, hasOpenssl, makeAuthority, makeCertificate } from '../support/certificates.ts';
import { scaledSum } from '../support/models.ts';
import { startServer, type TestServer } from '../support/server.ts';

const suite = hasOpenssl ? describe : describe.skip;

suite('a server with TLS and client certificates', () => {
  let folder: string;
  let authority: Certificate;
  let client: Certificate;
  let stranger: Certificate;
  let server: TestServer;
  const files = { certFile: '', keyFile: '', clientCaFile: '' };

  const install = async (certificate: Certificate) => {
    await copyFile(certificate.keyFile, files.keyFile);
    await copyFile(certificate.certFile, files.certFile);
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'modelmile-tls-'));
    files.certFile = join(folder, 'served.crt');
    files.keyFile = join(folder, 'served.key');
    files.clientCaFile = join(folder, 'clients.crt');
    authority = await makeAuthority(folder, 'authority');
    await copyFile(authority.certFile, files.clientCaFile);
    client = await makeCertificate(folder, 'client-one', authority);
    stranger = await makeCertificate(folder, 'stranger', await makeAuthority(folder, 'another'));
    await install(await makeCertificate(folder, 'first', authority));
    server = await startServer({ sums: { 1: scaledSum(2) } }, { tls: files, logLevel: 'debug' });
  });
  afterAll(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const agentOf = async (certificate: Certificate | undefined): Promise<Agent> =>
    new Agent({
      keepAlive: true,
      maxSockets: 1,
      ca: await readFile(authority.certFile),
      ...(certificate && {
        cert: await readFile(certificate.certFile),
        key: await readFile(certificate.keyFile),
      }),
    });

  /** Status of a prediction, and the common name of the server's certificate. */
  const predict = (agent: Agent): Promise<{ status: number; name: string; socket: TLSSocket }> =>
    new Promise((resolve, reject) => {
      const options: RequestOptions = {
        host: '127.0.0.1',
        port: server.state.rest.port,
        path: '/v1/models/sums:predict',
        method: 'POST',
        agent,
      };
      const outgoing = request(options, (response) => {
        const socket = response.socket as TLSSocket;
        const name = String(socket.getPeerCertificate().subject.CN);
        response.on('end', () => resolve({ status: response.statusCode ?? 0, name, socket })).resume();
      });
      outgoing.on('error', reject);
      outgoing.end('{"instances":[[1,2]]}');
    });

  /** What the server says of itself over gRPC. */
  const isLive = async (certificate: Certificate): Promise<boolean> => {
    const secure = credentials.createSsl(
      await readFile(authority.certFile),
      await readFile(certificate.keyFile),
      await readFile(certificate.certFile),
    );
    const grpc = new Client(server.grpc, secure);
    const live = await new Promise<Buffer>((resolve, reject) => {
      const path = '/inference.GRPCInferenceService/ServerLive';
      const plain = (bytes: Buffer) => bytes;
      grpc.makeUnaryRequest(path, plain, plain, Buffer.alloc(0), (error, answer) =>
        error ? reject(error) : resolve(answer as Buffer),
      );
    });
    grpc.close();
    // Field 1 (live) is true.
    return live.equals(Buffer.from([0x08, 0x01]));
  };

  it('answers who shows a certificate of the authority, and notes its name', async () => {
    const agent = await agentOf(client);
    expect(await predict(agent)).toMatchObject({ status: 200, name: 'first' });
    agent.destroy();
    await until(() => server.log().includes('"caller":"client-one"'), 'the caller is in the log');
  });

  it('calls who has no common name by its other names, over REST and gRPC', async () => {
    const nameless = await makeCertificate(folder, 'nameless', authority, '/');
    const before = server.log().length;
    const named = () =>
      server.log().slice(before).split('"caller":"DNS:localhost, IP Address:127.0.0.1"').length;
    const agent = await agentOf(nameless);
    expect(await predict(agent)).toMatchObject({ status: 200 });
    agent.destroy();
    await until(() => named() === 2, 'the caller is in the log');
    expect(await isLive(nameless)).toBe(true);
    await until(() => named() === 3, 'the caller is in the log');
  });

  it('lets nobody in without a certificate, or with one of another authority', async () => {
    for (const certificate of [undefined, stranger]) {
      const agent = await agentOf(certificate);
      await expect(predict(agent)).rejects.toThrow();
      agent.destroy();
    }
  });

  it('speaks TLS on gRPC too', async () => {
    expect(await isLive(client)).toBe(true);
  });

  it('takes new certificates without a restart and without closing a connection', async () => {
    const kept = await agentOf(client);
    const before = await predict(kept);
    await install(await makeCertificate(folder, 'second', authority));
    const newcomer = async () => {
      const agent = await agentOf(client);
      const { name } = await predict(agent);
      agent.destroy();
      return name;
    };
    await until(async () => (await newcomer()) === 'second', 'new connections get the new certificate');
    const after = await predict(kept);
    expect(after.status).toBe(200);
    expect(after.socket).toBe(before.socket);
    kept.destroy();
    expect(server.log()).toContain('"event":"certificates-changed"');
  });

  it.each([
    ['empty', () => ''],
    ['half', (whole: string) => whole.slice(0, whole.length / 2)],
    ['whole and half', (whole: string) => whole + whole.slice(0, whole.length / 2)],
  ])('keeps the authority that it knows while its new file is %s', async (_what, made) => {
    const before = server.log().length;
    await writeFile(files.clientCaFile, made(await readFile(authority.certFile, 'utf8')));
    await until(() => server.log().includes('stays in use', before), 'the server noticed');
    const agent = await agentOf(client);
    expect((await predict(agent)).status).toBe(200);
    agent.destroy();
  });

  it('does not start with an authority that is none', async () => {
    const audit = { event: () => {} };
    await writeFile(files.clientCaFile, 'none');
    await expect(
      TlsGate.open(files, 'rest', () => {}, audit, createLog('silent', 'test')),
    ).rejects.toMatchObject({
      code: 'SERVING_BAD_SETTINGS',
      message: expect.stringContaining('clientCaFile'),
    });
  });

  it('keeps the certificate that works when the new one does not fit its key', async () => {
    await copyFile(authority.certFile, files.clientCaFile);
    const before = server.log().length;
    await copyFile(stranger.certFile, files.certFile);
    await until(() => /key values mismatch.*stays in use/.test(server.log().slice(before)), 'it was noticed');
    const agent = await agentOf(client);
    expect((await predict(agent)).status).toBe(200);
    agent.destroy();
  });

  /** A gate on the files, with what it said was changed and what it refused. */
  async function openGate() {
    const changes: string[] = [];
    const log = createLog('silent', 'test');
    const refusals: unknown[] = [];
    log.error = (reason: unknown) => void refusals.push(reason);
    const audit = { event: (name: string) => void changes.push(name) };
    const gate = await TlsGate.open(files, 'rest', () => {}, audit, log);
    return { gate, changes, refusals };
  }

  it('keeps the certificate that works when the new one has expired', async () => {
    await install(await makeCertificate(folder, 'third', authority));
    await copyFile(authority.certFile, files.clientCaFile);
    const { gate, changes, refusals } = await openGate();
    const inAWeek = Date.now() + 7 * 24 * 60 * 60 * 1000;
    const clock = jest.spyOn(Date, 'now').mockReturnValue(inAWeek);
    try {
      // An authority that is let in no more is not kept by a certificate that nobody replaced.
      await copyFile(stranger.certFile, files.clientCaFile);
      await until(() => changes.length > 0, 'the authority was changed');
      await install(await makeCertificate(folder, 'fourth', authority));
      await until(() => refusals.length > 0, 'it was noticed');
    } finally {
      clock.mockRestore();
      gate.close();
    }
    expect(refusals).toContainEqual(
      expect.objectContaining({ reason: expect.stringContaining('certFile expired at') }),
    );
    expect(changes).toEqual(['certificates-changed']);
  });

  it('waits with a certificate that is not valid yet, and says so once', async () => {
    await install(await makeCertificate(folder, 'fifth', authority));
    const { gate, changes, refusals } = await openGate();
    const clock = jest.spyOn(Date, 'now').mockReturnValue(Date.now() - 24 * 60 * 60 * 1000);
    try {
      await install(await makeCertificate(folder, 'sixth', authority));
      // More than two looks.
      await new Promise((resolve) => setTimeout(resolve, 3_500));
    } finally {
      clock.mockRestore();
    }
    expect(changes).toEqual([]);
    expect(refusals.at(-1)).toMatchObject({ reason: expect.stringMatching(/certFile is valid from .* on/) });
    const told = refusals.length;
    await until(() => changes.length > 0, 'it is taken when it is valid');
    gate.close();
    expect(refusals).toHaveLength(told);
    // Once while the key of the one lay beside the certificate of the other at most.
    expect(told).toBeLessThanOrEqual(2);
  });
});
