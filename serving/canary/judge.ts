import type { Canary } from '../contract/index.ts';

/** What became of one request that the canary got. */
export type CanaryOutcome =
  /** Compared with what `stable` answered: the times of both in milliseconds. */
  | { readonly kind: 'same' | 'different'; readonly stableMs: number; readonly canaryMs: number }
  /** Answered, with nothing to compare it with. */
  | { readonly kind: 'answered' }
  /** It said that it cannot. */
  | { readonly kind: 'failing' }
  /** It said nothing in time. */
  | { readonly kind: 'late' };

export const removalReasons = ['wrong', 'slow', 'failing', 'crashing'] as const;
export type RemovalReason = (typeof removalReasons)[number];

export interface Verdict {
  readonly reason: RemovalReason;
  /** With the figures. */
  readonly message: string;
}

type Compared = Extract<CanaryOutcome, { readonly stableMs: number }>;

/** The newest outcomes count; what was long ago does not excuse what is now. */
const leastWindow = 500;
/** Differences below this are a machine's noise. */
const noiseMs = 2;
/** So many ends of the process, while it started or ran the model, are no accident. */
const maxCrashes = 2;
/** So many with nothing to do are none either, where it was never well for long between them. */
const maxIdleEnds = 6;
/** A process that ran for so long is well. */
export const wellAfterMs = 600_000;

function median(values: number[]): number {
  values.sort((a, b) => a - b);
  return values[Math.floor(values.length / 2)] ?? 0;
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

/** Judges one canary by what its requests came to. */
export class Judge {
  readonly #rules: Canary;
  readonly #window: number;
  readonly #outcomes: CanaryOutcome[] = [];
  /** Kept by themselves: the answers with nothing to compare them with may be many more. */
  readonly #compared: Compared[] = [];
  #crashes = 0;
  #idleEnds = 0;

  constructor(rules: Canary) {
    this.#rules = rules;
    this.#window = Math.max(leastWindow, rules.minSamples);
  }

  /** Why it has to go; undefined where it may stay. */
  add(outcome: CanaryOutcome): Verdict | undefined {
    this.#keep(this.#outcomes, outcome);
    if ('stableMs' in outcome) this.#keep(this.#compared, outcome);
    if (this.#outcomes.length < this.#rules.minSamples) return undefined;
    return this.#wrong() ?? this.#failing() ?? this.#slow();
  }

  crashed(): Verdict | undefined {
    this.#crashes += 1;
    if (this.#crashes < maxCrashes) return undefined;
    return {
      reason: 'crashing',
      message: `its process ended ${this.#crashes} times while it started or ran`,
    };
  }

  /** Its process ended with nothing to do, `ranMs` after its start. Once may be the machine's fault. */
  endedIdle(ranMs: number): Verdict | undefined {
    this.#idleEnds = ranMs < wellAfterMs ? this.#idleEnds + 1 : 1;
    if (this.#idleEnds < maxIdleEnds) return undefined;
    return { reason: 'crashing', message: `its process ended ${this.#idleEnds} times with nothing to do` };
  }

  #keep<T>(outcomes: T[], outcome: T): void {
    outcomes.push(outcome);
    if (outcomes.length > this.#window) outcomes.shift();
  }

  #wrong(): Verdict | undefined {
    const compared = this.#compared;
    const { minSamples, maxDifferent } = this.#rules;
    if (compared.length < minSamples) return undefined;
    const share = compared.filter(({ kind }) => kind === 'different').length / compared.length;
    if (share <= maxDifferent) return undefined;
    const message = `${percent(share)} of ${compared.length} answers differ from those of stable, ${percent(maxDifferent)} may`;
    return { reason: 'wrong', message };
  }

  #failing(): Verdict | undefined {
    const { maxFailing } = this.#rules;
    const total = this.#outcomes.length;
    for (const [kind, reason] of [
      ['failing', 'failing'],
      ['late', 'slow'],
    ] as const) {
      const share = this.#outcomes.filter((outcome) => outcome.kind === kind).length / total;
      if (share <= maxFailing) continue;
      const message = `${percent(share)} of ${total} requests were ${kind}, ${percent(maxFailing)} may`;
      return { reason, message };
    }
    return undefined;
  }

  #slow(): Verdict | undefined {
    const compared = this.#compared;
    const { minSamples, maxSlowdown } = this.#rules;
    if (compared.length < minSamples) return undefined;
    const stableMs = median(compared.map((outcome) => outcome.stableMs));
    const canaryMs = median(compared.map((outcome) => outcome.canaryMs));
    if (canaryMs <= maxSlowdown * stableMs || canaryMs - stableMs <= noiseMs) return undefined;
    const message = `it takes ${canaryMs.toFixed(2)} ms where stable takes ${stableMs.toFixed(2)} ms, ${maxSlowdown} times as long it may`;
    return { reason: 'slow', message };
  }
}
