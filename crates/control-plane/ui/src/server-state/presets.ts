// The presets. Reading them needs a token that may spawn.

import { useQuery } from "@tanstack/react-query";
import { listPresets } from "../api/presets";
import { useMayOperate } from "../features/session/scope";
import { keys } from "./store";

export const usePresets = () => useQuery({ queryKey: keys.presets, queryFn: listPresets, staleTime: 0, enabled: useMayOperate() });
