/** A picture or a column that cannot be made into a model's input. Always the sender's fault; the message holds none of its values. */
export class ProcessingFault extends Error {
  override readonly name = 'ProcessingFault';
}
