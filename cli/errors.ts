/** What the command line itself refuses, with the way out. */
export const errorTable = {
  CLI_UNKNOWN_COMMAND: 'Run `modelmile --help` for the list.',
  CLI_USAGE: 'Run the command with --help for its arguments.',
  CLI_NO_SERVER: 'Start one: `npm start`, or `modelmile up dev`.',
  CLI_SEVERAL_SERVERS: 'Choose one with --port N.',
  CLI_NOT_SERVED: 'Give the name of a model as its server has it.',
  CLI_UNKNOWN_MODEL:
    'Its models are in Pulumi.dev.yaml; `modelmile up` brings the stack to what stands there.',
  CLI_VERSION_EXISTS: 'A version never changes: choose another folder with --out, or remove that one.',
  CLI_NOTHING_KEPT: 'See `modelmile rollback --list`.',
  CLI_PORT_TAKEN:
    '`--port 0 --grpc-port 0 --management-port 0` takes free ports; `modelmile down` stops the dev stack, if it is the one that has them.',
  CLI_SERVED_ALREADY:
    'Ctrl-C where it was started ends it; beside it the same model can be served with another --port N or another --name.',
  CLI_SERVER_FAILED: 'Mend what it says and run the same command again.',
  CLI_NO_SUCH_FILE: 'Check the path; it is taken from the folder that you are in.',
  CLI_BAD_INPUT: 'docs/score.md shows the forms that are read.',
  CLI_OTHER_RUN: 'Delete it together with its .part.json, or choose another --out.',
  CLI_STILL_RUNNING: 'Wait for it to end, or choose another --out.',
  CLI_SCORING_FAILED: 'What is done is kept: mend what it says and run the same command again.',
  CLI_STACK_UNKNOWN: 'A stack is a file Pulumi.<stack>.yaml in the checkout.',
  CLI_NOTHING_TO_RENDER: 'Name a stack on kubernetes or aws with --stack; `modelmile fork` writes one.',
  CLI_STACK_DOWN: '`modelmile up <stack>` brings it up.',
  CLI_STACK_UNREADABLE: 'It is no YAML from there on: correct the file.',
  CLI_STACK_EXISTS: 'Choose another name, or remove that file.',
  CLI_PULUMI_FAILED: 'Mend what Pulumi says and run the same command again.',
  CLI_STACK_LOCKED:
    'Wait for the other command to end. If it was killed: `npx pulumi cancel -s <stack> --yes`.',
  CLI_SWEEP_FAILED:
    'The stack is gone; whether AWS still holds something of it is not known. Run that command where it works: it should list nothing.',
  CLI_STAND_INS_REFUSED:
    'Install the plugin of aws (`pulumi plugin install resource aws`) and leave --stand-ins out.',
} as const satisfies Record<string, string>;

export type CliErrorCode = keyof typeof errorTable;

/** A refusal by the command line: shown as one sentence and its way out, never as a stack trace. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly code: CliErrorCode;

  constructor(code: CliErrorCode, message: string) {
    super(`${message} ${errorTable[code]}`);
    this.code = code;
  }
}
