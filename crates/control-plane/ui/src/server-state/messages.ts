// The conversation with an agent.

import { useQuery } from "@tanstack/react-query";
import { listMessages } from "../api/agents";
import type { Message } from "../api/types";
import { keys, store } from "./store";

/** How often they are asked for while one is on its way, in milliseconds: `accepted → typed → taken` is no event. */
const ON_ITS_WAY_MS = 1500;

const isOnItsWay = ({ state }: Message): boolean => state === "accepted" || state === "typed";

export const useMessages = (agentId: string) =>
  useQuery({
    queryKey: keys.messages(agentId),
    queryFn: () => listMessages(agentId),
    // Events while nobody showed them were not followed.
    staleTime: 0,
    refetchInterval: ({ state }) => (state.data?.some(isOnItsWay) ? ON_ITS_WAY_MS : false),
  });

/** Asks again for those that are shown. */
export const refreshMessages = (agentId: string): Promise<void> =>
  store.invalidateQueries({ queryKey: keys.messages(agentId) });
