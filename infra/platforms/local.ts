import { InfraError } from '../errors.ts';
import { LocalServer } from '../service/local-server.ts';
import type { Platform } from './platform.ts';

/** Everything on this machine: the environment is the machine itself, with an embedded database, queue and cache. */
export const local: Platform<undefined> = {
  environment: () => undefined,
  service(settings, models) {
    const tried = settings.models.find(({ canary }) => canary);
    if (tried) {
      throw new InfraError(
        'SETTING_INVALID',
        `modelmile:models: canary of ${tried.name} is for a cluster; here \`modelmile retrain\` compares before it promotes.`,
      );
    }
    const { restPort, grpcPort, managementPort, workers } = settings;
    const server = new LocalServer('server', {
      models: models.map(({ name, resource: { version, digest } }) => ({ name, version, digest })),
      restPort,
      grpcPort,
      managementPort,
      workers,
      // The dev stack is where feedback becomes training data (contract 5).
      recordInputs: true,
    });
    return { endpoint: server.endpoint, console: server.console };
  },
  monitoring: (settings) => ({ metrics: `http://127.0.0.1:${settings.managementPort}/metrics` }),
  feedback: () => 'embedded database: modelmile feedback export',
};
