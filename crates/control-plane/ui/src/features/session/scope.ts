// What this page's token allows. What may not be done is not offered.

import { useQuery } from "@tanstack/react-query";
import { whoami } from "../../api/session";
import { keys } from "../../server-state/store";

/** What the caller may do; unknown until the server has said it. */
export const useScope = () => useQuery({ queryKey: keys.whoami, queryFn: whoami }).data?.scope;

/** Whether the server shows what agents serve. */
export const useProxiesPorts = () => useQuery({ queryKey: keys.whoami, queryFn: whoami }).data?.proxiesPorts === true;

/** Whether it may spawn, answer, type and stop. Not before the server has said so: a button that vanishes is worse than one that comes. */
export function useMayOperate(): boolean {
  const scope = useScope();
  return scope === "operate" || scope === "admin";
}
