// Devices that are told by Web Push.

import { call } from "./client";
import type { PushDevice, PushInfo, PushSubscriptionRequest } from "./types";

export const getPush = (): Promise<PushInfo> => call("GET", "/api/push");

export const putDevice = (subscription: PushSubscriptionRequest): Promise<PushDevice> => call("POST", "/api/push/devices", subscription);

export const deleteDevice = (id: string): Promise<void> => call("DELETE", `/api/push/devices/${encodeURIComponent(id)}`);
