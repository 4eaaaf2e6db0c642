import type { Alert } from '../../serving/contract/index.ts';
import { allAlerts } from './rules.ts';
import type { Objectives } from './slo.ts';

const list = (items: readonly string[]) => items.map((item, i) => `${i + 1}. ${item}`).join('\n');

function runbook(alert: Alert): string {
  return `# ${alert.name}

${alert.summary.replaceAll('{{ $labels.', '<').replaceAll('{{ $value', '<value').replaceAll(' }}', '>')}

| kind | severity | holds for |
|---|---|---|
| ${alert.kind} | ${alert.severity === 'page' ? 'page: someone is woken' : 'ticket: waits for working hours'} | ${alert.for} |

## What it means

${alert.runbook.meaning}

## Look

${list(alert.runbook.look)}

## Mend

${list(alert.runbook.mend)}

## The rule

\`\`\`promql
${alert.expr}
\`\`\`
`;
}

/** File name -> text of docs/runbooks: written from the rows, so that an alert without a runbook cannot be. */
export function runbookFiles(objectives: Objectives): Readonly<Record<string, string>> {
  const alerts = allAlerts(objectives);
  const rows = alerts.map(
    (alert) =>
      `| [${alert.name}](${alert.name}.md) | ${alert.kind} | ${alert.severity} | ${alert.runbook.meaning} |`,
  );
  const index = `# Runbooks

One a rule, written from the rows in \`serving/contract/metrics.ts\` and \`infra/monitoring/\` by \`npx tsx infra/write-pages.ts\`;
a test fails where they differ. Every alert links to its page.

| alert | kind | severity | what it means |
|---|---|---|---|
${rows.join('\n')}
`;
  return {
    'README.md': index,
    ...Object.fromEntries(alerts.map((alert) => [`${alert.name}.md`, runbook(alert)])),
  };
}
