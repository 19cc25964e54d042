// The page: follows the events, and shows what the store knows.

import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { registerWorker } from "./features/push/subscription";
import { router } from "./router";
import { followEvents } from "./server-state/event-stream";
import { store } from "./server-state/store";
import "./styles/base.css";
import "./styles/controls.css";
import "./styles/frame.css";
import "./styles/agents.css";
import "./styles/agent.css";
import "./styles/attention.css";
import "./styles/markdown.css";
import "./styles/pages.css";

createRoot(document.querySelector("#app")!).render(
  <StrictMode>
    <QueryClientProvider client={store}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </StrictMode>,
);
void followEvents();
registerWorker();
