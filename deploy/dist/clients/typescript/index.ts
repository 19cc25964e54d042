// A client of the control plane: calls with the types of its description, events with resuming, terminals.

import createClient, { type Client, type ClientOptions } from "openapi-fetch";

import type { paths } from "./schema.js";

export type * from "./schema.js";
export * from "./streams.js";

/** Calls of the control plane at `baseUrl`, such as `http://localhost:3000`. */
export function parallax(options: ClientOptions): Client<paths> {
  return createClient<paths>(options);
}
