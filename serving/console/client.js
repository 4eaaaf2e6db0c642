const predictionIdHeader = 'x-modelmile-prediction-id';

/** The server's own sentence where it refused; `status` 0 where it was not reached. */
export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function ask(path, body) {
  let response;
  try {
    response = await fetch(
      path,
      body === undefined
        ? {}
        : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) },
    );
  } catch (error) {
    throw new Refusal(0, error.message);
  }
  const text = await response.text();
  let answer;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new Refusal(response.status, text.slice(0, 200) || `HTTP ${response.status}`);
  }
  if (!response.ok) throw new Refusal(response.status, answer.error ?? `HTTP ${response.status}`);
  return { answer, headers: response.headers };
}

const pathOf = (model, verb) => `/v1/models/${encodeURIComponent(model)}:${verb}`;

/** Throughput and latency of the last minutes, and what is served. */
export const stats = async () => (await ask('/console/api/stats')).answer;

/** TensorFlow Serving's predict, with the id that feedback refers to and the time there and back in milliseconds. */
export async function predict(model, body) {
  const startedMs = performance.now();
  const { answer, headers } = await ask(pathOf(model, 'predict'), body);
  return {
    answer,
    milliseconds: performance.now() - startedMs,
    predictionId: headers.get(predictionIdHeader),
  };
}

/** Resolves once the feedback is committed. `verdict` is one of {label}, {rating}, {correction}. */
export const feedback = (model, predictionId, verdict) =>
  ask(pathOf(model, 'feedback'), { predictionId, ...verdict });
