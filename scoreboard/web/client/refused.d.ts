/** The server said no to what was asked for. `status` is 0 if it said nothing. */
export class Refused extends Error {
  readonly status: number;
  /** The API's code, or `unreachable`. Of a session also `left`: somebody else is logged in by now. */
  readonly code: string;
  /** What is wrong, by member of the body, with `invalid_payload` and `name_refused`. */
  readonly errors: Readonly<Record<string, string | readonly string[]>>;
  /** The grant that was made before, with `already_granted`. */
  readonly grant: { readonly actionId: string; readonly points: number; readonly grantedAt: string } | null;
  readonly retryAfterSeconds: number | null;
}
