import { beforeEach, expect, it } from '@jest/globals';
import { ServedModel, ServingSettings } from '../../../serving/contract/index.ts';
import { ModelControl } from '../../../serving/supervisor/model-control.ts';

const tried = ServedModel.parse({
  name: 'tried',
  versionLabels: { stable: 1, canary: 2 },
  weights: { stable: 9, canary: 1 },
  canary: {},
});
const others = ['a', 'b'].map((name) => ServedModel.parse({ name }));

let settings: ServingSettings;
let control: ModelControl;
const names = () => settings.models?.map(({ name }) => name).sort();
const modelOf = (wanted: string) => settings.models?.find(({ name }) => name === wanted);

beforeEach(() => {
  settings = ServingSettings.parse({
    modelRoot: '/models',
    stateDir: '/state',
    modelControl: true,
    models: [tried, ...others],
  });
  const apply = async (changed: () => ServingSettings) => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    settings = changed();
  };
  control = new ModelControl(() => ({ settings, chosen: [] }), apply, { event: () => {} });
});

it('a model that is unloaded and loaded again has the labels, shares and canary that it had', async () => {
  await control.change('unload', 'tried');
  expect(names()).toEqual(['a', 'b']);
  await control.change('load', 'tried');
  expect(modelOf('tried')).toEqual(tried);
  await control.configure(others);
  await control.configure([...others, ServedModel.parse({ ...tried, weights: {}, canary: undefined })]);
  expect(modelOf('tried')).toEqual(tried);
});

it('but not where the settings were said anew meanwhile', async () => {
  await control.change('unload', 'tried');
  control.forget();
  await control.change('load', 'tried');
  expect(modelOf('tried')).toEqual(ServedModel.parse({ name: 'tried' }));
});

it('of changes that come at the same time none is lost', async () => {
  await Promise.all(['a', 'b', 'tried'].map((name) => control.change('unload', name)));
  expect(names()).toEqual([]);
  await Promise.all(['a', 'b'].map((name) => control.change('load', name)));
  expect(names()).toEqual(['a', 'b']);
});
