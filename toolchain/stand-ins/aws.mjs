const refuse = async () => {
  throw new Error(
    'the stand-in for aws only previews: install the real plugin (`pulumi plugin install resource aws`) and leave --stand-ins out',
  );
};

/**
 * What follows from the inputs, for manifests of a cluster that is to come: where images are, and an address, without which the engine
 * would not ask for what is in the cluster.
 */
const forRendering = {
  'aws:eks/cluster:Cluster': () => ({
    endpoint: 'https://known-after-up',
    certificateAuthority: { data: '' },
  }),
  'aws:ecr/repository:Repository': ({ name }, { region, allowedAccountIds }) => ({
    repositoryUrl: `${[allowedAccountIds].flat()[0]}.dkr.ecr.${region}.amazonaws.com/${name}`,
  }),
};

/** AWS is previewed and never touched: nothing but the real plugin can make what costs money. */
export function standIn(mode) {
  let account = {};
  return {
    does: 'it only previews',
    configure({ region, allowedAccountIds }) {
      const list = typeof allowedAccountIds === 'string' ? JSON.parse(allowedAccountIds) : allowedAccountIds;
      account = { region, allowedAccountIds: list };
    },
    preview: ({ type, inputs }) => (mode === 'render' ? forRendering[type]?.(inputs, account) : {}),
    create: refuse,
    update: refuse,
    delete: refuse,
  };
}
