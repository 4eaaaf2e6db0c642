/** The recommended labels of Kubernetes for one part of an instance of modelmile; `selector` is the part that never changes. */
export interface Labels {
  readonly selector: Readonly<Record<string, string>>;
  readonly all: Readonly<Record<string, string>>;
}

/** `component` is what it is within the stack: `serving`, `prometheus`, `database`, ... */
export function labelsOf(instance: string, component: string): Labels {
  const selector = {
    'app.kubernetes.io/name': 'modelmile',
    'app.kubernetes.io/instance': instance,
    'app.kubernetes.io/component': component,
  };
  return { selector, all: { ...selector, 'app.kubernetes.io/managed-by': 'pulumi' } };
}
