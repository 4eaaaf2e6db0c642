/** The recommended labels of Kubernetes for one part of modelmile; `selector` is the part that never changes. */
export interface Labels {
  readonly selector: Readonly<Record<string, string>>;
  readonly all: Readonly<Record<string, string>>;
}

/** `component` is what it is: `serving`, `prometheus`, `database`, ... One stack has a namespace of its own, so this names it. */
export function labelsOf(component: string): Labels {
  const selector = { 'app.kubernetes.io/name': 'modelmile', 'app.kubernetes.io/component': component };
  return { selector, all: { ...selector, 'app.kubernetes.io/managed-by': 'pulumi' } };
}
