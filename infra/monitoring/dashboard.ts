import { type Dashboard, DashboardBuilder, RowBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder } from '@grafana/grafana-foundation-sdk/timeseries';
import { type Metric, type MonitoringKind, metrics, type Panel } from '../../serving/contract/index.ts';
import { platformPanels } from './platform-alerts.ts';

/** Grafana finds its data source by this. */
export const datasourceUid = 'prometheus';
const datasource = { type: 'prometheus', uid: datasourceUid };

const rows: Readonly<Record<MonitoringKind, string>> = {
  performance: 'Performance: response time, throughput, resources',
  anomaly: 'Anomalies: errors and failures',
  security: 'Security: access and audit',
};

function panel({ title, unit, queries }: Panel, help: string): PanelBuilder {
  const graph = new PanelBuilder()
    .title(title)
    .description(help)
    .unit(unit)
    .datasource(datasource)
    .span(12)
    .height(8)
    .min(0);
  Object.entries(queries).forEach(([legend, expr], i) => {
    graph.withTarget(
      new DataqueryBuilder()
        .refId(String.fromCharCode(65 + i))
        .expr(expr)
        .legendFormat(legend)
        .range()
        .datasource(datasource),
    );
  });
  return graph;
}

/** All panels with the sentence that explains them. */
export function allPanels(): { panel: Panel; help: string }[] {
  const catalogue = Object.values(metrics as Readonly<Record<string, Metric>>).flatMap((metric) =>
    metric.panel ? [{ panel: metric.panel, help: metric.help }] : [],
  );
  return [...catalogue, ...platformPanels.map((one) => ({ panel: one, help: '' }))];
}

/** The dashboard of a stack: a row a kind of monitoring, a graph a row of the catalogue. */
export function dashboard(): Dashboard {
  const board = new DashboardBuilder('modelmile')
    .uid('modelmile')
    .title('modelmile: the service and its models')
    .tags(['modelmile'])
    .timezone('browser')
    .time({ from: 'now-6h', to: 'now' })
    .refresh('30s')
    .readonly();
  const panels = allPanels();
  for (const [kind, title] of Object.entries(rows)) {
    const here = panels.filter((one) => one.panel.kind === kind);
    if (here.length === 0) continue;
    board.withRow(new RowBuilder(title));
    for (const one of here) board.withPanel(panel(one.panel, one.help));
  }
  return board.build();
}
