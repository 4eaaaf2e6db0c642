import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { parse, stringify } from 'yaml';
import { alertmanagerConfig, prometheusConfig } from '../../infra/monitoring/config.ts';
import { allPanels, dashboard } from '../../infra/monitoring/dashboard.ts';
import { allAlerts, ruleFile } from '../../infra/monitoring/rules.ts';
import { runbookFiles } from '../../infra/monitoring/runbooks.ts';
import { defaultObjectives } from '../../infra/monitoring/slo.ts';
import { type Metric, metrics } from '../../serving/contract/index.ts';
import { type AlertCase, alertCases, type Series } from './alert-cases.ts';

const folder = mkdtempSync(join(tmpdir(), 'modelmile-rules-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const hasPromtool = spawnSync('promtool', ['--version']).status === 0;
/** Debian's package `prometheus` carries promtool. */
const withPromtool = hasPromtool ? it : it.skip;

const alerts = allAlerts(defaultObjectives);
const rulesFile = join(folder, 'rules.yml');
writeFileSync(rulesFile, stringify(ruleFile(defaultObjectives)));

/** A test of promtool in which the alert fires (or not) after so many minutes. */
function promtoolTest(alert: string, { atMinutes }: AlertCase, series: Series, fires: boolean) {
  return {
    interval: '1m',
    name: `${alert} ${fires ? 'fires' : 'stays quiet'}`,
    input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
    promql_expr_test: [
      {
        expr: `count(ALERTS{alertname="${alert}",alertstate="firing"}) > bool 0`,
        eval_time: `${atMinutes}m`,
        exp_samples: fires ? [{ labels: '{}', value: 1 }] : [],
      },
    ],
  };
}

function runPromtool(name: string, tests: object[], everyMinutes = 1) {
  const file = join(folder, `${name}.yml`);
  writeFileSync(file, stringify({ rule_files: [rulesFile], evaluation_interval: `${everyMinutes}m`, tests }));
  const { status, stdout, stderr } = spawnSync('promtool', ['test', 'rules', file], { encoding: 'utf8' });
  return { status, output: `${stdout}${stderr}` };
}

describe('the rules', () => {
  withPromtool('are rules to promtool', () => {
    const said = execFileSync('promtool', ['check', 'rules', '--lint=all', '--lint-fatal', rulesFile], {
      encoding: 'utf8',
    });
    expect(said).toMatch(/SUCCESS: \d+ rules found/);
  });

  it('have a case for every alert, and no case for any other', () => {
    expect(Object.keys(alertCases).sort()).toEqual(alerts.map(({ name }) => name).sort());
  });

  withPromtool.each(Object.entries(alertCases))('%s fires when it should, and only then', (alert, one) => {
    const { status, output } = runPromtool(
      alert,
      [promtoolTest(alert, one, one.fires, true), promtoolTest(alert, one, one.quiet, false)],
      // A day in minutes is a thousand rounds; rules of long windows lose nothing at a fifth of them.
      one.atMinutes > 600 ? 5 : 1,
    );
    expect({ status, output }).toEqual({ status: 0, output: expect.stringContaining('SUCCESS') });
  });

  withPromtool('would be found out if an alert did not fire', () => {
    const one = alertCases['GpuHot']!;
    expect(runPromtool('wrong', [promtoolTest('GpuHot', one, one.quiet, true)]).status).not.toBe(0);
  });

  it('speak only of metrics that the catalogue, the GPUs or Prometheus itself have', () => {
    const known = Object.keys(metrics);
    const { groups } = ruleFile(defaultObjectives);
    const recorded = groups.flatMap(({ rules }) =>
      rules.flatMap((rule) => ('record' in rule ? [rule.record] : [])),
    );
    const queries = [
      ...groups.flatMap(({ rules }) => rules.map(({ expr }) => expr)),
      ...allPanels().flatMap(({ panel }) => Object.values(panel.queries)),
    ];
    const named = queries
      .flatMap((query) => query.match(/\bmodelmile[a-zA-Z0-9_:]*/g) ?? [])
      .filter((name) => name !== 'modelmile');
    const strangers = named.filter(
      (name) =>
        !recorded.includes(name) &&
        !known.includes(name.replace(/_(bucket|count|sum)$/, '')) &&
        !known.includes(name),
    );
    expect(strangers).toEqual([]);
  });

  it('cover performance, anomalies and security, and burn rates of the promises', () => {
    expect(new Set(alerts.map(({ kind }) => kind))).toEqual(new Set(['performance', 'anomaly', 'security']));
    expect(
      alerts
        .filter(({ name }) => name.includes('BudgetBurns'))
        .map(({ severity }) => severity)
        .sort(),
    ).toEqual(['page', 'page', 'ticket', 'ticket']);
    expect(new Set(alerts.map(({ name }) => name)).size).toBe(alerts.length);
  });
});

describe('runbooks', () => {
  it('are on disk as the rows say, one an alert: npx tsx infra/write-pages.ts', () => {
    const docs = new URL('../../docs/runbooks/', import.meta.url);
    const files = runbookFiles(defaultObjectives);
    expect(readdirSync(docs).sort()).toEqual(Object.keys(files).sort());
    for (const [name, text] of Object.entries(files))
      expect(readFileSync(new URL(name, docs), 'utf8')).toBe(text);
  });

  it('are where each alert links to, and each tells what it means, how to look and how to mend', () => {
    const files = runbookFiles(defaultObjectives);
    for (const { rules } of ruleFile(defaultObjectives, 'https://runbooks.example').groups) {
      for (const rule of rules) {
        if (!('alert' in rule)) continue;
        expect(rule.annotations['runbook_url']).toBe(`https://runbooks.example/${rule.alert}.md`);
        expect(files[`${rule.alert}.md`]).toMatch(
          /## What it means\n\n.+[\s\S]*## Look\n\n1\. .+[\s\S]*## Mend\n\n1\. .+/,
        );
      }
    }
  });
});

describe('the dashboard', () => {
  it('draws every panel of the catalogue, each in the row of its kind', () => {
    const drawn = (dashboard().panels ?? []) as {
      type: string;
      title?: string;
      targets?: { expr: string }[];
    }[];
    const titles = drawn.filter(({ type }) => type === 'timeseries').map(({ title }) => title);
    const wanted = Object.values(metrics as Record<string, Metric>).flatMap(({ panel }) =>
      panel ? [panel.title] : [],
    );
    expect(wanted.length).toBeGreaterThan(1);
    for (const title of wanted) expect(titles).toContain(title);
    expect(drawn.filter(({ type }) => type === 'row').length).toBeGreaterThanOrEqual(2);
  });
});

describe('configurations', () => {
  // Debian's Prometheus is built without Kubernetes discovery, so pods are listed by hand here; all else is checked as it is.
  withPromtool('of Prometheus are what Prometheus reads', () => {
    const file = join(folder, 'prometheus.yml');
    const config = parse(
      prometheusConfig(
        [{ job: 'modelmile-serving', namespace: 'modelmile', component: 'serving', port: 'management' }],
        'modelmile-alertmanager:9093',
      ),
    );
    config.rule_files = [rulesFile];
    for (const job of config.scrape_configs) delete job.kubernetes_sd_configs;
    writeFileSync(file, stringify(config));
    expect(execFileSync('promtool', ['check', 'config', file], { encoding: 'utf8' })).toContain('SUCCESS');
  });

  it('of Alertmanager wake someone at once for a page, and gather tickets', () => {
    const { route, receivers } = parse(alertmanagerConfig());
    expect(route.routes).toEqual([
      expect.objectContaining({ matchers: ['severity="page"'], receiver: 'page', group_wait: '10s' }),
    ]);
    expect(receivers).toEqual([{ name: 'page' }, { name: 'ticket' }]);
  });
});
