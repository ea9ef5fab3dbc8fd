/** A configuration that cannot work: which setting, and a whole sentence that says why and what to do. */

/** Exit code of every command that was used or configured wrongly. */
export const USAGE_EXIT_CODE = 2;

/**
 * Thrown for impossible or contradictory settings. `field` is the setting's flag without dashes ("subnet-len");
 * `reason` is the sentence shown to people and names everything involved.
 */
export class ConfigError extends Error {
  readonly field: string;
  readonly reason: string;
  readonly exitCode: number = USAGE_EXIT_CODE;

  constructor(field: string, reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.name = "ConfigError";
    this.field = field;
    this.reason = reason;
  }
}
