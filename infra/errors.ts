import { RunError } from '@pulumi/pulumi';

/** Everything that infra refuses: stable code -> what to do next. */
export const infraErrors = {
  SETTING_INVALID:
    'Correct the key in Pulumi.<stack>.yaml; `modelmile settings` prints every key with its type and default.',
  SETTING_UNKNOWN: 'Look for a typing mistake; `modelmile settings` prints every key.',
  HARDWARE_INCOMPATIBLE:
    'Choose a row of infra/environment/compatibility.ts, or add one with its source after trying it.',
  HARDWARE_TOO_SMALL:
    'Choose a larger instance type, a smaller model (`modelmile convert --method auto`) or a lower target load.',
  MODELS_UNSIGNED:
    'Make a key pair (`openssl genpkey -algorithm ed25519 -out signing.pem`, then `openssl pkey -in signing.pem -pubout`), put the public key into modelmile:serving.trustedKeys, and run `up` with MODELMILE_SIGNING_KEY=signing.pem.',
  MODEL_MISSING: 'Run `modelmile preview` or `up` again: converting the model writes it there.',
  POLICY_VIOLATED:
    'Change the setting that the message names; mandatory policies have no exception (docs/security.md).',
} as const;
export type InfraErrorCode = keyof typeof infraErrors;

/** A refusal: what happened and where, then what to do next. A RunError, so that the engine prints it without a stack trace. */
export class InfraError extends RunError {
  readonly code: InfraErrorCode;

  constructor(code: InfraErrorCode, whatAndWhere: string) {
    super(`${code}: ${whatAndWhere} ${infraErrors[code]}`);
    this.code = code;
  }
}
