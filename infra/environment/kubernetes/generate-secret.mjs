// Runs inside the cluster, once: makes a Secret with random values unless it is there. So the values are never known to the machine
// that ran `up`, nor to Pulumi's state. Templates: ${password} is the value of that key, ${sha256:password} its digest in hex.
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request } from 'node:https';

const folder = process.env.SERVICE_ACCOUNT_DIR ?? '/var/run/secrets/kubernetes.io/serviceaccount';
const read = (name) => readFileSync(`${folder}/${name}`, 'utf8');
const { name, labels, random, templates } = JSON.parse(process.env.SECRET_SPEC);

const values = Object.fromEntries(random.map((key) => [key, randomBytes(32).toString('base64url')]));
const fill = (template) =>
  template.replace(/\$\{(sha256:)?([^}]+)\}/g, (_, digest, key) =>
    digest ? createHash('sha256').update(values[key]).digest('hex') : values[key],
  );
for (const [key, template] of Object.entries(templates)) values[key] = fill(template);

const body = JSON.stringify({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, labels },
  type: 'Opaque',
  stringData: values,
});
const call = request(
  {
    host: process.env.KUBERNETES_SERVICE_HOST,
    port: process.env.KUBERNETES_SERVICE_PORT,
    method: 'POST',
    path: `/api/v1/namespaces/${read('namespace')}/secrets`,
    ca: read('ca.crt'),
    timeout: 20_000,
    headers: {
      authorization: `Bearer ${read('token')}`,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    },
  },
  (answer) => {
    answer.resume();
    if (answer.statusCode === 201) console.log(`secret ${name}: made`);
    else if (answer.statusCode === 409) console.log(`secret ${name}: is there already, left as it is`);
    else {
      console.error(`secret ${name}: the API server answered ${answer.statusCode}`);
      process.exitCode = 1;
    }
  },
);
call.on('timeout', () => call.destroy(new Error('the API server did not answer within 20 s')));
call.on('error', (error) => {
  console.error(`secret ${name}: ${error.message}`);
  process.exitCode = 1;
});
call.end(body);
