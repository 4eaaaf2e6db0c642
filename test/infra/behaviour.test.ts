import { beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { refuseUnknown } from '../../infra/settings.ts';
import { ServingSettings } from '../../serving/contract/index.ts';
import { manifestsOf } from './kubernetes-schema.ts';
import { ofType, only, type Recorded } from './recorder.ts';
import { digest, resourcesOf, settingsOf } from './stacks.ts';

const serving = (all: readonly Recorded[]) => only(all, 'Deployment', '-workload').inputs.spec;

const serverSettings = (resources: readonly Recorded[]) =>
  ServingSettings.parse(
    JSON.parse(
      ofType(resources, 'ConfigMap').find(({ inputs }) => inputs.data?.['settings.json'])!.inputs.data[
        'settings.json'
      ],
    ),
  );

describe('the service in a cluster', () => {
  let all: Recorded[];
  beforeAll(async () => {
    all = await resourcesOf(settingsOf('staging'));
  });

  it('tells the server what its contract takes, and nothing secret', () => {
    const map = ofType(all, 'ConfigMap').find(({ inputs }) => inputs.data?.['settings.json'])!;
    const settings = ServingSettings.parse(JSON.parse(map.inputs.data['settings.json']));
    expect(settings).toMatchObject({
      modelRoot: '/models',
      rest: { host: '0.0.0.0' },
      console: false,
      recordInputs: false,
      database: { host: 'modelmile-database', credentialsDir: '/etc/modelmile/secrets/database' },
      keysFile: '/etc/modelmile/secrets/keys/keys.json',
    });
  });

  it('mounts the models by digest, so that a rollout that stops half-way mixes nothing up', () => {
    const map = ofType(all, 'ConfigMap').find(({ inputs }) => inputs.binaryData)!;
    expect(map.inputs).toMatchObject({
      immutable: true,
      metadata: { name: `model-model-${digest.slice(0, 12)}` },
    });
    expect(Object.keys(map.inputs.binaryData).sort()).toEqual(['manifest.json', 'model.onnx']);
    const [container] = serving(all).template.spec.containers;
    expect(container.volumeMounts).toContainEqual({
      name: 'model-0',
      mountPath: '/models/model/7',
      readOnly: true,
    });
  });

  it('loads before it is asked, stops being asked before it ends, and has time to finish', () => {
    const { terminationGracePeriodSeconds, containers } = serving(all).template.spec;
    const [{ startupProbe, livenessProbe, lifecycle }] = containers;
    expect(startupProbe.periodSeconds * startupProbe.failureThreshold).toBeGreaterThanOrEqual(60);
    expect(livenessProbe.httpGet).toEqual({ path: '/healthz', port: 9090 });
    expect(terminationGracePeriodSeconds).toBeGreaterThan(lifecycle.preStop.sleep.seconds + 30);
  });

  it('leaves the number of replicas to whoever scales', async () => {
    expect(serving(all)).not.toHaveProperty('replicas');
    const unscaled = await resourcesOf(settingsOf('staging', { scaleOn: 'none' }));
    expect(serving(unscaled).replicas).toBe(2);
  });

  it('opens port 9090 to Prometheus and nobody else', () => {
    const policy = ofType(all, 'NetworkPolicy').find(
      ({ inputs }) => inputs.metadata.name === 'modelmile-serving',
    )!;
    const { ingress } = policy.inputs.spec;
    const opened = ingress.filter((rule: { ports: { port: number }[] }) =>
      rule.ports.some(({ port }) => port === 9090),
    );
    expect(opened).toHaveLength(1);
    expect(opened[0].from).toEqual([
      {
        podSelector: {
          matchLabels: { 'app.kubernetes.io/name': 'modelmile', 'app.kubernetes.io/component': 'prometheus' },
        },
      },
    ]);
  });

  it('watches itself without a setting: rules, and who sends and shows them', async () => {
    const plain = await resourcesOf(settingsOf('staging', { monitoring: undefined }));
    const servers = ofType(plain, 'StatefulSet').map(({ inputs }) => inputs.metadata.name);
    expect(servers).toEqual(
      expect.arrayContaining(['modelmile-prometheus', 'modelmile-alertmanager', 'modelmile-grafana']),
    );
    const rules = ofType(plain, 'ConfigMap').find(({ inputs }) => inputs.data?.['rules.yml'])!;
    expect(rules.inputs.data['rules.yml'].match(/^ +- alert: /gm).length).toBeGreaterThan(15);
  });

  it('waits for what it deploys: nothing is marked to be skipped', () => {
    const objects = manifestsOf(all).map(({ manifest }) => JSON.stringify(manifest));
    expect(objects.filter((text) => text.includes('pulumi.com/skipAwait'))).toEqual([]);
  });

  it('logs at info, never what was sent', () => {
    expect(serverSettings(all)).toMatchObject({ logLevel: 'info', accessLog: false, recordInputs: false });
  });

  it('makes passwords in the cluster: no template, no environment and no argument holds one', () => {
    const jobs = ofType(all, 'Job').map(({ inputs }) => inputs.spec.template.spec.containers[0].env[0].value);
    expect(jobs.map((text) => JSON.parse(text).random)).toEqual(
      expect.arrayContaining([['password'], ['first']]),
    );
    const grafana = ofType(all, 'StatefulSet').find(
      ({ inputs }) => inputs.metadata.name === 'modelmile-grafana',
    )!;
    const names = grafana.inputs.spec.template.spec.containers[0].env.map(
      ({ name }: { name: string }) => name,
    );
    expect(names).toContain('GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION');
    expect(names.filter((name: string) => /PASSWORD/.test(name))).toEqual([]);
  });

  it('needs no spare GPU to roll out, takes a whole one and tolerates its taint', async () => {
    const onGpu = await resourcesOf(settingsOf('staging', { accelerator: 'gpu' }));
    const { strategy, template } = serving(onGpu);
    expect(strategy.rollingUpdate).toEqual({ maxSurge: 0, maxUnavailable: 1 });
    expect(template.spec.containers[0].resources.limits['nvidia.com/gpu']).toBe('1');
    expect(template.spec.tolerations).toEqual([
      { key: 'nvidia.com/gpu', operator: 'Exists', effect: 'NoSchedule' },
    ]);
    const map = ofType(onGpu, 'ConfigMap').find(({ inputs }) => inputs.data?.['settings.json'])!;
    expect(JSON.parse(map.inputs.data['settings.json']).executionProvider).toBe('cuda');
  });

  it('touches nothing outside its namespace where it has no rights there', async () => {
    const inside = manifestsOf(await resourcesOf(settingsOf('staging', { clusterRights: false })));
    expect(
      inside.filter(({ manifest }) => !(manifest['metadata'] as { namespace?: string }).namespace),
    ).toEqual([]);
  });
  const tried = (canary: object) => ({
    models: [{ name: 'model', source: 'samples/digits/model.h5', canary }],
    modelStore: 'volume:models',
  });

  it('tries a new version beside the stable one, with its share and its shadow', async () => {
    const settings = settingsOf('staging', tried({ stable: 6, percent: 10, shadow: 0.5 }));
    expect(serverSettings(await resourcesOf(settings)).models).toEqual([
      expect.objectContaining({
        versionPolicy: { specific: [6, 7] },
        versionLabels: { stable: 6, canary: 7 },
        weights: { stable: 90, canary: 10 },
        canary: expect.objectContaining({ shadow: 0.5, maxSlowdown: 3 }),
      }),
    ]);
  });

  it('tries nothing while the source is the stable version still', async () => {
    const settings = settingsOf('staging', tried({ stable: 7 }));
    const [model] = serverSettings(await resourcesOf(settings)).models!;
    expect(model).toMatchObject({ versionPolicy: { specific: [7] }, weights: {} });
    expect(model!.canary).toBeUndefined();
  });

  it.each([
    [
      'http://collector.observability:4318',
      { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'observability' } } },
      4318,
    ],
    ['http://collector:4318', { podSelector: {} }, 4318],
    ['https://otlp.example.com', { ipBlock: expect.objectContaining({ cidr: '0.0.0.0/0' }) }, 443],
  ])('lets traces out to %s and nowhere else', async (endpoint, peer, port) => {
    const policies = async (serving: object) =>
      ofType(await resourcesOf(settingsOf('staging', { serving })), 'NetworkPolicy').map(
        ({ inputs }) => inputs,
      );
    const [closed, open] = [await policies({}), await policies({ tracing: { endpoint } })];
    const opened = open.flatMap(({ spec }, i) =>
      (spec.egress ?? []).filter(
        (rule: unknown) =>
          !(closed[i]!.spec.egress ?? []).some(
            (old: unknown) => JSON.stringify(old) === JSON.stringify(rule),
          ),
      ),
    );
    expect(opened).toEqual([{ to: [peer], ports: [{ protocol: 'TCP', port }] }]);
  });

  it('hands on what the server is told by hand', async () => {
    const serving = { models: [{ name: 'model', versionPolicy: { latest: 2 } }], logLevel: 'warn' };
    expect(serverSettings(await resourcesOf(settingsOf('staging', { serving })))).toMatchObject(serving);
  });
});

describe('prod', () => {
  let all: Recorded[];
  beforeAll(async () => {
    all = await resourcesOf(settingsOf('prod'));
  });

  it('sends each zone out by a NAT gateway of its own', () => {
    const routes = ofType(all, 'RouteTable').map(({ inputs }) => inputs.routes[0].natGatewayId);
    expect(new Set(routes.filter(Boolean)).size).toBe(3);
    expect(ofType(all, 'Subnet').every(({ inputs }) => inputs.mapPublicIpOnLaunch === false)).toBe(true);
  });

  it('refuses to be deleted, with its data, until the setting says otherwise', async () => {
    const guarded = ['aws:eks/cluster:Cluster', 'aws:rds/instance:Instance'];
    const protection = (resources: readonly Recorded[]) =>
      guarded.map((type) => resources.find((one) => one.type === type)!.inputs.deletionProtection);
    expect(protection(all)).toEqual([true, true]);
    expect(only(all, 'BucketVersioning').inputs.versioningConfiguration.status).toBe('Enabled');
    const bucket = (resources: readonly Recorded[]) =>
      resources.find(({ type }) => type === 'aws:s3/bucket:Bucket')!.inputs.forceDestroy;
    expect(bucket(all)).toBe(false);
    const passing = await resourcesOf(settingsOf('prod', { protectData: false }));
    expect([...protection(passing), bucket(passing)]).toEqual([false, false, true]);
  });

  it('stays on standard support', () => {
    const cluster = all.find(({ type }) => type === 'aws:eks/cluster:Cluster')!;
    expect(cluster.inputs.upgradePolicy).toEqual({ supportType: 'STANDARD' });
  });

  it('has no node agents where no GPU is to be measured', async () => {
    const pools = settingsOf('prod').nodePools.filter(({ kind }) => kind === 'elastic');
    const without = await resourcesOf(settingsOf('prod', { nodePools: pools, monitoring: {} }));
    expect(ofType(without, 'DaemonSet')).toEqual([]);
    const mirrored = await resourcesOf(settingsOf('prod', { imageRegistry: 'mirror.example' }));
    const images = ofType(mirrored, 'DaemonSet').map(
      ({ inputs }) => inputs.spec.template.spec.containers[0].image,
    );
    expect(images).toHaveLength(2);
    for (const image of images) expect(image).toMatch(/^mirror\.example\//);
  });

  it('counts the money of what is tagged as its own', () => {
    const [{ values }] = all.find(({ type }) => type === 'aws:budgets/budget:Budget')!.inputs.costFilters;
    const { defaultTags } = all.find(({ type }) => type === 'pulumi:providers:aws')!.inputs;
    const { tags } = typeof defaultTags === 'string' ? JSON.parse(defaultTags) : defaultTags;
    expect(values).toEqual([`user:modelmile:stack$${tags['modelmile:stack']}`]);
  });

  it('uses the image by digest', () => {
    expect(serving(all).template.spec.containers[0].image).toMatch(/@sha256:[0-9a-f]{64}$/);
  });

  it('needs no docker where the image is given by digest', async () => {
    const image = `123456789012.dkr.ecr.eu-central-1.amazonaws.com/modelmile@sha256:${'0'.repeat(64)}`;
    const given = await resourcesOf(settingsOf('prod', { image }));
    expect(given.filter(({ type }) => type.startsWith('docker:'))).toEqual([]);
    expect(serving(given).template.spec.containers[0].image).toBe(image);
  });

  it('grows GPU pools spot first, from nothing to a limit, for pods that ask for GPUs', () => {
    const { spec } = only(all, 'NodePool', 'gpu').inputs;
    const requirement = spec.template.spec.requirements.find(
      ({ key }: { key: string }) => key === 'karpenter.sh/capacity-type',
    );
    expect(requirement.values).toEqual(['spot', 'on-demand']);
    expect(spec.limits['nvidia.com/gpu']).toBe('8');
    expect(spec.template.spec.taints).toEqual([
      { key: 'nvidia.com/gpu', value: 'true', effect: 'NoSchedule' },
    ]);
    expect(spec.disruption).toMatchObject({ consolidationPolicy: 'WhenEmpty' });
  });

  it('scales on requests where KEDA is installed, and asks the Prometheus that it runs', async () => {
    const scaled = await resourcesOf(settingsOf('prod', { scaleOn: 'keda' }));
    const [trigger] = only(scaled, 'ScaledObject').inputs.spec.triggers;
    expect(trigger.metadata.serverAddress).toBe('http://modelmile-prometheus.modelmile.svc:9090');
    const url = new URL(trigger.metadata.serverAddress);
    const service = ofType(all, 'Service').find(
      ({ inputs }) => `${inputs.metadata.name}.${inputs.metadata.namespace}.svc` === url.hostname,
    )!;
    expect(service.inputs.spec.ports).toContainEqual(expect.objectContaining({ port: 9090 }));
  });

  it('ends TLS on every port that leaves the cluster', () => {
    const service = ofType(all, 'Service').find(({ inputs }) => inputs.spec.type === 'LoadBalancer')!.inputs;
    const annotations = Object.entries(service.metadata.annotations) as [string, string][];
    const tls = annotations
      .find(([key]) => key.endsWith('ssl-ports'))![1]
      .split(',')
      .map(Number);
    expect(service.spec.ports.map(({ port }: { port: number }) => port).sort()).toEqual(tls.sort());
    expect(annotations.find(([key]) => key.endsWith('scheme'))).toEqual([expect.any(String), 'internal']);
    // HTTP2Preferred would talk HTTP/2 to the REST port of every caller that offers it.
    expect(annotations.find(([key]) => key.endsWith('alpn-policy'))![1]).toBe('HTTP2Optional');
  });

  it('sends pages and tickets to addresses that only the cluster knows', () => {
    const map = ofType(all, 'ConfigMap').find(({ inputs }) => inputs.data?.['alertmanager.yml'])!;
    const config = parse(map.inputs.data['alertmanager.yml']);
    expect(config.receivers).toEqual([
      {
        name: 'page',
        pagerduty_configs: [{ routing_key_file: '/etc/alertmanager/secrets/pagerduty', send_resolved: true }],
      },
      {
        name: 'ticket',
        slack_configs: [
          { api_url_file: '/etc/alertmanager/secrets/slack', channel: '#alerts', send_resolved: true },
        ],
      },
    ]);
  });
});

describe('bad settings are refused with the key, the value and the fix', () => {
  it.each([
    ['prod', { accountId: '12345' }, /accountId is "12345": twelve digits/],
    ['prod', { accountId: undefined }, /accountId is not set/],
    ['prod', { budget: undefined }, /budget is not set/],
    ['prod', { vpcCidr: '10.0.0.0/24' }, /vpcCidr: '10.0.0.0\/24' is no network of \/16 to \/20/],
    ['prod', { vpcCidr: '10.20.1.0/16' }, /on its own boundary/],
    ['prod', { clusterAdmins: [] }, /clusterAdmins: is empty/],
    ['prod', { endpointAccess: { cidrs: ['0.0.0.0/0'] } }, /endpointAccess.*\/0 is everyone/],
    [
      'prod',
      {
        nodePools: [
          {
            kind: 'fixed',
            name: 'a',
            instanceType: 'g6.xlarge',
            amiRelease: 'latest',
            minNodes: 0,
            maxNodes: 1,
          },
        ],
      },
      /nodePools.*amiRelease: a pinned release/,
    ],
    ['staging', { image: 'registry/modelmile:latest' }, /image is "registry\/modelmile:latest".*by digest/],
    [
      'staging',
      { image: undefined, imageRepository: undefined },
      /image: neither a reference by digest nor a registry/,
    ],
    [
      'staging',
      { exposure: { kind: 'load-balancer', sourceRanges: ['0.0.0.0/0'] } },
      /exposure.*\/0 is everyone/,
    ],
    ['prod', { serving: {} }, /MODELS_UNSIGNED: modelmile:serving.trustedKeys is empty.*openssl/s],
    ['staging', { modelStore: 's3://bucket/models' }, /MODELS_UNSIGNED/],
    [
      'staging',
      { models: [{ name: 'a', source: 'a.h5', canary: { stable: 1 } }] },
      /canary of a needs a store/,
    ],
    [
      'dev',
      { models: [{ name: 'a', source: 'a.h5', canary: { stable: 1 } }] },
      /canary of a is for a cluster/,
    ],
    [
      'dev',
      { models: [{ name: 'a', source: 'a.h5', method: 'auto' }] },
      /auto measures the machine.*name what/,
    ],
    ['staging', { serving: { logLevel: 'loud' } }, /serving is .*logLevel/],
    ['staging', { serving: { logLevels: 'info' } }, /serving is \{[^}]*\}: Unrecognized key: "logLevels"/],
    ['staging', { serving: { keysFile: '/tmp/keys' } }, /serving is .*keysFile follows from the stack/],
    ['staging', { namespace: 'Has Spaces' }, /namespace is "Has Spaces": lower-case/],
    ['staging', { modelStore: 'ftp://x' }, /modelStore is "ftp:\/\/x": config-map, s3/],
    [
      'staging',
      { monitoring: { slo: { latencySeconds: 0.3 } } },
      /slo.latencySeconds: 0.3 is not measured; the buckets are/,
    ],
    ['staging', { monitoring: { slo: { availability: 99.9 } } }, /monitoring is .*availability/],
    ['staging', { profile: 'no/such/profile.json' }, /no\/such\/profile.json/],
  ])('%s with %j', async (stack, changed, message) => {
    await expect((async () => resourcesOf(settingsOf(stack, changed)))()).rejects.toThrow(message);
  });
});

describe('settings', () => {
  it('are refused where a key is nobody’s, which is a typing mistake', () => {
    expect(() => refuseUnknown(['modelmile:restPort', 'aws:region'])).not.toThrow();
    expect(() => refuseUnknown(['modelmile:restPrt'])).toThrow(
      /SETTING_UNKNOWN: There is no setting 'modelmile:restPrt'.*modelmile settings/,
    );
  });
});
