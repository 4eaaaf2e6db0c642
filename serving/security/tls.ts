import { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls';
import type { ServingSettings } from '../contract/index.ts';
import { ServingError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Audit } from './audit.ts';
import { WatchedFiles } from './watched-files.ts';

const handshakeTimeoutMs = 10_000;

/** Protocols that a listener's clients may choose (ALPN). */
const protocolsOf = { rest: ['http/1.1'], grpc: ['h2'] } as const;

/**
 * OpenSSL passes over what it cannot read of an authority, and of a chain after its first certificate: whoever it is for could not
 * connect.
 * @throws Error naming the setting
 */
function assertWhole(setting: string, pem: Buffer): void {
  const certificates = pem
    .toString('latin1')
    .split(/(?=-----BEGIN )/)
    .filter((part) => /^-----BEGIN (X509 |TRUSTED )?CERTIFICATE-----/.test(part));
  if (certificates.length === 0) throw new Error(`${setting} holds no certificate`);
  try {
    for (const certificate of certificates) new X509Certificate(certificate);
  } catch (error) {
    throw new Error(`${setting} holds a certificate that cannot be read: ${(error as Error).message}`);
  }
}

/** @throws Error where no client would take the certificate any more, or yet */
function assertCurrent(pem: Buffer): void {
  const { validFrom, validTo } = new X509Certificate(pem);
  if (Date.parse(validFrom) > Date.now()) throw new Error(`certFile is valid from ${validFrom} on`);
  if (Date.parse(validTo) < Date.now()) throw new Error(`certFile expired at ${validTo}`);
}

/** Ends TLS for the sockets of one listener; hands on what is inside. Never listens itself. */
export class TlsGate {
  readonly #server: Server;
  readonly #files: WatchedFiles<TlsOptions>;

  private constructor(server: Server, files: WatchedFiles<TlsOptions>) {
    this.#server = server;
    this.#files = files;
  }

  /** @throws ServingError SERVING_BAD_SETTINGS where the files cannot be used */
  static async open(
    settings: NonNullable<ServingSettings['tls']>,
    listener: keyof typeof protocolsOf,
    onSocket: (socket: TLSSocket) => void,
    audit: Audit,
    log: Log,
  ): Promise<TlsGate> {
    const { certFile, keyFile, clientCaFile } = settings;
    const paths = [certFile, keyFile, ...(clientCaFile === undefined ? [] : [clientCaFile])];
    let server: Server | undefined;
    let served: Buffer | undefined;
    const read = ([cert, key, ca]: readonly Buffer[]): TlsOptions => {
      assertWhole('certFile', cert as Buffer);
      if (ca !== undefined) assertWhole('clientCaFile', ca);
      // At a start there is none that works better, and one that has expired meanwhile holds no other file up.
      if (served?.equals(cert as Buffer) === false) assertCurrent(cert as Buffer);
      const options: TlsOptions = { cert, key, ca, minVersion: 'TLSv1.2' };
      // Throws where the certificate and the key do not belong together, before anything is changed.
      createServer(options);
      served = cert;
      return options;
    };
    const onChange = (options: TlsOptions) => {
      server?.setSecureContext(options);
      audit.event('certificates-changed', { listener });
    };
    try {
      const files = await WatchedFiles.open(paths, read, onChange, log);
      const isMutual = clientCaFile !== undefined;
      server = createServer(
        {
          ...files.current,
          requestCert: isMutual,
          rejectUnauthorized: isMutual,
          ALPNProtocols: [...protocolsOf[listener]],
          handshakeTimeout: handshakeTimeoutMs,
        },
        onSocket,
      );
      server.on('tlsClientError', (error, socket) => {
        log.debug({ reason: error.message }, 'a TLS handshake failed');
        socket.destroy();
      });
      return new TlsGate(server, files);
    } catch (error) {
      throw new ServingError('SERVING_BAD_SETTINGS', `tls: ${(error as Error).message}`);
    }
  }

  accept(socket: Socket): void {
    this.#server.emit('connection', socket);
  }

  close(): void {
    this.#files.close();
  }
}
