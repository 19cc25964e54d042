// Who calls, and what the server asks of callers.

import { call } from "./client";
import type { Whoami } from "./types";

export const whoami = (): Promise<Whoami> => call("GET", "/api/whoami");
